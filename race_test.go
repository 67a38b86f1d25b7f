package socketio_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
)

// large queues, for tests whose clients read late.
var patient = &socketio.Options{Engine: engineio.Options{MaxQueueBytes: 64 << 20, MaxQueuePackets: 1 << 20}}

// drain reads until the connection ends.
func (c *wsClient) drain() {
	for {
		if _, err := c.receive(); err != nil && !isTimeout(err) {
			return
		}
	}
}

// All at once on a hundred sockets; in the end, each room holds whom it should.
func TestRoomsJoinedAndLeftConcurrently(t *testing.T) {
	bubble(t, patient, func(t *testing.T, f *fixture) {
		const sockets, workers, rounds = 60, 8, 150
		var all []*socketio.Socket
		for range sockets {
			c, s := f.connected("/")
			all = append(all, s)
			go c.drain() // ends with the server
		}
		var owned [workers]map[string]map[string]bool // room, by socket: each worker has rooms of its own
		var wg sync.WaitGroup
		for w := range workers {
			owned[w] = map[string]map[string]bool{}
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(w), 1))
				for range rounds {
					s := all[r.IntN(sockets)]
					room := fmt.Sprintf("w%d-%d", w, r.IntN(5))
					if owned[w][s.ID()] == nil {
						owned[w][s.ID()] = map[string]bool{}
					}
					var err error
					switch r.IntN(7) {
					case 0, 1:
						err = s.Join(room)
						owned[w][s.ID()][room] = true
					case 2:
						err = s.Leave(room)
						delete(owned[w][s.ID()], room)
					case 3:
						err = f.To(room).Emit("x", w)
					case 4:
						_, err = f.To(room).FetchSockets(t.Context())
					case 5:
						err = f.To(s.ID()).SocketsJoin(t.Context(), room)
						owned[w][s.ID()][room] = true
					case 6:
						if err = f.To(fmt.Sprintf("w%d-none", w)).DisconnectSockets(t.Context(), true); err != nil {
							t.Error(err)
						}
						err = s.Broadcast().To(room).Emit("y", s.Rooms())
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		for _, s := range all {
			want := []string{s.ID()}
			for w := range workers {
				for room := range owned[w][s.ID()] {
					want = append(want, room)
				}
			}
			slices.Sort(want)
			if got := slices.Sorted(slices.Values(s.Rooms())); !slices.Equal(got, want) {
				t.Errorf("rooms are %q, want %q", got, want)
			}
		}
		for i, s := range all {
			if i%2 == 0 {
				s.Disconnect(i%4 == 0)
			}
		}
		synctest.Wait()
		left, _ := f.FetchSockets(t.Context())
		if len(left) != sockets/2 {
			t.Errorf("%d sockets are left", len(left))
		}
	})
}

// Who is a member from before a broadcast to after it gets it exactly once, whoever comes and goes meanwhile.
func TestBroadcastWhileOthersComeAndGo(t *testing.T) {
	bubble(t, patient, func(t *testing.T, f *fixture) {
		const members, broadcasts = 20, 200
		f.OnConnection(func(s *socketio.Socket) { _ = s.Join("room", "other") })
		var wg sync.WaitGroup
		for range members {
			c, _ := f.connected("/")
			wg.Go(func() {
				for i := range broadcasts {
					c.expect(fmt.Sprintf(`42["n",%d]`, i))
				}
			})
		}
		for range 4 {
			wg.Go(func() {
				for range 40 {
					c := f.dial()
					c.joinMain()
					c.close()
				}
			})
		}
		for i := range broadcasts {
			if err := f.To("room", "other").Emit("n", i); err != nil {
				t.Error(err)
			}
		}
		wg.Wait()
		synctest.Wait()
		if n := f.Stats().Sockets; n != members {
			t.Errorf("%d sockets are left", n)
		}
	})
}

// joinMain connects to the main namespace, and expects nothing before the answer.
func (c *wsClient) joinMain() {
	c.send("40")
	if m := c.read(); !strings.HasPrefix(m, "40{") {
		c.t.Errorf("got %q before the answer to CONNECT", m)
	}
}

// Listeners may come and go while events arrive; one that is to be called once is.
func TestListenersWhileEventsArrive(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var once, always atomic.Int64
		c, s := f.connected("/")
		s.On("x", func(context.Context, *socketio.Event) error {
			always.Add(1)
			return nil
		})
		const events, onces = 300, 100
		var wg sync.WaitGroup
		wg.Go(func() {
			for range events {
				c.send(`42["x"]`)
			}
		})
		for range 4 {
			wg.Go(func() {
				for range onces / 4 {
					s.Once("x", func(context.Context, *socketio.Event) error {
						once.Add(1)
						return nil
					})
					off := s.On("x", func(context.Context, *socketio.Event) error { return nil })
					offAny := s.OnAny(func(context.Context, *socketio.Event) {})
					s.OnAnyOutgoing(func(string, socketio.Args) {})()
					s.OnDisconnect(func(socketio.DisconnectReason) {})
					f.UseEvents(func(next socketio.Handler) socketio.Handler { return next })
					s.Use(func(next socketio.Handler) socketio.Handler { return next })
					off()
					offAny()
				}
			})
		}
		wg.Wait()
		c.send(`42["x"]`)
		synctest.Wait()
		if always.Load() != events+1 || once.Load() != onces {
			t.Errorf("called %d and %d times", always.Load(), once.Load())
		}
	})
}

// Joining while the socket goes leaves nothing behind.
func TestJoinWhileDisconnecting(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		for range 100 {
			c, s := f.connected("/")
			var wg sync.WaitGroup
			for i := range 3 {
				wg.Go(func() {
					for j := range 5 {
						_ = s.Join(fmt.Sprintf("room%d-%d", i, j))
					}
				})
			}
			wg.Go(c.close)
			wg.Go(func() { s.Disconnect(false) })
			wg.Wait()
			synctest.Wait()
			if rooms := s.Rooms(); len(rooms) != 0 {
				t.Fatalf("rooms are %q", rooms)
			}
		}
		if left, _ := f.FetchSockets(t.Context()); len(left) != 0 {
			t.Errorf("%d sockets are left in rooms", len(left))
		}
	})
}

// What a handler keeps of an event is never overwritten by a later one.
func TestKeptArgumentsAreNotOverwritten(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		type kept struct {
			text  string
			bytes []byte
			e     *socketio.Event
		}
		var all []kept
		f.Handle("x", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error {
			k := kept{e: e}
			err := e.Bind(&k.text, &k.bytes)
			all = append(all, k)
			return err
		})
		c, _ := f.join("/")
		const n = 100
		for i := range n {
			c.send(fmt.Sprintf(`451-["x","text %d",{"_placeholder":true,"num":0}]`, i))
			c.sendBinary(fmt.Appendf(nil, "bytes %d", i))
		}
		synctest.Wait()
		if len(all) != n {
			t.Fatalf("%d events", len(all))
		}
		for i, k := range all {
			var again string
			if err := k.e.Bind(&again); err != nil || again != k.text {
				t.Errorf("%q became %q, %v", k.text, again, err)
			}
			if k.text != fmt.Sprintf("text %d", i) || string(k.bytes) != fmt.Sprintf("bytes %d", i) {
				t.Errorf("%d: %q, %q", i, k.text, k.bytes)
			}
		}
	})
}

// What is sent is encoded before Emit returns.
func TestArgumentsMayChangeAfterEmit(t *testing.T) {
	bubble(t, patient, func(t *testing.T, f *fixture) {
		c, s := f.connected("/")
		m := map[string]int{}
		for i := range 100 {
			m["n"] = i
			if err := s.Emit("x", m); err != nil {
				t.Error(err)
			}
			if err := f.Emit("x", m); err != nil {
				t.Error(err)
			}
		}
		for i := range 100 {
			want := fmt.Sprintf(`42["x",{"n":%d}]`, i)
			c.expect(want, want)
		}
	})
}

// Who adds a callback and then looks at the sockets that are there misses none.
func TestOnConnectionWhileSocketsConnect(t *testing.T) {
	bubble(t, &socketio.Options{MaxNamespaces: 10_000}, func(t *testing.T, f *fixture) {
		c := f.dial()
		for i := range 1000 {
			n := f.Of(fmt.Sprintf("/%d", i))
			var greeted, seen atomic.Int64
			start := make(chan struct{})
			go func() { // ends with the round
				<-start
				for range i % 100 * 20 {
					runtime.Gosched()
				}
				n.OnConnection(func(*socketio.Socket) { greeted.Add(1) })
				for range n.Sockets() {
					seen.Add(1)
				}
			}()
			close(start)
			c.connect(n.Name(), "")
			synctest.Wait()
			if greeted.Load() == 0 && seen.Load() == 0 || greeted.Load() > 1 {
				t.Fatalf("round %d: greeted %d, seen %d", i, greeted.Load(), seen.Load())
			}
			c.send("41" + n.Name() + ",")
		}
	})
}

// A callback that was added while the socket was connected is called, once, whoever ends the socket.
func TestOnDisconnectWhileSocketsEnd(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		for i := range 1000 {
			c, id := f.join("/")
			s, ok := f.Socket(id)
			if !ok {
				t.Fatal("not connected")
			}
			var called atomic.Int64
			var must bool
			start := make(chan struct{})
			go func() { // ends with the round
				<-start
				for range i % 50 * 20 {
					runtime.Gosched()
				}
				if i%2 == 0 {
					s.OnDisconnect(func(socketio.DisconnectReason) { called.Add(1) })
				} else {
					s.OnDisconnecting(func(socketio.DisconnectReason) { called.Add(1) })
				}
				must = s.Connected()
				_ = s.Join("room")
			}()
			close(start)
			switch i % 3 {
			case 0:
				c.send("41")
			case 1:
				c.close()
			case 2:
				c.send("41")
				s.Disconnect(i%2 == 0)
			}
			synctest.Wait()
			if n := called.Load(); n > 1 || must && n == 0 {
				t.Fatalf("round %d: called %d times", i, n)
			}
			c.close()
			synctest.Wait()
			if st := f.Stats(); st.Sockets != 0 || len(s.Rooms()) != 0 {
				t.Fatalf("round %d: %d sockets, in %q", i, st.Sockets, s.Rooms())
			}
		}
	})
}

// A socket that the reader lets in while the server ends is not left behind.
func TestShutdownWhileSocketsConnect(t *testing.T) {
	for i := range 300 {
		bubble(t, nil, func(t *testing.T, f *fixture) {
			c := f.dial()
			go c.drain() // ends with the connection
			start := make(chan struct{})
			go func() { // ends with the test
				<-start
				_ = c.trySend("40", "41", "40", "41", "40")
			}()
			close(start)
			for range i % 50 * 20 {
				runtime.Gosched()
			}
			if err := f.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			n := uint64(0)
			st := f.Stats()
			for _, d := range st.Disconnects {
				n += d
			}
			if st.Sockets != 0 || st.Connects != n {
				t.Errorf("stats are %+v", st)
			}
		})
	}
}

// Nobody answers, many times: nothing is left waiting.
func TestUnansweredBroadcasts(t *testing.T) {
	bubble(t, patient, func(t *testing.T, f *fixture) {
		const sockets, rounds = 50, 20
		for range sockets {
			c, _ := f.connected("/")
			go c.drain() // ends with the server
		}
		for range rounds {
			ctx, cancel := context.WithCancel(t.Context())
			cancelled := make(chan bool)
			go func() { // ends with its broadcast
				all, err := f.EmitWithAck(ctx, "ask")
				if err == nil || len(all) != 0 {
					t.Errorf("got %v, %v", all, err)
				}
				close(cancelled)
			}()
			synctest.Wait()
			cancel()
			<-cancelled
		}
		for s := range f.Sockets() {
			if n := socketio.PendingAcks(s); n != 0 {
				t.Fatalf("%d acknowledgements are waited for", n)
			}
		}
	})
}
