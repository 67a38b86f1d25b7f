package adapter

import (
	"context"
	"fmt"
	"testing"

	"sio.example/socketio/internal/seal"
	"sio.example/socketio/parser"
)

type fakeLocal struct{ e Encoded }

func (fakeLocal) Name() string                                  { return "/" }
func (l fakeLocal) Encode(*parser.Packet, int) (Encoded, error) { return l.e, nil }
func (fakeLocal) AckID() uint64                                 { return 1 << 30 }
func (fakeLocal) Place(Encoded, *Target)                        {}
func (fakeLocal) Flush(Encoded)                                 {}
func (fakeLocal) Report(string, error)                          {}
func (fakeLocal) Guard(fn func() error, failed func(error))     {}
func (fakeLocal) Hold(int) bool                                 { return true }
func (fakeLocal) Sealed(seal.Mark)                              {}
func (fakeLocal) ServerSide(context.Context, string, parser.Args, bool) (parser.Args, error) {
	return parser.Args{}, nil
}

// crowd returns an adapter with n members, each in its own room and in one of the rooms "half 0" and "half 1".
func crowd(tb testing.TB, n int) (*Memory, []*fakeMember) {
	tb.Helper()
	a := New(fakeLocal{new(int)})
	members := make([]*fakeMember, n)
	for i := range members {
		m := &fakeMember{id: fmt.Sprintf("member-%014d", i)}
		members[i] = m
		if err := a.Join(m, m.id, fmt.Sprint("half ", i%2)); err != nil {
			tb.Fatal(err)
		}
	}
	return a, members
}

var broadcasts = []struct {
	name string
	to   Target
}{
	{"namespace", Target{}},
	{"but one", Target{Except: []string{"member-00000000000000"}}},
	{"but the sender", Target{Sender: "member-00000000000000"}},
	{"but nobody who is there", Target{Sender: "member"}},
	{"one", Target{Socket: "member-00000000000000"}},
	{"room", Target{Rooms: []string{"half 0"}}},
	{"rooms", Target{Rooms: []string{"half 0", "half 1"}}},
	{"room but the sender", Target{Rooms: []string{"half 0"}, Sender: "member-00000000000000"}},
	{"room but one", Target{Rooms: []string{"half 0"}, Except: []string{"member-00000000000000"}}},
}

// TestBroadcastAllocations pins that receivers cost no memory: 1 is the copy of the Target that members may look at.
func TestBroadcastAllocations(t *testing.T) {
	p := &parser.Packet{Type: parser.Event, Name: "x"}
	for _, n := range []int{10, 1000} {
		a, _ := crowd(t, n)
		for _, bc := range broadcasts {
			got := testing.AllocsPerRun(100, func() {
				if err := a.Broadcast(p, bc.to); err != nil {
					t.Fatal(err)
				}
			})
			if got > 1 {
				t.Errorf("%s of %d: %v allocations a broadcast, want at most 1", bc.name, n, got)
			}
		}
	}
}

// Joining a room and leaving it, and coming and going, are pinned to what they take today, however many are there.
func TestJoinLeaveAllocations(t *testing.T) {
	for _, n := range []int{10, 1000} {
		a, _ := crowd(t, n)
		m := &fakeMember{id: "newcomer"}
		if err := a.Join(m, m.id); err != nil {
			t.Fatal(err)
		}
		room := testing.AllocsPerRun(1000, func() {
			_ = a.Join(m, "half 0")
			_ = a.Leave(m, "half 0")
		})
		a.LeaveAll(m)
		connect := testing.AllocsPerRun(1000, func() {
			_ = a.Join(m, m.id, "half 0")
			a.LeaveAll(m)
		})
		if room > 2 || connect > 7 || a.HasRoom("newcomer") {
			t.Errorf("of %d: %v allocations for a room, %v for coming and going", n, room, connect)
		}
	}
}

func BenchmarkBroadcast(b *testing.B) {
	p := &parser.Packet{Type: parser.Event, Name: "x"}
	for _, n := range []int{10, 1000, 100_000} {
		a, members := crowd(b, n)
		for _, bc := range broadcasts {
			b.Run(fmt.Sprintf("%s/%d", bc.name, n), func(b *testing.B) {
				b.ReportAllocs()
				before := 0
				for _, m := range members {
					before -= m.delivered
				}
				for b.Loop() {
					if err := a.Broadcast(p, bc.to); err != nil {
						b.Fatal(err)
					}
				}
				for _, m := range members {
					before += m.delivered
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(before), "ns/receiver")
			})
		}
	}
}

func BenchmarkJoinLeave(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000} {
		a, _ := crowd(b, n)
		m := &fakeMember{id: "newcomer"}
		b.Run(fmt.Sprintf("room/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := a.Join(m, "half 0"); err != nil {
					b.Fatal(err)
				}
				if err := a.Leave(m, "half 0"); err != nil {
					b.Fatal(err)
				}
			}
		})
		a.LeaveAll(m)
		b.Run(fmt.Sprintf("connect/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := a.Join(m, m.id, "half 0"); err != nil {
					b.Fatal(err)
				}
				a.LeaveAll(m)
			}
		})
	}
}

// BenchmarkMember reports what a member of the namespace, its own room and another costs in memory.
func BenchmarkMember(b *testing.B) {
	b.ReportAllocs()
	members := make([]*fakeMember, b.N)
	for i := range members {
		members[i] = &fakeMember{id: fmt.Sprintf("member-%014d", i)}
	}
	a := New(fakeLocal{})
	b.ResetTimer()
	for _, m := range members {
		if err := a.Join(m, m.id); err != nil {
			b.Fatal(err)
		}
	}
}
