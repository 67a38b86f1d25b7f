package hostile

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"sio.example/socketio/engineio"
)

// Answers to the handshake of WebSocket, and to the first poll. More forms of the first are in TestDialRefused,
// TestDialMalformed and TestDialBadFrames of internal/websocket.
var handshakeRows = slices.Concat(
	// W-1: the key; W-4: the upgrade; W-12: what was not offered; W-13: headers that come twice.
	answered("W-1", "Sec-WebSocket-Accept", websocket, 101, without("Sec-WebSocket-Accept"),
		with("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
		with("Sec-WebSocket-Accept", "")),
	answered("W-4", "Upgrade", websocket, 101, without("Upgrade"), with("Upgrade", "foo"), with("Upgrade", "h2c")),
	answered("W-4-connection", "Connection", websocket, 101, without("Connection"), with("Connection", "close")),
	answered("W-12", "extension", websocket, 101, more("Sec-WebSocket-Extensions: permessage-deflate"),
		more("Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover"),
		more("Sec-WebSocket-Extensions: x")),
	answered("W-12-protocol", "subprotocol", websocket, 101, more("Sec-WebSocket-Protocol: chat")),
	answered("W-13", "Sec-WebSocket-Accept", websocket, 101, func(r *http.Request) string {
		return strings.Replace(switching(r), "\r\n\r\n", "\r\nSec-WebSocket-Accept: "+accept(r)+"\r\n\r\n", 1)
	}),
	// W-2, W-3, W-6 to W-9: other statuses; and those of polling.
	answered("W-2", "status 426", both, 426, plain(426, "Upgrade Required\r\nSec-WebSocket-Version: 8", "")),
	answered("W-6", "status 404", both, 404, plain(404, "Not Found", "<html>"+strings.Repeat("x", 100_000))),
	answered("W-8", "status 400", both, 400, plain(400, "Bad Request", `{"code":0,"message":"Transport unknown"}`),
		plain(400, "\x1b[31m", `{"code":5,"message":"Unsupported protocol version\u001b[31m"}`)),
	answered("W-9", "status 403", both, 403, plain(403, "Forbidden", `{"code":4,"message":"Forbidden"}`)),
	answered("W-9-busy", "status 503", both, 503, plain(503, "Busy\r\nRetry-After: 99999999", "")),
	answered("W-9-other", "status", both, 0, plain(204, "No Content", ""),
		plain(206, "Partial Content", `0`+lawfulOpening("a")),
		plain(299, "", `0`+lawfulOpening("a")), plain(304, "Not Modified", ""),
		plain(401, "No\r\nWWW-Authenticate: Basic", ""), plain(599, "", "")),
	// W-7: 101 to a poll is no answer.
	answered("W-7", "", polling, 0, switching),
	// W-10: the connection is cut, politely or not, before anything is said.
	answered("W-10", "error", both, 0, func(*http.Request) string { return "" },
		func(*http.Request) string { return "HTTP/1.1 2" }),
	[]row{{id: "W-10-reset", refuse: "error", begin: func(e *env) {
		e.srv.instead(func(c *conn, _ *http.Request) { reset(c) })
	}}, {id: "W-10-101", on: websocket, refuse: "websocket error", begin: func(e *env) { // N-7, once
		e.srv.instead(func(c *conn, r *http.Request) {
			_ = c.say(switching(r))
			reset(c)
		})
	}}, {id: "W-13-lower", on: websocket, begin: func(e *env) {
		e.srv.instead(func(c *conn, r *http.Request) {
			_ = c.say("HTTP/1.1 101 \r\nupgrade: WebSocket\r\nconnection: keep-alive, " +
				"upgrade\r\nsec-websocket-accept:   " + accept(r) + "  \r\n\r\n")
			e.srv.session("websocket").websocket(c, true)
		})
	}}},
)

func reset(c *conn) {
	if t, ok := c.Conn.(interface{ SetLinger(int) error }); ok {
		_ = t.SetLinger(0) // fails only on a closed connection
	}
}

// answered are rows in which the first request gets the answer, and the connection is closed behind it.
func answered(id, refuse string, on []string, status int, answers ...func(r *http.Request) string) []row {
	var all []row
	for i, r := range lettered(id, row{on: on, refuse: refuse, refused: true}, nil, answers...) {
		r.run, r.begin = nil, func(e *env) {
			e.srv.instead(func(c *conn, r *http.Request) { _ = c.say(answers[i](r)) })
		}
		if status != 0 {
			r.failure = func(e *env, err *engineio.ClientError) {
				if err.Status != status || len(err.Body) > 1024 {
					e.Errorf("status %d and %d bytes, want %d", err.Status, len(err.Body), status)
				}
			}
		}
		all = append(all, r)
	}
	return all
}

func plain(status int, text, body string) func(*http.Request) string {
	return func(*http.Request) string {
		return fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Length: %d\r\n\r\n%s", status, text, len(body), body)
	}
}

// without is the lawful answer to a handshake without a header, with has another value of it, and more has another
// header.
func without(name string) func(*http.Request) string {
	return func(r *http.Request) string {
		var lines []string
		for line := range strings.SplitSeq(switching(r), "\r\n") {
			if !strings.HasPrefix(line, name+":") {
				lines = append(lines, line)
			}
		}
		return strings.Join(lines, "\r\n")
	}
}

func with(name, value string) func(*http.Request) string {
	return func(r *http.Request) string {
		return strings.Replace(without(name)(r), "\r\n\r\n", "\r\n"+name+": "+value+"\r\n\r\n", 1)
	}
}

func more(line string) func(*http.Request) string {
	return func(r *http.Request) string {
		return strings.Replace(switching(r), "\r\n\r\n", "\r\n"+line+"\r\n\r\n", 1)
	}
}
