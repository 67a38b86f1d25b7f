package taggedparser

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"time"
	"unicode/utf8"

	"sio.example/socketio/parser"
)

// A syntaxError tells what is wrong with a frame.
type syntaxError string

// Error is the message.
func (e syntaxError) Error() string { return "taggedparser: " + string(e) }

// Limit is the option that is too small for the frame.
func (e syntaxError) Limit() string {
	if e == tooMany {
		return "MaxArguments"
	}
	return ""
}

// MayBeHonest reports false.
func (e syntaxError) MayBeHonest() bool { return false }

const (
	isText    syntaxError = "text frame"
	cut       syntaxError = "frame ends too early"
	trailing  syntaxError = "bytes after the packet"
	illegal   syntaxError = "illegal packet"
	badString syntaxError = "string that is not UTF-8"
	badTag    syntaxError = "unknown tag"
	tooDeep   syntaxError = "nested too deeply"
	tooMany   syntaxError = "too many arguments"
	tooLarge  syntaxError = "values too large"
	failed    syntaxError = "decoder used after an error"
)

const (
	maxDepth = 500
	maxID    = 1<<53 - 1
)

// decoder is the parser.Decoder of one connection.
type decoder struct {
	opts   *Options
	failed bool
}

// Pending reports that nothing is held: a packet is one frame.
func (d *decoder) Pending() (bytes int, waiting bool) { return 0, false }

// Add decodes a packet.
func (d *decoder) Add(f parser.Frame) (*parser.Packet, error) {
	if d.failed {
		return nil, failed
	}
	p, err := d.packet(f)
	d.failed = err != nil
	return p, err
}

func (d *decoder) packet(f parser.Frame) (*parser.Packet, error) {
	if !f.Binary {
		return nil, isText
	}
	r := reader{rest: f.Data, budget: 64<<20 + 48*len(f.Data)}
	p, n := r.header()
	if r.err == "" && n > uint64(d.opts.MaxArguments) {
		return nil, tooMany
	}
	var values []any
	for i := uint64(0); i < n && r.err == ""; i++ {
		values = append(values, r.value(1))
	}
	switch {
	case r.err != "":
		return nil, r.err
	case len(r.rest) > 0:
		return nil, trailing
	case !allowed(p, values):
		return nil, illegal
	}
	var err error
	p.Args, err = parser.Decoded(values, &parser.DecodedOptions{MaxDepth: maxDepth, MaxDecoded: d.opts.MaxDecoded})
	return p, err
}

// allowed tells whether a packet of its type may have its arguments, by the rules of the protocol.
func allowed(p *parser.Packet, values []any) bool {
	switch p.Type {
	case parser.Event:
		return !parser.IsReserved(p.Name)
	case parser.Ack:
		return true
	case parser.Disconnect:
		return len(values) == 0
	}
	if len(values) == 0 {
		return true
	}
	_, object := values[0].(parser.Object)
	_, text := values[0].(string)
	return len(values) == 1 && (object || text && p.Type == parser.ConnectError)
}

// A reader reads the parts of a frame; after an error what it returns means nothing.
type reader struct {
	rest   []byte
	budget int // bytes of memory that the values may take
	err    syntaxError
}

func (r *reader) header() (p *parser.Packet, n uint64) {
	head := r.bytes(1)
	if r.err != "" {
		return nil, 0
	}
	p = &parser.Packet{Type: parser.Type(head[0] & typeMask), HasID: head[0]&flagID != 0}
	if p.Type > parser.ConnectError || head[0]&^(typeMask|flagID|flagNamespace) != 0 ||
		p.HasID && p.Type != parser.Event && p.Type != parser.Ack {
		r.err = illegal
	}
	if head[0]&flagNamespace != 0 {
		if p.Namespace = r.string(); r.err == "" && (p.Namespace == "" || p.Namespace[0] != '/') {
			r.err = illegal
		}
	}
	if p.HasID {
		if p.ID = r.uvarint(); p.ID > maxID {
			r.err = illegal
		}
	}
	if p.Type == parser.Event {
		p.Name = r.string()
	}
	return p, r.uvarint()
}

func (r *reader) bytes(n uint64) []byte {
	if r.err != "" || n > uint64(len(r.rest)) {
		r.fail(cut)
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) fail(err syntaxError) {
	if r.err == "" {
		r.err = err
	}
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail(cut)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail(cut)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) string() string {
	b := r.bytes(r.uvarint())
	if !utf8.Valid(b) {
		r.fail(badString)
	}
	return string(b)
}

// value reads one value; depth is how many arrays and objects are open, and one.
func (r *reader) value(depth int) any {
	tag := r.bytes(1)
	if r.budget -= 16; r.budget < 0 {
		r.fail(tooLarge)
	}
	if r.err != "" {
		return nil
	}
	switch tag[0] {
	case tagNull:
		return nil
	case tagFalse, tagTrue:
		return tag[0] == tagTrue
	case tagInt:
		return r.varint()
	case tagUint:
		return r.uvarint()
	case tagFloat64:
		if b := r.bytes(8); b != nil {
			return math.Float64frombits(binary.BigEndian.Uint64(b))
		}
	case tagFloat32:
		if b := r.bytes(4); b != nil {
			return math.Float32frombits(binary.BigEndian.Uint32(b))
		}
	case tagString:
		return r.string()
	case tagBytes:
		return r.bytes(r.uvarint())
	case tagLiteral:
		return json.Number(r.string()) // which Decoded checks
	case tagTime:
		return r.time()
	case tagArray:
		return r.array(depth)
	case tagObject:
		return r.object(depth)
	default:
		r.fail(badTag)
	}
	return nil
}

func (r *reader) time() any {
	at := time.Unix(r.varint(), int64(r.uvarint()%1e9)).UTC()
	if zone := r.varint(); zone != 0 {
		at = at.In(time.FixedZone("", int(zone%(24*3600))))
	}
	return at
}

func (r *reader) array(depth int) any {
	n := r.uvarint()
	if depth >= maxDepth {
		r.fail(tooDeep)
	}
	list := []any{}
	for i := uint64(0); i < n && r.err == ""; i++ {
		list = append(list, r.value(depth+1))
	}
	return list
}

func (r *reader) object(depth int) any {
	n := r.uvarint()
	if depth >= maxDepth {
		r.fail(tooDeep)
	}
	members := parser.Object{}
	for i := uint64(0); i < n && r.err == ""; i++ {
		name := r.string()
		r.budget -= 32
		members = append(members, parser.Member{Name: name, Value: r.value(depth + 1)})
	}
	return members
}
