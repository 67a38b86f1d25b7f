package engineio

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/websocket"
)

// A clientDialer makes the requests and connections of one session. It is gone once the session is on WebSocket.
type clientDialer struct {
	opts       *DialOptions
	session    *ClientSocket // held by each connection
	url        *url.URL      // http or https, with path and without query
	query      string        // the user's, encoded
	sid        string        // the user's, for the first request
	transports []string
	jar        http.CookieJar
	client     *http.Client
	own        *http.Transport // of client, if it is ours
	stamps     atomic.Uint64   // requests with a timestamp

	ctx    context.Context // of all requests but the first
	cancel context.CancelFunc

	mu    sync.Mutex
	conns map[*clientConn]struct{} // of own
	shut  bool
	found struct{ name, addr string } // the last host, or proxy, that was connected to, and its address
}

func newClientDialer(s *ClientSocket, rawURL string, o *DialOptions) (*clientDialer, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, errtext.New("engineio: malformed URL") // the error would repeat the URL, maybe with a password
	}
	d := &clientDialer{opts: o, session: s}
	d.url = &url.URL{Scheme: "http", User: u.User, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	switch strings.ToLower(u.Scheme) {
	case "http", "ws":
	case "https", "wss":
		d.url.Scheme = "https"
	default:
		return nil, errtext.New("engineio: scheme of the URL is none of http, https, ws and wss")
	}
	if u.Opaque != "" || u.Hostname() == "" {
		return nil, errtext.New("engineio: URL has no host")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, errtext.Errorf("engineio: port %.20s of the URL is not between 1 and 65535", port)
		}
	}
	d.setPath()
	if err := d.setQuery(u); err != nil {
		return nil, err
	}
	if err := d.setTransports(); err != nil {
		return nil, err
	}
	d.ctx, d.cancel = context.WithCancel(d.traced(context.Background()))
	d.setJar()
	if slices.Contains(d.transports, transportPolling) {
		d.setClient()
	}
	return d, nil
}

// setTransports takes those of the options, or all that there are.
func (d *clientDialer) setTransports() error {
	d.transports = d.opts.Transports
	switch {
	case len(d.transports) > 0:
	case d.opts.DialStream != nil:
		d.transports = []string{transportPolling, transportWebSocket, transportStream}
	default:
		d.transports = []string{transportPolling, transportWebSocket}
	}
	for _, name := range d.transports {
		switch {
		case name == transportStream && d.opts.DialStream == nil:
			return errtext.New("engineio: transport webtransport needs DialStream")
		case name != transportPolling && name != transportWebSocket && name != transportStream:
			return errtext.Errorf("engineio: unknown transport %q", name)
		}
	}
	return nil
}

// setPath completes the path, which is that of the URL if it has one.
func (d *clientDialer) setPath() {
	if d.url.Path == "" || d.url.Path == "/" {
		d.url.Path, d.url.RawPath = d.opts.Path, ""
		if d.url.Path == "" {
			d.url.Path = "/engine.io/"
		}
	}
	slash := "/"
	if d.opts.NoTrailingSlash {
		slash = ""
	}
	d.url.Path = "/" + strings.Trim(d.url.Path, "/") + slash
	if d.url.RawPath != "" {
		d.url.RawPath = "/" + strings.Trim(d.url.RawPath, "/") + slash
	}
	if d.url.Path == "//" || d.url.Path == "" {
		d.url.Path, d.url.RawPath = "/", ""
	}
}

// setQuery takes what the user adds to the query of each request. The options go before the URL.
func (d *clientDialer) setQuery(u *url.URL) error {
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errtext.New("engineio: malformed query in the URL")
	}
	for name, values := range d.opts.Query {
		q[name] = values
	}
	d.sid = q.Get("sid")
	for _, name := range []string{"EIO", "transport", "sid", "b64"} { // ours
		q.Del(name)
	}
	d.query = q.Encode()
	return nil
}

func (d *clientDialer) setJar() {
	o := d.opts
	switch {
	case o.DisableCookies:
	case o.HTTPClient != nil && o.HTTPClient.Jar != nil:
		d.jar = o.HTTPClient.Jar
	case o.Jar != nil:
		d.jar = o.Jar
	default:
		d.jar = &cookieJar{host: d.cookieURL().Host, secure: d.url.Scheme == "https"}
	}
}

// cookieURL is what the cookies of a request belong to: net/http has the Host header decide.
func (d *clientDialer) cookieURL() *url.URL {
	u := *d.url
	if host := d.opts.Header.Get("Host"); host != "" {
		u.Host = host
	}
	return &u
}

// maxHeader bounds the header of an answer.
const maxHeader = 64 << 10

// setClient makes the client of polling. Ours uses a connection for one request, as the official client does in Node:
// on one that is used again a request may meet the server's end of it, which came from a timeout while the link was
// down or right after the answer, and nobody can tell whether it was read before. A new one has no end to meet.
func (d *clientDialer) setClient() {
	if c := d.opts.HTTPClient; c != nil {
		copied := *c
		d.client = &copied
	} else {
		d.own = &http.Transport{
			Proxy:                  d.proxy(),
			DialContext:            d.dialTracked,
			TLSClientConfig:        d.resumedTLS(),
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: maxHeader,
		}
		d.client = &http.Client{Transport: d.own}
	}
	d.client.Jar = d.jar
	d.client.Timeout = 0
	d.client.CheckRedirect = redirects(d.client.CheckRedirect)
	rt := &clientTransport{base: d.client.Transport, trace: d.opts.Trace}
	if rt.base == nil {
		rt.base = http.DefaultTransport
	}
	if rt.trace == nil {
		rt.trace = new(Trace)
	}
	d.client.Transport = rt
}

// redirects follows none unless the user has said which, and lets nothing of ours get to another origin then. What
// net/http strips itself are the headers it knows to be secret.
func redirects(user func(*http.Request, []*http.Request) error) func(*http.Request, []*http.Request) error {
	if user == nil {
		return func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return func(r *http.Request, via []*http.Request) error {
		if from := via[0].URL; r.URL.Scheme != from.Scheme || r.URL.Host != from.Host {
			for name := range r.Header {
				if name != "Content-Type" {
					delete(r.Header, name)
				}
			}
			r.Host = ""
		}
		return user(r, via)
	}
}

// userTransport is that of HTTPClient, if that is of the usual kind.
func (d *clientDialer) userTransport() *http.Transport {
	c := d.opts.HTTPClient
	if c == nil {
		return nil
	}
	rt := c.Transport
	if rt == nil {
		rt = http.DefaultTransport
	}
	t, _ := rt.(*http.Transport)
	return t
}

// proxy is the function that chooses a proxy, without what its error would tell about it.
func (d *clientDialer) proxy() func(*http.Request) (*url.URL, error) {
	choose := d.opts.Proxy
	if choose == nil {
		choose = http.ProxyFromEnvironment
		if t := d.userTransport(); t != nil {
			choose = t.Proxy
		}
	}
	if choose == nil {
		return nil
	}
	return func(r *http.Request) (*url.URL, error) {
		u, err := choose(r)
		if err != nil {
			return nil, errProxy
		}
		return u, nil
	}
}

var errProxy = errtext.New("engineio: no valid proxy")

// tls is the user's configuration for HTTP/1.1, or nil.
func (d *clientDialer) tls() *tls.Config {
	c := d.opts.TLS
	if t := d.userTransport(); c == nil && t != nil {
		c = t.Clone().TLSClientConfig // the first request of a Transport changes its own
	}
	if c != nil {
		c = c.Clone()
		c.NextProtos = []string{"http/1.1"}
	}
	return c
}

// resumedTLS is tls for many connections to one server: each handshake but the first is a short one.
func (d *clientDialer) resumedTLS() *tls.Config {
	if d.url.Scheme != "https" {
		return nil
	}
	c := d.tls()
	if c == nil {
		c = new(tls.Config)
	}
	if c.ClientSessionCache == nil && c.VerifyPeerCertificate == nil { // which is not called for resumed ones
		c.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	return c
}

func (d *clientDialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if d.opts.NetDial != nil {
		return d.opts.NetDial(ctx, network, addr)
	}
	if t := d.userTransport(); t != nil && t.DialContext != nil {
		return t.DialContext(ctx, network, addr)
	}
	return d.dialAgain(ctx, network, addr)
}

// dialAgain is netDial, which asks the resolver once: what follows goes where the session is, and needs no answer of a
// resolver that is behind the same broken link, or knows several servers by the name.
func (d *clientDialer) dialAgain(ctx context.Context, network, addr string) (net.Conn, error) {
	d.mu.Lock()
	found := d.found
	d.mu.Unlock()
	if found.name == addr {
		if nc, err := new(net.Dialer).DialContext(ctx, network, found.addr); err == nil || unreachable(err) {
			return nc, err
		}
	}
	nc, err := netDial(ctx, network, addr)
	if err == nil {
		d.mu.Lock()
		d.found.name, d.found.addr = addr, nc.RemoteAddr().String()
		d.mu.Unlock()
	}
	return nc, err
}

// userDialTLS is what the Transport of HTTPClient makes https connections with, if that is a function: it may check
// more than the rest of its configuration tells, and the WebSocket is not to get around that.
func (d *clientDialer) userDialTLS() netDialer {
	t := d.userTransport()
	switch {
	case t == nil || d.opts.NetDial != nil || d.opts.TLS != nil:
		return nil
	case t.DialTLSContext != nil:
		return t.DialTLSContext
	//lint:ignore SA1019 who still uses it must not be left without
	case t.DialTLS != nil:
		//lint:ignore SA1019 who still uses it must not be left without
		return func(_ context.Context, network, addr string) (net.Conn, error) { return t.DialTLS(network, addr) }
	}
	return nil
}

type netDialer = func(ctx context.Context, network, addr string) (net.Conn, error)

// bounded is dial for WebSockets. It returns when ctx ends, also if a dialer of the user's does not; net/http does the
// same for own.
func (d *clientDialer) bounded(dial netDialer) netDialer {
	if dial == nil {
		return nil
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		return await(ctx, d.session, func() (net.Conn, error) { return dial(ctx, network, addr) })
	}
}

// dialTracked makes a connection for own. net/http dials in the background and may come too late; the session is
// held until such a connection is closed, too.
func (d *clientDialer) dialTracked(ctx context.Context, network, addr string) (net.Conn, error) {
	if !d.session.ref() {
		return nil, net.ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(d.ctx, cancel)()
	nc, err := d.dial(ctx, network, addr)
	if err != nil {
		d.session.unref()
		return nil, err
	}
	c := &clientConn{Conn: nc, dialer: d}
	d.mu.Lock()
	shut := d.shut
	if !shut {
		if d.conns == nil {
			d.conns = make(map[*clientConn]struct{})
		}
		d.conns[c] = struct{}{}
	}
	d.mu.Unlock()
	if shut {
		c.Close()
		return nil, net.ErrClosed
	}
	return c, nil
}

// A clientConn is a connection of polling.
type clientConn struct {
	net.Conn
	dialer *clientDialer
	once   sync.Once
}

// Close also lets the session go.
func (c *clientConn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		err = c.Conn.Close()
		c.dialer.mu.Lock()
		delete(c.dialer.conns, c)
		c.dialer.mu.Unlock()
		c.dialer.session.unref()
	})
	return err
}

// close ends all requests and closes all connections of polling. It may be called again.
func (d *clientDialer) close() {
	d.cancel()
	if d.own == nil {
		return
	}
	d.mu.Lock()
	d.shut = true
	var rest []*clientConn
	for c := range d.conns {
		rest = append(rest, c)
	}
	d.mu.Unlock()
	for _, c := range rest {
		c.Close()
	}
}

// target is the URL of a request.
func (d *clientDialer) target(transport, sid string) *url.URL {
	o := d.opts
	b := make([]byte, 0, 128)
	if d.query != "" {
		b = append(append(b, d.query...), '&')
	}
	b = append(append(b, "EIO="...), d.session.codec().query...)
	b = append(append(b, "&transport="...), transport...)
	if sid == "" {
		sid = d.sid
	}
	if sid != "" {
		b = append(append(b, "&sid="...), url.QueryEscape(sid)...)
	}
	if o.ForceBase64 {
		b = append(b, "&b64=1"...)
	}
	if transport == transportPolling && !o.DisableTimestamp || transport == transportWebSocket && o.TimestampWebSocket {
		param := o.TimestampParam
		if param == "" {
			param = "t"
		}
		b = append(append(append(b, '&'), url.QueryEscape(param)...), '=')
		b = strconv.AppendInt(b, time.Now().UnixMilli(), 36)
		b = strconv.AppendUint(append(b, '.'), d.stamps.Add(1), 36) // the time alone may come twice
	}
	u := *d.url
	u.RawQuery = string(b)
	return &u
}

// traced is ctx with the hooks of Trace.HTTP.
func (d *clientDialer) traced(ctx context.Context) context.Context {
	if t := d.opts.Trace; t != nil && t.HTTP != nil {
		return httptrace.WithClientTrace(ctx, t.HTTP)
	}
	return ctx
}

// webSocket opens a WebSocket. An error is a *ClientError.
func (d *clientDialer) webSocket(ctx context.Context, sid string) (*websocket.Conn, error) {
	u := d.target(transportWebSocket, sid)
	o := &websocket.DialOptions{
		Options: websocket.Options{
			Header:           d.withCookies(d.opts.Header),
			MaxMessage:       maxPayload(d.opts),
			HandshakeTimeout: math.MaxInt64, // ctx knows
			MessageTimeout:   math.MaxInt64, // no ping gets past a message, so the heartbeat ends one that takes too long
			CloseTimeout:     closeTimeout,
			Deflate:          checkDeflate(d.opts.Deflate, func(string, ...any) {}).webSocket(),
		},
		Subprotocols: d.opts.Subprotocols,
		NetDial:      d.bounded(d.dial),
		NetDialTLS:   d.bounded(d.userDialTLS()),
		TLS:          d.tls(),
		Proxy:        d.proxy(),
	}
	if t := d.opts.Trace; t != nil {
		o.OnRequest, o.OnResponse = t.Request, t.Response
	}
	conn, res, err := websocket.Dial(d.traced(ctx), u, o)
	var refused *websocket.HandshakeRefusedError
	switch {
	case err == nil:
		if d.jar != nil {
			d.jar.SetCookies(d.cookieURL(), res.Cookies())
		}
		return conn, nil
	case errors.As(err, &refused):
		e := linkError(kindWebSocket, err)
		e.Status, e.Body = refused.Status, refused.Body
		e.redirected(refused.Header)
		return nil, e
	}
	return nil, linkError(kindWebSocket, err)
}

// withCookies is h with the cookies of the jar; a copy if there are some.
func (d *clientDialer) withCookies(h http.Header) http.Header {
	if d.jar == nil {
		return h
	}
	cookies := d.jar.Cookies(d.cookieURL())
	if len(cookies) == 0 {
		return h
	}
	r := http.Request{Header: http.Header{}}
	if h != nil {
		r.Header = h.Clone()
	}
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r.Header
}

// maxPayload is that of the options, or its default.
func maxPayload(o *DialOptions) int64 {
	if o.MaxPayload <= 0 {
		return 100 << 20
	}
	return o.MaxPayload
}
