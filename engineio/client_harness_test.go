package engineio

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/internal/memnet"
	"sio.example/socketio/internal/websocket"
)

// An endpoint is the Handler of a client's session.
type endpoint struct {
	record
	socket *ClientSocket
	onMsg  func(m Message)
}

func newEndpoint(t *testing.T) *endpoint { return &endpoint{record: newRecord(t)} }

func (p *endpoint) HandleMessage(m Message) {
	if p.onMsg == nil {
		p.message(m, nil)
		return
	}
	p.message(m, func() { p.onMsg(m) })
}

// send sends messages that the session must take.
func (p *endpoint) send(ms ...*Prepared) {
	p.t.Helper()
	if err := p.socket.Send(SendOptions{}, ms...); err != nil {
		p.t.Fatalf("Send: %v", err)
	}
}

// want waits for the end of the session, until nothing is left of it, and checks it.
func (p *endpoint) want(reason Reason) {
	p.t.Helper()
	select {
	case <-p.socket.Done():
	case <-time.After(time.Hour):
		p.t.Fatal("the session does not end")
	}
	p.check(p.socket.Context(), reason)
}

// clientOptions are those of a client of this server.
func (e *env) clientOptions(transports ...string) *DialOptions {
	return &DialOptions{Transports: transports, NetDial: e.net.DialContext}
}

func (e *env) join(o *DialOptions) *endpoint {
	e.t.Helper()
	p, err := dialEndpoint(e.t, "http://server", o)
	if err != nil {
		e.t.Fatal(err)
	}
	return p
}

func dialEndpoint(t *testing.T, url string, o *DialOptions) (*endpoint, error) {
	p := newEndpoint(t)
	s, err := Dial(context.Background(), url, func(s *ClientSocket) Handler { p.socket = s; return p }, o)
	if s != p.socket {
		t.Error("open got another socket than Dial returned")
	}
	return p, err
}

// A script is a server that says what a test wants it to say.
type script struct {
	t      *testing.T
	net    *memnet.Listener
	handle func(w http.ResponseWriter, r *http.Request)

	mu       sync.Mutex
	requests []*http.Request
	posts    []string // bodies
	polls    int      // GETs under way
	posting  int      // POSTs under way
	overlaps bool     // do not count them: the server is not done with a request when the client is
}

// scripted runs f with a server in a synctest bubble, and checks that nothing is left.
func scripted(t *testing.T, handle func(w http.ResponseWriter, r *http.Request), f func(t *testing.T, s *script)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, net: memnet.Listen(), handle: handle}
		srv := &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0)}
		go srv.Serve(s.net) // ends with Close
		f(t, s)
		srv.Close()
		s.net.Close()
		<-time.After(time.Second) // net/http lingers half a second on connections with an unread body
	})
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // net/http sees the end of a connection only then
	s.mu.Lock()
	count := &s.polls
	if r.Method == http.MethodPost {
		count = &s.posting
		s.posts = append(s.posts, string(body))
	}
	if r.Header.Get("Upgrade") == "" {
		if *count++; *count > 1 && !s.overlaps {
			s.t.Errorf("two requests at once: %s", r.Method)
		}
		defer func() {
			s.mu.Lock()
			*count--
			s.mu.Unlock()
		}()
	}
	s.requests = append(s.requests, r)
	s.mu.Unlock()
	s.handle(w, r)
}

func (s *script) options(transports ...string) *DialOptions {
	return &DialOptions{Transports: transports, NetDial: s.net.DialContext,
		Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }}
}

// bodies are those of the POSTs so far.
func (s *script) bodies() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.posts)
}

// refused expects that Dial fails, and returns the error.
func (s *script) refused(o *DialOptions) *ClientError {
	s.t.Helper()
	sock, err := Dial(s.t.Context(), "http://server", func(*ClientSocket) Handler {
		s.t.Error("open was called")
		return nil
	}, o)
	var ce *ClientError
	if sock != nil || !errors.As(err, &ce) {
		s.t.Fatalf("Dial: %v, %v", sock, err)
	}
	return ce
}

const (
	openPolling   = `0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100}`
	openUpgrade   = `0{"sid":"x","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100}`
	openWebSocket = openPolling
)

// first reports whether r opens a session.
func first(r *http.Request) bool { return !r.URL.Query().Has("sid") }

// hang waits until the client gives r up.
func hang(r *http.Request) { <-r.Context().Done() }

// answerPolling is a server on polling that opens, takes what is posted, and says nothing.
func answerPolling(w http.ResponseWriter, r *http.Request) {
	switch {
	case first(r):
		io.WriteString(w, openPolling)
	case r.Method == http.MethodPost:
		io.WriteString(w, "ok")
	default:
		hang(r)
	}
}

// webSocketScript upgrades, sends, and goes on with f.
func webSocketScript(send string, f func(c *websocket.Conn)) func(w http.ResponseWriter, r *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		if send != "" {
			c.WriteFrames(websocket.AppendFrame(nil, websocket.Text, []byte(send)))
		}
		f(c)
		drainConn(c)
	}
}

// drainConn reads until the connection has ended.
func drainConn(c *websocket.Conn) {
	for {
		if _, _, err := c.Read(); err != nil {
			c.Wait()
			return
		}
	}
}
