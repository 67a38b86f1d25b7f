package engineio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/internal/memnet"
)

// An env is a server on a network in memory, with what its handlers were told. It is made in a synctest bubble, so a
// goroutine that is left at the end of a test fails it.
type env struct {
	*Server
	t      *testing.T
	net    *memnet.Listener
	http   *http.Server
	client *http.Client

	mu       sync.Mutex
	sessions []*recorder
	onOpen   func(s *Socket, r *http.Request)
	onMsg    func(r *recorder, m Message)
}

// A record is what the Handler of a session was told, at either end.
type record struct {
	t *testing.T

	mu       sync.Mutex
	messages []Message
	taken    int           // of the messages, by expect
	news     chan struct{} // has one element when something may have been added to the messages
	busy     bool
	closes   int
	reason   Reason
	err      error
	closed   chan struct{}
	onClose  func() // the last that HandleClose does; may be nil
}

func newRecord(t *testing.T) record {
	return record{t: t, news: make(chan struct{}, 1), closed: make(chan struct{})}
}

// message records m, and calls do, which may be nil.
func (r *record) message(m Message, do func()) {
	r.enter()
	defer r.leave()
	r.mu.Lock()
	r.messages = append(r.messages, m)
	r.mu.Unlock()
	select {
	case r.news <- struct{}{}:
	default:
	}
	if do != nil {
		do()
	}
}

func (r *record) HandleClose(reason Reason, err error) {
	r.enter()
	r.mu.Lock()
	r.reason, r.err = reason, err
	if r.closes++; r.closes == 1 {
		close(r.closed)
	}
	r.mu.Unlock()
	r.leave()
	if r.onClose != nil {
		r.onClose()
	}
}

// enter and leave see to it that no two calls overlap.
func (r *record) enter() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy {
		r.t.Error("the handler is called concurrently")
	}
	if r.closes > 0 {
		r.t.Error("the handler is called after HandleClose")
	}
	r.busy = true
}

func (r *record) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy = false
}

// texts are the messages so far, binary ones in brackets.
func (r *record) texts() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, m := range r.messages {
		if m.Binary {
			all = append(all, fmt.Sprintf("[%x]", m.Data))
		} else {
			all = append(all, string(m.Data))
		}
	}
	return strings.Join(all, " ")
}

// next is the first message that next has not returned yet.
func (r *record) next() (m Message, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken == len(r.messages) {
		return Message{}, false
	}
	r.taken++
	return r.messages[r.taken-1], true
}

// expect waits for messages, in this order.
func (r *record) expect(ms ...*Prepared) {
	r.t.Helper()
	late := time.NewTimer(time.Hour)
	defer late.Stop()
	for i, want := range ms {
		got, ok := r.next()
		for !ok {
			select {
			case <-r.news:
			case <-late.C:
				r.t.Fatalf("message %d of %d, %.100q, did not come; %d calls of HandleClose(%q, %v)",
					i, len(ms), want.m.Data, r.closes, r.reason, r.err)
			}
			got, ok = r.next()
		}
		if got.Binary != want.m.Binary || !bytes.Equal(got.Data, want.m.Data) {
			r.t.Fatalf("message %d: binary %v, %d bytes %.100q, want binary %v, %d bytes %.100q",
				i, got.Binary, len(got.Data), got.Data, want.m.Binary, len(want.m.Data), want.m.Data)
		}
	}
}

// ended waits for the call of HandleClose.
func (r *record) ended() {
	r.t.Helper()
	select {
	case <-r.closed:
	case <-time.After(time.Hour):
		r.t.Fatal("the session does not end")
	}
}

// check looks at how a session ended whose context is ctx.
func (r *record) check(ctx context.Context, reason Reason) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reason != reason || r.closes != 1 {
		r.t.Errorf("HandleClose(%q, %v), %d times, want %q once", r.reason, r.err, r.closes, reason)
	}
	if got := context.Cause(ctx); got != reason {
		r.t.Errorf("cause of the context %v, want %v", got, reason)
	}
}

// alive checks that the session has not ended.
func (r *record) alive() {
	r.t.Helper()
	synctest.Wait()
	select {
	case <-r.closed:
		r.t.Fatalf("the session has ended: %s, %v", r.reason, r.err)
	default:
	}
}

// A recorder is the Handler of a server's session.
type recorder struct {
	record
	env    *env
	socket *Socket
}

func newRecorder(e *env, s *Socket) *recorder {
	return &recorder{record: newRecord(e.t), env: e, socket: s}
}

func (r *recorder) HandleMessage(m Message) {
	f := r.env.onMsg
	if f == nil {
		r.message(m, nil)
		return
	}
	r.message(m, func() { f(r, m) })
}

// want waits for the end of the session and checks it.
func (r *recorder) want(reason Reason) {
	r.t.Helper()
	r.ended()
	synctest.Wait()
	r.check(r.socket.Context(), reason)
}

// echo is an onMsg that sends back what comes.
func echo(r *recorder, m Message) { r.socket.Send(SendOptions{}, Prepare(m)) }

// An echoing Handler does the same for a server without an env.
type echoing struct{ s *Socket }

func (h echoing) HandleMessage(m Message)   { h.s.Send(SendOptions{}, Prepare(m)) }
func (h echoing) HandleClose(Reason, error) {}

// An ignoring Handler does nothing.
type ignoring struct{}

func (ignoring) HandleMessage(Message)     {}
func (ignoring) HandleClose(Reason, error) {}

// A sink counts what comes.
type sink struct{ got chan struct{} }

func (h *sink) HandleMessage(Message)     { h.got <- struct{}{} }
func (h *sink) HandleClose(Reason, error) {}

// bubble runs f with an env in a synctest bubble and checks that nothing is left.
func bubble(t *testing.T, o *Options, f func(t *testing.T, e *env)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, o)
		defer func() {
			if t.Failed() { // maybe in the middle of f: what is left would hide why
				e.Server.Close()
				e.http.Close()
			}
		}()
		f(t, e)
		e.Close()
		e.stop()
	})
}

func newEnv(t *testing.T, o *Options, configure ...func(*http.Server)) *env {
	e := &env{t: t, net: memnet.Listen()}
	e.Server = NewServer(func(s *Socket, r *http.Request) Handler {
		rec := newRecorder(e, s)
		e.mu.Lock()
		e.sessions = append(e.sessions, rec)
		e.mu.Unlock()
		if e.onOpen != nil {
			e.onOpen(s, r)
		}
		return rec
	}, o)
	e.http = &http.Server{Handler: e.Server, ErrorLog: log.New(io.Discard, "", 0)}
	for _, f := range configure {
		f(e.http)
	}
	go e.http.Serve(e.net) // ends with stop
	e.client = &http.Client{Transport: &http.Transport{DialContext: e.net.DialContext, DisableCompression: true}}
	return e
}

// stop ends the HTTP side and waits for every session.
func (e *env) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := e.Shutdown(ctx); err != nil {
		e.t.Errorf("sessions are left: %v", err)
	}
	if n := e.Count(); n != 0 {
		e.t.Errorf("%d sessions are left", n)
	}
	if st := e.Stats(); st.Polling != 0 || st.WebSocket != 0 {
		e.t.Errorf("gauges: %d polling, %d on WebSocket", st.Polling, st.WebSocket)
	}
	e.client.CloseIdleConnections()
	e.http.Close()
	<-time.After(time.Second) // net/http lingers half a second on connections with an unread body
}

// session is the nth session that was opened.
func (e *env) session(n int) *recorder {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.sessions[n]
}

func (e *env) rejected(name string, want uint64) {
	e.t.Helper()
	if got := e.Stats().Rejected[name]; got != want {
		e.t.Errorf("Rejected[%q] = %d, want %d (all: %v)", name, got, want, e.Stats().Rejected)
	}
}

// An answer is an HTTP response.
type answer struct {
	status int
	header http.Header
	body   string
	err    error
}

func (e *env) do(method, query, body string, header ...string) answer {
	e.t.Helper()
	return e.doContext(context.Background(), method, query, strings.NewReader(body), header...)
}

func (e *env) doContext(ctx context.Context, method, query string, body io.Reader, header ...string) answer {
	e.t.Helper()
	target := "http://server/engine.io/?" + query
	if strings.HasPrefix(query, "/") {
		target = "http://server" + query
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return answer{err: err}
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(b), err}
}

// later makes a request whose answer is waited for later.
func (e *env) later(method, query, body string, header ...string) <-chan answer {
	ch := make(chan answer, 1)
	go func() { ch <- e.do(method, query, body, header...) }() // ends with the answer
	synctest.Wait()
	return ch
}

func (a answer) want(t *testing.T, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Errorf("answer %d %.200q, %v, want %d %.200q", a.status, a.body, a.err, status, body)
	}
}

const handshakeQuery = "EIO=4&transport=polling"

// open opens a session by polling and returns the query of its further requests.
func (e *env) open() (query string, rec *recorder) {
	e.t.Helper()
	e.mu.Lock()
	n := len(e.sessions)
	e.mu.Unlock()
	a := e.do("GET", handshakeQuery, "")
	if a.status != 200 || !strings.HasPrefix(a.body, "0{") {
		e.t.Fatalf("handshake: %d %q, %v", a.status, a.body, a.err)
	}
	var h struct{ SID string }
	if err := json.Unmarshal([]byte(a.body[1:]), &h); err != nil {
		e.t.Fatal(err)
	}
	return handshakeQuery + "&sid=" + h.SID, e.session(n)
}

// A peer is the client end of a WebSocket, down to the bytes.
type peer struct {
	t    *testing.T
	conn *memnet.Conn
	r    *bufio.Reader
}

// dial opens a WebSocket; a status other than 101 is returned with its answer.
func (e *env) dial(query string, header ...string) (*peer, answer) {
	e.t.Helper()
	c, err := e.net.Dial(context.Background())
	if err != nil {
		e.t.Fatal(err)
	}
	return handshake(e.t, c, query, header...)
}

func handshake(t *testing.T, c *memnet.Conn, query string, header ...string) (*peer, answer) {
	t.Helper()
	h := http.Header{
		"Host": {"server"}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			h.Del(header[i])
		} else {
			h.Set(header[i], header[i+1])
		}
	}
	method := "GET"
	if m := h.Get("X-Method"); m != "" {
		method = m
		h.Del("X-Method")
	}
	path := "/engine.io/?" + query
	if strings.HasPrefix(query, "/") {
		path = query
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, path)
	h.Write(&b)
	b.WriteString("\r\n")
	c.Write(b.Bytes())
	p := &peer{t: t, conn: c, r: bufio.NewReader(c)}
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil {
		return nil, answer{err: err}
	}
	a := answer{status: resp.StatusCode, header: resp.Header}
	if resp.StatusCode != 101 {
		body, err := io.ReadAll(resp.Body)
		a.body, a.err = string(body), err
		if _, err := p.r.ReadByte(); err != io.EOF {
			t.Errorf("the connection of a refused upgrade stays open: %v", err)
		}
		c.Close()
		return nil, a
	}
	return p, a
}

// ws opens a session on WebSocket and reads the handshake.
func (e *env) ws(header ...string) (*peer, *recorder) {
	e.t.Helper()
	e.mu.Lock()
	n := len(e.sessions)
	e.mu.Unlock()
	p, a := e.dial("EIO=4&transport=websocket", header...)
	if p == nil {
		e.t.Fatalf("WebSocket refused: %d %q, %v", a.status, a.body, a.err)
	}
	if m := p.read(); !strings.HasPrefix(m, "0{") {
		e.t.Fatalf("first message %q", m)
	}
	return p, e.session(n)
}

// probe opens a WebSocket for an upgrade of the session with that query.
func (e *env) probe(query string) *peer {
	e.t.Helper()
	p, a := e.dial(strings.Replace(query, "polling", "websocket", 1))
	if p == nil {
		e.t.Fatalf("WebSocket refused: %d %q, %v", a.status, a.body, a.err)
	}
	return p
}

// frame is a masked frame with FIN set.
func frame(op byte, payload string) []byte {
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
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i&3])
	}
	return b
}

func (p *peer) send(texts ...string) {
	for _, s := range texts {
		p.conn.Write(frame(1, s))
	}
}

// next reads one frame.
func (p *peer) next() (op byte, payload string, err error) {
	var h [2]byte
	if _, err := io.ReadFull(p.r, h[:]); err != nil {
		return 0, "", err
	}
	n := uint64(h[1])
	switch n {
	case 126:
		var l [2]byte
		if _, err := io.ReadFull(p.r, l[:]); err != nil {
			return 0, "", err
		}
		n = uint64(binary.BigEndian.Uint16(l[:]))
	case 127:
		var l [8]byte
		if _, err := io.ReadFull(p.r, l[:]); err != nil {
			return 0, "", err
		}
		n = binary.BigEndian.Uint64(l[:])
	}
	b := make([]byte, n)
	_, err = io.ReadFull(p.r, b)
	return h[0] & 15, string(b), err
}

// read reads one message; a close frame is "close CODE REASON", the end of the connection "EOF".
func (p *peer) read() string {
	op, payload, err := p.next()
	switch {
	case errors.Is(err, io.EOF):
		return "EOF"
	case err != nil:
		return err.Error()
	case op == 8 && len(payload) >= 2:
		return strings.TrimSpace(fmt.Sprintf("close %d %s", binary.BigEndian.Uint16([]byte(payload)), payload[2:]))
	case op == 8:
		return "close"
	case op == 2:
		return fmt.Sprintf("[%x]", payload)
	}
	return payload
}

func (p *peer) want(messages ...string) {
	p.t.Helper()
	for _, want := range messages {
		if got := p.read(); got != want {
			p.t.Fatalf("got %.200q, want %.200q", got, want)
		}
	}
}

// wantClose expects a close frame, answers it, and expects the end of the connection.
func (p *peer) wantClose(close string) {
	p.t.Helper()
	p.want(close)
	p.conn.Write(frame(8, "\x03\xe8"))
	p.want("EOF")
	p.conn.Close()
}

// A tcpPeer reads from a real connection.
type tcpPeer struct{ peer }

func newTCPPeer(t *testing.T, c net.Conn) *tcpPeer {
	return &tcpPeer{peer{t: t, r: bufio.NewReader(c)}}
}

// skip reads the answer of the handshake and the open packet.
func (p *tcpPeer) skip() {
	p.t.Helper()
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil || resp.StatusCode != 101 {
		p.t.Fatalf("%v, %v", resp, err)
	}
	p.message()
}

// message reads one frame and returns what is in it.
func (p *tcpPeer) message() string {
	p.t.Helper()
	_, m, err := p.next()
	if err != nil {
		p.t.Fatal(err)
	}
	return m
}
