package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/parser"
)

// emitAckTimeout is short: many events are not acknowledged, and whoever sends one has to be told in time.
const emitAckTimeout = 3 * time.Second

const emitUsage = `Usage: sio emit URL EVENT [ARG...] [flags]

Connects, sends one event, and prints what it is acknowledged with: each value as JSON on
a line of its own. The path of the URL is the namespace. An argument is JSON, @FILE for the
bytes of a file (@- for stdin), or a string; '"42"' is the string 42.

  sio emit localhost:3000 greet alice
  sio emit https://example.com/admin kick '{"id":7}' --auth @token.json
  sio emit localhost:3000 upload @photo.jpg --no-ack
` + exitUsage

func runEmit(ctx context.Context, args []string, std stdio) error {
	fs := flag.NewFlagSet("emit", flag.ContinueOnError)
	var t target
	t.flags(fs, emitAckTimeout)
	noAck := fs.Bool("no-ack", false, "send only, and don't wait for an acknowledgement")
	raw := fs.Bool("raw", false, "print strings and bytes as they are, not as JSON")
	rest, done, err := parseFlags(fs, args, std.out, emitUsage)
	if err != nil || done {
		return err
	}
	if len(rest) < 2 {
		return usagef("emit", "give the URL of a server, and an event")
	}
	if parser.IsReserved(rest[1]) {
		return usagef("emit", "the event name %s is reserved", rest[1])
	}
	opts, err := t.options(rest[0])
	if err != nil {
		return usagef("emit", "%v", err)
	}
	values := make([]any, len(rest)-2)
	for i, arg := range rest[2:] {
		if values[i], err = parseArg(arg, std.in); err != nil {
			return usagef("emit", "argument %d: %v", i+1, err)
		}
	}
	opts.DisableReconnection = true
	opts.Engine.DisableUpgrade = true // it would take longer than the event
	out := newOutput(std, false, shownArgs)
	tr := newTracer(t.verbosity(), func(text string) { out.show(&record{Type: recordTrace, Text: text}) })
	tr.parser = opts.Parser
	opts.Engine.Trace = tr.trace()

	m := client.NewManager(t.server, opts)
	defer m.Close()
	s := m.Socket(t.namespace, nil)
	// ConnectTimeout is for the connection alone; the namespace may keep us waiting, too.
	connecting, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	if err := s.Connect(connecting); err != nil {
		return emitError(ctx, &t, err)
	}
	if *noAck {
		return sendOnly(ctx, m, s, &t, rest[1], values)
	}
	limit := maxPayload(m)
	ack, err := s.EmitWithAck(ctx, rest[1], values...)
	if err != nil {
		err = emitError(ctx, &t, err)
		var exit *exitError
		if n := size(values); errors.As(err, &exit) && limit > 0 && n > limit {
			exit.hint = fmt.Sprintf("The server takes messages of %s; this one has %s.",
				byteCount(int(limit)), byteCount(int(n)))
		}
		return err
	}
	if err := printAck(std.out, ack, *raw); err != nil {
		return err
	}
	bye, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	_ = m.Shutdown(bye) // the answer is there: how we part does not matter
	return nil
}

// maxPayload is how large a message the server takes, in bytes; 0 if it did not say.
func maxPayload(m *client.Manager) int64 {
	if e := m.Engine(); e != nil {
		return e.Handshake().MaxPayload
	}
	return 0
}

// size is how many bytes args have, roughly.
func size(args []any) (n int64) {
	for _, v := range args {
		switch v := v.(type) {
		case string:
			n += int64(len(v))
		case []byte:
			n += int64(len(v))
		case json.RawMessage:
			n += int64(len(v))
		}
	}
	return n
}

// sendOnly sends, and waits until that is done.
func sendOnly(ctx context.Context, m *client.Manager, s *client.Socket, t *target, name string, args []any) error {
	if err := s.Emit(name, args...); err != nil {
		return emitError(ctx, t, err)
	}
	sending, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	if err := m.Shutdown(sending); err != nil {
		if ctx.Err() != nil {
			return errInterrupted
		}
		return &exitError{code: exitNoConnection, text: fmt.Sprintf("the event could not be sent within %v", t.timeout)}
	}
	return nil
}

// emitError is the error of the command for one of the client.
func emitError(ctx context.Context, t *target, err error) error {
	var refused *client.ConnectError
	switch {
	case ctx.Err() != nil:
		return errInterrupted
	case errors.As(err, &refused):
		s := style{maxArgs: shownArgs}
		text := fmt.Sprintf("the server refuses %s: %s", safe(t.namespace), safe(cutText(refused.Message, 500)))
		if r := refusal(t.namespace, refused); r.Args.Len() > 0 {
			text += "  " + s.args(r.Args)
		}
		return &exitError{code: exitRefused, text: text}
	case errors.Is(err, client.ErrAckTimeout):
		return &exitError{
			code: exitNoAck, text: fmt.Sprintf("the event was sent, but not acknowledged within %v", t.ackTimeout),
			hint: "--no-ack is for events that the server does not acknowledge, --ack-timeout waits longer.",
		}
	case errors.Is(err, client.ErrDisconnected):
		return &exitError{code: exitNoAck, text: "the connection was lost before the acknowledgement came"}
	case errors.Is(err, client.ErrClosed), errors.Is(err, client.ErrBufferFull):
		return err
	}
	text, hint := explain(err)
	return &exitError{code: exitNoConnection, text: "no connection to " + safe(t.server) + ": " + text, hint: hint}
}

// printAck prints each value on a line of its own.
func printAck(w io.Writer, ack client.Args, raw bool) error {
	values, err := jsonArgs(ack)
	if err != nil {
		return err
	}
	for i, v := range values {
		if raw {
			var text any
			if err := ack.Decode(i, &text); err != nil {
				return err
			}
			switch text := text.(type) {
			case string:
				if _, err := io.WriteString(w, strings.TrimSuffix(text, "\n")+"\n"); err != nil {
					return err
				}
				continue
			case []byte:
				if _, err := w.Write(text); err != nil {
					return err
				}
				continue
			}
		}
		line, err := marshal(v)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "%s\n", line); err != nil {
			return err
		}
	}
	return nil
}
