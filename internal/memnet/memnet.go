// Package memnet is a network in memory for tests: a listener, a dialer, and connections with addresses, deadlines and a
// bounded buffer in each direction. All waiting is on condition variables, so inside a testing/synctest bubble time
// advances while both ends wait.
package memnet

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// DefaultBuffer is the number of bytes a connection takes in each direction before a write waits for the reader.
const DefaultBuffer = 64 << 10

// A Listener is a net.Listener without a network. Dial connects to it.
type Listener struct {
	// Buffer is the capacity of connections dialed from now on, in bytes; set it before the first Dial. Zero means
	// DefaultBuffer.
	Buffer int

	incoming chan net.Conn
	closed   chan struct{}
	once     sync.Once

	mu   sync.Mutex
	port int
}

// Listen returns a listener.
func Listen() *Listener {
	return &Listener{incoming: make(chan net.Conn), closed: make(chan struct{}), port: firstPort}
}

var serverAddr = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}

// Addr is 192.0.2.1:80, always.
func (l *Listener) Addr() net.Addr { return serverAddr }

// Accept waits for the next Dial.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.incoming:
		return c, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: serverAddr, Err: net.ErrClosed}
	}
}

// Close ends Accept and Dial. Connections live on.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Dial connects; it waits until the connection is accepted. Each connection has an address of its own.
func (l *Listener) Dial(ctx context.Context) (*Conn, error) {
	l.mu.Lock()
	l.port++
	addr := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: l.port}
	size := l.Buffer
	l.mu.Unlock()
	client, server := pair(size, addr, serverAddr)
	select {
	case l.incoming <- server:
		return client, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: serverAddr, Err: syscall.ECONNREFUSED}
	case <-ctx.Done():
		return nil, fmt.Errorf("memnet: dial: %w", context.Cause(ctx))
	}
}

// Dials is how many connections were dialed so far.
func (l *Listener) Dials() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.port - firstPort
}

// firstPort is below the port of the first connection.
const firstPort = 40000

// DialContext is Dial for an http.Transport; network and address are ignored.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	return l.Dial(ctx)
}

// Pipe returns the two ends of a connection whose buffers take size bytes each; 0 means DefaultBuffer.
func Pipe(size int) (client, server *Conn) {
	return pair(size, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: firstPort}, serverAddr)
}

func pair(size int, a, b net.Addr) (*Conn, *Conn) {
	if size <= 0 {
		size = DefaultBuffer
	}
	ab, ba := newStream(size), newStream(size)
	return &Conn{in: ba, out: ab, local: a, remote: b}, &Conn{in: ab, out: ba, local: b, remote: a}
}

// A Conn is one end of a connection. It is a net.Conn; its methods may be called from any goroutine.
type Conn struct {
	in, out       *stream
	local, remote net.Addr
}

// Read reads what has come, and waits for it if nothing has.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	return n, c.wrap("read", err)
}

// Write waits for room in the buffer, but not for the reader.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	return n, c.wrap("write", err)
}

// Close ends both directions. The peer reads what was written, then io.EOF; its writes fail.
func (c *Conn) Close() error {
	c.out.closeWrite(nil)
	c.in.closeRead()
	return nil
}

// CloseWrite ends one direction: the peer reads io.EOF, and may go on writing.
func (c *Conn) CloseWrite() error {
	c.out.closeWrite(nil)
	return nil
}

// Reset ends both directions as a TCP reset does: what was not read yet is lost.
func (c *Conn) Reset() {
	c.out.closeWrite(syscall.ECONNRESET)
	c.in.closeRead()
}

// LocalAddr and the others are as in net.Conn.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	return firstError(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline wakes reads at t.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.wrap("set", c.in.setDeadline(&c.in.readBy, t))
}

// SetWriteDeadline wakes writes at t.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.wrap("set", c.out.setDeadline(&c.out.writeBy, t))
}

func (c *Conn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// A stream is one direction of a connection.
type stream struct {
	mu      sync.Mutex
	changed sync.Cond
	buf     []byte
	max     int
	ended   bool  // by the writer
	cause   error // with ended: what the reader sees instead of io.EOF, at once
	deaf    bool  // the reader has closed
	readBy  deadline
	writeBy deadline
}

type deadline struct {
	timer  *time.Timer
	passed bool
	count  int // of changes, so that a timer that fired late is told apart
}

func newStream(size int) *stream {
	s := &stream{max: size}
	s.changed.L = &s.mu
	return s
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.deaf:
			return 0, net.ErrClosed
		case s.cause != nil:
			return 0, s.cause
		case s.readBy.passed:
			return 0, os.ErrDeadlineExceeded
		case len(s.buf) > 0 || len(p) == 0:
			n := copy(p, s.buf)
			s.buf = s.buf[n:]
			if len(s.buf) == 0 {
				s.buf = nil
			}
			s.changed.Broadcast()
			return n, nil
		case s.ended:
			return 0, io.EOF
		}
		s.changed.Wait()
	}
}

func (s *stream) write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.ended:
			return n, net.ErrClosed
		case s.deaf:
			return n, syscall.EPIPE
		case s.writeBy.passed:
			return n, os.ErrDeadlineExceeded
		case len(p) == 0:
			return n, nil
		}
		if room := min(s.max-len(s.buf), len(p)); room > 0 {
			s.buf = append(s.buf, p[:room]...)
			p, n = p[room:], n+room
			s.changed.Broadcast()
			continue
		}
		s.changed.Wait()
	}
}

func (s *stream) closeWrite(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.ended, s.cause = true, cause
	}
	s.writeBy.stop()
	s.changed.Broadcast()
}

func (s *stream) closeRead() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deaf, s.buf = true, nil
	s.readBy.stop()
	s.changed.Broadcast()
}

func (s *stream) setDeadline(d *deadline, t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.stop()
	if d == &s.readBy && s.deaf || d == &s.writeBy && s.ended {
		return net.ErrClosed
	}
	if !t.IsZero() {
		if left := time.Until(t); left > 0 {
			count := d.count
			d.timer = time.AfterFunc(left, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				if d.count == count {
					d.passed = true
					s.changed.Broadcast()
				}
			})
		} else {
			d.passed = true
		}
	}
	s.changed.Broadcast()
	return nil
}

// stop forgets the deadline; the stream is locked.
func (d *deadline) stop() {
	d.count++
	d.passed = false
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
