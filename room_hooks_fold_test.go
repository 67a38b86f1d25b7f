package socketio

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// history applies events to what is known of rooms, and fails if one makes no sense.
func history(t *testing.T, known map[string]map[*Socket]bool, events []roomEvent) {
	t.Helper()
	for _, e := range events {
		room, exists := known[e.room]
		ok := exists
		switch e.kind {
		case roomCreated:
			ok = !exists
			known[e.room] = map[*Socket]bool{}
		case roomJoined:
			ok = ok && !room[e.s]
			if ok {
				room[e.s] = true
			}
		case roomLeft:
			ok = ok && room[e.s]
			delete(room, e.s)
		case roomDeleted:
			ok = ok && len(room) == 0
			delete(known, e.room)
		}
		if !ok {
			t.Fatalf("%d of %s: %v", e.kind, e.room, room)
		}
	}
}

// What is folded leads from what was told to what is, and is not longer than that.
func TestRoomEventsAreFolded(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	sockets := []*Socket{new(Socket), new(Socket), new(Socket)}
	now, told := map[string]map[*Socket]bool{}, map[string]map[*Socket]bool{}
	for range 2000 {
		var events []roomEvent
		for range rnd.IntN(60) {
			room, s := fmt.Sprint("room ", rnd.IntN(3)), sockets[rnd.IntN(3)]
			var step []roomEvent
			switch members := now[room]; {
			case members[s] && len(members) == 1:
				step = []roomEvent{{roomLeft, room, s}, {roomDeleted, room, nil}}
			case members[s]:
				step = []roomEvent{{roomLeft, room, s}}
			case members == nil:
				step = []roomEvent{{roomCreated, room, nil}, {roomJoined, room, s}}
			default:
				step = []roomEvent{{roomJoined, room, s}}
			}
			history(t, now, step)
			events = append(events, step...)
		}
		p := new(roomPart)
		for _, e := range events {
			p.push(&queuedRoomEvent{roomEvent: e})
			for range rnd.IntN(3) {
				p.step() // some of it, as when more comes
			}
		}
		p.cancelled = true // whether anything was left out or not
		folded := p.inOrder()
		if len(folded) != p.length {
			t.Fatalf("%d events, %d counted", len(folded), p.length)
		}
		if len(folded) > 2*3*(3+1) || len(folded) > len(events) {
			t.Fatalf("%d events became %d", len(events), len(folded))
		}
		history(t, told, folded)
		if !maps.EqualFunc(told, now, maps.Equal[map[*Socket]bool, map[*Socket]bool]) {
			t.Fatalf("told of %v, there is %v", told, now)
		}
	}
}

// While hooks do not get on, sockets that join and leave cost no memory, and neither do hooks that come and go; and
// however much waits, a step of it is short, since it holds a room up.
func TestSlowRoomHooksHoldNoMoreThanThereIs(t *testing.T) {
	n := &Namespace{srv: new(server)}
	n.rooms.ns = n
	hold := make(chan struct{})
	n.rooms.register(&RoomHooks{Created: func(*Namespace, string) { <-hold }})
	s := new(Socket)
	for i := range 10 * maxRoomEvents {
		room := fmt.Sprint("room ", i)
		n.rooms.add(roomEvent{roomCreated, room, nil})
		n.rooms.add(roomEvent{roomJoined, room, s})
		n.rooms.add(roomEvent{roomLeft, room, s})
		n.rooms.add(roomEvent{roomDeleted, room, nil})
		if i%1000 == 0 {
			n.hooks.removeRooms(n.rooms.register(new(RoomHooks)))
		}
		n.rooms.mu.Lock()
		waiting, parts := n.rooms.queue.len(), len(n.rooms.queue.parts)
		n.rooms.mu.Unlock()
		if waiting > 4*maxRoomEvents || parts > 3 {
			t.Fatalf("%d events wait in %d parts", waiting, parts)
		}
	}
	close(hold)
	<-n.srv.roomTellers.idle()
}

func TestAddingToALongQueueOfRoomEventsTakesFewSteps(t *testing.T) {
	q, s, indexed := new(roomQueue), new(Socket), 0
	for i := range 25 * maxRoomEvents {
		q.add(roomEvent{roomJoined, fmt.Sprint("room ", i), s})
		now := len(q.parts[0].index)
		if now > indexed+2 {
			t.Fatalf("after %d events one more took %d steps", i, now-indexed)
		}
		indexed = now
	}
	if p := q.parts[0]; p.next != nil || p.length != 25*maxRoomEvents {
		t.Errorf("%d events, and the index has %d", p.length, indexed)
	}
}

// Hooks are told of what happens after they were registered, and those before them of all, also if much was left out.
func TestRoomEventsOfEachHook(t *testing.T) {
	for _, many := range []int{1, 2 * maxRoomEvents} {
		n := &Namespace{srv: new(server)}
		n.rooms.ns = n
		hold, begun := make(chan struct{}), make(chan struct{})
		var first, second []string
		n.rooms.register(&RoomHooks{
			Created: func(*Namespace, string) { close(begun); <-hold },
			Deleted: func(_ *Namespace, room string) { first = append(first, room) },
		})
		n.rooms.add(roomEvent{roomCreated, "held", nil})
		<-begun
		noise := func() {
			for i := range many {
				n.rooms.add(roomEvent{roomJoined, fmt.Sprint(i), nil})
				n.rooms.add(roomEvent{roomLeft, fmt.Sprint(i), nil})
			}
		}
		noise()
		n.rooms.add(roomEvent{roomDeleted, "before", nil})
		n.rooms.register(&RoomHooks{Deleted: func(_ *Namespace, room string) { second = append(second, room) }})
		noise()
		n.rooms.add(roomEvent{roomDeleted, "after", nil})
		close(hold)
		<-n.srv.roomTellers.idle()
		if !slices.Equal(first, []string{"before", "after"}) || !slices.Equal(second, []string{"after"}) {
			t.Errorf("%d: the first was told of %q, the second of %q", many, first, second)
		}
	}
}
