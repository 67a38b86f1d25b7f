package engineio

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"time"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/bufpool"
	"sio.example/socketio/internal/ring"
	"sio.example/socketio/internal/websocket"
)

// SendOptions modify one Send.
type SendOptions struct {
	// Volatile drops the messages instead of queueing them when the transport can't take them now: no poll is pending,
	// or the peer has held up a write for a moment, or the queue is over its budget. What is dropped is counted.
	Volatile   bool
	NoCompress bool
	// Defer leaves the messages in the queue until Flush, for a caller that sends to many sessions or many messages.
	Defer bool
	// NoLimit takes the messages whatever the budget of the queue says. It counts for client sessions only, whose owner may
	// have queued them elsewhere before.
	NoLimit bool
}

// What one write takes from the queue at most, so that its deadline stays short.
const (
	batchBytes    = 128 << 10
	batchMessages = 512

	// patience is how long a peer may hold up a write before volatile messages are dropped.
	patience = 20 * time.Millisecond

	// burst is by how much a queue may go over its budget while the peer takes what is written.
	burst = 4

	// absence is how long after its last GET a client on polling counts as one that fetches what is queued.
	absence = time.Second
)

// Send queues messages that stay adjacent. It returns ErrClosed after the session closed, and closes it and returns
// ErrSlowConsumer when the queue, what is being written included, is over its budget. Into an empty queue it takes
// messages of any size, and for the length of a burst the queue may be over the budget four times: that of a WebSocket
// whose peer takes what is written, and that of a client on polling that made a GET within the last second.
func (s *Socket) Send(o SendOptions, ms ...*Prepared) error {
	cost := 0
	for _, m := range ms {
		cost += m.cost()
	}
	s.mu.Lock()
	if s.state != sessionOpen {
		return s.closedErrorUnlock()
	}
	over := s.overLocked(cost, len(ms), 1)
	if over && !o.Volatile {
		over = s.relieveLocked(cost, len(ms))
	}
	if o.Volatile && (over || !s.writableLocked()) {
		s.mu.Unlock()
		s.server.counters.droppedVolatile.Add(uint64(len(ms)))
		return nil
	}
	if over && s.state == sessionOpen {
		fx := s.closeLocked(ending{
			reason: TransportError, err: ErrSlowConsumer, reject: RejectSlowConsumer,
			status: websocket.PolicyViolation, text: "slow consumer",
		})
		if o.Defer { // who sends to many may hold locks, and a Logger is user code
			s.holds++
			go func() { // owned by the session, ends when it is closed; release lets Shutdown go on
				s.finish(fx, true)
				s.release()
			}()
		}
		s.mu.Unlock()
		if !o.Defer {
			s.finish(fx, false)
		}
		return ErrSlowConsumer
	}
	if s.state != sessionOpen {
		return s.closedErrorUnlock()
	}
	for _, m := range ms {
		s.out.Push(m)
	}
	s.bytes += cost
	s.messages += int32(len(ms))
	if s.claim != nil || s.bytes >= unclaimed {
		s.chargeOutLocked(ms)
	}
	if o.NoCompress && s.conn == nil {
		s.plain += int32(len(ms))
	}
	if !o.Defer {
		s.startLocked()
	}
	s.mu.Unlock()
	return nil
}

// SendMessages is Send for messages that go to this session only. It copies their data, which may be changed when it has
// returned, and allocates nothing for small ones.
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

// closedErrorUnlock is what Send returns when it is too late. It unlocks.
func (s *Socket) closedErrorUnlock() error {
	defer s.mu.Unlock()
	if s.end.err == ErrSlowConsumer {
		return ErrSlowConsumer
	}
	return ErrClosed
}

// overLocked reports whether the queue has no room, if its budget were times what it is.
func (s *Socket) overLocked(cost, n, times int) bool {
	o := &s.server.options
	return s.messages > 0 && (s.bytes+cost > times*o.MaxQueueBytes || int(s.messages)+n > times*o.MaxQueuePackets)
}

// relieveLocked deals with a burst that fills the queue faster than a processor can empty it, which does not make the
// peer slow. As long as the peer takes what is written, the flusher gets the chance to write, and the queue may grow to
// burst times its budget. It reports whether that is not enough. It unlocks meanwhile, and takes a millisecond at most.
func (s *Socket) relieveLocked(cost, n int) bool {
	if s.conn == nil {
		p := s.poll
		fetches := p != nil && (p.parked || p.writing || s.server.now()-p.polled < absence)
		return !fetches || s.overLocked(cost, n, burst)
	}
	start := time.Now()
	for range 10_000 {
		if s.state != sessionOpen || s.heldUpLocked() {
			return true
		}
		s.mu.Unlock()
		s.Flush()
		runtime.Gosched()
		s.mu.Lock()
		if !s.overLocked(cost, n, 1) {
			return false
		}
		if !s.overLocked(cost, n, burst) {
			return s.heldUpLocked()
		}
		if time.Since(start) >= time.Millisecond {
			break
		}
	}
	return true
}

// heldUpLocked reports whether the peer does not read.
func (s *Socket) heldUpLocked() bool {
	return s.blocked != 0 && s.server.now()-s.blocked >= patience
}

// writableLocked reports whether a message would go out soon.
func (s *Socket) writableLocked() bool {
	switch {
	case s.conn != nil:
		return !s.heldUpLocked()
	case s.poll != nil:
		return s.poll.parked && !s.poll.writing
	}
	return true // the handshake is under way
}

// startLocked gets what is queued on its way.
func (s *Socket) startLocked() {
	if s.conn == nil {
		if s.poll != nil {
			s.poll.signal()
		}
		return
	}
	s.startFlushLocked()
}

// startFlushLocked starts the flusher if there is work and nobody at it. After an upgrade it waits for the answer that
// polling may still be writing, so that nothing overtakes it.
func (s *Socket) startFlushLocked() {
	if !s.mayFlushLocked() || s.out.Len() == 0 && s.state != sessionDraining {
		return
	}
	s.flushing = true
	s.holds++
	go s.flush(getBatch()) // owned by the session, ends when the queue is empty or the session closed; release waits for it
}

func (s *Socket) mayFlushLocked() bool {
	return s.conn != nil && !s.flushing && s.state != sessionClosed && (s.poll == nil || !s.poll.writing)
}

// Flush starts sending what Defer left. It never blocks: what the kernel does not take at once is written by a
// goroutine of the session.
func (s *Socket) Flush() {
	s.mu.Lock()
	if s.conn == nil {
		s.startLocked()
		s.mu.Unlock()
		return
	}
	if !s.mayFlushLocked() || s.out.Len() == 0 {
		s.mu.Unlock()
		return
	}
	b := getBatch()
	s.takeLocked(b, batchBytes)
	s.flushing = true
	s.holds++
	conn := s.conn
	s.mu.Unlock()

	b.encode(s.base64)
	if len(b.bufs) == 1 && b.try(conn) && b.err == nil {
		s.mu.Lock()
		s.wroteLocked(b)
		if s.out.Len() == 0 && s.state != sessionDraining {
			s.flushing = false
			s.mu.Unlock()
			b.put()
			s.release()
			return
		}
		s.mu.Unlock()
	}
	go s.flush(b) // as in startFlushLocked; it goes on with b
}

// flush writes until the queue is empty. It owns s.flushing and one hold. b is empty, or a batch that was begun.
func (s *Socket) flush(b *batch) {
	for {
		if len(b.items) > 0 {
			// After ErrClosed the reader is about to end the session, and knows why.
			if err := s.write(b); err != nil && !errors.Is(err, websocket.ErrClosed) {
				s.close(writeEnding(err), true)
			}
		}
		s.mu.Lock()
		s.wroteLocked(b)
		if s.state == sessionClosed || !s.takeLocked(b, batchBytes) {
			break
		}
		s.mu.Unlock()
		b.encode(s.base64)
	}
	var fx closing
	if s.state == sessionDraining {
		fx = s.closeLocked(*s.end)
	}
	s.flushing = false
	s.mu.Unlock()
	b.put()
	s.finish(fx, true)
	s.release()
}

// write blocks until the batch is out.
func (s *Socket) write(b *batch) error {
	if b.err != nil {
		return b.err
	}
	s.mu.Lock()
	conn := s.conn
	s.mu.Unlock()
	if len(b.bufs) == 1 && !b.tried && b.try(conn) {
		return b.err
	}
	s.mu.Lock()
	s.blocked = max(1, s.server.now())
	s.mu.Unlock()
	if b.tried {
		b.err = conn.WriteFrames() // the rest is owed
	} else {
		b.err = conn.WriteFrames(b.bufs...)
	}
	s.mu.Lock()
	s.blocked = 0
	s.mu.Unlock()
	return b.err
}

// writeEnding is what a failed write does to the session.
func writeEnding(err error) ending {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return ending{
			reason: TransportError, err: errors.Join(ErrSlowConsumer, err), reject: RejectWriteTimeout,
			status: websocket.PolicyViolation, text: "slow consumer",
		}
	}
	return ending{reason: TransportClose, err: err}
}

// takeLocked moves what fits into one write from the queue to b, at least one packet, and reports whether there was any.
func (s *Socket) takeLocked(b *batch, limit int) bool {
	return b.take(&s.out, 0, limit)
}

// wroteLocked takes the batch off the budget and empties it.
func (s *Socket) wroteLocked(b *batch) {
	if b.messages > 0 && s.state != sessionClosed {
		s.messages -= int32(b.messages)
		s.bytes -= b.data + b.messages*packetOverhead
		if s.claim != nil {
			s.paidLocked(b.share)
		}
	}
	if b.messages > 0 && b.err == nil {
		s.server.counters.messagesOut.Add(uint64(b.messages))
		s.server.counters.bytesOut.Add(uint64(b.data))
	}
	b.reset()
}

// A batch is what goes out with one write.
type batch struct {
	items    []*Prepared
	messages int
	data     int // bytes of messages
	share    int // of memory that they cost
	buf      *[]byte
	bufs     [][]byte
	tried    bool // part of it is written, or owed by the connection
	err      error
}

var batches = sync.Pool{New: func() any { return new(batch) }}

func getBatch() *batch { return batches.Get().(*batch) }

func (b *batch) reset() {
	for _, m := range b.items {
		m.done()
	}
	clear(b.items)
	clear(b.bufs)
	bufpool.Put(b.buf)
	*b = batch{items: b.items[:0], bufs: b.bufs[:0]}
}

func (b *batch) put() {
	b.reset()
	batches.Put(b)
}

// take moves what fits into limit bytes from queue, of which size are taken, at least one packet, and reports whether the
// batch has any.
func (b *batch) take(queue *ring.Ring[*Prepared], size, limit int) bool {
	for len(b.items) < batchMessages {
		m, ok := queue.Peek()
		if !ok {
			break
		}
		n := packet.PayloadSize(m.packet())
		if size+n > limit && len(b.items) > 0 {
			break
		}
		size += n
		queue.Pop()
		b.items = append(b.items, m)
		if m.typ == packet.Message {
			b.messages++
			b.data += len(m.m.Data)
			b.share += m.share()
		}
	}
	return len(b.items) > 0
}

// try writes without blocking and reports whether that was all, or nothing more can be written.
func (b *batch) try(c *websocket.Conn) bool {
	all, err := c.TryWriteFrames(b.bufs[0])
	b.tried, b.err = true, err
	return all || err != nil
}

// encode makes the frames: short ones copied together, long ones from where they lie.
func (b *batch) encode(base64 bool) {
	if len(b.items) == 1 && !(base64 && b.items[0].m.Binary) {
		if f := b.items[0].shortFrame(); f != nil {
			b.bufs = append(b.bufs, f)
			return
		}
	}
	size := 0
	for _, m := range b.items {
		size += maxHead
		if base64 && m.m.Binary {
			size += packet.PayloadSize(m.packet())
		} else if len(m.m.Data) <= copyLimit {
			size += len(m.m.Data)
		}
	}
	b.buf = bufpool.Get(size)
	buf, start := *b.buf, 0
	for _, m := range b.items {
		switch {
		case base64 && m.m.Binary:
			buf = m.appendBase64Frame(buf)
		case len(m.m.Data) > copyLimit:
			buf = m.appendHead(buf)
			b.bufs = append(b.bufs, buf[start:], m.m.Data)
			start = len(buf)
		default:
			buf = append(m.appendHead(buf), m.m.Data...)
		}
	}
	if len(buf) > start {
		b.bufs = append(b.bufs, buf[start:])
	}
	*b.buf = buf
}
