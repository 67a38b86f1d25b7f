//go:build !race

package client_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/internal/memnet"
)

// An event that nobody waits for costs what its wire form does.
func TestEmitAllocates(t *testing.T) {
	onPuppet(t, "polling", nil, func(t *testing.T, p *puppet, m *client.Manager) {
		s := m.Socket("/", nil)
		connect(t, s)
		if n := testing.AllocsPerRun(100, func() { _ = s.Emit("event", 1) }); n > 4 {
			t.Errorf("%v allocations", n)
		}
		offline := m.Socket("/offline", nil)
		if n := testing.AllocsPerRun(100, func() { _ = offline.Emit("event", 1) }); n > 6 {
			t.Errorf("%v allocations while offline", n)
		}
		synctest.Wait()
	})
}

// benchSocket is a socket of a server in memory, in real time.
func benchSocket(b *testing.B, setup func(io *socketio.Server)) *client.Socket {
	io := socketio.NewServer(nil)
	setup(io)
	ln := memnet.Listen()
	server := &http.Server{Handler: io}
	go func() { _ = server.Serve(ln) }() // ends with Close
	o := new(client.Options)
	o.Engine.NetDial = ln.DialContext
	o.Engine.Transports = []string{"websocket"}
	s, err := client.Dial(b.Context(), "http://server.example", o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = s.Manager().Shutdown(context.Background())
		_ = io.Close()
		_ = server.Close()
		_ = ln.Close()
	})
	return s
}

func BenchmarkEmitWithAck(b *testing.B) {
	s := benchSocket(b, func(io *socketio.Server) {
		io.Handle("echo", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error { return e.Ack(e.Args) })
	})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.EmitWithAck(b.Context(), "echo", "hello"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEvents is both ways: the server answers each of a hundred events with one.
func BenchmarkEvents(b *testing.B) {
	s := benchSocket(b, func(io *socketio.Server) {
		io.Handle("echo", func(_ context.Context, s *socketio.Socket,
			e *socketio.Event) error {
			return s.Emit("echo", e.Args)
		})
	})
	const window = 100
	back := make(chan struct{}, window)
	s.On("echo", func(context.Context, *client.Event) error { back <- struct{}{}; return nil })
	b.ReportAllocs()
	out := 0
	for b.Loop() {
		if out == window {
			<-back
			out--
		}
		if err := s.Emit("echo", "hello"); err != nil {
			b.Fatal(err)
		}
		out++
	}
	for range out {
		<-back
	}
}
