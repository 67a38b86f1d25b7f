package adapter

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"sio.example/socketio/internal/seal"
)

type fakeMember struct {
	id        string
	delivered int
	mute      bool // does not acknowledge
	held      int  // bytes of answers
	gone      bool // is disconnected before it acknowledges
	full      bool // waits for too many acknowledgements
}

func (m *fakeMember) ID() string                   { return m.id }
func (m *fakeMember) Deliver(_ Encoded, _ *Target) { m.delivered++ }
func (m *fakeMember) DeliverWithAck(_ Encoded, id uint64, _ *Target, ack func(Member, Acknowledgement)) error {
	switch {
	case m.full:
		return ErrTooManyAcks
	case m.mute:
		return nil
	case m.gone:
		ack(m, Acknowledgement{Err: ErrGone})
		return nil
	}
	m.delivered++
	m.held += 7
	ack(m, Acknowledgement{Size: 7})
	return nil
}
func (m *fakeMember) ForgetAck(uint64) {}
func (m *fakeMember) ReleaseAck(n int) { m.held -= n }
func (m *fakeMember) Describe() Socket { return Socket{ID: m.id} }
func (m *fakeMember) Disconnect(bool)  {}
func (m *fakeMember) Leaving() bool    { return false }
func (m *fakeMember) Sealed(seal.Mark) {}

// empty fails the test unless a holds no memory for rooms and members.
func empty(t *testing.T, a *Memory) {
	t.Helper()
	for i := range a.shards {
		if s := a.shards[i].Load(); s != nil && (s.rooms.m != nil || s.ids.Len() != 0 || s.list != nil) {
			t.Errorf("shard %d holds %d rooms and %d members", i, len(s.rooms.m), s.ids.Len())
		}
	}
	if len(a.waits.set) != 0 {
		t.Errorf("%d broadcasts wait", len(a.waits.set))
	}
}

func TestMemoryGivesEverythingBack(t *testing.T) {
	a := New(nil)
	m := &fakeMember{id: "a"}
	rooms := make([]string, 100_000)
	for i := range rooms {
		rooms[i] = fmt.Sprint("room ", i)
	}
	for range 2 {
		for _, room := range rooms {
			if err := a.Join(m, room); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.Leave(m, rooms...); err != nil {
			t.Fatal(err)
		}
		if e := a.lookup("a"); e.rooms != nil {
			t.Errorf("a member of no room holds memory for %d", cap(e.rooms.list))
		}
		if err := a.Join(m, rooms...); err != nil {
			t.Fatal(err)
		}
		a.LeaveAll(m)
		empty(t, a)
	}
	var members []*fakeMember
	for i := range 10_000 {
		m := &fakeMember{id: fmt.Sprint("m", i)}
		members = append(members, m)
		if err := a.Join(m, m.id, "all", rooms[i%100]); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range members {
		a.LeaveAll(m)
	}
	empty(t, a)
}

func TestEmptyRoomIsDeletedAtOnce(t *testing.T) {
	a := New(nil)
	m := &fakeMember{id: "a"}
	for _, leave := range []func(){
		func() { _ = a.Leave(m, "room", "a") },
		func() { a.LeaveAll(m) },
	} {
		if err := a.Join(m, "room", "a"); err != nil {
			t.Fatal(err)
		}
		if !a.HasRoom("room") || !a.HasRoom("a") {
			t.Error("no room")
		}
		leave()
		if a.HasRoom("room") || a.HasRoom("a") {
			t.Error("the empty room is still there")
		}
	}
}

// A pausingMember is delivered to when released.
type pausingMember struct {
	fakeMember
	paused, release chan struct{}
}

func (m *pausingMember) Deliver(Encoded, *Target) {
	m.paused <- struct{}{}
	<-m.release
}

// A silentMember may be delivered to by several broadcasts at the same time.
type silentMember struct{ fakeMember }

func (*silentMember) Deliver(Encoded, *Target) {}

// Two broadcasts to the whole namespace, each except for a room in a shard that the other comes to later, do not wait
// for each other by way of somebody who joins a room in that shard.
func TestBroadcastsWithExceptDoNotDeadlock(t *testing.T) {
	for _, excluded := range []int{0, 1, 100} {
		t.Run(fmt.Sprint(excluded), func(t *testing.T) {
			a := New(&fakeLocal{})
			first := &pausingMember{fakeMember{id: nameIn(0, "m")}, make(chan struct{}), make(chan struct{})}
			if err := a.Join(first); err != nil {
				t.Fatal(err)
			}
			for i := range excluded {
				m := &silentMember{fakeMember{id: fmt.Sprint("excluded", i)}}
				if err := a.Join(m, nameIn(20, "room"), nameIn(40, "room")); err != nil {
					t.Fatal(err)
				}
			}
			done := make(chan struct{}, 4)
			run := func(fn func()) {
				go func() { // ends with fn, which is what is tested
					fn()
					done <- struct{}{}
				}()
			}
			for _, shard := range []int{20, 40} {
				run(func() { _ = a.Broadcast(nil, Target{Except: []string{nameIn(shard, "room")}}) })
				<-first.paused
			}
			for _, shard := range []int{20, 40} {
				joined := make(chan struct{})
				run(func() {
					defer close(joined)
					_ = a.Join(&silentMember{fakeMember{id: nameIn(shard, "joining")}}, nameIn(shard, "another room"))
				})
				for waits := false; !waits; { // for the shard, until it has joined
					mu := &a.shard(shard).mu
					if waits = !mu.TryRLock(); !waits {
						mu.RUnlock()
					}
					select {
					case <-joined:
						waits = true
					default:
						runtime.Gosched()
					}
				}
			}
			close(first.release)
			for range cap(done) {
				select {
				case <-done:
				case <-time.After(5 * time.Minute):
					t.Fatal("deadlock")
				}
			}
		})
	}
}

// nameIn returns a name that belongs to a shard.
func nameIn(shard int, prefix string) string {
	for i := 0; ; i++ {
		if name := fmt.Sprint(prefix, i); hash(name) == shard {
			return name
		}
	}
}

func TestSet(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var s set[int]
	model := map[int]bool{}
	for i := range 200_000 {
		v := rnd.IntN(1 + i%300)
		if rnd.IntN(400) < i/150%400 { // sometimes it grows, sometimes it shrinks
			if got := s.remove(v); got != model[v] {
				t.Fatalf("remove(%d) = %v", v, got)
			}
			delete(model, v)
		} else {
			if got := s.add(v); got == model[v] {
				t.Fatalf("add(%d) = %v", v, got)
			}
			model[v] = true
		}
		if len(s.list) != len(model) || s.has(v) != model[v] {
			t.Fatalf("%d elements, want %d", len(s.list), len(model))
		}
		if c := cap(s.list); c > 32 && c > 4*len(s.list)+4 {
			t.Fatalf("capacity %d for %d elements", c, len(s.list))
		}
		if len(s.list) > indexAbove && s.index.Len() != len(s.list) {
			t.Fatalf("index of %d for %d elements", s.index.Len(), len(s.list))
		}
	}
	slices.Sort(s.list)
	if want := slices.Sorted(maps.Keys(model)); !slices.Equal(s.list, want) {
		t.Errorf("elements %v, want %v", s.list, want)
	}
}

func TestTableShrinks(t *testing.T) {
	var s table[int]
	for i := range 10_000 {
		s.put(fmt.Sprint(i), i)
	}
	for i := range 9_990 {
		s.remove(fmt.Sprint(i))
		if s.peak > 64 && s.peak > 4*len(s.m)+4 {
			t.Fatalf("a map made for %d holds %d", s.peak, len(s.m))
		}
	}
	for i := 9_990; i < 10_000; i++ {
		if s.m[fmt.Sprint(i)] != i {
			t.Errorf("lost %d", i)
		}
	}
}
