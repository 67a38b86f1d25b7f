package adapter

import "sio.example/socketio/internal/index"

// A set is a slice, for fast and allocation-free iteration, with an index once it is too long to search. It gives
// memory back as it shrinks.
type set[T comparable] struct {
	list  []T
	index *index.Places[T] // nil while the set is small
}

const (
	indexAbove = 16 // elements from which searching the list costs more than a map
	indexBelow = 8  // elements below which the index goes, so that no set builds and drops it back and forth
)

func (s *set[T]) find(v T) int {
	if s.index != nil {
		return s.index.Find(s.list, v)
	}
	for i, w := range s.list {
		if w == v {
			return i
		}
	}
	return -1
}

func (s *set[T]) has(v T) bool { return s.find(v) >= 0 }

// add reports whether v is new.
func (s *set[T]) add(v T) bool {
	if s.has(v) {
		return false
	}
	s.list = append(s.list, v)
	switch {
	case s.index != nil:
		s.index.Appended(s.list)
	case len(s.list) > indexAbove:
		s.reindex()
	}
	return true
}

// remove reports whether v was there. It changes the order.
func (s *set[T]) remove(v T) bool {
	i := s.find(v)
	if i < 0 {
		return false
	}
	if s.index != nil {
		s.index.Remove(s.list, i)
	}
	list, shrunk := cut(s.list, i)
	s.list = list
	switch {
	case s.index == nil:
	case len(list) < indexBelow:
		s.index = nil
	case shrunk: // it does not give memory back by itself
		s.reindex()
	}
	return true
}

func (s *set[T]) reindex() { s.index = index.NewPlaces(s.list) }

// cut removes element i by moving the last one into its place. It replaces the array by one of half the size, and
// says so, when three quarters of it are unused.
func cut[T any](list []T, i int) (rest []T, shrunk bool) {
	var zero T
	last := len(list) - 1
	list[i] = list[last]
	list[last] = zero // do not keep it alive
	list = list[:last]
	switch {
	case last == 0:
		return nil, true
	case cap(list) > 16 && last <= cap(list)/4:
		return append(make([]T, 0, 2*last), list...), true
	}
	return list, false
}

// A table is a map that gives memory back as it shrinks, which Go's does not.
type table[V any] struct {
	m    map[string]V
	peak int // most elements since m was made
}

func (t *table[V]) put(key string, v V) {
	if t.m == nil {
		t.m = make(map[string]V)
	}
	t.m[key] = v
	t.peak = max(t.peak, len(t.m))
}

func (t *table[V]) remove(key string) {
	delete(t.m, key)
	switch {
	case len(t.m) == 0:
		t.m, t.peak = nil, 0
	case t.peak > 64 && len(t.m) < t.peak/4:
		m := make(map[string]V, len(t.m))
		for k, v := range t.m {
			m[k] = v
		}
		t.m, t.peak = m, len(m)
	}
}
