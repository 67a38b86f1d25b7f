package engineio

import (
	"encoding/base64"
	"sync"
	"sync/atomic"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/bufpool"
	"sio.example/socketio/internal/websocket"
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
		head := p.appendHead(make([]byte, 0, maxHead))
		p.frame = append(append(make([]byte, 0, len(head)+len(p.m.Data)), head...), p.m.Data...)
	})
	return p.frame
}

// maxHead is the most that appendHead appends: a frame header and a packet type.
const maxHead = 11

// appendHead appends the frame header and, for text, the packet type (EIO v4 §encoding: binary has none).
func (p *Prepared) appendHead(dst []byte) []byte {
	if p.m.Binary {
		return websocket.AppendHeader(dst, websocket.Binary, len(p.m.Data))
	}
	return append(websocket.AppendHeader(dst, websocket.Text, 1+len(p.m.Data)), '0'+byte(p.typ))
}

// appendBase64Frame is the form for a client that asked for text only.
func (p *Prepared) appendBase64Frame(dst []byte) []byte {
	dst = websocket.AppendHeader(dst, websocket.Text, 1+base64.StdEncoding.EncodedLen(len(p.m.Data)))
	return base64.StdEncoding.AppendEncode(append(dst, 'b'), p.m.Data)
}
