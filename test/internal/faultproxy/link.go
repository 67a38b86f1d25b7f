package faultproxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// link is one connection through the proxy.
type link struct {
	proxy *Proxy
	asked string          // how the last piece began, if it went up; under Proxy.mu
	ends  [2]*net.TCPConn // of the client and of the server

	mu         sync.Mutex
	gone       chan struct{} // closed when nothing is passed any more
	isGone     bool
	discarding bool
}

// run passes bytes both ways until both have ended.
func (l *link) run() {
	var wg sync.WaitGroup
	wg.Go(func() { l.pump(Up) }) // owned by run, which waits
	l.pump(Down)
	wg.Wait()
	for _, c := range l.ends {
		_ = c.Close() // reset ones are closed already
	}
}

// end stops passing bytes, and ends both sides.
func (l *link) end(how Ending) {
	l.mu.Lock()
	if !l.isGone {
		l.isGone = true
		l.discarding = how == Finish
		close(l.gone)
	}
	l.mu.Unlock()
	for _, c := range l.ends {
		if how == Reset {
			reset(c)
		} else {
			_ = c.CloseWrite() // fails only if it is closed
		}
	}
}

// pump passes the bytes of one direction.
func (l *link) pump(d Direction) {
	from, to := l.ends[0], l.ends[1]
	if d == Down {
		from, to = to, from
	}
	for buf := make([]byte, 32<<10); ; {
		n, err := from.Read(buf)
		if n > 0 && !l.pass(d, to, buf[:n]) {
			l.rest(from)
			return
		}
		if err == nil {
			continue
		}
		switch there := l.wait(d, 0); {
		case !there:
		case errors.Is(err, io.EOF):
			_ = to.CloseWrite() // the other direction may go on
		default:
			l.end(Reset) // one side was reset, so is the other
		}
		return
	}
}

// pass passes one piece on when it may go, and reports whether the next may follow.
func (l *link) pass(d Direction, to *net.TCPConn, piece []byte) bool {
	_, _, delay := l.proxy.gate(d)
	if !l.wait(d, delay) {
		return false
	}
	n, due := l.proxy.pass(l, d, piece)
	_, err := to.Write(piece[:n])
	if due != nil {
		if due.only {
			l.end(due.ending)
		} else {
			l.proxy.Drop(due.ending)
		}
		close(due.done)
		return false
	}
	if err != nil {
		l.end(Reset)
		return false
	}
	return true
}

// wait waits for a delay, and while the direction is frozen; it reports whether the link is still there.
func (l *link) wait(d Direction, delay time.Duration) bool {
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-l.gone:
			return false
		}
	}
	for {
		frozen, changed, _ := l.proxy.gate(d)
		if !frozen {
			select {
			case <-l.gone:
				return false
			default:
				return true
			}
		}
		select {
		case <-changed:
		case <-l.gone:
			return false
		}
	}
}

// rest reads what a peer still sends after Finish, so that closing does not reset the connection.
func (l *link) rest(from *net.TCPConn) {
	l.mu.Lock()
	discarding := l.discarding
	l.mu.Unlock()
	if discarding {
		_, _ = io.Copy(io.Discard, from) // ends with the peer's FIN, or with Close
	}
}
