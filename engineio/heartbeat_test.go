package engineio

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// a pong at 44.99 s is in time, at 45.01 s it is not.
func TestPongInTime(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		p, rec := e.ws()
		start := time.Now()
		for range 3 {
			p.want("2")
			<-time.After(20*time.Second - 10*time.Millisecond)
			p.send("3")
			rec.alive()
		}
		if d := time.Since(start); d != 3*(45*time.Second-10*time.Millisecond) {
			t.Errorf("three rounds take %v", d)
		}
		p.want("2")
		start = time.Now()
		p.wantClose("close 1008 ping timeout")
		if d := time.Since(start); d != 20*time.Second {
			t.Errorf("closed %v after the ping", d)
		}
		rec.want(PingTimeout)
		e.rejected(RejectPingTimeout, 1)
	})
}

func TestPingTimeoutOfPolling(t *testing.T) { // H-36, L-9
	bubble(t, nil, func(t *testing.T, e *env) {
		start := time.Now()
		var recs []*recorder
		for range 10 { // never used again
			_, rec := e.open()
			recs = append(recs, rec)
		}
		q, rec := e.open()
		get := e.later("GET", q, "")
		(<-get).want(t, 200, "2")
		if d := time.Since(start); d != 25*time.Second {
			t.Errorf("the ping comes after %v", d)
		}
		get = e.later("GET", q, "")
		(<-get).want(t, 200, "1")
		if d := time.Since(start); d != 45*time.Second {
			t.Errorf("closed after %v", d)
		}
		rec.want(PingTimeout)
		for _, rec := range recs {
			rec.want(PingTimeout)
		}
		if d := time.Since(start); d != 45*time.Second {
			t.Errorf("all closed after %v", d)
		}
	})
}

func TestPingWaitsForTheNextPoll(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		q, rec := e.open()
		<-time.After(40 * time.Second)
		e.do("GET", q, "").want(t, 200, "2")
		e.do("POST", q, "3").want(t, 200, "ok")
		<-time.After(24 * time.Second)
		rec.alive()
	})
}

// Only the pong that was asked for starts the next interval (E-4, T-38).
func TestOnlyAPongRearms(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		p, rec := e.ws()
		start := time.Now()
		for range 24 {
			<-time.After(time.Second)
			p.send("3", "4x", "6")
		}
		p.want("2")
		if d := time.Since(start); d != 25*time.Second {
			t.Errorf("the ping comes after %v", d)
		}
		p.send("3", "3", "3")
		synctest.Wait()
		e.rejected(RejectPong, 26)
		p.want("2")
		if d := time.Since(start); d != 50*time.Second {
			t.Errorf("the second ping comes after %v", d)
		}
		p.conn.Close()
		rec.want(TransportClose)
	})
}

// input is a sign of life as good as the pong, which may be behind it. Who sends neither is found.
func TestInputIsASignOfLife(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		p, rec := e.ws()
		for range 2 {
			p.want("2")
			<-time.After(15 * time.Second)
			p.send("4x")
			<-time.After(19 * time.Second)
			p.send("3", "3") // there was a second ping after 20 s
			p.want("2")
			rec.alive()
		}
		e.rejected(RejectPong, 0)
		p.want("2")
		for range 100 {
			<-time.After(19 * time.Second)
			p.send("4x")
		}
		rec.alive()
		start := time.Now()
		rec.want(PingTimeout)
		if d := time.Since(start); d > 40*time.Second {
			t.Errorf("closed %v after the last message", d)
		}
	})
}

// The official client gives up when no ping comes in the time of interval and timeout, pongs read or not.
func TestPingsGoOnWhilePongsAreUnread(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		release := make(chan struct{})
		e.onMsg = func(*recorder, Message) { <-release }
		p, rec := e.ws()
		<-time.After(20 * time.Second)
		p.send("4block")
		last := time.Now()
		for range 20 {
			p.want("2")
			if d := time.Since(last); d > 25*time.Second {
				t.Fatalf("no ping for %v", d)
			}
			last = time.Now()
			p.send("3")
		}
		close(release)
		synctest.Wait()
		rec.alive()
		e.rejected(RejectPong, 0)
		start := time.Now()
		p.want("2")
		if d := time.Since(start); d != 25*time.Second {
			t.Errorf("the next ping comes after %v", d)
		}
		p.wantClose("close 1008 ping timeout")
		if d := time.Since(start); d != 45*time.Second {
			t.Errorf("a silent peer is found after %v", d)
		}
		rec.want(PingTimeout)
	})
}

// While the handler does not take a message the pong behind it can't be read, and when it goes on the peer has a whole
// PingTimeout, wherever in the heartbeat that began and ended.
func TestPongBehindABlockedHandler(t *testing.T) {
	for _, begin := range []time.Duration{time.Second, 24 * time.Second, 26 * time.Second, 44 * time.Second} {
		for _, length := range []time.Duration{500 * time.Millisecond, 19 * time.Second,
			21 * time.Second, 43900 * time.Millisecond, 10 * time.Minute} {
			bubble(t, nil, func(t *testing.T, e *env) {
				e.onMsg = func(*recorder, Message) { <-time.After(length) }
				p, rec := e.ws()
				<-time.After(begin)
				p.send("4block")
				<-time.After(length)
				<-time.After(19 * time.Second)
				p.send("3")
				<-time.After(15 * time.Second)
				rec.alive()
				p.conn.Close()
				rec.want(TransportClose)
			})
		}
	}
}

// A peer that is gone while a handler hangs is found by the pings, which are no longer taken.
func TestDeadPeerBehindABlockedHandler(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		e.onMsg = func(r *recorder, _ Message) { <-r.socket.Context().Done() }
		p, rec := e.ws()
		p.send("4block")
		<-time.After(10 * time.Minute)
		rec.alive()
		p.conn.Close()
		start := time.Now()
		rec.want(TransportClose)
		if d := time.Since(start); d > 40*time.Second {
			t.Errorf("found after %v", d)
		}
	})
	bubble(t, nil, func(t *testing.T, e *env) { // on polling, by its GETs
		e.onMsg = func(r *recorder, _ Message) { <-r.socket.Context().Done() }
		q, rec := e.open()
		post := e.later("POST", q, "4block")
		for range 30 {
			e.do("GET", q, "").want(t, 200, "2")
		}
		rec.alive()
		start := time.Now()
		rec.want(PingTimeout)
		if d := time.Since(start); d > 60*time.Second {
			t.Errorf("found after %v", d)
		}
		<-post
	})
}

// A POST of which the body comes slowly, and one that is being delivered, hold the next one up, which has the pong.
func TestPongBehindAPost(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		release := make(chan struct{})
		e.onMsg = func(*recorder, Message) { <-release }
		q, rec := e.open()
		get := e.later("GET", q, "")
		post := e.later("POST", q, "4block")
		for range 10 {
			(<-get).want(t, 200, "2")
			get = e.later("GET", q, "")
		}
		close(release)
		(<-post).want(t, 200, "ok")
		<-time.After(19 * time.Second)
		e.do("POST", q, "3").want(t, 200, "ok")
		<-time.After(20 * time.Second)
		rec.alive()
		rec.socket.CloseWith(ForcedClose, true, "")
		<-get
	})
}

// The ping may be behind what is being written, and the pong behind a message of which a part has come.
func TestPongBehindALongMessage(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		p, rec := e.ws()
		<-time.After(24 * time.Second)
		f := frame(1, "4"+strings.Repeat("x", 200_000))
		for len(f) > 0 {
			n := min(8000, len(f))
			if _, err := p.conn.Write(f[:n]); err != nil {
				t.Fatal(err)
			}
			f = f[n:]
			<-time.After(time.Second)
		}
		p.send("3")
		rec.alive()
		e.rejected(RejectPingTimeout, 0)
		p.conn.Close()
		rec.want(TransportClose)
	})
	bubble(t, nil, func(t *testing.T, e *env) {
		e.net.Buffer = 4096
		p, rec := e.ws()
		<-time.After(24 * time.Second)
		rec.socket.Send(SendOptions{}, text(strings.Repeat("x", 400_000)))
		for total := 0; total < 400_000; total += 8000 { // in 50 s
			if _, err := io.CopyN(io.Discard, p.r, 8000); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Second)
		}
		rec.alive()
		p.conn.Close()
		rec.want(TransportClose)
	})
}

// The heartbeat survives an upgrade: a ping that went out by polling wants its pong, by whatever transport.
func TestHeartbeatThroughAnUpgrade(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		upgrade := func(q string) *peer {
			p := e.probe(q)
			p.send("2probe")
			p.want("3probe")
			p.send("5")
			return p
		}
		q, rec := e.open()
		e.do("GET", q, "").want(t, 200, "2")
		start := time.Now()
		p := upgrade(q)
		p.wantClose("close 1008 ping timeout")
		if d := time.Since(start); d != 20*time.Second {
			t.Errorf("closed %v after the ping", d)
		}
		rec.want(PingTimeout)

		q, rec = e.open()
		e.do("GET", q, "").want(t, 200, "2")
		p = upgrade(q)
		p.send("3")
		start = time.Now()
		p.want("2")
		if d := time.Since(start); d != 25*time.Second {
			t.Errorf("the next ping comes after %v", d)
		}
		p.conn.Close()
		rec.want(TransportClose)

		q, _ = e.open()
		<-time.After(30 * time.Second) // the ping waits in the queue
		p = upgrade(q)
		p.want("2")
		p.conn.Close()
	})
}

// L-9: a peer that vanished without a word, with its window full or not.
func TestHalfOpenConnections(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		_, rec := e.ws()
		start := time.Now()
		rec.want(PingTimeout)
		if d := time.Since(start); d != 45*time.Second {
			t.Errorf("after %v", d)
		}
	})
	bubble(t, nil, func(t *testing.T, e *env) {
		e.net.Buffer = 4096
		_, rec := e.ws()
		start := time.Now()
		for range 5 {
			rec.socket.Send(SendOptions{}, text(strings.Repeat("x", 100_000)))
		}
		rec.want(TransportError) // the first write takes 128 KiB at most: 10 s and a second per 10 KB
		if d := time.Since(start); d != 20*time.Second {
			t.Errorf("after %v", d)
		}
		e.rejected(RejectWriteTimeout, 1)
	})
	bubble(t, nil, func(t *testing.T, e *env) {
		q, rec := e.open()
		c, _ := e.net.Dial(t.Context())
		fmt.Fprintf(c, "POST /engine.io/?%s HTTP/1.1\r\nHost: s\r\nContent-Length: 10\r\n\r\n4", q)
		start := time.Now()
		rec.want(TransportError)
		if d := time.Since(start); d != 30*time.Second {
			t.Errorf("after %v", d)
		}
		io.Copy(io.Discard, c)
		c.Close()
	})
}

// A day of an idle session: no drift, one timer.
func TestADayOfHeartbeats(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		p, rec := e.ws()
		start := time.Now()
		for i := 1; time.Since(start) < 24*time.Hour; i++ {
			p.want("2")
			if d := time.Since(start); d != time.Duration(i)*25*time.Second {
				t.Fatalf("ping %d after %v", i, d)
			}
			p.send("3")
		}
		rec.alive()
	})
}

// A timer may be late on a busy machine; the session has ended all the same.
func TestRequestAfterThePingTimeout(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		q, rec := e.open()
		<-time.After(26 * time.Second)
		e.do("GET", q, "").want(t, 200, "2")
		s := rec.socket
		s.mu.Lock()
		s.server.deadlines[s.deadlineList].Advance(s.deadline.Due() - e.now()) // the timer itself is set for later
		s.mu.Unlock()
		e.do("GET", q, "").want(t, 400, code1)
		rec.want(PingTimeout)
	})
}
