// Package parser encodes and decodes Socket.IO packets, protocol revision 5.
//
// It is pure: no sockets, no clocks, no goroutines. A decoded packet keeps its arguments encoded until somebody asks
// for them, so that they are decoded once, straight into the type a handler wants.
//
// # What the JSON parser promises
//
// A packet is refused as a whole or taken as a whole: one scan finds its parts and validates its JSON text, so that a
// later Bind can fail only because a value does not fit its destination. Text frames are taken to be valid UTF-8, which
// the session beneath has checked. Ids and counts are digits only.
//
// Values are those of encoding/json: tags, methods, json.Number, what is there already. What differs is JavaScript's,
// or saves work; docs/json.md has all of it:
//
//   - into an interface a number becomes a float64; one beyond its range becomes ±Inf, as in
//     JavaScript. Into a Go number type it must fit exactly, or Bind returns an error. A json.Number keeps its text;
//   - arguments that are sent on as they came (NewArgs(args)) keep their text, so that big integers,
//     order and duplicates of keys survive;
//   - an escape that is half of a surrogate pair becomes U+FFFD;
//   - NaN and infinities are sent as null;
//   - keys of maps are not sorted, and text is not escaped for HTML;
//   - Bind stops at the first value that does not fit.
//
// What is decoded into interfaces may take JSONOptions.MaxDecoded.
//
// Bytes travel as binary attachments wherever they stand: a []byte in a value that is sent, at any depth, and a []byte
// or interface in the destination of Bind. Received attachments are handed over without a copy, possibly to several
// handlers: they must not be written to. A JSON string is taken as base64 where a []byte is wanted. Types that merely
// are slices of bytes underneath, or that encode themselves, are not binary.
//
// # Another format
//
// A Parser of another format needs no JSON. Its Decoder makes Go values of what it reads, and hands them over with
// Decoded: Bind, typed handlers, Values, Walk and code that sends them on then have NaN, integers of 64 bits, bytes and
// times as they came. Its Encode asks Args.Walk for tokens, which has settled what struct tags, embedded structs,
// omitempty and methods mean, whether the arguments are the program's values or came from a peer by whichever parser:
//
//	err = p.Args.Walk(i, func(t parser.Token) error {
//		switch t.Kind {
//		case parser.KindNull:
//			e.null()
//		case parser.KindNumber:
//			if n, ok := t.Int64(); ok {
//				e.integer(n)
//			} else {
//				e.float(t.Float64())
//			}
//		case parser.KindString, parser.KindKey:
//			e.header(str, t.Len())
//			e.buf = t.Append(e.buf)
//		case parser.KindArray:
//			e.header(array, t.Len()) // how many elements follow is known
//		...
//
// A codec between the nodes of a cluster walks in the same way; for it a number of JSON text is a literal, which
// Token.Append copies.
//
// Types with a MarshalJSON, MarshalText or UnmarshalJSON of their own speak JSON only, and get or give JSON text for
// the value that is theirs, as in encoding/json; so do json.RawMessage, and structs with tags that only the JSON
// library understands. A Parser is asked for nothing else, but may be an Appender and an InlineEncoder, its Decoder a
// Peeker and Resettable, and its errors LimitErrors. docs/parsers.md is the guide.
//
// # For the owner of a connection
//
// A packet with attachments is put together frame by frame. To refuse one at its header, before its attachments are
// waited for, ask the Decoder whether it is a Peeker and look at the packet that waits after each Add that returned
// neither packet nor error.
package parser

import "strconv"

// Type is the type of a Socket.IO packet. The values are those on the wire (as ASCII digits).
type Type byte

// The packet types of protocol revision 5. The two binary forms exist on the wire only: a Packet is an Event or an Ack,
// and whether it has attachments shows in its arguments.
const (
	Connect Type = iota
	Disconnect
	Event
	Ack
	ConnectError
)

// String is the name the protocol document gives the type.
func (t Type) String() string {
	switch t {
	case Connect:
		return "CONNECT"
	case Disconnect:
		return "DISCONNECT"
	case Event:
		return "EVENT"
	case Ack:
		return "ACK"
	case ConnectError:
		return "CONNECT_ERROR"
	}
	return "unknown(" + strconv.Itoa(int(t)) + ")"
}

// A Frame is one Engine.IO message. It has the same fields as engineio.Message, so that one converts to the other.
type Frame struct {
	Binary bool
	Data   []byte
}

// A Packet is one Socket.IO packet.
type Packet struct {
	Type      Type
	HasID     bool
	far       bool   // some number of its text has an exponent that is far, see farExponent; these two fit nowhere else
	decoded   uint32 // JSONOptions.MaxDecoded in KiB, or 0
	Namespace string // begins with "/"; empty means "/"
	ID        uint64 // acknowledgement id, if HasID; at most 2^53-1
	Name      string // the event's name (Event only)

	// Args are the arguments after the name of an Event, the values of an Ack, and the single optional payload of a
	// Connect or ConnectError.
	Args Args
}

// A Parser makes the wire form of packets. It is safe for concurrent use.
type Parser interface {
	// Encode appends the frames of p to dst: one, or a header and its attachments. They must be sent adjacent. It must
	// not keep p, which may be used for another packet afterwards, and the frames must not share memory with its
	// arguments, which the user may change then.
	Encode(dst []Frame, p *Packet) ([]Frame, error)
	// NewDecoder returns the decoder of one connection.
	NewDecoder() Decoder
}

// An Appender is a Parser that can encode into memory of the caller's, for packets that go to one peer. The JSON
// parser is one.
type Appender interface {
	// AppendEncode is Encode, but for the memory: what it encodes is appended to buf, which it returns too, and the
	// frames are views of that and of bytes among the arguments. They hold as long as neither changes.
	AppendEncode(buf []byte, dst []Frame, p *Packet) (text []byte, frames []Frame, err error)
}

// An InlineEncoder is a Parser that the goroutine that reads a connection may call, to answer a CONNECT that nothing
// else has a say in: that saves a goroutine for each client that connects. Of others the server calls Encode on a
// goroutine of the socket's own. The JSON parser is one.
type InlineEncoder interface {
	// EncodesInline reports whether Encode of a CONNECT or DISCONNECT, whose payload is the server's own, returns at
	// once, without an error or a panic. It is asked once.
	EncodesInline() bool
}

// A Decoder puts the packets of one connection together. It is not safe for concurrent use.
type Decoder interface {
	// Add takes the next frame, and owns its data from then on. It returns nil and no error while attachments are
	// missing. After an error the connection must be closed.
	Add(f Frame) (*Packet, error)
	// Pending is how many bytes are held for a packet whose attachments have not all come, and whether there is one.
	Pending() (bytes int, waiting bool)
}

// A Peeker is a Decoder that can show the packet whose attachments it waits for, so that one nobody
// will take (for a namespace that is not connected) can be refused before they come. The JSON parser's
// decoder is one.
type Peeker interface {
	// Peek returns the packet that waits, or nil. Its arguments must not be used yet.
	Peek() *Packet
}

// A Resettable is a Decoder that can tell that it holds nothing worth keeping. It is let go of then, and a new one is
// made for the next frame: many clients connect and then only listen. The JSON parser's decoder is one.
type Resettable interface {
	// IsReset reports whether a new decoder would do as well. It is asked after Add has returned a packet.
	IsReset() bool
}

// A LimitError is an error of a Decoder about input that goes beyond an option of its parser. The option's name is
// logged, so that the operator of the server knows what to set. A SyntaxError is one.
type LimitError interface {
	error
	// Limit is the name of the option, or "" if something else is wrong.
	Limit() string
	// MayBeHonest reports whether a peer without ill intent can be expected to go beyond it, by sending what is merely
	// large: that is logged as a warning.
	MayBeHonest() bool
}

// A SyntaxError tells what is wrong with input, and where.
type SyntaxError struct {
	Offset int
	Msg    string // constant text, never input
}

// Error names the place and the fault, and never repeats input.
func (e *SyntaxError) Error() string {
	return "parser: " + e.Msg + " at byte " + strconv.Itoa(e.Offset)
}

// Limit is the field of JSONOptions that the input goes beyond, if that is what is wrong with it.
func (e *SyntaxError) Limit() string {
	switch e.Msg {
	case msgTooMany:
		return "MaxAttachments"
	case msgNamespace:
		return "MaxNamespace"
	case msgArguments:
		return "MaxArguments"
	case msgBytes:
		return "MaxBytes"
	}
	return ""
}

// MayBeHonest reports whether the limit is MaxBytes.
func (e *SyntaxError) MayBeHonest() bool { return e.Msg == msgBytes }

// IsReserved reports whether name is one that an event cannot have, because it has a meaning of its own
// on one of the ends (socket.io-protocol, "reserved events").
func IsReserved(name string) bool {
	switch name {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}
