package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/event"
)

// connected opens a session and returns the server's socket too.
func (f *fixture) connected(nsp string) (*wsClient, *socketio.Socket) {
	f.t.Helper()
	c, id := f.join(nsp)
	synctest.Wait()
	s, ok := f.Of(nsp).Socket(id)
	if !ok {
		f.t.Fatal("no socket")
	}
	return c, s
}

func TestEmit(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		f.Of("/a")
		c, s := f.connected("/a")
		for _, err := range []error{
			s.Volatile().Emit("v"), // nothing is before it
			s.Emit("x"),
			s.Emit("x", 1, "two", nil, true, []int{3}, map[string]int{"four": 4}),
			s.Emit("x", struct{ B []byte }{[]byte{1, 2}}),
			s.Compress(false).Emit("c"),
		} {
			if err != nil {
				t.Error(err)
			}
		}
		c.expect(`42/a,["v"]`, `42/a,["x"]`, `42/a,["x",1,"two",null,true,[3],{"four":4}]`,
			`451-/a,["x",{"B":{"_placeholder":true,"num":0}}]`, "b\x01\x02", `42/a,["c"]`)
		if n := f.Stats().EventsOut; n != 5 {
			t.Errorf("counted %d", n)
		}
	})
}

func TestEmitRefuses(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		c, s := f.connected("/")
		loop := map[string]any{}
		loop["x"] = loop
		emits := map[string]func(name string, args ...any) error{
			"socket":    s.Emit,
			"volatile":  s.Volatile().Emit,
			"namespace": f.Emit,
			"room":      f.To("x", s.ID()).Emit,
			"ack": func(name string, args ...any) error {
				_, err := s.EmitWithAck(t.Context(), name, args...)
				return err
			},
			"broadcast ack": func(name string, args ...any) error {
				_, err := f.EmitWithAck(t.Context(), name, args...)
				return err
			},
		}
		for what, emit := range emits {
			if what == "broadcast ack" {
				continue // encodes for each socket
			}
			for name, v := range map[string]any{
				"channel": make(chan int), "function": func() {}, "cycle": loop, "panic": panicValue{},
			} {
				if err := emit("x", v); err == nil {
					t.Errorf("%s: %s was sent", what, name)
				}
			}
		}
		for what, emit := range emits {
			for _, name := range []string{"connect", "connect_error",
				"disconnect", "disconnecting", "newListener", "removeListener"} {
				if err := emit(name); err == nil || !strings.Contains(err.Error(), "reserved") {
					t.Errorf("%s: emit of %s: %v", what, name, err)
				}
			}
		}
		if err := s.Emit("after", math.Inf(1), (*panicValue)(nil)); err != nil { // as in JavaScript
			t.Error(err)
		}
		c.expect(`42["after",null,null]`)
	})
}

type panicValue struct{}

func (panicValue) MarshalJSON() ([]byte, error) { panic("boom") }

func TestEmitAfterDisconnect(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var inCallback error
		f.OnConnection(func(s *socketio.Socket) {
			s.OnDisconnect(func(socketio.DisconnectReason) { inCallback = s.Emit("x") })
		})
		c, s := f.connected("/")
		c.send("41")
		synctest.Wait()
		_, ackErr := s.EmitWithAck(t.Context(), "x")
		for name, err := range map[string]error{
			"emit": s.Emit("x"), "volatile": s.Volatile().Emit("x"), "ack": ackErr, "callback": inCallback,
			"join": s.Join("x"), "leave": s.Leave("x"),
		} {
			if !errors.Is(err, socketio.ErrDisconnected) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := s.To("x").Emit("x"); err != nil {
			t.Errorf("broadcast: %v", err)
		}
		if len(s.Rooms()) != 0 || s.Connected() {
			t.Errorf("rooms %q, connected %v", s.Rooms(), s.Connected())
		}
		c.expectSilence()
	})
}

// Each goroutine's packets keep their order, and attachments stay behind their header.
func TestEmitFromManyGoroutines(t *testing.T) {
	bubble(t, &socketio.Options{Engine: engineio.Options{MaxQueueBytes: 64 << 20, MaxQueuePackets: 1 << 20}},
		func(t *testing.T, f *fixture) {
			const senders, each = 4, 300
			c, s := f.connected("/")
			var wg sync.WaitGroup
			for g := range senders {
				wg.Go(func() {
					for i := range each {
						var err error
						if g%2 == 0 {
							err = s.Emit("t", g, i)
						} else {
							err = s.Emit("b", []byte{byte(g)}, i, []byte{byte(i)})
						}
						if err != nil {
							t.Error(err)
						}
					}
				})
			}
			next := make([]int, senders)
			for range senders * each {
				var g, i int
				m := c.read()
				if n, _ := fmt.Sscanf(m, `42["t",%d,%d]`, &g, &i); n != 2 {
					if n, err := fmt.Sscanf(m,
						`452-["b",{"_placeholder":true,"num":0},%d,{"_placeholder":true,"num":1}]`, &i); n != 1 {
						t.Fatalf("%q: %v", m, err)
					}
					one, two := c.read(), c.read()
					g = int(one[1])
					if one[0] != 'b' || two != "b"+string([]byte{byte(i)}) {
						t.Fatalf("attachments of %q are %q, %q", m, one, two)
					}
				}
				if next[g] != i {
					t.Fatalf("sender %d: %d, want %d", g, i, next[g])
				}
				next[g]++
			}
			wg.Wait()
		})
}

func TestEmitWithAck(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		c, s := f.connected("/")
		type result struct {
			v   []any
			err error
		}
		ask := func(ctx context.Context) chan result {
			ch := make(chan result, 1)
			go func() { // ends with the acknowledgement
				a, err := s.EmitWithAck(ctx, "ask", 1)
				v, _ := a.Values()
				ch <- result{v, err}
			}()
			return ch
		}
		ch := ask(t.Context())
		c.expect(`420["ask",1]`)
		if f.parser == nil {
			c.send(`43["no id"]`)
		}
		c.send(`435["unknown"]`, `430["yes",2]`, `430["again"]`)
		if r := <-ch; r.err != nil || !slices.Equal(r.v, []any{"yes", 2.0}) {
			t.Errorf("got %v", r)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		ch = ask(ctx)
		c.expect(`421["ask",1]`)
		if r := <-ch; !errors.Is(r.err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("got %v after %v", r, time.Since(began))
		}
		c.send(`431["late"]`)

		ch = ask(t.Context())
		c.expect(`422["ask",1]`)
		c.send(`461-2[{"_placeholder":true,"num":0}]`)
		c.sendBinary([]byte("hi"))
		if r := <-ch; r.err != nil || len(r.v) != 1 || string(r.v[0].([]byte)) != "hi" {
			t.Errorf("got %v", r)
		}

		// Our promise, unlike the official server's: nobody waits for a socket that has gone.
		ch = ask(t.Context())
		c.expect(`423["ask",1]`)
		c.close()
		if r := <-ch; !errors.Is(r.err, socketio.ErrDisconnected) {
			t.Errorf("got %v", r)
		}
	})
}

// One that waits with the socket's own context learns that the socket has gone, whichever it sees first.
func TestEmitWithAckEndsWithItsSocket(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		for range 50 {
			c, s := f.connected("/")
			ch := make(chan error, 1)
			go func() { // ends with the socket
				_, err := s.EmitWithAck(s.Context(), "ask")
				ch <- err
			}()
			c.expect(`420["ask"]`)
			c.send("41")
			if err := <-ch; !errors.Is(err, socketio.ErrDisconnected) {
				t.Fatalf("got %v", err)
			}
		}
	})
}

// An acknowledgement id belongs to one socket of one namespace.
func TestAckIDsArePerSocket(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		f.Of("/a")
		c, s := f.connected("/")
		c.connect("/a", "")
		other, _ := f.connected("/")
		ch := make(chan error, 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() { // ends with the timeout
			_, err := s.EmitWithAck(ctx, "ask")
			ch <- err
		}()
		c.expect(`420["ask"]`)
		c.send(`43/a,0[]`)
		other.send(`430[]`)
		if err := <-ch; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAckRacesTimeout(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		c, s := f.connected("/")
		for i := range 200 {
			ctx, cancel := context.WithCancel(t.Context())
			ch := make(chan error, 1)
			go func() { // ends with either
				_, err := s.EmitWithAck(ctx, "ask")
				ch <- err
			}()
			c.expect(fmt.Sprintf(`42%d["ask"]`, i))
			go cancel() // ends at once
			c.send(fmt.Sprintf(`43%d[]`, i))
			if err := <-ch; err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
	})
}

// Nobody is asked when nobody would wait for the answer.
func TestEmitWithAckWhenItIsTooLate(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		c, s := f.connected("/")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.EmitWithAck(ctx, "ask"); !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v", err)
		}
		if _, err := f.EmitWithAck(ctx, "ask"); !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v", err)
		}
		c.expectSilence()
	})
}

func TestTypedEmit(t *testing.T) {
	const (
		say event.Of[string]           = "say"
		add event.WithAck[[]int, int]  = "add"
		all event.WithAck[string, int] = "all"
	)
	bubble(t, nil, func(t *testing.T, f *fixture) {
		c, s := f.connected("/")
		for _, to := range []event.Emitter{s, s.Volatile(), f.To(s.ID()), f} {
			if err := say.Emit(to, "hi"); err != nil {
				t.Error(err)
			}
			c.expect(`42["say","hi"]`)
		}
		go func() { c.expect(`420["add",[1,2]]`); c.send("430[3]") }() // ends at once
		if n, err := add.Emit(t.Context(), s, []int{1, 2}); n != 3 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		go func() { c.expect(asked(0, `["all","x"]`)); c.send(answered(0, `[4]`)) }() // ends at once
		if n, err := all.EmitAll(t.Context(), f, "x"); !slices.Equal(n, []int{4}) || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
	})
}

func TestOnAnyOutgoing(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		c, s := f.connected("/")
		var rec recorder
		off := s.OnAnyOutgoing(func(name string, args socketio.Args) {
			s.Rooms() // no lock is held
			v, _ := args.Values()
			rec.add("%s %v", name, v)
		})
		_ = s.Emit("a", 1)
		_ = f.Emit("b", 2)
		_ = f.To(s.ID()).Emit("c", 3)
		_ = s.Broadcast().Emit("not", 4)
		go func() { _, _ = s.EmitWithAck(t.Context(), "d", 5) }() // ends with the acknowledgement
		c.expect(`42["a",1]`, `42["b",2]`, `42["c",3]`, `420["d",5]`)
		c.send("430[]", `42["in"]`)
		rec.expect(t, "a [1]", "b [2]", "c [3]", "d [5]")
		off()
		_ = s.Emit("a")
		rec.expect(t)
	})
}

// A listener for outgoing events that sends, itself or by way of others, does not hear of that, and comes to an end.
func TestOnAnyOutgoingThatEmits(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		ca, a := f.connected("/")
		cb, b := f.connected("/")
		heard := 0
		a.OnAnyOutgoing(func(name string, _ socketio.Args) {
			heard++
			_ = a.Emit("to itself", name)
			_ = b.Emit("to another")
			_ = f.Emit("to all")
		})
		b.OnAnyOutgoing(func(string, socketio.Args) {
			heard++
			_ = a.Emit("back")
		})
		_ = a.Emit("x")
		ca.expect(`42["to itself","x"]`, `42["to all"]`, `42["x"]`)
		cb.expect(`42["to another"]`, `42["to all"]`)
		_ = b.Emit("y")
		ca.expect(`42["back"]`)
		cb.expect(`42["y"]`)
		_ = f.Emit("z")
		ca.expect(`42["z"]`)
		cb.expect(`42["z"]`)
		if synctest.Wait(); heard != 4 {
			t.Errorf("heard of %d, want 4", heard)
		}
	})
}

// A client that reads nothing is disconnected, and who emits more than there is memory for is told.
func TestSlowConsumer(t *testing.T) {
	for _, memory := range []int64{0, 1 << 20} {
		bubble(t, &socketio.Options{Engine: engineio.Options{MaxQueueBytes: 1000, MaxMemory: memory}},
			func(t *testing.T, f *fixture) {
				var reason socketio.DisconnectReason
				f.OnConnection(func(s *socketio.Socket) {
					s.OnDisconnect(func(r socketio.DisconnectReason) { reason = r })
				})
				_, s := f.connected("/")
				var err error
				for i := 0; err == nil && i < 10000; i++ {
					err = s.Emit("x", strings.Repeat("a", 100))
					if memory == 0 {
						<-time.After(10 * time.Millisecond)
					}
				}
				// Who emits when the session has just been closed, by the watcher, is told either.
				if !errors.Is(err, socketio.ErrSlowConsumer) &&
					(memory > 0 || !errors.Is(err, socketio.ErrDisconnected)) {
					t.Errorf("error is %v", err)
				}
				synctest.Wait()
				if reason != socketio.ReasonTransportError {
					t.Errorf("reason is %q", reason)
				}
				if err := s.Emit("x"); !errors.Is(err, socketio.ErrDisconnected) {
					t.Errorf("error is %v", err)
				}
				if n := f.Stats().Rejected[engineio.RejectSlowConsumer]; n != 1 {
					t.Errorf("%d slow consumers", n)
				}
			})
	}
}

func TestVolatileIsDropped(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		c := f.poll()
		c.send("40")
		c.read()
		synctest.Wait()
		if err := f.Volatile().Emit("dropped"); err != nil { // no request is pending
			t.Error(err)
		}
		for s := range f.Sockets() {
			if err := s.Volatile().Emit("dropped"); err != nil {
				t.Error(err)
			}
		}
		if err := f.Emit("kept"); err != nil {
			t.Error(err)
		}
		c.expect(`42["kept"]`)
		if n := f.Stats().Engine.DroppedVolatile; n != 2 {
			t.Errorf("%d were dropped", n)
		}
	})
}

// Callbacks run as handlers do, each exactly once, whatever ends the wait.
func TestEmitFunc(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		c, s := f.connected("/")
		var mu sync.Mutex // virtual time orders nothing for the race detector
		var got []string
		check := func(want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(got, want) {
				t.Errorf("got %q", got)
			}
		}
		ask := func(ctx context.Context, name string) {
			t.Helper()
			err := s.EmitFunc(ctx, name, func(args socketio.Args, err error) {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, fmt.Sprintf("%s %v %v", name, args, err))
			})
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ask(t.Context(), "a")
		ask(short, "b")
		ask(t.Context(), "c")
		ask(short, "d")
		ask(t.Context(), "e")
		c.expect(`420["a"]`, `421["b"]`, `422["c"]`, `423["d"]`, `424["e"]`)
		c.send(`432[1]`, `430[2]`, `431[]`, `431[]`)
		want := []string{"c [1] <nil>", "a [2] <nil>", "b [] <nil>"}
		check(want...)
		advance(2 * time.Second)
		want = append(want, "d [] socketio: acknowledgement of d: context deadline exceeded")
		check(want...)
		s.Disconnect(false)
		want = append(want, "e [] socketio: disconnected")
		check(want...)
		if n := socketio.PendingAcks(s); n != 0 {
			t.Errorf("%d acknowledgements pending", n)
		}
		never := func(socketio.Args, error) { t.Error("called") }
		if err := s.EmitFunc(t.Context(), "f", never); err != socketio.ErrDisconnected {
			t.Errorf("after Disconnect: %v", err)
		}
		if err := s.EmitFunc(short, "f", never); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("too late: %v", err)
		}
		if err := s.EmitFunc(t.Context(), "disconnect", never); err == nil {
			t.Error("a reserved name")
		}
	})
}

// A panic in a callback is one in user code.
func TestEmitFuncPanics(t *testing.T) {
	var reported error
	opts := &socketio.Options{OnError: func(_ context.Context,
		_ *socketio.Socket, _ *socketio.Event, err error) {
		reported = err
	}}
	bubble(t, opts, func(t *testing.T, f *fixture) {
		c, s := f.connected("/")
		if err := s.EmitFunc(t.Context(), "a", func(socketio.Args, error) { panic("oh") }); err != nil {
			t.Fatal(err)
		}
		c.expect(`420["a"]`)
		c.send(`430[]`)
		synctest.Wait()
		var p *socketio.PanicError
		if !errors.As(reported, &p) || p.Value != "oh" || !s.Connected() {
			t.Errorf("reported %v, connected %v", reported, s.Connected())
		}
	})
}
