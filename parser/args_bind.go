package parser

import (
	"errors"
	"fmt"
	"reflect"
	"slices"

	jsonv1 "encoding/json"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Errors of Bind and Decode that are not the JSON library's.
var (
	errDestination = errors.New("destination is not a non-nil pointer")
	errRawBinary   = errors.New("raw JSON cannot hold binary attachments")
	errBinary      = errors.New("binary attachment where an object is wanted")
)

// Bind decodes the arguments in order into pointers; nil skips one. Destinations beyond the last argument are left as
// they are; arguments beyond the last destination are ignored. A pointer to a Tuple takes as many as it has fields; a
// *Args takes all that are left.
//
// An argument that does not fit yields an *ArgumentError; destinations before it have been filled.
func (a Args) Bind(dst ...any) error {
	if len(dst) == 0 {
		return nil
	}
	src, err := a.received()
	if err != nil {
		return err
	}
	next := 0
	for _, d := range dst {
		if next, err = bind(src, next, d); err != nil {
			return err
		}
	}
	return nil
}

// Decode decodes argument i into dst, a pointer. A pointer to a Tuple begins there, and a *Args takes
// that argument alone. Without an argument i, or if it does not fit, it returns an *ArgumentError.
func (a Args) Decode(i int, dst any) error {
	if i < 0 || i >= a.Len() {
		return &ArgumentError{Index: i, Err: fmt.Errorf("there are %d", a.Len())}
	}
	if all, ok := dst.(*Args); ok && all != nil {
		*all = a.Slice(i, i+1)
		return nil
	}
	if a.src == nil {
		a, i = a.Slice(i, a.Len()), 0
	}
	src, err := a.received()
	if err != nil {
		return err
	}
	_, err = bind(src, i, dst)
	return err
}

// bind fills one destination from argument i on, and returns the index of the next argument.
func bind(src source, i int, dst any) (next int, err error) {
	switch d := dst.(type) {
	case nil:
		return i + 1, nil
	case *Args:
		if d == nil {
			return i, &ArgumentError{Index: i, Err: errDestination}
		}
		n := src.count()
		*d = partOf(src, min(i, n), n-min(i, n))
		return n, nil
	case *string, *int, *int64, *float64, *bool, *[]byte, *any, *map[string]any, *[]any:
	default:
		v := reflect.ValueOf(dst)
		if v.Kind() != reflect.Pointer || v.IsNil() {
			return i, &ArgumentError{Index: i, Err: errDestination}
		}
		if t := tupleBehind(v); t.IsValid() {
			return bindTuple(src, i, t)
		}
	}
	if i >= src.count() {
		return i + 1, nil
	}
	if err := src.decode(i, dst); err != nil {
		return i, &ArgumentError{Index: i, Err: err}
	}
	return i + 1, nil
}

// tupleBehind returns the Tuple that v points to, over any number of pointers, which are made as needed.
func tupleBehind(v reflect.Value) reflect.Value {
	t := v.Type()
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || !planOf(t).tuple {
		return reflect.Value{}
	}
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	return v
}

func bindTuple(src source, i int, v reflect.Value) (next int, err error) {
	for _, field := range planOf(v.Type()).fields {
		if i, err = bind(src, i, v.Field(field).Addr().Interface()); err != nil {
			return i, err
		}
	}
	return i, nil
}

// decode decodes argument i into dst, a pointer to one destination.
func (r *received) decode(i int, dst any) error {
	budget := r.budget(int(r.spans[i].end - r.spans[i].start))
	return r.decodeWithin(i, dst, &budget)
}

// decodeWithin is decode with what interfaces may take, of which it takes what they cost.
func (r *received) decodeWithin(i int, dst any, budget *int) error {
	raw := r.textOf(i)
	if r.decodeScalar(i, raw, dst) {
		return nil
	}
	switch d := dst.(type) {
	case *any:
		if d != nil && !holdsPointer(*d) {
			v, err := r.decodeAny(i, budget)
			*d = v
			return err
		}
	case *map[string]any, *[]any:
		if done, err := r.decodeContainer(i, raw, dst, budget); done {
			return err
		}
	case *jsonv1.RawMessage:
		if d != nil {
			return r.copyRaw(i, (*[]byte)(d))
		}
	}
	if d, ok := dst.(*jsontext.Value); ok && d != nil { // no case of its own: since Go 1.27 it is the type above
		return r.copyRaw(i, (*[]byte)(d))
	}
	v := reflect.ValueOf(dst)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return errDestination
	}
	t := v.Type().Elem()
	if marks := r.marksIn(i); len(marks) > 0 && marks[0].start == r.spans[i].start && isObject(t) {
		return errBinary
	}
	if plan := planOf(t); plan.takesAny || plan.odd || plan.floatStrings || r.packet.far && plan.takesFloat {
		return r.decodeMixed(i, raw, dst, plan, budget)
	}
	return json.Unmarshal(raw, dst, decodeOptions)
}

// isObject tells whether the JSON library would fill a t, or what it points to, from an object.
func isObject(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return (t.Kind() == reflect.Struct || t.Kind() == reflect.Map) && !hides(t, takes)
}

// decodeScalar decodes what needs no JSON library. It reports false for all else, mistakes included.
func (r *received) decodeScalar(i int, raw []byte, dst any) bool {
	first := raw[0]
	number := first == '-' || first-'0' <= 9
	switch d := dst.(type) {
	case *string:
		if d != nil && first == '"' {
			*d = unquote(raw)
			return true
		}
	case *int:
		if n, ok := parseInt(raw); d != nil && number && ok && int64(int(n)) == n {
			*d = int(n)
			return true
		}
	case *int64:
		if n, ok := parseInt(raw); d != nil && number && ok {
			*d = n
			return true
		}
	case *float64:
		if d != nil && number {
			f := parseFloat(raw)
			if f-f == 0 { // finite
				*d = f
				return true
			}
		}
	case *jsonv1.Number:
		if d != nil && number {
			*d = jsonv1.Number(raw)
			return true
		}
	case *bool:
		if d != nil && (first == 't' || first == 'f') {
			*d = first == 't'
			return true
		}
	case *[]byte:
		if marks := r.marksIn(i); d != nil && len(marks) == 1 && marks[0].start == r.spans[i].start {
			*d = r.attached().files[marks[0].num]
			return true
		}
	}
	return false
}

// decodeContainer decodes an object or array into the types any would get; done is false if it is
// neither, or the wrong one.
func (r *received) decodeContainer(i int, raw []byte, dst any, budget *int) (done bool, err error) {
	switch d := dst.(type) {
	case *map[string]any:
		if d == nil || raw[0] != '{' {
			return false, nil
		}
		return true, r.decodeMap(i, d, budget)
	case *[]any:
		if d == nil || raw[0] != '[' || slices.ContainsFunc(*d, holdsPointer) {
			return false, nil
		}
		v, err := r.decodeAny(i, budget)
		*d, _ = v.([]any)
		return true, err
	}
	return false, nil
}

// decodeMap adds the members of argument i, an object, to those there are.
func (r *received) decodeMap(i int, dst *map[string]any, budget *int) error {
	s := r.spans[i]
	if marks := r.marksIn(i); len(marks) > 0 && marks[0].start == s.start {
		return errBinary
	}
	v, err := r.decodeAnyAt(int(s.start), int(s.end), budget, *dst)
	if err == nil {
		*dst = v.(map[string]any)
	}
	return err
}

func (r *received) copyRaw(i int, dst *[]byte) error {
	if len(r.marksIn(i)) > 0 {
		return errRawBinary
	}
	*dst = append([]byte(nil), r.textOf(i)...)
	return nil
}

// holdsPointer tells whether an interface to be filled already holds what it wants filled, as
// encoding/json has it.
func holdsPointer(v any) bool {
	if v == nil {
		return false
	}
	p := reflect.ValueOf(v)
	return p.Kind() == reflect.Pointer && !p.IsNil()
}
