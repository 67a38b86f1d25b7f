package socketio_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/parser"
	"sio.example/socketio/siotest"
)

// A recovering is a server with connection state recovery and a client of package client, on virtual time.
type recovering struct {
	*siotest.Server
	*siotest.Network // of the client
	client           *client.Socket

	mu      sync.Mutex
	sockets []*socketio.Socket // of the server, in the order in which they connected
	events  []string           // that the client has handled
}

// recoverable runs a test for each transport, with a client that is connected.
func recoverable(t *testing.T, o *socketio.RecoveryOptions, run func(t *testing.T, r *recovering)) {
	for _, transport := range []string{"websocket", "polling"} {
		t.Run(transport, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { run(t, newRecovering(t, o, transport, nil, nil)) })
		})
	}
}

func newRecovering(
	t *testing.T, o *socketio.RecoveryOptions, transport string, setup func(io *socketio.Server), p parser.Parser,
) *recovering {
	r := &recovering{}
	opts := &socketio.Options{Recovery: o, Parser: p}
	r.Server = siotest.NewServer(t, &siotest.Options{Server: opts, Setup: func(io *socketio.Server) {
		io.OnConnection(func(s *socketio.Socket) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.sockets = append(r.sockets, s)
		})
		if setup != nil {
			setup(io)
		}
	}})
	r.Network = r.Server.NewNetwork()
	co := &client.Options{Parser: p, ReconnectionDelay: 10 * time.Millisecond}
	co.Engine.Transports = []string{transport}
	r.client = r.Network.Socket("/", co)
	r.client.OnAny(func(_ context.Context, e *client.Event) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, e.Name+e.Args.String())
	})
	if err := r.client.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return r
}

// socket is the one that connected last.
func (r *recovering) socket() *socketio.Socket {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sockets[len(r.sockets)-1]
}

func (r *recovering) handled(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.events, want) {
		t.Errorf("the client handled %v, want %v", r.events, want)
	}
	r.events = nil
}

// first takes the event off that the client must have handled first.
func (r *recovering) first(t *testing.T, want string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) == 0 || r.events[0] != want {
		t.Fatalf("the client handled %v, want %v first", r.events, want)
	}
	r.events = r.events[1:]
}

// back waits until the client is connected again.
func (r *recovering) back(t *testing.T, n int) {
	t.Helper()
	for range 600 {
		<-time.After(100 * time.Millisecond)
		synctest.Wait()
		r.mu.Lock()
		is := len(r.sockets) >= n
		r.mu.Unlock()
		if is && r.client.Connected() {
			return
		}
	}
	t.Fatal("the client does not come back")
}

// A client that loses its connection three times in a row has its id, rooms and data each time, and what it missed,
// with and without traffic between.
func TestRecoveryThreeTimes(t *testing.T) {
	for _, traffic := range []bool{true, false} {
		for name, lose := range map[string]func(r *recovering){
			"cut":    func(r *recovering) { r.Network.Drop() },
			"frozen": func(r *recovering) { r.Network.Hang() }, // both ends find out by the heartbeat
			"closed": func(r *recovering) { r.socket().Conn().Close() },
		} {
			t.Run(fmt.Sprint(name, " traffic ", traffic), func(t *testing.T) {
				recoverable(t, &socketio.RecoveryOptions{}, func(t *testing.T, r *recovering) {
					first := r.socket()
					_ = first.Join("room")
					first.SetData("data")
					for i := range 3 {
						if traffic {
							r.IO().To("room").Emit("before", i)
							synctest.Wait()
							r.handled(t, fmt.Sprintf("before[%d]", i))
						}
						r.Network.Refuse()
						lose(r)
						synctest.Wait()
						if name == "frozen" {
							_ = r.IO().Emit("unnoticed", i)
							<-r.client.Context().Done()
						}
						_ = r.IO().Emit("all", i)
						_ = r.IO().To("room").Emit("room", i)
						_ = r.IO().To("other").Emit("other", i)
						_ = first.Emit("one", i, "text")
						_ = r.IO().Volatile().Emit("volatile", i)
						r.Network.Allow()
						r.back(t, i+2)
						s := r.socket()
						if d, _ := socketio.Data[string](s); d != "data" || s.ID() != first.ID() || !s.Recovered() ||
							!slices.Contains(s.Rooms(), "room") || !r.client.Recovered() {
							t.Fatalf("data %q, recovered %v, rooms %v", d, s.Recovered(), s.Rooms())
						}
						_ = r.IO().Emit("after", i)
						synctest.Wait()
						if name == "frozen" {
							r.first(t, fmt.Sprintf("unnoticed[%d]", i))
						}
						r.handled(t, fmt.Sprintf("all[%d]", i), fmt.Sprintf("room[%d]", i),
							fmt.Sprintf(`one[%d,"text"]`, i), fmt.Sprintf("after[%d]", i))
					}
				})
			})
		}
	}
}
