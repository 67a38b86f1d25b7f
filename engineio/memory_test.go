package engineio

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"sio.example/socketio/internal/budget"
)

// What waits to be sent is in the Stats until it is sent or dropped, and a session that holds nothing has no claim.
func TestMemoryThatWaitsToBeSent(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		q, rec := e.open()
		s := rec.socket
		for range 10 {
			s.Send(SendOptions{}, text(strings.Repeat("x", 1000)))
		}
		if m := e.Stats().Memory; m != (MemoryStats{Limit: 256 << 20}) || s.claim != nil {
			t.Errorf("little waits: %+v, %v", m, s.claim)
		}
		for range 90 {
			s.SendMessages(SendOptions{}, Message{Data: []byte(strings.Repeat("x", 1000))})
		}
		if m := e.Stats().Memory; m.Out < 90_000-2*budget.Quantum || m.Out > 120_000 || m.In != 0 || m.Held != 0 {
			t.Errorf("100 KB wait: %+v", m)
		}
		e.do("GET", q, "")
		if m := e.Stats().Memory; m.Out != 0 || s.claim != nil {
			t.Errorf("all is sent: %+v, %v", m, s.claim)
		}
		s.Send(SendOptions{}, text(strings.Repeat("x", 100_000)))
		if m := e.Stats().Memory; m.Out < 90_000 {
			t.Errorf("100 KB wait: %+v", m)
		}
		s.CloseWith(ForcedClose, true, "")
		if m := e.Stats().Memory; m.Out != 0 || s.claim != nil {
			t.Errorf("the session is closed: %+v, %v", m, s.claim)
		}
	})
}

// A message for many sessions is in memory once.
func TestMemoryOfSharedMessages(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		m := text(strings.Repeat("x", 100_000))
		m.spread = 2
		for range 4 {
			_, rec := e.open()
			rec.socket.Send(SendOptions{}, m)
		}
		if got := e.Stats().Memory.Out; got < 100_000-4*budget.Quantum || got > 110_000 {
			t.Errorf("charged %d", got)
		}
	})
}

func TestMemoryThatHandlersHold(t *testing.T) {
	bubble(t, &Options{MaxMemory: 64 << 20}, func(t *testing.T, e *env) {
		_, rec := e.open()
		_, other := e.open()
		s := rec.socket
		if n := s.HoldLimit(); n != holdGuaranteed+1<<20 {
			t.Errorf("a Handler may hold %d bytes of an empty pool", n)
		}
		s.Hold(2 << 20)
		if m := e.Stats().Memory; m.Held != 2<<20 || m.Out != 0 {
			t.Errorf("%+v", m)
		}
		if n := other.socket.HoldLimit(); n != holdGuaranteed+1<<19 {
			t.Errorf("it may hold %d bytes when half of what Handlers may hold is taken", n)
		}
		s.Hold(94 << 20)
		if n := other.socket.HoldLimit(); n != holdGuaranteed {
			t.Errorf("it may hold %d bytes of a full pool", n)
		}
		s.CloseWith(ForcedClose, true, "")
		if m := e.Stats().Memory; m.Held != 96<<20 {
			t.Errorf("the Handler of a closed session holds on: %+v", m)
		}
		s.Hold(-96 << 20)
		if m := e.Stats().Memory; m.Held != 0 || s.claim != nil {
			t.Errorf("it lets go: %+v, %v", m, s.claim)
		}
		s.Hold(-1) // more than it held: not another session's
		if m := e.Stats().Memory; m.Held != 0 || s.claim != nil {
			t.Errorf("%+v, %v", m, s.claim)
		}
	})
}

// Sessions that come and go while messages are sent and fetched leave nothing in the pool.
func TestMemoryIsGivenBack(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		for i := range 20 {
			p, rec := e.ws()
			for k := range 30 {
				rec.socket.Send(SendOptions{Defer: k%2 == 0}, text(strings.Repeat("x", i*1000)), bin(1))
			}
			rec.socket.Hold(20_000)
			switch i % 3 {
			case 0:
				p.conn.Close()
			case 1:
				rec.socket.Flush()
				for range 60 {
					p.read()
				}
				rec.socket.Close()
				p.wantClose("close 1000")
			default:
				rec.socket.CloseWith(ForcedClose, true, "")
				p.conn.Close()
			}
			synctest.Wait()
			<-time.After(time.Millisecond)
			rec.socket.Hold(-20_000)
			if rec.socket.claim != nil {
				t.Errorf("session %d: %+v", i, rec.socket.claim)
			}
		}
		if m := e.Stats().Memory; m != (MemoryStats{Limit: 256 << 20}) {
			t.Errorf("%+v", m)
		}
	})
}

// An idle session costs what this is, and a goroutine.
func TestSizeOfASocket(t *testing.T) {
	if n := unsafe.Sizeof(Socket{}); n > 208 {
		t.Errorf("%d bytes; the next size of the allocator is larger", n)
	}
}
