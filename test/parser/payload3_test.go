package parser

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"sio.example/socketio/engineio/packet"
)

type payload3Case struct {
	Payload []byte `json:"payload3"`
	Form    string `json:"form"` // "text" or "binary"
}

type payload3Answer struct {
	payloadAnswer
	Again []byte `json:"again"`
}

// oursPayload3 is what our codec says, why it stops early, and the payload that it makes of the packets.
func oursPayload3(c payload3Case) (said, why string, again []byte) {
	var b strings.Builder
	decode, encode := packet.Payload3, packet.AppendPayload3
	if c.Form == "binary" {
		decode = packet.BinaryPayload3
	}
	var all []packet.Packet
	for p, err := range decode(c.Payload) {
		var syntax *packet.SyntaxError
		switch {
		case errors.As(err, &syntax):
			b.WriteString("[error]")
			return b.String(), syntax.Msg, nil
		case p.Binary:
			fmt.Fprintf(&b, "[%s binary %q]", p.Type, p.Data)
		default:
			fmt.Fprintf(&b, "[%s %q]", p.Type, p.Data)
		}
		all = append(all, p)
	}
	if c.Form == "binary" && slices.ContainsFunc(all, func(p packet.Packet) bool { return p.Binary }) {
		encode = packet.AppendBinaryPayload3
	}
	for _, p := range all {
		again = encode(again, p)
	}
	return b.String(), "", again
}

// payload3Differences are those of payloads of revision 3 (E-20 to E-22). Each is something that ends the session here,
// and what our codec calls it; what it takes theirs takes alike.
var payload3Differences = map[string]struct {
	why      string
	examples []payload3Case
}{
	"invalid length": {
		"theirs takes what JavaScript takes for a number, and of a binary payload what is there if that is less than " +
			"announced; ours takes digits, and all or nothing",
		[]payload3Case{
			{[]byte("0x2:4a"), "text"}, {[]byte("2e0:4a"), "text"}, {[]byte("+2:4a"), "text"}, {[]byte(" 2:4a"), "text"},
			{[]byte("\x00\x05\xff4a"), "binary"},
		},
	},
	"neither text nor binary": {
		"theirs takes any byte but 0 for that of binary data", []payload3Case{{[]byte("\x02\x02\xff\x04a"), "binary"}},
	},
	"a length that ends within a character": {
		"theirs hands on half a character", []payload3Case{{[]byte("2:4😀1:x"), "text"}},
	},
	"invalid base64": {
		"as with revision 4: ours takes nothing that was damaged on its way", []payload3Case{{[]byte("4:b4A!"), "text"}},
	},
	"binary data in a packet that is no message": {
		"theirs takes a heartbeat with binary data, and a packet without a type, which it ignores",
		[]payload3Case{{[]byte("2:b2"), "text"}, {[]byte("1:b"), "text"}, {[]byte("\x01\x01\xff\x09"), "binary"}},
	},
	"empty packet": {
		"theirs takes a binary packet without a type, which it ignores", []payload3Case{{[]byte("\x01\x00\xff"), "binary"}},
	},
	"invalid UTF-8": {
		"theirs puts U+FFFD in the place of an encoded surrogate",
		[]payload3Case{{[]byte("\x00\x04\xff4\xed\xa0\x80"), "binary"}},
	},
	"unknown packet type": {"", nil},
}

func TestPayloads3AgainstTheOfficialCodec(t *testing.T) {
	text := &mutator{
		r: rand.New(rand.NewSource(3)),
		seeds: []string{
			"6:4hello", "6:4hello6:b4AQID", "6:2probe", "1:6", "1:5", "1:1", "0:", "2:b4", "8:b4AQ==1:2",
			"3:4€x2:4a", "4:4😀x", "15:42[\"m\",\"é😀\"]", "1:21:21:2",
			"45:451-[\"m\",{\"_placeholder\":true,\"num\":0}]6:b4AQID",
		},
		pieces: []string{":", "1:", "2:", "0:", "-1:", "99999999999:", "1e1:", "b4", "4", "7", "=", "é", "😀", "€",
			"\ufeff", "\x00"},
	}
	raw := &mutator{
		r: rand.New(rand.NewSource(4)),
		seeds: []string{
			"\x00\x06\xff4hello", "\x00\x06\xff4hello\x01\x03\xff\x04ab", "\x01\x01\xff\x04", "\x00\x01\xff2",
			"\x00\x05\xff4😀", "\x00\x06\xffb4AQID", "\x00\x03\x09\xff4" + strings.Repeat("x", 38) + "\x01\x02\xff\x04\xff",
		},
		pieces: []string{"\x00", "\x01", "\x02", "\x09", "\xff", "\x04", "4", "b4", "\xed\xa0\x80", "\xf0\x9f\x98\x80",
			"\x80", "\xe2\x82"},
		raw: true,
	}
	cases := []payload3Case{{[]byte{}, "text"}, {[]byte{}, "binary"}}
	for _, s := range text.seeds {
		cases = append(cases, payload3Case{[]byte(s), "text"})
	}
	for _, s := range raw.seeds {
		cases = append(cases, payload3Case{[]byte(s), "binary"})
	}
	comparePayloads3(t, cases)
	for why, d := range payload3Differences {
		for i, theirs := range ask[payload3Case, payload3Answer](t, d.examples) {
			ours, said, _ := oursPayload3(d.examples[i])
			if ours == theirs.String() || said != why {
				t.Errorf("%q is no example of %q: %s, %s", d.examples[i].Payload, why, ours, theirs)
			}
		}
	}
	for n := mutations(t); n > 0; n -= 20_000 {
		batch := make([]payload3Case, min(n, 20_000))
		for i := range batch {
			if batch[i] = (payload3Case{[]byte(text.next()), "text"}); i%2 > 0 {
				batch[i] = payload3Case{[]byte(raw.next()), "binary"}
			}
		}
		comparePayloads3(t, batch)
	}
}

// comparePayloads3 compares the answers to cases.
func comparePayloads3(t *testing.T, cases []payload3Case) {
	t.Helper()
	for i, theirs := range ask[payload3Case, payload3Answer](t, cases) {
		c := cases[i]
		ours, why, again := oursPayload3(c)
		_, known := payload3Differences[why]
		switch {
		case why == "" && (ours != theirs.String() || !bytes.Equal(again, theirs.Again)):
			t.Errorf("%s %q\n  ours %s, %q\ntheirs %s, %q", c.Form, c.Payload, ours, again, theirs, theirs.Again)
		case why != "" && !known:
			t.Errorf("%s %q: %s", c.Form, c.Payload, why)
		case c.Form == "text" && why != "" && !strings.HasPrefix(theirs.String(), strings.TrimSuffix(ours, "[error]")):
			t.Errorf("text %q\n  ours %s\ntheirs %s", c.Payload, ours, theirs)
		}
	}
}

// What a JSONP form holds, and the script that answers, are those of the official server.
func TestJSONPAgainstTheOfficialServer(t *testing.T) {
	m := &mutator{
		r: rand.New(rand.NewSource(5)),
		seeds: []string{
			"d=6%3A4hello", "d=" + `%5Cn%5C%5Cn%5C%5C%5Cn`, "d=a+b%2B&x=y", "d=%C3%A9%F0%9F%98%80", "d=4a%1E4b",
			`"\n\\n` + "\u2028\u2029\x7f\x1e",
		},
		pieces: []string{`\`, `\n`, "n", "%5C", "%5Cn", "+", "%", "&", "=", "d=", "%64=", "\n", "\u2028", "é", "\x00", "\t"},
	}
	var cases []payload3Case
	for _, s := range m.seeds {
		cases = append(cases, payload3Case{[]byte(s), "jsonp"})
	}
	for n := mutations(t); n > 0; n-- {
		cases = append(cases, payload3Case{[]byte(m.next()), "jsonp"})
		if len(cases) == 20_000 || n == 1 {
			compareJSONP(t, cases)
			cases = cases[:0]
		}
	}
}

func compareJSONP(t *testing.T, cases []payload3Case) {
	t.Helper()
	for i, theirs := range ask[payload3Case, payload3Answer](t, cases) {
		c := cases[i].Payload
		script := append(packet.AppendScript([]byte(`___eio[0]("`), c), `");`...)
		if !bytes.Equal(script, theirs.Again) {
			t.Errorf("%q\n  ours %q\ntheirs %q", c, script, theirs.Again)
		}
		ours, err := packet.FormPayload(bytes.Clone(c))
		if err != nil || !utf8.Valid(ours) {
			continue // theirs does nothing, takes what can be taken, or puts U+FFFD in the place of what is no text
		}
		if said := fmt.Sprintf("[form %q]", ours); said != theirs.String() {
			t.Errorf("form %q\n  ours %s\ntheirs %s", c, said, theirs)
		}
	}
}
