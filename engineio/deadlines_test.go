package engineio

import (
	"testing"
	"time"
)

// waiting returns sessions that wait for their pongs.
func waiting(n int) (*Server, []Socket) {
	s := NewServer(nil, nil)
	socks := make([]Socket, n)
	for i := range socks {
		socks[i].server, socks[i].kind, socks[i].beat = s, kindWebSocket, beatWaiting
		socks[i].arm(time.Hour)
	}
	return s, socks
}

// order are the sessions that wait, as their numbers in socks.
func (d *deadlines) order(socks []Socket) (order []int) {
	for s := d.first; s != nil; s = s.place.next {
		for i := range socks {
			if s == &socks[i] {
				order = append(order, i)
			}
		}
	}
	return order
}

// Sessions whose wait is extended are no obstacle to those whose wait begins: a server that is late with its pings gives
// these less time, so their place would be before all of the others.
func TestExtendedSessionsWaitApart(t *testing.T) {
	s, socks := waiting(4)
	for i := range 2 {
		s := &socks[i]
		s.pings = 1
		s.mu.Lock()
		if !s.extendLocked(0) { // something was heard
			t.Error("not extended")
		}
		s.mu.Unlock()
	}
	if got := s.deadlines[beatWaiting].order(socks); len(got) != 2 || got[0] != 2 || got[1] != 3 {
		t.Errorf("sessions %v wait for their pongs", got)
	}
	if got := s.deadlines[beatExtended].order(socks); len(got) != 2 || got[0] != 0 || got[1] != 1 {
		t.Errorf("sessions %v wait once more", got)
	}
	for i := range socks {
		socks[i].pings = 1
		socks[i].pong()
	}
	if got := s.deadlines[beatResting].order(socks); len(got) != 4 || got[0] != 0 || got[3] != 3 {
		t.Errorf("sessions %v rest", got)
	}
	for i := range socks {
		socks[i].stopTimer()
	}
	for i := range s.deadlines {
		if d := &s.deadlines[i]; d.first != nil || d.last != nil {
			t.Errorf("somebody waits in %d", i)
		}
	}
}

// A session that waits for a shorter time than the others still comes before them.
func TestDeadlinesAreInOrder(t *testing.T) {
	s, socks := waiting(5)
	d := &s.deadlines[beatWaiting]
	socks[3].arm(time.Minute)
	socks[0].arm(2 * time.Minute)
	socks[4].arm(2 * time.Hour)
	want := []int{3, 0, 1, 2, 4}
	for i, got := range d.order(socks) {
		if got != want[i] {
			t.Errorf("order %v, want %v", d.order(socks), want)
			break
		}
	}
	for i := range socks {
		socks[i].stopTimer()
	}
	if d.first != nil || d.last != nil {
		t.Error("somebody waits")
	}
}

// Pongs of many sessions at once, as a server has them that is short of processors.
func BenchmarkPongs(b *testing.B) {
	_, socks := waiting(1 << 17)
	const workers = 64 // more than processors, so that some are interrupted wherever they are
	each := len(socks) / workers
	turn := make(chan int, workers)
	for i := range workers {
		turn <- i
	}
	b.SetParallelism(workers)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		mine := <-turn
		defer func() { turn <- mine }()
		for i := 0; pb.Next(); i = (i + 1) % each {
			s := &socks[mine*each+i]
			s.mu.Lock()
			s.beat, s.pings = beatWaiting, 1
			s.mu.Unlock()
			s.pong()
		}
	})
	for i := range socks {
		socks[i].stopTimer()
	}
}
