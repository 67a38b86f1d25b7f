package engineio

import (
	"time"

	"sio.example/socketio/internal/websocket"
)

// heartbeat is what a session waits for. It belongs to the session, not to a transport: an upgrade changes
// nothing, and only a pong starts the next interval (EIO v4 §heartbeat).
type heartbeat uint8

const (
	beatResting  heartbeat = iota // until the next ping
	beatWaiting                   // for the pong
	beatExtended                  // for the pong, once more
	beatDraining                  // for a polling client to fetch the end

	beats = iota
)

// now is the server's clock. It is monotonic.
func (s *Server) now() time.Duration { return time.Since(s.start) }

// arm sets the time when onTimer is called, until closeLocked. The session is locked.
func (s *Socket) arm(d time.Duration) { s.server.deadlines[s.beat].set(s, s.beat, d) }

// onTimer runs on a goroutine of deadlines, which it must not hold up.
func (s *Socket) onTimer() {
	s.mu.Lock()
	if s.state == sessionClosed || s.server.now() < s.place.due {
		s.mu.Unlock()
		return // it fired while somebody stopped it or set it again
	}
	switch {
	case s.beat == beatResting:
		s.beat = beatWaiting
		s.pongDue.Store(true)
		// From when the ping was due, unless the process stood still: then the peer could not have known.
		late := min(s.server.now()-s.place.due, s.server.options.PingTimeout/2)
		s.arm(s.server.options.PingTimeout - late)
		s.out.Push(pingPacket)
		s.mu.Unlock()
		s.Flush()
	case s.beat == beatWaiting && (s.gate.busy() || s.chokedLocked()):
		// The pong may be behind a message that the Handler does not take yet, or that is not read.
		s.extendLocked()
		s.mu.Unlock()
	case s.beat == beatDraining:
		e := *s.end
		e.reject = RejectDrainTimeout
		s.finishApart(s.closeLocked(e))
		s.mu.Unlock()
	default:
		s.finishApart(s.closeLocked(ending{
			reason: PingTimeout, reject: RejectPingTimeout, status: websocket.PolicyViolation, text: "ping timeout",
		}))
		s.mu.Unlock()
	}
}

// overdue does what the timer is late to do, so that a request that comes after the ping timeout finds no session however
// busy the machine is.
func (s *Socket) overdue() {
	s.mu.Lock()
	late := (s.beat == beatWaiting || s.beat == beatExtended) && s.server.now() >= s.place.due
	s.mu.Unlock()
	if late {
		s.onTimer()
	}
}

// pong ends the wait and starts the next interval.
func (s *Socket) pong() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.beat != beatWaiting && s.beat != beatExtended {
		s.server.counters.reject(RejectPong)
		return
	}
	if s.state == sessionClosed {
		return
	}
	s.beat = beatResting
	s.pongDue.Store(false)
	s.arm(s.server.options.PingInterval)
}

// heard gives a peer whose pong is late behind other input one more PingTimeout, once per ping.
func (s *Socket) heard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.beat == beatWaiting && s.state != sessionClosed {
		s.extendLocked()
	}
}

func (s *Socket) extendLocked() {
	s.beat = beatExtended
	s.pongDue.Store(false)
	s.arm(s.server.options.PingTimeout)
}
