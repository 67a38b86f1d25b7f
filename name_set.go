package socketio

// A nameSet is a set of rooms or namespaces: a slice, and with an index once searching that would cost more. The zero value is
// empty.
type nameSet struct {
	list  []string       // in no particular order once something was removed
	index map[string]int // the place in list; nil while that is short
}

// searched is how long a list may be to be searched.
const searched = 16

func (s *nameSet) find(name string) (i int, ok bool) {
	if s.index != nil {
		i, ok = s.index[name]
		return i, ok
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
		s.index[name] = len(s.list) - 1
	case len(s.list) > searched:
		s.index = make(map[string]int, 2*searched)
		for i, n := range s.list {
			s.index[n] = i
		}
	}
}

func (s *nameSet) remove(name string) {
	i, ok := s.find(name)
	if !ok {
		return
	}
	last := len(s.list) - 1
	moved := s.list[last]
	s.list[i], s.list[last] = moved, ""
	s.list = s.list[:last]
	if s.index != nil {
		s.index[moved] = i
		delete(s.index, name)
	}
	if last == 0 {
		*s = nameSet{}
	}
}
