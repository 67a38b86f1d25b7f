package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
)

// Handlers, middleware and callbacks do what they may do, all at once, while clients come, go and misbehave. Nothing
// hangs, who was connected is told once that it is no longer, and nothing is left behind.
func TestEverythingAtOnce(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, patient, func(t *testing.T, f *fixture) { chaos(t, f, seed) })
		})
	}
}

func chaos(t *testing.T, f *fixture, seed uint64) {
	var up, down atomic.Int64
	var told sync.Map
	on := func(s *socketio.Socket) {
		up.Add(1)
		_ = s.Join("room")
		s.OnDisconnect(func(socketio.DisconnectReason) {
			down.Add(1)
			if _, twice := told.LoadOrStore(s.ID(), true); twice {
				t.Errorf("%s was told twice", s.ID())
			}
			_ = s.Broadcast().Emit("left", s.ID())
			if _, err := s.EmitWithAck(s.Context(), "x"); err == nil {
				t.Error("acknowledged by nobody")
			}
		})
		s.On("x", func(ctx context.Context, e *socketio.Event) error {
			var n int
			if err := e.Bind(&n); err != nil {
				return err
			}
			return chaosHandler(ctx, f, s, e, n)
		})
	}
	mw := func(ctx context.Context, s *socketio.Socket) error {
		_ = s.Join("joined early")
		_ = s.Emit("early")
		switch rand.IntN(8) {
		case 0:
			return &socketio.ConnectError{Message: "no", Data: []int{1}}
		case 1:
			<-time.After(time.Duration(1+rand.IntN(30)) * time.Millisecond)
		case 2:
			s.Disconnect(rand.IntN(2) == 0)
		}
		return nil
	}
	f.Use(mw)
	f.OnConnection(on)
	dyn := f.OfFunc(matcher(`^/d\d$`))
	dyn.Use(mw)
	dyn.OnConnection(on)

	r := rand.New(rand.NewPCG(seed, 7))
	var wg sync.WaitGroup
	for range 24 {
		mine := rand.New(rand.NewPCG(r.Uint64(), 7))
		wg.Go(func() {
			for range 6 {
				chaosClient(f, mine)
			}
		})
	}
	wg.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := f.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	synctest.Wait()
	st := f.Stats()
	if up.Load() == 0 || up.Load() != down.Load() ||
		st.Connects != uint64(up.Load()) || st.Sockets != 0 || st.Panics != 0 {
		t.Errorf("%d connected, %d disconnected, stats %+v", up.Load(), down.Load(), st)
	}
	if left, err := f.FetchSockets(t.Context()); len(left) != 0 || err != nil {
		t.Errorf("%d are left, %v", len(left), err)
	}
}

func chaosHandler(ctx context.Context, f *fixture, s *socketio.Socket, e *socketio.Event, n int) error {
	short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
	defer cancel()
	var err error
	switch n {
	case 0:
		s.Disconnect(false)
	case 1:
		s.Disconnect(true)
	case 2:
		err = s.To("room").DisconnectSockets(ctx, n%2 == 0)
	case 3:
		_, err = s.EmitWithAck(short, "ask")
	case 4:
		_, err = s.Broadcast().EmitWithAck(short, "ask all")
	case 5:
		err = s.Namespace().To("room", "joined early").Except(s.ID()).Volatile().Emit("news")
	case 6:
		err = s.Namespace().SocketsJoin(ctx, "more")
	case 7:
		_, err = s.Namespace().FetchSockets(ctx)
	case 8:
		err = errors.New("failed")
	case 9:
		err = errors.Join(s.Leave("room"), s.Join("room", "other"), e.Ack("done"))
	case 10:
		for child := range f.Sockets() {
			err = child.Emit("one by one")
		}
	case 11:
		s.Conn().Close()
	}
	return err
}

// chaosClient connects to some namespaces, talks for a while, and goes one way or another.
func chaosClient(f *fixture, r *rand.Rand) {
	c := f.dial()
	defer c.close()
	var joined []string
	for _, nsp := range []string{"", "/d1,", "/d2,", "/d3,"} {
		if r.IntN(4) > 0 {
			in, err := c.chaosConnect(nsp)
			if err != nil {
				return
			}
			if in {
				joined = append(joined, nsp)
			}
		}
	}
	go c.drain() // ends with the connection
	for i := 0; i < 20 && len(joined) > 0; i++ {
		nsp := joined[r.IntN(len(joined))]
		var err error
		switch r.IntN(24) {
		case 0:
			err = c.trySend("41"+nsp, "42"+nsp+`["x",3]`)
			joined = slices.DeleteFunc(joined, func(s string) bool { return s == nsp })
		case 1:
			err = c.trySend("43" + nsp + "0[]")
		case 2:
			err = c.trySend(`42["x",1`) // no packet
		case 3:
			<-time.After(time.Duration(1+r.IntN(20)) * time.Millisecond)
		default:
			err = c.trySend(fmt.Sprintf(`42%s%d["x",%d]`, nsp, i, r.IntN(20)),
				fmt.Sprintf(`42%s["x",%d]`, nsp, r.IntN(20)))
		}
		if err != nil {
			return
		}
	}
}

// chaosConnect reports whether the namespace lets c in.
func (c *wsClient) chaosConnect(nsp string) (in bool, err error) {
	if err := c.trySend("40" + nsp); err != nil {
		return false, err
	}
	for {
		switch m, err := c.receive(); {
		case err != nil:
			return false, err
		case strings.HasPrefix(m, "40"+nsp+"{"):
			return true, nil
		case strings.HasPrefix(m, "44"+nsp+"{"):
			return false, nil
		}
	}
}

// Each place where user code runs may close the server, emit to all, and disconnect all, itself included.
func TestUserCodeMayDoAnything(t *testing.T) {
	places := []string{"matcher", "Use", "connection", "any", "middleware",
		"handler", "outgoing", "disconnecting", "disconnect", "error"}
	for _, place := range places {
		for _, what := range []string{"close", "disconnect all", "disconnect", "ask", "connect"} {
			t.Run(place+" "+what, func(t *testing.T) {
				var begun atomic.Bool
				var f *fixture
				var done chan struct{}
				do := func(here string, s *socketio.Socket) {
					if here == place && begun.CompareAndSwap(false, true) {
						anything(f, s, what)
						close(done)
					}
				}
				opts := &socketio.Options{OnError: func(_ context.Context,
					s *socketio.Socket, _ *socketio.Event, _ error) {
					do("error", s)
				}}
				bubble(t, opts, func(t *testing.T, fx *fixture) {
					f, done = fx, make(chan struct{})
					begun.Store(false)
					everywhere(f, do)
					other, _ := f.join("/other")
					go other.drain() // ends with the connection
					c := f.dial()
					go c.drain() // likewise
					for _, m := range []string{"40/dyn,", `42/dyn,1["x"]`, `42/dyn,2["fail"]`, "41/dyn,"} {
						_ = c.trySend(m)
						synctest.Wait()
					}
					<-done
				})
			})
		}
	}
}

// anything is done once, so that it may lead to where it is done.
func anything(f *fixture, s *socketio.Socket, what string) {
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Second)
	defer cancel()
	switch what {
	case "close":
		_ = f.Close()
	case "disconnect all":
		for _, n := range []*socketio.Namespace{f.Of("/"), f.Of("/other"), s.Namespace()} {
			if n != nil {
				_ = n.Emit("bye")
				_ = n.DisconnectSockets(ctx, true)
			}
		}
	case "disconnect":
		_ = s.Emit("bye")
		s.Disconnect(false)
		s.Disconnect(true)
	case "ask":
		_, _ = s.EmitWithAck(ctx, "ask")
		_, _ = s.Broadcast().EmitWithAck(ctx, "ask")
		_, _ = f.Of("/other").EmitWithAck(ctx, "ask")
	case "connect":
		_ = f.Of("/more").Emit("x")
		f.Of("/more").Use(func(context.Context, *socketio.Socket) error { return nil })
		s.On("later", func(context.Context, *socketio.Event) error { return nil })
		_ = s.Join("more", s.ID())
		_ = s.Leave("more")
		_, _ = s.Broadcast().FetchSockets(ctx)
		_, _, _ = s.Rooms(), s.Handshake(), f.Stats()
	}
}

// everywhere calls do from all places of user code.
func everywhere(f *fixture, do func(place string, s *socketio.Socket)) {
	f.Of("/other")
	p := f.OfFunc(func(ctx context.Context, _ string, _ socketio.Args) bool {
		s, _ := socketio.SocketFromContext(ctx)
		do("matcher", s)
		return true
	})
	p.Use(func(_ context.Context, s *socketio.Socket) error {
		do("Use", s)
		return nil
	})
	p.UseEvents(func(next socketio.Handler) socketio.Handler {
		return func(ctx context.Context, e *socketio.Event) error {
			s, _ := socketio.SocketFromContext(ctx)
			do("middleware", s)
			return next(ctx, e)
		}
	})
	p.OnConnection(func(s *socketio.Socket) {
		s.OnAny(func(context.Context, *socketio.Event) { do("any", s) })
		s.OnAnyOutgoing(func(string, socketio.Args) { do("outgoing", s) })
		s.OnDisconnecting(func(socketio.DisconnectReason) { do("disconnecting", s) })
		s.OnDisconnect(func(socketio.DisconnectReason) { do("disconnect", s) })
		do("connection", s)
		s.On("x", func(_ context.Context, e *socketio.Event) error {
			do("handler", s)
			_ = s.Namespace().Emit("to all")
			return e.Ack()
		})
		s.On("fail", func(context.Context, *socketio.Event) error { return errors.New("failed") })
	})
}
