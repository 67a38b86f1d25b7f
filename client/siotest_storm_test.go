package client_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/siotest"
)

// A storm is many clients whose networks fail at random, for a while.
type storm struct {
	t     *testing.T
	srv   *siotest.Server
	rnd   *rand.Rand // of the goroutine that makes the faults
	stats stormStats

	mu      sync.Mutex
	handled map[string][]handledJob // by the name of the sailor
	orders  bool                    // sockets are also disconnected on purpose
}

// A handledJob is one that the server has handled, for the socket with that id.
type handledJob struct {
	n  int
	id string
}

type stormStats struct{ acked, lost int }

// A sailor is one socket of a client in a storm.
type sailor struct {
	name    string
	sock    *client.Socket
	rec     *siotest.Recorder
	retries bool
	rnd     *rand.Rand

	mu      sync.Mutex
	results map[int][]error
	pending sync.WaitGroup
}

const stormTime = 3 * time.Minute

// TestStorm: whatever the network does, jobs are handled in order, with Retries each at least once, without at most
// once; each acknowledgement ends once; and when the storm is over all are connected again.
func TestStorm(t *testing.T) {
	seeds := uint64(2)
	switch {
	case *sweepAll:
		seeds = 100
	case testing.Short():
		seeds = 1
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runStorm(t, seed) })
		})
	}
}

func runStorm(t *testing.T, seed uint64) {
	st := &storm{t: t, rnd: rand.New(rand.NewPCG(seed, 0)), handled: make(map[string][]handledJob), orders: seed%2 == 1}
	st.srv = siotest.NewServer(t, &siotest.Options{Setup: st.setup})
	networks := []*siotest.Network{st.srv.Network}
	var all []*sailor
	for i, list := range transportLists {
		n := st.srv.NewNetwork()
		networks = append(networks, n)
		o := list.options
		if i%2 == 1 {
			o.Socket.Retries = 10_000
		}
		if i >= 2 {
			o.Socket.AuthFunc = slowAuth(rand.New(rand.NewPCG(seed, uint64(100+i))))
		}
		m := n.Client(&o)
		for _, nsp := range []string{"/", "/b"} {
			s := &sailor{
				name: list.name + nsp, sock: m.Socket(nsp, nil),
				retries: o.Socket.Retries > 0, rec: siotest.NewRecorder(t),
				rnd: rand.New(rand.NewPCG(seed, uint64(len(all)+1))), results: make(map[int][]error),
			}
			s.rec.Client(s.name, s.sock)
			s.sock.OnDisconnect(func(reason client.DisconnectReason) {
				if reason == client.ReasonServerDisconnect {
					s.sock.Open()
				}
			})
			s.sock.OnConnectError(func(error) {
				if !s.sock.Active() {
					s.sock.Open()
				}
			})
			s.sock.Open()
			all = append(all, s)
		}
	}
	over := time.Now().Add(stormTime)
	var sailing sync.WaitGroup
	for _, s := range all {
		orders := rand.New(rand.NewPCG(s.rnd.Uint64(), 0))
		sailing.Go(func() { s.sail(t, over) }) // ends when the storm is over
		if st.orders {
			sailing.Go(func() { s.obey(orders, over) }) // likewise
		}
	}
	for time.Now().Before(over) {
		<-time.After(time.Duration(st.rnd.Int64N(int64(8 * time.Second))))
		st.fault(networks[st.rnd.IntN(len(networks))])
	}
	sailing.Wait()
	st.srv.Start()
	for _, n := range networks {
		n.Heal()
	}
	for _, s := range all {
		if !waitFor(&s.pending) {
			t.Fatalf("%s: acknowledgements that never end:\n%s", s.name, s.rec)
		}
		if err := s.sock.Connect(t.Context()); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		st.check(s)
	}
	for _, s := range all {
		if err := s.sock.Manager().Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	}
	st.srv.Stop()
	checkStats(t, st.srv)
	t.Logf("%+v", st.stats)
}

// slowAuth returns a function that takes a while, and sometimes fails.
func slowAuth(rnd *rand.Rand) func(ctx context.Context) (any, error) {
	var mu sync.Mutex
	return func(ctx context.Context) (any, error) {
		mu.Lock()
		wait, fails := rnd.Int64N(int64(time.Second)), rnd.IntN(5) == 0
		mu.Unlock()
		select {
		case <-time.After(time.Duration(wait)):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if fails {
			return nil, errors.New("no token today")
		}
		return map[string]string{"token": "secret"}, nil
	}
}

func (st *storm) setup(io *socketio.Server) {
	for _, nsp := range []string{"/", "/b"} {
		io.Of(nsp).Use(func(ctx context.Context, s *socketio.Socket) error {
			select {
			case <-time.After(time.Duration(len(s.ID())) * time.Millisecond): // middleware take a while, too
			case <-ctx.Done():
			}
			return ctx.Err()
		})
		io.Of(nsp).OnConnection(func(s *socketio.Socket) {
			_ = s.Emit("hello")
			_ = io.Of(nsp).Emit("news", strings.Repeat("n", 5000))
		})
		io.Of(nsp).Handle("job", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
			var name string
			var n int
			var payload []byte
			if err := e.Bind(&name, &n, &payload); err != nil {
				st.t.Errorf("job: %v", err)
			}
			st.mu.Lock()
			st.handled[name] = append(st.handled[name], handledJob{n, s.ID()})
			st.mu.Unlock()
			return e.Ack(n, payload)
		})
	}
}

// fault lets something happen to a network.
func (st *storm) fault(n *siotest.Network) {
	r := st.rnd
	dir := siotest.Direction(1 + r.IntN(3))
	switch r.IntN(12) {
	case 0, 1:
		n.Drop()
	case 2:
		n.Hang()
	case 3:
		n.Freeze(dir)
	case 4, 5:
		n.Heal()
	case 6:
		n.Refuse()
	case 7:
		n.SetDelay(dir, time.Duration(r.Int64N(int64(3*time.Second))))
	case 8, 9:
		n.Cut(siotest.Direction(1+r.IntN(2)), r.Int64N(3000), siotest.Way(r.IntN(3)))
	case 10:
		n.SetBandwidth(dir, 1000+r.IntN(100_000))
	case 11:
		if st.orders {
			_ = st.srv.IO().Of([]string{"/", "/b"}[r.IntN(2)]).DisconnectSockets(context.Background(), r.IntN(2) == 0)
		}
		if r.IntN(4) == 0 {
			st.srv.Restart()
		}
	}
}

// sail emits jobs until the storm is over.
func (s *sailor) sail(t *testing.T, over time.Time) {
	for n := 0; time.Now().Before(over); n++ {
		payload := make([]byte, []int{0, 10, 1000, 100_000}[s.rnd.IntN(4)])
		s.pending.Add(1)
		err := s.sock.EmitFunc(context.Background(), "job", func(args client.Args, err error) {
			defer s.pending.Done()
			if diff := siotest.Diff(args, n, payload); err == nil && diff != "" {
				t.Errorf("%s: job %d:\n%.1000s", s.name, n, diff)
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.results[n] = append(s.results[n], err)
		}, s.name, n, payload)
		if err != nil {
			t.Errorf("%s: emit: %v", s.name, err)
			s.pending.Done()
		}
		<-time.After(time.Duration(s.rnd.Int64N(int64(4 * time.Second))))
	}
}

// obey disconnects the socket now and then, and opens it again, maybe at once.
func (s *sailor) obey(rnd *rand.Rand, over time.Time) {
	for time.Now().Before(over) {
		<-time.After(time.Duration(rnd.Int64N(int64(30 * time.Second))))
		s.sock.Disconnect()
		if rnd.IntN(2) == 0 {
			<-time.After(time.Duration(rnd.Int64N(int64(5 * time.Second))))
		}
		s.sock.Open()
	}
}

func (st *storm) check(s *sailor) {
	st.mu.Lock()
	defer st.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	handled := st.handled[s.name]
	for i := 1; i < len(handled); i++ {
		a, b := handled[i-1], handled[i]
		if st.orders && a.id != b.id {
			continue // the server may still handle what one socket has sent when the next is connected
		}
		if a.n > b.n || a.n == b.n && !s.retries {
			st.t.Errorf("%s: the server handled job %d after job %d", s.name, b.n, a.n)
		}
	}
	times := make(map[int]int)
	for _, h := range handled {
		if times[h.n]++; times[h.n] > 1 && !s.retries {
			st.t.Errorf("%s: the server handled job %d twice", s.name, h.n)
		}
	}
	for n, errs := range s.results {
		switch {
		case len(errs) != 1:
			st.t.Errorf("%s: job %d has %d results", s.name, n, len(errs))
		case errs[0] == nil && times[n] == 0:
			st.t.Errorf("%s: job %d was acknowledged by nobody", s.name, n)
		case errs[0] != nil && (s.retries || !errors.Is(errs[0], client.ErrDisconnected)):
			st.t.Errorf("%s: job %d: %v", s.name, n, errs[0])
		case errs[0] == nil:
			st.stats.acked++
		default:
			st.stats.lost++
		}
	}
	up := false
	for _, e := range s.rec.All() {
		was := up
		switch e.Kind {
		case siotest.KindConnect:
			up = true
		case siotest.KindDisconnect:
			up = false
		default:
			if e.Kind == siotest.KindEvent && !up {
				st.t.Errorf("%s gets %s while it is not connected", s.name, e)
			}
			continue
		}
		if up == was {
			st.t.Errorf("%s: %s twice", s.name, e.Kind)
		}
	}
}
