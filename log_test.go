package socketio_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	socketio "sio.example/socketio"
)

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"chat message":           "chat message",
		"a\r\nb":                 `"a\r\nb"`,
		`"quoted"`:               `"\"quoted\""`,
		"\x1b[31m\x00":           `"\x1b[31m\x00"`,
		"über\u202e":             `"\u00fcber\u202e"`,
		"\xff":                   `"\xff"`,
		strings.Repeat("a", 256): strings.Repeat("a", 256),
		strings.Repeat("a", 300): strings.Repeat("a", 256) + "...",
	} {
		if got := socketio.Plain(in); got != want {
			t.Errorf("%q became %s, want %s", in, got, want)
		}
	}
	for _, in := range []string{strings.Repeat("\x00", 1<<20), strings.Repeat("\u2028", 300), strings.Repeat(`\`, 300)} {
		got := socketio.Plain(in)
		if len(got) > 260 || !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%d bytes became %d: %q", len(in), len(got), got)
		}
	}
}

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
	if !errors.Is(err, socketio.ErrDisconnected) || errors.Is(err, socketio.ErrServerClosed) || err.Error() != "ping timeout" {
		t.Errorf("error is %v", err)
	}
	p := &socketio.PanicError{Value: err}
	if !errors.Is(p, socketio.ErrDisconnected) || errors.Unwrap(&socketio.PanicError{Value: 1}) != nil {
		t.Errorf("error is %v", p)
	}
}
