package errtext_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"sio.example/socketio/internal/errtext"
)

type panicking struct{}

func (panicking) Error() string { panic("no text") }

func TestWrapNamesOnePackage(t *testing.T) {
	for want, err := range map[string]error{
		"socketio: broadcast: EOF":                   io.EOF,
		"socketio: broadcast: closed":                errors.New("adapter: closed"),
		"socketio: broadcast: argument 0":            errors.New("event: parser: argument 0"),
		"socketio: broadcast: dial: engineio: quote": errors.New("dial: engineio: quote"),
		"socketio: broadcast: a\nb":                  errors.Join(errors.New("parser: a"), errors.New("client: b")),
		"socketio: broadcast: clients: 3":            errors.New("clients: 3"),
	} {
		if got := errtext.Wrap("socketio: broadcast", err).Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	inner := errtext.Wrap("socketio: encode", errtext.Wrap("parser: encode", errors.New("parser: argument 0: no")))
	const want = "socketio: broadcast: encode: argument 0: no"
	if got := errtext.Wrap("socketio: broadcast", inner).Error(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := errtext.Wrap("event", errors.New("parser: argument 0: no")).Error(); got != "event: argument 0: no" {
		t.Errorf("%q", got)
	}
}

func TestWrapKeepsTheCause(t *testing.T) {
	cause := fmt.Errorf("adapter: join: %w", io.ErrClosedPipe)
	if err := errtext.Wrap("socketio: sockets", cause); !errors.Is(err, io.ErrClosedPipe) || errors.Unwrap(err) != cause {
		t.Errorf("%v does not wrap its cause", err)
	}
}

func TestTextOfAnErrorThatPanics(t *testing.T) {
	if text := errtext.Wrap("client: auth", panicking{}).Error(); text == "" {
		t.Error("no text")
	}
}

func TestEnded(t *testing.T) {
	cause := errors.New("enough")
	own := fmt.Errorf("enough: %w", context.Canceled)
	for want, why := range map[string]error{
		"context canceled":         nil,
		"context canceled: enough": cause,
		"enough: context canceled": own,
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		err := errtext.Ended(ctx)
		if !errors.Is(err, context.Canceled) || why != nil && !errors.Is(err, why) || err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
	}
}

func TestAs(t *testing.T) {
	name := errors.New("engineio: closed")
	err := errtext.Wrap("socketio: broadcast", errtext.As(name, io.EOF))
	if !errors.Is(err, name) || !errors.Is(err, io.EOF) || err.Error() != "socketio: broadcast: closed" {
		t.Error(err)
	}
}
