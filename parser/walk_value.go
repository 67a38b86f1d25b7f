package parser

import (
	"cmp"
	"errors"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"

	jsonv1 "encoding/json"

	"github.com/go-json-experiment/json/jsontext"

	"sio.example/socketio/internal/errtext"
)

// A valueWalker walks Go values, as they are sent and as a parser has made them.
type valueWalker struct {
	visit func(Token) error
}

var timeType = reflect.TypeFor[time.Time]()

func walkValue(v any, visit func(Token) error) error {
	w := valueWalker{visit}
	err := w.any(v, 0)
	if err != nil && errors.Is(err, errDepth) {
		return errtext.Errorf("parser: encode: %w", err)
	}
	return err
}

// any shows a value. The types that data without a type of its own is made of need no reflection. depth is how many
// arrays and objects are open.
func (w *valueWalker) any(v any, depth int) error {
	switch v := v.(type) {
	case nil:
		return w.visit(Token{Kind: KindNull})
	case string:
		return w.string(v, KindString)
	case bool:
		return w.visit(boolToken(v))
	case int:
		return w.visit(intToken(int64(v)))
	case int64:
		return w.visit(intToken(v))
	case uint64:
		return w.visit(uintToken(v))
	case float64:
		return w.visit(floatToken(v, float64Bits))
	case float32:
		return w.visit(floatToken(float64(v), float32Bits))
	case []byte:
		return w.bytes(v)
	case time.Time:
		return w.visit(timeToken(v))
	case jsonv1.Number:
		return w.number(v)
	case rawArg:
		return v.src.walk(v.i, depth, w.visit)
	case []any, map[string]any, Object, Args:
		if depth >= hardMaxDepth {
			return errDepth
		}
		return w.container(v, depth+1)
	}
	r := reflect.ValueOf(v)
	return w.value(r, shapeOf(r.Type()), false, depth)
}

func (w *valueWalker) container(v any, depth int) error {
	switch v := v.(type) {
	case []any:
		if v == nil {
			return w.visit(Token{Kind: KindNull})
		}
		return w.list(len(v), func(i int) error { return w.any(v[i], depth) })
	case map[string]any:
		return w.object(v, len(v), v == nil, depth)
	case Object:
		return w.object(v, len(v), v == nil, depth)
	case Args:
		return w.list(v.Len(), func(i int) error {
			if v.src != nil {
				return v.src.walk(i, depth, w.visit)
			}
			return w.any(v.values[i], depth)
		})
	}
	return nil
}

// object shows an object of n members.
func (w *valueWalker) object(members any, n int, null bool, depth int) error {
	if null {
		return w.visit(Token{Kind: KindNull})
	}
	if err := w.visit(Token{Kind: KindObject, n: n}); err != nil {
		return err
	}
	err := eachMember(members, func(name string, v any) error {
		if err := w.string(name, KindKey); err != nil {
			return err
		}
		return w.any(v, depth)
	})
	if err != nil {
		return err
	}
	return w.visit(endToken)
}

// list shows an array of n elements.
func (w *valueWalker) list(n int, element func(i int) error) error {
	if err := w.visit(Token{Kind: KindArray, n: n}); err != nil {
		return err
	}
	for i := range n {
		if err := element(i); err != nil {
			return err
		}
	}
	return w.visit(endToken)
}

// string shows a string; what is not UTF-8 in it becomes U+FFFD.
func (w *valueWalker) string(s string, kind Kind) error {
	if utf8.ValidString(s) {
		return w.visit(Token{Kind: kind, text: s})
	}
	return w.visit(Token{Kind: kind, data: []byte(string([]rune(s)))})
}

func (w *valueWalker) bytes(data []byte) error {
	if data == nil {
		return w.visit(Token{Kind: KindNull})
	}
	return w.visit(bytesToken(data))
}

func (w *valueWalker) number(n jsonv1.Number) error {
	text := cmp.Or(string(n), "0") // as encoding/json has it
	if !isNumber(text) {
		return errtext.Errorf("parser: encode: %w: %q", errNumber, n)
	}
	return w.visit(literalToken([]byte(text)))
}

// text shows a value by way of JSON text.
func (w *valueWalker) text(v any, depth int) error {
	rec, err := standard.receive([]any{v})
	if err != nil {
		return err
	}
	return rec.walk(0, depth, w.visit)
}

// value shows a value of any type. address tells whether it counts as one that has an address, for methods of pointers.
func (w *valueWalker) value(v reflect.Value, s *shape, address bool, depth int) error {
	switch {
	case s.of == timeType:
		return w.visit(timeToken(v.Interface().(time.Time)))
	case s.sendsText:
		if s.kind == reflect.Pointer && !v.IsNil() && s.of.Elem() == timeType {
			return w.visit(timeToken(v.Elem().Interface().(time.Time)))
		}
		if address && v.CanAddr() {
			return w.text(v.Addr().Interface(), depth)
		}
		return w.text(v.Interface(), depth)
	case s.sendsTextByAddress && address && v.CanAddr():
		return w.text(v.Addr().Interface(), depth)
	case s.of == numberType:
		return w.number(jsonv1.Number(v.String()))
	case s.of == bytesType:
		return w.bytes(v.Bytes())
	case s.of == argsType:
		return w.any(v.Interface(), depth)
	}
	switch s.kind {
	case reflect.Pointer, reflect.Interface, reflect.Map, reflect.Slice:
		if v.IsNil() {
			return w.visit(Token{Kind: KindNull})
		}
	case reflect.Struct, reflect.Array:
	default:
		return w.scalar(v)
	}
	if depth >= hardMaxDepth {
		return errDepth
	}
	switch s.kind {
	case reflect.Pointer:
		return w.value(v.Elem(), s.inner().elem, true, depth+1)
	case reflect.Interface:
		return w.any(v.Elem().Interface(), depth+1)
	case reflect.Map:
		return w.mapping(v, s.inner(), depth+1)
	case reflect.Struct:
		return w.structure(v, s.inner(), address, depth+1)
	}
	elem, address := s.inner().elem, address || s.kind == reflect.Slice
	return w.list(v.Len(), func(i int) error { return w.value(v.Index(i), elem, address, depth+1) })
}

var argsType = reflect.TypeFor[Args]()

func (w *valueWalker) scalar(v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		return w.string(v.String(), KindString)
	case reflect.Bool:
		return w.visit(boolToken(v.Bool()))
	case reflect.Float32:
		return w.visit(floatToken(v.Float(), float32Bits))
	case reflect.Float64:
		return w.visit(floatToken(v.Float(), float64Bits))
	}
	if v.CanInt() {
		return w.visit(intToken(v.Int()))
	}
	return w.visit(uintToken(v.Uint()))
}

func (w *valueWalker) mapping(v reflect.Value, s *shape, depth int) error {
	if err := w.visit(Token{Kind: KindObject, n: v.Len()}); err != nil {
		return err
	}
	key, item := reflect.New(s.key.of).Elem(), reflect.New(s.elem.of).Elem()
	var room [20]byte
	for iter := v.MapRange(); iter.Next(); {
		key.SetIterKey(iter)
		item.SetIterValue(iter)
		var err error
		switch {
		case key.Kind() == reflect.String:
			err = w.string(key.String(), KindKey)
		case key.CanInt():
			err = w.visit(Token{Kind: KindKey, data: strconv.AppendInt(room[:0], key.Int(), 10)})
		default:
			err = w.visit(Token{Kind: KindKey, data: strconv.AppendUint(room[:0], key.Uint(), 10)})
		}
		if err == nil {
			err = w.value(item, s.elem, false, depth)
		}
		if err != nil {
			return err
		}
	}
	return w.visit(endToken)
}

func (w *valueWalker) structure(v reflect.Value, s *shape, address bool, depth int) error {
	n := len(s.fields)
	if !s.fixed {
		n = 0
		for i := range s.fields {
			if field, _, ok := s.fields[i].at(v); ok && !s.fields[i].omits(field) {
				n++
			}
		}
	}
	if err := w.visit(Token{Kind: KindObject, n: n}); err != nil {
		return err
	}
	for i := range s.fields {
		f := &s.fields[i]
		field, pointed, ok := f.at(v)
		if !ok || !s.fixed && f.omits(field) {
			continue
		}
		err := w.visit(Token{Kind: KindKey, text: f.name})
		switch {
		case err != nil:
		case f.quoted:
			err = w.quoted(field)
		default:
			err = w.value(field, f.shape, address || pointed, depth)
		}
		if err != nil {
			return err
		}
	}
	return w.visit(endToken)
}

// quoted shows the value of a field with the option string.
func (w *valueWalker) quoted(v reflect.Value) error {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return w.visit(Token{Kind: KindNull})
		}
		v = v.Elem()
	}
	var text []byte
	switch {
	case v.Type() == numberType:
		text = []byte(cmp.Or(v.String(), "0"))
		if !isNumber(string(text)) {
			return errtext.Errorf("parser: encode: %w: %q", errNumber, text)
		}
	case v.Kind() == reflect.String:
		text, _ = jsontext.AppendQuote(nil, v.String()) // the error only tells about invalid UTF-8
	case v.Kind() == reflect.Bool:
		text = strconv.AppendBool(nil, v.Bool())
	case isFloat(v.Kind()) && v.Float()-v.Float() != 0:
		return w.visit(Token{Kind: KindNull})
	case v.Kind() == reflect.Float32:
		text = appendFloat(nil, v.Float(), 32)
	case v.Kind() == reflect.Float64:
		text = appendFloat(nil, v.Float(), 64)
	case v.CanInt():
		text = strconv.AppendInt(nil, v.Int(), 10)
	default:
		text = strconv.AppendUint(nil, v.Uint(), 10)
	}
	return w.visit(Token{Kind: KindString, data: text})
}
