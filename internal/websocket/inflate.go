package websocket

import (
	"compress/flate"
	"io"
	"sync"
	"unicode/utf8"

	"sio.example/socketio/internal/bufpool"
	"sio.example/socketio/internal/errtext"
)

// deflatedTail ends a message for the decompressor: what the sender has cut off (RFC 7692 7.2.2), and a last block
// without content.
const deflatedTail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// An inflater decompresses a message at a time. Connections borrow one for a message that is here as a whole, so none
// is held while a peer is waited for.
type inflater struct {
	z      io.Reader // a flate.Resetter
	source inflaterSource
	before []byte
	window *[]byte // what is here of before and what came behind it, together; borrowed
	room   [inflatedSize]byte
	n      int // bytes in room
	finals int // blocks that may still be marked as the last one
}

const (
	// inflatedSize is what is inflated before it is known how long the message is. One of that length or more is
	// inflated twice, so that it is asked for (see Conn.Ask) and allocated as large as it is.
	inflatedSize = countedFrom
	// deflatedSpare is how much larger than a message its compressed form may be, beyond a 256th of it: stored blocks.
	deflatedSpare = 64
	// finals is how many blocks within a message may be marked as the last one, beside one in finalEvery bytes: to go
	// on after one costs as much as some kilobytes.
	finals     = 128
	finalEvery = 64
)

// deflatedRoom is how many bytes the compressed form of a message may have that may be as long as most.
func deflatedRoom(most int64) int64 { return most + most>>8 + deflatedSpare }

var inflaters = sync.Pool{New: func() any {
	i := new(inflater)
	i.z = flate.NewReader(&i.source)
	return i
}}

// inflaterSource is the compressed message and its tail. As an io.ByteReader it is not read further than needed.
type inflaterSource struct {
	p    []byte
	tail string
}

func (s *inflaterSource) ReadByte() (b byte, err error) {
	switch {
	case len(s.p) > 0:
		b, s.p = s.p[0], s.p[1:]
	case s.tail != "":
		b, s.tail = s.tail[0], s.tail[1:]
	default:
		err = io.EOF
	}
	return b, err
}

func (s *inflaterSource) Read(p []byte) (n int, err error) {
	n = copy(p, s.p)
	s.p = s.p[n:]
	if n == 0 {
		n = copy(p, s.tail)
		s.tail = s.tail[n:]
	}
	if n == 0 && len(p) > 0 {
		err = io.EOF
	}
	return n, err
}

// start begins with a message, which may refer to what was before.
func (i *inflater) start(p, before []byte) {
	i.source = inflaterSource{p, deflatedTail}
	i.before, i.n = before, 0
	i.finals = finals + len(p)/finalEvery
	i.reset(before)
}

func (i *inflater) reset(dict []byte) {
	i.z.(flate.Resetter).Reset(&i.source, dict) // fails only if the old source has to be closed
}

// free gives the inflater back.
func (i *inflater) free() {
	bufpool.Put(i.window)
	i.source, i.before, i.window = inflaterSource{}, nil, nil
	inflaters.Put(i)
}

// read fills p from the message, and reports io.EOF at its end. Before is what came before p. A block that is marked as
// the last one is the last of the message only if nothing follows (RFC 7692 7.2.3.5).
func (i *inflater) read(p []byte, before func(n int) []byte) (n int, err error) {
	for n < len(p) {
		k, err := i.z.Read(p[n:])
		n += k
		switch {
		case err == io.EOF && len(i.source.p) > 0:
			if i.finals--; i.finals < 0 {
				return n, errFinals
			}
			i.reset(before(n))
		case err != nil:
			return n, err
		}
	}
	return n, nil
}

var errFinals = errtext.New("websocket: too many last blocks")

// size inflates the message and tells its length, which is above most if it is too long. One of less than
// inflatedSize is in room then.
func (i *inflater) size(most int64) (size int64, err error) {
	for {
		if i.n == len(i.room) { // keep what the rest may refer to
			i.n = copy(i.room[:], i.room[len(i.room)-windowSize:])
		}
		room := i.room[i.n:]
		room = room[:min(int64(len(room)), most+1-size)]
		from := i.n
		n, err := i.read(room, func(n int) []byte {
			all := i.room[:from+n]
			if size+int64(n) > int64(len(all)) { // some is gone, and the rest is a window
				return all[max(0, len(all)-windowSize):]
			}
			return i.lastOf(all)
		})
		i.n += n
		size += int64(n)
		switch {
		case err == io.EOF:
			return size, nil
		case err != nil || size > most:
			return size, err
		}
	}
}

// fill inflates the message into p, which is as long as it is.
func (i *inflater) fill(p []byte) error {
	n, err := i.read(p, func(n int) []byte { return i.lastOf(p[:n]) })
	if err == nil || err == io.EOF && n == len(p) {
		return nil
	}
	return err
}

// lastOf is the window after before and then b, until it is called again.
func (i *inflater) lastOf(b []byte) []byte {
	if len(b) >= windowSize {
		return b[len(b)-windowSize:]
	}
	before := i.before[max(0, len(i.before)+len(b)-windowSize):]
	if len(before) == 0 {
		return b
	}
	if i.window == nil {
		i.window = bufpool.Get(windowSize)
	}
	*i.window = append(append((*i.window)[:0], before...), b...)
	return *i.window
}

// inflate returns the message whose compressed form is p. It returns ErrRoom if memory for it has to be asked for.
//
//go:noinline
func (c *Conn) inflate(p []byte) (msg []byte, err error) {
	in := c.in
	if len(p) == 0 { // no block at all, as of an empty message
		return []byte{}, nil
	}
	var h *history
	var before []byte
	if c.limits.deflate.takeIn {
		h = c.historyOf()
		before = h.in
	}
	i := inflaters.Get().(*inflater)
	defer i.free()
	size := int64(in.inflated)
	if size == 0 { // otherwise it has been inflated once, and its memory was asked for
		i.start(p, before)
		size, err = i.size(c.limits.maxMessage)
		switch {
		case size > c.limits.maxMessage:
			return nil, &CloseError{Status: MessageTooBig, cause: ErrMessageTooBig}
		case err != nil:
			return nil, violation(InvalidPayload, "message can't be inflated")
		case size >= countedFrom && c.asks:
			in.inflated = int(size)
			if in.wanted = cap(in.msg) + int(size); in.wanted > in.allowed {
				return nil, ErrRoom
			}
		}
	}
	if size < inflatedSize {
		msg = i.short(int(size), in.op)
	} else {
		c.count(in.counted + int(size))
		msg = make([]byte, size)
		i.start(p, before)
		if err := i.fill(msg); err != nil {
			return nil, violation(InvalidPayload, "message can't be inflated")
		}
	}
	if in.op == Text && !utf8.Valid(msg) {
		return nil, errNotText()
	}
	if h != nil {
		h.in = remember(h.in, msg)
	}
	return msg, nil
}

// short is a message that is in room.
func (i *inflater) short(n int, op Opcode) []byte {
	if n == 1 && op == Text {
		return texts[i.room[0]][:]
	}
	return append(make([]byte, 0, n), i.room[:n]...)
}
