package socketio

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"

	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/scratch"
	"sio.example/socketio/parser"
)

// An offset says up to which number of a log a client has handled its events. On the wire it is the base64 of a byte
// that names the form, the tag of the log, and the number (unsigned LEB128). The number takes the same room always, so
// that an event can be encoded before it is known: see numbered.
const (
	offsetForm    = 1
	offsetTagSize = 3
	numberSize    = 6 // bytes of seven bits: 4 million million events
	offsetRaw     = 1 + offsetTagSize + numberSize
	offsetSize    = (offsetRaw*8 + 5) / 6
	maxNumber     = 1<<(7*numberSize) - 1

	maxPID    = 64
	maxOffset = 512 // what a client sends; longer ones are none
)

var offsetEncoding = base64.RawURLEncoding.Strict()

// A logTag tells the offsets of one log from those of another, such as that of the server before its restart.
type logTag [offsetTagSize]byte

func newLogTag() (t logTag) {
	_, _ = rand.Read(t[:]) // never fails
	return t
}

// putOffset writes the text of an offset into the first offsetSize bytes of dst.
func putOffset(dst []byte, tag logTag, number uint64) {
	var raw [offsetRaw]byte
	raw[0] = offsetForm
	copy(raw[1:], tag[:])
	for i := range numberSize {
		b := byte(number>>(7*i)) & 0x7f
		if i < numberSize-1 {
			b |= 0x80
		}
		raw[1+offsetTagSize+i] = b
	}
	offsetEncoding.Encode(dst, raw[:])
}

// parseOffset reads the text of an offset.
func parseOffset(text string) (tag logTag, number uint64, ok bool) {
	raw, err := offsetEncoding.DecodeString(text)
	if err != nil || len(raw) < 1+offsetTagSize+1 || raw[0] != offsetForm {
		return tag, 0, false
	}
	copy(tag[:], raw[1:])
	rest := raw[1+offsetTagSize:]
	number, n := binary.Uvarint(rest)
	return tag, number, n == len(rest)
}

// newPlaceholder returns what stands where an offset is to be written. It is no offset, is never sent, and nobody can
// guess it.
func newPlaceholder() string {
	var raw [offsetRaw]byte
	_, _ = rand.Read(raw[1:]) // never fails
	return offsetEncoding.EncodeToString(raw[:])
}

// numbered is a packet in its wire form with room for an offset.
type numbered struct {
	messages []*engineio.Prepared
	at       int // where the offset goes, in the first message
}

var errNoPlace = errors.New("the parser hides the last argument")

// encodeNumbered encodes a packet, which holds the placeholder, for about so many sockets.
func (s *server) encodeNumbered(dst []*engineio.Prepared, p *parser.Packet, sockets int) (n numbered, err error) {
	if n.messages, err = s.prepare(dst, p, sockets); err != nil {
		return n, err
	}
	if len(n.messages) > 0 {
		n.at = bytes.LastIndex(n.messages[0].Message().Data, []byte(s.placeholder))
	} else {
		n.at = -1
	}
	if n.at < 0 {
		return n, errtext.Wrap("socketio: encode", errNoPlace)
	}
	return n, nil
}

// number encodes an event with room for its offset behind the arguments.
func (s *server) number(dst []*engineio.Prepared, p *parser.Packet, sockets int) (numbered, error) {
	longer := *p
	longer.Args = parser.NewArgs(p.Args, s.placeholder)
	return s.encodeNumbered(dst, &longer, sockets)
}

// fill writes the offset. Nobody else has seen the messages yet.
func (n *numbered) fill(tag logTag, number uint64) {
	putOffset(n.messages[0].Message().Data[n.at:n.at+offsetSize], tag, number)
}

// withoutOffset takes the argument for the offset off again. It reports false if it does not know the parser's form.
func (n *numbered) withoutOffset(sockets int) bool {
	m := n.messages[0].Message()
	before, after := m.Data[:n.at], m.Data[n.at+offsetSize:]
	if m.Binary || !bytes.HasSuffix(before, []byte(`,"`)) || string(after) != `"]` {
		return false
	}
	m.Data = append(m.Data[:n.at-len(`,"`)], ']')
	n.messages[0] = engineio.PrepareFor(m, sockets)
	return true
}

// endsInText reports whether the last argument is, or may be, a string on the wire, which an official client takes for
// an offset.
func endsInText(args Args) bool {
	n := args.Len()
	if n == 0 {
		return false
	}
	switch args.Kind(n - 1) {
	case parser.KindNull, parser.KindBool, parser.KindNumber, parser.KindBytes, parser.KindArray, parser.KindObject:
		return false
	}
	return true // also a time, and what only a parser of the user's can send
}

// initRecovery makes what namespaces with recovery share. It reports why there is none after all.
func (s *server) initRecovery() error {
	if s.opts.Recovery == nil {
		return nil
	}
	s.placeholder = newPlaceholder()
	l := scratch.For(parser.Packet{Type: parser.Event, Namespace: "/", Name: "x"})
	defer l.Free()
	if _, err := s.number(nil, &l.Packet, 1); err != nil {
		s.opts.Recovery = nil
		return err
	}
	return nil
}
