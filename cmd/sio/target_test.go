package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sio.example/socketio/engineio"
	"sio.example/socketio/engineio/packet"
)

// aim parses args as connect and emit do.
func aim(t *testing.T, args ...string) *target {
	t.Helper()
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	o := new(target)
	o.flags(fs, time.Second)
	if _, _, err := parseFlags(fs, args, io.Discard, ""); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestLocate(t *testing.T) {
	for _, c := range []struct{ url, server, namespace, authorization string }{
		{"http://h", "http://h", "/", ""},
		{"https://h:1/admin?a=b#c", "https://h:1?a=b", "/admin", ""},
		{"ws://h/", "ws://h", "/", ""},
		{"localhost:3000/a/b", "http://localhost:3000", "/a/b", ""},
		{"3000", "http://localhost:3000", "/", ""},
		{"3000/x/1", "http://localhost:3000", "/x/1", ""},
		{":3000/x", "http://localhost:3000", "/x", ""},
		{"[::1]:3000", "http://[::1]:3000", "/", ""},
		{"https://user:pass@h", "https://h", "/", "Basic dXNlcjpwYXNz"},
	} {
		o := aim(t)
		opts, err := o.options(c.url)
		if err != nil || o.server != c.server || o.namespace != c.namespace ||
			opts.Engine.Header.Get("Authorization") != c.authorization {
			t.Errorf("%s: got %q, %q, %v, %v", c.url, o.server, o.namespace, opts, err)
		}
	}
	for _, bad := range []string{"", "ftp://h", "http://", "http://user:secret@/x",
		"http://user:secret@h:x", "https:/h", "localhost:99999", "99999", "localhost:0"} {
		if _, err := aim(t).options(bad); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %v, want an error without the password", bad, err)
		}
	}
}

func TestTargetFlags(t *testing.T) {
	auth := filepath.Join(t.TempDir(), "auth.json")
	if err := os.WriteFile(auth, []byte("{\"token\": \"x\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := aim(t, "--transport", "websocket, polling", "--path",
		"/p", "--query", "a=1", "--query", "a=2=3", "--query", "b",
		"--header", "X-One: 1", "--header", "x-one:2", "--auth", "@"+auth, "--insecure", "--timeout", "3s", "-vv")
	opts, err := o.options("3000")
	if err != nil {
		t.Fatal(err)
	}
	e := opts.Engine
	if strings.Join(e.Transports, "+") != "websocket+polling" ||
		e.Path != "/p" || e.Query.Encode() != "a=1&a=2%3D3&b=" ||
		strings.Join(e.Header["X-One"], "+") != "1+2" || !e.TLS.InsecureSkipVerify ||
		opts.ConnectTimeout.String() != "3s" || o.verbosity() != 2 {
		t.Errorf("got %+v", opts)
	}
	if got, ok := opts.Socket.Auth.(json.RawMessage); !ok || string(got) != `{"token": "x"}` {
		t.Errorf("auth is %v", opts.Socket.Auth)
	}
	for _, bad := range [][]string{
		{"--transport", "pigeon"},
		{"--transport", ""},
		{"--header", "nothing"},
		{"--header", ": x"},
		{"--header", "a b: x"},
		{"--header", "a: x\r\nb: y"},
		{"--auth", "[1]"},
		{"--auth", "null"},
		{"--auth", "{"},
		{"--auth", "@/nowhere/to/be/found"},
		{"--ca", "/nowhere/to/be/found"},
		{"--ca", auth},
		{"--timeout", "0s"},
		{"--ack-timeout", "-1s"},
	} {
		if _, err := aim(t, bad...).options("3000"); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestRequestURI(t *testing.T) {
	u, err := url.Parse("http://h/socket.io/?EIO=4&transport=polling&sid=0123456789&access_token=geheim&t=x")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := requestURI(u, false),
		"/socket.io/?EIO=4&transport=polling&sid=012345…&access_token=[redacted]&t=x"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := requestURI(u, true); !strings.Contains(got, "geheim") || !strings.Contains(got, "0123456789") {
		t.Errorf("with secrets it is %s", got)
	}
}

// The tracer shows what happens, and neither secrets nor control characters.
func TestTracer(t *testing.T) {
	for level := range 3 {
		var mu sync.Mutex
		var b strings.Builder
		tr := newTracer(level, func(text string) {
			mu.Lock()
			defer mu.Unlock()
			b.WriteString(text + "\n")
		}).trace()
		r := httptest.NewRequest("GET", "http://h/socket.io/?EIO=4&transport=polling&token=geheim", nil)
		r.Header.Set("Authorization", "geheim")
		r.Header.Set("X-Api-Key", "geheim")
		tr.Request(r)
		res := &http.Response{Proto: "HTTP/1.1", Status: "200 \x1b[2JOK", Header: http.Header{
			"Set-Cookie": {"geheim"}, "Sec-Websocket-Accept": {"shown"}, "X": {"\u009b2J"},
		}}
		tr.Response(r, res)
		poll := httptest.NewRequest("GET", "http://h/socket.io/?EIO=4&transport=polling&sid=geheim-geheim", nil)
		tr.Request(poll)
		tr.Handshake("polling", packet.Handshake{SID: "geheim-geheim", Upgrades: []string{"web\x1bsocket"},
			PingIntervalMS: 25000, PingTimeoutMS: 20000, MaxPayload: 1e6})
		tr.Packet("websocket", true, packet.Packet{Type: packet.Ping, Data: []byte("probe")})
		tr.Packet("polling", true, packet.Packet{Type: packet.Message, Data: []byte(`0/admin,{"token":"geheim"}`)})
		tr.Packet("polling", false, packet.Packet{Type: packet.Message,
			Data: []byte(`44/x` + "\x1b" + `,{"message":"geheim"}`)})
		tr.Packet("polling", false, packet.Packet{Type: packet.Message, Data: []byte(`2["event"]`)})
		tr.Packet("polling", false, packet.Packet{Type: packet.Message, Binary: true, Data: []byte{1, 2}})
		tr.Upgrade("websocket", nil)
		tr.Upgrade("websocket", errors.New("\x1bno"))
		tr.HTTP.ConnectDone("tcp", "127.0.0.1:1", errors.New("\x1bno"))
		got := b.String()
		harmless(t, strings.ReplaceAll(got, "\n", ""))
		if level == 0 {
			if got != "" {
				t.Errorf("without -v there is %s", got)
			}
			continue
		}
		for _, want := range []string{
			"> GET /socket.io/?EIO=4&transport=polling&token=",
			"> Host: h", "< HTTP/1.1 200", "Sec-Websocket-Accept: shown",
			"open over polling, sid geheim", "ping every 25s, 20s to answer, takes 1 MB", "upgraded to websocket",
			"no upgrade to websocket", "tcp       127.0.0.1:1",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("level %d: %q is missing in\n%s", level, want, got)
			}
		}
		quiet := strings.ReplaceAll(strings.ReplaceAll(got, "sid geheim…", ""), "sid=geheim…", "")
		if strings.Contains(quiet, "geheim") != (level == 2) {
			t.Errorf("level %d: secrets should show with -vv alone:\n%s", level, got)
		}
		for text, least := range map[string]int{"→ CONNECT /admin with 18 bytes": 1,
			"→ ping probe over websocket": 1, `message 2["event"]`: 2, "binary 2 bytes": 2, "sid=": 2} {
			if level == 2 && least == 1 {
				continue // it comes in its full form
			}
			if strings.Contains(got, text) != (level >= least) {
				t.Errorf("level %d: %q belongs to level %d\n%s", level, text, least, got)
			}
		}
	}
}

func TestExplain(t *testing.T) {
	refused := &net.OpError{Op: "dial", Net: "tcp",
		Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, Err: syscall.ECONNREFUSED}
	status := func(code int, body string) error {
		return &engineio.ClientError{Transport: "polling", Message: "xhr poll error", Status: code, Body: []byte(body)}
	}
	for _, c := range []struct {
		err        error
		text, hint string
	}{
		{&engineio.ClientError{Err: refused}, "nothing listens at 127.0.0.1:1", "Is the server running"},
		{&engineio.ClientError{Err: &net.DNSError{Name: "h\x1b", IsNotFound: true}}, `no host called h\u001b`, ""},
		{fmt.Errorf("x: %w", x509.UnknownAuthorityError{}), "unknown authority", "--insecure"},
		{&url.Error{Op: "Get", Err: errors.New("http: server gave HTTP response to HTTPS client")},
			"does not speak TLS", "http://"},
		{&url.Error{Op: "Get", Err: io.EOF}, "closed the connection", "https://"},
		{fmt.Errorf("client: %w", context.DeadlineExceeded), "no answer in time", "--timeout"},
		{status(404, "<html>not here</html>"), "HTTP 404 Not Found", "--path"},
		{status(400, `{"code":5,"message":"Unsupported protocol version"}`),
			"HTTP 400 Bad Request: Unsupported protocol version", "version 2"},
		{status(400, `{"code":0,"message":"Transport unknown"}`), "Transport unknown", "--transport"},
		{status(400, "Client sent an HTTP request to an HTTPS server.\n"), "HTTP 400", "https://"},
		{status(403, `{"code":4,"message":"\u001b[2J"}`), `HTTP 403 Forbidden: \u001b[2J`, "--header"},
		{status(302, ""), "HTTP 302 Found", "final address"},
		{&engineio.ClientError{Status: 302, Location: "https://h/\x1b"},
			"HTTP 302 Found", `sends to https://h/\u001b, `},
		{status(400, `{"code":1,"message":"Session ID unknown"}`),
			"HTTP 400 Bad Request: Session ID unknown", "sticky"},
		{&engineio.ClientError{Transport: "websocket", Status: 400, Body: []byte("Session ID unknown")},
			"HTTP 400", "sticky"},
		{&engineio.ClientError{Transport: "websocket", Status: 400, Body: []byte("Bad request")},
			"HTTP 400", "Upgrade"},
		{status(204, ""), "HTTP 204 No Content", "Socket.IO server"},
		{status(405, ""), "HTTP 405 Method Not Allowed", "--path"},
		{fmt.Errorf("x: %w", engineio.ErrOldServer), "Socket.IO 2", "version 3"},
		{errorOfAPage(t), "the answer is a web page", "Socket.IO server"},
		{status(502, ""), "HTTP 502 Bad Gateway", "proxy"},
		{&engineio.ClientError{Status: 200, Err: &packet.SyntaxError{Msg: "unknown type"}},
			"not Engine.IO 4", "Socket.IO server"},
		{&engineio.ClientError{Transport: "websocket", Status: 200},
			"does not change to WebSocket", "--transport polling"},
		{errors.New("\x1bother"), `\u001bother`, ""},
	} {
		text, hint := explain(c.err)
		if !strings.Contains(text, c.text) || !strings.Contains(hint, c.hint) || (hint == "") != (c.hint == "") {
			t.Errorf("%#v: got %q, %q; want %q, %q", c.err, text, hint, c.text, c.hint)
		}
		harmless(t, text+hint)
	}
}

// errorOfAPage is the error of a client that finds a web page.
func errorOfAPage(t *testing.T) error {
	t.Helper()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!DOCTYPE html><title>Hello</title>")
	}))
	defer page.Close()
	_, err := engineio.Dial(t.Context(), page.URL, func(*engineio.ClientSocket) engineio.Handler { return nil },
		&engineio.DialOptions{Transports: []string{"polling"}})
	if err == nil {
		t.Fatal("a page is no server")
	}
	return err
}
