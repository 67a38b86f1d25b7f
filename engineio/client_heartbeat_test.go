package engineio

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A ping that is late may lie behind what has come, though the Handler is idle at the moment of the look: the server
// gets the pong that it can't wait for any longer.
func TestClientAnswersBetweenTwoMessages(t *testing.T) {
	var pongs atomic.Int64
	scripted(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case first(r):
			pongs.Store(0)
			answerPolling(w, r)
		case r.Method == http.MethodGet:
			pause(r, 17*time.Second)
			io.WriteString(w, "4x")
		default: // there is nothing else to post
			pongs.Add(1)
			io.WriteString(w, "ok")
		}
	}, func(t *testing.T, s *script) {
		p := s.open(s.options("polling"))
		<-time.After(34900 * time.Millisecond)
		if n := pongs.Load(); n != 0 {
			t.Errorf("%d pongs for no ping", n)
		}
		<-time.After(200 * time.Millisecond)
		synctest.Wait()
		if n := pongs.Load(); n != 1 {
			t.Errorf("%d pongs when the ping was late", n)
		}
		p.alive()
		p.socket.Abort(ForcedClose, nil)
		p.want(ForcedClose)
	})
}

// A client that stood still when a ping was due looks for it before it gives the server up; what is sent meanwhile is
// not entrusted to such a session.
func TestClientThatStoodStill(t *testing.T) {
	late := func(s *ClientSocket, d time.Duration) {
		s.mu.Lock()
		s.pingDue = s.pingDue.Add(-d)
		s.mu.Unlock()
	}
	answer := func(w http.ResponseWriter, r *http.Request) {
		if !first(r) {
			pause(r, 50*time.Second)
			io.WriteString(w, "2")
			return
		}
		answerPolling(w, r)
	}
	scripted(t, answer, func(t *testing.T, s *script) {
		p := s.open(s.options("polling"))
		for range 3 {
			<-time.After(34 * time.Second)
			late(p.socket, 12*time.Second)
			<-time.After(16 * time.Second) // the look is after 35 s, and the ping after 50
			synctest.Wait()
			p.alive()
			if !p.socket.Alive() {
				t.Error("not alive though a ping has come")
			}
		}
		<-time.After(35 * time.Second)
		late(p.socket, -time.Second) // of a machine that is busy
		<-time.After(time.Second)
		p.alive()
		p.socket.Close()
		p.want(ForcedClose)
	})
	scripted(t, answer, func(t *testing.T, s *script) {
		p := s.open(s.options("polling"))
		<-time.After(34 * time.Second)
		late(p.socket, 12*time.Second)
		<-time.After(2 * time.Second)
		p.alive()
		if p.socket.Alive() || p.socket.Send(SendOptions{}, text("x")) != ErrClosed {
			t.Error("it is alive though nothing has come")
		}
		p.want(PingTimeout)
	})
	scripted(t, answerPolling, func(t *testing.T, s *script) {
		p := s.open(s.options("polling"))
		<-time.After(34 * time.Second)
		late(p.socket, 12*time.Second)
		start := time.Now()
		<-p.closed
		if d := time.Since(start); d != 21*time.Second {
			t.Errorf("closed after %v", d)
		}
		p.want(PingTimeout)
	})
}

// The ping may be part of an answer that takes longer to come than a server may be silent.
func TestClientPingInALongAnswer(t *testing.T) {
	scripted(t, func(w http.ResponseWriter, r *http.Request) {
		if first(r) {
			answerPolling(w, r)
			return
		}
		fmt.Fprint(w, "4")
		for range 80 {
			io.WriteString(w, strings.Repeat("x", 5000))
			http.NewResponseController(w).Flush()
			pause(r, time.Second)
		}
		io.WriteString(w, "\x1e2")
	}, func(t *testing.T, s *script) {
		p := s.open(s.options("polling"))
		<-time.After(3 * time.Minute)
		p.alive()
		p.socket.Close()
		p.want(ForcedClose)
	})
}
