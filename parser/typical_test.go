package parser

import (
	"bytes"
	"testing"
)

// Events as programs send them, for benchmarks and for the pins of what they allocate: an id with a short text, a
// message of a chat with all that belongs to it, in 300 bytes, and a part of a file.
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
	name   string
	frames []Frame
	typed  any        // as a handler declares it
	into   func() any // a fresh one to decode into
	value  any        // as one without types has it

	// Allocations at most; decoding is Add and Bind together. Those of values are what the application gets.
	decodeTyped, decodeAny, encodeTyped, encodeAny float64
}

func typicals() []*typical {
	message := chat{
		ID: "01J9ZK3W5T", Room: "general", From: person{"Jürgen Škoda", "/avatars/17.png", true},
		Text: "Grüße aus Köln 🎉 — \"all\" of you\nat 12:30?", Tags: []string{"greeting", "日本語"},
		Sent:  1_760_000_000_000,
		Reply: &quote{"01J9ZK3W5S", "когда?"},
	}
	file := part{"photo.jpg", 3, bytes.Repeat([]byte{0xff, 0, 0x7f, 0x80}, 256)}
	all := []*typical{
		{name: "small", typed: small{1, text64}, into: func() any { return new(small) },
			decodeTyped: 2, decodeAny: 7, encodeTyped: 3, encodeAny: 2},
		{name: "chat", typed: message, into: func() any { return new(chat) },
			decodeTyped: 8, decodeAny: 23, encodeTyped: 3, encodeAny: 2},
		{name: "binary", typed: file, into: func() any { return new(part) },
			decodeTyped: 3, decodeAny: 9, encodeTyped: 4, encodeAny: 3},
	}
	for _, e := range all {
		var err error
		if e.frames, err = JSON(nil).Encode(nil, e.packet(e.typed)); err != nil {
			panic(err)
		}
		if err := e.decode(JSON(nil).NewDecoder(), &e.value); err != nil {
			panic(err)
		}
	}
	return all
}

func (e *typical) packet(value any) *Packet {
	return &Packet{Type: Event, Namespace: "/", Name: "event", Args: NewArgs(value)}
}

func (e *typical) decode(d Decoder, dst any) error {
	var p *Packet
	for _, f := range e.frames {
		var err error
		if p, err = d.Add(f); err != nil {
			return err
		}
	}
	return p.Args.Bind(dst)
}

// What decoding and encoding a typical event allocates is pinned to what it is today.
func TestTypicalAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, e := range typicals() {
		d, p, frames := JSON(nil).NewDecoder(), JSON(nil), make([]Frame, 0, 4)
		for _, c := range []struct {
			what string
			most float64
			do   func() error
		}{
			{"decode typed", e.decodeTyped, func() error { return e.decode(d, e.into()) }},
			{"decode any", e.decodeAny, func() error { return e.decode(d, new(any)) }},
			{"encode typed", e.encodeTyped, func() (err error) {
				_, err = p.Encode(frames,
					e.packet(e.typed))
				return err
			}},
			{"encode any", e.encodeAny, func() (err error) {
				_, err = p.Encode(frames,
					e.packet(e.value))
				return err
			}},
		} {
			var err error
			if n := testing.AllocsPerRun(200, func() { err = c.do() }); n > c.most || err != nil {
				t.Errorf("%s %s: %v allocations, at most %v wanted; error %v", c.what, e.name, n, c.most, err)
			}
		}
	}
}

func BenchmarkTypical(b *testing.B) {
	for _, e := range typicals() {
		size := 0
		for _, f := range e.frames {
			size += len(f.Data)
		}
		run := func(name string, do func() error) {
			b.Run(e.name+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if err := do(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		d, p, frames := JSON(nil).NewDecoder(), JSON(nil), make([]Frame, 0, 4)
		run("decode typed", func() error { return e.decode(d, e.into()) })
		run("decode any", func() error { return e.decode(d, new(any)) })
		run("encode typed", func() (err error) { _, err = p.Encode(frames, e.packet(e.typed)); return err })
		run("encode any", func() (err error) { _, err = p.Encode(frames, e.packet(e.value)); return err })
	}
}
