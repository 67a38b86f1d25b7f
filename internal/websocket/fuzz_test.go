package websocket

import (
	"bufio"
	"bytes"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
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
