package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/event"
)

// recorder notes what happens, in order.
type recorder struct {
	mu  sync.Mutex
	log []string
}

func (r *recorder) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.log = append(r.log, fmt.Sprintf(format, args...))
}

func (r *recorder) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.log, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(r.log, "\n\t"), strings.Join(want, "\n\t"))
	}
	r.log = nil
}

func (r *recorder) handler(name string) socketio.Handler {
	return func(context.Context, *socketio.Event) error {
		r.add("%s", name)
		return nil
	}
}

func TestEventArguments(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var rec recorder
		f.OnConnection(func(s *socketio.Socket) {
			s.On("x", func(_ context.Context, e *socketio.Event) error {
				v, err := e.Args.Values()
				rec.add("%s %v %v", e.Name, v, err)
				return nil
			})
		})
		c, _ := f.join("/")
		c.send(`42["x"]`, `42["x",1,"two",[3],{"four":4},null,true]`, `42["unknown",1]`, `42["error"]`)
		c.send(`452-["x",{"a":[{"_placeholder":true,"num":1}]},{"_placeholder":true,"num":0}]`)
		c.sendBinary([]byte{1})
		c.sendBinary([]byte{2, 3})
		rec.expect(t, "x [] <nil>", "x [1 two [3] map[four:4] <nil> true] <nil>", "x [map[a:[[2 3]]] [1]] <nil>")
		if n := f.Stats().EventsIn; n != 5 {
			t.Errorf("counted %d events", n)
		}
	})
}

func TestEventsInOrderOneAtATime(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var got []int // no lock: the race detector sees two at once
		f.Handle("n", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error {
			var n int
			err := e.Bind(&n)
			got = append(got, n)
			return err
		})
		c, _ := f.join("/")
		for i := range 2000 {
			c.send(fmt.Sprintf(`42["n",%d]`, i))
		}
		synctest.Wait()
		if len(got) != 2000 || !slices.IsSorted(got) {
			t.Errorf("%d events, in order %v", len(got), slices.IsSorted(got))
		}
	})
}

func TestDispatchOrder(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var rec recorder
		mw := func(name string) socketio.Middleware {
			return func(next socketio.Handler) socketio.Handler {
				rec.add("build %s", name)
				return func(ctx context.Context, e *socketio.Event) error {
					s, ok := socketio.SocketFromContext(ctx)
					rec.add("%s in %v", name, ok && s.Connected())
					err := next(ctx, e)
					rec.add("%s out", name)
					return err
				}
			}
		}
		f.UseEvents(mw("nsp1"), mw("nsp2"))
		f.Handle("x", func(context.Context, *socketio.Socket, *socketio.Event) error {
			rec.add("handle")
			return nil
		})
		var sock *socketio.Socket
		f.OnConnection(func(s *socketio.Socket) {
			sock = s
			s.Use(mw("own"))
			s.On("x", rec.handler("first"))
			s.On("y", rec.handler("other"))
			s.On("x", rec.handler("second"))
			s.OnAny(func(_ context.Context, e *socketio.Event) { rec.add("any %s", e.Name) })
		})
		c, _ := f.join("/")
		c.send(`42["x"]`)
		rec.expect(t, "any x", "build own", "build nsp2", "build nsp1",
			"nsp1 in true", "nsp2 in true", "own in true", "first",
			"second", "handle", "own out", "nsp2 out", "nsp1 out")
		c.send(`42["x"]`) // the chain is kept
		rec.expect(t, "any x",
			"nsp1 in true", "nsp2 in true", "own in true", "first", "second", "handle",
			"own out", "nsp2 out", "nsp1 out")
		sock.Use(mw("late"))
		c.send(`42["y"]`)
		rec.expect(t, "any y", "build late", "build own", "build nsp2", "build nsp1", "nsp1 in true", "nsp2 in true",
			"own in true", "late in true", "other", "late out", "own out", "nsp2 out", "nsp1 out")
	})
}

func TestEventMiddlewareRejects(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var rec recorder
		f.OnConnection(func(s *socketio.Socket) {
			s.OnAny(func(_ context.Context, e *socketio.Event) { rec.add("any") })
			s.Use(func(next socketio.Handler) socketio.Handler {
				return func(ctx context.Context, e *socketio.Event) error {
					if e.Name == "bad" {
						return &event.Error{Message: "no"}
					}
					return next(ctx, e)
				}
			})
			s.On("bad", rec.handler("bad"))
			s.On("good", rec.handler("good"))
		})
		c, _ := f.join("/")
		c.send(`421["bad"]`, `42["good"]`)
		c.expect(`431[{"error":"no"}]`)
		rec.expect(t, "any", "any", "good")
	})
}

func TestEventMiddlewareDisconnects(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var rec recorder
		f.UseEvents(func(next socketio.Handler) socketio.Handler {
			return func(ctx context.Context, e *socketio.Event) error {
				s, _ := socketio.SocketFromContext(ctx)
				s.Disconnect(false)
				return next(ctx, e)
			}
		})
		f.Handle("x", func(context.Context, *socketio.Socket, *socketio.Event) error {
			rec.add("handled")
			return nil
		})
		c, _ := f.join("/")
		c.send(`42["x"]`)
		c.expect("41")
		rec.expect(t)
	})
}

func TestListeners(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var rec recorder
		f.OnConnection(func(s *socketio.Socket) {
			s.Once("x", rec.handler("once"))
			off := s.On("x", rec.handler("on"))
			gone := s.On("x", rec.handler("gone"))
			gone()
			gone()
			anyOff := s.OnAny(func(context.Context, *socketio.Event) { rec.add("any") })
			s.On("off", func(context.Context, *socketio.Event) error {
				off()
				anyOff()
				s.On("x", rec.handler("new"))
				return nil
			})
		})
		c, _ := f.join("/")
		c.send(`42["x"]`, `42["x"]`, `42["off"]`, `42["x"]`)
		rec.expect(t, "any", "once", "on", "any", "on", "any", "new")
	})
}

func TestHandlerAcknowledges(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var kept *socketio.Event
		f.OnConnection(func(s *socketio.Socket) {
			s.On("echo", func(_ context.Context, e *socketio.Event) error { return e.Ack(e.Args) })
			s.On("none", func(_ context.Context, e *socketio.Event) error { return nil })
			s.On("twice", func(_ context.Context, e *socketio.Event) error {
				if err := e.Ack(1); err != nil {
					t.Error(err)
				}
				if err := e.Ack(2); err == nil {
					t.Error("acknowledged twice")
				}
				return nil
			})
			s.On("later", func(_ context.Context, e *socketio.Event) error {
				kept = e
				return nil
			})
			s.On("bin", func(_ context.Context, e *socketio.Event) error { return e.Ack([]byte{1, 2}) })
		})
		c, _ := f.join("/")
		c.send(`420["echo",1,"two"]`, `429007199254740991["echo"]`, `427["none"]`, `428["twice"]`, `429["later"]`)
		c.expect(`430[1,"two"]`, `439007199254740991[]`, `438[1]`)
		c.send(`4210["bin"]`)
		c.expect(`461-10[{"_placeholder":true,"num":0}]`, "b\x01\x02")
		c.send(`425["echo"]`, `425["echo"]`) // two calls, two answers
		c.expect(`435[]`, `435[]`)

		// From a hundred goroutines, long after: one answer.
		advance(10 * time.Second)
		var wg sync.WaitGroup
		var sent atomic.Int64
		for range 100 {
			wg.Go(func() {
				if kept.Ack("late") == nil {
					sent.Add(1)
				}
			})
		}
		wg.Wait()
		c.expect(`439["late"]`)
		c.expectSilence()
		if sent.Load() != 1 {
			t.Errorf("%d calls succeeded", sent.Load())
		}
	})
}

func TestAckAfterDisconnect(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var kept *socketio.Event
		f.OnConnection(func(s *socketio.Socket) {
			s.On("x", func(_ context.Context, e *socketio.Event) error {
				kept = e
				return nil
			})
		})
		c, _ := f.join("/")
		c.send(`421["x"]`)
		synctest.Wait()
		c.send("41")
		synctest.Wait()
		if err := kept.Ack(1); !errors.Is(err, socketio.ErrDisconnected) {
			t.Errorf("error is %v", err)
		}
		c.expectSilence()
	})
}

func TestHandlerErrors(t *testing.T) {
	type report struct {
		sid, event, err string
	}
	var mu sync.Mutex
	var reports []report
	opts := &socketio.Options{OnError: func(_ context.Context, s *socketio.Socket, e *socketio.Event, err error) {
		mu.Lock()
		defer mu.Unlock()
		reports = append(reports, report{s.ID(), e.Name, err.Error()})
	}}
	bubble(t, opts, func(t *testing.T, f *fixture) {
		reports = nil
		f.OnConnection(func(s *socketio.Socket) {
			s.On("shown", func(context.Context, *socketio.Event) error {
				return fmt.Errorf("wrapped: %w", &event.Error{Message: "try again"})
			})
			s.On("hidden", func(context.Context, *socketio.Event) error { return errors.New("password is 1234") })
			s.On("acked", func(_ context.Context, e *socketio.Event) error {
				_ = e.Ack("fine")
				return errors.New("but")
			})
			s.On("two", func(context.Context, *socketio.Event) error { return errors.New("one") })
			s.On("two", func(context.Context, *socketio.Event) error { return &event.Error{Message: "two"} })
		})
		c, id := f.join("/")
		c.send(`421["shown"]`, `42["shown"]`, `422["hidden"]`, `423["acked"]`, `424["two"]`)
		c.expect(`431[{"error":"try again"}]`, `432[{"error":"internal error"}]`, `433["fine"]`, `434[{"error":"two"}]`)
		synctest.Wait()
		want := []report{
			{id, "shown", "wrapped: try again"}, {id, "shown", "wrapped: try again"},
			{id, "hidden", "password is 1234"}, {id, "acked", "but"}, {id, "two", "one"}, {id, "two", "two"},
		}
		if !slices.Equal(reports, want) {
			t.Errorf("reports are %v", reports)
		}
		if st := f.Stats(); st.HandlerErrors != 6 || st.Panics != 0 {
			t.Errorf("stats are %+v", st)
		}
		if log := f.logs.String(); !strings.Contains(log, "password is 1234") ||
			!strings.Contains(log, "event=hidden") ||
			!strings.Contains(log, "sid="+id) || !strings.Contains(log, "nsp=/") {
			t.Errorf("log is %s", log)
		}
	})
}

func TestTypedHandlers(t *testing.T) {
	type sum struct{ A, B int }
	const (
		say event.Of[string]         = "say"
		add event.WithAck[sum, int]  = "add"
		odd event.WithAck[int, bool] = "odd"
	)
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var rec recorder
		socketio.Handle(f.Of("/"), say, func(_ context.Context, s *socketio.Socket, v string) error {
			rec.add("%s", v)
			return say.Emit(s, strings.ToUpper(v))
		})
		socketio.HandleWithAck(f.Of("/"), add, func(_ context.Context, _ *socketio.Socket, v sum) (int, error) {
			return v.A + v.B, nil
		})
		f.OnConnection(func(s *socketio.Socket) {
			odd.On(s, func(_ context.Context, n int) (bool, error) {
				if n < 0 {
					return false, &event.Error{Message: "negative"}
				}
				return n%2 == 1, nil
			})
		})
		c, _ := f.join("/")
		c.send(`42["say","hi"]`, `421["add",{"A":1,"B":2}]`, `422["odd",3]`,
			`423["odd",-1]`, `42["add",{}]`, `424["add","no"]`)
		c.expect(`42["say","HI"]`, `431[3]`, `432[true]`,
			`433[{"error":"negative"}]`, `434[{"error":"invalid arguments"}]`)
		f.UseEvents(func(next socketio.Handler) socketio.Handler { // that forgets the context
			return func(_ context.Context, e *socketio.Event) error { return next(context.Background(), e) }
		})
		c.send(`42["say","again"]`)
		c.expect(`42["say","AGAIN"]`)
		rec.expect(t, "hi", "again")
	})
}

// Each hook that user code can panic in. The socket lives on, and the process too.
func TestPanics(t *testing.T) {
	boom := func() { panic("b\x1b[31moom") }
	for _, tt := range []struct {
		name  string
		setup func(s *socketio.Socket)
	}{
		{"listener", func(s *socketio.Socket) {
			s.On("x", func(context.Context, *socketio.Event) error { boom(); return nil })
		}},
		{"any listener", func(s *socketio.Socket) {
			s.OnAny(func(_ context.Context, e *socketio.Event) {
				if e.Name == "x" {
					boom()
				}
			})
		}},
		{"middleware", func(s *socketio.Socket) {
			s.Use(func(next socketio.Handler) socketio.Handler {
				return func(ctx context.Context, e *socketio.Event) error {
					if e.Name == "x" {
						boom()
					}
					return next(ctx, e)
				}
			})
		}},
		{"outgoing listener", func(s *socketio.Socket) {
			s.OnAnyOutgoing(func(name string, _ socketio.Args) {
				if name == "y" {
					boom()
				}
			})
			s.On("x", func(context.Context, *socketio.Event) error { return s.Emit("y") })
		}},
		{"connection callback", func(*socketio.Socket) { boom() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var errs []error
			var mu sync.Mutex
			opts := &socketio.Options{OnError: func(_ context.Context,
				_ *socketio.Socket, _ *socketio.Event, err error) {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}}
			bubble(t, opts, func(t *testing.T, f *fixture) {
				errs = nil
				f.Handle("ping", func(_ context.Context, s *socketio.Socket,
					e *socketio.Event) error {
					return e.Ack("pong")
				})
				f.OnConnection(tt.setup)
				c, _ := f.join("/")
				c.send(`42["x"]`, `427["ping"]`)
				for c.read() != `437["pong"]` {
				}
				synctest.Wait()
				var p *socketio.PanicError
				if len(errs) != 1 || !errors.As(errs[0], &p) || len(p.Stack) == 0 {
					t.Errorf("OnError got %v", errs)
				}
				if n := f.Stats().Panics; n != 1 {
					t.Errorf("counted %d", n)
				}
				log := f.logs.String()
				if strings.Count(log, `msg="socketio: panic"`) != 1 ||
					!strings.Contains(log, "socket_on_test.go") || strings.Contains(log, "\x1b") {
					t.Errorf("log is %s", log)
				}
			})
		})
	}
}

func TestPanicIsAcknowledged(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		f.Handle("x", func(context.Context, *socketio.Socket, *socketio.Event) error { panic(errors.New("secret")) })
		c, _ := f.join("/")
		c.send(`421["x"]`)
		c.expect(`431[{"error":"internal error"}]`)
	})
}

func TestOnErrorPanics(t *testing.T) {
	opts := &socketio.Options{OnError: func(context.Context,
		*socketio.Socket, *socketio.Event, error) {
		panic("again")
	}}
	bubble(t, opts, func(t *testing.T, f *fixture) {
		f.Handle("x", func(context.Context, *socketio.Socket, *socketio.Event) error { return errors.New("x") })
		c, _ := f.join("/")
		c.send(`421["x"]`, `422["x"]`)
		c.expect(`431[{"error":"internal error"}]`, `432[{"error":"internal error"}]`)
	})
}

func TestGoexit(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var rec recorder
		f.Of("/middleware").Use(func(context.Context, *socketio.Socket) error {
			runtime.Goexit()
			return nil
		})
		f.OnConnection(func(*socketio.Socket) { runtime.Goexit() })
		f.OnConnection(func(s *socketio.Socket) {
			rec.add("connection")
			s.On("exit", func(context.Context, *socketio.Event) error {
				runtime.Goexit()
				return nil
			})
			s.On("x", func(_ context.Context, e *socketio.Event) error { return e.Ack() })
			s.OnDisconnecting(func(socketio.DisconnectReason) { runtime.Goexit() })
			s.OnDisconnect(func(socketio.DisconnectReason) { runtime.Goexit() })
			s.OnDisconnect(func(socketio.DisconnectReason) { rec.add("disconnect, rooms %q", s.Rooms()) })
		})
		c, _ := f.join("/")
		c.send("40/middleware,")
		c.expect(`44/middleware,{"message":"internal error"}`)
		c.send(`421["exit"]`, `422["x"]`)
		c.expect(`431[{"error":"internal error"}]`, `432[]`)
		c.send("41")
		rec.expect(t, "connection", "disconnect, rooms []")
		if n := f.Stats().Sockets; n != 0 {
			t.Errorf("%d sockets left", n)
		}
	})
}

// A full inbox stops reading: it does not grow, and nothing is lost.
func TestBackPressure(t *testing.T) {
	for _, tt := range []struct {
		name    string
		inbox   int
		bytes   int
		payload int
		atMost  int // events that are taken while the handler is busy
	}{
		{"events", 10, 0, 1, 11},
		{"bytes", 0, 1 << 20, 100_000, 10},
		{"small bytes", 0, 4000, 1, 10},
		{"one at a time", 0, 1, 100_000, 1},
		{"default", 0, 0, 100_000, 42},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, &socketio.Options{MaxInbox: tt.inbox, MaxInboxBytes: tt.bytes}, func(t *testing.T, f *fixture) {
				release := make(chan struct{})
				var handled int
				f.Handle("x", func(context.Context, *socketio.Socket, *socketio.Event) error {
					<-release
					handled++
					return nil
				})
				c, _ := f.join("/")
				const n = 100
				go func() { // ends when all is read
					for range n {
						_ = c.trySend(`42["x","` + strings.Repeat("a", tt.payload) + `"]`)
					}
				}()
				synctest.Wait()
				if in := f.Stats().EventsIn; in == 0 || in > uint64(tt.atMost) {
					t.Errorf("%d events were taken", in)
				}
				close(release)
				synctest.Wait()
				if handled != n {
					t.Errorf("%d of %d events were handled", handled, n)
				}
			})
		})
	}
}

// A blocked reader is freed when the server ends the socket.
func TestBackPressureEndsWithSocket(t *testing.T) {
	for _, how := range []string{"disconnect", "disconnect and close", "close", "dead client"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, &socketio.Options{MaxInbox: 1}, func(t *testing.T, f *fixture) {
				release := make(chan struct{})
				var handled int
				var sock *socketio.Socket
				var rec recorder
				f.OnConnection(func(s *socketio.Socket) {
					sock = s
					s.OnDisconnect(func(r socketio.DisconnectReason) { rec.add("%s", r) })
					s.On("x", func(context.Context, *socketio.Event) error {
						handled++
						<-release
						return nil
					})
				})
				c, _ := f.join("/")
				c.send(`42["x"]`, `42["x"]`, `42["x"]`)
				synctest.Wait()
				want := socketio.ReasonServerDisconnect
				switch how {
				case "disconnect":
					sock.Disconnect(false)
					c.expect("41")
				case "disconnect and close":
					sock.Disconnect(true)
					c.expect("41")
				case "close":
					want = socketio.ReasonServerShuttingDown
					_ = f.Close()
				case "dead client":
					want = socketio.ReasonTransportClose
					c.close() // which is not read, but the pings notice it
					<-sock.Context().Done()
				}
				if context.Cause(sock.Context()) != want {
					t.Errorf("cause is %v", context.Cause(sock.Context()))
				}
				rec.expect(t) // not before the handler has returned
				close(release)
				rec.expect(t, string(want))
				if handled != 1 && how != "dead client" {
					t.Errorf("%d events were handled", handled)
				}
			})
		})
	}
}

// Acknowledgements are not stuck behind the handler that waits for them.
func TestHandlerWaitsForItsClient(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		f.Handle("x", func(ctx context.Context, s *socketio.Socket, e *socketio.Event) error {
			a, err := s.EmitWithAck(ctx, "ask")
			if err != nil {
				return err
			}
			return e.Ack(a)
		})
		c, _ := f.join("/")
		c.send(`427["x"]`, `428["x"]`)
		c.expect(`420["ask"]`)
		c.send(`430[1]`)
		c.expect(`437[1]`, `421["ask"]`)
		c.send(`431[2]`)
		c.expect(`438[2]`)
	})
}

// A connection callback that waits holds up the events, but not the acknowledgement it waits for.
func TestConnectionCallbackFirst(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var rec recorder
		f.OnConnection(func(s *socketio.Socket) {
			_, err := s.EmitWithAck(s.Context(), "ask")
			rec.add("connection %v", err)
			s.On("x", rec.handler("x"))
		})
		c, _ := f.join("/")
		c.send(`42["x"]`)
		c.expect(`420["ask"]`)
		rec.expect(t)
		c.send(`430[]`)
		rec.expect(t, "connection <nil>", "x")
	})
}

func TestPeerTextIsQuotedInLogs(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		name := strings.Repeat("e", 1000) + "\\r\\n\\u001b[31m\u2028"
		evil := "\\r\\nlevel=ERROR\\u001b[31m\u202e\xff"
		f.UseEvents(func(socketio.Handler) socketio.Handler {
			return func(_ context.Context, e *socketio.Event) error { return errors.New(e.Name) }
		})
		c, _ := f.join("/")
		c.send(`42["`+name+`"]`, `42["`+strings.ReplaceAll(evil, "\xff", "?")+`"]`, "40/a\r\nb\x1b,")
		c.read()
		synctest.Wait()
		for line := range strings.Lines(f.logs.String()) {
			if len(line) > 1500 || strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\r\x1b\u202e\u2028") ||
				!strings.HasPrefix(line, "time=") {
				t.Errorf("log line %q", line)
			}
		}
		if strings.Count(f.logs.String(), "socketio: error") != 2 {
			t.Errorf("log is %s", f.logs)
		}
	})
}
