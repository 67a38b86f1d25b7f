package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sio.example/socketio/adapter"
	"sio.example/socketio/parser"
)

// patience is how long the suite waits for what must come. It only has to be longer than any machine is slow.
const patience = 5 * time.Minute

// A world is a cluster of nodes and the members on them.
type world struct {
	t       testing.TB
	nodes   []*node
	members []*member
	fences  int
	sent    int
}

func newWorld(t testing.TB, nodes Nodes, n int) *world {
	w := &world{t: t}
	for i, factory := range nodes(t, n)[:n] {
		nd := &node{index: i}
		a, err := factory(nd)
		if err != nil {
			t.Fatalf("node %d: %v", i, err)
		}
		nd.Adapter = a
		w.nodes = append(w.nodes, nd)
		t.Cleanup(func() {
			if err := a.Close(); err != nil {
				t.Errorf("node %d: close: %v", i, err)
			}
		})
	}
	eventually(t, "the nodes to find each other", func() bool {
		for _, nd := range w.nodes {
			if count, err := nd.ServerCount(context.Background()); err != nil || count != n {
				return false
			}
		}
		return true
	})
	return w
}

// add makes a member on the next node in turn and lets it join rooms, and one of its own as a server does.
func (w *world) add(id string, rooms ...string) *member {
	w.t.Helper()
	m := &member{id: id, node: w.nodes[len(w.members)%len(w.nodes)], changed: make(chan struct{})}
	w.members = append(w.members, m)
	m.join(w.t, append([]string{id}, rooms...)...)
	return m
}

// settle returns when all that was broadcast before has arrived.
func (w *world) settle() {
	w.t.Helper()
	w.fences++
	for _, nd := range w.nodes {
		name := fmt.Sprintf("fence %d of node %d", w.fences, nd.index)
		w.broadcast(nd, name, adapter.Target{})
		for _, m := range w.members {
			if m.present() {
				m.await(w.t, name)
			}
		}
	}
}

func (w *world) broadcast(from *node, name string, to adapter.Target) {
	w.t.Helper()
	if err := from.Broadcast(event(name), to); err != nil {
		w.t.Fatalf("broadcast %s: %v", name, err)
	}
}

// receivers returns who got the event called name, once for each copy.
func (w *world) receivers(name string) []string {
	var ids []string
	for _, m := range w.members {
		for range m.count(name) {
			ids = append(ids, m.id)
		}
	}
	slices.Sort(ids)
	return ids
}

// sees fails the test unless a broadcast from each node to the target reaches just the members with these ids, once.
func (w *world) sees(what string, to adapter.Target, want ...string) {
	w.t.Helper()
	slices.Sort(want)
	for _, nd := range w.nodes {
		w.sent++
		name := fmt.Sprintf("%s, from node %d, broadcast %d", what, nd.index, w.sent)
		w.broadcast(nd, name, to)
		w.settle()
		if got := w.receivers(name); !slices.Equal(got, want) {
			w.t.Errorf("%s: received by %v, want %v", name, got, want)
		}
	}
}

// eventuallySees is sees for the effects of calls that other nodes may carry out a little later.
func (w *world) eventuallySees(what string, room string, want ...string) {
	w.t.Helper()
	slices.Sort(want)
	for _, nd := range w.nodes {
		eventually(w.t, fmt.Sprintf("%s: %v", what, want), func() bool {
			return slices.Equal(ids(w.fetch(nd, adapter.Target{Rooms: []string{room}})), want)
		})
	}
	w.sees(what, adapter.Target{Rooms: []string{room}}, want...)
}

func (w *world) fetch(nd *node, to adapter.Target) []adapter.Socket {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	sockets, err := nd.Fetch(ctx, to)
	if err != nil {
		w.t.Fatalf("fetch: %v", err)
	}
	return sockets
}

func ids(sockets []adapter.Socket) []string {
	var ids []string
	for _, s := range sockets {
		ids = append(ids, s.ID)
	}
	slices.Sort(ids)
	return ids
}

// eventually polls: a broker tells nobody when it has carried something out.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

func event(name string) *parser.Packet {
	return &parser.Packet{Type: parser.Event, Namespace: "/test", Name: name, Args: parser.NewArgs("hello")}
}

// A node plays the namespace of one server.
type node struct {
	adapter.Adapter
	index int

	encode     func(p *parser.Packet) error // hooks of some tests, set before use
	flush      func()
	serverSide func(name string, args parser.Args, wantAck bool) (parser.Args, error)

	encodes, flushes atomic.Int64
}

// encoded is what this namespace's packets look like to the adapter.
type encoded struct {
	name    string
	copies  int // not atomic: the race detector tells when Deliver is not called from one goroutine
	flushed bool
}

var errEncode = errors.New("adaptertest: cannot encode")

func (n *node) Name() string { return "/test" }

func (n *node) Encode(p *parser.Packet, to *adapter.Target) (adapter.Encoded, error) {
	if n.encode != nil {
		if err := n.encode(p); err != nil {
			return nil, err
		}
	}
	n.encodes.Add(1)
	return &encoded{name: p.Name}, nil
}

func (n *node) Flush(e adapter.Encoded) {
	enc := e.(*encoded)
	if enc.flushed {
		panic("adaptertest: flushed twice")
	}
	enc.flushed = true
	n.flushes.Add(1)
	if n.flush != nil {
		n.flush()
	}
}

func (n *node) ServerSide(_ context.Context, name string, args parser.Args, wantAck bool) (parser.Args, error) {
	if n.serverSide == nil {
		return parser.Args{}, errors.New("adaptertest: unexpected server-side event")
	}
	return n.serverSide(name, args, wantAck)
}

// A member plays a socket.
type member struct {
	id   string
	node *node

	describe   func() // hooks of some tests, set before use
	disconnect func(close bool)
	answer     func(m *member, name string, ack func(parser.Args)) // default: keep ack for later

	mu       sync.Mutex
	left     bool
	leaving  atomic.Bool
	received map[string]int // copies of each event
	log      []string
	flags    adapter.Flags // of the last packet
	acks     map[int]func(parser.Args)
	nextAck  int
	closed   []bool        // arguments of Disconnect
	changed  chan struct{} // closed and replaced at each change
}

func (m *member) join(t testing.TB, rooms ...string) {
	t.Helper()
	if err := m.node.Join(m, rooms...); err != nil {
		t.Fatalf("join: %v", err)
	}
}

func (m *member) leave(t testing.TB, rooms ...string) {
	t.Helper()
	if err := m.node.Leave(m, rooms...); err != nil {
		t.Fatalf("leave: %v", err)
	}
}

func (m *member) leaveAll() {
	m.mu.Lock()
	m.left = true
	m.mu.Unlock()
	m.node.LeaveAll(m)
}

func (m *member) rooms() []string {
	rooms := m.node.Rooms(m.id)
	slices.Sort(rooms)
	return rooms
}

func (m *member) present() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.left
}

func (m *member) count(name string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.received[name]
}

// pending is how many acknowledgements are outstanding.
func (m *member) pending() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.acks)
}

// await returns when the event called name has arrived.
func (m *member) await(t testing.TB, name string) {
	t.Helper()
	m.awaitThat(t, name, func() bool { return m.received[name] > 0 })
}

// awaitAck returns an acknowledgement that somebody waits for.
func (m *member) awaitAck(t testing.TB) (ack func(parser.Args)) {
	t.Helper()
	m.awaitThat(t, "an event with an acknowledgement", func() bool {
		for _, ack = range m.acks {
			return true
		}
		return false
	})
	return ack
}

func (m *member) awaitThat(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		m.mu.Lock()
		done, changed := ok(), m.changed
		m.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			t.Fatalf("%s waited %v for %s", m.id, patience, what)
		}
	}
}

func (m *member) notify() {
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *member) record(name string, to *adapter.Target) {
	if m.received == nil {
		m.received = make(map[string]int)
	}
	m.received[name]++
	m.log = append(m.log, name)
	m.flags = to.Flags
	m.notify()
}

func (m *member) ID() string { return m.id }

func (m *member) Deliver(e adapter.Encoded, to *adapter.Target) {
	enc := e.(*encoded)
	if enc.flushed {
		panic("adaptertest: delivered after the flush")
	}
	enc.copies++
	m.mu.Lock()
	defer m.mu.Unlock()
	m.record(enc.name, to)
}

func (m *member) DeliverWithAck(p *parser.Packet, to *adapter.Target, ack func(parser.Args)) (forget func()) {
	m.mu.Lock()
	id := m.nextAck
	m.nextAck++
	if m.acks == nil {
		m.acks = make(map[int]func(parser.Args))
	}
	m.acks[id] = ack
	m.record(p.Name, to)
	m.mu.Unlock()
	forget = func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.acks, id)
		m.notify()
	}
	if m.answer != nil {
		m.answer(m, p.Name, func(args parser.Args) { forget(); ack(args) })
	}
	return forget
}

func (m *member) Describe() adapter.Socket {
	if m.describe != nil {
		m.describe()
	}
	return adapter.Socket{ID: m.id, Handshake: &adapter.Handshake{RemoteAddr: "192.0.2.1", Host: m.id}, Rooms: m.rooms()}
}

func (m *member) Disconnect(close bool) {
	m.mu.Lock()
	m.closed = append(m.closed, close)
	m.notify()
	m.mu.Unlock()
	if m.disconnect != nil {
		m.disconnect(close)
	}
}

func (m *member) Leaving() bool { return m.leaving.Load() }
