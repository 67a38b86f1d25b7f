package engineio

import (
	"encoding/base64"
	"errors"
	"os"
	"time"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/bufpool"
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
	for _, m := range ms {
		s.out.Push(m)
	}
	s.bytes += cost
	s.messages += len(ms)
	if !o.Defer {
		s.startLocked()
	}
	s.mu.Unlock()
	return nil
}

// overLocked reports whether the queue has no room.
func (s *ClientSocket) overLocked(cost, n int) bool {
	return s.messages > 0 && (s.bytes+cost > s.maxBytes || s.messages+n > s.maxQueued)
}

// writableLocked reports whether a message would go out soon.
func (s *ClientSocket) writableLocked() bool {
	switch {
	case s.pausing():
		return false
	case s.conn != nil:
		return s.blocked.IsZero() || time.Since(s.blocked) < patience
	}
	return s.poll != nil && !s.poll.posting
}

// queuedLocked reports whether there is anything to send.
func (s *ClientSocket) queuedLocked() bool { return s.pong || s.out.Len() > 0 }

// startLocked gets what is queued on its way.
func (s *ClientSocket) startLocked() {
	if s.conn == nil {
		s.startPostLocked()
		return
	}
	if !s.flushing && s.state != sessionClosed && s.queuedLocked() {
		s.startFlushLocked(s.conn, getBatch())
	}
}

// startFlushLocked starts the flusher.
func (s *ClientSocket) startFlushLocked(c *websocket.Conn, b *batch) {
	s.flushing = true
	s.holds++
	go s.flush(c, b) // owned by the session, ends when the queue is empty or the session closes; release lets Done go on
}

// Flush starts sending what Defer left. It never blocks: what the kernel does not take at once is written by a
// goroutine of the session.
func (s *ClientSocket) Flush() {
	s.mu.Lock()
	c := s.conn
	if c == nil || s.flushing || s.state == sessionClosed || !s.queuedLocked() {
		if c == nil {
			s.startPostLocked()
		}
		s.mu.Unlock()
		return
	}
	b := getBatch()
	s.takeLocked(b, batchBytes)
	s.flushing = true
	s.holds++
	s.mu.Unlock()

	b.encodeMasked(s.base64)
	s.traceSent(transportWebSocket, b)
	if b.small() && b.try(c) && b.err == nil {
		s.mu.Lock()
		s.wroteLocked(b)
		if !s.queuedLocked() {
			s.flushing = false
			fx := s.drainedLocked()
			s.mu.Unlock()
			b.put()
			s.finish(fx, false)
			s.release()
			return
		}
		s.mu.Unlock()
	}
	go s.flush(c, b) // as in startFlushLocked; it goes on with b
}

// flush writes until the queue is empty. It owns s.flushing and one hold. b is empty, or a batch that was encoded and traced.
func (s *ClientSocket) flush(c *websocket.Conn, b *batch) {
	for {
		if len(b.items) > 0 || b.tried {
			if err := s.write(c, b); err != nil && !s.knownByReader(err) {
				s.close(clientWriteEnding(err), false)
			}
		}
		s.mu.Lock()
		s.wroteLocked(b)
		if s.state == sessionClosed || !s.takeLocked(b, batchBytes) {
			break
		}
		s.mu.Unlock()
		b.encodeMasked(s.base64)
		s.traceSent(transportWebSocket, b)
	}
	s.flushing = false
	fx := s.drainedLocked()
	s.mu.Unlock()
	b.put()
	s.finish(fx, false)
	s.release()
}

// knownByReader reports whether the reader is about to end the session, and knows why, as after the close frame of either
// end. While the queue is sent before the end, the writer tells that it could not be.
func (s *ClientSocket) knownByReader(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == sessionOpen && errors.Is(err, websocket.ErrClosed)
}

// write blocks until the batch is out.
func (s *ClientSocket) write(c *websocket.Conn, b *batch) error {
	if b.err != nil || !b.tried && b.small() && b.try(c) {
		return b.err
	}
	s.setBlocked(time.Now())
	if b.tried {
		b.err = c.WriteFrames() // the rest is owed
	} else {
		b.err = c.WriteFrames(b.bufs...)
	}
	s.setBlocked(time.Time{})
	return b.err
}

func (s *ClientSocket) setBlocked(t time.Time) {
	s.mu.Lock()
	s.blocked = t
	s.mu.Unlock()
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
		b.items = append(b.items, pongPacket)
	}
	return b.take(&s.out, size, limit)
}

// wroteLocked takes the batch off the budget and empties it.
func (s *ClientSocket) wroteLocked(b *batch) {
	if b.messages > 0 && s.state != sessionClosed {
		s.messages -= b.messages
		s.bytes -= b.data + b.messages*packetOverhead
	}
	b.reset()
}

// small reports whether it is worth trying to write the batch without blocking: what is not taken then is copied.
func (b *batch) small() bool { return len(b.bufs) == 1 && len(b.bufs[0]) <= batchBytes }

// maxMaskedHead is the most that a client's frame has before its payload.
const maxMaskedHead = 14

// typeDigits are the first bytes of text packets.
var typeDigits = [...]byte{'0', '1', '2', '3', '4', '5', '6'}

// encodeMasked makes the frames of a client in one buffer. Masking copies in any case.
func (b *batch) encodeMasked(forceBase64 bool) {
	size := 0
	for _, m := range b.items {
		size += maxMaskedHead + packet.PayloadSize(m.packet())
	}
	b.buf = bufpool.Get(size)
	for _, m := range b.items {
		*b.buf = m.appendMasked(*b.buf, forceBase64)
	}
	b.bufs = append(b.bufs, *b.buf)
}

// appendMasked appends the frame of a packet that a client sends (EIO v4 §encoding: binary has no type).
func (p *Prepared) appendMasked(dst []byte, forceBase64 bool) []byte {
	switch {
	case p.m.Binary && forceBase64:
		text := bufpool.Get(1 + base64.StdEncoding.EncodedLen(len(p.m.Data)))
		defer bufpool.Put(text)
		*text = base64.StdEncoding.AppendEncode(append(*text, 'b'), p.m.Data)
		return websocket.AppendMasked(dst, websocket.Text, *text)
	case p.m.Binary:
		return websocket.AppendMasked(dst, websocket.Binary, p.m.Data)
	}
	return websocket.AppendMasked(dst, websocket.Text, typeDigits[p.typ:p.typ+1], p.m.Data)
}
