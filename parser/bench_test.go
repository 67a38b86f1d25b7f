package parser

import (
	"strings"
	"testing"
)

type small struct {
	ID   int    `json:"id"`
	Text string `json:"text"`
}

var text64 = strings.Repeat("0123456789abcdef", 4)

func benchText() []byte { return []byte(`2["echo",{"id":1,"text":"` + text64 + `"}]`) }

func BenchmarkDecodeEvent(b *testing.B) {
	d := JSON(nil).NewDecoder()
	text := benchText()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Add(Frame{Data: text}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeAck(b *testing.B) {
	d := JSON(nil).NewDecoder()
	text := []byte(`3/admin,12["ok"]`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Add(Frame{Data: text}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeBinaryEvent(b *testing.B) {
	d := JSON(nil).NewDecoder()
	text, file := []byte(`51-["x",{"a":{"_placeholder":true,"num":0}}]`), make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		d.Add(Frame{Data: text})
		if p, err := d.Add(Frame{Binary: true, Data: file}); p == nil || err != nil {
			b.Fatal(err)
		}
	}
}

func mustDecode(tb testing.TB, frames ...any) *Packet {
	tb.Helper()
	d := JSON(nil).NewDecoder()
	for _, f := range frames {
		frame := Frame{Binary: true}
		switch f := f.(type) {
		case string:
			frame = Frame{Data: []byte(f)}
		case []byte:
			frame.Data = f
		}
		p, err := d.Add(frame)
		if err != nil {
			tb.Fatalf("%q: %v", frame.Data, err)
		}
		if p != nil {
			return p
		}
	}
	tb.Fatalf("%q: no packet", frames)
	return nil
}

func BenchmarkBind(b *testing.B) {
	p := mustDecode(b, string(benchText()))
	bench := func(name string, args Args, dst any) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := args.Bind(dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	bench("struct", p.Args, new(small))
	bench("any", p.Args, new(any))
	bench("map", p.Args, new(map[string]any))
	bench("string", mustDecode(b, `2["x","`+text64+`"]`).Args, new(string))
	bench("int", mustDecode(b, `2["x",12345]`).Args, new(int))
	bench("bytes", mustDecode(b, `51-["x",{"_placeholder":true,"num":0}]`, make([]byte, 100)).Args, new([]byte))
	bench("struct with bytes", mustDecode(b, `51-["x",{"id":1,"data":{"_placeholder":true,"num":0}}]`, make([]byte,
		100)).Args,
		new(struct {
			ID   int
			Data []byte
		}))
}

func BenchmarkEncode(b *testing.B) {
	bench := func(name string, values ...any) {
		b.Run(name, func(b *testing.B) {
			var frames []Frame
			p := JSON(nil)
			b.ReportAllocs()
			for b.Loop() {
				var err error
				frames, err = p.Encode(frames[:0], &Packet{Type: Event, Name: "echo", Args: NewArgs(values...)})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	bench("struct", small{1, text64})
	bench("pointer", &small{1, text64})
	bench("string", text64)
	bench("map", map[string]any{"id": 1, "text": text64})
	bench("bytes", make([]byte, 100))
	bench("struct with bytes", &struct {
		ID   int
		Data []byte
	}{1, make([]byte, 100)})
	bench("relay", mustDecode(b, string(benchText())).Args)
}

func count(n *int) func(Token) error {
	return func(Token) error { *n++; return nil }
}

// walkable are arguments of each kind that Walk shows without an allocation for a token.
func walkable(tb testing.TB) map[string]Args {
	value := typicals()[1]
	rows := make([]any, 100)
	for i := range rows {
		rows[i] = Object{{"id", int64(i)}, {"text", "a\nb"}, {"list", []any{1.5, true, nil}}}
	}
	decoded, err := Decoded([]any{rows}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	text, err := standard.receive([]any{rows})
	if err != nil {
		tb.Fatal(err)
	}
	return map[string]Args{
		"struct": NewArgs(value.typed), "any": NewArgs(value.value), "decoded": decoded, "text": {src: text},
		"map of structs": NewArgs(map[string]small{"a": {1, "b"}, "c": {2, "d"}}),
	}
}

func BenchmarkWalk(b *testing.B) {
	for name, args := range walkable(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := 0
			visit := count(&n)
			for b.Loop() {
				if err := args.Walk(0, visit); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/token")
		})
	}
}

// Binding what a parser has decoded, beside the same in JSON text.
func BenchmarkBindDecoded(b *testing.B) {
	message, err := rebuild(NewArgs(typicals()[1].typed), 0)
	if err != nil {
		b.Fatal(err)
	}
	values, text := bothSources(b, message)
	for _, c := range []struct {
		name string
		args Args
		into func() any
	}{
		{"typed/values", values, func() any { return new(chat) }}, {"typed/text", text,
			func() any { return new(chat) }},
		{"any/values", values, func() any { return new(any) }}, {"any/text", text, func() any { return new(any) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.args.Bind(c.into()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Walk allocates for a typed map, what its keys and values are read into, and not for a token.
func TestWalkAllocatesNothingForAToken(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for name, args := range walkable(t) {
		n := 0
		visit := count(&n)
		most := 0.0
		if name == "map of structs" {
			most = 3
		}
		if allocs := testing.AllocsPerRun(50, func() { _ = args.Walk(0, visit) }); allocs > most {
			t.Errorf("%s: %v allocations for %d tokens, at most %v wanted", name, allocs, n/51, most)
		}
	}
}
