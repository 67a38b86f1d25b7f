package cluster

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"sio.example/socketio/adapter"
	"sio.example/socketio/internal/errtext"
)

// Options of the adapters. The zero value of each means its default.
type Options struct {
	// Heartbeat is how often a node says that it is there; default 5 s.
	Heartbeat time.Duration
	// NodeTimeout is after how much silence a node is gone; default 10 s.
	NodeTimeout time.Duration
	// SubscribeTimeout is how long Join waits to be reachable in a room that is new on its node; default 1 s.
	SubscribeTimeout time.Duration
	// RetryDelay is how long after a failure subscribing is tried again; default 1 s.
	RetryDelay time.Duration
	// MaxQueueBytes is how much may wait to be published; default 16 MiB. Beyond it messages are lost for the other
	// nodes, and reported.
	MaxQueueBytes int
	// RepeatTimeout is how long after a node was forgotten, or a room left, a message that the engine repeats is
	// known as one that was handled; default 10 min.
	RepeatTimeout time.Duration
}

// maxForgottenNodes and maxForgottenTopics are of how many that is known at most.
const (
	maxForgottenNodes  = 4096
	maxForgottenTopics = 16384
)

// maxServing is how many requests of other nodes are served at once, and maxReports how many things that went wrong
// wait to be reported: of more at once, some stand for all.
const (
	maxServing = 1024
	maxReports = 64
)

// maxTimeout is from how many milliseconds on a request counts as one without an end.
const maxTimeout = 1 << 40

// closeTimeout is how long Close waits to say goodbye.
const closeTimeout = time.Second

var (
	errFull = errtext.New("cluster: too much waits to be published")
	errBusy = errtext.New("cluster: too many requests of other nodes are served already")
)

// New returns the factory of the adapters of one node. The caller closes bus, after the adapters.
func New(bus Bus, opts *Options) adapter.Factory {
	var o Options
	if opts != nil {
		o = *opts
	}
	o.Heartbeat = cmp.Or(o.Heartbeat, 5*time.Second)
	o.NodeTimeout = cmp.Or(o.NodeTimeout, 10*time.Second)
	o.SubscribeTimeout = cmp.Or(o.SubscribeTimeout, time.Second)
	o.RetryDelay = cmp.Or(o.RetryDelay, time.Second)
	o.MaxQueueBytes = cmp.Or(o.MaxQueueBytes, 16<<20)
	o.RepeatTimeout = cmp.Or(o.RepeatTimeout, 10*time.Minute)
	return func(_ context.Context, ns adapter.Local) (adapter.Adapter, error) {
		return newNode(ns, bus, o), nil
	}
}

// A node is the adapter of one namespace on one server.
type node struct {
	*adapter.Memory
	ns    adapter.Local
	bus   Bus
	opts  Options
	id    string
	topic string // of the namespace

	ctx    context.Context // until Close
	cancel context.CancelFunc
	ready  chan struct{} // closed when subscribed

	in      queue  // what other nodes publish, but for answers: it may run user code
	out     queue  // what is published
	seq     uint64 // of the last message; used by out only
	events  queue  // server-side events of other nodes, which are user code
	reports queue  // what went wrong, likewise
	topics  topics // of rooms

	mu          sync.Mutex
	peers       map[string]*peer
	pastNodes   past
	pastTopics  past
	requests    map[uint64]*request
	nextRequest uint64
	serving     map[served]context.CancelFunc
	cancels     []func() // of the subscriptions but those of rooms
	closed      bool
}

// A peer is another node. What it publishes is numbered, over all topics: that of one topic comes in order. A program
// that starts again has another id.
type peer struct {
	heard time.Time
	seqs  map[string]uint64 // by topic: the last message that was handled
	floor uint64            // it was forgotten after that
	last  uint64            // the highest of all
}

// served is a request of another node.
type served struct {
	node string
	id   uint64
}

func newNode(ns adapter.Local, bus Bus, o Options) *node {
	n := &node{
		Memory: adapter.New(ns), ns: ns, bus: bus, opts: o,
		id: newID(), topic: "all " + ns.Name(), ready: make(chan struct{}),
		in: queue{limit: o.MaxQueueBytes}, out: queue{limit: o.MaxQueueBytes},
		events: queue{limit: o.MaxQueueBytes}, reports: queue{limit: maxReports},
		pastNodes: past{limit: maxForgottenNodes}, pastTopics: past{limit: maxForgottenTopics},
		peers: make(map[string]*peer), requests: make(map[uint64]*request),
		serving: make(map[served]context.CancelFunc), nextRequest: 1,
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	n.topics = topics{node: n, all: make(map[string]*topic)}
	n.ObserveRooms(&adapter.RoomHooks{
		Created: func(room string) { n.topics.want(room, true) },
		Deleted: func(room string) { n.topics.want(room, false) },
	})
	go n.live() // owned by the adapter; ends with ctx
	return n
}

func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it does not fail
	return hex.EncodeToString(b[:])
}

func (n *node) roomTopic(room string) string {
	return fmt.Sprintf("room %d %s %s", len(n.ns.Name()), n.ns.Name(), room)
}

func (n *node) answerTopic(node string) string { return "node " + node }

// live subscribes, says hello, and then keeps the node known to the others and them to it.
func (n *node) live() {
	for _, name := range []string{n.answerTopic(n.id), n.topic} {
		if !n.subscribe(name) {
			return
		}
	}
	close(n.ready)
	n.publish(n.topic, kindHello, &message{})
	ticker := time.NewTicker(n.opts.Heartbeat)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-ticker.C:
		case <-n.ctx.Done():
			return
		}
		n.publish(n.topic, kindHeartbeat, &message{Request: n.firstRequest()})
		n.askStill()
		now := time.Now()
		n.expire(now, now.Sub(last) > 2*n.opts.Heartbeat)
		last = now
	}
}

// subscribe tries until it has subscribed. It reports false if the adapter was closed meanwhile.
func (n *node) subscribe(name string) bool {
	for {
		cancel, err := n.bus.Subscribe(n.ctx, name, func(msg []byte) { n.receive(name, msg) })
		if err == nil {
			n.mu.Lock()
			closed := n.closed
			n.cancels = append(n.cancels, cancel)
			n.mu.Unlock()
			if closed {
				cancel()
			}
			return !closed
		}
		if n.ctx.Err() != nil {
			return false
		}
		n.report("subscribe", err)
		timer := time.NewTimer(n.opts.RetryDelay)
		select {
		case <-timer.C:
		case <-n.ctx.Done():
			timer.Stop()
			return false
		}
	}
}

// firstRequest is the first that is still waited for. Nodes that serve earlier ones have missed that nobody waits.
func (n *node) firstRequest() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	first := n.nextRequest
	for id := range n.requests {
		first = min(first, id)
	}
	return first
}

// expire forgets nodes that have been silent for too long. If it was this node that stood still, they begin anew.
func (n *node) expire(now time.Time, stoodStill bool) {
	n.mu.Lock()
	var silent []string
	for id, p := range n.peers {
		if stoodStill {
			p.heard = now
		} else if now.Sub(p.heard) > n.opts.NodeTimeout {
			silent = append(silent, id)
		}
	}
	n.pastNodes.expire(now.Add(-n.opts.RepeatTimeout))
	n.pastTopics.expire(now.Add(-n.opts.RepeatTimeout))
	n.mu.Unlock()
	for _, id := range silent {
		n.removePeer(id, false)
	}
}

// note writes down that a message has come, and reports whether it is to be handled: not if it is known already. One
// that is known is no sign of life either.
func (n *node) note(topic string, m *message) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	now := time.Now()
	p := n.peers[m.Node]
	if p == nil {
		was := n.pastNodes.all[forgotten{node: m.Node}]
		if was.left || m.Seq <= was.seq {
			return false
		}
		p = &peer{seqs: make(map[string]uint64), floor: was.seq, last: was.seq}
		n.peers[m.Node] = p
		p.heard = now
	}
	known, ok := p.seqs[topic]
	if !ok {
		known = max(p.floor, n.pastTopics.all[forgotten{m.Node, topic}].seq)
	}
	if m.Seq <= known {
		return false
	}
	p.heard, p.seqs[topic], p.last = now, m.Seq, max(p.last, m.Seq)
	return true
}

// forgetTopic forgets how far others are in a topic that nobody listens to any more: after a while, since somebody may
// listen to it again.
func (n *node) forgetTopic(topic string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	for id, p := range n.peers {
		if seq, ok := p.seqs[topic]; ok {
			delete(p.seqs, topic)
			n.pastTopics.note(forgotten{id, topic}, mark{seq: seq, at: now})
		}
	}
}

// removePeer forgets a node: nobody waits for it any more, and nobody serves it.
func (n *node) removePeer(id string, goodbye bool) {
	n.mu.Lock()
	p := n.peers[id]
	if p == nil {
		n.mu.Unlock()
		return
	}
	delete(n.peers, id)
	n.pastNodes.note(forgotten{node: id}, mark{seq: p.last, at: time.Now(), left: goodbye})
	var requests []*request
	for _, r := range n.requests {
		requests = append(requests, r)
	}
	n.mu.Unlock()
	for _, r := range requests {
		r.miss(id, adapter.ErrNodeGone)
	}
	n.stopServing(func(s served) bool { return s.node == id })
}

// publish queues a message; bytes and order are settled when it returns.
func (n *node) publish(topic string, k kind, m *message) { n.publishOr(topic, k, m, func(error) {}) }

// publishRequest is publish for a request: nobody answers one that is lost.
func (n *node) publishRequest(k kind, m *message, r *request) {
	m.Request = r.id
	n.publishOr(n.topic, k, m, func(err error) { r.lose(n.id, err) })
	r.published.Store(true) // what is published from now on comes behind it
}

// publishOr is publish, and has failed called if that does not succeed.
func (n *node) publishOr(topic string, k kind, m *message, failed func(err error)) {
	body := m.appendBody(nil)
	ok := n.out.add(len(body)+len(topic)+64, func() {
		n.seq++
		err := n.bus.Publish(n.ctx, topic, appendMessage(nil, k, n.id, n.seq, body))
		if err != nil && n.ctx.Err() == nil {
			n.report("publish", err)
			failed(err)
		}
	})
	if !ok && n.ctx.Err() == nil {
		n.report("publish", errFull)
		failed(errFull)
	}
}

// report tells what went wrong, on a goroutine of its own: it is user code that hears of it, which may broadcast.
func (n *node) report(what string, err error) {
	n.reports.add(1, func() { n.ns.Report(what, err) })
}

// serve runs fn for a request of another node, on a goroutine of its own, until the request is given up, and then sends
// the last answer, in which fn has put what it found.
func (n *node) serve(m *message, fn func(ctx context.Context, done *message) error) bool {
	ctx, cancel := context.WithCancel(n.ctx)
	if m.Timeout > 0 && m.Timeout < maxTimeout {
		cancel()
		ctx, cancel = context.WithTimeout(n.ctx, time.Duration(m.Timeout)*time.Millisecond)
	}
	s := served{m.Node, m.Request}
	n.mu.Lock()
	switch {
	case n.peers[m.Node] == nil: // it has left meanwhile
		n.mu.Unlock()
		cancel()
		return false
	case len(n.serving) >= maxServing:
		n.mu.Unlock()
		cancel()
		n.report("serve", errBusy)
		n.refuse(m, errBusy)
		return false
	}
	n.serving[s] = cancel
	n.mu.Unlock()
	done := &message{Request: m.Request}
	finish := func(err error) {
		if ctx.Err() == nil {
			done.Error = textOf(err)
			n.publish(n.answerTopic(m.Node), kindDone, done)
		}
	}
	go func() { // owned by the adapter; ends with the request, or with the adapter
		defer n.stopServing(func(other served) bool { return other == s })
		n.ns.Guard(func() error {
			finish(fn(ctx, done))
			return nil
		}, func(err error) {
			n.report("serve", err)
			finish(err)
		})
	}()
	return true
}

// refuse answers a request that is not served.
func (n *node) refuse(m *message, err error) {
	n.publish(n.answerTopic(m.Node), kindDone, &message{Request: m.Request, Error: textOf(err)})
}

// stopServing ends the requests of other nodes that which picks.
func (n *node) stopServing(which func(served) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for s, cancel := range n.serving {
		if which(s) {
			cancel()
			delete(n.serving, s)
		}
	}
}

// Ready waits until the node is subscribed. Its errors are those of Memory's, to which the namespace adds what failed.
func (n *node) Ready(ctx context.Context) error {
	if err := n.Memory.Ready(ctx); err != nil {
		return err
	}
	select {
	case <-n.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-n.ctx.Done():
		return adapter.ErrClosed
	}
}

// Close says goodbye, for which it waits a little, and ends the rest.
func (n *node) Close() error {
	n.mu.Lock()
	closed := n.closed
	n.closed = true
	n.mu.Unlock()
	err := n.Memory.Close()
	if closed {
		return err
	}
	n.in.close(nil)
	done := n.out.close(func() {
		n.seq++
		_ = n.bus.Publish(n.ctx, n.topic, appendMessage(nil, kindGoodbye, n.id, n.seq, new(message).appendBody(nil)))
	})
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
	n.cancel()
	n.topics.close()
	n.mu.Lock()
	cancels := n.cancels
	n.cancels = nil
	n.mu.Unlock()
	for _, cancel := range cancels {
		cancel()
	}
	return err
}
