package wire

import (
	"encoding/binary"
	"fmt"
	"io"
)

// The opcodes of RFC 6455 section 5.2.
const (
	Continuation byte = 0
	Text         byte = 1
	Binary       byte = 2
	CloseFrame   byte = 8
	Ping         byte = 9
	Pong         byte = 10
)

// A Frame is one WebSocket frame, lawful or not.
type Frame struct {
	NotFinal bool // a fragment that others follow
	RSV      byte // the three reserved bits, as 0 to 7
	Opcode   byte
	Unmasked bool // a client must mask; this says not to
	Mask     [4]byte
	Payload  []byte

	// Length, if not nil, is announced instead of the payload's.
	Length *uint64
	// LengthBytes forces the form of the length: 0 the shortest, 2 or 8 the longer ones.
	LengthBytes int
}

// Append appends the bytes of f. A zero Mask is a lawful mask that leaves the payload as it is.
func (f Frame) Append(dst []byte) []byte {
	first := f.Opcode&0x0f | f.RSV&7<<4
	if !f.NotFinal {
		first |= 0x80
	}
	n := uint64(len(f.Payload))
	if f.Length != nil {
		n = *f.Length
	}
	var masked byte = 0x80
	if f.Unmasked {
		masked = 0
	}
	switch {
	case f.LengthBytes == 8 || n > 0xffff:
		dst = append(dst, first, masked|127)
		dst = binary.BigEndian.AppendUint64(dst, n)
	case f.LengthBytes == 2 || n > 125:
		dst = append(dst, first, masked|126)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	default:
		dst = append(dst, first, masked|byte(n))
	}
	if f.Unmasked {
		return append(dst, f.Payload...)
	}
	dst = append(dst, f.Mask[:]...)
	for i, b := range f.Payload {
		dst = append(dst, b^f.Mask[i&3])
	}
	return dst
}

// ReadFrame reads one frame of a server. A masked one is an error: servers must not mask (RFC 6455 section 5.1).
func ReadFrame(r io.Reader) (Frame, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return Frame{}, err
	}
	f := Frame{NotFinal: head[0]&0x80 == 0, RSV: head[0] >> 4 & 7, Opcode: head[0] & 0x0f, Unmasked: true}
	if head[1]&0x80 != 0 {
		return Frame{}, fmt.Errorf("%w: a masked frame", ErrUnexpected)
	}
	n := uint64(head[1])
	switch n {
	case 126:
		var more [2]byte
		if _, err := io.ReadFull(r, more[:]); err != nil {
			return Frame{}, err
		}
		n = uint64(binary.BigEndian.Uint16(more[:]))
	case 127:
		var more [8]byte
		if _, err := io.ReadFull(r, more[:]); err != nil {
			return Frame{}, err
		}
		n = binary.BigEndian.Uint64(more[:])
	}
	if n > 64<<20 {
		return Frame{}, fmt.Errorf("%w: a frame of %d bytes", ErrUnexpected, n)
	}
	f.Payload = make([]byte, n)
	_, err := io.ReadFull(r, f.Payload)
	return f, err
}

// CloseStatus is the status and the reason of a close frame; 0 without one.
func (f Frame) CloseStatus() (status int, reason string) {
	if len(f.Payload) < 2 {
		return 0, ""
	}
	return int(binary.BigEndian.Uint16(f.Payload)), string(f.Payload[2:])
}

// CloseWith is a close frame.
func CloseWith(status uint16, reason string) Frame {
	return Frame{Opcode: CloseFrame, Payload: append(binary.BigEndian.AppendUint16(nil, status), reason...)}
}
