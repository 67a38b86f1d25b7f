package engineio

import (
	"time"

	"sio.example/socketio/internal/deadline"
	"sio.example/socketio/internal/standstill"
	"sio.example/socketio/internal/websocket"
)

// heartbeatState is what a session waits for. It belongs to the session, not to a transport: an upgrade changes
// nothing, and only a pong starts the next interval (EIO v4 §heartbeat).
type heartbeatState uint8

const (
	heartbeatResting  heartbeatState = iota // until the next ping
	heartbeatWaiting                        // for the pong
	heartbeatExtended                       // for the pong, once more
	heartbeatStalled                        // for the pong, after this process stood still
	heartbeatDraining                       // for a polling client to fetch the end

	heartbeatStates = iota

	// spreads is how many groups there are of sessions whose pings are spread, each with a list of its own.
	spreads = 32

	// heartbeatSilence is the list of those that wait for the ping of a client that asks.
	heartbeatSilence = heartbeatState(heartbeatStates + spreads)

	lists = heartbeatStates + spreads + 1
)

// now is the server's clock. It is monotonic.
func (s *Server) now() time.Duration { return time.Since(s.start) }

// The deadlines of sessions that wait for the same length of time are one list. Lock order: Socket.mu, then that of the
// list.

func (s *Socket) deadlineEntry() *deadline.Entry[*Socket] { return &s.deadline }

// arm sets the time when onTimer is called, until stopTimer. The session is locked.
func (s *Socket) arm(d time.Duration) { s.armIn(s.heartbeat, d) }

// armIn is arm in another list than that of the state.
func (s *Socket) armIn(list heartbeatState, d time.Duration) {
	s.stopTimer()
	s.deadlineList = list
	s.server.deadlines[list].Add(s, d)
}

// stopTimer makes s wait no more. The session is locked.
func (s *Socket) stopTimer() { s.server.deadlines[s.deadlineList].Remove(s) }

// onTimer runs on a goroutine of deadlines, which it must not hold up.
func (s *Socket) onTimer() {
	s.mu.Lock()
	s.expireLocked()
	s.mu.Unlock()
	s.Flush() // a ping
}

// expireLocked does what is due now.
func (s *Socket) expireLocked() {
	late := s.server.now() - s.deadline.Due()
	switch {
	case s.state == sessionClosed || late < 0: // it fired while somebody stopped it or set it again
	case s.heartbeat == heartbeatResting:
		s.askLocked(late)
	case s.heartbeat == heartbeatDraining && standstill.Late(late):
		s.arm(s.drainTimeLocked(s.endingLocked()))
	case s.heartbeat == heartbeatDraining:
		e := *s.endingLocked()
		e.reject = RejectDrainTimeout
		s.closeApartLocked(e)
	case !s.extendLocked(late):
		s.closeApartLocked(ending{
			reason: PingTimeout, reject: RejectPingTimeout, status: websocket.PolicyViolation, text: "ping timeout",
		})
	}
}

// overdue does what the timer is late to do, so that a request that comes after the ping timeout finds no session
// however busy the machine is.
func (s *Socket) overdue() {
	s.mu.Lock()
	late := s.heartbeat != heartbeatResting && s.heartbeat != heartbeatDraining && s.server.now() >= s.deadline.Due()
	s.mu.Unlock()
	if late {
		s.onTimer()
	}
}

// askLocked sends a ping and waits for the pong: from when the ping was due, unless this process stood still, as the
// peer could not have known then.
func (s *Socket) askLocked(late time.Duration) {
	wait := s.server.options.PingTimeout
	if s.heartbeat = heartbeatWaiting; standstill.Late(late) {
		s.heartbeat = heartbeatStalled
	} else {
		wait -= min(late, wait/2)
	}
	s.silentLocked(!s.hinderedLocked())
	s.arrivedLocked() // before the ping
	s.pingLocked()
	s.arm(wait)
}

// extendLocked is called when there was no pong in time. It reports false if the peer must be taken for dead. Otherwise
// it asks once more, which also shows the peer that we live, and waits for another PingTimeout:
//   - Something came since the last ping, or a part of it. The pong may be behind it.
//   - The pong can't come, or can't be read, because of us or of what is under way (see hinderedLocked); or it lies in
//     the kernel. When that has passed, the peer gets a whole PingTimeout.
//   - This process stood still, which it knows by a timer that is late. What came meanwhile is yet to be read.
func (s *Socket) extendLocked(late time.Duration) bool {
	arrived := s.arrivedLocked()
	hindered := arrived || s.hinderedLocked() || s.link != nil && s.link.unread()
	heard := s.marks.Load()&markSilent == 0
	stalled := standstill.Late(late)
	if !hindered && !heard && !stalled {
		return false
	}
	switch {
	case stalled:
		s.heartbeat = heartbeatStalled
	case s.heartbeat == heartbeatWaiting:
		s.heartbeat = heartbeatExtended
	}
	s.silentLocked(!hindered)
	s.pingLocked()
	s.arm(s.server.options.PingTimeout)
	return true
}

// silentLocked sets markSilent: the next PingTimeout is the last, unless something comes.
func (s *Socket) silentLocked(on bool) {
	if on {
		s.marks.Or(markSilent)
	} else {
		s.marks.And(^uint32(markSilent))
	}
}

// pingLocked queues a ping, unless the last one is still there or the session is about to end. A client that does not
// read may have sent a pong for that one already.
func (s *Socket) pingLocked() {
	ping := s.codec().server.says
	switch {
	case s.state != sessionOpen || !s.codec().server.asks:
	case s.out.has(ping):
		s.pings = max(s.pings, 1)
	default:
		s.out.pushControl(ping)
		s.pings = min(s.pings, 254) + 1
	}
}

// hinderedLocked reports whether something keeps the pong from coming, or from being read, that has an end of its own:
//   - a Handler that does not take the message before it. The pings that are written meanwhile find a peer that is
//     dead: they are refused, or not acknowledged (see TCP_USER_TIMEOUT).
//   - on polling a POST, behind which the pong waits, as long as the client also makes GETs; it has a deadline until
//     its body is read. An upgrade pauses the GETs.
//   - what is being written, and has a deadline: the ping may be behind it.
func (s *Socket) hinderedLocked() bool {
	p := s.poll
	if s.kind == kindPolling {
		return p.get.writing() ||
			p.post != postNone && (p.get.waits() || p.probe != nil ||
				s.server.now()-p.polled < s.server.options.PingTimeout)
	}
	return s.latch.busy() || p != nil && p.post == postDelivering || s.blockedAt != 0 || s.out.queue.Len() > 0 ||
		s.chokedLocked() || s.pausedLocked()
}

// arrivedLocked reports whether a part of a message came since it was last asked. The whole has a deadline.
func (s *Socket) arrivedLocked() bool { return s.link != nil && s.link.arrived() }

// pong ends the wait and starts the next interval. If the peer is the one who asks, it gets its answer.
func (s *Socket) pong() {
	if role := &s.codec().server; !role.asks {
		s.mu.Lock()
		if s.state == sessionOpen {
			if s.out.last() != role.says { // one answers all that came meanwhile, of a client that does not read too
				s.out.pushControl(role.says)
			}
			s.startHeartbeatLocked()
		}
		s.mu.Unlock()
		s.Flush()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pings == 0 {
		s.server.counters.reject(RejectPong)
		return
	}
	s.pings--
	wait := s.server.options.PingInterval
	switch {
	case s.state == sessionClosed:
	case s.heartbeat == heartbeatStalled:
		// All are in phase after a standstill, and pings of all at once are what the next one would find.
		s.heartbeat = heartbeatResting
		group := s.server.phase.Add(1) % spreads
		wait -= wait / 2 * time.Duration(group) / spreads
		s.armIn(heartbeatStates+heartbeatState(group), wait)
	case s.heartbeat == heartbeatWaiting || s.heartbeat == heartbeatExtended:
		s.heartbeat = heartbeatResting
		s.arm(wait)
	}
}
