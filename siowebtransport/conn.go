package siowebtransport

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// A conn is what a Server knows of a QUIC connection. It is in the contexts of the connection and its requests.
type conn struct {
	server *Server

	mu     sync.Mutex // above Server.mu
	quic   *quic.Conn // nil while it is being established
	gone   bool
	active int         // requests and sessions
	idle   *time.Timer // runs while there is none
}

type connKey struct{}

// connOf is never nil in a context of a Server.
func connOf(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}

// connContext is called when a connection begins to be established; ctx ends with it.
func (s *Server) connContext(ctx context.Context, _ *quic.ClientInfo) (context.Context, error) {
	c := &conn{server: s}
	s.connecting.Add(1)
	context.AfterFunc(ctx, c.end)
	return context.WithValue(ctx, connKey{}, c), nil
}

// established begins the time for a first request.
func (c *conn) established(qc *quic.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return
	}
	c.server.connecting.Add(-1)
	c.quic = qc
	c.idle = time.AfterFunc(c.idleTimeout(), c.expire) // stopped by end
}

func (c *conn) idleTimeout() time.Duration {
	return cmp.Or(max(c.server.IdleTimeout, 0), 30*time.Second)
}

// end is called when the connection is gone.
func (c *conn) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	if c.quic == nil {
		c.server.connecting.Add(-1)
	} else {
		c.idle.Stop()
	}
}

// expire closes a connection on which nothing happens. A header that is not complete is no request.
func (c *conn) expire() {
	c.mu.Lock()
	rest := c.active == 0
	c.mu.Unlock()
	if rest {
		c.quic.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "idle")
	}
}

// begin makes a request or a session known, unless the server is closed.
func (c *conn) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.active++
	c.active++
	c.idle.Stop()
	return true
}

// finish is the end of what begin has begun.
func (c *conn) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.active--; c.active == 0 && !c.gone {
		c.idle.Reset(c.idleTimeout())
	}
	s := c.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active--; s.active == 0 && s.idle != nil {
		close(s.idle)
		s.idle = nil
	}
}
