package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"sio.example/socketio/adapter"
)

func testJoinLeave(t *testing.T, w *world) {
	a, b := w.add("a"), w.add("b", "room")
	room := adapter.Target{Rooms: []string{"room"}}
	w.sees("before", room, "b")
	a.join(t, "room", "other")
	w.sees("joined", room, "a", "b")
	if got, want := a.rooms(), []string{"a", "other", "room"}; !slices.Equal(got, want) {
		t.Errorf("rooms %v, want %v", got, want)
	}
	b.leave(t, "room", "never joined")
	w.sees("left", room, "a")
	a.leave(t, "room")
	w.sees("empty", room)
	a.join(t, "room")
	w.sees("joined again", room, "a")

	a.leave(t, "a", "room", "other")
	if got := a.rooms(); len(got) != 0 {
		t.Errorf("rooms %v after leaving them all", got)
	}
	w.sees("in no room, but in the namespace", adapter.Target{}, "a", "b")

	a.join(t, "room")
	got := a.node.Rooms("a")
	got[0] = "changed by the caller"
	if got, want := a.rooms(), []string{"room"}; !slices.Equal(got, want) {
		t.Errorf("rooms %v, want %v: not a copy", got, want)
	}
	a.leaveAll()
	a.leaveAll()
	w.sees("gone from the room", room)
	w.sees("gone from the namespace", adapter.Target{}, "b")
	a.leave(t, "room")
	if got := a.node.Rooms("a"); got != nil {
		t.Errorf("rooms %v of one that left, want nil", got)
	}
	if got := w.nodes[0].Rooms("never heard of"); got != nil {
		t.Errorf("rooms %v of an unknown id, want nil", got)
	}
}

// testOwnRoom: the room a member has for itself is one like any other.
func testOwnRoom(t *testing.T, w *world) {
	a, b, c := w.add("a", "b"), w.add("b", "a"), w.add("c", "a")
	room := adapter.Target{Rooms: []string{"a"}}
	w.sees("a and guests", room, "a", "b", "c")
	w.sees("two rooms that share members", adapter.Target{Rooms: []string{"a", "b", "a"}}, "a", "b", "c")
	w.sees("all but a and guests", adapter.Target{Except: []string{"a"}})
	w.sees("b without c", adapter.Target{Rooms: []string{"b"}, Except: []string{"c"}}, "a", "b")
	a.leave(t, "a")
	w.sees("guests", room, "b", "c")
	if got, want := a.rooms(), []string{"b"}; !slices.Equal(got, want) {
		t.Errorf("rooms %v, want %v", got, want)
	}
	a.join(t, "a")
	b.leaveAll()
	w.sees("a is back, b gone", room, "a", "c")
	a.leaveAll()
	w.sees("guests remain", room, "c")
	c.leave(t, "a", "c")
	w.sees("nobody", room)
	w.sees("c in no room", adapter.Target{}, "c")
}

func testJoinTwice(t *testing.T, w *world) {
	a := w.add("a", "room", "room")
	a.join(t, "room")
	w.sees("joined three times", adapter.Target{Rooms: []string{"room"}}, "a")
	a.leave(t, "room")
	w.sees("left once", adapter.Target{Rooms: []string{"room"}})
}

func testJoinSameID(t *testing.T, w *world) {
	a := w.add("a", "room")
	twin := newMember("a", a.node)
	if err := a.node.Join(twin, "room"); !errors.Is(err, adapter.ErrExists) {
		t.Errorf("join with a taken id: %v, want ErrExists", err)
	}
	a.node.LeaveAll(twin) // must not touch a
	twin.leave(t, "room")
	w.sees("the twin never joined", adapter.Target{Rooms: []string{"room"}}, "a")
	a.leaveAll()
	twin.join(t, "a", "room")
	w.members = append(w.members, twin)
	w.sees("the id is free again", adapter.Target{Rooms: []string{"room"}}, "a")
	w.broadcast(a.node, "for the twin", adapter.Target{})
	w.settle()
	if twin.count("for the twin") != 1 || a.count("for the twin") != 0 {
		t.Error("the one that left got it")
	}
}

// testLargeRoom grows rooms past where an adapter may change how it stores them, and back.
func testLargeRoom(t *testing.T, w *world) {
	var members []*member
	var want []string
	for i := range 300 {
		m := w.add(fmt.Sprintf("m%03d", i), "room", fmt.Sprintf("half %d", i%2))
		members = append(members, m)
		want = append(want, m.id)
	}
	room := adapter.Target{Rooms: []string{"room"}}
	w.sees("300", room, want...)
	var odd []string
	for i := 1; i < 300; i += 2 {
		odd = append(odd, want[i])
	}
	w.sees("half", adapter.Target{Rooms: []string{"room"}, Except: []string{"half 0"}}, odd...)
	for _, left := range []int{40, 17, 15, 8, 7, 1} {
		for _, m := range members[left:] {
			m.leave(t, "room")
		}
		members = members[:left]
		w.sees(fmt.Sprintf("%d left", left), room, want[:left]...)
	}
	for _, m := range w.members[1:] {
		m.leaveAll()
	}
	w.sees("one in the namespace", adapter.Target{}, "m000")
}

func testManyRoomsOfOne(t *testing.T, w *world) {
	a := w.add("a")
	const n = 2000
	rooms := make([]string, n)
	for i := range rooms {
		rooms[i] = fmt.Sprintf("room %d", i)
		a.join(t, rooms[i])
	}
	if got := len(a.node.Rooms("a")); got != n+1 {
		t.Errorf("%d rooms, want %d", got, n+1)
	}
	w.sees("one copy", adapter.Target{Rooms: rooms}, "a")
	for _, room := range rooms[:n-1] {
		a.leave(t, room)
	}
	if got, want := a.rooms(), []string{"a", rooms[n-1]}; !slices.Equal(got, want) {
		t.Errorf("rooms %v, want %v", got, want)
	}
	a.leaveAll()
	w.add("b")
	w.sees("nobody there", adapter.Target{Rooms: rooms})
}

func testFetch(t *testing.T, w *world) {
	w.add("a", "red")
	w.add("b", "red", "blue")
	w.add("c").noData = true
	for _, nd := range w.nodes {
		for _, test := range []struct {
			to   adapter.Target
			want []string
		}{
			{adapter.Target{}, []string{"a", "b", "c"}},
			{adapter.Target{Rooms: []string{"red", "blue"}}, []string{"a", "b"}},
			{adapter.Target{Except: []string{"blue"}}, []string{"a", "c"}},
			{adapter.Target{Rooms: []string{"nowhere"}}, nil},
		} {
			if got := ids(w.fetch(nd, test.to)); !slices.Equal(got, test.want) {
				t.Errorf("node %d: fetch %+v: %v, want %v", nd.index, test.to, got, test.want)
			}
		}
		s := w.fetch(nd, adapter.Target{Rooms: []string{"blue"}})[0]
		slices.Sort(s.Rooms)
		if !slices.Equal(s.Rooms, []string{"b", "blue", "red"}) || s.Handshake == nil || s.Handshake.Host != "b" {
			t.Errorf("node %d: fetched %+v", nd.index, s)
		}
		if s.Data == nil {
			t.Errorf("node %d: without its data", nd.index)
		}
		if s := w.fetch(nd, adapter.Target{Socket: "c"})[0]; s.Data != nil {
			t.Errorf("node %d: fetched data that nobody has stored: %v", nd.index, s.Data)
		}
	}
	local := ids(w.fetch(w.nodes[0], adapter.Target{Flags: adapter.Flags{Local: true}}))
	if want := len(w.members) / len(w.nodes); len(local) != want {
		t.Errorf("fetched locally %v, want %d", local, want)
	}
}

func testJoinAllLeaveRooms(t *testing.T, w *world) {
	w.add("a", "red")
	w.add("b", "red", "blue")
	w.add("c", "blue")
	w.add("d")
	ctx, nd := context.Background(), w.nodes[0]
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(nd.JoinAll(ctx, adapter.Target{Rooms: []string{"red"}, Except: []string{"blue"}}, "new", "newer"))
	w.eventuallySees("joined", "new", "a")
	w.eventuallySees("joined too", "newer", "a")
	check(nd.JoinAll(ctx, adapter.Target{}, "new"))
	w.eventuallySees("everybody joined", "new", "a", "b", "c", "d")
	check(nd.LeaveRooms(ctx, adapter.Target{Rooms: []string{"red", "blue"}}, "new", "red"))
	w.eventuallySees("left", "new", "d")
	w.eventuallySees("left red", "red")
	check(nd.LeaveRooms(ctx, adapter.Target{}, "new", "nowhere"))
	w.eventuallySees("everybody left", "new")
	check(nd.JoinAll(ctx, adapter.Target{Rooms: []string{"nowhere"}}, "x"))
	w.sees("nobody joined", adapter.Target{Rooms: []string{"x"}})

	check(nd.JoinAll(ctx, adapter.Target{Flags: adapter.Flags{Local: true}}, "here"))
	var here []string
	for _, m := range w.members {
		if m.node == nd {
			here = append(here, m.id)
		}
	}
	w.eventuallySees("only local ones joined", "here", here...)
}

func testDisconnectAll(t *testing.T, w *world) {
	for i := range 6 {
		m := w.add(fmt.Sprintf("m%d", i), fmt.Sprintf("mod %d", i%2))
		m.disconnect = func(bool) { m.leaveAll() }
	}
	err := w.nodes[0].DisconnectAll(t.Context(), adapter.Target{Rooms: []string{"mod 0"}, Except: []string{"m0"}}, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*member{w.members[2], w.members[4]} {
		m.awaitThat(t, "being disconnected", func() bool { return slices.Equal(m.closed, []bool{true}) })
	}
	if err := w.nodes[0].DisconnectAll(t.Context(), adapter.Target{Rooms: []string{"m1"}}, false); err != nil {
		t.Fatal(err)
	}
	one := w.members[1]
	one.awaitThat(t, "being disconnected", func() bool { return slices.Equal(one.closed, []bool{false}) })
	w.eventuallySees("the rest", "mod 0", "m0")
	w.sees("all of the rest", adapter.Target{}, "m0", "m3", "m5")
}

func testServerCount(t *testing.T, w *world) {
	for _, nd := range w.nodes {
		if n, err := nd.ServerCount(t.Context()); err != nil || n != len(w.nodes) {
			t.Errorf("node %d: %d nodes, error %v; want %d", nd.index, n, err, len(w.nodes))
		}
	}
}

func testClose(t *testing.T, w *world) {
	a := w.add("a", "room")
	for range 2 {
		if err := a.node.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	late := newMember("late", a.node)
	if err := a.node.Join(late, "room"); !errors.Is(err, adapter.ErrClosed) {
		t.Errorf("join after close: %v, want ErrClosed", err)
	}
	a.leaveAll() // members may still leave
	if got := a.node.Rooms("a"); got != nil {
		t.Errorf("rooms %v after leaving", got)
	}
}
