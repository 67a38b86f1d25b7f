package client_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/client"
)

// onWire is onPuppet over WebSocket, without jitter.
func onWire(t *testing.T, change func(o *client.Options), fn func(t *testing.T, p *puppet, m *client.Manager)) {
	t.Helper()
	onPuppet(t, "websocket", change, fn)
}

// expectWire waits until nothing happens any more, and compares what the client has said since the last time.
func expectWire(t *testing.T, p *puppet, want ...string) {
	t.Helper()
	synctest.Wait()
	p.mu.Lock()
	got := p.heard
	p.heard = nil
	p.mu.Unlock()
	if !slices.Equal(got, want) {
		t.Errorf("the client said\n  %s, want\n  %s", strings.Join(got, " "), strings.Join(want, " "))
	}
}

// sortWire sorts what the client has said, if several sockets did in no particular order.
func sortWire(p *puppet) {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	slices.Sort(p.heard)
}

// setMute has the puppet answer CONNECT, or not.
func setMute(p *puppet, mute bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = mute
}

// A diary is a list that several goroutines write.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

// expect waits until nothing happens any more, and compares what was written since the last time.
func (d *diary) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	d.mu.Lock()
	got := d.lines
	d.lines = nil
	d.mu.Unlock()
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s, want\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// keep writes down what happens to a socket.
func (d *diary) keep(s *client.Socket) {
	s.OnConnect(func() { d.add("connect") })
	s.OnConnectError(func(err error) { d.add("connect_error " + err.Error()) })
	s.OnDisconnect(func(reason client.DisconnectReason) { d.add("disconnect " + string(reason)) })
	s.OnAny(func(_ context.Context, e *client.Event) { d.add(e.Name + " " + e.Args.String()) })
}

// answer is a callback of EmitFunc.
func (d *diary) answer(name string) func(client.Args, error) {
	return func(args client.Args, err error) {
		if err != nil {
			d.add(name + " " + err.Error())
			return
		}
		d.add(name + " " + args.String())
	}
}

func connect(t *testing.T, s *client.Socket) {
	t.Helper()
	if err := s.Connect(t.Context()); err != nil {
		t.Fatalf("Connect: %v", err)
	}
}

func pass(d time.Duration) { <-time.After(d) }
