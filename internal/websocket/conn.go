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
// Most connections rest most of the time, so what they do not need then is in an input or a coldState, which come and
// go.
//
// Lock order: mu is a leaf and never held over a system call. The right to write is not a lock but the field busy, so
// that a sender of a control frame alone can leave it in owed instead of waiting.
type Conn struct {
	nc     net.Conn
	raw    syscall.RawConn // the descriptor beneath, if system calls may be made on it; otherwise nil
	limits *limits
	client bool // our role: what we write is masked, what we read is not (RFC 6455 5.1)

	// What follows up to mu belongs to the goroutine that reads.

	mayWait bool   // for rawRead: wait if there is nothing to read
	dirty   bool   // this goroutine has queued a control frame that may not be on its way yet
	timed   bool   // nc has a read deadline, maybe of an earlier message
	over    bool   // Read has failed, see coldState
	burst   bool   // much arrived at once the last time
	asks    bool   // Read asks before it makes room for a large message, see Ask
	since   uint16 // bytes that were read since the last wait, or enough for a burst
	in      *input
	rawRead func(fd uintptr) bool

	marks atomic.Uint32 // for all, see below
	busy  bool          // some goroutine has the right to write; this and what follows is guarded by mu
	ended bool          // nc is closed, or about to be
	gone  bool          // nc is closed
	pongs uint8         // answers to pings in owed
	mu    sync.Mutex
	owed  *[]byte    // borrowed; goes out before anything else, ends at the end of a frame; nil if empty
	cold  *coldState // nil as long as there is none
}

// The marks of a Conn.
const (
	markClosing = 1 << iota // our close frame is queued, no frame may follow it
	markArrived             // a part of a message came since Arrived was asked
)

func (c *Conn) closing() bool { return c.marks.Load()&markClosing != 0 }

// An input is what has come and is not handed over yet. A Conn that waits between messages has none; on a connection
// that can't be read through its descriptor it has one without buf and msg.
type input struct {
	buf      *[]byte // borrowed read buffer, nil while waiting; unread is (*buf)[pos:]
	pos      int32
	fragment int32    // frames of the message so far
	stash    [16]byte // start of a header that is not complete, kept here while no buffer is held
	stashed  int8
	op       Opcode    // of the message that has begun, 0 if none has
	inside   bool      // a frame is waited for that has begun
	more     bool      // the kernel may have more: the last read filled all the room it had
	until    time.Time // when the message that has begun must be complete; zero if none was waited for
	direct   []byte    // for rawRead: where to read to instead of buf
	rawN     int       // result of rawRead
	rawErr   error     // result of rawRead
	msg      []byte    // the message so far
	checked  int       // bytes of msg known to be valid text
	counted  int       // bytes of memory that are counted for msg
	allowed  int       // bytes that msg may take, if Read asks
	wanted   int       // that are asked for
	deflated bool      // msg is compressed
	inflated int       // how long msg is when it is not, if that has been found out
	paused   bool      // until there is room for more
	rest     header    // then, what is missing of the frame
}

var inputs = sync.Pool{New: func() any { return new(input) }}

// A coldState is what few connections have, or have for long. It is guarded by mu.
type coldState struct {
	turn     chan struct{} // closed when owed is taken or busy ends; nil if nobody waits for that
	writeErr error         // why nothing can be written any more
	own      *CloseError   // what Close said, or what we said to a violation
	timer    *time.Timer   // ends the connection when the closing handshake takes too long
	reading  int           // memory of the message that is being read, as far as it is counted
	taken    time.Time     // when the peer took a part of a long write the last time
	readErr  error         // what Read returns from now on
	history  *history      // what messages may refer to; nil if they must not
}

// ensureCold returns cold to be changed. It needs mu.
func (c *Conn) ensureCold() *coldState {
	if c.cold == nil {
		c.cold = new(coldState)
	}
	return c.cold
}

var zeroCold coldState

// coldOrZero returns cold to be read. It needs mu.
func (c *Conn) coldOrZero() *coldState {
	if c.cold == nil {
		return &zeroCold
	}
	return c.cold
}

const (
	// readSize is what is read at once unless a large message is under way: enough for many small frames, little enough
	// to be held by each connection whose reader is stuck behind a full inbox.
	readSize = 8 << 10
	// burstSize is what is read at once when readSize or more arrived at once the last time: with 16 messages of a
	// kilobyte each that is a fifth of their cost.
	burstSize = 32 << 10
)

// newConn takes over nc and the bytes read from it, which were borrowed from bufpool.
func newConn(nc net.Conn, leftOver *[]byte, opts *Options) *Conn {
	c := &Conn{nc: nc, raw: rawConn(nc), limits: opts.limits(deflation{})}
	if leftOver != nil {
		c.input().buf = leftOver
	}
	if c.raw != nil {
		c.rawRead = c.tryRead
	}
	return c
}

// agree makes what was agreed about compression true.
func (c *Conn) agree(opts *Options, d deflation) {
	if d.on {
		c.limits = opts.limits(d)
	}
}

// NetConn is the connection beneath. Reading from it, writing to it and setting its deadlines breaks the Conn.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Buffered reports whether Read has a message at hand from the last system call, so that it will return that at once.
// It is false before a close frame and before what breaks the protocol (but for the content of messages), so a caller
// that answers many messages with one write, when Buffered is false, has answered all before Read closes, and does not
// keep an answer back until the rest of some other message comes. It belongs to the goroutine that reads.
func (c *Conn) Buffered() bool {
	if !c.unread() || c.closing() {
		return false
	}
	i := c.in
	in, inside, room := (*i.buf)[i.pos:], i.op != 0, c.room()
	for range 8 { // more frames than that before the end of a message are not worth looking at
		h, n, err := parseHeader(in, inside, room, c.client, c.limits.deflate.on)
		if n == 0 || err != nil || h.op == opClose || h.length > int64(len(in)-n) {
			return false
		}
		if h.fin() && !h.control() {
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

// room is how many bytes the message may still take that has begun, or begins.
func (c *Conn) room() int64 {
	most := c.limits.maxMessage
	if c.in.deflated {
		most = deflatedRoom(most)
	}
	return most - int64(len(c.in.msg))
}

// input returns that of the connection, and borrows one if it has none.
func (c *Conn) input() *input {
	if c.in == nil {
		c.in = inputs.Get().(*input)
	}
	return c.in
}

// inside reports whether a message has begun.
func (c *Conn) inside() bool { return c.in != nil && c.in.op != 0 }

// unread reports whether there is input in the read buffer.
func (c *Conn) unread() bool { return c.in != nil && c.in.buf != nil && int(c.in.pos) < len(*c.in.buf) }

// freeBuffer gives the read buffer back, and with it all of the input unless a message or a header has begun. Unread
// bytes are lost.
func (c *Conn) freeBuffer() {
	in := c.in
	if in == nil {
		return
	}
	bufpool.Put(in.buf)
	in.buf, in.pos = nil, 0
	if in.op == 0 && in.stashed == 0 && !in.inside {
		c.freeInput()
	}
}

// freeInput gives the input back, without its buffer.
func (c *Conn) freeInput() {
	*c.in = input{}
	inputs.Put(c.in)
	c.in = nil
}
