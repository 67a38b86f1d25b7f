// Package packet encodes and decodes Engine.IO packets and polling payloads, of protocol revisions 4 and 3.
//
// It is pure: no sockets, no clocks, no goroutines. Decoded packets are views into the input.
//
// It is strict where the protocol leaves room: an empty packet, an unknown type and text that is not
// UTF-8 are errors, never guesses. Of base64 it takes what clients make: with line breaks, without
// padding, in either alphabet; but nothing else. It does not know which packets make sense in which
// direction or state; that is for the session.
package packet

import (
	"strconv"
	"unicode/utf8"
)

// Type is the type of an Engine.IO packet. The values are those on the wire (as ASCII digits).
type Type byte

// The packet types of protocol revision 4.
const (
	Open Type = iota
	Close
	Ping
	Pong
	Message
	Upgrade
	Noop
)

// String is the name the protocol document gives the type.
func (t Type) String() string {
	switch t {
	case Open:
		return "open"
	case Close:
		return "close"
	case Ping:
		return "ping"
	case Pong:
		return "pong"
	case Message:
		return "message"
	case Upgrade:
		return "upgrade"
	case Noop:
		return "noop"
	}
	return "unknown(" + strconv.Itoa(int(t)) + ")"
}

// A Packet is one Engine.IO packet. Binary is only ever true for a Message.
//
// The data of a text packet that goes into a polling payload must be UTF-8 and must not hold the byte
// 0x1e, which separates packets there and cannot be escaped (EIO v4 §encoding). JSON text never does.
type Packet struct {
	Type   Type
	Binary bool
	Data   []byte
}

// SyntaxError tells what is wrong with input, and where.
type SyntaxError struct {
	Offset int    // byte offset in the packet or payload
	Msg    string // constant text, never input
}

// Error names the place and the fault, and never repeats input.
func (e *SyntaxError) Error() string {
	return "packet: " + e.Msg + " at byte " + strconv.Itoa(e.Offset)
}

// What a SyntaxError may say.
const (
	msgEmpty     = "empty packet"
	msgType      = "unknown packet type"
	msgBase64    = "invalid base64"
	msgUTF8      = "invalid UTF-8"
	msgHandshake = "invalid handshake"
)

// binaryMark begins a binary message where only text can be sent (EIO v4 §encoding).
const binaryMark = 'b'

// Append appends the WebSocket form of p: a digit and the data, or for a binary message the bare data.
func Append(dst []byte, p Packet) []byte {
	if !p.Binary {
		dst = append(dst, '0'+byte(p.Type))
	}
	return append(dst, p.Data...)
}

// Decode decodes one WebSocket message; binary tells its opcode. The packet's data is a view of data.
// The caller has checked that a text message is UTF-8, as RFC 6455 8.1 asks. An error is a
// *SyntaxError.
func Decode(data []byte, binary bool) (Packet, error) {
	if binary {
		return Packet{Type: Message, Binary: true, Data: data}, nil
	}
	if len(data) == 0 {
		return Packet{}, &SyntaxError{Msg: msgEmpty}
	}
	t := Type(data[0] - '0')
	if t > Noop {
		return Packet{}, &SyntaxError{Msg: msgType}
	}
	return Packet{Type: t, Data: data[1:len(data):len(data)]}, nil
}

// DecodeTextOnly is Decode for the text messages of a client that said it sends no binary frames: its binary
// messages come as "b" and base64, and are decoded into a slice of their own.
func DecodeTextOnly(data []byte) (Packet, error) {
	if len(data) > 0 && data[0] == binaryMark {
		return decodeBase64(data[1:], 1)
	}
	return Decode(data, false)
}

// decodeText decodes one packet of a polling payload, which begins at offset there.
func decodeText(data []byte, offset int) (Packet, error) {
	if len(data) > 0 && data[0] == binaryMark {
		return decodeBase64(data[1:], offset+1)
	}
	p, err := Decode(data, false)
	if err != nil {
		err.(*SyntaxError).Offset = offset
		return Packet{}, err
	}
	if !utf8.Valid(p.Data) {
		return Packet{}, &SyntaxError{Offset: offset + 1 + invalidAt(p.Data), Msg: msgUTF8}
	}
	return p, nil
}

// invalidAt is the offset of the first byte that is not UTF-8.
func invalidAt(data []byte) int {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(data)
}
