// Package wire speaks HTTP, WebSocket, Engine.IO and Socket.IO by hand, byte by byte, so that tests can say what no
// well-behaved client says. Nothing here is shared with the code under test.
//
// From the bottom up: HTTP is one keep-alive connection, WebSocket one upgraded connection with Frames, and Session an
// Engine.IO session on either, with a few words of Socket.IO. A value is used by one goroutine at a time, except where
// a method says otherwise. Every operation has the deadline of its Target.
package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// ErrUnexpected is matched by errors about an answer that is not what the operation waits for.
var ErrUnexpected = errors.New("wire: unexpected answer")

// A Target is the server to talk to.
type Target struct {
	Addr    string        // host:port
	Path    string        // of the requests; default "/socket.io/"
	Timeout time.Duration // of one operation; default 5 min, which only what hangs takes
}

func (t Target) path() string {
	if t.Path == "" {
		return "/socket.io/"
	}
	return t.Path
}

func (t Target) timeout() time.Duration {
	if t.Timeout == 0 {
		return 5 * time.Minute
	}
	return t.Timeout
}

// Dial opens a TCP connection.
func (t Target) Dial() (*net.TCPConn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), t.timeout())
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", t.Addr)
	if err != nil {
		return nil, fmt.Errorf("wire: dial: %w", err)
	}
	return c.(*net.TCPConn), nil
}

// URL is the request target of an Engine.IO request: transport=, and sid= unless it is empty.
func (t Target) URL(transport, sid string) string {
	u := t.path() + "?EIO=4&transport=" + transport
	if sid != "" {
		u += "&sid=" + sid
	}
	return u
}
