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

// TrimRecoveryLog drops from a namespace's log what is not beyond a number.
func TrimRecoveryLog(n *Namespace, number uint64) {
	r := n.recovery.Load()
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.log.len() > 0 && r.log.oldest().number <= number {
		r.dropLocked()
	}
}

// RecoveryHead is the last number of a namespace's log.
func RecoveryHead(n *Namespace) uint64 { return n.recovery.Load().head.Load() }

// ExpireSession has the time of a session be over whose client is away.
func ExpireSession(n *Namespace, id string) bool {
	r := n.recovery.Load()
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.session(id)
	if e == nil || !e.isAway {
		return false
	}
	r.endLocked(e, RecoveryExpired)
	return true
}
