package msgpack

// The first bytes of values (MessagePack specification, "Formats"). Those with fix hold a number in their low bits.
const (
	fixmap   = 0x80
	fixarray = 0x90
	fixstr   = 0xa0
	null     = 0xc0
	unused   = 0xc1
	no       = 0xc2
	yes      = 0xc3
	bin8     = 0xc4
	bin16    = 0xc5
	bin32    = 0xc6
	ext8     = 0xc7
	ext16    = 0xc8
	ext32    = 0xc9
	single   = 0xca
	double   = 0xcb

	uint8bits  = 0xcc
	uint16bits = 0xcd
	uint32bits = 0xce
	uint64bits = 0xcf
	int8bits   = 0xd0
	int16bits  = 0xd1
	int32bits  = 0xd2
	int64bits  = 0xd3

	fixext1     = 0xd4
	fixext4     = 0xd6
	fixext8     = 0xd7
	fixext16    = 0xd8
	str8        = 0xd9
	str16       = 0xda
	str32       = 0xdb
	array16     = 0xdc
	array32     = 0xdd
	map16       = 0xde
	map32       = 0xdf
	fixnegative = 0xe0
)

// A class is what a value is, as far as its length goes.
type class byte

const (
	illegal class = iota
	scalar        // null, a boolean or a number: n bytes follow
	text
	binaries
	extension // after the length comes a byte that is its type
	array     // n values follow
	object    // n pairs of them follow
)

// A form is what a first byte says.
type form struct {
	class class
	size  byte // how many bytes the length has that follows, or 0
	n     byte // the length, if none follows
}

// forms are those of all first bytes.
var forms = func() (all [256]form) {
	for c := range all {
		f := &all[c]
		switch {
		case c < fixmap, c >= fixnegative, c == null, c == no, c == yes:
			f.class = scalar
		case c < fixarray:
			*f = form{object, 0, byte(c & 0x0f)}
		case c < fixstr:
			*f = form{array, 0, byte(c & 0x0f)}
		case c < null:
			*f = form{text, 0, byte(c & 0x1f)}
		case c >= bin8 && c <= bin32:
			*f = form{binaries, 1 << (c - bin8), 0}
		case c >= ext8 && c <= ext32:
			*f = form{extension, 1 << (c - ext8), 0}
		case c == single, c == double:
			*f = form{scalar, 0, 4 << (c - single)}
		case c >= uint8bits && c <= uint64bits:
			*f = form{scalar, 0, 1 << (c - uint8bits)}
		case c >= int8bits && c <= int64bits:
			*f = form{scalar, 0, 1 << (c - int8bits)}
		case c >= fixext1 && c <= fixext16:
			*f = form{extension, 0, 1 << (c - fixext1)}
		case c >= str8 && c <= str32:
			*f = form{text, 1 << (c - str8), 0}
		case c == array16, c == array32:
			*f = form{array, 2 << (c - array16), 0}
		case c == map16, c == map32:
			*f = form{object, 2 << (c - map16), 0}
		}
	}
	return all
}()
