package dispatch

import "sync"

// Acks are the acknowledgements that a socket waits for. Each settles exactly once: by Resolve, by Close, or silently
// by Forget. The zero value is ready; it is safe for concurrent use.
type Acks[T any] struct {
	mu      sync.Mutex
	closed  bool
	peak    int32 // entries that the map has held at once
	next    uint64
	pending map[uint64]func(T, error)
}

// maxKept is how large a map may have been to be kept when it is empty: maps never shrink.
const maxKept = 32

// Add registers settle under a new id, and reports false after Close. settle must not block; no lock is held when it
// is called.
func (a *Acks[T]) Add(settle func(v T, err error)) (id uint64, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return 0, false
	}
	if a.pending == nil {
		a.pending = make(map[uint64]func(T, error), 1)
	}
	id = a.next
	a.next++
	a.pending[id] = settle
	a.peak = max(a.peak, int32(len(a.pending)))
	return id, true
}

// Resolve settles id with v. It reports false for an id that is not waited for.
func (a *Acks[T]) Resolve(id uint64, v T) bool {
	settle := a.take(id)
	if settle == nil {
		return false
	}
	settle(v, nil)
	return true
}

// Forget gives id up. It reports false if the id has been settled, or is just being settled.
func (a *Acks[T]) Forget(id uint64) bool { return a.take(id) != nil }

// Len is how many are waited for.
func (a *Acks[T]) Len() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.pending)
}

// Close settles all with err; Add fails from then on.
func (a *Acks[T]) Close(err error) {
	a.mu.Lock()
	pending := a.pending
	a.pending, a.closed = nil, true
	a.mu.Unlock()
	var zero T
	for _, settle := range pending {
		settle(zero, err)
	}
}

func (a *Acks[T]) take(id uint64) func(T, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	settle, ok := a.pending[id]
	if !ok {
		return nil
	}
	delete(a.pending, id)
	if len(a.pending) == 0 && a.peak > maxKept {
		a.pending, a.peak = nil, 0
	}
	return settle
}
