package engineio

import (
	"math"
	"sync"

	"sio.example/socketio/internal/budget"
)

// What the sessions of a server hold comes out of one pool (see [Options.MaxMemory]): messages that wait to be sent,
// input that is being read, and what Handlers keep of it. A session that holds little has no claim on the pool and does
// not touch it.

const (
	defaultMaxMemory = 256 << 20

	// unclaimed is how many bytes of messages may wait to be sent by a session without a claim.
	unclaimed = budget.Quantum

	// holdGuaranteed is what each Handler may hold however little is free.
	holdGuaranteed = 64 << 10

	// outParts is what part of what is free one session may have for what waits to be sent. It is large, for a burst to
	// a client that reads.
	outParts = 2

	// heldShare is what part of the pool the Handlers may share, beyond what is guaranteed to each. One may hold as
	// much as is free of that, its own part not being free. It bridges the time that handlers take; the rest waits at
	// the client's.
	heldShare = 32
)

// MemoryStats are what the sessions of a server hold, in bytes. A session counts in steps of 16 KiB.
type MemoryStats struct {
	Limit int64 // Options.MaxMemory
	Out   int64 // messages that wait to be sent
	In    int64 // input that is being read
	Held  int64 // what Handlers hold, see Socket.Hold
	Kept  int64 // what is kept for no session of now, see Server.Charge
}

func (s *Server) memoryStats() MemoryStats {
	return MemoryStats{
		Limit: s.pool.Limit(),
		Out:   s.pool.Used(budget.Out),
		In:    s.pool.Used(budget.In),
		Held:  s.pool.Used(budget.Held),
		Kept:  s.pool.Used(budget.Kept),
	}
}

// Hold says that the Handler keeps n bytes more of what it was given; n is negative when it lets go of them. They count
// towards [Options.MaxMemory], also when the session is closed, until the Handler has let go of all. A Handler that
// often keeps little for a short time need only say so when it has more than 16 KiB.
func (s *Socket) Hold(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.claim
	if c == nil && n <= 0 {
		return
	}
	c = s.claimLocked()
	before := c.excess()
	if c.Add(budget.Held, int64(n)) {
		s.server.lookAtMemory()
	}
	if d := c.excess() - before; d != 0 {
		s.server.took(d)
	}
	if c.waits != nil && c.excess() == 0 && n < 0 {
		s.server.drained(c.waits)
	}
	s.unclaimLocked()
}

// HoldLimit is how many bytes the Handler may hold now: much while the sessions of the server hold little, and never
// less than 64 KiB. A Handler that holds more does not return from HandleMessage until it holds less, so that the
// client is not read from. It looks again when it has let go of something itself, and may always take a message when it
// holds nothing.
func (s *Socket) HoldLimit() int {
	p := s.server.pool
	free := min(p.Free(), p.Limit()/heldShare-p.Used(budget.Held)-p.Used(budget.Out)) // what is held may be answered
	return int(min(holdGuaranteed+max(0, free), math.MaxInt))
}

// own is what a program holds of its own.
type own struct {
	mu sync.Mutex // a leaf
	budget.Claim
}

// Hold says that the program keeps n bytes more that come from none of the sessions, such as answers of other
// servers, or fewer, if n is negative. They count towards [Options.MaxMemory]. It reports false if there is no room;
// then they do not count, and are not to be kept. There is room for one thing of any size, and for half of what is
// free.
func (s *Server) Hold(n int) bool {
	o := &s.own
	o.mu.Lock()
	defer o.mu.Unlock()
	held := o.Held(budget.Held)
	if n > 0 && held > 0 && held+int64(n) > s.pool.Threshold(holdGuaranteed, outParts) {
		return false
	}
	if o.Add(budget.Held, int64(n)) {
		s.lookAtMemory()
	}
	return true
}

// A claim is what a session has while it holds much, or more than the budget of its queue. It is guarded by Socket.mu.
type claim struct {
	budget.Claim
	watched  bool          // the watcher has the session in its list
	relented bool          // the reader went on although the queue is long: see awaitQueue
	room     chan struct{} // closed when a reader that waits for room in the queue is to go on; nil if none waits
	asked    int64         // bytes of the large message that is read, or being handed to the Handler
	waits    *waiter       // until it may be read; nil if it may
	waited   bool          // the message that asked counts had to wait
}

var claims = sync.Pool{New: func() any { return new(claim) }}

// outs is what the messages cost that wait to be sent.
func (c *claim) outs() int64 { return c.Held(budget.Out) }

// claimLocked is the session's claim, a new one if it has none.
func (s *Socket) claimLocked() *claim {
	if s.claim == nil {
		s.claim = claims.Get().(*claim)
		s.claim.Claim = s.server.pool.Claim()
	}
	return s.claim
}

// lookAtMemory has the watcher look if much is held.
func (s *Server) lookAtMemory() {
	if s.short() {
		s.watch(nil)
	}
}

// heldLocked is what the session holds altogether, if that is much.
func (s *Socket) heldLocked() (n int64) {
	if s.claim != nil {
		n = s.claim.Total()
	}
	if s.link != nil {
		n += int64(s.link.reading())
	}
	return n
}

// unclaimLocked drops the claim if nothing needs it.
func (s *Socket) unclaimLocked() {
	if c := s.claim; c != nil && c.Empty() && !c.watched && c.room == nil && c.asked == 0 {
		*c = claim{}
		claims.Put(c)
		s.claim = nil
	}
}

// chargeLocked changes what the session holds of one kind.
func (s *Socket) chargeLocked(k budget.Kind, n int64) {
	if s.claim == nil && n <= 0 {
		return
	}
	if s.claimLocked().Add(k, n) {
		s.server.lookAtMemory()
	}
	s.unclaimLocked()
}

// queuedLocked is called when messages have been queued, if the session has a claim or should have one. What it had
// queued before, less than unclaimed, is not counted.
func (s *Socket) queuedLocked(ms []*Prepared) {
	n := 0
	for _, m := range ms {
		n += m.share()
	}
	s.chargeLocked(budget.Out, int64(n))
	if s.kind != kindPolling && s.longLocked(1) {
		s.marks.Or(markChoked)
	}
	if s.overLocked(0, 0) && !s.claimLocked().watched {
		s.claim.watched = true
		s.server.watch(s)
	}
}

// sentLocked is called when messages that were queued are sent, if the session has a claim.
func (s *Socket) sentLocked(share int) {
	if s.out.messages == 0 {
		s.claim.Clear(budget.Out)
	} else {
		s.claim.Add(budget.Out, int64(-share))
	}
	if !s.longLocked(2) {
		s.unchokeLocked()
	}
	s.unclaimLocked()
}

// share is what the message costs in memory, approximately, by the number of sessions that it is queued for.
func (p *Prepared) share() int {
	if p.buf != nil {
		return cap(*p.buf) + preparedCost
	}
	return (len(p.m.Data)+preparedCost)>>p.spread + packetOverhead
}

// preparedCost is what a Prepared takes beside its data.
const preparedCost = 128
