package engineio

import (
	"sync"

	"sio.example/socketio/internal/budget"
)

// serverHold is what a Handler keeps for no session of this moment. The lock comes before those of the watcher.
type serverHold struct {
	mu    sync.Mutex
	claim budget.Claim
}

// Hold says that n bytes more are kept for no session in particular, such as for one that is to come back; n is
// negative when they are let go of. They count towards [Options.MaxMemory], and not in what the Handlers of sessions
// may hold.
func (s *Server) Hold(n int) {
	s.hold.mu.Lock()
	more := s.hold.claim.Add(budget.Kept, int64(n))
	s.hold.mu.Unlock()
	if more {
		s.lookAtMemory()
	}
}
