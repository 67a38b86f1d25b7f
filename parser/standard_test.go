package parser

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"sync"
	"testing"
)

// wrappings put a type where it may stand, and a value there.
var wrappings = []struct {
	name string
	wrap func(t reflect.Type) reflect.Type
	put  func(dst, v reflect.Value)
}{
	{"itself", func(t reflect.Type) reflect.Type { return t }, func(dst, v reflect.Value) { dst.Set(v) }},
	{"slice", reflect.SliceOf, func(dst, v reflect.Value) {
		dst.Set(reflect.Append(dst, v, reflect.Zero(v.Type())))
	}},
	{"array", func(t reflect.Type) reflect.Type { return reflect.ArrayOf(2, t) }, func(dst,
		v reflect.Value) {
		dst.Index(0).Set(v)
	}},
	{"map", func(t reflect.Type) reflect.Type { return reflect.MapOf(reflect.TypeFor[string](), t) }, func(dst,
		v reflect.Value) {
		dst.Set(reflect.MakeMap(dst.Type()))
		dst.SetMapIndex(reflect.ValueOf("F"), v)
	}},
	{"pointer", reflect.PointerTo, func(dst, v reflect.Value) {
		dst.Set(reflect.New(v.Type()))
		dst.Elem().Set(v)
	}},
	{"field", fieldOf(``), putField},
	{"field omitempty", fieldOf(`json:"f,omitempty"`), putField},
	{"field omitzero", fieldOf(`json:",omitzero"`), putField},
	{"field string", fieldOf(`json:"F,string"`), putField},
	{"interface", func(reflect.Type) reflect.Type { return reflect.TypeFor[[]any]() }, func(dst, v reflect.Value) {
		dst.Set(reflect.ValueOf([]any{v.Interface(), map[string]any{"F": v.Interface()}}))
	}},
}

func fieldOf(tag reflect.StructTag) func(t reflect.Type) reflect.Type {
	return func(t reflect.Type) reflect.Type {
		return reflect.StructOf([]reflect.StructField{
			{Name: "N", Type: reflect.TypeFor[int]()}, {Name: "F", Type: t, Tag: tag},
		})
	}
}

func putField(dst, v reflect.Value) { dst.Field(1).Set(v) }

// forms are a value wherever it may stand, also behind a pointer to it all, which gives it an address.
func forms(t *testing.T, v any, use func(name string, v any)) {
	if v == nil {
		use("nil", nil)
		return
	}
	for _, w := range wrappings {
		dst := reflect.New(w.wrap(reflect.TypeOf(v)))
		w.put(dst.Elem(), reflect.ValueOf(v))
		use(w.name, dst.Elem().Interface())
		use(w.name+", with an address", dst.Interface())
	}
}

// canonical is a JSON text without what may differ: the order of keys, and escapes.
func canonical(text []byte) string {
	// Strings in strings, of the tag option, are escaped twice.
	text = bytes.ReplaceAll(text, []byte(`\\u003c`), []byte(`<`))
	text = bytes.ReplaceAll(text, []byte(`\\u003e`), []byte(`>`))
	text = bytes.ReplaceAll(text, []byte(`\\u0026`), []byte(`&`))
	text = bytes.ReplaceAll(text, []byte(`\\u2028`), []byte("\u2028"))
	text = bytes.ReplaceAll(text, []byte(`\\u2029`), []byte("\u2029"))
	text = bytes.ReplaceAll(text, []byte(`\\ufffd`), []byte("\ufffd"))
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "invalid: " + string(text)
	}
	text, _ = json.Marshal(v)
	return string(text)
}

// TestEncodesAsEncodingJSONDoes compares what is sent with what encoding/json makes of the same value. docs/json.md
// lists what differs on purpose; the exceptions here are that list.
func TestEncodesAsEncodingJSONDoes(t *testing.T) {
	compared := 0
	for _, v := range standardValues() {
		forms(t, v, func(name string, v any) {
			compared++
			what := fmt.Sprintf("%s %T", name, v)
			want, wantErr := marshal(v)
			// within, as a Tuple would spread
			frames, err := JSON(nil).Encode(nil, &Packet{Type: Ack, HasID: true, Args: NewArgs([]any{v})})
			switch {
			// more keys
			case wantErr != nil && err == nil && strings.Contains(wantErr.Error(), "unsupported type: map["):
			case (err == nil) != (wantErr == nil):
				t.Errorf("%s: got %v, want %v (%s)", what, err, wantErr, want)
			case err != nil, len(frames) > 1: // what becomes of bytes has tests of its own
			default:
				got := frames[0].Data[len("31"):] // [[value]]
				got = got[2 : len(got)-2]
				if string(got) != string(want) && canonical(got) != canonical(want) {
					t.Errorf("%s: got %s, want %s", what, got, want)
				}
			}
		})
	}
	t.Logf("%d values", compared)
}

// marshal is json.Marshal that survives a method called on a nil pointer.
func marshal(v any) (text []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return json.Marshal(v)
}

var standardTexts = []string{
	`null`, `true`, `false`, `0`, `-0`, `1`, `-1`, `255`, `256`, `1.0`, `1.5`, `1e2`, `1e400`, `5e-324`, `1e-400`,
	`12345678901234567890`, `3.5e38`, `1e-46`,
	`""`, `"a"`, `"1"`, `"1.5"`, `"true"`, `"null"`, `"\"q\""`, `"\ud83d\ude00\u00e9"`, `"\ud800"`, `"MQ=="`, `"MQ"`,
	`"M\nQ=="`, `"1e400"`, `"5e-324"`, `"0x10"`, `" 1"`,
	`"2026-01-02T03:04:05Z"`, `"2026-01-02T3:04:05,5Z"`, `"::1"`,
	`[]`, `[1]`, `[1,2,3]`, `["a"]`, `[null]`, `[null,null]`, `[[],{}]`, `[{"A":1},{"a":2}]`, `[true,"x",{}]`,
	`[1.5,5e-324]`,
	`{}`, `{"A":1}`, `{"a":1}`, `{"A":null}`, `{"A":"x","b":"y","B":"z"}`, `{"a":1,"a":2}`, `{"A":[1],"A":[2,3]}`,
	`{"N":1,"F":null}`, `{"N":"1","F":1}`, `{"F":1}`,
	`{"f":"1"}`, `{"F":"x"}`, `{"F":[1,2]}`, `{"F":{"A":1,"F":2}}`, `{"F":{"1":1}}`, `{"F":true}`,
	`{"F":"true","f":"false"}`, `{"F":"5e-324"}`, `{"F":5e-324}`, `{"F":1e400}`, `{"F":[{"A":5e-324}]}`,
	`{"x":1}`, `{"X":1,"C":2}`, `{"name":1,"Name":2,"NAME":3,"nAmE":4}`, `{"NaMe":5}`, `{"1":1,"-2":2}`, `{"1.5":1}`,
	`{"foobar":1,"FOO_BAR":2,"foo_bar":3}`,
	`{"a b":1,"é日本":2,"-":3,"a.b/c~d":4," e":5,"$%-/":6}`, `{"in":{"A":1}}`, `{"D":1,"A":true,"b":"x"}`,
	`{"C":[1],"A":2}`, `{"E":1.5,"A":"x"}`,
	`{"B":"true","I":"-1","U":"2","F":"1e21","S":"\"s\"","P":"3","BP":"null","N":"4"}`, `{"B":true,"I":1}`,
	`{"I":"x"}`, `{"U":"256"}`, `{"S":"s"}`, `{"P":"null"}`,
	`{"L":[1],"M":{"a":1},"A":"x","S":{"A":1},"Q":1,"R":[1]}`, `{"N":"1.50","D":"5","P":"1"}`, `{"N":1.5}`,
	`{"N":"x"}`, `{"V":1,"Next":{"V":2,"Kids":[{"V":3}]},"Map":{"k":{"V":4}}}`,
	`{"Values":{"a":1},"List":[1,{"b":2}],"Number":12345678901234567890,"Raw":{"z": 1},"Ptr":[1],"Any":"x"}`,
	`{"Number":"12","Raw":null}`, `{"Number":"x"}`, `{"Number":true}`, `{"Number":null}`,
	`{"In":{"A":1,"b":2,"c":[{"D":"x"}]}}`, `{"In":[1]}`, `{"E":null,"S":null,"M":null,"A":1,"N":[1]}`, `{"E":"x"}`,
	`{"T":"2026-01-02T03:04:05Z","Z":{}}`, `{"Scheme":"http"}`, `{"k":{"A":1}}`,
	`{"A":` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + `}`,
}

// differs names what decodes otherwise than with encoding/json, on purpose; see docs/json.md.
func differs(text string, err, wantErr error) bool {
	if err != nil || wantErr == nil {
		return false
	}
	// Numbers beyond the range of a float64 become ±Inf within interfaces, maps may have keys of more types, and types
	// that decode themselves from a text may have the option "string". And a *json.Number with that option takes
	// "null", as other types do; encoding/json of Go 1.27 has forgotten it.
	if strings.Contains(text, `"null"`) && strings.Contains(wantErr.Error(), "of type json.Number") {
		return true
	}
	return strings.Contains(text, "1e400") || strings.Contains(wantErr.Error(), "invalid use of ,string struct tag") ||
		strings.Contains(wantErr.Error(), "cannot unmarshal object into Go") && strings.Contains(wantErr.Error(),
			"of type map[")
}

// TestDecodesAsEncodingJSONDoes compares what is received with what encoding/json makes of the same text: into
// destinations that are zero, and into such that hold something.
func TestDecodesAsEncodingJSONDoes(t *testing.T) {
	compared := 0
	seen := make(map[reflect.Type]bool)
	for _, v := range standardValues() {
		forms(t, v, func(name string, v any) {
			typ := reflect.TypeOf(v)
			if v == nil || seen[typ] || strings.HasSuffix(name, "address") || (raceEnabled || testing.Short()) &&
				name != "itself" {
				return
			}
			seen[typ] = true
			for _, text := range standardTexts {
				for _, full := range []bool{false, true} {
					compared++
					compareDecoded(t, typ, v, full, text)
				}
			}
		})
	}
	t.Logf("%d pairs of a type and a text", compared)
}

func compareDecoded(t *testing.T, typ reflect.Type, v any, full bool, text string) {
	t.Helper()
	got, want := reflect.New(typ), reflect.New(typ)
	if full {
		got.Elem().Set(clone(reflect.ValueOf(v), 0))
		want.Elem().Set(clone(reflect.ValueOf(v), 0))
	}
	err := mustDecode(t, `31[`+text+`]`).Args.Bind(got.Interface())
	wantErr := unmarshal([]byte(text), want.Interface())
	switch {
	case differs(text, err, wantErr):
	case (err == nil) != (wantErr == nil):
		t.Errorf("%s into %v (full: %v): got %v, want %v", text, typ, full, err, wantErr)
	case err == nil && !equal(got.Elem(), want.Elem()):
		t.Errorf("%s into %v (full: %v): got %#v, want %#v", text, typ, full, got.Elem(), want.Elem())
	}
}

func unmarshal(text []byte, dst any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return json.Unmarshal(text, dst)
}

// equal is reflect.DeepEqual that takes NaN, functions and channels for equal to themselves.
func equal(a, b reflect.Value) bool {
	if reflect.DeepEqual(a.Interface(), b.Interface()) {
		return true
	}
	return fmt.Sprintf("%#v", shown(a)) == fmt.Sprintf("%#v", shown(b))
}

// shown is the text of values that cannot be compared.
func shown(v reflect.Value) any {
	text, err := json.Marshal(v.Interface())
	return fmt.Sprint(string(text), err)
}

// clone copies a value deeply enough that decoding into it leaves the original as it was.
func clone(v reflect.Value, depth int) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	if depth > 10 {
		return c
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			c.Set(reflect.New(v.Type().Elem()))
			c.Elem().Set(clone(v.Elem(), depth+1))
		}
	case reflect.Interface:
		if !v.IsNil() {
			c.Set(clone(v.Elem(), depth+1))
		}
	case reflect.Slice:
		if !v.IsNil() {
			c.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
			for i := range v.Len() {
				c.Index(i).Set(clone(v.Index(i), depth+1))
			}
		}
	case reflect.Map:
		if !v.IsNil() {
			c.Set(reflect.MakeMap(v.Type()))
			for _, k := range v.MapKeys() {
				c.SetMapIndex(k, clone(v.MapIndex(k), depth+1))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				c.Field(i).Set(clone(v.Field(i), depth+1))
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			c.Index(i).Set(clone(v.Index(i), depth+1))
		}
	}
	return c
}

// What differs on purpose, each with the reason in docs/json.md.
func TestDiffersFromEncodingJSONOnPurpose(t *testing.T) {
	for _, c := range []struct {
		v    any
		want string
	}{
		{math.NaN(), "null"}, {[]float32{float32(math.Inf(-1))}, "[null]"}, {struct{ F any }{math.Inf(1)},
			`{"F":null}`},
		{"<&>\u2028", "\"<&>\u2028\""}, {json.RawMessage("\"<\""), `"<"`},
	} {
		if got := jsonOf(t, c.v); got != c.want {
			t.Errorf("%#v: got %s, want %s", c.v, got, c.want)
		}
	}
	frames, err := JSON(nil).Encode(nil, &Packet{Type: Ack, HasID: true, Args: NewArgs(map[string][]byte{"a": {1}})})
	if err != nil || len(frames) != 2 {
		t.Errorf("bytes: %v, %v", frames, err)
	}
	var list []int
	if err := mustDecode(t, `31[[1,"x",3]]`).Args.Bind(&list); err == nil || len(list) > 2 {
		t.Errorf("went on after what did not fit: %v, %v", list, err)
	}
	var inf any
	if err := mustDecode(t, `31[1e400]`).Args.Bind(&inf); err != nil || inf != math.Inf(1) {
		t.Errorf("1e400: %v, %v", inf, err)
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	frames, err := JSON(nil).Encode(nil, &Packet{Type: Ack, HasID: true, Args: NewArgs(v)})
	if err != nil {
		t.Errorf("%#v: %v", v, err)
		return ""
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(frames[0].Data), "30["), "]")
}

// TestOddTypesTakeWhatOthersTake: attachments, numbers and interfaces come into types that the JSON library would
// refuse, and what does not fit is an error there, too.
func TestOddTypesTakeWhatOthersTake(t *testing.T) {
	type odd struct {
		sync.Mutex
		Data  []byte
		Deep  map[string][]any
		N     json.Number
		F     float32
		Quote bool `json:",string"`
		Inner struct {
			A int `json:"a"`
		}
	}
	text := `{"data":` + mark0 + `,"deep":{"x":[1,` + mark1 +
		`,"s"]},"N":1e3,"F":5e-324,"Quote":"true","Inner":{"a":7}}`
	p := mustDecode(t, `52-["x",`+text+`,`+mark0+`]`, []byte("first"), []byte("second"))
	for _, dst := range []any{new(odd), new(*odd), new(any)} {
		into := dst
		if a, ok := dst.(*any); ok {
			*a = new(odd) // an interface that holds a pointer is decoded into that
		}
		if err := p.Args.Bind(into); err != nil {
			t.Errorf("%T: %v", dst, err)
			continue
		}
		var got *odd
		switch d := dst.(type) {
		case *odd:
			got = d
		case **odd:
			got = *d
		case *any:
			got = (*d).(*odd)
		}
		if string(got.Data) != "first" || string(got.Deep["x"][1].([]byte)) != "second" || got.N != "1e3" ||
			got.F != 0 || !got.Quote || got.Inner.A != 7 {
			t.Errorf("%T: got %+v", dst, got)
		}
	}
	for _, wrong := range []string{`{"N":true}`, `{"deep":[1]}`, `{"Inner":{"a":"x"}}`, `{"Quote":true}`, `[1]`,
		`"x"`, `{"F":1e39}`, `{"data":[300]}`} {
		var got odd
		err := mustDecode(t, `31[`+wrong+`]`).Args.Bind(&got)
		var argument *ArgumentError
		if !errors.As(err, &argument) {
			t.Errorf("%s: got %v", wrong, err)
		}
	}
}
