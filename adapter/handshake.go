package adapter

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	"sio.example/socketio/parser"
)

// A Handshake is what is known about how a socket connected: the first HTTP request of its client, and what the client
// sent along when it connected to the namespace. It may be read by several goroutines, and must not be changed.
//
// Its JSON is the handshake object of the official servers, which is what servers of a cluster tell each other. Of a
// socket on another server only what is in there is known.
type Handshake struct {
	// Auth is what the client sent along: none or one value. auth.Bind decodes it.
	Auth parser.Args

	// Time is when the client asked to connect to the namespace, by the clock of its server.
	Time time.Time

	// URL is the request's, as it came: path and query, without a host. Query is its query, decoded.
	URL   *url.URL
	Query url.Values

	// Host is the Host header of the request, which is not part of Header.
	Host string

	// Header is the request's, with names as http.CanonicalHeaderKey has them. What proxies add is in it, and so is
	// what a client puts there to look like a proxy.
	Header http.Header

	// RemoteAddr is the address of the client, or of the last proxy before it, as http.Request has it: host and port, or
	// for a socket on another server the host alone.
	RemoteAddr string

	// TLS is nil for a connection without TLS to this process. Otherwise it holds Version, CipherSuite, ServerName and
	// NegotiatedProtocol of the request's, and the certificates of a client that has shown some: PeerCertificates and
	// VerifiedChains. The rest is not kept; for a socket on another server, nothing is.
	TLS *tls.ConnectionState
}

// Cookies are those of the request; see http.Request.Cookies.
func (h *Handshake) Cookies() []*http.Cookie { return h.request().Cookies() }

// Cookie returns the cookie called name, or http.ErrNoCookie; see http.Request.Cookie.
func (h *Handshake) Cookie(name string) (*http.Cookie, error) { return h.request().Cookie(name) }

func (h *Handshake) request() *http.Request { return &http.Request{Header: h.Header} }

// dateLayout is how JavaScript prints a Date as a string, in UTC.
const dateLayout = "Mon Jan 02 2006 15:04:05 GMT-0700 (Coordinated Universal Time)"

// wireHandshake is the official object (socket.io 4, Socket.buildHandshake).
type wireHandshake struct {
	Headers map[string]oneOrMany `json:"headers"`
	Time    string               `json:"time"`
	Address string               `json:"address"`
	XDomain bool                 `json:"xdomain"`
	Secure  bool                 `json:"secure"`
	Issued  int64                `json:"issued"`
	URL     string               `json:"url"`
	Query   map[string]oneOrMany `json:"query"`
	Auth    json.RawMessage      `json:"auth"`
}

// oneOrMany is a string, or a list of several.
type oneOrMany []string

func (o oneOrMany) MarshalJSON() ([]byte, error) {
	if len(o) == 1 {
		return json.Marshal(o[0])
	}
	return json.Marshal([]string(o))
}

func (o *oneOrMany) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		*o = make(oneOrMany, 1)
		return json.Unmarshal(text, &(*o)[0])
	}
	return json.Unmarshal(text, (*[]string)(o))
}

// MarshalJSON returns the official handshake object.
func (h *Handshake) MarshalJSON() ([]byte, error) {
	w := wireHandshake{
		Headers: make(map[string]oneOrMany, len(h.Header)+1),
		Time:    h.Time.UTC().Format(dateLayout),
		Address: hostOf(h.RemoteAddr),
		XDomain: h.Header.Get("Origin") != "",
		Secure:  h.TLS != nil,
		Issued:  h.Time.UnixMilli(),
		Query:   make(map[string]oneOrMany, len(h.Query)),
		Auth:    json.RawMessage("{}"),
	}
	for name, values := range h.Header { // as Node has them: names in small letters, values of one name joined
		separator := ", "
		if name == "Cookie" {
			separator = "; "
		}
		w.Headers[strings.ToLower(name)] = oneOrMany{strings.Join(values, separator)}
	}
	if h.Host != "" {
		w.Headers["host"] = oneOrMany{h.Host}
	}
	for name, values := range h.Query {
		w.Query[name] = oneOrMany(values)
	}
	if h.URL != nil {
		w.URL = h.URL.String()
	}
	if h.Auth.Len() > 0 {
		var err error
		if w.Auth, err = h.Auth.Slice(0, 1).MarshalJSON(); err != nil {
			return nil, err
		}
		w.Auth = w.Auth[1 : len(w.Auth)-1] // out of its array
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads the official handshake object.
func (h *Handshake) UnmarshalJSON(text []byte) error {
	var w wireHandshake
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	*h = Handshake{
		Time: time.UnixMilli(w.Issued), RemoteAddr: w.Address,
		Header: make(http.Header, len(w.Headers)), Query: make(url.Values, len(w.Query)),
	}
	u, err := url.Parse(w.URL)
	if err != nil {
		u = &url.URL{Path: w.URL}
	}
	h.URL = u
	for _, name := range slices.Sorted(maps.Keys(w.Headers)) {
		h.Header[textproto.CanonicalMIMEHeaderKey(name)] = w.Headers[name]
	}
	h.Host = h.Header.Get("Host")
	delete(h.Header, "Host")
	for name, values := range w.Query {
		h.Query[name] = values
	}
	if w.Secure {
		h.TLS = new(tls.ConnectionState)
	}
	if len(w.Auth) > 0 && string(w.Auth) != "null" {
		h.Auth = parser.NewArgs(w.Auth)
	}
	return nil
}

// hostOf is an address without its port.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return cmp.Or(host, address)
}
