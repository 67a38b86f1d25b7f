package socketio

import "sio.example/socketio/internal/index"

// A nameSet is a set of rooms or namespaces: a slice, and with an index once searching that would cost more. The zero
// value is empty.
type nameSet struct {
	list  []string              // in no particular order once something was removed
	index *index.Places[string] // nil while list is short
}

// maxSearched is how long a list may be to be searched.
const maxSearched = 16

func (s *nameSet) find(name string) (i int, ok bool) {
	if s.index != nil {
		i = s.index.Find(s.list, name)
		return i, i >= 0
	}
	for i, n := range s.list {
		if n == name {
			return i, true
		}
	}
	return 0, false
}

func (s *nameSet) has(name string) bool {
	_, ok := s.find(name)
	return ok
}

func (s *nameSet) len() int { return len(s.list) }

func (s *nameSet) add(name string) {
	if s.has(name) {
		return
	}
	s.list = append(s.list, name)
	switch {
	case s.index != nil:
		s.index.Appended(s.list)
	case len(s.list) > maxSearched:
		s.index = index.NewPlaces(s.list)
	}
}

func (s *nameSet) remove(name string) {
	i, ok := s.find(name)
	if !ok {
		return
	}
	if s.index != nil {
		s.index.Remove(s.list, i)
	}
	last := len(s.list) - 1
	s.list[i], s.list[last] = s.list[last], ""
	s.list = s.list[:last]
	if last == 0 {
		*s = nameSet{}
	}
}
