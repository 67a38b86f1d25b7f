package dispatch

import "slices"

// A TwoEnded is a Table to which listeners can be added in front, too. The zero value is ready.
type TwoEnded[H any] struct{ table Table[H] } // in the order they were added

// Add appends a listener, and returns a function that removes it; calling that again does nothing.
func (t *TwoEnded[H]) Add(h H) (off func()) { return t.table.add(Listener[H]{Handler: h}) }

// Prepend adds a listener before all others.
func (t *TwoEnded[H]) Prepend(h H) (off func()) {
	return t.table.add(Listener[H]{Handler: h, front: true})
}

// Snapshot is the listeners of this moment, in the order in which they are called. It must not be changed.
func (t *TwoEnded[H]) Snapshot() []Listener[H] {
	all := t.table.Snapshot()
	if !slices.ContainsFunc(all, func(l Listener[H]) bool { return l.front }) {
		return all
	}
	ordered := make([]Listener[H], 0, len(all))
	for _, l := range slices.Backward(all) {
		if l.front {
			ordered = append(ordered, l)
		}
	}
	for _, l := range all {
		if !l.front {
			ordered = append(ordered, l)
		}
	}
	return ordered
}

// Len is how many listeners there are.
func (t *TwoEnded[H]) Len() int { return t.table.Len() }
