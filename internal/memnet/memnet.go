// Package memnet is a network in memory for tests: a listener, a dialer, and connections with addresses, deadlines and
// a bounded buffer in each direction; and links, whose connections suffer the faults of networks when told to. All
// waiting is on condition variables and channels, so inside a testing/synctest bubble time advances while both ends
// wait.
package memnet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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

func clientAddr(port int) *net.TCPAddr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: port}
}

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
	port := l.port
	l.mu.Unlock()
	client, server := pair(new(sync.Mutex), l.Buffer, clientAddr(port), serverAddr)
	if err := l.deliver(ctx, server); err != nil {
		return nil, err
	}
	return client, nil
}

var errRefused = &net.OpError{Op: "dial", Net: "tcp", Addr: serverAddr, Err: syscall.ECONNREFUSED}

// deliver waits until the connection is accepted.
func (l *Listener) deliver(ctx context.Context, server *Conn) error {
	select {
	case l.incoming <- server:
		return nil
	case <-l.closed:
		return errRefused
	case <-ctx.Done():
		return dialError(ctx)
	}
}

func dialError(ctx context.Context) error {
	return fmt.Errorf("memnet: dial: %w", context.Cause(ctx))
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
	c, err := l.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Pipe returns the two ends of a connection whose buffers take size bytes each; 0 means DefaultBuffer.
func Pipe(size int) (client, server *Conn) {
	return pair(new(sync.Mutex), size, clientAddr(firstPort), serverAddr)
}

func pair(mu *sync.Mutex, size int, a, b net.Addr) (*Conn, *Conn) {
	if size <= 0 {
		size = DefaultBuffer
	}
	ab, ba := newStream(mu, size), newStream(mu, size)
	ab.back, ba.back = ba, ab
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
	c.end(end{both: true})
	return nil
}

// CloseWrite ends one direction: the peer reads io.EOF, and may go on writing.
func (c *Conn) CloseWrite() error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.close(end{})
	return nil
}

// Reset ends both directions as a TCP reset does: what was not read yet is lost.
func (c *Conn) Reset() { c.end(end{both: true, err: syscall.ECONNRESET, discard: true}) }

func (c *Conn) end(e end) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.close(e)
	c.in.closeRead()
	if l := c.out.link; l != nil {
		l.release(c.out)
	}
}

// LocalAddr and the others are as in net.Conn.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
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
