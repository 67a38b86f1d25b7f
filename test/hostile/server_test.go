package hostile

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sio.example/socketio/test/internal/wire"
)

// patience is how long anything may take that happens at once.
const patience = 5 * time.Minute

// A server speaks HTTP and WebSocket by hand, so that it can say what net/http would refuse to. Left alone it is a
// lawful server with an echo. The first sessions are the test's to speak for.
type server struct {
	*testing.T
	l    net.Listener
	wg   sync.WaitGroup
	done chan struct{}
	sent atomic.Int64 // bytes

	mu       sync.Mutex
	conns    map[net.Conn]bool
	sessions map[string]*session
	opened   int

	// What a test changes, before the client connects.
	hostile int           // sessions that are handed to the test by the channel mine
	mine    chan *session // those
	// answers a request instead, and owns the connection until it returns
	take  func(c *conn, r *http.Request) (ok bool)
	open  func(sid string) string   // the open packet, without its 0
	probe func(s *session, c *conn) // has the WebSocket of an upgrade, after the 101
	greet func(c *conn) (ok bool)   // has the connection before there is a request
	// What it may change at any time, with mu held.
	refuse   string                     // the answer to the next POST
	decorate func(answer string) string // changes lawful answers
}

// A conn is one connection. It is closed when whoever serves it returns.
type conn struct {
	net.Conn
	in  *bufio.Reader
	srv *server
}

func (c *conn) Write(p []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(patience)) // fails on a closed connection, as the write does
	n, err := c.Conn.Write(p)
	c.srv.sent.Add(int64(n))
	return n, err
}

// say writes text as it is.
func (c *conn) say(text string) error {
	_, err := io.WriteString(c, text)
	return err
}

// wait reads until the client ends the connection.
func (c *conn) wait() { _, _ = io.Copy(io.Discard, c.Conn) }

func listen(t *testing.T) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{
		T: t, l: l, done: make(chan struct{}), conns: make(map[net.Conn]bool), sessions: make(map[string]*session),
		mine: make(chan *session, 1000),
	}
	s.wg.Go(s.accept)
	t.Cleanup(s.close)
	return s
}

func (s *server) url() string { return "http://" + s.l.Addr().String() }

// close ends all connections and waits for all goroutines.
func (s *server) close() {
	s.mu.Lock()
	select {
	case <-s.done:
	default:
		close(s.done)
	}
	_ = s.l.Close()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

func (s *server) accept() {
	for {
		nc, err := s.l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		select {
		case <-s.done:
			_ = nc.Close()
		default:
			s.conns[nc] = true
			s.wg.Go(func() { // ends with the connection
				s.serve(&conn{Conn: nc, in: bufio.NewReader(nc), srv: s})
				_ = nc.Close()
				s.mu.Lock()
				delete(s.conns, nc)
				s.mu.Unlock()
			})
		}
		s.mu.Unlock()
	}
}

func (s *server) serve(c *conn) {
	s.mu.Lock()
	greet := s.greet
	s.mu.Unlock()
	if greet != nil && !greet(c) {
		return
	}
	for {
		r, err := http.ReadRequest(c.in)
		if err != nil {
			return
		}
		s.mu.Lock()
		take := s.take
		s.mu.Unlock()
		if take != nil && take(c, r) {
			return
		}
		if !s.answer(c, r) {
			return
		}
	}
}

// answer is what a lawful server does. It reports whether the connection goes on.
func (s *server) answer(c *conn, r *http.Request) bool {
	q := r.URL.Query()
	sid, transport := q.Get("sid"), q.Get("transport")
	var sess *session
	switch {
	case sid == "":
		sess = s.session(transport)
	default:
		s.mu.Lock()
		sid, _, _ = strings.Cut(sid, "&") // N-2
		sess = s.sessions[sid]
		s.mu.Unlock()
	}
	switch {
	case sess == nil:
		return c.say(httpAnswer(400, `{"code":1,"message":"Session ID unknown"}`)) == nil
	case transport == "websocket":
		if c.say(s.decorated(switching(r))) == nil {
			sess.websocket(c, sid == "")
		}
		return false
	case r.Method == http.MethodPost:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return false
		}
		ps, err := wire.DecodePayload(body)
		if err != nil {
			s.Errorf("the client sent %q: %v", body, err)
		}
		s.mu.Lock()
		refuse := s.refuse
		s.refuse = ""
		s.mu.Unlock()
		if refuse != "" {
			return c.say(refuse) == nil
		}
		sess.received(ps...)
		return c.say(s.decorated(httpAnswer(200, "ok"))) == nil
	case sid == "":
		return c.say(s.decorated(httpAnswer(200, "0"+s.opening(sess.sid)))) == nil
	}
	return sess.poll(c)
}

func (s *server) decorated(answer string) string {
	if s.decorate != nil {
		return s.decorate(answer)
	}
	return answer
}

func (s *server) opening(sid string) string {
	if s.open != nil {
		return s.open(sid)
	}
	return lawfulOpening(sid)
}

func lawfulOpening(sid string) string {
	return fmt.Sprintf(`{"sid":"%s","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,`+
		`"maxPayload":1000000}`, sid)
}

func httpAnswer(status int, body string) string {
	return fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Length: %d\r\n\r\n%s",
		status, http.StatusText(status), len(body), body)
}

// switching is the lawful answer to a handshake.
func switching(r *http.Request) string {
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		accept(r) + "\r\n\r\n"
}

// accept is the right Sec-WebSocket-Accept.
func accept(r *http.Request) string {
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// session makes a new session, of the test or of the echo.
func (s *server) session(transport string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	sess := &session{
		srv: s, sid: fmt.Sprintf("session%d", s.opened), out: make(chan string),
		instead: make(chan func(c *conn)), gone: make(chan struct{}),
		upgrading: make(chan struct{}), upgraded: make(chan struct{}), changed: make(chan struct{}),
	}
	s.sessions[sess.sid] = sess
	if s.opened <= s.hostile {
		s.mine <- sess
	} else {
		s.wg.Go(sess.echo) // ends with the session, or the server
	}
	return sess
}

// first waits for the next session that is the test's.
func (s *server) first() *session {
	s.Helper()
	select {
	case sess := <-s.mine:
		return sess
	case <-time.After(patience):
		s.Fatal("no client came")
		return nil
	}
}

// A session is the server's end of one.
type session struct {
	srv *server
	sid string

	out       chan string        // whole answers to polls
	instead   chan func(c *conn) // answers a poll by itself
	upgrading chan struct{}      // closed when polls are to be ended
	upgraded  chan struct{}      // closed when ws is there
	gone      chan struct{}      // closed when the client ended it
	ws        *conn

	mu      sync.Mutex
	in      []wire.Packet
	control []wire.Frame // the client's control frames
	polled  bool         // a poll waits for something to be said
	ended   bool
	lost    error         // how the WebSocket ended without a close frame
	changed chan struct{} // closed and replaced at each change
}

var errSession = errors.New("the session is over")

func (s *session) update(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *session) received(ps ...wire.Packet) {
	s.update(func() {
		s.in = append(s.in, ps...)
		for _, p := range ps {
			if !p.Binary && string(p.Data) == "1" {
				s.end()
			}
		}
	})
}

// end is called with the lock held.
func (s *session) end() {
	if !s.ended {
		s.ended = true
		close(s.gone)
	}
}

// poll answers a GET when there is something to say. A client that gives it up has ended the session.
func (s *session) poll(c *conn) bool {
	next := make(chan error, 1)
	s.srv.wg.Go(func() { // ends with the next request, or the connection
		_, err := c.in.Peek(1)
		next <- err
	})
	s.update(func() { s.polled = true })
	answered := func() { s.update(func() { s.polled = false }) }
	var err error
	select {
	case text := <-s.out:
		answered()
		err = c.say(text)
	case f := <-s.instead:
		answered()
		f(c)
		return false
	case <-s.upgrading:
		answered()
		err = c.say(httpAnswer(200, "6"))
	case <-s.gone:
		answered()
		err = c.say(httpAnswer(200, "6"))
	case <-next:
		s.update(s.end)
		return false
	case <-s.srv.done:
		return false
	}
	return err == nil && <-next == nil
}

// websocket serves the upgraded connection.
func (s *session) websocket(c *conn, first bool) {
	switch {
	case first:
		_, _ = c.Write(message("0" + s.srv.opening(s.sid)).Append(nil))
		s.ws = c
		close(s.upgraded)
	case s.srv.probe != nil:
		s.srv.probe(s, c)
		return
	default:
		if !s.upgrade(c) {
			return
		}
	}
	s.frames(c)
}

// upgrade is the server's part of it (EIO v4 §upgrade).
func (s *session) upgrade(c *conn) bool {
	if f, err := readFrame(c.in); err != nil || string(f.Payload) != "2probe" {
		return false
	}
	_, _ = c.Write(message("3probe").Append(nil))
	close(s.upgrading)
	if f, err := readFrame(c.in); err != nil || string(f.Payload) != "5" {
		return false
	}
	s.ws = c
	close(s.upgraded)
	return true
}

// frames reads what the client sends by WebSocket. A close frame is answered.
func (s *session) frames(c *conn) {
	defer s.update(s.end)
	for {
		f, err := readFrame(c.in)
		if err != nil {
			s.update(func() { s.lost = err })
			return
		}
		switch f.Opcode {
		case wire.Text, wire.Binary:
			s.received(wire.Packet{Binary: f.Opcode == wire.Binary, Data: f.Payload})
			continue
		}
		s.update(func() { s.control = append(s.control, f) })
		if f.Opcode == wire.CloseFrame {
			_, _ = c.Write(wire.Frame{Opcode: wire.CloseFrame, Unmasked: true}.Append(nil)) // it may be too late
			c.wait()
			return
		}
	}
}

// readFrame reads one frame of a client.
func readFrame(r io.Reader) (wire.Frame, error) {
	var head [14]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return wire.Frame{}, err
	}
	if head[1]&0x80 == 0 || head[0]&0x70 != 0 {
		return wire.Frame{}, fmt.Errorf("%w: a frame that begins with %x", wire.ErrUnexpected, head[:2])
	}
	n, size := uint64(head[1]&0x7f), 0
	switch n {
	case 126:
		size = 2
	case 127:
		size = 8
	}
	if _, err := io.ReadFull(r, head[2:2+size+4]); err != nil {
		return wire.Frame{}, err
	}
	switch size {
	case 2:
		n = uint64(binary.BigEndian.Uint16(head[2:]))
	case 8:
		n = binary.BigEndian.Uint64(head[2:])
	}
	if n > 64<<20 {
		return wire.Frame{}, fmt.Errorf("%w: a frame of %d bytes", wire.ErrUnexpected, n)
	}
	f := wire.Frame{NotFinal: head[0]&0x80 == 0, Opcode: head[0] & 0x0f, Payload: make([]byte, n)}
	if _, err := io.ReadFull(r, f.Payload); err != nil {
		return wire.Frame{}, err
	}
	for i := range f.Payload {
		f.Payload[i] ^= head[2+size+i&3]
	}
	return f, nil
}

// next waits for the client's next packet.
func (s *session) next() (wire.Packet, error) {
	return s.nextBy(time.After(patience))
}

func (s *session) nextBy(limit <-chan time.Time) (wire.Packet, error) {
	for {
		s.mu.Lock()
		if len(s.in) > 0 {
			p := s.in[0]
			s.in = s.in[1:]
			s.mu.Unlock()
			return p, nil
		}
		ended, changed := s.ended, s.changed
		s.mu.Unlock()
		if ended {
			return wire.Packet{}, errSession
		}
		select {
		case <-changed:
		case <-s.srv.done:
			return wire.Packet{}, errSession
		case <-limit:
			return wire.Packet{}, errors.New("the client says nothing")
		}
	}
}

// expect waits for the client's next packet and wants it to begin with prefix; it returns the rest.
func (s *session) expect(prefix string) string {
	s.srv.Helper()
	p, err := s.next()
	rest, ok := strings.CutPrefix(string(p.Data), prefix)
	if err != nil || p.Binary || !ok {
		s.srv.Fatalf("the client said %.200v, %v, instead of %s", p, err, prefix)
	}
	return rest
}

// said waits until f is content with the client's control frames.
func (s *session) said(what string, f func(control []wire.Frame) bool) {
	s.srv.Helper()
	limit := time.After(patience)
	for {
		s.mu.Lock()
		ok, ended, changed := f(s.control), s.ended, s.changed
		s.mu.Unlock()
		if ok {
			return
		}
		if ended {
			s.srv.Errorf("the connection ended without %s: %v", what, s.lost)
			return
		}
		select {
		case <-changed:
		case <-limit:
			s.srv.Fatalf("waited in vain for %s", what)
		}
	}
}

// polling waits for a poll that has nothing to say yet.
func (s *session) polling() {
	limit := time.After(patience)
	for {
		s.mu.Lock()
		ok, changed := s.polled, s.changed
		s.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-limit:
			s.srv.Error("the client does not poll")
			return
		}
	}
}

// closeFrame waits for the client's close frame.
func (s *session) closeFrame() (status int, reason string) {
	s.srv.Helper()
	s.said("a close frame", func(control []wire.Frame) bool {
		for _, f := range control {
			if f.Opcode == wire.CloseFrame {
				status, reason = f.CloseStatus()
				return true
			}
		}
		return false
	})
	return status, reason
}

// say sends packets as a lawful server does: as one payload, or as frames.
func (s *session) say(ps ...wire.Packet) {
	s.srv.Helper()
	if !s.onWebSocket() && s.text(httpAnswer(200, string(wire.EncodePayload(ps)))) {
		return
	}
	var b []byte
	for _, p := range ps {
		f := message(string(p.Data))
		if p.Binary {
			f.Opcode = wire.Binary
		}
		b = f.Append(b)
	}
	s.bytes(b)
}

func (s *session) onWebSocket() bool {
	select {
	case <-s.upgraded:
		return true
	default:
		return false
	}
}

// body answers the next poll with it.
func (s *session) body(text string) { s.srv.Helper(); s.text(httpAnswer(200, text)) }

// text answers the next poll with anything. It reports false if there will be no more polls, because of an upgrade.
func (s *session) text(text string) bool {
	s.srv.Helper()
	select {
	case s.out <- text:
	case <-s.gone:
	case <-s.upgraded:
		return false
	case <-s.srv.done:
	case <-time.After(patience):
		s.srv.Error("the client does not poll")
	}
	return true
}

// send writes frames with one call. It does not matter if the client has hung up before the last.
func (s *session) send(frames ...wire.Frame) {
	var b []byte
	for _, f := range frames {
		b = f.Append(b)
	}
	s.bytes(b)
}

// bytes writes to the WebSocket as it is.
func (s *session) bytes(b []byte) { _, _ = s.ws.Write(b) }

// message is a lawful text frame.
func message(text string) wire.Frame {
	return wire.Frame{Opcode: wire.Text, Unmasked: true, Payload: []byte(text)}
}

// join answers the client's CONNECT to the namespace, which comes next.
func (s *session) join(namespace string) {
	s.srv.Helper()
	head := "40"
	if namespace != "/" {
		head += namespace + ","
	}
	s.expect(head)
	s.say(wire.Txt(head + `{"sid":"of ` + s.sid + `"}`))
}

// echo serves the rest of a session.
func (s *session) echo() {
	for {
		p, err := s.nextBy(nil)
		if err != nil {
			return
		}
		if p.Binary || len(p.Data) < 2 || p.Data[0] != '4' {
			continue
		}
		rest, namespace := string(p.Data[2:]), ""
		if strings.HasPrefix(rest, "/") {
			i := strings.IndexByte(rest, ',')
			namespace, rest = rest[:i+1], rest[i+1:]
		}
		switch id := rest[:max(0, strings.IndexByte(rest, '['))]; p.Data[1] {
		case '0':
			s.say(wire.Txt("40" + namespace + `{"sid":"of ` + s.sid + `"}`))
		case '2':
			if args, ok := strings.CutPrefix(rest[len(id):], `["echo",`); ok && id != "" {
				s.say(wire.Txt("43" + namespace + id + "[" + args))
			}
		}
	}
}
