// Package argbytes makes bytes of arguments, and arguments of the bytes, for those that cross from one node to another
// or are to be kept as they are now. Another parser sees the same tokens afterwards: NaN, infinities, times, floats of
// 32 bits, integers of 64 bits, bytes at any depth. What JSON text says as well is JSON text, so that Args.Raw has it.
package argbytes

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"sio.example/socketio/parser"
)

// The formats, which are the first byte.
const (
	formatJSON   byte = iota // the frames of an acknowledgement
	formatTagged             // a tag for each value
)

// text makes JSON of what fits it, without limits: the bytes come from nodes of ours.
var text = parser.JSON(&parser.JSONOptions{
	MaxAttachments: math.MaxInt32, MaxDepth: maxDepth, MaxArguments: math.MaxInt32,
	MaxNamespace: math.MaxInt32, MaxBytes: math.MaxInt,
})

// maxDepth is how deep arrays and objects may be nested; no parser takes more.
const maxDepth = 10_000

// Append appends args to buf. It may run user code (marshalers), of which a panic is an error. After an error it
// returns buf as it was.
func Append(buf []byte, args parser.Args) (all []byte, err error) {
	defer func() {
		if v := recover(); v != nil {
			all, err = buf, fmt.Errorf("argbytes: panic: %v", v)
		}
	}()
	for i := range args.Len() {
		switch err := args.Walk(i, inText); {
		case err == errNotInText:
			return appendTagged(buf, args)
		case err != nil:
			return buf, err
		}
	}
	if all, err = appendJSON(buf, args); err != nil {
		// JSON text has no place for an object that looks like the placeholder of an attachment, beside one.
		return appendTagged(buf, args)
	}
	return all, nil
}

var errNotInText = errors.New("JSON text does not say it")

// inText returns an error if JSON text would show as another token.
func inText(t parser.Token) error {
	switch t.Kind {
	case parser.KindTime:
		return errNotInText
	case parser.KindNumber:
		if t.IsFloat32() {
			return errNotInText
		}
		if _, ok := t.Literal(); ok {
			return nil
		}
		if _, ok := t.Int64(); ok {
			return nil
		}
		if _, ok := t.Uint64(); ok {
			return nil
		}
		// A float without a fraction is read as an integer, if one of 64 bits has room for it.
		if f := t.Float64(); f-f != 0 || f == math.Trunc(f) {
			return errNotInText
		}
	}
	return nil
}

func appendJSON(buf []byte, args parser.Args) ([]byte, error) {
	frames, err := text.Encode(nil, &parser.Packet{Type: parser.Ack, HasID: true, Args: args})
	if err != nil {
		return buf, err
	}
	all := binary.AppendUvarint(append(buf, formatJSON), uint64(len(frames)))
	for _, f := range frames {
		all = append(binary.AppendUvarint(all, uint64(len(f.Data))), f.Data...)
	}
	return all, nil
}

func appendTagged(buf []byte, args parser.Args) ([]byte, error) {
	n := args.Len()
	e := encoder{binary.AppendUvarint(append(buf, formatTagged), uint64(n))}
	for i := range n {
		if err := args.Walk(i, e.token); err != nil {
			return buf, err
		}
	}
	return e.buf, nil
}

// The tags of values.
const (
	tagNull byte = iota
	tagFalse
	tagTrue
	tagInt
	tagUint
	tagFloat32
	tagFloat64
	tagLiteral // a number as JSON text had it
	tagString
	tagBytes
	tagTime
	tagArray
	tagObject
)

type encoder struct{ buf []byte }

func (e *encoder) tagged(tag byte, n int) {
	e.buf = binary.AppendUvarint(append(e.buf, tag), uint64(n))
}

// token appends a part of a value. What is in an array or object is counted, so its end needs no bytes.
func (e *encoder) token(t parser.Token) error {
	switch t.Kind {
	case parser.KindNull:
		e.buf = append(e.buf, tagNull)
	case parser.KindBool:
		tag := tagFalse
		if t.Bool() {
			tag = tagTrue
		}
		e.buf = append(e.buf, tag)
	case parser.KindNumber:
		e.number(t)
	case parser.KindString:
		e.tagged(tagString, t.Len())
		e.buf = t.Append(e.buf)
	case parser.KindKey:
		e.buf = t.Append(binary.AppendUvarint(e.buf, uint64(t.Len())))
	case parser.KindBytes:
		e.tagged(tagBytes, t.Len())
		e.buf = append(e.buf, t.Bytes()...)
	case parser.KindTime:
		at := t.Time()
		_, zone := at.Zone()
		e.buf = binary.AppendVarint(append(e.buf, tagTime), at.Unix())
		e.buf = binary.AppendUvarint(e.buf, uint64(at.Nanosecond()))
		e.buf = binary.AppendVarint(e.buf, int64(zone))
	case parser.KindArray:
		e.tagged(tagArray, t.Len())
	case parser.KindObject:
		e.tagged(tagObject, t.Len())
	}
	return nil
}

func (e *encoder) number(t parser.Token) {
	if t.IsFloat32() {
		e.buf = binary.BigEndian.AppendUint32(append(e.buf, tagFloat32), math.Float32bits(float32(t.Float64())))
		return
	}
	if text, ok := t.Literal(); ok {
		e.tagged(tagLiteral, len(text))
		e.buf = append(e.buf, text...)
		return
	}
	if n, ok := t.Int64(); ok {
		e.buf = binary.AppendVarint(append(e.buf, tagInt), n)
		return
	}
	if n, ok := t.Uint64(); ok {
		e.buf = binary.AppendUvarint(append(e.buf, tagUint), n)
		return
	}
	e.buf = binary.BigEndian.AppendUint64(append(e.buf, tagFloat64), math.Float64bits(t.Float64()))
}
