package engineio

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	code0  = `{"code":0,"message":"Transport unknown"}`
	code1  = `{"code":1,"message":"Session ID unknown"}`
	code2  = `{"code":2,"message":"Bad handshake method"}`
	code3  = `{"code":3,"message":"Bad request"}`
	code3U = `{"code":3,"message":"Bad request","reason":"transport=websocket without an Upgrade header: does a ` +
		`proxy not pass it on?"}`
	code5 = `{"code":5,"message":"Unsupported protocol version"}`
	old5  = `{"code":5,"message":"Unsupported protocol version",` +
		`"reason":"clients of Socket.IO 2 need Options.Engine.AllowEIO3"}`
	oldWS = "Unsupported protocol version: clients of Socket.IO 2 need Options.Engine.AllowEIO3"

	notFound = "404 page not found: the path here is /engine.io/ (Options.Engine.Path; after http.StripPrefix)\n"
	foreign  = "Forbidden: this origin is not allowed: is it in CORS.Origins, does a proxy pass Host on?"
)

// Rows H-1 to H-16 of the attack table: handshakes by HTTP that are refused, and what they are told.
func TestRefusedRequests(t *testing.T) {
	for _, c := range []struct {
		name, method, query string
		header              []string
		status              int
		body, reject        string
	}{
		{"no transport", "GET", "EIO=4", nil, 400, code0, RejectTransport},
		{"unknown transport", "GET", "EIO=4&transport=tobi", nil, 400, code0, RejectTransport},
		{"prototype", "GET", "EIO=4&transport=__proto__", nil, 400, code0, RejectTransport},
		{"constructor", "GET", "EIO=4&transport=constructor", nil, 400, code0, RejectTransport},
		{"webtransport", "GET", "EIO=4&transport=webtransport", nil, 400, code0, RejectTransport},
		{"transport twice", "GET", "EIO=4&transport=polling&transport=websocket", nil, 400, code3U, RejectHandshake},
		{"websocket without upgrade", "GET", "EIO=4&transport=websocket", nil, 400, code3U, RejectHandshake},
		{"unknown sid", "GET", handshakeQuery + "&sid=none", nil, 400, code1, RejectSession},
		{"sid __proto__", "GET", handshakeQuery + "&sid=__proto__", nil, 400, code1, RejectSession},
		{"long sid", "GET", handshakeQuery + "&sid=" + strings.Repeat("a", 8<<10), nil, 400, code1, RejectSession},
		{"sid with odd bytes", "GET", handshakeQuery + "&sid=%00%25..%2f", nil, 400, code1, RejectSession},
		{"sid with bad escape", "GET", handshakeQuery + "&sid=%zz", nil, 400, code1, RejectSession},
		{"POST without sid", "POST", handshakeQuery, nil, 400, code2, RejectHandshakeMethod},
		{"PUT without sid", "PUT", handshakeQuery, nil, 400, code2, RejectHandshakeMethod},
		{"OPTIONS without CORS", "OPTIONS", handshakeQuery,
			[]string{"Origin", "http://evil"}, 400, code2, RejectHandshakeMethod},
		{"EIO 3", "GET", "EIO=3&transport=polling", nil, 400, old5, RejectProtocol},
		{"EIO missing", "GET", "transport=polling", nil, 400, old5, RejectProtocol},
		{"EIO 5", "GET", "EIO=5&transport=polling", nil, 400, code5, RejectProtocol},
		{"EIO twice", "GET", "EIO=4&EIO=3&transport=polling", nil, 400, old5, RejectProtocol},
		{"other path", "GET", "/other/?" + handshakeQuery, nil, 404, notFound, RejectPath},
		{"longer path", "GET", "/engine.ioX/?" + handshakeQuery, nil, 404, notFound, RejectPath},
		{"path below", "GET", "/engine.io/x?" + handshakeQuery, nil, 404, notFound, RejectPath},
		{"double slash", "GET", "//engine.io/?" + handshakeQuery, nil, 404, notFound, RejectPath},
		{"dots", "GET", "/engine.io/../engine.io/?" + handshakeQuery, nil, 404, notFound, RejectPath},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, e *env) {
				a := e.do(c.method, c.query, "", c.header...)
				a.want(t, c.status, c.body)
				if c.status == 400 && a.header.Get("Content-Type") != "application/json" {
					t.Errorf("content type %q", a.header.Get("Content-Type"))
				}
				for k := range a.header {
					if strings.HasPrefix(k, "Access-Control") {
						t.Errorf("%s without the CORS option", k)
					}
				}
				e.rejected(c.reject, 1)
				if len(e.sessions) != 0 {
					t.Error("a session was opened")
				}
				e.open() // the server goes on
			})
		})
	}
}

// Rows W-1 to W-8, U-9, U-18: upgrades that are refused before the 101, as text, and the connection is closed.
func TestRefusedUpgrades(t *testing.T) {
	const ws = "EIO=4&transport=websocket"
	for _, c := range []struct {
		name, query  string
		header       []string
		status       int
		body, reject string
	}{
		{"no key", ws, []string{"Sec-WebSocket-Key", ""}, 400, "Bad request", RejectHandshake},
		{"short key", ws, []string{"Sec-WebSocket-Key", "AAAA"}, 400, "Bad request", RejectHandshake},
		{"bad key", ws, []string{"Sec-WebSocket-Key", "!!!!"}, 400, "Bad request", RejectHandshake},
		{"version 8", ws, []string{"Sec-WebSocket-Version", "8"},
			426, "Sec-WebSocket-Version is not 13", RejectHandshake},
		{"POST", ws, []string{"X-Method", "POST"}, 400, "Bad handshake method", RejectHandshakeMethod},
		{"polling", handshakeQuery, nil, 400, "Bad request", RejectHandshake},
		{"transport", "EIO=4&transport=foobar", nil, 400, "Transport unknown", RejectTransport},
		{"no transport", "EIO=4", nil, 400, "Transport unknown", RejectTransport},
		{"sid", ws + "&sid=none", nil, 400, "Session ID unknown", RejectSession},
		{"EIO 3", "EIO=3&transport=websocket", nil, 400, oldWS, RejectProtocol},
		{"no EIO", "transport=websocket", nil, 400, oldWS, RejectProtocol},
		{"path", "/x?" + ws, nil, 404, notFound, RejectPath},
		{"origin", ws, []string{"Origin", "http://evil"}, 403, foreign, RejectOrigin},
		{"null origin", ws, []string{"Origin", "null"}, 403, foreign, RejectOrigin},
		{"file origin", ws, []string{"Origin", "file://"}, 403, foreign, RejectOrigin},
		{"extension origin", ws, []string{"Origin", "chrome-extension://server"}, 403, foreign, RejectOrigin},
		{"port", ws, []string{"Origin", "http://server:81"}, 403, foreign, RejectOrigin},
		{"prefix", ws, []string{"Origin", "http://server.evil"}, 403, foreign, RejectOrigin},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, e *env) {
				header := append([]string{"Connection", "Upgrade, close"}, c.header...) // 404 is net/http's own answer
				if c.status != 404 {
					header = c.header
				}
				_, a := e.dial(c.query, header...)
				a.want(t, c.status, c.body)
				if c.status == 400 && a.header.Get("Content-Type") != "text/html" {
					t.Errorf("content type %q", a.header.Get("Content-Type"))
				}
				if v := a.header.Get("Sec-WebSocket-Version"); (c.status == 426) != (v == "13") {
					t.Errorf("status %d with Sec-WebSocket-Version %q", c.status, v)
				}
				e.rejected(c.reject, 1)
				if len(e.sessions) != 0 {
					t.Error("a session was opened")
				}
			})
		})
	}
}

// W-2: who sends Upgrade has to name it in Connection as well (RFC 9110 7.8), and net/http hangs up if that begins with
// close.
func TestConnectionOfAnUpgradeRequired(t *testing.T) {
	s := NewServer(func(*Socket, *http.Request) Handler { return nil }, nil)
	r := httptest.NewRequest("GET", "/engine.io/?EIO=4&transport=websocket", nil)
	r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"8"}}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	h := w.Result().Header
	if got := h["Connection"]; w.Code != 426 ||
		!slices.Equal(got, []string{"close", "Upgrade"}) || h.Get("Upgrade") != "websocket" {
		t.Errorf("status %d, Connection %q, Upgrade %q", w.Code, got, h["Upgrade"])
	}
}

func TestUpgradeOfASessionIsRefusedBefore101(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		q, rec := e.open()
		ws := strings.Replace(q, "polling", "websocket", 1)
		_, a := e.dial(strings.Replace(ws, "EIO=4", "EIO=3", 1))
		a.want(t, 400, "Bad request")
		_, a = e.dial(q)
		a.want(t, 400, "Bad request")
		_, a = e.dial(ws, "Origin", "https://evil")
		a.want(t, 403, foreign)
		_, a = e.dial(ws, "Sec-WebSocket-Key", "")
		a.want(t, 400, "Bad request")
		_, a = e.dial(ws, "X-Method", "POST")
		a.want(t, 400, "Bad handshake method")
		e.do("GET", strings.Replace(q, "EIO=4", "EIO=3", 1), "").want(t, 400, code3) // H-13
		e.rejected(RejectProtocolMismatch, 2)
		e.rejected(RejectTransportMismatch, 1)
		e.rejected(RejectOrigin, 1)
		rec.alive()
		e.do("POST", q, "4x").want(t, 200, "ok")
	})
}

func TestPaths(t *testing.T) {
	bubble(t, &Options{Path: "socket.io", MatchPrefix: true}, func(t *testing.T, e *env) {
		for path, status := range map[string]int{
			"/socket.io/?": 200, "/socket.io?": 200, "/socket.io/a/b?": 200,
			"/socket.ioX?": 404, "/?": 404, "/engine.io/?": 404,
		} {
			if a := e.do("GET", path+handshakeQuery, ""); a.status != status {
				t.Errorf("%s: %d, want %d", path, a.status, status)
			}
		}
	})
	bubble(t, nil, func(t *testing.T, e *env) {
		e.open()
		if a := e.do("GET", "/engine.io?"+handshakeQuery, ""); a.status != 200 {
			t.Errorf("without the slash: %d", a.status)
		}
		if got := e.Options(); got.Path != "/engine.io/" || got.MaxPayload != 1_000_000 {
			t.Errorf("Options = %+v", got)
		}
	})
}

// H-12, H-18: what an application puts into the query is its own business.
func TestStrangeQueries(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		for _, extra := range []string{"&%zz=%", "&&&=&==", "&a;b", "&sid=",
			"&t=1&j=0", "&%45=1&x=%ff", strings.Repeat("&a=b", 20_000)} {
			if a := e.do("GET", handshakeQuery+extra, ""); a.status != 200 {
				t.Errorf("%.30q: %d %s", extra, a.status, a.body)
			}
		}
		if a := e.do("GET", "%45IO=%34&trans%70ort=poll%69ng", ""); a.status != 200 {
			t.Errorf("escaped: %d %s", a.status, a.body)
		}
	})
}

func TestOtherMethodsOfASession(t *testing.T) { // H-10
	bubble(t, nil, func(t *testing.T, e *env) {
		q, rec := e.open()
		for _, m := range []string{"PUT", "DELETE", "PATCH", "HEAD", "TRACE", "OPTIONS"} {
			a := e.do(m, q, "")
			a.want(t, 405, "")
			if a.header.Get("Allow") != "GET, POST, OPTIONS" {
				t.Errorf("%s: Allow %q", m, a.header.Get("Allow"))
			}
		}
		e.rejected(RejectMethod, 6)
		rec.alive()
	})
}

func TestExtendedConnect(t *testing.T) { // H-37
	bubble(t, nil, func(t *testing.T, e *env) {
		a := e.do("CONNECT", handshakeQuery, "")
		a.want(t, 501, "")
		e.rejected(RejectConnect, 1)
	})
}

func TestOriginSyntax(t *testing.T) { // H-11; net/http refuses these too, other servers might not
	for _, o := range []string{"http://a\x00", "a\nb", "a\rb", "\x7f"} {
		if validOrigin([]string{o}) {
			t.Errorf("%q passes", o)
		}
	}
	for _, o := range []string{"http://a", "null", "", "\x80\xff", "a\tb"} {
		if !validOrigin([]string{o}) {
			t.Errorf("%q does not pass", o)
		}
	}
	bubble(t, nil, func(t *testing.T, e *env) {
		p, a := e.dial(handshakeQuery, "Connection", "close", "Upgrade", "", "Origin", "http://a\x01")
		if p != nil || a.status != 400 {
			t.Errorf("answer %d", a.status)
		}
	})
}

func TestAllowRequest(t *testing.T) {
	deny := errors.New("secret detail")
	o := &Options{AllowRequest: func(r *http.Request) error {
		if r.URL.Query().Has("told") {
			return &RequestError{"go <away>"}
		}
		if r.URL.Query().Has("deny") {
			return deny
		}
		return nil
	}}
	bubble(t, o, func(t *testing.T, e *env) {
		e.do("GET", handshakeQuery+"&deny", "").want(t, 403, `{"code":4,"message":"Forbidden"}`)
		e.do("GET", handshakeQuery+"&told", "").want(t, 403, "{\"code\":4,\"message\":\"go \\u003caway\\u003e\"}")
		_, a := e.dial("EIO=4&transport=websocket&deny")
		a.want(t, 400, "Forbidden")
		_, a = e.dial("EIO=4&transport=websocket&told")
		a.want(t, 400, "go &lt;away&gt;")
		e.rejected(RejectForbidden, 4)
		q, _ := e.open()
		e.probe(q + "&deny").conn.Close() // not asked again for an upgrade
		e.ws()
	})
}

func TestNewID(t *testing.T) {
	var id string
	var err error
	o := &Options{NewID: func(*http.Request) (string, error) { return id, err }}
	bubble(t, o, func(t *testing.T, e *env) {
		id, err = "", nil
		e.do("GET", handshakeQuery, "").want(t, 400, code3)
		id, err = "x", errors.New("no entropy") // T-1: no fallback
		e.do("GET", handshakeQuery, "").want(t, 400, code3)
		_, a := e.dial("EIO=4&transport=websocket")
		a.want(t, 400, "Bad request")
		id, err = "one", nil
		_, rec := e.open()
		e.do("GET", handshakeQuery, "").want(t, 400, code3) // in use
		e.rejected(RejectID, 4)
		if len(e.sessions) != 1 || rec.socket.ID() != "one" {
			t.Errorf("%d sessions", len(e.sessions))
		}
		rec.alive()
	})
	bubble(t, nil, func(t *testing.T, e *env) {
		_, rec := e.open()
		if n := len(rec.socket.ID()); n != 20 {
			t.Errorf("ids of %d characters", n)
		}
		if !strings.HasPrefix(rec.socket.RemoteAddr(), "192.0.2.2:") || rec.socket.Protocol() != 4 {
			t.Errorf("RemoteAddr %s, Protocol %d", rec.socket.RemoteAddr(), rec.socket.Protocol())
		}
	})
}

// panics of hooks become 500, or 400 for an upgrade, and leave no session behind.
func TestPanickingHooks(t *testing.T) {
	boom := func(on *bool) {
		if *on {
			panic("boom")
		}
	}
	var allow, id, headers, accept, abort bool
	o := &Options{
		AllowRequest: func(*http.Request) error { boom(&allow); return nil },
		NewID:        func(r *http.Request) (string, error) { boom(&id); return r.RemoteAddr, nil },
		Headers:      func(http.Header, *http.Request, bool) { boom(&headers) },
	}
	bubble(t, o, func(t *testing.T, e *env) {
		e.onOpen = func(s *Socket, _ *http.Request) {
			s.Send(SendOptions{}, Prepare(Message{Data: []byte("x")}))
			boom(&accept)
			if abort {
				panic(http.ErrAbortHandler)
			}
		}
		for i, on := range []*bool{&allow, &id, &headers, &accept} {
			*on = true
			a := e.do("GET", handshakeQuery, "")
			_, b := e.dial("EIO=4&transport=websocket")
			if want := map[bool]int{true: 400, false: 500}[on == &id]; a.status != want || b.status != 400 {
				t.Errorf("hook %d: %d and %d", i, a.status, b.status)
			}
			*on = false
			if n := e.Count(); n != 0 {
				t.Errorf("hook %d: %d sessions", i, n)
			}
		}
		e.rejected(RejectPanic, 8)
		abort = true
		if a := e.do("GET", handshakeQuery, ""); a.err == nil {
			t.Errorf("http.ErrAbortHandler: %d", a.status)
		}
		abort = false
		q, rec := e.open()
		headers = true
		e.do("GET", q, "").want(t, 500, "")
		e.do("POST", q, "4x").want(t, 500, "")
		headers = false
		rec.alive()
		e.do("GET", q, "").want(t, 200, "4x")
	})
}

func TestNilHandlerClosesTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, nil)
		e.accept = func(*Socket, *http.Request) Handler { return nil }
		a := e.do("GET", handshakeQuery, "")
		if a.status != 200 || e.Count() != 0 {
			t.Errorf("%d, %d sessions", a.status, e.Count())
		}
		p, _ := e.dial("EIO=4&transport=websocket")
		p.wantClose("close 1000")
		e.stop()
	})
}

func TestHeadersAndCookie(t *testing.T) {
	var calls []bool
	o := &Options{
		Cookie: &CookieOptions{},
		Headers: func(h http.Header, r *http.Request, initial bool) {
			calls = append(calls, initial)
			h.Set("X-Mine", "a\r\nb: c")
		},
	}
	bubble(t, o, func(t *testing.T, e *env) {
		a := e.do("GET", handshakeQuery, "")
		id := e.session(0).socket.ID()
		if got, want := a.header.Get("Set-Cookie"), "io="+id+"; Path=/; HttpOnly; SameSite=Lax"; got != want {
			t.Errorf("cookie %q, want %q", got, want)
		}
		if a.header.Get("X-Mine") == "" || a.header.Get("Cache-Control") != "no-store" ||
			a.header.Get("Content-Type") != "text/plain; charset=UTF-8" || a.header.Get("Content-Length") == "" {
			t.Errorf("headers %v", a.header)
		}
		q := handshakeQuery + "&sid=" + id
		a = e.do("POST", q, "4x", "User-Agent", "x;MSIE 9")
		if a.header.Get("Content-Type") != "text/html" || a.header.Get("X-XSS-Protection") != "0" ||
			a.header.Get("Set-Cookie") != "" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("headers %v", a.header)
		}
		p, a := e.dial("EIO=4&transport=websocket")
		if a.header.Get("X-Mine") == "" || a.header.Get("B") != "" || a.header.Get("Set-Cookie") != "" {
			t.Errorf("101 with headers %v", a.header)
		}
		p.conn.Close()
		if len(calls) != 3 || !calls[0] || calls[1] || !calls[2] {
			t.Errorf("initial: %v", calls)
		}
	})
}

// The defaults are those of the official server, and each can be left out.
func TestCookieOptions(t *testing.T) {
	for want, o := range map[string]*CookieOptions{
		"io=x; Path=/; HttpOnly; SameSite=Lax": {},
		"io=x; HttpOnly; SameSite=Lax":         {OmitPath: true},
		"io=x; Path=/; SameSite=Lax":           {Readable: true},
		"n=x; Path=/p; HttpOnly; Secure": {
			Name: "n", Path: "/p", Secure: true, SameSite: http.SameSiteDefaultMode,
		},
		"io=x; Path=/; HttpOnly; SameSite=Strict":          {SameSite: http.SameSiteStrictMode},
		"io=x; Path=/; Max-Age=60; HttpOnly; SameSite=Lax": {MaxAge: time.Minute},
	} {
		if got := o.cookie("x").String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, o := range []*Options{
		{CORS: &CORSOptions{Origins: []string{"https://*.com"}}},
		{CORS: &CORSOptions{Origins: []string{"https://*.com."}}},
		{CORS: &CORSOptions{Origins: []string{"https://*..com"}}},
		{CORS: &CORSOptions{Origins: []string{"https://a.*.com"}}},
		{CORS: &CORSOptions{Origins: []string{"*.example.com"}}},
		{CORS: &CORSOptions{Origins: []string{"https://*.example.com/path"}}},
		{CORS: &CORSOptions{ReflectOrigin: true, PreflightStatus: 404}},
		{Transports: []string{"polling", "carrier pigeon"}},
		{CORS: &CORSOptions{}},
		{CORS: &CORSOptions{Origins: []string{"https://a", "*"}, Credentials: true}}, // C-4
		{Cookie: &CookieOptions{Name: "a b"}},                                        // C-12
		{Cookie: &CookieOptions{Name: "a", Path: "/;\r\n"}},
		{Cookie: &CookieOptions{Name: "a", Domain: "é"}},
		{Cookie: &CookieOptions{SameSite: http.SameSiteNoneMode}},
	} {
		if o.Validate() == nil {
			t.Errorf("%+v passes", o)
		}
	}
	for _, o := range []*Options{nil, {}, {CORS: &CORSOptions{Origins: []string{"*"}}, Cookie: &CookieOptions{}}} {
		if err := o.Validate(); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if c := NewServer(nil, &Options{CORS: &CORSOptions{Origins: []string{"*"},
		Credentials: true}}).Options().CORS; c.Credentials {
		t.Error("credentials for every origin are kept")
	}
}
