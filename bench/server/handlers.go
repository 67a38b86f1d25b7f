package main

import (
	"context"

	socketio "sio.example/socketio"
	"sio.example/socketio/event"
	"sio.example/socketio/parser"
)

// message is the payload of all events but those that carry a Buffer.
type message struct {
	ID   int    `json:"id"`
	Text string `json:"text"`
}

// post is what the event "room" carries: two arguments.
type post struct {
	_       parser.Tuple
	Room    string
	Payload message
}

// The events that always have the same arguments. "echo" and "join" may be acknowledged or not, "echo" may bring
// anything, so that their handlers look at the event itself.
const (
	broadcast event.Of[message] = "bcast"
	room      event.Of[post]    = "room"
	rooms     event.Of[message] = "room" // as the members get it
)

// typed installs handlers that declare the types of their payloads, as the documentation recommends.
func typed(io *socketio.Server) {
	io.Handle("echo", echoTyped)
	io.Handle("join", join)
	socketio.Handle(io.Of("/"), broadcast, func(_ context.Context, _ *socketio.Socket, m message) error {
		return broadcast.Emit(io, m)
	})
	socketio.Handle(io.Of("/"), room, func(_ context.Context, _ *socketio.Socket, p post) error {
		return rooms.Emit(io.To(p.Room), p.Payload)
	})
}

func echoTyped(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
	if e.Args.Len() == 1 {
		if e.Args.HasBinary() {
			var b []byte
			if e.Bind(&b) == nil {
				return answer(s, e, b)
			}
		}
		var m message
		if e.Bind(&m) == nil && m != (message{}) {
			return answer(s, e, &m) // a pointer: what the interface holds need not be copied
		}
	}
	return answer(s, e, e.Args) // something else: as it came
}

// answer echoes one value, which may stand for several.
func answer(s *socketio.Socket, e *socketio.Event, value any) error {
	if e.WantsAck() {
		return e.Ack(value)
	}
	return s.Emit("echo", value)
}

func join(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
	var name string
	if err := e.Bind(&name); err != nil {
		return err
	}
	if err := s.Join(name); err != nil {
		return err
	}
	if e.WantsAck() {
		return e.Ack()
	}
	return nil
}

// untyped installs handlers that take arguments as JavaScript would.
func untyped(io *socketio.Server) {
	io.Handle("join", join)
	io.Handle("echo", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
		values, err := e.Args.Values()
		if err != nil {
			return err
		}
		if e.WantsAck() {
			return e.Ack(values...)
		}
		return s.Emit("echo", values...)
	})
	io.Handle("bcast", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error {
		values, err := e.Args.Values()
		if err != nil {
			return err
		}
		return io.Emit("bcast", values...)
	})
	io.Handle("room", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error {
		values, err := e.Args.Values()
		if err != nil || len(values) == 0 {
			return err
		}
		name, _ := values[0].(string)
		return io.To(name).Emit("room", values[1:]...)
	})
}
