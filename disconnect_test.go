package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/memnet"
)

// However a connection ends, each of its sockets is told exactly once, in the right order, with the right reason.
func TestDisconnectExactlyOnce(t *testing.T) {
	type ending struct {
		name string
		end  func(f *fixture, c *wsClient, s *socketio.Socket)
		want socketio.DisconnectReason
		rest socketio.DisconnectReason // of the other namespace; empty if that is not touched
	}
	for _, tt := range []ending{
		{"client disconnects", func(_ *fixture, c *wsClient, _ *socketio.Socket) { c.send("41") },
			socketio.ReasonClientDisconnect, ""},
		{"client closes politely", func(_ *fixture, c *wsClient, _ *socketio.Socket) {
			_, _ = c.conn.Write(c.frame(opClose, []byte{3, 232}))
			c.close()
		}, socketio.ReasonTransportClose, socketio.ReasonTransportClose},
		{"client closes", func(_ *fixture, c *wsClient, _ *socketio.Socket) { c.close() },
			socketio.ReasonTransportClose, socketio.ReasonTransportClose},
		{"engine close packet", func(_ *fixture, c *wsClient, _ *socketio.Socket) { c.send("1") },
			socketio.ReasonTransportClose, socketio.ReasonTransportClose},
		{"engine packet", func(_ *fixture, c *wsClient, _ *socketio.Socket) { c.send("x") },
			socketio.ReasonParseError, socketio.ReasonParseError},
		{"reset", func(_ *fixture, c *wsClient, _ *socketio.Socket) { c.conn.(*memnet.Conn).Reset() },
			"", ""},
		{"ping timeout", func(_ *fixture, _ *wsClient, s *socketio.Socket) { <-s.Context().Done() },
			socketio.ReasonPingTimeout, socketio.ReasonPingTimeout},
		{"parse error", func(_ *fixture, c *wsClient, _ *socketio.Socket) { c.send("42[") },
			socketio.ReasonParseError, socketio.ReasonParseError},
		{"violation", func(_ *fixture, c *wsClient, _ *socketio.Socket) { c.send("42/nope,[1]") },
			socketio.ReasonForcedServerClose, socketio.ReasonForcedServerClose},
		{"kicked", func(_ *fixture, _ *wsClient, s *socketio.Socket) { s.Disconnect(false) },
			socketio.ReasonServerDisconnect, ""},
		{"kicked out", func(_ *fixture, _ *wsClient, s *socketio.Socket) { s.Disconnect(true) },
			socketio.ReasonServerDisconnect, socketio.ReasonServerDisconnect},
		{"kicked by the namespace", func(f *fixture, _ *wsClient, _ *socketio.Socket) {
			_ = f.DisconnectSockets(f.t.Context(), false)
		}, socketio.ReasonServerDisconnect, ""},
		{"engine closed", func(_ *fixture, _ *wsClient, s *socketio.Socket) { s.Conn().Close() },
			socketio.ReasonForcedClose, socketio.ReasonForcedClose},
		{"shutdown", func(f *fixture, _ *wsClient, _ *socketio.Socket) { _ = f.Shutdown(f.t.Context()) },
			socketio.ReasonServerShuttingDown, socketio.ReasonServerShuttingDown},
		{"close", func(f *fixture, _ *wsClient, _ *socketio.Socket) { _ = f.Close() },
			socketio.ReasonServerShuttingDown, socketio.ReasonServerShuttingDown},
		{"all at once", func(f *fixture, c *wsClient, s *socketio.Socket) {
			var wg sync.WaitGroup
			for _, fn := range []func(){
				c.close, func() { s.Disconnect(true) }, func() { s.Disconnect(false) },
				func() { _ = f.Close() }, s.Conn().Close,
				func() { _ = c.trySend("41") }, func() { _ = f.Shutdown(f.t.Context()) },
			} {
				wg.Go(fn)
			}
			wg.Wait()
		}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, f *fixture) {
				type told struct {
					nsp    string
					reason socketio.DisconnectReason
				}
				var mu sync.Mutex
				ing, ed := map[told]int{}, map[told]int{}
				cause := map[string]error{}
				on := func(s *socketio.Socket) {
					nsp := s.Namespace().Name()
					_ = s.Join("room")
					s.OnDisconnecting(func(r socketio.DisconnectReason) {
						mu.Lock()
						defer mu.Unlock()
						ing[told{nsp, r}]++
						cause[nsp] = context.Cause(s.Context())
						if n := len(s.Rooms()); n != 2 || s.Connected() {
							t.Errorf("%s disconnecting: %d rooms, connected %v", nsp, n, s.Connected())
						}
					})
					s.OnDisconnect(func(r socketio.DisconnectReason) {
						mu.Lock()
						defer mu.Unlock()
						if ed[told{nsp, r}]++; ing[told{nsp, r}] != 1 {
							t.Errorf("%s: disconnect before disconnecting", nsp)
						}
						if n := len(s.Rooms()); n != 0 {
							t.Errorf("%s: %d rooms", nsp, n)
						}
					})
				}
				f.OnConnection(on)
				f.Of("/other").OnConnection(on)
				c, s := f.connected("/")
				c.connect("/other", "")
				synctest.Wait()
				tt.end(f, c, s)
				synctest.Wait()

				want := map[told]int{}
				for t := range ing { // whatever it was
					want[t] = 1
				}
				if tt.want != "" {
					want = map[told]int{{"/", tt.want}: 1}
					if tt.rest != "" {
						want[told{"/other", tt.rest}] = 1
					}
				} else if len(want) != 2 {
					t.Errorf("told %v", ing)
				}
				mu.Lock()
				if fmt.Sprint(ing) != fmt.Sprint(want) || fmt.Sprint(ed) != fmt.Sprint(want) {
					t.Errorf("disconnecting %v, disconnect %v; want %v", ing, ed, want)
				}
				for told := range want {
					if cause[told.nsp] != told.reason {
						t.Errorf("%s: cause %v, reason %q", told.nsp, cause[told.nsp], told.reason)
					}
				}
				mu.Unlock()
				st := f.Stats()
				total := uint64(0)
				for _, n := range st.Disconnects {
					total += n
				}
				if total != uint64(len(want)) || st.Sockets != int64(2-len(want)) {
					t.Errorf("stats are %+v", st)
				}
			})
		})
	}
}

func TestDisconnectOverPolling(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var rec recorder
		f.OnConnection(func(s *socketio.Socket) {
			s.OnDisconnect(func(r socketio.DisconnectReason) { rec.add("%s", r) })
			s.On("kick", func(context.Context, *socketio.Event) error {
				s.Disconnect(true)
				return nil
			})
		})
		c := f.poll()
		c.send("40")
		c.read()
		c.send(`42["kick"]`)
		c.expect("41", "1")
		rec.expect(t, "server namespace disconnect")
	})
}

func TestDisconnectPackets(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		f.Of("/a")
		c, s := f.connected("/")
		c.connect("/a", "")
		synctest.Wait()
		s.Disconnect(false)
		s.Disconnect(false)
		c.expect("41")
		c.send(`42["x"]`, "41") // it could not know
		c.expectSilence()
		c.connect("/", "") // and may come back
		for s := range f.Sockets() {
			s.Disconnect(true)
		}
		got := []string{c.read(), c.read()}
		slices.Sort(got)
		if !slices.Equal(got, []string{"41", "41/a,"}) {
			t.Errorf("got %q", got)
		}
		c.expectClose("closed: 1000 ")
	})
}

// Events that wait when the socket is disconnected are not handled; what runs is finished first.
func TestDisconnectDropsWaitingEvents(t *testing.T) {
	for name, end := range map[string]func(f *fixture, c *wsClient, s *socketio.Socket){
		"server namespace disconnect": func(_ *fixture, _ *wsClient, s *socketio.Socket) { s.Disconnect(false) },
		"server shutting down":        func(f *fixture, _ *wsClient, _ *socketio.Socket) { _ = f.Close() },
		"forced server close": func(_ *fixture, c *wsClient,
			_ *socketio.Socket) {
			c.send(`44{"message":"x"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, f *fixture) {
				var rec recorder
				release := make(chan struct{})
				f.OnConnection(func(s *socketio.Socket) {
					s.OnDisconnecting(func(socketio.DisconnectReason) { rec.add("disconnecting") })
					s.OnDisconnect(func(socketio.DisconnectReason) { rec.add("disconnect") })
					s.OnAny(func(context.Context, *socketio.Event) { rec.add("any") })
					s.On("x", func(ctx context.Context, e *socketio.Event) error {
						rec.add("began")
						<-ctx.Done() // at once
						rec.add("%v", context.Cause(ctx))
						<-release
						rec.add("ended")
						return nil
					})
				})
				c, s := f.connected("/")
				c.send(`42["x"]`, `42["x"]`, `42["x"]`)
				synctest.Wait()
				end(f, c, s)
				rec.expect(t, "any", "began", name)
				close(release)
				rec.expect(t, "ended", "disconnecting", "disconnect")
			})
		})
	}
}

// What a client has sent before it left, or its connection was lost, is handled, with a context that allows it.
func TestLastEventsOfLostClient(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var rec recorder
		f.OnConnection(func(s *socketio.Socket) {
			s.OnDisconnect(func(r socketio.DisconnectReason) { rec.add("%s", r) })
			s.On("slow", func(ctx context.Context, _ *socketio.Event) error {
				<-ctx.Done()
				rec.add("slow %v", context.Cause(ctx))
				return nil
			})
			s.On("last", func(ctx context.Context, e *socketio.Event) error {
				got, _ := socketio.SocketFromContext(ctx)
				deadline, ok := ctx.Deadline()
				if ok && (time.Until(deadline) != time.Second || ctx.Err() != nil) {
					t.Errorf("deadline in %v, %v", time.Until(deadline), ctx.Err())
				}
				rec.add("last %v", got == s)
				return nil
			})
		})
		c, _ := f.join("/")
		c.send(`42["slow"]`, `421["last"]`, `42["slow"]`, `42["last"]`, `42["last"]`)
		synctest.Wait()
		c.close()
		rec.expect(t, "slow transport close", "last true")
		advance(time.Second)
		rec.expect(t, "slow context deadline exceeded", "transport close")

		for range 100 { // emit and exit
			c, _ := f.join("/")
			c.send(`42["last"]`)
			c.close()
			rec.expect(t, "last true", "transport close")

			c, _ = f.join("/") // what comes after the end is not handled
			c.send(`42["last"]`, `42["last"]`, "41", `42["last"]`)
			rec.expect(t, "last true", "last true", "client namespace disconnect")
			c.send("1")

			c, _ = f.join("/")
			c.send(`42["last"]`, `42["last"]`, "42")
			rec.expect(t, "last true", "last true", "parse error")
		}
	})
}

func TestHandlersDisconnect(t *testing.T) {
	for _, what := range []string{"self", "self and close", "room", "all", "close", "shutdown", "emit to self"} {
		t.Run(what, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, f *fixture) {
				var told atomic.Int64
				f.OnConnection(func(s *socketio.Socket) {
					_ = s.Join("room")
					s.OnDisconnect(func(socketio.DisconnectReason) { told.Add(1) })
					s.On("x", func(ctx context.Context, e *socketio.Event) error {
						switch what {
						case "self":
							s.Disconnect(false)
						case "self and close":
							s.Disconnect(true)
						case "room":
							return f.To("room").DisconnectSockets(ctx, true)
						case "all":
							return f.DisconnectSockets(ctx, false)
						case "close":
							return f.Close()
						case "shutdown":
							if err := f.Shutdown(ctx); !errors.Is(err, context.Canceled) ||
								!strings.Contains(err.Error(), "event x") {
								t.Errorf("shutdown: %v", err)
							}
						case "emit to self":
							for range 1000 {
								_ = f.To("room").Volatile().Emit("y")
								_ = f.Volatile().Emit("y")
								_ = s.Volatile().Emit("y")
							}
							s.Disconnect(true)
						}
						return nil
					})
				})
				c, _ := f.join("/")
				f.join("/")
				synctest.Wait()
				c.send(`42["x"]`)
				synctest.Wait()
				want := int64(2)
				if strings.Contains(what, "self") {
					want = 1
				}
				if told.Load() != want {
					t.Errorf("%d sockets were disconnected, want %d", told.Load(), want)
				}
			})
		})
	}
}

func TestShutdown(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var rec recorder
		f.OnConnection(func(s *socketio.Socket) {
			s.OnDisconnect(func(r socketio.DisconnectReason) { rec.add("%s", r) })
			s.On("x", func(ctx context.Context, e *socketio.Event) error {
				<-ctx.Done()
				advance(3 * time.Second)
				rec.add("handled")
				return nil
			})
		})
		c, s := f.connected("/")
		c.send(`42["x"]`)
		synctest.Wait()
		for range 3 {
			if err := s.Emit("queued"); err != nil {
				t.Error(err)
			}
		}
		began := time.Now()
		done := make(chan error)
		for range 3 { // from several goroutines
			go func() { done <- f.Shutdown(t.Context()) }() // ends when the handler has returned
		}
		c.expect(`42["queued"]`, `42["queued"]`, `42["queued"]`)
		c.expectClose("") // no DISCONNECT: the client is to come back
		c.close()
		for range 3 {
			if err := <-done; err != nil || time.Since(began) != 3*time.Second {
				t.Errorf("%v after %v", err, time.Since(began))
			}
		}
		rec.expect(t, "handled", "server shutting down")
		if err := f.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if st := f.Stats(); st.Sockets != 0 || st.Engine.Sessions != 0 {
			t.Errorf("stats are %+v", st)
		}
		if err := f.Emit("x"); err != nil { // to nobody
			t.Errorf("emit: %v", err)
		}
		if err := f.Of("/new").Emit("x"); !errors.Is(err, socketio.ErrServerClosed) {
			t.Errorf("emit: %v", err)
		}
	})
}

func TestShutdownNamesWhatHangs(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		release := make(chan struct{})
		hang := func() { <-release }
		f.Handle("slow", func(context.Context, *socketio.Socket, *socketio.Event) error { hang(); return nil })
		f.Of("/middleware").Use(func(context.Context, *socketio.Socket) error { hang(); return nil })
		f.Of("/gone").OnConnection(func(s *socketio.Socket) {
			s.OnDisconnect(func(socketio.DisconnectReason) { hang() })
		})
		f.OfFunc(func(context.Context, string, socketio.Args) bool { hang(); return false })
		c, id := f.join("/")
		c.send(`42["slow"]`, "40/middleware,", "40/dynamic,")
		gone := c.connect("/gone", "")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		err := f.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		for _, want := range []string{"event slow of " + id + " in /", "connecting of ",
			" in /middleware", " in /dynamic", "disconnecting of " + gone + " in /gone"} {
			if !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("error %v does not name %q", err, want)
			}
		}
		close(release)
		synctest.Wait()
		if n := f.Stats().Sockets; n != 0 {
			t.Errorf("%d sockets are left", n)
		}
	})
}

// The error of Shutdown says that the context has ended, and why.
func TestShutdownHasACause(t *testing.T) {
	for _, hangs := range []bool{false, true} {
		t.Run(fmt.Sprint("handler hangs ", hangs), func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, f *fixture) {
				release := make(chan struct{})
				f.Handle("slow", func(context.Context, *socketio.Socket, *socketio.Event) error { <-release; return nil })
				c, _ := f.join("/")
				if hangs {
					c.send(`42["slow"]`)
					synctest.Wait()
				} else {
					f.poll() // and fetches nothing
				}
				cause := errors.New("enough")
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
				defer cancel()
				if err := f.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, cause) ||
					!strings.HasPrefix(err.Error(), "socketio: shutdown: ") {
					t.Errorf("Shutdown: %v", err)
				}
				close(release)
			})
		})
	}
}

func TestConnectWhileClosing(t *testing.T) {
	bubble(t, &socketio.Options{Engine: engineio.Options{MaxQueueBytes: 1 << 20}}, func(t *testing.T, f *fixture) {
		var up, down atomic.Int64
		f.OnConnection(func(s *socketio.Socket) {
			up.Add(1)
			s.OnDisconnect(func(socketio.DisconnectReason) { down.Add(1) })
		})
		clients := make([]*wsClient, 20)
		for i := range clients {
			clients[i] = f.dial()
		}
		var wg sync.WaitGroup
		for i, c := range clients {
			wg.Go(func() {
				_ = c.trySend("40")
				if i == 10 {
					if err := f.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		if up.Load() != down.Load() {
			t.Errorf("%d connected, %d disconnected", up.Load(), down.Load())
		}
		if st := f.Stats(); st.Sockets != 0 || st.Connects != uint64(up.Load()) {
			t.Errorf("stats are %+v", st)
		}
	})
}

func TestCloseTwice(t *testing.T) {
	f := newFixture(t, nil)
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			var err error
			if i%2 == 0 {
				err = f.Close()
			} else {
				err = f.Shutdown(t.Context())
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	f.close()
}

// 10,000 rounds on one connection leave nothing behind.
func TestConnectAndDisconnectOften(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		f.OfFunc(matcher("^/dyn$"))
		c := f.dial()
		for i := range 2000 {
			name := []string{"/", "/dyn"}[i%2]
			c.connect(name, "")
			if name == "/" {
				c.send("41")
			} else {
				c.send("41/dyn,")
			}
		}
		synctest.Wait()
		if st := f.Stats(); st.Sockets != 0 || st.Connects != 2000 ||
			st.Disconnects[socketio.ReasonClientDisconnect] != 2000 || st.Namespaces != 1 {
			t.Errorf("stats are %+v", st)
		}
	})
}
