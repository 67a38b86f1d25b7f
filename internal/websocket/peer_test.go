package websocket

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// A frame is one frame of either side, as tests see it.
type frame struct {
	first   byte // FIN, reserved bits and opcode
	payload []byte
}

func (f frame) String() string {
	if len(f.payload) > 40 {
		return fmt.Sprintf("%02x %d bytes %q...", f.first, len(f.payload), f.payload[:40])
	}
	return fmt.Sprintf("%02x %q", f.first, f.payload)
}

func (f frame) equal(g frame) bool { return f.first == g.first && bytes.Equal(f.payload, g.payload) }

const fin = finBit

// mk makes a frame with FIN.
func mk(op byte, payload string) frame { return frame{fin | op, []byte(payload)} }

// part makes a frame without FIN.
func part(op byte, payload string) frame { return frame{op, []byte(payload)} }

// closing makes a close frame.
func closing(status Status, reason string) frame {
	return frame{fin | opClose, append(binary.BigEndian.AppendUint16(nil, uint16(status)), reason...)}
}

// masked is the frame as a client sends it.
func (f frame) masked() []byte { return f.maskedWith([4]byte{0x11, 0xa5, 0x00, 0xff}) }

func (f frame) maskedWith(key [4]byte) []byte {
	b := AppendHeader(nil, 0, len(f.payload))
	b[0] = f.first
	b[1] |= maskBit
	b = append(b, key[:]...)
	for i, x := range f.payload {
		b = append(b, x^key[i%4])
	}
	return b
}

// stream is the frames as a client sends them, each with a key of its own.
func stream(frames ...frame) []byte {
	var b []byte
	for i, f := range frames {
		b = append(b, f.maskedWith([4]byte{byte(i), byte(i * 7), byte(i * 31), 0x80})...)
	}
	return b
}

// A peer is the other end of a connection under test: the client's, unless server is set.
type peer struct {
	net.Conn
	br       *bufio.Reader
	server   bool
	deflates bool // messages of the Conn may be compressed
}

// readFrame reads a frame of the Conn and insists on its form.
func (p *peer) readFrame() (frame, error) {
	var b [8]byte
	if _, err := io.ReadFull(p.br, b[:2]); err != nil {
		return frame{}, err
	}
	f := frame{first: b[0]}
	n := uint64(b[1] &^ maskBit)
	switch {
	case b[1]&maskBit != 0 != p.server:
		return f, errors.New("server has masked, or client has not")
	case n == 126:
		if _, err := io.ReadFull(p.br, b[:2]); err != nil {
			return f, noEOF(err)
		}
		if n = uint64(binary.BigEndian.Uint16(b[:])); n < 126 {
			return f, errors.New("length not minimal")
		}
	case n == 127:
		if _, err := io.ReadFull(p.br, b[:8]); err != nil {
			return f, noEOF(err)
		}
		if n = binary.BigEndian.Uint64(b[:]); n < 1<<16 {
			return f, errors.New("length not minimal")
		}
	}
	deflated := p.deflates && f.first&0x0f <= 2 && f.first&rsvBits == deflatedBit
	if f.first&rsvBits != 0 && !deflated || f.first&fin == 0 {
		return f, fmt.Errorf("server sent first byte %02x", f.first)
	}
	if f.first&0x0f >= opClose && n > maxControl {
		return f, fmt.Errorf("server sent a control frame of %d bytes", n)
	}
	var key [4]byte
	if p.server {
		if _, err := io.ReadFull(p.br, key[:]); err != nil {
			return f, noEOF(err)
		}
	}
	f.payload = make([]byte, n)
	_, err := io.ReadFull(p.br, f.payload)
	for i := range f.payload {
		f.payload[i] ^= key[i%4]
	}
	return f, noEOF(err)
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readAll reads frames until the connection ends.
func (p *peer) readAll() (frames []frame, err error) {
	for {
		f, err := p.readFrame()
		if err != nil {
			return frames, err
		}
		frames = append(frames, f)
	}
}

// want reads exactly these frames.
func (p *peer) want(t testing.TB, frames ...frame) {
	t.Helper()
	for _, f := range frames {
		got, err := p.readFrame()
		if err != nil {
			t.Fatalf("waiting for %v: %v", f, err)
		}
		if !got.equal(f) {
			t.Fatalf("got %v, want %v", got, f)
		}
	}
}

// wantEnd reads the end of the connection.
func (p *peer) wantEnd(t testing.TB) {
	t.Helper()
	if f, err := p.readFrame(); err == nil {
		t.Fatalf("got %v, want the end", f)
	} else if !ended(err) {
		t.Fatalf("got %v, want the end", err)
	}
}

// ended tells an orderly end of the connection from the client's view.
func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) }

func (p *peer) send(t testing.TB, frames ...frame) {
	t.Helper()
	b := stream(frames...)
	if p.server {
		b = unmask(b)
	}
	p.sendBytes(t, b)
}

func (p *peer) sendBytes(t testing.TB, b []byte) {
	t.Helper()
	if _, err := p.Write(b); err != nil {
		t.Fatalf("client: %v", err)
	}
}

// The kinds of connection that tests run over: with a descriptor, in memory, and encrypted.
var kinds = []string{"tcp", "pipe", "tls"}

// connect makes a connection of a kind. Both ends are closed with the test.
func connect(t testing.TB, kind string, opts *Options) (*Conn, *peer) {
	t.Helper()
	var server, client net.Conn
	switch kind {
	case "pipe":
		server, client = net.Pipe()
	case "tcp":
		server, client = tcpPair(t)
	case "tls":
		a, b := tcpPair(t)
		config, roots := tlsConfig()
		server = tls.Server(a, config)
		client = tls.Client(b, roots)
		if _, ok := t.(*testing.B); !ok {
			client.SetDeadline(time.Now().Add(5 * time.Minute))
		}
		done := make(chan error, 1)
		go func() { done <- server.(*tls.Conn).Handshake() }() // ends with the handshake
		if err := client.(*tls.Conn).Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	default:
		t.Fatalf("no kind %q", kind)
	}
	c := newConn(server, nil, opts)
	if (c.raw != nil) != (kind == "tcp" && haveRaw) {
		t.Fatalf("%s: raw access is %v", kind, c.raw != nil)
	}
	t.Cleanup(func() {
		client.Close()
		c.Abort()
	})
	return c, &peer{Conn: client, br: bufio.NewReader(client)}
}

var tlsConfig = sync.OnceValues(func() (server, client *tls.Config) {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	client = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	client.ServerName = "example.com" // as the certificate has it
	return s.TLS.Clone(), client
})

// tcpPair is the two ends of a loopback connection. A test that hangs fails after a minute.
func tcpPair(t testing.TB) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() { // ends with the listener at the latest
		nc, _ := l.Accept()
		accepted <- nc
	}()
	client, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server = <-accepted
	if server == nil {
		t.Fatal("no connection")
	}
	if _, ok := t.(*testing.B); !ok {
		client.SetDeadline(time.Now().Add(5 * time.Minute))
	}
	return server, client
}

// A result is what a reader got.
type result struct {
	messages []frame
	err      error
}

// echo sends back what it reads until that ends, on a goroutine of its own, and delivers what it saw.
func echo(c *Conn) <-chan result {
	done := make(chan result, 1)
	go func() { // ends with the connection
		var r result
		for {
			op, p, err := c.Read()
			if err != nil {
				r.err = err
				done <- r
				return
			}
			r.messages = append(r.messages, frame{fin | byte(op), p})
			if err := c.WriteFrames(c.AppendFrame(nil, op, p)); err != nil && !errors.Is(err, ErrClosed) {
				r.err = err
				done <- r
				return
			}
		}
	}()
	return done
}

// receive reads until that ends, as echo, and sends nothing.
func receive(c *Conn) <-chan result {
	done := make(chan result, 1)
	go func() { // ends with the connection
		var r result
		for {
			op, p, err := c.Read()
			if err != nil {
				r.err = err
				done <- r
				return
			}
			r.messages = append(r.messages, frame{fin | byte(op), p})
		}
	}()
	return done
}

// closedWith checks that err is a CloseError.
func closedWith(t testing.TB, err error, status Status, received bool) *CloseError {
	t.Helper()
	var e *CloseError
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want a CloseError with status %d", err, status)
	}
	if e.Status != status || e.Received != received {
		t.Fatalf("got status %d, received %v; want %d, %v (%v)", e.Status, e.Received, status, received, e)
	}
	return e
}

// fill returns n bytes that look like nothing in particular, but are ASCII if text is wanted.
func randomBytes(r *rand.Rand, n int, text bool) []byte {
	b := make([]byte, n)
	for i := range b {
		if b[i] = byte(r.Uint32()); text {
			b[i] = ' ' + b[i]%95
		}
	}
	return b
}

func acceptKey(key string) string { return string(appendAcceptKey(nil, key)) }
