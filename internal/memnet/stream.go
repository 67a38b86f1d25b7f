package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// A stream is one direction of a connection. Bytes are first under way, then they have arrived; without a Link both
// happens at once. All fields are guarded by mu, which the two directions share, and with them all that belongs to the
// same Links.
type stream struct {
	mu      *sync.Mutex
	changed sync.Cond
	back    *stream // the other direction
	max     int     // bytes in flight and buf before a write waits

	flight  []segment   // under way, in order
	arrival *time.Timer // of the first of them; nil if it waits for something else
	last    time.Time   // when the last of them arrives
	buf     []byte      // has arrived
	size    int         // of both, in bytes

	closed bool  // by the writer
	gone   bool  // and it does not read either
	broken error // what writes return, because the writer got to know that the reader is gone
	ended  error // what reads return when buf is empty, because the end has arrived
	deaf   bool  // the reader has closed

	readBy  deadline
	writeBy deadline

	link *Link       // nil: a perfect network
	conn *connection // with link
	dir  Direction   // one of the two
	hung bool        // nothing arrives any more
}

// A segment is bytes that arrive together, or what else arrives between bytes.
type segment struct {
	data []byte
	due  time.Time
	end  *end // the end of the stream
	hang bool // the last that arrives
}

// An end is how a stream ends for its reader.
type end struct {
	both    bool  // the writer does not read either: what is written to it is refused
	err     error // what reads return instead of io.EOF
	discard bool  // what has arrived and was not read is lost
}

type deadline struct {
	timer  *time.Timer
	passed bool
	count  int // of changes, so that a timer that fired late is told apart
}

func newStream(mu *sync.Mutex, size int) *stream {
	s := &stream{mu: mu, max: size}
	s.changed.L = mu
	return s
}

func (s *stream) read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.deaf:
			return 0, net.ErrClosed
		case s.readBy.passed:
			return 0, os.ErrDeadlineExceeded
		case len(s.buf) > 0 || len(p) == 0:
			n := copy(p, s.buf)
			s.buf = s.buf[n:]
			s.size -= n
			if len(s.buf) == 0 {
				s.buf = nil
			}
			s.changed.Broadcast()
			return n, nil
		case s.ended != nil:
			return 0, s.ended
		}
		s.changed.Wait()
	}
}

func (s *stream) write(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.closed:
			return n, net.ErrClosed
		case s.broken != nil:
			return n, s.broken
		case s.writeBy.passed:
			return n, os.ErrDeadlineExceeded
		case len(p) == 0:
			return n, nil
		}
		room := min(s.max-s.size, len(p))
		if room > 0 && s.link != nil {
			if room = s.link.allow(s, room); room == 0 {
				continue // the connection was cut
			}
		}
		if room > 0 {
			s.send(p[:room])
			p, n = p[room:], n+room
			if s.link != nil {
				s.link.sent(s, room)
			}
			continue
		}
		s.changed.Wait()
	}
}

// send takes bytes for which there is room. The lock is held, as in all functions that follow.
func (s *stream) send(p []byte) {
	s.size += len(p)
	if s.link == nil || len(s.flight) == 0 && !s.late() {
		s.arrive(p)
		return
	}
	for _, size := range s.link.split(s.dir, len(p)) {
		s.push(segment{data: append([]byte(nil), p[:size]...), due: s.link.due(s.dir, size)})
		p = p[size:]
	}
}

// late reports whether what is sent now does not arrive at once.
func (s *stream) late() bool { return s.hung || s.link.frozen(s.dir) || s.link.slow(s.dir) }

// push puts a segment behind those under way.
func (s *stream) push(g segment) {
	if g.due.Before(s.last) {
		g.due = s.last
	}
	s.last = g.due
	s.flight = append(s.flight, g)
	s.advance()
}

// advance lets arrive what is due.
func (s *stream) advance() {
	for len(s.flight) > 0 && !s.hung && !s.link.frozen(s.dir) {
		if wait := time.Until(s.flight[0].due); wait > 0 {
			s.schedule(wait)
			return
		}
		g := s.flight[0]
		s.flight = s.flight[1:]
		switch {
		case g.hang:
			s.hung = true
		case g.end != nil:
			s.finish(*g.end)
		default:
			s.arrive(g.data)
		}
	}
	if s.arrival != nil {
		s.arrival.Stop()
		s.arrival = nil
	}
}

func (s *stream) schedule(wait time.Duration) {
	if s.arrival != nil {
		return // for the same segment: only advance removes the first
	}
	var t *time.Timer
	t = time.AfterFunc(wait, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.arrival == t {
			s.arrival = nil
			s.advance()
		}
	})
	s.arrival = t
}

func (s *stream) arrive(p []byte) {
	if s.deaf || s.ended != nil {
		s.size -= len(p)
	} else {
		s.buf = append(s.buf, p...)
	}
	s.changed.Broadcast()
}

// close is what the writer calls. The end follows what is under way.
func (s *stream) close(e end) {
	if s.closed && (s.gone || !e.both) {
		return
	}
	s.closed, s.gone = true, e.both
	s.writeBy.stop()
	s.terminate(e)
}

// terminate sends an end.
func (s *stream) terminate(e end) {
	if s.link == nil || len(s.flight) == 0 && !s.late() {
		s.finish(e)
	} else {
		s.push(segment{end: &e, due: s.link.due(s.dir, 0)})
	}
	s.changed.Broadcast()
}

// finish lets an end arrive.
func (s *stream) finish(e end) {
	if e.discard {
		s.size -= len(s.buf)
		s.buf = nil
	}
	if s.ended == nil {
		if s.ended = e.err; s.ended == nil {
			s.ended = io.EOF
		}
	}
	if e.both && s.back.broken == nil {
		s.back.broken = syscall.EPIPE
		s.back.changed.Broadcast()
	}
	s.changed.Broadcast()
}

// fail lets reads and writes return errors from now on; what is under way is lost.
func (s *stream) fail(readErr, writeErr error) {
	s.drop()
	if s.ended == nil || readErr != io.EOF {
		s.ended = readErr
	}
	if s.broken == nil {
		s.broken = writeErr
	}
	s.changed.Broadcast()
}

// drop forgets what was not read.
func (s *stream) drop() {
	s.flight, s.buf, s.size = nil, nil, 0
	if s.arrival != nil {
		s.arrival.Stop()
		s.arrival = nil
	}
}

// closeRead is what the reader calls.
func (s *stream) closeRead() {
	if s.deaf {
		return
	}
	s.deaf = true
	s.drop()
	s.readBy.stop()
	s.changed.Broadcast()
}

func (s *stream) setDeadline(d *deadline, t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.stop()
	if d == &s.readBy && s.deaf || d == &s.writeBy && s.closed {
		return net.ErrClosed
	}
	if !t.IsZero() {
		if left := time.Until(t); left > 0 {
			count := d.count
			d.timer = time.AfterFunc(left, func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				if d.count == count {
					d.passed = true
					s.changed.Broadcast()
				}
			})
		} else {
			d.passed = true
		}
	}
	s.changed.Broadcast()
	return nil
}

// stop forgets the deadline.
func (d *deadline) stop() {
	d.count++
	d.passed = false
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
