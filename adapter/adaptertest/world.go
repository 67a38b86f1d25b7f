package adaptertest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sio.example/socketio/adapter"
	"sio.example/socketio/internal/seal"
	"sio.example/socketio/parser"
)

// patience is how long the suite waits for what must come. It only has to be longer than any machine is slow.
const patience = 5 * time.Minute

// A world is a cluster of nodes and the members on them.
type world struct {
	t         testing.TB
	cluster   Cluster
	nodes     []*node
	members   []*member
	sentinels []*member // one a node: members only while there is a fence
	fences    int
	sent      int
}

func newWorld(t testing.TB, c Cluster, n int) *world {
	w := &world{t: t, cluster: c}
	for i, factory := range c.Factories[:n] {
		nd := &node{index: i}
		nd.ackID.Store(1 << 30)
		a, err := factory(t.Context(), nd)
		if err != nil {
			t.Fatalf("node %d: %v", i, err)
		}
		nd.Adapter = a
		w.nodes = append(w.nodes, nd)
		w.sentinels = append(w.sentinels, newMember(fmt.Sprint("sentinel ", i), nd))
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
	for _, nd := range w.nodes {
		if err := nd.Ready(patient(t)); err != nil {
			t.Fatalf("node %d: %v", nd.index, err)
		}
	}
	return w
}

// add makes a member on the next node in turn and lets it join rooms, and one of its own as a server does.
func (w *world) add(id string, rooms ...string) *member {
	w.t.Helper()
	m := newMember(id, w.nodes[len(w.members)%len(w.nodes)])
	w.members = append(w.members, m)
	m.join(w.t, append([]string{id}, rooms...)...)
	return m
}

// settle returns when all that was broadcast before to these targets has arrived; without any, to all.
func (w *world) settle(targets ...adapter.Target) {
	w.t.Helper()
	if len(targets) == 0 {
		targets = []adapter.Target{{}}
	}
	for _, to := range targets {
		w.fence(to)
	}
}

// fence broadcasts from each node to the target, of which there is a sentinel on each node. That one has it says that
// the node has also dealt with what came before.
func (w *world) fence(to adapter.Target) {
	w.t.Helper()
	to.Flags, to.Socket = adapter.Flags{}, ""
	rooms := slices.DeleteFunc(slices.Clone(to.Rooms), func(r string) bool { return slices.Contains(to.Except, r) })
	if len(rooms) < len(to.Rooms) && len(rooms) == 0 { // nobody is left
		rooms, to.Except = to.Rooms, nil
	}
	for _, s := range w.sentinels {
		s.join(w.t, rooms...)
		defer s.node.LeaveAll(s)
	}
	waiting := w.sentinels
	if len(to.Rooms) == 0 && len(to.Except) == 0 && to.Sender == "" {
		waiting = slices.Concat(waiting,
			slices.DeleteFunc(slices.Clone(w.members), func(m *member) bool { return !m.present() }))
	}
	for _, nd := range w.nodes {
		w.fences++
		name := fmt.Sprintf("fence %d of node %d", w.fences, nd.index)
		arrived := func() bool {
			return !slices.ContainsFunc(waiting, func(m *member) bool { return m.count(name) == 0 })
		}
		w.broadcast(nd, name, to)
		if !w.cluster.Lossy {
			for _, m := range waiting {
				m.await(w.t, name)
			}
			continue
		}
		eventually(w.t, name, func() bool { // until none of them was lost
			if arrived() {
				return true
			}
			w.broadcast(nd, name, to)
			return false
		})
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
		for _, m := range w.members {
			if slices.Contains(want, m.id) && m.present() {
				m.await(w.t, name)
			}
		}
		w.settle(to)
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
	to := adapter.Target{Rooms: []string{room}}
	w.settle(to) // whom another node has put into the room, it need not reach at once
	w.sees(what, to, want...)
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
	name  string // default: /test

	encode     func(p *parser.Packet) error // hooks of some tests, set before use
	flush      func()
	serverSide func(name string, args parser.Args, wantAck bool) (parser.Args, error)

	encodes, flushes, ackID atomic.Int64

	shows bool // Encode writes down what another parser would see

	mu      sync.Mutex
	reports []error
	held    int // what the adapter has said it keeps
	most    int // how much that may be; 0: anything
}

// encoded is what this namespace's packets look like to the adapter.
type encoded struct {
	name    string
	id      uint64
	wire    []parser.Frame
	shown   string // see show
	copies  int    // not atomic: the race detector tells when Deliver is not called from one goroutine
	flushed bool
	placed  bool
}

var errEncode = errors.New("adaptertest: cannot encode")

func (n *node) Name() string { return cmp.Or(n.name, "/test") }

func (n *node) Encode(p *parser.Packet, _ int) (adapter.Encoded, error) {
	if n.encode != nil {
		if err := n.encode(p); err != nil {
			return nil, err
		}
	}
	n.encodes.Add(1)
	if n.shows {
		shown, err := show(p.Args)
		return &encoded{name: p.Name, id: p.ID, shown: shown}, err
	}
	wire, err := codec.Encode(nil, p)
	if err != nil {
		return nil, err
	}
	return &encoded{name: p.Name, id: p.ID, wire: wire}, nil
}

var codec = parser.JSON(nil)

func (n *node) AckID() uint64 { return uint64(n.ackID.Add(1)) }

func (n *node) Report(_ string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.reports = append(n.reports, err)
}

// reported is how often something went wrong.
func (n *node) reported() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.reports)
}

func (n *node) Guard(fn func() error, failed func(err error)) {
	err := errExited
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: %v", errPanic, v)
		}
		if err != nil {
			failed(err)
		}
	}()
	err = fn()
}

var (
	errExited = errors.New("adaptertest: user code called runtime.Goexit")
	errPanic  = errors.New("adaptertest: user code panicked")
)

func (n *node) Hold(bytes int) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if bytes > 0 && n.most > 0 && n.held+bytes > n.most {
		return false
	}
	n.held += bytes
	return true
}

// holds is what the adapter has said it keeps.
func (n *node) holds() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.held
}

func (n *node) Sealed(seal.Mark) {}

func (n *node) Place(e adapter.Encoded, _ *adapter.Target) {
	enc := e.(*encoded)
	if enc.placed || enc.flushed {
		panic("adaptertest: placed twice, or late")
	}
	enc.placed = true
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
	full       bool                                                // waits for too many acknowledgements already

	mu       sync.Mutex
	left     bool
	noData   bool // nothing was stored with it
	data     any  // what was stored with it, if not its id
	leaving  atomic.Bool
	received map[string]int // copies of each event
	log      []string
	wire     []parser.Frame // of the last packet
	shown    string         // likewise, if its node shows it
	flags    adapter.Flags  // likewise
	acks     map[uint64]func(parser.Args)
	asked    []uint64      // ids of acknowledgements
	closed   []bool        // arguments of Disconnect
	changed  chan struct{} // closed and replaced at each change
}

func newMember(id string, nd *node) *member {
	return &member{id: id, node: nd, changed: make(chan struct{})}
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

func (m *member) record(enc *encoded, to *adapter.Target) {
	if m.received == nil {
		m.received = make(map[string]int)
	}
	m.received[enc.name]++
	m.log = append(m.log, enc.name)
	m.wire, m.shown, m.flags = enc.wire, enc.shown, to.Flags
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
	m.record(enc, to)
}

func (m *member) DeliverWithAck(
	e adapter.Encoded, id uint64, to *adapter.Target, ack func(adapter.Member, adapter.Acknowledgement),
) error {
	enc := e.(*encoded)
	if enc.flushed || enc.id != id {
		panic("adaptertest: delivered after the flush, or with the id of another packet")
	}
	enc.copies++
	m.mu.Lock()
	if m.left || m.full {
		defer m.mu.Unlock()
		if m.full {
			return adapter.ErrTooManyAcks
		}
		return adapter.ErrGone
	}
	if m.acks == nil {
		m.acks = make(map[uint64]func(parser.Args))
	}
	m.acks[id] = func(args parser.Args) { ack(m, adapter.Acknowledgement{Args: args}) }
	m.asked = append(m.asked, id)
	m.record(enc, to)
	m.mu.Unlock()
	if m.answer != nil {
		m.answer(m, enc.name, func(args parser.Args) { m.ForgetAck(id); ack(m, adapter.Acknowledgement{Args: args}) })
	}
	return nil
}

func (m *member) ForgetAck(id uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.acks, id)
	m.notify()
}

func (m *member) ReleaseAck(int) {}

func (m *member) Sealed(seal.Mark) {}

func (m *member) Describe() adapter.Socket {
	if m.describe != nil {
		m.describe()
	}
	h := &adapter.Handshake{RemoteAddr: "192.0.2.1", Host: m.id}
	s := adapter.Socket{ID: m.id, Handshake: h, Rooms: m.rooms()}
	if m.data != nil {
		s.Data = m.data
	} else if !m.noData {
		s.Data = map[string]any{"id": m.id}
	}
	return s
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
