package dispatch

import "slices"

// A TwoEnded is a Table to which listeners can be added in front, too. The zero value is ready.
type TwoEnded[H any] struct {
	front, back Table[H] // front in the order they were added, so the last one is called first
}

// Add appends a listener, and returns a function that removes it; calling that again does nothing.
func (t *TwoEnded[H]) Add(h H) (off func()) { return t.back.Add("", h, false) }

// Prepend adds a listener before all others.
func (t *TwoEnded[H]) Prepend(h H) (off func()) { return t.front.Add("", h, false) }

// Snapshot is the listeners of this moment, in the order in which they are called. It must not be changed.
func (t *TwoEnded[H]) Snapshot() []Listener[H] {
	front, back := t.front.Snapshot(), t.back.Snapshot()
	if len(front) == 0 {
		return back
	}
	all := slices.Concat(front, back)
	slices.Reverse(all[:len(front)])
	return all
}

// Len is how many listeners there are.
func (t *TwoEnded[H]) Len() int { return t.front.Len() + t.back.Len() }
