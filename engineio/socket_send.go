package engineio

import (
	"errors"
	"sio.example/socketio/internal/websocket"
)

// SendOptions modify one Send.
type SendOptions struct {
	// Volatile drops the messages instead of queueing them when the transport can't take them now: others wait before
	// them, or no poll is pending, or the peer has held up a write for a moment. What is dropped is counted.
	Volatile bool
	// NoCompress leaves the messages as they are where others are compressed, also those in the same answer to a poll.
	NoCompress bool
	// Defer leaves the messages in the queue until Flush, for a caller that sends to many sessions or many messages.
	Defer bool
	// NoLimit takes the messages whatever the budget of the queue says. It counts for client sessions only, whose owner
	// may have queued them elsewhere before.
	NoLimit bool
}

// Send queues messages that stay adjacent. It returns ErrClosed after the session closed, and closes it and returns
// ErrSlowConsumer when the server has no memory for them (see Options.MaxMemory) and the queue, what is being written
// included, is over its budget. Into an empty queue it takes messages of any size.
//
// A session whose queue is over its budget is also closed, with the same error, when its peer takes nothing: for two
// seconds by WebSocket, or without a GET for five by polling.
func (s *Socket) Send(o SendOptions, ms ...*Prepared) error {
	taken, err := s.queue(o, ms, false)
	if !taken && err == nil {
		err = s.queueWhileFlushing(o, ms)
	}
	return err
}

// queue is Send. If neither taken nor an error is returned there is no memory for the messages at the moment, but the
// peer takes what it gets; with last that closes the session as well.
func (s *Socket) queue(o SendOptions, ms []*Prepared, last bool) (taken bool, err error) {
	cost := 0
	for _, m := range ms {
		cost += m.cost()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != sessionOpen {
		return false, s.closedErrorLocked()
	}
	over := s.overLocked(cost, len(ms))
	switch {
	case o.Volatile && (over || !s.writableLocked()):
		s.server.counters.droppedVolatile.Add(uint64(len(ms)))
		return true, nil
	case over && !s.affordableLocked(ms):
		if !last && s.kind != kindPolling && !s.heldUpLocked() {
			return false, nil
		}
		s.closeApartLocked(slowConsumer) // the caller may hold locks
		return false, ErrSlowConsumer
	}
	flags := o.flags()
	s.out.push(ms, cost, flags)
	if s.claim != nil || s.out.bytes >= unclaimed || over {
		s.queuedLocked(ms)
	}
	if !o.Defer {
		s.startLocked()
	}
	return true, nil
}

// SendMessages is Send for messages that go to this session only. It copies their data, which may be changed when it
// has returned, and allocates nothing for small ones.
func (s *Socket) SendMessages(o SendOptions, ms ...Message) error {
	var room [4]*Prepared
	list := room[:0]
	for _, m := range ms {
		list = append(list, prepareCopy(m))
	}
	err := s.Send(o, list...)
	if err != nil { // none was queued
		for _, p := range list {
			p.done()
		}
	}
	return err
}

// closedErrorLocked is what Send returns when it is too late.
func (s *Socket) closedErrorLocked() error {
	if s.endingLocked().err == ErrSlowConsumer {
		return ErrSlowConsumer
	}
	return ErrClosed
}

// writableLocked reports whether a message would go out at once: nothing waits before it, and the peer takes what is
// being written. The official server's transport is writable when all that it was given has been written (engine.io,
// Transport); that a write has ended is not known here at the moment when the peer may already answer what it got.
func (s *Socket) writableLocked() bool {
	switch {
	case s.kind == kindPolling:
		return s.poll.get.waits() && !s.poll.get.writing() && s.out.queue.Len() == 0
	case s.link == nil:
		return true // the handshake is under way
	}
	return s.out.queue.Len() == 0 && !s.heldUpLocked()
}

// startLocked gets what is queued on its way.
func (s *Socket) startLocked() {
	if s.kind == kindPolling {
		s.poll.signal()
		return
	}
	s.startFlushLocked()
}

// startFlushLocked starts the flusher if there is work and nobody at it. After an upgrade it waits for the answer that
// polling may still be writing, so that nothing overtakes it.
func (s *Socket) startFlushLocked() {
	if !s.mayFlushLocked() || s.out.queue.Len() == 0 && s.state != sessionDraining {
		return
	}
	b := s.newBatchLocked()
	go b.flush() // owned by the session, ends when the queue is empty or the session closed; next lets Shutdown go on
}

// newBatchLocked is a batch for the link, with the right to write and a ref.
func (s *Socket) newBatchLocked() *batch {
	s.out.flushing = true
	s.refs++
	return newBatch(s, s.link, s.codec(), s.base64 && s.marks.Load()&markBinary == 0)
}

func (s *Socket) mayFlushLocked() bool {
	return s.link != nil && !s.out.flushing && s.state != sessionClosed && (s.poll == nil || !s.poll.get.writing())
}

// Flush starts sending what Defer left. It never blocks: what the kernel does not take at once is written by a
// goroutine of the session.
func (s *Socket) Flush() {
	s.mu.Lock()
	if s.kind == kindPolling {
		s.poll.signal()
		s.mu.Unlock()
		return
	}
	if !s.mayFlushLocked() || s.out.queue.Len() == 0 {
		s.mu.Unlock()
		return
	}
	b := s.newBatchLocked()
	s.takeLocked(b, batchBytes)
	s.mu.Unlock()
	if s.server.options.Trace != nil { // which may block, and the caller may hold locks
		go b.flush() // as in startFlushLocked
		return
	}
	b.flushInline()
}

// next is part of sender.
func (s *Socket) next(b *batch) bool {
	if s.server.options.Trace != nil {
		s.traceDrain(b)
	}
	s.mu.Lock()
	s.wroteLocked(b)
	if s.state != sessionClosed && s.takeLocked(b, batchBytes) {
		s.mu.Unlock()
		return true
	}
	if s.state == sessionDraining {
		s.closeStoppedApart(s.stopLocked(*s.endingLocked()))
	}
	s.out.flushing = false
	last := s.unrefLocked()
	s.mu.Unlock()
	if last {
		s.server.running.Done()
	}
	return false
}

// sending is part of sender.
func (s *Socket) sending(b *batch) {
	if s.server.options.Trace != nil {
		s.traceSending(b)
	}
}

// blocked is part of sender.
func (s *Socket) blocked(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blockedAt = 0; on {
		s.blockedAt = max(1, s.server.now())
	}
}

// writeFailed is part of sender. After errLinkClosed the reader is about to end the session, and knows why.
func (s *Socket) writeFailed(err error) {
	if errors.Is(err, errLinkClosed) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeStoppedApart(s.stopLocked(writeEnding(s.link, err)))
}

// writeEnding is what a failed write does to the session.
func writeEnding(l link, err error) ending {
	if l.fault(err) == faultSlow {
		return ending{
			reason: TransportError, err: errors.Join(ErrSlowConsumer, err), reject: RejectWriteTimeout,
			status: websocket.PolicyViolation, text: "slow consumer",
		}
	}
	return ending{reason: TransportClose, err: err}
}

// takeLocked moves what fits into one write from the queue to b, at least one packet, and reports whether there was
// any.
func (s *Socket) takeLocked(b *batch, limit int) bool {
	most := batchMessages
	if s.kind == kindPolling {
		most = pollMessages
	}
	return s.out.take(b, 0, limit, most)
}

// wroteLocked takes the batch off the budget and empties it.
func (s *Socket) wroteLocked(b *batch) {
	if b.messages > 0 && s.state != sessionClosed {
		s.out.sent(b)
		if s.claim != nil {
			s.sentLocked(b.share)
		}
	}
	if b.messages > 0 && b.err == nil {
		s.server.counters.messagesOut.Add(uint64(b.messages))
		s.server.counters.bytesOut.Add(uint64(b.data))
	}
	b.reset()
}
