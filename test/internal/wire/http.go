package wire

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// An HTTP is one keep-alive HTTP/1.1 connection.
type HTTP struct {
	conn    *net.TCPConn
	in      *bufio.Reader
	host    string
	timeout time.Duration
}

// A Response is a whole HTTP answer.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// HTTP opens a connection for requests.
func (t Target) HTTP() (*HTTP, error) {
	c, err := t.Dial()
	if err != nil {
		return nil, err
	}
	return &HTTP{conn: c, in: bufio.NewReader(c), host: t.Addr, timeout: t.timeout()}, nil
}

// Do sends a request and waits for the whole answer.
func (h *HTTP) Do(method, url string, header http.Header, body []byte) (*Response, error) {
	if err := h.Start(method, url, header, body); err != nil {
		return nil, err
	}
	return h.Finish(method)
}

// Start sends a request and does not wait for its answer.
func (h *HTTP) Start(method, url string, header http.Header, body []byte) error {
	return h.Write(Request(method, url, h.host, header, body))
}

// Finish waits for the answer to a request that was started with method.
func (h *HTTP) Finish(method string) (*Response, error) {
	if err := h.conn.SetReadDeadline(time.Now().Add(h.timeout)); err != nil {
		return nil, fmt.Errorf("wire: read: %w", err)
	}
	resp, err := http.ReadResponse(h.in, &http.Request{Method: method})
	if err != nil {
		return nil, fmt.Errorf("wire: response: %w", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("wire: response body: %w", err)
	}
	if resp.Close {
		resp.Header.Set("Connection", "close") // as it was sent: ReadResponse takes it out
	}
	return &Response{Status: resp.StatusCode, Header: resp.Header, Body: body}, nil
}

// Write sends bytes as they are.
func (h *HTTP) Write(raw []byte) error {
	if err := h.conn.SetWriteDeadline(time.Now().Add(h.timeout)); err != nil {
		return fmt.Errorf("wire: write: %w", err)
	}
	if _, err := h.conn.Write(raw); err != nil {
		return fmt.Errorf("wire: write: %w", err)
	}
	return nil
}

// Conn is the TCP connection beneath.
func (h *HTTP) Conn() *net.TCPConn { return h.conn }

// Close closes the connection. It may be called by any goroutine.
func (h *HTTP) Close() error { return h.conn.Close() }

// Reset closes the connection with a TCP reset.
func (h *HTTP) Reset() error {
	_ = h.conn.SetLinger(0) // fails only on a closed connection
	return h.conn.Close()
}

// Request is the text of a request. Content-Length is added when there is a body or the method wants one.
func Request(method, url, host string, header http.Header, body []byte) []byte {
	var b bytes.Buffer
	b.WriteString(method + " " + url + " HTTP/1.1\r\nHost: " + host + "\r\n")
	for name, values := range header {
		for _, v := range values {
			b.WriteString(name + ": " + v + "\r\n")
		}
	}
	if len(body) > 0 || method == http.MethodPost {
		if header.Get("Content-Length") == "" && !strings.EqualFold(header.Get("Transfer-Encoding"), "chunked") {
			b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n")
		}
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}
