package websocket

import (
	"encoding/binary"
	"unicode/utf8"
)

const (
	finBit  = 0x80
	rsvBits = 0x70
	maskBit = 0x80

	maxControl = 125 // bytes of a control frame's payload (RFC 6455 5.5)
	maxHeader  = 14  // bytes of a frame's header
)

// A header is the header of a received frame.
type header struct {
	op     byte
	bits   byte   // finBit, and deflatedBit if it begins a compressed message
	key    uint32 // the masking key as it stands in memory, little endian
	length int64
} // of no more fields, or the compiler has it on the stack of all readers that wait; see docs/memory.md

// fin tells the last frame of a message.
func (h header) fin() bool { return h.bits&finBit != 0 }

// deflated tells a frame that begins a compressed message.
func (h header) deflated() bool { return h.bits&deflatedBit != 0 }

// control tells a control frame (RFC 6455 5.5).
func (h header) control() bool { return h.op >= opClose }

// parseHeader reads the header of a frame of the peer from the front of b, and tells its size: 0 if b does not hold all
// of it yet. What is wrong is reported as soon as the byte that shows it has come. Inside tells that a message has
// begun and not ended, room how many bytes the message may still take, client that we are the client, deflates that
// messages may be compressed.
func parseHeader(b []byte, inside bool, room int64, client, deflates bool) (h header, n int, err error) {
	if len(b) < 2 {
		return h, 0, nil
	}
	h.op, h.bits, h.length = b[0]&0x0f, b[0]&finBit, int64(b[1]&^maskBit)
	if deflates && b[0]&rsvBits == deflatedBit && (h.op == byte(Text) || h.op == byte(Binary)) { // RFC 7692 6.2
		h.bits |= deflatedBit
		room = deflatedRoom(room)
	}
	switch {
	case b[0]&rsvBits != 0 && !h.deflated():
		return h, 0, violation(ProtocolError, "reserved bit set")
	case h.op > opPong || h.op > byte(Binary) && h.op < opClose:
		return h, 0, violation(ProtocolError, "unknown opcode")
	case h.op == opContinuation && !inside:
		return h, 0, violation(ProtocolError, "continuation of nothing")
	case h.op != opContinuation && !h.control() && inside:
		return h, 0, violation(ProtocolError, "new message inside a message")
	case h.control() && !h.fin():
		return h, 0, violation(ProtocolError, "fragmented control frame")
	case h.control() && h.length > maxControl:
		return h, 0, violation(ProtocolError, "control frame too long")
	case b[1]&maskBit == 0 && !client:
		return h, 0, violation(ProtocolError, "unmasked frame")
	case b[1]&maskBit != 0 && client:
		return h, 0, violation(ProtocolError, "masked frame")
	}
	n = 2
	switch h.length {
	case 126:
		if len(b) < 4 {
			return h, 0, nil
		}
		h.length, n = int64(binary.BigEndian.Uint16(b[2:])), 4
	case 127:
		if len(b) < 10 {
			return h, 0, nil
		}
		h.length, n = int64(binary.BigEndian.Uint64(b[2:])), 10
		if h.length < 0 { // RFC 6455 5.2: the most significant bit must be 0
			return h, 0, violation(ProtocolError, "length out of range")
		}
	}
	if h.length > room && !h.control() {
		return h, 0, &CloseError{Status: MessageTooBig, cause: ErrMessageTooBig} // the code says it all, as officially
	}
	if client {
		return h, n, nil
	}
	if len(b) < n+4 {
		return h, 0, nil
	}
	h.key = binary.LittleEndian.Uint32(b[n:])
	return h, n + 4, nil
}

// AppendFrame appends one unfragmented server frame (unmasked). The payload may come in pieces. A client needs the
// method of the same name, or [AppendMasked].
func AppendFrame(dst []byte, op Opcode, payload ...[]byte) []byte {
	n := 0
	for _, p := range payload {
		n += len(p)
	}
	dst = AppendHeader(dst, op, n)
	for _, p := range payload {
		dst = append(dst, p...)
	}
	return dst
}

// AppendHeader appends the header of one unfragmented server frame with a payload of n bytes.
func AppendHeader(dst []byte, op Opcode, n int) []byte {
	switch {
	case n < 126:
		return append(dst, finBit|byte(op), byte(n))
	case n < 1<<16:
		return append(dst, finBit|byte(op), 126, byte(n>>8), byte(n))
	}
	dst = append(dst, finBit|byte(op), 127)
	return binary.BigEndian.AppendUint64(dst, uint64(n))
}

// appendClose appends the payload of a close frame.
func appendClose(dst []byte, status Status, reason string) []byte {
	if status == NoStatus {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(status))
	return append(dst, cutReason(reason)...)
}

// cutReason shortens a reason to the 123 bytes that a close frame has for it, at a rune, and replaces what is not
// UTF-8.
func cutReason(s string) string {
	const room = maxControl - 2
	if len(s) > room {
		n := room
		for n > room-utf8.UTFMax && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	if utf8.ValidString(s) {
		return s
	}
	b := []byte(s)
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			b[i] = '?'
		}
		i += n
	}
	return string(b)
}

// parseClose reads the payload of a received close frame (RFC 6455 5.5.1, 7.4).
func parseClose(p []byte) *CloseError {
	if len(p) == 0 {
		return &CloseError{Status: NoStatus, Received: true}
	}
	if len(p) == 1 {
		return violation(ProtocolError, "close frame of one byte")
	}
	status := Status(binary.BigEndian.Uint16(p))
	if !status.sendable() {
		return violation(ProtocolError, "invalid close code")
	}
	if !utf8.Valid(p[2:]) {
		return violation(InvalidPayload, "close reason is not UTF-8")
	}
	return &CloseError{Status: status, Reason: string(p[2:]), Received: true}
}

// sendable tells whether a close frame may carry the code: it is defined (the IANA registry goes to 1014) and not one
// of those that stand for the lack of a frame, or it is of a library or an application (RFC 6455 7.4.2).
func (s Status) sendable() bool {
	switch {
	case s >= 3000 && s <= 4999:
		return true
	case s >= 1000 && s <= 1014:
		return s != 1004 && s != 1005 && s != 1006
	}
	return false
}

// validText checks text of which more may follow: it returns how many bytes from the front are complete and valid, and
// false if no continuation can make the rest valid.
func validText(p []byte) (int, bool) {
	n := len(p)
	for i := 1; i <= utf8.UTFMax-1 && i <= n; i++ {
		if c := p[n-i]; utf8.RuneStart(c) {
			// FullRune counts what can't become a rune as full, so the cut tail is the prefix of one.
			if c >= utf8.RuneSelf && !utf8.FullRune(p[n-i:]) {
				n -= i
			}
			break
		}
	}
	return n, utf8.Valid(p[:n])
}
