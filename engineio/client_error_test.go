package engineio

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/websocket"
)

// TestClientErrorTexts: what somebody reads who connects to what is no server of Engine.IO 4, or to one that
// refuses.
func TestClientErrorTexts(t *testing.T) {
	answer := func(status int, header, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if name, value, ok := strings.Cut(header, ": "); ok {
				w.Header().Set(name, value)
			}
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	const old = `0{"sid":"x","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}`
	for _, test := range []struct {
		name, transport string
		handle          http.HandlerFunc
		text            string
	}{
		{"no session", "polling", answer(400, "", code1), `status 400 Bad Request: code 1, "Session ID unknown": ` +
			`the session is over, or there are several servers without sticky sessions`},
		{"no session", "websocket", answer(400, "", "Session ID unknown"),
			`status 400 Bad Request: code 1, "Session ID unknown": ` +
				`the session is over, or there are several servers without sticky sessions`},
		{"no transport", "polling", answer(400, "", code0),
			`status 400 Bad Request: code 0, "Transport unknown": the server does not have this transport`},
		{"no upgrade", "websocket", answer(400, "", code3),
			`status 400 Bad Request: code 3, "Bad request": a proxy on the way may not pass Upgrade on`},
		{"forbidden", "polling", answer(403, "", `{"code":4,"message":"\u001b[2Jnot you"}`),
			`status 403 Forbidden: code 4, "\x1b[2Jnot you"`},
		{"version", "polling", answer(400, "", code5), `status 400 Bad Request: code 5, "Unsupported protocol version": ` +
			`the server does not speak Engine.IO 4 (Socket.IO 3 and later)`},
		{"other code", "polling", answer(400, "", `{"code":77,"message":"odd"}`), `status 400 Bad Request: code 77, "odd"`},
		{"negative code", "polling", answer(400, "", `{"code":-7,"message":"odd"}`),
			`status 400 Bad Request: code -7, "odd"`},
		{"no code", "polling", answer(400, "", `{"code":"a","message":"odd"}`), `status 400 Bad Request`},
		{"path", "polling", answer(404, "", "404 page not found\n"),
			`status 404 Not Found: nothing of Engine.IO there: is the path right, with or without its final slash?`},
		{"path", "websocket", answer(404, "", "404 page not found\n"),
			`status 404 Not Found: nothing of Engine.IO there: is the path right, with or without its final slash?`},
		{"method", "polling", answer(405, "", ""), `status 405 Method Not Allowed: ` +
			`nothing of Engine.IO there: is the path right, with or without its final slash?`},
		{"redirect", "polling", answer(302, "Location: https://login.example/in?token=secret", ""),
			`status 302 Found: it redirects to "https://login.example/in", which is not followed`},
		{"redirect", "websocket", answer(301, "Location: /x", ""),
			`status 301 Moved Permanently: it redirects to "/x", which is not followed`},
		{"nothing", "polling", answer(204, "", ""), `status 204 No Content: no Engine.IO server`},
		{"page", "polling", answer(200, "", "\n<!DOCTYPE html>"),
			`answer is a web page: of another server, or of a login or portal before it`},
		{"page", "websocket", answer(200, "", "<html>"),
			`status 200 OK: no WebSocket there, or a proxy on the way does not pass Upgrade on`},
		{"JSON", "polling", answer(200, "", `{"a":1}`),
			`answer is JSON, but no Engine.IO: of another server, or another path of it`},
		{"empty", "polling", answer(200, "", ""), `answer is empty: of no Engine.IO server`},
		{"text", "polling", answer(200, "", "It works!"), `answer is no Engine.IO 4: unknown packet type at byte 0`},
		{"proxy", "polling", answer(502, "", "<html>"),
			`status 502 Bad Gateway: a proxy answers, and the server behind it does not`},
		{"who", "polling", answer(401, "", ""), `status 401 Unauthorized: something in front of the server asks who this is`},
		{"teapot", "websocket", answer(418, "", "x"), `status 418 I'm a teapot`},
		{"no status text", "polling", answer(599, "", "x"), `status 599`},
		{"old", "polling", answer(200, "", "78:"+old+"2:40"), `server speaks Engine.IO 3, of Socket.IO v2, and not 4`},
		{"old, in bytes", "polling", answer(200, "", "\x00\x07\x08\xff"+old),
			`server speaks Engine.IO 3, of Socket.IO v2, and not 4`},
		{"page", "websocket", webSocketScript("<html>", func(*websocket.Conn) {}),
			`answer is a web page: of another server, or of a login or portal before it`},
		{"echo", "websocket", webSocketScript("welcome", func(*websocket.Conn) {}),
			`answer is no Engine.IO 4: unknown packet type at byte 0`},
	} {
		scripted(t, test.handle, func(t *testing.T, s *script) {
			e := s.refused(s.options(test.transport))
			begin := "engineio: " + test.transport + ": server error: "
			switch {
			case e.Message == "xhr poll error":
				begin = "engineio: polling: GET error: "
			case e.Message == "websocket error":
				begin = "engineio: websocket error: "
			}
			if got, want := e.Error(), begin+test.text; got != want {
				t.Errorf("%s\n got %s\nwant %s", test.name, got, want)
			}
		})
	}
	for want, e := range map[string]*ClientError{
		"engineio: polling: GET error: EOF": {Transport: "polling", Message: "xhr poll error",
			Err: io.EOF},
		"engineio: polling: POST error: request takes too long": {Transport: "polling", Message: "xhr post error",
			Err: errRequestTimeout},
		"engineio: polling: GET error: dial tcp: connection refused": {
			Transport: "polling", Message: "xhr poll error", Err: &net.OpError{Op: "dial", Net: "tcp",
				Err: syscall.ECONNREFUSED},
		},
		`engineio: polling: GET error: "\x1b[2J"`: {Transport: "polling",
			Message: "xhr poll error", Err: errors.New("\x1b[2J")},
		"engineio: websocket error: dial h: EOF": {Transport: "websocket",
			Message: "websocket error", Err: errors.Join(errtext.New("websocket: dial h: EOF"))},
		"engineio: websocket error: context canceled": {Transport: "websocket",
			Message: "websocket error", Err: context.Canceled},
		"engineio: polling: GET error": {Transport: "polling",
			Message: "xhr poll error"},
		"engineio: polling: POST error: " + errPage.Error()[len("engineio: "):]: {Transport: "polling",
			Message: "xhr post error", Status: 200, Err: errPage},
	} {
		if got := e.Error(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for raw, want := range map[string]string{
		"http://h:99999": "engineio: port 99999 of the URL is not between 1 and 65535",
		"http://h:0":     "engineio: port 0 of the URL is not between 1 and 65535",
		"ftp://h":        "engineio: scheme of the URL is none of http, https, ws and wss",
		"http://":        "engineio: URL has no host",
	} {
		if _, err := Dial(t.Context(), raw, nil, nil); err == nil || err.Error() != want {
			t.Errorf("%s: %v", raw, err)
		}
	}
}
