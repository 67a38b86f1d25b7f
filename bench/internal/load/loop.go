package load

import (
	"context"
	"errors"
	"io"
	"time"
)

// A conn is one connection.
type conn struct {
	fd       int
	index    int
	protocol protocol
	in       []byte // the beginning of what has not come in full
	out      []byte // what the kernel has not taken yet
	gone     bool

	stage  stage // of a WebSocket
	opened int64 // when it was dialled
	rx     *receiver
	lane   *lane // that it sends for
	client *pollingClient
}

// A protocol is what is spoken on a connection.
type protocol interface {
	// input takes what came, and returns what is the beginning of something; neither is valid afterwards.
	input(c *conn, data []byte) (rest []byte, err error)
	// ended tells that the connection was ended by the other side (io.EOF), or by an error.
	ended(c *conn, err error)
}

// A loop is an event loop, on one goroutine.
type loop struct {
	ctx    context.Context
	poller *poller
	conns  []*conn // by descriptor
	dead   []*conn
	buf    []byte
	base   time.Time
	now    int64 // nanoseconds since base, of the last read
}

func newLoop(ctx context.Context) (*loop, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	return &loop{ctx: ctx, poller: p, buf: make([]byte, 512<<10), base: time.Now()}, nil
}

func (l *loop) close() {
	for _, c := range l.conns {
		if c != nil {
			l.drop(c)
		}
	}
	l.bury()
	l.poller.close()
}

func (l *loop) clock() int64 {
	l.now = int64(time.Since(l.base))
	return l.now
}

// dial opens a connection on which p is spoken.
func (l *loop) dial(port, index int, p protocol) (*conn, error) {
	fd, err := dial(port, index)
	if err != nil {
		return nil, err
	}
	if err := l.poller.add(fd); err != nil {
		closeFD(fd)
		return nil, err
	}
	c := &conn{fd: fd, index: index, protocol: p}
	for len(l.conns) <= fd {
		l.conns = append(l.conns, nil)
	}
	l.conns[fd] = c
	return c, nil
}

// runUntil handles what happens until the time is over or done reports true.
func (l *loop) runUntil(limit time.Duration, done func() bool) error {
	const look = 50 * time.Millisecond // how often ctx is looked at when nothing happens
	deadline := l.clock() + int64(limit)
	for done == nil || !done() {
		left := time.Duration(deadline - l.clock())
		if left <= 0 {
			return nil
		}
		if err := l.ctx.Err(); err != nil {
			return err
		}
		if err := l.step(min(left, look)); err != nil {
			return err
		}
	}
	return nil
}

func (l *loop) step(limit time.Duration) error {
	n, err := l.poller.wait(limit)
	if err != nil {
		return err
	}
	for i := range n {
		fd, readable, writable := l.poller.ready(i)
		c := l.conns[fd]
		if c == nil {
			continue
		}
		if writable {
			l.flush(c)
		}
		if readable && !c.gone {
			l.input(c)
		}
	}
	l.bury()
	return nil
}

func (l *loop) input(c *conn) {
	n, err := readFD(c.fd, l.buf)
	l.clock()
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		if !errors.Is(err, errAgain) {
			l.fail(c, err)
		}
		return
	}
	data := l.buf[:n]
	if len(c.in) > 0 {
		c.in = append(c.in, data...)
		data = c.in
	}
	rest, err := c.protocol.input(c, data)
	if err != nil {
		l.fail(c, err)
		return
	}
	c.in = append(c.in[:0], rest...)
}

// write sends b now, or when the kernel takes it: it never waits, since a server that waits for us to read would
// wait for ever.
func (l *loop) write(c *conn, b []byte) {
	if len(c.out) == 0 {
		n, err := writeFD(c.fd, b)
		if err != nil && !errors.Is(err, errAgain) {
			l.fail(c, err)
			return
		}
		if n == len(b) {
			return
		}
		b = b[n:]
		if err := l.poller.wantWrite(c.fd, true); err != nil {
			l.fail(c, err)
			return
		}
	}
	c.out = append(c.out, b...)
}

func (l *loop) flush(c *conn) {
	if len(c.out) > 0 {
		n, err := writeFD(c.fd, c.out)
		if err != nil && !errors.Is(err, errAgain) {
			l.fail(c, err)
			return
		}
		c.out = append(c.out[:0], c.out[n:]...)
	}
	if len(c.out) == 0 {
		if err := l.poller.wantWrite(c.fd, false); err != nil {
			l.fail(c, err)
		}
	}
}

// fail drops c and tells its protocol.
func (l *loop) fail(c *conn, err error) {
	if !c.gone {
		l.drop(c)
		c.protocol.ended(c, err)
	}
}

// drop closes c at the end of the step, so that events that were reported for it are not taken for those of another
// connection that got its descriptor.
func (l *loop) drop(c *conn) {
	if !c.gone {
		c.gone = true
		l.dead = append(l.dead, c)
	}
}

func (l *loop) bury() {
	for _, c := range l.dead {
		l.conns[c.fd] = nil
		closeFD(c.fd)
	}
	l.dead = l.dead[:0]
}
