package websocket

import (
	"bufio"
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// FuzzFrames: a server that reads arbitrary bytes, arbitrarily cut, does what the model does, ends, and allocates no
// more than the bytes that came justify. Run it with -fuzzminimizetime=5x: what goroutines do makes coverage vary, and
// the fuzzer would spend its time on minimizing that.
func FuzzFrames(f *testing.F) {
	for _, b := range splitFrames() {
		f.Add(b, uint64(1))
	}
	for _, row := range nastyFrames {
		if len(row.send) < 10_000 {
			f.Add(row.send, uint64(2))
		}
	}
	for seed := range uint64(20) {
		f.Add(randomFrames(rand.New(rand.NewPCG(seed, seed))), seed)
	}
	testWait = func(c *Conn) {
		if most := max(firstStep, growth*(len(c.in.msg)+1)); cap(c.in.msg) > most {
			panic("allocated ahead of the input")
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		against(t, cut(r, slices.Clone(in), 1+int(seed%100)*50)...)
	})
}

// FuzzHandshakeHeaders: whatever the headers are, a request is either refused before anything is written, or answered
// with exactly the headers that belong there.
func FuzzHandshakeHeaders(f *testing.F) {
	f.Add("Upgrade", "websocket", "13", sampleKey, "chat, superchat", "X-More", "value")
	f.Add("keep-alive, Upgrade", "WEBSOCKET , h2c", " 13 ", " "+sampleKey, "a  b", "Content-Length", "5")
	f.Add("", "", "", "", "", "", "")
	f.Add("upgrade,upgrade", "websocket", "13", "AAAAAAAAAAAAAAAAAAAAAB==", "\x00", "Set-Cookie", "a\r\n\r\nb")
	f.Fuzz(func(t *testing.T, connection, upgrade, version, key, protocol, name, value string) {
		r := httptest.NewRequest("GET", "/socket.io/", nil)
		r.Header = http.Header{
			"Connection": {connection}, "Upgrade": {upgrade}, "Sec-Websocket-Version": {version},
			"Sec-Websocket-Key": {key}, "Sec-Websocket-Protocol": {protocol},
		}
		for _, p := range Subprotocols(r) {
			if !isToken(p) {
				t.Errorf("subprotocol %q", p)
			}
		}
		refusal := Check(r)
		nc := newScript()
		c, err := Upgrade(&hijackTo{nc: nc}, r, &Options{Header: http.Header{name: {value}}})
		if refusal != nil {
			if (refusal.Code != 400 && refusal.Code != 426) || !errors.As(err, &refusal) || len(nc.wrote) > 0 {
				t.Fatalf("refused with %v, %v", refusal, err)
			}
			return
		}
		if err != nil || !IsUpgrade(r) {
			t.Fatal(err)
		}
		defer c.Abort()
		res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(nc.wrote)), r)
		if err != nil || res.StatusCode != 101 || len(res.Header.Values("Sec-Websocket-Accept")) != 1 {
			t.Fatalf("%v: %q", err, nc.wrote)
		}
		for k := range res.Header {
			if k != "Connection" && k != "Upgrade" &&
				k != "Sec-Websocket-Accept" && k != http.CanonicalHeaderKey(name) {
				t.Errorf("header %q in %q", k, nc.wrote)
			}
		}
	})
}

// FuzzInflate: a compressed message means the same in whatever frames and pieces it comes, the same as to
// compress/flate where that tells, and is bounded whatever it is.
func FuzzInflate(f *testing.F) {
	for i, z := range []string{"", "\x00", "\x02\x00", "\xf2\x48\xcd\xc9\xc9\x07\x00",
		"\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
		zipped(6, "Hel", "lo"), zipped(0, "Hello"), lasting("a", "b", ""), zipped(1, strings.Repeat("abc", 50_000)),
		zipped(9, strings.Repeat("\x00", 200_000)), "\x03\x00\x03\x00", "\xff\xff"} {
		f.Add([]byte(z), uint64(i), i%2 == 0)
	}
	opts := Options{MaxMessage: 150_000, MaxFragments: 1 << 20}
	read := func(t *testing.T, takeover, ask bool, pieces ...[]byte) ([]frame, Status) {
		c := newConn(newScript(pieces...), nil, &opts)
		c.agree(&opts, deflation{on: true, level: 1, bits: maxBits, takeIn: takeover})
		defer c.Abort()
		c.Ask(ask)
		var messages []frame
		for {
			op, p, err := c.Read()
			var e *CloseError
			switch {
			case err == ErrRoom:
				if n := c.Wanted(); n < countedFrom || n > 3*int(opts.MaxMessage) {
					t.Fatalf("asks for %d", n)
				}
				c.Allow(false)
				continue
			case errors.As(err, &e):
				return messages, e.Status
			case err != nil:
				return messages, 0
			}
			if int64(len(p)) > opts.MaxMessage || cap(p) != len(p) && len(p) != 1 {
				t.Fatalf("%d bytes of %d", len(p), cap(p))
			}
			messages = append(messages, frame{fin | byte(op), p})
		}
	}
	f.Fuzz(func(t *testing.T, z []byte, seed uint64, takeover bool) {
		r := rand.New(rand.NewPCG(seed, 2))
		first, whole := compressed(mk(2, zipped(1, "abcdefghijklmnopqrstuvwxyz"))), compressed(frame{fin | 2, z})
		want, end := read(t, takeover, false, stream(first, whole, whole))
		var frames []frame
		for _, m := range []frame{first, whole, whole} {
			n := len(frames)
			for _, p := range cut(r, m.payload, 1+r.IntN(1000)) {
				frames = append(frames, part(0, string(p)))
				if r.IntN(9) == 0 {
					frames = append(frames, mk(10, "pong"))
				}
			}
			frames = append(frames, mk(0, ""))
			frames[n].first |= m.first &^ fin
		}
		got, otherEnd := read(t, takeover, true, cut(r, stream(frames...), 1+r.IntN(5000))...)
		if end != otherEnd || !slices.EqualFunc(got, want, frame.equal) {
			t.Fatalf("%x in fragments: %v, %d; want %v, %d", z, got, otherEnd, want, end)
		}
		if takeover || len(z) == 0 {
			return
		}
		in := bytes.NewReader(append(slices.Clone(z), deflatedTail...))
		plain, err := io.ReadAll(io.LimitReader(flate.NewReader(in), opts.MaxMessage+1))
		switch {
		case in.Len() > len(deflatedTail): // a last block in the middle, or too long
		case err != nil && end != InvalidPayload && end != MessageTooBig,
			err == nil && len(plain) > int(opts.MaxMessage) && end != MessageTooBig,
			err == nil && len(plain) <= int(opts.MaxMessage) && (len(want) != 3 || !bytes.Equal(want[1].payload, plain)):
			t.Fatalf("%x: %d messages, %d; compress/flate: %d bytes, %v", z, len(want), end, len(plain), err)
		}
	})
}
