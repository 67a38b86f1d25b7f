package engineio

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// beating is a session on a real socket whose heartbeat heartbeatStates when asked to.
type beating struct {
	tb   testing.TB
	sock *Socket
	conn net.Conn
	pong []byte // and a ping of WebSocket
	buf  [3]byte
}

func newBeating(tb testing.TB) *beating {
	tb.Helper()
	b := &beating{tb: tb, pong: []byte{0x81, 0x81, 1, 2, 3, 4, '3' ^ 1, 0x89, 0x81, 1, 2, 3, 4, 'x' ^ 1}}
	srv := httptest.NewServer(NewServer(func(s *Socket, _ *http.Request) Handler {
		b.sock = s
		return ignoring{}
	}, nil))
	tb.Cleanup(srv.Close)
	var err error
	if b.conn, err = net.Dial("tcp", srv.Listener.Addr().String()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = b.conn.Close() })
	fmt.Fprintf(b.conn, "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	r := bufio.NewReader(b.conn)
	if _, err := http.ReadResponse(r, nil); err != nil {
		tb.Fatal(err)
	}
	head, err := r.Peek(2)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := r.Discard(2 + int(head[1])); err != nil { // the handshake
		tb.Fatal(err)
	}
	return b
}

// beat is one ping, and its pong.
func (b *beating) beat() {
	s := b.sock
	s.mu.Lock()
	s.server.deadlines[s.deadlineList].Advance(s.deadline.Due())
	s.mu.Unlock()
	s.onTimer()
	if _, err := io.ReadFull(b.conn, b.buf[:]); err != nil || string(b.buf[:]) != "\x81\x012" {
		b.tb.Fatalf("ping %q, %v", b.buf, err)
	}
	if _, err := b.conn.Write(b.pong); err != nil {
		b.tb.Fatal(err)
	}
	// What comes behind the pong is answered when that has been dealt with.
	if _, err := io.ReadFull(b.conn, b.buf[:]); err != nil || string(b.buf[:]) != "\x8a\x01x" {
		b.tb.Fatalf("answer %q, %v", b.buf, err)
	}
}

func TestHeartbeatAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	b := newBeating(t)
	for range 2 * freshStacks {
		b.beat()
	}
	if n := testing.AllocsPerRun(500, b.beat); n != 0 {
		t.Errorf("a ping and its pong allocate %v times", n)
	}
}

func BenchmarkHeartbeat(b *testing.B) {
	h := newBeating(b)
	b.ReportAllocs()
	for b.Loop() {
		h.beat()
	}
}
