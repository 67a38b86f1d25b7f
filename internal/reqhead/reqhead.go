// Package reqhead packs the head of an HTTP request, its URI and header, into a fraction of the memory that net/http
// takes for it. A server keeps one for each connection, and most never look at it again.
package reqhead

import (
	"crypto/tls"
	"encoding/binary"
	"net/http"
	"slices"
	"strings"

	"sio.example/socketio/internal/bufpool"
)

// A Head is the packed head of a request; its length is what it takes in bytes. The zero value is that of no request.
//
// The first byte tells how the URI begins and whether there was TLS. The rest of the URI follows, then the host, what
// is kept of the TLS state if there was any, and the header. A name of knownHeaders is one byte, and so is one with its
// usual value; any other is otherHeader and the name. Each text stands behind its length, because a handler before this
// one may have put anything into the header. Sec-WebSocket-Key is left out: it has done its work, and the host takes
// its place.
type Head string

// How URIs begin, and the flag for TLS beside it.
const (
	uriOther = iota
	uriWebSocket
	uriPolling
	overTLS = 0x10
)

var uriStarts = [...]string{
	uriOther:     "",
	uriWebSocket: "/socket.io/?EIO=4&transport=websocket",
	uriPolling:   "/socket.io/?EIO=4&transport=polling",
}

// knownHeaders are what browsers and proxies send, with the most usual value if that says something.
var knownHeaders = [...]struct{ name, value string }{
	{"Connection", "Upgrade"}, {"Upgrade", "websocket"}, {"Sec-Websocket-Version", "13"},
	{"Sec-Websocket-Extensions", "permessage-deflate; client_max_window_bits"}, {"Sec-Websocket-Protocol", ""},
	{"Origin", ""}, {"Cookie", ""}, {"User-Agent", ""}, {"Referer", ""}, {"Authorization", ""},
	{"Accept", "*/*"}, {"Accept-Encoding", "gzip, deflate, br, zstd"}, {"Accept-Language", "en-US,en;q=0.9"},
	{"Cache-Control", "no-cache"}, {"Pragma", "no-cache"}, {"Priority", "u=1, i"}, {"Dnt", "1"}, {"Te", "trailers"},
	{"Content-Type", "text/plain;charset=UTF-8"}, {"Content-Length", ""},
	{"Sec-Fetch-Dest", "websocket"}, {"Sec-Fetch-Mode", "websocket"}, {"Sec-Fetch-Site", "same-origin"},
	{"Sec-Ch-Ua", ""}, {"Sec-Ch-Ua-Mobile", "?0"}, {"Sec-Ch-Ua-Platform", `"Windows"`},
	{"X-Forwarded-For", ""}, {"X-Forwarded-Proto", "https"}, {"X-Forwarded-Host", ""}, {"X-Forwarded-Port", "443"},
	{"X-Real-Ip", ""}, {"X-Request-Id", ""}, {"Forwarded", ""}, {"Via", "1.1 google"}, {"Traceparent", ""},
}

// Names are written as twice their index in knownHeaders, and plus one with their usual value.
const otherHeader = 0xff

var knownNames = func() map[string]byte {
	m := make(map[string]byte, len(knownHeaders))
	for i, h := range knownHeaders {
		m[h.name] = byte(i)
	}
	return m
}()

// Of packs the head of r.
func Of(r *http.Request) Head {
	uri := r.RequestURI
	if uri == "" {
		uri = r.URL.RequestURI()
	}
	flags := byte(uriOther)
	for i, start := range uriStarts {
		if i != uriOther && strings.HasPrefix(uri, start) {
			flags, uri = byte(i), uri[len(start):]
			break
		}
	}
	if r.TLS != nil {
		flags |= overTLS
	}
	buf := bufpool.Get(1 << 10)
	defer bufpool.Put(buf)
	*buf = appendText(appendText(append(*buf, flags), uri), r.Host)
	if r.TLS != nil {
		*buf = appendTLS(*buf, r.TLS, r.Host)
	}
	for name, values := range r.Header {
		if name == websocketKey {
			continue
		}
		for _, v := range values {
			*buf = appendHeader(*buf, name, v)
		}
	}
	return Head(*buf)
}

const websocketKey = "Sec-Websocket-Key"

// What the byte behind version and cipher suite says.
const (
	protocolKnown = 0x03 // bits of the index in protocols, or of protocolOther
	protocolOther = 0x03
	serverIsHost  = 0x04 // the server name is the host without its port
	didResume     = 0x08
)

var protocols = [...]string{"", "http/1.1", "h2"}

func appendTLS(dst []byte, state *tls.ConnectionState, host string) []byte {
	flags := byte(protocolOther)
	if i := slices.Index(protocols[:], state.NegotiatedProtocol); i >= 0 {
		flags = byte(i)
	}
	if state.ServerName == withoutPort(host) {
		flags |= serverIsHost
	}
	if state.DidResume {
		flags |= didResume
	}
	dst = binary.BigEndian.AppendUint16(dst, state.Version)
	dst = append(binary.BigEndian.AppendUint16(dst, state.CipherSuite), flags)
	if flags&protocolKnown == protocolOther {
		dst = appendText(dst, state.NegotiatedProtocol)
	}
	if flags&serverIsHost == 0 {
		dst = appendText(dst, state.ServerName)
	}
	return dst
}

// cutTLS returns what appendTLS appended, and what follows it.
func cutTLS(s, host string) (state *tls.ConnectionState, rest string) {
	state = &tls.ConnectionState{
		Version:     uint16(s[0])<<8 | uint16(s[1]),
		CipherSuite: uint16(s[2])<<8 | uint16(s[3]), HandshakeComplete: true,
	}
	flags := s[4]
	s = s[5:]
	state.DidResume = flags&didResume != 0
	if i := flags & protocolKnown; i == protocolOther {
		state.NegotiatedProtocol, s = cutText(s)
	} else {
		state.NegotiatedProtocol = protocols[i]
	}
	if flags&serverIsHost != 0 {
		state.ServerName = withoutPort(host)
	} else {
		state.ServerName, s = cutText(s)
	}
	return state, s
}

func withoutPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		return host[:i]
	}
	return host
}

func appendHeader(dst []byte, name, value string) []byte {
	i, ok := knownNames[name]
	switch {
	case !ok:
		dst = appendText(append(dst, otherHeader), name)
	case value != "" && value == knownHeaders[i].value:
		return append(dst, 2*i+1)
	default:
		dst = append(dst, 2*i)
	}
	return appendText(dst, value)
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// cutText returns what appendText appended, and what follows it.
func cutText(s string) (text, rest string) {
	size, i := 0, 0
	for shift := 0; ; shift += 7 {
		c := s[i]
		i++
		size |= int(c&0x7f) << shift
		if c < 0x80 {
			break
		}
	}
	return s[i : i+size], s[i+size:]
}

// URI is the request's URI, as it was sent.
func (h Head) URI() string {
	if h == "" {
		return ""
	}
	rest, _ := cutText(string(h[1:]))
	return uriStarts[h[0]&^overTLS] + rest
}

// IsTLS reports whether the request came over TLS.
func (h Head) IsTLS() bool { return h != "" && h[0]&overTLS != 0 }

// Host is the request's.
func (h Head) Host() string {
	host, _, _ := h.split()
	return host
}

// TLS is nil for a request without TLS. Of the state it has Version, CipherSuite, NegotiatedProtocol, ServerName and
// DidResume.
func (h Head) TLS() *tls.ConnectionState {
	_, state, _ := h.split()
	return state
}

// split returns what lies between the URI and the header, and the header as it is packed.
func (h Head) split() (host string, state *tls.ConnectionState, header string) {
	if h == "" {
		return "", nil, ""
	}
	_, header = cutText(string(h[1:]))
	host, header = cutText(header)
	if h.IsTLS() {
		state, header = cutTLS(header, host)
	}
	return host, state, header
}

// Header unpacks the header. Each call returns a new one.
func (h Head) Header() http.Header {
	header := make(http.Header)
	_, _, s := h.split()
	for s != "" {
		var name, value string
		c := s[0]
		s = s[1:]
		switch {
		case c == otherHeader:
			name, s = cutText(s)
			value, s = cutText(s)
		case c%2 == 0:
			name = knownHeaders[c/2].name
			value, s = cutText(s)
		default:
			name, value = knownHeaders[c/2].name, knownHeaders[c/2].value
		}
		header[name] = append(header[name], value)
	}
	return header
}
