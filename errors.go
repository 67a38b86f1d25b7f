package socketio

import (
	"errors"
	"fmt"
	"runtime/debug"

	"sio.example/socketio/event"
)

// The errors callers branch on.
var (
	// ErrDisconnected is returned by what needs a connected socket, and by what waited for one that has gone.
	ErrDisconnected = errors.New("socketio: disconnected")
	// ErrSlowConsumer is returned by an Emit that found the outgoing queue over its budget; the connection is closed.
	ErrSlowConsumer = errors.New("socketio: slow consumer")
	// ErrServerClosed is returned by the methods of a namespace that was asked for after Shutdown or Close.
	ErrServerClosed = errors.New("socketio: server closed")
)

// InternalError is the text that a client gets instead of the text of an error which was not meant for it: as the
// message of CONNECT_ERROR when a gate returned something else than a *ConnectError, and as the acknowledgement
// {"error": InternalError} when a handler returned something else than an *event.Error, unless arguments that did not fit
// were the reason. The error itself is logged.
const InternalError = event.InternalText

// A ConnectError refuses a connection: what a gate returns is what the client gets.
type ConnectError = event.ConnectError

// A PanicError is what became of a panic in user code: it is given to OnError, and to the middleware around a handler.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // of the goroutine that panicked
}

// Error describes the panic, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("socketio: panic: %v", e.Value) }

// Unwrap returns the value of the panic if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// errExited is the error of user code that ended its goroutine with runtime.Goexit.
var errExited = errors.New("socketio: user code called runtime.Goexit")

// protect calls fn. If fn panics, and recovering is not disabled, it returns a *PanicError; likewise if the text of the
// error that fn returns can't be had, as that of a nil pointer in an error: whoever logs it later has no protection.
func (s *server) protect(fn func() error) (err error) {
	if s.opts.DisableRecover {
		return fn()
	}
	defer func() {
		if v := recover(); v != nil {
			s.stats.panics.Add(1)
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	if err = fn(); err != nil {
		_ = err.Error()
	}
	return err
}
