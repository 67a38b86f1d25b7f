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
	"sync/atomic"

	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/parser"
)

// The errors of Event.Ack.
var (
	// ErrAcked is returned by all calls after the one that acknowledged the event.
	ErrAcked = errtext.New("event: acknowledged already")
	// ErrNoAck is returned when the peer asked for no acknowledgement; see Event.WantsAck.
	ErrNoAck = errtext.New("event: no acknowledgement asked for")
)

// An Event is one received event. It is valid as long as one keeps it, and must not be copied. Its methods are safe for
// concurrent use.
type Event struct {
	Name string      // as the peer sent it
	Args parser.Args // still encoded: Bind decodes them

	reply func(args []any) error
	acked atomic.Bool
}

// New makes an event, for the sockets of this module and for tests of handlers. reply sends the acknowledgement; it is
// nil when the peer asked for none. It is never called twice at a time, and never again once it returned nil. If it
// returns an error it must have sent nothing.
func New(name string, args parser.Args, reply func(args []any) error) *Event {
	return &Event{Name: name, Args: args, reply: reply}
}

// Bind decodes the arguments in order into pointers. Missing ones leave their destination as it is, further ones are
// ignored; one that does not fit is an error that matches *parser.ArgumentError. See parser.Args.Bind.
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

// A Handler handles one event. ctx is done when the socket is disconnected. What its error means to the peer is said at
// Event.AckError; it is logged as well.
type Handler func(ctx context.Context, e *Event) error

// A Middleware wraps a handler, as middleware of package http does: what it returns is called for each event, and calls
// next unless the event is to be stopped. The error it returns is treated as that of a handler.
type Middleware func(next Handler) Handler

// Listener is what events are received from: a Socket of the server or of the client.
type Listener interface {
	On(name string, h Handler) (off func())
}

// Emitter is what events are sent through: a Socket of either end, and of the server a Server, a Namespace, an operator
// or a RemoteSocket.
type Emitter interface {
	Emit(name string, args ...any) error
}

// AckEmitter asks one peer for an acknowledgement: a Socket of either end, or a RemoteSocket.
type AckEmitter interface {
	EmitWithAck(ctx context.Context, name string, args ...any) (parser.Args, error)
}

// BroadcastAckEmitter asks many: a Server, a Namespace or an operator.
type BroadcastAckEmitter interface {
	EmitWithAck(ctx context.Context, name string, args ...any) ([]parser.Args, error)
}
