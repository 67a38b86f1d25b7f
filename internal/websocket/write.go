package websocket

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"sio.example/socketio/internal/bufpool"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/standstill"
)

const (
	// copyMax is how many bytes are rather copied together than handed over in pieces.
	copyMax = 32 << 10
	// smallBuf is the size from which on a buffer of a large write is not copied.
	smallBuf = 4 << 10
	// maxPieces bounds the pieces of one vectored write.
	maxPieces = 64
	// piece is what is written at once of a long write, which has more, so that it is seen how far that gets.
	piece = 64 << 10
	// perSecond is the rate in bytes that a peer has to accept on top of the base timeout.
	perSecond = 10_000

	// maxPongs bounds the answers to pings that wait for a peer that does not read (attack: ping flood).
	maxPongs = 60
	// pongWait is how long a reader waits for room among them before it gives the peer up.
	pongWait = time.Second
)

// WriteFrames writes complete frames made by AppendFrame, of the right role, with as few system calls as possible:
// small buffers are copied together, large ones go out by writev. It blocks, at most until its deadline, which is
// WriteTimeout plus a second per 10 KB; after that the connection is dead. Calls of several goroutines do not mix
// frames, nor do control frames of the Conn itself get between the buffers of one call, which may therefore be pieces
// of frames, as long as they end with a frame. What is owed goes out first; WriteFrames() writes just that. The buffers
// are not kept.
func (c *Conn) WriteFrames(bufs ...[]byte) error {
	owed, err := c.acquire(false)
	if err != nil {
		return err
	}
	return c.release(c.gather(owed, bufs))
}

// TryWriteFrames writes what the kernel takes without blocking, and reports whether that was all. The buffer, which
// must hold complete frames, is accepted in any case, unless there is an error: the rest, maybe all of it, is copied
// and owed, and goes out before anything else with the next WriteFrames or TryWriteFrames; Owed tells. So after false
// the caller has to see to it that WriteFrames is called, with no arguments will do, and must not pass the same frames
// again. On connections without a descriptor, and while another goroutine writes, nothing is written and all is owed.
func (c *Conn) TryWriteFrames(buf []byte) (all bool, err error) {
	c.mu.Lock()
	if err := c.writable(false); err != nil {
		c.mu.Unlock()
		return false, err
	}
	if c.busy || c.raw == nil {
		c.owe(buf)
		c.mu.Unlock()
		return false, nil
	}
	c.busy = true
	owed := c.collect()
	c.mu.Unlock()
	p := buf
	if owed != nil {
		*owed = append(*owed, buf...)
		p = *owed
	}
	n, err := c.try(p)
	if err != nil {
		bufpool.Put(owed)
		return false, c.release(err)
	}
	c.mu.Lock()
	if n < len(p) {
		c.oweFirst(p[n:])
	}
	all = n == len(p)
	more := all && c.owed != nil // control frames of the reader, queued meanwhile
	c.stop()
	c.mu.Unlock()
	bufpool.Put(owed)
	if more {
		c.kick()
	}
	return all, nil
}

// Owed is how many bytes wait for a call of WriteFrames or TryWriteFrames. What another goroutine is writing right now
// is not among them.
func (c *Conn) Owed() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.owed == nil {
		return 0
	}
	return len(*c.owed)
}

// writable says why nothing may be written. Closing writes the close frame itself, which nothing else may follow.
// It needs mu.
func (c *Conn) writable(closing bool) error {
	p := c.coldOrZero()
	switch {
	case p.writeErr != nil:
		return p.writeErr
	case c.ended, p.own != nil && !closing:
		return ErrClosed
	}
	return nil
}

// acquire waits for the right to write and takes what is owed along.
func (c *Conn) acquire(closing bool) (owed *[]byte, err error) {
	c.mu.Lock()
	for {
		if err := c.writable(closing); err != nil {
			c.mu.Unlock()
			return nil, err
		}
		if !c.busy {
			c.busy = true
			owed = c.collect()
			c.mu.Unlock()
			return owed, nil
		}
		turn := c.wait()
		c.mu.Unlock()
		<-turn // ends, as the writer at work has a deadline
		c.mu.Lock()
	}
}

// release gives the right to write back, when all that was queued meanwhile is out too. It takes the outcome of the
// caller's own write and returns that of all.
func (c *Conn) release(err error) error {
	for {
		if err != nil {
			err = errtext.Errorf("websocket: write: %w", err)
			c.closeWriteFailed(err)
		}
		c.mu.Lock()
		owed := c.collect()
		if owed == nil || err != nil {
			c.stop()
			c.mu.Unlock()
			bufpool.Put(owed)
			return err
		}
		c.mu.Unlock()
		err = c.send(*owed, c.timeout(len(*owed)))
		bufpool.Put(owed)
	}
}

// The following need mu.

// owe queues frames.
func (c *Conn) owe(p []byte) {
	if c.owed == nil {
		c.owed = bufpool.Get(len(p))
	}
	*c.owed = append(*c.owed, p...)
}

// oweFirst queues the rest of a frame before what is queued.
func (c *Conn) oweFirst(p []byte) {
	n := 0
	if c.owed != nil {
		n = len(*c.owed)
	}
	b := bufpool.Get(len(p) + n)
	*b = append(*b, p...)
	if c.owed != nil {
		*b = append(*b, *c.owed...)
		bufpool.Put(c.owed)
	}
	c.owed = b
}

// collect takes what is owed, to write it.
func (c *Conn) collect() *[]byte {
	owed := c.owed
	c.owed, c.pongs = nil, 0
	if owed != nil {
		c.wake()
	}
	return owed
}

// stop gives the right to write back.
func (c *Conn) stop() {
	c.busy = false
	c.wake()
}

// wait returns what is closed when owed is taken or the writer at work is done.
func (c *Conn) wait() chan struct{} {
	p := c.ensureCold()
	if p.turn == nil {
		p.turn = make(chan struct{})
	}
	return p.turn
}

func (c *Conn) wake() {
	if p := c.cold; p != nil && p.turn != nil {
		close(p.turn)
		p.turn = nil
	}
}

// kick sees to it that what is owed gets out, without blocking: a writer at work will do it, or the kernel takes it, or
// a goroutine is started. It is a loop because others may owe something each time that it has just written: how often
// is theirs to say, and a stack must not grow with it.
func (c *Conn) kick() {
	for c.push() {
	}
}

// push is one round of kick. It reports whether more is owed, which nobody else sees to.
func (c *Conn) push() (more bool) {
	c.mu.Lock()
	if c.busy || c.owed == nil || c.ended {
		c.mu.Unlock()
		return false
	}
	c.busy = true
	if c.raw == nil {
		c.mu.Unlock()
		go c.release(nil) // owned by the Conn; ends when nothing is owed, at the latest by write deadline or Abort
		return false
	}
	owed := c.collect()
	c.mu.Unlock()
	n, err := c.try(*owed)
	if err == nil && n < len(*owed) {
		c.mu.Lock()
		c.oweFirst((*owed)[n:])
		c.mu.Unlock()
		bufpool.Put(owed)
		go c.release(nil) // as above
		return false
	}
	bufpool.Put(owed)
	if err != nil {
		c.release(err)
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	more = c.owed != nil
	c.stop()
	return more
}

// pong answers a ping, soon: when the input read so far is used up. A peer that does not read what it asks for is
// stopped, before its answers pile up.
func (c *Conn) pong(payload []byte) error {
	var late <-chan time.Time
	var due time.Time
	for {
		c.mu.Lock()
		if c.writable(false) != nil {
			c.mu.Unlock()
			return nil
		}
		if c.pongs < maxPongs {
			c.oweControl(opPong, payload)
			c.pongs++
			c.mu.Unlock()
			c.dirty = true
			return nil
		}
		turn := c.wait()
		c.mu.Unlock()
		c.kick() // the goroutine that writes wakes us when it takes them
		if late == nil {
			late, due = time.After(pongWait), time.Now().Add(pongWait)
		}
		select {
		case <-turn:
		case <-late:
			if standstill.Late(time.Since(due)) {
				late = nil
				continue
			}
			return &CloseError{Status: PolicyViolation, Reason: "too many pings", cause: ErrTooManyPings}
		}
	}
}

// The following need the right to write, that is busy.

// gather writes what is owed and then the buffers. Owed may be nil and is given back.
func (c *Conn) gather(owed *[]byte, bufs [][]byte) error {
	total := 0
	for _, b := range bufs {
		total += len(b)
	}
	if owed == nil && len(bufs) == 1 {
		return c.send(bufs[0], c.timeout(total))
	}
	if owed == nil {
		owed = bufpool.Get(min(total, copyMax))
	}
	defer bufpool.Put(owed)
	if total > 0 && len(*owed)+total > copyMax {
		if len(*owed) > 0 {
			bufs = append([][]byte{*owed}, bufs...)
		}
		return c.vector(bufs, len(*owed)+total)
	}
	for _, b := range bufs {
		*owed = append(*owed, b...)
	}
	return c.send(*owed, c.timeout(len(*owed)))
}

// timeout is how long n bytes may take.
func (c *Conn) timeout(n int) time.Duration {
	return c.limits.writeTimeout + time.Duration(n/perSecond)*time.Second
}

// vector writes many bytes, total: runs of small buffers copied together, large ones where they are.
func (c *Conn) vector(bufs [][]byte, total int) error {
	timeout := c.timeout(total)
	due := c.setWriteDeadline(timeout)
	defer c.noDeadline()
	run := bufpool.Get(copyMax)
	defer bufpool.Put(run)
	pieces := make(net.Buffers, 0, maxPieces)
	joined := false // the last piece is the end of run
	flush := func() error {
		pending := pieces
		_, err := pending.WriteTo(c.nc)
		for lateBy(err, due) {
			due = c.setWriteDeadline(timeout)
			_, err = pending.WriteTo(c.nc)
		}
		pieces, joined, *run = pieces[:0], false, (*run)[:0]
		return err
	}
	for _, b := range bufs {
		for len(b) > piece {
			pieces, joined = append(pieces, b[:piece]), false
			if err := flush(); err != nil {
				return err
			}
			c.tookPart()
			b = b[piece:]
		}
		small := len(b) < smallBuf
		if len(pieces) == maxPieces || small && len(*run)+len(b) > cap(*run) {
			if err := flush(); err != nil {
				return err
			}
		}
		if !small {
			pieces, joined = append(pieces, b), false
			continue
		}
		start := len(*run)
		*run = append(*run, b...)
		if joined {
			last := &pieces[len(pieces)-1]
			*last = (*last)[:len(*last)+len(b)]
			continue
		}
		pieces, joined = append(pieces, (*run)[start:]), true
	}
	return flush()
}

// send writes one buffer. A deadline is only set if the kernel does not take it at once.
func (c *Conn) send(p []byte, timeout time.Duration) error {
	if c.raw != nil {
		n, err := c.try(p)
		if err != nil || n == len(p) {
			return err
		}
		p = p[n:]
	}
	if len(p) == 0 {
		return nil
	}
	due := c.setWriteDeadline(timeout)
	defer c.noDeadline()
	for {
		n, err := c.nc.Write(p[:min(len(p), piece)])
		p = p[n:]
		switch {
		case lateBy(err, due):
			due = c.setWriteDeadline(timeout)
		case err != nil || len(p) == 0:
			return err
		default:
			c.tookPart()
		}
	}
}

// tookPart takes note that the peer has taken a part of a long write.
func (c *Conn) tookPart() {
	c.mu.Lock()
	c.ensureCold().taken = time.Now()
	c.mu.Unlock()
}

// Taken is when the peer took a part of a long write the last time; zero if there has been none.
func (c *Conn) Taken() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.coldOrZero().taken
}

// lateBy reports whether a write ended at its deadline because this process stood still then: the peer may have made
// room meanwhile, and gets the time once more. TLS does not go on after such an error, and returns it again at once.
func lateBy(err error, due time.Time) bool {
	return err != nil && errors.Is(err, os.ErrDeadlineExceeded) && standstill.Late(time.Since(due))
}

// testBlock, set by tests, is called when a write is about to block.
var testBlock func(*Conn)

// setWriteDeadline precedes a write that may block. It returns the deadline.
func (c *Conn) setWriteDeadline(timeout time.Duration) time.Time {
	due := time.Now().Add(timeout)
	c.nc.SetWriteDeadline(due)
	if testBlock != nil {
		testBlock(c)
	}
	return due
}

// noDeadline takes the deadline away. One that has passed would keep the kernel from being tried; and what wraps a
// connection may write by itself, as TLS 1.3 does in a Read when the peer changes its keys (RFC 8446 4.6.3).
func (c *Conn) noDeadline() { c.nc.SetWriteDeadline(time.Time{}) }

// try writes what the kernel takes.
func (c *Conn) try(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	w := rawWrites.Get().(*rawWrite)
	w.p = p
	err := c.raw.Write(w.fn)
	if err == nil && w.err != nil {
		err = os.NewSyscallError("write", w.err)
	}
	n := w.n
	w.p, w.n, w.err = nil, 0, nil
	rawWrites.Put(w)
	return n, err
}

// A rawWrite is the argument and the result of one call of RawConn.Write; pooled, because its function would be
// allocated each time.
type rawWrite struct {
	p   []byte
	n   int
	err error
	fn  func(fd uintptr) bool
}

var rawWrites = sync.Pool{New: func() any {
	w := new(rawWrite)
	w.fn = func(fd uintptr) bool {
		w.n, w.err = writeFD(fd, w.p)
		return true
	}
	return w
}}
