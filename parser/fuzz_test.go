package parser

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// split makes frames of fuzz input: text first, then attachments, separated by a byte no text holds.
func split(data []byte) (frames []Frame) {
	for i, part := range bytes.Split(data, []byte{0xff}) {
		frames = append(frames, Frame{Binary: i > 0, Data: bytes.Clone(part)})
	}
	return frames
}

// jsonPart is where the JSON text of a packet without attachments begins, found by other means than the
// decoder's: nothing before it can hold a bracket, brace or quote but a namespace, which ends at a comma.
func jsonPart(text []byte) []byte {
	rest := text[1:]
	if len(rest) > 0 && rest[0] == '/' {
		n := bytes.IndexByte(rest, ',')
		if n < 0 {
			return nil
		}
		rest = rest[n+1:]
	}
	return bytes.TrimLeft(rest, "0123456789")
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`0`, `0{"sid":"a"}`, `0/admin,{"token":"x"}`, `1/admin,`, `2["m",1,null,true,"é\n\ud83d\ude00"]`,
		`2/chat,7["m"]`, `312[]`, `3`,
		`4{"message":"nope","data":{"c":1}}`, `4"x"`, `2[5,"x"]`, `2[1e400]`, `2["x"]trailing`,
		`2[ "x" , { "a" : [ ] } ]`, `2007["x"]`,
		"51-[\"m\"," + mark0 + "]\xffabc", "52-/a,0[\"m\",{\"a\":[" + mark1 + "],\"b\":" + mark0 + "}]\xffa\xffb",
		"51-[\"m\",{\"\\u005fplaceholder\":true,\"num\":0.0e1}]\xff",
		"51-[\"m\",{\"_placeholder\":true,\"num\":\"splice\"}]\xff",
		"61-1[" + mark0 + "," + mark0 + ",{\"_placeholder\":1}]\xffx", `2["` + strings.Repeat(`\"`, 20) + `"]`,
		`2["x",` + nested(30, `[{"a":`, "}]") + "]", `2["x",-0,1e-7,1E+400,0.1,123456789012345678901234567890]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		frames := split(data)
		text := bytes.Clone(frames[0].Data)
		if !utf8.Valid(text) {
			return // refused beneath us
		}
		d := JSON(nil).NewDecoder()
		var p *Packet
		var err error
		for i, fr := range frames {
			p, err = d.Add(fr)
			if err != nil {
				var syntax *SyntaxError
				if p != nil || !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(fr.Data) {
					t.Fatalf("%v, %#v", p, err)
				}
				break
			}
			if p != nil && i < len(frames)-1 {
				return // attachments that belong to nothing
			}
		}
		if !bytes.ContainsAny(text[:min(len(text), 1)], "56") {
			compareWithStandard(t, text, p)
		}
		if p != nil {
			checkStable(t, p)
		}
	})
}

// compareWithStandard holds the scan against encoding/json.
func compareWithStandard(t *testing.T, text []byte, p *Packet) {
	if p == nil {
		// What the standard library takes for a good event must not be refused for its syntax.
		if len(text) == 0 || text[0] != '2' && text[0] != '3' || len(jsonPart(text)) == 0 {
			return
		}
		part := jsonPart(text)
		var values []json.RawMessage
		_, err := JSON(nil).NewDecoder().Add(Frame{Data: append([]byte("3"), part...)})
		if json.Unmarshal(part, &values) == nil && values != nil && len(values) <= 10_000 && err != nil &&
			!strings.Contains(err.Error(), msgDepth) {
			t.Fatalf("%q: %v", part, err)
		}
		return
	}
	part := jsonPart(text)
	if len(part) == 0 {
		if p.Args.Len() > 0 {
			t.Fatalf("%q: arguments from nothing: %v", text, p.Args)
		}
		return
	}
	if !json.Valid(part) {
		t.Fatalf("accepted JSON that is none: %q", part)
	}
	if p.Type != Event && p.Type != Ack {
		return
	}
	var want []json.RawMessage
	if err := json.Unmarshal(part, &want); err != nil {
		t.Fatal(err)
	}
	if p.Type == Event {
		var name any
		if json.Unmarshal(want[0], &name); name != any(p.Name) && want[0][0] == '"' {
			t.Fatalf("name %q of %q", p.Name, part)
		}
		want = want[1:]
	}
	if p.Args.Len() != len(want) {
		t.Fatalf("%d arguments of %q", p.Args.Len(), part)
	}
	for i := range want {
		if got := p.Args.src.(*received).textOf(i); !bytes.Equal(got, want[i]) {
			t.Fatalf("argument %d of %q: %q", i, part, got)
		}
		var a, b any
		errA, errB := p.Args.Decode(i, &a), json.Unmarshal(want[i], &b)
		if errA == nil && errB == nil && !reflect.DeepEqual(a, b) {
			t.Fatalf("argument %d of %q: %#v, want %#v", i, part, a, b)
		}
	}
}

// checkStable encodes what was decoded and decodes that.
func checkStable(t *testing.T, p *Packet) {
	frames, err := JSON(nil).Encode(nil, p)
	if err != nil {
		if p.Type == Ack && !p.HasID || strings.Contains(err.Error(), "looks like") {
			return
		}
		t.Fatalf("%s %v cannot be sent on: %v", head(p), p.Args, err)
	}
	d := JSON(nil).NewDecoder()
	var again *Packet
	for _, f := range frames {
		if again, err = d.Add(f); err != nil {
			t.Fatalf("%q: %v", wire(frames), err)
		}
	}
	if again == nil || head(again) != head(p) {
		t.Fatalf("%q: %v, want %s", wire(frames), again, head(p))
	}
	a, errA := p.Args.Values()
	b, errB := again.Args.Values()
	if (errA == nil) != (errB == nil) || !reflect.DeepEqual(a, b) {
		t.Fatalf("%q\n got %#v, %v\nwant %#v, %v", wire(frames), b, errB, a, errA)
	}
	for _, dst := range []any{new(string), new(int), new(float64), new(bool), new([]byte), new(map[string]any),
		new([]any),
		new(small), new(tree), new(struct{ V any }), new([][]byte), new(json.RawMessage), new(optional), new(Args)} {
		p.Args.Bind(dst) // must not panic, whatever it says
	}
	_ = p.Args.String()
	third, err := JSON(nil).Encode(nil, again)
	if err != nil || !reflect.DeepEqual(wire(third), wire(frames)) {
		t.Fatalf("%q became %q, %v", wire(frames), wire(third), err)
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("m", "/", uint64(0), true, "text", 1.5, []byte("bytes"), "key")
	f.Add("\xff\x00", "/a", uint64(1<<53), false, "\"\\\u2028\x1e", 1e-7, []byte{}, "_placeholder")
	f.Add("connect", "/a,b", uint64(7), true, "", math.Copysign(0, -1), []byte(nil), "")
	f.Fuzz(func(t *testing.T, name, namespace string, id uint64, hasID bool, text string, number float64, data []byte,
		key string) {
		p := &Packet{Type: Event, Namespace: namespace, ID: id, HasID: hasID, Name: name, Args: NewArgs(
			text, number, data, object{key: list{text, data}}, struct {
				S string
				N float64
				D []byte
				V any
			}{text, number, data, object{key: number}})}
		frames, err := JSON(nil).Encode(nil, p)
		if err != nil {
			if len(frames) > 0 {
				t.Fatal("frames and an error")
			}
			return
		}
		d := JSON(nil).NewDecoder()
		var got *Packet
		for i, fr := range frames {
			if !fr.Binary && !utf8.Valid(fr.Data) {
				t.Fatalf("text that is not UTF-8: %q", fr.Data)
			}
			if got, err = d.Add(fr); err != nil || (got == nil) != (i < len(frames)-1) {
				t.Fatalf("%q: %v, %v", wire(frames), got, err)
			}
		}
		var s string
		var n *float64
		var b []byte
		var o map[string]list
		if err := got.Args.Bind(&s, &n, &b, &o); err != nil {
			t.Fatalf("%q: %v", wire(frames), err)
		}
		if utf8.ValidString(name) && got.Name != name || utf8.ValidString(text) && s != text {
			t.Fatalf("%q: name %q, text %q", wire(frames), got.Name, s)
		}
		if number-number == 0 && *n != number || !bytes.Equal(b, data) || (b == nil) != (data == nil) {
			t.Fatalf("%q: %v, %q", wire(frames), n, b)
		}
	})
}

// fuzzTargets are destinations of every kind.
var fuzzTargets = []reflect.Type{
	reflect.TypeFor[any](), reflect.TypeFor[string](), reflect.TypeFor[int](), reflect.TypeFor[int8](),
	reflect.TypeFor[uint64](),
	reflect.TypeFor[float64](), reflect.TypeFor[float32](), reflect.TypeFor[bool](), reflect.TypeFor[[]byte](),
	reflect.TypeFor[json.Number](),
	reflect.TypeFor[[]any](), reflect.TypeFor[map[string]any](), reflect.TypeFor[[]int](),
	reflect.TypeFor[[2]*float64](),
	reflect.TypeFor[map[string]int](), reflect.TypeFor[map[int]string](), reflect.TypeFor[small](),
	reflect.TypeFor[chat](),
	reflect.TypeFor[tree](), reflect.TypeFor[recursive](), reflect.TypeFor[mixture](),
	reflect.TypeFor[json.RawMessage](),
	reflect.TypeFor[time.Time](), reflect.TypeFor[struct {
		A any `json:"a"`
		B *[]map[string][]byte
		C float64 `json:"c,string"`
		D struct{ E any }
	}](),
}

// FuzzSources: values that a parser has decoded, and their JSON text, fit the same destinations and fill them with the
// same; what Walk shows of either is the value.
func FuzzSources(f *testing.F) {
	for _, text := range standardTexts {
		f.Add([]byte(text), []byte("bytes"))
	}
	for _, text := range []string{
		mark0, `{"B":[{"x":` + mark0 + `}],"a":[` + mark0 + `]}`, `{"c":"1.5","D":{"E":{"E":[]}}}`,
		`{"id":1,"ID":2,"text":"é\n"}`,
		`[9007199254740993,18446744073709551615,-9223372036854775808,1e300]`,
		`{"tags":["a"],"from":{"name":"x"},"reply":null}`,
	} {
		f.Add([]byte(text), []byte("bytes"))
	}
	f.Fuzz(func(t *testing.T, text, file []byte) {
		if !utf8.Valid(text) || bytes.ContainsAny(text, "\xff") {
			return
		}
		var p *Packet
		d := JSON(nil).NewDecoder()
		if p, _ = d.Add(Frame{Data: append(append([]byte("61-1["), text...), ']')}); d.(Peeker).Peek() != nil {
			p, _ = d.Add(Frame{Binary: true, Data: file})
		}
		if p == nil {
			return
		}
		for i := range p.Args.Len() {
			v, err := rebuild(p.Args, i)
			if err != nil {
				t.Fatalf("%s: %v", p.Args, err)
			}
			if beyondJSON(v) {
				continue
			}
			values, err := Decoded([]any{v}, nil)
			if err != nil {
				t.Fatal(err)
			}
			again, err := rebuild(values, 0)
			if err != nil || !same(reflect.ValueOf(&again).Elem(), reflect.ValueOf(&v).Elem()) {
				t.Fatalf("%s: %#v became %#v, %v", p.Args, v, again, err)
			}
			if _, err := standard.receive([]any{v}); err != nil {
				continue // an object that looks like a placeholder
			}
			for _, typ := range fuzzTargets {
				compareSources(t, typ, nil, v)
			}
		}
	})
}

// FuzzWalk: the tokens of a value of Go stand for what its JSON text stands for, whatever it holds.
func FuzzWalk(f *testing.F) {
	f.Add("text", "key", int64(-1), uint64(1), 1.5, float32(0.1), []byte("bytes"), true)
	f.Add("\xff\x00", "", int64(math.MinInt64), uint64(math.MaxUint64), math.Copysign(0, -1), float32(1e21),
		[]byte(nil), false)
	f.Add("_placeholder", "_placeholder", int64(1)<<53, uint64(1)<<53, 5e-324, float32(math.Copysign(0, -1)),
		[]byte{}, true)
	f.Fuzz(func(t *testing.T, s, key string, i int64, u uint64, d float64, e float32, b []byte, on bool) {
		value := struct {
			S     string
			I     int64   `json:"i,omitempty"`
			U     *uint64 `json:",string"`
			D     float64 `json:",omitzero"`
			E     []float32
			B     []byte
			On    bool `json:"on,string"`
			Any   any
			Map   map[string]any
			Ints  map[int64]string
			Inner struct{ S, T string }
			small
		}{S: s, I: i, U: &u, D: d, E: []float32{e}, B: b, On: on, Map: map[string]any{key: []any{s, i, u, d, e, b, on}},
			Ints: map[int64]string{i: key}, small: small{int(i % 100), key}}
		if on {
			value.Any = value.Map
		}
		args := NewArgs(value)
		got, err := rebuild(args, 0)
		if err != nil {
			t.Fatal(err)
		}
		want, wantErr := args.received()
		again, againErr := standard.receive([]any{got})
		if (wantErr == nil) != (againErr == nil) {
			t.Fatalf("%v, but %v of the tokens", wantErr, againErr)
		}
		if wantErr != nil {
			return // an object that looks like a placeholder
		}
		x, errX := Args{src: again}.Values()
		y, errY := Args{src: want}.Values()
		if errX != nil || errY != nil || !same(reflect.ValueOf(&x).Elem(), reflect.ValueOf(&y).Elem()) {
			t.Fatalf("tokens %v, text %v", Args{src: again}, Args{src: want})
		}
	})
}
