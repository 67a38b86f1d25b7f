package msgpack_test

import (
	"bytes"
	"strings"
	"testing"

	"sio.example/socketio/parser"
	"sio.example/socketio/parser/msgpack"
)

// Events as programs send them, the same as those of package parser's benchmark, so that the two can be compared.
type small struct {
	ID   int    `json:"id"`
	Text string `json:"text"`
}

type chat struct {
	ID     string   `json:"id"`
	Room   string   `json:"room"`
	From   person   `json:"from"`
	Text   string   `json:"text"`
	Tags   []string `json:"tags"`
	Sent   int64    `json:"sent"`
	Edited bool     `json:"edited"`
	Reply  *quote   `json:"reply,omitempty"`
}

type quote struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

type person struct {
	Name   string `json:"name"`
	Avatar string `json:"avatar"`
	Admin  bool   `json:"admin"`
}

type part struct {
	Name  string `json:"name"`
	Index int    `json:"index"`
	Data  []byte `json:"data"`
}

type typical struct {
	name  string
	typed any        // as a handler declares it
	into  func() any // a fresh one to decode into
	value any        // as one without types has it

	// Allocations at most, each with what makes the packet.
	decodeTyped, decodeAny, encodeTyped, encodeAny float64
}

func typicals(tb testing.TB) []*typical {
	tb.Helper()
	message := chat{
		ID: "01J9ZK3W5T", Room: "general", From: person{"Jürgen Škoda", "/avatars/17.png", true},
		Text: "Grüße aus Köln 🎉 — \"all\" of you\nat 12:30?", Tags: []string{"greeting", "日本語"},
		Sent:  1_760_000_000_000,
		Reply: &quote{"01J9ZK3W5S", "когда?"},
	}
	file := part{"photo.jpg", 3, bytes.Repeat([]byte{0xff, 0, 0x7f, 0x80}, 256)}
	all := []*typical{
		{name: "small", typed: small{1, strings.Repeat("0123456789abcdef", 4)}, into: func() any { return new(small) },
			decodeTyped: 3, decodeAny: 7, encodeTyped: 3, encodeAny: 3},
		{name: "chat", typed: message, into: func() any { return new(chat) },
			decodeTyped: 6, decodeAny: 21, encodeTyped: 3, encodeAny: 3},
		{name: "binary", typed: file, into: func() any { return new(part) },
			decodeTyped: 3, decodeAny: 11, encodeTyped: 3, encodeAny: 3},
	}
	for _, e := range all {
		if err := e.decode(tb, msgpack.Parser(nil), &e.value)(); err != nil {
			tb.Fatal(err)
		}
	}
	return all
}

func packet(value any) *parser.Packet {
	return &parser.Packet{Type: parser.Event, Namespace: "/", Name: "event", Args: parser.NewArgs(value)}
}

// decode returns what decodes the typed value into what dst is, or makes.
func (e *typical) decode(tb testing.TB, p parser.Parser, dst any) func() error {
	tb.Helper()
	frames, err := p.Encode(nil, packet(e.typed))
	if err != nil {
		tb.Fatal(err)
	}
	d := p.NewDecoder()
	return func() error {
		var got *parser.Packet
		for _, f := range frames {
			var err error
			if got, err = d.Add(f); err != nil {
				return err
			}
		}
		if fresh, ok := dst.(func() any); ok {
			return got.Args.Bind(fresh())
		}
		return got.Args.Bind(dst)
	}
}

func (e *typical) cases(tb testing.TB, p parser.Parser) (names []string, most []float64, do []func() error) {
	tb.Helper()
	frames := make([]parser.Frame, 0, 4)
	encode := func(value any) func() error {
		return func() error { _, err := p.Encode(frames, packet(value)); return err }
	}
	return []string{"decode typed", "decode any", "encode typed", "encode any"},
		[]float64{e.decodeTyped, e.decodeAny, e.encodeTyped, e.encodeAny},
		[]func() error{e.decode(tb, p, e.into), e.decode(tb, p, func() any { return new(any) }), encode(e.typed),
			encode(e.value)}
}

// What decoding and encoding a typical event allocates is pinned to what it is today.
func TestTypicalAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, e := range typicals(t) {
		names, most, do := e.cases(t, msgpack.Parser(nil))
		for i, name := range names {
			var err error
			if n := testing.AllocsPerRun(200, func() { err = do[i]() }); n > most[i] || err != nil {
				t.Errorf("%s %s: %v allocations, at most %v wanted; error %v", name, e.name, n, most[i], err)
			}
		}
	}
}

// BenchmarkTypical has each event in MessagePack and in JSON.
func BenchmarkTypical(b *testing.B) {
	for _, e := range typicals(b) {
		for _, p := range []struct {
			name   string
			parser parser.Parser
		}{{"msgpack", msgpack.Parser(nil)}, {"json", parser.JSON(nil)}} {
			names, _, do := e.cases(b, p.parser)
			for i, name := range names {
				b.Run(e.name+"/"+name+"/"+p.name, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if err := do[i](); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
