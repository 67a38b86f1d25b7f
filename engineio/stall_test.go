package engineio

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// standStill makes what the session waits for look as it does after the process stood still: when the timer goes off,
// it is d later than it should be.
func standStill(s *Socket, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server.deadlines[s.deadlineList].Advance(d)
	if s.poll != nil && s.poll.probe != nil {
		s.poll.probe.wake -= d
	}
}

// A server that was stopped while it waited for pongs asks again, as often as that happens, and still finds who is
// dead.
func TestPingTimeoutOfAProcessThatStoodStill(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		p, rec := e.ws()
		for _, late := range []time.Duration{time.Second, 4 * time.Second, time.Hour} {
			p.want("2")
			for range 3 {
				standStill(rec.socket, late)
				p.want("2")
				rec.alive()
			}
			<-time.After(19 * time.Second)
			p.send("3", "3", "3", "3")
			synctest.Wait()
			rec.alive()
			e.rejected(RejectPong, 0)
		}
		p.want("2")
		standStill(rec.socket, 4*time.Second)
		p.want("2")
		start := time.Now()
		p.wantClose("close 1008 ping timeout")
		if d := time.Since(start); d != 20*time.Second {
			t.Errorf("who is silent is closed after %v", d)
		}
		rec.want(PingTimeout)
	})
	bubble(t, nil, func(t *testing.T, e *env) { // late because the machine is busy
		p, rec := e.ws()
		p.want("2")
		standStill(rec.socket, 900*time.Millisecond)
		p.wantClose("close 1008 ping timeout")
		rec.want(PingTimeout)
	})
}

// A ping that comes late leaves the peer its whole time.
func TestPingOfAProcessThatStoodStill(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		p, rec := e.ws()
		standStill(rec.socket, 15*time.Second)
		p.want("2")
		<-time.After(19 * time.Second)
		rec.alive()
		p.send("3")
		synctest.Wait()
		rec.alive()
		p.conn.Close()
		rec.want(TransportClose)
	})
}

// The first request after a standstill comes before the timer, maybe.
func TestRequestAfterAStandstill(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		q, rec := e.open()
		<-time.After(26 * time.Second)
		e.do("GET", q, "").want(t, 200, "2")
		<-time.After(17 * time.Second)
		standStill(rec.socket, 4*time.Second)
		get := e.later("GET", q, "")
		(<-get).want(t, 200, "2")
		e.do("POST", q, "3").want(t, 200, "ok")
		<-time.After(time.Second)
		rec.alive()
		rec.socket.CloseWith(ForcedClose, true, "")
	})
}

// After a standstill all sessions are in phase. Their pings are spread, or the next one would find all of them waiting.
func TestPingsAreSpreadAfterAStandstill(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		const n = 128
		start := time.Now()
		pings := make(chan time.Duration, n)
		var recs []*recorder
		for i := range n {
			p, rec := e.ws()
			recs = append(recs, rec)
			go func() { // ends with the connection
				for k := 0; ; k++ {
					if m := p.read(); m != "2" {
						p.conn.Close()
						return
					}
					switch {
					case k == 0 && i%2 == 0: // it waits for its pong when the process stands still
						continue
					case k == 2 || k == 1 && i%2 == 1:
						pings <- time.Since(start)
					}
					p.send("3")
				}
			}()
		}
		<-time.After(20 * time.Second)
		for i, rec := range recs {
			if i%2 == 1 {
				standStill(rec.socket, 10*time.Second) // the ping is late
			}
		}
		<-time.After(20 * time.Second)
		for i, rec := range recs {
			if i%2 == 0 {
				standStill(rec.socket, 10*time.Second) // the pong was due
			}
		}
		times := map[string]int{}
		for range n {
			d := <-pings
			times[fmt.Sprint(d)]++
			if d < 25*time.Second+12500*time.Millisecond || d > 45*time.Second+25*time.Second {
				t.Errorf("a ping after %v", d)
			}
		}
		if len(times) != 2*spreads {
			t.Errorf("pings at %d different times", len(times))
		}
		for i, rec := range recs {
			rec.alive()
			rec.socket.CloseWith(ForcedClose, true, "")
			if i == 0 {
				e.rejected(RejectPong, 0)
			}
		}
	})
}

// An upgrade, and a polite end, get their time once more.
func TestTimeoutsOfAProcessThatStoodStill(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		for _, tick := range []bool{false, true} {
			q, rec := e.open()
			p := e.probe(q)
			if tick {
				p.send("2probe")
				p.want("3probe")
			}
			<-time.After(9950 * time.Millisecond)
			standStill(rec.socket, 4*time.Second)
			<-time.After(9 * time.Second)
			e.rejected(RejectUpgradeTimeout, 0)
			p.send("5")
			synctest.Wait()
			if tr := rec.socket.Transport(); tr != "websocket" {
				t.Errorf("on %s", tr)
			}
			p.conn.Close()
			rec.want(TransportClose)
		}
		q, rec := e.open()
		p := e.probe(q)
		<-time.After(9 * time.Second)
		standStill(rec.socket, 4*time.Second)
		start := time.Now()
		p.wantClose("close 1008 upgrade timeout")
		if d := time.Since(start); d != 11*time.Second {
			t.Errorf("an upgrade that nobody finishes ends after %v", d)
		}
		rec.socket.CloseWith(ForcedClose, true, "")
	})
	bubble(t, nil, func(t *testing.T, e *env) {
		q, rec := e.open()
		rec.socket.Send(SendOptions{}, text("last"))
		rec.socket.Close()
		<-time.After(29 * time.Second)
		standStill(rec.socket, 4*time.Second)
		<-time.After(20 * time.Second)
		e.do("GET", q, "").want(t, 200, "4last")
		e.do("GET", q, "").want(t, 200, "1")
		rec.want(ForcedClose)
		e.rejected(RejectDrainTimeout, 0)
	})
}
