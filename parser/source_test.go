package parser

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// rebuild makes Go values of what Walk shows of argument i, as a parser with binary numbers would.
func rebuild(args Args, i int) (v any, err error) {
	var b builder
	if err := args.Walk(i, b.add); err != nil {
		return nil, err
	}
	if len(b.open) > 0 || !b.done {
		return nil, errors.New("the tokens make no value")
	}
	return b.value, nil
}

// A builder puts the value together that its tokens stand for, and is strict about them.
type builder struct {
	open  []container
	value any
	done  bool
}

type container struct {
	list    []any
	members Object
	left    int
	key     *string
}

func (b *builder) add(t Token) error {
	if b.done {
		return errors.New("a token after the value")
	}
	switch t.Kind {
	case KindArray:
		b.open = append(b.open, container{list: []any{}, left: t.Len()})
		return nil
	case KindObject:
		b.open = append(b.open, container{members: Object{}, left: t.Len()})
		return nil
	case KindKey:
		c := &b.open[len(b.open)-1]
		if c.members == nil || c.key != nil {
			return errors.New("a key out of place")
		}
		if got := string(t.Append(nil)); got != t.Text() || len(got) != t.Len() {
			return fmt.Errorf("key %q, %q", got, t.Text())
		}
		c.key = ptr(t.Text())
		return nil
	case KindEnd:
		c := b.open[len(b.open)-1]
		b.open = b.open[:len(b.open)-1]
		if c.left != 0 || c.key != nil {
			return fmt.Errorf("%d elements missing", c.left)
		}
		if c.members != nil {
			return b.put(c.members)
		}
		return b.put(c.list)
	}
	v, err := valueOf(t)
	if err != nil {
		return err
	}
	return b.put(v)
}

func (b *builder) put(v any) error {
	if len(b.open) == 0 {
		b.value, b.done = v, true
		return nil
	}
	c := &b.open[len(b.open)-1]
	c.left--
	if c.members == nil {
		c.list = append(c.list, v)
		return nil
	}
	if c.key == nil {
		return errors.New("a member without a key")
	}
	c.members, c.key = append(c.members, Member{*c.key, v}), nil
	return nil
}

// valueOf is the value of a token that is neither array nor object.
func valueOf(t Token) (any, error) {
	switch t.Kind {
	case KindNull:
		return nil, nil
	case KindBool:
		return t.Bool(), nil
	case KindString:
		if got := string(t.Append(nil)); got != t.Text() || len(got) != t.Len() {
			return nil, fmt.Errorf("string %q, %q", got, t.Text())
		}
		return t.Text(), nil
	case KindBytes:
		return t.Bytes(), nil
	case KindTime:
		return t.Time(), nil
	case KindNumber:
		if t.IsFloat32() {
			return float32(t.Float64()), nil
		}
		if n, ok := t.Int64(); ok {
			return n, nil
		}
		if n, ok := t.Uint64(); ok {
			return n, nil
		}
		return t.Float64(), nil
	}
	return nil, fmt.Errorf("token of kind %v", t.Kind)
}

// same is reflect.DeepEqual, but that NaN is NaN, and within interfaces integers are the floats that they are near.
func same(a, b reflect.Value) bool {
	if a.IsValid() != b.IsValid() {
		return false
	}
	if !a.IsValid() || a.CanInterface() && b.CanInterface() && reflect.DeepEqual(a.Interface(), b.Interface()) {
		return true
	}
	if a.Kind() == reflect.Interface && b.Kind() == reflect.Interface {
		return same(plainValue(a.Elem()), plainValue(b.Elem()))
	}
	if a.Type() != b.Type() {
		return false
	}
	if a.Type() == rawMessageType || a.Type() == rawValueType {
		return canonical(a.Bytes()) == canonical(b.Bytes())
	}
	switch a.Kind() {
	case reflect.Float32, reflect.Float64:
		return a.Float() == b.Float() || a.Float() != a.Float() && b.Float() != b.Float()
	case reflect.Pointer:
		return a.IsNil() == b.IsNil() && same(a.Elem(), b.Elem())
	case reflect.Struct:
		if a.Type() == timeType {
			return a.Interface().(time.Time).Equal(b.Interface().(time.Time))
		}
		for i := range a.NumField() {
			if !same(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Map:
		if a.Len() != b.Len() || a.IsNil() != b.IsNil() {
			return false
		}
		for _, k := range a.MapKeys() {
			if !b.MapIndex(k).IsValid() && k.String() != "NaN" || !same(a.MapIndex(k), b.MapIndex(k)) {
				return false
			}
		}
		return true
	case reflect.Slice, reflect.Array:
		if a.Len() != b.Len() || a.Kind() == reflect.Slice && a.IsNil() != b.IsNil() {
			return false
		}
		for i := range a.Len() {
			if !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Bool, reflect.String:
		return a.Equal(b)
	case reflect.Func:
		return a.IsNil() == b.IsNil()
	}
	if a.Comparable() && b.Comparable() {
		if a.CanInterface() {
			return reflect.DeepEqual(a.Interface(), b.Interface())
		}
		return a.Equal(b)
	}
	return !a.CanInterface() || reflect.DeepEqual(a.Interface(), b.Interface())
}

func plainValue(v reflect.Value) reflect.Value {
	switch {
	case v.IsValid() && v.Type() == reflect.TypeFor[Object]():
		m := make(map[string]any)
		for _, o := range v.Interface().(Object) {
			m[o.Name] = o.Value
		}
		return reflect.ValueOf(m)
	case !v.IsValid() || v.Type().PkgPath() != "":
	case v.Kind() == reflect.Int64:
		return reflect.ValueOf(float64(v.Int()))
	case v.Kind() == reflect.Float32:
		return reflect.ValueOf(v.Float())
	case v.Kind() == reflect.Uint64:
		return reflect.ValueOf(float64(v.Uint()))
	}
	return v
}

// bothSources are arguments with the same value: as a parser has decoded it, and in JSON text.
func bothSources(t testing.TB, v any) (values, text Args) {
	t.Helper()
	values, err := Decoded([]any{v}, nil)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := standard.receive([]any{v})
	if err != nil {
		t.Fatal(err)
	}
	return values, Args{src: rec}
}

// compareSources binds the same value from both sources to destinations of a type.
func compareSources(t testing.TB, typ reflect.Type, before, v any) {
	t.Helper()
	values, text := bothSources(t, v)
	compareEncoded(t, typ, before, values)
	a, b := reflect.New(typ), reflect.New(typ)
	if before != nil {
		a.Elem().Set(clone(reflect.ValueOf(before), 0))
		b.Elem().Set(clone(reflect.ValueOf(before), 0))
	}
	errA, errB := catch(func() error { return values.Bind(a.Interface()) }),
		catch(func() error { return text.Bind(b.Interface()) })
	if (errA == nil) != (errB == nil) {
		t.Errorf("%#v into %v: values: %v; text: %v", v, typ, errA, errB)
		return
	}
	if errA == nil && !same(a.Elem(), b.Elem()) {
		t.Errorf("%#v into %v: values: %#v; text: %#v", v, typ, a.Elem(), b.Elem())
	}
}

func catch(fn func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return fn()
}

// beyondJSON tells whether v holds what JSON text cannot say.
func beyondJSON(v any) bool {
	switch v := v.(type) {
	case []any:
		return slices.ContainsFunc(v, beyondJSON)
	case Object:
		return slices.ContainsFunc(v, func(m Member) bool { return beyondJSON(m.Value) })
	case float64:
		return math.IsInf(v, 0)
	}
	return false
}

// TestValuesBindAsTextDoes: values that a parser has decoded fit the same destinations as their JSON text does, and
// fill them with the same.
func TestValuesBindAsTextDoes(t *testing.T) {
	var parsed []any
	for _, text := range standardTexts {
		p, err := JSON(nil).NewDecoder().Add(Frame{Data: []byte(`31[` + text + `]`)})
		if err != nil {
			t.Fatal(err)
		}
		v, err := rebuild(p.Args, 0)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !beyondJSON(v) {
			parsed = append(parsed, v)
		}
	}
	seen := make(map[reflect.Type]bool)
	compared := 0
	for _, v := range standardValues() {
		forms(t, v, func(name string, v any) {
			if v == nil || seen[reflect.TypeOf(v)] || strings.HasSuffix(name, "address") ||
				(raceEnabled || testing.Short()) && name != "itself" {
				return
			}
			typ := reflect.TypeOf(v)
			seen[typ] = true
			for _, p := range parsed {
				compared += 2
				compareSources(t, typ, nil, p)
				compareSources(t, typ, v, p)
			}
		})
	}
	t.Logf("%d pairs", compared)
}

// TestWalkShowsWhatIsSent: the tokens of a value that is sent stand for what its JSON text stands for.
func TestWalkShowsWhatIsSent(t *testing.T) {
	for _, v := range standardValues() {
		forms(t, v, func(name string, v any) {
			what := fmt.Sprintf("%s %T", name, v)
			want, wantErr := standard.receive([]any{v})
			var got any
			err := catch(func() (err error) { got, err = rebuild(Args{values: []any{v}}, 0); return err })
			if wantErr != nil && err == nil && (strings.Contains(wantErr.Error(), "year outside of range") ||
				strings.Contains(wantErr.Error(), "panic")) {
				return // JSON has no such times, and the method of a nil pointer need not be called
			}
			if (err == nil) != (wantErr == nil) {
				t.Errorf("%s: %v, but %v of its text", what, err, wantErr)
				return
			}
			if err != nil {
				return
			}
			again, err := standard.receive([]any{got})
			if err != nil {
				t.Errorf("%s: %v", what, err)
				return
			}
			a, b := Args{src: again}, Args{src: want}
			x, errX := a.Values()
			y, errY := b.Values()
			if errX != nil || errY != nil || !same(reflect.ValueOf(&x).Elem(), reflect.ValueOf(&y).Elem()) {
				t.Errorf("%s: tokens %s, text %s", what, a, b)
			}
		})
	}
}

var exactValues = []any{
	nil, true, false, 0, -1, int64(math.MinInt64), int64(math.MaxInt64), uint64(math.MaxUint64), int64(1)<<53 + 1,
	-(int64(1)<<53 + 1),
	math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 1.5, 5e-324, float32(0.1), int8(-8), uint16(16),
	"", "text é\n", []byte{}, []byte{1, 2, 3}, time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.FixedZone("", 3600)),
	[]any{}, map[string]any{}, []any{math.NaN(), map[string]any{"deep": []any{[]byte("b"), uint64(math.MaxUint64)}}},
}

// TestNothingIsLostOfWhatAParserRead: neither by Walk, nor by Values, nor when it is sent on.
func TestNothingIsLostOfWhatAParserRead(t *testing.T) {
	args, err := Decoded(exactValues, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range exactValues {
		for name, a := range map[string]Args{"received": args.Slice(i, i+1), "sent on": NewArgs("x", args).Slice(i+1,
			i+2), "kept encoded": encodedOf(t, args).Slice(i, i+1)} {
			got, err := rebuild(a, 0)
			if err != nil || !same(reflect.ValueOf(&got).Elem(), reflect.ValueOf(ptr(canonicalNumbers(v))).Elem()) {
				t.Errorf("%s: %#v became %#v, %v", name, v, got, err)
			}
		}
		var any1 any
		if err := args.Decode(i, &any1); err != nil || !same(reflect.ValueOf(&any1).Elem(),
			reflect.ValueOf(ptr(canonicalNumbers(v))).Elem()) {
			t.Errorf("%#v became %#v, %v", v, any1, err)
		}
		if k := args.Kind(i); k != NewArgs(v).Kind(0) || k == KindInvalid {
			t.Errorf("%#v is of kind %v", v, k)
		}
	}
}

// canonicalNumbers is v with an int64, uint64 or float64 for each number.
func canonicalNumbers(v any) any {
	switch v := v.(type) {
	case []any:
		c := make([]any, len(v))
		for i, item := range v {
			c[i] = canonicalNumbers(item)
		}
		return c
	case map[string]any:
		c := make(map[string]any)
		for k, item := range v {
			c[k] = canonicalNumbers(item)
		}
		return c
	case int, int8, uint16:
		n, _ := numberOf(v).Int64()
		return n
	}
	return v
}

// What goes by way of JSON text takes interfaces out of the same budget as what does not.
func TestMaxDecodedCountsWhatGoesByText(t *testing.T) {
	type textual struct {
		A any `json:"a,unknownoption"`
	}
	type plain struct {
		A any `json:"a"`
	}
	rows := func(n int) Args {
		var all []any
		for range n {
			all = append(all, Object{{"a", []any{strings.Repeat("x", 500)}}})
		}
		args, err := Decoded([]any{all}, &DecodedOptions{MaxDecoded: 16 << 10})
		if err != nil {
			t.Fatal(err)
		}
		return args
	}
	for n, ok := range map[int]bool{10: true, 100: false} {
		for _, dst := range []any{new([]plain), new([]textual), new([]map[string]any), new(any)} {
			err := rows(n).Bind(dst)
			if (err == nil) != ok || err != nil && !errors.Is(err, errDecodedSize) {
				t.Errorf("%d into %T: %v", n, dst, err)
			}
		}
	}
}
