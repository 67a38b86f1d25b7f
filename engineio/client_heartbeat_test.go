package engineio

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

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
