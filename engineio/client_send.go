package engineio

import (
	"errors"
	"os"
	"time"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/websocket"
)

// The budget of a client's queue.
const (
	clientQueueBytes   = 16 << 20
	clientQueuePackets = 65_536
)

// Send queues messages that stay adjacent. It returns ErrClosed once the session is closed or closing, and ErrQueueFull
// if they do not fit (into an empty queue a message of any size does). Volatile messages are dropped instead, also while
// the transport cannot take them at once. It calls neither the Handler nor a Logger nor Trace.
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
		fx := s.closeLocked(ending{reason: PingTimeout, status: websocket.PolicyViolation, text: "ping timeout"})
		s.holds++
		s.mu.Unlock()
		go func() { // owned by the session, ends when it is closed; release lets Done go on. The caller may hold locks
			defer s.release() // HandleClose may end the goroutine
			s.finish(fx, true)
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
	s.out.push(ms, cost, 0)
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

// writableLocked reports whether a message would go out soon.
func (s *ClientSocket) writableLocked() bool {
	switch {
	case s.pausing():
		return false
	case s.conn != nil:
		return s.blockedAt.IsZero() || time.Since(s.blockedAt) < patience
	}
	return s.poll != nil && !s.poll.posting
}

// queuedLocked reports whether there is anything to send.
func (s *ClientSocket) queuedLocked() bool { return s.pong || s.out.queue.Len() > 0 }

// startLocked gets what is queued on its way.
func (s *ClientSocket) startLocked() {
	if s.conn == nil {
		s.startPostLocked()
		return
	}
	if !s.out.flushing && s.state != sessionClosed && s.queuedLocked() {
		s.startFlushLocked(s.newBatchLocked(s.conn))
	}
}

// newBatchLocked is a batch for c, with the right to write and a hold.
func (s *ClientSocket) newBatchLocked(c *websocket.Conn) *batch {
	s.out.flushing = true
	s.holds++
	return newBatch(s, maskedLink{webSocketLink{c}}, s.base64)
}

// startFlushLocked starts the flusher.
func (s *ClientSocket) startFlushLocked(b *batch) {
	go b.flush() // owned by the session, ends when the queue is empty or the session closes; next lets Done go on
}

// Flush starts sending what Defer left. It never blocks: what the kernel does not take at once is written by a
// goroutine of the session.
func (s *ClientSocket) Flush() {
	s.mu.Lock()
	c := s.conn
	if c == nil || s.out.flushing || s.state == sessionClosed || !s.queuedLocked() {
		if c == nil {
			s.startPostLocked()
		}
		s.mu.Unlock()
		return
	}
	b := s.newBatchLocked(c)
	s.takeLocked(b, batchBytes)
	s.mu.Unlock()
	b.flushInline()
}

// next is part of sender.
func (s *ClientSocket) next(b *batch) bool {
	s.mu.Lock()
	s.wroteLocked(b)
	if s.state != sessionClosed && s.takeLocked(b, batchBytes) {
		s.mu.Unlock()
		return true
	}
	s.out.flushing = false
	fx := s.drainedLocked()
	s.mu.Unlock()
	s.finish(fx, false)
	s.release()
	return false
}

func (s *ClientSocket) sending(b *batch) { s.traceSent(transportWebSocket, b) }

func (s *ClientSocket) blocked(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blockedAt = (time.Time{}); on {
		s.blockedAt = time.Now()
	}
}

func (s *ClientSocket) writeFailed(err error) {
	if !s.knownByReader(err) {
		s.close(clientWriteEnding(err), false)
	}
}

// knownByReader reports whether the reader is about to end the session, and knows why, as after the close frame of either
// end. While the queue is sent before the end, the writer tells that it could not be.
func (s *ClientSocket) knownByReader(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == sessionOpen && errors.Is(err, websocket.ErrClosed)
}

// clientWriteEnding is what a failed write does to the session.
func clientWriteEnding(err error) ending {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ending{reason: TransportError, err: &ClientError{Transport: transportWebSocket, Message: "websocket error", Err: err}}
	}
	return ending{reason: TransportClose, err: err}
}

// takeLocked moves what fits into limit bytes from the queue to b, at least one packet, and reports whether there was any.
// A pong goes before all else: the server counts the seconds.
func (s *ClientSocket) takeLocked(b *batch, limit int) bool {
	size := 0
	if s.pong {
		s.pong = false
		size = packet.PayloadSize(pongPacket.packet())
		b.items = append(b.items, parcel{pongPacket, 0})
	}
	return s.out.take(b, size, limit, batchMessages)
}

// wroteLocked takes the batch off the budget and empties it.
func (s *ClientSocket) wroteLocked(b *batch) {
	if b.messages > 0 && s.state != sessionClosed {
		s.out.sent(b)
	}
	b.reset()
}
