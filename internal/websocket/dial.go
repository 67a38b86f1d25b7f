package websocket

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"time"

	"sio.example/socketio/internal/bufpool"
	"sio.example/socketio/internal/errtext"
)

const (
	// maxAnswer bounds the header of an answer, interim answers before it included (attack: endless header).
	maxAnswer = 64 << 10
	// maxInterim bounds the interim answers, of a 1xx status other than 101 (RFC 9110 15.2).
	maxInterim = 5
	// maxRefusal is how much of the body of a refusal is kept.
	maxRefusal = 1 << 10
	// refusalWait is how long that is waited for: the status, which is what counts, is known by then.
	refusalWait = 2 * time.Second
)

// DialOptions are the options of [Dial]. The zero value of each means its default.
type DialOptions struct {
	// Options are those of the connection. Header holds more headers of the request; its Host is used if the field Host
	// is empty, and the headers of the handshake itself can't be set. HandshakeTimeout is for all of Dial, from looking
	// up the address to the 101; default 10 s.
	Options

	Host         string   // the Host header; default that of the URL. It does not change where and whom we connect to
	Subprotocols []string // offered, by preference; default none

	// NetDial makes the TCP connection, to the server or to the proxy. Default: that of a zero net.Dialer.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)

	// NetDialTLS, if not nil, makes the connection to a wss server that no proxy is used for, TLS included, instead of
	// NetDial and TLS.
	NetDialTLS func(ctx context.Context, network, addr string) (net.Conn, error)

	// TLS is for wss and for https proxies; it is not changed. ServerName is by default the host connected to, and
	// NextProtos is always http/1.1. Default: the zero tls.Config, which verifies certificates against the system's.
	TLS *tls.Config

	// Proxy chooses the proxy for a request, whose URL has the scheme http or https as http.ProxyFromEnvironment wants
	// it; nil for none. The schemes http, https, socks5 and socks5h are understood. Default: no proxy.
	Proxy func(*http.Request) (*url.URL, error)

	// OnRequest, if not nil, is shown the handshake as it is about to be sent to the server, and OnResponse the
	// server's answer with its header. They must change neither. Beside them the hooks of an httptrace.ClientTrace in
	// the context are called, those for the connection to a proxy included.
	OnRequest  func(*http.Request)
	OnResponse func(*http.Request, *http.Response)
}

// A HandshakeRefusedError is an answer to the handshake that is not a correct 101. Redirects are such answers, too.
type HandshakeRefusedError struct {
	Status int         // of the answer; 101 if what is wrong is something else
	Header http.Header // of the answer
	Body   []byte      // the first KiB at most, as far as it came within 2 s
	Proxy  bool        // the proxy said it, about CONNECT

	reason string // why a 101 was not accepted
}

// Error gives the status and, for a 101, what was wrong with it. It quotes nothing of the peer.
func (e *HandshakeRefusedError) Error() string {
	who := "server"
	if e.Proxy {
		who = "proxy"
	}
	text := fmt.Sprintf("websocket: handshake: %s answered with status %d", who, e.Status)
	if e.reason != "" {
		text += ", " + e.reason
	}
	return text
}

// Dial connects to a ws or wss URL (http and https mean the same) and returns a connection in the role of the client:
// what it writes is to be made by its method AppendFrame or by [AppendMasked], and masked frames are refused. The
// response is the server's 101, without a body; it is nil if there is an error.
//
// The error is a *HandshakeRefusedError if the server or the proxy answered with anything but what makes a connection;
// redirects are not followed. If ctx ended, or HandshakeTimeout passed, it matches ctx.Err() or
// context.DeadlineExceeded. Errors contain the host, but never the path, query or user of the URL, nor the user of the
// proxy's. After Dial has returned, ctx does not matter any more, and after an error nothing is left of the connection.
func Dial(ctx context.Context, u *url.URL, opts *DialOptions) (*Conn, *http.Response, error) {
	if opts == nil {
		opts = new(DialOptions)
	}
	d := dialer{opts: opts, trace: httptrace.ContextClientTrace(ctx)}
	if err := d.prepare(u); err != nil {
		return nil, nil, errtext.Errorf("websocket: dial: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(max(opts.HandshakeTimeout, 0), defaultHandshakeTimeout))
	defer cancel()
	c, res, err := d.dial(ctx)
	var refused *HandshakeRefusedError
	switch {
	case err == nil:
		return c, res, nil
	case errors.As(err, &refused):
		return nil, nil, refused
	case ctx.Err() != nil: // the rest follows from that
		err = ctx.Err()
	}
	return nil, nil, errtext.Errorf("websocket: dial %s: %s: %w", d.url.Host, d.stage, err)
}

// A dialer is one call of Dial.
type dialer struct {
	opts      *DialOptions
	url       *url.URL // with scheme http or https, without user and fragment
	key       string   // Sec-WebSocket-Key
	request   []byte   // the handshake
	stage     string   // what is under way, for errors
	encrypted bool     // by NetDialTLS
	trace     *httptrace.ClientTrace
}

// prepare checks the arguments and makes the request.
func (d *dialer) prepare(u *url.URL) error {
	if u == nil {
		return errors.New("no URL")
	}
	clean := *u
	clean.User, clean.Fragment, clean.RawFragment = nil, "", ""
	switch strings.ToLower(u.Scheme) {
	case "ws", "http":
		clean.Scheme = "http"
	case "wss", "https":
		clean.Scheme = "https"
	default:
		return errors.New("scheme is neither ws nor wss")
	}
	clean.Host = strings.TrimSuffix(u.Host, ":")
	if u.Opaque != "" || clean.Hostname() == "" || !printable(clean.Host) {
		return errors.New("URL has no valid host")
	}
	if !printable(clean.RequestURI()) {
		return errors.New("URL has an invalid path or query")
	}
	d.url = &clean
	var nonce [16]byte
	rand.Read(nonce[:]) // never fails
	d.key = base64.StdEncoding.EncodeToString(nonce[:])
	return d.appendRequest(u.User)
}

// printable reports whether s may stand in the first line of a request or in a Host header.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// requestHeaders are those of the request that DialOptions.Header can't set: they are the handshake itself, or would
// promise a body.
var requestHeaders = map[string]bool{
	"Host": true, "Upgrade": true, "Connection": true, "Sec-Websocket-Key": true, "Sec-Websocket-Version": true,
	"Sec-Websocket-Extensions": true, "Sec-Websocket-Protocol": true, "Sec-Websocket-Accept": true,
	"Content-Length": true, "Transfer-Encoding": true, "Trailer": true, "Te": true, "Expect": true,
}

// appendRequest makes the request (RFC 6455 4.1).
func (d *dialer) appendRequest(user *url.Userinfo) error {
	host := d.opts.Host
	if host == "" {
		host = d.opts.Header.Get("Host")
	}
	if host == "" {
		host = withoutZone(d.url.Host)
	}
	if !printable(host) {
		return errors.New("invalid Host header")
	}
	b := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n", d.url.RequestURI(), host, d.key)
	for i, p := range d.opts.Subprotocols {
		if !isToken(p) || slices.Contains(d.opts.Subprotocols[:i], p) {
			return errors.New("subprotocols are not distinct tokens")
		}
	}
	if len(d.opts.Subprotocols) > 0 {
		b = fmt.Appendf(b, "Sec-WebSocket-Protocol: %s\r\n", strings.Join(d.opts.Subprotocols, ", "))
	}
	if d.opts.Deflate != nil {
		b = fmt.Appendf(b, "Sec-WebSocket-Extensions: %s\r\n", d.opts.Deflate.offer())
	}
	if user != nil && d.opts.Header.Get("Authorization") == "" {
		b = fmt.Appendf(b, "Authorization: %s\r\n", basicAuth(user))
	}
	for name, values := range d.opts.Header {
		if !isToken(name) {
			return errors.New("a header has an invalid name")
		}
		if requestHeaders[http.CanonicalHeaderKey(name)] {
			continue
		}
		for _, v := range values {
			v = strings.Trim(v, " \t")
			if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
				return fmt.Errorf("header %s has an invalid value", name)
			}
			b = fmt.Appendf(b, "%s: %s\r\n", name, v)
		}
	}
	d.request = append(b, "\r\n"...)
	return nil
}

// withoutZone is a host and port without the zone of an IPv6 address, which has a meaning on this machine only.
func withoutZone(host string) string {
	end := strings.LastIndexByte(host, ']')
	if !strings.HasPrefix(host, "[") || end < 0 {
		return host
	}
	if zone := strings.IndexByte(host[:end], '%'); zone >= 0 {
		return host[:zone] + host[end:]
	}
	return host
}

// basicAuth is the value of an Authorization header (RFC 7617).
func basicAuth(user *url.Userinfo) string {
	password, _ := user.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password))
}

// dial does what waits. Every step ends early when ctx does, because that closes the connection.
func (d *dialer) dial(ctx context.Context) (*Conn, *http.Response, error) {
	proxy, err := d.proxy()
	if err != nil {
		return nil, nil, err
	}
	target, first := address(d.url), address(d.url)
	d.stage = "connect"
	if proxy != nil {
		first = address(proxy)
		d.stage = "connect to proxy"
	}
	netDial := d.opts.NetDial
	switch {
	case d.opts.NetDialTLS != nil && d.url.Scheme == "https" && proxy == nil:
		netDial, d.encrypted = d.opts.NetDialTLS, true
	case netDial == nil:
		netDial = new(net.Dialer).DialContext
	}
	d.onConn(target, nil)
	base, err := netDial(ctx, "tcp", first)
	if err != nil {
		return nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { base.Close() })
	c, res, err := d.handshake(ctx, base, proxy, target)
	if !stop() && err == nil {
		c.freeBuffer()
		err = ctx.Err()
	}
	if err != nil {
		base.Close() // not that of TLS, which may wait
		return nil, nil, err
	}
	return c, res, nil
}

// proxy asks for the proxy; nil means none.
func (d *dialer) proxy() (*url.URL, error) {
	if d.opts.Proxy == nil {
		return nil, nil
	}
	d.stage = "choose proxy"
	p, err := d.opts.Proxy(&http.Request{Method: http.MethodGet, URL: d.url, Host: d.url.Host, Header: http.Header{}})
	switch {
	case err != nil:
		return nil, &proxyError{err}
	case p == nil:
		return nil, nil
	}
	if defaultPorts[p.Scheme] == "" || p.Hostname() == "" {
		return nil, errors.New("proxy URL has an unknown scheme or no host")
	}
	return p, nil
}

// A proxyError hides the text of an error of DialOptions.Proxy: that of http.ProxyFromEnvironment has the proxy's URL
// in it, with user and password.
type proxyError struct{ cause error }

func (e *proxyError) Error() string { return "no valid proxy" }
func (e *proxyError) Unwrap() error { return e.cause }

var defaultPorts = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}

// address is where to dial to for u.
func address(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = defaultPorts[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// handshake makes a Conn of a fresh connection.
func (d *dialer) handshake(ctx context.Context, nc net.Conn,
	proxy *url.URL, target string) (*Conn, *http.Response, error) {
	var err error
	if proxy != nil {
		if nc, err = d.tunnel(ctx, nc, proxy, target); err != nil {
			return nil, nil, err
		}
	}
	if d.url.Scheme == "https" && !d.encrypted {
		d.stage = "TLS handshake"
		if nc, err = d.encrypt(ctx, nc, d.url.Hostname()); err != nil {
			return nil, nil, err
		}
	}
	d.stage = "handshake"
	d.onConn(target, nc)
	req := d.onRequest()
	_, err = nc.Write(d.request)
	d.onWritten(err)
	if err != nil {
		return nil, nil, err
	}
	br, res, err := d.readAnswer(nc, req)
	if err != nil {
		return nil, nil, err
	}
	if d.opts.OnResponse != nil {
		d.opts.OnResponse(req, res)
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return nil, nil, refusal(nc, res, false)
	}
	agreed, reason := d.check(res.Header)
	if reason != "" {
		return nil, nil, &HandshakeRefusedError{Status: res.StatusCode, Header: res.Header, reason: reason}
	}
	if t, ok := nc.(*tls.Conn); ok {
		state := t.ConnectionState()
		res.TLS = &state
	}
	c := newConn(nc, leftOver(&bufio.ReadWriter{Reader: br}), &d.opts.Options)
	c.client = true
	c.agree(&d.opts.Options, agreed)
	return c, res, nil
}

// encrypt does the TLS handshake with the given host.
func (d *dialer) encrypt(ctx context.Context, nc net.Conn, host string) (net.Conn, error) {
	config := d.opts.TLS.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	config.NextProtos = []string{"http/1.1"} // there is no WebSocket over HTTP/2 here
	t := tls.Client(nc, config)
	if d.trace != nil && d.trace.TLSHandshakeStart != nil {
		d.trace.TLSHandshakeStart()
	}
	err := t.HandshakeContext(ctx)
	if d.trace != nil && d.trace.TLSHandshakeDone != nil {
		d.trace.TLSHandshakeDone(t.ConnectionState(), err)
	}
	return t, err
}

// readAnswer reads the header of an answer, with a reader that may have read on.
func readAnswer(nc net.Conn, req *http.Request) (*bufio.Reader, *http.Response, error) {
	in := &answerReader{r: nc, rest: maxAnswer}
	br := bufio.NewReaderSize(in, 2<<10)
	for range 1 + maxInterim {
		res, err := http.ReadResponse(br, req)
		switch {
		case err != nil && in.err != nil:
			return nil, nil, noEOFYet(in.err)
		case err != nil:
			return nil, nil, fmt.Errorf("malformed answer: %.100q", err.Error()) // may quote the peer at length
		case res.StatusCode >= 200 || res.StatusCode == http.StatusSwitchingProtocols:
			in.rest = maxAnswer // for the body of a refusal
			return br, res, nil
		}
	}
	return nil, nil, errors.New("too many interim answers")
}

// An answerReader reads up to rest bytes, and knows whether an error was its own or that of what has been read.
type answerReader struct {
	r    io.Reader
	rest int
	err  error
}

func (a *answerReader) Read(p []byte) (n int, err error) {
	if a.rest <= 0 {
		a.err = errAnswerTooLong
		return 0, a.err
	}
	n, a.err = a.r.Read(p[:min(len(p), a.rest)])
	a.rest -= n
	return n, a.err
}

var errAnswerTooLong = errors.New("header of the answer is too long")

// refusal makes the error for an answer with another status than wanted.
func refusal(nc net.Conn, res *http.Response, proxy bool) error {
	nc.SetReadDeadline(time.Now().Add(refusalWait))
	buf := bufpool.Get(maxRefusal)
	defer bufpool.Put(buf)
	n, _ := io.ReadFull(res.Body, (*buf)[:maxRefusal]) // what came is what there is
	body := append([]byte(nil), (*buf)[:n]...)
	return &HandshakeRefusedError{Status: res.StatusCode, Header: res.Header, Body: body, Proxy: proxy}
}

// check says what is wrong with the header of a 101 (RFC 6455 4.1), or nothing and what is agreed.
func (d *dialer) check(h http.Header) (agreed deflation, wrong string) {
	accept, protocol := h["Sec-Websocket-Accept"], h["Sec-Websocket-Protocol"]
	agreed, extended := d.opts.Deflate.agreed(h["Sec-Websocket-Extensions"])
	switch {
	case !hasToken(h["Upgrade"], "websocket"):
		wrong = "without Upgrade: websocket"
	case !hasToken(h["Connection"], "upgrade"):
		wrong = "without Connection: upgrade"
	case len(accept) != 1 || strings.Trim(accept[0], " \t") != string(appendAcceptKey(nil, d.key)):
		wrong = "with a wrong Sec-WebSocket-Accept"
	case !extended:
		wrong = "with an extension that was not offered"
	case len(protocol) > 1 || len(protocol) == 1 && !slices.Contains(d.opts.Subprotocols, protocol[0]):
		wrong = "with a subprotocol that was not offered"
	}
	return agreed, wrong
}
