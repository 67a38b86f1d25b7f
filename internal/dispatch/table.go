package dispatch

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// A Table holds listeners in the order they were added. It is a slice, because most sockets have few, which is copied
// for each change: listeners may add and remove others while they run, and looking takes no lock. An empty Table is one
// word. The zero value is ready; it is safe for concurrent use.
type Table[H any] struct {
	state atomic.Pointer[tableState[H]]
}

// A tableState is never changed, but for the room behind its entries.
type tableState[H any] struct {
	entries   []Listener[H] // by id
	tailTaken atomic.Bool   // that room is taken, by the state that came next
}

// maxExact is how many listeners a table has without room for more. Beyond, it is not copied for each one that is
// added: with 30,000 that took seconds.
const maxExact = 16

// listenerIDs is the last id given. It is one for all tables, so that none has to remember it.
var listenerIDs atomic.Uint64

// A Listener is one entry of a Table.
type Listener[H any] struct {
	Name    string
	Handler H

	id    uint64
	once  bool
	front bool // see TwoEnded
}

// Add appends a listener, and returns a function that removes it; calling that again does nothing.
func (t *Table[H]) Add(name string, h H, once bool) (off func()) {
	return t.add(Listener[H]{Name: name, Handler: h, once: once})
}

func (t *Table[H]) add(l Listener[H]) (off func()) {
	for {
		old := t.state.Load()
		l.id = listenerIDs.Add(1) // after the look, so that ids grow
		if t.state.CompareAndSwap(old, old.with(l)) {
			return func() { t.remove(l.id) }
		}
	}
}

// with is the state with one more listener. s may be nil.
func (s *tableState[H]) with(l Listener[H]) *tableState[H] {
	next := new(tableState[H])
	var entries []Listener[H]
	if s != nil {
		entries = s.entries
	}
	n := len(entries)
	switch {
	case n < maxExact:
		next.entries = append(append(make([]Listener[H], 0, n+1), entries...), l)
	case n < cap(entries) && s.tailTaken.CompareAndSwap(false, true):
		next.entries = append(entries, l)
	default:
		next.entries = append(append(make([]Listener[H], 0, 2*n), entries...), l)
	}
	return next
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
	if len(snapshot) == 0 || len(now) >= len(snapshot) && &now[0] == &snapshot[0] {
		return snapshot // it has at most become longer
	}
	var rest []Listener[H]
	for _, l := range snapshot {
		for len(now) > 0 && now[0].id < l.id {
			now = now[1:]
		}
		if len(now) > 0 && now[0].id == l.id {
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
		old := t.state.Load() // not nil: an entry of it had the id
		i, ok := slices.BinarySearchFunc(old.entries, id,
			func(l Listener[H], id uint64) int { return cmp.Compare(l.id, id) })
		if !ok {
			return false
		}
		next := new(tableState[H])
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
