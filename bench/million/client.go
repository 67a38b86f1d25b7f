package main

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"

	"sio.example/socketio/bench/internal/memconn"
	"sio.example/socketio/bench/internal/wsframe"
)

// A client is the far end of a connection: a state, and the number of the last round it took part in.
type client struct {
	memconn.Conn
	crowd *crowd
	index uint32
	last  uint32
	stage stage
}

type stage uint8

const (
	upgrading stage = iota // waits for the 101
	opening                // for the session
	joining                // for the namespace
	inside
	leaving // has sent its close frame
	left    // and has got the server's
	gone    // and the server has closed the connection
)

// What clients send is the same for all. Each fits into the 16 bytes that the server reads with while it rests: on
// connections without a descriptor, longer ones have it set a deadline, of which the timer would count as memory.
var (
	connectFrame = text("40")
	pongFrame    = text("3")
	askFrame     = text(`420["a",7]`)
	answer       = []byte(`430[7]`)
	closeFrame   = message(wsframe.Close, "\x03\xe8") // 1000
	leaveFrames  = append(text("41"), closeFrame...)
)

// serverFrame is a short text as a server sends it.
func serverFrame(text string) []byte { return append([]byte{0x81, byte(len(text))}, text...) }

func text(s string) []byte { return message(wsframe.Text, s) }

func message(op byte, s string) []byte {
	frame, _ := wsframe.Append(nil, op, []byte(s))
	return frame
}

// request is the handshake of a member of a room: that of a browser is longer, but nothing that it holds is kept.
func request(room int) []byte {
	return fmt.Appendf(nil, "GET /socket.io/?EIO=4&transport=websocket&room=%s HTTP/1.1\r\nHost: "+
		"bench\r\nConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
		roomName(room))
}

// accepted proves that the server has understood the key (RFC 6455 1.3).
const accepted = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

func roomName(room int) string { return fmt.Sprintf("room-%d", room) }

func (c *client) room() int { return int(c.index) % len(c.crowd.requests) }

// Receive takes what the server writes: whole frames, as long as they are short. One that is cut is a fault. The usual
// case is short and shallow, so that the stack of who writes need not grow for it.
func (c *client) Receive(p []byte) (reply []byte) {
	if r := c.crowd.round.Load(); r != nil && c.stage == inside && bytes.Equal(p, r.frame) && r.expects(c) {
		c.last = r.number
		r.count.hit(c)
		return nil
	}
	return c.receive(p)
}

// receive does so in all other cases.
//
//go:noinline
func (c *client) receive(p []byte) (reply []byte) {
	if c.stage == upgrading {
		head, rest, ok := bytes.Cut(p, []byte("\r\n\r\n"))
		if !ok || !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) || !bytes.Contains(head, []byte(accepted)) {
			c.crowd.fault(c, "answer to the handshake %q", p)
			return nil
		}
		c.stage, p = opening, rest
	}
	for len(p) > 0 {
		op, data, size, err := wsframe.Next(p)
		if err == nil && size == 0 {
			err = errors.New("the end is missing")
		}
		if err != nil {
			c.crowd.fault(c, "frame %q: %v", p, err)
			return reply
		}
		if more := c.frame(op, data); reply == nil {
			reply = more
		} else {
			reply = append(bytes.Clone(reply), more...) // they are shared by all
		}
		p = p[size:]
	}
	return reply
}

// frame takes one frame.
func (c *client) frame(op byte, p []byte) (reply []byte) {
	switch {
	case op == wsframe.Close:
		return c.end(p)
	case op != wsframe.Text || c.stage >= left:
	case len(p) == 1 && p[0] == '2':
		c.crowd.pings.Add(1)
		if c.stage == leaving {
			return nil // nothing follows a close frame
		}
		return pongFrame
	case c.stage == opening && bytes.HasPrefix(p, []byte(`0{"sid":"`)):
		c.stage = joining
		return connectFrame
	case c.stage == joining && bytes.HasPrefix(p, []byte(`40{"sid":"`)):
		c.stage = inside
		c.crowd.connected.hit(c)
		return nil
	case c.stage == inside:
		c.crowd.round.Load().hit(c, p)
		return nil
	}
	c.crowd.fault(c, "at stage %d: opcode %d, %q", c.stage, op, p)
	return nil
}

// end takes the server's close frame.
func (c *client) end(p []byte) (reply []byte) {
	switch {
	case c.stage == leaving && bytes.Equal(p, []byte{3, 232}): // 1000, as we sent
	case c.stage == inside && c.crowd.shutdown.Load() && bytes.HasPrefix(p, []byte{3, 233}): // 1001, going away
		reply = closeFrame
	default:
		c.crowd.fault(c, "close frame %q at stage %d", p, c.stage)
	}
	c.stage = left
	return reply
}

// Closed is called when the server has closed the connection.
func (c *client) Closed() {
	if c.stage != left {
		c.crowd.fault(c, "the connection was closed at stage %d", c.stage)
		return
	}
	c.stage = gone
	c.crowd.closed.Load().hit(c) // not nil, as somebody has told us or the server to leave
}

// A count waits for a number of clients.
type count struct {
	crowd *crowd
	what  string // that they do
	want  int64
	did   atomic.Int64
	done  chan struct{}
	slots chan struct{} // each takes one out, if it is not nil
}

func (w *crowd) newCount(want int, what string, slots chan struct{}) *count {
	return &count{crowd: w, what: what, want: int64(want), done: make(chan struct{}), slots: slots}
}

// hit counts c, which may be nil.
func (n *count) hit(c *client) {
	if n.slots != nil {
		<-n.slots // never waits: there is one for each that is expected
	}
	if did := n.did.Add(1); did >= n.want {
		n.full(c, did)
	}
}

// full ends the waiting.
//
//go:noinline
func (n *count) full(c *client, did int64) {
	if did > n.want {
		n.crowd.fault(c, "%s, as one too many", n.what)
		return
	}
	close(n.done)
}

// A round is something that a number of clients are to get, each once.
type round struct {
	count  *count
	number uint32
	room   int // whose members are to get it; -1 for all
	text   []byte
	frame  []byte // that has the text and nothing else
}

// expects reports whether c is to get it, and has not got it yet.
func (r *round) expects(c *client) bool {
	return (r.room < 0 || r.room == c.room()) && c.last != r.number
}

// hit counts c, which has got p.
func (r *round) hit(c *client, p []byte) {
	switch {
	case r == nil:
		c.crowd.fault(c, "got %q, and nothing was sent", p)
	case !bytes.Equal(p, r.text):
		c.crowd.fault(c, "got %q instead of %q", p, r.text)
	case !r.expects(c):
		c.crowd.fault(c, "of room %d got %q, twice or by mistake", c.room(), p)
	default:
		c.last = r.number
		r.count.hit(c)
	}
}
