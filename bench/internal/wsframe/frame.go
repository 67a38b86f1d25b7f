// Package wsframe writes the frames of a WebSocket client and reads those of a server, for load that costs less than
// what it measures: no state, no fragments; compressed messages are left to the caller.
package wsframe

import (
	"encoding/binary"
	"errors"
)

// The opcodes of RFC 6455 5.2.
const (
	Text   = 1
	Binary = 2
	Close  = 8
	Ping   = 9
	Pong   = 10
)

// Deflated is set in the opcode of a compressed message (RFC 7692 6).
const Deflated = 0x40

const maxFrame = 16 << 20

var (
	errFrame = errors.New("a frame that is masked, fragmented or too large, or has an unknown bit")
	// Mask is what clients mask with. It is not zero, so that no server gets away with not unmasking.
	Mask = [4]byte{0x9d, 0x3b, 0x57, 0xe6}
)

// Append appends a masked frame, and tells where in dst its payload begins.
func Append(dst []byte, op byte, payload []byte) (frame []byte, start int) {
	dst = append(dst, 0x80|op)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	dst = append(dst, Mask[:]...)
	start = len(dst)
	for i, b := range payload {
		dst = append(dst, b^Mask[i&3])
	}
	return dst, start
}

// Next finds the first frame in b, which a server has sent. size is 0 if it has not come in full.
func Next(b []byte) (op byte, payload []byte, size int, err error) {
	if len(b) < 2 {
		return 0, nil, 0, nil
	}
	head, n := 2, uint64(b[1])
	if b[0]&0xb0 != 0x80 || n >= 0x80 {
		return 0, nil, 0, errFrame
	}
	switch n {
	case 126:
		if head = 4; len(b) < head {
			return 0, nil, 0, nil
		}
		n = uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if head = 10; len(b) < head {
			return 0, nil, 0, nil
		}
		n = binary.BigEndian.Uint64(b[2:])
	}
	if n > maxFrame {
		return 0, nil, 0, errFrame
	}
	if size = head + int(n); len(b) < size {
		return 0, nil, 0, nil
	}
	return b[0] & (15 | Deflated), b[head:size], size, nil
}
