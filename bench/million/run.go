package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/bench/internal/memconn"
	"sio.example/socketio/bench/internal/proc"
	"sio.example/socketio/engineio"
)

// result is what was measured. What there is nothing of is zero.
type result struct {
	Open       span
	Fresh      perClient // memory when all are connected and at rest
	Rest       span
	Pings      int64         // in the meantime
	Emit       time.Duration // until Emit returned, median
	Broadcast  span          // until the last client had it, median
	Ask        span
	Rooms      []time.Duration // until the last member had it, one room after the other
	GC         span
	Used       perClient // memory after all that
	Leave      span
	Shutdown   span
	Goroutines int64 // left over
	HeapLeft   int64
	PSSLeft    int64
	Peak       int64
}

// A run measures a server.
type run struct {
	*settings
	log   io.Writer
	crowd *crowd
	io    *socketio.Server
	ln    *memconn.Listener
	http  *http.Server
	ended chan error // by http
	base  memory
	in    *count // in a room
	result
}

// payload is that of broadcasts; room is -1 for those to all.
type payload struct {
	Room int    `json:"room"`
	N    int    `json:"n"`
	Text string `json:"text"`
}

var filling = strings.Repeat("0123456789abcdef", 4)

// wire is how the event that has p must arrive, written down by hand.
func (p payload) wire() string {
	return fmt.Sprintf(`42["news",{"room":%d,"n":%d,"text":"%s"}]`, p.Room, p.N, p.Text)
}

// measure does it all. The memory that the clients and the connections take is not in base, and so counts with that of
// the server; floors tells how much it is.
func measure(ctx context.Context, s *settings, log io.Writer) (r *result, err error) {
	m := &run{settings: s, log: log}
	if m.base, err = readMemory(); err != nil {
		return nil, err
	}
	m.crowd = newCrowd(s.clients, s.rooms)
	m.serve()
	defer func() { err = errors.Join(err, m.stop()) }()
	steps := []struct {
		name string
		do   func(ctx context.Context) error
	}{
		{"open", m.open},
		{"rest", m.rest},
		{"broadcast", m.broadcast},
		{"ask", m.ask},
		{"rooms", m.toRooms},
		{"gc", m.collect},
		{"close", m.close},
	}
	for _, step := range steps {
		begun := time.Now()
		if err := m.profiled(step.name, func() error { return step.do(ctx) }); err != nil {
			return nil, fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Fprintf(log, "%-10s %6.1f s\n", step.name, time.Since(begun).Seconds())
	}
	if err := m.left(ctx); err != nil {
		return nil, err
	}
	return &m.result, m.crowd.wrong()
}

// serve starts the server, as one does it anywhere.
func (m *run) serve() {
	var opts *socketio.Options
	if m.ping > 0 {
		opts = &socketio.Options{Engine: engineio.Options{PingInterval: m.ping}}
	}
	m.io = socketio.NewServer(opts)
	m.in = m.crowd.newCount(m.clients, "in its room", nil)
	m.io.OnConnection(func(s *socketio.Socket) {
		if err := s.Join(s.Handshake().Query["room"]...); err != nil {
			panic(err) // the count of those in rooms stays incomplete
		}
		m.in.hit(nil)
	})
	m.io.Handle("a", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error {
		var n int
		if err := e.Bind(&n); err != nil {
			return err
		}
		return e.Ack(n)
	})
	m.ln = memconn.Listen()
	m.http = &http.Server{Handler: m.io}
	m.ended = make(chan error, 1)
	go func() { m.ended <- m.http.Serve(m.ln) }() // owned by the run; ends with stop
}

// stop ends what serve has started, also after an error.
func (m *run) stop() error {
	err := errors.Join(m.io.Close(), m.http.Close())
	if e := <-m.ended; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}

func (m *run) open(ctx context.Context) (err error) {
	m.Open, err = timed(func() error {
		if err := m.crowd.open(ctx, m.ln); err != nil {
			return err
		}
		return m.crowd.wait(ctx, m.in)
	})
	if err != nil {
		return err
	}
	m.Fresh, err = m.memory("fresh")
	return err
}

// memory is what there is for each client. name is that of the heap profile, if one is wanted.
func (m *run) memory(name string) (perClient, error) {
	now, err := readMemory()
	return now.minus(m.base, m.clients), errors.Join(err, m.heap(name))
}

// heap writes a profile of the heap, as it was after the last collection.
func (m *run) heap(name string) error {
	if m.profiles == "" {
		return nil
	}
	f, err := os.Create(filepath.Join(m.profiles, name+".heap"))
	if err != nil {
		return err
	}
	return errors.Join(pprof.WriteHeapProfile(f), f.Close())
}

// rest lets the clients do nothing but answer pings.
func (m *run) rest(ctx context.Context) (err error) {
	before := m.crowd.pings.Load()
	m.Rest, err = timed(func() error {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-m.crowd.broken:
			return m.crowd.wrong()
		case <-time.After(m.pause):
			return nil
		}
	})
	m.Pings = m.crowd.pings.Load() - before
	return err
}

// news sends an event, to all if room is -1, and waits until all have it.
func (m *run) news(ctx context.Context, to socketio.BroadcastOperator,
	room, n int) (emit time.Duration, s span, err error) {
	p := payload{room, n, filling}
	r := m.crowd.next(room, p.wire(), nil)
	s, err = timed(func() error {
		begun := time.Now()
		if err := to.Emit("news", p); err != nil {
			return err
		}
		emit = time.Since(begun)
		return m.crowd.wait(ctx, r.count)
	})
	return emit, s, err
}

func (m *run) broadcast(ctx context.Context) error {
	var all []span
	emits := make(map[time.Duration]time.Duration) // by the wall time of the whole
	for i := range m.broadcasts {
		emit, s, err := m.news(ctx, m.io.BroadcastOperator, -1, i)
		if err != nil {
			return err
		}
		all = append(all, s)
		emits[s.Wall] = emit
	}
	m.Broadcast = median(all)
	m.Emit = emits[m.Broadcast.Wall]
	return nil
}

func (m *run) ask(ctx context.Context) (err error) {
	m.Ask, err = timed(func() error { return m.crowd.ask(ctx) })
	return err
}

// mostRooms is how many rooms are sent to.
const mostRooms = 200

func (m *run) toRooms(ctx context.Context) error {
	for room := range min(m.rooms, mostRooms) {
		_, s, err := m.news(ctx, m.io.To(roomName(room)), room, room)
		if err != nil {
			return err
		}
		m.Rooms = append(m.Rooms, s.Wall)
	}
	return nil
}

func (m *run) collect(context.Context) (err error) {
	if m.GC, err = collections(); err != nil {
		return err
	}
	m.Used, err = m.memory("used")
	return err
}

// close has half of the clients leave, and then the server shut down.
func (m *run) close(ctx context.Context) (err error) {
	half := m.clients / 2
	m.Leave, err = timed(func() error { return m.crowd.leave(ctx, m.crowd.clients[:half]) })
	if err != nil {
		return err
	}
	rest := m.crowd.newCount(m.clients-half, "closed", nil)
	m.crowd.closed.Store(rest)
	m.crowd.shutdown.Store(true)
	m.Shutdown, err = timed(func() error {
		if err := m.io.Shutdown(ctx); err != nil {
			return err
		}
		return m.crowd.wait(ctx, rest)
	})
	if err != nil {
		return err
	}
	stats := m.io.Stats()
	if stats.Sockets != 0 || stats.Connects != uint64(m.clients) || stats.HandlerErrors > 0 || stats.Panics > 0 {
		return fmt.Errorf("the server's own count is wrong: %+v", stats)
	}
	return nil
}

// left looks at what has stayed behind, besides the server, which is still there, and its listener.
func (m *run) left(ctx context.Context) error {
	m.crowd.clients = nil
	for m.Goroutines = 1; m.Goroutines > 0; { // those that have just written or closed are about to end
		if ctx.Err() != nil {
			return fmt.Errorf("%d goroutines are left: %w", m.Goroutines, context.Cause(ctx))
		}
		runtime.Gosched()
		m.Goroutines = int64(runtime.NumGoroutine()) - m.base.Goroutines - 1
	}
	now, err := readMemory()
	m.HeapLeft, m.PSSLeft = now.Heap-m.base.Heap, now.PSS-m.base.PSS
	if err := errors.Join(err, m.heap("left")); err != nil {
		return err
	}
	runtime.KeepAlive(m.io)
	m.Peak, err = proc.Peak(os.Getpid())
	return err
}

// profiled runs fn, and writes a profile of it if one is wanted.
func (m *run) profiled(name string, fn func() error) error {
	if m.profiles == "" {
		return fn()
	}
	f, err := os.Create(filepath.Join(m.profiles, name+".cpu"))
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return errors.Join(err, f.Close())
	}
	err = fn()
	pprof.StopCPUProfile()
	return errors.Join(err, f.Close())
}
