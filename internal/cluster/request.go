package cluster

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"sio.example/socketio/adapter"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/parser"
)

var errNoMemory = errtext.New("cluster: no memory for the answers of other nodes")

// A request waits for the answers of nodes. Each node is waited for until it has said that it is done, or is gone.
type request struct {
	id        uint64
	asks      bool          // members, each of which has an answer of its own
	wake      chan struct{} // holds a token when there is something new
	published atomic.Bool
	looked    bool // askStill has seen it; guarded by node.mu

	mu      sync.Mutex
	waiting map[string]uint64 // nodes, and how many results each has sent; nil when the request has ended
	results []result          // not yet taken
	held    int               // bytes of results that were charged to the server, those taken included
	gone    []string          // nodes whose answers will not come, or not all
	why     error             // that is so
	failed  error             // what went wrong first, of members or of handlers
}

// A result is one of this node, or of another one.
type result struct {
	args parser.Args
	m    *message
}

// newRequest registers a request to all nodes that are known, and to this one if self.
func (n *node) newRequest(self bool) *request {
	r := &request{asks: self, wake: make(chan struct{}, 1), waiting: make(map[string]uint64)}
	n.mu.Lock()
	defer n.mu.Unlock()
	for id := range n.peers {
		r.waiting[id] = 0
	}
	if self {
		r.waiting[n.id] = 0
	}
	r.id = n.nextRequest
	n.nextRequest++
	n.requests[r.id] = r
	return r
}

// connecting is waited for, like a node, until other nodes can be asked.
const connecting = ""

// await has r wait for a node, unless r has ended.
func (r *request) await(node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.waiting != nil {
		r.waiting[node] = 0
	}
}

// awaitPeers has r wait for all nodes that are known now.
func (n *node) awaitPeers(r *request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for id := range n.peers {
		r.await(id)
	}
}

// endRequest forgets r. Nodes that have not answered are told that nobody waits any more.
func (n *node) endRequest(r *request) {
	n.mu.Lock()
	delete(n.requests, r.id)
	n.mu.Unlock()
	r.mu.Lock()
	delete(r.waiting, n.id)
	delete(r.waiting, connecting)
	waits, held := len(r.waiting) > 0, r.held
	r.waiting, r.results, r.held = nil, nil, 0
	r.mu.Unlock()
	n.ns.Hold(-held)
	if waits {
		n.publish(n.topic, kindCancel, &message{Request: r.id})
	}
}

// request is one that is waited for, or nil.
func (n *node) request(id uint64) *request {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.requests[id]
}

// resultCost is about what a result takes beside its bytes.
const resultCost = 256

// answer takes what another node answers, of size bytes. It counts in the server's memory until the request ends, since
// who iterates may keep it until then.
func (n *node) answer(m *message, size int) {
	r := n.request(m.Request)
	if r == nil {
		return
	}
	size += resultCost
	room := n.ns.Hold(size)
	if kept := r.answer(m, size, room); room && !kept {
		n.ns.Hold(-size)
	}
}

// answer takes what another node answers, and reports whether it is kept, for which there is room or not.
func (r *request) answer(m *message, size int, room bool) (kept bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sent, waits := r.waiting[m.Node]
	if !waits {
		return false
	}
	defer r.signal()
	done := m.Kind == kindDone
	switch {
	case !done:
		r.waiting[m.Node]++
	case sent != m.Count: // answers come in order
		r.missLocked(m.Node, adapter.ErrAnswerLost)
		return false
	case m.Error == textBusy: // it did not do it
		r.missLocked(m.Node, errBusy)
		return false
	default:
		delete(r.waiting, m.Node)
		if m.Error != "" && r.failed == nil {
			r.failed = errorOf(m)
		}
		if m.Sockets == nil {
			return false
		}
	}
	switch {
	case room:
		r.results = append(r.results, result{m: m})
		r.held += size
	case r.asks: // as members of this node for whose answers there is no memory
		r.failed = cmp.Or(r.failed, adapter.ErrTooManyAcks)
	default:
		r.waiting[m.Node] = 0
		r.missLocked(m.Node, errNoMemory)
	}
	return room
}

// miss says that answers of a node will not come, and why.
func (r *request) miss(node string, why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.missLocked(node, why)
}

// missLocked needs mu. The first reason counts.
func (r *request) missLocked(node string, why error) {
	if _, waits := r.waiting[node]; waits {
		delete(r.waiting, node)
		r.gone = append(r.gone, node)
		r.why = cmp.Or(r.why, why)
		r.signal()
	}
}

// local takes a result of this node.
func (r *request) local(args parser.Args) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = append(r.results, result{args: args})
	r.signal()
}

// finish says that a node has nothing more to say.
func (r *request) finish(node string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, waits := r.waiting[node]; !waits {
		return
	}
	delete(r.waiting, node)
	r.failed = cmp.Or(r.failed, err)
	r.signal()
}

// lose says that the other nodes have not been asked.
func (r *request) lose(self string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for node := range r.waiting {
		if node != self && node != connecting {
			r.missLocked(node, err)
		}
	}
}

// askStill asks the other nodes which of the requests they serve that have waited for a heartbeat. So a request is over
// soon if it did not reach a node, or the node's answer got lost.
func (n *node) askStill() {
	still := &message{}
	n.mu.Lock()
	for id, r := range n.requests {
		if r.looked {
			still.Requests = append(still.Requests, id)
		}
		r.looked = r.published.Load()
	}
	n.mu.Unlock()
	if still.Requests != nil {
		n.publish(n.topic, kindStill, still)
	}
}

func (r *request) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *request) take() (results []result, complete bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	results, r.results = r.results, nil
	return results, len(r.waiting) == 0
}

// errStopped is returned by collect if yield has had enough.
var errStopped = errtext.New("cluster: stopped")

// collect gives the results to yield as they come, until all nodes have answered, ctx is done, or the adapter is
// closed.
func (n *node) collect(ctx context.Context, r *request, yield func(result) bool) error {
	for {
		var err error
		results, complete := r.take()
		if len(results) == 0 && !complete {
			select {
			case <-r.wake:
			case <-ctx.Done():
				err = ctx.Err()
			case <-n.ctx.Done():
				err = adapter.ErrClosed
			}
			results, complete = r.take()
		}
		for _, res := range results {
			if !yield(res) {
				return errStopped
			}
		}
		if complete || err != nil {
			return r.outcome(n.id, err)
		}
	}
}

// outcome is the error of a request that has ended with err, or without if all nodes have answered.
func (r *request) outcome(self string, err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	missing := slices.Clone(r.gone)
	if err != nil {
		missing = slices.AppendSeq(missing, maps.Keys(r.waiting))
		missing = slices.DeleteFunc(missing, func(node string) bool { return node == self || node == connecting })
	}
	slices.Sort(missing)
	switch {
	case errors.Is(err, adapter.ErrClosed), err != nil && len(missing) == 0:
		return err
	case err != nil:
		return &adapter.MissingError{Nodes: missing, Err: err}
	case len(missing) > 0:
		return &adapter.MissingError{Nodes: missing, Err: r.why}
	}
	return r.failed
}

// The texts of errors that other nodes know.
const (
	textGone    = "gone"
	textTooMany = "too many"
	textBusy    = "busy"
)

func textOf(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, adapter.ErrGone):
		return textGone
	case errors.Is(err, adapter.ErrTooManyAcks):
		return textTooMany
	case errors.Is(err, errBusy):
		return textBusy
	}
	return err.Error()
}

// A nodeError is what another node says went wrong.
type nodeError struct{ node, text string }

// Error names the node.
func (e *nodeError) Error() string { return "cluster: node " + e.node + ": " + e.text }

func errorOf(m *message) error {
	switch m.Error {
	case textGone:
		return adapter.ErrGone
	case textTooMany:
		return adapter.ErrTooManyAcks
	}
	return &nodeError{m.Node, m.Error}
}
