package attack

import (
	"bytes"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/test/internal/wire"
)

// advisoryAnswers makes requests of every kind, those that are refused included, and gives each answer to look.
func advisoryAnswers(e *env, origin http.Header, look func(what string, res *wire.Response)) {
	e.Helper()
	plain := e.connect("polling")
	with := func(h http.Header) http.Header {
		all := h.Clone()
		if all == nil {
			all = make(http.Header)
		}
		maps.Copy(all, origin)
		return all
	}
	upgrade := wire.UpgradeHeader()
	preflight := http.Header{"Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"x-y"}}
	for _, r := range []struct {
		method, url string
		header      http.Header
		body        string
		status      int
	}{
		{"GET", e.URL("polling", ""), nil, "", 200},
		{"POST", e.URL("polling", plain.SID), nil, `42["echo","x"]`, 200},
		{"GET", e.URL("polling", plain.SID), nil, "", 200},
		{"GET", "/socket.io/socket.io.js", nil, "", 200},
		{"OPTIONS", e.URL("polling", ""), preflight, "", 400},
		{"OPTIONS", e.URL("polling", plain.SID), preflight, "", 405},
		{"OPTIONS", e.URL("websocket", ""), preflight, "", 400},
		{"PUT", e.URL("polling", plain.SID), nil, "", 405},
		{"POST", e.URL("polling", ""), nil, "4", 400},
		{"GET", e.URL("polling", "unknown"), nil, "", 400},
		{"GET", e.URL("foobar", ""), nil, "", 400},
		{"GET", e.URL("websocket", ""), nil, "", 400},
		{"GET", "/socket.io/?EIO=3&transport=polling", nil, "", 400},
		{"GET", "/socket.io/more/", nil, "", 404},
		{"POST", e.URL("polling", plain.SID), http.Header{"Content-Encoding": {"gzip"}}, "x", 415},
		{"POST", e.URL("polling", e.session("polling").SID), http.Header{"Content-Length": {"1000001"}}, "4", 413},
		{"GET", e.URL("websocket", ""), upgrade, "", 403},
		{"GET", e.URL("websocket", plain.SID), upgrade, "", 403},
		{"GET", e.URL("websocket", "unknown"), upgrade, "", 400},
	} {
		look(r.method+" "+r.url, e.request(r.method, r.url, with(r.header), []byte(r.body), r.status, ""))
	}
	e.alive(plain)
}

// Pages of other sites: CVE-2020-28481, CVE-2019-13611 and the many like it.
var originRows = []row{
	// Without options no page of another origin can read an answer. (What it can have done is up to T-36.)
	{id: "T-2", run: func(e *env) {
		advisoryAnswers(e, http.Header{"Origin": {"http://evil.example"}}, func(what string, res *wire.Response) {
			for name := range res.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					e.Errorf("%s: answered with %s: %q", what, name, res.Header[name])
				}
			}
		})
	}},
	{id: "T-36a", run: func(e *env) {
		s := e.connect("polling")
		host := e.Addr
		for _, origin := range []string{
			"http://evil.example", "https://" + host + ".evil.example", "http://evil" + host, "http://" + host + "0",
			"http://127.0.0.1", "http://localhost", "null", "file://",
			"chrome-extension://" + host, "ws://" + host, host, "//" + host, "",
			"http://" + host + "@evil.example", "http://evil.example/" + host,
			"http://evil.example?" + host, "http://" + host + ", http://evil.example",
		} {
			header := handshakeHeader(http.Header{"Origin": {origin}})
			e.handshakeAnswer(e.request("GET", e.URL("websocket", ""), header, nil, 403, foreign))
			e.handshakeAnswer(e.request("GET", e.URL("websocket", s.SID), header, nil, 403, foreign))
		}
		both := handshakeHeader(http.Header{"Origin": {"http://" + host, "http://evil.example"}})
		e.handshakeAnswer(e.request("GET", e.URL("websocket", ""), both, nil, 403, foreign))
		e.alive(s)
		if n := e.io.Stats().Engine.Opened; n != 2 {
			e.Errorf("%d sessions were opened", n-2)
		}
	}, reject: engineio.RejectOrigin, times: 2*17 + 1},
	// The server's own pages, and programs that are no browsers.
	{id: "T-36b", run: func(e *env) {
		for _, origin := range [][]string{nil, {"http://" + e.Addr}, {"https://" + e.Addr}} {
			e.handshakeAccepted(handshakeHeader(http.Header{"Origin": origin}))
		}
		e.frameBlameless()
	}},
	{id: "T-36c", opts: func(o *socketio.Options) {
		o.Engine.CORS = &engineio.CORSOptions{Origins: []string{"https://a.example", "http://b.example:81"},
			Credentials: true}
	}, run: func(e *env) {
		for _, origin := range []string{"https://a.example", "http://b.example:81", "http://" + e.Addr} {
			header := e.handshakeAccepted(handshakeHeader(http.Header{"Origin": {origin}}))
			allowed := header.Get("Access-Control-Allow-Origin")
			if (allowed == origin) == (origin == "http://"+e.Addr) || header.Get("Vary") != "Origin" {
				e.Errorf("%s: answered with %v", origin, header)
			}
		}
		for _, origin := range []string{
			"http://a.example", "https://a.example:443", "https://a.example:444",
			"https://A.example", "https://a.example.evil.example",
			"https://evil-a.example", "https://a.example/", "http://b.example", "null",
		} {
			header := handshakeHeader(http.Header{"Origin": {origin}})
			res := e.request("GET", e.URL("websocket", ""), header, nil, 403, foreign)
			if got := res.Header.Get("Access-Control-Allow-Origin"); got != "" || res.Header.Get("Vary") != "Origin" {
				e.Errorf("%s: answered with %v", origin, res.Header)
			}
		}
	}, reject: engineio.RejectOrigin, times: 9},
	// T-43: an option that makes this less safe is said once in the log.
	{id: "T-36d", opts: func(o *socketio.Options) { o.Engine.AllowAnyOrigin = true }, run: func(e *env) {
		e.handshakeAccepted(handshakeHeader(http.Header{"Origin": {"http://evil.example"}}))
		e.mu.Lock()
		defer e.mu.Unlock()
		if n := bytes.Count(e.logs.Bytes(), []byte("level=WARN")); n != 1 ||
			!bytes.Contains(e.logs.Bytes(), []byte("AllowAnyOrigin")) {
			e.Errorf("%d warnings", n)
		}
	}, warns: true},
}

// advisoryHooks counts the calls of the hooks of HTTP.
type advisoryHooks struct {
	refuse               atomic.Bool
	asked, first, others atomic.Int64
}

// options sets the hooks for a new server.
func (h *advisoryHooks) options(o *socketio.Options) {
	h.asked.Store(0)
	h.first.Store(0)
	h.others.Store(0)
	o.Engine.AllowRequest = func(*http.Request) error {
		h.asked.Add(1)
		if h.refuse.Load() {
			return errors.New("no")
		}
		return nil
	}
	o.Engine.Headers = func(header http.Header, _ *http.Request, initial bool) {
		header.Set("X-Hook", strconv.FormatBool(initial))
		if initial {
			h.first.Add(1)
		} else {
			h.others.Add(1)
		}
	}
}

// calls checks how often the hooks were called since the last time.
func (h *advisoryHooks) calls(e *env, what string, asked, first, others int64) {
	e.Helper()
	if a, f, o := h.asked.Swap(0), h.first.Swap(0), h.others.Swap(0); a != asked || f != first || o != others {
		e.Errorf("%s: AllowRequest was called %d times, Headers %d and %d; want %d, %d and %d",
			what, a, f, o, asked, first, others)
	}
}

// CVE-2021-4236: whoever decides about requests does so whatever the transport.
var hookRows = []row{func() row {
	h := new(advisoryHooks)
	return row{id: "T-44", opts: h.options, run: func(e *env) {
		hooked := func(res *wire.Response, initial string) {
			e.Helper()
			if got := res.Header.Get("X-Hook"); got != initial {
				e.Errorf("%d: the header says %q, want %q", res.Status, got, initial)
			}
		}
		h.calls(e, "the check before the row", 1, 1, 0)

		hooked(e.request("GET", e.URL("polling", ""), nil, nil, 200, ""), "true")
		h.calls(e, "polling", 1, 1, 0)
		hooked(e.request("GET", e.URL("websocket", ""), wire.UpgradeHeader(), nil, 101, ""), "true")
		h.calls(e, "websocket", 1, 1, 0)

		s := e.session("polling")
		h.calls(e, "polling", 1, 1, 0)
		hooked(e.request("GET", e.URL("websocket", s.SID), wire.UpgradeHeader(), nil, 101, ""), "false")
		h.calls(e, "upgrade", 0, 0, 1) // the session was let in already
		hooked(e.request("POST", e.URL("polling", s.SID), nil, []byte("40"), 200, "ok"), "false")
		hooked(e.request("GET", e.URL("polling", s.SID), nil, nil, 200, ""), "false")
		h.calls(e, "requests of a session", 0, 0, 2)

		h.refuse.Store(true)
		defer h.refuse.Store(false)
		e.request("GET", e.URL("polling", ""), nil, nil, 403, `{"code":4,"message":"Forbidden"}`)
		e.handshakeAnswer(e.request("GET", e.URL("websocket", ""), wire.UpgradeHeader(), nil, 400, "Forbidden"))
		h.calls(e, "refused handshakes", 2, 0, 0)
	}, reject: engineio.RejectForbidden, times: 2}
}()}
