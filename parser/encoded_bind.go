package parser

import (
	"reflect"
	"strconv"
	"time"
)

// An encodedBinder decodes one argument from its tokens, as a binder does from values: the two agree in all that a
// value of the same kind can be, which TestEncodedBindsAsValuesDo holds them to.
type encodedBinder struct {
	encodedCursor
	budget int // for what goes into interfaces

	// What is left of a short argument, as a string, of which those that are decoded are parts: that saves allocations,
	// and a value kept holds on to no more than this.
	shared string
	base   int // where shared begins
}

// value decodes the value that begins with t into dst, whose type has the shape s.
func (b *encodedBinder) value(dst reflect.Value, s *shape, t Token) error {
	switch {
	case s.of == timeType && t.Kind == KindTime:
		dst.Set(reflect.ValueOf(t.Time()))
		return nil
	case s.of == bytesType && t.Kind == KindBytes:
		dst.SetBytes(t.data)
		return nil
	case s.takesText && s.kind == reflect.Pointer && s.of.Elem() == timeType && t.Kind == KindTime:
		at := t.Time()
		dst.Set(reflect.ValueOf(&at))
		return nil
	case s.takesText, s.of == bytesType || s.of == numberType:
		return b.byValue(dst, s, t)
	}
	switch s.kind {
	case reflect.Pointer:
		return b.pointer(dst, s, t)
	case reflect.Interface:
		return b.iface(dst, t)
	case reflect.Map:
		return b.mapping(dst, s, t)
	case reflect.Slice, reflect.Array:
		return b.list(dst, s, t)
	case reflect.Struct:
		return b.structure(dst, s, t)
	}
	return b.scalar(dst, t)
}

// byValue decodes what takes JSON text, or is rare, by way of a value.
func (b *encodedBinder) byValue(dst reflect.Value, s *shape, t Token) error {
	v := binder{copier{b.budget}}
	err := v.value(dst, s, b.encodedCursor.value(t))
	b.budget = v.budget
	return err
}

func (b *encodedBinder) pointer(dst reflect.Value, s *shape, t Token) error {
	if t.Kind == KindNull {
		dst.SetZero()
		return nil
	}
	if dst.IsNil() {
		dst.Set(reflect.New(s.of.Elem()))
	}
	return b.value(dst.Elem(), s.inner().elem, t)
}

func (b *encodedBinder) iface(dst reflect.Value, t Token) error {
	switch {
	case t.Kind == KindNull:
		dst.SetZero()
		return nil
	case !dst.IsNil() && dst.Elem().Kind() == reflect.Pointer && !dst.Elem().IsNil():
		return b.value(dst.Elem().Elem(), shapeOf(dst.Elem().Type().Elem()), t)
	case dst.NumMethod() > 0:
		return unfit(t.Kind, dst.Type())
	}
	var v any
	if err := b.any(&v, t); err != nil {
		return err
	}
	dst.Set(reflect.ValueOf(v))
	return nil
}

func (b *encodedBinder) mapping(dst reflect.Value, s *shape, t Token) error {
	switch {
	case t.Kind == KindNull:
		dst.SetZero()
		return nil
	case t.Kind == KindBytes:
		return errBinary
	case t.Kind != KindObject:
		return unfit(t.Kind, s.of)
	case dst.IsNil():
		dst.Set(reflect.MakeMap(s.of))
	}
	if m, ok := dst.Interface().(map[string]any); ok {
		if b.object(m, t); b.budget < 0 {
			return errDecodedSize
		}
		return nil
	}
	s = s.inner()
	key, item := reflect.New(s.key.of).Elem(), reflect.New(s.elem.of).Elem()
	for range t.n {
		name := b.key().Text()
		if err := setKey(key, name); err != nil {
			return inside(err, name)
		}
		item.SetZero()
		if err := b.value(item, s.elem, b.read()); err != nil {
			return inside(err, name)
		}
		dst.SetMapIndex(key, item)
	}
	return nil
}

func (b *encodedBinder) list(dst reflect.Value, s *shape, t Token) error {
	switch {
	case t.Kind == KindNull && s.kind == reflect.Slice:
		dst.SetZero()
		return nil
	case t.Kind == KindNull:
		return nil
	case t.Kind != KindArray:
		return unfit(t.Kind, s.of)
	}
	n := t.n
	if s.kind == reflect.Slice {
		growTo(dst, n)
	} else {
		for i := n; i < dst.Len(); i++ {
			dst.Index(i).SetZero()
		}
		n = min(n, dst.Len())
	}
	elem := s.inner().elem
	for i := range n {
		if err := b.value(dst.Index(i), elem, b.read()); err != nil {
			return inside(err, strconv.Itoa(i))
		}
	}
	for range t.n - n {
		b.skip(b.read())
	}
	return nil
}

func (b *encodedBinder) structure(dst reflect.Value, s *shape, t Token) error {
	switch t.Kind {
	case KindNull:
		return nil
	case KindObject:
	case KindBytes:
		return errBinary
	default:
		return unfit(t.Kind, s.of)
	}
	s = s.inner()
	for range t.n {
		name := b.key()
		i, ok := s.names[string(name.data)]
		if !ok {
			i, _ = s.field(name.Text())
		}
		member := b.read()
		if i < 0 {
			b.skip(member)
			continue
		}
		f := &s.fields[i]
		field := f.make(dst)
		var err error
		if f.quoted {
			v := binder{copier{b.budget}}
			err = v.quoted(field, b.encodedCursor.value(member))
		} else {
			err = b.value(field, f.shape, member)
		}
		if err != nil {
			return inside(err, name.Text())
		}
	}
	return nil
}

func (b *encodedBinder) scalar(dst reflect.Value, t Token) error {
	switch {
	case t.Kind == KindNull:
		return nil
	case dst.Kind() == reflect.String && t.Kind == KindString:
		dst.SetString(b.text(t))
		return nil
	case dst.Kind() == reflect.String && t.Kind == KindTime:
		dst.SetString(t.Time().Format(time.RFC3339Nano))
		return nil
	case dst.Kind() == reflect.String:
	case dst.Kind() == reflect.Bool:
		if t.Kind == KindBool {
			dst.SetBool(t.Bool())
			return nil
		}
	case t.Kind == KindNumber:
		return setNumber(dst, t)
	}
	return unfit(t.Kind, dst.Type())
}

// any decodes the value that begins with t as Args.Values has it.
func (b *encodedBinder) any(dst *any, t Token) error {
	v := b.untyped(t)
	if b.budget < 0 {
		return errDecodedSize
	}
	*dst = v
	return nil
}

// share begins to share what is left, if it is an array or object, and short.
func (b *encodedBinder) share(t Token) {
	if left := b.data[b.at:]; t.parts() > 0 && len(left) <= sharedText {
		b.shared, b.base = string(left), b.at
	}
}

// text is the string or key t, which has just been read.
func (b *encodedBinder) text(t Token) string {
	if end := b.at - b.base; end >= len(t.data) && end <= len(b.shared) {
		if s := b.shared[end-len(t.data) : end]; s == string(t.data) && t.text == "" {
			return s
		}
	}
	return t.Text()
}

// untyped makes a value. When the budget is used up it returns quickly, and what it returns means nothing.
func (b *encodedBinder) untyped(t Token) any {
	switch t.Kind {
	case KindNumber:
		b.budget -= numberCost
		return plainNumber(t)
	case KindString:
		b.budget -= stringCost + t.Len()
		return b.text(t)
	case KindArray:
		b.budget -= sliceCost + slotCost*t.n
		if b.budget < 0 {
			return nil
		}
		list := make([]any, t.n)
		for i := range list {
			if list[i] = b.untyped(b.read()); b.budget < 0 {
				return nil
			}
		}
		return list
	case KindObject:
		m := make(map[string]any)
		b.object(m, t)
		return m
	}
	return t.scalar()
}

// object adds the members of an object to m.
func (b *encodedBinder) object(m map[string]any, t Token) {
	b.budget -= mapCost
	for range t.n {
		name := b.key()
		key := b.text(name)
		v := b.untyped(b.read())
		if b.budget < 0 {
			return
		}
		before := len(m)
		m[key] = v
		if n := len(m); n > before {
			b.budget -= memberRoom(n) + len(key)
		}
	}
}
