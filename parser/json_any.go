package parser

import (
	"bytes"
	"errors"
	"sort"
	"sync"

	jsonv1 "encoding/json"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	legacy "github.com/go-json-experiment/json/v1"
)

// decodeOptions make the JSON library do what users of encoding/json expect, as far as it is cheap.
var decodeOptions = json.JoinOptions(
	jsontext.AllowDuplicateNames(true),
	jsontext.AllowInvalidUTF8(true), // checked beneath us; also what half surrogates count as
	json.MatchCaseInsensitiveNames(true),
	legacy.FormatDurationAsNano(true),
	legacy.FormatByteArrayAsArray(true),
	legacy.UnmarshalArrayFromAnyLength(true),
)

// errDecodedSize tells that values of Go would need far more memory than the text they come from.
var errDecodedSize = errors.New("decoded value too large")

// The memory that decoding into interfaces may take: a text of a million bytes gets 24 times its
// size, and one of up to 150,000 all that it can ever need. Typed destinations have no such limit.
const (
	anyBudgetBase   = 4 << 20
	anyBudgetFactor = 20

	// What values cost, about, on a 64-bit machine.
	mapCost     = 48
	mapSlotCost = 40 // a map of up to 8 has 8
	sliceCost   = 24
	slotCost    = 16
	boxCost     = 16 // a string or number in an interface
)

// sharedText is the longest argument whose strings, once decoded into interfaces, are parts of one
// string: that saves allocations, and a value kept holds on to no more than this.
const sharedText = 1024

// An anyDecoder decodes validated text into the types of Args.Values. It recurses as deep as the text is
// nested, which the scan has limited to at most hardMaxDepth.
type anyDecoder struct {
	text   []byte
	shared string // text[base:], or empty
	base   int
	marks  []placeholder // those from here on
	files  [][]byte
	budget int
	stack  []any // elements of the arrays that are not complete yet
}

// maxStack is the longest stack that is kept for the next value, in elements.
const maxStack = 1024

var anyDecoders = sync.Pool{New: func() any { return new(anyDecoder) }}

// decodeAny decodes argument i.
func (r *received) decodeAny(i int) (any, error) {
	s := r.spans[i]
	return r.decodeAnyAt(int(s.start), int(s.end))
}

// decodeAnyAt decodes the value at text[start:end].
func (r *received) decodeAnyAt(start, end int) (any, error) {
	d := anyDecoders.Get().(*anyDecoder)
	stack := d.stack
	*d = anyDecoder{
		text:   r.text[:end],
		base:   start,
		marks:  r.marksFrom(start),
		files:  r.attached().files,
		budget: anyBudgetBase + anyBudgetFactor*(end-start),
		stack:  stack,
	}
	if c := d.text[start]; (c == '{' || c == '[') && end-start <= sharedText {
		d.shared = string(d.text[start:])
	}
	v, _ := d.value(start)
	failed := d.budget < 0
	stack = d.stack // empty and cleared, unless it failed
	if failed || cap(stack) > maxStack {
		stack = nil
	}
	*d = anyDecoder{stack: stack}
	anyDecoders.Put(d)
	if failed {
		return nil, errDecodedSize
	}
	return v, nil
}

// value decodes the value at i and returns the index after it. When the budget is used up it returns
// quickly, and what it returns means nothing.
func (d *anyDecoder) value(i int) (any, int) {
	switch d.text[i] {
	case '{':
		return d.object(i)
	case '[':
		return d.array(i)
	case '"':
		end := skipString(d.text, i)
		d.budget -= boxCost + end - i
		return d.string(i, end), end
	case 't':
		return true, i + 4
	case 'f':
		return false, i + 5
	case 'n':
		return nil, i + 4
	default:
		end := skipScalar(d.text, i)
		d.budget -= boxCost
		return parseFloat(d.text[i:end]), end
	}
}

// string decodes the string at text[i:end].
func (d *anyDecoder) string(i, end int) string {
	if d.shared != "" {
		s := d.shared[i+1-d.base : end-1-d.base]
		for j := range len(s) {
			if s[j] == '\\' {
				return unquote(d.text[i:end])
			}
		}
		return s
	}
	return unquote(d.text[i:end])
}

func (d *anyDecoder) array(i int) (any, int) {
	base := len(d.stack)
	i = skipSpace(d.text, i+1)
	for d.text[i] != ']' && d.budget >= 0 {
		var v any
		v, i = d.value(i)
		if d.budget < 0 {
			break
		}
		d.stack = append(d.stack, v)
		d.budget -= slotCost
		i = skipComma(d.text, i)
	}
	d.budget -= sliceCost
	items := make([]any, len(d.stack)-base)
	copy(items, d.stack[base:])
	clear(d.stack[base:])
	d.stack = d.stack[:base]
	return items, i + 1
}

func (d *anyDecoder) object(i int) (any, int) {
	for len(d.marks) > 0 && int(d.marks[0].start) <= i {
		mark := d.marks[0]
		d.marks = d.marks[1:]
		if int(mark.start) == i {
			return d.files[mark.num], int(mark.end)
		}
	}
	m := make(map[string]any)
	d.budget -= mapCost
	i = skipSpace(d.text, i+1)
	for d.text[i] != '}' && d.budget >= 0 {
		end := skipString(d.text, i)
		key := d.string(i, end)
		var v any
		v, i = d.value(skipColon(d.text, end))
		if d.budget < 0 {
			break
		}
		m[key] = v
		switch n := len(m); {
		case n == 1:
			d.budget -= 8 * mapSlotCost
		case n > 8:
			d.budget -= 2 * mapSlotCost
		}
		d.budget -= len(key)
		i = skipComma(d.text, i)
	}
	return m, i + 1
}

// marksFrom returns the placeholders that begin at or after start.
func (r *received) marksFrom(start int) []placeholder {
	if len(r.attached().marks) == 0 {
		return nil
	}
	n := sort.Search(len(r.attached().marks), func(i int) bool { return int(r.attached().marks[i].start) >= start })
	return r.attached().marks[n:]
}

// marksIn returns the placeholders within argument i.
func (r *received) marksIn(i int) []placeholder {
	if len(r.attached().marks) == 0 {
		return nil
	}
	marks := r.marksFrom(int(r.spans[i].start))
	end := r.spans[i].end
	n := sort.Search(len(marks), func(i int) bool { return marks[i].start >= end })
	return marks[:n]
}

// A mixedDecoder decodes into types that hold bytes or interfaces somewhere: the JSON library calls
// back for those.
type mixedDecoder struct {
	rec     *received
	base    int // where in the text what the library reads begins
	buf     bytes.Buffer
	dec     *jsontext.Decoder // of buf
	options json.Options
}

var mixedDecoders = sync.Pool{New: func() any {
	m := &mixedDecoder{dec: new(jsontext.Decoder)}
	m.options = json.JoinOptions(decodeOptions, json.WithUnmarshalers(json.JoinUnmarshalers(
		json.UnmarshalFromFunc(m.bytes),
		json.UnmarshalFromFunc(m.any),
		json.UnmarshalFromFunc(m.object),
		json.UnmarshalFromFunc(m.array),
		json.UnmarshalFromFunc(m.rawMessage),
		json.UnmarshalFromFunc(m.rawValue),
	)))
	return m
}}

// decodeMixed decodes argument i into dst.
func (r *received) decodeMixed(i int, raw []byte, dst any) error {
	m := mixedDecoders.Get().(*mixedDecoder)
	m.rec, m.base = r, int(r.spans[i].start)
	m.buf = *bytes.NewBuffer(raw) // which is read in place
	m.dec.Reset(&m.buf, m.options)
	err := json.UnmarshalDecode(m.dec, dst)
	m.rec, m.buf = nil, bytes.Buffer{}
	mixedDecoders.Put(m)
	return err
}

// foreign tells whether it is not our text that dec reads. A type that decodes itself may hand the options it was given,
// and so our functions, to a decoder of its own.
func (m *mixedDecoder) foreign(dec *jsontext.Decoder) bool { return dec != m.dec }

// next returns where in the text the value begins that the library comes to next.
func (m *mixedDecoder) next(dec *jsontext.Decoder) int {
	i := m.base + int(dec.InputOffset())
	for {
		switch m.rec.text[i] {
		case ' ', '\t', '\r', '\n', ',', ':':
			i++
		default:
			return i
		}
	}
}

// mark returns the placeholder that the library comes to next.
func (m *mixedDecoder) mark(dec *jsontext.Decoder) (p placeholder, ok bool) {
	if m.foreign(dec) || len(m.rec.attached().marks) == 0 {
		return p, false
	}
	start := m.next(dec)
	marks := m.rec.marksFrom(start)
	if len(marks) == 0 || int(marks[0].start) != start {
		return p, false
	}
	return marks[0], true
}

func (m *mixedDecoder) bytes(dec *jsontext.Decoder, dst *[]byte) error {
	p, ok := m.mark(dec)
	if !ok {
		return errors.ErrUnsupported // base64, which the library knows
	}
	*dst = m.rec.attached().files[p.num]
	return dec.SkipValue()
}

func (m *mixedDecoder) any(dec *jsontext.Decoder, dst *any) error {
	if m.foreign(dec) || holdsPointer(*dst) {
		return errors.ErrUnsupported
	}
	start := m.next(dec)
	if err := dec.SkipValue(); err != nil {
		return err
	}
	v, err := m.rec.decodeAnyAt(start, m.base+int(dec.InputOffset()))
	*dst = v
	return err
}

func (m *mixedDecoder) object(dec *jsontext.Decoder, dst *map[string]any) error {
	if m.foreign(dec) || dec.PeekKind() != '{' {
		return errors.ErrUnsupported
	}
	if _, ok := m.mark(dec); ok {
		return errBinary
	}
	var v any
	err := m.any(dec, &v)
	if err == nil {
		*dst = v.(map[string]any)
	}
	return err
}

func (m *mixedDecoder) array(dec *jsontext.Decoder, dst *[]any) error {
	if m.foreign(dec) || dec.PeekKind() != '[' {
		return errors.ErrUnsupported
	}
	var v any
	err := m.any(dec, &v)
	if err == nil {
		*dst = v.([]any)
	}
	return err
}

func (m *mixedDecoder) rawMessage(dec *jsontext.Decoder, dst *jsonv1.RawMessage) error {
	return m.rawValue(dec, (*jsontext.Value)(dst))
}

func (m *mixedDecoder) rawValue(dec *jsontext.Decoder, dst *jsontext.Value) error {
	if m.foreign(dec) {
		return errors.ErrUnsupported
	}
	start := m.next(dec)
	value, err := dec.ReadValue()
	if err != nil {
		return err
	}
	marks := m.rec.marksFrom(start)
	if len(marks) > 0 && int(marks[0].end) <= m.base+int(dec.InputOffset()) {
		return errRawBinary
	}
	*dst = append((*dst)[:0:0], value...)
	return nil
}
