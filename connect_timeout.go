package socketio

import (
	"sio.example/socketio/internal/deadline"
	"sio.example/socketio/internal/standstill"
)

// pendingConns are the connections of a server that have joined no namespace yet, in the order in which their
// ConnectTimeout expires: by their cold state, which each of them has.
//
// Lock order: conn.mu, then that of the list.
type pendingConns = deadline.List[*coldState]

func (s *server) initPendingConns() {
	s.pendingConns.Init(s.now,
		func(r *coldState) *deadline.Entry[*coldState] { return &r.connectDeadline },
		func(r *coldState) { r.conn.connectExpired(r) })
}

// startConnectTimeout gives the client ConnectTimeout to join a namespace. It needs mu.
func (c *conn) startConnectTimeout() {
	r := c.ensureCold()
	r.pending = true
	c.srv.pendingConns.Add(r, c.srv.opts.ConnectTimeout)
}

// stopConnectTimeout ends the time to join a namespace. It needs mu.
func (c *conn) stopConnectTimeout() {
	if r := c.cold; r != nil && r.pending {
		c.srv.pendingConns.Remove(r)
		r.pending = false
	}
}

// connectExpired runs on a goroutine of the list's timer, which it must not hold up.
func (c *conn) connectExpired(r *coldState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.cold != r || !r.pending: // the client has joined a namespace, or the connection is closed
	case standstill.Late(c.srv.now() - r.connectDeadline.Due()): // what the client has sent is yet to be read
		c.srv.pendingConns.Add(r, c.srv.opts.ConnectTimeout)
	default:
		// owned by the connection; ends when that is told to close, which may take a Logger's time
		go c.connectTimeout()
	}
}

// connectTimeout closes the connection, unless the client has joined a namespace after all.
func (c *conn) connectTimeout() {
	c.mu.Lock()
	over := !c.joined && !c.closed
	c.mu.Unlock()
	if over {
		c.closeOverLimit(RejectConnectTimeout, "connect timeout")
	}
}
