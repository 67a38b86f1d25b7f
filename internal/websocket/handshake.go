package websocket

import (
	"bufio"
	"cmp"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"sio.example/socketio/internal/bufpool"
	"sio.example/socketio/internal/errtext"
)

// A HandshakeError refuses an upgrade; nothing has been written.
type HandshakeError struct {
	Code   int // HTTP status: 400 or 426
	Msg    string
	Header http.Header // to be sent along, as Sec-WebSocket-Version
}

// Error gives the message after the package's name.
func (e *HandshakeError) Error() string { return "websocket: handshake: " + e.Msg }

// IsUpgrade reports whether r asks for a WebSocket at all (Connection: Upgrade and Upgrade: websocket).
func IsUpgrade(r *http.Request) bool {
	return hasToken(r.Header["Connection"], "upgrade") && hasToken(r.Header["Upgrade"], "websocket")
}

// Check says why r can't be upgraded, or nil. It writes nothing. The Origin header is not looked at: which origins may
// connect is the caller's policy.
func Check(r *http.Request) *HandshakeError {
	bad := func(msg string) *HandshakeError { return &HandshakeError{Code: http.StatusBadRequest, Msg: msg} }
	switch {
	case r.Method != http.MethodGet:
		return bad("method is not GET")
	case !r.ProtoAtLeast(1, 1):
		return bad("HTTP version is below 1.1")
	case !hasToken(r.Header["Connection"], "upgrade"):
		return bad("Connection header lacks upgrade")
	case !hasToken(r.Header["Upgrade"], "websocket"):
		return bad("Upgrade header lacks websocket")
	case r.Host == "":
		return bad("Host header is missing")
	}
	if v := r.Header["Sec-Websocket-Version"]; len(v) != 1 || strings.TrimSpace(v[0]) != "13" {
		return &HandshakeError{ // RFC 6455 4.4
			Code:   http.StatusUpgradeRequired,
			Msg:    "Sec-WebSocket-Version is not 13",
			Header: http.Header{"Sec-Websocket-Version": {"13"}, "Upgrade": {"websocket"}, "Connection": {"Upgrade"}},
		}
	}
	if !validKey(r.Header["Sec-Websocket-Key"]) {
		return bad("Sec-WebSocket-Key is not one key of 16 bytes")
	}
	return nil
}

// CheckExtensions is Check for what a server with DeflateOptions also reads.
func CheckExtensions(r *http.Request) *HandshakeError {
	if _, err := parseExtensions(r.Header["Sec-Websocket-Extensions"]); err != nil {
		return &HandshakeError{Code: http.StatusBadRequest, Msg: err.Error()}
	}
	return nil
}

// validKey reports whether there is one Sec-WebSocket-Key, of 16 bytes in base64 (RFC 6455 4.2.1).
func validKey(v []string) bool {
	if len(v) != 1 {
		return false
	}
	key := strings.TrimSpace(v[0])
	if len(key) != 24 {
		return false
	}
	var raw [18]byte
	n, err := base64.StdEncoding.Decode(raw[:], []byte(key))
	return err == nil && n == 16
}

// appendAcceptKey appends the Sec-WebSocket-Accept that proves that the key was understood (RFC 6455 4.2.2).
func appendAcceptKey(dst []byte, key string) []byte {
	var both [24 + 36]byte
	sum := sha1.Sum(append(append(both[:0], key...), "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"...))
	return base64.StdEncoding.AppendEncode(dst, sum[:])
}

// Subprotocols returns what the client offers in Sec-WebSocket-Protocol, in its order, or nil if that is not a list of
// tokens. Upgrade selects none by itself; to select one, put it into Options.Header.
func Subprotocols(r *http.Request) []string {
	var all []string
	for _, line := range r.Header["Sec-Websocket-Protocol"] {
		for p := range strings.SplitSeq(line, ",") {
			p = strings.Trim(p, " \t")
			if !isToken(p) || len(all) == 100 {
				return nil
			}
			all = append(all, p)
		}
	}
	return all
}

// hasToken reports whether one of the comma-separated lists has the token, in any case.
func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for p := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(p, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// isToken reports whether s is a token in the sense of RFC 9110 5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !alnum && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// ownHeaders are those of the 101 answer that Options.Header can't set: they are the handshake itself, or would promise
// a body or an extension. Options.Header is otherwise sent as it is, without names that are none, and without control
// characters.
var ownHeaders = map[string]bool{
	"Upgrade": true, "Connection": true, "Sec-Websocket-Accept": true, "Sec-Websocket-Extensions": true,
	"Content-Length": true, "Transfer-Encoding": true,
}

// Upgrade answers 101 and takes the connection over, bytes the HTTP server had read ahead included. It finds the
// Hijacker through Unwrap, and clears the deadlines that the HTTP server may have set. The answer has the headers of
// Options.Header, not those of w. An error is a *HandshakeError if nothing was written and w can still be answered
// with; otherwise either w can't be hijacked (http.ErrNotSupported), or the connection is closed already.
//
// After it returned without an error, w and r must not be used and nothing of them is kept.
func Upgrade(w http.ResponseWriter, r *http.Request, opts *Options) (*Conn, error) {
	if err := Check(r); err != nil {
		return nil, err
	}
	if opts == nil {
		opts = new(Options)
	}
	buf := bufpool.Get(1024)
	defer bufpool.Put(buf)
	*buf = append(*buf, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"...)
	*buf = append(*buf, "Sec-WebSocket-Accept: "...)
	*buf = appendAcceptKey(*buf, strings.TrimSpace(r.Header["Sec-Websocket-Key"][0]))
	*buf = append(*buf, "\r\n"...)
	var d deflation
	if opts.Deflate != nil {
		var answer string
		var err error
		if d, answer, err = opts.Deflate.accept(r.Header["Sec-Websocket-Extensions"]); err != nil {
			return nil, &HandshakeError{Code: http.StatusBadRequest, Msg: err.Error()}
		}
		if answer != "" {
			*buf = append(append(append(*buf, "Sec-WebSocket-Extensions: "...), answer...), "\r\n"...)
		}
	}
	if len(opts.Header) > 0 {
		*buf = appendHeader(*buf, opts.Header)
	}
	*buf = append(append(*buf, "\r\n"...), opts.First...)
	return takeOver(w, *buf, opts, d)
}

// takeOver hijacks the connection and writes the answer. It is not part of Upgrade, so that less is on the
// stack of net/http's goroutine; see docs/memory.md.
//
// The ResponseWriter may be a middleware's, and what it gives away a connection of anybody's: if one panics, the
// connection is closed and the panic an error.
func takeOver(w http.ResponseWriter, answer []byte, opts *Options, d deflation) (c *Conn, err error) {
	var nc net.Conn
	returned := false
	defer func() {
		if returned {
			return
		}
		if nc != nil {
			closeQuietly(nc)
		}
		if v := recover(); v != nil {
			c, err = nil, errtext.Errorf("websocket: hijack: %w: panic: %v", http.ErrNotSupported, v)
		}
	}()
	nc, rw, err := hijack(w)
	if err != nil {
		returned = true
		return nil, errtext.Errorf("websocket: hijack: %w", err)
	}
	nc.SetDeadline(time.Time{})
	Tune(nc, opts.UserTimeout, opts.MaxUnread)
	c = newConn(nc, leftOver(rw), opts)
	c.agree(opts, d)
	err = c.send(answer, cmp.Or(max(opts.HandshakeTimeout, 0), defaultHandshakeTimeout))
	if err != nil {
		c.Abort()
		c, err = nil, errtext.Errorf("websocket: write handshake: %w", err)
	}
	returned = true
	return c, err
}

// closeQuietly closes a connection that may panic.
func closeQuietly(nc net.Conn) {
	defer func() { _ = recover() }()
	nc.Close()
}

// maxWrapped is how many ResponseWriters may be around that of net/http.
const maxWrapped = 100

// hijack finds the Hijacker as an http.ResponseController does, but not for ever if a writer unwraps to itself, and
// takes no connection that is none.
func hijack(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
	for range maxWrapped {
		switch t := w.(type) {
		case http.Hijacker:
			nc, rw, err := t.Hijack()
			if err != nil && nc != nil {
				closeQuietly(nc)
			}
			if err == nil && nc == nil {
				err = fmt.Errorf("%w: Hijack of %T returned no connection", http.ErrNotSupported, w)
			}
			return nc, rw, err
		case interface{ Unwrap() http.ResponseWriter }:
			w = t.Unwrap()
		default:
			return nil, nil, fmt.Errorf("%w: %T has neither Hijack nor Unwrap", http.ErrNotSupported, w)
		}
	}
	return nil, nil, fmt.Errorf("%w: Unwrap of %T does not end", http.ErrNotSupported, w)
}

// leftOver copies what the HTTP server has read behind the request. The bufio.Reader goes away with the request.
func leftOver(rw *bufio.ReadWriter) *[]byte {
	if rw == nil || rw.Reader == nil || rw.Reader.Buffered() == 0 {
		return nil
	}
	n := rw.Reader.Buffered()
	buf := bufpool.Get(max(n, readSize))
	p, _ := rw.Reader.Peek(n) // can't fail: they are buffered
	*buf = append(*buf, p...)
	return buf
}

// appendHeader appends the headers of the 101 answer that are not the handshake itself.
func appendHeader(dst []byte, more http.Header) []byte {
	for _, name := range slices.Sorted(maps.Keys(more)) {
		if !isToken(name) || ownHeaders[http.CanonicalHeaderKey(name)] {
			continue
		}
		for _, value := range more[name] {
			dst = append(append(dst, name...), ": "...)
			for _, c := range []byte(strings.TrimSpace(value)) {
				if c < ' ' && c != '\t' || c == 0x7f { // a line break would begin another header
					c = ' '
				}
				dst = append(dst, c)
			}
			dst = append(dst, "\r\n"...)
		}
	}
	return dst
}
