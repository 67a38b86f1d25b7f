package socketio_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/internal/memnet"
	"sio.example/socketio/parser"
)

// A fixture is a server on a network in memory.
type fixture struct {
	*socketio.Server
	t    *testing.T
	ln   *memnet.Listener
	http *http.Server
	logs *logBuffer

	parser parser.Parser // of the options
}

// bubble runs fn with a server, on virtual time, once for each of parsers, unless opts have one. That it returns shows
// that no goroutine is left.
func bubble(t *testing.T, opts *socketio.Options, fn func(t *testing.T, f *fixture)) {
	t.Helper()
	if opts != nil && opts.Parser != nil {
		bubbleOf(t, opts, fn)
		return
	}
	eachParser(t, func(t *testing.T, p parser.Parser) {
		t.Helper()
		var o socketio.Options
		if opts != nil {
			o = *opts
		}
		o.Parser = p
		bubbleOf(t, &o, fn)
	})
}

// bubbleOf is bubble with the parser of opts only, for what is about JSON text, and the default.
func bubbleOf(t *testing.T, opts *socketio.Options, fn func(t *testing.T, f *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, opts)
		defer f.close()
		fn(t, f)
	})
}

func newFixture(t *testing.T, opts *socketio.Options) *fixture {
	o := socketio.Options{}
	if opts != nil {
		o = *opts
	}
	f := &fixture{t: t, ln: memnet.Listen(), logs: new(logBuffer), parser: o.Parser}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(f.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	f.Server = socketio.NewServer(&o)
	f.http = &http.Server{Handler: f.Server, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	go func() { _ = f.http.Serve(f.ln) }() // ends with close
	return f
}

func (f *fixture) close() {
	if err := f.Server.Close(); err != nil {
		f.t.Errorf("Close: %v", err)
	}
	_ = f.http.Close()
	_ = f.ln.Close()
}

// logBuffer holds what was logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A wsClient speaks Engine.IO over WebSocket by hand. It is used by one goroutine at a time.
type wsClient struct {
	t    *testing.T
	conn net.Conn
	br   *bufio.Reader
	eid  string // Engine.IO session id

	translator *translator
	received   []string // and not read yet
}

// What a wsClient may read.
const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

// patience is how long a client waits for something to read.
const patience = 5 * time.Minute

// dial opens a session.
func (f *fixture) dial() *wsClient {
	f.t.Helper()
	return f.dialWith("/socket.io/?EIO=4&transport=websocket", nil)
}

func (f *fixture) dialWith(uri string, header http.Header) *wsClient {
	f.t.Helper()
	conn, err := f.ln.Dial(context.Background())
	if err != nil {
		f.t.Fatal(err)
	}
	c := &wsClient{t: f.t, conn: conn, br: bufio.NewReader(conn), translator: newTranslator(f.parser)}
	f.t.Cleanup(func() { _ = conn.Close() })
	r, _ := http.NewRequest("GET", "http://192.0.2.1"+uri, nil)
	for k, v := range header {
		r.Header[k] = v
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	if err := r.Write(conn); err != nil {
		f.t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(c.br, r)
	if err != nil {
		f.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		f.t.Fatalf("handshake: %s", resp.Status)
	}
	open := c.read()
	var hs struct{ SID string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(open, "0")), &hs); err != nil || hs.SID == "" {
		f.t.Fatalf("handshake: %q", open)
	}
	c.eid = hs.SID
	return c
}

// join opens a session and connects to a namespace. It returns the socket's id too.
func (f *fixture) join(nsp string) (*wsClient, string) {
	f.t.Helper()
	c := f.dial()
	return c, c.connect(nsp, "")
}

// connect connects to one more namespace.
func (c *wsClient) connect(nsp, auth string) string {
	c.t.Helper()
	prefix := ""
	if nsp != "/" {
		prefix = nsp + ","
	}
	c.send("40" + prefix + auth)
	got := c.read()
	sid, ok := strings.CutPrefix(got, "40"+prefix+`{"sid":"`)
	sid, ok2 := strings.CutSuffix(sid, `"}`)
	if !ok || !ok2 || len(sid) != 20 {
		c.t.Fatalf("connect to %s: %q", nsp, got)
	}
	return sid
}

func (c *wsClient) frame(op byte, payload []byte) []byte {
	b := []byte{0x80 | op}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	mask := [4]byte{1, 2, 3, 4}
	b = append(b, mask[:]...)
	for i, x := range payload {
		b = append(b, x^mask[i%4])
	}
	return b
}

// send writes text messages, all at once.
func (c *wsClient) send(texts ...string) {
	c.t.Helper()
	if err := c.trySend(texts...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *wsClient) trySend(texts ...string) error {
	var b []byte
	for _, text := range texts {
		b = append(b, c.translator.frames(c, text)...)
	}
	_, err := c.conn.Write(b)
	return err
}

func (c *wsClient) sendBinary(data []byte) {
	c.t.Helper()
	frames := c.frame(opBinary, data)
	if c.translator != nil {
		frames = nil
		for _, f := range c.translator.send(parser.Frame{Binary: true, Data: data}) {
			frames = append(frames, c.frame(opBinary, f.Data)...)
		}
	}
	if _, err := c.conn.Write(frames); err != nil {
		c.t.Fatal(err)
	}
}

// next reads one frame.
func (c *wsClient) next() (op byte, payload []byte, err error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	var head [2]byte
	if _, err := io.ReadFull(c.br, head[:]); err != nil {
		return 0, nil, err
	}
	n := int(head[1] & 127)
	switch n {
	case 126:
		var x [2]byte
		if _, err := io.ReadFull(c.br, x[:]); err != nil {
			return 0, nil, err
		}
		n = int(binary.BigEndian.Uint16(x[:]))
	case 127:
		var x [8]byte
		if _, err := io.ReadFull(c.br, x[:]); err != nil {
			return 0, nil, err
		}
		n = int(binary.BigEndian.Uint64(x[:]))
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(c.br, payload)
	return head[0] & 15, payload, err
}

// receive reads the next message, and answers pings before it. An attachment is "b" and its bytes.
func (c *wsClient) receive() (string, error) {
	for {
		if len(c.received) > 0 {
			s := c.received[0]
			c.received = c.received[1:]
			return s, nil
		}
		op, payload, err := c.next()
		switch {
		case err != nil:
			return "", err
		case op == opText && string(payload) == "2":
			if err := c.trySend("3"); err != nil {
				return "", err
			}
		case op == opText:
			return string(payload), nil
		case op == opBinary && c.translator != nil:
			c.received = c.translator.texts(payload, func(data []byte) string { return string(data) })
		case op == opBinary:
			return "b" + string(payload), nil
		case op == opClose:
			return "", &closeError{payload}
		}
	}
}

type closeError struct{ payload []byte }

func (e *closeError) Error() string {
	if len(e.payload) < 2 {
		return "closed without a code"
	}
	return fmt.Sprintf("closed: %d %s", binary.BigEndian.Uint16(e.payload), e.payload[2:])
}

func (c *wsClient) read() string {
	c.t.Helper()
	s, err := c.receive()
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// expect reads messages and compares them.
func (c *wsClient) expect(want ...string) {
	c.t.Helper()
	for _, w := range want {
		if got := c.read(); got != w {
			c.t.Fatalf("got %q, want %q", got, w)
		}
	}
}

// expectClose reads the close frame. An empty want is any.
func (c *wsClient) expectClose(want string) {
	c.t.Helper()
	s, err := c.receive()
	var ce *closeError
	switch {
	case err == nil:
		c.t.Fatalf("got %q, want the connection closed", s)
	case !errors.As(err, &ce):
		c.t.Fatalf("got %v, want a close frame", err)
	case want != "" && ce.Error() != want:
		c.t.Fatalf("got %q, want %q", ce, want)
	}
}

// expectSilence checks that nothing more is sent now.
func (c *wsClient) expectSilence() {
	c.t.Helper()
	synctest.Wait()
	_ = c.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := c.br.Peek(1); err == nil {
		c.t.Fatalf("got %q, want nothing", c.read())
	}
}

// advance lets time go by on the bubble's clock.
func advance(d time.Duration) { <-time.After(d) }

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

func (c *wsClient) close() { _ = c.conn.Close() }

// A pollClient speaks Engine.IO over HTTP polling.
type pollClient struct {
	t    *testing.T
	http *http.Client
	url  string
	buf  []string

	translator *translator
}

func (f *fixture) poll() *pollClient {
	f.t.Helper()
	tr := &http.Transport{DialContext: f.ln.DialContext}
	f.t.Cleanup(tr.CloseIdleConnections)
	c := &pollClient{t: f.t, http: &http.Client{Transport: tr},
		url: "http://192.0.2.1/socket.io/?EIO=4&transport=polling"}
	c.translator = newTranslator(f.parser)
	open := c.read()
	var hs struct{ SID string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(open, "0")), &hs); err != nil || hs.SID == "" {
		f.t.Fatalf("handshake: %q", open)
	}
	c.url += "&sid=" + hs.SID
	return c
}

func (c *pollClient) send(packets ...string) {
	c.t.Helper()
	resp, err := c.http.Post(c.url, "text/plain;charset=UTF-8",
		strings.NewReader(strings.Join(c.translator.packets(packets), "\x1e")))
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 || string(body) != "ok" {
		c.t.Fatalf("POST: %s %q", resp.Status, body)
	}
}

func (c *pollClient) read() string {
	c.t.Helper()
	for len(c.buf) == 0 {
		resp, err := c.http.Get(c.url)
		if err != nil {
			c.t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 {
			c.t.Fatalf("GET: %s %q %v", resp.Status, body, err)
		}
		c.buf = strings.Split(string(body), "\x1e")
	}
	p := c.buf[0]
	c.buf = c.buf[1:]
	if data, ok := strings.CutPrefix(p, "b"); ok && c.translator != nil {
		raw, _ := base64.StdEncoding.DecodeString(data)
		texts := c.translator.texts(raw, base64.StdEncoding.EncodeToString)
		p, c.buf = texts[0], append(texts[1:len(texts):len(texts)], c.buf...)
	}
	if p == "2" {
		c.send("3")
		return c.read()
	}
	return p
}

func (c *pollClient) expect(want ...string) {
	c.t.Helper()
	for _, w := range want {
		if got := c.read(); got != w {
			c.t.Fatalf("got %q, want %q", got, w)
		}
	}
}
