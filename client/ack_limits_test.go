package client_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"sio.example/socketio/client"
)

// A server that never answers costs a bounded number of callbacks; then they are refused, and nothing is sent.
func TestPendingAcksAreBounded(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", &client.SocketOptions{MaxPendingAcks: 3})
		connect(t, s)
		var d diary
		must(t, s.EmitFunc(t.Context(), "a", d.answer("a")))
		go func() { _, _ = s.EmitWithAck(t.Context(), "b") }() // ends with the socket
		synctest.Wait()
		must(t, s.EmitFunc(t.Context(), "c", d.answer("c")))
		full := func() {
			t.Helper()
			if err := s.EmitFunc(t.Context(), "d", d.answer("d")); !errors.Is(err, client.ErrTooManyAcks) {
				t.Errorf("EmitFunc: %v", err)
			}
			if _, err := s.EmitWithAck(t.Context(), "d"); !errors.Is(err, client.ErrTooManyAcks) {
				t.Errorf("EmitWithAck: %v", err)
			}
		}
		full()
		must(t, s.Emit("e"))
		expectWire(t, p, `40`, `420["a"]`, `421["b"]`, `422["c"]`, `42["e"]`)
		p.say(`430[]`)
		d.expect(t, "a []")
		must(t, s.EmitFunc(t.Context(), "f", d.answer("f")))
		full()
	})
}

// What has been answered counts until its callback has returned, with the answer; what waits in the buffer counts, too.
func TestCallbacksThatHangAreBounded(t *testing.T) {
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", &client.SocketOptions{MaxPendingAcks: 2})
		release := make(chan struct{})
		var called atomic.Int64
		hang := func(client.Args, error) {
			<-release
			called.Add(1)
		}
		for range 2 {
			must(t, s.EmitFunc(t.Context(), "q", hang))
		}
		refused := func() {
			t.Helper()
			if err := s.EmitFunc(t.Context(), "q", hang); !errors.Is(err, client.ErrTooManyAcks) {
				t.Errorf("EmitFunc: %v", err)
			}
		}
		refused()
		connect(t, s)
		p.say(`430[]`)
		p.say(`431[]`)
		synctest.Wait()
		refused()
		close(release)
		synctest.Wait()
		must(t, s.EmitFunc(t.Context(), "q", hang))
		if called.Load() != 2 {
			t.Errorf("%d called", called.Load())
		}
	})
	onWire(t, nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		connect(t, s)
		release := make(chan struct{})
		answer := `["` + strings.Repeat("x", 4_000_000) + `"]`
		n := 0
		for ; n < 50; n++ {
			if s.EmitFunc(t.Context(), "q", func(client.Args, error) { <-release }) != nil {
				break
			}
			p.say(fmt.Sprint("43", n, answer))
			synctest.Wait()
		}
		if close(release); n != 9 {
			t.Errorf("%d answers of 4 MB wait, in 32 MiB", n)
		}
	})
}
