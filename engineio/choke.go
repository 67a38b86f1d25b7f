package engineio

import (
	"math"

	"sio.example/socketio/internal/budget"
)

// chokeParts is what part of the budget of a session's queue may wait to be sent before a WebSocket is not read from any more.
// So a client that asks for more than it takes waits itself, as it does by polling, where its POST is not answered.
// What all may have waiting is shared beyond chokeGuaranteed: each may have one part in chokeShare of what is free of it.
const (
	chokeParts      = 4
	chokeGuaranteed = 32 << 10
	chokeShare      = 64
)

// awaitQueue waits until the queue is short again. The peer ends that by reading; one that does not is ended by the deadline
// of the write, or as a slow consumer.
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
		if c.room == nil {
			c.room = make(chan struct{})
		}
		room := c.room
		s.mu.Unlock()
		s.Flush() // whoever has sent may have left that to what comes next
		<-room
	}
}

// longLocked reports whether more waits to be sent than one of so many parts of what may wait without holding up the peer.
func (s *Socket) longLocked(parts int) bool {
	o, pool := &s.server.options, s.server.pool
	free := max(0, pool.Limit()/stalledParts-pool.Used(budget.Out))
	most := min(o.MaxQueueBytes/chokeParts, int(min(chokeGuaranteed+free/chokeShare, math.MaxInt32)))
	return s.bytes > most/parts || int(s.messages) > o.MaxQueuePackets/chokeParts/parts
}

// unchokeLocked lets a reader that waits in awaitQueue go on.
func (s *Socket) unchokeLocked() {
	s.marks.And(^uint32(markChoked))
	if c := s.claim; c != nil && c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// chokedLocked reports whether the peer's input is left unread because of what waits to be sent to it.
func (s *Socket) chokedLocked() bool { return s.claim != nil && s.claim.room != nil }
