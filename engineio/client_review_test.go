package engineio

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/websocket"
)

// takeOver answers with the bytes of answer, and keeps the connection until the client closes it.
func takeOver(w http.ResponseWriter, answer string) {
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer nc.Close()
	io.WriteString(nc, answer)
	io.Copy(io.Discard, rw)
}

// TestClientSwitchedProtocols: a 101 to what is no handshake hands the connection over to us, and nothing of net/http
// watches it any more. A server that says nothing on it must not hold up anything.
func TestClientSwitchedProtocols(t *testing.T) {
	const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
	for name, opens := range map[string]bool{"open": false, "poll": true} {
		t.Run(name, func(t *testing.T) {
			scripted(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case first(r) && opens:
					io.WriteString(w, openPolling)
				case r.Method == http.MethodPost:
					io.WriteString(w, "ok")
				default:
					takeOver(w, switching)
				}
			}, func(t *testing.T, s *script) {
				if !opens {
					if e := s.refused(s.options("polling")); e.Status != http.StatusSwitchingProtocols {
						t.Errorf("%v", e)
					}
					return
				}
				p := s.open(s.options("polling"))
				p.want(TransportError)
			})
		})
	}
}

// TestClientCookiesOfHost: cookies belong to the host that the server is asked as, on both transports.
func TestClientCookiesOfHost(t *testing.T) {
	users, _ := cookiejar.New(nil)
	for name, jar := range map[string]http.CookieJar{"own": nil, "user's": users} {
		t.Run(name, func(t *testing.T) {
			scripted(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case first(r):
					http.SetCookie(w, &http.Cookie{Name: "sticky", Value: "a"})
					io.WriteString(w, openUpgrade)
				case r.Header.Get("Upgrade") != "":
					w.WriteHeader(http.StatusBadRequest)
				default:
					answerPolling(w, r)
				}
			}, func(t *testing.T, s *script) {
				o := s.options()
				o.Jar = jar
				o.Header = http.Header{"Host": {"virtual.example"}}
				p := s.open(o)
				p.alive()
				p.socket.Close()
				p.want(ForcedClose)
				for _, r := range s.requests[1:] {
					if got := r.Header.Get("Cookie"); got != "sticky=a" || r.Host != "virtual.example" {
						t.Errorf("%s %s to %s: cookies %q", r.Method, r.Header.Get("Upgrade"), r.Host, got)
					}
				}
				if len(s.requests) < 3 {
					t.Errorf("%d requests", len(s.requests))
				}
			})
		})
	}
}

// TestClientCertificateNames: what a certificate says is the server's, too.
func TestClientCertificateNames(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"evil\n\x1b[31m"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der},
		PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { // ends with the listener
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			nc.(*tls.Conn).Handshake()
			nc.Close()
		}
	}()
	for _, transport := range []string{"polling", "websocket"} {
		_, err := Dial(t.Context(), "https://"+l.Addr().String(), nil, &DialOptions{
			Transports: []string{transport}, TLS: &tls.Config{RootCAs: roots, ServerName: "good.example"},
		})
		var verification *tls.CertificateVerificationError
		if !errors.As(err, &verification) {
			t.Errorf("%s: %v", transport, err)
		} else if strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%s: the error has the server's text: %q", transport, err.Error())
		}
	}
}

// TestClientSlowMessage: a message may take as long as the heartbeat allows.
func TestClientSlowMessage(t *testing.T) {
	scripted(t, func(w http.ResponseWriter, r *http.Request) {
		webSocketScript(openWebSocket, func(c *websocket.Conn) {
			frame := websocket.AppendFrame(nil, websocket.Text, []byte("4"+strings.Repeat("x", 80)))
			for i := range 40 {
				c.WriteFrames(frame[2*i : 2*i+2])
				<-time.After(time.Second)
			}
			c.WriteFrames(frame[80:])
		})(w, r)
	}, func(t *testing.T, s *script) {
		p := s.open(s.options("websocket"))
		<-time.After(42 * time.Second)
		p.alive()
		if got := p.texts(); len(got) != 80 {
			t.Errorf("got %q", got)
		}
		p.socket.Close()
		p.want(ForcedClose)
	})
}

// TestClientStaleTimer: a heartbeat timer that fires while Close begins does not drop what is queued.
func TestClientStaleTimer(t *testing.T) {
	scripted(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			<-time.After(time.Second)
		}
		answerPolling(w, r)
	}, func(t *testing.T, s *script) {
		p := s.open(s.options("polling"))
		p.socket.Send(SendOptions{}, text("one"))
		synctest.Wait()
		p.socket.Send(SendOptions{}, text("two"))
		p.socket.Close()
		p.socket.onTimer() // as if it had waited for the lock
		p.want(ForcedClose)
		if got := strings.Join(s.bodies(), " "); got != "4one 4two 1" {
			t.Errorf("posted %q", got)
		}
	})
}

// TestClientFailedTransport: a transport that could not open is not tried again by an upgrade.
func TestClientFailedTransport(t *testing.T) {
	scripted(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Upgrade") != "":
			w.WriteHeader(http.StatusBadRequest)
		case first(r):
			io.WriteString(w, openUpgrade)
		default:
			answerPolling(w, r)
		}
	}, func(t *testing.T, s *script) {
		o := s.options("websocket", "polling")
		o.TryAllTransports = true
		p := s.open(o)
		p.alive()
		handshakes := 0
		for _, r := range s.requests {
			if r.Header.Get("Upgrade") != "" {
				handshakes++
			}
		}
		if handshakes != 1 {
			t.Errorf("%d WebSocket handshakes", handshakes)
		}
		p.socket.Close()
		p.want(ForcedClose)
	})
}

// TestClientPingBehindMessages: a ping that has come in the same answer as messages that take long counts as come.
func TestClientPingBehindMessages(t *testing.T) {
	var rest []string
	scripted(t, func(w http.ResponseWriter, r *http.Request) {
		if !first(r) && r.Method == http.MethodGet && len(rest) > 0 {
			io.WriteString(w, rest[0])
			rest = rest[1:]
			return
		}
		answerPolling(w, r)
	}, func(t *testing.T, s *script) {
		rest = []string{"4one\x1e4two\x1e2"}
		o := s.options("polling")
		o.Trace = &Trace{Packet: func(_ string, sent bool, p packet.Packet) {
			if !sent && string(p.Data) == "two" { // between two calls of the Handler
				<-time.After(46 * time.Second)
			}
		}}
		p := s.open(o)
		<-time.After(50 * time.Second)
		p.alive()
		if got := p.texts(); got != "one two" {
			t.Errorf("got %q", got)
		}
		p.socket.Close()
		p.want(ForcedClose)
	})
}

// TestClientPostIsNotRepeated: not even if the user's headers say that net/http may do so.
func TestClientPostIsNotRepeated(t *testing.T) {
	var s *script
	scripted(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && len(s.bodies()) > 1 { // on a connection that was used before
			if nc, _, err := http.NewResponseController(w).Hijack(); err == nil {
				nc.Close()
			}
			return
		}
		answerPolling(w, r)
	}, func(t *testing.T, script *script) {
		s = script
		o := s.options("polling")
		o.Header = http.Header{"Idempotency-Key": {"1"}}
		p := s.open(o)
		for _, m := range []string{"one", "two"} {
			synctest.Wait()
			p.socket.Send(SendOptions{}, text(m))
		}
		p.want(TransportError)
		if got := strings.Join(s.bodies(), " "); got != "4one 4two" {
			t.Errorf("posted %q", got)
		}
	})
}

// TestClientSharedHTTPClient: net/http completes the configuration of a Transport with its first request.
func TestClientSharedHTTPClient(t *testing.T) {
	client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("nobody there")
		}}}
	var all sync.WaitGroup
	for _, transport := range []string{"polling", "websocket", "polling", "websocket"} {
		all.Go(func() {
			if _, err := Dial(t.Context(), "https://server", nil,
				&DialOptions{Transports: []string{transport}, HTTPClient: client}); err == nil {
				t.Error("a session with nobody")
			}
		})
	}
	all.Wait()
}

// TestClientRedirectedPost: a redirect may turn a POST into a GET, whose 200 says nothing about the messages.
func TestClientRedirectedPost(t *testing.T) {
	scripted(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			http.Redirect(w, r, "/elsewhere/", http.StatusFound)
			return
		}
		answerPolling(w, r)
	}, func(t *testing.T, s *script) {
		o := s.options("polling")
		transport := &http.Transport{DialContext: s.net.DialContext}
		o.HTTPClient = &http.Client{
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path == "/elsewhere/" {
					return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
				}
				return transport.RoundTrip(r)
			}),
			CheckRedirect: func(*http.Request, []*http.Request) error { return nil },
		}
		p := s.open(o)
		p.alive()
		p.socket.Send(SendOptions{}, text("lost"))
		p.want(TransportError)
		transport.CloseIdleConnections()
	})
}

type roundTrip func(r *http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestClientHTTP2: a client of the user's may speak HTTP/2.
func TestClientHTTP2(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // which fails if the client gives the request up
		if r.ProtoMajor != 2 || r.Method == http.MethodGet && len(body) > 0 {
			t.Errorf("%s %s: %q", r.Proto, r.Method, body)
		}
		answerPolling(w, r)
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	p, err := dialEndpoint(t, srv.URL, &DialOptions{Transports: []string{"polling"}, HTTPClient: srv.Client()})
	if err != nil {
		t.Fatal(err)
	}
	p.socket.Send(SendOptions{}, text("x"))
	p.socket.Close()
	p.want(ForcedClose)
}

// TestClientDeafDialer: ctx bounds Dial also if NetDial does not care about it.
func TestClientDeafDialer(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			hear := make(chan struct{})
			near, far := net.Pipe()
			start := time.Now()
			_, err := Dial(ctx, "http://server", nil, &DialOptions{
				Transports: []string{transport},
				NetDial: func(context.Context, string, string) (net.Conn, error) {
					select {
					case <-hear:
					case <-time.After(time.Hour):
					}
					return near, nil
				},
			})
			if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took > 3*time.Second {
				t.Errorf("%s: %v after %v", transport, err, took)
			}
			close(hear)
			if _, err := far.Read(make([]byte, 1)); err == nil {
				t.Errorf("%s: the connection that came late is used", transport)
			}
		})
	}
}

// TestClientHTTPClientTLS: a function of the user's client that makes TLS connections, and maybe checks more than a
// tls.Config tells, makes those of WebSockets, too.
func TestClientHTTPClientTLS(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		dialed := make(chan string, 10)
		dial := func(_ context.Context, _, addr string) (net.Conn, error) {
			dialed <- addr
			return e.net.Dial(t.Context()) // there is no TLS on it, who would know
		}
		nobody := func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("dialed without TLS") }
		for _, transport := range []*http.Transport{
			{DialContext: nobody, DialTLSContext: dial},
			{DialContext: nobody, DialTLS: func(network, addr string) (net.Conn,
				error) {
				return dial(t.Context(), network, addr)
			}},
		} {
			p, err := dialEndpoint(t, "https://server",
				&DialOptions{HTTPClient: &http.Client{Transport: transport}, Transports: []string{"websocket"}})
			if err != nil {
				t.Fatal(err)
			}
			if addr := <-dialed; addr != "server:443" {
				t.Errorf("dialed %s", addr)
			}
			p.socket.Close()
			p.want(ForcedClose)
		}
	})
}

// TestClientCloseFails: who closes politely learns whether everything was sent.
func TestClientCloseFails(t *testing.T) {
	for name, post := range map[string]func(w http.ResponseWriter, r *http.Request){
		"sent":    func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") },
		"refused": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"hanging": func(w http.ResponseWriter, r *http.Request) { hang(r) },
	} {
		scripted(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				<-time.After(time.Second) // the answer comes after Close, however busy the machine is
				post(w, r)
				return
			}
			answerPolling(w, r)
		}, func(t *testing.T, s *script) {
			p := s.open(s.options("polling"))
			p.socket.Send(SendOptions{}, text("a"))
			synctest.Wait()
			p.socket.Close()
			p.want(ForcedClose)
			if (p.err == nil) != (name == "sent") {
				t.Errorf("%s: %v", name, p.err)
			}
		})
	}
}

// TestClientAgainstChaos: whatever a server does, a session ends once, soon after it is told to, and leaves nothing.
func TestClientAgainstChaos(t *testing.T) {
	for seed := range uint64(150) {
		var mu sync.Mutex
		rnd := mathrand.New(mathrand.NewPCG(seed, 7))
		dice := func(n int) int {
			mu.Lock()
			defer mu.Unlock()
			return rnd.IntN(n)
		}
		scripted(t, func(w http.ResponseWriter, r *http.Request) {
			<-time.After(time.Duration(1+dice(300)) * time.Millisecond)
			switch {
			case r.Header.Get("Upgrade") != "" && dice(4) > 0:
				webSocketScript("", func(c *websocket.Conn) { chaosWebSocket(c, r, dice) })(w, r)
			case first(r) && dice(10) > 0:
				io.WriteString(w, openUpgrade+[]string{"", "\x1e4early", "\x1e2"}[dice(3)])
			default:
				chaosAnswer(w, r, dice)
			}
		}, func(t *testing.T, s *script) {
			s.overlaps = true
			defer func() { <-time.After(time.Minute) }() // for the server, which does not see at once that all is over
			o := s.options([][]string{nil, {"polling"}, {"websocket"}, {"websocket", "polling"}}[dice(4)]...)
			o.TryAllTransports, o.UpgradeTimeout = dice(2) == 0, time.Second
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			p := newEndpoint(t)
			start := time.Now()
			sock, err := Dial(ctx, "http://server", func(s *ClientSocket) Handler { p.socket = s; return p }, o)
			if took := time.Since(start); took > 9*time.Second {
				t.Errorf("seed %d: Dial took %v", seed, took)
			}
			if err != nil {
				return
			}
			for range dice(10) {
				_ = sock.Send(SendOptions{Volatile: dice(3) == 0, Defer: dice(3) == 0}, text("x"),
					Prepare(Message{Binary: true, Data: []byte("y")}))
				<-time.After(time.Duration(1+dice(500)) * time.Millisecond)
			}
			limit := 50 * time.Second // silence, and closeTimeout
			switch dice(3) {
			case 0:
				sock.Close()
			case 1:
				sock.Abort(TransportError, nil)
				limit = 4 * time.Second
			}
			start = time.Now()
			select {
			case <-sock.Done():
			case <-time.After(limit):
				sock.Abort(TransportError, nil)
				<-sock.Done()
				if time.Since(start) > limit+4*time.Second || limit < 50*time.Second {
					t.Errorf("seed %d: done after %v", seed, time.Since(start))
				}
			}
			if p.closes != 1 {
				t.Errorf("seed %d: HandleClose was called %d times", seed, p.closes)
			}
		})
	}
}

func chaosAnswer(w http.ResponseWriter, r *http.Request, dice func(int) int) {
	switch dice(16) {
	case 0:
		hang(r)
	case 1:
		takeOver(w, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
	case 2:
		takeOver(w, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n4half")
	case 3:
		takeOver(w, "HTTP/1.1 200")
	case 4:
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	case 5:
		w.WriteHeader(http.StatusBadRequest)
	case 6:
		if nc, _, err := http.NewResponseController(w).Hijack(); err == nil {
			nc.Close()
		}
	case 7:
		io.WriteString(w, []string{"", "\x1e", "9", "b!", "1", "4\xff"}[dice(6)])
	default:
		io.WriteString(w, []string{"6", "2", "4a\x1e4b\x1ebAQID", "2\x1e2\x1e6", "0{}\x1e3probe\x1e5"}[dice(5)])
	}
}

func chaosWebSocket(c *websocket.Conn, r *http.Request, dice func(int) int) {
	if first(r) && dice(8) > 0 {
		say(c, openWebSocket)
	}
	for range dice(20) {
		switch dice(14) {
		case 0:
			c.Abort()
			return
		case 1:
			say(c, []string{"", "9", "1", "5", "6"}[dice(5)])
		case 2:
			c.WriteFrames(websocket.AppendFrame(nil, websocket.Binary, []byte("bytes")))
		case 3:
			c.WriteFrames([]byte{0xf1, 0x7f})
		case 4, 5, 6:
			say(c, "3probe")
		case 7, 8:
			hear(c)
		default:
			say(c, []string{"2", "4a"}[dice(2)])
		}
		<-time.After(time.Duration(1+dice(400)) * time.Millisecond)
	}
}

// TestClientProxyError: that of http.ProxyFromEnvironment has the proxy's URL in it, with the password.
func TestClientProxyError(t *testing.T) {
	proxy := func(*http.Request) (*url.URL, error) {
		return nil, errors.New(`invalid proxy address "http://user:secret@proxy:x"`)
	}
	for _, o := range []DialOptions{
		{Proxy: proxy}, {HTTPClient: &http.Client{Transport: &http.Transport{Proxy: proxy}}},
	} {
		for _, transport := range []string{"polling", "websocket"} {
			o.Transports = []string{transport}
			if _, err := Dial(t.Context(), "http://server.invalid", nil, &o); err == nil ||
				strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v", transport, err)
			}
		}
	}
}
