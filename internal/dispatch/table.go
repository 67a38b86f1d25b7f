package dispatch

import (
	"slices"
	"sync"
)

// A Table holds listeners in the order they were added. It is a slice, because most sockets have few; a snapshot of
// it is never changed, so that listeners may add and remove others while they run. The zero value is ready; it is
// safe for concurrent use.
type Table[H any] struct {
	mu      sync.Mutex
	last    uint64
	entries []Listener[H]
}

// A Listener is one entry of a Table.
type Listener[H any] struct {
	Name    string
	Handler H

	id   uint64
	once bool
}

// Add appends a listener, and returns a function that removes it; calling that again does nothing.
func (t *Table[H]) Add(name string, h H, once bool) (off func()) {
	t.mu.Lock()
	t.last++
	id := t.last
	// Appending leaves the elements that snapshots see as they are.
	t.entries = append(t.entries, Listener[H]{name, h, id, once})
	t.mu.Unlock()
	return func() { t.remove(id) }
}

// Snapshot is the listeners of this moment. It must not be changed.
func (t *Table[H]) Snapshot() []Listener[H] {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.entries[:len(t.entries):len(t.entries)]
}

// Take reports whether l may be called now. A listener that is to be called once is removed by the first Take.
func (t *Table[H]) Take(l *Listener[H]) bool {
	return !l.once || t.remove(l.id)
}

// remove copies, because snapshots share the array.
func (t *Table[H]) remove(id uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.entries, func(l Listener[H]) bool { return l.id == id })
	if i < 0 {
		return false
	}
	if len(t.entries) == 1 {
		t.entries = nil
		return true
	}
	rest := make([]Listener[H], 0, len(t.entries)-1)
	t.entries = append(append(rest, t.entries[:i]...), t.entries[i+1:]...)
	return true
}

// Len is how many listeners there are.
func (t *Table[H]) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.entries)
}
