package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/event"
	"sio.example/socketio/parser"
)

func TestListeners(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		var d diary
		note := func(name string) client.Handler {
			return func(context.Context, *client.Event) error { d.add(name); return nil }
		}
		off := s.On("a", note("first"))
		s.Once("a", note("once"))
		s.On("a", note("second"))
		s.On("b", note("other"))
		offAny := s.OnAny(func(_ context.Context, e *client.Event) { d.add("any " + e.Name) })
		s.Use(func(next client.Handler) client.Handler {
			return func(ctx context.Context, e *client.Event) error {
				d.add("before")
				defer d.add("after")
				if e.Name == "stopped" {
					return nil
				}
				return next(ctx, e)
			}
		})
		s.OnConnect(func() { d.add("connect") })
		connect(t, s)
		p.say(`42["a"]`)
		d.expect(t, "connect", "any a", "before", "first", "once", "second", "after")
		off()
		off()
		offAny()
		p.say(`42["a"]`)
		p.say(`42["stopped"]`)
		d.expect(t, "before", "second", "after", "before", "after")
	})
}

// What goes wrong in user code harms nothing else, and is reported with what it happened to.
func TestUserCodeThatFails(t *testing.T) {
	var d diary
	change := func(o *client.Options) {
		o.OnError = func(ctx context.Context, s *client.Socket, e *client.Event, err error) {
			name := ""
			if e != nil {
				name = e.Name
				if of, ok := client.SocketFromContext(ctx); !ok || of != s {
					t.Error("another socket in the context")
				}
			}
			var p *client.PanicError
			var argument *parser.ArgumentError
			if errors.As(err, &argument) {
				err = errors.New("misfit")
			}
			d.add(fmt.Sprintf("%s: %v, panic %v", name, err, errors.As(err, &p)))
			panic("in OnError")
		}
	}
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		s.On("error", func(context.Context, *client.Event) error { return errors.New("secret") })
		s.On("error", func(context.Context, *client.Event) error { return errors.New("second") })
		s.On("shown", func(context.Context, *client.Event) error { return &event.Error{Message: "shown"} })
		s.On("panic", func(context.Context, *client.Event) error { panic("oops") })
		s.On("exit", func(context.Context, *client.Event) error { exit(); return nil })
		s.On("misfit", func(_ context.Context, e *client.Event) error { return e.Bind(new(int)) })
		s.On("late", func(context.Context, *client.Event) error { return nil })
		s.OnConnect(func() { panic("in OnConnect") })
		s.OnConnect(exit)
		connect(t, s)
		d.expect(t, ": panic: in OnConnect, panic true", ": user code called runtime.Goexit, panic false")
		expectWire(t, p, `40`)
		for i, name := range []string{"error", "shown", "panic", "exit", "misfit", "late", "unknown"} {
			p.say(fmt.Sprintf(`42%d["%s","x"]`, i, name))
		}
		expectWire(t, p, `430[{"error":"internal error"}]`, `431[{"error":"shown"}]`, `432[{"error":"internal error"}]`,
			`433[{"error":"internal error"}]`, `434[{"error":"invalid arguments"}]`)
		d.expect(t, "error: secret, panic false", "error: second, panic false", "shown: shown, panic false",
			"panic: panic: oops, panic true", "exit: user code called runtime.Goexit, panic false",
			"misfit: misfit, panic false")
		s.OnDisconnect(func(client.DisconnectReason) { panic("in OnDisconnect") })
		p.say(`41`)
		d.expect(t, ": panic: in OnDisconnect, panic true")
	})
}

func TestAckOfTheClient(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		events := make(chan *client.Event, 10)
		s.On("a", func(_ context.Context, e *client.Event) error { events <- e; return nil })
		connect(t, s)
		p.say(`427["a"]`)
		e := <-events
		if err := e.Ack(make(chan int)); err == nil || e.Acked() {
			t.Errorf("%v", err)
		}
		must(t, e.Ack("x", []byte{1}))
		if err := e.Ack(); err != event.ErrAcked {
			t.Errorf("%v", err)
		}
		expectWire(t, p, `40`, `461-7["x",{"_placeholder":true,"num":0}]`)
		p.say(`428["a"]`)
		e = <-events
		p.drop()
		synctest.Wait()
		if err := e.Ack(); err != client.ErrDisconnected {
			t.Errorf("after the loss: %v", err)
		}
		pass(2 * time.Second)
		if err := e.Ack(); err != client.ErrDisconnected {
			t.Errorf("over the next connection: %v", err)
		}
		expectWire(t, p, `40`)
	})
}

// A handler that hangs gets a context that ends; what came behind it is handled before OnDisconnect.
func TestEventsBeforeALoss(t *testing.T) {
	for _, c := range []struct {
		reason client.DisconnectReason
		end    func(p *puppet)
	}{
		{client.ReasonTransportClose, (*puppet).drop},
		{client.ReasonServerDisconnect, func(p *puppet) { p.say(`41`) }},
		{client.ReasonParseError, func(p *puppet) { p.say(`4x`) }},
	} {
		t.Run(string(c.reason), func(t *testing.T) {
			onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
				s := m.Socket("/", nil)
				var d diary
				start := time.Now()
				s.On("hang", func(ctx context.Context, e *client.Event) error {
					d.add("hang " + e.Args.String())
					<-ctx.Done()
					d.add(fmt.Sprint(time.Since(start), " ", context.Cause(ctx)))
					return ctx.Err()
				})
				s.OnConnect(func() { d.add("connect") })
				s.OnDisconnect(func(reason client.DisconnectReason) {
					d.add("disconnect " + string(reason))
				})
				connect(t, s)
				ctx := s.Context()
				p.say(`42["hang",1]`)
				p.say(`42["hang",2]`)
				p.say(`42["hang",3]`)
				d.expect(t, "connect", "hang [1]")
				pass(10 * time.Second)
				c.end(p)
				d.expect(t, "10s "+string(c.reason), "hang [2]")
				if context.Cause(ctx) != c.reason || s.Context() != ctx || s.ID() != "" {
					t.Errorf("%v", context.Cause(ctx))
				}
				pass(time.Second)
				synctest.Wait()
				want := []string{"11s " + string(c.reason), "hang [3]",
					"11s " + string(c.reason), "disconnect " + string(c.reason)}
				if c.reason != client.ReasonServerDisconnect {
					pass(time.Second)
					want = append(want, "connect")
				}
				d.expect(t, want...)
			})
		})
	}
}

// What has not been handled when this end leaves is dropped.
func TestEventsBeforeDisconnect(t *testing.T) {
	for _, c := range []struct {
		reason client.DisconnectReason
		end    func(s *client.Socket)
	}{
		{client.ReasonClientDisconnect, (*client.Socket).Disconnect},
		{client.ReasonClientDisconnect, func(s *client.Socket) { s.Close() }},
		{client.ReasonForcedClose, func(s *client.Socket) { s.Manager().Close() }},
	} {
		onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
			s := m.Socket("/", nil)
			var d diary
			s.On("a", func(ctx context.Context, e *client.Event) error {
				d.add(e.Args.String())
				<-ctx.Done()
				d.add(context.Cause(ctx).Error())
				return nil
			})
			s.OnDisconnect(func(reason client.DisconnectReason) { d.add("disconnect " + string(reason)) })
			connect(t, s)
			p.say(`42["a",1]`)
			p.say(`42["a",2]`)
			synctest.Wait()
			c.end(s)
			d.expect(t, "[1]", string(c.reason), "disconnect "+string(c.reason))
			expectWire(t, p, `40`, `41`)
		})
	}
}

// A full inbox stops the reader; leaving, or the end of the session, frees it.
func TestFullInbox(t *testing.T) {
	for name, end := range map[string]func(p *puppet, s *client.Socket){
		"handled":    func(*puppet, *client.Socket) {},
		"disconnect": func(_ *puppet, s *client.Socket) { s.Disconnect() },
		"close":      func(_ *puppet, s *client.Socket) { s.Close() },
		"loss":       func(p *puppet, _ *client.Socket) { p.drop() },
	} {
		t.Run(name, func(t *testing.T) {
			onWire(t, func(o *client.Options) { o.MaxInbox = 2 }, func(t *testing.T, p *puppet, m *client.Manager) {
				s, other := m.Socket("/", nil), m.Socket("/other", nil)
				hold := make(chan struct{})
				n := 0
				s.On("a", func(context.Context, *client.Event) error { <-hold; n++; return nil })
				var d diary
				d.keep(other)
				connect(t, s)
				connect(t, other)
				for range 6 {
					p.say(`42["a"]`)
				}
				p.say(`42/other,["b"]`)
				d.expect(t, "connect")
				end(p, s)
				synctest.Wait()
				if name == "disconnect" || name == "close" {
					d.expect(t, "b []")
				}
				close(hold)
				synctest.Wait()
				switch {
				case name == "handled":
					d.expect(t, "b []")
					if n != 6 {
						t.Errorf("%d events were handled", n)
					}
				case name == "loss":
					if n < 3 {
						t.Errorf("%d events were handled", n)
					}
				case n != 1:
					t.Errorf("%d events were handled", n)
				}
			})
		})
	}
}

// A handler may wait for an acknowledgement of the server, with others behind it.
func TestHandlerWaitsForAnAck(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		var d diary
		s.On("a", func(ctx context.Context, e *client.Event) error {
			args, err := s.EmitWithAck(ctx, "b")
			d.add(fmt.Sprint(args.String(), err))
			return err
		})
		connect(t, s)
		p.say(`42["a"]`)
		p.say(`42["c"]`)
		synctest.Wait()
		p.say(`430[1]`)
		d.expect(t, "[1]<nil>")
		p.say(`42["a"]`)
		synctest.Wait()
		p.drop()
		d.expect(t, "[]"+client.ErrDisconnected.Error())
	})
}

func TestConnectErrorsAreBounded(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		p.open = "x"
		s := m.Socket("/", nil)
		hang := make(chan struct{})
		n := 0
		s.OnConnectError(func(error) { <-hang; n++ })
		s.Open()
		pass(time.Hour)
		s.Disconnect()
		close(hang)
		synctest.Wait()
		if n < 10 || n > 100 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestOnAnyOutgoing(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		var d diary
		off := s.OnAnyOutgoing(func(name string, args client.Args) { d.add(name + args.String()) })
		must(t, s.Emit("a", 1))
		must(t, s.Volatile().Emit("lost"))
		d.expect(t)
		connect(t, s)
		must(t, s.Emit("b", 2))
		must(t, s.Volatile().Emit("c"))
		synctest.Wait()
		d.mu.Lock()
		n := len(d.lines)
		d.lines = nil
		d.mu.Unlock()
		if n != 3 {
			t.Errorf("%d events", n)
		}
		off()
		must(t, s.Emit("d"))
		d.expect(t)
		again := m.Socket("/again", retries(1))
		again.OnAnyOutgoing(func(name string, args client.Args) { d.add(name) })
		connect(t, again)
		must(t, again.Emit("a"))
		pass(2 * time.Second)
		d.expect(t, "a", "a") // each time
	})
}

func TestPrependedListenersAreCalledFirst(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		connect(t, s)
		var d diary
		s.OnAny(func(_ context.Context, e *client.Event) { d.add("2 " + e.Name) })
		off := s.PrependAny(func(_ context.Context, e *client.Event) { d.add("1 " + e.Name) })
		p.say(`42["x"]`)
		d.expect(t, "1 x", "2 x")
		off()
		p.say(`42["y"]`)
		d.expect(t, "2 y")
		s.OnAnyOutgoing(func(name string, _ client.Args) { d.add("2 " + name) })
		off = s.PrependAnyOutgoing(func(name string, _ client.Args) { d.add("1 " + name) })
		must(t, s.Emit("out"))
		d.expect(t, "1 out", "2 out")
		off()
		must(t, s.Emit("out"))
		d.expect(t, "2 out")
	})
}

func TestOnConnectIsForLater(t *testing.T) {
	for range 100 {
		onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
			s := m.Socket("/", nil)
			connect(t, s)
			var d diary
			d.keep(s)
			d.expect(t)
		})
	}
}

// Servers of Socket.IO v2 let everybody into the main namespace, and give no id.
func TestServerOfAnOldVersionUnasked(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		setMute(p, true)
		s := m.Socket("/", &client.SocketOptions{AuthFunc: func(ctx context.Context) (any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		done := make(chan error)
		go func() { done <- s.Connect(t.Context()) }() // ends with the refusal
		synctest.Wait()
		p.say(`40`)
		if err := <-done; !errors.Is(err, engineio.ErrOldServer) || s.Active() {
			t.Errorf("%v, active %v", err, s.Active())
		}
	})
}
