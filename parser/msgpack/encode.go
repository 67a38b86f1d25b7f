package msgpack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
	"unicode/utf8"

	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/parser"
)

// Errors of Encode.
var (
	errType      = errors.New("packet of unknown type")
	errID        = errors.New("acknowledgement id where there can be none, or none where there must be one")
	errReserved  = errors.New("event name is reserved")
	errNamespace = errors.New("namespace must begin with a slash, be UTF-8 and not too long")
	errPayload   = errors.New("payload must be one object, or absent")
	errArguments = errors.New("too many arguments")
	errDepth     = errors.New("value nested too deeply, or cyclic")
	errLength    = errors.New("value of more than four gigabytes")
)

// An encoder writes one packet.
type encoder struct {
	buf        []byte
	depth      int // arrays and objects that are open
	maxDepth   int
	timestamps bool
	visit      func(parser.Token) error // is token, made once
}

// maxScratch is the largest buffer that is kept for the next packet.
const maxScratch = 64 << 10

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.visit = e.token
	return e
}}

// Encode appends the frame of a packet.
func (c *codec) Encode(dst []parser.Frame, p *parser.Packet) ([]parser.Frame, error) {
	e := encoders.Get().(*encoder)
	scratch := e.buf
	all, err := c.encode(e, scratch[:0], p)
	if err == nil {
		dst = append(dst, parser.Frame{Binary: true, Data: append(make([]byte, 0, len(all)), all...)})
		scratch = all
	}
	if cap(scratch) <= maxScratch {
		e.buf = scratch
	}
	encoders.Put(e)
	return dst, err
}

// AppendEncode makes it a parser.Appender.
func (c *codec) AppendEncode(buf []byte, dst []parser.Frame, p *parser.Packet) ([]byte, []parser.Frame, error) {
	e := encoders.Get().(*encoder)
	scratch := e.buf
	all, err := c.encode(e, buf, p)
	e.buf = scratch
	encoders.Put(e)
	if err != nil {
		return buf, dst, err
	}
	return all, append(dst, parser.Frame{Binary: true, Data: all[len(buf):len(all):len(all)]}), nil
}

// encode appends a packet to buf. A panic in a value's own MarshalJSON is an error.
func (c *codec) encode(e *encoder, buf []byte, p *parser.Packet) (all []byte, err error) {
	e.buf, e.depth, e.maxDepth, e.timestamps = buf, 0, c.limits.MaxDepth, c.limits.Timestamps
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
		if all = e.buf; err != nil {
			err = errtext.Wrap("msgpack: encode", err)
		}
		e.buf = nil
	}()
	if err := c.check(p); err != nil {
		return nil, err
	}
	return nil, e.packet(p)
}

// check judges all of a packet but its arguments.
func (c *codec) check(p *parser.Packet) error {
	switch n := p.Args.Len(); {
	case p.Type > parser.ConnectError:
		return errType
	case p.HasID != (p.Type == parser.Ack) && p.Type != parser.Event, p.ID > maxID:
		return errID
	case p.Type == parser.Event && parser.IsReserved(p.Name):
		return fmt.Errorf("%w: %q", errReserved, p.Name)
	case n > c.limits.MaxArguments:
		return errArguments
	case p.Type == parser.Disconnect && n > 0, n > 1 && p.Type != parser.Event && p.Type != parser.Ack:
		return errPayload
	}
	if n := p.Namespace; n != "" && (n[0] != '/' || len(n) > c.limits.MaxNamespace || !utf8.ValidString(n)) {
		return errNamespace
	}
	return nil
}

// packet appends a packet, whose members stand in the order in which the official server has them.
func (e *encoder) packet(p *parser.Packet) error {
	n := p.Args.Len()
	list := p.Type == parser.Event || p.Type == parser.Ack
	data := list || n > 0 && p.Args.Kind(0) != parser.KindNull
	members := 2
	if data {
		members++
	}
	if p.HasID {
		members++
	}
	e.buf = append(e.buf, fixmap|byte(members))
	if p.Type == parser.Ack {
		e.id(p.ID)
	}
	e.key(memberType)
	e.buf = append(e.buf, byte(p.Type))
	switch {
	case list:
		e.key(memberData)
		if err := e.arguments(p, n); err != nil {
			return err
		}
	case data:
		e.key(memberData)
		if k := p.Args.Kind(0); k != parser.KindObject && (k != parser.KindString || p.Type != parser.ConnectError) {
			return errPayload
		}
		if err := p.Args.Walk(0, e.visit); err != nil {
			return err
		}
	}
	if p.HasID && p.Type == parser.Event {
		e.id(p.ID)
	}
	e.key(memberNamespace)
	if p.Namespace == "" {
		e.text("/")
		return nil
	}
	e.text(p.Namespace)
	return nil
}

func (e *encoder) id(id uint64) {
	e.key(memberID)
	e.natural(id)
}

// arguments appends the n arguments of an event, after its name, or of an acknowledgement.
func (e *encoder) arguments(p *parser.Packet, n int) error {
	all := n
	if p.Type == parser.Event {
		all++
	}
	if err := e.head(arrays, all); err != nil {
		return err
	}
	if p.Type == parser.Event {
		name := p.Name
		if !utf8.ValidString(name) {
			name = string([]rune(name)) // as JSON has it
		}
		e.text(name)
	}
	for i := range n {
		if err := p.Args.Walk(i, e.visit); err != nil {
			return fmt.Errorf("argument %d: %w", i, err)
		}
	}
	return nil
}

// key appends the name of a member of a packet.
func (e *encoder) key(name string) { e.buf = append(append(e.buf, fixstr|byte(len(name))), name...) }

func (e *encoder) text(s string) {
	_ = e.head(strings, len(s)) // neither names nor namespaces are that long
	e.buf = append(e.buf, s...)
}

// A family is how the lengths of one kind of value are written.
type family struct {
	fix                byte // with the length in its low bits,
	limit              int  // for lengths below this
	len8, len16, len32 byte // before a length of as many bits; 0 if there is none
}

var (
	strings = family{fixstr, 32, str8, str16, str32}
	bytes   = family{0, 0, bin8, bin16, bin32}
	arrays  = family{fixarray, 16, 0, array16, array32}
	maps    = family{fixmap, 16, 0, map16, map32}
)

// head begins a value of n parts or bytes.
func (e *encoder) head(f family, n int) error {
	switch {
	case n < f.limit:
		e.buf = append(e.buf, f.fix|byte(n))
	case n <= math.MaxUint8 && f.len8 != 0:
		e.buf = append(e.buf, f.len8, byte(n))
	case n <= math.MaxUint16:
		e.buf = append(e.buf, f.len16, byte(n>>8), byte(n))
	case uint64(n) <= math.MaxUint32:
		e.buf = binary.BigEndian.AppendUint32(append(e.buf, f.len32), uint32(n))
	default:
		return errLength
	}
	return nil
}

// token appends a part of a value.
func (e *encoder) token(t parser.Token) (err error) {
	switch t.Kind {
	case parser.KindNull:
		e.buf = append(e.buf, null)
	case parser.KindBool:
		if t.Bool() {
			e.buf = append(e.buf, yes)
		} else {
			e.buf = append(e.buf, no)
		}
	case parser.KindNumber:
		e.number(t)
	case parser.KindString, parser.KindKey:
		err = e.head(strings, t.Len())
		e.buf = t.Append(e.buf)
	case parser.KindBytes:
		err = e.head(bytes, t.Len())
		e.buf = t.Append(e.buf)
	case parser.KindTime:
		e.time(t.Time())
	case parser.KindArray:
		err = e.open(arrays, t.Len())
	case parser.KindObject:
		err = e.open(maps, t.Len())
	case parser.KindEnd:
		e.depth--
	}
	return err
}

func (e *encoder) open(f family, n int) error {
	if e.depth++; e.depth > e.maxDepth {
		return errDepth
	}
	return e.head(f, n)
}

// number appends a number in the shortest form that holds all of it.
func (e *encoder) number(t parser.Token) {
	if n, ok := t.Int64(); ok && n < 0 {
		e.negative(n)
		return
	}
	if n, ok := t.Uint64(); ok {
		e.natural(n)
		return
	}
	if f := t.Float64(); t.IsFloat32() {
		e.buf = binary.BigEndian.AppendUint32(append(e.buf, single), math.Float32bits(float32(f)))
	} else {
		e.buf = binary.BigEndian.AppendUint64(append(e.buf, double), math.Float64bits(f))
	}
}

func (e *encoder) natural(n uint64) {
	switch {
	case n <= math.MaxInt8:
		e.buf = append(e.buf, byte(n))
	case n <= math.MaxUint8:
		e.buf = append(e.buf, uint8bits, byte(n))
	case n <= math.MaxUint16:
		e.buf = append(e.buf, uint16bits, byte(n>>8), byte(n))
	case n <= math.MaxUint32:
		e.buf = binary.BigEndian.AppendUint32(append(e.buf, uint32bits), uint32(n))
	default:
		e.buf = binary.BigEndian.AppendUint64(append(e.buf, uint64bits), n)
	}
}

func (e *encoder) negative(n int64) {
	switch {
	case n >= -32:
		e.buf = append(e.buf, byte(n))
	case n >= math.MinInt8:
		e.buf = append(e.buf, int8bits, byte(n))
	case n >= math.MinInt16:
		e.buf = append(e.buf, int16bits, byte(n>>8), byte(n))
	case n >= math.MinInt32:
		e.buf = binary.BigEndian.AppendUint32(append(e.buf, int32bits), uint32(n))
	default:
		e.buf = binary.BigEndian.AppendUint64(append(e.buf, int64bits), uint64(n))
	}
}

// time appends a Date, or a timestamp in the shortest of its three forms.
func (e *encoder) time(at time.Time) {
	if !e.timestamps {
		e.buf = binary.BigEndian.AppendUint64(append(e.buf, fixext8, extOfficial), uint64(at.UnixMilli()))
		return
	}
	timestamp := int8(extTimestamp)
	seconds, nanos := at.Unix(), at.Nanosecond()
	switch {
	case seconds>>34 != 0:
		e.buf = binary.BigEndian.AppendUint32(append(e.buf, ext8, 12, byte(timestamp)), uint32(nanos))
		e.buf = binary.BigEndian.AppendUint64(e.buf, uint64(seconds))
	case nanos != 0 || seconds>>32 != 0:
		e.buf = binary.BigEndian.AppendUint64(append(e.buf, fixext8, byte(timestamp)),
			uint64(nanos)<<34|uint64(seconds))
	default:
		e.buf = binary.BigEndian.AppendUint32(append(e.buf, fixext4, byte(timestamp)), uint32(seconds))
	}
}
