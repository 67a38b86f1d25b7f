package parser

import (
	"reflect"
	"testing"
)

// A tokenList is a TokenReader without a format: data says nothing, and the tokens are those that Walk shows, without
// their ends.
type tokenList []Token

func (l tokenList) ReadToken(_ []byte, at int) (t Token, next int) { return l[at], at + 1 }

// encodedOf are arguments with the same value as args, that stayed in the format of their parser.
func encodedOf(t testing.TB, args Args) Args {
	t.Helper()
	var l tokenList
	e := &Encoded{MaxDecoded: defaultMaxDecoded}
	for i := range args.Len() {
		e.Starts = append(e.Starts, len(l))
		err := args.Walk(i, func(t Token) error {
			switch t.Kind {
			case KindEnd:
				return nil
			case KindString, KindKey:
				t = StringToken([]byte(t.Text()))
			}
			l = append(l, t)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	e.Reader, e.Data = l, make([]byte, len(l))
	return e.Args()
}

// compareEncoded binds the same value as it was handed over, and as it stayed, to destinations of a type: all that can
// be seen must be the same, errors too.
func compareEncoded(t testing.TB, typ reflect.Type, before any, values Args) {
	t.Helper()
	a, b := reflect.New(typ), reflect.New(typ)
	if before != nil {
		a.Elem().Set(clone(reflect.ValueOf(before), 0))
		b.Elem().Set(clone(reflect.ValueOf(before), 0))
	}
	errA, errB := catch(func() error { return values.Bind(a.Interface()) }),
		catch(func() error { return encodedOf(t, values).Bind(b.Interface()) })
	if errA != nil || errB != nil {
		if errA == nil || errB == nil || errA.Error() != errB.Error() {
			t.Errorf("%s into %v: values: %v; encoded: %v", values, typ, errA, errB)
		}
		return
	}
	if !same(a.Elem(), b.Elem()) {
		t.Errorf("%s into %v: values: %#v; encoded: %#v", values, typ, a.Elem(), b.Elem())
	}
}
