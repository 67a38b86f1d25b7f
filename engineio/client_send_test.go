package engineio

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/memnet"
	"sio.example/socketio/internal/websocket"
)

// TestClientQueueIsBounded: what does not fit is refused, and the session goes on.
func TestClientQueueIsBounded(t *testing.T) {
	var release chan bool
	scripted(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			<-release
		}
		answerPolling(w, r)
	}, func(t *testing.T, s *script) {
		release = make(chan bool)
		o := s.options("polling")
		o.MaxQueueBytes, o.MaxQueuePackets = 1000, 10
		p := s.open(o)
		send := func(want error, o SendOptions, ms ...*Prepared) {
			t.Helper()
			if err := p.socket.Send(o, ms...); err != want {
				t.Errorf("Send: %v, want %v", err, want)
			}
		}
		big := text(strings.Repeat("x", 5000))
		send(nil, SendOptions{}, big) // alone
		send(ErrQueueFull, SendOptions{}, text("a"))
		send(nil, SendOptions{Volatile: true}, text("dropped"))
		send(nil, SendOptions{NoLimit: true}, text("b"))
		release <- true
		synctest.Wait()
		for i := range 9 { // and b
			send(nil, SendOptions{}, text(fmt.Sprint(i)))
		}
		send(ErrQueueFull, SendOptions{}, text("a"))
		close(release)
		synctest.Wait()
		send(nil, SendOptions{}, text("end"))
		p.alive()
		if got := s.bodies(); len(got) != 4 || got[3] != "4end" {
			t.Errorf("posted %d", len(got))
		}
		p.socket.Close()
		p.want(ForcedClose)
	})
}

// A countedConn counts the writes.
type countedConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countedConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// TestClientCoalesces: many messages go out with few writes.
func TestClientCoalesces(t *testing.T) {
	bubble(t, &Options{MaxQueuePackets: 100_000}, func(t *testing.T, e *env) {
		var writes atomic.Int64
		o := e.clientOptions("websocket")
		o.NetDial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := e.net.Dial(ctx)
			return countedConn{c, &writes}, err
		}
		p := e.join(o)
		e.session(0) // opened
		const n = 10_000
		writes.Store(0)
		for i := range n {
			p.socket.Send(SendOptions{}, text(fmt.Sprint(i)))
		}
		<-time.After(time.Second)
		if got := len(strings.Fields(e.session(0).texts())); got != n {
			t.Errorf("%d of %d messages came", got, n)
		}
		if w := writes.Load(); w > n/20 {
			t.Errorf("%d writes for %d messages", w, n)
		}
		writes.Store(0)
		for i := range 100 {
			p.socket.Send(SendOptions{Defer: true}, text(fmt.Sprint(i)))
		}
		synctest.Wait()
		if w := writes.Load(); w > 0 {
			t.Errorf("%d writes before Flush", w)
		}
		p.socket.Flush()
		p.socket.Flush()
		synctest.Wait()
		if w := writes.Load(); w != 1 {
			t.Errorf("%d writes for one Flush", w)
		}
		p.socket.Close()
		p.want(ForcedClose)
	})
}

// TestClientVolatile: while the network holds up what is written, volatile messages are dropped.
func TestClientVolatile(t *testing.T) {
	var read chan bool
	var got []string
	scripted(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Upgrade(w, r, &websocket.Options{MaxMessage: 10 << 20})
		if err != nil {
			return
		}
		say(c, openWebSocket)
		<-read
		for {
			_, m, err := c.Read()
			if err != nil {
				return
			}
			got = append(got, string(m[:min(len(m), 10)]))
		}
	}, func(t *testing.T, s *script) {
		read = make(chan bool)
		p := s.open(s.options("websocket"))
		p.socket.Send(SendOptions{Volatile: true}, text("first"))
		p.socket.Send(SendOptions{}, text(strings.Repeat("x", 1<<20)))
		<-time.After(time.Second)
		p.socket.Send(SendOptions{Volatile: true}, text("dropped"))
		p.socket.Send(SendOptions{}, text("second"))
		close(read)
		p.alive()
		p.socket.Send(SendOptions{Volatile: true}, text("third"))
		p.socket.Close()
		p.want(ForcedClose)
		synctest.Wait()
		if g := strings.Join(got, " "); g != "4first 4xxxxxxxxx 4second 4third" {
			t.Errorf("the server got %s", g)
		}
	})
}

// TestClientOnTLS: certificates are checked by default, on both transports, and Done leaves no connection.
func TestClientOnTLS(t *testing.T) {
	engine := NewServer(func(s *Socket, _ *http.Request) Handler { return echoing{s} }, nil)
	srv := httptest.NewUnstartedServer(engine)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	for _, transports := range []string{"polling", "websocket", "polling,websocket"} {
		o := &DialOptions{Transports: strings.Split(transports, ",")}
		_, err := Dial(t.Context(), srv.URL, nil, o)
		var unknown x509.UnknownAuthorityError
		if !errors.As(err, &unknown) {
			t.Errorf("%s: %v", transports, err)
		}
		o.TLS = &tls.Config{RootCAs: roots, NextProtos: []string{"h2"}}
		_, err = Dial(t.Context(), strings.Replace(srv.URL, "127.0.0.1", "localhost", 1), nil, o)
		var host x509.HostnameError
		if !errors.As(err, &host) {
			t.Errorf("%s: %v", transports, err)
		}
		h := &sink{make(chan struct{}, 10)}
		upgraded := make(chan error, 1)
		o.Trace = &Trace{Upgrade: func(_ string, err error) { upgraded <- err }}
		s, err := Dial(t.Context(), srv.URL, func(*ClientSocket) Handler { return h }, o)
		if err != nil {
			t.Fatalf("%s: %v", transports, err)
		}
		if len(o.Transports) > 1 {
			if err := <-upgraded; err != nil {
				t.Error(err)
			}
		}
		s.Send(SendOptions{}, text("hello"))
		<-h.got
		s.Close()
		<-s.Done()
	}
}

// TestClientProxy: both transports go through it, with its password; nothing tells what that is.
func TestClientProxy(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		e.onMsg = echo
		var tunnels, forwards atomic.Int32
		proxy := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Proxy-Authorization") != "Basic dTpzZWNyZXQ=" {
				w.WriteHeader(http.StatusProxyAuthRequired)
				return
			}
			if r.Method != http.MethodConnect {
				forwards.Add(1)
				r.RequestURI = ""
				res, err := e.client.Transport.RoundTrip(r)
				if err != nil {
					return
				}
				w.WriteHeader(res.StatusCode)
				io.Copy(w, res.Body)
				res.Body.Close()
				return
			}
			tunnels.Add(1)
			c, buf, _ := http.NewResponseController(w).Hijack()
			defer c.Close()
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			to, err := e.net.Dial(context.Background())
			if err != nil {
				return
			}
			go func() { // ends with the connection
				io.Copy(c, to)
				c.Close()
			}()
			io.Copy(to, bufio.NewReader(buf))
			to.Close()
		})}
		proxyNet := memnet.Listen()
		go proxy.Serve(proxyNet) // ends with Close
		defer proxy.Close()
		for _, transports := range []string{"polling", "websocket", "polling,websocket"} {
			o := &DialOptions{Transports: strings.Split(transports, ","),
				NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
					if addr != "proxy:3128" {
						return nil, fmt.Errorf("dialed %s", addr)
					}
					return proxyNet.DialContext(ctx, network, addr)
				}}
			o.Proxy = func(r *http.Request) (*url.URL, error) {
				return &url.URL{Scheme: "http", Host: "proxy:3128", User: url.UserPassword("u", "secret")}, nil
			}
			p := e.join(o)
			<-time.After(time.Second)
			p.socket.Send(SendOptions{}, text("hello"))
			<-time.After(time.Second)
			if got := p.texts(); got != "hello" {
				t.Errorf("%s: got %q", transports, got)
			}
			p.socket.Close()
			p.want(ForcedClose)
			if polling := strings.HasPrefix(transports, "polling"); (forwards.Swap(0) > 0) != polling ||
				(tunnels.Swap(0) > 0) != (transports != "polling") {
				t.Errorf("%s did not go through the proxy", transports)
			}

			o.Transports = o.Transports[:1]
			o.Proxy = func(r *http.Request) (*url.URL, error) {
				return &url.URL{Scheme: "http", Host: "proxy:3128", User: url.UserPassword("u", "wrong-secret")}, nil
			}
			_, err := Dial(t.Context(), "http://server", nil, o)
			if err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s, refused by the proxy: %v", transports, err)
			}
			o.Proxy = func(r *http.Request) (*url.URL, error) { return nil, errors.New("bad URL http://u:secret@proxy") }
			_, err = Dial(t.Context(), "http://server", nil, o)
			if err == nil || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s, without a valid proxy: %v", transports, err)
			}
		}
		e.client.CloseIdleConnections()
	})
}

// TestClientSendAllocations: what is sent allocates nothing once buffers are in the pools.
func TestClientSendAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	srv := httptest.NewServer(NewServer(func(*Socket, *http.Request) Handler { return ignoring{} }, nil))
	defer srv.Close()
	s, err := Dial(t.Context(), srv.URL, func(*ClientSocket) Handler { return ignoring{} },
		&DialOptions{Transports: []string{"websocket"}})
	if err != nil {
		t.Fatal(err)
	}
	m := text("a message of some length, as they come")
	n := testing.AllocsPerRun(2000, func() {
		for range 10 {
			_ = s.Send(SendOptions{Defer: true}, m)
		}
		s.Flush()
	})
	if n > 11 { // the server in this process allocates each message that it receives
		t.Errorf("%v allocations for 10 messages", n)
	}
	s.Close()
	<-s.Done()
	if err := s.Send(SendOptions{}, m); err != ErrClosed {
		t.Error(err)
	}
}

// A Trace that ends the goroutine of Flush, or panics on it, ends the session, and nobody waits for its writer.
func TestClientTraceThatExitsInFlush(t *testing.T) {
	for how, exit := range map[string]func(){"panic": func() { panic("x") }, "Goexit": runtime.Goexit} {
		for _, transport := range []string{transportWebSocket, transportStream} {
			t.Run(how+" "+transport, func(t *testing.T) {
				bubble(t, &Options{Transports: []string{transport}}, func(t *testing.T, e *env) {
					var armed atomic.Bool
					o := e.clientOptions(transport)
					o.Trace = &Trace{Packet: func(_ string, sent bool, _ packet.Packet) {
						if sent && armed.CompareAndSwap(true, false) {
							exit()
						}
					}}
					var stream *streamPeer
					o.DialStream = func(context.Context, *http.Request) (io.ReadWriteCloser, error) {
						stream = e.serve(context.Background(), nil, nil)
						return stream.conn, nil
					}
					p := e.join(o)
					synctest.Wait()
					armed.Store(true)
					p.socket.Send(SendOptions{Defer: true}, text("x"))
					done := make(chan struct{})
					go func() { // ends with Flush
						defer close(done)
						defer func() { recover() }()
						p.socket.Flush()
					}()
					<-done
					p.want(TransportClose)
					if stream != nil {
						<-stream.done
					}
				})
			})
		}
	}
}
