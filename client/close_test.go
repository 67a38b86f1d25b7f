package client_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/client"
)

// The states in which something may be closed. prepare returns what is to be done before the bubble may end.
var states = map[string]func(t *testing.T, p *puppet, m *client.Manager, s *client.Socket) (cleanup func()){
	"never opened": func(*testing.T, *puppet, *client.Manager, *client.Socket) func() { return nil },
	"dialing": func(_ *testing.T, p *puppet, _ *client.Manager, s *client.Socket) func() {
		p.open = ""
		s.Open()
		return nil
	},
	"beginning": func(_ *testing.T, p *puppet, _ *client.Manager, s *client.Socket) func() {
		s.Open() // and no Wait
		return nil
	},
	"backoff": func(_ *testing.T, p *puppet, _ *client.Manager, s *client.Socket) func() {
		p.open = "x"
		s.Open()
		return nil
	},
	"asking": func(_ *testing.T, p *puppet, _ *client.Manager, s *client.Socket) func() {
		setMute(p, true)
		s.Open()
		return nil
	},
	"auth": func(_ *testing.T, _ *puppet, _ *client.Manager, s *client.Socket) func() {
		s.SetAuthFunc(func(ctx context.Context) (any, error) { <-ctx.Done(); return nil, ctx.Err() })
		s.Open()
		return nil
	},
	"auth again": func(_ *testing.T, _ *puppet, _ *client.Manager, s *client.Socket) func() {
		s.SetAuthFunc(func(ctx context.Context) (any, error) { return nil, errors.New("no") })
		s.Open()
		return nil
	},
	"connected": func(t *testing.T, _ *puppet, _ *client.Manager, s *client.Socket) func() {
		connect(t, s)
		return nil
	},
	"handling": func(t *testing.T, p *puppet, _ *client.Manager, s *client.Socket) func() {
		s.On("hang", func(ctx context.Context, _ *client.Event) error { <-ctx.Done(); return nil })
		connect(t, s)
		for range 1000 {
			p.say(`42["hang"]`)
		}
		return nil
	},
	"waiting for an answer": func(t *testing.T, p *puppet, _ *client.Manager, s *client.Socket) func() {
		connect(t, s)
		done := make(chan struct{})
		go func() { // ends with its one call
			defer close(done)
			if _, err := s.EmitWithAck(context.Background(), "a"); err != client.ErrDisconnected {
				t.Errorf("EmitWithAck: %v", err)
			}
		}()
		return func() { <-done }
	},
	"lost": func(t *testing.T, p *puppet, _ *client.Manager, s *client.Socket) func() {
		connect(t, s)
		p.drop()
		return nil
	},
	"frozen": func(t *testing.T, p *puppet, _ *client.Manager, s *client.Socket) func() {
		block := make(chan struct{})
		p.after = func(c net.Conn) { // it does not read
			_, _ = c.Write(puppetFrame(1, `40{"sid":"x"}`))
			<-block
		}
		s.Open()
		synctest.Wait()
		for range 1000 {
			_ = s.Emit("a", make([]byte, 1000))
		}
		return func() { close(block) }
	},
}

// Nothing is left after any end in any state: the bubble ends only when all goroutines have, and timers keep a bubble's
// clock from standing still.
func TestCloseInEachState(t *testing.T) {
	ends := map[string]func(m *client.Manager, s *client.Socket){
		"socket":  func(_ *client.Manager, s *client.Socket) { s.Close() },
		"manager": func(m *client.Manager, _ *client.Socket) { m.Close() },
		"twice": func(m *client.Manager,
			s *client.Socket) {
			s.Close()
			m.Close()
			s.Close()
			m.Close()
			s.Disconnect()
		},
		"shutdown": func(m *client.Manager, _ *client.Socket) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = m.Shutdown(ctx)
		},
		"disconnect": func(_ *client.Manager, s *client.Socket) { s.Disconnect() },
	}
	for state, prepare := range states {
		for end, act := range ends {
			for _, transport := range []string{"websocket", "polling"} {
				if state == "frozen" && transport == "polling" {
					continue
				}
				t.Run(state+"/"+end+"/"+transport, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						p := newPuppet()
						m := client.NewManager(puppetURL, p.options(transport))
						s := m.Socket("/", nil)
						n := atomic.Int32{}
						s.OnConnect(func() { n.Add(1) })
						s.OnDisconnect(func(client.DisconnectReason) { n.Add(-1) })
						cleanup := prepare(t, p, m, s)
						if state != "beginning" {
							synctest.Wait()
						}
						act(m, s)
						if s.Active() || s.Connected() || s.ID() != "" || m.Engine() != nil {
							t.Error("not closed")
						}
						<-time.After(35 * time.Second)
						if cleanup != nil {
							cleanup()
						}
						synctest.Wait()
						if n.Load() != 0 {
							t.Error("not as many OnDisconnect calls as OnConnect calls")
						}
						if end != "disconnect" {
							if err := s.Emit("a"); err != client.ErrClosed {
								t.Errorf("Emit: %v", err)
							}
							if err := s.Connect(t.Context()); err != client.ErrClosed {
								t.Errorf("Connect: %v", err)
							}
							s.Open()
						}
						must(t, m.Shutdown(t.Context()))
						must(t, m.Shutdown(t.Context()))
						p.close()
					})
				})
			}
		}
	}
}

func TestShutdownSendsWhatWaits(t *testing.T) {
	var refused atomic.Bool
	refused.Store(true)
	onWire(t, refusing(&refused), func(t *testing.T, p *puppet, m *client.Manager) {
		s, slow := m.Socket("/", nil), m.Socket("/slow", retries(5))
		inactive := m.Socket("/inactive", nil)
		must(t, inactive.Emit("never"))
		must(t, s.Emit("a"))
		must(t, slow.Emit("b"))
		must(t, slow.Emit("c"))
		s.Open()
		slow.Open()
		done := make(chan error)
		go func() { done <- m.Shutdown(context.Background()) }() // ends when nothing waits
		synctest.Wait()
		if err := s.Emit("late"); err != client.ErrClosed {
			t.Errorf("Emit: %v", err)
		}
		refused.Store(false)
		pass(time.Second)
		sortWire(p)
		expectWire(t, p, `40`, `40/slow,`, `42/slow,0["b"]`, `42["a"]`)
		p.say(`43/slow,0[]`)
		expectWire(t, p, `42/slow,1["c"]`)
		select {
		case err := <-done:
			t.Fatalf("Shutdown: %v", err)
		default:
		}
		p.say(`43/slow,1[]`)
		must(t, <-done)
		sortWire(p)
		expectWire(t, p, `41`, `41/slow,`)
		if m.Socket("/new", nil).Emit("a") != client.ErrClosed {
			t.Error("a new socket is not closed")
		}
	})
}

func TestShutdownWaitsForHandlers(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		returned := false
		s.On("a", func(ctx context.Context, _ *client.Event) error {
			<-ctx.Done()
			pass(5 * time.Second)
			returned = true
			return nil
		})
		m.OnClose(func(client.DisconnectReason, error) { pass(6 * time.Second) })
		connect(t, s)
		p.say(`42["a"]`)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := m.Shutdown(ctx); err != context.DeadlineExceeded {
			t.Errorf("Shutdown: %v", err)
		}
		start := time.Now()
		must(t, m.Shutdown(t.Context()))
		if d := time.Since(start); !returned || d != 5*time.Second {
			t.Errorf("after %v", d)
		}
	})
}

func TestDialLeavesNothing(t *testing.T) {
	for name, set := range map[string]func(p *puppet, o *client.Options){
		"refused":      func(p *puppet, _ *client.Options) { p.open += "\x1e" },
		"bad":          func(p *puppet, _ *client.Options) { p.open = "x" },
		"lost":         func(p *puppet, _ *client.Options) { p.after = func(c net.Conn) { c.Close() } },
		"no answer":    func(p *puppet, _ *client.Options) { p.mute = true },
		"no handshake": func(p *puppet, _ *client.Options) { p.open = "" },
		"middleware": func(p *puppet, _ *client.Options) {
			p.after = func(c net.Conn) {
				_, _ = c.Read(make([]byte, 100)) // CONNECT
				_, _ = c.Write(puppetFrame(1, `44{"message":"no","data":{"n":1}}`))
				_, _ = io.Copy(io.Discard, c) // until it closes
			}
		},
		"auth": func(_ *puppet, o *client.Options) {
			o.Socket.AuthFunc = func(context.Context) (any, error) { return nil, errors.New("no") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPuppet()
				o := p.options("websocket")
				set(p, o)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				s, err := client.Dial(ctx, puppetURL, o)
				if s != nil || err == nil {
					t.Errorf("Dial: %v", err)
				}
				var refusal *client.ConnectError
				if name == "middleware" {
					n := 0
					if !errors.As(err, &refusal) || refusal.Message != "no" {
						t.Errorf("Dial: %v", err)
					} else if (refusal.Bind(&struct{ N *int }{&n}) != nil) || n != 1 {
						t.Errorf("data %v", refusal.Data)
					}
				}
				if waits := name == "no answer" ||
					name == "no handshake"; waits != errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Dial: %v", err)
				}
				if len(p.times()) != 1 {
					t.Errorf("%d attempts", len(p.times()))
				}
				p.close()
			})
		})
	}
}

func TestDialReconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPuppet()
		o := p.options("websocket")
		setup := 0
		o.Setup = func(s *client.Socket) { setup++ }
		s, err := client.Dial(t.Context(), puppetURL+"/room?x=1", o)
		must(t, err)
		if s.Namespace() != "/room" || setup != 1 {
			t.Errorf("namespace %s, %d calls of Setup", s.Namespace(), setup)
		}
		p.drop()
		pass(time.Second)
		synctest.Wait()
		if !s.Connected() {
			t.Error("not connected")
		}
		m := s.Manager()
		must(t, s.Close())
		if m.Socket("/", nil).Emit("a") != client.ErrClosed {
			t.Error("its Manager lives on")
		}
		must(t, m.Shutdown(t.Context()))
		expectWire(t, p, `40/room,`, `40/room,`, `41/room,`)
		p.close()
	})
}

// Leaving before the server has answered does not leave a socket behind there, nor send CONNECT twice.
func TestDisconnectWhileAsking(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		connect(t, m.Socket("/stays", nil))
		setMute(p, true)
		s := m.Socket("/", nil)
		s.Open()
		expectWire(t, p, `40/stays,`, `40`)
		s.Disconnect()
		expectWire(t, p)
		p.say(`40{"sid":"x"}`)
		expectWire(t, p, `41`)
		s.Open()
		s.Disconnect()
		s.Open()
		expectWire(t, p, `40`)
		p.say(`40{"sid":"y"}`) // for the first Open, which was taken back
		expectWire(t, p, `41`, `40`)
		p.say(`40{"sid":"z"}`)
		synctest.Wait()
		if s.ID() != "z" {
			t.Errorf("id %q", s.ID())
		}
		must(t, s.Close())
		s = m.Socket("/", nil)
		s.Open()
		must(t, s.Close())
		expectWire(t, p, `41`, `40`)
		p.say(`40{"sid":"z"}`)
		p.say(`40{"sid":"z"}`) // nobody asked
		expectWire(t, p, `41`)
	})
}

// Setup may do all that does not wait.
func TestSetup(t *testing.T) {
	change := func(o *client.Options) {
		o.Setup = func(s *client.Socket) {
			_ = s.Emit("first")
			s.Open()
			if s.Namespace() == "/panic" {
				panic("oops")
			}
		}
	}
	onWire(t, change, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		expectWire(t, p, `40`, `42["first"]`)
		if m.Socket("", nil) != s {
			t.Error("another socket")
		}
		m.Socket("panic", nil)
		expectWire(t, p, `40/panic,`, `42/panic,["first"]`)
		must(t, m.Close())
		if s := m.Socket("/late", nil); s.Active() || s.Emit("a") != client.ErrClosed {
			t.Error("not closed")
		}
	})
}
