package socketio

import (
	"math"
	"slices"
	"sync"

	"sio.example/socketio/adapter"
)

// stays are the rooms of a session, with the numbers of the log between which it was in them. The lock is a leaf: a
// shard of the adapter is locked when a room is noted.
type stays struct {
	mu      sync.Mutex
	open    openRooms
	closed  []stay // that were left, oldest first
	least   uint64 // offsets are not before this number
	floor   uint64 // which rooms were left before this number is not known any more
	version uint32 // counts the changes that the adapter was not asked to make
}

// A stay is the time in a room that was left: what came after From, up to To.
type stay struct {
	room     string
	from, to uint64
}

// maxClosedStays is how many are remembered of one session.
const maxClosedStays = 64

// openRooms are rooms with the number of the join.
type openRooms struct {
	few  []openRoom        // up to maxSearched
	many map[string]uint64 // nil while few are enough
}

type openRoom struct {
	room string
	from uint64
}

func (o *openRooms) get(room string) (from uint64, ok bool) {
	if o.many != nil {
		from, ok = o.many[room]
		return from, ok
	}
	for i := range o.few {
		if o.few[i].room == room {
			return o.few[i].from, true
		}
	}
	return 0, false
}

func (o *openRooms) add(room string, from uint64) {
	if o.many == nil && len(o.few) < maxSearched {
		o.few = append(o.few, openRoom{room, from})
		return
	}
	if o.many == nil {
		o.many = make(map[string]uint64, 2*maxSearched)
		for _, r := range o.few {
			o.many[r.room] = r.from
		}
		o.few = nil
	}
	o.many[room] = from
}

func (o *openRooms) remove(room string) {
	delete(o.many, room)
	for i := range o.few {
		if o.few[i].room == room {
			last := len(o.few) - 1
			o.few[i], o.few[last] = o.few[last], openRoom{}
			o.few = o.few[:last]
			return
		}
	}
}

// each calls fn for each room; it stops when that returns false.
func (o *openRooms) each(fn func(room string, from uint64) bool) {
	for _, r := range o.few {
		if !fn(r.room, r.from) {
			return
		}
	}
	for room, from := range o.many {
		if !fn(room, from) {
			return
		}
	}
}

// names are the rooms, in no particular order, and the version that they have.
func (y *stays) names() (rooms []string, version uint32) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.open.each(func(room string, _ uint64) bool {
		rooms = append(rooms, room)
		return true
	})
	return rooms, y.version
}

// join notes that a room was joined when head was the last number. It reports whether it was not there before.
func (y *stays) join(room string, head uint64) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	if _, ok := y.open.get(room); ok {
		return false
	}
	y.open.add(room, head)
	return true
}

// begin says that offsets are not before a number.
func (y *stays) begin(least uint64) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.least = least
}

// leave notes that a room was left when head was the last number.
func (y *stays) leave(room string, head uint64) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	from, ok := y.open.get(room)
	if !ok {
		return false
	}
	y.open.remove(room)
	past := 0
	for past < len(y.closed) && y.closed[past].to <= y.least {
		past++
	}
	y.closed = slices.Delete(y.closed, 0, past)
	if from < head {
		y.closed = append(y.closed, stay{room, from, head})
	}
	if len(y.closed) > maxClosedStays {
		y.floor = max(y.floor, y.closed[0].to)
		y.closed = slices.Delete(y.closed, 0, 1)
	}
	return true
}

// changed is for a join or leave that was done here alone.
func (y *stays) changed() {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.version++
}

func (y *stays) currentVersion() uint32 {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.version
}

// was reports whether the session was in a room when the event with a number took its place. It needs mu.
func (y *stays) was(room string, number uint64) bool {
	if from, ok := y.open.get(room); ok && number > from {
		return true
	}
	for i := range y.closed {
		if c := &y.closed[i]; c.room == room && number > c.from && number <= c.to {
			return true
		}
	}
	return false
}

// now is the number of an event that has yet to come.
const now = math.MaxUint64

// match reports whether a session in these rooms is in a target, for the event with a number.
func (y *stays) match(id string, to *adapter.Target, number uint64) bool {
	switch {
	case to.Socket != "":
		return to.Socket == id
	case to.Sender != "" && to.Sender == id:
		return false
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, room := range to.Except {
		if y.was(room, number) {
			return false
		}
	}
	for _, room := range to.Rooms {
		if y.was(room, number) {
			return true
		}
	}
	return len(to.Rooms) == 0
}

// missed reports whether what was dropped from a log beyond a number may have been for the session.
func (y *stays) missed(id string, h *heads, from uint64) bool {
	y.mu.Lock()
	defer y.mu.Unlock()
	if h.all > from || h.sockets[id] > from || y.floor > from {
		return true
	}
	if len(h.rooms) == 0 {
		return false
	}
	lost := false
	y.open.each(func(room string, joined uint64) bool {
		n := h.rooms[room]
		lost = n > from && n > joined
		return !lost
	})
	for i := range y.closed {
		c := &y.closed[i]
		n := h.rooms[c.room] // later ones may hide one of that time
		lost = lost || n > from && n > c.from
	}
	return lost
}

// size is about how many bytes they take.
func (y *stays) size() (n int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.open.each(func(room string, _ uint64) bool {
		n += 32 + len(room)
		return true
	})
	for i := range y.closed {
		n += 40 + len(y.closed[i].room)
	}
	return n
}
