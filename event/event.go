// Package event holds what an event is, for both ends: typed contracts, received events, handlers and middleware.
//
// A contract is a constant that both ends import. It says what an event is called, what it carries and
// what it is answered with:
//
//	const (
//		Say   event.Of[Message]          = "chat message"
//		Login event.WithAck[Creds, User] = "login"
//	)
//
// The package sends and waits for nothing itself: a Socket does, of the server or of the client.
package event

import (
	"context"
	"errors"
	"sync/atomic"

	"sio.example/socketio/parser"
)

// The errors of Event.Ack.
var (
	ErrAcked = errors.New("event: acknowledged already")
	ErrNoAck = errors.New("event: no acknowledgement asked for")
)

// An Event is one received event. It is valid as long as one keeps it, and must not be copied.
type Event struct {
	Name string
	Args parser.Args

	reply func(args []any) error
	acked atomic.Bool
}

// New makes an event; reply is nil when the peer asked for no acknowledgement. It is never called twice at a time, and
// never again once it returned nil. If it returns an error it must have sent nothing.
func New(name string, args parser.Args, reply func(args []any) error) *Event {
	return &Event{Name: name, Args: args, reply: reply}
}

// Bind decodes the arguments in order; see parser.Args.Bind.
func (e *Event) Bind(dst ...any) error { return e.Args.Bind(dst...) }

// WantsAck reports whether the peer asked for an acknowledgement.
func (e *Event) WantsAck() bool { return e.reply != nil }

// Ack acknowledges the event, at most once: a second call returns ErrAcked, and an event that asked for none ErrNoAck.
// A parser.Tuple or parser.Args among args stands for several values. An acknowledgement that could not be sent,
// because a value cannot be encoded, does not count. Ack is safe for concurrent use, and may be called after the
// handler returned.
func (e *Event) Ack(args ...any) error {
	if e.reply == nil {
		return ErrNoAck
	}
	if !e.acked.CompareAndSwap(false, true) {
		return ErrAcked
	}
	if err := e.reply(args); err != nil {
		e.acked.Store(false)
		return err
	}
	return nil
}

// Acked reports whether the event was acknowledged.
func (e *Event) Acked() bool { return e.acked.Load() }

// A Handler handles one event.
type Handler func(ctx context.Context, e *Event) error

// A Middleware wraps a handler.
type Middleware func(next Handler) Handler

// Listener is what events are received from: a Socket of the server or of the client.
type Listener interface {
	On(name string, h Handler) (off func())
}

// Emitter is what events are sent through.
type Emitter interface {
	Emit(name string, args ...any) error
}

// AckEmitter asks one peer for an acknowledgement.
type AckEmitter interface {
	EmitWithAck(ctx context.Context, name string, args ...any) (parser.Args, error)
}

// BroadcastAckEmitter asks many.
type BroadcastAckEmitter interface {
	EmitWithAck(ctx context.Context, name string, args ...any) ([]parser.Args, error)
}
