package socketio

import "slices"

// A roomQueue holds the changes of rooms that hooks have not been told of yet. It consists of parts: one begins when
// hooks are registered, which are told of what is in it, and of nothing before. What cancels out within a part is left
// out once the part is long. Adding to it takes a few steps however long it is, since a room is held up meanwhile.
type roomQueue struct {
	parts  []*roomPart // the oldest first; none is empty
	number uint64      // of the part that is added to
}

// A roomPart is one part of a roomQueue. It is a linked list, so that elements can be taken out.
type roomPart struct {
	number      uint64
	first, last *queuedRoomEvent
	length      int

	// Elements before next are in the index, by what they are about: the latest one of each. nil until the part is
	// long.
	index     map[roomSubject]*queuedRoomEvent
	next      *queuedRoomEvent
	cancelled bool // something was left out
}

type queuedRoomEvent struct {
	roomEvent
	before, after *queuedRoomEvent
}

// A roomSubject is a room, or a socket in a room.
type roomSubject struct {
	room string
	s    *Socket
}

// maxRoomEvents is how many events wait before those that cancel out are left out.
const maxRoomEvents = 4096

// begin begins a part for hooks that are about to be added to those there are, and returns its number.
func (q *roomQueue) begin(hooks []*roomHook) uint64 {
	if len(q.parts) == 0 || q.parts[len(q.parts)-1].number != q.number {
		return q.number // nothing is in it yet
	}
	q.number++
	q.join(hooks)
	return q.number
}

// join makes one of parts that the same hooks are told of: so there are never many more parts than hooks.
func (q *roomQueue) join(hooks []*roomHook) {
	joined := q.parts[:1]
	for _, p := range q.parts[1:] {
		last := joined[len(joined)-1]
		if slices.ContainsFunc(hooks, func(h *roomHook) bool { return last.number < h.since && h.since <= p.number }) {
			joined = append(joined, p)
			continue
		}
		if last.append(p); last.length > maxRoomEvents {
			last.fold()
		}
	}
	clear(q.parts[len(joined):])
	q.parts = slices.DeleteFunc(joined, func(p *roomPart) bool { return p.length == 0 })
}

// add adds an event to the latest part.
func (q *roomQueue) add(e roomEvent) {
	if n := len(q.parts); n == 0 || q.parts[n-1].number != q.number {
		q.parts = append(q.parts, &roomPart{number: q.number})
	}
	p := q.parts[len(q.parts)-1]
	p.push(&queuedRoomEvent{roomEvent: e})
	if p.length > maxRoomEvents || p.index != nil {
		p.step() // twice, so that it gets on
		p.step()
	}
	if p.length == 0 {
		q.parts = q.parts[:len(q.parts)-1]
	}
}

// take takes the oldest part out, or returns nil.
func (q *roomQueue) take() *roomPart {
	if len(q.parts) == 0 {
		return nil
	}
	p := q.parts[0]
	q.parts = slices.Delete(q.parts, 0, 1)
	if p.number == q.number {
		q.number++ // what comes now is not told together with it
	}
	return p
}

// len is how many events wait.
func (q *roomQueue) len() (n int) {
	for _, p := range q.parts {
		n += p.length
	}
	return n
}

func (p *roomPart) push(e *queuedRoomEvent) {
	if e.before = p.last; p.last == nil {
		p.first = e
	} else {
		p.last.after = e
	}
	p.last = e
	if p.length++; p.next == nil && p.index != nil {
		p.next = e
	}
}

// append adds what came later.
func (p *roomPart) append(later *roomPart) {
	if later.first.before = p.last; p.last == nil {
		p.first = later.first
	} else {
		p.last.after = later.first
	}
	p.last = later.last
	p.length += later.length
	p.cancelled = p.cancelled || later.cancelled
	if p.next == nil && p.index != nil {
		p.next = later.first
	}
}

// step puts one more element into the index, or takes it out of the list together with the one that it takes back.
func (p *roomPart) step() {
	if p.index == nil {
		p.index, p.next = make(map[roomSubject]*queuedRoomEvent), p.first
	}
	e := p.next
	if e == nil {
		return
	}
	p.next = e.after
	about := roomSubject{e.room, e.s}
	earlier := p.index[about]
	if earlier == nil {
		p.index[about] = e
		return
	}
	delete(p.index, about) // a room or a member comes and goes in turn, so the two are opposites
	p.remove(earlier)
	p.remove(e)
	p.cancelled = true
}

func (p *roomPart) remove(e *queuedRoomEvent) {
	if e.before == nil {
		p.first = e.after
	} else {
		e.before.after = e.after
	}
	if e.after == nil {
		p.last = e.before
	} else {
		e.after.before = e.before
	}
	p.length--
}

// fold leaves out all that cancels out.
func (p *roomPart) fold() {
	for p.index == nil || p.next != nil {
		p.step()
	}
}

// inOrder returns the events of a part that was taken. Where some were left out, what remains is in an order that makes
// sense for each room: one whose members have all been replaced is joined before it is left.
func (p *roomPart) inOrder() []roomEvent {
	if p.cancelled {
		p.fold()
	}
	all := make([]roomEvent, 0, p.length)
	for e := p.first; e != nil; e = e.after {
		all = append(all, e.roomEvent)
	}
	if p.cancelled { // so there is at most one event about each
		slices.SortStableFunc(all, func(a, b roomEvent) int { return int(a.kind) - int(b.kind) })
	}
	return all
}
