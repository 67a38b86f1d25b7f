package engineio

import (
	"runtime"
	"time"
)

// A session is judged by its peer, not by what is sent to it. Within the budget of its queue anything is queued. Over
// it, the peer is a slow consumer when it takes nothing for a while, or when the session has more than its part of the
// server's memory. The watcher sees the first, and a Send that would go beyond the second is refused.

const (
	// patience is how long a peer may hold up a write before volatile messages are dropped.
	patience = 20 * time.Millisecond

	// stall is how long the peer of a WebSocket may take nothing of a queue that is over its budget.
	stall = 2 * time.Second

	// absence is the same for a client on polling that has no GET pending, and a second more for so many bytes of the
	// last answer, which may still be on their way: as few as leave the judgement on long answers to the heartbeat, as
	// a client gives up itself that gets no ping for so long.
	absence     = 5 * time.Second
	absenceRate = 20_000

	// They are less when many take nothing.
	hurriedAbsence = 2 * time.Second
	hurriedRate    = 50_000
)

// overLocked reports whether the queue would be over its budget with n messages more.
func (s *Socket) overLocked(cost, n int) bool {
	o := &s.server.options
	return s.out.messages > 0 && (s.out.bytes+cost > o.MaxQueueBytes || int(s.out.messages)+n > o.MaxQueuePackets)
}

// stalledLocked reports whether the peer has taken nothing for as long as it may; hurried says that many do so.
func (s *Socket) stalledLocked(hurried bool) bool {
	p, away, rate := s.poll, absence, absenceRate
	if hurried {
		away, rate = hurriedAbsence, hurriedRate
	}
	if s.kind != kindPolling {
		return s.idleLocked() >= stall
	}
	return s.idleLocked() >= away+time.Duration(p.answered/rate)*time.Second
}

// idleLocked is for how long the peer has taken nothing although there is something. A client on polling that has a GET
// pending takes what comes.
func (s *Socket) idleLocked() time.Duration {
	var since time.Duration
	switch p := s.poll; {
	case s.blockedAt != 0:
		since = s.blockedAt
		if t := s.link.taken(); !t.IsZero() {
			since = max(since, t.Sub(s.server.start))
		}
	case s.kind == kindPolling && !p.get.waits():
		since = p.polled
	default:
		return 0
	}
	return s.server.now() - max(since, s.server.watcher.since())
}

// heldUpLocked reports whether the peer has not read for a moment.
func (s *Socket) heldUpLocked() bool {
	return s.blockedAt != 0 && s.server.now()-s.blockedAt >= patience
}

// affordableLocked reports whether the server has the memory for these messages in the queue, too.
func (s *Socket) affordableLocked(ms []*Prepared) bool {
	held := int64(0)
	for _, m := range ms {
		held += int64(m.share())
	}
	if s.claim != nil {
		held += s.claim.outs()
	}
	return held <= s.server.pool.Threshold(int64(s.server.options.MaxQueueBytes), outParts)
}

// queueWhileFlushing deals with a burst that is faster than the processor, which does not make the peer slow: it gives
// the flusher the chance to write, and queues the messages when there is room for them, within a millisecond.
func (s *Socket) queueWhileFlushing(o SendOptions, ms []*Prepared) error {
	start := time.Now()
	for tries := 0; ; tries++ {
		if s.server.options.Trace == nil {
			s.Flush()
		} else { // the caller may hold locks
			s.mu.Lock()
			s.startLocked()
			s.mu.Unlock()
		}
		runtime.Gosched()
		last := tries == 10_000 || time.Since(start) >= time.Millisecond
		if taken, err := s.queue(o, ms, last); taken || err != nil {
			return err
		}
	}
}
