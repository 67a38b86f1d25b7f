package websocket

import (
	"errors"
	"io"
	"os"
	"time"
	"unicode/utf8"

	"sio.example/socketio/internal/bufpool"
)

const (
	// firstStep is what is allocated for a message on the word of its header alone.
	firstStep = 4 << 10
	// growth bounds what is allocated beyond that, as a multiple of the bytes that did arrive.
	growth = 8
	// directSize is the rest of a payload from which on it is read straight into the message.
	directSize = readSize / 2
)

// Read waits for the next data message and returns its payload, which the caller owns (exact size, never reused); only texts
// of one byte are shared, and must not be changed.
// While it waits for the first byte it holds no buffer. It answers pings, and answers and returns closes as *CloseError;
// a violation is answered with the right status and returned likewise. After our own Close it discards what comes until
// the peer's close frame, or the end of the connection.
//
// If the connection just ends, the error matches io.EOF or is the network's; if a write failed before, it is that
// write's; after Abort it matches net.ErrClosed. After an error there is nothing left to do with the Conn: it ends by
// itself, at most CloseTimeout later (it lets a peer that broke a rule find out why), and further calls return the same
// error. Abort hurries that, at the risk that the peer does not get the close frame.
func (c *Conn) Read() (Opcode, []byte, error) {
	if c.readErr != nil {
		return 0, nil, c.readErr
	}
	op, p, err := c.next()
	if err != nil {
		c.release()
		c.msg = nil
		if !c.deadline.IsZero() {
			c.setDeadline(time.Time{})
		}
		c.readErr = c.end(err)
		return 0, nil, c.readErr
	}
	if !c.unread() {
		c.release()
	}
	if c.dirty {
		c.dirty = false
		c.kick()
	}
	return op, p, nil
}

// next reads up to the end of the next data message.
func (c *Conn) next() (Opcode, []byte, error) {
	for {
		h, err := c.header()
		if err != nil {
			return 0, nil, err
		}
		switch {
		case h.control():
			err = c.control(h)
		case c.closing.Load():
			err = c.discard(h)
		default:
			if p, ok, err := c.data(h); ok || err != nil {
				return c.take(p, err)
			}
		}
		if err != nil {
			return 0, nil, err
		}
	}
}

// take ends a message: the state of its assembly is given up.
func (c *Conn) take(p []byte, err error) (Opcode, []byte, error) {
	op := c.op
	c.op, c.msg, c.fragment, c.checked = 0, nil, 0, 0
	c.until = time.Time{}
	return op, p, err
}

// header reads the header of the next frame.
func (c *Conn) header() (header, error) {
	for {
		if c.in != nil {
			h, n, err := parseHeader((*c.in)[c.pos:], c.op != 0, c.limits.maxMessage-int64(len(c.msg)), c.client)
			if n > 0 || err != nil {
				c.pos += int32(n)
				return h, err
			}
		}
		if err := c.fill(nil, c.op != 0 || c.unread()); err != nil {
			return header{}, err
		}
	}
}

// data reads the payload of a data frame, and returns the message if that was its end. The caller has checked that the
// frame fits into the message.
func (c *Conn) data(h header) (msg []byte, ok bool, err error) {
	if h.op != opContinuation {
		c.op = Opcode(h.op)
		if have := (*c.in)[c.pos:]; h.fin && h.length <= int64(len(have)) {
			return c.whole(h, have)
		}
	}
	if c.fragment++; c.fragment > c.limits.maxFragments {
		return nil, false, &CloseError{Status: PolicyViolation, Reason: "too many fragments", cause: ErrTooManyFragments}
	}
	if err := c.payload(h); err != nil || !h.fin {
		return nil, false, err
	}
	if c.op == Text && c.checked != len(c.msg) { // the last rune is cut
		return nil, false, errNotText()
	}
	if spare := cap(c.msg) - len(c.msg); spare > len(c.msg)/8 { // fragments, whose sum was not known
		c.msg = append(make([]byte, 0, len(c.msg)), c.msg...)
	}
	return c.msg, true, nil
}

// whole takes an unfragmented message that is in the buffer, which is what nearly all of them are.
func (c *Conn) whole(h header, have []byte) (msg []byte, ok bool, err error) {
	if h.length == 1 && c.op == Text {
		msg = texts[have[0]^byte(h.key)][:]
	} else {
		msg = make([]byte, h.length)
		maskCopy(msg, have[:h.length], h.key)
	}
	c.pos += int32(h.length)
	if c.op == Text && !utf8.Valid(msg) {
		return nil, false, errNotText()
	}
	return msg, true, nil
}

// texts are the texts of one byte, for all: most messages that an idle peer sends are such ones.
var texts = func() (all [256][1]byte) {
	for i := range all {
		all[i][0] = byte(i)
	}
	return all
}()

func errNotText() error { return violation(InvalidPayload, "text is not UTF-8") }

// payload appends the payload of a data frame to the message, as it arrives.
func (c *Conn) payload(h header) error {
	key := h.key
	for rest := int(h.length); rest > 0; {
		old := len(c.msg)
		if c.unread() {
			have := (*c.in)[c.pos:]
			have = have[:min(rest, len(have))]
			c.grow(rest, len(have), h.fin)
			c.msg = append(c.msg, have...)
			c.pos += int32(len(have))
		} else if rest < directSize {
			if err := c.fill(nil, true); err != nil {
				return err
			}
			continue
		} else {
			c.grow(rest, 1, h.fin)
			if err := c.fill(c.msg[old:min(cap(c.msg), old+rest)], true); err != nil {
				return err
			}
			c.msg = c.msg[:old+c.rawN]
		}
		fresh := c.msg[old:]
		rest -= len(fresh)
		key = maskCopy(fresh, fresh, key)
		if c.op == Text {
			n, ok := validText(c.msg[c.checked:])
			if c.checked += n; !ok {
				return errNotText()
			}
		}
	}
	return nil
}

// grow makes room for at least n of the rest bytes that the current frame announces, and for all of them if that is
// modest by what has arrived of the message. Last tells that the message ends with this frame.
func (c *Conn) grow(rest, n int, last bool) {
	have := len(c.msg)
	if cap(c.msg)-have >= n {
		return
	}
	size := have + rest
	if !last {
		size = max(size, min(2*cap(c.msg), int(min(c.limits.maxMessage, 1<<30))))
	}
	if most := max(firstStep, growth*(have+n)); size > most {
		size = most
	}
	size = max(size, have+n)
	c.msg = append(make([]byte, 0, size), c.msg...)
}

// discard reads over the payload of a data frame.
func (c *Conn) discard(h header) error {
	if h.op != opContinuation {
		c.op = Opcode(h.op)
	}
	if h.fin {
		c.op = 0
	}
	c.msg, c.checked = nil, 0
	for n := h.length; n > 0; {
		if !c.unread() {
			if err := c.fill(nil, true); err != nil {
				return err
			}
			continue
		}
		k := min(n, int64(len(*c.in)-int(c.pos)))
		c.pos += int32(k)
		n -= k
	}
	return nil
}

// control reads a control frame and does what it asks for.
func (c *Conn) control(h header) error {
	n := int(h.length)
	var p []byte
	if have := (*c.in)[c.pos:]; n <= len(have) {
		p = have[:n]
		c.pos += int32(n)
	} else {
		p = make([]byte, 0, n)
		for len(p) < n {
			if !c.unread() {
				if err := c.fill(nil, true); err != nil {
					return err
				}
			}
			have := (*c.in)[c.pos:]
			have = have[:min(n-len(p), len(have))]
			p = append(p, have...)
			c.pos += int32(len(have))
		}
	}
	maskCopy(p, p, h.key)
	if c.op == 0 {
		c.until = time.Time{}
	}
	switch h.op {
	case opPing:
		if c.limits.counters != nil {
			c.limits.counters.Pings.Add(1)
		}
		return c.pong(p)
	case opPong:
		if c.limits.counters != nil {
			c.limits.counters.Pongs.Add(1)
		}
		return nil
	}
	return parseClose(p)
}

// fill waits for input: into room, setting rawN, or if that is nil into the read buffer, behind what is unread there
// (which can only be the start of a header). Inside tells that a frame or a message has begun. It holds no buffer while
// it waits.
func (c *Conn) fill(room []byte, inside bool) error {
	if c.dirty {
		c.dirty = false
		c.kick()
	}
	if c.in != nil {
		c.stashed = int8(copy(c.stash[:], (*c.in)[c.pos:]))
		*c.in, c.pos = (*c.in)[:0], 0
	}
	// The clock runs from the first time that somebody has to wait inside a frame or message.
	if inside {
		now := time.Now()
		if c.until.IsZero() {
			c.until = now.Add(c.limits.messageTimeout)
		} else if !now.Before(c.until) {
			return errTooSlow()
		}
	}
	c.direct = room
	defer func() { c.direct = nil }()
	for {
		var err error
		if c.raw != nil {
			err = c.fillRaw(inside)
		} else {
			err = c.fillConn(inside)
		}
		switch {
		case err == nil || !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case !inside:
			c.setDeadline(time.Time{}) // it was that of a message long complete
		case time.Now().Before(c.until):
			c.setDeadline(c.until) // likewise
		default:
			return errTooSlow()
		}
	}
}

func errTooSlow() error {
	return &CloseError{Status: PolicyViolation, Reason: "message takes too long", cause: ErrMessageTimeout}
}

// setDeadline sets when reads end. Setting it costs, so one that is left from an earlier message, and thus too early, is
// left alone; fill goes on when it has passed in vain.
func (c *Conn) setDeadline(t time.Time) {
	c.deadline = t
	c.nc.SetReadDeadline(t)
}

// fillRaw is fill by way of the descriptor.
func (c *Conn) fillRaw(inside bool) error {
	c.mayWait = !inside || !c.deadline.IsZero()
	c.rawN, c.rawErr = 0, nil
	err := c.raw.Read(c.rawRead)
	if err == nil && c.rawN == 0 && c.rawErr == nil { // nothing there, and a deadline is needed
		c.setDeadline(c.until)
		if testWait != nil {
			testWait(c)
		}
		c.mayWait = true
		err = c.raw.Read(c.rawRead)
	}
	if err == nil {
		err = c.rawErr
	}
	return err
}

// testWait, set by tests, is called when a reader is about to wait inside a message.
var testWait func(*Conn)

// tryRead is called when there may be something to read, and reports whether raw.Read is to return.
func (c *Conn) tryRead(fd uintptr) bool {
	p := c.direct
	if p == nil {
		p = c.room()
	}
	n, again, err := readFD(fd, p)
	switch {
	case again:
		c.release()
		c.burst, c.since = c.since >= readSize, 0
		return !c.mayWait
	case err != nil:
		c.rawErr = os.NewSyscallError("read", err)
	case n == 0:
		c.rawErr = io.EOF
	default:
		c.arrived(n)
	}
	return true
}

// room is where to read to in the read buffer, behind what was stashed.
func (c *Conn) room() []byte {
	if c.in == nil {
		size := readSize
		if c.burst {
			size = burstSize
		}
		c.in = bufpool.Get(size)
	}
	return (*c.in)[c.stashed:cap(*c.in)]
}

// arrived takes note of n bytes that were read to direct or to room.
func (c *Conn) arrived(n int) {
	c.rawN = n
	c.since = min(c.since+int32(n), burstSize)
	if c.direct == nil {
		*c.in = (*c.in)[:int(c.stashed)+n]
		copy(*c.in, c.stash[:c.stashed])
		c.stashed = 0
	}
}

// fillConn is fill for connections that can only be read with a buffer at hand. Between messages that is the stash; only
// a reader inside a frame keeps a real one, for no longer than a message may take.
func (c *Conn) fillConn(inside bool) error {
	p := c.direct
	switch {
	case !inside:
		c.release()
		p = c.stash[:]
	case p == nil:
		p = c.room()
	default:
		c.release()
	}
	if inside {
		if c.deadline.IsZero() {
			c.setDeadline(c.until)
		}
		if testWait != nil {
			testWait(c)
		}
	}
	for range 100 {
		n, err := c.nc.Read(p)
		switch {
		case n > 0 && !inside:
			c.stashed = int8(n)
			c.room()
			c.arrived(0)
			return nil
		case n > 0:
			c.arrived(n) // an error that came along will come again
			return nil
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}
