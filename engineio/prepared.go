package engineio

import (
	"encoding/base64"
	"math/bits"
	"sync"
	"sync/atomic"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/bufpool"
)

// A Prepared message is encoded once for all sessions that it is sent to. It is immutable and safe for concurrent use.
type Prepared struct {
	m      Message
	typ    packet.Type
	spread uint8 // it is queued for about 1<<spread sessions

	// The frame is kept from the second use on: what goes to one session only is framed straight into the write buffer.
	shared atomic.Bool
	once   sync.Once
	frame  []byte

	buf *[]byte // lent, for what goes to one session only; nil otherwise

	deflated atomic.Pointer[deflatedForm] // nil until somebody asks for it; for copies always
}

// Sizes of what is copied together for one write. A message above copyLimit is written from where it lies.
const (
	copyLimit = 16 << 10

	// packetOverhead is what a queued message costs beside its data, in terms of MaxQueueBytes.
	packetOverhead = 16
)

// Prepare makes m ready to be sent. The data must not be changed afterwards.
//
// Text must be valid UTF-8 without the byte 0x1e, which separates packets in a polling payload; JSON always is.
func Prepare(m Message) *Prepared { return &Prepared{m: m, typ: packet.Message} }

// PrepareFor is Prepare for a message that is to be sent to about so many sessions. Its data is in memory once for all
// of them, and is counted so towards [Options.MaxMemory].
func PrepareFor(m Message, sessions int) *Prepared {
	return &Prepared{m: m, typ: packet.Message, spread: uint8(bits.Len(uint(max(1, sessions))) - 1)}
}

// copies are those of prepareCopy that have been sent.
var copies = sync.Pool{New: func() any { return new(Prepared) }}

// prepareCopy makes a copy of m ready to be sent to one session, which calls done when it has been.
func prepareCopy(m Message) *Prepared {
	p := copies.Get().(*Prepared)
	p.buf = bufpool.Get(len(m.Data))
	*p.buf = append(*p.buf, m.Data...)
	p.m, p.typ = Message{Binary: m.Binary, Data: *p.buf}, packet.Message
	return p
}

// done gives the memory of a copy back. Nobody else may hold it.
func (p *Prepared) done() {
	if p.buf == nil {
		return
	}
	bufpool.Put(p.buf)
	p.m, p.buf = Message{}, nil
	copies.Put(p)
}

// Message is what was prepared. Its data must not be changed.
func (p *Prepared) Message() Message { return p.m }

func (p *Prepared) packet() packet.Packet {
	return packet.Packet{Type: p.typ, Binary: p.m.Binary, Data: p.m.Data}
}

func (p *Prepared) cost() int { return len(p.m.Data) + packetOverhead }

// shortFrame is the whole frame when it is worth keeping, otherwise nil.
func (p *Prepared) shortFrame() []byte {
	if len(p.m.Data) > copyLimit || p.buf != nil {
		return nil
	}
	if !p.shared.Load() && !p.shared.Swap(true) {
		return nil
	}
	p.once.Do(func() {
		head := make([]byte, 0, maxHead)
		if p.m.Binary {
			head = appendWebSocketHeader(head, true, len(p.m.Data))
		} else {
			head = append(appendWebSocketHeader(head, false, 1+len(p.m.Data)), '0'+byte(p.typ))
		}
		p.frame = append(append(make([]byte, 0, len(head)+len(p.m.Data)), head...), p.m.Data...)
	})
	return p.frame
}

// A framing is how a link encodes packets that are not masked.
type framing struct {
	// header appends what comes before the n bytes of a frame.
	header func(dst []byte, binary bool, n int) []byte
	// shared is the frame of a packet, made of that for a WebSocket, which is kept for all sessions; nil if it can't
	// be.
	shared func(webSocketFrame []byte, binary bool) []byte
	// noEmpty says that there are no frames without content: an empty binary message goes as text.
	noEmpty bool
}

// maxHead is the most that comes before the content of a packet: a frame header and a packet type.
const maxHead = 11

// appendHead appends the header and what the codec has before the data: for text the packet type.
func (f *framing) appendHead(dst []byte, c *codec, p *Prepared) []byte {
	if p.m.Binary {
		return append(f.header(dst, true, len(c.binaryHead)+len(p.m.Data)), c.binaryHead...)
	}
	return append(f.header(dst, false, 1+len(p.m.Data)), '0'+byte(p.typ))
}

// appendBase64 is the form for a peer that takes text only.
func (f *framing) appendBase64(dst []byte, c *codec, p *Prepared) []byte {
	dst = f.header(dst, false, len(c.base64Head)+base64.StdEncoding.EncodedLen(len(p.m.Data)))
	return base64.StdEncoding.AppendEncode(append(dst, c.base64Head...), p.m.Data)
}

// gather makes the frames: short ones copied together, long ones from where they lie.
func (b *batch) gather(f *framing) {
	text := func(p *Prepared) bool { return p.m.Binary && (b.base64 || f.noEmpty && len(p.m.Data) == 0) }
	if len(b.items) == 1 && !text(b.items[0].Prepared) {
		if frame := b.codec.frame(b.items[0].Prepared); frame != nil {
			if frame = f.shared(frame, b.items[0].m.Binary); frame != nil {
				b.bufs = append(b.bufs, frame)
				return
			}
		}
	}
	size := 0
	for _, m := range b.items {
		size += maxHead
		if text(m.Prepared) {
			size += packet.PayloadSize(m.packet())
		} else if len(m.m.Data) <= copyLimit {
			size += len(m.m.Data)
		}
	}
	b.buf = bufpool.Get(size)
	buf, start := *b.buf, 0
	for _, m := range b.items {
		switch {
		case text(m.Prepared):
			buf = f.appendBase64(buf, b.codec, m.Prepared)
		case len(m.m.Data) > copyLimit:
			buf = f.appendHead(buf, b.codec, m.Prepared)
			b.bufs = append(b.bufs, buf[start:], m.m.Data)
			start = len(buf)
		default:
			buf = append(f.appendHead(buf, b.codec, m.Prepared), m.m.Data...)
		}
	}
	if len(buf) > start {
		b.bufs = append(b.bufs, buf[start:])
	}
	*b.buf = buf
}
