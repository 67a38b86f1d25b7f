package engineio

import (
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What the set-up does wrong is logged, once, with the host, the origin and the cure, and the answer says it.
func TestRefusalsThatTheSetUpCauses(t *testing.T) {
	const ws = "EIO=4&transport=websocket"
	dial := func(e *env, query string, header ...string) string {
		_, a := e.dial(query, header...)
		return a.body
	}
	for name, c := range map[string]struct {
		try    func(e *env) string
		opts   Options
		logged []string
		body   string
	}{
		"origin": {
			try: func(e *env) string { return dial(e, ws, "Origin", "https://a.example", "Host", "b.example") },
			logged: []string{"origin=https://a.example", "host=b.example",
				"CORS.Origins", "proxy_set_header Host $http_host"},
			body: "CORS.Origins",
		},
		"proxy without Upgrade": {
			try:    func(e *env) string { return e.do("GET", ws, "").body },
			logged: []string{"Upgrade header", "host=server", "cure="}, body: "does a proxy not pass it on?",
		},
		"proxy without Upgrade, of a session": {
			try: func(e *env) string {
				q, _ := e.open()
				return e.do("GET", strings.Replace(q, "polling", "websocket", 1), "").body
			},
			logged: []string{"Upgrade header", "host=server", "cure="}, body: "does a proxy not pass it on?",
		},
		"no Hijacker": {
			try: func(e *env) string {
				e.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					e.Server.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
				})
				return dial(e, ws)
			},
			logged: []string{"cannot be taken over", "struct { http.ResponseWriter }", "Unwrap"},
			body:   "neither Hijack nor Unwrap",
		},
		"path": {
			try:    func(e *env) string { return e.do("GET", "/socket.io/?"+handshakeQuery, "").body },
			logged: []string{"path=/socket.io/", "served=/engine.io/", "Options.Engine.Path"},
			body:   "the path here is /engine.io/",
		},
		"path of a WebSocket": {
			try:    func(e *env) string { return dial(e, "/x?"+ws) },
			logged: []string{"path=/x", "served=/engine.io/"}, body: "the path here is /engine.io/",
		},
		"method": {
			try:    func(e *env) string { return e.do("POST", handshakeQuery, "").body },
			logged: []string{"method=POST", "cure="}, body: "Bad handshake method",
		},
		"transport": {
			try:    func(e *env) string { return dial(e, ws) },
			opts:   Options{Transports: []string{"polling"}},
			logged: []string{"transport=websocket", "Options.Engine.Transports"}, body: "Transport unknown",
		},
		"protocol": {
			try:    func(e *env) string { return e.do("GET", "EIO=3&transport=polling", "").body },
			logged: []string{"Socket.IO 2", "Options.Engine.AllowEIO3"}, body: "Options.Engine.AllowEIO3",
		},
		"no protocol": {
			try:    func(e *env) string { return e.do("GET", "transport=polling", "").body },
			logged: []string{"Socket.IO 2", "Options.Engine.AllowEIO3"}, body: "Options.Engine.AllowEIO3",
		},
		"JSONP": {
			try:    func(e *env) string { return e.do("GET", handshakeQuery+"&j=0", "").body },
			logged: []string{"JSONP", "Options.Engine.JSONP"}, body: "0{",
		},
		"CORS": {
			try:    func(e *env) string { return e.do("GET", handshakeQuery, "", "Origin", "https://a.example").body },
			logged: []string{"origin=https://a.example", "CORS.Origins"},
		},
		"HTTP/1.0": {
			try: func(e *env) string {
				e.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.0", 1, 0
					e.Server.ServeHTTP(w, r)
				})
				return dial(e, ws)
			},
			logged: []string{"HTTP version is below 1.1", "http=HTTP/1.0", "by HTTP/1.1"}, body: "Bad request",
		},
		"no sticky sessions": {
			try:    func(e *env) string { return e.do("GET", handshakeQuery+"&sid=of-another", "").body },
			logged: []string{"several servers without sticky sessions", "cure="}, body: "Session ID unknown",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var logged strings.Builder
			o := c.opts
			o.Logger = slog.New(slog.NewTextHandler(&logged, nil))
			bubble(t, &o, func(t *testing.T, e *env) {
				for range 10 {
					if body := c.try(e); !strings.Contains(body, c.body) {
						t.Errorf("answer %q, want %q in it", body, c.body)
					}
				}
				s := logged.String()
				if strings.Count(s, "\n") != 1 || strings.Count(s, "level=WARN") != 1 {
					t.Errorf("logged %d lines: %s", strings.Count(s, "\n"), s)
				}
				for _, want := range c.logged {
					if !strings.Contains(s, want) {
						t.Errorf("logged %s, want %s in it", s, want)
					}
				}
				<-time.After(2 * time.Hour)
				c.try(e)
				if n := strings.Count(logged.String(), "level=WARN"); n != 2 && name != "no sticky sessions" {
					t.Errorf("%d lines after hours, want 2", n)
				}
			})
		})
	}
}

// What ordinary clients and passers-by do is no reason to warn.
func TestNoWarningWithoutReason(t *testing.T) {
	var logged strings.Builder
	o := &Options{Logger: slog.New(slog.NewTextHandler(&logged, nil)),
		CORS: &CORSOptions{Origins: []string{"https://a.example"}}}
	bubble(t, o, func(t *testing.T, e *env) {
		for i := range 40 {
			q, _ := e.open()
			e.do("POST", q, "1")
			if i%2 == 0 { // one that comes back late
				e.do("GET", q, "")
			}
		}
		e.do("GET", "/favicon.ico", "")
		e.do("GET", handshakeQuery, "", "Origin", "https://a.example")
		e.do("GET", handshakeQuery, "", "Origin", "http://server")
		e.do("GET", "EIO=4&transport=tobi", "")
		e.dial("EIO=4&transport=websocket", "Sec-WebSocket-Version", "8")
		if p, _ := e.ws("Origin", "https://a.example"); p != nil {
			p.conn.Close()
		}
	})
	if logged.Len() > 0 {
		t.Errorf("logged %s", &logged)
	}
}

// A flood of foreign origins fills no log.
func TestWarningsAreBounded(t *testing.T) {
	var logged strings.Builder
	o := &Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))}
	bubble(t, o, func(t *testing.T, e *env) {
		for i := range 1000 {
			e.do("GET", handshakeQuery, "", "Origin", fmt.Sprintf("https://%d.example", i))
		}
		if n := strings.Count(logged.String(), "\n"); n > 300 {
			t.Errorf("%d lines", n)
		}
	})
}

// Headers that middleware has set come with the answer to a WebSocket handshake, as with any other; not those of a
// body, and not those that would change what was agreed on.
func TestHeadersOfMiddleware(t *testing.T) {
	bubble(t, &Options{Headers: func(h http.Header, _ *http.Request, _ bool) { h.Set("X-Hook", "hook") }},
		func(t *testing.T, e *env) {
			inner := e.http.Handler
			e.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h := w.Header()
				h.Add("Set-Cookie", "a=1")
				h.Add("Set-Cookie", "b=2")
				h.Set("X-Request-Id", "42")
				h.Set("Strict-Transport-Security", "max-age=1")
				h.Set("X-Hook", "middleware")
				if !strings.Contains(r.URL.RawQuery, "websocket") {
					inner.ServeHTTP(w, r)
					return
				}
				for _, k := range []string{
					"Content-Type", "Content-Encoding", "Content-Length",
					"Transfer-Encoding", "Connection", "Upgrade", "Trailer",
					"Sec-Websocket-Accept", "Sec-Websocket-Extensions",
				} {
					h.Set(k, "7")
				}
				inner.ServeHTTP(w, r)
			})
			q, _ := e.open()
			for name, query := range map[string]string{"handshake": "EIO=4&transport=websocket",
				"upgrade": strings.Replace(q, "polling", "websocket", 1)} {
				p, a := e.dial(query)
				if p == nil {
					t.Fatalf("%s: %+v", name, a)
				}
				p.conn.Close()
				want := http.Header{
					"Set-Cookie": {"a=1", "b=2"}, "X-Request-Id": {"42"},
					"Strict-Transport-Security": {"max-age=1"}, "X-Hook": {"hook"},
					"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
					"Sec-Websocket-Accept": {"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
				}
				if fmt.Sprint(a.header) != fmt.Sprint(want) {
					t.Errorf("%s: got %v, want %v", name, a.header, want)
				}
			}
		})
}
