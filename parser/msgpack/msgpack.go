package msgpack

import (
	"cmp"

	"sio.example/socketio/parser"
)

// Options of a parser. The zero value of each means its default.
type Options struct {
	MaxDepth     int // nesting of arrays and objects in an argument, itself included; default 1000, at most 10,000
	MaxArguments int // per event or acknowledgement; default 10,000
	MaxNamespace int // bytes; default 1024

	// MaxDecoded limits the memory, in bytes and as it is estimated, that decoding one received argument into
	// interfaces may take, as parser.JSONOptions.MaxDecoded does. Default: 64 MiB, or 96 times the packet if that is
	// more.
	MaxDecoded int

	// Timestamps sends times as MessagePack's own timestamps, extension -1, which keep nanoseconds, and which Go,
	// Python and others read. Default: as socket.io-msgpack-parser does, which does not read the former: extension 0,
	// with milliseconds. Both are always understood.
	Timestamps bool
}

const (
	// hardMaxDepth is how deep arguments may be, see parser.Encoded.
	hardMaxDepth = 10_000

	// maxID is the greatest integer that JavaScript holds exactly.
	maxID = 1<<53 - 1

	// maxDate is the last millisecond that a Date of JavaScript can be, before and after 1970 (ECMA-262, 21.4.1.1).
	maxDate = 8_640_000_000_000_000
)

// The names of a packet's members.
const (
	memberType      = "type"
	memberNamespace = "nsp"
	memberData      = "data"
	memberID        = "id"
)

// The extensions: those of notepack.io, and the timestamp of MessagePack.
const (
	extOfficial  = 0 // undefined, a Date or an ArrayBuffer, by the first byte
	extTimestamp = -1
)

// codec is the parser. It is immutable.
type codec struct{ limits Options } // every field set

var standard = newCodec(Options{})

// Parser returns the parser; nil means all defaults. It is a parser.Appender and a parser.InlineEncoder, and its
// decoders are parser.Resettable.
func Parser(opts *Options) parser.Parser {
	if opts == nil {
		return standard
	}
	return newCodec(*opts)
}

func newCodec(o Options) *codec {
	o.MaxDepth = min(cmp.Or(max(o.MaxDepth, 0), 1000), hardMaxDepth)
	o.MaxArguments = cmp.Or(max(o.MaxArguments, 0), 10_000)
	o.MaxNamespace = cmp.Or(max(o.MaxNamespace, 0), 1024)
	o.MaxDecoded = max(o.MaxDecoded, 0)
	return &codec{o}
}

// EncodesInline reports true; see parser.InlineEncoder.
func (c *codec) EncodesInline() bool { return true }

// NewDecoder returns the decoder of one connection, which is parser.Resettable.
func (c *codec) NewDecoder() parser.Decoder { return &decoder{limits: &c.limits} }
