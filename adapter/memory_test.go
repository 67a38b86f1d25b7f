package adapter

import (
	"fmt"
	"testing"
)

// The sender is a socket, not a room: whoever joined the room called by its id gets what it sends.
func TestSenderIsNoRoom(t *testing.T) {
	for _, to := range []Target{{Sender: "a"}, {Rooms: []string{"room"}, Sender: "a"}, {Rooms: []string{"room", "b"}, Sender: "a"}} {
		a, b := &fakeMember{id: "a"}, &fakeMember{id: "b"}
		m := New(fakeLocal{new(int)})
		_, _ = m.Join(a, "a", "room"), m.Join(b, "b", "room", "a")
		if err := m.Broadcast(nil, to); err != nil || a.delivered != 0 || b.delivered != 1 {
			t.Errorf("to %v: %v, %d for the sender, %d for its guest", to.Rooms, err, a.delivered, b.delivered)
		}
	}
}

// Many excluded rooms are not searched for each receiver, unless that is less work than to look at who is in them.
func TestManyExcludedRooms(t *testing.T) {
	a, _ := crowd(t, 200)
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("member-%014d", i), fmt.Sprintf("member-%014d", i))
	}
	rooms := a.resolve(nil, names)
	if len(rooms) != 100 {
		t.Fatalf("%d rooms, want each once", len(rooms))
	}
	x := exclusion{rooms: rooms}
	if x.prepare(200); len(x.members) != 100 {
		t.Errorf("%d members written down, want 100", len(x.members))
	}
	x = exclusion{rooms: append(a.resolve(nil, []string{"half 0"}), rooms[:8]...)}
	if x.prepare(5); x.members != nil {
		t.Error("a large room was written down for a few receivers")
	}
	for _, to := range []Target{{Except: names}, {Rooms: []string{"half 0", "half 1"}, Except: names}} {
		if n := len(a.Members(&to)); n != 100 {
			t.Errorf("%d members left of 200", n)
		}
	}
}
