package socketio

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"sio.example/socketio/adapter"
	"sio.example/socketio/parser"
)

// Handshake is what is known about how a socket connected. It is shared: do not change it.
//
// What it is made of is kept as long as the connection: the header, which http.Server.MaxHeaderBytes limits, and what the
// client sent with CONNECT, which is a message and limited by Options.Engine.MaxPayload.
type Handshake = adapter.Handshake

// dateLayout is how JavaScript prints a Date as a string, in UTC.
const dateLayout = "Mon Jan 02 2006 15:04:05 GMT-0700 (Coordinated Universal Time)"

// An opening is what a connection remembers of its first request. The request itself is not kept, and its header only
// in a form that takes a third of the memory, since most servers never look at it again.
type opening struct {
	text   string // address, URI, and the header: name, NUL, value, NUL and so on
	uri    uint32 // where it begins
	header uint32
	origin bool
	secure bool
}

func (o *opening) address() string { return o.text[:o.uri] }

func newOpening(r *http.Request, remote string) opening {
	if host, _, err := net.SplitHostPort(remote); err == nil {
		remote = host
	}
	uri := r.RequestURI
	if uri == "" {
		uri = r.URL.RequestURI()
	}
	return opening{
		text:   pack(remote+uri, r.Header),
		uri:    uint32(len(remote)),
		header: uint32(len(remote) + len(uri)),
		origin: len(r.Header["Origin"]) > 0,
		secure: r.TLS != nil,
	}
}

// pack writes a header down behind text. Neither names nor values hold NUL (RFC 9110 5.5).
func pack(text string, h http.Header) string {
	size := len(text)
	for name, values := range h {
		for _, v := range values {
			size += len(name) + len(v) + 2
		}
	}
	var b strings.Builder
	b.Grow(size)
	b.WriteString(text)
	for name, values := range h {
		for _, v := range values {
			b.WriteString(name)
			b.WriteByte(0)
			b.WriteString(v)
			b.WriteByte(0)
		}
	}
	return b.String()
}

func unpack(s string) http.Header {
	h := make(http.Header)
	for s != "" {
		var name, value string
		name, s, _ = strings.Cut(s, "\x00")
		value, s, _ = strings.Cut(s, "\x00")
		h[name] = append(h[name], value)
	}
	return h
}

// handshake describes a socket that connected at t.
func (o *opening) handshake(t time.Time, auth parser.Args) *Handshake {
	query, uri := url.Values{}, o.text[o.uri:o.header]
	if u, err := url.ParseRequestURI(uri); err == nil {
		query = u.Query()
	}
	return &Handshake{
		Headers: unpack(o.text[o.header:]),
		Time:    t.UTC().Format(dateLayout),
		Address: o.address(),
		XDomain: o.origin,
		Secure:  o.secure,
		Issued:  t.UnixMilli(),
		URL:     uri,
		Query:   query,
		Auth:    auth,
	}
}
