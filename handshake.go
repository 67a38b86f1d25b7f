package socketio

import (
	"net"
	"net/url"
	"time"

	"sio.example/socketio/adapter"
	"sio.example/socketio/internal/reqhead"
	"sio.example/socketio/parser"
)

// Handshake is what is known about how a socket connected. It is shared: do not change it.
//
// What it is made of is kept as long as the connection: the header, and what the client sent with CONNECT.
// Options.MaxAuth limits both.
type Handshake = adapter.Handshake

// dateLayout is how JavaScript prints a Date as a string, in UTC.
const dateLayout = "Mon Jan 02 2006 15:04:05 GMT-0700 (Coordinated Universal Time)"

// newHandshake describes a socket that connected at t.
func newHandshake(head reqhead.Head, address string, t time.Time, auth parser.Args) *Handshake {
	uri, header := head.URI(), head.Header()
	query := url.Values{}
	if u, err := url.ParseRequestURI(uri); err == nil {
		query = u.Query()
	}
	return &Handshake{
		Headers: header,
		Time:    t.UTC().Format(dateLayout),
		Address: address,
		XDomain: len(header["Origin"]) > 0,
		Secure:  head.TLS(),
		Issued:  t.UnixMilli(),
		URL:     uri,
		Query:   query,
		Auth:    auth,
	}
}

// hostOf is an address without its port.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
