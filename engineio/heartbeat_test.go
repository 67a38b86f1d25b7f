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

// other input grants one more timeout, once per ping.
func TestLatePongBehindOtherInput(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		p, rec := e.ws()
		for range 2 { // the pong comes in the time granted
			p.want("2")
			<-time.After(15 * time.Second)
			p.send("4x")
			<-time.After(19 * time.Second)
			p.send("3")
			rec.alive()
		}
		p.want("2")
		start := time.Now()
		go func() { // ends with the connection
			for {
				<-time.After(5 * time.Second)
				if _, err := p.conn.Write(frame(1, "4x")); err != nil {
					return
				}
			}
		}()
		p.wantClose("close 1008 ping timeout")
		if d := time.Since(start); d != 25*time.Second { // 5 s to the first message, and 20
			t.Errorf("closed %v after the ping", d)
		}
		rec.want(PingTimeout)
		<-time.After(5 * time.Second)
	})
}

// A peer that can't be heard because the handler does not return is granted the same.
func TestPongBehindABlockedHandler(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		e.onMsg = func(r *recorder, m Message) {
			if m.Data[0] == 'd' {
				select {
				case <-time.After(30 * time.Second):
				case <-r.socket.Context().Done():
				}
			} else {
				<-r.socket.Context().Done()
			}
		}
		p, rec := e.ws()
		<-time.After(20 * time.Second)
		p.send("4delay", "3")
		p.want("2")
		p.send("3")
		<-time.After(30 * time.Second)
		rec.alive() // the pong was read after 25 s

		p, rec = e.ws()
		start := time.Now()
		p.send("4block")
		p.want("2")
		p.send("3")
		p.wantClose("close 1008 ping timeout")
		if d := time.Since(start); d != 65*time.Second {
			t.Errorf("closed after %v", d)
		}
		rec.want(PingTimeout)
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
		s.place.due = e.now() // the timer itself is set for later
		s.mu.Unlock()
		e.do("GET", q, "").want(t, 400, code1)
		rec.want(PingTimeout)
	})
}
