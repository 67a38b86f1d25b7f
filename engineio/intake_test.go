package engineio

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/internal/budget"
)

// What large messages take together is bounded, as well while they are read as when Handlers keep them, and all arrive
// in the end. Peers that wait are not taken for dead.
func TestLargeMessagesOfMany(t *testing.T) {
	const size, sessions = 200_000, 20
	large := "4" + strings.Repeat("x", size)
	for _, polling := range []bool{false, true} {
		bubble(t, &Options{MaxMemory: 16 << 20, PingInterval: time.Hour, PingTimeout: time.Minute},
			func(t *testing.T, e *env) {
				var handled atomic.Int32
				release := make(chan struct{})
				e.onMsg = func(*recorder, Message) {
					handled.Add(1)
					<-release
				}
				var all []*recorder
				for range sessions {
					if polling {
						q, rec := e.open()
						e.later("POST", q, large)
						all = append(all, rec)
						continue
					}
					p, rec := e.ws()
					defer p.conn.Close()
					go p.conn.Write(frame(1, large)) // ends when it is read
					all = append(all, rec)
				}
				synctest.Wait()
				if n := handled.Load(); n < 4 || n > 6 { // a MiB, and one more
					t.Errorf("polling %t: %d messages of 200 KB are taken", polling, n)
				}
				<-time.After(5*intakePace + time.Millisecond)
				synctest.Wait()
				if n := handled.Load(); n < 8 || n > 12 {
					t.Errorf("polling %t: %d messages of 200 KB are taken while Handlers hang", polling, n)
				}
				<-time.After(10 * time.Second)
				for _, rec := range all {
					rec.alive()
				}
				close(release)
				synctest.Wait()
				if n := handled.Load(); n != sessions {
					t.Errorf("polling %t: %d messages arrive", polling, n)
				}
				<-time.After(intakePace)
				synctest.Wait()
				if k := &e.intake; k.used != 0 || len(k.waiting) > 0 || k.timer != nil {
					t.Errorf("polling %t: %d bytes are left, %d wait", polling, k.used, len(k.waiting))
				}
			})
	}
}

// A message that is not read for want of memory does not end its session, however long that takes.
func TestPausedPeerIsNotDead(t *testing.T) {
	bubble(t, &Options{MaxMemory: 1 << 20, PingInterval: 400 * time.Millisecond, PingTimeout: 100 * time.Millisecond},
		func(t *testing.T, e *env) {
			e.intake.paced = time.Hour // nobody is let in out of turn
			_, other := e.open()
			other.socket.Hold(1 << 20)
			p, rec := e.ws()
			go func() { // ends when it is read, or with the connection
				p.conn.Write(append(frame(1, "4"+strings.Repeat("x", 200_000)),
					frame(1, "3")...)) // the pong is behind it
			}()
			var pings atomic.Int32
			go func() { // ends with the connection
				for {
					m := p.read()
					if m != "2" {
						return
					}
					pings.Add(1)
				}
			}()
			<-time.After(1500 * time.Millisecond)
			rec.alive()
			if !rec.socket.Paused() || rec.texts() != "" || pings.Load() == 0 {
				t.Errorf("paused %t, %d pings", rec.socket.Paused(), pings.Load())
			}
			other.socket.Hold(-1 << 20)
			synctest.Wait()
			rec.alive()
			if rec.socket.Paused() || len(rec.texts()) != 200_000 {
				t.Errorf("paused %t, %d bytes", rec.socket.Paused(), len(rec.texts()))
			}
			p.conn.Close()
			rec.want(TransportClose)
		})
}

// A session that is closed while its message waits leaves nothing behind; the first come first, but for those whose
// Handlers hold much.
func TestTurnsOfLargeMessages(t *testing.T) {
	bubble(t, &Options{MaxMemory: 16 << 20}, func(t *testing.T, e *env) {
		e.intake.paced = time.Hour
		_, other := e.open()
		other.socket.Hold(2 << 20)
		var peers []*peer
		var all []*recorder
		for i := range 4 {
			p, rec := e.ws()
			defer p.conn.Close()
			if i == 0 {
				rec.socket.Hold(100_000)
			}
			go p.conn.Write(frame(1, "4"+strings.Repeat("x", 900_000))) // ends when it is read, or with the connection
			synctest.Wait()
			peers, all = append(peers, p), append(all, rec)
		}
		if n := len(e.intake.waiting); n != 4 {
			t.Fatalf("%d wait", n)
		}
		all[1].socket.CloseWith(ForcedClose, true, "")
		peers[1].conn.Close()
		all[1].want(ForcedClose)
		if n := len(e.intake.waiting); n != 3 {
			t.Errorf("%d wait when one is closed", n)
		}
		release := make(chan struct{})
		e.onMsg = func(*recorder, Message) { <-release }
		other.socket.Hold(-2 << 20)
		synctest.Wait()
		got := func() (s string) {
			for _, rec := range all {
				s += map[bool]string{true: "1", false: "0"}[rec.texts() != ""]
			}
			return s
		}
		if s := got(); s != "0010" {
			t.Errorf("got %s", s)
		}
		all[0].socket.Hold(-100_000) // now it comes first
		release <- struct{}{}
		synctest.Wait()
		if s := got(); s != "1010" {
			t.Errorf("then %s", s)
		}
		close(release)
		synctest.Wait()
		if s := got(); s != "1011" || e.intake.used != 0 {
			t.Errorf("in the end %s, %d bytes are taken", s, e.intake.used)
		}
	})
}

// Whatever ends a session, what it asked for is given back.
func TestIntakeIsGivenBack(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		for i := range 6 {
			p, rec := e.ws()
			f := frame(1, "4"+strings.Repeat("x", 300_000))
			p.conn.Write(f[:200_000])
			synctest.Wait()
			if e.intake.used != 300_001 {
				t.Fatalf("%d bytes are asked for", e.intake.used)
			}
			switch i % 3 {
			case 0:
				p.conn.Close()
			case 1:
				rec.socket.CloseWith(ForcedClose, true, "")
				p.conn.Close()
			default:
				p.conn.Write(f[200_000:])
				synctest.Wait()
				rec.alive()
				defer p.conn.Close()
			}
			synctest.Wait()
			if e.intake.used != 0 || rec.socket.claimed() {
				t.Errorf("%d: %d bytes are left", i, e.intake.used)
			}
		}
		if n := e.pool.Used(budget.In); n != 0 {
			t.Errorf("%d bytes are counted", n)
		}
	})
}
