package websocket

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"net/http/httptrace"
)

// onConn tells that a connection is about to be made, or has been made and is going to be used.
func (d *dialer) onConn(target string, nc net.Conn) {
	switch t := d.trace; {
	case t == nil:
	case nc == nil && t.GetConn != nil:
		t.GetConn(target)
	case nc != nil && t.GotConn != nil:
		t.GotConn(httptrace.GotConnInfo{Conn: nc})
	}
}

// onRequest shows the handshake to the trace, if there is one. What it returns is that request, for the answer.
func (d *dialer) onRequest() *http.Request {
	req := &http.Request{Method: http.MethodGet, URL: d.url, Host: d.url.Host}
	if d.opts.OnRequest == nil && d.opts.OnResponse == nil {
		return req
	}
	if sent, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(d.request))); err == nil {
		req.Header, req.Host, req.Proto, req.ProtoMajor, req.ProtoMinor = sent.Header, sent.Host, sent.Proto, 1, 1
	}
	if d.opts.OnRequest != nil {
		d.opts.OnRequest(req)
	}
	return req
}

// onWritten tells that the handshake was sent.
func (d *dialer) onWritten(err error) {
	t := d.trace
	if t == nil {
		return
	}
	if t.WroteHeaders != nil && err == nil {
		t.WroteHeaders()
	}
	if t.WroteRequest != nil {
		t.WroteRequest(httptrace.WroteRequestInfo{Err: err})
	}
}

// readAnswer is the function of that name, and tells of the first byte.
func (d *dialer) readAnswer(nc net.Conn, req *http.Request) (*bufio.Reader, *http.Response, error) {
	if d.trace == nil || d.trace.GotFirstResponseByte == nil {
		return readAnswer(nc, req)
	}
	return readAnswer(&firstByte{Conn: nc, got: d.trace.GotFirstResponseByte}, req)
}

// A firstByte calls got before the first byte is returned.
type firstByte struct {
	net.Conn
	got func()
}

func (f *firstByte) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if n > 0 && f.got != nil {
		f.got()
		f.got = nil
	}
	return n, err
}
