package engineio

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const upgradeHeaders = "Host: s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// U-14: what is pipelined behind an upgrade that is refused is not taken for anything, and the refusal is sent.
func TestBytesBehindARefusedUpgrade(t *testing.T) {
	s, l := tcp(t, nil, func(s *Socket, r *http.Request) Handler { return funcHandler{} })
	for range 20 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(5 * time.Minute))
		io.WriteString(c, "GET /engine.io/?EIO=4&transport=foobar HTTP/1.1\r\n"+upgradeHeaders)
		c.Write(make([]byte, 64<<10))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != 400 || !resp.Close {
			t.Errorf("%v, %v", resp, err)
		}
		c.Close()
	}
	if n := s.Count(); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// T-10, W-10: upgrades, refused or not, whose connection is reset at once.
func TestResetAfterUpgrade(t *testing.T) {
	var opened sync.WaitGroup
	var living atomic.Int64 // not a WaitGroup: the server may come to a request when its client has long gone
	s, l := tcp(t, nil, func(s *Socket, r *http.Request) Handler {
		living.Add(1)
		return funcHandler{func(Message) {}, func(Reason, error) { living.Add(-1) }}
	})
	for i := range 200 {
		opened.Go(func() {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			transport := []string{"websocket", "foobar", "websocket&sid=none"}[i%3]
			fmt.Fprintf(c, "GET /engine.io/?EIO=4&transport=%s HTTP/1.1\r\n%s", transport, upgradeHeaders)
			if i%2 == 0 {
				c.Read(make([]byte, 1))
			}
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
		})
		if i%10 == 9 {
			opened.Wait()
		}
	}
	for living.Load() != 0 || s.Count() != 0 { // HandleClose comes before the last word
		<-time.After(time.Millisecond)
	}
}

// T-12: Upgrade behind hundreds of headers is an upgrade still, or the request is refused, and never half of it.
func TestManyHeaders(t *testing.T) {
	_, l := tcp(t, nil, func(s *Socket, r *http.Request) Handler {
		return funcHandler{func(Message) {}, func(Reason, error) {}}
	})
	for n, want := range map[int]int{400: 101, 200_000: 431} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c.SetDeadline(time.Now().Add(5 * time.Minute))
		go func() { // ends when written or refused
			io.WriteString(c, "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\n"+
				strings.Repeat("X-A: b\r\n", n)+upgradeHeaders)
		}()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != want {
			t.Errorf("%d headers: %v, %v", n, resp, err)
		}
		c.Close()
	}
}

// T-18: many POSTs that end their session are all answered.
func TestBinaryPostsAreAnswered(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				a := e.do("GET", handshakeQuery, "")
				_, id, _ := strings.Cut(a.body, `"sid":"`)
				start := time.Now()
				e.do("POST", handshakeQuery+"&sid="+id[:20], "4x",
					"Content-Type", "application/octet-stream").want(t, 400, "")
				if d := time.Since(start); d > 100*time.Millisecond {
					t.Errorf("after %v", d)
				}
			})
		}
		wg.Wait()
		if n := e.Count(); n != 0 {
			t.Errorf("%d sessions", n)
		}
	})
}

// Requests of many kinds for one session at the same time, from many goroutines: for the race detector.
func TestStorm(t *testing.T) {
	for range 20 {
		bubble(t, nil, func(t *testing.T, e *env) {
			e.onMsg = echo
			q, rec := e.open()
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() { e.do("GET", q, "") })
				wg.Go(func() { e.do("POST", q, "4x\x1e4y") })
				wg.Go(func() {
					p, _ := e.dial(strings.Replace(q, "polling", "websocket", 1))
					if p == nil {
						return // the session was closed first
					}
					p.send("2probe", "5", "4z")
					go io.Copy(io.Discard, p.conn) // ends with the connection
					<-time.After(time.Duration(i) * 50 * time.Millisecond)
					p.conn.Close()
				})
				wg.Go(func() { rec.socket.Send(SendOptions{Volatile: i%2 == 0}, text("v")) })
				wg.Go(func() {
					<-time.After(time.Duration(i) * 40 * time.Millisecond)
					if i == 3 {
						rec.socket.Close()
					}
				})
			}
			wg.Wait()
		})
	}
}

// H-37: polling over HTTP/2.
func TestPollingOverHTTP2(t *testing.T) {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, nil, func(s *http.Server) {
			s.Protocols, s.ReadTimeout, s.WriteTimeout = protocols, 5*time.Second, 5*time.Second
		})
		e.client.Transport = &http.Transport{DialContext: e.net.DialContext, Protocols: protocols}
		e.onMsg = echo
		q, rec := e.open()
		get := e.later("GET", q, "")
		<-time.After(10 * time.Second)
		e.do("POST", q, "4hello").want(t, 200, "ok")
		(<-get).want(t, 200, "4hello")
		e.do("POST", q, "bAQID").want(t, 200, "ok")
		e.do("GET", q, "").want(t, 200, "bAQID")
		long := strings.Repeat("x", 200_000)
		e.do("POST", q, "4"+long).want(t, 200, "ok")
		e.do("GET", q, "").want(t, 200, "4"+long)
		<-time.After(14 * time.Second) // no deadline stays behind
		e.do("POST", q, "4again").want(t, 200, "ok")
		e.do("GET", q, "").want(t, 200, "4again")
		e.do("PUT", q, "").want(t, 405, "")
		e.do("GET", "EIO=4&transport=websocket", "").want(t, 400, code3U)
		ctx, cancel := context.WithCancel(t.Context())
		go e.doContext(ctx, "GET", q, nil) // ends with cancel
		synctest.Wait()
		rec.alive()
		cancel()
		rec.want(TransportError)

		q, rec = e.open()
		get = e.later("GET", q, "")
		e.do("GET", q, "").want(t, 400, "")
		(<-get).want(t, 200, "1")
		rec.want(TransportError)
		e.Close()
		e.stop()
	})
}

// A ResponseWriter that can do no more than the interface asks for.
func TestPlainResponseWriter(t *testing.T) {
	s := NewServer(func(s *Socket, r *http.Request) Handler { return echoing{s} }, nil)
	do := func(method, query, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		s.ServeHTTP(struct{ http.ResponseWriter }{w},
			httptest.NewRequest(method, "/engine.io/?"+query, strings.NewReader(body)))
		return w
	}
	w := do("GET", handshakeQuery, "")
	_, id, _ := strings.Cut(w.Body.String(), `"sid":"`)
	q := handshakeQuery + "&sid=" + id[:20]
	if w := do("POST", q, "4"+strings.Repeat("x", 5000)); w.Body.String() != "ok" {
		t.Errorf("POST: %d %q", w.Code, w.Body)
	}
	if w := do("GET", q, ""); w.Body.Len() != 5001 {
		t.Errorf("GET: %d %q", w.Code, w.Body)
	}
	r := httptest.NewRequest("GET", "/engine.io/?EIO=4&transport=websocket", nil)
	r.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	for _, query := range []string{"", "&sid=" + id[:20]} {
		r.URL.RawQuery = "EIO=4&transport=websocket" + query
		w := httptest.NewRecorder()
		s.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
		if w.Code != 501 {
			t.Errorf("upgrade: %d %q", w.Code, w.Body)
		}
	}
	if n := s.Count(); n != 1 {
		t.Errorf("%d sessions", n)
	}
	s.Close()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// A broadcast by Defer and Flush over real connections, one of which does not read: Flush does not wait for it, and
// what it is owed comes in order when it reads.
func TestFlushOnRealConnections(t *testing.T) {
	open := make(chan *Socket, 1)
	_, l := tcp(t, &Options{MaxQueueBytes: 64 << 20, MaxPayload: 1 << 20}, func(s *Socket, r *http.Request) Handler {
		open <- s
		return funcHandler{s.testEcho, func(Reason, error) {}}
	})
	var peers []*tcpPeer
	var sockets []*Socket
	for range 4 {
		c := dialTCP(t, l)
		defer c.Close()
		peers = append(peers, newTCPPeer(t, c))
		sockets = append(sockets, <-open)
	}
	const n = 2000
	pad := strings.Repeat("x", 8000)
	read := func(p *tcpPeer) {
		p.skip()
		for i := range n {
			if got := p.message(); got != fmt.Sprint("4", i, pad) {
				t.Errorf("got %.20q, want message %d", got, i)
				return
			}
		}
	}
	var wg sync.WaitGroup
	for _, p := range peers[1:] {
		wg.Go(func() { read(p) })
	}
	for i := range n { // 16 MB, more than a kernel takes for one that does not read
		m := text(fmt.Sprint(i, pad))
		for _, s := range sockets {
			if err := s.Send(SendOptions{Defer: true}, m); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range sockets {
			s.Flush()
		}
	}
	wg.Wait()
	read(peers[0])
}

// TLS: no descriptor that may be written to, so all output goes by the flusher's goroutine.
func TestTLS(t *testing.T) {
	open := make(chan *Socket, 1)
	end := make(chan error, 1)
	s := NewServer(func(s *Socket, r *http.Request) Handler {
		open <- s
		return funcHandler{s.testEcho, closedInto(end)}
	}, nil)
	srv := httptest.NewTLSServer(s)
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	c, err := tls.Dial("tcp", srv.Listener.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "example.com"})
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\n"+upgradeHeaders)
	p := newTCPPeer(t, c)
	p.skip()
	sock := <-open
	const n = 2000
	go func() { // ends after n messages
		for i := range n {
			sock.Send(SendOptions{Defer: true}, text(fmt.Sprint(i)))
			sock.Flush()
		}
	}()
	for i := range n {
		if got := p.message(); got != fmt.Sprint("4", i) {
			t.Fatalf("got %q, want message %d", got, i)
		}
	}
	c.Write(frame(1, "4hello"))
	if got := p.message(); got != "4hello" {
		t.Errorf("got %q", got)
	}
	c.NetConn().Close()
	if err := <-end; !errors.Is(err, TransportClose) {
		t.Errorf("ended with %v", err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
