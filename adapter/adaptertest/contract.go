package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"sio.example/socketio/adapter"
)

// testAckIDs: the members of a node are asked with one id, which no other broadcast that waits has.
func testAckIDs(t *testing.T, w *world) {
	nd := w.nodes[0]
	var members []*member
	for len(members) < 4 {
		if m := w.add(fmt.Sprintf("m%d", len(w.members))); m.node == nd {
			members = append(members, m)
		}
	}
	to := adapter.Target{Flags: adapter.Flags{Local: true}}
	const broadcasts = 8
	ctx, cancel := context.WithCancel(patient(t))
	var wg sync.WaitGroup
	for range broadcasts {
		wg.Go(func() { _, _ = collect(t, ctx, nd, to, nil) }) // ends with ctx, waited for below
	}
	for _, m := range members {
		m.awaitThat(t, "all questions", func() bool { return len(m.asked) == broadcasts })
	}
	first := slices.Sorted(slices.Values(members[0].asked))
	if len(slices.Compact(slices.Clone(first))) != broadcasts {
		t.Errorf("ids %v: want each once", first)
	}
	for _, m := range members[1:] {
		if ids := slices.Sorted(slices.Values(m.asked)); !slices.Equal(ids, first) {
			t.Errorf("%s was asked with %v, %s with %v", m.id, ids, members[0].id, first)
		}
	}
	cancel()
	wg.Wait()
	w.quiet()
	members[1].full, members[2].answer, members[3].answer = true, yes, yes
	members[0].answer = yes
	got, err := collect(t, patient(t), nd, to, nil)
	if !errors.Is(err, adapter.ErrTooManyAcks) {
		t.Errorf("error %v, want ErrTooManyAcks", err)
	}
	want(t, "those that could be asked", got, members[0].id, members[2].id, members[3].id)
}

func testRoomHooks(t *testing.T, w *world) {
	nd, far := w.nodes[0], w.nodes[len(w.nodes)-1]
	a := w.add("a")
	a.leaveAll()
	var mu sync.Mutex
	var log []string
	note := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		log = append(log, fmt.Sprintf(format, args...))
	}
	stop := nd.ObserveRooms(&adapter.RoomHooks{
		Created: func(room string) { note("+%s", room) },
		Joined:  func(room string, m adapter.Member) { note("%s>%s", m.ID(), room) },
		Left:    func(room string, m adapter.Member) { note("%s<%s", m.ID(), room) },
		Deleted: func(room string) { note("-%s", room) },
	})
	told := func(what string, want ...string) {
		t.Helper()
		eventually(t, what, func() bool { mu.Lock(); defer mu.Unlock(); return len(log) >= len(want) })
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(log, want) {
			t.Errorf("%s: %v, want %v", what, log, want)
		}
		log = nil
	}
	a.left = false
	b := newMember("b", nd)
	a.join(t, "a", "room", "room")
	told("joining", "+a", "a>a", "+room", "a>room")
	b.join(t, "room", "a")
	told("a second one", "b>room", "b>a")
	a.leave(t, "a", "room", "nowhere")
	told("leaving", "a<a", "a<room")
	b.leave(t, "room")
	told("the last one", "b<room", "-room")
	to := adapter.Target{Rooms: []string{"a"}}
	if err := far.JoinAll(patient(t), to, "new"); err != nil {
		t.Error(err)
	}
	told("joined by another node", "+new", "b>new")
	if err := far.LeaveRooms(patient(t), to, "new"); err != nil {
		t.Error(err)
	}
	told("taken out by another node", "b<new", "-new")
	b.join(t, "b")
	told("its own room", "+b", "b>b")
	b.leave(t, "a")
	told("a room named like a member that is not in it", "b<a", "-a")
	b.leaveAll()
	told("leaving all", "b<b", "-b")
	stop()
	b.left = false
	b.join(t, "room")
	told("nothing any more")
	nd.LeaveAll(b)
}

// testRoomHooksInOrder joins and leaves from many goroutines, and looks at each room's history.
func testRoomHooksInOrder(t *testing.T, w *world) {
	nd := w.nodes[0]
	rooms := []string{"red", "blue", "m0", "m1"} // some of them are rooms of their own for members
	var mu sync.Mutex
	inside := map[string]map[string]bool{}
	check := func(ok bool, format string, args ...any) {
		if !ok {
			t.Errorf(format, args...)
		}
	}
	defer nd.ObserveRooms(&adapter.RoomHooks{
		Created: func(room string) {
			mu.Lock()
			defer mu.Unlock()
			check(inside[room] == nil, "%s created twice", room)
			inside[room] = map[string]bool{}
		},
		Joined: func(room string, m adapter.Member) {
			mu.Lock()
			defer mu.Unlock()
			check(inside[room] != nil && !inside[room][m.ID()], "%s joined %s: %v", m.ID(), room, inside[room])
			inside[room][m.ID()] = true
		},
		Left: func(room string, m adapter.Member) {
			mu.Lock()
			defer mu.Unlock()
			check(inside[room][m.ID()], "%s left %s: %v", m.ID(), room, inside[room])
			delete(inside[room], m.ID())
		},
		Deleted: func(room string) {
			mu.Lock()
			defer mu.Unlock()
			check(inside[room] != nil && len(inside[room]) == 0, "%s deleted: %v", room, inside[room])
			delete(inside, room)
		},
	})()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { // waited for below
			m := newMember(fmt.Sprint("m", i), nd)
			for j := range 200 {
				m.join(t, rooms[j%4], rooms[(i+j/4)%4])
				m.leave(t, rooms[(j+1)%4])
				if j%7 == 0 {
					nd.LeaveAll(m)
				}
			}
			nd.LeaveAll(m)
		})
	}
	wg.Wait()
	for _, room := range rooms {
		if inside[room] != nil {
			t.Errorf("%s was not deleted", room)
		}
	}
}

func testReady(t *testing.T, w *world) {
	for _, nd := range w.nodes {
		if err := nd.Ready(patient(t)); err != nil {
			t.Error(err)
		}
		if err := nd.Close(); err != nil {
			t.Error(err)
		}
		if err := nd.Ready(patient(t)); !errors.Is(err, adapter.ErrClosed) {
			t.Errorf("ready after close: %v, want ErrClosed", err)
		}
	}
}

func testFactoryDoesNotWait(t *testing.T, w *world) {
	if w.cluster.Block == nil {
		t.Skip("publishing cannot be blocked")
	}
	resume := w.cluster.Block(0)
	nd := &node{name: "/other"}
	a, err := w.cluster.Factories[0](t.Context(), nd)
	if err != nil {
		t.Fatal(err)
	}
	nd.Adapter = a
	m := newMember("m", nd)
	m.join(t, "m", "room")
	w.broadcast(nd, "for this node", adapter.Target{Rooms: []string{"room"}})
	if m.count("for this node") != 1 {
		t.Error("the engine is away, and so is what members of this node get")
	}
	resume()
	if err := a.Ready(patient(t)); err != nil {
		t.Error(err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

func testPublishingIsNotWaitedFor(t *testing.T, w *world) {
	if w.cluster.Block == nil {
		t.Skip("publishing cannot be blocked")
	}
	for i := range 2 * len(w.nodes) {
		w.add(fmt.Sprintf("m%d", i), "room")
	}
	nd, to := w.nodes[0], adapter.Target{Rooms: []string{"room"}}
	resume := w.cluster.Block(0)
	var names []string
	for i := range 50 {
		names = append(names, fmt.Sprint("event ", i))
		w.broadcast(nd, names[i], to)
	}
	w.copies([]*member{w.members[0]}, names, 1, 1)
	resume()
	for _, m := range w.members {
		m.await(t, names[len(names)-1])
	}
	w.copies(w.members, names, 1, 1)

	resume = w.cluster.Block(0)
	large := event(strings.Repeat("x", 1<<16))
	for i := 0; nd.reported() == 0; i++ {
		if i > 1<<13 {
			t.Fatal("half a gigabyte waits to be published, and nothing was reported")
		}
		if err := nd.Broadcast(large, to); err != nil {
			t.Fatal(err)
		}
	}
	resume()
}

func testPublishingFails(t *testing.T, w *world) {
	if w.cluster.Fail == nil {
		t.Skip("publishing cannot be made to fail")
	}
	m := w.add("a", "room")
	nd, to := w.nodes[0], adapter.Target{Rooms: []string{"room"}}
	mend := w.cluster.Fail(0)
	before := nd.reported()
	w.broadcast(nd, "lost", to)
	if m.count("lost") != 1 {
		t.Error("a member of this node did not get what could not be published")
	}
	eventually(t, "a report", func() bool { return nd.reported() > before })
	mend()
	w.settle(to)
}

// testAtMostOnce: whatever is lost or repeated, what a member gets is in order and without doubles, and on the node
// that sends it is all.
func testAtMostOnce(t *testing.T, w *world) {
	for i := range 2 * len(w.nodes) {
		w.add(fmt.Sprintf("m%d", i), "room")
	}
	nd := w.nodes[0]
	targets := []adapter.Target{{}, {Rooms: []string{"room"}}}
	names := make([][]string, len(targets))
	for i := range 200 {
		for j, to := range targets {
			names[j] = append(names[j], fmt.Sprintf("event %d to %v", i, to.Rooms))
			w.broadcast(nd, names[j][i], to)
		}
	}
	w.settle(targets...)
	for _, m := range w.members {
		for j := range targets {
			m.mu.Lock()
			got := slices.DeleteFunc(slices.Clone(m.log), func(name string) bool { return !slices.Contains(names[j], name) })
			m.mu.Unlock()
			at := -1
			for _, name := range got {
				next := slices.Index(names[j], name)
				if next <= at {
					t.Fatalf("%s: %s after %s", m.id, name, names[j][at])
				}
				at = next
			}
			if (m.node == nd || !w.cluster.Lossy) && len(got) != len(names[j]) {
				t.Errorf("%s got %d of %d", m.id, len(got), len(names[j]))
			}
		}
	}
}
