package websocket

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/internal/memnet"
)

// echoServer upgrades what it is asked for and echoes. The headers it got are delivered.
func echoServer(t testing.TB, encrypted bool) (u *url.URL, s *httptest.Server, got chan *http.Request) {
	t.Helper()
	got = make(chan *http.Request, 100)
	s = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := http.Header{"Set-Cookie": {"a=b"}}
		if p := Subprotocols(r); len(p) > 0 {
			h.Set("Sec-WebSocket-Protocol", p[len(p)-1])
		}
		c, err := Upgrade(w, r, &Options{Header: h})
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		got <- r.Clone(context.Background())
		c.WriteFrames(AppendFrame(nil, Text, []byte("hello"))) // often in one segment with the 101
		echo(c)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if encrypted {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return parse(t, strings.Replace(s.URL, "http", "ws", 1)+"/socket.io/?EIO=4&transport=websocket"), s, got
}

func parse(t testing.TB, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// greet expects the greeting of echoServer and has a message echoed.
func greet(t testing.TB, c *Conn) {
	t.Helper()
	wantMessage(t, c, text("hello"))
	for _, n := range []int{1, 126, 70_000} {
		f := mk(byte(Binary), strings.Repeat("e", n))
		if err := c.WriteFrames(c.AppendFrame(nil, Binary, f.payload)); err != nil {
			t.Fatal(err)
		}
		wantMessage(t, c, f)
	}
}

func wantMessage(t testing.TB, c *Conn, f frame) {
	t.Helper()
	op, p, err := c.Read()
	if err != nil {
		t.Fatal(err)
	}
	if got := (frame{fin | byte(op), p}); !got.equal(f) {
		t.Fatalf("got %v, want %v", got, f)
	}
}

func TestDial(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		u, s, got := echoServer(t, encrypted)
		u.User = url.UserPassword("me", "secret")
		opts := &DialOptions{
			Options: Options{Header: http.Header{"Cookie": {"x=y", "z=1"},
				"X-More": {" v "}, "Upgrade": {"no"}, "host": {"no"}}},
			Host:         "other.example",
			Subprotocols: []string{"one", "two"},
		}
		if encrypted {
			roots := s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
			opts.TLS = &tls.Config{RootCAs: roots, NextProtos: []string{"h2"}}
		}
		c, res, err := Dial(t.Context(), u, opts)
		if err != nil {
			t.Fatal(err)
		}
		if (c.raw != nil) != (!encrypted && haveRaw) {
			t.Errorf("raw access is %v", c.raw != nil)
		}
		if res.StatusCode != 101 || len(res.Cookies()) != 1 ||
			res.Header.Get("Sec-WebSocket-Protocol") != "two" || (res.TLS != nil) != encrypted {
			t.Errorf("answer %v", res)
		}
		if encrypted && res.TLS.NegotiatedProtocol != "http/1.1" {
			t.Errorf("negotiated %q", res.TLS.NegotiatedProtocol)
		}
		r := <-got
		if r.Host != "other.example" || r.RequestURI != "/socket.io/?EIO=4&transport=websocket" ||
			r.Header.Get("X-More") != "v" ||
			!slices.Equal(r.Header["Cookie"], []string{"x=y", "z=1"}) ||
			len(r.Header["Upgrade"]) != 1 || r.Header["Host"] != nil {
			t.Errorf("request %v %v", r.RequestURI, r.Header)
		}
		if name, password, _ := r.BasicAuth(); name != "me" || password != "secret" {
			t.Errorf("authorization %q", r.Header["Authorization"])
		}
		greet(t, c)
		c.Close(1000, "")
		_, _, err = c.Read()
		closedWith(t, err, 1000, false)
		if opts.TLS != nil && (opts.TLS.ServerName != "" || opts.TLS.NextProtos[0] != "h2") {
			t.Error("the caller's tls.Config was changed")
		}
	}
}

// In memory, where virtual time passes, with a context that ends after Dial has returned.
func TestDialMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := Upgrade(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			echo(c)
		})}
		go s.Serve(l) // ends with the listener
		ctx, cancel := context.WithCancel(t.Context())
		c, _, err := Dial(ctx, parse(t, "ws://in.memory"), &DialOptions{NetDial: l.DialContext})
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		<-time.After(time.Hour)
		if err := c.WriteFrames(c.AppendFrame(nil, Text, []byte("a"))); err != nil {
			t.Fatal(err)
		}
		wantMessage(t, c, text("a"))
		c.Close(1000, "")
		_, _, err = c.Read()
		closedWith(t, err, 1000, false)
		s.Close()
	})
}

// What can't be a request is refused before anything is dialed.
func TestDialArguments(t *testing.T) {
	dialed := func(context.Context, string, string) (net.Conn, error) {
		t.Error("dialed")
		return nil, errors.ErrUnsupported
	}
	ok := parse(t, "ws://host.example/")
	header := func(name, value string) *DialOptions {
		return &DialOptions{Options: Options{Header: http.Header{name: {value}}}}
	}
	for i, row := range []struct {
		u    *url.URL
		opts *DialOptions
	}{
		{nil, nil}, {&url.URL{}, nil}, {parse(t, "ftp://host/"), nil},
		{parse(t, "file:///etc"), nil}, {parse(t, "ws:///path"), nil},
		{parse(t, "ws:opaque"), nil}, {&url.URL{Scheme: "ws", Host: "a b"}, nil},
		{&url.URL{Scheme: "ws", Host: "a\r\nX: y"}, nil},
		{&url.URL{Scheme: "ws", Host: "b\u00fccher.example"}, nil},
		{&url.URL{Scheme: "ws", Host: "h", RawQuery: "a\r\nX: y"}, nil},
		{&url.URL{Scheme: "ws", Host: "h", RawQuery: "a b"}, nil}, {&url.URL{Scheme: "ws", Host: ":80"}, nil},
		{ok, header("X Y", "z")}, {ok, header("", "z")}, {ok, header("X", "a\r\nb: c")},
		{ok, header("X", "a\x00")}, {ok, header("Host", "a b")},
		{ok, &DialOptions{Host: "a\r\nb: c"}}, {ok, &DialOptions{Subprotocols: []string{"a b"}}},
		{ok, &DialOptions{Subprotocols: []string{""}}},
		{ok, &DialOptions{Subprotocols: []string{"a", "a"}}},
	} {
		if row.opts == nil {
			row.opts = new(DialOptions)
		}
		row.opts.NetDial = dialed
		if c, res, err := Dial(t.Context(), row.u, row.opts); err == nil || c != nil || res != nil {
			t.Errorf("%d: accepted", i)
		}
	}
}

// Where is dialed to, and what the Host header says.
func TestDialAddress(t *testing.T) {
	for in, want := range map[string][2]string{
		"ws://h.example":           {"h.example:80", "h.example"},
		"WSS://h.example/":         {"h.example:443", "h.example"},
		"http://h.example:":        {"h.example:80", "h.example"},
		"https://h.example:8443":   {"h.example:8443", "h.example:8443"},
		"ws://[fe80::1%25eth0]:81": {"[fe80::1%eth0]:81", "[fe80::1]:81"},
		"ws://[::1]/":              {"[::1]:80", "[::1]"},
	} {
		var d dialer
		d.opts = new(DialOptions)
		if err := d.prepare(parse(t, in)); err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(d.request)))
		if err != nil || address(d.url) != want[0] || r.Host != want[1] || r.RequestURI != "/" || Check(r) != nil {
			t.Errorf("%s: to %s, request %q", in, address(d.url), d.request)
		}
	}
}

// certificate makes one, signed by itself.
func certificate(t *testing.T, host string, until time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// T-25: certificates are verified, by the zero options as by those that only add an authority.
func TestDialVerifiesCertificates(t *testing.T) {
	day := 24 * time.Hour
	for _, row := range []struct {
		name  string
		host  string // of the certificate; dialed is good.example
		until time.Time
		trust bool
		check func(error) bool
	}{
		{"good", "good.example", time.Now().Add(day), true, func(err error) bool { return err == nil }},
		{"self-signed", "good.example", time.Now().Add(day), false, isError[x509.UnknownAuthorityError]},
		{"wrong host", "bad.example", time.Now().Add(day), true, isError[x509.HostnameError]},
		{"expired", "good.example", time.Now().Add(-day), true, func(err error) bool {
			var e x509.CertificateInvalidError
			return errors.As(err, &e) && e.Reason == x509.Expired
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, s, _ := echoServer(t, false)
			cert := certificate(t, row.host, row.until)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			// ends with l
			go http.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}}), s.Config.Handler)
			opts := &DialOptions{NetDial: to(l.Addr().String())}
			if row.trust {
				opts.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
				opts.TLS.RootCAs.AddCert(cert.Leaf)
			}
			c, _, err := Dial(t.Context(), parse(t, "wss://good.example/"), opts)
			if !row.check(err) {
				t.Fatalf("got %v", err)
			}
			if err == nil {
				greet(t, c)
				c.Abort()
			}
		})
	}
}

func isError[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// to dials an address whatever is asked for.
func to(addr string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
}

// stages are servers that stop answering, each at another stage. The function is called when the client waits for it.
var stages = map[string]struct {
	url, proxy string
	serve      func(nc net.Conn, stuck func())
}{
	"TLS": {"wss://h.example/", "", func(nc net.Conn, stuck func()) {
		nc.Read(make([]byte, 1))
		stuck()
	}},
	"handshake": {"ws://h.example/", "", func(nc net.Conn, stuck func()) {
		http.ReadRequest(bufio.NewReader(nc))
		stuck()
	}},
	"half an answer": {"ws://h.example/", "", func(nc net.Conn, stuck func()) {
		http.ReadRequest(bufio.NewReader(nc))
		io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: webso")
		stuck()
	}},
	"write": {"ws://h.example/" + strings.Repeat("long", memnet.DefaultBuffer), "", func(nc net.Conn, stuck func()) {
		nc.Read(make([]byte, 1))
		stuck()
	}},
	"proxy": {"ws://h.example/", "http://p.example", func(nc net.Conn, stuck func()) {
		http.ReadRequest(bufio.NewReader(nc))
		stuck()
	}},
	"TLS to proxy": {"ws://h.example/", "https://p.example", func(nc net.Conn, stuck func()) {
		nc.Read(make([]byte, 1))
		stuck()
	}},
	"SOCKS": {"ws://h.example/", "socks5://p.example", func(nc net.Conn, stuck func()) {
		io.ReadFull(nc, make([]byte, 3))
		stuck()
	}},
	"SOCKS, connect": {"ws://h.example/", "socks5://p.example", func(nc net.Conn, stuck func()) {
		io.ReadFull(nc, make([]byte, 3))
		nc.Write([]byte{5, 0})
		nc.Read(make([]byte, 1))
		stuck()
	}},
}

// At every stage Dial ends with its context, and by its timeout, and leaves no goroutine and no connection.
func TestDialEnds(t *testing.T) {
	for name, stage := range stages {
		for _, how := range []string{"cancel", "deadline", "timeout"} {
			t.Run(name+"/"+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					want := context.DeadlineExceeded
					opts := &DialOptions{Options: Options{HandshakeTimeout: time.Hour}}
					switch how {
					case "cancel":
						want = context.Canceled
					case "deadline":
						ctx, cancel = context.WithTimeout(ctx, 3*time.Second)
						defer cancel()
					case "timeout":
						opts.HandshakeTimeout = 0
					}
					client, server := memnet.Pipe(0)
					opts.NetDial = func(context.Context, string, string) (net.Conn, error) { return client, nil }
					if stage.proxy != "" {
						opts.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(stage.proxy) }
					}
					done := make(chan error, 1)
					start := time.Now()
					go func() { // ends with the dial
						_, _, err := Dial(ctx, parse(t, stage.url), opts)
						done <- err
					}()
					go stage.serve(server, func() { // ends when the client is stuck, or closed
						if how == "cancel" {
							cancel()
						}
					})
					err := <-done
					if !errors.Is(err, want) {
						t.Errorf("got %v, want %v", err, want)
					}
					took := map[string]time.Duration{"cancel": 0,
						"deadline": 3 * time.Second, "timeout": 10 * time.Second}[how]
					if d := time.Since(start); d != took {
						t.Errorf("took %v", d)
					}
					if _, err := io.Copy(io.Discard, server); err != nil {
						t.Errorf("connection ended with %v", err)
					}
				})
			})
		}
	}
}

// While connecting the dialer sees the context, and what it returns too late is closed.
func TestDialEndsWhileConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err := Dial(ctx, parse(t, "ws://h.example"), &DialOptions{
			NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, errors.New("whatever")
			},
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		client, server := memnet.Pipe(0)
		_, _, err = Dial(ctx, parse(t, "ws://h.example"), &DialOptions{
			NetDial: func(context.Context, string, string) (net.Conn, error) { return client, nil },
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		io.Copy(io.Discard, server)
	})
}

// A lateConn cancels a context when something was read, and returns that once it has been closed for it.
type lateConn struct {
	net.Conn
	cancel func()
	closed chan struct{}
	once   sync.Once
}

func (c *lateConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.cancel()
	<-c.closed
	return n, err
}

func (c *lateConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// A context that ends just when the answer has come does not make a connection that is closed already.
func TestDialCancelledAtTheEnd(t *testing.T) {
	client, server := memnet.Pipe(0)
	done := fakeServer(server, switching+upgrading+accepting+"\r\n")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c, _, err := Dial(ctx, parse(t, "ws://h.example/"), &DialOptions{
		NetDial: func(context.Context, string, string) (net.Conn, error) {
			return &lateConn{Conn: client, cancel: cancel, closed: make(chan struct{})}, nil
		},
	})
	if !errors.Is(err, context.Canceled) || c != nil {
		t.Errorf("got %v", err)
	}
	<-done
}

// Nothing is left of connections, however they end: the goroutines go back to what they were.
func TestDialLeavesNothing(t *testing.T) {
	u, _, _ := echoServer(t, false)
	one := func(i int) {
		c, _, err := Dial(t.Context(), u, nil)
		if err != nil {
			t.Fatal(err)
		}
		greet(t, c)
		if i%2 == 0 {
			c.Abort()
		} else {
			c.Close(1000, "")
		}
		if _, _, err := c.Read(); err == nil {
			t.Fatal("no end")
		}
	}
	one(0)
	before := runtime.NumGoroutine()
	for i := range 50 {
		one(i)
	}
	limit := time.Now().Add(5 * time.Minute)
	for runtime.NumGoroutine() > before+5 {
		if time.Now().After(limit) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		runtime.Gosched()
	}
}

func ExampleDial() {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := Upgrade(w, r, nil); err == nil {
			echo(c)
		}
	}))
	defer s.Close()
	u, _ := url.Parse(s.URL)
	c, _, err := Dial(context.Background(), u, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Abort()
	c.WriteFrames(c.AppendFrame(nil, Text, []byte("hello")))
	_, p, err := c.Read()
	fmt.Printf("%s %v\n", p, err)
	// Output: hello <nil>
}
