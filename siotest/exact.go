package siotest

import (
	"math"
	"reflect"

	"sio.example/socketio/parser"
)

// equalExactly compares arguments without JSON: a parser of another format may have read what that cannot say.
func equalExactly(a, b parser.Args) bool {
	if a.Len() != b.Len() {
		return false
	}
	for i := range a.Len() {
		var x, y valueBuilder
		if a.Walk(i, x.add) != nil || b.Walk(i, y.add) != nil || !reflect.DeepEqual(x.values, y.values) {
			return false
		}
	}
	return true
}

// A valueBuilder makes a value of its tokens that reflect.DeepEqual can compare.
type valueBuilder struct {
	values []any // complete ones; those of the innermost array or object last
	open   []opened
}

// An opened is an array or object that is not complete.
type opened struct {
	object bool
	from   int // of values
}

// notANumber is equal to itself.
type notANumber struct{}

func (b *valueBuilder) add(t parser.Token) error {
	var v any
	switch t.Kind {
	case parser.KindArray, parser.KindObject:
		b.open = append(b.open, opened{t.Kind == parser.KindObject, len(b.values)})
		return nil
	case parser.KindEnd:
		v = b.close()
	case parser.KindBool:
		v = t.Bool()
	case parser.KindNumber:
		v = number(t)
	case parser.KindString, parser.KindKey:
		v = t.Text()
	case parser.KindBytes:
		v = append([]byte{}, t.Bytes()...)
	case parser.KindTime:
		v = t.Time().UTC()
	}
	b.values = append(b.values, v)
	return nil
}

// close takes the values of the innermost array or object.
func (b *valueBuilder) close() any {
	o := b.open[len(b.open)-1]
	b.open = b.open[:len(b.open)-1]
	items := append([]any{}, b.values[o.from:]...)
	b.values = b.values[:o.from]
	if !o.object {
		return items
	}
	members := make(map[string]any)
	for i := 0; i < len(items); i += 2 {
		members[items[i].(string)] = items[i+1]
	}
	return members
}

func number(t parser.Token) any {
	if n, ok := t.Int64(); ok {
		return n
	}
	if n, ok := t.Uint64(); ok {
		return n
	}
	if f := t.Float64(); !math.IsNaN(f) {
		return f
	}
	return notANumber{}
}
