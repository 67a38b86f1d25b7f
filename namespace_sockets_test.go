package socketio

import (
	"runtime"
	"slices"
	"testing"

	"sio.example/socketio/internal/index"
)

// A socket is found and listed as soon as CONNECT is on its way, even before its state says so.
func TestSocketIsListedWhenItsClientKnows(t *testing.T) {
	n := &Namespace{sockets: index.New((*Socket).ID)}
	for what, find := range map[string]func(s *Socket) bool{
		"Socket":  func(s *Socket) bool { found, ok := n.Socket(s.id); return ok && found == s },
		"Sockets": func(s *Socket) bool { return slices.Contains(slices.Collect(n.Sockets()), s) },
	} {
		s := &Socket{id: what}
		s.state.Store(int32(admitting))
		n.add(s)
		s.mu.Lock() // as queueConnect does, and CONNECT is queued
		found := make(chan bool)
		go func() { found <- find(s) }() // ends when the socket is connected
		for range 100 {
			runtime.Gosched()
		}
		select {
		case <-found:
			t.Errorf("%s did not wait for the socket", what)
			s.mu.Unlock()
			continue
		default:
		}
		s.state.Store(int32(connected))
		s.mu.Unlock()
		if !<-found {
			t.Errorf("%s does not know the socket", what)
		}
		n.remove(s)
	}
}
