package admin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/parser"
)

// A description is a socket as the UI has it.
type description struct {
	ID        string          `json:"id"`
	ClientID  string          `json:"clientId"`
	Transport string          `json:"transport"`
	Namespace string          `json:"nsp"`
	Data      json.RawMessage `json:"data"`
	Handshake request         `json:"handshake"`
	Rooms     []string        `json:"rooms"`
}

// request is the handshake as the UI has it. Auth is not shown, nor is what identifies the user of a browser.
type request struct {
	Address string            `json:"address"`
	Headers map[string]string `json:"headers"`
	Query   map[string]string `json:"query"`
	Issued  int64             `json:"issued"`
	Secure  bool              `json:"secure"`
	Time    string            `json:"time"`
	URL     string            `json:"url"`
	XDomain bool              `json:"xdomain"`
}

// secret are the headers that are not shown.
var secret = map[string]bool{"Cookie": true, "Authorization": true, "Proxy-Authorization": true}

// dateLayout is how JavaScript prints a Date as a string, in UTC.
const dateLayout = "Mon Jan 02 2006 15:04:05 GMT-0700 (Coordinated Universal Time)"

// clientID names the connection of a socket. The id of the session is a secret, of which this tells nothing.
func clientID(s *socketio.Socket) string {
	hash := sha256.Sum256([]byte("admin " + s.Conn().ID()))
	return hex.EncodeToString(hash[:6])
}

func (w *watch) describe(s *socketio.Socket) *description {
	d := &description{
		ID: s.ID(), ClientID: clientID(s), Transport: s.Conn().Transport(), Namespace: s.Namespace().Name(),
		Data: json.RawMessage("{}"), Handshake: describeRequest(s.Handshake()), Rooms: s.Rooms(),
	}
	if d.Rooms == nil {
		d.Rooms = []string{}
	}
	if fn := w.panel.opts.Data; fn != nil && d.Namespace != w.panel.ns.Name() {
		d.Data = shownData(fn, s)
	}
	return d
}

// shownData is what fn says as an object, which is what the UI can show.
func shownData(fn func(s *socketio.Socket) any, s *socketio.Socket) (text json.RawMessage) {
	text = json.RawMessage("{}")
	defer func() {
		if recover() != nil { // of fn, or of a marshaler: the socket is shown without
			text = json.RawMessage("{}")
		}
	}()
	v := fn(s)
	if v == nil {
		return text
	}
	data, ok := parser.NewArgs(v).Raw(0)
	switch {
	case !ok:
	case len(data) > 0 && data[0] == '{':
		return data
	default:
		return json.RawMessage(fmt.Sprintf(`{"value":%s}`, data))
	}
	return text
}

func describeRequest(h *socketio.Handshake) request {
	r := request{
		Address: h.RemoteAddr, Headers: make(map[string]string), Query: make(map[string]string),
		Issued: h.Time.UnixMilli(), Secure: h.TLS != nil, Time: h.Time.UTC().Format(dateLayout),
		XDomain: h.Header.Get("Origin") != "",
	}
	if host, _, err := net.SplitHostPort(h.RemoteAddr); err == nil {
		r.Address = host
	}
	for _, name := range []string{"X-Forwarded-For", "Cf-Connecting-Ip"} { // the last one counts
		if v := h.Header.Get(name); v != "" {
			r.Address = v
		}
	}
	r.Address = cut(r.Address, maxShownValue)
	for name, values := range h.Header {
		if !secret[http.CanonicalHeaderKey(name)] {
			put(r.Headers, strings.ToLower(name), strings.Join(values, ", "))
		}
	}
	if h.Host != "" {
		put(r.Headers, "host", h.Host)
	}
	for name, values := range h.Query {
		if name != "sid" {
			put(r.Query, name, strings.Join(values, ", "))
		}
	}
	if h.URL != nil {
		r.URL = cut(h.URL.Path, maxShownValue)
	}
	return r
}

// How much is shown of the headers of a socket, and of its query: what is shown of all sockets is one message.
const (
	maxShownValues = 50
	maxShownValue  = 512
)

func put(shown map[string]string, name, value string) {
	if len(shown) < maxShownValues {
		shown[cut(name, maxShownValue)] = cut(value, maxShownValue)
	}
}

// cut is text, or its beginning and an ellipsis.
func cut(text string, size int) string {
	if len(text) <= size {
		return text
	}
	return strings.ToValidUTF8(text[:size], "") + "…"
}

func eventReceived(w *watch, v *view) func(ctx context.Context, e *socketio.Event) {
	return func(_ context.Context, e *socketio.Event) { w.event("event_received", v, e.Name, e.Args) }
}

// event tells of an event that a socket has received or was sent.
func (w *watch) event(what string, v *view, name string, args socketio.Args) {
	if !w.countEvent() {
		return
	}
	shown, size := w.arguments(name, args)
	w.out.add(messageCost+size, what, v.nsp, v.id, shown, timestamp())
}

// countEvent reports whether one more is shown in this second.
func (w *watch) countEvent() bool {
	now := time.Now().Unix()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return false
	}
	if w.second != now {
		w.second, w.events = now, 0
	}
	w.events++
	return w.events <= w.panel.opts.MaxEvents
}

// arguments are what is shown of an event: its name and its arguments, as they are now. What is too large, holds bytes
// or is no JSON is shown by a text about it, and so are all that come when there is no room any more.
func (w *watch) arguments(name string, args socketio.Args) (shown []any, size int) {
	limit := w.panel.opts.MaxEventBytes
	name = cut(name, limit)
	shown, size = []any{name}, len(name)
	for i := range args.Len() {
		if size >= limit {
			return append(shown, fmt.Sprintf("(%d arguments more)", args.Len()-i)), size
		}
		about := ""
		text, ok := args.Raw(i)
		switch {
		case !ok:
			about = args.Slice(i, i+1).String()
		case size+len(text) > limit:
			about = fmt.Sprintf("(%v of %d bytes)", args.Kind(i), len(text))
		default:
			shown, size = append(shown, json.RawMessage(text)), size+len(text)
			continue
		}
		shown, size = append(shown, about), size+len(about)
	}
	return shown, size
}
