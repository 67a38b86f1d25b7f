package hostile

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/test/internal/wire"
)

// Section 3.5 in the other direction: a server that offers an upgrade and does not keep its word. It costs the
// WebSocket, and never the session. U-5, U-6, U-8 to U-10 and U-13 to U-18 are what a client does to a server.
var upgradeRows = slices.Concat(
	// What is no 101 at all.
	upgradeRefused("U-9", func(r *http.Request) string { return httpAnswer(400, `{"code":3,"message":"Bad request"}`) },
		func(r *http.Request) string { return httpAnswer(200, "6") },
		func(r *http.Request) string { return httpAnswer(502, strings.Repeat("x", 100_000)) },
		func(r *http.Request) string {
			return "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
		},
		func(r *http.Request) string {
			return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
		},
		func(r *http.Request) string {
			return strings.ReplaceAll(switching(r), "\r\n\r\n",
				"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
		},
		func(r *http.Request) string { return "\x00\x01garbage\r\n\r\n" },
		func(r *http.Request) string { return "" },
		func(r *http.Request) string { return "HTTP/1.1 101 Swit" }),
	// What is no answer to the probe.
	upgradeFails("U-3", wire.Each(
		message("3"), message("3nope"), message("6"), message("5"), message("2probe"),
		message(`42["hello"]`), message("1"), message(""), message("9"),
		message(`0{"sid":"other"}`), frameOf(wire.Binary, "3probe"), frameOf(wire.Binary, ""),
		frameMasked(message("3probe")), wire.RSV(4, message("3probe")), frameOf(3, "3probe"),
		wire.Claims(1<<62, message("3probe")), frameOf(wire.Text, "3\xff"),
		frameClose(1000, ""), frameClose(1011, "busy"),
	)...),
	// Right behind the answer to the probe, before the client has sent its 5 or while it does.
	upgradeRaces("U-4", wire.Each(frameMasked(message(`42["hello"]`)), frameOf(5, ""), frameClose(1000, ""))...),
	[]row{
		{id: "U-2", on: polling, opts: upgrading,
			begin: func(e *env) { upgradeSays(e, false, message("3probe"), message("3probe")) }},
		{id: "U-7-cut", on: polling, opts: upgrading, begin: func(e *env) { upgradeSays(e, true) }},
		{id: "U-10", on: polling, opts: func(o *client.Options) { // the server is silent
			upgrading(o)
			o.Engine.UpgradeTimeout = time.Second
		}, begin: func(e *env) { upgradeSays(e, false) }},
		{id: "U-3-part", on: polling, opts: func(o *client.Options) {
			upgrading(o)
			o.Engine.UpgradeTimeout = time.Second
		}, begin: func(e *env) { upgradeSays(e, false, wire.Part(message("3probe"))) }},
		{id: "U-11", on: polling, opts: upgrading, begin: func(e *env) { // polling ends during the probe
			e.srv.hostile = 1
			e.srv.probe = func(s *session, c *conn) {
				if s.sid != "session1" {
					if s.upgrade(c) {
						s.frames(c)
					}
					return
				}
				if _, err := readFrame(c.in); err != nil {
					return
				}
				s.join("/")
				e.until("the connection", func() bool { return e.connects == 1 })
				s.body("1")
				upgradeEnds(e, c)
			}
		}, reason: client.ReasonTransportClose},
		{id: "U-1-late", on: polling, opts: func(o *client.Options) { // the poll is never ended for the upgrade
			upgrading(o)
			o.Engine.UpgradeTimeout = time.Second
		}, begin: func(e *env) { upgradeSays(e, false, message("3probe")) }},
	},
)

// upgrading allows it, though the row begins with polling.
func upgrading(o *client.Options) { o.Engine.Transports = nil }

// upgradeRefused are rows in which the server says something else to the handshake of an upgrade.
func upgradeRefused(id string, answers ...func(r *http.Request) string) []row {
	var all []row
	for i, r := range lettered(id, row{on: polling, opts: upgrading}, nil, answers...) {
		r.run, r.begin = nil, func(e *env) {
			done := make(chan struct{})
			tried := sync.OnceFunc(func() { close(done) })
			e.srv.take = func(c *conn, r *http.Request) bool {
				if r.URL.Query().Get("transport") != "websocket" {
					return false
				}
				_ = c.say(answers[i](r))
				tried()
				return true
			}
			upgradeAfter(e, done)
		}
		all = append(all, r)
	}
	return all
}

// upgradeFails are rows in which the server answers the probe with the frames.
func upgradeFails(id string, cases ...[]wire.Frame) []row {
	var all []row
	for i, r := range lettered(id, row{on: polling, opts: upgrading}, nil, cases...) {
		r.run, r.begin = nil, func(e *env) { upgradeSays(e, false, cases[i]...) }
		all = append(all, r)
	}
	return all
}

// upgradeRaces are rows in which the server goes on to say something after a lawful answer to the probe, while the
// client waits for its poll to end.
func upgradeRaces(id string, cases ...[]wire.Frame) []row {
	for i := range cases {
		cases[i] = append([]wire.Frame{message("3probe")}, cases[i]...)
	}
	return upgradeFails(id, cases...)
}

// upgradeSays has the server answer the probe of the first session with frames, and, if it is to hang up, end the
// connection.
func upgradeSays(e *env, hangUp bool, frames ...wire.Frame) {
	e.srv.hostile = 1
	joined, done := make(chan struct{}), make(chan struct{})
	e.srv.wg.Go(func() { // ends with the session, or the server
		s := e.srv.first()
		s.join("/")
		e.until("the connection", func() bool { return e.connects == 1 })
		s.polling() // without a poll under way the client may upgrade at once
		close(joined)
		s.echo()
	})
	tried := sync.OnceFunc(func() { close(done) })
	e.srv.probe = func(s *session, c *conn) {
		defer tried()
		if s.sid != "session1" {
			e.Errorf("the client upgrades %s too", s.sid)
			return
		}
		f, err := readFrame(c.in)
		if err != nil || f.Opcode != wire.Text || string(f.Payload) != "2probe" {
			e.Errorf("the client probes with %q, %v", f.Payload, err)
		}
		<-joined
		var b []byte
		for _, f := range frames {
			b = f.Append(b)
		}
		_, _ = c.Write(b)
		if !hangUp {
			upgradeEnds(e, c)
		}
	}
	upgradeAfter(e, done)
}

// upgradeEnds sees the client give the WebSocket up.
func upgradeEnds(e *env, c *conn) {
	for {
		f, err := readFrame(c.in)
		if err == nil && f.Opcode == wire.Text && string(f.Payload) == "5" {
			e.Error("the client upgrades")
		}
		if err != nil || f.Opcode == wire.CloseFrame {
			_, _ = c.Write(wire.Frame{Opcode: wire.CloseFrame, Unmasked: true}.Append(nil)) // it may be too late
			return
		}
	}
}

// upgradeAfter has the row go on after the upgrade has failed.
func upgradeAfter(e *env, done chan struct{}) {
	e.after = func() {
		select {
		case <-done:
		case <-time.After(patience):
			e.Error("the client has not tried to upgrade")
		}
		if c := e.m.Engine(); c == nil || c.Transport() != "polling" {
			e.Errorf("the client is not on polling: %v", c)
		}
	}
}
