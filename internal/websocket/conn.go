package websocket

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"sio.example/socketio/internal/bufpool"
)

// A Conn is a WebSocket connection. One goroutine at a time may read; any number may write and close.
//
// Lock order: mu is a leaf and never held over a system call. The right to write is not a lock but the field busy, so
// that whoever only has a control frame to send can leave it in owed instead of waiting.
type Conn struct {
	nc     net.Conn
	raw    syscall.RawConn // the descriptor beneath, if system calls may be made on it; otherwise nil
	limits *limits
	client bool // our role: what we write is masked, what we read is not (RFC 6455 5.1)

	// What follows up to mu belongs to the goroutine that reads.

	in       *[]byte // borrowed read buffer, nil while waiting; unread is (*in)[pos:]
	pos      int32
	since    int32    // bytes that were read since the last wait, or enough for a burst
	fragment int32    // frames of the message so far
	stash    [16]byte // start of a header that is not complete, kept here while no buffer is held
	stashed  int8
	burst    bool   // much arrived at once the last time
	op       Opcode // of the message that has begun, 0 if none has
	mayWait  bool   // for rawRead: wait if there is nothing to read
	dirty    bool   // this goroutine has queued a control frame that may not be on its way yet

	closing atomic.Bool // for all: our close frame is queued, no frame may follow it

	until    time.Time // when the message that has begun must be complete; zero if none was waited for
	deadline time.Time // the read deadline of nc, not after until; zero if none is set
	rawRead  func(fd uintptr) bool
	direct   []byte // for rawRead: where to read to instead of in
	rawN     int    // result of rawRead
	rawErr   error  // result of rawRead
	msg      []byte // the message so far
	checked  int    // bytes of msg known to be valid text
	readErr  error  // what Read returns from now on

	mu       sync.Mutex
	busy     bool          // some goroutine has the right to write
	ended    bool          // nc is closed, or about to be
	gone     bool          // nc is closed
	pongs    int32         // answers to pings in owed
	owed     *[]byte       // borrowed; goes out before anything else, ends at the end of a frame; nil if empty
	turn     chan struct{} // closed when owed is taken or busy ends; nil if nobody waits for that
	writeErr error         // why nothing can be written any more
	own      *CloseError   // what Close said, or what we said to a violation
	timer    *time.Timer   // ends the connection when the closing handshake takes too long
}

const (
	// readSize is what is read at once unless a large message is under way: enough for many small frames, little enough
	// to be held by each connection whose reader is stuck behind a full inbox.
	readSize = 8 << 10
	// burstSize is what is read at once when readSize or more arrived at once the last time: with 16 messages of a kilobyte each
	// that is a fifth of their cost.
	burstSize = 32 << 10
)

// newConn takes over nc and the bytes read from it, which were borrowed from bufpool.
func newConn(nc net.Conn, leftOver *[]byte, opts *Options) *Conn {
	c := &Conn{nc: nc, raw: rawConn(nc), limits: opts.limits(), in: leftOver}
	if c.raw != nil {
		c.rawRead = c.tryRead
	}
	return c
}

// NetConn is the connection beneath. Reading from it, writing to it and setting its deadlines breaks the Conn.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Buffered reports whether Read has a message at hand from the last system call, so that it will return that at once. It
// is false before a close frame and before what breaks the protocol (bad UTF-8 excepted), so whoever answers many messages
// with one write, when Buffered is false, has answered all before Read closes, and does not keep an answer back until the
// rest of some other message comes. It belongs to the goroutine that reads.
func (c *Conn) Buffered() bool {
	if !c.unread() || c.closing.Load() {
		return false
	}
	in, inside, room := (*c.in)[c.pos:], c.op != 0, c.limits.maxMessage-int64(len(c.msg))
	for range 8 { // more frames than that before the end of a message are not worth looking at
		h, n, err := parseHeader(in, inside, room, c.client)
		if n == 0 || err != nil || h.op == opClose || h.length > int64(len(in)-n) {
			return false
		}
		if h.fin && !h.control() {
			return true
		}
		if !h.control() {
			inside = true
			room -= h.length
		}
		in = in[n+int(h.length):]
	}
	return false
}

// unread reports whether there is input in the read buffer.
func (c *Conn) unread() bool { return c.in != nil && int(c.pos) < len(*c.in) }

// release gives the read buffer back. Unread bytes are lost.
func (c *Conn) release() {
	bufpool.Put(c.in)
	c.in, c.pos = nil, 0
}
