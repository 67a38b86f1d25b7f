package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/adapter"
)

func TestMiddlewareOrder(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var rec recorder
		f.Use(func(ctx context.Context, s *socketio.Socket) error {
			fromCtx, ok := socketio.SocketFromContext(ctx)
			rec.add("first %v %v %s", ok && fromCtx == s, s.Connected(), s.Namespace().Name())
			return s.Join("early", "late", "early")
		})
		f.Use(func(_ context.Context, s *socketio.Socket) error {
			rec.add("second %d", len(s.Rooms()))
			s.SetData("data")
			_ = s.Leave("late")
			if err := s.Emit("early", 1); err != nil { // what middleware emits comes first
				t.Error(err)
			}
			_ = f.Emit("broadcast") // but a broadcast must not reach it
			_ = f.To("early").Emit("broadcast")
			return nil
		})
		f.OnConnection(func(s *socketio.Socket) {
			rooms := s.Rooms()
			slices.Sort(rooms)
			want := []string{s.ID(), "early"}
			slices.Sort(want)
			rec.add("connection %v %v %v", s.Connected(), s.Data(), slices.Equal(rooms, want))
		})
		c := f.dial()
		c.send("40")
		c.expect(`42["early",1]`)
		if got := c.read(); !strings.HasPrefix(got, `40{"sid":`) {
			t.Errorf("got %q", got)
		}
		rec.expect(t, "first true false /", "second 2", "connection true data true")
		_ = f.To("early").Emit("hi")
		c.expect(`42["hi"]`)
	})
}

func TestMiddlewareRefusesASocket(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"connect error", &socketio.ConnectError{Message: "no"}, `{"message":"no"}`},
		{"with data", &socketio.ConnectError{Message: "no", Data: map[string]int{"c": 42}},
			`{"message":"no","data":{"c":42}}`},
		{"wrapped", fmt.Errorf("middleware: %w", &socketio.ConnectError{Message: "no"}), `{"message":"no"}`},
		{"any other", errors.New("secret"), `{"message":"internal error"}`},
		{"with empty data", &socketio.ConnectError{Message: "no", Data: ""}, `{"message":"no","data":""}`},
		{"with no elements", &socketio.ConnectError{Message: "no", Data: []int{}}, `{"message":"no","data":[]}`},
		{"data that can't be sent", &socketio.ConnectError{Message: "no", Data: make(chan int)}, `{"message":"no"}`},
		{"panic", nil, `{"message":"internal error"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, f *fixture) {
				var rec recorder
				n := f.Of("/a")
				n.Use(func(_ context.Context, s *socketio.Socket) error {
					s.OnDisconnect(func(socketio.DisconnectReason) { t.Error("disconnected") })
					s.OnDisconnecting(func(socketio.DisconnectReason) { t.Error("disconnecting") })
					_ = s.Join("room")
					if s.Handshake().Auth.Len() > 0 {
						return nil
					}
					if tt.err == nil {
						panic("boom")
					}
					return tt.err
				})
				n.Use(func(context.Context, *socketio.Socket) error {
					rec.add("second middleware")
					return nil
				})
				n.OnConnection(func(s *socketio.Socket) { rec.add("connection") })
				c := f.dial()
				c.connect("/", "") // the other namespaces are unharmed
				f.Use(func(context.Context, *socketio.Socket) error { return nil })
				c.send("40/a,")
				c.expect("44/a," + tt.want)
				rec.expect(t)
				if st := f.Stats(); st.Rejected[socketio.RejectMiddleware] != 1 || st.Sockets != 1 {
					t.Errorf("stats are %+v", st)
				}
				if strings.Contains(tt.name, "other") && !strings.Contains(f.logs.String(), "secret") {
					t.Errorf("log is %s", f.logs)
				}
				_ = n.To("room").Emit("x")
				c.send("41")
				c.expectSilence()
				n.Use(func(context.Context, *socketio.Socket) error {
					rec.add("late middleware")
					return nil
				})
				synctest.Wait()
			})
		})
	}
}

// A client that was refused may try again at once.
func TestMiddlewareRefusesThenAdmits(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		f.Use(func(_ context.Context, s *socketio.Socket) error {
			if s.Handshake().Auth.Len() == 0 {
				return &socketio.ConnectError{Message: "no"}
			}
			return nil
		})
		c := f.dial()
		for range 3 {
			c.send("40")
			c.expect(`44{"message":"no"}`)
		}
		c.connect("/", "{}")
		c2 := f.dial()
		c2.send("40")
		c2.expect(`44{"message":"no"}`)
		c2.send(`42["x"]`) // a refused client is not in the namespace
		c2.expectClose("closed: 1002 protocol error")
	})
}

// Middleware may end the connection altogether.
func TestMiddlewareThatDisconnects(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		f.Use(func(_ context.Context, s *socketio.Socket) error {
			s.Disconnect(false) // does nothing: middleware refuses by its error
			if !errors.Is(s.Context().Err(), nil) {
				t.Error("disconnected")
			}
			s.Disconnect(true)
			return nil
		})
		f.OnConnection(func(*socketio.Socket) { t.Error("connected") })
		c := f.dial()
		c.send("40")
		c.expectClose("closed: 1000 ")
	})
}

func TestNamespaces(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		if f.Of("a") != f.Of("/a") || f.Of("/") != f.Of("") || f.Of("/a").Name() != "/a" || f.Name() != "/" {
			t.Error("names differ")
		}
		c, s := f.connected("/")
		a := c.connect("/a", "")
		synctest.Wait()
		if s.ID() == a {
			t.Error("one id for two sockets")
		}
		_ = f.Of("/a").Emit("x")
		_ = f.Emit("y")
		c.expect(`42/a,["x"]`, `42["y"]`)
		var ids []string
		for s := range f.Of("/a").Sockets() {
			ids = append(ids, s.ID())
		}
		if !slices.Equal(ids, []string{a}) {
			t.Errorf("sockets are %q", ids)
		}
		if n := f.Stats().Namespaces; n != 2 {
			t.Errorf("%d namespaces", n)
		}
	})
}

func matcher(expr string) func(context.Context, string, socketio.Args) bool {
	re := regexp.MustCompile(expr)
	return func(_ context.Context, name string, _ socketio.Args) bool { return re.MatchString(name) }
}

func TestDynamicNamespaces(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var rec recorder
		f.Of("/dyn-static").OnConnection(func(*socketio.Socket) { rec.add("static") })
		first := f.OfFunc(matcher(`^/dyn-\d+$`))
		second := f.OfFunc(func(ctx context.Context, name string, auth socketio.Args) bool {
			s, ok := socketio.SocketFromContext(ctx)
			rec.add("asked for %s %d %v", name, auth.Len(), ok && s.ID() != "")
			return strings.HasPrefix(name, "/dyn-")
		})
		first.OnConnection(func(s *socketio.Socket) { rec.add("first %s", s.Namespace().Name()) })
		second.OnConnection(func(s *socketio.Socket) { rec.add("second %s", s.Namespace().Name()) })
		first.UseEvents(func(next socketio.Handler) socketio.Handler {
			rec.add("middleware")
			return next
		})
		first.Handle("x", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
			return e.Ack(s.Namespace().Name())
		})
		c := f.dial()
		c.connect("/dyn-1", "")
		rec.expect(t, "first /dyn-1")
		c.connect("/dyn-x", "{}")
		rec.expect(t, "asked for /dyn-x 1 true", "second /dyn-x")
		c.connect("/dyn-static", "")
		rec.expect(t, "static")
		c.send("40/other,")
		c.expect(`44/other,{"message":"Invalid namespace"}`)
		rec.expect(t, "asked for /other 0 true")
		c.send(`42/dyn-1,7["x"]`)
		c.expect(`43/dyn-1,7["/dyn-1"]`)
		rec.expect(t, "middleware")

		// A child gets what its parent has when it is made.
		first.Use(func(context.Context, *socketio.Socket) error { return &socketio.ConnectError{Message: "late"} })
		other := f.dial()
		other.connect("/dyn-1", "")
		other.send("40/dyn-2,")
		other.expect(`44/dyn-2,{"message":"late"}`)

		if err := first.Emit("all", 1); err != nil {
			t.Error(err)
		}
		c.expect(`42/dyn-1,["all",1]`)
		other.expect(`42/dyn-1,["all",1]`)
		synctest.Wait() // the child that let nobody in goes
		var names []string
		for n := range first.Children() {
			names = append(names, n.Name())
		}
		if !slices.Equal(names, []string{"/dyn-1"}) {
			t.Errorf("children are %q", names)
		}
		if n, ok := first.Child("dyn-1"); !ok || n != f.Of("/dyn-1") {
			t.Errorf("child is %v, %v", n, ok)
		}
		for _, name := range []string{"/dyn-2", "/dyn-x", "/dyn-static", "/"} {
			if _, ok := first.Child(name); ok {
				t.Errorf("%s is no child", name)
			}
		}
	})
}

func TestMatcherPanics(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		f.OfFunc(func(context.Context, string, socketio.Args) bool { panic("boom") })
		f.OfFunc(matcher("^/a$"))
		c := f.dial()
		c.connect("/a", "")
		c.send("40/b,")
		c.expect(`44/b,{"message":"Invalid namespace"}`)
	})
}

func TestEmptyChildrenGo(t *testing.T) {
	for _, keep := range []bool{false, true} {
		t.Run(fmt.Sprintf("keep %v", keep), func(t *testing.T) {
			var closed atomic.Int64
			opts := &socketio.Options{KeepEmptyChildren: keep,
				Adapter: func(_ context.Context, ns adapter.Local) (adapter.Adapter, error) {
					return closeCounter{adapter.New(ns), &closed}, nil
				}}
			bubble(t, opts, func(t *testing.T, f *fixture) {
				closed.Store(0)
				p := f.OfFunc(matcher("^/dyn-"))
				p.Use(func(_ context.Context, s *socketio.Socket) error {
					if strings.HasPrefix(s.Namespace().Name(), "/dyn-no") {
						return &socketio.ConnectError{Message: "no"}
					}
					return nil
				})
				a, b := f.dial(), f.dial()
				a.connect("/dyn-1", "")
				b.connect("/dyn-1", "")
				for i := range 20 {
					a.send(fmt.Sprintf("40/dyn-no%d,", i))
					a.expect(fmt.Sprintf(`44/dyn-no%d,{"message":"no"}`, i))
				}
				want := []int{2, 2, 1} // with the main namespace
				if keep {
					want = []int{22, 22, 22}
				}
				check := func(step int) {
					t.Helper()
					synctest.Wait()
					if n := f.Stats().Namespaces; n != want[step] {
						t.Errorf("step %d: %d namespaces, want %d", step, n, want[step])
					}
				}
				check(0)
				a.send("41/dyn-1,")
				check(1)
				b.close()
				check(2)
				if n := closed.Load(); keep && n != 0 || !keep && n != 21 {
					t.Errorf("%d adapters were closed", n)
				}
				a.connect("/dyn-1", "")
			})
		})
	}
}

type closeCounter struct {
	*adapter.Memory
	n *atomic.Int64
}

func (c closeCounter) Close() error {
	c.n.Add(1)
	return c.Memory.Close()
}

// However the last one's leaving and the next one's coming meet, the one that comes is in a namespace that works.
func TestChildRace(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		f.OfFunc(matcher("^/dyn$")).OnConnection(func(s *socketio.Socket) {
			s.On("x", func(_ context.Context, e *socketio.Event) error {
				return s.Namespace().Emit("y")
			})
		})
		done := make(chan bool)
		for range 4 {
			c := f.dial()
			go func() { // ends after its rounds
				defer func() { done <- true }()
				for range 100 {
					c.connectLax("/dyn")
					if c.trySend(`42/dyn,["x"]`) != nil {
						return
					}
					c.waitFor(`42/dyn,["y"]`)
					c.send("41/dyn,")
				}
			}()
		}
		for range 4 {
			<-done
		}
		synctest.Wait()
		if st := f.Stats(); st.Namespaces != 1 || st.Sockets != 0 || st.Connects != 400 {
			t.Errorf("stats are %+v", st)
		}
	})
}

// connectLax connects, and overlooks what comes before the answer.
func (c *wsClient) connectLax(nsp string) {
	c.send("40" + nsp + ",")
	for {
		m, err := c.receive()
		if err != nil {
			c.t.Errorf("connect: %v", err)
			return
		}
		if strings.HasPrefix(m, "40"+nsp+",{") {
			return
		}
	}
}

func (c *wsClient) waitFor(want string) {
	for {
		m, err := c.receive()
		if err != nil {
			c.t.Errorf("wait for %s: %v", want, err)
			return
		}
		if m == want {
			return
		}
	}
}

func TestManyNamespacesOverTime(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		f.OfFunc(matcher("^/dyn-"))
		f.Of("/one")
		c := f.dial()
		for i := range 500 {
			name := fmt.Sprintf("/dyn-%d", i)
			c.connect(name, "")
			c.send("41" + name + ",")
			c.connect("/one", "")
			c.send("41/one,")
		}
		synctest.Wait()
		if n := f.Stats().Namespaces; n != 2 {
			t.Errorf("%d namespaces", n)
		}
		c.connect("/", "")
	})
}

func TestAdapterFails(t *testing.T) {
	opts := &socketio.Options{Adapter: func(ctx context.Context, ns adapter.Local) (adapter.Adapter, error) {
		switch ns.Name() {
		case "/bad":
			return nil, errors.New("no redis")
		case "/worse":
			panic("boom")
		}
		return adapter.NewMemory(ctx, ns)
	}}
	bubble(t, opts, func(t *testing.T, f *fixture) {
		defer func() { // what /bad refused to make, and a client that was refused for it; and the panic of /worse
			if st := f.Stats(); st.AdapterErrors != 2 || st.HandlerErrors != 0 || st.Panics != 1 {
				t.Errorf("%d errors of adapters, %d of handlers, %d panics", st.AdapterErrors, st.HandlerErrors, st.Panics)
			}
		}()
		c := f.dial()
		for _, name := range []string{"/bad", "/worse"} {
			n := f.Of(name)
			_, fetchErr := n.FetchSockets(t.Context())
			_, ackErr := n.EmitWithAck(t.Context(), "x")
			for _, err := range []error{
				n.Emit("x"), fetchErr, ackErr, n.SocketsJoin(t.Context(), "x"), n.ServerSideEmit("x"),
			} {
				if err == nil || !strings.Contains(err.Error(), "adapter of "+name) {
					t.Errorf("error is %v", err)
				}
			}
			c.send("40" + name + ",")
			c.expect("44" + name + `,{"message":"internal error"}`)
		}
		c.connect("/", "")
	})
}

// A factory may take its time. Meanwhile connections to other namespaces go on.
func TestSlowAdapter(t *testing.T) {
	opts := &socketio.Options{Adapter: func(ctx context.Context, ns adapter.Local) (adapter.Adapter, error) {
		if ns.Name() != "/" {
			advance(10 * time.Second)
		}
		return adapter.NewMemory(ctx, ns)
	}}
	bubble(t, opts, func(t *testing.T, f *fixture) {
		f.OfFunc(matcher("^/dyn$"))
		began := time.Now()
		a, b := f.dial(), f.dial()
		a.send("40/dyn,")
		b.send("40/dyn,")
		a.connect("/", "")
		b.connect("/", "")
		if time.Since(began) != 0 {
			t.Errorf("it took %v", time.Since(began))
		}
		synctest.Wait()
		advance(10 * time.Second)
		for _, c := range []*wsClient{a, b} {
			if got := c.read(); !strings.HasPrefix(got, `40/dyn,{"sid"`) {
				t.Errorf("got %q", got)
			}
		}
		if time.Since(began) != 10*time.Second {
			t.Errorf("it took %v", time.Since(began))
		}
	})
}

func TestServerSideEmit(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		if err := f.ServerSideEmit("x", 1); err != nil {
			t.Error(err)
		}
		if all, err := f.ServerSideEmitWithAck(t.Context(), "x"); err != nil || len(all) != 0 {
			t.Errorf("got %v, %v", all, err)
		}
		for _, name := range []string{"connect", "connection", "new_namespace"} {
			if err := f.ServerSideEmit(name); err == nil {
				t.Errorf("%s was sent", name)
			}
		}
	})
}

// What comes from other nodes reaches the listeners.
func TestServerSideReceive(t *testing.T) {
	var local adapter.Local
	opts := &socketio.Options{Adapter: func(ctx context.Context, ns adapter.Local) (adapter.Adapter, error) {
		local = ns
		return adapter.NewMemory(ctx, ns)
	}}
	bubble(t, opts, func(t *testing.T, f *fixture) {
		var rec recorder
		off := f.OnServerSide("x", func(_ context.Context, e *socketio.Event) error {
			v, _ := e.Args.Values()
			rec.add("%v %v", v, e.WantsAck())
			if e.WantsAck() {
				return e.Ack("yes")
			}
			return nil
		})
		f.OnServerSide("y", func(context.Context, *socketio.Event) error { panic("boom") })
		if _, err := local.ServerSide(t.Context(), "x", socketio.Args{}, false); err != nil {
			t.Error(err)
		}
		a, err := local.ServerSide(t.Context(), "x", socketio.Args{}, true)
		if v, _ := a.Values(); err != nil || len(v) != 1 || v[0] != "yes" {
			t.Errorf("got %v, %v", v, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := local.ServerSide(ctx, "y", socketio.Args{}, true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error is %v", err)
		}
		off()
		_, _ = local.ServerSide(t.Context(), "x", socketio.Args{}, false)
		rec.expect(t, "[] false", "[] true")
	})
}

type panicAdapter struct{ *adapter.Memory }

func (a panicAdapter) Join(m adapter.Member, rooms ...string) error {
	if len(rooms) > 1 {
		panic("join")
	}
	return a.Memory.Join(m, rooms...)
}

func (a panicAdapter) LeaveAll(m adapter.Member) {
	a.Memory.LeaveAll(m)
	panic("leave")
}

func (a panicAdapter) Close() error { panic("close") }

func TestAdapterPanics(t *testing.T) {
	opts := &socketio.Options{Adapter: func(_ context.Context, ns adapter.Local) (adapter.Adapter, error) {
		return panicAdapter{adapter.New(ns)}, nil
	}}
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, opts)
		var rec recorder
		f.Use(func(_ context.Context, s *socketio.Socket) error {
			if s.Handshake().Auth.Len() > 0 {
				return s.Join("another")
			}
			return nil
		})
		f.OnConnection(func(s *socketio.Socket) {
			s.OnDisconnect(func(r socketio.DisconnectReason) { rec.add("%s", r) })
		})
		c, _ := f.join("/")
		c.send("41")
		rec.expect(t, "client namespace disconnect")
		c.send("40{}")
		c.expect(`44{"message":"internal error"}`) // it was never connected
		rec.expect(t)
		if err := f.Close(); err == nil || !strings.Contains(err.Error(), "panic: close") {
			t.Errorf("Close: %v", err)
		}
		_ = f.http.Close()
		_ = f.ln.Close()
	})
}

type panicLog struct{ slog.Handler }

func (panicLog) Enabled(context.Context, slog.Level) bool { return true }

func (panicLog) Handle(context.Context, slog.Record) error { panic("log") }

func TestLoggerPanics(t *testing.T) {
	bubble(t, &socketio.Options{Logger: slog.New(panicLog{slog.DiscardHandler})}, func(t *testing.T, f *fixture) {
		f.Handle("x", func(context.Context, *socketio.Socket, *socketio.Event) error { panic("boom") })
		c, _ := f.join("/")
		c.send(`421["x"]`)
		c.expect(`431[{"error":"internal error"}]`)
	})
}

func TestZeroOperator(t *testing.T) {
	var op socketio.BroadcastOperator
	_, fetchErr := op.To("x").FetchSockets(t.Context())
	_, ackErr := op.EmitWithAck(t.Context(), "x")
	for _, err := range []error{op.Emit("x"), fetchErr, ackErr, op.SocketsJoin(t.Context(), "x")} {
		if err == nil {
			t.Error("the zero operator works")
		}
	}
}
