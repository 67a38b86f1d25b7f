package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"sio.example/socketio/engineio"
	"sio.example/socketio/engineio/packet"
)

// explain says in a sentence why there is no connection, and what may be done about it, if that is known. Both are safe
// to show.
func explain(err error) (text, hint string) {
	var transport *engineio.ClientError
	if errors.Is(err, engineio.ErrOldServer) {
		return "the server is of Socket.IO 2", "Servers of version 3 and later are supported."
	}
	if errors.As(err, &transport) && transport.Status != 0 {
		switch {
		case transport.Transport == "websocket" && transport.Status == http.StatusOK:
			return "the server does not change to WebSocket",
				"Is this a Socket.IO server? --transport polling tries without."
		case !success(transport):
			return explainStatus(transport)
		}
	}
	for _, why := range []func(error) (string, string){explainTLS, explainNetwork, explainProtocol} {
		if text, hint := why(err); text != "" {
			return text, hint
		}
	}
	return safe(cutText(err.Error(), 300)), ""
}

// success reports whether the HTTP answer was one that a server gives that speaks the protocol.
func success(e *engineio.ClientError) bool {
	return e.Status == http.StatusSwitchingProtocols || e.Status == http.StatusOK
}

func explainTLS(err error) (text, hint string) {
	const trust = "--ca FILE trusts more certificates, --insecure any."
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return "the server's certificate is signed by an unknown authority", trust
	case errors.As(err, &name):
		return "the server's certificate is for another name: " + safe(cutText(name.Error(), 200)), trust
	case errors.As(err, &invalid):
		return "the server's certificate is not valid: " + safe(cutText(invalid.Error(), 200)), trust
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "the server does not speak TLS", "Is it http:// instead of https://?"
	}
	return "", ""
}

func explainNetwork(err error) (text, hint string) {
	var dns *net.DNSError
	var op *net.OpError
	at := "the server's address"
	if errors.As(err, &op) && op.Addr != nil {
		at = op.Addr.String()
	}
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "there is no host called " + safe(cutText(dns.Name, 100)), ""
	case errors.As(err, &dns):
		return "the address of " + safe(cutText(dns.Name, 100)) + " can't be found: " + safe(dns.Err), ""
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens at " + at, "Is the server running, and is the port right?"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return at + " can't be reached", ""
	case errors.Is(err, context.DeadlineExceeded), isTimeout(err):
		return "no answer in time", "--timeout waits longer."
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the server closed the connection", "Does it want https:// instead of http://?"
	case strings.Contains(err.Error(), "malformed HTTP"):
		return "the server does not speak HTTP", "Is the port right, and is it https:// instead of http://?"
	}
	return "", ""
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

func explainProtocol(err error) (text, hint string) {
	const which = "Is this a Socket.IO server, of version 3 or later, and is the path right (--path)?"
	var transport *engineio.ClientError
	var syntax *packet.SyntaxError
	switch {
	case errors.As(err, &transport) && transport.Message == "server error":
		return "the " + safe(strings.TrimPrefix(transport.Error(),
			"engineio: "+transport.Transport+": server error: ")), which
	case errors.As(err, &syntax):
		return "the answer is not Engine.IO 4: " + safe(syntax.Error()), which
	}
	return "", ""
}

// explainStatus explains an HTTP answer that is an error.
func explainStatus(e *engineio.ClientError) (text, hint string) {
	text = strings.TrimSpace(fmt.Sprintf("HTTP %d %s", e.Status, http.StatusText(e.Status)))
	var body struct {
		Code    *int   `json:"code"`
		Message string `json:"message"`
	}
	if json.Unmarshal(e.Body, &body) == nil && body.Message != "" {
		text += ": " + safe(cutText(body.Message, 200))
	}
	webSocket := e.Transport == "websocket" // which is told the message without a code, in plain text
	says := func(message string) bool { return webSocket && strings.HasPrefix(string(e.Body), message) }
	switch {
	case body.Code != nil && *body.Code == unsupportedProtocol:
		hint = "The server is of version 2 or older, which is not supported."
	case body.Code != nil && *body.Code == unknownTransport:
		hint = "The server does not have this transport: --transport chooses another."
	case body.Code != nil && *body.Code == unknownSession, says("Session ID unknown"):
		hint = "Several servers behind one address need sticky sessions; --transport websocket does without."
	case says("Bad request"):
		hint = "A proxy on the way may not pass Upgrade on: --transport polling tries without."
	case e.Status == http.StatusNotFound:
		hint = "The server has nothing there: --path says where Socket.IO is."
	case e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden:
		hint = "The server, or what is in front of it, wants to be let known who asks: see --header, --query and " +
			"--auth."
	case e.Status >= 300 && e.Status < 400 && e.Location != "":
		hint = "The server sends to " + safe(e.Location) + ", which is not followed."
	case e.Status >= 300 && e.Status < 400:
		hint = "The server sends elsewhere, which is not followed: use the final address."
	case e.Status >= http.StatusBadGateway && e.Status <= http.StatusGatewayTimeout:
		hint = "What answers is a proxy; the server behind it does not."
	case e.Status == http.StatusBadRequest && strings.Contains(string(e.Body), "HTTPS server"):
		hint = "Is it https:// instead of http://?"
	case e.Status/100 == 2:
		hint = "Is this a Socket.IO server, and is the path right (--path)?"
	case e.Status == http.StatusMethodNotAllowed:
		hint = "Something else is at this address: --path says where Socket.IO is."
	}
	return text, hint
}

// The codes of Engine.IO's HTTP errors.
const (
	unknownTransport    = 0
	unknownSession      = 1
	unsupportedProtocol = 5
)
