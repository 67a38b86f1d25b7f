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
		socks[i].server, socks[i].kind, socks[i].heartbeat = s, kindWebSocket, heartbeatWaiting
		socks[i].arm(time.Hour)
	}
	return s, socks
}

// listed is how many of the sessions wait in a list.
func listed(s *Server, list heartbeatState, socks []Socket) (n int) {
	for i := range socks {
		if socks[i].deadlineList == list && s.deadlines[list].Has(&socks[i]) {
			n++
		}
	}
	return n
}

// Sessions whose wait is extended are no obstacle to those whose wait begins: a server that is late with its pings
// gives these less time, so their place would be before all of the others.
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
	if listed(s, heartbeatExtended, socks[:2]) != 2 || listed(s, heartbeatWaiting, socks[2:]) != 2 {
		t.Error("those who wait once more do not wait apart")
	}
	for i := range socks {
		socks[i].pings = 1
		socks[i].pong()
	}
	if n := listed(s, heartbeatResting, socks); n != 4 {
		t.Errorf("%d sessions rest", n)
	}
	for i := range socks {
		socks[i].stopTimer()
		if s.deadlines[socks[i].deadlineList].Has(&socks[i]) {
			t.Errorf("session %d waits", i)
		}
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
			s.heartbeat, s.pings = heartbeatWaiting, 1
			s.mu.Unlock()
			s.pong()
		}
	})
	for i := range socks {
		socks[i].stopTimer()
	}
}
