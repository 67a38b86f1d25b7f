package websocket

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// A suiteCase is one case of the Autobahn test suite against a server that echoes: what the client sends, in pieces of
// chop bytes (0: all at once), what comes back, and how it ends. If end is 0 the server has no objection, and the
// client closes with 1000.
type suiteCase struct {
	id   string
	send []frame
	chop int
	want []frame
	end  Status
	opts *Options
}

// run plays a case over a kind of connection.
func (sc suiteCase) run(t *testing.T, kind string) {
	c, p := connect(t, kind, sc.opts)
	done := echo(c)
	out := stream(sc.send...)
	want := slices.Clone(sc.want)
	switch {
	case sc.end != 0:
	case len(sc.send) > 0 && slices.ContainsFunc(sc.send, func(f frame) bool { return f.first == fin|opClose }):
	default:
		out = append(out, closing(NormalClosure, "").masked()...)
		want = append(want, closing(NormalClosure, ""))
	}
	sent := make(chan struct{})
	go func() { // ends when all is sent or the connection has ended
		defer close(sent)
		for len(out) > 0 {
			n := len(out)
			if sc.chop > 0 {
				n = min(n, sc.chop)
			}
			if _, err := p.Write(out[:n]); err != nil {
				return // the server has stopped reading: the frames below tell whether rightly
			}
			out = out[n:]
		}
	}()
	for i, w := range want {
		got, err := p.readFrame()
		if err != nil {
			t.Fatalf("frame %d: %v; want %v", i, err, w)
		}
		if !got.equal(w) {
			t.Fatalf("frame %d: got %v, want %v", i, got, w)
		}
	}
	if sc.end != 0 {
		got, err := p.readFrame()
		if err != nil || got.first != fin|opClose || len(got.payload) < 2 || len(got.payload) > 42 {
			t.Fatalf("got %v, %v; want a close frame with %d", got, err, sc.end)
		}
		if s := Status(got.payload[0])<<8 | Status(got.payload[1]); s != sc.end {
			t.Fatalf("got close %d %q, want %d", s, got.payload[2:], sc.end)
		}
	}
	if kind != "tcp" || sc.end != 0 {
		p.Close() // let go of a server that waits for what is still to come
	} else {
		p.wantEnd(t)
	}
	<-sent
	r := <-done
	if sc.end != 0 {
		closedWith(t, r.err, sc.end, false)
	} else if r.err == nil {
		t.Fatal("no error at the end")
	}
}

// runSuite plays cases over each kind of connection.
func runSuite(t *testing.T, cases []suiteCase) {
	for _, kind := range kinds {
		for i, sc := range cases {
			if kind == "tls" && i%8 != 0 && (raceEnabled || testing.Short()) {
				continue // the handshakes take long
			}
			t.Run(kind+"/"+sc.id, func(t *testing.T) { sc.run(t, kind) })
		}
	}
}

// chopped gives each case in three forms: at once, and in pieces of 1 and 3 bytes.
func chopped(cases ...suiteCase) (all []suiteCase) {
	for _, sc := range cases {
		for _, chop := range []int{0, 1, 3} {
			v := sc
			v.chop = chop
			v.id = fmt.Sprintf("%s-chop%d", sc.id, chop)
			all = append(all, v)
		}
	}
	return all
}

func text(s string) frame { return mk(1, s) }

func TestAutobahn1Framing(t *testing.T) {
	var cases []suiteCase
	for op := byte(1); op <= 2; op++ {
		for i, n := range []int{0, 125, 126, 127, 128, 65535, 65536, 65536} {
			f := mk(op, strings.Repeat("*", n))
			sc := suiteCase{id: fmt.Sprintf("1.%d.%d", op, i+1), send: []frame{f}, want: []frame{f}}
			if i == 7 {
				sc.chop = 997
			}
			cases = append(cases, sc)
		}
	}
	runSuite(t, cases)
}

func TestAutobahn2PingPong(t *testing.T) {
	ping, pong := func(s string) frame { return mk(9, s) }, func(s string) frame { return mk(10, s) }
	full := strings.Repeat("\xfe", 125)
	var tenPings, tenPongs []frame
	for i := range 10 {
		tenPings = append(tenPings, ping(fmt.Sprintf("payload-%d", i)))
		tenPongs = append(tenPongs, pong(fmt.Sprintf("payload-%d", i)))
	}
	runSuite(t, chopped(
		suiteCase{id: "2.1", send: []frame{ping("")}, want: []frame{pong("")}},
		suiteCase{id: "2.2", send: []frame{ping("Hello, world!")}, want: []frame{pong("Hello, world!")}},
		suiteCase{id: "2.3", send: []frame{ping("\x00\xff\xfe\xfd\xfc\xfb\x00\xff")},
			want: []frame{pong("\x00\xff\xfe\xfd\xfc\xfb\x00\xff")}},
		suiteCase{id: "2.4+2.6", send: []frame{ping(full)}, want: []frame{pong(full)}},
		suiteCase{id: "2.5", send: []frame{ping(full + "\xfe")}, end: ProtocolError},
		suiteCase{id: "2.7", send: []frame{pong("")}},
		suiteCase{id: "2.8", send: []frame{pong("unsolicited pong payload")}},
		suiteCase{id: "2.9", send: []frame{pong("unsolicited"), ping("ping payload")},
			want: []frame{pong("ping payload")}},
		suiteCase{id: "2.10+2.11", send: tenPings, want: tenPongs},
	))
}

func TestAutobahn3ReservedBits(t *testing.T) {
	hello := text("Hello, world!")
	rsv := func(f frame, bits byte) frame { f.first |= bits << 4; return f }
	runSuite(t, chopped(
		suiteCase{id: "3.1", send: []frame{rsv(hello, 1)}, end: ProtocolError},
		suiteCase{id: "3.2", send: []frame{hello, rsv(hello, 2), mk(9, "")}, want: []frame{hello}, end: ProtocolError},
		suiteCase{id: "3.3", send: []frame{hello, rsv(hello, 3), mk(9, "")}, want: []frame{hello}, end: ProtocolError},
		suiteCase{id: "3.4", send: []frame{hello, rsv(hello, 4), mk(9, "")}, want: []frame{hello}, end: ProtocolError},
		suiteCase{id: "3.5", send: []frame{rsv(mk(2, "\x00\xff\xfe\xfd\xfc\xfb\x00\xff"), 5)}, end: ProtocolError},
		suiteCase{id: "3.6", send: []frame{rsv(mk(9, "Hello, world!"), 6)}, end: ProtocolError},
		suiteCase{id: "3.7", send: []frame{rsv(closing(1000, ""), 7)}, end: ProtocolError},
	))
}

func TestAutobahn4Opcodes(t *testing.T) {
	hello := text("Hello, world!")
	var cases []suiteCase
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		for _, payload := range []string{"", "reserved opcode payload"} {
			id := fmt.Sprintf("4-op%d-%d", op, len(payload))
			cases = append(cases,
				suiteCase{id: id, send: []frame{mk(op, payload)}, end: ProtocolError},
				suiteCase{id: id + "-within", send: []frame{hello, mk(op, payload), mk(9, "")},
					want: []frame{hello}, end: ProtocolError})
		}
	}
	runSuite(t, chopped(cases...))
}

func TestAutobahn5Fragmentation(t *testing.T) {
	whole := text("fragment1fragment2")
	two := []frame{part(1, "fragment1"), mk(0, "fragment2")}
	withPing := []frame{part(1, "fragment1"), mk(9, "ping payload"), mk(0, "fragment2")}
	pong := mk(10, "ping payload")
	five := []frame{
		part(1, "fragment1"), part(0, "fragment2"), mk(9, "pongme 1!"),
		part(0, "fragment3"), part(0, "fragment4"), mk(9, "pongme 2!"), mk(0, "fragment5"),
	}
	fiveBack := []frame{mk(10, "pongme 1!"), mk(10, "pongme 2!"), text("fragment1fragment2fragment3fragment4fragment5")}
	again := func(f ...frame) []frame { return append(f, f...) }
	runSuite(t, chopped(
		suiteCase{id: "5.1", send: []frame{part(9, "frag"), mk(0, "ment")}, end: ProtocolError},
		suiteCase{id: "5.2", send: []frame{part(10, "frag"), mk(0, "ment")}, end: ProtocolError},
		suiteCase{id: "5.3-5", send: two, want: []frame{whole}},
		suiteCase{id: "5.6-8", send: withPing, want: []frame{pong, whole}},
		suiteCase{id: "5.9-11", send: []frame{mk(0, "non-continuation payload"), text("Hello")}, end: ProtocolError},
		suiteCase{id: "5.12-14", send: []frame{part(0, "non-continuation payload"), text("Hello")}, end: ProtocolError},
		suiteCase{id: "5.15", send: append(slices.Clone(two), part(0, "fragment3"), text("fragment4")),
			want: []frame{whole}, end: ProtocolError},
		suiteCase{id: "5.16", send: again(part(0, "fragment1"), part(1, "fragment2"), mk(0, "fragment3")),
			end: ProtocolError},
		suiteCase{id: "5.17", send: again(mk(0, "fragment1"), part(1, "fragment2"), mk(0, "fragment3")),
			end: ProtocolError},
		suiteCase{id: "5.18", send: []frame{part(1, "fragment1"), mk(1, "fragment2")}, end: ProtocolError},
		suiteCase{id: "5.19-20", send: five, want: fiveBack},
	))
}

// utf8Cases are the sequences of groups 6.5 to 6.23, which go back to Markus Kuhn's stress test.
func utf8Cases() (valid, invalid []string) {
	kosme := "κόσμε"
	for i := 1; i <= len(kosme); i++ { // 6.5, 6.6
		if utf8.ValidString(kosme[:i]) {
			valid = append(valid, kosme[:i])
		} else {
			invalid = append(invalid, kosme[:i])
		}
	}
	valid = append(valid,
		"hello\u0024world", "hello\u00a2world", "hello\u20acworld", "hello\U00024b62world", // 6.5
		"\x00", "\xc2\x80", "\xe0\xa0\x80", "\xf0\x90\x80\x80", // 6.7
		"\x7f", "\xdf\xbf", "\xef\xbf\xbf", "\xf4\x8f\xbf\xbf", // 6.9
		"\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbd", "\xf4\x8f\xbf\xbf", // 6.11.1-4
	)
	for plane := rune(0); plane <= 16; plane++ { // 6.22
		valid = append(valid, string(plane<<16|0xfffe), string(plane<<16|0xffff))
	}
	for r := rune(0xfff9); r <= 0xffff; r++ { // 6.23
		valid = append(valid, string(r))
	}
	invalid = append(invalid,
		"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", // 6.8
		"\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf", // 6.10
		"\xf4\x90\x80\x80", // 6.11.5
	)
	var conts strings.Builder
	for c := 0x80; c <= 0xbf; c++ {
		conts.WriteByte(byte(c))
	}
	for n := 1; n <= 7; n++ { // 6.12
		invalid = append(invalid, strings.Repeat("\x80\xbf", 4)[:n])
	}
	invalid = append(invalid, "\xbf", conts.String())
	for _, r := range [][2]int{{0xc0, 0xdf}, {0xe0, 0xef}, {0xf0, 0xf7}, {0xf8, 0xfb}, {0xfc, 0xfd}} { // 6.13
		var b strings.Builder
		for c := r[0]; c <= r[1]; c++ {
			b.Write([]byte{byte(c), ' '})
		}
		invalid = append(invalid, b.String())
	}
	incomplete := []string{ // 6.14
		"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80",
		"\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xfb\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf",
	}
	invalid = append(invalid, incomplete...)
	invalid = append(invalid, strings.Join(incomplete, "")) // 6.15
	invalid = append(invalid,
		"\xfe", "\xff", "\xfe\xfe\xff\xff", // 6.16
		"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf", // 6.17
		"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf", // 6.18
		"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80", // 6.19
	)
	high := []string{"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf"}
	low := []string{"\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf"}
	invalid = append(append(invalid, high...), low...) // 6.20
	for _, h := range high {                           // 6.21
		invalid = append(invalid, h+low[0], h+low[2])
	}
	return valid, invalid
}

func TestAutobahn6UTF8(t *testing.T) {
	valid, invalid := utf8Cases()
	valid = append(valid, "", "Hello-µ@ßöäüàá-UTF-8!!", "κόσμε")          // 6.1, 6.2
	invalid = append(invalid, "κόσμε\xed\xa0\x80edited", "κόσμε\xf4\x90") // 6.3, 6.4
	var cases []suiteCase
	for i, s := range valid {
		if !utf8.ValidString(s) {
			t.Fatalf("%q is not valid", s)
		}
		cases = append(cases,
			suiteCase{id: fmt.Sprintf("valid%d", i), send: []frame{text(s)}, want: []frame{text(s)}},
			suiteCase{id: fmt.Sprintf("valid%d-octets", i), send: octets(s), want: []frame{text(s)}},
			suiteCase{id: fmt.Sprintf("valid%d-chopped", i), send: []frame{text(s)}, chop: 1, want: []frame{text(s)}})
	}
	for i, s := range invalid {
		if utf8.ValidString(s) {
			t.Fatalf("%q is valid", s)
		}
		cases = append(cases,
			suiteCase{id: fmt.Sprintf("invalid%d", i), send: []frame{text(s)}, end: InvalidPayload},
			suiteCase{id: fmt.Sprintf("invalid%d-octets", i), send: octets(s), end: InvalidPayload},
			suiteCase{id: fmt.Sprintf("invalid%d-chopped", i), send: []frame{text(s)}, chop: 1, end: InvalidPayload},
			suiteCase{id: fmt.Sprintf("invalid%d-binary", i), send: []frame{mk(2, s)}, want: []frame{mk(2, s)}})
	}
	greet := "Hello-µ@ßöäüàá-UTF-8!!"
	cases = append(cases,
		suiteCase{id: "6.1.2", send: []frame{part(1, ""), part(0, ""), mk(0, "")}, want: []frame{text("")}},
		suiteCase{id: "6.1.3", send: []frame{part(1, ""), part(0, "middle"), mk(0, "")}, want: []frame{text("middle")}},
		suiteCase{id: "6.2.2", send: []frame{part(1, greet[:12]), mk(0, greet[12:])}, want: []frame{text(greet)}})
	runSuite(t, cases)
}

// octets is a text in fragments of one byte.
func octets(s string) []frame {
	frames := []frame{part(1, "")}
	for i := range len(s) {
		frames = append(frames, part(0, s[i:i+1]))
	}
	return append(frames, mk(0, ""))
}

// Group 6.4: the server does not wait for the end of a message, or of a frame, that can't become valid any more.
// Nothing follows what the client sends here.
func TestAutobahn6FailFast(t *testing.T) {
	good, bad := "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", "\xf4\x90"
	tail := "\x80\x80\x65\x64\x69\x74\x65\x64"
	frameOf := text(good + bad + tail).masked()
	cases := map[string][]byte{
		"6.4.1 fragments":               stream(part(1, good), part(0, bad)),
		"6.4.2 first bad byte is known": stream(part(1, good+"\xf4"), part(0, "\x90")),
		"6.4.3 inside a frame":          frameOf[:len(frameOf)-len(tail)],
		"surrogate":                     stream(part(1, "\xed\xa0")),
		"overlong":                      stream(part(1, "\xc0")),
		"continuation first":            stream(part(1, "\x80")),
	}
	for _, kind := range kinds {
		for name, out := range cases {
			t.Run(kind+"/"+name, func(t *testing.T) {
				c, p := connect(t, kind, nil)
				done := receive(c)
				p.sendBytes(t, out)
				f, err := p.readFrame()
				if err != nil || !bytes.HasPrefix(f.payload, []byte{1007 >> 8, 1007 & 0xff}) {
					t.Fatalf("got %v, %v", f, err)
				}
				closedWith(t, (<-done).err, InvalidPayload, false)
			})
		}
	}
}

func TestAutobahn7Close(t *testing.T) {
	hello := text("Hello World!")
	ok := closing(1000, "")
	big := text(strings.Repeat("BAsd7&jh23", 26*1024)) // 7.1.6: 260 KiB
	cases := []suiteCase{
		{id: "7.1.1", send: []frame{hello}, want: []frame{hello}},
		{id: "7.1.2", send: []frame{ok, ok}, want: []frame{ok}},
		{id: "7.1.3", send: []frame{ok, mk(9, "")}, want: []frame{ok}},
		{id: "7.1.4", send: []frame{ok, hello}, want: []frame{ok}},
		{id: "7.1.5", send: []frame{part(1, "fragment1"), ok, mk(0, "fragment2")}, want: []frame{ok}},
		{id: "7.1.6", send: []frame{big, ok, mk(9, "")}, want: []frame{big, ok}},
		{id: "7.3.1", send: []frame{mk(8, "")}, want: []frame{mk(8, "")}},
		{id: "7.3.2", send: []frame{mk(8, "a")}, end: ProtocolError},
		{id: "7.3.3", send: []frame{ok}, want: []frame{ok}},
		{id: "7.3.4", send: []frame{closing(1000, "Hello World!")}, want: []frame{ok}},
		{id: "7.3.5", send: []frame{closing(1000, strings.Repeat("*", 123))}, want: []frame{ok}},
		{id: "7.3.6", send: []frame{closing(1000, strings.Repeat("*", 124))}, end: ProtocolError},
		{id: "7.5.1", send: []frame{closing(1000, "\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80edited")},
			end: InvalidPayload},
	}
	for _, s := range []Status{1000, 1001, 1002, 1003, 1007, 1008,
		1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		cases = append(cases, suiteCase{id: fmt.Sprintf("7.7-%d", s),
			send: []frame{closing(s, "bye")}, want: []frame{closing(s, "")}})
	}
	for _, s := range []Status{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		cases = append(cases, suiteCase{id: fmt.Sprintf("7.9-%d", s),
			send: []frame{closing(s, "")}, end: ProtocolError})
	}
	// 7.13.2: four bytes of code, of which two are the code and two are the reason
	cases = append(cases, suiteCase{id: "7.13.2", send: []frame{mk(8, "\x00\x01\x00\x00")}, end: ProtocolError})
	runSuite(t, cases)
}

func TestAutobahn9Limits(t *testing.T) {
	most := 16 << 20
	if testing.Short() {
		most = 1 << 20
	}
	if raceEnabled {
		most = 256 << 10
	}
	opts := &Options{MaxMessage: 16 << 20, MaxFragments: 1 << 20}
	unit := []byte("Lorem ipsum dolor \xc3\xa4 sit amet, ")
	all := bytes.Repeat(unit, most/len(unit)+1)
	message := func(op byte, n int) frame {
		b := all[:n]
		for !utf8.Valid(b[max(0, n-3):]) && !utf8.Valid(b) {
			n--
			b = b[:n]
		}
		return frame{fin | op, b}
	}
	var cases []suiteCase
	for op := byte(1); op <= 2; op++ {
		for i, n := range []int{64 << 10, 256 << 10, 1 << 20, 4 << 20, 8 << 20, 16 << 20} {
			f := message(op, min(n, most))
			cases = append(cases, suiteCase{id: fmt.Sprintf("9.%d.%d", op, i+1), send: []frame{f}, want: []frame{f}})
		}
		f := message(op, min(4<<20, most))
		for i := range 9 {
			size := 64 << (2 * i)
			cases = append(cases, suiteCase{id: fmt.Sprintf("9.%d.%d", op+2, i+1),
				send: fragments(f, size), want: []frame{f}})
		}
		f = message(op, min(1<<20, most/4))
		for i := range 6 {
			cases = append(cases, suiteCase{id: fmt.Sprintf("9.%d.%d", op+4, i+1),
				send: []frame{f}, want: []frame{f}, chop: 64 << i})
		}
		for i, n := range []int{0, 16, 64, 256, 1024, 4096} {
			thousand := slices.Repeat([]frame{message(op, n)}, 1000)
			cases = append(cases, suiteCase{id: fmt.Sprintf("9.%d.%d", op+6, i+1), send: thousand, want: thousand})
		}
	}
	for i := range cases {
		cases[i].opts = opts
		t.Run(cases[i].id, func(t *testing.T) { cases[i].run(t, kinds[i%len(kinds)]) })
	}
}

// fragments cuts a message into frames of size bytes.
func fragments(f frame, size int) (frames []frame) {
	for b := range slices.Chunk(f.payload, size) {
		frames = append(frames, frame{0, b})
	}
	frames[0].first = f.first &^ fin
	frames[len(frames)-1].first |= fin
	return frames
}

func TestAutobahn10AutoFragmentation(t *testing.T) {
	f := text(strings.Repeat("*", 65536))
	runSuite(t, []suiteCase{{id: "10.1.1", send: fragments(f, 1300), want: []frame{f}}})
}
