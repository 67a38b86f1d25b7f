package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"sio.example/socketio/adapter"
)

// testModel does everything at once from many goroutines, and then compares the rooms with a model.
func testModel(t *testing.T, w *world) {
	const workers, perWorker, steps, roomCount = 32, 8, 150, 20
	room := func(i int) string { return fmt.Sprintf("room %d", i) }
	for i := range workers * perWorker {
		m := w.add(fmt.Sprintf("m%03d", i))
		m.answer = yes
		m.disconnect = func(bool) {}
	}
	models := make([]map[string]bool, len(w.members)) // the rooms of each member; nil: left
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() { // waited for below
			rnd := rand.New(rand.NewPCG(uint64(i), 7))
			mine := w.members[i*perWorker : (i+1)*perWorker]
			for j, m := range mine {
				models[i*perWorker+j] = map[string]bool{m.id: true}
			}
			for range steps {
				j := rnd.IntN(perWorker)
				w.step(rnd, mine[j], models[i*perWorker+j], room(rnd.IntN(roomCount)))
			}
		})
	}
	wg.Wait()
	w.settle()
	for i, m := range w.members {
		// Rooms called "shared" are what JoinAll and LeaveRooms of all workers did to each other.
		got := slices.DeleteFunc(m.rooms(), func(r string) bool { return r == "shared" })
		if want := slices.Sorted(maps.Keys(models[i])); !slices.Equal(got, want) {
			t.Errorf("%s: rooms %v, want %v", m.id, got, want)
		}
	}
	for _, name := range append([]string{"shared"}, room(0), room(1), room(roomCount-1)) {
		var want []string
		for _, m := range w.members {
			if slices.Contains(m.node.Rooms(m.id), name) {
				want = append(want, m.id)
			}
		}
		w.sees("model of "+name, adapter.Target{Rooms: []string{name}}, want...)
	}
	for _, m := range w.members {
		m.leaveAll()
	}
	for _, m := range w.members {
		if got := m.node.Rooms(m.id); got != nil {
			t.Errorf("%s: rooms %v after leaving", m.id, got)
		}
	}
	for _, nd := range w.nodes {
		if got := w.fetch(nd, adapter.Target{}); len(got) != 0 {
			t.Errorf("node %d: %d sockets after all have left", nd.index, len(got))
		}
	}
}

// step does something with the member or to all, and the same to its model.
func (w *world) step(rnd *rand.Rand, m *member, model map[string]bool, room string) {
	t := w.t
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	to := adapter.Target{Rooms: []string{room}}
	if rnd.IntN(3) == 0 {
		to.Rooms, to.Except = append(to.Rooms, "shared"), []string{m.id}
	}
	var err error
	switch rnd.IntN(10) {
	case 0, 1, 2:
		m.join(t, room)
		model[room] = true
	case 3, 4:
		m.leave(t, room)
		delete(model, room)
	case 5:
		if rnd.IntN(4) == 0 {
			m.node.LeaveAll(m)
			clear(model)
			m.join(t, m.id)
			model[m.id] = true
		}
		err = m.node.Broadcast(event("model"), to)
	case 6:
		err = m.node.JoinAll(ctx, to, "shared")
	case 7:
		err = m.node.LeaveRooms(ctx, to, "shared")
	case 8:
		_, err = m.node.Fetch(ctx, to)
	case 9:
		to.Flags.Local = true // a cluster's answers would take too long here
		for _, e := range m.node.BroadcastWithAck(ctx, event("model"), to) {
			if e != nil && !errors.Is(e, adapter.ErrGone) {
				err = e
			}
		}
	}
	if err != nil {
		t.Error(err)
	}
}

// testExactlyOnce broadcasts while members come and go: those that stay get each broadcast once.
func testExactlyOnce(t *testing.T, w *world) {
	const rounds = 100
	var stay, move []*member
	for i := range 20 {
		stay = append(stay, w.add(fmt.Sprintf("stays %d", i), "a"))
		move = append(move, w.add(fmt.Sprintf("moves %d", i), "a"))
	}
	excepted := w.add("excepted", "a", "b", "no")
	churn := make([]*member, 40)
	for i := range churn {
		churn[i] = w.add(fmt.Sprintf("churns %d", i))
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	loop := func(fn func(i int)) {
		wg.Go(func() { // ends with stop, waited for below
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					fn(i)
				}
			}
		})
	}
	loop(func(i int) {
		m := churn[i%len(churn)]
		m.join(t, "a", "b")
		m.node.LeaveAll(m)
	})
	loop(func(i int) { // always in at least one of a and b
		m := move[i%len(move)]
		m.join(t, "b")
		m.leave(t, "a")
		m.join(t, "a")
		m.leave(t, "b")
	})
	var names, toOneRoom []string
	targets := []adapter.Target{
		{Except: []string{"no"}}, {Rooms: []string{"a", "b"}, Except: []string{"no"}}, {Rooms: []string{"a"}},
	}
	for i := range rounds {
		for j, to := range targets {
			name := fmt.Sprintf("round %d to %v", i, to.Rooms)
			w.broadcast(w.nodes[0], name, to)
			if j < 2 {
				names = append(names, name)
			} else {
				toOneRoom = append(toOneRoom, name)
			}
		}
	}
	close(stop)
	wg.Wait()
	for _, m := range churn {
		m.join(t)
	}
	w.settle(targets...)
	w.copies(slices.Concat(stay, move), names, 1, 1)
	w.copies([]*member{excepted}, names, 0, 0)
	w.copies(stay, toOneRoom, 1, 1)
	w.copies(w.members, toOneRoom, 0, 1)
}

// copies fails the test unless each of the members got from low to high copies of each event.
func (w *world) copies(members []*member, events []string, low, high int) {
	w.t.Helper()
	for _, m := range members {
		for _, name := range events {
			if got := m.count(name); got < low || got > high {
				w.t.Errorf("%s got %d copies of %s, want %d to %d", m.id, got, name, low, high)
			}
		}
	}
}

// testGoneStaysGone has others put a member into rooms while it leaves for good.
func testGoneStaysGone(t *testing.T, w *world) {
	nd := w.nodes[0]
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	wg.Go(func() { // ends with stop, waited for at the end
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := nd.JoinAll(t.Context(), adapter.Target{Flags: adapter.Flags{Local: true}}, "room"); err != nil {
				t.Error(err)
			}
		}
	})
	const n = 2000
	for i := range n {
		m := newMember(fmt.Sprint("m", i%10), nd)
		m.join(t, m.id)
		m.leaveAll()
		if got := nd.Rooms(m.id); got != nil {
			t.Fatalf("rooms %v after leaving", got)
		}
	}
}
