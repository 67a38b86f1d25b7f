package engineio

import (
	"errors"
	"time"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/websocket"
)

// The budget of a client's queue.
const (
	clientQueueBytes   = 16 << 20
	clientQueuePackets = 65_536
)

// Send queues messages that stay adjacent. It returns ErrClosed once the session is closed or closing, and
// ErrQueueFull if they do not fit (into an empty queue a message of any size does). Volatile messages are dropped
// instead, also while the transport cannot take them at once. It calls neither the Handler nor a Logger nor Trace.
func (s *ClientSocket) Send(o SendOptions, ms ...*Prepared) error {
	cost := 0
	for _, m := range ms {
		cost += m.cost()
	}
	s.mu.Lock()
	if s.state != sessionOpen {
		s.mu.Unlock()
		return ErrClosed
	}
	if !s.aliveLocked() && !s.behind() {
		fx := s.stopLocked(pingTimeout)
		s.refs++
		s.mu.Unlock()
		go func() { // owned by the session, ends when it is closed; unref lets Done go on. The caller may hold locks
			defer s.unref() // HandleClose may end the goroutine
			s.closeStopped(fx, true)
		}()
		return ErrClosed
	}
	if !o.NoLimit && s.overLocked(cost, len(ms)) || o.Volatile && !s.writableLocked() {
		s.mu.Unlock()
		if o.Volatile {
			return nil
		}
		return ErrQueueFull
	}
	s.out.push(ms, cost, o.flags())
	if !o.Defer {
		s.startLocked()
	}
	s.mu.Unlock()
	return nil
}

// overLocked reports whether the queue has no room.
func (s *ClientSocket) overLocked(cost, n int) bool {
	return s.out.over(cost, n, s.maxBytes, s.maxQueued)
}

// writableLocked reports whether a message would go out at once: nothing waits before it, and the server takes what is
// being written.
func (s *ClientSocket) writableLocked() bool {
	switch {
	case s.out.queue.Len() > 0:
		return false
	case s.link != nil:
		return s.blockedAt.IsZero() || time.Since(s.blockedAt) < patience
	case s.poll != nil:
		return s.poll.state.phase == pollRunning && !s.poll.state.posting
	}
	return false
}

// queuedLocked reports whether there is anything to send.
func (s *ClientSocket) queuedLocked() bool { return s.beatDue || s.out.queue.Len() > 0 }

// startLocked gets what is queued on its way.
func (s *ClientSocket) startLocked() {
	switch {
	case s.mayFlushLocked():
		s.startFlushLocked(false)
	case s.poll != nil && s.state != sessionOpening:
		s.stepPollingLocked(s.poll, pollQueue)
	}
}

// mayFlushLocked reports whether there is something to write to the link, and nobody at it.
func (s *ClientSocket) mayFlushLocked() bool {
	return s.link != nil && !s.out.flushing && s.state != sessionClosed && s.queuedLocked()
}

// newBatchLocked is a batch with the right to write to the link, and a hold on the session.
func (s *ClientSocket) newBatchLocked() *batch {
	s.out.flushing = true
	s.refs++
	return newBatch(s, s.link, s.codec(), s.base64)
}

// startFlushLocked starts the flusher. Owed says that the link has something to write already.
func (s *ClientSocket) startFlushLocked(owed bool) {
	b := s.newBatchLocked()
	b.tried = owed
	go b.flush() // owned by the session, ends when the queue is empty or the session is closed; next lets Done go on
}

// Flush starts sending what Defer left. It never blocks: what the kernel does not take at once is written by a
// goroutine of the session.
func (s *ClientSocket) Flush() {
	s.mu.Lock()
	if !s.mayFlushLocked() {
		s.startLocked() // on polling
		s.mu.Unlock()
		return
	}
	b := s.newBatchLocked()
	s.takeLocked(b, batchBytes)
	s.mu.Unlock()
	b.flushInline()
}

// next is part of sender.
func (s *ClientSocket) next(b *batch) bool {
	s.mu.Lock()
	s.sentLocked(b)
	if s.state != sessionClosed && s.takeLocked(b, batchBytes) {
		s.mu.Unlock()
		return true
	}
	s.out.flushing = false
	fx := s.drainedLocked()
	s.mu.Unlock()
	s.closeStopped(fx, false)
	s.unref()
	return false
}

func (s *ClientSocket) sending(b *batch) { s.traceSent(b.link.kind(), b) }

func (s *ClientSocket) blocked(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blockedAt = (time.Time{}); on {
		s.blockedAt = time.Now()
	}
}

// writeFailed is part of sender. The reader may be about to end the session and know why, as after the close frame of
// either end; but while the queue is sent before the end, it is the writer who tells that it could not be.
func (s *ClientSocket) writeFailed(err error) {
	s.mu.Lock()
	l, known := s.link, s.state == sessionOpen && errors.Is(err, errLinkClosed)
	s.mu.Unlock()
	if l != nil && !known {
		s.close(clientLinkEnding(l, err), false)
	}
}

// clientLinkEnding is what a failed read or write does to the session. A link that just ends is a close.
func clientLinkEnding(l link, err error) ending {
	switch l.fault(err) {
	case faultNone:
		return ending{reason: TransportClose, err: err, status: websocket.NormalClosure}
	default:
		return ending{reason: TransportError, err: linkError(l.kind(), err), status: websocket.NormalClosure}
	}
}

// takeLocked moves what fits into limit bytes from the queue to b, at least one packet, and reports whether there was
// any. The answer to a ping goes before all else: the server counts the seconds.
func (s *ClientSocket) takeLocked(b *batch, limit int) bool {
	size := 0
	if s.beatDue {
		s.beatDue = false
		beat := s.codec().client.says
		size = packet.PayloadSize(beat.packet())
		b.items = append(b.items, parcel{beat, 0})
	}
	return s.out.take(b, size, limit, batchMessages)
}

// sentLocked takes the batch off the budget and empties it.
func (s *ClientSocket) sentLocked(b *batch) {
	if b.messages > 0 && s.state != sessionClosed {
		s.out.sent(b)
	}
	b.reset()
}
