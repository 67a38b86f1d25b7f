package cluster

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"sio.example/socketio/adapter"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/parser"
)

// A request waits for the answers of nodes. Each node is waited for until it has said that it is done, or is gone.
type request struct {
	id   uint64
	wake chan struct{} // holds a token when there is something new

	mu      sync.Mutex
	waiting map[string]uint64 // nodes, and how many results each has sent
	results []result          // not yet taken
	gone    []string          // nodes whose answers will not come
	why     error             // that is so, if they have not left
	failed  error             // what went wrong first, of members or of handlers
}

// A result is one of this node, or of another one.
type result struct {
	args parser.Args
	m    *message
}

// newRequest registers a request to all nodes that are known, and to this one if self.
func (n *node) newRequest(self bool) *request {
	r := &request{wake: make(chan struct{}, 1), waiting: make(map[string]uint64)}
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

// await has r wait for a node.
func (r *request) await(node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting[node] = 0
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
	waits := len(r.waiting) > 0
	r.mu.Unlock()
	if waits {
		n.publish(n.topic, kindCancel, &message{Request: r.id})
	}
}

// answer takes what another node answers.
func (r *request) answer(m *message) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sent, waits := r.waiting[m.Node]
	if !waits {
		return
	}
	switch {
	case m.Kind == kindAnswer:
		r.waiting[m.Node]++
		r.results = append(r.results, result{m: m})
	case sent != m.Count: // something was lost, and the node is not complete
		return
	case m.Error == textBusy: // it did not do it
		delete(r.waiting, m.Node)
		r.gone = append(r.gone, m.Node)
		r.why = errBusy
	default:
		delete(r.waiting, m.Node)
		if m.Error != "" && r.failed == nil {
			r.failed = errorOf(m)
		}
		if m.Sockets != nil {
			r.results = append(r.results, result{m: m})
		}
	}
	r.signal()
}

// local takes a result of this node.
func (r *request) local(args parser.Args) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = append(r.results, result{args: args})
	r.signal()
}

// finish says that a node has nothing more to say: this one, or one that is gone.
func (r *request) finish(node string, gone bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, waits := r.waiting[node]; !waits {
		return
	}
	delete(r.waiting, node)
	if gone {
		r.gone = append(r.gone, node)
	}
	if r.failed == nil {
		r.failed = err
	}
	r.signal()
}

// lose says that the other nodes have not been asked.
func (r *request) lose(self string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for node := range r.waiting {
		if node != self && node != connecting {
			delete(r.waiting, node)
			r.gone = append(r.gone, node)
			r.why = err
		}
	}
	r.signal()
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
		return &adapter.MissingError{Nodes: missing, Err: cmp.Or(r.why, adapter.ErrNodeGone)}
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
