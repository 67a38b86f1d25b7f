package socketio_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	socketio "sio.example/socketio"
)

// The logger of the user keeps its attributes and groups.
func TestLoggerAttributes(t *testing.T) {
	var b bytes.Buffer
	l := slog.New(slog.NewTextHandler(&b, nil)).With("app", "x").WithGroup("io")
	bubble(t, &socketio.Options{Logger: l}, func(t *testing.T, f *fixture) {
		f.Handle("x", func(context.Context, *socketio.Socket, *socketio.Event) error { return errors.New("oh") })
		c, _ := f.join("/")
		c.send(`421["x"]`)
		c.read()
	})
	if got := b.String(); !strings.Contains(got, "app=x") || !strings.Contains(got, "io.event=x") {
		t.Errorf("log is %s", got)
	}
}

func TestDisableRecover(t *testing.T) {
	bubble(t, &socketio.Options{DisableRecover: true}, func(t *testing.T, f *fixture) {
		_, s := f.connected("/")
		s.OnAnyOutgoing(func(string, socketio.Args) { panic("boom") })
		defer func() {
			if v := recover(); v != "boom" {
				t.Errorf("recovered %v", v)
			}
		}()
		_ = s.Emit("x") // calls the listener here
		t.Error("the panic was recovered")
	})
}

func TestReasonIsAnError(t *testing.T) {
	var err error = socketio.ReasonPingTimeout
	if !errors.Is(err, socketio.ErrDisconnected) ||
		errors.Is(err, socketio.ErrServerClosed) || err.Error() != "ping timeout" {
		t.Errorf("error is %v", err)
	}
	p := &socketio.PanicError{Value: err}
	if !errors.Is(p, socketio.ErrDisconnected) || errors.Unwrap(&socketio.PanicError{Value: 1}) != nil {
		t.Errorf("error is %v", p)
	}
}
