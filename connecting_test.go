package socketio_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/adapter"
	"sio.example/socketio/parser"
)

// A slowJoin lets nobody into rooms until it may.
type slowJoin struct {
	*adapter.Memory
	may chan struct{}
}

func (a slowJoin) Join(m adapter.Member, rooms ...string) error {
	<-a.may
	return a.Memory.Join(m, rooms...)
}

// The client gets CONNECT when it is in its rooms, not before, also if something else is sent on its connection: what
// is sent to the rooms from then on reaches it.
func TestConnectWaitsForRooms(t *testing.T) {
	var may chan struct{}
	opts := &socketio.Options{Adapter: func(ctx context.Context, ns adapter.Local) (adapter.Adapter, error) {
		if ns.Name() == "/b" {
			may = make(chan struct{})
			return slowJoin{adapter.New(ns), may}, nil
		}
		return adapter.NewMemory(ctx, ns)
	}}
	bubble(t, opts, func(t *testing.T, f *fixture) {
		b := f.Of("/b")
		b.Use(func(_ context.Context, s *socketio.Socket) error { return s.Join("room") })
		c, s := f.connected("/")
		c.send("40/b,")
		synctest.Wait()
		if err := s.Emit("x"); err != nil {
			t.Error(err)
		}
		c.expect(`42["x"]`)
		c.expectSilence()
		_ = b.Emit("before")
		close(may)
		if got := c.read(); !strings.HasPrefix(got, `40/b,{"sid"`) {
			t.Fatal(got)
		}
		_ = b.To("room").Emit("after")
		c.expect(`42/b,["after"]`)
	})
}

// A socket that is closed while it joins its rooms was never connected.
func TestCloseWhileJoining(t *testing.T) {
	for name, end := range map[string]func(f *fixture, c *wsClient){
		"client goes": func(_ *fixture, c *wsClient) { c.close() },
		"close":       func(f *fixture, _ *wsClient) { _ = f.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			var may chan struct{}
			opts := &socketio.Options{Adapter: func(_ context.Context, ns adapter.Local) (adapter.Adapter, error) {
				may = make(chan struct{})
				return slowJoin{adapter.New(ns), may}, nil
			}}
			bubble(t, opts, func(t *testing.T, f *fixture) {
				f.OnConnection(func(*socketio.Socket) { t.Error("connected") })
				c := f.dial()
				c.send("40")
				synctest.Wait()
				end(f, c)
				synctest.Wait()
				close(may)
				synctest.Wait()
				if st := f.Stats(); st.Connects != 0 || st.HandlerErrors != 0 {
					t.Errorf("stats are %+v", st)
				}
				if all, err := f.FetchSockets(t.Context()); err != nil || len(all) != 0 {
					t.Errorf("%d sockets are left, %v", len(all), err)
				}
			})
		})
	}
}

// A hookParser calls before for each packet that is to be encoded.
type hookParser struct {
	parser.Parser
	before func(p *parser.Packet) error
}

func (h hookParser) Encode(dst []parser.Frame, p *parser.Packet) ([]parser.Frame, error) {
	if err := h.before(p); err != nil {
		return dst, err
	}
	return h.Parser.Encode(dst, p)
}

// Who is disconnected just before CONNECT is sent does not get it afterwards.
func TestDisconnectBeforeConnectIsSent(t *testing.T) {
	var s *socketio.Socket
	opts := &socketio.Options{Parser: hookParser{parser.JSON(nil), func(p *parser.Packet) error {
		if p.Type == parser.Connect {
			s.Disconnect(false)
		}
		return nil
	}}}
	bubble(t, opts, func(t *testing.T, f *fixture) {
		f.Use(func(_ context.Context, x *socketio.Socket) error {
			s = x
			return nil
		})
		f.OnConnection(func(*socketio.Socket) { t.Error("connected") })
		c := f.dial()
		c.send("40")
		c.expect("41")
		c.expectSilence()
	})
}

func TestConnectCannotBeEncoded(t *testing.T) {
	opts := &socketio.Options{Parser: hookParser{parser.JSON(nil), func(p *parser.Packet) error {
		if p.Type == parser.Connect {
			return errors.New("no")
		}
		return nil
	}}}
	bubble(t, opts, func(t *testing.T, f *fixture) {
		c := f.dial()
		c.send("40")
		c.expect(`44{"message":"internal error"}`)
	})
}

// What the user does about a parser that fails holds up the socket in question only.
func TestConnectCannotBeEncodedAndOnErrorHangs(t *testing.T) {
	release := make(chan struct{})
	opts := &socketio.Options{
		Parser: hookParser{parser.JSON(nil), func(p *parser.Packet) error {
			if p.Type == parser.Connect && p.Namespace == "/" {
				return errors.New("no")
			}
			return nil
		}},
		OnError: func(context.Context, *socketio.Socket, *socketio.Event, error) { <-release },
	}
	bubble(t, opts, func(t *testing.T, f *fixture) {
		release = make(chan struct{})
		f.Of("/a")
		c := f.dial()
		c.send("40")
		synctest.Wait()
		c.connect("/a", "")
		close(release)
		c.expect(`44{"message":"internal error"}`)
	})
}

// A factory that returns nothing is one that fails.
func TestNilAdapter(t *testing.T) {
	opts := &socketio.Options{Adapter: func(context.Context, adapter.Local) (adapter.Adapter, error) { return nil, nil }}
	bubble(t, opts, func(t *testing.T, f *fixture) {
		if err := f.Emit("x"); err == nil || !strings.Contains(err.Error(), "adapter of /") {
			t.Errorf("Emit: %v", err)
		}
		c := f.dial()
		c.send("40")
		c.expect(`44{"message":"internal error"}`)
	})
}

// OnError may use the namespace whose adapter has failed.
func TestOnErrorUsesNamespaceWithoutAdapter(t *testing.T) {
	var server *fixture
	emitted := make(chan error, 1)
	opts := &socketio.Options{
		Adapter: func(ctx context.Context, ns adapter.Local) (adapter.Adapter, error) {
			if ns.Name() == "/x" {
				return nil, errors.New("no")
			}
			return adapter.NewMemory(ctx, ns)
		},
		OnError: func(context.Context, *socketio.Socket, *socketio.Event, error) {
			emitted <- server.Of("/x").Emit("oops")
		},
	}
	bubble(t, opts, func(t *testing.T, f *fixture) {
		server = f
		f.Of("/x")
		if err := <-emitted; err == nil {
			t.Error("no error")
		}
	})
}

type countedClose struct {
	*adapter.Memory
	n *int
}

func (a countedClose) Close() error {
	*a.n++
	return a.Memory.Close()
}

// A factory that takes long does not hold up Close and Shutdown, and what it makes is closed.
func TestCloseWhileAdapterIsMade(t *testing.T) {
	for _, shutdown := range []bool{false, true} {
		var release chan struct{}
		closed := 0
		opts := &socketio.Options{Adapter: func(_ context.Context, ns adapter.Local) (adapter.Adapter, error) {
			if ns.Name() == "/x" {
				<-release
			}
			return countedClose{adapter.New(ns), &closed}, nil
		}}
		bubble(t, opts, func(t *testing.T, f *fixture) {
			release, closed = make(chan struct{}), 0
			go f.Of("/x") // ends when released
			synctest.Wait()
			began := time.Now()
			err := f.Close()
			if shutdown {
				err = f.Shutdown(t.Context())
			}
			if err != nil || time.Since(began) != 0 {
				t.Errorf("%v after %v", err, time.Since(began))
			}
			close(release)
			synctest.Wait()
			if closed != 2 {
				t.Errorf("%d adapters were closed, want 2", closed)
			}
		})
	}
}
