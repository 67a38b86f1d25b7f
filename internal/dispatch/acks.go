package dispatch

import (
	"sync"
	"sync/atomic"
)

// Acks are the acknowledgements that a socket waits for. Each settles exactly once: by Resolve, by Close, or silently
// by Forget. It is one word until the first is added. The zero value is ready; it is safe for concurrent use.
type Acks[T any] struct {
	table atomic.Pointer[ackTable[T]]
}

type ackTable[T any] struct {
	mu      sync.Mutex
	closed  bool
	peak    int32 // entries that the map has held at once
	next    uint64
	pending map[uint64]func(T, error)
}

// maxKept is how large a map may have been to be kept when it is empty: maps never shrink.
const maxKept = 32

// made returns the table, and makes it if there is none.
func (a *Acks[T]) made() *ackTable[T] {
	if t := a.table.Load(); t != nil {
		return t
	}
	a.table.CompareAndSwap(nil, new(ackTable[T]))
	return a.table.Load()
}

// Add registers settle under a new id, and reports false after Close. settle must not block; no lock is held when it
// is called.
func (a *Acks[T]) Add(settle func(v T, err error)) (id uint64, ok bool) {
	t := a.made()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return 0, false
	}
	if t.pending == nil {
		t.pending = make(map[uint64]func(T, error), 1)
	}
	id = t.next
	t.next++
	t.pending[id] = settle
	t.peak = max(t.peak, int32(len(t.pending)))
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
	t := a.table.Load()
	if t == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.pending)
}

// Close settles all with err; Add fails from then on.
func (a *Acks[T]) Close(err error) {
	t := a.made()
	t.mu.Lock()
	pending := t.pending
	t.pending, t.closed = nil, true
	t.mu.Unlock()
	var zero T
	for _, settle := range pending {
		settle(zero, err)
	}
}

func (a *Acks[T]) take(id uint64) func(T, error) {
	t := a.table.Load()
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	settle, ok := t.pending[id]
	if !ok {
		return nil
	}
	delete(t.pending, id)
	if len(t.pending) == 0 && t.peak > maxKept {
		t.pending, t.peak = nil, 0
	}
	return settle
}
