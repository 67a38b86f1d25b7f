package socketio

import "time"

// PendingAcks is how many acknowledgements s waits for.
func PendingAcks(s *Socket) int { return s.acks.Len() }

// StandStill makes what connections are waited for look as it does after the process stood still: when a timer goes
// off, it is d later than it should be.
func StandStill(s *Server, d time.Duration) {
	s.srv.pendingConns.Advance(d)
	for _, sock := range s.srv.sockets() {
		if c := sock.conn; c.attachmentsSince.Load() != 0 {
			c.attachmentsSince.Add(-uint32(d.Milliseconds()))
		}
	}
}
