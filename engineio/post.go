package engineio

import (
	"net/http"
	"time"

	"sio.example/socketio/internal/budget"
	"sio.example/socketio/internal/standstill"
)

// limitBody ends the reading of a POST's body after d, unless that is stopped. A deadline of the connection would pass
// while the process stands still, with the body in the kernel.
func (s *Socket) limitBody(p *polling, d time.Duration) *standstill.Timer {
	return standstill.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if p.cut != nil {
			p.cut()
		}
	})
}

// readPost reads the body of a POST. A large one waits until there is memory for it, which is not the client's time.
func (s *Socket) readPost(r *http.Request, p *polling) ([]byte, error) {
	left := s.server.options.BodyTimeout
	begun, limit := s.server.now(), s.limitBody(p, left)
	defer func() { limit.Stop() }()
	asked := 0
	return readBody(r, s.server.options.MaxPayload, func(more, all int) {
		all = max(all, int(r.ContentLength))
		if all >= largeFrom && all > asked {
			limit.Stop()
			left -= s.server.now() - begun
			if s.awaitIntake(all - asked) {
				left = s.server.options.BodyTimeout
			}
			asked = all
			begun, limit = s.server.now(), s.limitBody(p, left)
		}
		s.mu.Lock()
		s.chargeLocked(budget.In, int64(more))
		s.mu.Unlock()
	})
}
