package engineio

import (
	"slices"
	"sync"
	"time"

	"sio.example/socketio/internal/budget"
)

const (
	// largeFrom is the memory of a message from which on it is asked for before it is read.
	largeFrom = 64 << 10

	// intakeShare is what part of all large messages may take together, and intakePace how often one is let in beyond
	// that.
	intakeShare = 16
	intakePace  = 2 * time.Second
)

// An intake bounds what large messages take together, those that are read as well as those that Handlers hold: a
// session that holds nothing may always have one, and a thousand sessions would have a thousand. What does not fit
// stays in the kernel, and then at the peer. But one more is let in at each intakePace, so that nobody waits for ever
// for handlers that hang. Lock order: Socket.mu, then intake.mu.
type intake struct {
	mu      sync.Mutex
	used    int64 // by messages that were let in, and what Handlers hold beyond holdGuaranteed each
	waiting []*waiter
	paced   time.Duration // when one was let in beyond the limit, on the server's clock
	timer   *time.Timer   // for the next one; nil while nobody waits
}

// A waiter is a large message that is not read yet.
type waiter struct {
	bytes int64
	again bool          // its session's Handler holds much already; guarded by intake.mu, as is in
	in    bool          // it was let in
	done  chan struct{} // closed then, or when its session is closed
}

// ask lets a message in, or returns who waits for that.
func (s *Server) ask(n int64, again bool) *waiter {
	k := &s.intake
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.waiting) == 0 && s.fitsLocked(n) {
		k.used += n
		return nil
	}
	w := &waiter{bytes: n, again: again, done: make(chan struct{})}
	k.waiting = append(k.waiting, w)
	if k.timer == nil {
		k.timer = time.AfterFunc(max(0, k.paced+intakePace-s.now()), s.onIntakeTimer)
	}
	return w
}

// fitsLocked reports whether there is room for a message of n bytes. One alone may be larger than all may take.
func (s *Server) fitsLocked(n int64) bool {
	return s.intake.used == 0 || s.intake.used+n <= s.pool.Limit()/intakeShare
}

// took changes what is taken, and lets in what fits then.
func (s *Server) took(n int64) {
	k := &s.intake
	k.mu.Lock()
	defer k.mu.Unlock()
	k.used += n
	if n < 0 {
		s.letInLocked()
	}
}

func (s *Server) letInLocked() {
	k := &s.intake
	for len(k.waiting) > 0 {
		i := k.nextLocked()
		if !s.fitsLocked(k.waiting[i].bytes) {
			return
		}
		k.admitLocked(i)
	}
}

// nextLocked is whose turn it is: the first one whose Handler does not hold much already, if there is one.
func (k *intake) nextLocked() int {
	return max(0, slices.IndexFunc(k.waiting, func(w *waiter) bool { return !w.again }))
}

func (k *intake) admitLocked(i int) {
	w := k.waiting[i]
	k.waiting = slices.Delete(k.waiting, i, i+1)
	w.in = true
	k.used += w.bytes
	close(w.done)
}

// onIntakeTimer lets one in beyond the limit.
func (s *Server) onIntakeTimer() {
	k := &s.intake
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.waiting) == 0 {
		k.timer = nil
		return
	}
	k.paced = s.now()
	k.admitLocked(k.nextLocked())
	k.timer.Reset(intakePace)
}

// leave ends the wait of a session that is closed, and reports whether the message was let in before.
func (k *intake) leave(w *waiter) (in bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if i := slices.Index(k.waiting, w); i >= 0 {
		k.waiting = slices.Delete(k.waiting, i, i+1)
		close(w.done)
	}
	return w.in
}

// drained says that the Handler of a session whose message waits holds little now.
func (s *Server) drained(w *waiter) {
	s.intake.mu.Lock()
	defer s.intake.mu.Unlock()
	w.again = false
	s.letInLocked()
}

// awaitIntake waits until a message may take n bytes more, or the session is closed. It reports whether it had to wait.
//
//go:noinline
func (s *Socket) awaitIntake(n int) (waited bool) {
	s.mu.Lock()
	if s.state == sessionClosed {
		s.mu.Unlock()
		return false
	}
	c := s.claimLocked()
	w := s.server.ask(int64(n), c.excess() > 0)
	c.asked += int64(n)
	s.marks.Or(markAsked)
	if w == nil {
		s.mu.Unlock()
		return false
	}
	c.waits, c.waited = w, true
	s.mu.Unlock()
	s.Flush() // as in awaitQueue
	<-w.done  // ends with the session; with other messages; or when it is its turn
	s.mu.Lock()
	if s.claim != nil && s.claim.waits == w {
		s.claim.waits = nil
	}
	s.mu.Unlock()
	return true
}

// handedOverLocked gives back what was asked for: the message is the Handler's now, or will never come.
func (s *Socket) handedOverLocked() {
	s.marks.And(^uint32(markAsked))
	c := s.claim
	if c == nil || c.asked == 0 {
		return
	}
	n := c.asked
	c.asked, c.waited = 0, false
	if w := c.waits; w != nil {
		c.waits = nil
		if !s.server.intake.leave(w) {
			n -= w.bytes
		}
	}
	s.server.took(-n)
	s.unclaimLocked()
}

// handedOver is handedOverLocked.
//
//go:noinline
func (s *Socket) handedOver() {
	s.mu.Lock()
	s.handedOverLocked()
	s.mu.Unlock()
}

// makeRoom is called when the reader of a WebSocket needs memory for a large message.
//
//go:noinline
func (s *Socket) makeRoom(l link) verdict {
	have := int64(0)
	s.mu.Lock()
	if s.claim != nil {
		have = s.claim.asked
	}
	s.mu.Unlock()
	l.allow(s.awaitIntake(max(0, l.wanted()-int(have))))
	return readOn
}

// excess is what the Handler holds beyond what each may.
func (c *claim) excess() int64 { return max(0, c.Held(budget.Held)-holdGuaranteed) }

// Paused reports whether the peer is not read from at the moment for want of memory, here or for what waits to be sent
// to it, or is in a message that had to wait for that. So a Handler does not hold against the peer what has not come.
func (s *Socket) Paused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chokedLocked() || s.claim != nil && s.claim.waited
}

func (s *Socket) pausedLocked() bool { return s.claim != nil && s.claim.waits != nil }
