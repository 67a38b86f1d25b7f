package hostile

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/test/internal/wire"
)

// The first answer of a server: N-2 (what is in the open packet) and N-4 (how long an answer is, here and later).
var openRows = slices.Concat(
	openRefused("N-2", "server error",
		`0`, `0{}`, `0[]`, `0null`, `0"x"`, `0{`, `0{"sid":"a"}`, `40`,
		`4hello`, `6`, `1`, `3probe`, ` 0{}`, `<html></html>`, `9`,
		opening(`"sid":""`), opening(`"sid":5`), opening(`"sid":null`),
		opening(`"sid":["a"]`), opening(`"sid":"`+strings.Repeat("s", 100_000)+`"`),
		opening(`"pingInterval":0`), opening(`"pingInterval":-1`),
		opening(`"pingInterval":1000000000000000000`), opening(`"pingInterval":1e400`),
		opening(`"pingInterval":"25000"`), opening(`"pingInterval":1.5`),
		opening(`"pingInterval":null`), opening(`"pingInterval":{}`),
		opening(`"pingTimeout":0`), opening(`"pingTimeout":-1`),
		opening(`"pingTimeout":1000000000000000000`), opening(`"pingTimeout":"x"`),
		opening(`"maxPayload":-1`), opening(`"maxPayload":1e400`),
		opening(`"maxPayload":"x"`), opening(`"maxPayload":99999999999999999999`),
		opening(`"upgrades":"websocket"`), opening(`"upgrades":[1]`), opening(`"upgrades":{}`),
		opening(`"more":`+nested(20_000, `[`, `]`)),
		opening(`"more":"`+strings.Repeat("x", 200_000)+`"`), opening(`"a":1`)+"{}",
	),
	openRefused("N-2-empty", "server error", ""),
	openTaken("N-2-taken",
		opening(`"maxPayload":0`), opening(`"maxPayload":1`),
		opening(`"upgrades":["webtransport","file:///","websocket","websocket",""]`),
		opening(`"more":[{"__proto__":1}]`), opening(`"sid":"first","sid":"session1"`),
		opening(`"sid":"session1&t=\r\nX: y #é\u0000"`),
		opening(`"upgrades":null`), opening(`"pingInterval":2147483647,"pingTimeout":2147483647`),
	),
	openFrames, openLong, openLongLater,
)

// opening is the open packet of the first session with other members.
func opening(members string) string {
	p := `0{"sid":"session1","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`
	for _, name := range []string{"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"} {
		if strings.Contains(members, `"`+name+`":`) {
			p = cutMember(p, name)
		}
	}
	return strings.TrimSuffix(strings.TrimSuffix(p, "}"), ",") + "," + members + "}"
}

// cutMember removes one member, whose value holds no comma.
func cutMember(p, name string) string {
	before, after, _ := strings.Cut(p, `"`+name+`":`)
	if i := strings.IndexByte(after, ','); i >= 0 {
		return before + after[i+1:]
	}
	return before + "}"
}

// openRefused are rows in which the first session begins with the packet.
func openRefused(id, refuse string, packets ...string) []row {
	return openEach(row{refuse: refuse}, id, packets...)
}

// openTaken are rows in which a client takes the packet.
func openTaken(id string, packets ...string) []row { return openEach(row{}, id, packets...) }

func openEach(like row, id string, packets ...string) []row {
	var all []row
	for i, r := range lettered(id, like, nil, packets...) {
		r.run, r.begin = nil, func(e *env) {
			if r.refuse == "" {
				e.srv.open = func(sid string) string { return strings.TrimPrefix(packets[i], "0") }
				return
			}
			e.srv.instead(func(c *conn, r *http.Request) {
				if e.transport == "polling" {
					_ = c.say(httpAnswer(200, packets[i]))
					return
				}
				_ = c.say(switching(r))
				_, _ = c.Write(message(packets[i]).Append(nil))
				c.wait()
			})
		}
		all = append(all, r)
	}
	return all
}

// instead has f answer the first request, and own its connection.
func (s *server) instead(f func(c *conn, r *http.Request)) {
	done := false
	s.take = func(c *conn, r *http.Request) bool {
		s.mu.Lock()
		first := !done
		done = true
		s.mu.Unlock()
		if first {
			f(c, r)
		}
		return first
	}
}

// openFrames are about a WebSocket that does not begin with an open packet in one whole text frame.
var openFrames = []row{
	openFrame("N-2-binary", "server error", frameOf(wire.Binary, lawfulOpening("a"))),
	openFrame("N-2-masked", "websocket", frameMasked(message("0"+lawfulOpening("a")))),
	openFrame("N-2-claims", "websocket", wire.Claims(1<<40, message("0{"))),
	openFrame("N-2-closed", "websocket", frameClose(1013, "busy")),
	openFrame("N-2-reason", "websocket", frameClose(1008, "\x1b[31m\r\nlevel=ERROR")),
}

func openFrame(id, refuse string, f wire.Frame) row {
	return row{id: id, on: websocket, refuse: refuse, begin: func(e *env) {
		e.srv.instead(func(c *conn, r *http.Request) {
			_ = c.say(switching(r))
			_, _ = c.Write(f.Append(nil))
			c.wait()
		})
	}}
}

// flood writes text again and again until the client has had enough. It stops at 256 MB.
func flood(c *conn, text string) {
	block := []byte(strings.Repeat(text, max(1, (64<<10)/len(text))))
	for n := 0; n < 256<<20; n += len(block) {
		if _, err := c.Write(block); err != nil {
			return
		}
	}
	c.srv.Error("the client reads without end")
}

// gzipped is what gzip makes of n zeros.
func gzipped(n int) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	zeros := make([]byte, 1<<20)
	for ; n > 0; n -= len(zeros) {
		_, _ = w.Write(zeros) // a bytes.Buffer does not fail
	}
	_ = w.Close()
	return b.String()
}

// An endless is an answer of which there is no end. It comes to a handshake, or to a later poll.
type endless struct {
	name  string
	write func(c *conn)
}

var endlessAnswers = []endless{
	{"announced", func(c *conn) { // 1 GB
		_ = c.say("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n0{")
		c.wait()
	}},
	{"chunked", func(c *conn) {
		_ = c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		flood(c, "1000\r\n"+strings.Repeat("x", 4096)+"\r\n")
	}},
	{"tiny-chunks", func(c *conn) {
		_ = c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		flood(c, "1\r\nx\r\n")
	}},
	{"until-the-end", func(c *conn) {
		_ = c.say("HTTP/1.1 200 OK\r\n\r\n0{")
		flood(c, "x")
	}},
	{"noops", func(c *conn) {
		_ = c.say("HTTP/1.1 200 OK\r\n\r\n6")
		flood(c, "\x1e6")
	}},
	{"gzip", func(c *conn) { // 64 MB in 64 kB
		z := bomb()
		_ = c.say(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(z), z))
		c.wait()
	}},
	{"header", func(c *conn) { _ = c.say("HTTP/1.1 200 OK\r\nX: "); flood(c, "x") }},
	{"headers", func(c *conn) { _ = c.say("HTTP/1.1 200 OK\r\n"); flood(c, "Set-Cookie: a=b\r\n") }},
	{"status", func(c *conn) { _ = c.say("HTTP/1.1 200 "); flood(c, "O") }},
	{"interim", func(c *conn) { flood(c, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n") }},
	{"refusal", func(c *conn) { _ = c.say("HTTP/1.1 400 Bad Request\r\n\r\n"); flood(c, "x") }},
	{"negative", func(c *conn) { _ = c.say("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n0{"); c.wait() }},
	{"huge-chunk", func(c *conn) {
		_ = c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n0{")
		flood(c, "x")
	}},
	{"no-chunk", func(c *conn) { _ = c.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"); c.wait() }},
	{"short", func(c *conn) { _ = c.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0{") }},
	{"not-http", func(c *conn) { flood(c, "\x00\xff") }},
}

// opts are those of a row, which begins with them.
func (a endless) opts(o *client.Options) {
	if a.name == "gzip" {
		bomb()
	}
	megabyte(o)
}

// openLong are rows in which the first answer is endless.
var openLong = func() (all []row) {
	for _, a := range endlessAnswers {
		on := both
		if bodies[a.name] {
			on = polling // a handshake of WebSocket has no body
		}
		all = append(all, row{id: "N-4-" + a.name, on: on, opts: a.opts, refuse: "error", begin: func(e *env) {
			e.srv.instead(func(c *conn, _ *http.Request) { a.write(c) })
		}})
	}
	return append(all, row{id: "N-4-silent", opts: func(o *client.Options) { o.ConnectTimeout = 2 * time.Second },
		refuse: "", lenient: true, begin: func(e *env) {
			e.srv.instead(func(c *conn, _ *http.Request) { c.wait() })
		}}, row{id: "N-4-drip", opts: func(o *client.Options) { o.ConnectTimeout = 2 * time.Second },
		refuse: "", lenient: true, begin: func(e *env) {
			e.srv.instead(func(c *conn, _ *http.Request) {
				tick := time.NewTicker(5 * time.Millisecond)
				defer tick.Stop()
				for c.say("H") == nil {
					<-tick.C
				}
			})
		}})
}()

// bomb is made before a row's clock runs: that takes a second, and on a busy machine many.
var bomb = sync.OnceValue(func() string { return gzipped(64 << 20) })

var bodies = map[string]bool{
	"announced": true, "chunked": true, "tiny-chunks": true, "until-the-end": true,
	"noops": true, "gzip": true, "huge-chunk": true, "no-chunk": true,
	"short": true, "negative": true,
}

// openLongLater are rows in which it is the answer to a later poll.
var openLongLater = func() (all []row) {
	for _, a := range endlessAnswers {
		all = append(all, row{id: "N-4-later-" + a.name, on: polling, opts: a.opts, run: func(e *env, s *session) {
			select {
			case s.instead <- a.write:
			case <-time.After(patience):
				e.Error("the client does not poll")
			}
		}, reason: client.ReasonTransportError})
	}
	return all
}()
