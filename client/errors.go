package client

import (
	"context"
	"errors"
	"slices"

	"sio.example/socketio/engineio"
	"sio.example/socketio/event"
	"sio.example/socketio/internal/errtext"
)

// The errors callers branch on.
var (
	// ErrDisconnected: the connection was lost before the acknowledgement came, or there is none to acknowledge an
	// event on.
	ErrDisconnected = errtext.New("client: socket has been disconnected")
	// ErrClosed: the socket or its Manager was closed.
	ErrClosed = errtext.New("client: closed")
	// ErrBufferFull: too much waits to be sent.
	ErrBufferFull = errtext.New("client: buffer full")
	// ErrTooManyAcks: as many acknowledgements as SocketOptions.MaxPendingAcks are waited for.
	ErrTooManyAcks = errtext.New("client: too many unanswered acknowledgements")
	// ErrGaveUp: the attempts to reconnect are used up.
	ErrGaveUp = errtext.New("client: reconnection gave up")
	// ErrAckTimeout: AckTimeout passed. It matches context.DeadlineExceeded.
	ErrAckTimeout error = ackTimeout{}
)

type ackTimeout struct{}

func (ackTimeout) Error() string        { return "client: operation has timed out" }
func (ackTimeout) Timeout() bool        { return true }
func (ackTimeout) Is(target error) bool { return target == context.DeadlineExceeded }

// A ConnectError is why the server refused to let a socket into its namespace: what middleware returned there.
type ConnectError = event.ConnectError

// errReserved and errOldServer have no users who could tell them apart.
var (
	errReserved  = errors.New("reserved event name")
	errOldServer = errtext.Wrap("client: no id in the answer to CONNECT", engineio.ErrOldServer)
	errURL       = errtext.New("client: malformed URL")
	errAuth      = errors.New("auth is not a JSON object without binary")
	errFlood     = errtext.New("client: too many events before the answer to CONNECT")
)

// A failure is an error that puts its text together when somebody asks for it, so that no code of the user's, which the
// causes may be, runs where it is made: with a lock held.
type failure struct {
	text   string
	causes []error
}

// Error is the text and those of the causes, with the name of one package.
func (e *failure) Error() string {
	text := e.text
	for _, err := range e.causes {
		if text == "" {
			text = err.Error()
		} else {
			text += ": " + errtext.Text(err)
		}
	}
	return text
}

// Unwrap returns the causes.
func (e *failure) Unwrap() []error { return e.causes }

// wrapCause is an error with causes, of which some may be nil.
func wrapCause(text string, causes ...error) error {
	return &failure{text, slices.DeleteFunc(causes, func(err error) bool { return err == nil })}
}

// A PanicError is what became of a panic in user code: it is given to OnError, and to the middleware around a handler.
type PanicError = event.PanicError
