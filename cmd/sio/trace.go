package main

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sio.example/socketio/engineio"
	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/parser"
)

// A tracer shows what happens in the layers below Socket.IO.
type tracer struct {
	show   func(text string)
	parser parser.Parser // nil is JSON

	mu       sync.Mutex
	level    int       // 0 nothing, 1 how the connection comes about, 2 everything, and what is secret
	begun    time.Time // the attempt to connect
	steps    map[string]time.Time
	requests map[*http.Request]time.Time
}

// showElapsed is for how long after the beginning of an attempt times are relative to it.
const showElapsed = time.Minute

func newTracer(level int, show func(text string)) *tracer {
	t := &tracer{show: show, level: level}
	t.begin()
	return t
}

// begin says that a new attempt to connect begins.
func (t *tracer) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun, t.steps, t.requests = time.Now(), map[string]time.Time{}, map[*http.Request]time.Time{}
}

func (t *tracer) setLevel(level int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.level = level
}

func (t *tracer) atLeast(level int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.level >= level
}

// line shows one or more lines of a layer.
func (t *tracer) line(layer, format string, args ...any) {
	t.mu.Lock()
	elapsed := ""
	if d := time.Since(t.begun); d < showElapsed {
		elapsed = "+" + took(d)
	}
	t.mu.Unlock()
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\n"+strings.Repeat(" ", 33))
	t.show(fmt.Sprintf("%9s %-9s %s", elapsed, layer, text))
}

// start and since measure a step.
func (t *tracer) start(step string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.steps[step] = time.Now()
}

func (t *tracer) since(step string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return took(time.Since(t.steps[step]))
}

// trace is what the engine is to call.
func (t *tracer) trace() *engineio.Trace {
	return &engineio.Trace{
		HTTP:      t.network(),
		Request:   t.request,
		Response:  t.response,
		Handshake: t.handshake,
		Upgrade:   t.upgrade,
		Packet:    t.packet,
	}
}

func (t *tracer) network() *httptrace.ClientTrace {
	say := func(layer, format string, args ...any) {
		if t.atLeast(1) {
			t.line(layer, format, args...)
		}
	}
	var host atomic.Value
	return &httptrace.ClientTrace{
		DNSStart: func(i httptrace.DNSStartInfo) {
			host.Store(i.Host)
			t.start("dns")
		},
		DNSDone: func(i httptrace.DNSDoneInfo) {
			if i.Err != nil {
				say("dns", "%s", safe(i.Err.Error()))
				return
			}
			var addrs []string
			for _, a := range i.Addrs {
				addrs = append(addrs, a.String())
			}
			name, _ := host.Load().(string) // of the last one that was looked up, as there is but one server
			say("dns", "%s is %s (%s)", safe(name), strings.Join(addrs, ", "), t.since("dns"))
		},
		ConnectStart: func(_, addr string) { t.start("tcp " + addr) },
		ConnectDone: func(_, addr string, err error) {
			if err != nil {
				say("tcp", "%s: %s", addr, safe(err.Error()))
				return
			}
			say("tcp", "connected to %s (%s)", addr, t.since("tcp "+addr))
		},
		TLSHandshakeStart: func() { t.start("tls") },
		TLSHandshakeDone: func(c tls.ConnectionState, err error) {
			if err != nil {
				say("tls", "%s", safe(err.Error()))
				return
			}
			say("tls", "%s (%s)", describeTLS(c), t.since("tls"))
		},
	}
}

func describeTLS(c tls.ConnectionState) string {
	text := tls.VersionName(c.Version) + " " + tls.CipherSuiteName(c.CipherSuite)
	if c.NegotiatedProtocol != "" {
		text += " " + safe(c.NegotiatedProtocol)
	}
	if len(c.PeerCertificates) > 0 {
		cert := c.PeerCertificates[0]
		name := cert.Subject.CommonName
		if len(cert.DNSNames) > 0 {
			name = cert.DNSNames[0]
		}
		text += fmt.Sprintf(", certificate of %s by %s until %s", quote(cutText(name, 80)),
			quote(cutText(cert.Issuer.String(), 80)), cert.NotAfter.Local().Format(time.DateOnly))
	}
	return text
}

// opening reports whether a request is one of those that a connection is made of: the first of polling, or a WebSocket
// handshake.
func opening(r *http.Request) bool {
	q := r.URL.Query()
	return q.Get("sid") == "" || q.Get("transport") == "websocket"
}

func (t *tracer) request(r *http.Request) {
	if !t.atLeast(1) || !opening(r) && !t.atLeast(2) {
		return
	}
	t.mu.Lock()
	t.requests[r] = time.Now()
	t.mu.Unlock()
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	secrets := t.atLeast(2)
	t.line("http", "> %s %s\n> Host: %s%s",
		r.Method, safe(requestURI(r.URL, secrets)), safe(host), headerLines(">", r.Header, secrets))
}

func (t *tracer) response(r *http.Request, res *http.Response) {
	if !t.atLeast(1) || !opening(r) && !t.atLeast(2) {
		return
	}
	t.mu.Lock()
	at, ok := t.requests[r]
	delete(t.requests, r)
	t.mu.Unlock()
	duration := ""
	if ok {
		duration = " (" + took(time.Since(at)) + ")"
	}
	t.line("http", "< %s %s%s%s",
		safe(res.Proto), safe(cutText(res.Status, 100)), duration, headerLines("<", res.Header, t.atLeast(2)))
}

// requestURI is what is requested, without the values that let others in.
func requestURI(u *url.URL, secrets bool) string {
	if secrets || u.RawQuery == "" {
		return u.RequestURI()
	}
	var parts []string
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		name, value, _ := strings.Cut(part, "=")
		switch {
		case name == "sid":
			value = shortID(value)
		case isSecret(name):
			value = redacted
		}
		parts = append(parts, name+"="+value)
	}
	return u.EscapedPath() + "?" + strings.Join(parts, "&")
}

const redacted = "[redacted]"

// shortID is enough of a session id to recognise it.
func shortID(id string) string {
	return safe(cutText(id, 6))
}

// isSecret reports whether the value of a header or parameter may be one that lets others in.
func isSecret(name string) bool {
	name = strings.ToLower(name)
	return !strings.HasPrefix(name, "sec-websocket-") && !strings.HasPrefix(name, "access-control-") &&
		slices.ContainsFunc(secretNames, func(part string) bool { return strings.Contains(name, part) })
}

// secretNames are parts of names whose values are secret.
var secretNames = []string{
	"auth", "cookie", "token", "secret", "password", "passwd", "key", "session", "jwt", "signature",
}

func headerLines(mark string, h http.Header, secrets bool) string {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		for _, value := range h[name] {
			if !secrets && isSecret(name) {
				value = redacted
			}
			fmt.Fprintf(&b, "\n%s %s: %s", mark, safe(cutText(name, 100)), safe(cutText(value, 300)))
		}
	}
	return b.String()
}

func (t *tracer) handshake(transport string, h packet.Handshake) {
	if !t.atLeast(1) {
		return
	}
	sid := shortID(h.SID)
	if t.atLeast(2) {
		sid = safe(cutText(h.SID, 200))
	}
	text := fmt.Sprintf("open over %s, sid %s", transport, sid)
	if len(h.Upgrades) > 0 {
		text += ", upgrades to " + safe(cutText(strings.Join(h.Upgrades, ", "), 100))
	}
	text += fmt.Sprintf(", ping every %v, %v to answer", milliseconds(h.PingIntervalMS), milliseconds(h.PingTimeoutMS))
	if h.MaxPayload > 0 {
		text += ", takes " + byteCount(int(h.MaxPayload))
	}
	t.line("engine.io", "%s", text)
}

func milliseconds(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func (t *tracer) upgrade(transport string, err error) {
	switch {
	case !t.atLeast(1):
	case err != nil:
		text, _ := explain(err)
		t.line("engine.io", "no upgrade to %s: %s", transport, text)
	default:
		t.line("engine.io", "upgraded to %s", transport)
	}
}

// maxPacket is how much of a packet -vv shows.
const maxPacket = 300

func (t *tracer) packet(transport string, sent bool, p packet.Packet) {
	if !t.atLeast(1) {
		return
	}
	arrow := "←"
	if sent {
		arrow = "→"
	}
	loud := t.atLeast(2)
	switch {
	case p.Type == packet.Message && !p.Binary && len(p.Data) > 0 && !loud:
		if text := describeMessage(p.Data); text != "" {
			t.line("socket.io", "%s %s", arrow, text)
		}
	case p.Type == packet.Message && p.Binary && !loud && t.parser != nil:
		if text := t.describePacket(p.Data); text != "" {
			t.line("socket.io", "%s %s", arrow, text)
		}
	case loud && p.Binary:
		t.line("engine.io", "%s %s binary %s", arrow, p.Type, describeBytes(p.Data))
	case loud && p.Type != packet.Open: // which comes as the handshake
		t.line("engine.io", "%s %s %s", arrow, p.Type,
			safe(cutText(string(p.Data[:min(len(p.Data), maxPacket+1)]), maxPacket)))
	case string(p.Data) == "probe":
		t.line("engine.io", "%s %s probe over %s", arrow, p.Type, transport)
	case p.Type == packet.Upgrade || p.Type == packet.Close:
		t.line("engine.io", "%s %s", arrow, p.Type)
	}
}

// describePacket is describeMessage for another parser, whose packets are one message.
func (t *tracer) describePacket(data []byte) string {
	p, err := t.parser.NewDecoder().Add(parser.Frame{Binary: true, Data: slices.Clone(data)})
	if err != nil || p == nil || p.Type == parser.Event || p.Type == parser.Ack {
		return ""
	}
	text := p.Type.String() + " " + safe(cutText(p.Namespace, 100))
	if p.Args.Len() > 0 && p.Type == parser.Connect {
		text += fmt.Sprintf(" in %s", byteCount(len(data)))
	}
	return text
}

// describeMessage describes a Socket.IO packet that is about a connection, without its payload, which may be secret. Of
// others it returns nothing.
func describeMessage(data []byte) string {
	name, ok := map[byte]string{'0': "CONNECT", '1': "DISCONNECT", '4': "CONNECT_ERROR"}[data[0]]
	if !ok {
		return ""
	}
	nsp, payload := "/", string(data[1:])
	if strings.HasPrefix(payload, "/") {
		nsp, payload, _ = strings.Cut(payload, ",")
	}
	text := name + " " + safe(cutText(nsp, 100))
	if payload != "" && name == "CONNECT" {
		text += fmt.Sprintf(" with %s", byteCount(len(payload)))
	}
	return text
}
