package websocket

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// zipped is the compressed form of a message, with a flush behind each part.
func zipped(level int, parts ...string) string {
	var b bytes.Buffer
	z, err := flate.NewWriter(&b, level)
	if err != nil {
		panic(err)
	}
	for _, p := range parts {
		_, _ = z.Write([]byte(p))
		_ = z.Flush()
	}
	return strings.TrimSuffix(b.String(), "\x00\x00\xff\xff")
}

// lasting is the same, in blocks of which the last one of each part is marked so.
func lasting(parts ...string) string {
	var b bytes.Buffer
	for _, p := range parts {
		z, _ := flate.NewWriter(&b, 6)
		_, _ = z.Write([]byte(p))
		_ = z.Close()
	}
	return b.String()
}

// compressed marks a frame.
func compressed(f frame) frame { f.first |= deflatedBit; return f }

// connectDeflating is connect after an agreement.
func connectDeflating(t testing.TB, kind string, opts Options, d deflation) (*Conn, *peer) {
	t.Helper()
	c, p := connect(t, kind, &opts)
	d.on = true
	if d.level == 0 {
		d.level = 1
	}
	if d.bits == 0 {
		d.bits = maxBits
	}
	c.agree(&opts, d)
	return c, p
}

// RFC 7692 7.2.3: the examples, and what else a compressor may do.
func TestInflatesWhatTheStandardShows(t *testing.T) {
	fragmented := compressed(part(1, "\xf2\x48\xcd"))
	cases := map[string]struct {
		send []frame
		want string
	}{
		"7.2.3.1 one block":    {[]frame{compressed(mk(1, "\xf2\x48\xcd\xc9\xc9\x07\x00"))}, "Hello"},
		"7.2.3.1 in fragments": {[]frame{fragmented, mk(0, "\xc9\xc9\x07\x00")}, "Hello"},
		"7.2.3.3 no compression": {
			[]frame{compressed(mk(1, "\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"))}, "Hello"},
		"7.2.3.4 last block":      {[]frame{compressed(mk(1, "\xf3\x48\xcd\xc9\xc9\x07\x00\x00"))}, "Hello"},
		"last block, and no more": {[]frame{compressed(mk(1, "\xf3\x48\xcd\xc9\xc9\x07\x00"))}, "Hello"},
		"7.2.3.5 two blocks": {
			[]frame{compressed(mk(1, "\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"))}, "Hello"},
		"7.2.3.6 empty":           {[]frame{compressed(mk(1, "\x00"))}, ""},
		"empty, as of zlib":       {[]frame{compressed(mk(1, "\x02\x00"))}, ""},
		"empty, without a block":  {[]frame{compressed(mk(1, ""))}, ""},
		"empty fragments":         {[]frame{compressed(part(1, "")), part(0, ""), mk(0, "\x00")}, ""},
		"content after the first": {[]frame{compressed(part(1, "")), mk(0, "\xf2\x48\xcd\xc9\xc9\x07\x00")}, "Hello"},
		"a ping within": {
			[]frame{fragmented, mk(10, "pong"), mk(0, "\xc9\xc9\x07\x00")}, "Hello"},
		"last blocks in the middle": {[]frame{compressed(mk(1, lasting("Hel", "lo, ", "world", "")))}, "Hello, world"},
		"flushes in the middle": {
			[]frame{compressed(mk(1, zipped(6, "Hel", "lo, ", "", "world")))}, "Hello, world"},
		"not compressed": {[]frame{mk(1, "Hello")}, "Hello"},
		"one byte":       {[]frame{compressed(mk(1, zipped(1, "3")))}, "3"},
	}
	for _, kind := range kinds {
		for name, tc := range cases {
			t.Run(kind+"/"+name, func(t *testing.T) {
				c, p := connectDeflating(t, kind, Options{}, deflation{})
				done := echo(c)
				for range 2 { // with a used decompressor, and without memory of the first message
					p.send(t, tc.send...)
					p.want(t, mk(1, tc.want))
				}
				p.send(t, closing(NormalClosure, ""))
				p.want(t, closing(NormalClosure, ""))
				p.Close()
				r := <-done
				for _, m := range r.messages {
					if cap(m.payload) != len(m.payload) && len(m.payload) != 1 {
						t.Errorf("%d bytes have room for %d", len(m.payload), cap(m.payload))
					}
				}
			})
		}
	}
}

// RFC 7692 6: RSV1 belongs to the first frame of a message, where compression was agreed about.
func TestCompressedBitElsewhere(t *testing.T) {
	hello := "\xf2\x48\xcd\xc9\xc9\x07\x00"
	for name, tc := range map[string]struct {
		send []frame
		on   bool
		end  Status
	}{
		"not agreed":             {[]frame{compressed(mk(1, hello))}, false, ProtocolError},
		"continuation":           {[]frame{part(1, "a"), compressed(mk(0, hello))}, true, ProtocolError},
		"continuation of one":    {[]frame{compressed(part(1, hello)), compressed(mk(0, ""))}, true, ProtocolError},
		"ping":                   {[]frame{compressed(mk(9, ""))}, true, ProtocolError},
		"pong":                   {[]frame{compressed(mk(10, ""))}, true, ProtocolError},
		"close":                  {[]frame{compressed(closing(NormalClosure, ""))}, true, ProtocolError},
		"with RSV2":              {[]frame{{0xe1, []byte(hello)}}, true, ProtocolError},
		"RSV2 alone":             {[]frame{{0xa1, []byte(hello)}}, true, ProtocolError},
		"corrupt":                {[]frame{compressed(mk(1, "\xff\xff\xff\xff"))}, true, InvalidPayload},
		"reserved kind of block": {[]frame{compressed(mk(1, "\x06"))}, true, InvalidPayload},
		"cut": {
			[]frame{compressed(mk(1, zipped(6, "What is cut can not be inflated any more.")[:20]))}, true, InvalidPayload},
		"refers to nothing": {[]frame{compressed(mk(1, "\x02\x03\x11\x00"))}, true, InvalidPayload},
		"refers to another": {
			[]frame{compressed(mk(1, hello)), compressed(mk(1, "\xf2\x00\x11\x00\x00"))}, true, InvalidPayload},
		"no UTF-8":          {[]frame{compressed(mk(1, zipped(1, "ab\xff")))}, true, InvalidPayload},
		"UTF-8 that is cut": {[]frame{compressed(mk(1, zipped(1, "ab\xc3")))}, true, InvalidPayload},
		"no UTF-8, large": {
			[]frame{compressed(mk(1, zipped(1, strings.Repeat("a", 100_000)+"\xff")))}, true, InvalidPayload},
		"too many of last blocks": {[]frame{compressed(mk(1, strings.Repeat("\x03\x00", 5000)))}, true, InvalidPayload},
	} {
		t.Run(name, func(t *testing.T) {
			c, p := connect(t, "tcp", nil)
			if tc.on {
				c.agree(nil, deflation{on: true, level: 1, bits: maxBits})
			}
			done := receive(c)
			p.send(t, tc.send...)
			f, err := p.readFrame()
			if err != nil || f.first != fin|opClose || len(f.payload) < 2 || f.payload[0] != byte(tc.end>>8) ||
				f.payload[1] != byte(tc.end&0xff) {
				t.Fatalf("got %v, %v; want %d", f, err, tc.end)
			}
			closedWith(t, (<-done).err, tc.end, false)
		})
	}
}

// The limit holds for the message as it is when it is inflated, and no more than that is inflated.
func TestInflatedMessageIsLimited(t *testing.T) {
	const most = 100_000
	bomb := zipped(9, strings.Repeat("a", 200_000))
	random := string(randomBytes(rand.New(rand.NewPCG(1, 2)), most, false))
	for name, tc := range map[string]struct {
		send []frame
		size int // 0 for too big
	}{
		"just right":        {[]frame{compressed(mk(2, zipped(9, strings.Repeat("a", most))))}, most},
		"one byte more":     {[]frame{compressed(mk(2, zipped(9, strings.Repeat("a", most+1))))}, 0},
		"bomb":              {[]frame{compressed(mk(2, bomb))}, 0},
		"bomb in fragments": {[]frame{compressed(part(2, bomb[:5])), part(0, bomb[5:9]), mk(0, bomb[9:])}, 0},
		"stored":            {[]frame{compressed(mk(2, zipped(0, random)))}, most},
		"stored, one more":  {[]frame{compressed(mk(2, zipped(0, random+"a")))}, 0},
		"empty blocks":      {[]frame{compressed(mk(2, strings.Repeat("\x00\x00\x00\xff\xff", most/5+200)))}, 0},
		"many small blocks": {
			[]frame{compressed(mk(2, zipped(1, slices.Collect(chunks(strings.Repeat("ab", 200), 1))...)))}, 400},
	} {
		t.Run(name, func(t *testing.T) {
			c, p := connectDeflating(t, "tcp", Options{MaxMessage: most}, deflation{})
			done := receive(c)
			p.send(t, tc.send...)
			if tc.size > 0 {
				p.send(t, closing(NormalClosure, ""))
				if r := <-done; len(r.messages) != 1 || len(r.messages[0].payload) != tc.size ||
					cap(r.messages[0].payload) != tc.size {
					t.Fatalf("got %v, %v", r.messages, r.err)
				}
				return
			}
			p.want(t, closing(MessageTooBig, ""))
			if e := closedWith(t, (<-done).err, MessageTooBig, false); !errors.Is(e, ErrMessageTooBig) {
				t.Errorf("%v", e.cause)
			}
		})
	}
}

func chunks(s string, n int) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for b := range slices.Chunk([]byte(s), n) {
			if !yield(string(b)) {
				return
			}
		}
	}
}

// Memory for a large message is asked for when it is known how large it is, whatever came.
func TestInflatingAsksForRoom(t *testing.T) {
	plain := strings.Repeat("abcdefgh", 50_000)
	noise := string(randomBytes(rand.New(rand.NewPCG(1, 2)), 200_000, true))
	for name, message := range map[string]string{"small when compressed": plain, "large when compressed": noise,
		"at the limit": plain[:countedFrom], "last blocks": plain + noise} {
		t.Run(name, func(t *testing.T) {
			var counters Counters
			c, p := connectDeflating(t, "tcp", Options{Counters: &counters}, deflation{})
			c.Ask(true)
			z := zipped(6, message)
			if name == "last blocks" {
				z = lasting(plain, noise)
			}
			sent := make(chan struct{})
			go func() { // ends when all is written
				defer close(sent)
				_, _ = p.Write(stream(compressed(mk(1, z)), text("next")))
			}()
			asked := 0
			for {
				_, got, err := c.Read()
				if err == ErrRoom {
					asked = c.Wanted()
					c.Allow(false)
					continue
				}
				if err != nil || string(got) != message {
					t.Fatalf("%v, %d bytes", err, len(got))
				}
				break
			}
			if asked < len(message) || asked > 2*len(message)+len(z) {
				t.Errorf("asked for %d for %d bytes, %d when compressed", asked, len(message), len(z))
			}
			if n := counters.Reading.Load(); n != 0 {
				t.Errorf("%d bytes are counted still", n)
			}
			if _, got, err := c.Read(); err != nil || string(got) != "next" {
				t.Errorf("%q, %v", got, err)
			}
			<-sent
		})
	}
}

// Frames that are written can be read by the other role, each way of compressing.
func TestDeflatedFramesAreReadByTheOtherEnd(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var messages []string
	for _, n := range []int{0, 1, 5, 125, 126, 300, 4000, 33_000, 70_000, 200_000} {
		messages = append(messages, strings.Repeat("Hello, world! ", n/14+1)[:n], string(randomBytes(r, n, true)))
	}
	for _, d := range []deflation{{}, {bits: 8}, {bits: 12}, {takeOut: true, takeIn: true}, {level: 9}} {
		for _, client := range []bool{false, true} {
			t.Run(fmt.Sprintf("%+v/client %v", d, client), func(t *testing.T) {
				from, _ := connectDeflating(t, "pipe", Options{}, d)
				from.client = client
				to, p := connectDeflating(t, "tcp", Options{}, d)
				to.client = !client
				done := receive(to)
				small := 0
				for i, m := range messages {
					frame := from.AppendDeflated(nil, Text, []byte(m[:len(m)/2]), []byte(m[len(m)/2:]))
					if frame[0]&deflatedBit != 0 {
						small++
						if len(frame) > len(m)+maxHeader {
							t.Errorf("message %d: %d bytes for %d", i, len(frame), len(m))
						}
					}
					p.sendBytes(t, frame)
				}
				if small < len(messages)/2-3 { // letters in no order, or few, need not become less
					t.Errorf("%d of %d are compressed", small, len(messages))
				}
				p.server = !client
				p.send(t, closing(NormalClosure, ""))
				got := (<-done).messages
				if len(got) != len(messages) {
					t.Fatalf("%d of %d messages", len(got), len(messages))
				}
				for i, m := range messages {
					if string(got[i].payload) != m {
						t.Errorf("message %d of %d bytes came as %d", i, len(m), len(got[i].payload))
					}
				}
			})
		}
	}
}

// With a small window no message refers back further than the peer remembers.
func TestSmallWindowsAreKept(t *testing.T) {
	block := string(randomBytes(rand.New(rand.NewPCG(5, 6)), 600, true))
	c, _ := connectDeflating(t, "pipe", Options{}, deflation{bits: 9})
	if n := len(c.AppendDeflated(nil, Binary, []byte(block+block))); n < 900 {
		t.Errorf("%d bytes: the second half refers to the first", n)
	}
	if c.Shares(513) || !c.Shares(512) {
		t.Error("shares what is longer than the window")
	}
	c, _ = connectDeflating(t, "pipe", Options{}, deflation{})
	if n := len(c.AppendDeflated(nil, Binary, []byte(block+block))); n > 700 {
		t.Errorf("%d bytes: the second half does not refer to the first", n)
	}
	if !c.Shares(1 << 20) {
		t.Error("does not share")
	}
}

// With takeover messages refer to those before, which is forgotten beyond 32 KiB; a message that is not compressed is
// not remembered, by either end.
func TestTakeover(t *testing.T) {
	d := deflation{takeOut: true, takeIn: true}
	from, _ := connectDeflating(t, "pipe", Options{}, d)
	to, p := connectDeflating(t, "tcp", Options{}, d)
	to.client = true
	done := receive(to)
	r := rand.New(rand.NewPCG(7, 8))
	event := func() string { return string(randomBytes(r, 400, true)) + strings.Repeat("x", 50) }
	first := event()
	var sent []string
	send := func(m string) int {
		sent = append(sent, m)
		f := from.AppendDeflated(nil, Text, []byte(m))
		p.sendBytes(t, f)
		return len(f)
	}
	if n := send(first); n < 350 {
		t.Errorf("first: %d bytes", n)
	}
	if n := send(first); n > 40 {
		t.Errorf("second: %d bytes", n)
	}
	for range 100 {
		send(event())
	}
	send(string(randomBytes(r, 3000, true)[:10])) // as it is
	if n := len(from.cold.history.out); n > windowSize {
		t.Errorf("remembers %d bytes", n)
	}
	if n := send(first); n < 350 {
		t.Errorf("forgotten: %d bytes", n)
	}
	p.server = true
	p.send(t, closing(NormalClosure, ""))
	got := (<-done).messages
	if len(got) != len(sent) {
		t.Fatalf("%d of %d messages", len(got), len(sent))
	}
	for i := range sent {
		if string(got[i].payload) != sent[i] {
			t.Fatalf("message %d differs", i)
		}
	}
	out, in := from.cold.history.out, to.cold.history.in
	if !bytes.Equal(out, in) || cap(in) > windowSize || cap(out) > windowSize {
		t.Errorf("the ends remember %d and %d bytes, in memory for %d", len(out), len(in), cap(in))
	}
}

// Sec-WebSocket-Extensions, and what a server answers (RFC 7692 7.1).
func TestDeflateIsNegotiated(t *testing.T) {
	const both = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	for _, tc := range []struct{ offer, answer, takeover string }{ // takeover is the answer with ContextTakeover
		{"", "", ""},
		{"x-webkit-deflate-frame", "", ""},
		{"permessage-deflate", both, "permessage-deflate"},
		{"permessage-deflate; client_max_window_bits", both, "permessage-deflate"},
		{"permessage-deflate; client_max_window_bits=10", both, "permessage-deflate"},
		{"permessage-deflate; client_max_window_bits=\"10\"", both, "permessage-deflate"},
		{"permessage-deflate; server_no_context_takeover", both, "permessage-deflate; server_no_context_takeover"},
		{"permessage-deflate; client_no_context_takeover", both, "permessage-deflate; client_no_context_takeover"},
		{"permessage-deflate; server_max_window_bits=15", both + "; server_max_window_bits=15",
			"permessage-deflate; server_max_window_bits=15"},
		{"permessage-deflate ;server_max_window_bits = 8", both + "; server_max_window_bits=8",
			"permessage-deflate; server_no_context_takeover; server_max_window_bits=8"},
		{"foo, permessage-deflate; x, permessage-deflate; server_no_context_takeover", both,
			"permessage-deflate; server_no_context_takeover"},
		{"permessage-deflate; server_max_window_bits=7, permessage-deflate", both, "permessage-deflate"},
		{" , foo; a=\"b\\c\",,permessage-deflate", both, "permessage-deflate"},
		// declined
		{"permessage-deflate; server_max_window_bits", "", ""},
		{"permessage-deflate; server_max_window_bits=7", "", ""},
		{"permessage-deflate; server_max_window_bits=16", "", ""},
		{"permessage-deflate; server_max_window_bits=08", "", ""},
		{"permessage-deflate; server_max_window_bits=+8", "", ""},
		{"permessage-deflate; client_max_window_bits=x", "", ""},
		{"permessage-deflate; client_max_window_bits=100000000000000000000", "", ""},
		{"permessage-deflate; server_no_context_takeover=1", "", ""},
		{"permessage-deflate; client_no_context_takeover; client_no_context_takeover", "", ""},
		{"permessage-deflate; mode=fast", "", ""},
		{"PERMESSAGE-DEFLATE", "", ""}, // tokens are compared as they are (RFC 6455 9.1)
		// malformed
		{"permessage-deflate;", "400", "400"},
		{"permessage-deflate; =1", "400", "400"},
		{"permessage-deflate; a=", "400", "400"},
		{"permessage-deflate; a=\"b", "400", "400"},
		{"permessage-deflate; a=\"b c\"", "400", "400"},
		{"permessage deflate", "400", "400"},
		{"; permessage-deflate", "400", "400"},
		{strings.Repeat("foo, ", 100) + "permessage-deflate", "400", "400"},
		{"permessage-deflate" + strings.Repeat("; a", 100), "400", "400"},
	} {
		for _, takeover := range []bool{false, true} {
			want := tc.answer
			if takeover {
				want = tc.takeover
			}
			o := &DeflateOptions{ContextTakeover: takeover}
			d, got, err := o.accept([]string{tc.offer})
			if err != nil {
				got = "400"
			}
			if got != want || d.on != strings.HasPrefix(want, "p") {
				t.Errorf("%.60q, takeover %v: %q, want %q (%+v)", tc.offer, takeover, got, want, d)
			}
			out, in := !strings.Contains(want, "server_no"), !strings.Contains(want, "client_no")
			if d.on && (d.takeOut != out || d.takeIn != in) {
				t.Errorf("%q: %+v", tc.offer, d)
			}
		}
	}
	d, got, err := new(DeflateOptions).accept([]string{"foo", "permessage-deflate"})
	if !d.on || got != both || err != nil {
		t.Errorf("two lines: %q, %v", got, err)
	}
}

// A client that gets an answer which does not fit its offer fails the connection.
func TestClientChecksWhatIsAgreed(t *testing.T) {
	none, plain, takeover := (*DeflateOptions)(nil), &DeflateOptions{}, &DeflateOptions{ContextTakeover: true}
	for _, tc := range []struct {
		o      *DeflateOptions
		answer string
		ok, on bool
	}{
		{none, "permessage-deflate", false, false},
		{plain, "permessage-deflate; server_no_context_takeover", true, true},
		{plain, "permessage-deflate; server_no_context_takeover; client_no_context_takeover", true, true},
		{plain, "permessage-deflate; server_no_context_takeover; server_max_window_bits=9", true, true},
		{plain, "permessage-deflate", false, false},
		{plain, "permessage-deflate; server_no_context_takeover; client_max_window_bits=15", false, false},
		{plain, "permessage-deflate; server_no_context_takeover; client_max_window_bits", false, false},
		{plain, "permessage-deflate; server_no_context_takeover; server_max_window_bits=7", false, false},
		{plain, "permessage-deflate; server_no_context_takeover; server_no_context_takeover", false, false},
		{plain, "permessage-deflate; server_no_context_takeover; what", false, false},
		{plain, "permessage-deflate; server_no_context_takeover, permessage-deflate", false, false},
		{plain, "foo", false, false},
		{plain, "permessage-deflate;", false, false},
		{plain, "", false, false},
		{takeover, "permessage-deflate", true, true},
		{takeover, "permessage-deflate; client_no_context_takeover", true, true},
	} {
		d, ok := tc.o.agreed([]string{tc.answer})
		if ok != tc.ok || ok && d.on != tc.on {
			t.Errorf("%+v, %q: %v, %+v", tc.o, tc.answer, ok, d)
		}
	}
	if d, ok := plain.agreed(nil); !ok || d.on {
		t.Error("no answer")
	}
}

// Upgrade refuses a header that is malformed, before anything is written, and only where it matters.
func TestUpgradeRefusesMalformedExtensions(t *testing.T) {
	for _, o := range []*DeflateOptions{nil, {}} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
			"Sec-Websocket-Key": {sampleKey}, "Sec-Websocket-Extensions": {"permessage-deflate;;"}}
		nc := newScript()
		c, err := Upgrade(&hijackTo{nc: nc}, r, &Options{Deflate: o})
		var refused *HandshakeError
		if o == nil {
			if err != nil || c.Deflates() || strings.Contains(string(nc.wrote), "Extensions") {
				t.Errorf("%v: %q", err, nc.wrote)
			}
			c.Abort()
		} else if !errors.As(err, &refused) || refused.Code != 400 || len(nc.wrote) > 0 {
			t.Errorf("%v: %q", err, nc.wrote)
		}
	}
}

// What compresses and inflates is borrowed: nothing is allocated for it each time.
func TestDeflateAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("pools drop what they like")
	}
	c, _ := connectDeflating(t, "pipe", Options{}, deflation{})
	message := []byte(strings.Repeat("Hello, world! ", 200))
	room := make([]byte, 0, 8<<10)
	if n := testing.AllocsPerRun(100, func() { c.AppendDeflated(room, Text, message) }); n > 1 {
		t.Errorf("%v allocations to compress", n)
	}
	z := []byte(zipped(1, string(message)))
	c.input().op, c.in.deflated = Text, true
	if n := testing.AllocsPerRun(100, func() { _, _ = c.inflate(z) }); n > 2 {
		t.Errorf("%v allocations to inflate", n)
	}
	c, _ = connectDeflating(t, "pipe", Options{}, deflation{takeIn: true})
	z = []byte(lasting(strings.Split(strings.Repeat("Hello, world! ", 10), " ")...))
	c.input().op, c.in.deflated = Text, true
	c.historyOf().in = make([]byte, 1000, windowSize)
	if n := testing.AllocsPerRun(100, func() { _, _ = c.inflate(z) }); n > 2 {
		t.Errorf("%v allocations to inflate blocks that are marked as the last one", n)
	}
}

func BenchmarkInflate(b *testing.B) {
	for name, message := range map[string]string{"pong": "3", "event": strings.Repeat(`{"id":1,"text":"hello"}`, 100)} {
		b.Run(name, func(b *testing.B) {
			c, _ := connectDeflating(b, "pipe", Options{}, deflation{})
			z := []byte(zipped(1, message))
			c.input().op, c.in.deflated = Text, true
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.inflate(z); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
