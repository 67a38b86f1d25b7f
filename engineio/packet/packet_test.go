package packet

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
)

// show prints packets in a form that tells nil from empty and binary from text.
func show(ps []Packet) string {
	var b strings.Builder
	for _, p := range ps {
		fmt.Fprintf(&b, "[%v binary=%v %q]", p.Type, p.Binary, p.Data)
	}
	return b.String()
}

func collect(data []byte) (ps []Packet, err error) {
	for p, e := range Payload(data) {
		if err != nil {
			panic("an iteration went on after its error")
		}
		if e != nil {
			err = e
			continue
		}
		ps = append(ps, p)
	}
	return ps, err
}

func text(t Type, data string) Packet { return Packet{Type: t, Data: []byte(data)} }
func binaryMessage(data string) Packet {
	return Packet{Type: Message, Binary: true, Data: []byte(data)}
}
func wantError(offset int, m string) error { return &SyntaxError{Offset: offset, Msg: m} }

func TestWebSocketForm(t *testing.T) {
	for _, c := range []struct {
		wire string
		p    Packet
	}{
		{`0{"sid":"x"}`, text(Open, `{"sid":"x"}`)},
		{"1", text(Close, "")},
		{"2", text(Ping, "")},
		{"2probe", text(Ping, "probe")},
		{"3probe", text(Pong, "probe")},
		{"4", text(Message, "")}, // E-3: the Socket.IO layer refuses it
		{"4hello €", text(Message, "hello €")},
		{"5", text(Upgrade, "")},
		{"6", text(Noop, "")},
		{"\x01\x02\x03", binaryMessage("\x01\x02\x03")},
		{"", binaryMessage("")}, // B-27
		{"4", binaryMessage("4")},
	} {
		if got := Append(nil, c.p); string(got) != c.wire {
			t.Errorf("Append(%s) = %q, want %q", show([]Packet{c.p}), got, c.wire)
		}
		got, err := Decode([]byte(c.wire), c.p.Binary)
		if err != nil || show([]Packet{got}) != show([]Packet{c.p}) {
			t.Errorf("Decode(%q) = %s, %v", c.wire, show([]Packet{got}), err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct{ id, wire, msg string }{
		{"E-13", "", msgEmpty},
		{"E-13", "9", msgType},
		{"E-13", "bAQID", msgType}, // base64 is for payloads and DecodeTextOnly
		{"E-1", "abc", msgType},
		{"E-1", "7x", msgType},
		{"E-17", "/", msgType},
		{"E-17", "\xff", msgType},
		{"E-17", " 4", msgType},
	} {
		_, err := Decode([]byte(c.wire), false)
		if want := wantError(0, c.msg); err == nil || err.Error() != want.Error() {
			t.Errorf("%s: Decode(%q) = %v, want %v", c.id, c.wire, err, want)
		}
	}
}

func TestDecodeTextOnly(t *testing.T) {
	for _, c := range []struct {
		wire string
		p    Packet
		err  error
	}{
		{"bAQID", binaryMessage("\x01\x02\x03"), nil},
		{"bAQ==", binaryMessage("\x01"), nil},
		{"b", binaryMessage(""), nil},
		{"4bAQID", text(Message, "bAQID"), nil},
		{"2probe", text(Ping, "probe"), nil},
		{"", Packet{}, wantError(0, msgEmpty)},
		{"c", Packet{}, wantError(0, msgType)},
		{"b!!!!", Packet{}, wantError(1, msgBase64)},
		{"bAQ\r\nI", binaryMessage("\x01\x02"), nil},
		{"bAQID\x1e4xy", Packet{}, wantError(5, msgBase64)}, // a message is one packet
	} {
		got, err := DecodeTextOnly([]byte(c.wire))
		if show([]Packet{got}) != show([]Packet{c.p}) || fmt.Sprint(err) != fmt.Sprint(c.err) {
			t.Errorf("DecodeTextOnly(%q) = %s, %v, want %s, %v", c.wire,
				show([]Packet{got}), err, show([]Packet{c.p}), c.err)
		}
	}
}

func TestPayload(t *testing.T) {
	for _, c := range []struct {
		id, wire string
		want     []Packet
		err      error
	}{
		{"document", "4hello\x1ebAQID", []Packet{text(Message, "hello"), binaryMessage("\x01\x02\x03")}, nil},
		{"document", "4hello\x1e2\x1e4world",
			[]Packet{text(Message, "hello"), text(Ping, ""), text(Message, "world")}, nil},
		{"document", "2probe", []Packet{text(Ping, "probe")}, nil},
		{"no padding", "bAQIDBAUG", []Packet{binaryMessage("\x01\x02\x03\x04\x05\x06")}, nil},
		{"one pad", "bAQI=", []Packet{binaryMessage("\x01\x02")}, nil},
		{"two pads", "bAQ==", []Packet{binaryMessage("\x01")}, nil},
		{"E-8", "b", []Packet{binaryMessage("")}, nil},
		{"B-27", "b\x1e4x", []Packet{binaryMessage(""), text(Message, "x")}, nil},
		{"E-3", "4", []Packet{text(Message, "")}, nil},
		{"E-6", "5\x1e0{}\x1e6", []Packet{text(Upgrade, ""), text(Open, "{}"), text(Noop, "")}, nil},

		{"E-1", "", nil, wantError(0, msgEmpty)},
		{"E-1", "abc", nil, wantError(0, msgType)},
		{"E-1", "7x", nil, wantError(0, msgType)},
		{"E-1", "\x1e\x1e", nil, wantError(0, msgEmpty)},
		{"E-2", "4a\x1e", []Packet{text(Message, "a")}, wantError(3, msgEmpty)},
		{"E-2", "4a\x1e\x1e4b", []Packet{text(Message, "a")}, wantError(3, msgEmpty)},
		{"E-1", "4a\x1e9\x1e4b", []Packet{text(Message, "a")}, wantError(3, msgType)},
		{"E-8", "b!!!!", nil, wantError(1, msgBase64)},
		{"E-8", "bAQI", []Packet{binaryMessage("\x01\x02")}, nil}, // no padding
		{"E-8", "bAQ", []Packet{binaryMessage("\x01")}, nil},
		{"E-8", "bAQ=", []Packet{binaryMessage("\x01")}, nil},                  // too little of it
		{"E-8", "bAR==", []Packet{binaryMessage("\x01")}, nil},                 // padding bits that are not zero
		{"E-8", "b-_+/", []Packet{binaryMessage("\xfb\xff\xbf")}, nil},         // both alphabets
		{"E-8", "bAQID\n\n\n\n", []Packet{binaryMessage("\x01\x02\x03")}, nil}, // line breaks
		{"E-8", "bAQ\r\nID\r\n", []Packet{binaryMessage("\x01\x02\x03")}, nil}, // within
		{"E-8", "b \tA\vQ\f= =\r\n", []Packet{binaryMessage("\x01")}, nil},
		{"E-8", "b\r\n", []Packet{binaryMessage("")}, nil},
		{"E-8", "bAQ===", nil, wantError(5, msgBase64)},      // too much padding
		{"E-8", "bAQID=", nil, wantError(5, msgBase64)},      // where there is none
		{"E-8", "bA", nil, wantError(2, msgBase64)},          // half a byte
		{"E-8", "bA===", nil, wantError(2, msgBase64)},       // the same
		{"E-8", "b====", nil, wantError(1, msgBase64)},       // nothing else
		{"E-8", "bAQIE=AQI", nil, wantError(5, msgBase64)},   // padding within
		{"E-8", "bAQ==AQ==", nil, wantError(5, msgBase64)},   // and two of them
		{"E-8", "bAQID*", nil, wantError(5, msgBase64)},      // what Node skips
		{"E-8", "bAQ\u00a0==", nil, wantError(3, msgBase64)}, // a blank that is none
		{"E-8", "4a\x1eb!!!!", []Packet{text(Message, "a")}, wantError(4, msgBase64)},
		{"E-11", "4a\xff", nil, wantError(2, msgUTF8)},
		{"E-11", "4ok\x1e4\xed\xa0\x80", []Packet{text(Message, "ok")}, wantError(5, msgUTF8)}, // a surrogate
		// a rune cut by a separator
		{"E-11", "4\xe2\x1e4\x82\xac", nil, wantError(1, msgUTF8)},
		{"E-11", "4\xc0\x80", nil, wantError(1, msgUTF8)}, // not the shortest form
		{"E-11", "b\xff\xff\xff\xff", nil, wantError(1, msgBase64)},
	} {
		got, err := collect([]byte(c.wire))
		if show(got) != show(c.want) || fmt.Sprint(err) != fmt.Sprint(c.err) {
			t.Errorf("%s: Payload(%q)\n got %s, %v\nwant %s, %v", c.id, c.wire, show(got), err, show(c.want), c.err)
		}
	}
}

func TestErrorsAreSyntaxErrorsWithoutInput(t *testing.T) {
	const secret = "zzSECRETzz"
	for _, wire := range []string{secret, "b!" + secret, "4" + secret + "\xff", "4a\x1e" + secret} {
		_, err := collect([]byte(wire))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("%q: %T", wire, err)
		} else if strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: the error repeats input: %v", wire, err)
		}
	}
}

func TestPayloadStopsWhenTold(t *testing.T) {
	n := 0
	for range Payload([]byte("4a\x1e4b\x1e4c")) {
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d packets after a break", n)
	}
}

func TestTypeNames(t *testing.T) {
	var got []string
	for ty := range Noop + 2 {
		got = append(got, ty.String())
	}
	want := "open close ping pong message upgrade noop unknown(7)"
	if strings.Join(got, " ") != want {
		t.Errorf("got %q", got)
	}
}

// randomPacket never puts a separator into text: the protocol cannot escape it.
func randomPacket(r *rand.Rand) Packet {
	data := make([]byte, r.Intn(40))
	r.Read(data)
	if r.Intn(2) == 0 {
		return Packet{Type: Message, Binary: true, Data: data}
	}
	clean := strings.ReplaceAll(strings.ToValidUTF8(string(data), "€"), "\x1e", "")
	return text(Type(r.Intn(int(Noop)+1)), clean)
}

func TestRoundTrip(t *testing.T) { // E-18
	r := rand.New(rand.NewSource(1))
	for range 2000 {
		ps := make([]Packet, 1+r.Intn(6))
		prefix := []byte("whatever the buffer held")
		buf, size := slices.Clone(prefix), -1
		for i := range ps {
			ps[i] = randomPacket(r)
			buf = AppendPayload(buf, len(prefix), ps[i])
			size += PayloadSize(ps[i])

			wire := Append(nil, ps[i])
			got, err := Decode(wire, ps[i].Binary)
			if err != nil || show([]Packet{got}) != show(ps[i:i+1]) {
				t.Fatalf("%s became %q became %s, %v", show(ps[i:i+1]), wire, show([]Packet{got}), err)
			}
		}
		if len(buf)-len(prefix) != size {
			t.Fatalf("%s: PayloadSize says %d, it is %d", show(ps), size, len(buf)-len(prefix))
		}
		got, err := collect(buf[len(prefix):])
		if err != nil || show(got) != show(ps) {
			t.Fatalf("%s became %q became %s, %v", show(ps), buf, show(got), err)
		}
	}
}

func TestViewsCannotGrowIntoTheirNeighbour(t *testing.T) {
	wire := []byte("4a\x1e4b")
	for p := range Payload(wire) {
		_ = append(p.Data, "overwritten"...)
	}
	if string(wire) != "4a\x1e4b" {
		t.Errorf("appending to a packet's data wrote into the payload: %q", wire)
	}
}

func TestManyNoops(t *testing.T) { // E-9; the time is in BenchmarkPayloadNoops
	wire := bytes.Repeat([]byte("6\x1e"), 100_000)
	ps, err := collect(wire[:len(wire)-1])
	if len(ps) != 100_000 || err != nil {
		t.Fatalf("%d packets, %v", len(ps), err)
	}
	if n := testing.AllocsPerRun(5, func() {
		for _, err := range Payload(wire[:len(wire)-1]) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}); n > 10 {
		t.Errorf("%v allocations for 100,000 packets", n)
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 1024)
	h := Handshake{SID: `a"é`, Upgrades: []string{"websocket"},
		PingIntervalMS: 25000, PingTimeoutMS: 20000, MaxPayload: 1e6}
	p, b := text(Message, "hello"), binaryMessage("\x01\x02\x03\x04")
	for name, f := range map[string]func(){
		"Append text":          func() { buf = Append(buf[:0], p) },
		"Append binary":        func() { buf = Append(buf[:0], b) },
		"AppendPayload text":   func() { buf = AppendPayload(buf[:0], 0, p) },
		"AppendPayload binary": func() { buf = AppendPayload(buf[:0], 0, b) },
		"AppendHandshake":      func() { buf = AppendHandshake(buf[:0], h) },
		"Decode":               func() { Decode(buf, false) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestHandshake(t *testing.T) {
	for _, c := range []struct {
		h    Handshake
		wire string
	}{
		{Handshake{"abc", []string{"websocket", "webtransport"}, 25000, 20000, 1000000},
			`{"sid":"abc","upgrades":["websocket","webtransport"],"pingInterval":25000,"pingTimeout":20000,` +
				`"maxPayload":1000000}`},
		{Handshake{"abc", nil, 1, 1, 0},
			`{"sid":"abc","upgrades":[],"pingInterval":1,"pingTimeout":1,"maxPayload":0}`},
		{Handshake{"a\"\n\x1e", nil, 1, 1, 0},
			`{"sid":"a\"\n\u001e","upgrades":[],"pingInterval":1,"pingTimeout":1,"maxPayload":0}`},
	} {
		if got := AppendHandshake(nil, c.h); string(got) != c.wire {
			t.Errorf("got  %s\nwant %s", got, c.wire)
		}
		got, err := DecodeHandshake([]byte(c.wire))
		if err != nil || got.SID != c.h.SID || !slices.Equal(got.Upgrades, c.h.Upgrades) ||
			got.PingIntervalMS != c.h.PingIntervalMS ||
			got.PingTimeoutMS != c.h.PingTimeoutMS || got.MaxPayload != c.h.MaxPayload {
			t.Errorf("%s became %+v, %v", c.wire, got, err)
		}
	}
	got := AppendHandshake(nil, Handshake{SID: "a\xff"})
	if !bytes.HasPrefix(got, []byte(`{"sid":"a`+"\ufffd"+`",`)) {
		t.Errorf("an id that is not UTF-8: %q", got)
	}
}

func TestDecodeHandshakeIsLenientAboutTheFuture(t *testing.T) {
	h, err := DecodeHandshake([]byte(` {"new":{"deep":[1]},"sid":"x","pingInterval":5,"pingTimeout":6,"sid":"y"} `))
	if err != nil || h.SID != "y" || h.PingIntervalMS != 5 || h.PingTimeoutMS != 6 || h.MaxPayload != 0 {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestDecodeHandshakeRefuses(t *testing.T) { // N-2
	for _, wire := range []string{
		``, `null`, `[]`, `"x"`, `{`, `{}`,
		`{"pingInterval":1,"pingTimeout":1}`,
		`{"sid":"","pingInterval":1,"pingTimeout":1}`,
		`{"sid":1,"pingInterval":1,"pingTimeout":1}`,
		`{"sid":"x","pingTimeout":1}`,
		`{"sid":"x","pingInterval":1}`,
		`{"sid":"x","pingInterval":0,"pingTimeout":1}`,
		`{"sid":"x","pingInterval":-1,"pingTimeout":1}`,
		`{"sid":"x","pingInterval":1e18,"pingTimeout":1}`,
		`{"sid":"x","pingInterval":1000000000000000000,"pingTimeout":1}`,
		`{"sid":"x","pingInterval":"25000","pingTimeout":1}`,
		`{"sid":"x","pingInterval":1,"pingTimeout":0}`,
		`{"sid":"x","pingInterval":1,"pingTimeout":2147483648}`,
		`{"sid":"x","pingInterval":1,"pingTimeout":1,"maxPayload":-1}`,
		`{"sid":"x","pingInterval":1,"pingTimeout":1,"upgrades":"websocket"}`,
		`{"sid":"x","pingInterval":1,"pingTimeout":1}x`,
		`{"sid":"x` + "\xff" + `","pingInterval":1,"pingTimeout":1}`,
	} {
		h, err := DecodeHandshake([]byte(wire))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || h.SID != "" {
			t.Errorf("%s: %+v, %v", wire, h, err)
		}
	}
}

func TestBase64IsTheStandardOne(t *testing.T) {
	data := make([]byte, 300)
	rand.New(rand.NewSource(2)).Read(data)
	for n := range data {
		got := AppendPayload(nil, 0, binaryMessage(string(data[:n])))
		if want := "b" + base64.StdEncoding.EncodeToString(data[:n]); string(got) != want {
			t.Fatalf("%d bytes: %q, want %q", n, got, want)
		}
	}
}
