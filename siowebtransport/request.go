package siowebtransport

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// serve serves a request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	c := connOf(r.Context())
	if !c.begin() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	defer c.finish()
	h := s.Handler
	if h == nil {
		h = http.DefaultServeMux
	}
	answer := responseWriter{ResponseWriter: w, connect: r.Method == http.MethodConnect}
	if answer.connect && (r.Proto == "webtransport" || r.Proto == "webtransport-h3") { // as drafts call it by now
		h.ServeHTTP(&acceptor{responseWriter: answer, server: s, request: r}, r)
		return
	}
	h.ServeHTTP(&answer, r)
}

// A responseWriter leaves out what has no place in HTTP/3 (RFC 9114 4.2), and answers no CONNECT with success by
// accident: a page that is served for every method and path is no session.
type responseWriter struct {
	http.ResponseWriter
	connect bool
	wrote   bool // the header
	taken   bool // it is a session
}

// Unwrap is for http.ResponseController.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader sends an answer's header.
func (w *responseWriter) WriteHeader(status int) {
	if w.wrote || w.taken {
		return
	}
	w.wrote = status >= http.StatusOK
	w.clean()
	if w.connect && status/100 == 2 {
		status = http.StatusNotImplemented
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *responseWriter) clean() {
	for _, name := range []string{"Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade"} {
		w.Header().Del(name)
	}
}

// Write sends a part of an answer's body.
func (w *responseWriter) Write(p []byte) (int, error) {
	if w.taken {
		return 0, http.ErrHijacked
	}
	w.WriteHeader(http.StatusOK)
	return w.ResponseWriter.Write(p)
}

// Flush sends what has been written.
func (w *responseWriter) Flush() {
	if w.taken {
		return
	}
	w.WriteHeader(http.StatusOK)
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// An acceptor is the http.ResponseWriter of a CONNECT of WebTransport: engineio.StreamAcceptor.
type acceptor struct {
	responseWriter
	server  *Server
	request *http.Request
}

var errAnswered = errors.New("siowebtransport: the request is answered")

// AcceptStream makes a session of the request, and of its first stream in both directions what is returned.
func (a *acceptor) AcceptStream() (io.ReadWriteCloser, error) {
	c := connOf(a.request.Context())
	if a.wrote || a.taken {
		return nil, errAnswered
	}
	if !c.begin() {
		return nil, http.ErrServerClosed
	}
	a.clean()
	u := &upgrader{acceptor: a}
	session, err := a.server.wt.Upgrade(u, a.request)
	if err != nil {
		c.finish()
		if u.connect != nil {
			a.taken = true
			u.connect.CancelRead(rejected)
			u.connect.CancelWrite(rejected)
		}
		return nil, err
	}
	a.taken = true
	context.AfterFunc(session.Context(), c.finish)
	s := newStream(session, c.quic)
	s.refuse = func() {
		u.connect.CancelWrite(rejected)
		u.connect.CancelRead(rejected)
	}
	go s.refuseOneWay() // owned by the session, ends with it
	return s, nil
}

// rejected tells a client that its request was not processed.
const rejected = quic.StreamErrorCode(http3.ErrCodeRequestRejected)

// An upgrader is what webtransport.Server.Upgrade wants of a ResponseWriter.
type upgrader struct {
	*acceptor
	connect *http3.Stream // of the CONNECT, once it has been asked for
}

func (u *upgrader) HTTPStream() *http3.Stream {
	u.connect = u.ResponseWriter.(http3.HTTPStreamer).HTTPStream()
	return u.connect
}

func (u *upgrader) ReceivedSettings() <-chan struct{} {
	return u.ResponseWriter.(http3.Settingser).ReceivedSettings()
}

func (u *upgrader) Settings() *http3.Settings { return u.ResponseWriter.(http3.Settingser).Settings() }

// WriteHeader writes what an upgrade is answered with.
func (u *upgrader) WriteHeader(status int) { u.ResponseWriter.WriteHeader(status) }

// Flush sends it.
func (u *upgrader) Flush() { u.ResponseWriter.(http.Flusher).Flush() }
