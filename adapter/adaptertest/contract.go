package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sio.example/socketio/adapter"
	"sio.example/socketio/parser"
)

// exact are values that a detour over JavaScript's numbers, or over text, would change.
func exact() parser.Args {
	return parser.NewArgs(int64(1<<53+1), uint64(math.MaxUint64), 0.1, "\u2028<é>", nil,
		map[string]any{"deep": []any{[]byte{0, 255}, map[string]any{"id": int64(-1<<53 - 1)}}})
}

// testExact compares what members of other nodes get with what those of the node that sends do, and answers likewise.
func testExact(t *testing.T, w *world) {
	for i := range w.nodes {
		w.add(fmt.Sprintf("m%d", i), "room").answer = func(_ *member, _ string, ack func(parser.Args)) { ack(exact()) }
	}
	wire := func(p *parser.Packet) []parser.Frame {
		frames, err := codec.Encode(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		return frames
	}
	p := &parser.Packet{Type: parser.Event, Namespace: "/test", Name: "exact", Args: exact()}
	for _, to := range []adapter.Target{{}, {Rooms: []string{"room"}}} {
		if err := w.nodes[0].Broadcast(p, to); err != nil {
			t.Fatal(err)
		}
		w.settle(to)
		for _, m := range w.members {
			m.mu.Lock()
			if last := m.log[len(m.log)-1]; last == "exact" && !reflect.DeepEqual(m.wire, wire(p)) {
				t.Errorf("%s got %v, want %v", m.id, m.wire, wire(p))
			}
			m.mu.Unlock()
		}
	}
	ack := wire(&parser.Packet{Type: parser.Ack, Namespace: "/test", HasID: true, Args: exact()})
	same := func(what string, args parser.Args, err error) {
		t.Helper()
		got := wire(&parser.Packet{Type: parser.Ack, Namespace: "/test", HasID: true, Args: args})
		if err != nil || !reflect.DeepEqual(got, ack) {
			t.Errorf("%s: %v, %v, want %v", what, got, err, ack)
		}
	}
	for args, err := range w.nodes[0].BroadcastWithAck(patient(t), event("question"), adapter.Target{}) {
		same("acknowledgement", args, err)
	}
	for _, nd := range w.nodes {
		nd.serverSide = func(_ string, args parser.Args, _ bool) (parser.Args, error) { return args, nil }
	}
	for args, err := range w.nodes[0].ServerSideEmit(patient(t), "exact", exact(), true) {
		same("answer of a node", args, err)
	}
}

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

// testPartial asks nodes that may not answer: what has come is there, once, and an error that names the others.
func testPartial(t *testing.T, w *world) {
	if !w.cluster.Lossy {
		t.Skip("no answer is lost")
	}
	var here []string
	for i := range 2 * len(w.nodes) {
		m := w.add(fmt.Sprintf("m%d", i))
		m.answer = yes
		if m.node == w.nodes[0] {
			here = append(here, m.id)
		}
	}
	check := func(what string, got, here []string, err error) {
		t.Helper()
		got = slices.Sorted(slices.Values(got))
		unique := slices.Compact(slices.Clone(got))
		var missing *adapter.MissingError
		switch {
		case len(got) == 0 && errors.Is(err, context.DeadlineExceeded): // before anything was asked
		case len(unique) != len(got):
			t.Errorf("%s: %v: twice", what, got)
		case slices.ContainsFunc(here, func(id string) bool { return !slices.Contains(got, id) }):
			t.Errorf("%s: %v: want those of this node, %v, at least", what, got, here)
		case err == nil && len(got) != len(w.members):
			t.Errorf("%s: %v and no error, want %d", what, got, len(w.members))
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			t.Errorf("%s: error %v, want that of the context", what, err)
		case errors.As(err, &missing) && (len(missing.Nodes) == 0 || len(missing.Nodes) >= len(w.nodes)):
			t.Errorf("%s: error %v names %d nodes", what, err, len(missing.Nodes))
		case err != nil && here != nil && missing == nil: // what this node has, it has at once
			t.Errorf("%s: error %v, want one that names nodes", what, err)
		}
	}
	partial := 0
	for i := 0; i < 40 && (i < 5 || partial == 0); i++ {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		sockets, err := w.nodes[0].Fetch(ctx, adapter.Target{})
		check("fetch", ids(sockets), here, err)
		cancel()
		if err != nil {
			partial++
		}
		ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		got, err := collect(t, ctx, w.nodes[0], adapter.Target{}, nil)
		check("acknowledgements", got, nil, err)
		cancel()
	}
	if partial == 0 && len(w.nodes) > 1 {
		t.Error("nothing was lost: the test saw no partial result")
	}
}
