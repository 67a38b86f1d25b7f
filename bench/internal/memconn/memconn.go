// Package memconn is connections in memory that cost next to nothing at the far end, for a server under test to hold
// very many of. The near end is a net.Conn; the far end is no goroutine and no buffer but a Peer, which is handed what
// the server writes while it writes it, and answers from there. So a write never waits, and there is no network whose
// system calls could be counted: for these there is package load.
package memconn

import (
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// A Peer is the far end of a Conn. Its methods are called one at a time, by whoever writes or closes, so they must not
// block, and must not call the Conn.
type Peer interface {
	// Receive takes what the server writes. What it returns is sent to the server; it is not copied, so it must not be
	// changed any more. p must not be kept.
	Receive(p []byte) (reply []byte)
	// Closed is called when the server has closed the connection.
	Closed()
}

// A Conn is the end that the server holds. It may be part of a larger struct; Init must be called before anything else,
// and it must not be copied. Its methods may be called from any goroutine.
type Conn struct {
	peer Peer
	addr Addr

	mu      sync.Mutex
	changed sync.Cond   // for Read
	in      []byte      // what the peer has sent; never written to
	timer   *time.Timer // of the read deadline; nil if there is none
	late    bool        // the read deadline has passed
	ended   bool        // the peer sends nothing more
	closed  bool        // by the server
}

// Init makes the connection one with peer, whose address is addr.
func (c *Conn) Init(peer Peer, addr Addr) {
	c.peer, c.addr = peer, addr
	c.changed.L = &c.mu
}

// Send sends to the server. p is not copied, so it must not be changed any more. What the server does not read any more
// is dropped.
func (c *Conn) Send(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.feed(p)
}

// Do calls fn as the methods of the Peer are called, and sends what it returns.
func (c *Conn) Do(fn func() (send []byte)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.feed(fn())
}

// End tells the server that the peer sends nothing more: when it has read all, it reads io.EOF.
func (c *Conn) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.changed.Broadcast()
}

// feed needs mu.
func (c *Conn) feed(p []byte) {
	switch {
	case len(p) == 0 || c.closed || c.ended:
		return
	case len(c.in) == 0:
		c.in = p
	default:
		c.in = append(slices.Clip(c.in), p...)
	}
	c.changed.Broadcast()
}

// Read waits for what the peer sends.
func (c *Conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, c.wrap("read", net.ErrClosed)
		case c.late:
			return 0, c.wrap("read", os.ErrDeadlineExceeded)
		case len(p) == 0:
			return 0, nil
		case len(c.in) > 0:
			n := copy(p, c.in)
			if c.in = c.in[n:]; len(c.in) == 0 {
				c.in = nil
			}
			return n, nil
		case c.ended:
			return 0, io.EOF
		}
		c.changed.Wait()
	}
}

// Write has the peer receive p before it returns.
func (c *Conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, c.wrap("write", net.ErrClosed)
	}
	c.feed(c.peer.Receive(p))
	return len(p), nil
}

// Close ends the connection at once.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.wrap("close", net.ErrClosed)
	}
	c.closed, c.in = true, nil
	c.stop()
	c.changed.Broadcast()
	c.peer.Closed()
	return nil
}

// LocalAddr is that of all servers.
func (c *Conn) LocalAddr() net.Addr { return ServerAddr }

// RemoteAddr is the peer's.
func (c *Conn) RemoteAddr() net.Addr { return c.addr }

// SetDeadline is SetReadDeadline.
func (c *Conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetReadDeadline makes reads fail from t on, those that wait then too. The zero value stands for never.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.wrap("set", net.ErrClosed)
	}
	c.stop()
	c.late = false
	if t.IsZero() {
		return nil
	}
	wait := time.Until(t)
	if wait <= 0 {
		c.late = true
		c.changed.Broadcast()
		return nil
	}
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() { c.expire(&timer) })
	c.timer = timer
	return nil
}

// expire runs on a goroutine of the timer, which is known once mu can be had.
func (c *Conn) expire(timer **time.Timer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.timer == *timer { // else it was stopped too late
		c.timer, c.late = nil, true
		c.changed.Broadcast()
	}
}

// stop needs mu.
func (c *Conn) stop() {
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
}

// SetWriteDeadline does nothing, since writes do not wait.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

func (c *Conn) wrap(op string, err error) error {
	return &net.OpError{Op: op, Net: "mem", Source: c.LocalAddr(), Addr: c.addr, Err: err}
}

// Addr is the address of a peer, or of a server. It looks like one of IPv4, so that what servers keep of it has the
// usual size.
type Addr uint32

// ServerAddr is the address of all servers.
const ServerAddr Addr = 1<<32 - 1

// Network is "mem".
func (Addr) Network() string { return "mem" }

// String is an address of the private network 10.0.0.0/8, and a port.
func (a Addr) String() string {
	if a == ServerAddr {
		return "192.0.2.1:80"
	}
	return fmt.Sprintf("10.%d.%d.%d:%d", a>>16&0xff, a>>8&0xff, a&0xff, 40_000+a>>24)
}

// A Listener hands connections to a server.
type Listener struct {
	incoming chan *Conn
	closed   chan struct{}
	once     sync.Once
}

// Listen returns a Listener.
func Listen() *Listener { return &Listener{incoming: make(chan *Conn), closed: make(chan struct{})} }

// Connect waits until c is accepted. It fails when the Listener is closed.
func (l *Listener) Connect(c *Conn) error {
	select {
	case l.incoming <- c:
		return nil
	case <-l.closed:
		return c.wrap("dial", net.ErrClosed)
	}
}

// Accept waits for the next Connect.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.incoming:
		return c, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "accept", Net: "mem", Addr: ServerAddr, Err: net.ErrClosed}
	}
}

// Close ends Accept and Connect. Connections live on.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is ServerAddr.
func (l *Listener) Addr() net.Addr { return ServerAddr }
