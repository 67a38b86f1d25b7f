package parser

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"sync"

	jsonv1 "encoding/json"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	legacy "github.com/go-json-experiment/json/v1"
)

// decodeOptions make the JSON library decode as encoding/json does, but for this: it stops at the first value that does
// not fit. To go on is expensive, since each error gets the path to its place: a long key of a map around many would
// cost the product of both. The text has been validated, and need not be once more.
//
// oddOptions are for types that the library refuses to decode without legacy errors, see typePlan.odd: a mixedDecoder's
// guard has it stop there too.
var (
	decodeOptions = json.JoinOptions(legacy.DefaultOptionsV1(), legacy.ReportErrorsWithLegacySemantics(false))
	oddOptions    = legacy.DefaultOptionsV1()
)

// A mixedDecoder decodes into types that hold bytes or interfaces somewhere: the JSON library calls
// back for those.
type mixedDecoder struct {
	rec    *received
	base   int // where in the text what the library reads begins
	budget int // for what is decoded into interfaces
	buf    bytes.Buffer
	dec    *jsontext.Decoder // of buf

	// Most destinations need the first; the second is for numbers with far exponents, the third for odd types.
	options, far, odd json.Options

	// Of guard: the first error, and whether the library decodes a single value for it.
	fault  error
	within bool
}

var mixedDecoders = sync.Pool{New: func() any {
	m := &mixedDecoder{dec: new(jsontext.Decoder)}
	most := json.JoinUnmarshalers(
		json.UnmarshalFromFunc(m.bytes),
		json.UnmarshalFromFunc(m.any),
		json.UnmarshalFromFunc(m.object),
		json.UnmarshalFromFunc(m.array),
		json.UnmarshalFromFunc(m.rawMessage),
		json.UnmarshalFromFunc(m.rawValue),
		json.UnmarshalFromFunc(m.number),
	)
	floats := json.JoinUnmarshalers(most, json.UnmarshalFromFunc(m.float))
	m.options = json.JoinOptions(decodeOptions, json.WithUnmarshalers(most))
	m.far = json.JoinOptions(decodeOptions, json.WithUnmarshalers(floats))
	m.odd = json.JoinOptions(oddOptions, json.WithUnmarshalers(json.JoinUnmarshalers(json.UnmarshalFromFunc(m.guard),
		floats)))
	return m
}}

// decodeMixed decodes argument i into dst.
func (r *received) decodeMixed(i int, raw []byte, dst any, plan *typePlan, budget *int) error {
	m := mixedDecoders.Get().(*mixedDecoder)
	m.rec, m.base = r, int(r.spans[i].start)
	m.budget, m.fault, m.within = *budget, nil, false
	m.buf = *bytes.NewBuffer(raw) // which is read in place
	switch {
	case plan.odd:
		m.dec.Reset(&m.buf, m.odd)
	case plan.floatStrings || r.packet.far && plan.takesFloat:
		m.dec.Reset(&m.buf, m.far)
	default:
		m.dec.Reset(&m.buf, m.options)
	}
	err := json.UnmarshalDecode(m.dec, dst)
	if err == nil {
		err = m.fault
	}
	*budget = m.budget
	m.rec, m.fault, m.buf = nil, nil, bytes.Buffer{}
	mixedDecoders.Put(m)
	return err
}

// foreign tells whether it is not our text that dec reads. A type that decodes itself may hand the options it was
// given, and so our functions, to a decoder of its own.
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
	if m.foreign(dec) {
		return errors.ErrUnsupported
	}
	if holdsPointer(*dst) {
		if dec.PeekKind() != 'n' && planOf(reflect.TypeOf(*dst).Elem()).odd {
			return json.UnmarshalDecode(dec, *dst, m.odd)
		}
		return errors.ErrUnsupported
	}
	v, err := m.decodeAny(dec, nil)
	*dst = v
	return err
}

// decodeAny decodes what the library comes to next.
func (m *mixedDecoder) decodeAny(dec *jsontext.Decoder, into map[string]any) (any, error) {
	start := m.next(dec)
	if err := dec.SkipValue(); err != nil {
		return nil, err
	}
	return m.rec.decodeAnyAt(start, m.base+int(dec.InputOffset()), &m.budget, into)
}

func (m *mixedDecoder) object(dec *jsontext.Decoder, dst *map[string]any) error {
	if m.foreign(dec) || dec.PeekKind() != '{' {
		return errors.ErrUnsupported
	}
	if _, ok := m.mark(dec); ok {
		return errBinary
	}
	v, err := m.decodeAny(dec, *dst)
	if err == nil {
		*dst = v.(map[string]any)
	}
	return err
}

func (m *mixedDecoder) array(dec *jsontext.Decoder, dst *[]any) error {
	if m.foreign(dec) || dec.PeekKind() != '[' || slices.ContainsFunc(*dst, holdsPointer) {
		return errors.ErrUnsupported
	}
	v, err := m.decodeAny(dec, nil)
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

// number decodes a json.Number, which the library takes for a string, or knows itself since Go 1.27.
func (m *mixedDecoder) number(dec *jsontext.Decoder, dst *jsonv1.Number) error {
	if m.foreign(dec) || isName(dec.StackIndex(dec.StackDepth())) {
		return errors.ErrUnsupported
	}
	quoted, _ := json.GetOption(dec.Options(), json.StringifyNumbers)
	switch kind := dec.PeekKind(); {
	case kind == 'n':
		return dec.SkipValue()
	case kind == '0' && !quoted:
		value, err := dec.ReadValue()
		if err == nil {
			*dst = jsonv1.Number(value)
		}
		return err
	case kind == '"':
		start := m.next(dec)
		text := unquote(m.rec.text[start:skipString(m.rec.text, start)])
		if quoted && text == "null" {
			return dec.SkipValue()
		}
		if !isNumber(text) {
			return &json.SemanticError{JSONKind: kind, GoType: numberType, Err: strconv.ErrSyntax}
		}
		*dst = jsonv1.Number(text)
		return dec.SkipValue()
	default:
		return &json.SemanticError{JSONKind: kind, GoType: numberType}
	}
}

// isName tells whether the next string is the name of a member, of what StackIndex returns.
func isName(kind jsontext.Kind, n int64) bool { return kind == '{' && n%2 == 0 }

// float decodes a number whose exponent is far into any type of float; see parseFar.
func (m *mixedDecoder) float(dec *jsontext.Decoder, dst any) error {
	v := reflect.ValueOf(dst).Elem()
	if !isFloat(v.Kind()) || m.foreign(dec) || v.Type().PkgPath() != "" && hides(v.Type(), takes) {
		return errors.ErrUnsupported
	}
	quoted, _ := json.GetOption(dec.Options(), json.StringifyNumbers)
	start := m.next(dec)
	number := m.rec.text[start:skipScalar(m.rec.text, start)]
	switch {
	case quoted && number[0] == '"':
		number = []byte(unquote(number))
	case quoted || number[0] != '-' && number[0]-'0' > 9:
		return errors.ErrUnsupported
	}
	if !isFarNumber(number) {
		return errors.ErrUnsupported
	}
	format := format64
	if v.Kind() == reflect.Float32 {
		format = format32
	}
	bits, negative, ok := format.parseFar(number)
	switch {
	case !ok:
		return errors.ErrUnsupported
	case bits == format.infinity():
		return &json.SemanticError{JSONKind: '0', JSONValue: bytes.Clone(number), GoType: v.Type(),
			Err: strconv.ErrRange}
	}
	v.SetFloat(signed(format.value(bits), negative))
	return dec.SkipValue()
}

// guard has the library decode the values of odd types one by one, and no more after the first that does not fit.
func (m *mixedDecoder) guard(dec *jsontext.Decoder, dst any) error {
	if m.foreign(dec) || m.within || isName(dec.StackIndex(dec.StackDepth())) {
		return errors.ErrUnsupported
	}
	if m.fault != nil {
		return dec.SkipValue()
	}
	if isContainer(reflect.TypeOf(dst).Elem(), dec.PeekKind()) {
		return errors.ErrUnsupported // its elements come here by themselves
	}
	m.within = true
	err := json.UnmarshalDecode(dec, dst)
	m.within = false
	if err == nil {
		return nil
	}
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return err
	}
	m.fault = err
	return nil
}

// isContainer tells whether the library decodes what is of a kind into a t piece by piece.
func isContainer(t reflect.Type, kind jsontext.Kind) bool {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return kind == '{' && !hides(t, takes)
	case reflect.Slice, reflect.Array:
		return kind == '[' && !hides(t, takes)
	case reflect.Pointer:
		return kind != 'n'
	}
	return false
}
