package client_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/client"
)

// logInto has everything logged as text, without times.
func logInto(o *client.Options, b *bytes.Buffer) {
	o.Logger = slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "stack" {
				return slog.Attr{}
			}
			return a
		},
	}))
}

func TestLog(t *testing.T) {
	var b bytes.Buffer
	onWire(t, func(o *client.Options) { logInto(o, &b) }, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/room", nil)
		s.On("a\nb", func(context.Context, *client.Event) error { return errors.New("line\nbreak") })
		s.On("panic", func(context.Context, *client.Event) error { panic("oops") })
		connect(t, s)
		p.say(`42/room,["a\nb"]`)
		p.say(`42/room,["panic"]`)
		synctest.Wait()
		p.say(`4!`)
		synctest.Wait()
	})
	for _, want := range []string{
		`level=DEBUG msg="client: connection open" transport=websocket`,
		`level=DEBUG msg="client: connected" nsp=/room sid=x`,
		`level=WARN msg="client: error" sid=x nsp=/room event="\"a\\nb\"" error="\"line\\nbreak\""`,
		`level=ERROR msg="client: panic" sid=x nsp=/room event=panic error="panic: oops"`,
		`level=WARN msg="client: parse error" error="parser: unknown packet type at byte 0"`,
		`level=DEBUG msg="client: connection lost" transport=websocket reason="parse error"`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("not logged: %s", want)
		}
	}
	if t.Failed() {
		t.Log(b.String())
	}
}

// A Logger that panics harms nothing.
func TestLoggerThatPanics(t *testing.T) {
	change := func(o *client.Options) { o.Logger = slog.New(panickingHandler{}).With("a", 1).WithGroup("g") }
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		s.On("a", func(context.Context, *client.Event) error { return errors.New("error") })
		connect(t, s)
		p.say(`42["a"]`)
		p.drop()
		pass(2 * time.Second)
		if !s.Connected() {
			t.Error("not connected")
		}
	})
}

type panickingHandler struct{}

func (panickingHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (panickingHandler) Handle(context.Context, slog.Record) error { panic("in the logger") }
func (h panickingHandler) WithAttrs([]slog.Attr) slog.Handler      { return h }
func (h panickingHandler) WithGroup(string) slog.Handler           { return h }

func TestErrorsHaveTexts(t *testing.T) {
	if e, ok := client.ErrAckTimeout.(interface{ Timeout() bool }); !ok || !e.Timeout() {
		t.Error("ErrAckTimeout is no timeout")
	}
	if !errors.Is(client.ReasonPingTimeout, client.ErrDisconnected) ||
		errors.Is(client.ReasonPingTimeout, client.ErrClosed) {
		t.Error("a reason is no ErrDisconnected")
	}
	own := errors.New("own")
	if err := (&client.PanicError{Value: own}); !errors.Is(err, own) || err.Error() != "panic: own" {
		t.Errorf("%v", err)
	}
}

// Turned off while an attempt is under way, reconnection ends with that attempt.
func TestReconnectionIsTurnedOffDuringAnAttempt(t *testing.T) {
	var refused atomic.Bool
	change := func(o *client.Options) {
		refusing(&refused)(o)
		o.ConnectTimeout = time.Second
	}
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		connect(t, s)
		p.mu.Lock()
		p.open = "" // the next session does not open
		p.mu.Unlock()
		p.drop()
		pass(1500 * time.Millisecond)
		m.SetReconnection(false)
		if !s.Active() {
			t.Error("the attempt goes on, and the socket wants it")
		}
		pass(time.Second)
		synctest.Wait()
		if s.Active() {
			t.Error("still active")
		}
	})
}
