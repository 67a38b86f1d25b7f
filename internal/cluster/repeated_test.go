package cluster_test

import (
	"context"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/internal/cluster"
	"sio.example/socketio/internal/cluster/membus"
	"sio.example/socketio/internal/taggedparser"
	"sio.example/socketio/parser"
	"sio.example/socketio/siotest"
)

// A repeatingBus keeps what its node publishes, to publish it once more.
type repeatingBus struct {
	*membus.Bus

	mu   sync.Mutex
	mute bool // what is published is lost
	all  []published
}

type published struct {
	topic string
	msg   []byte
}

// Publish keeps what it publishes.
func (b *repeatingBus) Publish(ctx context.Context, topic string, msg []byte) error {
	b.mu.Lock()
	mute := b.mute
	b.all = append(b.all, published{topic, msg})
	b.mu.Unlock()
	if mute {
		return nil
	}
	return b.Bus.Publish(ctx, topic, msg)
}

func (b *repeatingBus) setMute(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mute = on
}

// repeat publishes all of a moment before once more, in order.
func (b *repeatingBus) repeat(t *testing.T, all []published) {
	for _, p := range all {
		if err := b.Bus.Publish(t.Context(), p.topic, p.msg); err != nil {
			t.Error(err)
		}
	}
	synctest.Wait()
}

func (b *repeatingBus) kept() []published {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.all)
}

// repeating are two servers, and a client of the second one, which counts what it hears. What the first one publishes
// can be repeated.
func repeating(t *testing.T) (bus *repeatingBus, servers []*siotest.Server, heard *atomic.Int64) {
	net := membus.New(membus.Faults{})
	bus = &repeatingBus{Bus: net.Node()}
	heard = new(atomic.Int64)
	for _, b := range []cluster.Bus{bus, net.Node()} {
		t.Cleanup(func() { _ = b.Close() })
		srv := siotest.NewServer(t, &siotest.Options{
			Server: &socketio.Options{Adapter: cluster.New(b, nil)}, Client: noUpgrade,
		})
		if err := srv.IO().Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		servers = append(servers, srv)
	}
	servers[1].IO().OnConnection(func(s *socketio.Socket) { _ = s.Join("room") })
	servers[1].Dial("/", nil).On("event", func(context.Context, *client.Event) error {
		heard.Add(1)
		return nil
	})
	synctest.Wait()
	return bus, servers, heard
}

// What the engine repeats of a node that was forgotten for its silence is not delivered again, and is no sign that the
// node lives; what the node says when it is back is.
func TestRepeatedAfterNodeWasForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus, servers, heard := repeating(t)
		emit := func() {
			for _, to := range []socketio.BroadcastOperator{servers[0].IO().To("room"), servers[0].IO().Except("x")} {
				if err := to.Emit("event"); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
		}
		emit()
		all := bus.kept()
		bus.setMute(true)
		<-time.After(20 * time.Second)
		bus.repeat(t, all)
		if n := heard.Load(); n != 2 {
			t.Errorf("2 broadcasts were delivered %d times", n)
		}
		if found, err := servers[1].IO().FetchSockets(t.Context()); len(found) != 1 || err != nil {
			t.Errorf("%d sockets, %v: want none of a node that is gone", len(found), err)
		}
		bus.setMute(false)
		emit()
		bus.repeat(t, all)
		if n := heard.Load(); n != 4 {
			t.Errorf("when the node is back: 4 broadcasts were delivered %d times", n)
		}
	})
}

// The same for a node that has said goodbye, long after.
func TestRepeatedAfterGoodbye(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus, servers, heard := repeating(t)
		if err := servers[0].IO().Emit("event"); err != nil {
			t.Fatal(err)
		}
		servers[0].Stop()
		<-time.After(5 * time.Minute)
		bus.repeat(t, bus.kept())
		if n := heard.Load(); n != 1 {
			t.Errorf("1 broadcast was delivered %d times", n)
		}
		if found, err := servers[1].IO().FetchSockets(t.Context()); len(found) != 1 || err != nil {
			t.Errorf("%d sockets, %v", len(found), err)
		}
	})
}

// Who leaves a room and comes back does not get again what was sent to the room before.
func TestRepeatedAfterRoomWasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus, servers, heard := repeating(t)
		emit := func() {
			if err := servers[0].IO().To("room").Emit("event"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		emit()
		for s := range servers[1].IO().Sockets() {
			if err := s.Leave("room"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if err := s.Join("room"); err != nil {
				t.Fatal(err)
			}
		}
		bus.repeat(t, bus.kept())
		if n := heard.Load(); n != 1 {
			t.Errorf("1 broadcast was delivered %d times", n)
		}
		emit()
		if n := heard.Load(); n != 2 {
			t.Errorf("2 broadcasts were delivered %d times", n)
		}
	})
}

// A harmfulParser does something when it encodes an event called harm.
type harmfulParser struct {
	parser.Parser
	harm func()
}

// Encode does it.
func (p *harmfulParser) Encode(dst []parser.Frame, packet *parser.Packet) ([]parser.Frame, error) {
	if packet.Name == "harm" && p.harm != nil {
		p.harm()
	}
	return p.Parser.Encode(dst, packet)
}

// A parser that panics, or ends its goroutine, on another server than the one that emits does not make that deaf.
func TestParserThatHarmsAnotherServer(t *testing.T) {
	for name, harm := range map[string]func(){"panic": func() { panic("user code") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				net := membus.New(membus.Faults{})
				var servers []*siotest.Server
				for i := range 2 {
					bus := net.Node()
					t.Cleanup(func() { _ = bus.Close() })
					p := &harmfulParser{Parser: parser.JSON(nil)}
					if i == 1 {
						p.harm = harm
					}
					servers = append(servers, siotest.NewServer(t, &siotest.Options{
						Server: &socketio.Options{Parser: p, Adapter: cluster.New(bus, nil)}, Client: noUpgrade,
					}))
				}
				synctest.Wait()
				var heard atomic.Int64
				servers[1].Dial("/", nil).On("event", func(_ context.Context, e *client.Event) error {
					heard.Add(1)
					return e.Ack("here")
				})
				a := servers[0].IO()
				for _, event := range []string{"harm", "event"} {
					if err := a.Emit(event); err != nil {
						t.Fatal(err)
					}
				}
				if got, err := a.EmitWithAck(t.Context(), "harm"); err == nil {
					t.Errorf("%v and no error", got)
				}
				if got, err := a.EmitWithAck(t.Context(), "event"); len(got) != 1 || err != nil {
					t.Errorf("%v, %v", got, err)
				}
				if n := heard.Load(); n != 2 {
					t.Errorf("%d of 2 came", n)
				}
				synctest.Wait() // what went wrong is told on a goroutine of its own
				if stats := servers[1].IO().Stats(); stats.AdapterErrors+stats.Panics == 0 {
					t.Error("nothing was reported")
				}
			})
		})
	}
}

// Values that JSON text has not cross the cluster, in events, answers of clients, data, and answers of servers.
func TestValuesBeyondText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := membus.New(membus.Faults{})
		var servers []*siotest.Server
		for range 2 {
			bus := net.Node()
			t.Cleanup(func() { _ = bus.Close() })
			servers = append(servers, siotest.NewServer(t, &siotest.Options{
				Server: &socketio.Options{Parser: taggedparser.New(nil), Adapter: cluster.New(bus, nil)},
				Client: noUpgrade,
			}))
		}
		synctest.Wait()
		at := time.Unix(5, 6).UTC()
		check := func(what string, args socketio.Args, err error) {
			t.Helper()
			var f, g float64
			var when time.Time
			if err == nil {
				err = args.Bind(&f, &g, &when)
			}
			if err != nil || !math.IsNaN(f) || !math.IsInf(g, 1) || !when.Equal(at) {
				t.Errorf("%s: %v, %v, %v, %v", what, f, g, when, err)
			}
			if args.Len() == 3 && args.Kind(2) != parser.KindTime {
				t.Errorf("%s: the time is a %v", what, args.Kind(2))
			}
		}
		servers[1].Dial("/", nil).On("event", func(_ context.Context, e *client.Event) error {
			check("event", e.Args, nil)
			return e.Ack(math.NaN(), math.Inf(1), at)
		})
		servers[1].IO().OnServerSide("event", func(_ context.Context, e *socketio.Event) error {
			check("event of a server", e.Args, nil)
			return e.Ack(math.NaN(), math.Inf(1), at)
		})
		a := servers[0].IO()
		answers, err := a.EmitWithAck(t.Context(), "event", math.NaN(), math.Inf(1), at)
		if len(answers) != 1 || err != nil {
			t.Fatal(answers, err)
		}
		check("answer", answers[0], nil)
		answers, err = a.ServerSideEmitWithAck(t.Context(), "event", math.NaN(), math.Inf(1), at)
		if len(answers) != 1 || err != nil {
			t.Fatal(answers, err)
		}
		check("answer of a server", answers[0], nil)
	})
}
