package websocket

import (
	"crypto/tls"
	"io"
	"net"
	"time"

	"sio.example/socketio/internal/bufpool"
	"sio.example/socketio/internal/errtext"
)

// Close sends a close frame and waits for the peer's answer in the reader, at most CloseTimeout, then closes the
// connection; it does not block. Only the first call counts. Reason is cut at 123 bytes. A status that must not be sent
// (RFC 6455 7.4.1) becomes NoStatus.
//
// The close frame goes out after the frames already accepted; if the peer does not take them in that time, it is lost.
// Writes from now on return ErrClosed.
func (c *Conn) Close(status Status, reason string) {
	if !status.sendable() {
		status, reason = NoStatus, ""
	}
	if c.tellClose(&CloseError{Status: status, Reason: reason}) {
		c.startCloseTimeout()
		c.kick()
	}
}

// tellClose queues our close frame, if that has not been done.
func (c *Conn) tellClose(e *CloseError) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.ensureCold()
	if p.own != nil || c.ended {
		return false
	}
	p.own = e
	c.marks.Or(markClosing)
	var b [maxControl]byte
	c.oweControl(opClose, appendClose(b[:0], e.Status, e.Reason))
	return true
}

// startCloseTimeout has the connection end after CloseTimeout, if that has not been done.
func (c *Conn) startCloseTimeout() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.ensureCold(); p.timer == nil && !c.ended {
		p.timer = time.AfterFunc(c.limits.closeTimeout, c.Abort)
	}
}

// Abort closes the TCP connection at once. Reads and writes under way return. It does not block, and may be called
// again.
func (c *Conn) Abort() { c.closeConn(false) }

// closeWriteFailed ends the connection because a write has failed.
func (c *Conn) closeWriteFailed(err error) {
	c.mu.Lock()
	if p := c.ensureCold(); p.writeErr == nil && !c.ended {
		p.writeErr = err
	}
	c.mu.Unlock()
	c.closeConn(false)
}

// closeConn closes the connection, the first time. Clean tells that everything is written.
func (c *Conn) closeConn(clean bool) {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended = true
	stuck := c.busy || c.owed != nil
	bufpool.Put(c.owed)
	c.owed = nil
	if t := c.coldOrZero().timer; t != nil {
		t.Stop()
	}
	c.wake()
	c.mu.Unlock()
	nc := c.nc
	for t, ok := nc.(*tls.Conn); ok; t, ok = nc.(*tls.Conn) { // two with a proxy that is spoken to in TLS
		// its Close would wait until the peer takes an alert; tellAndClose has sent it where that is due
		nc = t.NetConn()
	}
	if t, ok := nc.(*net.TCPConn); ok && stuck && !clean {
		t.SetLinger(0) // a peer that does not read must not keep what it was sent in the kernel's memory
	}
	nc.Close()
	c.mu.Lock()
	c.gone = true
	c.wake()
	c.mu.Unlock()
}

// Wait waits until the connection beneath is closed, which Close, Abort and an error of Read lead to.
func (c *Conn) Wait() {
	c.mu.Lock()
	for !c.gone {
		turn := c.wait()
		c.mu.Unlock()
		<-turn
		c.mu.Lock()
	}
	c.mu.Unlock()
}

// closeRead turns what ended next into what Read returns, and sees to the end of the connection. There may be more
// input beneath.
func (c *Conn) closeRead(err error, more bool) error {
	said, ok := err.(*CloseError) // never wrapped
	if !ok {
		return c.closeAbrupt(err)
	}
	answer := &CloseError{Status: said.Status}
	if !said.Received {
		answer = said
	}
	c.tellClose(answer)
	c.kick()
	c.mu.Lock()
	own, done, ended := c.coldOrZero().own, c.owed == nil && !c.busy, c.ended
	c.mu.Unlock()
	switch {
	case ended:
	case said.Received && done && c.raw != nil:
		if more {
			c.discardArrived()
		}
		c.closeConn(true)
	default:
		c.startCloseTimeout()
		go c.tellAndClose(said.Received) // owned by the Conn; ends with the connection, at the latest by its timer
	}
	if own != nil && own != answer {
		return &CloseError{Status: own.Status, Reason: own.Reason}
	}
	return said
}

// closeAbrupt is closeRead for a connection that ended without a close frame of the peer.
func (c *Conn) closeAbrupt(err error) error {
	c.mu.Lock()
	own, writeErr, ended := c.coldOrZero().own, c.coldOrZero().writeErr, c.ended
	c.mu.Unlock()
	c.closeConn(false)
	if ended {
		err = net.ErrClosed // whatever the connection calls it
	}
	switch {
	case own != nil:
		return &CloseError{Status: own.Status, Reason: own.Reason, cause: err}
	case writeErr != nil:
		return writeErr
	}
	return errtext.Errorf("websocket: read: %w", err)
}

// tellAndClose ends a connection politely when that takes time. Our close frame has to get out; and if the peer may
// still be sending, it is read until it stops, because closing a connection with unread input resets it, and a reset
// can overtake the close frame that says why.
func (c *Conn) tellAndClose(received bool) {
	owed, err := c.acquire(true)
	if err == nil {
		err = c.release(c.gather(owed, nil))
	}
	if err != nil {
		c.closeConn(false)
		return
	}
	t, half := c.nc.(interface{ CloseWrite() error })
	if half {
		t.CloseWrite()
	}
	switch {
	case received:
	case half || c.client:
		io.Copy(io.Discard, c.nc)
	default:
		c.discardUntilQuiet()
	}
	c.closeConn(true)
}

// quietTime is for how long nothing must come from a peer that was sent a close frame before the connection is closed.
const quietTime = 300 * time.Millisecond

// discardUntilQuiet reads until the peer has stopped sending. A server is to close the connection first (RFC 6455
// 7.1.1): one that can be closed in one direction has told the peer that it is the end, one that can't is closed as
// soon as the peer has had the time to read why. What it sends then would reset a connection that it has no more use
// for.
func (c *Conn) discardUntilQuiet() {
	buf := bufpool.Get(readSize)
	defer bufpool.Put(buf)
	p := (*buf)[:cap(*buf)]
	for {
		c.nc.SetReadDeadline(time.Now().Add(quietTime))
		if _, err := c.nc.Read(p); err != nil {
			return
		}
	}
}

// discardArrived reads what the peer sent behind its close frame, as far as it is here already.
func (c *Conn) discardArrived() {
	buf := bufpool.Get(readSize)
	defer bufpool.Put(buf)
	p := (*buf)[:cap(*buf)]
	for range 64 {
		more := false
		err := c.raw.Read(func(fd uintptr) bool {
			n, again, err := readFD(fd, p)
			more = n > 0 && !again && err == nil
			return true
		})
		if err != nil || !more {
			return
		}
	}
}
