package engineio

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/errtext"
)

// DialOptions are the options of Dial. The zero value of each means its default; nil means all defaults. One value
// may be used for any number of Dials, also at the same time; it is not changed, and not kept longer than until the
// session is on WebSocket or closed.
type DialOptions struct {
	Path             string   // of the requests, if the URL has none; default "/engine.io/"
	NoTrailingSlash  bool     // request Path without its final slash
	Transports       []string // "polling", "websocket", "webtransport", by preference; default is all, polling first
	TryAllTransports bool     // when the first transport cannot open, try the next; no upgrade to the first then
	DisableUpgrade   bool     // stay with the transport that opened

	Query  url.Values  // sent with each request, beside that of the URL
	Header http.Header // sent with each request; its Host sets the Host header

	// HTTPClient makes the requests of polling; NetDial, TLS and Proxy are for the WebSocket alone then. If its
	// Transport is a *http.Transport, the WebSocket takes what they leave out from there, DialTLSContext included. Its
	// Jar, if it has one, gets and gives the cookies of all transports. Redirects are followed only by a client that has
	// a CheckRedirect of its own, and Header goes no further than the server's origin. Its Timeout is not used: see
	// RequestTimeout. The client is not changed, and its idle connections are its owner's to close. A connection that is
	// used again may be closed by the server when a request is on its way, and the session ends with it. Default: a
	// client of the session's own, made of NetDial, TLS, Proxy and Jar, which uses each connection once.
	HTTPClient *http.Client
	// NetDial makes the TCP connections. By default the addresses of a host are tried in a staggered way (RFC 8305), so
	// that some that are dead cost little time.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)
	// DialStream makes the streams of the transport "webtransport": byte streams in both directions, such as a
	// bidirectional stream of a WebTransport session, or whatever a server gives to [Server.ServeStream]. It is to
	// connect to the URL of r with its Header, which has the cookies, as far as the kind of stream allows; r is not to
	// be sent as a request. Close of the stream must make its Read and Write return; if it does not, as that of a QUIC
	// stream, the stream must have SetReadDeadline and SetWriteDeadline. The session owns the stream. Default: there is
	// no such transport.
	DialStream func(ctx context.Context, r *http.Request) (io.ReadWriteCloser, error)
	// TLS is used for https and wss; it is not changed. Default: certificates are checked against the system's.
	TLS *tls.Config
	// Proxy chooses a proxy; default http.ProxyFromEnvironment. A function that returns nil uses none.
	Proxy func(*http.Request) (*url.URL, error)
	// Jar keeps cookies; default a small one of the session's own. The official client keeps none unless it is told to.
	Jar            http.CookieJar
	DisableCookies bool     // keep no cookies
	Subprotocols   []string // offered in the WebSocket handshake

	// Deflate offers to compress the messages on WebSockets. Default: no offer is made. The official client for Node
	// offers it, as browsers do. MaxPayload holds for the inflated message.
	Deflate *DeflateOptions

	TimestampParam     string // name of the query parameter that defeats caches; default "t"
	DisableTimestamp   bool   // don't send it with polling
	TimestampWebSocket bool   // send it with WebSocket, too
	ForceBase64        bool   // send and ask for binary messages as base64 text, on polling and WebSocket

	RequestTimeout  time.Duration // for one request of polling; default none but the heartbeat
	UpgradeTimeout  time.Duration // for an upgrade to one transport; default 10 s
	MaxPayload      int64         // bytes of a message or a polling answer that is accepted; default 100 MB
	MaxQueueBytes   int           // bytes that may wait to be sent; default 16 MiB
	MaxQueuePackets int           // and messages; default 65,536

	Trace  *Trace       // observes; default nothing
	Logger *slog.Logger // default: discard
}

// A Trace observes what a client session does below messages. Any function may be nil. They are called on the
// goroutines of the session, possibly at the same time, and must return quickly. What they get must not be changed or
// kept.
type Trace struct {
	HTTP      *httptrace.ClientTrace                             // of all requests and WebSocket handshakes
	Request   func(r *http.Request)                              // one is about to be sent
	Response  func(r *http.Request, res *http.Response)          // its header has come
	Handshake func(transport string, h packet.Handshake)         // the session is open
	Upgrade   func(transport string, err error)                  // an upgrade succeeded, or failed
	Packet    func(transport string, sent bool, p packet.Packet) // one was sent or received
}

// Dial opens a session with the server at rawURL, whose scheme is http, https, ws or wss; the transport does not depend
// on which of them it is. A path in it is that of the requests, and its query is sent with each. open is called once,
// when the handshake is done and before anything is received; the Handler that it returns is told of all that follows,
// and with nil Dial fails. ctx bounds the time until then and is not used afterwards.
//
// An error is a *ClientError, or matches ctx.Err(). Nothing is left of the session then, and open has not been called.
// The upgrade of a polling session goes on after Dial has returned; if it fails the session stays with polling.
func Dial(ctx context.Context, rawURL string, open func(*ClientSocket) Handler, o *DialOptions) (*ClientSocket, error) {
	if o == nil {
		o = noOptions
	}
	s := newClientSocket(o)
	d, err := newClientDialer(s, rawURL, o)
	if err != nil {
		return nil, &ClientError{Message: "invalid options", Err: err}
	}
	first, err := s.openFirst(ctx, d)
	if err != nil {
		s.abandon(d)
		if ctx.Err() != nil {
			return nil, errtext.Errorf("engineio: dial: %w", ctx.Err())
		}
		return nil, err
	}
	if !s.start(d, first, open) {
		<-s.Done()
		return nil, &ClientError{Transport: first.kind.String(), Message: "no handler", Err: errNoHandler}
	}
	return s, nil
}

var noOptions = new(DialOptions)

// openFirst opens the first transport, or with TryAllTransports the first that can be opened.
func (s *ClientSocket) openFirst(ctx context.Context, d *clientDialer) (o opened, err error) {
	for _, name := range d.transports {
		switch name {
		case transportPolling:
			o, err = d.openPolling(ctx)
		case transportWebSocket:
			o, err = d.openLink(ctx, kindWebSocket)
		case transportStream:
			o, err = d.openLink(ctx, kindStream)
		}
		if err == nil || !d.opts.TryAllTransports || ctx.Err() != nil {
			break
		}
		s.logger.Debug("engineio: transport failed to open", "transport", name, "error", err)
		d.transports = d.transports[1:] // no upgrade to it either
	}
	return o, err
}

// An opened transport has received the handshake.
type opened struct {
	kind      transportKind
	handshake packet.Handshake
	link      link   // nil for polling
	rest      []byte // of polling: what came behind the handshake; nil if nothing did
}

// ErrQueueFull is returned by the Send that does not fit into the queue of a client session. The session goes on.
var ErrQueueFull = errtext.New("engineio: queue full")
