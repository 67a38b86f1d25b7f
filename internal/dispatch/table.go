package dispatch

import (
	"slices"
	"sync/atomic"
)

// A Table holds listeners in the order they were added. It is a slice, because most sockets have few, which is copied for
// each change: listeners may add and remove others while they run, and looking takes no lock. An empty Table is
// one word. The zero value is ready; it is safe for concurrent use.
type Table[H any] struct {
	state atomic.Pointer[tableState[H]]
}

// A tableState is never changed.
type tableState[H any] struct {
	last    uint64 // id given to a listener
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
	for {
		old := t.state.Load()
		next := &tableState[H]{last: 1}
		var entries []Listener[H]
		if old != nil {
			next.last, entries = old.last+1, old.entries
		}
		next.entries = append(make([]Listener[H], 0, len(entries)+1), entries...)
		next.entries = append(next.entries, Listener[H]{name, h, next.last, once})
		if t.state.CompareAndSwap(old, next) {
			return func() { t.remove(next.last) }
		}
	}
}

// Snapshot is the listeners of this moment. It must not be changed.
func (t *Table[H]) Snapshot() []Listener[H] {
	if s := t.state.Load(); s != nil {
		return s.entries
	}
	return nil
}

// Remaining is what is left of a snapshot: without those that have been removed since. It must not be changed.
func (t *Table[H]) Remaining(snapshot []Listener[H]) []Listener[H] {
	now := t.Snapshot()
	if len(snapshot) == 0 || len(now) > 0 && &now[0] == &snapshot[0] {
		return snapshot
	}
	var rest []Listener[H]
	for _, l := range snapshot {
		if slices.ContainsFunc(now, func(e Listener[H]) bool { return e.id == l.id }) {
			rest = append(rest, l)
		}
	}
	return rest
}

// Take reports whether l may be called now. A listener that is to be called once is removed by the first Take.
func (t *Table[H]) Take(l *Listener[H]) bool {
	return !l.once || t.remove(l.id)
}

func (t *Table[H]) remove(id uint64) bool {
	for {
		old := t.state.Load() // not nil: it gave the id
		i := slices.IndexFunc(old.entries, func(l Listener[H]) bool { return l.id == id })
		if i < 0 {
			return false
		}
		next := &tableState[H]{last: old.last}
		if len(old.entries) > 1 {
			next.entries = slices.Concat(old.entries[:i], old.entries[i+1:])
		}
		if t.state.CompareAndSwap(old, next) {
			return true
		}
	}
}

// Len is how many listeners there are.
func (t *Table[H]) Len() int { return len(t.Snapshot()) }
