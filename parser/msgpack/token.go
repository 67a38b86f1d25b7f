package msgpack

import (
	"encoding/binary"
	"math"
	"time"

	"sio.example/socketio/parser"
)

// reader is the parser.TokenReader of what a scanner has validated.
type reader struct{}

// ReadToken returns the token that begins at data[at].
func (reader) ReadToken(data []byte, at int) (t parser.Token, next int) {
	lead := data[at]
	at++
	if lead < fixmap || lead >= fixnegative {
		return parser.IntToken(int64(int8(lead))), at
	}
	f := forms[lead]
	n := int(f.n)
	if f.size > 0 {
		n, at = int(bigEndian(data[at:at+int(f.size)])), at+int(f.size)
	}
	switch f.class {
	case array:
		return parser.ArrayToken(n), at
	case object:
		return parser.ObjectToken(n), at
	case text:
		return parser.StringToken(data[at : at+n : at+n]), at + n
	case binaries:
		return parser.BytesToken(data[at : at+n : at+n]), at + n
	case extension:
		return extensionToken(lead, int8(data[at]), data[at+1:at+1+n:at+1+n]), at + 1 + n
	}
	return scalarToken(lead, data[at:at+n]), at + n
}

// bigEndian is a number of up to eight bytes.
func bigEndian(data []byte) (n uint64) {
	for _, b := range data {
		n = n<<8 | uint64(b)
	}
	return n
}

func scalarToken(lead byte, data []byte) parser.Token {
	switch lead {
	case no, yes:
		return parser.BoolToken(lead == yes)
	case single:
		return parser.Float32Token(math.Float32frombits(binary.BigEndian.Uint32(data)))
	case double:
		return parser.FloatToken(math.Float64frombits(binary.BigEndian.Uint64(data)))
	case uint8bits, uint16bits, uint32bits, uint64bits:
		return parser.UintToken(bigEndian(data))
	case int8bits, int16bits, int32bits, int64bits:
		unused := 64 - 8*len(data)
		return parser.IntToken(int64(bigEndian(data)<<unused) >> unused)
	}
	return parser.Token{Kind: parser.KindNull}
}

// extensionToken is the value of an extension that isExtension allows.
func extensionToken(lead byte, ext int8, data []byte) parser.Token {
	switch {
	case ext == extTimestamp:
		return parser.TimeToken(timestamp(data))
	case lead == fixext1:
		break // undefined, which is null, as it is in JSON for an element of an array
	case lead == fixext8:
		if ms := int64(binary.BigEndian.Uint64(data)); ms >= -maxDate && ms <= maxDate {
			return parser.TimeToken(time.UnixMilli(ms).UTC())
		}
		// An invalid Date, which is null in JSON, too.
	default:
		return parser.BytesToken(data)
	}
	return parser.Token{Kind: parser.KindNull}
}

// timestamp is the time of extension -1, which has three lengths.
func timestamp(data []byte) time.Time {
	switch len(data) {
	case 4:
		return time.Unix(int64(binary.BigEndian.Uint32(data)), 0).UTC()
	case 8:
		n := binary.BigEndian.Uint64(data)
		return time.Unix(int64(n&(1<<34-1)), int64(n>>34)).UTC()
	}
	return time.Unix(int64(binary.BigEndian.Uint64(data[4:])), int64(binary.BigEndian.Uint32(data))).UTC()
}

// isExtension tells whether an extension is one that there is.
func isExtension(lead byte, ext int8, data []byte) bool {
	switch ext {
	case extOfficial:
		switch lead {
		case fixext1, fixext8, ext8, ext16, ext32:
			return true
		}
	case extTimestamp:
		switch len(data) {
		case 4:
			return true
		case 8:
			return binary.BigEndian.Uint64(data)>>34 < 1e9
		case 12:
			return binary.BigEndian.Uint32(data) < 1e9
		}
	}
	return false
}
