package parser

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A misfit tells that a value does not fit its destination, and where within the argument. JSON text has the errors of
// the JSON library, which say the same.
type misfit struct {
	path []string // from the inside out
	err  error
}

func (m *misfit) Error() string {
	if len(m.path) == 0 {
		return m.err.Error()
	}
	var path strings.Builder
	for _, name := range slices.Backward(m.path) {
		path.WriteString("/" + pathEscapes.Replace(name))
	}
	return m.err.Error() + " within " + strconv.Quote(path.String())
}

func (m *misfit) Unwrap() error { return m.err }

// pathEscapes are those of a JSON pointer (RFC 6901 3).
var pathEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// inside adds the name of a member, or the index of an element, to the path of an error.
func inside(err error, name string) error {
	m, ok := err.(*misfit)
	if !ok {
		m = &misfit{err: err}
	}
	m.path = append(m.path, name)
	return m
}

// unfit is the error of a value that does not fit a type.
func unfit(kind Kind, t reflect.Type) error {
	return fmt.Errorf("cannot decode %s into Go %v", kind, t)
}

// A binder decodes the values of one argument, which a parser has made, into a destination, as the JSON library decodes
// the text of them.
type binder struct {
	copier // for what goes into interfaces
}

// decode decodes argument i into dst, a pointer to one destination.
func (d *decoded) decode(i int, dst any) error {
	v := d.values[i]
	if decodeBasic(v, dst) {
		return nil
	}
	p := reflect.ValueOf(dst)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return errDestination
	}
	b := binder{copier{d.budget}}
	return b.value(p.Elem(), shapeOf(p.Type().Elem()), v)
}

// decodeBasic decodes what needs no reflection. It reports false for all else, mistakes included.
func decodeBasic(v, dst any) bool {
	switch d := dst.(type) {
	case *string:
		s, ok := v.(string)
		if ok = ok && d != nil; ok {
			*d = s
		}
		return ok
	case *int:
		n, ok := numberOf(v).whole()
		if ok = ok && d != nil && int64(int(n)) == n; ok {
			*d = int(n)
		}
		return ok
	case *int64:
		n, ok := numberOf(v).whole()
		if ok = ok && d != nil; ok {
			*d = n
		}
		return ok
	case *float64:
		f, ok := v.(float64)
		if ok = ok && d != nil; ok {
			*d = f
		}
		return ok
	case *bool:
		b, ok := v.(bool)
		if ok = ok && d != nil; ok {
			*d = b
		}
		return ok
	case *[]byte:
		b, ok := v.([]byte)
		if ok = ok && d != nil; ok {
			*d = b
		}
		return ok
	}
	return false
}

// value decodes v into dst, whose type has the shape s.
func (b *binder) value(dst reflect.Value, s *shape, v any) error {
	kind := kindOf(v)
	switch {
	case s.of == timeType && kind == KindTime:
		dst.Set(reflect.ValueOf(v))
		return nil
	case s.of == bytesType && kind == KindBytes:
		dst.SetBytes(v.([]byte))
		return nil
	case s.of == numberType && kind == KindNumber:
		return b.number(dst, v)
	case s.takesText && s.kind == reflect.Pointer && s.of.Elem() == timeType && kind == KindTime:
		at := v.(time.Time)
		dst.Set(reflect.ValueOf(&at))
		return nil
	case s.takesText, s.of == bytesType || s.of == numberType:
		return b.text(dst, v)
	}
	switch s.kind {
	case reflect.Pointer:
		return b.pointer(dst, s, v, kind)
	case reflect.Interface:
		return b.iface(dst, v, kind)
	case reflect.Map:
		return b.mapping(dst, s, v, kind)
	case reflect.Slice, reflect.Array:
		return b.list(dst, s, v, kind)
	case reflect.Struct:
		return b.structure(dst, s, v, kind)
	}
	if kind == KindNull {
		return nil
	}
	return b.scalar(dst, v, kind)
}

// text decodes v by way of JSON text, for types that decode themselves. What interfaces in them take comes out of the
// same budget.
func (b *binder) text(dst reflect.Value, v any) error {
	rec, err := standard.receive([]any{v})
	if err != nil {
		return err
	}
	return rec.decodeWithin(0, dst.Addr().Interface(), &b.budget)
}

func (b *binder) number(dst reflect.Value, v any) error {
	t := numberOf(v)
	if f := t.Float64(); t.form != literal && f-f != 0 {
		return notFinite(f, dst.Type())
	}
	dst.SetString(string(t.appendNumber(nil)))
	return nil
}

func notFinite(f float64, t reflect.Type) error {
	return fmt.Errorf("%w: %v", unfit(KindNumber, t), f)
}

func (b *binder) pointer(dst reflect.Value, s *shape, v any, kind Kind) error {
	if kind == KindNull {
		dst.SetZero()
		return nil
	}
	if dst.IsNil() {
		dst.Set(reflect.New(s.of.Elem()))
	}
	return b.value(dst.Elem(), s.inner().elem, v)
}

func (b *binder) iface(dst reflect.Value, v any, kind Kind) error {
	switch {
	case kind == KindNull:
		dst.SetZero()
		return nil
	case !dst.IsNil() && dst.Elem().Kind() == reflect.Pointer && !dst.Elem().IsNil():
		return b.value(dst.Elem().Elem(), shapeOf(dst.Elem().Type().Elem()), v)
	case dst.NumMethod() > 0:
		return unfit(kind, dst.Type())
	}
	v = b.copier.value(v)
	if b.budget < 0 {
		return errDecodedSize
	}
	dst.Set(reflect.ValueOf(v))
	return nil
}

func (b *binder) mapping(dst reflect.Value, s *shape, v any, kind Kind) error {
	switch {
	case kind == KindNull:
		dst.SetZero()
		return nil
	case kind == KindBytes:
		return errBinary
	case kind != KindObject:
		return unfit(kind, s.of)
	case dst.IsNil():
		dst.Set(reflect.MakeMap(s.of))
	}
	if m, ok := dst.Interface().(map[string]any); ok {
		if b.object(m, v); b.budget < 0 {
			return errDecodedSize
		}
		return nil
	}
	s = s.inner()
	key, item := reflect.New(s.key.of).Elem(), reflect.New(s.elem.of).Elem()
	return eachMember(v, func(name string, member any) error {
		if err := setKey(key, name); err != nil {
			return inside(err, name)
		}
		item.SetZero()
		if err := b.value(item, s.elem, member); err != nil {
			return inside(err, name)
		}
		dst.SetMapIndex(key, item)
		return nil
	})
}

// setKey makes a key of the name of a member.
func setKey(key reflect.Value, name string) error {
	bits := 0
	if key.Kind() != reflect.String {
		bits = key.Type().Bits()
	}
	switch {
	case key.Kind() == reflect.String:
		key.SetString(name)
	case key.CanInt():
		n, err := strconv.ParseInt(name, 10, bits)
		if err != nil {
			return fmt.Errorf("%w: %w", unfit(KindString, key.Type()), errors.Unwrap(err))
		}
		key.SetInt(n)
	default:
		n, err := strconv.ParseUint(name, 10, bits)
		if err != nil {
			return fmt.Errorf("%w: %w", unfit(KindString, key.Type()), errors.Unwrap(err))
		}
		key.SetUint(n)
	}
	return nil
}

// list fills a slice or array. Elements that are there already are decoded into, as encoding/json does.
func (b *binder) list(dst reflect.Value, s *shape, v any, kind Kind) error {
	items, _ := v.([]any)
	switch {
	case kind == KindNull && s.kind == reflect.Slice:
		dst.SetZero()
		return nil
	case kind == KindNull:
		return nil
	case kind != KindArray:
		return unfit(kind, s.of)
	}
	n := len(items)
	if s.kind == reflect.Slice {
		growTo(dst, n)
	} else {
		for i := n; i < dst.Len(); i++ {
			dst.Index(i).SetZero()
		}
		n = min(n, dst.Len())
	}
	elem := s.inner().elem
	for i, item := range items[:n] {
		if err := b.value(dst.Index(i), elem, item); err != nil {
			return inside(err, strconv.Itoa(i))
		}
	}
	return nil
}

// growTo gives a slice n elements, of which those that were within its capacity are what they were.
func growTo(dst reflect.Value, n int) {
	if n == 0 {
		dst.Set(reflect.MakeSlice(dst.Type(), 0, 0))
		return
	}
	if old := dst.Cap(); n > old {
		grown := reflect.MakeSlice(dst.Type(), n, n)
		dst.SetLen(old)
		reflect.Copy(grown, dst)
		dst.Set(grown)
		return
	}
	dst.SetLen(n)
}

func (b *binder) structure(dst reflect.Value, s *shape, v any, kind Kind) error {
	members, _ := v.(map[string]any)
	switch kind {
	case KindNull:
		return nil
	case KindObject:
	case KindBytes:
		return errBinary
	default:
		return unfit(kind, s.of)
	}
	s = s.inner()
	return eachMember(v, func(name string, member any) error {
		i, exact := s.field(name)
		if i < 0 {
			return nil
		}
		f := &s.fields[i]
		if _, better := members[f.name]; !exact && better {
			return nil // maps have no order that could decide
		}
		field := f.make(dst)
		var err error
		if f.quoted {
			err = b.quoted(field, member)
		} else {
			err = b.value(field, f.shape, member)
		}
		if err != nil {
			return inside(err, name)
		}
		return nil
	})
}

// make returns the field of a struct, and makes embedded pointers for it.
func (f *shapeField) make(v reflect.Value) reflect.Value {
	for i, n := range f.index {
		if i > 0 && v.Kind() == reflect.Pointer {
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.Field(n)
	}
	return v
}

var errUnquoted = errors.New("a field with the option string takes a string")

// quoted decodes a string that holds JSON text.
func (b *binder) quoted(dst reflect.Value, v any) error {
	text, ok := v.(string)
	if !ok {
		if v == nil {
			if dst.Kind() == reflect.Pointer {
				dst.SetZero()
			}
			return nil
		}
		return errUnquoted
	}
	rec := &received{text: []byte(text)}
	end, msg := 0, msgCut
	if text != "" && text[0] != '{' && text[0] != '[' {
		end, msg = scanLiteralOrString(rec.text, &rec.packet.far)
	}
	if msg != "" || end != len(text) {
		return fmt.Errorf("%w: %w", unfit(KindString, dst.Type()), strconv.ErrSyntax)
	}
	if text == "null" {
		if dst.Kind() == reflect.Pointer {
			dst.SetZero()
		}
		return nil
	}
	rec.spans = append(rec.inline[:0], span{0, uint32(end)})
	return rec.decode(0, dst.Addr().Interface())
}

func scanLiteralOrString(text []byte, far *bool) (int, string) {
	if text[0] == '"' {
		return scanString(text, 1)
	}
	return scanLiteral(text, 0, far)
}

func (b *binder) scalar(dst reflect.Value, v any, kind Kind) error {
	switch dst.Kind() {
	case reflect.String:
		switch v := v.(type) {
		case string:
			dst.SetString(v)
			return nil
		case time.Time:
			dst.SetString(v.Format(time.RFC3339Nano))
			return nil
		}
	case reflect.Bool:
		if v, ok := v.(bool); ok {
			dst.SetBool(v)
			return nil
		}
	default:
		if kind == KindNumber {
			return setNumber(dst, numberOf(v))
		}
	}
	return unfit(kind, dst.Type())
}

// setNumber sets an integer or a float to a number that fits exactly, or as nearly as a float can.
func setNumber(dst reflect.Value, t Token) error {
	fits := false
	switch {
	case dst.CanInt():
		n, ok := t.whole()
		if fits = ok && !dst.OverflowInt(n); fits {
			dst.SetInt(n)
		}
	case dst.CanUint():
		n, ok := t.natural()
		if fits = ok && !dst.OverflowUint(n); fits {
			dst.SetUint(n)
		}
	case dst.Kind() == reflect.Float32 && t.form != float32Bits && t.form != float64Bits:
		f, err := strconv.ParseFloat(string(t.appendNumber(nil)), 32) // of an int64 it rounds once
		if fits = err == nil; fits {
			dst.SetFloat(f)
		}
	default:
		f := t.Float64()
		if fits = !dst.OverflowFloat(f) && (t.form != literal || !math.IsInf(f, 0)); fits {
			dst.SetFloat(f)
		}
	}
	if !fits {
		return fmt.Errorf("%w: %s", unfit(KindNumber, dst.Type()), shorten(string(t.appendNumber(nil)), maxErrorText))
	}
	return nil
}

// whole is the number if it is an integer that an int64 holds; of a literal, if it is written as one.
func (t Token) whole() (n int64, ok bool) {
	switch t.form {
	case literal:
		return parseInt(t.data)
	case signedInt, unsignedInt:
		return t.Int64()
	}
	f := t.Float64()
	if f < -1<<63 || f >= 1<<63 || f != math.Trunc(f) {
		return 0, false
	}
	return int64(f), true
}

// natural is whole for a uint64.
func (t Token) natural() (n uint64, ok bool) {
	switch t.form {
	case unsignedInt:
		return t.bits, true
	case literal:
		n, err := strconv.ParseUint(string(t.data), 10, 64)
		return n, err == nil
	case signedInt:
		return t.bits, int64(t.bits) >= 0
	}
	f := t.Float64()
	if math.Signbit(f) || f >= 1<<64 || f != math.Trunc(f) { // minus zero is none, as in JSON text
		return 0, false
	}
	return uint64(f), true
}
