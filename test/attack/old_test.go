package attack

import (
	"bytes"
	"net/http"
	"regexp"
	"strings"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
)

// What clients of Engine.IO 3 and of JSONP may send where the options let them in. The codecs are fuzzed in
// engineio/packet, and held to the official ones in test/parser (E-21).
var oldRows = []row{
	{id: "E-20a", opts: old, run: oldRefused("99999999999:4", ""), reject: engineio.RejectPayload, reason: parseError},
	{id: "E-20b", opts: old, run: oldRefused("-1:4", ""), reject: engineio.RejectPayload, reason: parseError},
	{id: "E-20c", opts: old, run: oldRefused("3:ab", ""), reject: engineio.RejectPayload, reason: parseError},
	{id: "E-20d", opts: old, run: oldRefused("x:4", ""), reject: engineio.RejectPayload, reason: parseError},
	{id: "E-20e", opts: old, run: oldRefused(strings.Repeat("9", 900_000)+":4", ""),
		reject: engineio.RejectPayload, reason: parseError},
	{id: "E-20f", opts: old, run: oldRefused("", ""), reject: engineio.RejectPayload, reason: parseError},
	{id: "E-20g", opts: old, run: func(e *env) { // the official form of nothing; a payload of it takes no longer
		url := e.openOld()
		e.request("POST", url, nil, []byte(strings.Repeat("0:", 400_000)), 200, "ok")
		e.oldAlive(url)
	}},
	{id: "E-21", opts: old, run: func(e *env) {
		url := e.openOld()
		e.request("POST", url, nil, []byte("17:42[\"echo\",\"é😀€\"]"), 200, "ok")
		e.oldGet(url, "17:42[\"echo\",\"é😀€\"]")
		e.request("POST", url, nil, []byte("2:4😀"), 400, "") // ends within the character
	}, reject: engineio.RejectPayload, reason: parseError},
	{id: "E-22a", opts: old, run: oldRefused("\x00\x09\x09\x09\x09\x09\x09\x09\x09\x09\xff4", octets),
		reject: engineio.RejectPayload, reason: parseError},
	{id: "E-22b", opts: old, run: oldRefused("\x00"+strings.Repeat("\x09", 900_000), octets),
		reject: engineio.RejectPayload, reason: parseError},
	{id: "E-22c", opts: old, run: oldRefused("\x00\x02\xff4\xff", octets),
		reject: engineio.RejectPayload, reason: parseError},
	{id: "E-22d", opts: old, run: oldRefused("\x07\x01\xff4", octets), reject: engineio.RejectPayload, reason: parseError},
	{id: "E-22e", opts: old, run: oldRefused("\x01\x03\xff\x02ab", octets),
		reject: engineio.RejectPayload, reason: parseError},
	{id: "E-23", opts: old, run: func(e *env) { // pings without end, each of which wants an answer
		url := e.openOld()
		for range 3 {
			e.request("POST", url, nil, []byte(strings.Repeat("1:2", 300_000)), 200, "ok")
		}
		e.oldGet(url, "1:3")
	}},
	{id: "E-24", opts: old, run: oldRefused("1:3", ""),
		reject: engineio.RejectHeartbeat, reason: socketio.ReasonTransportError},
	{id: "H-9e", opts: old, run: get("?EIO=5&transport=polling", 400, code5), reject: engineio.RejectProtocol},
	{id: "H-13b", opts: old, run: func(e *env) {
		url := e.openOld()
		e.request("GET", strings.Replace(url, "EIO=3", "EIO=4", 1), nil, nil, 400, code3)
		e.oldAlive(url)
	}, reject: engineio.RejectProtocolMismatch},
	{id: "U-9b", opts: old, run: func(e *env) {
		url := e.openOld()
		url = strings.NewReplacer("EIO=3", "EIO=4", "polling", "websocket").Replace(url)
		upgradeRefused(e, url, "Bad request")
	}, reject: engineio.RejectProtocolMismatch},
	{id: "H-35b", opts: func(o *socketio.Options) { o.Engine.JSONP = true }, run: func(e *env) {
		res := e.request("GET", "/socket.io/"+polling+"&j=%3Cscript%3Ealert(1)%3C/script%3E7", nil, nil, 200, "")
		if !bytes.HasPrefix(res.Body, []byte(`___eio[17]("0{`)) || res.Header.Get("X-Content-Type-Options") != "nosniff" ||
			res.Header.Get("Content-Type") != "text/javascript; charset=UTF-8" {
			e.Errorf("answer %v %q", res.Header, res.Body)
		}
	}, warns: true},
	{id: "H-35c", opts: func(o *socketio.Options) { o.Engine.JSONP = true }, run: func(e *env) {
		evil := http.Header{"Referer": {"http://evil.example/page"}, "Sec-Fetch-Site": {"cross-site"}}
		e.request("GET", "/socket.io/"+polling+"&j=0", evil, nil, 403, "")
	}, reject: engineio.RejectOrigin, warns: true},
}

const (
	parseError = socketio.ReasonParseError
	octets     = "application/octet-stream"
)

func old(o *socketio.Options) { o.Engine.AllowEIO3 = true }

var oldOpen = regexp.MustCompile(`^\d+:0\{"sid":"([^"]+)"`)

// openOld opens a session of revision 3 on polling, and returns its URL when its socket is a victim.
func (e *env) openOld() (url string) {
	e.Helper()
	res := e.request("GET", "/socket.io/?EIO=3&transport=polling", nil, nil, 200, "")
	open := oldOpen.FindSubmatch(res.Body)
	if open == nil {
		e.Fatalf("handshake %q", res.Body)
	}
	id := string(open[1])
	e.until("the connection", func() bool { return e.victims[id] != nil })
	e.update(func() { e.victims[id].attacked = true })
	url = "/socket.io/?EIO=3&transport=polling&sid=" + id
	e.oldGet(url, "2:40")
	return url
}

func (e *env) oldGet(url, want string) {
	e.Helper()
	e.request("GET", url, nil, nil, 200, want)
}

func (e *env) oldAlive(url string) {
	e.Helper()
	e.request("POST", url, nil, []byte(`18:42["echo","alive"]`), 200, "ok")
	e.oldGet(url, `18:42["echo","alive"]`)
}

// oldRefused is a body that ends the session.
func oldRefused(body, kind string) func(e *env) {
	return func(e *env) {
		url := e.openOld()
		header := http.Header{}
		if kind != "" {
			header.Set("Content-Type", kind)
		}
		e.request("POST", url, header, []byte(body), 400, "")
		e.request("GET", url, nil, nil, 400, code1)
	}
}
