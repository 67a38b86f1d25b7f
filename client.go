package socketio

import (
	"iter"

	"sio.example/socketio/engineio"
)

// A Client is who is at the other end of a connection: one session, and a socket in each namespace that it has joined.
// The zero value has neither.
type Client struct{ conn *conn }

// Client is the client of the socket.
func (s *Socket) Client() Client { return Client{s.conn} }

// Conn is the Engine.IO session.
func (c Client) Conn() *engineio.Socket {
	if c.conn == nil {
		return nil
	}
	return c.conn.eng
}

// Sockets iterates over the client's sockets that are connected, in all namespaces and in no particular order.
func (c Client) Sockets() iter.Seq[*Socket] {
	return func(yield func(*Socket) bool) {
		if c.conn == nil {
			return
		}
		for _, s := range c.conn.sockets() {
			if (s.Connected() || s.awaitConnected()) && !yield(s) {
				return
			}
		}
	}
}

// Socket returns the client's socket in a namespace, if it is connected there. A leading slash is added.
func (c Client) Socket(namespace string) (*Socket, bool) {
	for s := range c.Sockets() {
		if s.name == slashed(namespace) {
			return s, true
		}
	}
	return nil, false
}
