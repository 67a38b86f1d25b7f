package parser

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

type point struct {
	_    Tuple
	X, Y int
}

type optional struct {
	_     Tuple
	Name  string
	Limit *int
	Rest  Args
}

// binaryArgs decodes the arguments of a packet with the given JSON text of arguments and attachments.
func binaryArgs(t testing.TB, text string, files ...string) Args {
	t.Helper()
	if len(files) == 0 {
		return mustDecode(t, `3[`+text+`]`).Args
	}
	frames := list{fmt.Sprintf(`6%d-1[%s]`, len(files), text)}
	for _, f := range files {
		frames = append(frames, []byte(f))
	}
	return mustDecode(t, frames...).Args
}

const mark0, mark1 = `{"_placeholder":true,"num":0}`, `{"_placeholder":true,"num":1}`

func ptr[T any](v T) *T { return &v }

func TestBindValues(t *testing.T) {
	type inner struct {
		Data []byte
		Any  any
		More map[string]any
		List []any
		Raw  json.RawMessage
	}
	type named []byte
	for _, c := range []struct {
		text  string
		files []string
		want  any // a pointer to what the destination is to hold
	}{
		{`"a\nb"`, nil, ptr("a\nb")},
		{`null`, nil, ptr("")},
		{`-5`, nil, ptr(-5)},
		{`9007199254740993`, nil, ptr(int64(9007199254740993))},
		{`18446744073709551615`, nil, ptr(uint64(math.MaxUint64))},
		{`1.5`, nil, ptr(1.5)},
		{`-0`, nil, ptr(math.Copysign(0, -1))},
		{`true`, nil, ptr(true)},
		{`"AQID"`, nil, ptr([]byte{1, 2, 3})},
		{`null`, nil, ptr([]byte(nil))},
		{mark0, []string{"ab"}, ptr([]byte("ab"))},
		{mark0, []string{""}, ptr([]byte{})},
		{mark0, []string{"ab"}, ptr(any([]byte("ab")))},
		{mark0, []string{"ab"}, ptr(ptr([]byte("ab")))},
		{`[` + mark1 + `,"Yg==",` + mark0 + `]`, []string{"a", "c"}, ptr([][]byte{[]byte("c"), []byte("b"),
			[]byte("a")})},
		{`{"k":` + mark0 + `}`, []string{"a"}, ptr(map[string][]byte{"k": []byte("a")})},
		{`{"k":{"j":` + mark0 + `}}`, []string{"a"}, ptr(map[string]any{"k": object{"j": []byte("a")}})},
		{`[1,[` + mark0 + `]]`, []string{"a"}, ptr(list{1.0, list{[]byte("a")}})},
		{`{"Data":` + mark1 + `,"Any":{"x":[` + mark0 + `]},"More":{"m":` + mark0 + `},"List":[` + mark0 +
			`,2],"Raw":{"r": 1}}`, []string{"a", "b"},
			&inner{[]byte("b"), object{"x": list{[]byte("a")}}, object{"m": []byte("a")}, list{[]byte("a"), 2.0},
				json.RawMessage(`{"r": 1}`)}},
		{`{"Data":"YQ==","Any":[1,{}],"More":null,"List":[],"Raw":null}`, nil,
			&inner{[]byte("a"), list{1.0, object{}}, nil, list{}, json.RawMessage(`null`)}},
		{`{"Data" : ` + mark0 + ` , "Any" : ` + mark0 + ` }`, []string{"a"}, &inner{Data: []byte("a"),
			Any: []byte("a")}},
		{`{"other":` + mark0 + `,"ID":1}`, []string{"a"}, &small{ID: 1}},
		{`{"ID":1,"TEXT":"x","id":2}`, nil, &small{ID: 2, Text: "x"}}, // case, and the last wins
		{`"YQ=="`, nil, ptr(named("a"))},
		{`[1,2]`, nil, ptr([2]byte{1, 2})},
		{`[1,2,3]`, nil, ptr([2]int{1, 2})},
		{`[1]`, nil, ptr([2]int{1, 0})},
		{`1500000000`, nil, ptr(1500 * time.Millisecond)},
		{`"2024-01-02T03:04:05.678Z"`, nil, ptr(time.Date(2024, 1, 2, 3, 4, 5, 678e6, time.UTC))},
		{`{"a" : 1}`, nil, ptr(json.RawMessage(`{"a" : 1}`))},
		{`[1e400]`, nil, ptr(jsontext.Value(`[1e400]`))},
		{`1e400`, nil, ptr(any(math.Inf(1)))},
		{`-1e400`, nil, ptr(any(math.Inf(-1)))},
		{`1e-400`, nil, ptr(any(0.0))},
		{strings.Repeat("9", 400), nil, ptr(any(math.Inf(1)))},
		{`9007199254740993`, nil, ptr(any(9007199254740992.0))},
		{`{"a":{"x":1},"a":{"y":2}}`, nil, ptr(any(object{"a": object{"y": 2.0}}))},
		{`{"Any":{"x":1},"Any":{"y":2}}`, nil, &inner{Any: object{"y": 2.0}}},
		{`{"Any":1e400}`, nil, &inner{Any: math.Inf(1)}},
		{`"\ud800"`, nil, ptr("\ufffd")},
		{`{"text":"\ud800"}`, nil, &small{Text: "\ufffd"}},
		{`"` + strings.Repeat(`é\n`, 1000) + `"`, nil, ptr(any(strings.Repeat("é\n", 1000)))},
		{`["` + strings.Repeat(`é\n`, 1000) + `"]`, nil, ptr(list{strings.Repeat("é\n", 1000)})},
		{`["é\n","plain",{"k\n":"v"}]`, nil, ptr(list{"é\n", "plain", object{"k\n": "v"}})},
	} {
		args := binaryArgs(t, c.text, c.files...)
		got := reflect.New(reflect.TypeOf(c.want).Elem())
		if err := args.Bind(got.Interface()); err != nil {
			t.Errorf("%s into %T: %v", c.text, c.want, err)
		} else if !reflect.DeepEqual(got.Interface(), c.want) {
			t.Errorf("%s into %T: got %#v, want %#v", c.text, c.want, got.Elem(), reflect.ValueOf(c.want).Elem())
		}
	}
}

func TestBindRefuses(t *testing.T) {
	for _, c := range []struct {
		text  string
		files []string
		dst   any
	}{
		{`1`, nil, new(string)},
		{`"1"`, nil, new(int)},
		{`1.5`, nil, new(int)},
		{`1e400`, nil, new(float64)},
		{`300`, nil, new(int8)},
		{`9223372036854775808`, nil, new(int64)},
		{`9223372036854775808`, nil, new(int)},
		{`1`, nil, new(bool)},
		{`"not base64"`, nil, new([]byte)},
		{`{}`, nil, new([]byte)},
		{`[]`, nil, new(map[string]any)},
		{`{}`, nil, new([]any)},
		{`[]`, nil, new(small)},
		{`{"id":"x"}`, nil, new(small)},
		{mark0, []string{"a"}, new(string)},
		{mark0, []string{"a"}, new(map[string]any)},
		{mark0, []string{"a"}, new([]any)},
		{mark0, []string{"a"}, new(json.RawMessage)},
		{mark0, []string{"a"}, new(jsontext.Value)},
		{`[` + mark0 + `]`, []string{"a"}, new([]json.RawMessage)},
		{`{"Raw":{"a":[` + mark0 + `]}}`, []string{"a"}, new(struct{ Raw jsontext.Value })},
		{`{"More":` + mark0 + `}`, []string{"a"}, new(struct{ More map[string]any })},
		{`1`, nil, 5},
		{`1`, nil, "no pointer"},
		{`1`, nil, small{}},
		{`1`, nil, (*int)(nil)},
		{`1`, nil, (*any)(nil)},
		{`1`, nil, (*small)(nil)},
		{`1`, nil, (*Args)(nil)},
		{`1`, nil, (*point)(nil)},
		{`{}`, nil, (*map[string]any)(nil)},
		{`1`, nil, new(chan int)},
		{`1`, nil, new(error)},
		{`"x"`, nil, &point{}},
	} {
		args := binaryArgs(t, "0,"+c.text, c.files...)
		err := args.Bind(nil, c.dst)
		var argument *ArgumentError
		if !errors.As(err, &argument) || argument.Index != 1 || len(err.Error()) > 256 {
			t.Errorf("%s into %T: %v", c.text, c.dst, err)
		}
		if err := args.Decode(1, c.dst); !errors.As(err, &argument) || argument.Index != 1 {
			t.Errorf("Decode(1) of %s into %T: %v", c.text, c.dst, err)
		}
	}
}

func line(values ...any) string { return strings.TrimSpace(fmt.Sprintln(values...)) }

func TestBindSpreads(t *testing.T) {
	args := binaryArgs(t, `1,2,"three",[4]`)
	var a, b int
	var s string
	var rest Args
	check := func(name string, err error, got, want any) {
		t.Helper()
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, %v; want %v", name, got, err, want)
		}
	}
	check("all", args.Bind(&a, &b, &s), line(a, b, s), "1 2 three")
	check("none", args.Bind(), 0, 0)
	a, s = 0, ""
	check("skip", args.Bind(nil, nil, &s), line(a, s), "0 three")
	check("rest", args.Bind(&a, &rest), line(a, rest), `1 [2,"three",[4]]`)
	var after = "untouched"
	check("rest takes all", args.Bind(&rest, &after), line(rest, after), `[1,2,"three",[4]] untouched`)
	var p point
	check("tuple", args.Bind(&p, &s), line(p.X, p.Y, s), "1 2 three")
	var pp *point
	check("pointer to tuple", args.Bind(&pp, &s), line(pp.X, pp.Y, s), "1 2 three")
	var none None
	check("none", args.Bind(&none, &a), a, 1)
	var o optional
	check("args in a tuple", args.Slice(2, 4).Bind(&optionalStringFirst{}), 0, 0)
	err := binaryArgs(t, `"n",null,3,4`).Bind(&o)
	check("rest in a tuple", err, line(o.Name, o.Limit, o.Rest), "n <nil> [3,4]")
	o = optional{}
	err = binaryArgs(t, `"n"`).Bind(&o)
	check("tuple cut short", err, line(o.Name, o.Limit, o.Rest), "n <nil> []")
	p = point{X: 7, Y: 8}
	check("beyond the last", binaryArgs(t, `5`).Bind(&p, &after), line(p.X, p.Y, after), "5 8 untouched")
	check("nothing at all", Args{}.Bind(&p, &after, &rest), line(p.X, p.Y, after, rest), "5 8 untouched []")
	check("decode a tuple", args.Slice(0, 2).Decode(0, &p), line(p.X, p.Y), "1 2")
	check("decode args", args.Decode(2, &rest), rest, `["three"]`)
	for _, i := range []int{-1, 4} {
		if err := args.Decode(i, &a); err == nil {
			t.Errorf("Decode(%d) of 4 arguments: no error", i)
		}
	}
}

type optionalStringFirst struct {
	_     Tuple
	First string
	Then  []int
	//lint:ignore U1000 fields that are not exported do not count
	hidden  int
	Ignored int `json:"-"`
}

func TestBindIntoWhatAnInterfaceHolds(t *testing.T) {
	var s small
	dst := any(&s)
	if err := binaryArgs(t, `{"id":3}`).Bind(&dst); err != nil || s.ID != 3 {
		t.Errorf("%+v, %v", s, err)
	}
	in := struct{ V any }{V: &s}
	if err := binaryArgs(t, `{"V":{"id":4}}`).Bind(&in); err != nil || s.ID != 4 {
		t.Errorf("%+v, %v", s, err)
	}
}

// envelope decodes itself, in text of its own, with the options it was given.
type envelope struct {
	Inner struct {
		Data []byte
		Any  any
		Raw  jsontext.Value
		Map  map[string]any
		List []any
	}
}

func (e *envelope) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	value, err := dec.ReadValue()
	if err != nil {
		return err
	}
	return jsonv2.Unmarshal(append([]byte("          "), value...), &e.Inner, dec.Options())
}

// within decodes itself from our text.
type within struct{ Inner tree }

func (w *within) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	return jsonv2.UnmarshalDecode(dec, &w.Inner)
}

func TestTypesThatDecodeThemselves(t *testing.T) {
	args := binaryArgs(t,
		`{"A":`+mark0+`,"E":{"Data":"YQ==","Any":`+mark0+`,"Raw":[`+mark0+`],"Map":{"a":1},"List":[1]},`+
			`"W":{"data":`+mark0+`}}`, "file")
	var in struct {
		A []byte
		E envelope
		W within
	}
	if err := args.Bind(&in); err != nil {
		t.Fatal(err)
	}
	e := in.E.Inner
	looks := object{"_placeholder": true, "num": 0.0}
	if string(in.A) != "file" || string(in.W.Inner.Data) != "file" || string(e.Data) != "a" ||
		!reflect.DeepEqual(e.Any, any(looks)) ||
		string(e.Raw) != "["+mark0+"]" || !reflect.DeepEqual(e.Map, object{"a": 1.0}) || !reflect.DeepEqual(e.List,
		list{1.0}) {
		t.Errorf("%+v", in)
	}
	if err := binaryArgs(t, `{"A":`+mark0+`,"E":{"Data":`+mark0+`}}`, "file").Bind(&in); err == nil {
		t.Error("an attachment in text that is not ours")
	}
}

func TestAttachmentsAreHandedOverWithoutACopy(t *testing.T) {
	file := []byte("abc")
	args := mustDecode(t, `61-1[`+mark0+`,[`+mark0+`]]`, file).Args
	var direct []byte
	var nested [][]byte
	if err := args.Bind(&direct, &nested); err != nil {
		t.Fatal(err)
	}
	values, _ := args.Values()
	for i, b := range [][]byte{direct, nested[0], values[0].([]byte)} {
		if &b[0] != &file[0] || cap(b) != len(b) {
			t.Errorf("%d: a copy, or room to append into", i)
		}
	}
}

func TestRawJSONIsACopy(t *testing.T) {
	args := binaryArgs(t, `{"a":1},{"V":[2]}`)
	var raw json.RawMessage
	var in struct{ V jsontext.Value }
	if err := args.Bind(&raw, &in); err != nil {
		t.Fatal(err)
	}
	raw[1], in.V[1] = 'X', 'X'
	if s := args.String(); s != `[{"a":1},{"V":[2]}]` {
		t.Errorf("writing to raw JSON changed the arguments: %s", s)
	}
}

func TestArgsOfValues(t *testing.T) {
	n := 5
	args := NewArgs(1, "two", point{X: 3, Y: 4}, binaryArgs(t, `5,`+mark0, "six"), []byte("seven"), None{},
		&point{X: 8, Y: 9},
		(*Args)(nil), (*point)(nil), optional{Name: "o", Limit: &n, Rest: NewArgs(10)})
	want := list{1.0, "two", 3.0, 4.0, 5.0, []byte("six"), []byte("seven"), 8.0, 9.0, 0.0, 0.0, "o", 5.0, 10.0}
	got, err := args.Values()
	if err != nil || !reflect.DeepEqual(got, want) || args.Len() != len(want) {
		t.Errorf("%d arguments\n got %#v, %v\nwant %#v", args.Len(), got, err, want)
	}
	if !args.HasBinary() || args.Slice(0, 5).HasBinary() || !args.Slice(5, 6).HasBinary() {
		t.Error("HasBinary")
	}
	var six []byte
	var two string
	if err := args.Decode(5, &six); err != nil || string(six) != "six" {
		t.Errorf("%q, %v", six, err)
	}
	if err := args.Slice(1, 3).Bind(&two); err != nil || two != "two" {
		t.Errorf("%q, %v", two, err)
	}
	whole := binaryArgs(t, `1,2`)
	if a := NewArgs(whole); a.src != whole.src {
		t.Error("sending on what came makes a copy")
	}
	if a := NewArgs(); a.Len() != 0 || a.HasBinary() || a.String() != "[]" {
		t.Error("no arguments")
	}
	if a := NewArgs(None{}); a.Len() != 0 {
		t.Error("None is an argument")
	}
	if a := NewArgs(nil); a.Len() != 1 || a.String() != "[null]" {
		t.Error("nil is no argument")
	}
}

// A Tuple within a Tuple is sent as it is received.
func TestNestedTuples(t *testing.T) {
	type segment struct {
		_        Tuple
		From, To point
		Via      *point
		Label    string
		More     *Args
	}
	more := NewArgs(true, "x")
	args := NewArgs(segment{From: point{X: 1, Y: 2}, To: point{X: 3, Y: 4}, Via: &point{X: 5, Y: 6}, Label: "l",
		More: &more})
	if s := args.String(); s != `[1,2,3,4,5,6,"l",true,"x"]` {
		t.Errorf("arguments are %s", s)
	}
	var got segment
	if err := args.Slice(0, 7).Bind(&got); err != nil || got.To.Y != 4 || got.Via.X != 5 || got.Label != "l" {
		t.Errorf("%+v, %v", got, err)
	}
	if s := NewArgs(segment{}).String(); s != `[0,0,0,0,0,0,""]` {
		t.Errorf("arguments are %s", s)
	}

	// One that contains itself is a value.
	var a, b chain
	a.Next = &b
	b.Name = "b"
	if s := NewArgs(a).String(); s != `[{"Name":"","Next":{"Name":"b","Next":null}}]` {
		t.Errorf("arguments are %s", s)
	}
	var c chain
	if err := NewArgs(&a).Bind(&c); err != nil || c.Next == nil || c.Next.Name != "b" {
		t.Errorf("%+v, %v", c, err)
	}
}

type chain struct {
	_    Tuple
	Name string
	Next *chain
}

func TestArgsOfBadValues(t *testing.T) {
	args := NewArgs(1, make(chan int))
	if _, err := args.Values(); err == nil {
		t.Error("no error from Values")
	}
	if err := args.Bind(new(int)); err == nil {
		t.Error("no error from Bind")
	}
	if args.HasBinary() {
		t.Error("HasBinary")
	}
	if s := args.String(); !strings.HasPrefix(s, "!(") {
		t.Errorf("String is %q", s)
	}
}

func TestSlice(t *testing.T) {
	for _, args := range []Args{binaryArgs(t, `0,1,2,3,4,5`), NewArgs(0, 1, 2, 3, 4, 5)} {
		if s := args.Slice(1, 5).Slice(1, 3); s.String() != "[2,3]" || s.Len() != 2 {
			t.Errorf("got %v", s)
		}
		for _, b := range [][2]int{{-1, 1}, {2, 1}, {0, 7}} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("Slice(%d, %d) of 6 did not panic", b[0], b[1])
					}
				}()
				args.Slice(b[0], b[1])
			}()
		}
	}
}

func TestRaw(t *testing.T) {
	args := NewArgs(binaryArgs(t, `{"a": 1},[`+mark0+`]`, "x"), "é", make(chan int))
	for i, want := range []string{0: `{"a": 1}`, 2: `"é"`, 4: ""} {
		text, ok := args.Raw(i)
		if string(text) != want || ok != (want != "") {
			t.Errorf("Raw(%d) is %q, %v", i, text, ok)
		}
	}
	if _, ok := args.Raw(-1); ok {
		t.Error("Raw(-1)")
	}
}

func TestString(t *testing.T) { // P-42
	long := binaryArgs(t, `"`+strings.Repeat("é", 1000)+`","b"`).String()
	if len(long) > maxLogText || !strings.HasSuffix(long, "é…") {
		t.Errorf("%d bytes: %q", len(long), long)
	}
	if s := NewArgs("a\r\n\x1b[31m").String(); s != `["a\r\n\u001b[31m"]` {
		t.Errorf("got %s", s)
	}
	if s := NewArgs(strings.Repeat("x", 1<<20), 1).String(); len(s) > maxLogText {
		t.Errorf("%d bytes", len(s))
	}
}

// TestOrdinaryListsDecodeIntoInterfaces: what fits into a message by default can be decoded without a type.
func TestOrdinaryListsDecodeIntoInterfaces(t *testing.T) {
	for _, item := range []string{
		`{"id":1}`, `{"a":1}`, `{"x":12,"y":34}`, `{"x":12.5,"y":100,"z":0}`, `[]`, `{}`, `[1,2]`, `1`, `""`,
		`"text"`, `{"a":{}}`, `{"a":{"b":1}}`,
		`{"a":[{"b":null}]}`, `{"id":1,"tags":["a","b"],"at":{"x":1,"y":2}}`,
		`{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9}`,
	} {
		// A tenth of engineio's default MaxPayload, and a tenth of the memory.
		list := `[` + strings.Repeat(item+",", 100_000/(len(item)+1)-1) + item + `]`
		for text, dsts := range map[string][]any{list: {new(any), new([]any)}, `{"list":` + list + `}`: {new(any),
			new(struct{ List any })}} {
			d := JSON(&JSONOptions{MaxDecoded: defaultMaxDecoded / 10}).NewDecoder()
			p, err := d.Add(Frame{Data: []byte(`31[` + text + `]`)})
			if err != nil {
				t.Fatal(err)
			}
			for _, dst := range dsts {
				if err := p.Args.Bind(dst); err != nil {
					t.Errorf("%s into %T: %v", item, dst, err)
				}
			}
		}
	}
	for item, n := range map[string]int{`{"id":1}`: 200_000, `{"x":12,"y":34}`: 700_000, `{"a":1}`: 3_000_000} {
		if raceEnabled {
			n /= 10
		}
		args := mustDecode(t, `31[[`+strings.Repeat(item+",", n/(len(item)+1))+item+`]]`).Args
		for _, dst := range []any{new(any), new([]map[string]any)} {
			if err := args.Bind(dst); err != nil {
				t.Errorf("%d bytes of %s into %T: %v", n, item, dst, err)
			}
		}
	}
}

// TestMaxDecoded: the option bounds memory, wherever the interfaces stand in the destination.
func TestMaxDecoded(t *testing.T) { // P-19
	for _, c := range []struct {
		limit int
		text  string
		dst   any
		ok    bool
	}{
		{1 << 20, `[` + strings.Repeat(`{"a":{}},`, 1000) + `0]`, new(any), true},
		{1 << 20, `[` + strings.Repeat(`{"a":{}},`, 2000) + `0]`, new(any), true},
		{1 << 20, `[` + strings.Repeat(`{"a":{}},`, 3000) + `0]`, new(any), false},
		// all of them together
		{1 << 20, `[` + strings.Repeat(`{"a":{}},`, 3000) + `{}]`, new([]map[string]any), false},
		{1 << 20, `[` + strings.Repeat(`{"a":{}},`, 1000) + `{}]`, new([]map[string]any), true},
		{1 << 20, `{"x":[` + strings.Repeat(`[],`, 40_000) + `0]}`, new(map[string][]any), false},
		{1 << 20, `[` + strings.Repeat(`{"a":1},`, 3000) + `{}]`, new([]small), true}, // the program's own type
		{1, `[1,2,3]`, new(any), true}, // rounded up to a KiB
		{1, `[` + strings.Repeat(`1,`, 1000) + `1]`, new(any), false},
		{1 << 20, `{` + strings.Repeat(`"a":1,`, 20_000) + `"a":2}`, new(any), true}, // one member is all that is left
		{math.MaxInt, `[` + strings.Repeat(`{"":{}},`, 200_000) + `0]`, new(any), true},
	} {
		d := JSON(&JSONOptions{MaxDecoded: c.limit}).NewDecoder()
		p, err := d.Add(Frame{Data: []byte(`31[` + c.text + `]`)})
		if err != nil {
			t.Fatal(err)
		}
		err = p.Args.Bind(c.dst)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, errDecodedSize) {
			t.Errorf("%.40s of %d bytes into %T, limit %d: %v", c.text, len(c.text), c.dst, c.limit, err)
		}
	}
}

func TestBindDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	args := binaryArgs(t, `1,true,1.5,{"id":1,"text":""},`+mark0, "bytes")
	i, b, f, s, data := new(int), new(bool), new(float64), new(small), new([]byte)
	if n := testing.AllocsPerRun(100, func() {
		if err := args.Bind(i, b, f, s, data); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestDecodeAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, c := range []struct {
		text string
		most float64
	}{
		{string(benchText()), 1},
		{`2/admin,12["echo",1,2,3,4]`, 1},
		{`3/admin,12["ok"]`, 1},
		{`2["echo",1,2,3,4,5]`, 2},
	} {
		d, text := JSON(nil).NewDecoder(), []byte(c.text)
		if n := testing.AllocsPerRun(100, func() {
			if _, err := d.Add(Frame{Data: text}); err != nil {
				t.Fatal(err)
			}
		}); n > c.most {
			t.Errorf("%s: %v allocations, at most %v wanted", c.text, n, c.most)
		}
	}
}
