package parser

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// wire is the frames as the tables have them.
func wire(frames []Frame) (l list) {
	for _, f := range frames {
		if f.Binary {
			l = append(l, bin(f.Data))
		} else {
			l = append(l, string(f.Data))
		}
	}
	return l
}

func emit(values ...any) *Packet { return &Packet{Type: Event, Name: "m", Args: NewArgs(values...)} }

type celsius float64

type namedBytes []byte

type selfMade struct{ data []byte }

func (s selfMade) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%q", "self "+string(s.data)), nil
}

type byText struct{ A []byte }

func (b byText) MarshalText() ([]byte, error) { return []byte("text " + string(b.A)), nil }

type tree struct {
	Data  []byte  `json:"data"`
	Nodes []*tree `json:"nodes,omitempty"`
}

func TestEncode(t *testing.T) {
	bytes3 := []byte{1, 2, 3}
	for _, c := range []struct {
		name string
		p    *Packet
		want list
	}{
		// behaviour 2.2
		{"connect", &Packet{Type: Connect}, list{`0`}},
		{"connect", &Packet{Type: Connect, Namespace: "/"}, list{`0`}},
		{"connect", &Packet{Type: Connect, Namespace: "/admin", Args: NewArgs(object{"token": "x"})},
			list{`0/admin,{"token":"x"}`}},
		{"connect", &Packet{Type: Connect, Args: NewArgs(struct {
			SID string `json:"sid"`
			PID string `json:"pid,omitempty"`
		}{SID: "a"})}, list{`0{"sid":"a"}`}},
		{"connect", &Packet{Type: Connect, Args: NewArgs(nil)}, list{`0`}},
		{"connect", &Packet{Type: Connect, Args: NewArgs((*small)(nil))}, list{`0`}},
		{"connect with bytes", &Packet{Type: Connect, Args: NewArgs(object{"b": bytes3})}, list{`0{"b":"AQID"}`}},
		{"connect with bytes", &Packet{Type: Connect, Args: NewArgs(tree{Data: bytes3})}, list{`0{"data":"AQID"}`}},
		{"disconnect", &Packet{Type: Disconnect, Namespace: "/admin"}, list{`1/admin,`}},
		{"event", emit(1, nil, nil), list{`2["m",1,null,null]`}},
		{"event with id", &Packet{Type: Event, Namespace: "/chat", ID: 7, HasID: true, Name: "m"},
			list{`2/chat,7["m"]`}},
		{"event", &Packet{Type: Event, Name: ""}, list{`2[""]`}},
		{"event", &Packet{Type: Event, Name: "\"\x1e\xff"}, list{"2[\"\\\"\\u001e\ufffd\"]"}},
		{"ack", &Packet{Type: Ack, ID: 12, HasID: true}, list{`312[]`}},
		{"ack", &Packet{Type: Ack, ID: maxID, HasID: true, Args: NewArgs(0)}, list{`39007199254740991[0]`}},
		{"connect error", &Packet{Type: ConnectError, Args: NewArgs(json.RawMessage(`{"message":"nope"}`))},
			list{`4{"message":"nope"}`}},
		{"connect error", &Packet{Type: ConnectError, Namespace: "/p", Args: NewArgs("no way")}, list{`4/p,"no way"`}},
		{"binary event", emit(bytes3), list{`51-["m",` + mark0 + `]`, bin(bytes3)}},
		{"binary event", &Packet{Type: Event, Namespace: "/a", HasID: true, Name: "m", Args: NewArgs(struct {
			A [][]byte `json:"a"`
			B []byte   `json:"b"`
		}{[][]byte{{1}}, []byte{2}})}, list{`52-/a,0["m",{"a":[` + mark0 + `],"b":` + mark1 + `}]`, bin("\x01"),
			bin("\x02")}},
		{"binary ack", &Packet{Type: Ack, ID: 12, HasID: true, Args: NewArgs([]byte{0xff})}, list{`61-12[` + mark0 +
			`]`, bin("\xff")}},
		{"empty attachment", emit([]byte{}), list{`51-["m",` + mark0 + `]`, bin("")}},
		{"depth first", emit(list{[]byte("a"), list{[]byte("b")}}, &tree{Data: []byte("c"),
			Nodes: []*tree{{Data: []byte("d")}}}, []byte("e")),
			list{`55-["m",[` + mark0 + `,[` + mark1 +
				`]],{"data":{"_placeholder":true,"num":2},"nodes":[{"data":` +
				`{"_placeholder":true,"num":3}}]},{"_placeholder":true,"num":4}]`,
				bin("a"), bin("b"), bin("c"), bin("d"), bin("e")}},

		{"words", emit(nil, true, false), list{`2["m",null,true,false]`}},
		{"integers", emit(int8(-8), int16(16), int32(32), int64(math.MinInt64), uint8(8), uint16(16), uint32(32),
			uint64(math.MaxUint64), uint(1)),
			list{`2["m",-8,16,32,-9223372036854775808,8,16,32,18446744073709551615,1]`}},
		{"floats", emit(1.0, 0.5, -2.5e-9, 1e21, 123456789.0, 1e-6, 1e20, float32(0.1)),
			list{`2["m",1,0.5,-2.5e-9,1e+21,123456789,0.000001,100000000000000000000,0.1]`}},
		{"not finite", emit(math.NaN(), math.Inf(1), float32(math.Inf(-1)), celsius(math.NaN())),
			list{`2["m",null,null,null,null]`}},
		{"not finite within", emit([]float64{1, math.NaN()}, struct{ C celsius }{celsius(math.Inf(1))},
			map[string]float32{"a": float32(math.NaN())}, object{"x": list{math.NaN()}}),
			list{`2["m",[1,null],{"C":null},{"a":null},{"x":[null]}]`}},
		{"not finite beside bytes", emit(struct {
			A []byte
			F float64
			B any
		}{[]byte("a"), math.NaN(), []byte("b")}, []byte("c")),
			list{`53-["m",{"A":` + mark0 + `,"F":null,"B":` + mark1 + `},{"_placeholder":true,"num":2}]`, bin("a"),
				bin("b"), bin("c")}},
		{"strings", emit("a\"\\\n\x00\x1e\u2028<>&é\xff"),
			list{"2[\"m\",\"a\\\"\\\\\\n\\u0000\\u001e\u2028<>&é\ufffd\"]"}},
		{"strings", emit(struct{ S string }{"<\x1e\u2028\xff>"}), list{"2[\"m\",{\"S\":\"<\\u001e\u2028\ufffd>\"}]"}},
		{"nil", emit([]any(nil), object(nil), []string(nil), map[string]string(nil), []byte(nil), (*int)(nil),
			[]int(nil), map[string]int(nil), struct{ B []byte }{}, error(nil)),
			list{`2["m",null,null,null,null,null,null,null,null,{"B":null},null]`}},
		{"empty", emit(list{}, object{}, []string{}, map[string]string{}, []int{}), list{`2["m",[],{},[],{},[]]`}},
		{"own types", emit([]string{"a", "b"}, map[string]string{"a": "b"}, map[int]bool{1: true}, [2]int{1, 2},
			small{1, "x"}, ptr(2)),
			list{`2["m",["a","b"],{"a":"b"},{"1":true},[1,2],{"id":1,"text":"x"},2]`}},
		{"not binary", emit(namedBytes{1}, json.RawMessage(`{"a": 1}`), jsontext.Value(`[1e400]`),
			selfMade{[]byte("x")}, byText{[]byte("y")}, [2]byte{1, 2}, []namedBytes{{1}}),
			list{`2["m","AQ==",{"a":1},[1e400],"self x","text y",[1,2],["AQ=="]]`}},
		{"binary behind interfaces", emit(struct{ V any }{V: []byte("a")}, []any{map[string][]byte{"k": []byte("b")}},
			ptr(any([]byte("c")))),
			list{`53-["m",{"V":` + mark0 + `},[{"k":` + mark1 + `}],{"_placeholder":true,"num":2}]`, bin("a"),
				bin("b"), bin("c")}},
		{"time", emit(time.Date(2024, 1, 2, 3, 4, 5, 678e6, time.UTC), 1500*time.Millisecond),
			list{`2["m","2024-01-02T03:04:05.678Z",1500000000]`}},
		{"tuple", emit(point{X: 1, Y: 2}, None{}, optional{Name: "n", Rest: NewArgs(5, 6)}),
			list{`2["m",1,2,"n",null,5,6]`}},
		{"nested args", emit(list{NewArgs(1, []byte("a"), list{})}, struct{ A Args }{NewArgs(2)}),
			list{`51-["m",[[1,` + mark0 + `,[]]],{"A":[2]}]`, bin("a")}},
		{"looks like a placeholder", emit(object{"_placeholder": true}), list{`2["m",{"_placeholder":true}]`}},
		{"looks like one, but is no object", emit("_placeholder", []byte("a"), list{"\"_placeholder\":true", "\u0000"}),
			list{`51-["m","_placeholder",` + mark0 + `,["\"_placeholder\":true","\u0000"]]`, bin("a")}},
		{"omitempty", emit(struct {
			A int  `json:"a,omitempty"`
			B bool `json:"b,omitempty"`
			C *int `json:",omitempty"`
			D int  `json:"-"`
		}{}), list{`2["m",{}]`}},
		{"ten attachments", emit(make10()...), list{`510-["m",` + strings.Join(marks10(), ",") + `]`, bin(""),
			bin(""), bin(""), bin(""), bin(""), bin(""), bin(""), bin(""), bin(""), bin("")}},
	} {
		frames, err := JSON(nil).Encode(nil, c.p)
		if got := wire(frames); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %q, %v\nwant %q", c.name, got, err, c.want)
		}
		before := []Frame{{Data: []byte("before")}}
		text, frames, err := JSON(nil).(Appender).AppendEncode([]byte("text"), before, c.p)
		if got, want := wire(frames), append(wire(before), c.want...); err != nil || !reflect.DeepEqual(got, want) ||
			!strings.HasPrefix(string(text), "text") {
			t.Errorf("%s, appended to %q:\n got %q, %v\nwant %q", c.name, text, got, err, want)
		}
	}
}

func make10() (l list) {
	for range 10 {
		l = append(l, []byte{})
	}
	return l
}

func marks10() (l []string) {
	for i := range 10 {
		l = append(l, fmt.Sprintf(`{"_placeholder":true,"num":%d}`, i))
	}
	return l
}

// AppendEncode neither copies bytes nor allocates, and leaves what it got as it was when it fails.
func TestAppendEncode(t *testing.T) {
	p := JSON(nil).(Appender)
	data := []byte("data")
	for _, packet := range []*Packet{emit(data), emit(tree{Data: data}), emit(list{object{"a": data}})} {
		_, frames, err := p.AppendEncode(nil, nil, packet)
		if err != nil || len(frames) != 2 || &frames[1].Data[0] != &data[0] {
			t.Errorf("%q, %v: the attachment was copied", wire(frames), err)
		}
	}
	text, frames, err := p.AppendEncode([]byte("text"), []Frame{{}}, emit(data, panics{}))
	if err == nil || string(text) != "text" || len(frames) != 1 {
		t.Errorf("%q, %d frames, %v of what can't be encoded", text, len(frames), err)
	}
	if raceEnabled {
		return // sync.Pool drops things on purpose
	}
	buf, room := make([]byte, 0, 1000), make([]Frame, 0, 4)
	for name, packet := range map[string]*Packet{"string": emit("hello"), "struct": emit(&small{1, "x"}),
		"bytes": emit(data)} {
		if n := testing.AllocsPerRun(1000, func() { _, _, err = p.AppendEncode(buf, room, packet) }); n != 0 ||
			err != nil {
			t.Errorf("%s: %v allocations, %v", name, n, err)
		}
	}
}

type panics struct{ B []byte }

func (panics) MarshalJSON() ([]byte, error) { panic("from MarshalJSON") }

type panicsTo struct{}

func (panicsTo) MarshalJSONTo(*jsontext.Encoder) error { panic("from MarshalJSONTo") }

type fails struct{}

func (fails) MarshalJSON() ([]byte, error) { return nil, errors.New("from MarshalJSON") }

type liar struct{}

func (liar) MarshalJSON() ([]byte, error) { return []byte(`1],"more":[`), nil }

type cyclic struct {
	Next  *cyclic
	Bytes []byte
}

func TestEncodeRefuses(t *testing.T) {
	loop := &cyclic{}
	loop.Next = loop
	array := list{nil}
	array[0] = array
	members := object{}
	members["a"] = list{members}
	deep := any(1)
	for range 1001 {
		deep = list{deep}
	}
	type loopedSlice []loopedSlice
	slice := loopedSlice{nil}
	slice[0] = slice
	var nilPanics *panics
	for _, c := range []struct {
		name string
		p    *Packet
		want string
	}{
		{"type", &Packet{Type: 5}, "unknown type"},
		{"type", &Packet{Type: 255}, "unknown type"},
		{"id", &Packet{Type: Ack}, "acknowledgement id"},
		{"id", &Packet{Type: Connect, HasID: true}, "acknowledgement id"},
		{"id", &Packet{Type: Disconnect, HasID: true}, "acknowledgement id"},
		{"id", &Packet{Type: Event, Name: "m", HasID: true, ID: maxID + 1}, "acknowledgement id"},
		{"reserved", &Packet{Type: Event, Name: "connect"}, `reserved: "connect"`},
		{"reserved", &Packet{Type: Event, Name: "newListener"}, "reserved"},
		{"namespace", &Packet{Type: Event, Name: "m", Namespace: "x"}, "namespace"},
		{"namespace", &Packet{Type: Event, Name: "m", Namespace: "/a,b"}, "namespace"},
		{"namespace", &Packet{Type: Event, Name: "m", Namespace: "/\xff"}, "namespace"},
		{"namespace", &Packet{Type: Event, Name: "m", Namespace: "/" + strings.Repeat("n", 1024)}, "namespace"},
		{"payload", &Packet{Type: Connect, Args: NewArgs(1)}, "payload"},
		{"payload", &Packet{Type: Connect, Args: NewArgs("x")}, "payload"},
		{"payload", &Packet{Type: Connect, Args: NewArgs(list{})}, "payload"},
		{"payload", &Packet{Type: Connect, Args: NewArgs(object{}, object{})}, "payload"},
		{"payload", &Packet{Type: ConnectError, Args: NewArgs(1)}, "payload"},
		{"payload", &Packet{Type: Disconnect, Args: NewArgs(object{})}, "payload"},
		{"payload", &Packet{Type: Connect, Args: binaryArgs(t, `{"a":`+mark0+`}`, "x")}, "payload"},
		{"attachments", emit(append(make10(), []byte{})...), "too many attachments"},
		{"attachments", emit(append(make10(), tree{Data: []byte{}})...), "too many attachments"},
		{"arguments", emit(make([]any, 10_001)...), "too many arguments"},
		{"channel", emit(1, make(chan int)), "argument 1"},
		{"function", emit(func() {}), "argument 0"},
		{"complex", emit(1i), "argument 0"},
		{"channel within", emit(object{"a": list{make(chan int)}}), "argument 0"},
		{"cyclic pointers", emit(loop), "argument 0"},
		{"cyclic array", emit(array), "too deep"},
		{"cyclic object", emit(members), "too deep"},
		{"cyclic slice", emit(slice), "argument 0"},
		{"deep", emit(deep), "too deep"},
		{"deep in a struct", emit(struct{ V any }{deep}), "too deep"},
		{"panic", emit(panics{}), "panic: from MarshalJSON"},
		{"panic", emit(nilPanics, &panics{}), "panic: from MarshalJSON"},
		{"panic within", emit(object{"a": []panics{{}}}), "panic: from MarshalJSON"},
		{"panic", emit(panicsTo{}), "panic: from MarshalJSONTo"},
		{"panic beside bytes", emit(struct {
			B []byte
			P panicsTo
		}{B: []byte("a")}), "panic: from MarshalJSONTo"},
		{"error", emit(fails{}), "from MarshalJSON"},
		{"invalid JSON", emit(liar{}), "argument 0"},
		{"invalid raw JSON", emit(json.RawMessage(`{"a":`)), "argument 0"},
		{"invalid raw JSON", emit(jsontext.Value(`1,2`)), "argument 0"},
		{"impostor", emit(object{"_placeholder": true, "num": 0}, []byte("a")), "looks like"},
		{"impostor", emit([]byte("a"), object{"_placeholder": true, "num": 99}), "looks like"},
		{"impostor", emit(binaryArgs(t, `{"_placeholder":true,"num":99}`), []byte("a")), "looks like"},
		{"impostor", emit(binaryArgs(t, `{"\u005fplaceholder":true,"num":99}`), []byte("a")), "looks like"},
		{"impostor", emit(binaryArgs(t, `{"_placeh\u006flder":true,"num":0}`), "_placeholder", []byte("a")),
			"looks like"},
		{"impostor around", emit(struct {
			P bool `json:"_placeholder"`
			N int  `json:"num"`
			D []byte
		}{true, 0, []byte("a")}), "looks like"},
	} {
		before := []Frame{{Data: []byte("before")}}
		frames, err := JSON(nil).Encode(before, c.p)
		if err == nil || !strings.HasPrefix(err.Error(), "parser: encode: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q, %v", c.name, wire(frames), err)
		}
		if len(frames) != 1 {
			t.Errorf("%s: %d frames come with the error", c.name, len(frames)-1)
		}
		// Whatever happened, the next packet must not see it.
		if frames, err := JSON(nil).Encode(nil, emit(tree{Data: []byte("a")}, 1)); err != nil ||
			!reflect.DeepEqual(wire(frames), list{`51-["m",{"data":` + mark0 + `},1]`, bin("a")}) {
			t.Errorf("after %s: %q, %v", c.name, wire(frames), err)
		}
	}
}

// ownEncoder encodes itself, in text of its own, with the options it was given.
type ownEncoder struct{ B []byte }

func (o ownEncoder) MarshalJSONTo(enc *jsontext.Encoder) error {
	var thrownAway bytes.Buffer
	if err := jsonv2.MarshalWrite(&thrownAway, map[string][]byte{"x": o.B}, enc.Options()); err != nil {
		return err
	}
	return enc.WriteValue(bytes.ToUpper(thrownAway.Bytes()))
}

func TestTypesThatEncodeThemselves(t *testing.T) {
	for range 2 {
		frames, err := JSON(nil).Encode(nil, emit(ownEncoder{[]byte("a")}, struct {
			O ownEncoder
			B []byte
			F celsius
		}{ownEncoder{[]byte("a")}, []byte("b"), celsius(math.NaN())}))
		want := list{`51-["m",{"X":"YQ=="},{"O":{"X":"YQ=="},"B":` + mark0 + `,"F":null}]`, bin("b")}
		if got := wire(frames); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf(" got %q, %v\nwant %q", got, err, want)
		}
	}
}

// chunks writes its bytes one after the other from the same memory.
type chunks string

func (c chunks) MarshalJSONTo(enc *jsontext.Encoder) error {
	err := enc.WriteToken(jsontext.BeginArray)
	for buf, i := []byte{0}, 0; err == nil && i < len(c); i++ {
		buf[0] = c[i]
		err = jsonv2.MarshalEncode(enc, buf)
	}
	return errors.Join(err, enc.WriteToken(jsontext.EndArray))
}

// A type that encodes itself may do so from memory that it uses again.
func TestMemoryOfTypesThatEncodeThemselves(t *testing.T) {
	type known struct {
		B []byte
		C chunks
	}
	for name, v := range map[string]any{
		"field":     known{[]byte("a"), "bc"},
		"interface": struct{ A, B any }{[]byte("a"), chunks("bc")},
		"element":   struct{ L [][]*known }{[][]*known{{{[]byte("a"), "bc"}}}},
	} {
		_, frames, err := JSON(nil).(Appender).AppendEncode(nil, nil, emit(v))
		want := list{bin("a"), bin("b"), bin("c")}
		if got := wire(frames); err != nil || len(got) != 4 || !reflect.DeepEqual(got[1:], want) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// Who gets bytes of received arguments may change them when Encode has returned.
func TestEncodeCopiesWhatWasReceived(t *testing.T) {
	p := mustDecode(t, `51-["m",{"_placeholder":true,"num":0},[{"_placeholder":true,"num":0}]]`, []byte("data"))
	frames, err := JSON(nil).Encode(nil, p)
	var data []byte
	if err := errors.Join(err, p.Args.Bind(&data)); err != nil {
		t.Fatal(err)
	}
	copy(data, "DATA")
	want := list{`51-["m",` + mark0 + `,[` + mark0 + `]]`, bin("data")}
	if got := wire(frames); !reflect.DeepEqual(got, want) {
		t.Errorf(" got %q\nwant %q", got, want)
	}
}

func TestTypedNilIsNull(t *testing.T) {
	var nilPanics *panics
	var nilRaw *json.RawMessage
	frames, err := JSON(nil).Encode(nil, emit(nilPanics, nilRaw, (*tree)(nil), struct{ P *panics }{}))
	if err != nil || string(frames[0].Data) != `2["m",null,null,null,{"P":null}]` {
		t.Errorf("%q, %v", wire(frames), err)
	}
}

func TestRelay(t *testing.T) {
	for _, c := range []struct {
		in, out list
	}{
		{list{`2["m",9007199254740993,{"__proto__":1,"a":1,"a":2},1e400,"\ud800\u0041", [ 1 ] ]`},
			list{`2["m",9007199254740993,{"__proto__":1,"a":1,"a":2},1e400,"\ud800\u0041",[ 1 ]]`}},
		{list{`52-["m",` + mark1 + `,[` + mark1 + `,{ "num":0, "_placeholder":true }]]`, bin("a"), bin("b")},
			list{`52-["m",` + mark0 + `,[` + mark0 + `,` + mark1 + `]]`, bin("b"), bin("a")}},
		{list{`52-["m",1]`, bin("a"), bin("b")}, list{`2["m",1]`}},
		{list{`52-["m",` + mark0 + `,` + mark1 + `]`, bin(""), bin("")}, list{`52-["m",` + mark0 + `,` + mark1 + `]`,
			bin(""), bin("")}},
	} {
		p := mustDecodeWith(t, JSON(nil).NewDecoder(), c.in...)
		for _, args := range []Args{p.Args, NewArgs(p.Args), NewArgs(p.Args.Slice(0, 1), p.Args.Slice(1,
			p.Args.Len()))} {
			frames, err := JSON(nil).Encode(nil, &Packet{Type: Event, Name: "m", Args: args})
			if err != nil || !reflect.DeepEqual(wire(frames), c.out) {
				t.Errorf("%q\n got %q, %v\nwant %q", c.in, wire(frames), err, c.out)
			}
		}
	}
	a, b := binaryArgs(t, `1,`+mark0, "a"), binaryArgs(t, `[`+mark1+`,`+mark0+`]`, "b0", "b1")
	frames, err := JSON(nil).Encode(nil, emit([]byte("first"), a.Slice(1, 2), b, "last"))
	want := list{`54-["m",` + mark0 + `,` + mark1 +
		`,[{"_placeholder":true,"num":2},{"_placeholder":true,"num":3}],"last"]`, bin("first"), bin("a"), bin("b1"),
		bin("b0")}
	if err != nil || !reflect.DeepEqual(wire(frames), want) {
		t.Errorf(" got %q, %v\nwant %q", wire(frames), err, want)
	}
}

// TestEncodedIsACopy: what is sent was encoded before Encode returned, pooled scratch included
// (T-8).
func TestEncodedIsACopy(t *testing.T) {
	data, text := []byte("bytes"), json.RawMessage(`"raw"`)
	frames, err := JSON(nil).Encode(nil, emit(data, struct{ D []byte }{data}, text))
	if err != nil {
		t.Fatal(err)
	}
	before := fmt.Sprintf("%q", wire(frames))
	copy(data, "XXXXX")
	copy(text, "XXXXX")
	for range 10 {
		if _, err := JSON(nil).Encode(nil, emit(strings.Repeat("poison", 100), []byte("poison"))); err != nil {
			t.Fatal(err)
		}
	}
	if after := fmt.Sprintf("%q", wire(frames)); after != before {
		t.Errorf("%s became %s", before, after)
	}
	for i, f := range frames {
		if cap(f.Data) > len(f.Data)+8 {
			t.Errorf("frame %d: %d bytes, room for %d", i, len(f.Data), cap(f.Data))
		}
	}
}

func TestEncodeAppends(t *testing.T) {
	frames, err := JSON(nil).Encode([]Frame{{Data: []byte("a")}}, emit([]byte("b")))
	if err != nil || len(frames) != 3 || string(frames[0].Data) != "a" || frames[1].Binary || !frames[2].Binary {
		t.Errorf("%q, %v", wire(frames), err)
	}
}

func TestEncodeOptions(t *testing.T) {
	p := JSON(&JSONOptions{MaxAttachments: 1, MaxArguments: 2, MaxNamespace: 3, MaxDepth: 3})
	for _, c := range []struct {
		p  *Packet
		ok bool
	}{
		{emit([]byte{}), true},
		{emit([]byte{}, []byte{}), false},
		{emit(1, 2), true},
		{emit(1, 2, 3), false},
		{&Packet{Type: Connect, Namespace: "/ab"}, true},
		{&Packet{Type: Connect, Namespace: "/abc"}, false},
		{emit(list{list{}}), true},
		{emit(list{list{list{}}}), false},
		{emit([][]int{{}}), true},
		{emit([][][]int{{{}}}), false},
	} {
		if frames, err := p.Encode(nil, c.p); (err == nil) != c.ok {
			t.Errorf("%v: %q, %v", c.p.Args, wire(frames), err)
		}
	}
}

// randomValue is one that comes back the same.
func randomValue(r *rand.Rand, depth int, files *int) any {
	kinds := 9
	if depth == 0 {
		kinds = 7
	}
	switch r.Intn(kinds) {
	case 0:
		return nil
	case 1:
		return r.Intn(2) == 0
	case 2:
		return float64(r.Intn(1000) - 500)
	case 3:
		return math.Float64frombits(r.Uint64()&^(1<<62) | 1<<52) // finite
	case 4:
		return randomString(r)
	case 5:
		if *files >= 10 {
			return "no more"
		}
		*files++
		data := make([]byte, r.Intn(10))
		r.Read(data)
		return data
	case 6:
		return []any{}
	case 7:
		l := make(list, r.Intn(4))
		for i := range l {
			l[i] = randomValue(r, depth-1, files)
		}
		return l
	default:
		o := object{}
		for range r.Intn(4) {
			o[randomString(r)] = nil
		}
		for k := range o {
			o[k] = randomValue(r, depth-1, files)
		}
		return o
	}
}

func randomString(r *rand.Rand) string {
	runes := []rune("ab\"\\/\n\x00\x1f\x1e{}[],:é€😀\u2028\ufffd")
	s := make([]rune, r.Intn(20))
	for i := range s {
		s[i] = runes[r.Intn(len(runes))]
	}
	return string(s)
}

func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	d := JSON(nil).NewDecoder()
	var frames []Frame
	for range 3000 {
		p := &Packet{Type: []Type{Event, Ack}[r.Intn(2)], Namespace: []string{"/", "/a", "/b c\"é"}[r.Intn(3)]}
		if p.HasID = p.Type == Ack || r.Intn(2) == 0; p.HasID {
			p.ID = r.Uint64() % (maxID + 1)
		}
		if p.Type == Event {
			p.Name = randomString(r)
		}
		files := 0
		values := make(list, r.Intn(7))
		for i := range values {
			values[i] = randomValue(r, 4, &files)
		}
		p.Args = NewArgs(values...)
		var err error
		if frames, err = JSON(nil).Encode(frames[:0], p); err != nil || len(frames) != 1+files {
			t.Fatalf("%s %#v: %d frames, %v", head(p), values, len(frames), err)
		}
		var got *Packet
		for _, f := range frames {
			if got, err = d.Add(Frame{f.Binary, append([]byte(nil), f.Data...)}); err != nil {
				t.Fatalf("%q: %v", wire(frames), err)
			}
		}
		back, err := got.Args.Values()
		if err != nil || head(got) != head(p) || !reflect.DeepEqual(back, values) {
			t.Fatalf("%q\n got %s %#v, %v\nwant %s %#v", wire(frames), head(got), back, err, head(p), values)
		}
		again, err := JSON(nil).Encode(nil, got)
		if err != nil || !reflect.DeepEqual(wire(again), wire(frames)) {
			t.Fatalf("%q was sent on as %q, %v", wire(frames), wire(again), err)
		}
	}
}

func TestParserIsSafeForConcurrentUse(t *testing.T) {
	p := JSON(nil)
	args := binaryArgs(t, `{"V":[`+mark0+`],"D":`+mark0+`,"S":"x"},[1,"é"]`, "abc")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() { // ends after its rounds; the test waits
			for range 200 {
				frames, err := p.Encode(nil, emit(args, fmt.Sprint(g), tree{Data: []byte{byte(g)}}, list{math.NaN()}))
				if err != nil || len(frames) != 3 || frames[2].Data[0] != byte(g) {
					t.Errorf("%q, %v", wire(frames), err)
					return
				}
				var in struct {
					V any
					D []byte
				}
				var l list
				if err := args.Bind(&in, &l); err != nil || string(in.D) != "abc" || len(l) != 2 {
					t.Errorf("%+v %v, %v", in, l, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestEncodeAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	relay := mustDecode(t, string(benchText())).Args
	for _, c := range []struct {
		name string
		most float64
		args Args
	}{
		{"struct", 2, NewArgs(small{1, text64})},
		{"pointer", 1, NewArgs(&small{1, text64})},
		{"string", 1, NewArgs(text64)},
		{"map", 1, NewArgs(object{"a": 1, "b": list{"c", 1.5}})},
		{"relay", 1, relay},
	} {
		p, frames := JSON(nil), make([]Frame, 0, 4)
		packet := &Packet{Type: Event, Name: "echo", Args: c.args}
		if n := testing.AllocsPerRun(100, func() {
			if _, err := p.Encode(frames, packet); err != nil {
				t.Fatal(err)
			}
		}); n > c.most {
			t.Errorf("%s: %v allocations, at most %v wanted", c.name, n, c.most)
		}
	}
}
