package engineio

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A burst that is many times the budget of the queue reaches a client that fetches it.
func TestBurstOnPolling(t *testing.T) {
	for _, burst := range []struct{ n, size int }{{100, 64 << 10}, {900, 64 << 10}, {100_000, 20}, {1000, 20_000}} {
		bubble(t, nil, func(t *testing.T, e *env) {
			q, rec := e.open()
			<-time.After(2 * time.Second) // the client's first GET is late
			filler := strings.Repeat("x", burst.size-8)
			for i := range burst.n {
				if err := rec.socket.SendMessages(SendOptions{}, Message{Data: fmt.Appendf(nil, "%08d%s", i, filler)}); err != nil {
					t.Fatalf("%d x %d: message %d: %v", burst.n, burst.size, i, err)
				}
			}
			for got := 0; got < burst.n; {
				for _, m := range strings.Split(e.do("GET", q, "").body, "\x1e") {
					if want := fmt.Sprintf("4%08d", got); !strings.HasPrefix(m, want) {
						t.Fatalf("%d x %d: got %.20q, want %q", burst.n, burst.size, m, want)
					}
					got++
				}
				<-time.After(100 * time.Millisecond)
			}
			rec.alive() // waits
			if m := e.Stats().Memory.Out; m != 0 {
				t.Errorf("%d bytes are left", m)
			}
			rec.socket.Close()
			e.do("GET", q, "")
			rec.want(ForcedClose)
		})
	}
}

// The same by WebSocket, as messages of their own and as one.
func TestBurstOnWebSocket(t *testing.T) {
	for _, burst := range []struct{ n, size int }{{300, 64 << 10}, {900, 64 << 10}, {100_000, 20}, {1, 60 << 20}} {
		end := make(chan error, 1)
		open := make(chan *Socket, 1)
		_, l := tcp(t, nil, func(s *Socket, r *http.Request) Handler {
			open <- s
			return funcHandler{s.testEcho, closedInto(end)}
		})
		c := dialTCP(t, l)
		s := <-open
		p := newTCPPeer(t, c)
		p.skip()
		filler := strings.Repeat("x", burst.size-8)
		go func() { // ends when all is queued
			for i := range burst.n {
				if err := s.SendMessages(SendOptions{}, Message{Data: fmt.Appendf(nil, "%08d%s", i, filler)}); err != nil {
					t.Errorf("%d x %d: message %d: %v", burst.n, burst.size, i, err)
					return
				}
			}
		}()
		for i := range burst.n {
			if got, want := p.message(), fmt.Sprintf("4%08d", i); !strings.HasPrefix(got, want) || len(got) != burst.size+1 {
				t.Fatalf("got %d bytes, %.20q, want %q", len(got), got, want)
			}
		}
		c.Close()
	}
}

// A client that takes a part of a long answer now and then is not slow; one that takes nothing is, whether or not
// anything is sent to it. A session within its budget is left to other timeouts.
func TestSlowConsumer(t *testing.T) { // S-1, S-5
	const kib = 1 << 10
	fill := func(s *Socket, n int) (err error) {
		for range n {
			err = s.Send(SendOptions{}, text(strings.Repeat("x", kib-packetOverhead)))
		}
		return err
	}
	bubble(t, nil, func(t *testing.T, e *env) { // polling
		_, little := e.open()
		_, much := e.open()
		_, rec := e.open()
		fill(little.socket, 1024)
		fill(much.socket, 1025)
		fill(rec.socket, 1024)
		<-time.After(absence - time.Millisecond)
		rec.alive()
		much.alive()
		fill(rec.socket, 1)
		<-time.After(2 * watchTick)
		if err := fill(rec.socket, 1); err != ErrSlowConsumer {
			t.Errorf("Send: %v", err)
		}
		rec.want(TransportError)
		if !errors.Is(rec.err, ErrSlowConsumer) {
			t.Errorf("HandleClose is told %v", rec.err)
		}
		<-time.After(2 * watchTick)
		much.want(TransportError)
		little.alive()
		e.rejected(RejectSlowConsumer, 2)
	})
	bubble(t, nil, func(t *testing.T, e *env) { // WebSocket
		e.net.Buffer = 64 * kib
		_, little := e.ws()
		p, much := e.ws()
		_, rec := e.ws()
		fill(little.socket, 1024)
		fill(much.socket, 1100)
		fill(rec.socket, 1000)
		<-time.After(stall)
		fill(rec.socket, 24)
		little.alive()
		rec.alive()
		<-time.After(2 * watchTick)
		much.want(TransportError)
		fill(rec.socket, 100)
		<-time.After(2 * watchTick)
		if err := fill(rec.socket, 1); err != ErrSlowConsumer {
			t.Errorf("Send: %v", err)
		}
		rec.want(TransportError)
		e.rejected(RejectSlowConsumer, 2)
		n := 0
		for got := p.read(); strings.HasPrefix(got, "4x"); got = p.read() {
			n++
		}
		if n > 200 {
			t.Errorf("%d messages came, those of one write were on their way", n)
		}
	})
}

// A client on polling whose link needs 40 seconds for an answer of a megabyte, 200 kbit/s, is as slow as the heartbeat
// allows.
func TestSlowLinkOnPolling(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		q, rec := e.open()
		for range 3000 {
			rec.socket.Send(SendOptions{}, text(strings.Repeat("x", 1000)))
		}
		if n := len(e.do("GET", q, "").body); n < 900_000 {
			t.Fatalf("got %d bytes", n)
		}
		<-time.After(40 * time.Second)
		rec.alive()
		for range 3 {
			e.do("GET", q, "")
		}
		e.do("POST", q, "3")
		<-time.After(10 * time.Second)
		rec.alive()
		rec.socket.CloseWith(ForcedClose, true, "")
	})
}

// Whoever reads slowly reads: a long message that goes out bit by bit holds nobody up.
func TestSlowReader(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		e.net.Buffer = 4096
		p, rec := e.ws()
		rec.socket.Send(SendOptions{}, text(strings.Repeat("x", 4<<20)))
		buf := make([]byte, 64<<10)
		for got := 0; got < 4<<20; {
			<-time.After(time.Second)
			for n := 0; n < len(buf) && got+n < 4<<20; {
				k, err := p.r.Read(buf[n:])
				if err != nil {
					t.Fatalf("after %d bytes: %v", got+n, err)
				}
				n += k
			}
			got += len(buf)
			if got < 4<<20 {
				rec.socket.Send(SendOptions{}, text("y"))
			}
			if got%(1<<20) == 0 {
				rec.socket.pong() // as if its pongs came
			}
		}
		rec.alive()
		p.conn.Close()
		rec.want(TransportClose)
	})
}

// A queue without end to a client that reads ends when the server has no memory for it.
func TestBurstBeyondMemory(t *testing.T) {
	bubble(t, &Options{MaxMemory: 8 << 20}, func(t *testing.T, e *env) {
		_, rec := e.open()
		n := 0
		for rec.socket.Send(SendOptions{}, text(strings.Repeat("x", 100_000))) == nil {
			n++
		}
		if n < 28 || n > 38 { // a third, and the budget
			t.Errorf("%d messages of 100 KB are taken of 8 MiB", n)
		}
		rec.want(TransportError)
	})
}

// The sessions that hold most for longest without progress are closed when all hold too much together, and no more of
// them than have to be.
func TestWorstAreClosedFirst(t *testing.T) {
	bubble(t, &Options{MaxMemory: 4 << 20}, func(t *testing.T, e *env) {
		var recs []*recorder
		for i := range 8 {
			_, rec := e.open()
			recs = append(recs, rec)
			<-time.After(100 * time.Millisecond)
			size := 600_000
			if i >= 6 {
				size = 10_000
			}
			rec.socket.Send(SendOptions{}, text(strings.Repeat("x", size)))
		}
		recs[2].socket.Hold(800_000)
		<-time.After(2 * watchTick)
		synctest.Wait()
		recs[2].want(TransportError)
		recs[2].socket.Hold(-800_000)
		<-time.After(2 * watchTick)
		for i, rec := range recs {
			if i != 2 {
				rec.alive()
			}
		}
		e.rejected(RejectMemory, 1)
		if m := e.Stats().Memory; m.Out+m.Held+m.In > m.Limit {
			t.Errorf("%+v", m)
		}
	})
}

// Many whose peers take nothing are closed sooner than one, the worst of them first, and nobody who takes something.
func TestManySlowConsumers(t *testing.T) {
	bubble(t, &Options{MaxMemory: 16 << 20}, func(t *testing.T, e *env) {
		e.net.Buffer = 4096
		var recs []*recorder
		for i := range 10 {
			p, rec := e.ws()
			recs = append(recs, rec)
			rec.socket.Send(SendOptions{}, text(strings.Repeat("x", 200_000)))
			if i == 0 { // reads, slowly
				go func() { // ends with the connection
					for {
						if _, err := p.r.Read(make([]byte, 1000)); err != nil {
							return
						}
						<-time.After(10 * time.Millisecond)
					}
				}()
			} else {
				defer p.conn.Close()
			}
		}
		<-time.After(stall / 2)
		for _, rec := range recs {
			rec.alive()
		}
		<-time.After(stall)
		synctest.Wait()
		closed := 0
		for _, rec := range recs[1:] {
			select {
			case <-rec.closed:
				closed++
			default:
			}
		}
		if closed < 4 || closed > 5 { // 9 x 200 KB, of which a megabyte may stay
			t.Errorf("%d sessions are closed", closed)
		}
		recs[0].alive()
		e.rejected(RejectSlowConsumer, uint64(closed))
		recs[0].socket.CloseWith(ForcedClose, true, "")
	})
}

// A client that asks for more than it reads is not read from any more, and goes on when it reads.
func TestWebSocketWaitsForRoom(t *testing.T) {
	bubble(t, &Options{MaxQueueBytes: 100_000}, func(t *testing.T, e *env) {
		e.net.Buffer = 4096
		e.onMsg = echo
		p, rec := e.ws()
		const n = 500
		go func() { // ends when all is sent
			for i := range n {
				p.send(fmt.Sprintf("4%08d%s", i, strings.Repeat("x", 1000)))
			}
		}()
		<-time.After(patience)
		synctest.Wait()
		rec.mu.Lock()
		got := len(rec.messages)
		rec.mu.Unlock()
		if got > 50 {
			t.Errorf("%d messages are handled, whose answers nobody reads", got)
		}
		for i := range n {
			if m, want := p.read(), fmt.Sprintf("4%08d", i); !strings.HasPrefix(m, want) {
				t.Fatalf("got %.20q, want %s", m, want)
			}
		}
		rec.alive()
		p.conn.Close()
		rec.want(TransportClose)
	})
}

// One that never reads ends soon although what it asks for is within the budget.
func TestEchoesThatNobodyReads(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		e.net.Buffer = 4096
		e.onMsg = echo
		p, rec := e.ws()
		stop := make(chan struct{})
		go func() { // ends with the connection
			defer close(stop)
			for {
				if _, err := p.conn.Write(frame(1, "4"+strings.Repeat("x", 1000))); err != nil {
					return
				}
			}
		}()
		start := time.Now()
		rec.want(TransportError)
		if d := time.Since(start); d > 30*time.Second {
			t.Errorf("after %v", d)
		}
		if m := e.Stats().Memory.Out; m != 0 {
			t.Errorf("%d bytes are left", m)
		}
		p.conn.Close()
		<-stop
	})
}

// A process that stood still has learnt nothing about its peers.
func TestSlowConsumerAfterAStandstill(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		_, rec := e.open()
		rec.socket.Send(SendOptions{}, text(strings.Repeat("x", 2<<20)))
		rec.socket.Send(SendOptions{}, text("x"))
		<-time.After(absence - watchTick)
		e.watcher.resumed.Store(int64(e.now())) // as the watcher does when it is late
		<-time.After(absence - watchTick)
		rec.alive()
		<-time.After(2 * watchTick)
		rec.want(TransportError)
	})
}

// A client that reads only when it has written all it has to say, more than its queue and the kernel take, is served.
func TestWritesAllBeforeItReads(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		e.net.Buffer = 4096
		e.onMsg = echo
		p, rec := e.ws()
		const n = 4000
		for i := range n {
			p.send(fmt.Sprintf("4%08d%s", i, strings.Repeat("x", 1000)))
		}
		for i := range n {
			if m, want := p.read(), fmt.Sprintf("4%08d", i); !strings.HasPrefix(m, want) {
				t.Fatalf("got %.20q, want %s", m, want)
			}
		}
		rec.alive()
		e.rejected(RejectSlowConsumer, 0)
		p.conn.Close()
		rec.want(TransportClose)
		if m := e.Stats().Memory.Out; m != 0 || rec.socket.claimed() {
			t.Errorf("%d bytes are left", m)
		}
	})
}

// Those that are read from although they take nothing hold no more than a part of the server's memory together.
func TestReadOnWithinMemory(t *testing.T) {
	bubble(t, &Options{MaxMemory: 32 << 20}, func(t *testing.T, e *env) {
		e.net.Buffer = 4096
		e.onMsg = echo
		stop := make(chan struct{}, 3)
		var recs []*recorder
		for range cap(stop) {
			p, rec := e.ws()
			recs = append(recs, rec)
			go func() { // ends with the connection
				for {
					if _, err := p.conn.Write(frame(1, "4"+strings.Repeat("x", 1000))); err != nil {
						stop <- struct{}{}
						return
					}
				}
			}()
		}
		for range 8 {
			<-time.After(time.Second)
			if m := e.Stats().Memory.Out; m > 32<<20/stalledParts {
				t.Errorf("%d bytes wait", m)
			}
		}
		for _, rec := range recs {
			rec.want(TransportError)
			<-stop
		}
	})
}
