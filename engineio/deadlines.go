package engineio

import (
	"sync"
	"time"
)

// deadlines are the sessions of a server that wait for the same length of time, in the order in which their time comes,
// with one timer for all: a timer for each would take another 140 bytes of an idle session, and a heap of as many. Since the
// durations are alike, a session nearly always goes to the end.
//
// Lock order: Socket.mu, then deadlines.mu.
type deadlines struct {
	server *Server

	mu    sync.Mutex
	first *Socket
	last  *Socket
	timer *time.Timer
}

// A place is where a session waits. It is changed with the session locked and the mu of the deadlines held, but for what
// expire does.
type place struct {
	due        time.Duration // on the server's clock; kept when it waits no more
	prev, next *Socket
}

// set makes s wait for some time from now. The session is locked. The clock is read with mu held: otherwise whoever has read
// it and then waits for a processor comes behind thousands whose time is later, and has to be brought past each.
func (d *deadlines) set(s *Socket, kind heartbeat, wait time.Duration) {
	s.stopTimer()
	d.mu.Lock()
	defer d.mu.Unlock()
	due := d.server.now() + wait
	before := d.last
	for before != nil && before.place.due > due {
		before = before.place.prev
	}
	after := d.first
	if before != nil {
		after = before.place.next
		before.place.next = s
	} else {
		d.first = s
	}
	if after != nil {
		after.place.prev = s
	} else {
		d.last = s
	}
	s.place, s.awaits = place{due: due, prev: before, next: after}, kind
	if before == nil {
		d.rest()
	}
}

// stopTimer makes s wait no more. The session is locked.
func (s *Socket) stopTimer() {
	d := &s.server.deadlines[s.awaits]
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.has(s) {
		d.remove(s) // the timer goes off for nothing if it was the first
	}
}

func (d *deadlines) has(s *Socket) bool { return s.place.prev != nil || d.first == s }

func (d *deadlines) remove(s *Socket) {
	p := &s.place
	if p.prev != nil {
		p.prev.place.next = p.next
	} else {
		d.first = p.next
	}
	if p.next != nil {
		p.next.place.prev = p.prev
	} else {
		d.last = p.prev
	}
	p.prev, p.next = nil, nil
}

// rest sets the timer for the first session.
func (d *deadlines) rest() {
	if d.first == nil {
		return
	}
	wait := d.first.place.due - d.server.now()
	if d.timer == nil {
		d.timer = time.AfterFunc(wait, d.expire) // goes off for the last time when no session waits any more
	} else {
		d.timer.Reset(wait)
	}
}

// expire runs on a goroutine of the timer.
func (d *deadlines) expire() {
	for {
		d.mu.Lock()
		s := d.first
		if s == nil || s.place.due > d.server.now() {
			d.rest()
			d.mu.Unlock()
			return
		}
		d.remove(s)
		d.mu.Unlock()
		s.onTimer()
	}
}
