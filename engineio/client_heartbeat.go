package engineio

import (
	"io"
	"time"

	"sio.example/socketio/internal/standstill"
	"sio.example/socketio/internal/websocket"
)

// The marks of a client's session.
const (
	markBacklog = 1 << iota // the reader has more input at hand
	markArrived             // a part of an answer came, or a message was handled, since somebody looked
	markDoubted             // this process stood still when a ping was due, and nothing has come since
)

func (s *ClientSocket) has(mark uint32) bool { return s.marks.Load()&mark != 0 }

// setBacklog says whether the reader has more input at hand.
func (s *ClientSocket) setBacklog(on bool) {
	switch {
	case on == s.has(markBacklog):
	case on:
		s.marks.Or(markBacklog)
	default:
		s.marks.And(^uint32(markBacklog))
	}
}

// pingTimeout is what the server's silence does to the session.
var pingTimeout = ending{reason: PingTimeout, status: websocket.PolicyViolation, text: "ping timeout"}

// silence is how long the server may be silent (EIO v4 §heartbeat), and pongWait how long it waits for a pong.
func (s *ClientSocket) silence() time.Duration {
	return time.Duration(s.handshake.PingIntervalMS)*time.Millisecond + s.pongWait()
}

func (s *ClientSocket) pongWait() time.Duration {
	return time.Duration(s.handshake.PingTimeoutMS) * time.Millisecond
}

// beat answers what the client awaits, a ping, and starts the wait for the next.
func (s *ClientSocket) beat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == sessionClosed {
		return
	}
	if s.state == sessionOpen {
		s.expectPingLocked()
	}
	s.beatDue = true
	s.startLocked()
}

// trust ends the doubt: something has come.
func (s *ClientSocket) trust() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marks.And(^uint32(markDoubted))
	if s.state == sessionOpen {
		s.expectPingLocked()
	}
}

// expectPingLocked waits for the next ping. The session looks twice: in the middle of the time that the server waits
// for the pong, and at its end.
func (s *ClientSocket) expectPingLocked() { s.expectLocked(s.silence(), false) }

// expectLocked waits d for the next ping, or while draining for the end. Final says that the first look is left out.
func (s *ClientSocket) expectLocked(d time.Duration, final bool) {
	sleeps.look()
	s.pingDue, s.finalLook, s.unasked = time.Now().Add(d), final, 0
	s.arm(time.Until(s.lookLocked()))
}

// lookLocked is when to look.
func (s *ClientSocket) lookLocked() time.Time {
	if s.finalLook {
		return s.pingDue
	}
	return s.pingDue.Add(-s.pongWait() / 2)
}

func (s *ClientSocket) arm(d time.Duration) {
	if s.timer == nil {
		s.timer = time.AfterFunc(d, s.onTimer) // stopped by stopLocked
	} else {
		s.timer.Reset(d)
	}
}

// onTimer runs on a goroutine of the timer.
func (s *ClientSocket) onTimer() {
	s.mu.Lock()
	var fx clientClosing
	late := time.Since(s.lookLocked())
	draining := s.state == sessionDraining
	switch {
	case s.state == sessionClosed:
	case late < 0: // it fired while it was set again
		s.arm(-late)
	case draining && standstill.Late(late):
		s.expectLocked(drainTimeout, true)
	case draining:
		fx = s.stopLocked(*s.end)
	case s.behind() && s.unasked == 0:
		// The server has pinged since, unless it is dead. It gets the pong that it can't wait for any longer, and the ping
		// may come as late as it likes. If the server is dead, it can't be written to either.
		s.beatDue = true
		s.startLocked()
		s.expectPingLocked()
	case standstill.Late(late): // the ping may lie in the kernel, or the end
		s.arrivedLocked() // before
		s.marks.Or(markDoubted)
		s.expectLocked(s.pongWait(), true)
	case !s.finalLook:
		s.finalLook = true
		s.arm(time.Until(s.pingDue))
		if s.arrivedLocked() || s.unreadLocked() {
			s.beatUnaskedLocked(s.pongWait() / 2)
		}
	case !s.behind() && !s.arrivedLocked() && !s.unreadLocked():
		fx = s.stopLocked(pingTimeout)
	case s.unasked == 0:
		s.expectLocked(s.pongWait(), true)
		s.beatUnaskedLocked(s.pongWait())
	default: // the server's next ping follows the pong that went out
		s.expectLocked(max(s.silence()-s.unasked, s.pongWait()/2), false)
	}
	s.mu.Unlock()
	s.closeStopped(fx, true)
}

// beatUnaskedLocked sends a pong so long before pingDue: the ping may lie behind what has come. A look between two
// messages finds the Handler idle and nothing at hand, and a server does not wait any longer than for the next one.
func (s *ClientSocket) beatUnaskedLocked(before time.Duration) {
	s.beatDue, s.unasked = true, max(before, 1)
	s.startLocked()
}

// behind reports whether the ping may be waiting behind a message that the Handler does not take yet.
func (s *ClientSocket) behind() bool { return s.latch.busy() || s.has(markBacklog) }

// arrivedLocked reports whether a part of a message, or of an answer, came since it was last asked.
func (s *ClientSocket) arrivedLocked() bool {
	part := s.has(markArrived) && s.marks.And(^uint32(markArrived))&markArrived != 0
	return s.link != nil && s.link.arrived() || part
}

// unreadLocked reports whether something lies in the kernel.
func (s *ClientSocket) unreadLocked() bool { return s.link != nil && s.link.unread() }

// A listener marks that something arrives.
type listener struct {
	io.Reader
	s *ClientSocket
}

func (l listener) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if n > 0 {
		l.s.markArrival()
	}
	return n, err
}

func (s *ClientSocket) markArrival() {
	if !s.has(markArrived) {
		s.marks.Or(markArrived)
	}
}

// Alive reports whether the server's next ping is not overdue. The session of a process that was stopped may be dead
// before its timers know: Send to such a session closes it with PingTimeout and returns ErrClosed.
func (s *ClientSocket) Alive() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == sessionOpen && s.aliveLocked()
}

// aliveLocked also asks the wall clock, as the other one may stand still while the machine sleeps, but believes it
// only if the machine has: somebody may have set it.
func (s *ClientSocket) aliveLocked() bool {
	now := time.Now()
	return now.Before(s.pingDue) && !s.has(markDoubted) &&
		(now.Round(0).Before(s.pingDue.Round(0)) || !sleeps.since(s.pingDue.Add(-s.silence())))
}
