package parser

//lint:file-ignore SA5008 what encoding/json makes of mistaken tags is what is compared
//lint:file-ignore U1000 fields are there to be ignored

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"sync"
	"time"
)

// Types for the comparison with encoding/json, each odd in its own way.
type (
	namedBool   bool
	namedInt    int
	namedByte   byte
	namedFloat  float32
	namedString string
	ownBytes    []byte
	namedMap    map[string]int
	namedSlice  []string
	namedAny    any

	valueJSON   struct{ X int }
	pointerJSON struct{ X int }
	valueText   struct{ X int }
	pointerText struct{ X int }
	stringText  string
	intText     int
	byteText    byte
	failing     struct{}
	zeroer      struct{ X int }
	pointerZero struct{ X int }

	Inner struct {
		A int
		B string `json:"b"`
	}
	inner struct {
		A int
		C []int
	}
	Deep struct {
		Inner
		D int
	}
	Other struct {
		A string
		E float64
	}

	withMutex struct {
		sync.Mutex
		N int
	}
	embedded        struct{ Inner }
	embeddedPointer struct{ *Inner }
	embeddedHidden  struct{ inner }
	embeddedHiddenP struct{ *inner }
	embeddedNamed   struct {
		Inner `json:"in"`
	}
	embeddedTwo struct {
		Inner
		Other
	}
	embeddedDeep struct {
		Deep
		A bool
	}
	embeddedInt      struct{ namedInt }
	EmbeddedInt      int
	embeddedExported struct {
		EmbeddedInt
		N int
	}
	embeddedTime    struct{ time.Time }
	embeddedTimeAnd struct {
		time.Time
		N int
	}
	embeddedIface struct{ fmt.Stringer }
	embeddedText  struct {
		valueText
		N int
	}
	embeddedMap struct {
		namedMap
		N int
	}
	EmbeddedMap  map[string]int
	embeddedEMap struct {
		EmbeddedMap
		N int
	}
	embeddedValue struct {
		json.RawMessage
		N int
	}

	sameFold struct {
		Name int `json:"name"`
		NAME int `json:"NAME"`
		Nom  int `json:"nAmE"`
	}
	taggedWins struct {
		A int
		B int `json:"A"`
	}
	oddNames struct {
		A int `json:"a b"`
		B int `json:"é日本"`
		C int `json:"-,"`
		D int `json:"a.b/c~d"`
		E int `json:" e"`
		F int `json:"$%-/"`
		G int `json:"<&>"`
	}
	quoted struct {
		B  bool     `json:",string"`
		I  int      `json:",string"`
		U  uint8    `json:",string"`
		F  float64  `json:",string"`
		S  string   `json:",string"`
		P  *int     `json:",string"`
		BP *bool    `json:",string,omitempty"`
		N  namedInt `json:",string"`
	}
	quotedElse struct {
		L []int          `json:",string"`
		M map[string]int `json:",string"`
		A any            `json:",string"`
		S Inner          `json:",string"`
		Q **int          `json:",string"`
		R [2]int         `json:",string"`
	}
	quotedNumber struct {
		N json.Number   `json:",string"`
		D time.Duration `json:",string"`
		P *json.Number  `json:",string"`
	}
	quotedMethods struct {
		V valueJSON  `json:",string"`
		T valueText  `json:",string"`
		I intText    `json:",string"`
		S stringText `json:",string"`
	}
	omit struct {
		B  bool            `json:",omitempty"`
		I  int             `json:",omitempty"`
		F  float64         `json:",omitempty"`
		S  string          `json:",omitempty"`
		L  []int           `json:",omitempty"`
		M  map[string]int  `json:",omitempty"`
		P  *int            `json:",omitempty"`
		A  any             `json:",omitempty"`
		R  [0]int          `json:",omitempty"`
		R2 [2]int          `json:",omitempty"`
		T  time.Time       `json:",omitempty"`
		Z  struct{}        `json:",omitempty"`
		N  json.Number     `json:",omitempty"`
		V  valueJSON       `json:",omitempty"`
		W  json.RawMessage `json:",omitempty"`
		X  stringText      `json:",omitempty"`
	}
	omitZero struct {
		I  int            `json:",omitzero"`
		L  []int          `json:",omitzero"`
		M  map[string]int `json:",omitzero"`
		P  *int           `json:",omitzero"`
		A  any            `json:",omitzero"`
		R2 [2]int         `json:",omitzero"`
		T  time.Time      `json:",omitzero"`
		Z  zeroer         `json:",omitzero"`
		ZP *zeroer        `json:",omitzero"`
		PZ pointerZero    `json:",omitzero"`
		S  Inner          `json:",omitzero"`
		N  json.Number    `json:",omitzero"`
		D  time.Duration  `json:",omitzero,omitempty"`
	}
	hidden struct {
		a int
		B int `json:"-"`
		C int
	}
	onlyHidden struct{ a, b int }
	recursive  struct {
		V    int
		Next *recursive
		Kids []recursive
		Map  map[string]recursive
	}
	interfaces struct {
		E error
		S fmt.Stringer
		M json.Marshaler
		A any
		N namedAny
	}
	functions struct {
		F func()   `json:"-"`
		C chan int `json:"-"`
		N int
	}
	hasFunction struct{ F func() }
	mixture     struct {
		Values map[string]any
		List   []any
		Number json.Number
		Raw    json.RawMessage
		Ptr    *any
		Any    any
	}
	anonymous struct {
		In struct {
			A int
			b int
			C []struct{ D string } `json:"c"`
		}
	}
	underscores struct {
		FooBar  int `json:"foo_bar"`
		FooBar2 int `json:"foo-bar-2"`
	}
)

func (v valueJSON) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, ` { "x" : [ %d , "<&>" ] } `, v.X), nil
}
func (v *valueJSON) UnmarshalJSON(b []byte) error   { v.X = len(b); return nil }
func (v *pointerJSON) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, `"p%d"`, v.X), nil }
func (v *pointerJSON) UnmarshalJSON(b []byte) error { v.X = int(b[0]); return nil }
func (v valueText) MarshalText() ([]byte, error)    { return fmt.Appendf(nil, `t<%d>`, v.X), nil }
func (v *valueText) UnmarshalText(b []byte) error   { v.X = len(b); return nil }
func (v *pointerText) MarshalText() ([]byte, error) { return fmt.Appendf(nil, `pt"%d"`, v.X), nil }
func (v *pointerText) UnmarshalText(b []byte) error { v.X = len(b); return nil }
func (v stringText) MarshalText() ([]byte, error)   { return []byte("text of " + v), nil }
func (v *stringText) UnmarshalText(b []byte) error  { *v = stringText("from " + string(b)); return nil }
func (v intText) MarshalText() ([]byte, error)      { return fmt.Appendf(nil, "i%d", int(v)), nil }
func (v *intText) UnmarshalText(b []byte) error     { *v = intText(len(b)); return nil }
func (v byteText) MarshalText() ([]byte, error)     { return fmt.Appendf(nil, "b%d", int(v)), nil }
func (v *byteText) UnmarshalText(b []byte) error    { *v = byteText(len(b)); return nil }
func (failing) MarshalJSON() ([]byte, error)        { return nil, errors.New("fails") }
func (*failing) UnmarshalJSON([]byte) error         { return errors.New("fails") }
func (z zeroer) IsZero() bool                       { return z.X == 7 }
func (z *pointerZero) IsZero() bool                 { return z.X == 7 }
func (valueText) String() string                    { return "string" }
func (h hidden) sum() int                           { return h.a + (onlyHidden{}).a }

// mistaken are structs with tags that go vet would report.
func mistaken() (values []any) {
	number := reflect.TypeFor[int]()
	for _, tags := range [][]reflect.StructTag{
		{`json:"x"`, `json:"x"`, ``},
		{`json:"a, omitempty"`, `json:"b,,omitempty"`, `json:"c,omitEmpty"`},
		{`json:",omitempty,omitempty"`, `json:"f,"`, `json:"g,other"`},
		{`json:"a", xml:"b"`, `json: "b"`, `json`},
		{`json:"a,string,omitempty"`, `json:",omitempty,string"`, `json:"-,omitempty"`},
	} {
		fields := make([]reflect.StructField, len(tags))
		for i, tag := range tags {
			fields[i] = reflect.StructField{Name: string(rune('A' + i)), Type: number, Tag: tag}
		}
		empty := reflect.New(reflect.StructOf(fields)).Elem()
		full := reflect.New(empty.Type()).Elem()
		for i := range tags {
			full.Field(i).SetInt(int64(i + 1))
		}
		values = append(values, empty.Interface(), full.Interface())
	}
	hidden := reflect.StructOf([]reflect.StructField{
		{Name: "a", PkgPath: "sio.example/socketio/parser", Type: number, Tag: `json:"a"`}, {Name: "B", Type: number},
	})
	return append(values, reflect.Zero(hidden).Interface())
}

func pointer[T any](v T) *T { return &v }

// standardValues are what is encoded, and what is decoded into is a value of each of their types.
func standardValues() []any {
	in, one := Inner{1, "two"}, 1
	var nilText *valueText
	var nilJSON *valueJSON
	cycle := &recursive{V: 1}
	cycle.Next = cycle
	return append(append(plainValues(), mistaken()...),
		valueJSON{1}, &valueJSON{2}, nilJSON, pointerJSON{1}, &pointerJSON{2}, valueText{1}, &valueText{2}, nilText,
		pointerText{1}, &pointerText{2}, stringText("s"), intText(5), byteText(6), []byteText{1, 2}, failing{},
		&failing{},
		in, &in, Deep{in, 3}, &withMutex{N: 1}, reflect.ValueOf(&withMutex{N: 1}).Elem().Interface(), embedded{in},
		embeddedPointer{&in}, embeddedPointer{}, embeddedHidden{inner{1, nil}},
		embeddedHiddenP{&inner{1, []int{2}}}, embeddedHiddenP{}, embeddedNamed{in}, embeddedTwo{in, Other{"a", 1.5}},
		embeddedDeep{Deep{in, 1}, true},
		embeddedInt{1}, embeddedExported{1, 2}, embeddedTime{time.Unix(1, 5).UTC()},
		embeddedTimeAnd{time.Unix(1, 5).UTC(), 1},
		embeddedIface{}, embeddedIface{valueText{}}, embeddedText{valueText{1}, 2}, embeddedMap{namedMap{"a": 1}, 1},
		embeddedEMap{EmbeddedMap{"a": 1}, 1},
		embeddedValue{json.RawMessage(`{"a":1}`), 2},
		sameFold{1, 2, 3}, taggedWins{1, 2}, oddNames{1, 2, 3, 4, 5, 6, 7},
		quoted{}, quoted{true, -1, 2, 1e21, "a\"<", &one, pointer(true), 3}, quotedElse{}, quotedElse{L: []int{1},
			A: true, S: in},
		quotedNumber{}, quotedNumber{"1.50", time.Second, pointer(json.Number("2"))}, quotedMethods{},
		omit{}, omit{B: true, I: 1, F: 1, S: "s", L: []int{}, M: map[string]int{}, P: &one, A: 0, N: "1"},
		omit{L: []int{1}, W: json.RawMessage("null"), X: "x"},
		omitZero{}, omitZero{L: []int{}, M: map[string]int{}, P: new(int), A: 0, Z: zeroer{7}, ZP: &zeroer{7},
			PZ: pointerZero{7}, N: "0"},
		hidden{1, 2, 3}, onlyHidden{1, 2}, errors.New("text"), recursive{V: 1, Next: &recursive{},
			Kids: []recursive{{V: 2}}}, cycle,
		interfaces{}, interfaces{errors.New("x"), valueText{1}, valueJSON{1}, &in, in}, interfaces{M: nilJSON},
		functions{N: 1}, hasFunction{},
		mixture{}, mixture{Values: map[string]any{"a": json.Number("1e3"), "b": []any{json.Number("2")}},
			List: []any{in, &pointerJSON{1}, pointerJSON{1}}, Number: "12345678901234567890",
			Raw: json.RawMessage(` [ 1 , "<" ] `)},
		anonymous{}, underscores{1, 2},
	)
}

func plainValues() []any {
	one := 1
	values := []any{
		nil, true, namedBool(true), 0, -1, math.MaxInt32, int8(-128), int16(300), int32(1), int64(math.MinInt64),
		uint(1), uint8(255), uint16(1), uint32(1),
		uint64(math.MaxUint64), uintptr(1), namedInt(4), float32(0.1), float32(1e21), 1.5, 1e21, 1e20, 1e-6, 1e-7,
		5e-324, math.MaxFloat64, math.Copysign(0, -1), namedFloat(3.4e38),
		"", "plain", "<script>&\u2028\u2029", "\x00\x1f\x7f\"\\/\b\f\n\r\t", "bad \xff\xc3 utf", "\U0001F600",
		namedString("n"),
		[]int(nil), []int{}, []int{1, 2}, [2]int{1, 2}, [0]int{}, []string{"a", "\xff"}, namedSlice(nil), [][]int{nil,
			{}}, []any{1, "a", nil, json.Number("5")}, [3]byte{1, 2, 3},
		ownBytes("bytes"), ownBytes(nil), []namedByte{1, 2}, []int8{1}, []bool{true}, []*int{nil, &one},
		[]json.Number{"1", ""},
		map[string]int(nil), map[string]int{}, map[string]int{"b": 1, "a": 2, "<\xff": 3}, map[int]string{1: "a",
			-2: "b"}, map[uint8]bool{1: true}, map[namedString]int{"n": 1},
		map[stringText]int{"k": 1}, map[intText]int{1: 1}, map[valueText]int{{1}: 1}, map[pointerText]int{{1}: 1},
		map[valueJSON]int{{1}: 1}, map[bool]int{true: 1},
		map[float64]int{1.5: 1}, map[any]int{"a": 1}, map[string]any{"n": json.Number("12"), "z": nil,
			"r": json.RawMessage(`{"a": [1,2]}`)}, map[json.Number]int{"1": 1}, map[time.Duration]int{1: 1},
		map[string]map[string]int{"a": nil}, map[string]*int{"a": nil}, map[string]pointerJSON{"a": {1}},
		map[string]valueText{"a": {1}}, namedMap{"a": 1}, map[namedInt]int{3: 4},
		json.Number("1"), json.Number(""), json.Number("-0.5E+10"), json.Number("x"), json.Number("1 "),
		json.Number("123456789012345678901234567890"), pointer(json.Number("7")),
		json.RawMessage(`{"a" : "\u003c<"}`), json.RawMessage(nil), json.RawMessage(``), json.RawMessage(`{`),
		pointer(json.RawMessage(`1`)), []json.RawMessage{json.RawMessage("1"), nil},
		time.Unix(0, 0).UTC(), time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("x", 3600)), time.Date(10000, 1, 1, 0,
			0, 0, 0, time.UTC), time.Second, pointer(time.Minute), []time.Duration{1},
		big.NewInt(1 << 40), *big.NewInt(5), big.NewFloat(1.5), big.NewRat(1, 3), netip.MustParseAddr("::1"),
		url.URL{Scheme: "http", Host: "x"}, time.March,
		complex(1, 2), make(chan int), func() {}, []func(){}, map[string]chan int{}, (*int)(nil), &one, pointer(&one),
		pointer(any(nil)), pointer(any(1)), struct{}{}, [1]struct{}{},
		struct{ X, y int }{1, 2}, []struct{ A any }{{1}, {nil}},
	}
	for _, v := range values {
		if v != nil {
			values = append(values, pointer(v)) // behind an interface that has an address
		}
	}
	return values
}
