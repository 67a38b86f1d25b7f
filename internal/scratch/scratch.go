// Package scratch lends the memory in which packets are encoded, to server and client, and has the pools of what one
// operation needs for a moment. What is taken back is cleared, so that a pool keeps nothing of a user alive.
package scratch

import (
	"sync"

	"sio.example/socketio/engineio"
	"sio.example/socketio/parser"
)

// A Pool lends values of one type. The zero value is ready.
type Pool[T any] struct{ pool sync.Pool }

// Get returns a value that was put back, or a new zero value.
func (p *Pool[T]) Get() *T {
	if v, ok := p.pool.Get().(*T); ok {
		return v
	}
	return new(T)
}

// Put takes a value back. The caller has cleared what is in it, and does not use it any more.
func (p *Pool[T]) Put(v *T) { p.pool.Put(v) }

// A Packet is a packet and what it is encoded into: either once for one peer, by Encode, or to be shared by several
// sessions or sendings, by Prepare. Neither recovers a panic of the parser's; Free may follow one.
type Packet struct {
	parser.Packet
	Prepared []*engineio.Prepared // by Prepare

	text     []byte
	frames   []parser.Frame
	messages []engineio.Message
}

var packets Pool[Packet]

// maxText is the largest text that is kept for the next packet, in bytes.
const maxText = 64 << 10

// For lends a Packet for p.
func For(p parser.Packet) *Packet {
	s := packets.Get()
	s.Packet = p
	if s.text == nil {
		s.text = make([]byte, 0, 256)
		s.frames = make([]parser.Frame, 0, 4)
		s.messages = make([]engineio.Message, 0, 4)
		s.Prepared = make([]*engineio.Prepared, 0, 4)
	}
	return s
}

// Free gives s back, with all that it was encoded into.
func (s *Packet) Free() {
	s.Packet = parser.Packet{}
	clear(s.frames[:cap(s.frames)]) // a parser that fails has written there, too
	clear(s.messages)
	clear(s.Prepared)
	s.frames, s.messages, s.Prepared = s.frames[:0], s.messages[:0], s.Prepared[:0]
	if cap(s.text) <= maxText {
		packets.Put(s)
	}
}

// Encode encodes the packet into memory of s. enc is the parser as an Appender, or nil if it is none.
func (s *Packet) Encode(p parser.Parser, enc parser.Appender) (err error) {
	if enc != nil {
		s.text, s.frames, err = enc.AppendEncode(s.text[:0], s.frames[:0], &s.Packet)
	} else {
		s.frames, err = p.Encode(s.frames[:0], &s.Packet)
	}
	return err
}

// Messages is what Encode made, as the session takes it. It is valid until Free.
func (s *Packet) Messages() []engineio.Message {
	s.messages = s.messages[:0]
	for _, f := range s.frames {
		s.messages = append(s.messages, engineio.Message(f))
	}
	return s.messages
}

// Prepare encodes the packet into Prepared, for about so many sessions.
func (s *Packet) Prepare(p parser.Parser, sessions int) (err error) {
	s.Prepared, err = Prepare(s.Prepared[:0], p, &s.Packet, sessions)
	return err
}

var frameSlices Pool[[]parser.Frame]

// Prepare appends the wire form of p to dst, for about so many sessions.
func Prepare(dst []*engineio.Prepared, enc parser.Parser,
	p *parser.Packet, sessions int) (_ []*engineio.Prepared, err error) {
	frames := frameSlices.Get()
	defer func() {
		clear((*frames)[:cap(*frames)]) // see Free
		frameSlices.Put(frames)
	}()
	made, err := enc.Encode((*frames)[:0], p)
	if err != nil {
		return dst, err
	}
	*frames = made
	for _, f := range made {
		dst = append(dst, engineio.PrepareFor(engineio.Message(f), sessions))
	}
	return dst, nil
}
