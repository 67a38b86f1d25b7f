package socketio

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"time"

	"sio.example/socketio/adapter"
)

// Handshake is what is known about how a socket connected. It is shared: do not change it.
//
// What it is made of is kept as long as the connection: the head of its first request, and what the client sent along.
// Options.MaxAuth limits both.
type Handshake = adapter.Handshake

// newHandshake describes a socket of c that asked to connect at t.
func (c *conn) newHandshake(t time.Time, auth Args, kept *keptRequest) *Handshake {
	u, err := url.ParseRequestURI(c.head.URI())
	if err != nil { // of a handler before this one
		u = &url.URL{Path: c.head.URI()}
	}
	h := &Handshake{
		Auth: auth, Time: t, URL: u, Query: u.Query(), Host: c.head.Host(), Header: c.head.Header(),
		RemoteAddr: c.eng.RemoteAddr(), TLS: c.head.TLS(),
	}
	if kept != nil && h.TLS != nil {
		h.TLS.PeerCertificates, h.TLS.VerifiedChains = kept.certificates, kept.chains
	}
	return h
}

// A keptRequest is what a connection keeps of its first request beside the head. Most have none.
type keptRequest struct {
	ctx          context.Context // of Options.RequestContext; only its values count
	certificates []*x509.Certificate
	chains       [][]*x509.Certificate
	size         int // bytes of the certificates, about
}

// parsedCertificate is what a certificate takes beside its text, about.
const parsedCertificate = 4 << 10

// keepRequest is nil if nothing is to be kept. It calls user code.
//
//go:noinline
func (s *server) keepRequest(r *http.Request) *keptRequest {
	var ctx context.Context
	if fn := s.opts.RequestContext; fn != nil {
		ctx = fn(r)
	}
	if ctx == nil && (r.TLS == nil || len(r.TLS.PeerCertificates) == 0) {
		return nil
	}
	k := &keptRequest{ctx: ctx}
	if r.TLS != nil {
		k.certificates, k.chains = r.TLS.PeerCertificates, r.TLS.VerifiedChains
		for _, c := range k.certificates {
			k.size += len(c.Raw) + parsedCertificate
		}
	}
	return k
}

// keptRequest is nil for most.
func (c *conn) keptRequest() *keptRequest {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cold == nil {
		return nil
	}
	return c.cold.request
}

// requestValue is a value of the request's context, if that is kept.
func (c *conn) requestValue(key any) any {
	if c.srv.opts.RequestContext == nil {
		return nil
	}
	if kept := c.keptRequest(); kept != nil && kept.ctx != nil {
		return kept.ctx.Value(key) // of a type of the user's, maybe: no lock is held
	}
	return nil
}

// hostOf is an address without its port.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
