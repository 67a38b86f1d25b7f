package adaptertest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"sio.example/socketio/adapter"
	"sio.example/socketio/parser"
)

func testTargets(t *testing.T, w *world) {
	w.add("a", "red")
	w.add("b", "red", "blue")
	w.add("c", "blue")
	w.add("d", "blue", "green", "red")
	w.add("e")
	w.add("f", "green")
	all := []string{"a", "b", "c", "d", "e", "f"}
	for _, test := range []struct {
		rooms, except, want []string
	}{
		{nil, nil, all},
		{[]string{}, []string{}, all},
		{[]string{"red"}, nil, []string{"a", "b", "d"}},
		{[]string{"nowhere"}, nil, nil},
		{[]string{"e"}, nil, []string{"e"}},
		{[]string{"red", "blue"}, nil, []string{"a", "b", "c", "d"}},
		{[]string{"red", "red"}, nil, []string{"a", "b", "d"}},
		{[]string{"nowhere", "green"}, nil, []string{"d", "f"}},
		{[]string{"red", "blue", "green", "e"}, nil, all},
		{nil, []string{"red"}, []string{"c", "e", "f"}},
		{nil, []string{"nowhere"}, all},
		{nil, []string{"red", "blue", "green"}, []string{"e"}},
		{[]string{"red"}, []string{"blue"}, []string{"a"}},
		{[]string{"red"}, []string{"b"}, []string{"a", "d"}},
		{[]string{"red"}, []string{"red"}, nil},
		{[]string{"red", "blue"}, []string{"green", "a"}, []string{"b", "c"}},
		{[]string{""}, nil, nil},
	} {
		to := adapter.Target{Rooms: test.rooms, Except: test.except}
		w.sees(fmt.Sprintf("to %q except %q", test.rooms, test.except), to, test.want...)
	}
}

// testManyRooms has more rooms than an adapter may look through one by one, in all its shards.
func testManyRooms(t *testing.T, w *world) {
	var rooms, want []string
	for i := range 100 {
		rooms = append(rooms, fmt.Sprintf("room %d", i))
	}
	for i := range 10 {
		id := fmt.Sprintf("m%d", i)
		w.add(id, rooms[i:90+i]...)
		want = append(want, id)
	}
	w.add("outside", "elsewhere")
	w.sees("union", adapter.Target{Rooms: rooms}, want...)
	w.sees("all but the first and last", adapter.Target{Rooms: rooms, Except: []string{rooms[0], rooms[98]}}, want[1:9]...)
	w.sees("all but everybody", adapter.Target{Except: rooms}, "outside")
}

func testFlags(t *testing.T, w *world) {
	var local []string
	for i := range 2 * len(w.nodes) {
		m := w.add(fmt.Sprintf("m%d", i), "room")
		if m.node == w.nodes[0] {
			local = append(local, m.id)
		}
	}
	w.broadcast(w.nodes[0], "local", adapter.Target{Flags: adapter.Flags{Local: true}})
	w.broadcast(w.nodes[0], "local room", adapter.Target{Rooms: []string{"room"}, Flags: adapter.Flags{Local: true}})
	w.settle(adapter.Target{}, adapter.Target{Rooms: []string{"room"}})
	for _, name := range []string{"local", "local room"} {
		if got := w.receivers(name); !slices.Equal(got, local) {
			t.Errorf("%s: received by %v, want %v", name, got, local)
		}
	}
	for i, flags := range []adapter.Flags{{Volatile: true}, {NoCompress: true}, {}} {
		name := fmt.Sprintf("flags %d", i)
		w.broadcast(w.nodes[0], name, adapter.Target{Flags: flags})
		for _, m := range w.members {
			m.await(t, name)
			m.mu.Lock()
			if m.flags != flags {
				t.Errorf("%s: %s got %+v, want %+v", name, m.id, m.flags, flags)
			}
			m.mu.Unlock()
		}
	}
}

func testOrder(t *testing.T, w *world) {
	for i := range 2 * len(w.nodes) {
		w.add(fmt.Sprintf("m%d", i), "room")
	}
	var want []string
	for i := range 200 {
		want = append(want, fmt.Sprintf("event %d", i))
		w.broadcast(w.nodes[0], want[i], adapter.Target{Rooms: []string{"room"}})
	}
	for _, m := range w.members {
		m.await(t, want[len(want)-1])
		m.mu.Lock()
		if !slices.Equal(m.log, want) {
			t.Errorf("%s: out of order or incomplete: %v", m.id, m.log)
		}
		m.mu.Unlock()
	}
}

func testEncodeError(t *testing.T, w *world) {
	w.add("a", "room")
	w.nodes[0].encode = func(*parser.Packet) error { return errEncode }
	targets := []adapter.Target{{}, {Rooms: []string{"room"}}, {Rooms: []string{"nowhere"}}}
	for _, to := range targets {
		if err := w.nodes[0].Broadcast(event("x"), to); !errors.Is(err, errEncode) {
			t.Errorf("broadcast to %v: error %v, want the encoder's", to.Rooms, err)
		}
	}
	for _, err := range w.nodes[0].BroadcastWithAck(t.Context(), event("x"), adapter.Target{}) {
		if !errors.Is(err, errEncode) {
			t.Errorf("broadcast with acknowledgements: error %v, want the encoder's", err)
		}
	}
	w.nodes[0].encode = nil
	w.settle(targets...)
	if got := w.receivers("x"); got != nil {
		t.Errorf("what could not be encoded was received by %v", got)
	}
}

// testFlush counts on the node that sends: others may do without encoding what none of their members is to get.
func testFlush(t *testing.T, w *world) {
	w.add("a", "room").answer = yes
	w.add("b", "room", "other").answer = yes
	nd := w.nodes[0]
	for _, to := range []adapter.Target{
		{}, {Rooms: []string{"room"}}, {Rooms: []string{"nowhere"}}, {Rooms: []string{"room", "other"}},
		{Except: []string{"a"}},
	} {
		encodes, flushes := nd.encodes.Load(), nd.flushes.Load()
		to.Flags.Local = true
		w.broadcast(nd, "x", to)
		if e, f := nd.encodes.Load()-encodes, nd.flushes.Load()-flushes; e != 1 || f != 1 {
			t.Errorf("to %v except %v: encoded %d times, flushed %d times, want 1 and 1", to.Rooms, to.Except, e, f)
		}
		encodes, flushes = nd.encodes.Load(), nd.flushes.Load()
		_, _ = collect(t, patient(t), nd, to, nil)
		if e, f := nd.encodes.Load()-encodes, nd.flushes.Load()-flushes; e != 1 || f != 1 {
			t.Errorf("to %v with acknowledgements: encoded %d times, flushed %d times, want 1 and 1", to.Rooms, e, f)
		}
	}
}

// testNoLockHeld calls back into the adapter from where it promises to hold no lock: a held one is a deadlock.
func testNoLockHeld(t *testing.T, w *world) {
	nd := w.nodes[0]
	a := w.add("a", "room")
	churn := func() {
		a.join(t, "room 2")
		a.leave(t, "room 2", "room")
		a.join(t, "room")
	}
	nd.encode = func(*parser.Packet) error { churn(); return nil }
	nd.flush = churn
	a.describe = churn
	a.disconnect = func(bool) { a.leaveAll(); a.join(t, "a", "room") }
	a.answer = func(_ *member, _ string, ack func(parser.Args)) { churn(); ack(parser.NewArgs("yes")) }
	to := adapter.Target{Rooms: []string{"room", "a"}, Flags: adapter.Flags{Local: true}}
	w.broadcast(nd, "x", to)
	if got := a.count("x"); got != 1 {
		t.Errorf("%d copies, want 1", got)
	}
	if got := ids(w.fetch(nd, to)); !slices.Equal(got, []string{"a"}) {
		t.Errorf("fetched %v, want a", got)
	}
	if err := nd.DisconnectAll(t.Context(), to, false); err != nil {
		t.Error(err)
	}
	for args, err := range nd.BroadcastWithAck(t.Context(), event("y"), to) {
		churn()
		if err != nil || text(t, args) != "yes" {
			t.Errorf("got %v, %v", args, err)
		}
	}
	for range nd.BroadcastWithAck(t.Context(), event("z"), to) {
		a.leaveAll() // inside the iteration
	}
}

func text(t testing.TB, args parser.Args) string {
	t.Helper()
	var s string
	if err := args.Bind(&s); err != nil {
		t.Errorf("an acknowledgement that is no string: %v", err)
	}
	return s
}
