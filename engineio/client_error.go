package engineio

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/websocket"
)

// A ClientError is why a transport could not open or go on.
type ClientError struct {
	Transport string // "polling", "websocket" or "webtransport"
	Message   string // the official client's: "xhr poll error", "xhr post error", "websocket error", "server error", ...
	Status    int    // of the HTTP answer; 0 if there was none
	Body      []byte // of it, or of what came in place of a handshake; the first KiB at most
	Location  string // where a redirect leads, without its query
	Err       error  // the cause; nil if Status says it
}

// ErrOldServer is the cause when the server answers in Engine.IO 3, which Socket.IO 2 speaks and this client does
// not.
var ErrOldServer = errtext.New("engineio: server speaks Engine.IO 3, of Socket.IO v2, and not 4")

// What answers in place of an Engine.IO server, but errNoHandshake, which nearly is one.
var (
	errForeign     = errtext.New("engineio: answer is no Engine.IO 4")
	errNoHandshake = errtext.New("engineio: no valid handshake")
	errPage        = errtext.New("engineio: answer is a web page: of another server, or of a login or portal before it")
	errJSON        = errtext.New("engineio: answer is JSON, but no Engine.IO: of another server, or another path of it")
	errEmpty       = errtext.New("engineio: answer is empty: of no Engine.IO server")
)

// Error says what went wrong. Of what the peer sent it has the code and the message of an Engine.IO error, and the
// target of a redirect; both quoted and cut.
func (e *ClientError) Error() string {
	var refused *websocket.HandshakeRefusedError
	handshake := errors.As(e.Err, &refused) && refused.Status != http.StatusSwitchingProtocols
	switch {
	case handshake && refused.Proxy:
		return e.what() + "the proxy answers with " + statusText(e.Status)
	case handshake || e.Err == nil && e.Status != 0:
		return e.what() + statusText(e.Status) + e.hint()
	case e.Err == nil:
		return strings.TrimSuffix(e.what(), ": ")
	}
	return e.what() + explain(e.Err)
}

// what is what went wrong, in words of Go.
func (e *ClientError) what() string {
	switch {
	case e.Message == "xhr poll error":
		return "engineio: polling: GET error: "
	case e.Message == "xhr post error":
		return "engineio: polling: POST error: "
	case e.Message == e.Transport+" error":
		return "engineio: " + e.Message + ": "
	case e.Transport == "":
		return "engineio: "
	}
	return "engineio: " + e.Transport + ": " + e.Message + ": "
}

func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("status %d %s", status, http.StatusText(status)))
}

// The errors of Engine.IO (engine.io 6, Server.errorMessages), and what they mean to a client that gets one.
var engineErrors = []struct{ message, hint string }{
	{"Transport unknown", "the server does not have this transport"},
	{"Session ID unknown", "the session is over, or there are several servers without sticky sessions"},
	{"Bad handshake method", ""},
	{"Bad request", ""},
	{"Forbidden", ""},
	{"Unsupported protocol version", "the server does not speak Engine.IO 4 (Socket.IO 3 and later)"},
}

// maxQuoted bounds what is repeated of a peer.
const maxQuoted = 200

// refusal is the error of an Engine.IO server in Body, if there is one. A WebSocket gets the message alone.
func (e *ClientError) refusal() (code int, message string, ok bool) {
	var body struct {
		Code    *int    `json:"code"`
		Message *string `json:"message"`
	}
	if json.Unmarshal(e.Body, &body) == nil && body.Code != nil && body.Message != nil {
		return *body.Code, *body.Message, true
	}
	if e.Transport == transportWebSocket && e.Status == http.StatusBadRequest {
		for code, known := range engineErrors {
			if strings.HasPrefix(string(e.Body), known.message) {
				return code, string(e.Body), true
			}
		}
	}
	return 0, "", false
}

// hint is what an answer means that is none, as far as it can be told.
func (e *ClientError) hint() string {
	if code, message, ok := e.refusal(); ok {
		text := fmt.Sprintf(": code %d, %q", code, cut(message))
		switch {
		case code == 3 && e.Transport == transportWebSocket:
			text += ": a proxy on the way may not pass Upgrade on"
		case code >= 0 && code < len(engineErrors) && engineErrors[code].hint != "":
			text += ": " + engineErrors[code].hint
		}
		return text
	}
	switch {
	case e.Status/100 == 3 && e.Location != "":
		return fmt.Sprintf(": it redirects to %q, which is not followed", e.Location)
	case e.Status == http.StatusNotFound, e.Status == http.StatusMethodNotAllowed:
		return ": nothing of Engine.IO there: is the path right, with or without its final slash?"
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden:
		return ": something in front of the server asks who this is"
	case e.Status >= http.StatusBadGateway && e.Status <= http.StatusGatewayTimeout:
		return ": a proxy answers, and the server behind it does not"
	case e.Status == http.StatusBadRequest && bytes.Contains(e.Body, []byte("HTTPS server")): // net/http and nginx say so
		return ": is it https:// instead of http://?"
	case e.Status/100 == 2 && e.Transport == transportWebSocket:
		return ": no WebSocket there, or a proxy on the way does not pass Upgrade on"
	case e.Status/100 == 2:
		return ": no Engine.IO server"
	}
	return ""
}

// redirected keeps of the target of a redirect what may be shown.
func (e *ClientError) redirected(h http.Header) {
	u, err := url.Parse(h.Get("Location"))
	if err != nil || e.Status/100 != 3 {
		return
	}
	e.Location = cut((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String())
}

// cut is the beginning of a text.
func cut(s string) string { return s[:min(len(s), maxQuoted)] }

// explain is the text of err, quoted and cut unless it is of a kind that never repeats what a peer sent. The names
// of the packages below have been said.
func explain(err error) string {
	var (
		names     *tls.CertificateVerificationError // quotes the certificate
		netErr    net.Error
		syntax    *packet.SyntaxError
		handshake *websocket.HandshakeRefusedError
	)
	text := errtext.Text(err)
	switch {
	case errors.As(err, &names):
	case errors.As(err, &netErr), errors.As(err, &syntax), errors.As(err, &handshake),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.Canceled),
		len(text) < len(err.Error()):
		return text
	}
	return fmt.Sprintf("%.200q", text)
}

// Unwrap returns the cause.
func (e *ClientError) Unwrap() error { return e.Err }

// oldPayload reports whether data begins as a payload of Engine.IO 3 does: with a length in characters, or behind
// a byte that says text or binary a length in digits that are bytes, up to 255.
func oldPayload(data []byte) bool {
	head := data[:min(len(data), 12)]
	end := slices.IndexFunc(head, func(b byte) bool { return b == ':' || b == 0xff })
	if end < 1 || end+1 >= len(data) {
		return false
	}
	first, zero := 0, byte('0')
	if head[end] == 0xff {
		first, zero = 1, 0
	}
	return end > first && (first == 0 || head[0] <= 1) &&
		!slices.ContainsFunc(head[first:end], func(b byte) bool { return b < zero || b > zero+9 })
}

// kindOf is what an answer is that cannot be read, or nil if that cannot be told.
func kindOf(data []byte) error {
	text := bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\ufeff")))
	switch {
	case oldPayload(data):
		return ErrOldServer
	case len(text) == 0:
		return errEmpty
	case text[0] == '<':
		return errPage
	case text[0] == '{' && bytes.ContainsRune(text, '"'), text[0] == '[' && json.Valid(text):
		return errJSON
	}
	return nil
}

// notOurs adds to err, which is why data cannot be read, what it is, if that can be told.
func notOurs(data []byte, err error) error {
	if kind := kindOf(data); kind != nil {
		return &foreignError{kind, err}
	}
	return err
}

// A foreignError is what somebody answers who does not speak Engine.IO 4.
type foreignError struct{ answer, cause error }

// Error has the cause where the answer is of no kind that is known.
func (e *foreignError) Error() string {
	if e.answer == errForeign {
		return e.answer.Error() + ": " + explain(e.cause)
	}
	return e.answer.Error()
}

// Unwrap returns both.
func (e *foreignError) Unwrap() []error { return []error{e.answer, e.cause} }

// maxHandshake bounds an open packet, and maxSID the id in it (attack: what the server says is kept, and sent with
// each request).
const (
	maxHandshake = 64 << 10
	maxSID       = 1 << 10
)

// decodeOpen decodes the first packet of a session. all is what came with it.
func decodeOpen(kind transportKind, status int, first, all []byte) (packet.Handshake, error) {
	p, err := packet.Decode(first, false)
	var h packet.Handshake
	switch {
	case err != nil:
	case p.Type != packet.Open || len(p.Data) > maxHandshake:
		err = errNoHandshake
	default:
		h, err = packet.DecodeHandshake(p.Data)
		if err == nil && len(h.SID) > maxSID {
			err = errNoHandshake
		}
	}
	if err != nil {
		return packet.Handshake{}, &ClientError{
			Transport: kind.String(), Message: "server error", Status: status,
			Body: slices.Clone(all[:min(len(all), maxRefusal)]), Err: &foreignError{cmp.Or(kindOf(all), errForeign), err},
		}
	}
	return h, nil
}
