package attack

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/test/internal/wire"
)

// The rows of the WebSocket handshake.
//
// Refused upgrades get the message of the refusal as text, as from the official server, and not the JSON with the code.
// The deadline for writing the 101 (W-11) is a test of internal/websocket: an answer so short always fits into the
// buffers of a connection whose peer does not read, so from outside only what becomes of that peer can be seen.

// handshakeHeader are the headers of a lawful handshake but for the changes; a nil value leaves a header out.
func handshakeHeader(changes http.Header) http.Header {
	header := wire.UpgradeHeader()
	maps.Copy(header, changes)
	return header
}

// handshakeRefused is a row in which a handshake is refused for each of the changes to its headers, one at a time.
func handshakeRefused(id, query string, status int, text, reject string, changes ...http.Header) row {
	return row{id: id, run: func(e *env) {
		opened := e.io.Stats().Engine.Opened
		for _, change := range changes {
			res := e.request("GET", "/socket.io/"+query, handshakeHeader(change), nil, status, text)
			e.handshakeAnswer(res)
		}
		if n := e.io.Stats().Engine.Opened; n != opened {
			e.Errorf("%d sessions were opened", n-opened)
		}
	}, reject: reject, times: len(changes)}
}

// handshakeAnswer checks what all refusals of upgrades have in common.
func (e *env) handshakeAnswer(res *wire.Response) {
	e.Helper()
	if !strings.EqualFold(res.Header.Get("Connection"), "close") {
		e.Errorf("%d: Connection is %q", res.Status, res.Header.Get("Connection"))
	}
	if kind := res.Header.Get("Content-Type"); kind != "text/html" {
		e.Errorf("%d: content type %q", res.Status, kind)
	}
	if v := res.Header.Get("Sec-Websocket-Version"); (res.Status == http.StatusUpgradeRequired) != (v == "13") {
		e.Errorf("%d: Sec-WebSocket-Version is %q", res.Status, v)
	}
	if v := res.Header.Get("Sec-Websocket-Accept"); v != "" {
		e.Errorf("%d: Sec-WebSocket-Accept is %q", res.Status, v)
	}
}

// rawAnswer sends bytes and reads to the end of the connection, which must come.
func (e *env) rawAnswer(text string) string {
	e.Helper()
	c, err := e.Dial()
	if err != nil {
		e.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, text); err != nil {
		e.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	answer, err := io.ReadAll(c)
	if err != nil {
		e.Errorf("after %.200q: %v", answer, err)
	}
	return string(answer)
}

// pipelined sends a handshake with something behind it in one piece, wants it accepted, and returns what comes after.
func (e *env) pipelined(text string) *bufio.Reader {
	e.Helper()
	c, err := e.Dial()
	if err != nil {
		e.Fatal(err)
	}
	e.later(func() { _ = c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		e.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	in := bufio.NewReader(c)
	res, err := http.ReadResponse(in, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		e.Fatalf("answer %v, %v", res, err)
	}
	return in
}

// handshakeAccepted makes a handshake, wants it accepted, and returns the headers of the answer. The session is closed.
func (e *env) handshakeAccepted(header http.Header) http.Header {
	e.Helper()
	res := e.request("GET", e.URL("websocket", ""), header, nil, http.StatusSwitchingProtocols, "")
	e.later(func() { closeAll(e) })
	return res.Header
}

// handshakeKeys gives each value as the only Sec-WebSocket-Key.
func handshakeKeys(values ...string) (all []http.Header) {
	for _, v := range values {
		all = append(all, http.Header{"Sec-Websocket-Key": {v}})
	}
	return all
}

// handshakeVersions gives each value as the only Sec-WebSocket-Version.
func handshakeVersions(values ...string) (all []http.Header) {
	for _, v := range values {
		all = append(all, http.Header{"Sec-Websocket-Version": {v}})
	}
	return all
}

const (
	webSocket  = "?EIO=4&transport=websocket"
	notVersion = "Sec-WebSocket-Version is not 13"
)

// unchanged is a lawful handshake.
var unchanged = http.Header{}

var handshakeRows = slices.Concat([]row{
	handshakeRefused("W-1a", webSocket, 400, "Bad request",
		engineio.RejectHandshake, http.Header{"Sec-Websocket-Key": nil}),
	handshakeRefused("W-1b", webSocket, 400, "Bad request", engineio.RejectHandshake,
		handshakeKeys("", "x", "dGhlIHNhbXBsZSBub25j", wire.Key+"AAAA")...),
	// Not base64, and base64 of 17 and 18 bytes.
	handshakeRefused("W-1c", webSocket, 400, "Bad request", engineio.RejectHandshake, handshakeKeys(
		"!!!!!!!!!!!!!!!!!!!!!!==", "dGhlIHNhbXBsZSBub25jZQ=a", "dGhlIHNhbXBsZSBub25jZWE=", "dGhlIHNhbXBsZSBub25jZWFi",
	)...),
	handshakeRefused("W-2a", webSocket, 426, notVersion, engineio.RejectHandshake, handshakeVersions("8")...),
	// The answer names what it is to be upgraded to (RFC 9110 7.8, 15.5.22), and ends the connection.
	{id: "W-2b", run: func(e *env) {
		lines := strings.Replace(handshakeLines, "13", "8", 1)
		text := e.rawAnswer("GET /socket.io/" + webSocket + " HTTP/1.1\r\nHost: x\r\n" + lines + "\r\n")
		for _, want := range []string{
			"HTTP/1.1 426 ", "\nUpgrade: websocket\r", "\nConnection: Upgrade\r",
			"\nConnection: close\r", "\nSec-Websocket-Version: 13\r",
		} {
			if !strings.Contains(text, want) {
				e.Errorf("answer %q, without %q", text, want)
			}
		}
	}, reject: engineio.RejectHandshake},
	handshakeRefused("W-3a", webSocket, 426, notVersion, engineio.RejectHandshake,
		handshakeVersions("99", "0", "-13", "13, 8", "013", "")...),
	handshakeRefused("W-3b", webSocket, 426, notVersion, engineio.RejectHandshake,
		http.Header{"Sec-Websocket-Version": nil}, http.Header{"Sec-Websocket-Version": {"13", "13"}}),
	// What does not ask for a WebSocket is an ordinary request for a transport that needs an upgrade, see H-6.
	{id: "W-4", run: func(e *env) {
		for _, change := range []http.Header{
			{"Upgrade": {"foo"}}, {"Upgrade": nil}, {"Upgrade": {"websocketx"}},
			{"Connection": {"keep-alive"}}, {"Connection": nil},
		} {
			e.request("GET", "/socket.io/"+webSocket, handshakeHeader(change), nil, 400, code3U)
		}
	}, reject: engineio.RejectHandshake, times: 5},
	{id: "W-5", run: func(e *env) {
		e.handshakeAnswer(e.request("POST", "/socket.io/"+webSocket,
			wire.UpgradeHeader(), nil, 400, "Bad handshake method"))
		e.handshakeAnswer(e.request("PUT", "/socket.io/"+webSocket,
			wire.UpgradeHeader(), nil, 400, "Bad handshake method"))
	}, reject: engineio.RejectHandshakeMethod, times: 2},
	// Of a session that upgrades too: polling lives.
	{id: "W-5b", run: func(e *env) {
		s := e.connect("polling")
		e.handshakeAnswer(e.request("POST", e.URL("websocket", s.SID),
			wire.UpgradeHeader(), nil, 400, "Bad handshake method"))
		e.alive(s)
	}, reject: engineio.RejectHandshakeMethod},
	// Somebody else's path, and one below ours.
	{id: "W-6", run: func(e *env) {
		e.request("GET", "/elsewhere/"+webSocket, wire.UpgradeHeader(), nil, 404, "")
		if st := e.io.Stats(); len(st.Rejected) != 0 {
			e.Errorf("counted %v", st.Rejected)
		}
		e.request("GET", "/socket.io/more/"+webSocket, wire.UpgradeHeader(), nil, 404, "")
	}, reject: engineio.RejectPath},
	handshakeRefused("W-7a", polling, 400, "Bad request", engineio.RejectHandshake, unchanged),
	{id: "W-7b", run: func(e *env) {
		s := e.connect("polling")
		e.handshakeAnswer(e.request("GET", e.URL("polling", s.SID), wire.UpgradeHeader(), nil, 400, "Bad request"))
		e.alive(s)
	}, reject: engineio.RejectTransportMismatch},
	handshakeRefused("W-8", "?EIO=4&transport=foobar", 400, "Transport unknown", engineio.RejectTransport, unchanged),
	handshakeRefused("W-9a", webSocket+"&sid=unknown", 400, "Session ID unknown", engineio.RejectSession, unchanged),
	handshakeRefused("W-9b", webSocket+"&sid=__proto__", 400, "Session ID unknown", engineio.RejectSession, unchanged),
	// Cut down from 20,000.
	{id: "W-10", run: func(e *env) {
		s := e.connect("polling")
		urls := []string{e.URL("websocket", ""), e.URL("websocket", s.SID)}
		handshakeResets(e, 300, func(i int) []byte {
			return wire.Request("GET", urls[i%2], e.Addr, wire.UpgradeHeader(), nil)
		})
		e.settle(func() bool { return e.io.Stats().Engine.Sessions == 1 })
		e.alive(s)
	}},
	// It never reads, and is gone when it does not answer a ping.
	{id: "W-11", opts: quick, run: func(e *env) {
		c, err := e.Dial()
		if err != nil {
			e.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write(wire.Request("GET", e.URL("websocket", ""),
			e.Addr, wire.UpgradeHeader(), nil)); err != nil {
			e.Fatal(err)
		}
		e.settle(func() bool { return e.io.Stats().Rejected[engineio.RejectPingTimeout] == 1 })
		e.settle(func() bool { return e.io.Stats().Engine.Sessions == 0 })
	}, reject: engineio.RejectPingTimeout},
}, offerRows, headerRows)

// handshakeResets sends requests, some at a time, each on a connection that is reset: before anything is read, after
// the first byte of the answer, or when only half of the request is out.
func handshakeResets(e *env, n int, request func(i int) []byte) {
	var wg sync.WaitGroup
	places := make(chan struct{}, 20)
	for i := range n {
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			c, err := e.Dial()
			if err != nil {
				e.Error(err)
				return
			}
			text := request(i)
			switch i % 3 {
			case 0:
				_, err = c.Write(text)
			case 1:
				if _, err = c.Write(text); err == nil {
					_, err = io.ReadFull(c, make([]byte, 1))
				}
			default:
				_, err = c.Write(text[:len(text)/2])
			}
			if err != nil {
				e.Error(err)
			}
			_ = c.SetLinger(0)
			_ = c.Close()
		})
	}
	wg.Wait()
}

// Offers of extensions and subprotocols. None is taken up, whatever they hold: package websocket documents that it
// negotiates neither, and a client has to live with that (RFC 6455 4.2.2, RFC 7692 5).
var offerRows = []row{
	{id: "W-12a", run: func(e *env) {
		for _, offer := range []string{
			"permessage-deflate",
			"permessage-deflate; client_max_window_bits",
			"permessage-deflate; client_max_window_bits=8",
			"permessage-deflate; client_max_window_bits=15; server_max_window_bits=15",
			"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
			`permessage-deflate; server_max_window_bits="10"`,
			"permessage-deflate; server_max_window_bits=8, permessage-deflate",
			"x-webkit-deflate-frame, permessage-deflate",
		} {
			e.offer("Sec-Websocket-Extensions", offer)
		}
	}},
	{id: "W-12b", run: func(e *env) {
		for _, offer := range []string{
			"permessage-deflate; server_max_window_bits",
			"permessage-deflate; server_max_window_bits=7",
			"permessage-deflate; server_max_window_bits=16",
			"permessage-deflate; client_max_window_bits=08",
			"permessage-deflate; client_max_window_bits=",
			"permessage-deflate; server_no_context_takeover=1",
			"permessage-deflate; server_no_context_takeover; server_no_context_takeover",
			"permessage-deflate; unknown",
			"permessage-deflate;", ";", ",", ",,,", "permessage-deflate,", "=", "\"",
		} {
			e.offer("Sec-Websocket-Extensions", offer)
		}
	}},
	{id: "W-12c", run: func(e *env) {
		for _, offer := range []string{"chat", "chat, superchat",
			"sio, sio", "", ",", "a b", "\"", strings.Repeat("a,", 10_000)} {
			e.offer("Sec-Websocket-Protocol", offer)
		}
	}},
}

// offer makes a handshake that offers something with a header, and wants it accepted and the offer not taken up.
func (e *env) offer(name, value string) {
	e.Helper()
	header := e.handshakeAccepted(handshakeHeader(http.Header{name: {value}}))
	if got, ok := header[name]; ok {
		e.Errorf("%.100q is answered with %q", value, got)
	}
}

var headerRows = []row{
	handshakeRefused("W-13a", webSocket, 400, "Bad request", engineio.RejectHandshake,
		handshakeTwice(wire.Key, wire.Key), handshakeTwice(wire.Key, ""),
		http.Header{"Sec-Websocket-Key": {wire.Key + ", " + wire.Key}}),
	{id: "W-13b", run: func(e *env) {
		for _, host := range []string{"", "Host: a\r\nHost: b\r\n", "Host: a b\r\n", "Host: a/b\x00\r\n"} {
			line := e.raw("GET /socket.io/" + webSocket + " HTTP/1.1\r\n" + host + handshakeLines + "\r\n")
			if !strings.HasPrefix(line, "HTTP/1.1 400") {
				e.Errorf("%q: answer %q", host, line)
			}
		}
	}},
	// HTTP/1.0 has no upgrade; net/http wants no Host there.
	{id: "W-13c", run: func(e *env) {
		for _, host := range []string{"", "Host: x\r\n"} {
			line := e.raw("GET /socket.io/" + webSocket + " HTTP/1.0\r\n" + host + handshakeLines + "\r\n")
			if !strings.HasPrefix(line, "HTTP/1.0 400") {
				e.Errorf("%q: answer %q", host, line)
			}
		}
	}, reject: engineio.RejectHandshake, times: 2},
	{id: "W-13d", run: func(e *env) {
		for _, lines := range []string{
			strings.ToLower(handshakeLines), strings.ToUpper(handshakeLines),
			strings.Replace(handshakeLines, "websocket\r\n", "h2c , WebSocket\r\n", 1),
			strings.Replace(handshakeLines, "Upgrade\r\n", "keep-alive\r\nConnection:\tUPGRADE \r\n", 1),
		} {
			lines = handshakeKeyLine(lines)
			line := e.raw("GET /socket.io/" + webSocket + " HTTP/1.1\r\nhost: x\r\n" + lines + "\r\n")
			if !strings.HasPrefix(line, "HTTP/1.1 101") {
				e.Errorf("%q: answer %q", lines, line)
			}
		}
	}},
	// What a body would be is the first bytes of the WebSocket, whatever its length was said to be: here a frame.
	{id: "W-13e", run: func(e *env) {
		ping := wire.Frame{Opcode: wire.Ping, Payload: []byte("behind")}.Append(nil)
		for _, head := range []string{fmt.Sprintf("Content-Length: %d\r\n", len(ping)), "Content-Length: 0\r\n"} {
			in := e.pipelined("GET /socket.io/" + webSocket +
				" HTTP/1.1\r\nHost: x\r\n" + head + handshakeLines + "\r\n" + string(ping))
			for f := (wire.Frame{}); f.Opcode != wire.Pong; {
				var err error
				if f, err = wire.ReadFrame(in); err != nil {
					e.Fatalf("%q: %v", head, err)
				}
			}
		}
	}},
	// A hook's header with a line break can't begin another one, nor can it become part of the handshake.
	{id: "W-13f", opts: func(o *socketio.Options) {
		o.Engine.CORS = &engineio.CORSOptions{Origins: []string{"*"}, ExposedHeaders: []string{"a\r\nX-Evil: 1"}}
		o.Engine.Headers = func(h http.Header, _ *http.Request, _ bool) {
			h.Set("X-Hook", "a\r\nX-Evil: 1\r\n\r\nbody")
			h["X-Evil: 1\r\nX"] = []string{"1"}
			h.Set("Sec-Websocket-Extensions", "permessage-deflate")
			h.Set("Sec-Websocket-Accept", "other")
		}
	}, run: func(e *env) {
		header := e.handshakeAccepted(wire.UpgradeHeader())
		if header.Get("X-Evil") != "" || header.Get("Sec-Websocket-Extensions") != "" || header.Get("X-Hook") == "" {
			e.Errorf("answered with %v", header)
		}
		if accept := header.Values("Sec-Websocket-Accept"); len(accept) != 1 || accept[0] != handshakeAccept {
			e.Errorf("Sec-WebSocket-Accept is %q", accept)
		}
	}},
}

// handshakeAccept is the answer to wire.Key, the example of RFC 6455 section 1.3.
const handshakeAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

// handshakeLines are the headers of a lawful handshake but for Host.
const handshakeLines = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
	wire.Key + "\r\n"

// handshakeKeyLine puts the key right, in which letters do differ.
func handshakeKeyLine(lines string) string {
	for _, damaged := range []string{strings.ToLower(wire.Key), strings.ToUpper(wire.Key)} {
		lines = strings.Replace(lines, damaged, wire.Key, 1)
	}
	return lines
}

// handshakeTwice gives two keys.
func handshakeTwice(a, b string) http.Header { return http.Header{"Sec-Websocket-Key": {a, b}} }
