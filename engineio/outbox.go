package engineio

import (
	"sync"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/bufpool"
	"sio.example/socketio/internal/ring"
)

// An outbox is what a session has to send, at either end. It is guarded by the session's mu.
//
// A session that has a link sends so: Send pushes; the first message in an empty outbox gives the caller the right to
// write (flushing), with which a batch goes: Flush takes one with outbox.take, and calls batch.flushInline without the
// lock, or starts batch.flush on a goroutine. Both write batch after batch until sender.next has nothing more, which
// gives the right back. On polling a batch is what one request carries.
type outbox struct {
	queue    ring.Ring[parcel]
	bytes    int   // of the messages in queue and on their way, with overhead
	messages int32 // in queue and on their way
	flushing bool  // somebody has the right to write to the link
}

// A parcel is a packet in an outbox: what it has in common with those of other sessions, and what holds for it here.
type parcel struct {
	*Prepared
	flags parcelFlags
}

// parcelFlags are what a Send says about each of its messages.
type parcelFlags uint8

const (
	parcelPlain parcelFlags = 1 << iota // is not to be compressed, see SendOptions.NoCompress
)

// flags are those of each message that is sent with o.
func (o SendOptions) flags() parcelFlags {
	if o.NoCompress {
		return parcelPlain
	}
	return 0
}

// push adds messages, which cost so much. Whether there is room is the session's to know.
func (o *outbox) push(ms []*Prepared, cost int, flags parcelFlags) {
	for _, m := range ms {
		o.queue.Push(parcel{m, flags})
	}
	o.bytes += cost
	o.messages += int32(len(ms))
}

// pushControl adds a packet that is no message, and counts towards no budget.
func (o *outbox) pushControl(p *Prepared) { o.queue.Push(parcel{p, 0}) }

// last is the packet that was pushed last, if it is there.
func (o *outbox) last() *Prepared {
	p, _ := o.queue.Last()
	return p.Prepared
}

// has reports whether such a packet is there.
func (o *outbox) has(p *Prepared) bool { return o.queue.Has(parcel{p, 0}) }

// over reports whether so many messages more would be beyond a budget. One message of any size fits into an empty
// outbox.
func (o *outbox) over(cost, n, maxBytes, maxMessages int) bool {
	return o.messages > 0 && (o.bytes+cost > maxBytes || int(o.messages)+n > maxMessages)
}

// take moves what fits into limit bytes, of which b has taken size, to b: at least one packet, and at most so many. It
// reports whether b has any.
func (o *outbox) take(b *batch, size, limit, most int) bool {
	for len(b.items) < most {
		m, ok := o.queue.Peek()
		if !ok {
			break
		}
		n := packet.PayloadSize(m.packet())
		if size+n > limit && len(b.items) > 0 {
			break
		}
		size += n
		o.queue.Pop()
		b.items = append(b.items, m)
		if m.typ == packet.Message {
			b.messages++
			b.data += len(m.m.Data)
			b.share += m.share()
		}
	}
	return len(b.items) > 0
}

// sent takes b off the budget. It is not for sessions that are closed, whose outbox was freed.
func (o *outbox) sent(b *batch) {
	o.messages -= int32(b.messages)
	o.bytes -= b.data + b.messages*packetOverhead
}

// free drops all that is queued, and leaves the right to write to the goroutine that has it.
func (o *outbox) free() {
	o.queue.Reset()
	o.bytes, o.messages = 0, 0
}

// A sender is a session, as the writer of its batches sees it. Its methods are called without its lock.
type sender interface {
	// next takes what b holds off the budget, empties it, and fills it with what goes out next. If that is nothing, it
	// gives the right to write back, and the ref that the writer has on the session; it reports false, and nothing of
	// the session may be used any more.
	next(b *batch) bool
	// sending is called before b is written.
	sending(b *batch)
	// blocked says that a write waits for the peer, and then that it does not any more.
	blocked(on bool)
	// writeFailed closes the session because a write has failed, unless its reader knows more about that.
	writeFailed(err error)
}

// What one write takes from the outbox at most, so that its deadline stays short.
const (
	batchBytes    = 128 << 10
	batchMessages = 512
	pollMessages  = 16_384 // for an answer to a GET, each of which costs the client a round trip
)

// A batch is what goes out with one write, or with one request of polling. One that is written to a link belongs to the
// goroutine that has the right to do so.
type batch struct {
	sender sender // of a batch for link
	link   link
	codec  *codec
	base64 bool // the peer takes text only
	inline bool // the goroutine has to do something else: the link makes no frames now if that takes long

	items    []parcel
	messages int
	data     int // bytes of messages
	share    int // of memory that they cost
	buf      *[]byte
	bufs     [][]byte // the frames of items, made by link.encode
	tried    bool     // part of it is written, or owed by the link
	err      error
}

var batches = sync.Pool{New: func() any { return new(batch) }}

func getBatch() *batch { return batches.Get().(*batch) }

// newBatch is an empty batch of a session that gives it the right to write to l, and a ref.
func newBatch(s sender, l link, c *codec, base64 bool) *batch {
	b := getBatch()
	b.sender, b.link, b.codec, b.base64 = s, l, c, base64
	return b
}

// reset empties the batch.
func (b *batch) reset() {
	b.shed()
	if cap(b.items) > 4*batchMessages {
		b.items = nil
	}
	*b = batch{sender: b.sender, link: b.link, codec: b.codec, base64: b.base64, items: b.items[:0], bufs: b.bufs[:0]}
}

// shed lets go of what the link has a copy of, when the rest of a batch may take long.
func (b *batch) shed() {
	for _, m := range b.items {
		m.done()
	}
	clear(b.items)
	clear(b.bufs)
	bufpool.Put(b.buf)
	b.items, b.bufs, b.buf = b.items[:0], b.bufs[:0], nil
}

func (b *batch) put() {
	b.reset()
	b.sender, b.link, b.codec, b.base64 = nil, nil, nil, false
	batches.Put(b)
}

// flush writes b, if there is anything in it, and then what is queued, until nothing is. It blocks. The goroutine has
// the right to write, and a ref on the session, which sender.next gives back.
func (b *batch) flush() {
	returned := false
	defer func() {
		if !returned { // a stream of the user's, or a Trace, has ended the goroutine
			b.handOver()
		}
	}()
	for more := len(b.items) > 0 || b.tried || b.sender.next(b); more; more = b.sender.next(b) {
		b.frame()
		if err := b.write(); err != nil {
			b.sender.writeFailed(err)
		}
	}
	returned = true
	b.put()
}

// flushInline is flush for a caller that must not be blocked: what cannot be written at once is left to a goroutine.
func (b *batch) flushInline() {
	returned := false
	defer func() {
		if !returned { // a Trace has ended the goroutine, or panics
			b.handOver()
		}
	}()
	b.inline = true
	b.frame()
	b.inline = false
	done := b.small() && b.try() && b.err == nil && !b.sender.next(b)
	returned = true
	if done {
		b.put()
		return
	}
	go b.flush() // owned by the session, ends when nothing is queued or the session closed; it goes on with b and its ref
}

// handOver has another goroutine end the session, and give back the right to write.
func (b *batch) handOver() {
	b.err = errExited
	go b.flush() // the same writer, with what it has
}

// frame makes the frames, unless they are made or owed.
func (b *batch) frame() {
	if len(b.items) > 0 && len(b.bufs) == 0 && !b.tried && b.err == nil {
		if b.link.encode(b); len(b.bufs) > 0 {
			b.sender.sending(b)
		}
	}
}

// write blocks until the batch is out.
func (b *batch) write() error {
	if b.err != nil || !b.tried && b.small() && b.try() {
		return b.err
	}
	b.sender.blocked(true)
	defer b.sender.blocked(false)
	if b.tried {
		b.shed()
		b.err = b.link.writeFrames() // the rest is owed
	} else {
		b.err = b.link.writeFrames(b.bufs...)
	}
	return b.err
}

// small reports whether it is worth trying to write the batch without blocking: what is not taken then is copied.
func (b *batch) small() bool { return len(b.bufs) == 1 && len(b.bufs[0]) <= 2*batchBytes }

// try writes without blocking and reports whether that was all, or nothing more can be written.
func (b *batch) try() bool {
	all, err := b.link.tryWrite(b.bufs[0])
	b.tried, b.err = true, err
	return all || err != nil
}
