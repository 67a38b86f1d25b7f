package taggedparser

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"

	"sio.example/socketio/parser"
)

// The tags of values.
const (
	tagNull byte = iota
	tagFalse
	tagTrue
	tagInt
	tagUint
	tagFloat64
	tagFloat32
	tagString
	tagBytes
	tagTime
	tagArray
	tagObject
	tagLiteral // a number that only JSON text has
)

// The flags of a packet, beside its type in the low bits.
const (
	flagID        = 0x10
	flagNamespace = 0x20
	typeMask      = 0x0f
)

// Options of a parser. The zero value of each means its default.
type Options struct {
	Inline       bool // it is a parser.InlineEncoder and a parser.Appender, and its decoders are parser.Resettable
	MaxArguments int  // default 1000
	MaxDecoded   int  // as parser.DecodedOptions has it
}

// New returns the parser; nil means all defaults.
func New(opts *Options) parser.Parser {
	p := &plain{}
	if opts != nil {
		p.opts = *opts
	}
	if p.opts.MaxArguments <= 0 {
		p.opts.MaxArguments = 1000
	}
	if p.opts.Inline {
		return &inline{p}
	}
	return p
}

// plain has the methods that a parser must have, and no others.
type plain struct{ opts Options }

// Encode appends one frame.
func (p *plain) Encode(dst []parser.Frame, packet *parser.Packet) ([]parser.Frame, error) {
	buf, err := p.encode(nil, packet)
	if err != nil {
		return dst, err
	}
	return append(dst, parser.Frame{Binary: true, Data: buf}), nil
}

// NewDecoder returns the decoder of one connection.
func (p *plain) NewDecoder() parser.Decoder { return &decoder{opts: &p.opts} }

// inline has those that it may have.
type inline struct{ *plain }

// EncodesInline reports true.
func (p *inline) EncodesInline() bool { return true }

// AppendEncode is Encode into memory of the caller's.
func (p *inline) AppendEncode(buf []byte, dst []parser.Frame, packet *parser.Packet) ([]byte, []parser.Frame, error) {
	all, err := p.encode(buf, packet)
	if err != nil {
		return buf, dst, err
	}
	return all, append(dst, parser.Frame{Binary: true, Data: all[len(buf):len(all):len(all)]}), nil
}

// NewDecoder returns the decoder of one connection, which is parser.Resettable.
func (p *inline) NewDecoder() parser.Decoder { return &resettable{decoder{opts: &p.opts}} }

type resettable struct{ decoder }

// IsReset reports true: nothing is kept from one packet to the next.
func (d *resettable) IsReset() bool { return true }

var (
	errReserved = errors.New("taggedparser: event name is reserved")
	errPacket   = errors.New("taggedparser: packet that has no encoding")
)

func (p *plain) encode(buf []byte, packet *parser.Packet) ([]byte, error) {
	n := packet.Args.Len()
	switch {
	case packet.Type > parser.ConnectError, packet.Type == parser.Ack && !packet.HasID, n > p.opts.MaxArguments:
		return nil, errPacket
	case packet.Type == parser.Event && parser.IsReserved(packet.Name):
		return nil, errReserved
	}
	head := byte(packet.Type)
	named := packet.Namespace != "" && packet.Namespace != "/"
	if named {
		head |= flagNamespace
	}
	if packet.HasID {
		head |= flagID
	}
	e := encoder{buf: append(buf, head)}
	if named {
		e.string(packet.Namespace)
	}
	if packet.HasID {
		e.buf = binary.AppendUvarint(e.buf, packet.ID)
	}
	if packet.Type == parser.Event {
		e.string(packet.Name)
	}
	e.buf = binary.AppendUvarint(e.buf, uint64(n))
	for i := range n {
		if err := packet.Args.Walk(i, e.token); err != nil {
			return nil, fmt.Errorf("taggedparser: argument %d: %w", i, err)
		}
	}
	return e.buf, nil
}

type encoder struct{ buf []byte }

func (e *encoder) string(s string) {
	e.buf = append(binary.AppendUvarint(e.buf, uint64(len(s))), s...)
}

func (e *encoder) head(tag byte, n int) {
	e.buf = binary.AppendUvarint(append(e.buf, tag), uint64(n))
}

// token encodes a part of a value.
func (e *encoder) token(t parser.Token) error {
	switch t.Kind {
	case parser.KindNull:
		e.buf = append(e.buf, tagNull)
	case parser.KindBool:
		if t.Bool() {
			e.buf = append(e.buf, tagTrue)
		} else {
			e.buf = append(e.buf, tagFalse)
		}
	case parser.KindNumber:
		e.number(t)
	case parser.KindString:
		e.head(tagString, t.Len())
		e.buf = t.Append(e.buf)
	case parser.KindKey:
		e.buf = binary.AppendUvarint(e.buf, uint64(t.Len()))
		e.buf = t.Append(e.buf)
	case parser.KindBytes:
		e.head(tagBytes, t.Len())
		e.buf = t.Append(e.buf)
	case parser.KindTime:
		at := t.Time()
		_, zone := at.Zone()
		e.buf = binary.AppendVarint(append(e.buf, tagTime), at.Unix())
		e.buf = binary.AppendVarint(binary.AppendUvarint(e.buf, uint64(at.Nanosecond())), int64(zone))
	case parser.KindArray:
		e.head(tagArray, t.Len())
	case parser.KindObject:
		e.head(tagObject, t.Len())
	}
	return nil
}

func (e *encoder) number(t parser.Token) {
	text, isText := t.Literal()
	if n, ok := t.Int64(); ok && (!isText || string(text) == strconv.FormatInt(n, 10)) {
		e.buf = binary.AppendVarint(append(e.buf, tagInt), n)
		return
	}
	if isText && string(text) != strconv.FormatFloat(t.Float64(), 'f', -1, 64) {
		e.head(tagLiteral, len(text))
		e.buf = append(e.buf, text...)
		return
	}
	if n, ok := t.Uint64(); ok {
		e.buf = binary.AppendUvarint(append(e.buf, tagUint), n)
		return
	}
	if t.IsFloat32() {
		e.buf = binary.BigEndian.AppendUint32(append(e.buf, tagFloat32), math.Float32bits(float32(t.Float64())))
		return
	}
	e.buf = binary.BigEndian.AppendUint64(append(e.buf, tagFloat64), math.Float64bits(t.Float64()))
}
