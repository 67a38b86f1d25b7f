package engineio

import (
	"math"
	"time"

	"sio.example/socketio/internal/budget"
)

// chokeParts is what part of the budget of a session's queue may wait to be sent before a WebSocket is not read from
// any more. So a client that asks for more than it takes waits itself, as it does by polling, where its POST is not
// answered. What all may have waiting is shared beyond chokeGuaranteed: each may have one part in chokeShare of what is
// free of it.
const (
	chokeParts      = 4
	chokeGuaranteed = 32 << 10
	chokeShare      = 64
)

// relentParts is what part of MaxMemory may wait to be sent when a peer is read from that takes nothing. It is less
// than what makes the watcher look.
const relentParts = 2 * stalledParts

// awaitQueue waits until the queue is short again. The peer ends that by reading; one that does not is ended by the
// deadline of the write, or as a slow consumer. If it takes nothing for a while it may be unable to read before it has
// written all that it has to say, which it can't while it is not read from, so it is, as far as there is memory for
// that.
//
//go:noinline
func (s *Socket) awaitQueue() {
	for {
		s.mu.Lock()
		if s.marks.Load()&markChoked == 0 || !s.longLocked(2) {
			s.unchokeLocked()
			s.mu.Unlock()
			return
		}
		c := s.claimLocked()
		idle := s.idleLocked()
		if idle >= stall && s.server.pool.Used(budget.Out) < s.server.pool.Limit()/relentParts {
			c.relented = true
			s.mu.Unlock()
			return
		}
		if c.room == nil {
			c.room = make(chan struct{})
		}
		room := c.room
		s.mu.Unlock()
		s.Flush() // a sender may have left that to what comes next
		wait := stall - idle
		if wait <= 0 {
			wait = watchTick // look again whether there is memory
		}
		t := time.NewTimer(wait)
		select {
		case <-room:
		case <-t.C:
		}
		t.Stop()
	}
}

// longLocked reports whether more waits to be sent than one of so many parts of what may wait without holding up the
// peer.
func (s *Socket) longLocked(parts int) bool {
	o, pool := &s.server.options, s.server.pool
	free := max(0, pool.Limit()/stalledParts-pool.Used(budget.Out))
	most := min(o.MaxQueueBytes/chokeParts, int(min(chokeGuaranteed+free/chokeShare, math.MaxInt32)))
	return s.out.bytes > most/parts || int(s.out.messages) > o.MaxQueuePackets/chokeParts/parts
}

// unchokeLocked lets a reader that waits in awaitQueue go on.
func (s *Socket) unchokeLocked() {
	s.marks.And(^uint32(markChoked))
	c := s.claim
	if c == nil {
		return
	}
	c.relented = false
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// chokedLocked reports whether the peer's input is left unread because of what waits to be sent to it.
func (s *Socket) chokedLocked() bool { return s.claim != nil && s.claim.room != nil }
