package engineio

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/bufpool"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/standstill"
	"sio.example/socketio/internal/websocket"
)

// ServeStream serves one session over a stream of bytes that the caller has opened: a bidirectional stream of
// WebTransport or QUIC, a pipe, a serial line. The peer speaks first. By the handshake of the official WebTransport
// transport, in whose framing all goes, it either opens a session or upgrades one that it has by polling. ServeStream
// blocks until the session has left the stream, and rwc is closed; it returns nil if there was a session, and otherwise
// why there was none. When ctx is done the stream ends, and with it the session.
//
// r is the request that led to the stream, such as the CONNECT of a WebTransport session. Origin and AllowRequest
// decide as for a WebSocket, and accept gets it; Headers and Cookie have no answer to be in. With nil there is a
// request without headers.
//
// ServeStream owns rwc, and calls Read, Write and Close on goroutines of its own, also at the same time. Close must
// make Read and Write return, or SetReadDeadline and SetWriteDeadline, if rwc has them, which are called with a time
// that is past (a QUIC stream needs both: its Close ends what is sent only). All options and budgets count as for a
// WebSocket; the time for the first packet is UpgradeTimeout. The end of a session closes the stream after what was
// accepted to be sent; the stream says no more about it, as officially.
//
// Clients are told of this transport by "webtransport" in Options.Transports, or know of it by themselves. To open the
// listener is the caller's; a CONNECT that comes to [Server.ServeHTTP] is answered there (see [StreamAcceptor]).
func (s *Server) ServeStream(ctx context.Context, rwc io.ReadWriteCloser, r *http.Request) error {
	if r == nil {
		r = (&http.Request{
			Method: http.MethodConnect, URL: &url.URL{Path: s.options.Path}, Header: http.Header{},
		}).WithContext(ctx)
	}
	l := newStreamLink(rwc, &s.streams)
	returned := false
	defer l.wait()
	defer func() {
		if !returned && l.exit == nil { // user code has ended the goroutine, or panics, and no session has the stream
			l.abort()
		}
	}()
	defer context.AfterFunc(ctx, func() { l.end(context.Cause(ctx)) })()
	err := s.serveStream(l, r)
	returned = true
	if err != nil {
		l.close(websocket.ProtocolError, "")
	}
	return err
}

// A StreamAcceptor is the http.ResponseWriter of a CONNECT that can become a stream of bytes, as that of WebTransport
// can: the module siowebtransport has one. [Server.ServeHTTP] looks for it also below what has a method Unwrap, so a
// CONNECT passes through middleware as other requests do, and what that adds to the header is in the answer.
type StreamAcceptor interface {
	http.ResponseWriter

	// AcceptStream answers with success, and returns a stream for [Server.ServeStream]. It does not wait until the peer
	// has opened one: Read does. After an error the answer is still to be written, if there can be one.
	AcceptStream() (io.ReadWriteCloser, error)
}

// streamAcceptor finds one below what middleware has made of it, as http.ResponseController does. It may be nil.
func streamAcceptor(w http.ResponseWriter) StreamAcceptor {
	for {
		switch t := w.(type) {
		case StreamAcceptor:
			return t
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return nil
		}
	}
}

// serveConnect makes a stream of a CONNECT. What can be decided before the peer has said whether it wants a new session
// is decided here, where there is an answer: to the official client a stream that ends is no reason to give up.
func (s *Server) serveConnect(w http.ResponseWriter, r *http.Request) {
	a := streamAcceptor(w)
	if a == nil { // a proxy's CONNECT, or WebSocket over HTTP/2 (RFC 8441)
		s.counters.reject(RejectConnect)
		answerEmpty(w, http.StatusNotImplemented)
		return
	}
	if e := s.checkConnect(r); e != nil {
		s.explain(r, &query{transport: transportStream}, e)
		s.refuse(w, r, false, e)
		return
	}
	rwc, err := a.AcceptStream()
	if err != nil {
		s.options.Logger.Debug("engineio: stream: not accepted", "error", err)
		s.refuse(w, r, false, errHandshake)
		return
	}
	r = r.WithContext(context.WithoutCancel(r.Context())) // the stream's end says more
	go s.serveAccepted(rwc, r)                            // owned by the stream, ends with it
}

// serveAccepted serves a stream on a goroutine that nobody waits for. http.ErrAbortHandler of a hook, which net/http
// would take for the wish to end the request without a word, has ended the stream when it gets here.
func (s *Server) serveAccepted(rwc io.ReadWriteCloser, r *http.Request) {
	defer func() {
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			panic(v)
		}
	}()
	if err := s.ServeStream(context.Background(), rwc, r); err != nil {
		s.options.Logger.Debug("engineio: stream: no session", "error", err)
	}
}

// checkConnect is why a CONNECT must not become a stream, or nil.
func (s *Server) checkConnect(r *http.Request) *refusal {
	s.mu.RLock()
	closed := s.closed
	s.mu.RUnlock()
	switch {
	case !slices.Contains(s.options.Transports, transportStream):
		return errTransport
	case !validOrigin(r.Header["Origin"]):
		return errOriginSyntax
	case !s.originAllowed(r, s.corsAllows(r)):
		return errOrigin
	case closed:
		return errShutdown
	}
	return nil
}

// streamHandshakeBytes is as much as the first packet of a stream may have: an id.
const streamHandshakeBytes = 4 << 10

var (
	errStreamSilent    = errtext.New("engineio: stream: no handshake in time")
	errStreamHandshake = errtext.New("engineio: stream: no handshake")
)

// serveStream is ServeStream on a link. If it returns an error, that is not closed yet.
func (s *Server) serveStream(l *streamLink, r *http.Request) error {
	id, err := s.readStreamOpen(l)
	if err != nil {
		s.counters.reject(RejectHandshake)
		return err
	}
	switch {
	case !validOrigin(r.Header["Origin"]):
		return s.refuseStream(r, errOriginSyntax)
	case !s.originAllowed(r, s.corsAllows(r)):
		return s.refuseStream(r, errOrigin)
	case id != "":
		return s.upgradeToStream(l, r, id)
	}
	return s.openStream(l, r)
}

// readStreamOpen reads the first packet of a stream, and returns the id of the session that is to be upgraded, if any.
// So does the official server (engine.io, Server.onWebTransportSession): no more than an open packet opens a session,
// one with {"sid":"..."} upgrades. The time for it is its upgradeTimeout as well.
func (s *Server) readStreamOpen(l *streamLink) (id string, err error) {
	limit := standstill.AfterFunc(s.options.UpgradeTimeout, func() { l.end(errStreamSilent) })
	defer limit.Stop()
	l.most = streamHandshakeBytes
	binary, data, err := l.read()
	l.most = l.limits.maxMessage
	if err == errStreamSilent {
		return "", err
	}
	if err != nil {
		return "", errtext.Wrap("engineio: no handshake", err)
	}
	p, err := revision4.decode(data, binary, false)
	if err != nil || p.Type != packet.Open {
		return "", errStreamHandshake
	}
	if len(p.Data) == 0 {
		return "", nil
	}
	var open struct {
		SID string `json:"sid"`
	}
	if err := json.Unmarshal(p.Data, &open); err != nil || open.SID == "" {
		return "", errStreamHandshake
	}
	return open.SID, nil
}

// refuseStream counts a stream that does not become a session's, and returns why. There is no answer but its end.
func (s *Server) refuseStream(r *http.Request, e *refusal) error {
	s.counters.reject(e.reject)
	s.traceRefused(r, e)
	s.explain(r, &query{transport: transportStream}, e)
	if e == errShutdown {
		return ErrServerClosed
	}
	return &RequestError{Message: e.message}
}

// upgradeToStream lets a stream begin an upgrade, as openProbe does with a WebSocket.
func (s *Server) upgradeToStream(l *streamLink, r *http.Request, id string) error {
	sock := s.socket(id)
	if sock == nil || !sock.ref() { // it may close right now
		return s.refuseStream(r, errSession)
	}
	defer sock.unref()
	p := sock.beginUpgrade(l, false, streamProbeFrame)
	if p == nil {
		s.counters.reject(RejectUpgrade)
		l.exit = func() { go sock.readOut(l) } // the same reader with its ref
		l.close(websocket.ProtocolError, "no upgrade possible")
		sock.readOut(l)
		return &RequestError{Message: "no upgrade possible"}
	}
	l.exit = func() { go sock.resumeReading(l, p) } // the same reader with its ref
	sock.readUpgrade(p)
	return nil
}

var streamProbeFrame = append(appendStreamHeader(nil, false, len("3probe")), "3probe"...)

// openStream opens a session on a stream.
func (s *Server) openStream(l *streamLink, r *http.Request) error {
	if s.options.AllowRequest != nil {
		switch e := s.askAllowRequest(r); e {
		case nil:
		case errHook:
			return errPanic
		default:
			return s.refuseStream(r, e)
		}
	}
	id, e := s.newID(r)
	if e != nil {
		return s.refuseStream(r, e)
	}
	sock := s.newSocket(id, kindStream, r, &query{eio: revision4.query})
	if e := s.add(sock); e != nil {
		return s.refuseStream(r, e)
	}
	defer sock.unref()
	if !s.admit(sock, r) {
		return errPanic
	}
	sock.startStream(l, s.appendOpen([]byte{'0' + byte(packet.Open)}, id, nil))
	l.exit = func() { go sock.resumeReading(l, nil) } // the same reader with its ref
	sock.read(l)
	return nil
}

// resumeReading goes on for a reader whose goroutine the stream has ended.
func (s *Socket) resumeReading(l link, p *probe) {
	s.mu.Lock()
	upgraded := s.link == l
	s.mu.Unlock()
	if p != nil && !upgraded {
		s.readUpgrade(p)
		return
	}
	s.read(l)
}

// startStream makes l the transport of a session that accept has returned for, and has open, its first packet, sent.
// The caller reads.
func (s *Socket) startStream(l *streamLink, open []byte) {
	frame := bufpool.Get(len(open) + maxHead)
	defer bufpool.Put(frame)
	*frame = append(appendStreamHeader(*frame, false, len(open)), open...)
	s.mu.Lock()
	s.refs++ // for the reader
	closed := s.state == sessionClosed
	var end ending
	if closed { // by what accept did
		end = *s.endingLocked()
	} else {
		s.link = l
		s.startHeartbeatLocked()
		l.tryWrite(*frame) // which owes it: what accept has sent comes behind
		b := s.newBatchLocked()
		b.tried = true
		go b.flush() // as in startFlushLocked
	}
	s.mu.Unlock()
	if closed {
		l.close(end.status, end.text)
	}
	l.ask(true)
}
