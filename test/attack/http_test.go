package attack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/test/internal/wire"
)

// The bodies of refusals.
const (
	code0   = `{"code":0,"message":"Transport unknown"}`
	code1   = `{"code":1,"message":"Session ID unknown"}`
	code2   = `{"code":2,"message":"Bad handshake method"}`
	code3   = `{"code":3,"message":"Bad request"}`
	foreign = "Forbidden: this origin is not allowed: is it in CORS.Origins, does a proxy pass Host on?"
	// Without an Upgrade header.
	code3U = `{"code":3,"message":"Bad request","reason":"transport=websocket without an Upgrade header: does a ` +
		`proxy not pass it on?"}`
	code5 = `{"code":5,"message":"Unsupported protocol version"}`
	old5  = `{"code":5,"message":"Unsupported protocol version",` +
		`"reason":"clients of Socket.IO 2 need Options.Engine.AllowEIO3"}`
)

// get is a request without session and its answer. An empty want is not compared.
func get(query string, status int, want string) func(e *env) {
	return func(e *env) { e.request("GET", "/socket.io/"+query, nil, nil, status, want) }
}

// request makes one request on a connection of its own.
func (e *env) request(method, url string, header http.Header, body []byte, status int, want string) *wire.Response {
	e.Helper()
	h, err := e.HTTP()
	if err != nil {
		e.Fatal(err)
	}
	e.later(func() { _ = h.Close() })
	res, err := h.Do(method, url, header, body)
	if err != nil {
		e.Fatalf("%s %.100s: %v", method, url, err)
	}
	e.answer(res, status, want)
	return res
}

func (e *env) answer(res *wire.Response, status int, want string) {
	e.Helper()
	if res.Status != status || want != "" && strings.TrimSpace(string(res.Body)) != want {
		e.Errorf("answer %d %.200q, want %d %q", res.Status, res.Body, status, want)
	}
	if want == code0 && res.Header.Get("Content-Type") != "application/json" {
		e.Errorf("content type %q", res.Header.Get("Content-Type"))
	}
}

// raw sends bytes and reads the status line of the answer, if any, and then to the end of the connection if until.
func (e *env) raw(text string) string {
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
	buf := make([]byte, 512)
	n, _ := c.Read(buf)
	line, _, _ := strings.Cut(string(buf[:n]), "\r\n")
	return line
}

// gone checks that a session is forgotten.
func (e *env) gone(sid string) {
	e.Helper()
	e.request("GET", e.URL("polling", sid), nil, nil, 400, code1)
}

// post makes a POST for the session and checks the status.
func (e *env) post(s *wire.Session, header http.Header, body string, status int) {
	e.Helper()
	res, err := s.Post("POST", header, []byte(body))
	if err != nil {
		e.Fatal(err)
	}
	e.answer(res, status, "")
}

const polling = "?EIO=4&transport=polling"

var httpRows = []row{
	{id: "H-1", run: get("?EIO=4", 400, code0), reject: engineio.RejectTransport},
	{id: "H-2", run: get("?EIO=4&transport=tobi", 400, code0), reject: engineio.RejectTransport},
	{id: "H-3a", run: get("?EIO=4&transport=__proto__", 400, code0), reject: engineio.RejectTransport},
	{id: "H-3b", run: get("?EIO=4&transport=constructor", 400, code0), reject: engineio.RejectTransport},
	{id: "H-4", run: get("?EIO=4&transport=webtransport", 400, code0), reject: engineio.RejectTransport},
	{id: "H-5", run: get("?EIO=4&transport=polling&transport=websocket", 400, code3U),
		reject: engineio.RejectHandshake},
	{id: "H-6", run: get("?EIO=4&transport=websocket", 400, code3U), reject: engineio.RejectHandshake},
	{id: "H-7a", run: get(polling+"&sid=unknown", 400, code1), reject: engineio.RejectSession},
	{id: "H-7b", run: get(polling+"&sid=__proto__", 400, code1), reject: engineio.RejectSession},
	{id: "H-7c", run: get(polling+"&sid="+strings.Repeat("s", 8<<10), 400, code1), reject: engineio.RejectSession},
	{id: "H-7d", run: get(polling+"&sid=%00", 400, code1), reject: engineio.RejectSession},
	{id: "H-7e", run: get(polling+"&sid=../../x%25", 400, code1), reject: engineio.RejectSession},
	{id: "H-8", run: func(e *env) {
		e.request("POST", "/socket.io/"+polling, nil, []byte("4hello"), 400, code2)
	}, reject: engineio.RejectHandshakeMethod},
	{id: "H-9a", run: get("?EIO=3&transport=polling", 400, old5), reject: engineio.RejectProtocol},
	{id: "H-9b", run: get("?transport=polling", 400, old5), reject: engineio.RejectProtocol},
	{id: "H-9c", run: get("?EIO=5&transport=polling", 400, code5), reject: engineio.RejectProtocol},
	{id: "H-9d", run: get("?EIO=4&EIO=3&transport=polling", 400, old5), reject: engineio.RejectProtocol},
	{id: "H-10", run: func(e *env) {
		s := e.connect("polling")
		for _, m := range []string{"PUT", "DELETE", "PATCH", "HEAD", "TRACE"} {
			res := e.request(m, e.URL("polling", s.SID), nil, nil, 405, "")
			if got := res.Header.Get("Allow"); got != "GET, POST, OPTIONS" {
				e.Errorf("%s: Allow is %q", m, got)
			}
		}
		e.alive(s)
	}, reject: engineio.RejectMethod, times: 5},
	{id: "H-11", run: func(e *env) {
		line := e.raw("GET /socket.io/" + polling +
			" HTTP/1.1\r\nHost: x\r\nOrigin: http://a\x01b\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(line, "HTTP/1.1 400") {
			e.Errorf("answer %q", line)
		}
	}},
	{id: "H-12", run: func(e *env) {
		line := e.raw("GET /socket.io/" + polling + "&x=%zz&y=%4 HTTP/1.1\r\nHost: x\r\n\r\n")
		if !strings.HasPrefix(line, "HTTP/1.1 200") {
			e.Errorf("answer %q", line)
		}
	}},
	{id: "H-13", run: func(e *env) {
		s := e.connect("polling")
		e.request("GET", strings.Replace(e.URL("polling", s.SID), "EIO=4", "EIO=3", 1), nil, nil, 400, code3)
		e.alive(s)
	}, reject: engineio.RejectProtocolMismatch},
	{id: "H-14", run: func(e *env) {
		for url, want := range map[string]string{
			"http://x/socket.io/" + polling:               "HTTP/1.1 200",
			"//socket.io/" + polling:                      "HTTP/1.1 404",
			"/socket.io/../socket.io/" + polling + "&x=1": "HTTP/1.1 3", // cleaned by the mux: a redirect
		} {
			line := e.raw("GET " + url + " HTTP/1.1\r\nHost: x\r\n\r\n")
			if !strings.HasPrefix(line, want) && !(strings.HasPrefix(line, "HTTP/1.1 30") && want != "HTTP/1.1 200") {
				e.Errorf("%s: answer %q, want %q", url, line, want)
			}
		}
	}},
	{id: "H-15", run: func(e *env) { e.request("GET", "/socket.ioX/"+polling, nil, nil, 404, "") }},
	{id: "H-16", run: func(e *env) { e.request("GET", "/socket.io/anything"+polling, nil, nil, 404, "") },
		reject: engineio.RejectPath},
	{id: "H-17a", run: func(e *env) {
		header := make(http.Header)
		for i := range 400 { // net/http takes 500 since Go 1.27, and more before
			header.Set(fmt.Sprintf("X-%d", i), "1")
		}
		e.request("GET", "/socket.io/"+polling, header, nil, 200, "")
	}},
	{id: "H-17b", run: func(e *env) {
		line := e.raw("GET /socket.io/" + polling + " HTTP/1.1\r\nHost: x\r\nX: " +
			strings.Repeat("x", 1<<20) + "\r\n\r\n")
		if !strings.HasPrefix(line, "HTTP/1.1 431") {
			e.Errorf("answer %q", line)
		}
	}},
	{id: "H-18", run: func(e *env) {
		e.request("GET", "/socket.io/"+polling+"&sid=x"+strings.Repeat("&a=b", 10_000), nil, nil, 400, code1)
	}, reject: engineio.RejectSession},
	{id: "H-19", run: func(e *env) {
		s := e.connect("polling")
		line := e.raw("POST " + e.URL("polling", s.SID) +
			" HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" +
			"5\r\n42[\"x\r\n2\r\n\"]\r\n0\r\n\r\n")
		if !strings.HasPrefix(line, "HTTP/1.1 200") {
			e.Errorf("answer %q", line)
		}
		e.until("the event", func() bool { return len(e.heard) == 1 && e.heard[0].name == "x" })
		e.alive(s)
	}},
	{id: "H-20", run: func(e *env) {
		s := e.connect("polling")
		e.post(s, nil, event(1_000_000), 200)
		e.until("the event", func() bool { return len(e.heard) == 1 })
		e.alive(s)
	}},
	{id: "H-21", run: func(e *env) {
		s := e.connect("polling")
		res := e.request("POST", e.URL("polling", s.SID), nil, []byte(event(1_000_001)), 413, "")
		if len(res.Body) != 0 || !strings.EqualFold(res.Header.Get("Connection"), "close") {
			e.Errorf("answer %v %q", res.Header, res.Body)
		}
		e.request("GET", e.URL("polling", s.SID), nil, nil, 400, code1)
	}, reject: engineio.RejectBodySize, reason: socketio.ReasonTransportError},
	{id: "H-22", run: func(e *env) {
		s := e.connect("polling")
		body := event(1_000_001)
		line := e.raw(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "+
			"chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", e.URL("polling", s.SID), len(body), body))
		if !strings.HasPrefix(line, "HTTP/1.1 413") {
			e.Errorf("answer %q", line)
		}
		e.request("GET", e.URL("polling", s.SID), nil, nil, 400, code1)
	}, reject: engineio.RejectBodySize, reason: socketio.ReasonTransportError},
	{id: "H-23", run: func(e *env) {
		s := e.connect("polling")
		line := e.raw("POST " + e.URL("polling", s.SID) +
			" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n42")
		if !strings.HasPrefix(line, "HTTP/1.1 413") {
			e.Errorf("answer %q", line)
		}
		e.request("GET", e.URL("polling", s.SID), nil, nil, 400, code1)
	}, reject: engineio.RejectBodySize, reason: socketio.ReasonTransportError},
	{id: "H-24", run: func(e *env) {
		s := e.connect("polling")
		for _, length := range []string{"Content-Length: -1", "Content-Length: 2\r\nContent-Length: 3"} {
			line := e.raw("POST " + e.URL("polling", s.SID) + " HTTP/1.1\r\nHost: x\r\n" + length + "\r\n\r\n42")
			if !strings.HasPrefix(line, "HTTP/1.1 400") {
				e.Errorf("%q: answer %q", length, line)
			}
		}
		e.alive(s)
	}},
	{id: "H-25a", run: func(e *env) {
		s := e.connect("polling")
		// A chunk may be announced like this and still end in time; it is the limit of the body that counts.
		c := e.slow("POST " + e.URL("polling", s.SID) +
			" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n42")
		c.Close()
	}, reject: engineio.RejectPostAborted, reason: socketio.ReasonTransportError},
	{id: "H-25b", run: func(e *env) {
		s := e.connect("polling")
		line := e.raw("POST " + e.URL("polling", s.SID) +
			" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" +
			strings.Repeat("x", 1<<20) + "\r\n4\r\n0\r\n\r\n")
		if !strings.HasPrefix(line, "HTTP/1.1 4") {
			e.Errorf("answer %q", line)
		}
	}, reject: engineio.RejectPostAborted, reason: socketio.ReasonTransportError},
	{id: "H-25c", run: func(e *env) {
		s := e.connect("polling")
		var body bytes.Buffer
		for _, b := range []byte(event(200_000)) {
			fmt.Fprintf(&body, "1\r\n%c\r\n", b)
		}
		line := e.raw("POST " + e.URL("polling", s.SID) +
			" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body.String() + "0\r\n\r\n")
		if !strings.HasPrefix(line, "HTTP/1.1 200") && !strings.HasPrefix(line, "HTTP/1.1 400") {
			e.Errorf("answer %q", line)
		}
	}},
	{id: "H-26", run: func(e *env) {
		s := e.connect("polling")
		e.post(s, http.Header{"Content-Type": {"application/octet-stream"}}, "4x", 400)
		e.gone(s.SID)
	}, reject: engineio.RejectContentType, reason: socketio.ReasonTransportError},
	{id: "H-27", run: func(e *env) {
		c, err := e.Dial()
		if err != nil {
			e.Fatal(err)
		}
		defer c.Close()
		// The answer comes though the body never does.
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n", e.URL("polling", "unknown"))
		_ = c.SetReadDeadline(time.Now().Add(patience))
		res := make([]byte, 512)
		n, err := c.Read(res)
		if err != nil || !strings.HasPrefix(string(res[:n]), "HTTP/1.1 400") {
			e.Errorf("answer %q, %v", res[:n], err)
		}
	}, reject: engineio.RejectSession},
	{id: "H-28", run: func(e *env) {
		s := e.connect("polling")
		e.request("POST", e.URL("polling", s.SID),
			http.Header{"Content-Encoding": {"gzip"}}, []byte("\x1f\x8b"), 415, "")
		e.alive(s)
	}, reject: engineio.RejectContentEncoding},
	// The 408 after PingTimeout and 5 s is tested on virtual time in engineio; here the heartbeat is the shorter limit.
	{id: "H-29", opts: quick, run: func(e *env) {
		s := e.connect("polling")
		poll(e, s)
		c, err := e.Dial()
		if err != nil {
			e.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n4", e.URL("polling", s.SID))
		_ = c.SetReadDeadline(time.Now().Add(patience))
		_, _ = io.ReadAll(c) // the connection is cut, by the body's or the ping's timeout
	}, reason: socketio.ReasonPingTimeout},
	{id: "H-30", run: func(e *env) {
		s := e.connect("polling")
		poll(e, s)
		e.request("GET", e.URL("polling", s.SID), nil, nil, 400, "")
		if _, err := s.Next(); !errors.Is(err, io.EOF) {
			e.Errorf("the first GET ends with %v", err)
		}
		e.gone(s.SID)
	}, reject: engineio.RejectPollOverlap, reason: socketio.ReasonTransportError},
	{id: "H-31", run: func(e *env) {
		s := e.connect("polling")
		first := e.slowPost(s.SID)
		e.post(s, nil, `42["x"]`, 400)
		_ = first.SetReadDeadline(time.Now().Add(patience))
		text, err := io.ReadAll(first)
		if strings.HasPrefix(string(text), "HTTP/1.1 200") {
			e.Errorf("the first POST is answered %.100q, %v", text, err)
		}
		e.gone(s.SID)
	}, reject: engineio.RejectPostOverlap, reason: socketio.ReasonTransportError},
	{id: "H-32", run: func(e *env) {
		s := e.connect("polling")
		poll(e, s)
		s.Abort()
	}, reject: engineio.RejectPollAborted, reason: socketio.ReasonTransportError},
	{id: "H-33", run: func(e *env) {
		s := e.connect("polling")
		c := e.slowPost(s.SID)
		_ = c.SetLinger(0)
		c.Close()
		e.checkVictims(socketio.ReasonTransportError)
		if len(e.heard) != 0 {
			e.Errorf("half a body was parsed: %v", e.heard)
		}
	}, reject: engineio.RejectPostAborted, reason: socketio.ReasonTransportError},
	{id: "H-34", run: func(e *env) {
		s := e.connect("websocket")
		e.request("POST", e.URL("polling", s.SID), nil, []byte("4x"), 400, code3)
		e.alive(s)
	}, reject: engineio.RejectTransportMismatch},
	{id: "H-35", run: func(e *env) {
		// JSONP is off by default: the parameter means nothing, and the answer is no script.
		res := e.request("GET", "/socket.io/"+polling+"&j=%3Cscript%3E7", nil, nil, 200, "")
		if !bytes.HasPrefix(res.Body, []byte("0{")) || res.Header.Get("X-Content-Type-Options") != "nosniff" &&
			!strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain") {
			e.Errorf("answer %v %q", res.Header, res.Body)
		}
	}},
	{id: "H-36", opts: quick, run: func(e *env) {
		for range 100 {
			h, err := e.HTTP()
			if err != nil {
				e.Fatal(err)
			}
			if _, err := h.Do("GET", "/socket.io/"+polling, nil, nil); err != nil {
				e.Fatal(err)
			}
			_ = h.Close()
		}
		e.settle(func() bool { return e.io.Stats().Engine.Sessions == 0 })
	}, reject: engineio.RejectPingTimeout, times: -1},
}

// event is an event of exactly n bytes as an Engine.IO packet.
func event(n int) string {
	head, tail := `42["big","`, `"]`
	return head + strings.Repeat("x", n-len(head)-len(tail)) + tail
}

// quick shortens the heartbeat, but not so much that a busy machine does not get as far as the row's attack.
func quick(o *socketio.Options) {
	o.Engine.PingInterval, o.Engine.PingTimeout = 3*time.Second, 2*time.Second
}

// closeAll ends sessions that were opened by a request nobody goes on with.
func closeAll(e *env) {
	for s := range e.io.Engine().Sockets() {
		s.Close()
		s.CloseWith(engineio.ForcedClose, true, "end of the row")
	}
}

// poll makes a GET pending, and returns when the server has it.
func poll(e *env, s *wire.Session) {
	e.Helper()
	if err := s.StartPoll(); err != nil {
		e.Fatal(err)
	}
	e.settle(func() bool { return parked("select", "engineio.(*Socket).servePoll") })
}

// parked reports whether a goroutine waits in this way within a function: the server says nothing to the outside when a
// request has come so far.
func parked(state, function string) bool {
	buf := make([]byte, 1<<20)
	for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		head, _, _ := strings.Cut(g, "\n")
		if strings.Contains(head, "["+state) && strings.Contains(g, function) {
			return true
		}
	}
	return false
}

// slowPost begins a POST of which the server has read the header and one byte.
func (e *env) slowPost(sid string) *net.TCPConn {
	e.Helper()
	return e.slow("POST " + e.URL("polling", sid) + " HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n4")
}

// slow sends the beginning of a POST, and returns when the server waits for more of its body.
func (e *env) slow(text string) *net.TCPConn {
	e.Helper()
	c, err := e.Dial()
	if err != nil {
		e.Fatal(err)
	}
	e.later(func() { _ = c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		e.Fatal(err)
	}
	e.settle(func() bool { return parked("IO wait", "engineio.(*Socket).servePost") })
	return c
}
