package socketio

import (
	"fmt"
	"maps"
	"math/rand/v2"
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
		folded := foldRoomEvents(events)
		if len(folded) > 2*3*(3+1) || len(folded) > len(events) {
			t.Fatalf("%d events became %d", len(events), len(folded))
		}
		history(t, told, folded)
		if !maps.EqualFunc(told, now, maps.Equal[map[*Socket]bool, map[*Socket]bool]) {
			t.Fatalf("told of %v, there is %v", told, now)
		}
	}
}

// While hooks do not get on, sockets that join and leave cost no memory.
func TestSlowRoomHooksHoldNoMoreThanThereIs(t *testing.T) {
	n := &Namespace{srv: new(server)}
	n.rooms.ns = n
	hold := make(chan struct{})
	n.hooks.onRooms(RoomHooks{Created: func(*Namespace, string) { <-hold }})
	s := new(Socket)
	for i := range 50 * maxRoomEvents {
		room := fmt.Sprint("room ", i)
		n.rooms.add(roomEvent{roomCreated, room, nil})
		n.rooms.add(roomEvent{roomJoined, room, s})
		n.rooms.add(roomEvent{roomLeft, room, s})
		n.rooms.add(roomEvent{roomDeleted, room, nil})
		n.rooms.mu.Lock()
		waiting := len(n.rooms.queue)
		n.rooms.mu.Unlock()
		if waiting >= maxRoomEvents {
			t.Fatalf("%d events wait", waiting)
		}
	}
	close(hold)
	<-n.srv.roomTellers.idle()
}
