package socketio

import (
	"context"
	"fmt"
	"sync"
	"testing"
)

// A set that somebody has seen does not change, nor do those who share it see each other's handlers; what is registered
// in a row is copied once.
func TestHooksAreCopiedWhenSeen(t *testing.T) {
	var h, child hooks
	if h.load() != noHooks || h.load() != noHooks {
		t.Error("hooks of nothing")
	}
	none := func(context.Context, *Socket, *Event) error { return nil }
	for i := range 100 {
		h.handle(fmt.Sprint("event ", i), none)
		h.use(func(context.Context, *Socket) error { return nil })
		h.onConnection(func(*Socket) {})
		h.useEvents([]Middleware{nil})
	}
	next := h.next
	seen := h.load()
	if seen != next || seen != h.load() || len(seen.handlers) != 100 || len(seen.middleware) != 100 {
		t.Fatalf("%d handlers, %d middleware, copied: %v", len(seen.handlers), len(seen.middleware), seen != next)
	}
	child.set.Store(seen)
	var wg sync.WaitGroup
	for _, h := range []*hooks{&h, &child} {
		for range 4 {
			wg.Go(func() {
				for range 20 {
					h.handle("event 1", none)
					h.use(func(context.Context, *Socket) error { return nil })
					h.onConnection(func(*Socket) {})
					_ = h.load()
				}
			})
		}
	}
	wg.Wait()
	if len(seen.handlers["event 1"]) != 1 || len(seen.middleware) != 100 || len(seen.onConnection) != 100 {
		t.Error("a set that was seen has changed")
	}
	for _, h := range []*hooks{&h, &child} {
		if set := h.load(); len(set.handlers["event 1"]) != 81 ||
			len(set.middleware) != 180 || len(set.onConnection) != 180 {
			t.Errorf("%d handlers, %d middleware", len(set.handlers["event 1"]), len(set.middleware))
		}
	}
}
