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
	ours := errtext.New
	for want, err := range map[string]error{
		"socketio: broadcast: EOF":                   io.EOF,
		"socketio: broadcast: closed":                ours("adapter: closed"),
		"socketio: broadcast: argument 0":            errtext.Wrap("event", ours("parser: argument 0")),
		"socketio: broadcast: dial: engineio: quote": fmt.Errorf("dial: %w", ours("engineio: quote")),
		"socketio: broadcast: a\nb":                  errors.Join(ours("parser: a"), ours("client: b")),
		"socketio: broadcast: no 3: EOF":             errtext.Errorf("cluster: no %d: %w", 3, io.EOF),
		"socketio: broadcast: late: EOF":             fmt.Errorf("%w: %w", ours("cluster: late"), io.EOF),
		"socketio: broadcast: it":                    fmt.Errorf("%w", fmt.Errorf("%w", ours("client: it"))),
	} {
		if got := errtext.Wrap("socketio: broadcast", err).Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	inner := errtext.Wrap("socketio: encode", errtext.Wrap("parser: encode", ours("parser: argument 0: no")))
	const want = "socketio: broadcast: encode: argument 0: no"
	if got := errtext.Wrap("socketio: broadcast", inner).Error(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := errtext.Wrap("event", ours("parser: argument 0: no")).Error(); got != "event: argument 0: no" {
		t.Errorf("%q", got)
	}
	if got := errtext.Wrap("socketio: encode", ours("parser: encode: no")).Error(); got != "socketio: encode: no" {
		t.Errorf("%q", got)
	}
}

// told is an error of the user's that wraps one of ours.
type told struct{ text string }

func (e told) Error() string { return e.text }
func (e told) Unwrap() error { return io.EOF }

// What users say stays as they say it.
func TestWrapKeepsTextsOfOthers(t *testing.T) {
	texts := []string{"client: 17 is not known", "event: gone", "encode: no", "a\nclient: b", "clients: 3", ""}
	for _, text := range texts {
		for _, err := range []error{errors.New(text), told{text}, errors.Join(errors.New(text)),
			errors.Join(errors.New(text), io.EOF), fmt.Errorf("%s", text), fmt.Errorf("%w", errors.New(text))} {
			want := "socketio: encode: " + err.Error()
			wrapped := errtext.Wrap("socketio: encode", err)
			if got := wrapped.Error(); got != want {
				t.Errorf("%q, want %q", got, want)
			}
			if got := errtext.Text(errtext.Wrap("client", wrapped)); got != want[len("socketio: "):] {
				t.Errorf("wrapped again: %q, want %q", got, want)
			}
		}
	}
}

func TestWrapKeepsTheCause(t *testing.T) {
	cause := errtext.Errorf("adapter: join: %w", io.ErrClosedPipe)
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
	name := errtext.New("engineio: closed")
	err := errtext.Wrap("socketio: broadcast", errtext.As(name, io.EOF))
	if !errors.Is(err, name) || !errors.Is(err, io.EOF) || err.Error() != "socketio: broadcast: closed" {
		t.Error(err)
	}
}
