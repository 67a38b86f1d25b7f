package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/adapter"
	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/cluster"
	"sio.example/socketio/internal/cluster/membus"
	"sio.example/socketio/siotest"
)

// servers are three servers of one cluster, each with one client, which answers what it is asked with its number.
type servers struct {
	buses   []*membus.Bus
	servers []*siotest.Server
	clients []*client.Socket
	events  chan string
}

// noUpgrade are options of clients: an upgrade may hold events back for a moment, in which the clock would have to go
// on.
var noUpgrade = &client.Options{Engine: engineio.DialOptions{Transports: []string{"websocket"}}}

func newServers(t *testing.T, faults membus.Faults) *servers {
	c := &servers{events: make(chan string, 100)}
	net := membus.New(faults)
	for i := range 3 {
		bus := net.Node()
		t.Cleanup(func() { _ = bus.Close() })
		c.buses = append(c.buses, bus)
		srv := siotest.NewServer(t, &siotest.Options{
			Server: &socketio.Options{Adapter: cluster.New(bus, nil)},
			Client: noUpgrade,
		})
		c.servers = append(c.servers, srv)
		srv.IO().OnConnection(func(s *socketio.Socket) {
			s.SetData(map[string]any{"node": i, "id": int64(1<<53 + 1)})
			_ = s.Join("room")
		})
		s := srv.Dial("/", nil)
		c.clients = append(c.clients, s)
		s.On("event", func(_ context.Context, e *client.Event) error {
			c.events <- fmt.Sprint(i, " ", e.Args)
			return nil
		})
		s.On("question", func(_ context.Context, e *client.Event) error { return e.Ack(i) })
	}
	for _, srv := range c.servers {
		if err := srv.IO().Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Wait()
	return c
}

func (c *servers) heard() []string {
	synctest.Wait()
	var all []string
	for len(c.events) > 0 {
		all = append(all, <-c.events)
	}
	slices.Sort(all)
	return all
}

// A deafBus cannot be subscribed to.
type deafBus struct{ *membus.Bus }

func (deafBus) Subscribe(context.Context, string, func([]byte)) (func(), error) {
	return nil, errors.New("broker is away")
}

// The clients of a server are asked while it is not connected to the others.
func TestBroadcastWithAckWhileTheBrokerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := membus.New(membus.Faults{}).Node()
		t.Cleanup(func() { _ = bus.Close() })
		srv := siotest.NewServer(t, &siotest.Options{
			Server: &socketio.Options{Adapter: cluster.New(deafBus{bus}, nil)},
		})
		srv.Dial("/", nil).On("q", func(_ context.Context, e *client.Event) error { return e.Ack(1) })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		got, err := srv.IO().EmitWithAck(ctx, "q")
		if len(got) != 1 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, %v", got, err)
		}
	})
}

// A request that cannot be published ends at once, and names the nodes that were not asked.
func TestRequestThatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newServers(t, membus.Faults{})
		mend := c.buses[0].Fail()
		found, err := c.servers[0].IO().FetchSockets(context.Background())
		var missing *adapter.MissingError
		if len(found) != 1 || !errors.As(err, &missing) || len(missing.Nodes) != 2 {
			t.Errorf("%d sockets, %v", len(found), err)
		}
		mend()
		if found, err = c.servers[0].IO().FetchSockets(t.Context()); len(found) != 3 || err != nil {
			t.Errorf("%d sockets, %v", len(found), err)
		}
	})
}

// Who asks for what nobody listens to has an answer at once; who asks a node that serves too many, too.
func TestRequestsThatAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newServers(t, membus.Faults{})
		if _, err := c.servers[0].IO().ServerSideEmitWithAck(context.Background(), "nobody listens"); err == nil {
			t.Error("no error though nobody listens")
		}
		for _, srv := range c.servers[1:] {
			srv.IO().OnServerSide("never answered", func(context.Context, *socketio.Event) error { return nil })
		}
		ctx, cancel := context.WithCancel(t.Context())
		var asking sync.WaitGroup
		for range 1024 { // as many as are served at once
			asking.Go(func() { _, _ = c.servers[0].IO().ServerSideEmitWithAck(ctx, "never answered") })
		}
		synctest.Wait()
		found, err := c.servers[0].IO().FetchSockets(context.Background())
		var missing *adapter.MissingError
		if len(found) != 1 || !errors.As(err, &missing) || len(missing.Nodes) != 2 {
			t.Errorf("%d sockets, %v", len(found), err)
		}
		cancel()
		asking.Wait()
	})
}

// A listener may change what it has answered with when Ack has returned.
func TestServerSideAnswerIsEncodedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newServers(t, membus.Faults{})
		for _, srv := range c.servers[1:] {
			srv.IO().OnServerSide("q", func(_ context.Context, e *socketio.Event) error {
				m := map[string]any{"n": 1, "bytes": []byte{1}}
				defer func() { m["n"] = 2 }()
				if err := e.Ack(m); err != nil {
					t.Error(err)
				}
				return nil
			})
		}
		got, err := c.servers[0].IO().ServerSideEmitWithAck(t.Context(), "q")
		for _, a := range got {
			var answer struct {
				N     int
				Bytes []byte
			}
			if err := a.Bind(&answer); err != nil || answer.N != 1 || len(answer.Bytes) != 1 {
				t.Errorf("%v, %v", answer, err)
			}
		}
		if len(got) != 2 || err != nil {
			t.Errorf("%v, %v", got, err)
		}
	})
}

func TestServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newServers(t, membus.Faults{Seed: 1, Reorder: true, Duplicate: 300})
		a, b := c.servers[0].IO(), c.servers[1].IO()
		if err := a.To("room").Emit("event", int64(1<<53+1)); err != nil {
			t.Error(err)
		}
		if got, want := c.heard(), []string{"0 [9007199254740993]",
			"1 [9007199254740993]", "2 [9007199254740993]"}; !slices.Equal(got, want) {
			t.Errorf("heard %q, want %q", got, want)
		}
		answers, err := b.To("room").EmitWithAck(t.Context(), "question")
		if err != nil || len(answers) != 3 {
			t.Errorf("%d answers, %v", len(answers), err)
		}
		found, err := b.FetchSockets(t.Context())
		if err != nil || len(found) != 3 {
			t.Fatalf("%d sockets, %v", len(found), err)
		}
		var mu sync.Mutex
		var told []string
		for _, srv := range c.servers {
			srv.IO().OnRooms(&socketio.RoomHooks{Joined: func(s *socketio.Socket, room string) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, room)
			}})
		}
		for i, r := range found {
			if got := fmt.Sprint(r.Data()); got == "" || r.Handshake() == nil || !slices.Contains(r.Rooms(), "room") {
				t.Errorf("%s: %v, %v", r.ID(), got, r.Rooms())
			}
			if err := r.Join(t.Context(), fmt.Sprint("room ", i)); err != nil {
				t.Error(err)
			}
			if _, err := r.EmitWithAck(t.Context(), "question"); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if slices.Sort(told); !slices.Equal(told, []string{"room 0", "room 1", "room 2"}) {
			t.Errorf("told of %q", told)
		}
	})
}

// A node that vanishes without a word is named by the requests it does not answer, and after a while it is not waited
// for.
func TestNodeVanishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newServers(t, membus.Faults{})
		_ = c.buses[2].Close()
		a := c.servers[0].IO()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		found, err := a.FetchSockets(ctx)
		var missing *adapter.MissingError
		if len(found) != 2 || !errors.As(err, &missing) ||
			len(missing.Nodes) != 1 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d sockets, %v", len(found), err)
		}
		began := time.Now()
		answers, err := a.EmitWithAck(t.Context(), "question") // without a timeout
		if len(answers) != 2 || !errors.As(err, &missing) ||
			!errors.Is(err, adapter.ErrNodeGone) || time.Since(began) > 20*time.Second {
			t.Errorf("%d answers after %v, %v", len(answers), time.Since(began), err)
		}
		answers, err = a.EmitWithAck(t.Context(), "question")
		if len(answers) != 2 || err != nil {
			t.Errorf("afterwards: %d answers, %v", len(answers), err)
		}
		if n := c.servers[2].IO().Stats().AdapterErrors; n == 0 {
			t.Error("the one that is alone did not report that it cannot publish")
		}
	})
}

// A server that shuts down says so: nobody waits for it.
func TestNodeSaysGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newServers(t, membus.Faults{})
		c.servers[2].Stop()
		synctest.Wait()
		began := time.Now()
		answers, err := c.servers[0].IO().EmitWithAck(t.Context(), "question")
		if len(answers) != 2 || err != nil || time.Since(began) > time.Second {
			t.Errorf("%d answers after %v, %v", len(answers), time.Since(began), err)
		}
	})
}
