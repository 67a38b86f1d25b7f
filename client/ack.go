package client

import (
	"context"
	"slices"
	"time"

	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/internal/errtext"
)

// A request is an event whose acknowledgement somebody waits for. Its fields are guarded by the Manager's lock.
type request struct {
	id   uint64
	name string // of the event
	// answer is called once, with the lock held: it must not wait. nil if only the queue wants to know.
	answer  func(args Args, err error)
	timer   *time.Timer // of AckTimeout
	waiting *outgoing   // the event, while it is in the buffer or the queue
	err     error       // why it was given up before it was expected
	cost    int         // in bytes, of SocketOptions.MaxPendingAcks
	size    int         // of the answer
	done    bool
}

func (s *Socket) newRequest(name string, answer func(args Args, err error)) *request {
	return &request{id: s.ids.Add(1) - 1, name: name, answer: answer, cost: dispatch.AckCost + len(name)}
}

// mayAsk reports why one more acknowledgement cannot be waited for. Those of Retries are bounded by its queue. The
// Manager's lock is held.
func (s *Socket) mayAsk(r *request) error {
	if r == nil || r.answer == nil {
		return nil
	}
	limits := s.opts.ackLimits()
	if n := int(s.pendingAcks + s.runningCallbacks); n >= limits.Items || n > 0 && s.ackBytes+r.cost > limits.Bytes {
		return ackError(r.name, ErrTooManyAcks)
	}
	return nil
}

// callbackReturned is for a callback that has returned. No lock is held.
func (s *Socket) callbackReturned(cost int) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.runningCallbacks--
	s.ackBytes -= cost
}

// arm starts AckTimeout, unless the queue counts it.
func (s *Socket) arm(r *request) {
	if d := s.opts.ackTimeout(); d > 0 && s.opts.Retries <= 0 {
		r.timer = time.AfterFunc(d, func() { s.giveUp(r, ErrAckTimeout) }) // stopped by settle
	}
}

// disarm is for a request that was not sent.
func (r *request) disarm() {
	if r.timer != nil {
		r.timer.Stop()
	}
}

// maxKept is how large the map of requests may have been to be kept when it is empty: maps never shrink.
const maxKept = 32

// expect registers a request. The Manager's lock is held, as for all that follow.
func (s *Socket) expect(r *request) {
	if s.requests == nil {
		s.requests = make(map[uint64]*request, 1)
	}
	if s.requests[r.id] != r && r.answer != nil {
		s.pendingAcks++
		s.ackBytes += r.cost
	}
	s.requests[r.id] = r
	s.peak = max(s.peak, int32(len(s.requests)))
}

// settle ends a request that is not done.
func (s *Socket) settle(r *request, args Args, err error) {
	r.done, r.waiting = true, nil
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
	if s.requests[r.id] == r && r.answer != nil {
		s.pendingAcks--
		s.ackBytes -= r.cost
	}
	delete(s.requests, r.id)
	if len(s.requests) == 0 && s.peak > maxKept {
		s.requests, s.peak = nil, 0
	}
	switch {
	case r.answer != nil:
		r.answer(args, err)
	case err != nil: // by Retries only; somebody should know
		s.inbox.Append(job{call: func() {
			s.m.report(context.Background(), s, nil,
				errtext.Wrap("client: event "+dispatch.Plain(r.name)+" was given up", err))
		}})
	}
}

// failRequests ends all requests with err; with sentOnly only those whose event does not wait any more.
func (s *Socket) failRequests(err error, sentOnly bool) {
	if len(s.requests) == 0 {
		return
	}
	ids := make([]uint64, 0, len(s.requests))
	for id, r := range s.requests {
		if r.waiting == nil || !sentOnly {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		s.settle(s.requests[id], Args{}, err)
	}
}

// acknowledged settles a request with what the server sent, of size bytes. What nobody asked for, or has not been sent,
// is ignored.
func (s *Socket) acknowledged(id uint64, args Args, size int) {
	r := s.requests[id]
	switch {
	case r == nil:
	case r.waiting == nil:
		r.size = size
		s.settle(r, args, nil)
	case r.waiting.in == &s.queue && r.waiting.inFlight:
		r.size = size
		s.queue.remove(r.waiting)
		s.settle(r, args, nil)
		s.sendNext()
	}
}

// giveUp ends a request with err, and its event too if that still waits. No lock is held.
func (s *Socket) giveUp(r *request, err error) {
	m := s.m
	m.mu.Lock()
	c := s.conn()
	switch {
	case r.done:
	case s.requests[r.id] != r: // it is just being sent, or was in vain
		r.done, r.err = true, err
	default:
		if e := r.waiting; e != nil {
			e.in.remove(e)
		}
		s.settle(r, Args{}, err)
		s.sendNext()
	}
	m.unlock()
	c.flush()
}
