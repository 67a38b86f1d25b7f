package argbytes

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"time"
	"unicode/utf8"

	"sio.example/socketio/parser"
)

var errBytes = errors.New("argbytes: not arguments")

// Parse returns the arguments that were appended. They may share memory with b, which must not be changed any more.
func Parse(b []byte) (parser.Args, error) {
	if len(b) == 0 {
		return parser.Args{}, errBytes
	}
	r := &reader{rest: b[1:]}
	switch b[0] {
	case formatJSON:
		return r.text()
	case formatTagged:
		return r.args()
	}
	return parser.Args{}, errBytes
}

// A reader takes bytes apart. Once something is wrong, what it returns means nothing.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) fail() { r.bad, r.rest = true, nil }

func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	taken := r.rest[:n:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if r.bad || n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) int() int64 {
	v, n := binary.Varint(r.rest)
	if r.bad || n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// count is a number of things that take a byte each at least.
func (r *reader) count() int {
	n := r.uint()
	if n > uint64(len(r.rest)) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) bytes() []byte { return r.take(r.uint()) }

func (r *reader) string() string {
	b := r.bytes()
	if !utf8.Valid(b) {
		r.fail()
	}
	return string(b)
}

func (r *reader) text() (parser.Args, error) {
	d := text.NewDecoder()
	for n := r.count(); n > 0; n-- {
		data := r.bytes()
		if r.bad {
			break
		}
		_, waiting := d.Pending()
		p, err := d.Add(parser.Frame{Binary: waiting, Data: data})
		switch {
		case err != nil:
			return parser.Args{}, err
		case p != nil && (n > 1 || len(r.rest) > 0 || p.Type != parser.Ack):
			return parser.Args{}, errBytes
		case p != nil:
			return p.Args, nil
		}
	}
	return parser.Args{}, errBytes
}

func (r *reader) args() (parser.Args, error) {
	var values []any
	for n := r.count(); n > 0 && !r.bad; n-- {
		values = append(values, r.value(1))
	}
	if r.bad || len(r.rest) > 0 {
		return parser.Args{}, errBytes
	}
	return parser.Decoded(values, &parser.DecodedOptions{MaxDepth: maxDepth, MaxDecoded: math.MaxInt})
}

// value reads one value; depth is how many arrays and objects are open, and one.
func (r *reader) value(depth int) any {
	switch r.byte() {
	case tagNull:
		return nil
	case tagFalse:
		return false
	case tagTrue:
		return true
	case tagInt:
		return r.int()
	case tagUint:
		return r.uint()
	case tagFloat32:
		if b := r.take(4); b != nil {
			return math.Float32frombits(binary.BigEndian.Uint32(b))
		}
	case tagFloat64:
		if b := r.take(8); b != nil {
			return math.Float64frombits(binary.BigEndian.Uint64(b))
		}
	case tagLiteral:
		return json.Number(r.bytes()) // which Decoded checks
	case tagString:
		return r.string()
	case tagBytes:
		if b := r.bytes(); b != nil {
			return b
		}
	case tagTime:
		return r.time()
	case tagArray:
		return r.array(depth)
	case tagObject:
		return r.object(depth)
	default:
		r.fail()
	}
	return nil
}

func (r *reader) time() any {
	at := time.Unix(r.int(), int64(r.uint()%1e9)).UTC()
	if zone := r.int(); zone != 0 {
		at = at.In(time.FixedZone("", int(zone)))
	}
	return at
}

func (r *reader) array(depth int) any {
	n := r.count()
	if depth >= maxDepth {
		r.fail()
	}
	items := []any{}
	for ; n > 0 && !r.bad; n-- {
		items = append(items, r.value(depth+1))
	}
	return items
}

func (r *reader) object(depth int) any {
	n := r.count()
	if depth >= maxDepth {
		r.fail()
	}
	members := parser.Object{}
	for ; n > 0 && !r.bad; n-- {
		name := r.string()
		members = append(members, parser.Member{Name: name, Value: r.value(depth + 1)})
	}
	return members
}
