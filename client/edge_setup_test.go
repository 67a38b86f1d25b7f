package client_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/client"
)

// Setup may ask for other sockets, and for its own.
func TestSetupOfSeveralSockets(t *testing.T) {
	var d diary
	change := func(o *client.Options) {
		o.Setup = func(s *client.Socket) {
			d.add(s.Namespace())
			s.Manager().Socket("/admin", nil).Open()
			s.Manager().Socket(s.Namespace(), nil).Open()
		}
	}
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		m.Socket("/", nil)
		sortWire(p)
		expectWire(t, p, `40`, `40/admin,`)
		d.expect(t, "/", "/admin")
	})
}

// What Setup takes back does not happen.
func TestDisconnectInSetup(t *testing.T) {
	change := func(o *client.Options) {
		o.Setup = func(s *client.Socket) { s.Open(); s.Disconnect() }
	}
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		expectWire(t, p)
		if s.Active() {
			t.Error("active")
		}
		connect(t, s)
	})
}

// Two who ask for the same new socket get the same, which is set up once, and whoever connects waits for that.
func TestSetupIsCalledOnce(t *testing.T) {
	var d diary
	var hold chan struct{}
	change := func(o *client.Options) {
		hold = make(chan struct{})
		o.Setup = func(s *client.Socket) { d.add("setup"); <-hold }
	}
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		got := make(chan *client.Socket, 2)
		for range 2 {
			go func() { // ends when Setup has returned
				s := m.Socket("/", nil)
				_ = s.Connect(t.Context())
				got <- s
			}()
		}
		d.expect(t, "setup")
		expectWire(t, p)
		close(hold)
		if a, b := <-got, <-got; a != b || !a.Connected() {
			t.Error("not the same, or not connected")
		}
		expectWire(t, p, `40`)
	})
}

// A Setup that ends its goroutine does no harm to the socket.
func TestSetupThatExits(t *testing.T) {
	change := func(o *client.Options) {
		o.Setup = func(s *client.Socket) { s.Open(); runtime.Goexit() }
	}
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		go m.Socket("/", nil) // ends in Setup
		expectWire(t, p, `40`)
		connect(t, m.Socket("/", nil))
	})
}

// Middleware that is none lets nothing pass.
func TestNilEventMiddlewareStopsEvents(t *testing.T) {
	var d diary
	change := func(o *client.Options) {
		o.OnError = func(_ context.Context, _ *client.Socket, _ *client.Event, err error) {
			var p *client.PanicError
			d.add("panic " + map[bool]string{true: "yes", false: "no"}[errors.As(err, &p)])
		}
	}
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		s.Use(func(client.Handler) client.Handler { return nil })
		s.On("a", func(context.Context, *client.Event) error { d.add("handled"); return nil })
		connect(t, s)
		p.say(`42["a"]`)
		d.expect(t, "panic yes")
		p.say(`42["a"]`)
		d.expect(t, "panic yes")
	})
}

// With DisableRecover a panic ends the process, whatever the other listeners do.
func TestDisableRecover(t *testing.T) {
	const name = "SIO_TEST_PANIC"
	if os.Getenv(name) != "" {
		change := func(o *client.Options) {
			o.DisableRecover = true
			o.OnError = func(_ context.Context, _ *client.Socket, _ *client.Event, err error) {
				println("OnError:", err.Error())
			}
		}
		onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
			s := m.Socket("/", nil)
			s.OnAny(func(context.Context, *client.Event) { panic("boom") })
			s.OnAny(func(context.Context, *client.Event) { select {} })
			connect(t, s)
			p.say(`42["a"]`)
			synctest.Wait()
			println("still here")
			os.Exit(0)
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestDisableRecover$")
	cmd.Env = append(os.Environ(), name+"=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(string(out), "panic: boom") ||
		!strings.Contains(string(out), "TestDisableRecover.func") {
		t.Errorf("%v\n%s", err, out)
	}
	if strings.Contains(string(out), "OnError") {
		t.Errorf("a panic was taken for something else:\n%s", out)
	}
}

// An exiting is an auth that ends the goroutine which encodes it.
type exiting struct{}

func (exiting) MarshalJSON() ([]byte, error) {
	runtime.Goexit()
	return nil, nil
}

func TestAuthThatExits(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		first, second := m.Socket("/", &client.SocketOptions{Auth: exiting{}}), m.Socket("/second", nil)
		second.Open()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := first.Connect(ctx); err == nil || errors.Is(err, ctx.Err()) {
			t.Errorf("Connect: %v", err)
		}
		expectWire(t, p, `40/second,`)
		first.SetAuthFunc(func(context.Context) (any, error) { return exiting{}, nil })
		if err := first.Connect(ctx); err == nil || errors.Is(err, ctx.Err()) {
			t.Errorf("Connect: %v", err)
		}
	})
}

// OnAnyOutgoing gets to see binary that had to wait, too.
func TestOnAnyOutgoingBinary(t *testing.T) {
	onWire(t, func(o *client.Options) { o.Engine.MaxPayload = 100 }, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		n := 0
		s.OnAnyOutgoing(func(name string, args client.Args) {
			var data []byte
			if err := args.Decode(1, &data); err != nil || len(data) != 1000 || name != "bytes" {
				t.Errorf("%s: %d bytes, %v", name, len(data), err)
			}
			n++
		})
		must(t, s.Emit("bytes", "text", make([]byte, 1000)))
		connect(t, s)
		synctest.Wait()
		must(t, s.Emit("bytes", "text", make([]byte, 1000)))
		if n != 2 {
			t.Errorf("told of %d events", n)
		}
	})
}
