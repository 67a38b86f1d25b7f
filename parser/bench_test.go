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
	bench("struct with bytes", mustDecode(b, `51-["x",{"id":1,"data":{"_placeholder":true,"num":0}}]`, make([]byte, 100)).Args,
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
