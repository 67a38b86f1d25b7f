package websocket

import (
	"bytes"
	"errors"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A chatty connection writes by itself when it is read, as TLS 1.3 does when the peer changes its keys, and fails for
// good when that fails or when a read is late. It remembers its deadlines.
type chatty struct {
	net.Conn
	read, write atomic.Pointer[time.Time]
	broken      atomic.Pointer[error]
	says        chan []byte // what to say itself
}

func (c *chatty) Read(p []byte) (int, error) {
	if err := c.broken.Load(); err != nil {
		return 0, *err
	}
	n, err := c.Conn.Read(p)
	select {
	case own := <-c.says:
		if err == nil {
			_, err = c.Conn.Write(own)
		}
	default:
	}
	if err != nil {
		c.broken.Store(&err)
		return 0, err
	}
	return n, nil
}

func (c *chatty) SetReadDeadline(t time.Time) error {
	c.read.Store(&t)
	return c.Conn.SetReadDeadline(t)
}

func (c *chatty) SetWriteDeadline(t time.Time) error {
	c.write.Store(&t)
	return c.Conn.SetWriteDeadline(t)
}

func (c *chatty) SetDeadline(t time.Time) error {
	c.read.Store(&t)
	c.write.Store(&t)
	return c.Conn.SetDeadline(t)
}

// left are the deadlines that are set.
func (c *chatty) left() (all []string) {
	if t := c.read.Load(); t != nil && !t.IsZero() {
		all = append(all, "read")
	}
	if t := c.write.Load(); t != nil && !t.IsZero() {
		all = append(all, "write")
	}
	return all
}

// No deadline outlives what it was for: on a connection that somebody wraps it would end something else.
func TestNoDeadlineIsLeftBehind(t *testing.T) {
	for _, client := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c, p := connect(t, "pipe", nil)
			nc := &chatty{Conn: c.nc, says: make(chan []byte, 1)}
			c.nc, c.client, p.server = nc, client, client
			got := receive(c)
			check := func(when string) {
				t.Helper()
				synctest.Wait()
				if left := nc.left(); len(left) > 0 {
					t.Errorf("after %s: %v", when, left)
				}
			}
			send := func(bufs ...[]byte) {
				t.Helper()
				done := make(chan error, 1)
				go func() { done <- c.WriteFrames(bufs...) }() // ends when the peer has read
				if _, err := p.readFrame(); err != nil {
					t.Fatal(err)
				}
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			send(c.AppendFrame(nil, Text, []byte("small")))
			check("a write")
			large := c.AppendFrame(nil, Text, bytes.Repeat([]byte("large"), 100_000))
			send(large)
			check("a long write")
			send(large[:50_000], large[50_000:])
			check("a vectored write")
			p.send(t, mk(9, "?"))
			p.want(t, mk(10, "?"))
			check("a pong")
			p.send(t, part(1, "in "))
			<-time.After(time.Second)
			p.send(t, mk(0, "parts"))
			check("a message in parts")
			p.send(t, text(strings.Repeat("x", 50_000)))
			check("a large message")

			<-time.After(time.Minute)
			nc.says <- c.AppendFrame(nil, Text, []byte("new keys"))
			p.send(t, mk(10, ""))
			p.want(t, text("new keys"))
			p.send(t, text("still here"), closing(1000, ""))
			p.want(t, closing(1000, ""))
			if r := <-got; len(r.messages) != 3 {
				t.Errorf("%d messages, %v", len(r.messages), r.err)
			}
		})
	}
}

// late is a connection whose reads fail as if a deadline had passed.
type late struct{ net.Conn }

func (late) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

// What fails with deadlines that nobody has set is an error like another, and not tried for ever.
func TestForeignDeadline(t *testing.T) {
	for _, begun := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c, _ := connect(t, "pipe", nil)
			c.nc = late{c.nc}
			if begun { // a message has
				c.input().op, c.in.stashed, c.in.stash[0] = Text, 1, fin
			}
			if r := <-receive(c); !errors.Is(r.err, os.ErrDeadlineExceeded) {
				t.Errorf("got %v", r.err)
			}
		})
	}
}
