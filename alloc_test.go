//go:build !race

package socketio_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/event"
)

// speaker is a client on a real socket that allocates nothing: what AllocsPerRun counts is the server's.
type speaker struct {
	tb   testing.TB
	conn net.Conn
	buf  []byte
}

// speak serves io, and connects to the main namespace.
func speak(tb testing.TB, io *socketio.Server) *speaker {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	server := &http.Server{Handler: io}
	go func() { _ = server.Serve(ln) }() // ends with Close
	tb.Cleanup(func() {
		_ = io.Close()
		_ = server.Close()
	})
	return newSpeaker(tb, ln.Addr().String())
}

func newSpeaker(tb testing.TB, addr string) *speaker {
	tb.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	s := &speaker{tb, conn, make([]byte, 64<<10)}
	fmt.Fprintf(conn, "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\n"+
		"Connection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	_, _ = conn.Write(new(wsClient).frame(opText, []byte("40")))
	for got := ""; !strings.Contains(got, `40{"sid"`); {
		n, err := conn.Read(s.buf)
		if err != nil {
			tb.Fatal(err)
		}
		got += string(s.buf[:n])
	}
	return s
}

// ask sends frames, and reads as many bytes as their answer has.
func (s *speaker) ask(frames []byte, answer int) []byte {
	if _, err := s.conn.Write(frames); err != nil {
		s.tb.Fatal(err)
	}
	if _, err := io.ReadFull(s.conn, s.buf[:answer]); err != nil {
		s.tb.Fatal(err)
	}
	return s.buf[:answer]
}

// text is a frame of a client; plain is one of the server.
func textFrame(s string) []byte { return new(wsClient).frame(opText, []byte(s)) }

func plainFrame(op byte, s string) string {
	if len(s) < 126 {
		return string([]byte{0x80 | op, byte(len(s))}) + s
	}
	return string([]byte{0x80 | op, 126, byte(len(s) >> 8), byte(len(s))}) + s
}

const (
	typedEcho event.Of[point]             = "typed"
	typedAsk  event.WithAck[point, point] = "ask"
)

// echoes is a server whose handlers answer with what they got, in each of the ways that there are.
func echoes() *socketio.Server {
	io := socketio.NewServer(&socketio.Options{
		Engine: engineio.Options{MaxQueueBytes: 64 << 20, MaxQueuePackets: 1 << 20},
	})
	socketio.Handle(io.Of("/"), typedEcho, func(_ context.Context, s *socketio.Socket, p point) error {
		return typedEcho.Emit(s, p)
	})
	socketio.HandleWithAck(io.Of("/"), typedAsk, func(_ context.Context, _ *socketio.Socket, p point) (point, error) {
		return p, nil
	})
	io.Handle("any", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
		var v any
		if err := e.Bind(&v); err != nil {
			return err
		}
		return s.Emit("any", v)
	})
	io.Handle("relay", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
		return s.Emit("relay", e.Args)
	})
	io.Handle("bytes", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
		var b []byte
		if err := e.Bind(&b); err != nil {
			return err
		}
		return s.Emit("bytes", b)
	})
	io.Handle("hear", func(context.Context, *socketio.Socket, *socketio.Event) error { return nil })
	return io
}

const pointText = `{"id":12345,"text":"0123456789012345678901234567890123456789012345678901234567890123"}`

// What an event costs from the bytes of the client to those of the server is pinned to what it is today: the message,
// the packet, the event, the goroutine of the inbox, the handler's values, and the answer's bytes.
func TestEventAllocations(t *testing.T) {
	blob := strings.Repeat("\x00\xff", 50)
	single := `{"text":"` + strings.Repeat("0123456789", 8) + `"}` // since the order of keys is not fixed
	placeholder := `["bytes",{"_placeholder":true,"num":0}]`
	speaker := speak(t, echoes())
	for _, c := range []struct {
		name         string
		send, answer string
		most         float64
	}{
		{"typed", string(textFrame(`42["typed",` + pointText + `]`)), plainFrame(1, `42["typed",`+pointText+`]`), 9},
		{"any", string(textFrame(`42["any",` + single + `]`)), plainFrame(1, `42["any",`+single+`]`), 11},
		{"relay", string(textFrame(`42["relay",` + pointText + `]`)), plainFrame(1, `42["relay",`+pointText+`]`), 7},
		{"acknowledged", string(textFrame(`421["ask",` + pointText + `]`)), plainFrame(1, `431[`+pointText+`]`), 10},
		{
			"binary", string(textFrame(`451-`+placeholder)) + string(new(wsClient).frame(opBinary, []byte(blob))),
			plainFrame(1, `451-`+placeholder) + plainFrame(2, blob), 10,
		},
		{"pong of WebSocket", string(new(wsClient).frame(9, []byte("x"))), plainFrame(10, "x"), 0},
	} {
		frame := []byte(c.send)
		if got := string(speaker.ask(frame, len(c.answer))); got != c.answer {
			t.Errorf("%s: answer %q", c.name, got)
			return
		}
		if n := testing.AllocsPerRun(500, func() { speaker.ask(frame, len(c.answer)) }); n > c.most {
			t.Errorf("%s: %v allocations, at most %v wanted", c.name, n, c.most)
		}
	}
	// Sixteen that come together share what a goroutine takes.
	many := []byte(strings.Repeat(string(textFrame(`42["typed",`+pointText+`]`)), 16))
	answer := 16 * len(plainFrame(1, `42["typed",`+pointText+`]`))
	if n := testing.AllocsPerRun(500, func() { speaker.ask(many, answer) }) / 16; n > 7.5 {
		t.Errorf("%v allocations for each of 16 that come together", n)
	}
}

// Emit by itself: the packet's bytes, what is prepared of them, and the goroutine that writes.
func TestEmitAllocations(t *testing.T) {
	io := echoes()
	speaker := speak(t, io)
	var s *socketio.Socket
	for s = range io.Sockets() {
	}
	value := point{12345, "0123456789"}
	text := plainFrame(1, `42["news",{"id":12345,"text":"0123456789"}]`)
	for name, c := range map[string]struct {
		most float64
		emit func() error
	}{
		"Emit":      {4, func() error { return s.Emit("news", value) }},
		"broadcast": {7, func() error { return io.Emit("news", value) }},
		"room":      {8, func() error { return io.To(s.ID()).Emit("news", value) }},
	} {
		n := testing.AllocsPerRun(500, func() {
			if err := c.emit(); err != nil {
				t.Fatal(err)
			}
			if got := speaker.ask(nil, len(text)); string(got) != text {
				t.Fatalf("%q", got)
			}
		})
		if n > c.most {
			t.Errorf("%s: %v allocations, at most %v wanted", name, n, c.most)
		}
	}
}

// A receiver more of a broadcast costs no memory, up to its socket.
func TestReceiverAllocations(t *testing.T) {
	io := echoes()
	speakers := []*speaker{speak(t, io)}
	text := plainFrame(1, `42["news",1]`)
	measure := func(n int) float64 {
		for len(speakers) < n {
			speakers = append(speakers, newSpeaker(t, speakers[0].conn.RemoteAddr().String()))
		}
		return testing.AllocsPerRun(200, func() {
			if err := io.Emit("news", 1); err != nil {
				t.Fatal(err)
			}
			for _, s := range speakers {
				if got := s.ask(nil, len(text)); string(got) != text {
					t.Fatalf("%q", got)
				}
			}
		})
	}
	few, many := measure(10), measure(60)
	if few > 14 || many > few+5 { // the queue of who writes grows
		t.Errorf("%v allocations for 10 receivers, %v for 60", few, many)
	}
}
