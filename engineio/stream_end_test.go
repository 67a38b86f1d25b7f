package engineio

import (
	"context"
	"testing"
)

// A stream that asks for a session which closes right now finds none, and does not touch its count.
func TestStreamAsksForASessionThatCloses(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		_, rec := e.open()
		rec.socket.mu.Lock()
		fx := rec.socket.stopLocked(ending{reason: ForcedClose})
		rec.socket.mu.Unlock()
		p := e.serve(context.Background(), nil, nil)
		p.send(`0{"sid":"` + rec.socket.ID() + `"}`)
		if err := p.ended(); err == nil {
			t.Error("ServeStream returns no error")
		}
		e.rejected(RejectSession, 1)
		rec.socket.closeStopped(fx, true)
		rec.want(ForcedClose)
	})
}
