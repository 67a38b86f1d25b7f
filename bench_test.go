//go:build !race

package socketio_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	socketio "sio.example/socketio"
	"sio.example/socketio/internal/memnet"
)

// Nothing is allocated for each socket that a broadcast is queued for.
func TestBroadcastAllocates(t *testing.T) {
	measure := func(clients int) (allocs float64) {
		bubble(t, nil, func(t *testing.T, f *fixture) {
			for range clients {
				c := f.poll()
				c.send("40")
				c.read()
			}
			synctest.Wait()
			// No request is pending, so that volatile events go no further than the queue.
			op := f.To("nobody", "x").Volatile()
			for s := range f.Sockets() {
				_ = s.Join("x")
			}
			allocs = testing.AllocsPerRun(100, func() { _ = op.Emit("x", 1) })
		})
		return allocs
	}
	one, many := measure(1), measure(50)
	if many > one+1 || one > 12 {
		t.Errorf("%v allocations for one socket, %v for 50", one, many)
	}
}

// benchServer is a server on a network in memory, in real time.
func benchServer(b *testing.B) (*socketio.Server, *memnet.Listener) {
	return benchServerWith(b, &socketio.Options{})
}

func benchServerWith(b *testing.B, o *socketio.Options) (*socketio.Server, *memnet.Listener) {
	o.Engine.MaxQueueBytes, o.Engine.MaxQueuePackets = 64<<20, 1<<20
	io := socketio.NewServer(o)
	ln := memnet.Listen()
	server := &http.Server{Handler: io}
	go func() { _ = server.Serve(ln) }() // ends with Close
	b.Cleanup(func() {
		_ = io.Close()
		_ = server.Close()
		_ = ln.Close()
	})
	return io, ln
}

// benchClient opens a WebSocket and joins the main namespace.
func benchClient(b *testing.B, ln *memnet.Listener) net.Conn {
	b.Helper()
	conn, err := ln.Dial(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	fmt.Fprintf(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: "+
		"Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	_, _ = conn.Write(new(wsClient).frame(opText, []byte("40")))
	buf := make([]byte, 1024)
	for got := ""; !strings.Contains(got, `40{"sid"`); {
		n, err := conn.Read(buf)
		if err != nil {
			b.Fatal(err)
		}
		got += string(buf[:n])
	}
	return conn
}

type point struct {
	ID   int    `json:"id"`
	Text string `json:"text"`
}

// Decode, handler, emit: what an echo costs from the client's frame to the server's, with 1 or 16 under way.
func BenchmarkEcho1(b *testing.B)  { benchmarkEcho(b, 1) }
func BenchmarkEcho16(b *testing.B) { benchmarkEcho(b, 16) }

func benchmarkEcho(b *testing.B, window int) {
	server, ln := benchServer(b)
	socketio.Handle(server.Of("/"), "echo", func(_ context.Context, s *socketio.Socket, p point) error {
		return s.Emit("echo", p)
	})
	benchmarkRoundTrip(b, ln, `42["echo",{"id":12345,`+
		`"text":"0123456789012345678901234567890123456789012345678901234567890123"}]`, 0, window)
}

// The same, acknowledged.
func BenchmarkAck16(b *testing.B) {
	server, ln := benchServer(b)
	socketio.HandleWithAck(server.Of("/"), "echo", func(_ context.Context, _ *socketio.Socket, p point) (point, error) {
		return p, nil
	})
	benchmarkRoundTrip(b, ln, `421["echo",{"id":12345,`+
		`"text":"0123456789012345678901234567890123456789012345678901234567890123"}]`, -7, 16)
}

func benchmarkRoundTrip(b *testing.B, ln *memnet.Listener, message string, longer, window int) {
	conn := benchClient(b, ln)
	frame := new(wsClient).frame(opText, []byte(message))
	size := len(message) + longer + 2 // a frame has a header of two bytes below 126
	batch := []byte(strings.Repeat(string(frame), window))
	buf := make([]byte, size*window)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += window {
		if _, err := conn.Write(batch); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, buf); err != nil {
			b.Fatal(err)
		}
	}
}

// One event to so many sockets, until the last has it.
func BenchmarkBroadcast(b *testing.B) {
	for _, clients := range []int{10, 1000, 100_000} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) { benchmarkBroadcast(b, clients) })
	}
}

func benchmarkBroadcast(b *testing.B, clients int) {
	server, ln := benchServer(b)
	var conns []net.Conn
	for range clients {
		conns = append(conns, benchClient(b, ln))
	}
	message := point{12345, strings.Repeat("0123456789", 6)}
	size := len(`42["news",{"id":12345,"text":""}]`) + 60 + 2
	buf := make([]byte, size)
	b.ReportAllocs()
	for b.Loop() {
		if err := server.Emit("news", message); err != nil {
			b.Fatal(err)
		}
		for _, c := range conns {
			if _, err := io.ReadFull(c, buf); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*clients), "ns/receiver")
}

// What a broadcast with acknowledgements costs, with clients that answer at once.
func BenchmarkBroadcastWithAck(b *testing.B) {
	for _, clients := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			server, ln := benchServer(b)
			for range clients {
				conn := benchClient(b, ln)
				go answerAll(conn) // ends when the server closes the connection
			}
			p := point{12345, strings.Repeat("0123456789", 7)}
			b.ReportAllocs()
			for b.Loop() {
				answers, err := server.EmitWithAck(context.Background(), "question", p)
				if err != nil || len(answers) != clients {
					b.Fatal(len(answers), err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*clients), "ns/receiver")
		})
	}
}

// answerAll acknowledges all events, which come in small frames.
func answerAll(conn net.Conn) {
	frames := bufio.NewReader(conn)
	client := new(wsClient)
	for {
		header, err := frames.Peek(2)
		if err != nil {
			return
		}
		n := int(header[1])
		_, _ = frames.Discard(2)
		if n == 126 {
			more := make([]byte, 2)
			_, _ = io.ReadFull(frames, more)
			n = int(more[0])<<8 | int(more[1])
		}
		text := make([]byte, n)
		if _, err := io.ReadFull(frames, text); err != nil {
			return
		}
		if id, _, ok := strings.Cut(string(text), "["); ok && strings.HasPrefix(id, "42") {
			if _, err := conn.Write(client.frame(opText, []byte("43"+id[2:]+"[1]"))); err != nil {
				return
			}
		}
	}
}
