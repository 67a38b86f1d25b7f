package adaptertest

import (
	"slices"
	"testing"

	"sio.example/socketio/adapter"
	"sio.example/socketio/parser"
)

// testSender: a member is known by its id, whether or not it is in the room called by it. It is asked on its own
// node, as others may know rooms only.
func testSender(t *testing.T, w *world) {
	a := w.add("a", "room")
	w.add("b", "room")
	w.add("c")
	a.leave(t, "a")
	sees := func(what string, to adapter.Target, want ...string) {
		t.Helper()
		w.broadcast(a.node, what, to)
		w.settle(to)
		if got := w.receivers(what); !slices.Equal(got, want) {
			t.Errorf("%s: received by %v, want %v", what, got, want)
		}
	}
	sees("all but the sender", adapter.Target{Sender: "a"}, "b", "c")
	sees("the room but the sender", adapter.Target{Rooms: []string{"room"}, Sender: "a"}, "b")
	sees("rooms but the sender", adapter.Target{Rooms: []string{"room", "c"}, Except: []string{"b"}, Sender: "a"}, "c")
	sees("a sender that is not there", adapter.Target{Rooms: []string{"room"}, Sender: "d"}, "a", "b")
	sees("one socket", adapter.Target{Socket: "a"}, "a")
	sees("a socket that is not there", adapter.Target{Socket: "d"})
	if got := ids(w.fetch(a.node, adapter.Target{Sender: "a"})); !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("fetched %v", got)
	}
	if got := ids(w.fetch(a.node, adapter.Target{Socket: "a"})); !slices.Equal(got, []string{"a"}) {
		t.Errorf("fetched %v", got)
	}
}

// testLeaving: a member that has been disconnected and has not left yet is in its rooms, and is no longer a target.
func testLeaving(t *testing.T, w *world) {
	a, b := w.add("a", "room"), w.add("b", "room")
	a.answer = func(_ *member, _ string, ack func(parser.Args)) { ack(parser.NewArgs("a")) }
	b.leaving.Store(true)
	for _, nd := range w.nodes {
		if got := ids(w.fetch(nd, adapter.Target{Rooms: []string{"room"}})); !slices.Equal(got, []string{"a"}) {
			t.Errorf("fetched %v", got)
		}
		got, err := collect(t, patient(t), nd, adapter.Target{}, nil)
		if err != nil {
			t.Errorf("acknowledgements: %v", err)
		}
		want(t, "acknowledgements", got, "a")
	}
	if got := b.rooms(); !slices.Equal(got, []string{"b", "room"}) {
		t.Errorf("rooms %v", got)
	}
	w.quiet()
}
