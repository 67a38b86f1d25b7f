package engineio

import (
	"time"

	"sio.example/socketio/internal/standstill"
)

// limitBody ends the reading of a POST's body after d, unless that is stopped. A deadline of the connection would pass while
// the process stands still, with the body in the kernel.
func (s *Socket) limitBody(p *polling, d time.Duration) *standstill.Timer {
	return standstill.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if p.cut != nil {
			p.cut()
		}
	})
}
