package websocket

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/internal/memnet"
)

const sampleKey = "dGhlIHNhbXBsZSBub25jZQ=="

// request is an upgrade request as it is on the wire, with lines left out (those that begin with "-") or added.
func request(changes ...string) string {
	lines := []string{
		"GET /socket.io/?EIO=4 HTTP/1.1", "Host: example.com", "Connection: Upgrade", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: " + sampleKey,
	}
	for _, c := range changes {
		if name, ok := strings.CutPrefix(c, "-"); ok {
			for i, l := range lines {
				if strings.HasPrefix(l, name) {
					lines = append(lines[:i], lines[i+1:]...)
					break
				}
			}
			continue
		}
		if strings.Contains(c, " HTTP/") {
			lines[0] = c
			continue
		}
		lines = append(lines, c)
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// serve runs an HTTP server on loopback.
func serve(t *testing.T, h http.HandlerFunc) (addr string) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ReadTimeout = 30 * time.Second // deadlines that a WebSocket must not inherit
	s.Config.WriteTimeout = 30 * time.Second
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// echoHandler upgrades, answers a refusal, and echoes on the handler's goroutine.
func echoHandler(opts *Options) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := Upgrade(w, r, opts)
		var refused *HandshakeError
		if errors.As(err, &refused) {
			for k, v := range refused.Header {
				w.Header()[k] = v
			}
			http.Error(w, refused.Msg, refused.Code)
			return
		}
		if err != nil {
			return
		}
		<-echo(c)
	}
}

func dial(t *testing.T, addr string) *peer {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(time.Minute))
	t.Cleanup(func() { nc.Close() })
	return &peer{Conn: nc, br: bufio.NewReader(nc)}
}

// answer reads the HTTP answer.
func (p *peer) answer(t *testing.T) *http.Response {
	t.Helper()
	res, err := http.ReadResponse(p.br, &http.Request{Method: "GET"})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestHandshake(t *testing.T) {
	big := strings.Repeat(" ", 8000)
	hostile := []string{
		"Sec-WebSocket-Extensions: constructor; __proto__=1, toString",
		"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99",
		"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=\"",
		"Sec-WebSocket-Extensions: " + strings.Repeat("a;b=c;", 10_000),
		"Sec-WebSocket-Protocol: a" + big + "b",
	}
	lower := strings.NewReplacer("Connection:", "connection:", "Upgrade:", "upgrade:", "Host", "host",
		"Sec-WebSocket-Version", "sec-websocket-version", "Sec-WebSocket-Key", "sec-websocket-key").Replace(request())
	type row struct {
		name string
		req  string
		code int
	}
	rows := []row{
		{"plain", request(), 101},
		{"W-13 lower-case names", lower, 101},
		{"more tokens", request("-Connection", "Connection: keep-alive, UPGRADE",
			"-Upgrade", "Upgrade: foo, WebSocket"), 101},
		{"two Connection lines", request("Connection: keep-alive"), 101},
		{"W-1 no key", request("-Sec-WebSocket-Key"), 400},
		{"W-1 short key", request("-Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZQ=="), 400},
		{"W-1 long key", request("-Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZWFh"), 400},
		{"W-1 not base64", request("-Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBs*SBub25jZQ=="), 400},
		{"W-1 empty key", request("-Sec-WebSocket-Key", "Sec-WebSocket-Key: "), 400},
		{"W-2 version 8", request("-Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"), 426},
		{"W-3 version 99", request("-Sec-WebSocket-Version", "Sec-WebSocket-Version: 99"), 426},
		{"no version", request("-Sec-WebSocket-Version"), 426},
		{"version list", request("-Sec-WebSocket-Version", "Sec-WebSocket-Version: 13, 8"), 426},
		{"two versions", request("Sec-WebSocket-Version: 8"), 426},
		{"W-4 other protocol", request("-Upgrade", "Upgrade: foo"), 400},
		{"no Upgrade", request("-Upgrade"), 400},
		{"no Connection", request("-Connection"), 400},
		{"W-5 POST", request("POST / HTTP/1.1", "Content-Length: 0"), 400},
		{"HTTP/1.0", request("GET / HTTP/1.0"), 400},
		{"W-13 two keys", request("Sec-WebSocket-Key: " + sampleKey), 400},
		{"W-13 no Host", request("-Host"), 400},
	}
	for i, h := range hostile {
		rows = append(rows, row{fmt.Sprint("T-5, T-6 hostile ", i), request(h), 101})
	}
	addr := serve(t, echoHandler(&Options{Header: http.Header{"X-More": {"a", "b\r\nX-Evil: c"},
		"Upgrade": {"h2c"}, "Content-Length": {"5"}}}))
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			p := dial(t, addr)
			p.sendBytes(t, []byte(r.req))
			res := p.answer(t)
			if res.StatusCode != r.code {
				t.Fatalf("got %s, want %d", res.Status, r.code)
			}
			switch r.code {
			case 426:
				if v := res.Header.Values("Sec-WebSocket-Version"); len(v) != 1 || v[0] != "13" {
					t.Errorf("Sec-WebSocket-Version: %q", v)
				}
			case 101:
				want := http.Header{
					"Upgrade": {"websocket"}, "Connection": {"Upgrade"},
					"Sec-Websocket-Accept": {"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}, "X-More": {"a", "b  X-Evil: c"},
				}
				if fmt.Sprint(res.Header) != fmt.Sprint(want) {
					t.Errorf("got %v, want %v", res.Header, want)
				}
				p.send(t, text("hello"), closing(1000, ""))
				p.want(t, text("hello"), closing(1000, ""))
				p.wantEnd(t)
			}
		})
	}
}

func TestIsUpgrade(t *testing.T) {
	for req, want := range map[string]bool{
		request():              true,
		request("-Upgrade"):    false,
		request("-Connection"): false,
		request("-Upgrade", "Upgrade: websocketx"):       false,
		request("-Sec-WebSocket-Key", "POST / HTTP/1.1"): true, // badly, but it asks
	} {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(req)))
		if err != nil {
			t.Fatal(err)
		}
		if IsUpgrade(r) != want {
			t.Errorf("%q: %v", req, !want)
		}
	}
}

func TestSubprotocols(t *testing.T) {
	for line, want := range map[string]string{
		"": "", "a": "[a]", "a, b ,c": "[a b c]", "a,,b": "[]",
		"a b": "[]", "a" + strings.Repeat(" ", 8000) + "b": "[]",
		strings.Repeat("a,", 200) + "a": "[]", "a\x00b": "[]",
	} {
		r := &http.Request{Header: http.Header{}}
		if line != "" {
			r.Header.Set("Sec-WebSocket-Protocol", line)
		} else {
			want = "[]"
		}
		if got := fmt.Sprint(Subprotocols(r)); got != want {
			t.Errorf("%.40q: got %s, want %s", line, got, want)
		}
	}
}

// unwrapOnly is a ResponseWriter of a middleware that knows about Unwrap and nothing else.
type unwrapOnly struct{ inner http.ResponseWriter }

func (u unwrapOnly) Header() http.Header         { return u.inner.Header() }
func (u unwrapOnly) Write(p []byte) (int, error) { return u.inner.Write(p) }
func (u unwrapOnly) WriteHeader(code int)        { u.inner.WriteHeader(code) }
func (u unwrapOnly) Unwrap() http.ResponseWriter { return u.inner }

func TestUpgradeThroughUnwrap(t *testing.T) {
	inner := echoHandler(nil)
	addr := serve(t, func(w http.ResponseWriter, r *http.Request) { inner(unwrapOnly{unwrapOnly{w}}, r) })
	p := dial(t, addr)
	p.sendBytes(t, append([]byte(request()), text("hello").masked()...))
	if res := p.answer(t); res.StatusCode != 101 {
		t.Fatal(res.Status)
	}
	p.want(t, text("hello"))
}

func TestUpgradeWithoutHijacker(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {sampleKey}}
	w := httptest.NewRecorder()
	if _, err := Upgrade(w, r, nil); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("got %v", err)
	}
	if w.Body.Len() > 0 || w.Code != 200 {
		t.Error("something was written")
	}
}

// U-13: frames that come in one segment with the request, or byte by byte, are read as frames.
func TestPipelinedFrames(t *testing.T) {
	many := []frame{text(strings.Repeat("x", 3000)), mk(2, "\x00\x01"),
		mk(9, "p"), part(1, "one"), mk(0, "two"), text(strings.Repeat("y", 100_000))}
	back := []frame{many[0], many[1], mk(10, "p"), text("onetwo"), many[5]}
	addr := serve(t, echoHandler(nil))
	all := append([]byte(request()), stream(many...)...)
	for _, first := range []int{len(request()), len(request()) + 1,
		len(request()) + 7, len(request()) + 3500, len(all)} {
		p := dial(t, addr)
		p.sendBytes(t, all[:first])
		if first < len(all) && first > len(request())+10 {
			if res := p.answer(t); res.StatusCode != 101 {
				t.Fatal(res.Status)
			}
			p.sendBytes(t, all[first:])
		} else {
			p.sendBytes(t, all[first:])
			if res := p.answer(t); res.StatusCode != 101 {
				t.Fatal(res.Status)
			}
		}
		p.want(t, back...)
	}
	p := dial(t, addr)
	go func() { // ends when all is written; the connection outlives it
		for i := range len(request()) + 300 {
			p.Write(all[i : i+1])
		}
		p.Write(all[len(request())+300:])
	}()
	if res := p.answer(t); res.StatusCode != 101 {
		t.Fatal(res.Status)
	}
	p.want(t, back...)
}

// U-13: what is not frames is answered with 1002.
func TestPipelinedGarbage(t *testing.T) {
	addr := serve(t, echoHandler(nil))
	p := dial(t, addr)
	p.sendBytes(t, []byte(request()+"test"))
	if res := p.answer(t); res.StatusCode != 101 {
		t.Fatal(res.Status)
	}
	p.want(t, closing(ProtocolError, "reserved bit set"))
}

// U-14: a refusal is sent although 64 KB follow the request, and then the connection is closed.
func TestPipelinedBehindRefusal(t *testing.T) {
	addr := serve(t, echoHandler(nil))
	p := dial(t, addr)
	go func() { // ends with the connection
		p.Write(append([]byte(request("-Sec-WebSocket-Key", "Connection: close")),
			bytes.Repeat([]byte("x"), 64<<10)...))
	}()
	if res := p.answer(t); res.StatusCode != 400 {
		t.Fatal(res.Status)
	}
}

// A WebSocket must not inherit the deadlines of the HTTP server; nor does it depend on what kind of connection it is.
func TestDeadlinesAreCleared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		s := &http.Server{Handler: echoHandler(nil), ReadTimeout: time.Second,
			WriteTimeout: time.Second, IdleTimeout: time.Second}
		served := make(chan error)
		go func() { served <- s.Serve(l) }() // ends with Close
		nc, err := l.Dial(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		p := &peer{Conn: nc, br: bufio.NewReader(nc)}
		p.sendBytes(t, []byte(request()))
		if res := p.answer(t); res.StatusCode != 101 {
			t.Fatal(res.Status)
		}
		<-time.After(time.Hour)
		p.send(t, text("still there"))
		p.want(t, text("still there"))
		nc.Close()
		s.Close()
		<-served
	})
}

// W-11: a client that does not take the answer does not keep the handler.
func TestHandshakeWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		r := httptest.NewRequest("GET", "/", nil)
		r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
			"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {sampleKey}}
		begun := time.Now()
		_, err := Upgrade(&hijackTo{nc: server}, r, nil)
		if err == nil || time.Since(begun) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		if _, err := server.Write(nil); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("connection is open: %v", err)
		}
	})
}

// hijackTo hands over a connection that did not come from an HTTP server.
type hijackTo struct {
	httptest.ResponseRecorder
	nc net.Conn
}

func (h *hijackTo) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.nc, bufio.NewReadWriter(bufio.NewReader(h.nc), bufio.NewWriter(h.nc)), nil
}

// Nothing of the HTTP server's buffers may be kept, so what it had read ahead must be a copy.
func TestLeftOverIsCopied(t *testing.T) {
	src := bytes.NewReader([]byte("read ahead"))
	br := bufio.NewReaderSize(src, 16)
	br.Peek(10)
	left := leftOver(bufio.NewReadWriter(br, nil))
	br.Reset(strings.NewReader("################"))
	br.Peek(16)
	if string(*left) != "read ahead" {
		t.Errorf("got %q", *left)
	}
}
