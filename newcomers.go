package socketio

import (
	"sync"
	"time"

	"sio.example/socketio/internal/standstill"
)

// newcomers are the connections of a server that have joined no namespace yet, in the order in which ConnectTimeout ends for
// them, with one timer for all: one for each is the greater part of what a connection needs only while it is new.
//
// Lock order: conn.mu, then newcomers.mu.
type newcomers struct {
	server *server

	mu    sync.Mutex
	first *newcomer
	last  *newcomer
	timer *time.Timer
}

// A newcomer is a connection's place among them. It is guarded by newcomers.mu.
type newcomer struct {
	conn       *conn
	due        time.Duration // on the server's clock
	prev, next *newcomer
	waiting    bool
}

var newcomerPool = sync.Pool{New: func() any { return new(newcomer) }}

// add has c wait for ConnectTimeout from now.
func (n *newcomers) add(c *conn) *newcomer {
	w := newcomerPool.Get().(*newcomer)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.link(w, c); n.first == w {
		n.rest()
	}
	return w
}

// link has c wait at w, behind the others. It needs mu.
func (n *newcomers) link(w *newcomer, c *conn) {
	*w = newcomer{conn: c, due: time.Since(n.server.start) + n.server.opts.ConnectTimeout, prev: n.last, waiting: true}
	if n.last != nil {
		n.last.next = w
	} else {
		n.first = w
	}
	n.last = w
}

// remove has nobody wait at w, which must not be used any more.
func (n *newcomers) remove(w *newcomer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if w.waiting { // else expire has just taken it, and goes off for nothing
		n.unlink(w)
		newcomerPool.Put(w)
	}
}

func (n *newcomers) unlink(w *newcomer) {
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
	*w = newcomer{}
}

// rest sets the timer for the first, if there is one.
func (n *newcomers) rest() {
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
func (n *newcomers) expire() {
	for {
		n.mu.Lock()
		w, now := n.first, time.Since(n.server.start)
		if w == nil || w.due > now {
			n.rest()
			n.mu.Unlock()
			return
		}
		c, late := w.conn, now-w.due
		n.unlink(w)
		if standstill.Late(late) { // what the client has sent is yet to be read
			n.link(w, c)
			n.mu.Unlock()
			continue
		}
		n.mu.Unlock()
		go c.connectTimeout() // owned by the connection; ends when that is told to close, which may take a Logger's time
	}
}
