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
		if m := e.Stats().Memory; m != (MemoryStats{Limit: 256 << 20}) || s.claimed() {
			t.Errorf("little waits: %+v", m)
		}
		for range 90 {
			s.SendMessages(SendOptions{}, Message{Data: []byte(strings.Repeat("x", 1000))})
		}
		if m := e.Stats().Memory; m.Out < 90_000-2*budget.Quantum || m.Out > 120_000 || m.In != 0 || m.Held != 0 {
			t.Errorf("100 KB wait: %+v", m)
		}
		e.do("GET", q, "")
		synctest.Wait()
		if m := e.Stats().Memory; m.Out != 0 || s.claimed() {
			t.Errorf("all is sent: %+v", m)
		}
		s.Send(SendOptions{}, text(strings.Repeat("x", 100_000)))
		if m := e.Stats().Memory; m.Out < 90_000 {
			t.Errorf("100 KB wait: %+v", m)
		}
		s.CloseWith(ForcedClose, true, "")
		if m := e.Stats().Memory; m.Out != 0 || s.claimed() {
			t.Errorf("the session is closed: %+v", m)
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
		if n := s.HoldLimit(); n != holdGuaranteed+2<<20 {
			t.Errorf("a Handler may hold %d bytes of an empty pool", n)
		}
		s.Hold(1 << 20)
		if m := e.Stats().Memory; m.Held != 1<<20 || m.Out != 0 {
			t.Errorf("%+v", m)
		}
		if n := other.socket.HoldLimit(); n != holdGuaranteed+1<<20 {
			t.Errorf("it may hold %d bytes when half of what Handlers may hold is taken", n)
		}
		s.Hold(95 << 20)
		if n := other.socket.HoldLimit(); n != holdGuaranteed {
			t.Errorf("it may hold %d bytes of a full pool", n)
		}
		s.Hold(-96 << 20)
		other.socket.Send(SendOptions{}, text(strings.Repeat("x", 2<<20)))
		if n := s.HoldLimit(); n > holdGuaranteed+1<<20 {
			t.Errorf("it may hold %d bytes when half of that waits to be sent", n)
		}
		other.socket.CloseWith(ForcedClose, true, "")
		s.Hold(96 << 20)
		s.CloseWith(ForcedClose, true, "")
		if m := e.Stats().Memory; m.Held != 96<<20 {
			t.Errorf("the Handler of a closed session holds on: %+v", m)
		}
		s.Hold(-96 << 20)
		if m := e.Stats().Memory; m.Held != 0 || s.claimed() {
			t.Errorf("it lets go: %+v", m)
		}
		s.Hold(-1) // more than it held: not another session's
		if m := e.Stats().Memory; m.Held != 0 || s.claimed() {
			t.Errorf("%+v", m)
		}
	})
}

// What the program holds of its own counts, and is refused when too much is held already.
func TestMemoryThatTheProgramHolds(t *testing.T) {
	bubble(t, &Options{MaxMemory: 64 << 20}, func(t *testing.T, e *env) {
		s := e.Server
		for i, c := range []struct {
			n    int
			ok   bool
			held int64
		}{
			{50 << 20, true, 50 << 20}, // one thing of any size
			{8 << 20, false, 50 << 20},
			{-40 << 20, true, 10 << 20},
			{8 << 20, true, 18 << 20},
			{8 << 20, false, 18 << 20}, // more than half of what is free, and a little
			{-18 << 20, true, 0},
			{-1, true, 0},
		} {
			if ok := s.Hold(c.n); ok != c.ok || s.Stats().Memory.Held != c.held {
				t.Errorf("step %d: %v, %+v", i, ok, s.Stats().Memory)
			}
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
			if rec.socket.claimed() {
				t.Errorf("session %d holds something", i)
			}
		}
		if m := e.Stats().Memory; m != (MemoryStats{Limit: 256 << 20}) {
			t.Errorf("%+v", m)
		}
	})
}

// Input counts while it is read, and by polling while it is handled.
func TestMemoryThatIsRead(t *testing.T) {
	bubble(t, &Options{MaxMemory: 2 << 20}, func(t *testing.T, e *env) {
		in := func() int64 {
			synctest.Wait()
			return e.Stats().Memory.In
		}
		p, rec := e.ws()
		large := frame(1, "4"+strings.Repeat("x", 600_000))
		p.conn.Write(large[:500_000])
		if n := in(); n < 500_000 || n > 700_000 {
			t.Errorf("%d bytes are counted for half a megabyte", n)
		}
		p.conn.Write(large[500_000:])
		if n := in(); n != 0 {
			t.Errorf("%d bytes are counted when it is handled", n)
		}
		q, _ := e.open()
		release := make(chan struct{})
		e.onMsg = func(*recorder, Message) { <-release }
		post := e.later("POST", q, "4"+strings.Repeat("x", 600_000))
		if n := in(); n < 500_000 || n > 700_000 {
			t.Errorf("%d bytes are counted for a POST", n)
		}
		close(release)
		(<-post).want(t, 200, "ok")
		if n := in(); n != 0 {
			t.Errorf("%d bytes are counted after the POST", n)
		}

		// Those who hold most for longest go first.
		defer p.conn.Close()
		p.conn.Write(large[:500_000])
		<-time.After(time.Second)
		for range 4 {
			q, _ := e.ws()
			defer q.conn.Close()
			q.conn.Write(large[:500_000])
		}
		<-time.After(2 * watchTick)
		<-time.After(2 * watchTick)
		if n := in(); n > 2<<20 {
			t.Errorf("%d bytes are counted", n)
		}
		if n := e.Stats().Rejected[RejectMemory]; n == 0 || n > 2 {
			t.Errorf("%d sessions are closed", n)
		}
		rec.want(TransportError)
	})
}

// An idle session costs what this is, and a goroutine.
func TestSizeOfASocket(t *testing.T) {
	if n := unsafe.Sizeof(Socket{}); n > 208 {
		t.Errorf("%d bytes; the next size of the allocator is larger", n)
	}
}

// claimed reports whether the session holds much.
func (s *Socket) claimed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claim != nil
}
