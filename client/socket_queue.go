package client

import "time"

// The queue holds the events of a socket with Retries. Its first event is in flight while the socket is connected; it
// leaves the queue when it is acknowledged, or was sent Retries+1 times. The acknowledgement of an earlier sending
// counts, too, since all have the same id.
//
// All of this is called with the Manager's lock held, unless noted.

// enqueue appends an event, and sends it if it is the only one.
func (s *Socket) enqueue(e *outgoing) error {
	if s.opts.BufferPolicy == BufferNothing && s.phase != connected {
		return ErrDisconnected
	}
	if err := s.makeRoom(&s.queue, e.size); err != nil {
		return err
	}
	s.queue.push(e)
	e.request.waiting = e
	s.expect(e.request)
	s.sendNext()
	return nil
}

// sendNext sends the first event of the queue, unless it is in flight.
func (s *Socket) sendNext() {
	e := s.queue.first
	if e == nil || e.inFlight || s.phase != connected {
		return
	}
	if s.epoch.conn.mustSend(e.options, e.frames) != nil {
		return // the loss is about to be noticed
	}
	e.inFlight = true
	e.tries++
	try, r := e.tries, e.request
	// Stopped by settle, interrupt or the next one.
	r.timer = time.AfterFunc(s.opts.ackTimeout(), func() { s.unanswered(e, try) })
	s.notifyLater(e)
}

// unanswered runs on the timer's goroutine, without the lock.
func (s *Socket) unanswered(e *outgoing, try int) {
	m := s.m
	m.mu.Lock()
	c := s.conn()
	if e.in != nil && e.inFlight && e.tries == try {
		s.interrupt(ErrAckTimeout)
		s.sendNext()
	}
	m.unlock()
	c.flush()
}

// interrupt ends the flight of the first event; if it was the last one, also its time in the queue, with err.
func (s *Socket) interrupt(err error) {
	e := s.queue.first
	if e == nil || !e.inFlight {
		return
	}
	e.inFlight = false
	e.request.timer.Stop()
	if e.tries > s.opts.Retries {
		s.queue.remove(e)
		s.settle(e.request, Args{}, err)
	}
}
