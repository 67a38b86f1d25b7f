package socketio

import "slices"

// Rooms are the rooms the socket is in, in no particular order. One of them has its id as the name, unless it has left
// that one. During middleware they are those that were joined by then; once OnDisconnecting has returned there are
// none.
func (s *Socket) Rooms() []string {
	s.mu.Lock()
	if s.is(connecting) {
		defer s.mu.Unlock()
		if r := s.recovery(); r != nil && s.Recovered() {
			return r.roomsOf(s)
		}
		if s.unconnected == nil {
			return nil
		}
		return slices.Clone(s.unconnected.rooms.list)
	}
	s.mu.Unlock()
	if s.ns() == nil || s.ns().adapter == nil {
		return nil
	}
	return s.ns().adapter.Rooms(s.id)
}

// Join puts the socket into rooms. Called during middleware it does so when the socket is connected. It returns
// ErrDisconnected once the socket is disconnected, or the adapter's error. With an adapter that connects several
// servers it may wait until what those send to the room arrives here.
//
// Ids of sockets are public, and names of rooms: a handler that joins whatever room its client names lets the client
// read what is sent to somebody else's id, or to any other room. Look at the name first, or put a prefix before it.
func (s *Socket) Join(rooms ...string) error {
	if r := s.recovery(); r != nil && (s.Recovered() || !s.is(connecting)) {
		return r.changeRooms(changeJoin, s, rooms)
	}
	s.mu.Lock()
	if s.is(connecting) {
		p := s.ensureUnconnected()
		for _, room := range rooms {
			p.rooms.add(room)
		}
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	if s.is(disconnected) {
		return ErrDisconnected
	}
	err := s.ns().adapter.Join((*member)(s), rooms...)
	if s.has(markLeftRooms) { // the runner may have called LeaveAll before Join was through
		s.ns().adapter.LeaveAll((*member)(s))
		return ErrDisconnected
	}
	return err
}

// Leave takes the socket out of rooms. It returns ErrDisconnected, or the adapter's error.
func (s *Socket) Leave(rooms ...string) error {
	if r := s.recovery(); r != nil && (s.Recovered() || !s.is(connecting)) {
		return r.changeRooms(changeLeave, s, rooms)
	}
	s.mu.Lock()
	if s.is(connecting) {
		if p := s.unconnected; p != nil {
			for _, room := range rooms {
				p.rooms.remove(room)
			}
		}
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	if s.is(disconnected) {
		return ErrDisconnected
	}
	return s.ns().adapter.Leave((*member)(s), rooms...)
}
