package socketio

import (
	"sync"
	"time"

	"sio.example/socketio/internal/standstill"
)

// pendingConns are the connections of a server that have joined no namespace yet, in the order in which their
// ConnectTimeout expires, with one timer for all: a timer for each is the greater part of what a connection needs only
// while it is new.
//
// Lock order: conn.mu, then pendingConns.mu.
type pendingConns struct {
	server *server

	mu    sync.Mutex
	first *pendingConn
	last  *pendingConn
	timer *time.Timer
}

// A pendingConn is an entry of that list. It is guarded by pendingConns.mu.
type pendingConn struct {
	conn       *conn
	due        time.Duration // on the server's clock
	prev, next *pendingConn
	waiting    bool
}

var pendingConnPool = sync.Pool{New: func() any { return new(pendingConn) }}

// add has c wait for ConnectTimeout from now.
func (n *pendingConns) add(c *conn) *pendingConn {
	w := pendingConnPool.Get().(*pendingConn)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.append(w, c); n.first == w {
		n.setTimer()
	}
	return w
}

// append has c wait at w, behind the others. It needs mu.
func (n *pendingConns) append(w *pendingConn, c *conn) {
	*w = pendingConn{conn: c, due: time.Since(n.server.start) + n.server.opts.ConnectTimeout, prev: n.last, waiting: true}
	if n.last != nil {
		n.last.next = w
	} else {
		n.first = w
	}
	n.last = w
}

// remove has nobody wait at w, which must not be used any more.
func (n *pendingConns) remove(w *pendingConn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if w.waiting { // else expire has just taken it, and goes off for nothing
		n.unlink(w)
		pendingConnPool.Put(w)
	}
}

func (n *pendingConns) unlink(w *pendingConn) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		n.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		n.last = w.prev
	}
	*w = pendingConn{}
}

// setTimer sets the timer for the first, if there is one.
func (n *pendingConns) setTimer() {
	if n.first == nil {
		return
	}
	wait := n.first.due - time.Since(n.server.start)
	if n.timer == nil {
		n.timer = time.AfterFunc(wait, n.expire) // goes off for the last time when none waits any more
	} else {
		n.timer.Reset(wait)
	}
}

// expire runs on the timer's goroutine.
func (n *pendingConns) expire() {
	for {
		n.mu.Lock()
		w, now := n.first, time.Since(n.server.start)
		if w == nil || w.due > now {
			n.setTimer()
			n.mu.Unlock()
			return
		}
		c, late := w.conn, now-w.due
		n.unlink(w)
		if standstill.Late(late) { // what the client has sent is yet to be read
			n.append(w, c)
			n.mu.Unlock()
			continue
		}
		n.mu.Unlock()
		// owned by the connection; ends when that is told to close, which may take a Logger's time
		go c.connectTimeout()
	}
}
