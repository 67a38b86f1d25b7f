package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"sio.example/socketio/client"
)

// A record is something that happened, and is shown.
type record struct {
	Time      time.Time
	Type      recordType
	Namespace string
	Event     string
	Args      client.Args
	Number    int           // of an acknowledgement that is asked for, or was
	Took      time.Duration // of an acknowledgement
	ID        string        // of the socket
	Transport string
	Recovered bool
	Attempt   int
	Text      string // a reason, an error's text, or all there is to say
	Hint      string // what may be done about it
	Offline   bool   // what was sent waits for a connection
}

type recordType string

// The types of records, as --json names them.
const (
	recordEvent      recordType = "event"           // was received
	recordEmit       recordType = "emit"            // was sent
	recordAck        recordType = "ack"             // the answer to an event that was sent
	recordAckError   recordType = "ack_error"       // there is none
	recordReply      recordType = "reply"           // our answer to an event that was received
	recordConnect    recordType = "connect"         // a namespace
	recordRefused    recordType = "connect_refused" // by the server
	recordError      recordType = "connect_error"   // there is no connection
	recordDisconnect recordType = "disconnect"
	recordAttempt    recordType = "reconnect_attempt"
	recordGaveUp     recordType = "reconnect_failed"
	recordNote       recordType = "note"    // from the program itself
	recordProblem    recordType = "problem" // with what was typed
	recordTrace      recordType = "trace"   // from the layers below
)

// received reports whether the record came from an application at the other end: this is the output of the program, and
// all else tells about its work.
func (r *record) received() bool { return r.Type == recordEvent || r.Type == recordAck }

// palette are the escape sequences of what is coloured; all empty where colours are not wanted.
type palette struct{ dim, in, out, name, good, bad, reset string }

// aboutEvent reports whether the record is about an event, and not about a connection, whose namespace it says anyway.
func (r *record) aboutEvent() bool {
	return slices.Contains([]recordType{recordEvent, recordEmit, recordAck, recordAckError, recordReply}, r.Type)
}

var colours = palette{
	dim: "\x1b[2m", in: "\x1b[36m", out: "\x1b[35m", name: "\x1b[1m",
	good: "\x1b[32m", bad: "\x1b[31m", reset: "\x1b[0m",
}

// A style says how records become lines for people.
type style struct {
	palette
	// maxArgs is how many bytes of an event are shown; negative means all.
	maxArgs int
	// names says that there is more than one namespace, so that its name has to be shown.
	names bool
}

// line is the record for people, without anything in it that a server could have put there to control the terminal.
func (s *style) line(r *record) string {
	var b strings.Builder
	b.WriteString(s.dim + r.Time.Local().Format("15:04:05.000") + s.reset + " ")
	if s.names && r.Namespace != "" && r.aboutEvent() {
		b.WriteString(s.dim + safe(cutText(r.Namespace, 40)) + s.reset + " ")
	}
	switch r.Type {
	case recordEvent:
		b.WriteString(s.in + "←" + s.reset + " " + s.event(r))
		if r.Number > 0 {
			fmt.Fprintf(&b, "  %swants ack #%d%s", s.dim, r.Number, s.reset)
		}
	case recordEmit:
		b.WriteString(s.out + "→" + s.reset + " " + s.event(r))
		if r.Number > 0 {
			fmt.Fprintf(&b, "  %sack #%d?%s", s.dim, r.Number, s.reset)
		}
		if r.Offline {
			b.WriteString(s.dim + "  (waits for the connection)" + s.reset)
		}
	case recordAck:
		fmt.Fprintf(&b, "%s← ack #%d%s %s%s  %s%s%s", s.in, r.Number, s.reset, s.args(r.Args),
			s.dim+"  "+eventName(r.Event)+s.reset, s.dim, took(r.Took), s.reset)
	case recordReply:
		fmt.Fprintf(&b, "%s→ ack #%d%s %s", s.out, r.Number, s.reset, s.args(r.Args))
	case recordAckError:
		fmt.Fprintf(&b, "%s✗ ack #%d%s %s  %s%s%s", s.bad, r.Number,
			s.reset, safe(r.Text), s.dim, eventName(r.Event), s.reset)
	default:
		s.status(&b, r)
	}
	return b.String()
}

// status writes a record that is about the connection or the program.
func (s *style) status(b *strings.Builder, r *record) {
	bad := func(text string) { b.WriteString(s.bad + "✗" + s.reset + " " + text) }
	switch r.Type {
	case recordConnect:
		fmt.Fprintf(b, "%s✓%s connected to %s  ", s.good, s.reset, safe(r.Namespace))
		fmt.Fprintf(b, "%s%s over %s%s", s.dim, safe(r.ID), r.Transport, s.reset)
		if r.Recovered {
			b.WriteString("  (recovered)")
		}
	case recordDisconnect:
		bad("disconnected from " + safe(r.Namespace) + ": " + safe(r.Text))
	case recordRefused:
		bad("the server refuses " + safe(r.Namespace) + ": " + safe(cutText(r.Text, 500)))
		if r.Args.Len() > 0 {
			b.WriteString("  " + s.args(r.Args))
		}
	case recordError:
		bad("no connection: " + safe(r.Text))
	case recordAttempt:
		fmt.Fprintf(b, "%s… reconnecting, attempt %d", s.dim, r.Attempt)
		if r.Took > 0 {
			fmt.Fprintf(b, " after %s", took(r.Took))
		}
		b.WriteString(s.reset)
	case recordProblem:
		bad(r.Text)
	case recordGaveUp:
		bad("no more attempts to reconnect")
	case recordTrace:
		b.WriteString(s.dim + r.Text + s.reset)
	default:
		b.WriteString(r.Text)
	}
	if r.Hint != "" {
		b.WriteString("\n             " + s.dim + r.Hint + s.reset)
	}
}

func (s *style) event(r *record) string {
	text := s.name + eventName(r.Event) + s.reset
	if args := s.args(r.Args); args != "" {
		text += " " + args
	}
	return text
}

// eventName is the name as it would be typed: in quotes where it has to be.
func eventName(name string) string {
	name = cutText(name, 100)
	special := func(r rune) bool { return unicode.IsSpace(r) || unsafeRune(r) }
	if name != "" && name != ackMark && !strings.ContainsAny(name[:1], "{[\"'/@") && !isScalar(name) &&
		strings.IndexFunc(name, special) < 0 && utf8.ValidString(name) {
		return name
	}
	text, _ := json.Marshal(name) // strings have a JSON form
	return jsonText(string(text))
}

// args are arguments as JSON, with bytes described and what is long cut.
func (s *style) args(args client.Args) string {
	var b strings.Builder
	for i := range args.Len() {
		if i > 0 {
			b.WriteByte(' ')
		}
		room := -1
		if s.maxArgs >= 0 {
			if room = s.maxArgs - b.Len(); room <= 0 {
				fmt.Fprintf(&b, "%s… and %d more%s", s.dim, args.Len()-i, s.reset)
				break
			}
		}
		b.WriteString(s.arg(args, i, room))
	}
	return b.String()
}

func (s *style) arg(args client.Args, i, room int) string {
	if raw, ok := args.Raw(i); ok {
		return s.cutJSON(string(raw), room)
	}
	var v any
	if err := args.Decode(i, &v); err != nil {
		return s.bad + "(" + safe(err.Error()) + ")" + s.reset
	}
	if data, ok := v.([]byte); ok {
		return s.dim + "<" + describeBytes(data) + ">" + s.reset
	}
	text, err := marshal(describeAll(v))
	if err != nil {
		return s.bad + "(" + safe(err.Error()) + ")" + s.reset
	}
	return s.cutJSON(string(text), room)
}

// cutJSON is JSON text that may be shown: at most room bytes of it, unless room is negative.
func (s *style) cutJSON(text string, room int) string {
	if room < 0 || len(text) <= room {
		return jsonText(text)
	}
	return jsonText(cutText(text, room)) + s.dim + " (" + byteCount(len(text)) + ")" + s.reset
}

// describeAll returns v with bytes as text for people.
func describeAll(v any) any {
	switch v := v.(type) {
	case []byte:
		return "<" + describeBytes(v) + ">"
	case []any:
		for i, e := range v {
			v[i] = describeAll(e)
		}
	case map[string]any:
		for k, e := range v {
			v[k] = describeAll(e)
		}
	case float64:
		return finite(v)
	}
	return v
}

// describeBytes says how many there are, and the first of them.
func describeBytes(data []byte) string {
	const shown = 16
	text := byteCount(len(data))
	if len(data) > 0 {
		text += fmt.Sprintf(": % x", data[:min(shown, len(data))])
	}
	if len(data) > shown {
		text += " …"
	}
	return text
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

// jsonArgs are arguments as JSON values, for machines: with {"$bin": base64} for bytes, and all else as it came.
func jsonArgs(args client.Args) ([]any, error) {
	out := make([]any, args.Len())
	for i := range out {
		if raw, ok := args.Raw(i); ok {
			out[i] = json.RawMessage(raw)
			continue
		}
		if err := args.Decode(i, &out[i]); err != nil {
			return nil, err
		}
		out[i] = plainJSON(out[i])
	}
	return out, nil
}

// jsonLine is the record for machines.
func jsonLine(r *record) ([]byte, error) {
	line := struct {
		Time      string     `json:"time"`
		Type      recordType `json:"type"`
		Namespace string     `json:"nsp,omitempty"`
		Event     string     `json:"event,omitempty"`
		Args      *[]any     `json:"args,omitempty"`
		Ack       int        `json:"ack,omitempty"`
		TookMS    *float64   `json:"ms,omitempty"`
		ID        string     `json:"id,omitempty"`
		Transport string     `json:"transport,omitempty"`
		Recovered bool       `json:"recovered,omitempty"`
		Attempt   int        `json:"attempt,omitempty"`
		Data      any        `json:"data,omitempty"`
		Message   string     `json:"message,omitempty"`
	}{
		Time: r.Time.Format(time.RFC3339Nano), Type: r.Type, Namespace: r.Namespace, Event: r.Event, Ack: r.Number,
		ID: r.ID, Transport: r.Transport, Recovered: r.Recovered, Attempt: r.Attempt, Message: r.Text,
	}
	switch args, err := jsonArgs(r.Args); {
	case err != nil:
		return nil, err
	case r.Type == recordRefused:
		if len(args) > 0 {
			line.Data = args[0]
		}
	case r.Type == recordEvent || r.Type == recordAck || r.Type == recordEmit || r.Type == recordReply:
		line.Args = &args
	}
	if r.Type == recordAck || r.Type == recordAttempt {
		ms := float64(r.Took.Microseconds()) / 1000
		line.TookMS = &ms
	}
	return marshal(line)
}
