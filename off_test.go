package socketio_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	socketio "sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/event"
	"sio.example/socketio/siotest"
)

// Each function that adds something for all sockets gives back one that removes it: which may be called by what it
// removes, and again.
func TestWhatIsAddedForAllSocketsCanBeRemoved(t *testing.T) {
	const tick event.Of[int] = "tick"
	const ask event.WithAck[int, int] = "ask"
	type adder struct {
		socketio.Handlers
		onConnection func(fn func(*socketio.Socket)) (off func())
	}
	for name, on := range map[string]func(a adder, called func()) (off func()){
		"OnConnection": func(a adder, called func()) (off func()) {
			return a.onConnection(func(*socketio.Socket) { called() })
		},
		"Handle": func(a adder, called func()) (off func()) {
			return a.Handle("tick", func(context.Context, *socketio.Socket, *socketio.Event) error { called(); return nil })
		},
		"typed": func(a adder, called func()) (off func()) {
			return socketio.Handle(a, tick, func(context.Context, *socketio.Socket, int) error { called(); return nil })
		},
		"typed with acknowledgement": func(a adder, called func()) (off func()) {
			return socketio.HandleWithAck(a, ask, func(_ context.Context, _ *socketio.Socket, n int) (int, error) {
				called()
				return n, nil
			})
		},
	} {
		for where, namespace := range map[string]string{"server": "/", "namespace": "/n", "parent": "/child"} {
			t.Run(name+" of a "+where, func(t *testing.T) {
				srv := siotest.NewServer(t, nil)
				io := srv.IO()
				child := io.OfFunc(func(_ context.Context, name string, _ socketio.Args) bool {
					return strings.HasPrefix(name, "/child")
				})
				a := map[string]adder{
					"/": {io, io.OnConnection}, "/n": {io.Of("/n"), io.Of("/n").OnConnection},
					"/child": {child, child.OnConnection},
				}[namespace]
				_ = a.Handle("last", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error { return e.Ack() })
				use := func(s *client.Socket) {
					if err := s.Emit("tick", 1); err != nil {
						t.Fatal(err)
					}
					if err := s.Emit("ask", 1); err != nil {
						t.Fatal(err)
					}
					if _, err := s.EmitWithAck(t.Context(), "last"); err != nil { // what came before it has been handled
						t.Fatal(err)
					}
				}

				var calls, others atomic.Int32
				var off func()
				off = on(a, func() {
					calls.Add(1)
					off()
				})
				_ = on(a, func() { others.Add(1) })
				use(srv.Dial(namespace, nil))
				use(srv.Dial(namespace, nil))
				off()
				use(srv.Dial(namespace, nil))
				if n, m := calls.Load(), others.Load(); n != 1 || m != 3 {
					t.Errorf("called %d times, the other one %d times", n, m)
				}
			})
		}
	}
}

// A parent's function is taken from the children that have it.
func TestOffOfAParentReachesItsChildren(t *testing.T) {
	srv := siotest.NewServer(t, nil)
	parent := srv.IO().OfFunc(func(context.Context, string, socketio.Args) bool { return true })
	var calls atomic.Int32
	count := func(context.Context, *socketio.Socket, *socketio.Event) error { calls.Add(1); return nil }
	off := parent.Handle("tick", count)
	last := func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error { return e.Ack(calls.Load()) }
	_ = parent.Handle("last", last)
	greet := parent.OnConnection(func(*socketio.Socket) { calls.Add(100) })
	s := srv.Dial("/a", nil)
	for _, want := range []int{101, 101} {
		if err := s.Emit("tick"); err != nil {
			t.Fatal(err)
		}
		args, err := s.EmitWithAck(t.Context(), "last")
		if diff := siotest.Diff(args, want); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
		off()
		greet()
	}
	srv.Dial("/a", nil)
	if n := calls.Load(); n != 101 {
		t.Errorf("%d calls", n)
	}
}

func TestOnDisconnectCanBeRemoved(t *testing.T) {
	srv := siotest.NewServer(t, nil)
	ended := make(chan string, 4)
	srv.IO().OnConnection(func(s *socketio.Socket) {
		never := func(socketio.DisconnectReason) { ended <- "removed" }
		for _, off := range []func(){s.OnDisconnect(never), s.OnDisconnecting(never)} {
			off()
			off()
		}
		var off func()
		off = s.OnDisconnecting(func(socketio.DisconnectReason) {
			off()
			ended <- "disconnecting"
		})
		_ = s.OnDisconnect(func(socketio.DisconnectReason) { ended <- "disconnect" })
	})
	s := srv.Dial("/", nil)
	s.Disconnect()
	for _, want := range []string{"disconnecting", "disconnect"} {
		if got := <-ended; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
