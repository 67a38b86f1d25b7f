package adapter

import (
	"context"
	"iter"
	"sync"

	"sio.example/socketio/parser"
)

// BroadcastWithAck delivers p and collects the acknowledgements; see Adapter. The members are those of the moment
// when the iteration begins. A member that drops a volatile packet is waited for until ctx is done.
func (a *Memory) BroadcastWithAck(ctx context.Context, p *parser.Packet, to Target) iter.Seq2[parser.Args, error] {
	return a.DeliverWithAck(ctx, p, to, nil)
}

// DeliverWithAck is the half of BroadcastWithAck that concerns the members of this node, for adapters that embed
// Memory. asked, if not nil, is called once, when p has been queued for all of them and before the first result is
// yielded, with how many were asked; members that could not be, for ErrTooManyAcks, are not among them. It is not
// called if the iteration ends before that.
func (a *Memory) DeliverWithAck(
	ctx context.Context, p *parser.Packet, to Target, asked func(n int),
) iter.Seq2[parser.Args, error] {
	return func(yield func(parser.Args, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(parser.Args{}, err)
			return
		}
		w := &ackWait{id: a.ns.AckID(), wake: make(chan struct{}, 1)}
		numbered := *p
		numbered.ID, numbered.HasID = w.id, true
		e, err := a.ns.Encode(&numbered, a.expect(&to))
		if err != nil {
			yield(parser.Args{}, err)
			return
		}
		if !a.waits.add(w) {
			a.ns.Flush(e)
			yield(parser.Args{}, ErrClosed)
			return
		}
		defer a.waits.remove(w)
		defer w.forget()
		n := w.deliver(a, e, &to)
		if asked != nil {
			asked(n)
		}
		w.yield(ctx, a.waits.closed, yield)
	}
}

// An ackWait is one broadcast that waits for acknowledgements. Each member leaves pending once: it answers, or it is
// lost.
type ackWait struct {
	id   uint64
	wake chan struct{} // holds a token when there is something new for yield

	mu      sync.Mutex
	members map[Member]int // those that were asked: what the answer counts, or noAnswer
	pending int            // how many have not answered
	results []parser.Args  // not yet yielded
	missing error          // why a member will not answer: ErrGone or ErrTooManyAcks
}

// noAnswer is the size of one that has not come.
const noAnswer = -1

// deliver asks the members, and returns how many there are.
func (w *ackWait) deliver(a *Memory, e Encoded, to *Target) (asked int) {
	defer a.ns.Flush(e)
	// Under w.mu, so that leave waits for the snapshot: a member that is in it and leaves is found in pending.
	w.mu.Lock()
	members := a.members(to)
	w.members = make(map[Member]int, len(members))
	for _, m := range members {
		w.members[m] = noAnswer
	}
	w.pending = len(w.members)
	w.mu.Unlock()
	ack := w.answer
	for _, m := range members {
		switch m.DeliverWithAck(e, w.id, to, ack) {
		case nil:
			asked++
			if !w.waitsFor(m) { // it has answered, or left without the member knowing of what it owes
				m.ForgetAck(w.id)
			}
		case ErrTooManyAcks:
			w.drop(m, ErrTooManyAcks)
		default:
			w.drop(m, nil)
		}
	}
	return asked
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
	return w.pending == 0
}

func (w *ackWait) take() (results []parser.Args, complete bool, missing error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	results, w.results = w.results, nil
	return results, w.pending == 0, w.missing
}

func (w *ackWait) waitsFor(m Member) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.waitsForLocked(m)
}

func (w *ackWait) waitsForLocked(m Member) bool {
	size, ok := w.members[m]
	return ok && size == noAnswer
}

func (w *ackWait) answer(m Member, a Acknowledgement) {
	if a.Err != nil {
		w.drop(m, a.Err)
	} else if !w.keep(m, a) {
		m.ReleaseAck(a.Size)
	}
}

// keep reports whether the answer was waited for. Then it counts until the wait ends, since who iterates may keep it
// until all have come.
func (w *ackWait) keep(m Member, a Acknowledgement) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.waitsForLocked(m) {
		return false
	}
	w.members[m] = a.Size
	w.pending--
	w.results = append(w.results, a.Args)
	w.signal()
	return true
}

// drop waits for m no more, and reports whether it did. The first reason is the one that counts; nil is none.
func (w *ackWait) drop(m Member, why error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.waitsForLocked(m) {
		return false
	}
	delete(w.members, m)
	w.pending--
	if w.missing == nil {
		w.missing = why
	}
	w.signal()
	return true
}

// forget ends the wait: nothing is pending or held any more.
func (w *ackWait) forget() {
	w.mu.Lock()
	members := w.members
	w.members, w.pending = nil, 0
	w.mu.Unlock()
	for m, size := range members {
		if size == noAnswer {
			m.ForgetAck(w.id)
		} else {
			m.ReleaseAck(size)
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
		if w.drop(m, ErrGone) {
			m.ForgetAck(w.id)
		}
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
