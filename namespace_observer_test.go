package socketio_test

import (
	"context"
	"regexp"
	"runtime"
	"slices"
	"testing"

	socketio "sio.example/socketio"
)

// OnNamespace tells of namespaces that Of makes, and of children before the client that made them is let in.
func TestOnNamespace(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var rec recorder
		off := f.OnNamespace(func(n *socketio.Namespace) {
			rec.add("made %s", n.Name())
			n.OnConnection(func(*socketio.Socket) { rec.add("connected to %s", n.Name()) })
			if f.Of(n.Name()) != n { // no lock is held, and it is there
				t.Error("another namespace has the name")
			}
		})
		exits := f.OnNamespace(func(*socketio.Namespace) { runtime.Goexit() })
		f.OfFunc(func(_ context.Context, name string, _ socketio.Args) bool { return name == "/child" })
		f.connected("/child")
		rec.expect(t, "made /child", "connected to /child")
		exits()
		f.Of("/static")
		f.Of("static")
		f.Of("/")
		rec.expect(t, "made /static")
		off()
		off()
		f.Of("/other")
		rec.expect(t)
		f.OnNamespace(func(*socketio.Namespace) { panic("boom") })
		f.Of("/more")
		if f.Stats().Panics != 1 {
			t.Error("the panic was not counted")
		}
	})
}

// Nobody is let in before OnNamespace has told of the namespace, so that its middleware decides about all: also not who
// comes while the client that made it, or Of, is at it.
func TestOnNamespaceComesBeforeAllClients(t *testing.T) {
	for _, of := range []bool{true, false} {
		bubble(t, nil, func(t *testing.T, f *fixture) {
			f.OfFunc(func(_ context.Context, name string, _ socketio.Args) bool { return name == "/child" })
			told, goOn := make(chan struct{}), make(chan struct{})
			f.OnNamespace(func(n *socketio.Namespace) {
				close(told)
				<-goOn
				n.Use(func(context.Context, *socketio.Socket) error { return &socketio.ConnectError{Message: "out"} })
			})
			first := f.dial()
			if of {
				go f.Of("/child") // ends when it is told of
			} else {
				first.send("40/child,")
			}
			<-told
			second := f.dial()
			second.send("40/child,")
			second.expectSilence()
			gone := f.dial()
			gone.send("40/child,")
			gone.close()
			close(goOn)
			second.expect(`44/child,{"message":"out"}`)
			if !of {
				first.expect(`44/child,{"message":"out"}`)
			}
		})
	}
}

// Of makes a child of a parent with a regular expression, which has what the parent has, and stays.
func TestOfMakesAChildOfAMatchingParent(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		var rec recorder
		p := f.OfRegexp(regexp.MustCompile(`^/room-\d+$`))
		f.OfFunc(func(context.Context, string, socketio.Args) bool { return true }) // is not asked by Of
		p.OnConnection(func(s *socketio.Socket) { rec.add("connected to %s", s.Namespace().Name()) })
		n := f.Of("/room-1")
		if child, ok := p.Child("/room-1"); !ok || child != n {
			t.Error("it is no child of the parent")
		}
		if other := f.Of("/room-x"); slices.Contains(slices.Collect(p.Children()), other) {
			t.Error("what does not match is a child")
		}
		_, s := f.connected("/room-1")
		rec.expect(t, "connected to /room-1")
		s.Disconnect(true)
		rec.expect(t)
		if child, ok := p.Child("/room-1"); !ok || child != n {
			t.Error("it went with its last socket")
		}
		_, s = f.connected("/room-2") // what a client makes goes
		rec.expect(t, "connected to /room-2")
		s.Disconnect(true)
		rec.expect(t)
		if _, ok := p.Child("/room-2"); ok {
			t.Error("a child of a client's stayed without sockets")
		}
	})
}

// The sockets of one connection know each other.
func TestClientOfASocket(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		c, s := f.connected("/")
		f.connected("/") // of somebody else
		f.Of("/other").Use(func(_ context.Context, s *socketio.Socket) error {
			if _, ok := s.Client().Socket("/other"); ok {
				t.Error("a socket is listed before it is connected")
			}
			return nil
		})
		c.send("40/other,")
		c.next()
		other, ok := s.Client().Socket("other")
		if !ok || other.Client() != s.Client() || other.Conn() != s.Client().Conn() {
			t.Fatalf("%v %v", other, ok)
		}
		if all := slices.Collect(s.Client().Sockets()); len(all) != 2 || !slices.Contains(all, s) ||
			!slices.Contains(all, other) {
			t.Errorf("%d sockets", len(all))
		}
		for range s.Client().Sockets() {
			break
		}
		other.Disconnect(false)
		if all := slices.Collect(s.Client().Sockets()); len(all) != 1 || all[0] != s {
			t.Errorf("%d sockets", len(all))
		}
		if none := (socketio.Client{}); none.Conn() != nil || slices.Collect(none.Sockets()) != nil {
			t.Error("the zero value has something")
		}
	})
}

func TestSendIsTheEventMessage(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		c, s := f.connected("/")
		_ = s.Send(1, "a")
		_ = f.Send(2)
		_ = f.Of("/").Send(3)
		_ = f.To(s.ID()).Send([]byte{4})
		c.expect(`42["message",1,"a"]`, `42["message",2]`, `42["message",3]`)
	})
}

func TestPrependedListenersAreCalledFirst(t *testing.T) {
	bubble(t, nil, func(t *testing.T, f *fixture) {
		c, s := f.connected("/")
		var rec recorder
		in := func(name string) func(context.Context, *socketio.Event) {
			return func(_ context.Context, e *socketio.Event) { rec.add("%s %s", name, e.Name) }
		}
		out := func(name string) func(string, socketio.Args) {
			return func(event string, _ socketio.Args) { rec.add("%s %s", name, event) }
		}
		s.OnAny(in("1"))
		off := s.PrependAny(in("0"))
		s.PrependAny(in("-1"))
		s.OnAny(in("2"))
		c.send(`42["x"]`)
		rec.expect(t, "-1 x", "0 x", "1 x", "2 x")
		off()
		off()
		c.send(`42["y"]`)
		rec.expect(t, "-1 y", "1 y", "2 y")
		s.PrependAnyOutgoing(out("b"))
		off = s.PrependAnyOutgoing(out("a"))
		s.OnAnyOutgoing(out("c"))
		_ = s.Emit("z")
		rec.expect(t, "a z", "b z", "c z")
		off()
		_ = f.Emit("z")
		rec.expect(t, "b z", "c z")
	})
}
