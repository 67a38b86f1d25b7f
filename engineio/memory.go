package engineio

import (
	"math"

	"sio.example/socketio/internal/budget"
)

// What the sessions of a server hold comes out of one pool (see [Options.MaxMemory]): messages that wait to be sent, input
// that is being read, and what Handlers keep of it. A session that holds little has no claim on the pool and does not touch
// it.

const (
	defaultMaxMemory = 256 << 20

	// unclaimed is how many bytes of messages may wait to be sent by a session without a claim.
	unclaimed = budget.Quantum

	// holdGuaranteed is what each Handler may hold however little is free.
	holdGuaranteed = 64 << 10

	// outParts is what part of what is free one session may have for what waits to be sent. It is large, for a burst to a
	// client that reads.
	outParts = 2

	// heldShare is what part of all all Handlers together may hold beyond what each may, and heldParts what part of what is
	// free of that one of them may. It is to bridge the time that handlers take; what does not fit waits at the client's.
	heldShare = 16
	heldParts = 4
)

// MemoryStats are what the sessions of a server hold, in bytes. A session counts in steps of 16 KiB.
type MemoryStats struct {
	Limit int64 // Options.MaxMemory
	Out   int64 // messages that wait to be sent
	In    int64 // input that is being read
	Held  int64 // what Handlers hold, see Socket.Hold
}

func (s *Server) memoryStats() MemoryStats {
	return MemoryStats{
		Limit: s.pool.Limit(),
		Out:   s.pool.Used(budget.Out),
		In:    s.pool.Used(budget.In),
		Held:  s.pool.Used(budget.Held),
	}
}

// Hold says that the Handler keeps n bytes more of what it was given; n is negative when it lets go of them. They count
// towards [Options.MaxMemory], also when the session is closed, until the Handler has let go of all. A Handler that often
// keeps little for a short time need only say so when it has more than 16 KiB.
func (s *Socket) Hold(n int) {
	s.mu.Lock()
	s.chargeLocked(budget.Held, int64(n))
	s.mu.Unlock()
}

// HoldLimit is how many bytes the Handler may hold now: much while the sessions of the server hold little, and never less
// than 64 KiB. A Handler that holds more does not return from HandleMessage until it holds less, so that the client is not
// read from. It looks again when it has let go of something itself, and may always take a message when it holds nothing.
func (s *Socket) HoldLimit() int {
	p := s.server.pool
	free := min(p.Free(), p.Limit()/heldShare-p.Used(budget.Held))
	return int(min(holdGuaranteed+max(0, free)/heldParts, math.MaxInt))
}

// chargeLocked changes what the session holds of one kind.
func (s *Socket) chargeLocked(k budget.Kind, n int64) {
	if s.claim == nil {
		if n <= 0 {
			return
		}
		s.claim = s.server.pool.Claim()
	}
	s.claim.Add(k, n)
	s.unclaimLocked()
}

// unclaimLocked drops a claim that is empty.
func (s *Socket) unclaimLocked() {
	if s.claim.Empty() {
		s.claim.Free()
		s.claim = nil
	}
}

// chargeOutLocked is called when messages have been queued, if the session has a claim or should have one. What it had queued
// before, less than unclaimed, is not counted.
func (s *Socket) chargeOutLocked(ms []*Prepared) {
	n := 0
	for _, m := range ms {
		n += m.share()
	}
	s.chargeLocked(budget.Out, int64(n))
}

// paidLocked is called when messages that were queued are sent, if the session has a claim.
func (s *Socket) paidLocked(share int) {
	if s.messages == 0 {
		s.claim.Clear(budget.Out)
	} else {
		s.claim.Add(budget.Out, int64(-share))
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
