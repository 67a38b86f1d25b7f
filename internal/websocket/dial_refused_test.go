package websocket

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/internal/memnet"
)

// fakeServer answers one handshake with the text, in which {accept} stands for the right key, closes if the text ends
// with {close}, and otherwise reads until the client ends. It delivers the frames it got.
func fakeServer(nc net.Conn, answer string) <-chan []frame {
	done := make(chan []frame, 1)
	go func() { // ends with the connection
		defer nc.Close()
		br := bufio.NewReader(nc)
		r, err := http.ReadRequest(br)
		if err != nil {
			done <- nil
			return
		}
		key := r.Header.Get("Sec-WebSocket-Key")
		answer = strings.ReplaceAll(answer, "{accept}", acceptKey(key))
		answer, hangUp := strings.CutSuffix(answer, "{close}")
		io.WriteString(nc, answer)
		if hangUp {
			done <- nil
			return
		}
		p := &peer{Conn: nc, br: br, server: true}
		frames, _ := p.readAll()
		done <- frames
	}()
	return done
}

// dialFake dials a fakeServer in memory.
func dialFake(t testing.TB, answer string) (*Conn, *http.Response, <-chan []frame, error) {
	t.Helper()
	return dialFakeWith(t, answer, nil)
}

// dialFakeWith is dialFake of a client that may offer to compress.
func dialFakeWith(t testing.TB, answer string, o *DeflateOptions) (*Conn, *http.Response, <-chan []frame, error) {
	t.Helper()
	client, server := memnet.Pipe(0)
	done := fakeServer(server, answer)
	c, res, err := Dial(t.Context(), parse(t, "ws://h.example/secret?token=secret"), &DialOptions{
		NetDial:      func(context.Context, string, string) (net.Conn, error) { return client, nil },
		Subprotocols: []string{"chat"},
		Options:      Options{Deflate: o},
	})
	if err == nil {
		t.Cleanup(c.Abort)
	} else if strings.Contains(err.Error(), "secret") ||
		len(err.Error()) > 300 || strings.ContainsAny(err.Error(), "\r\n\x00") {
		t.Errorf("error says %q", err)
	}
	return c, res, done, err
}

const (
	switching = "HTTP/1.1 101 Switching Protocols\r\n"
	upgrading = "Upgrade: websocket\r\nConnection: Upgrade\r\n"
	accepting = "Sec-WebSocket-Accept: {accept}\r\n"
)

// A client that offered to compress takes only what fits its offer, and goes on without if there is no word about it.
func TestDialWithAnOffer(t *testing.T) {
	for answer, want := range map[string]string{
		"": "",
		"permessage-deflate; server_no_context_takeover":                           "on",
		"permessage-deflate":                                                       "refused",
		"permessage-deflate; server_no_context_takeover; client_max_window_bits=9": "refused",
		"x-webkit-deflate-frame":                                                   "refused",
	} {
		synctest.Test(t, func(t *testing.T) {
			if answer != "" {
				answer = "Sec-WebSocket-Extensions: " + answer + "\r\n"
			}
			c, _, _, err := dialFakeWith(t, switching+upgrading+accepting+answer+"\r\n", new(DeflateOptions))
			got := ""
			var refused *HandshakeRefusedError
			switch {
			case errors.As(err, &refused) && strings.Contains(err.Error(), "extension"):
				got = "refused"
			case err != nil:
				t.Error(err)
			case c.Deflates():
				got = "on"
			}
			if got != want {
				t.Errorf("%q: %q", answer, got)
			}
		})
	}
}

// What is not a correct 101 is a HandshakeRefusedError, and nothing is followed.
func TestDialRefused(t *testing.T) {
	for _, row := range []struct {
		name, answer string
		status       int
		body, text   string
	}{
		{"200", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", "status 200"},
		{"200 with everything", "HTTP/1.1 200 OK\r\n" + upgrading + accepting + "\r\n{close}", 200, "", "status 200"},
		{"302", "HTTP/1.1 302 Found\r\nLocation: ws://evil.example/\r\nContent-Length: 0\r\n\r\n",
			302, "", "status 302"},
		{
			"307 to a file", "HTTP/1.1 307 Temporary Redirect\r\nLocation: file:///etc/passwd\r\nContent-Length: " +
				"0\r\n\r\n", 307, "", "status 307",
		},
		{"400 of Engine.IO", "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n" +
			`{"code":0,"message":"Transport unknown"}{close}`, 400,
			`{"code":0,"message":"Transport unknown"}`, "status 400"},
		{"401", "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nno",
			401, "no", "status 401"},
		{
			"chunked", "HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: " +
				"chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n", 503, "abcdef", "status 503",
		},
		{"broken chunks", "HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzzz\r\n",
			503, "abc", "status 503"},
		{"long body", "HTTP/1.1 500 x\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("b", 100_000),
			500, strings.Repeat("b", 1024), "status 500"},
		{"body that stops", "HTTP/1.1 500 x\r\nContent-Length: 100000\r\n\r\nonly this",
			500, "only this", "status 500"},
		{"body without an end", "HTTP/1.1 500 x\r\n\r\nonly this", 500, "only this", "status 500"},
		{"100 before", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
			404, "", "status 404"},
		{"wrong key", switching + upgrading + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
			101, "", "wrong Sec-WebSocket-Accept"},
		{"key in other case", switching + upgrading + "Sec-WebSocket-Accept: ={accept}\r\n\r\n",
			101, "", "wrong Sec-WebSocket-Accept"},
		{"no key", switching + upgrading + "\r\n", 101, "", "wrong Sec-WebSocket-Accept"},
		{"two keys", switching + upgrading + accepting + accepting + "\r\n", 101, "", "wrong Sec-WebSocket-Accept"},
		{"no upgrade", switching + "Connection: Upgrade\r\n" + accepting + "\r\n", 101, "", "without Upgrade"},
		{"other upgrade", switching + "Connection: Upgrade\r\nUpgrade: h2c\r\n" + accepting + "\r\n",
			101, "", "without Upgrade"},
		{"no connection", switching + "Upgrade: websocket\r\n" + accepting + "\r\n", 101, "", "without Connection"},
		{"connection: close", switching + "Upgrade: websocket\r\nConnection: close\r\n" + accepting + "\r\n",
			101, "", "without Connection"},
		{"extension", switching + upgrading + accepting + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
			101, "", "extension"},
		{"subprotocol", switching + upgrading + accepting + "Sec-WebSocket-Protocol: other\r\n\r\n",
			101, "", "subprotocol"},
		{"empty subprotocol", switching + upgrading + accepting + "Sec-WebSocket-Protocol: \r\n\r\n",
			101, "", "subprotocol"},
		{"two subprotocols", switching + upgrading + accepting +
			"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n\r\n", 101, "", "subprotocol"},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				_, res, done, err := dialFake(t, row.answer)
				var refused *HandshakeRefusedError
				if !errors.As(err, &refused) || res != nil {
					t.Fatalf("got %v", err)
				}
				if refused.Status != row.status || string(refused.Body) != row.body ||
					refused.Proxy || !strings.Contains(err.Error(), row.text) {
					t.Errorf("got %v, body %q", err, refused.Body)
				}
				if row.status == 302 && refused.Header.Get("Location") == "" {
					t.Error("header is missing")
				}
				if d := time.Since(start); d > refusalWait {
					t.Errorf("took %v", d)
				}
				<-done
			})
		})
	}
}

// What is no answer at all is an error of bounded length that quotes what must be.
func TestDialMalformed(t *testing.T) {
	for _, row := range []struct {
		name, answer string
		is           error
	}{
		{"nothing", "{close}", io.ErrUnexpectedEOF},
		{"half a line", "HTTP/1.1 101 Swi{close}", io.ErrUnexpectedEOF},
		{"half a header", switching + upgrading + "{close}", io.ErrUnexpectedEOF},
		{"not HTTP", "\x05\x00\r\nsome\r\n\r\n", nil},
		{"HTTP/2 settings", "\x00\x00\x00\x04\x00\x00\x00\x00\x00\r\n\r\n", nil},
		{"line without colon", switching + "what\x00\x1b[31m\r\n\r\n", nil},
		{"no end of the first line", strings.Repeat("x", 100_000), errAnswerTooLong},
		{"no end of a header", switching + "X: " + strings.Repeat("x", 1_000_000), errAnswerTooLong},
		{"no end of headers", switching + strings.Repeat("Set-Cookie: a=b\r\n", 1_000_000/17), errAnswerTooLong},
		{"bad status", "HTTP/1.1 1o1 Switching\r\n" + upgrading + accepting + "\r\n", nil},
		{"interim answers", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100), nil},
		{"long malformed line", "HTTP/1.1 " + strings.Repeat("\r\x00y", 1000) + "\r\n\r\n", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, _, done, err := dialFake(t, row.answer)
				var refused *HandshakeRefusedError
				if err == nil || errors.As(err, &refused) || row.is != nil && !errors.Is(err, row.is) {
					t.Fatalf("got %v", err)
				}
				if errors.Is(err, context.DeadlineExceeded) {
					t.Error("waited for the timeout")
				}
				<-done
			})
		})
	}
}

// A header that comes in drops is bounded by the timeout.
func TestDialSlowHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := memnet.Pipe(0)
		dripped := make(chan struct{})
		go func() { // ends when the client closes
			defer close(dripped)
			for {
				if _, err := io.WriteString(server, "H"); err != nil {
					return
				}
				<-time.After(time.Second)
			}
		}()
		start := time.Now()
		_, _, err := Dial(t.Context(), parse(t, "ws://h.example/"), &DialOptions{
			NetDial: func(context.Context, string, string) (net.Conn, error) { return client, nil },
		})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != defaultHandshakeTimeout {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		io.Copy(io.Discard, server)
		<-dripped
	})
}

// Answers that differ in what does not matter are accepted, and the frames behind them are kept, cut anywhere.
func TestDialAccepted(t *testing.T) {
	frames := string(AppendFrame(AppendFrame(nil, Text, []byte("first")), Binary, bytes.Repeat([]byte("x"), 5000)))
	for _, answer := range []string{
		switching + upgrading + accepting + "\r\n",
		"HTTP/1.1 101 \r\nUPGRADE: WebSocket\r\nconnection: keep-alive, upgrade\r\nsec-websocket-accept:   {accept} " +
			" \r\n\r\n",
		switching + upgrading + accepting + "Sec-WebSocket-Protocol: chat\r\nSet-Cookie: a=b\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + switching + upgrading + accepting + "\r\n",
		switching + upgrading + accepting + "Content-Length: 5\r\n\r\n",
		switching + upgrading + accepting + "X-Long: " + strings.Repeat("x", 60_000) + "\r\n\r\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			c, res, done, err := dialFake(t, answer+frames)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(res.Body); len(b) > 0 || err != nil {
				t.Errorf("body %q, %v", b, err)
			}
			wantMessage(t, c, text("first"))
			wantMessage(t, c, mk(2, strings.Repeat("x", 5000)))
			c.WriteFrames(c.AppendFrame(nil, Text, []byte("mine")))
			c.Abort()
			if got := <-done; len(got) != 1 || !got[0].equal(text("mine")) {
				t.Errorf("server got %v", got)
			}
		})
	}
}

// F-1 and others right behind the 101.
func TestDialBadFrames(t *testing.T) {
	for name, row := range map[string]struct {
		send   []byte
		status Status
	}{
		"masked":         {text("a").masked(), ProtocolError},
		"compressed":     {[]byte("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"), ProtocolError},
		"opcode 3":       {[]byte("\x83\x00"), ProtocolError},
		"not UTF-8":      {[]byte("\x81\x01\xff"), InvalidPayload},
		"2^62 bytes":     {[]byte("\x82\x7f\x40\x00\x00\x00\x00\x00\x00\x00"), MessageTooBig},
		"long ping":      {[]byte("\x89\x7e\x00\x80"), ProtocolError},
		"another answer": {[]byte("HTTP/1.1 200 OK\r\n\r\n"), ProtocolError},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _, done, err := dialFake(t, switching+upgrading+accepting+"\r\n"+string(row.send))
				if err != nil {
					t.Fatal(err)
				}
				_, _, err = c.Read()
				e := closedWith(t, err, row.status, false)
				if got := <-done; len(got) != 1 || !got[0].equal(closing(row.status, e.Reason)) {
					t.Errorf("server got %v", got)
				}
			})
		})
	}
}

// N-7: a server that closes right after the 101 costs nothing that stays.
func TestDialClosedAtOnce(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 200 {
		c, _, done, err := dialFake(t, switching+upgrading+accepting+"\r\n{close}")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Read(); !errors.Is(err, io.EOF) {
			t.Fatalf("got %v", err)
		}
		<-done
	}
	limit := time.Now().Add(5 * time.Minute)
	for runtime.NumGoroutine() > before+5 {
		if time.Now().After(limit) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		runtime.Gosched()
	}
}

// An answer's header does not make more memory than it is long, and a refusal keeps no more than its header and a KiB.
func FuzzDialResponse(f *testing.F) {
	f.Add("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		"{accept}\r\n\r\n\x81\x01a")
	f.Add(switching + upgrading + "Sec-WebSocket-Protocol: chat\r\n" + accepting + "\r\n\x81")
	f.Add("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n")
	f.Add("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 400 x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
	f.Add("HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		"{accept}\r\n\n\x81\x01a")
	f.Add("\r\n\r\n")
	f.Fuzz(func(t *testing.T, answer string) {
		d := dialer{opts: &DialOptions{Subprotocols: []string{"chat"}}}
		if err := d.prepare(&url.URL{Scheme: "ws", Host: "h.example"}); err != nil {
			t.Fatal(err)
		}
		in := strings.ReplaceAll(answer, "{accept}", acceptKey(d.key))
		nc := newScript([]byte(in))
		c, res, err := d.handshake(t.Context(), nc, nil, "")
		if !bytes.Equal(nc.wrote, d.request) {
			t.Fatalf("wrote %q", nc.wrote)
		}
		if err != nil {
			var refused *HandshakeRefusedError
			if c != nil || res != nil || len(err.Error()) > 700 ||
				errors.As(err, &refused) && len(refused.Body) > maxRefusal {
				t.Fatalf("%v", err)
			}
			return
		}
		// What is accepted must be acceptable to the letter, and all behind it must be there.
		_, rest, ok := strings.Cut(in, "\n\r\n")
		if _, other, lone := strings.Cut(in, "\n\n"); lone && len(other) > len(rest) { // RFC 9112 2.2
			rest, ok = other, true
		}
		head := strings.ToLower(in)
		if !ok || !strings.Contains(in, acceptKey(d.key)) ||
			!strings.Contains(head, "websocket") || res.StatusCode != 101 {
			t.Fatalf("accepted %q", in)
		}
		r := <-receive(c)
		messages, _, _, _ := modelOf(true, []byte(rest))
		if !strings.Contains(in, "HTTP/1.1 1") || strings.Count(head, "http/") > 1 {
			return // the 101 is not the first answer
		}
		if len(rest) < 3000 && !strings.Contains(in[:len(in)-len(rest)], "\n\n") && len(r.messages) < len(messages) {
			t.Fatalf("%d messages of %d in %q", len(r.messages), len(messages), rest)
		}
	})
}
