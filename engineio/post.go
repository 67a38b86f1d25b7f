package engineio

import (
	"time"

	"sio.example/socketio/internal/stall"
)

// limitBody ends the reading of a POST's body after d, unless that is stopped. A deadline of the connection would pass while
// the process stands still, with the body in the kernel.
func (s *Socket) limitBody(p *polling, d time.Duration) *stall.Timer {
	return stall.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if p.cut != nil {
			p.cut()
		}
	})
}
