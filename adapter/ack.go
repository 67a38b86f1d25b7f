package adapter

import (
	"context"
	"iter"
	"sync"

	"sio.example/socketio/parser"
)

// BroadcastWithAck delivers p and collects the acknowledgements; see Adapter. The members are those of the moment when
// the iteration begins. A member that drops a volatile packet is waited for until ctx is done.
func (a *Memory) BroadcastWithAck(ctx context.Context, p *parser.Packet, to Target) iter.Seq2[parser.Args, error] {
	return func(yield func(parser.Args, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(parser.Args{}, err)
			return
		}
		w := &ackWait{pending: make(map[Member]func()), wake: make(chan struct{}, 1)}
		if !a.waits.add(w) {
			yield(parser.Args{}, ErrClosed)
			return
		}
		defer a.waits.remove(w)
		defer w.forget()
		w.deliver(a, p, &to)
		w.yield(ctx, a.waits.closed, yield)
	}
}

// An ackWait is one broadcast that waits for acknowledgements.
type ackWait struct {
	wake chan struct{} // holds a token when there is something new for yield

	mu      sync.Mutex
	pending map[Member]func() // who has not answered, and how to forget its acknowledgement (nil: not delivered yet)
	results []parser.Args     // not yet yielded
	missing error             // why a member will not answer: ErrGone or ErrTooManyAcks
	ended   bool
}

func (w *ackWait) deliver(a *Memory, p *parser.Packet, to *Target) {
	// Under w.mu, so that leave waits for the snapshot: who is in it and leaves, is found in pending.
	w.mu.Lock()
	members := a.Members(to)
	for _, m := range members {
		w.pending[m] = nil
	}
	w.mu.Unlock()
	for _, m := range members {
		w.keep(m, m.DeliverWithAck(p, to, func(args parser.Args) { w.answer(m, args) }))
	}
}

func (w *ackWait) yield(ctx context.Context, closed <-chan struct{}, yield func(parser.Args, error) bool) {
	for {
		var err error
		if !w.complete() {
			select {
			case <-w.wake:
			case <-ctx.Done():
				err = ctx.Err()
			case <-closed:
				err = ErrClosed
			}
		}
		results, complete, missing := w.take()
		for _, args := range results {
			if !yield(args, nil) {
				return
			}
		}
		switch {
		case complete && missing != nil:
			yield(parser.Args{}, missing)
			return
		case complete:
			return
		case err != nil:
			yield(parser.Args{}, err)
			return
		}
	}
}

func (w *ackWait) complete() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.pending) == 0
}

func (w *ackWait) take() (results []parser.Args, complete bool, missing error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	results, w.results = w.results, nil
	return results, len(w.pending) == 0, w.missing
}

// keep stores how to forget m's acknowledgement, unless it is settled already.
func (w *ackWait) keep(m Member, forget func()) {
	if forget == nil {
		w.lose(m, ErrTooManyAcks)
		return
	}
	w.mu.Lock()
	_, pending := w.pending[m]
	if pending {
		w.pending[m] = forget
	}
	w.mu.Unlock()
	if !pending {
		forget()
	}
}

func (w *ackWait) answer(m Member, args parser.Args) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.pending[m]; !ok || w.ended {
		return
	}
	delete(w.pending, m)
	w.results = append(w.results, args)
	w.signal()
}

// lose gives m up. The first reason is the one that counts.
func (w *ackWait) lose(m Member, why error) {
	w.mu.Lock()
	forget, ok := w.pending[m]
	if ok && !w.ended {
		delete(w.pending, m)
		if w.missing == nil {
			w.missing = why
		}
		w.signal()
	}
	w.mu.Unlock()
	if forget != nil {
		forget()
	}
}

// forget ends the wait: nothing is pending any more.
func (w *ackWait) forget() {
	w.mu.Lock()
	pending := w.pending
	w.pending, w.ended = nil, true
	w.mu.Unlock()
	for _, forget := range pending {
		if forget != nil {
			forget()
		}
	}
}

func (w *ackWait) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// ackWaits are the broadcasts that wait.
type ackWaits struct {
	closed chan struct{}

	mu   sync.Mutex
	set  map[*ackWait]struct{}
	done bool // closed is closed
}

func (s *ackWaits) add(w *ackWait) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return false
	}
	if s.set == nil {
		s.set = make(map[*ackWait]struct{})
	}
	s.set[w] = struct{}{}
	return true
}

func (s *ackWaits) remove(w *ackWait) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.set, w)
}

// leave tells all that m will not answer.
func (s *ackWaits) leave(m Member) {
	s.mu.Lock()
	var waits []*ackWait
	for w := range s.set {
		waits = append(waits, w)
	}
	s.mu.Unlock()
	for _, w := range waits {
		w.lose(m, ErrGone)
	}
}

func (s *ackWaits) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.done {
		s.done = true
		close(s.closed)
	}
}

func (s *ackWaits) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}
