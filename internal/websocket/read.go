package websocket

import (
	"errors"
	"io"
	"os"
	"time"
	"unicode/utf8"

	"sio.example/socketio/internal/bufpool"
	"sio.example/socketio/internal/standstill"
)

const (
	// firstStep is what is allocated for a message on the word of its header alone.
	firstStep = 4 << 10
	// growth bounds what is allocated beyond that, as a multiple of the bytes that did arrive.
	growth = 8
	// countedFrom is the memory of a message from which on it is counted while it is read.
	countedFrom = 64 << 10
	// directSize is the rest of a payload from which on it is read straight into the message.
	directSize = readSize / 2
)

// Read waits for the next data message and returns its payload, which the caller owns (exact size, never reused); only
// texts of one byte are shared, and must not be changed. While it waits for the first byte it holds no buffer. It
// answers pings, and answers and returns closes as *CloseError; a violation is answered with the right status and
// returned likewise. After our own Close it discards what comes until the peer's close frame, or the end of the
// connection.
//
// If the connection just ends, the error matches io.EOF or is the network's; if a write failed before, it is that
// write's; after Abort it matches net.ErrClosed. After an error there is nothing left to do with the Conn: it ends by
// itself, at most CloseTimeout later (it lets a peer that broke a rule find out why), and further calls return the same
// error. Abort hurries that, at the risk that the peer does not get the close frame.
func (c *Conn) Read() (Opcode, []byte, error) {
	if c.over {
		c.mu.Lock()
		defer c.mu.Unlock()
		return 0, nil, c.cold.readErr
	}
	op, p, err := c.next()
	if err != nil {
		if err != ErrRoom { // as it is, never wrapped
			err = c.readEnded(err)
		} else {
			c.pausing()
		}
		return 0, nil, err
	}
	if c.timed && c.raw == nil { // what wraps a connection may take one that passes for the end, and is asked at once
		c.setDeadline(time.Time{})
	}
	if !c.unread() {
		c.freeBuffer()
	}
	if c.dirty {
		c.dirty = false
		c.kick()
	}
	return op, p, nil
}

// readEnded is Read when there is nothing more to be read.
func (c *Conn) readEnded(err error) error {
	more := false
	if c.in != nil {
		more = c.in.more
		if c.in.counted > 0 {
			c.count(0)
		}
		bufpool.Put(c.in.buf)
		c.freeInput()
	}
	if c.timed {
		c.setDeadline(time.Time{})
	}
	err = c.closeRead(err, more)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ensureCold().readErr, c.over = err, true
	return err
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
		case c.closing():
			err = c.discard(h)
		default:
			p, ok, err := c.data(h)
			switch {
			case err == ErrRoom:
				return 0, nil, err
			case ok || err != nil:
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
	in := c.in
	op := in.op
	in.op, in.msg, in.fragment, in.checked, in.allowed = 0, nil, 0, 0, 0
	in.deflated, in.inflated = false, 0
	in.until = time.Time{}
	if in.counted > 0 {
		c.count(0)
	}
	return op, p, err
}

// header reads the header of the next frame, or has what is missing of one for which there was no room.
func (c *Conn) header() (header, error) {
	if in := c.in; in != nil && in.paused {
		in.paused = false
		return in.rest, nil
	}
	for {
		if c.in == nil && c.raw != nil && !c.dirty {
			// Between messages fill would do no more than this, and a reader that waits has its calls on the stack; see
			// docs/memory.md.
			if err := c.fillRaw(false); err == nil {
				continue
			} else if !errors.Is(err, os.ErrDeadlineExceeded) {
				return header{}, err
			}
		}
		if in := c.in; in != nil && in.buf != nil {
			h, n, err := parseHeader((*in.buf)[in.pos:], in.op != 0, c.room(), c.client, c.limits.deflate.on)
			if n > 0 || err != nil {
				in.pos += int32(n)
				return h, err
			}
		}
		if err := c.fill(nil, c.inside() || c.unread()); err != nil {
			return header{}, err
		}
	}
}

// data reads the payload of a data frame, and returns the message if that was its end. The caller has checked that the
// frame fits into the message.
func (c *Conn) data(h header) (msg []byte, ok bool, err error) {
	in := c.in
	if h.op != opContinuation {
		in.op, in.deflated = Opcode(h.op), h.deflated()
		if have := (*in.buf)[in.pos:]; h.fin() && h.length <= int64(len(have)) && !h.deflated() {
			return in.whole(h, have)
		}
	}
	if in.fragment++; in.fragment > c.limits.maxFragments {
		return nil, false, &CloseError{Status: PolicyViolation,
			Reason: "too many fragments", cause: ErrTooManyFragments}
	}
	if err := c.payload(h); err != nil || !h.fin() {
		return nil, false, err
	}
	if in.deflated {
		if msg, err = c.inflate(in.msg); err == ErrRoom {
			return nil, false, in.pause(h, 0, 0)
		}
		return msg, err == nil, err
	}
	if in.op == Text && in.checked != len(in.msg) { // the last rune is cut
		return nil, false, errNotText()
	}
	if spare := cap(in.msg) - len(in.msg); spare > len(in.msg)/8 { // fragments, whose sum was not known
		in.msg = append(make([]byte, 0, len(in.msg)), in.msg...)
	}
	return in.msg, true, nil
}

// whole takes an unfragmented message that is in the buffer, which is what nearly all of them are.
func (in *input) whole(h header, have []byte) (msg []byte, ok bool, err error) {
	if h.length == 1 && in.op == Text {
		msg = texts[have[0]^byte(h.key)][:]
	} else {
		msg = make([]byte, h.length)
		maskCopy(msg, have[:h.length], h.key)
	}
	in.pos += int32(h.length)
	if in.op == Text && !utf8.Valid(msg) {
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
	in, key := c.in, h.key
	for rest := int(h.length); rest > 0; {
		old := len(in.msg)
		if c.unread() {
			have := (*in.buf)[in.pos:]
			have = have[:min(rest, len(have))]
			if !c.grow(rest, len(have), h.fin()) {
				return in.pause(h, rest, key)
			}
			in.msg = append(in.msg, have...)
			in.pos += int32(len(have))
		} else if rest < directSize {
			if err := c.fill(nil, true); err != nil {
				return err
			}
			continue
		} else {
			if !c.grow(rest, 1, h.fin()) {
				return in.pause(h, rest, key)
			}
			if err := c.fill(in.msg[old:min(cap(in.msg), old+rest)], true); err != nil {
				return err
			}
			in.msg = in.msg[:old+in.rawN]
		}
		fresh := in.msg[old:]
		rest -= len(fresh)
		key = maskCopy(fresh, fresh, key)
		if in.op == Text && !in.deflated {
			n, ok := validText(in.msg[in.checked:])
			if in.checked += n; !ok {
				return errNotText()
			}
		}
	}
	return nil
}

// grow makes room for at least n of the rest bytes that the current frame announces, and for all of them if that is
// modest by what has arrived of the message. Last tells that the message ends with this frame. It reports false if that
// has to be asked for, see Ask.
func (c *Conn) grow(rest, n int, last bool) bool {
	in := c.in
	have := len(in.msg)
	if cap(in.msg)-have >= n {
		return true
	}
	size := have + rest
	if !last {
		size = max(size, min(2*cap(in.msg), int(min(c.limits.maxMessage, 1<<30))))
	}
	if most := max(firstStep, growth*(have+n)); size > most {
		size = most
	}
	size = max(size, have+n)
	if size >= countedFrom && size > in.allowed && c.asks {
		in.wanted = max(size, have+rest)
		return false
	}
	in.msg = append(make([]byte, 0, size), in.msg...)
	if size >= countedFrom {
		c.count(size)
	}
	return true
}

// Ask makes Read return [ErrRoom] before it makes room for 64 KiB or more of a message. Then Wanted is how much the
// message will take, as far as that is known, and Read goes on after Allow. It belongs to the goroutine that reads.
func (c *Conn) Ask(on bool) { c.asks = on }

// Wanted is how many bytes are asked for.
func (c *Conn) Wanted() int { return c.in.wanted }

// Allow lets Read go on after ErrRoom with what was wanted. Waited tells that the peer was held up meanwhile: it gets
// all of the time for a message once more.
func (c *Conn) Allow(waited bool) {
	c.in.allowed = c.in.wanted
	if waited {
		c.in.until = time.Time{}
	}
}

// pause keeps what is missing of a frame until there is room for it.
func (in *input) pause(h header, rest int, key uint32) error {
	h.op, h.length, h.key = opContinuation, int64(rest), key
	in.rest, in.paused = h, true
	in.fragment-- // it is counted again when it goes on
	return ErrRoom
}

// pausing is what is done before Read returns ErrRoom: nobody may read for a while.
func (c *Conn) pausing() {
	if c.timed && c.raw == nil { // as in Read
		c.setDeadline(time.Time{})
	}
	if c.dirty {
		c.dirty = false
		c.kick()
	}
}

// count says how much memory the message takes that is being read.
func (c *Conn) count(n int) {
	more := n - c.in.counted
	c.in.counted = n
	c.mu.Lock()
	c.ensureCold().reading = n
	c.mu.Unlock()
	if k := c.limits.counters; k != nil {
		k.Reading.Add(int64(more))
		if more > 0 && k.Grew != nil {
			k.Grew()
		}
	}
}

// Reading is how much memory a message takes that is not complete, if that is 64 KiB or more. Any goroutine may ask.
func (c *Conn) Reading() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.coldOrZero().reading
}

// discard reads over the payload of a data frame.
func (c *Conn) discard(h header) error {
	in := c.in
	if h.op != opContinuation {
		in.op = Opcode(h.op)
	}
	// What is left of the frame counts as inside a message.
	in.msg, in.checked, in.deflated, in.inflated = nil, 0, false, 0
	if in.counted > 0 {
		c.count(0)
	}
	for n := h.length; n > 0; {
		if !c.unread() {
			if err := c.fill(nil, true); err != nil {
				return err
			}
			continue
		}
		k := min(n, int64(len(*in.buf)-int(in.pos)))
		in.pos += int32(k)
		n -= k
	}
	if h.fin() {
		in.op = 0
	}
	return nil
}

// control reads a control frame and does what it asks for.
func (c *Conn) control(h header) error {
	in, n := c.in, int(h.length)
	var p []byte
	if have := (*in.buf)[in.pos:]; n <= len(have) {
		p = have[:n]
		in.pos += int32(n)
	} else {
		p = make([]byte, 0, n)
		for len(p) < n {
			if !c.unread() {
				if err := c.fill(nil, true); err != nil {
					return err
				}
			}
			have := (*in.buf)[in.pos:]
			have = have[:min(n-len(p), len(have))]
			p = append(p, have...)
			in.pos += int32(len(have))
		}
	}
	maskCopy(p, p, h.key)
	if in.op == 0 {
		in.until = time.Time{}
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
	if in := c.in; in != nil && in.buf != nil {
		in.stashed = int8(copy(in.stash[:], (*in.buf)[in.pos:]))
		*in.buf, in.pos = (*in.buf)[:0], 0
	}
	if !inside {
		return c.await(false)
	}
	// The clock runs from the first time that somebody has to wait inside a frame or message.
	in, now := c.in, time.Now()
	if in.until.IsZero() {
		in.until = now.Add(c.limits.messageTimeout)
	} else if c.tooSlow(now) {
		return errTooSlow()
	}
	in.inside, in.direct = true, room
	err := c.await(true)
	in.inside, in.direct = false, nil
	if err == nil {
		c.marks.Or(markArrived)
	}
	return err
}

// tooSlow reports whether the message that has begun should be complete by now. If this process stood still when it
// should have been, the rest may be in the kernel, and the message gets its time once more.
func (c *Conn) tooSlow(now time.Time) bool {
	in := c.in
	if standstill.Late(now.Sub(in.until)) {
		in.until = now.Add(c.limits.messageTimeout)
	}
	return !now.Before(in.until)
}

// await does what fill has prepared.
func (c *Conn) await(inside bool) error {
	for again := false; ; again = true {
		var err error
		if c.raw != nil {
			err = c.fillRaw(inside)
		} else {
			err = c.fillConn(inside)
		}
		switch {
		case err == nil || !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case again && !(inside && !time.Now().Before(c.in.until)):
			return err // of no deadline that was set here
		case !inside:
			c.setDeadline(time.Time{}) // it was that of a message long complete
		case !c.tooSlow(time.Now()):
			c.setDeadline(c.in.until) // likewise
		default:
			return errTooSlow()
		}
	}
}

func errTooSlow() error {
	return &CloseError{Status: PolicyViolation, Reason: "message takes too long", cause: ErrMessageTimeout}
}

// setDeadline sets when reads end. Setting it costs, so one that is left from an earlier message, and thus too early,
// is left alone; fill goes on when it has passed in vain.
func (c *Conn) setDeadline(t time.Time) {
	c.timed = !t.IsZero()
	c.nc.SetReadDeadline(t)
}

// fillRaw is fill by way of the descriptor.
func (c *Conn) fillRaw(inside bool) error {
	c.mayWait = !inside || c.timed
	if c.in != nil {
		c.in.rawN, c.in.rawErr = 0, nil
	}
	// if it returns nil there is an input: tryRead took one, or kept it
	err := c.raw.Read(c.rawRead)
	if err == nil && c.in.rawN == 0 && c.in.rawErr == nil { // nothing there, and a deadline is needed
		c.setDeadline(c.in.until)
		if testWait != nil {
			testWait(c)
		}
		c.mayWait = true
		err = c.raw.Read(c.rawRead)
	}
	if err == nil {
		err = c.in.rawErr
	}
	return err
}

// testWait, set by tests, is called when a reader is about to wait inside a message.
var testWait func(*Conn)

// tryRead is called when there may be something to read, and reports whether raw.Read is to return.
func (c *Conn) tryRead(fd uintptr) bool {
	in := c.input()
	p := in.direct
	if p == nil {
		p = in.room(c.burst)
	}
	n, again, err := readFD(fd, p)
	in.more = n == len(p)
	switch {
	case again:
		c.freeBuffer()
		c.burst, c.since = c.since >= readSize, 0
		return !c.mayWait
	case err != nil:
		in.rawErr = os.NewSyscallError("read", err)
	case n == 0:
		in.rawErr = io.EOF
	default:
		c.arrived(n)
	}
	return true
}

// room is where to read to in the read buffer, behind what was stashed.
func (in *input) room(burst bool) []byte {
	if in.buf == nil {
		size := readSize
		if burst {
			size = burstSize
		}
		in.buf = bufpool.Get(size)
	}
	return (*in.buf)[in.stashed:cap(*in.buf)]
}

// arrived takes note of n bytes that were read to direct or to room.
func (c *Conn) arrived(n int) {
	in := c.in
	in.rawN = n
	c.since = uint16(min(int(c.since)+n, readSize))
	if in.direct == nil {
		*in.buf = (*in.buf)[:int(in.stashed)+n]
		copy(*in.buf, in.stash[:in.stashed])
		in.stashed = 0
	}
}

// fillConn is fill for connections that can only be read with a buffer at hand. Between messages that is the stash;
// only a reader inside a frame keeps a real one, for no longer than a message may take.
func (c *Conn) fillConn(inside bool) error {
	in := c.input()
	p := in.direct
	switch {
	case p == nil && inside:
		p = in.room(c.burst)
	default:
		bufpool.Put(in.buf)
		in.buf = nil
		if !inside {
			p = in.stash[:]
		}
	}
	if inside {
		if !c.timed {
			c.setDeadline(in.until)
		}
		if testWait != nil {
			testWait(c)
		}
	}
	for range 100 {
		n, err := c.nc.Read(p)
		switch {
		case n > 0 && !inside:
			in.stashed = int8(n)
			in.room(c.burst)
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
