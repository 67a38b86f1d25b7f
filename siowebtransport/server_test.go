package siowebtransport

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/event"
)

// echo is acknowledged with what it gets.
const echo event.WithAck[[]byte, []byte] = "echo"

// serveEcho answers echo, and hands over each socket.
func serveEcho(e *endpoint) <-chan *socketio.Socket {
	connected := make(chan *socketio.Socket, 8)
	e.io.OnConnection(func(s *socketio.Socket) {
		echo.On(s, func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
		connected <- s
	})
	return connected
}

func wantEcho(t *testing.T, c *client.Socket, n int) {
	t.Helper()
	want := bytes.Repeat([]byte{7}, n)
	if got, err := echo.Emit(t.Context(), c, want); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes: %d came back, %v", n, len(got), err)
	}
}

func TestDirect(t *testing.T) { // engine.io webtransport 1, 12 to 18
	e := newEndpoint(t, nil, nil)
	connected := serveEcho(e)
	c := connect(t, e.url, e.options())
	s := receive(t, connected)
	if got := s.Conn().Transport(); got != "webtransport" {
		t.Errorf("transport %q", got)
	}
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 900_000} {
		wantEcho(t, c, n)
	}
	st := e.io.Engine().Stats()
	if st.WebTransport != 1 || st.Opened != 1 || len(st.Rejected) != 0 {
		t.Errorf("%+v", st)
	}
}

func TestUpgrade(t *testing.T) { // engine.io webtransport 2
	e := newEndpoint(t, nil, nil)
	connected := serveEcho(e)
	o := e.options()
	o.Engine.Transports = []string{"polling", "webtransport"}
	upgraded := make(chan error, 1)
	o.Engine.DialStream = e.elsewhere
	o.Engine.Trace = &engineio.Trace{Upgrade: func(transport string, err error) {
		if transport != "webtransport" {
			t.Errorf("upgrade to %s", transport)
		}
		upgraded <- err
	}}
	c := connect(t, e.http(), o)
	s := receive(t, connected)
	if err := receive(t, upgraded); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 70_000} {
		wantEcho(t, c, n)
	}
	if got := s.Conn().Transport(); got != "webtransport" {
		t.Errorf("transport %q", got)
	}
	if st := e.io.Engine().Stats(); st.Upgraded != 1 || st.WebTransport != 1 {
		t.Errorf("%+v", st)
	}
}

func TestHandshakeOfASocket(t *testing.T) {
	e := newEndpoint(t, nil, nil)
	connected := serveEcho(e)
	o := e.options()
	o.Engine.Query = url.Values{"room": {"7"}}
	o.Engine.Header = http.Header{"X-Token": {"abc"}, "Cookie": {"session=42"}}
	connect(t, e.url, o)
	h := receive(t, connected).Handshake()
	cookie, err := h.Cookie("session")
	if err != nil || cookie.Value != "42" {
		t.Errorf("cookie %v, %v", cookie, err)
	}
	host, _, err := net.SplitHostPort(h.RemoteAddr)
	if err != nil || host != "127.0.0.1" {
		t.Errorf("address %q", h.RemoteAddr)
	}
	if h.Query.Get("room") != "7" || h.Header.Get("X-Token") != "abc" || h.TLS == nil {
		t.Errorf("%+v", h)
	}
}

// Middleware of net/http gets the CONNECT, too: officially there would be no session (engine.io webtransport 7).
func TestMiddleware(t *testing.T) {
	calls := make(chan string, 8)
	e := newEndpoint(t, nil, func(s *Server) {
		next := s.Handler
		s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls <- r.Method
			if r.Header.Get("Authorization") != "Bearer good" {
				http.Error(w, "who are you?", http.StatusUnauthorized)
				return
			}
			w.Header().Set("X-Middleware", "was here")
			next.ServeHTTP(wrapped{w}, r)
		})
	})
	serveEcho(e)
	o := e.options()
	_, err := client.Dial(t.Context(), e.url, o)
	refused := refusal(t, err)
	if refused.Status != http.StatusUnauthorized || !strings.Contains(string(refused.Body), "who are you?") {
		t.Errorf("%+v", refused)
	}
	o.Engine.Header = http.Header{"Authorization": {"Bearer good"}}
	wantEcho(t, connect(t, e.url, o), 1)
	if len(calls) != 2 {
		t.Errorf("%d calls of the middleware", len(calls))
	}
}

// wrapped is what middleware makes of a ResponseWriter.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name   string
		engine engineio.Options
		header http.Header
		path   string
		status int // of the CONNECT; 0: the session opens, and is refused then
		reject string
	}{
		{name: "origin", header: http.Header{"Origin": {"https://evil.example"}}, status: 403, reject: engineio.RejectOrigin},
		{name: "another origin",
			engine: engineio.Options{CORS: &engineio.CORSOptions{Origins: []string{"https://a.example"}}},
			header: http.Header{"Origin": {"https://b.example"}}, status: 403, reject: engineio.RejectOrigin},
		{name: "transport", engine: engineio.Options{Transports: []string{"polling", "websocket"}}, status: 400,
			reject: engineio.RejectTransport},
		{name: "path", path: "/socket.io/x/", status: 404, reject: engineio.RejectPath},
		{name: "request", engine: engineio.Options{AllowRequest: func(r *http.Request) error {
			if r.Header.Get("X-Token") == "" || r.RemoteAddr == "" || r.TLS == nil {
				return errors.New("not the request of the client")
			}
			return &engineio.RequestError{Message: "no"}
		}}, header: http.Header{"X-Token": {"1"}}, reject: engineio.RejectForbidden},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEndpoint(t, &socketio.Options{Engine: c.engine}, nil)
			serveEcho(e)
			o := e.options()
			o.Engine.Header = c.header
			o.Engine.Path = c.path
			_, err := client.Dial(t.Context(), e.url, o)
			if refused := refusal(t, err); refused.Status != c.status {
				t.Errorf("%v: status %d, want %d", err, refused.Status, c.status)
			}
			until(t, "the refusal is counted", func() bool { return e.io.Engine().Stats().Rejected[c.reject] == 1 })
			if st := e.io.Engine().Stats(); st.Opened != 0 || len(st.Rejected) != 1 {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestAllowedOrigins(t *testing.T) {
	cors := &engineio.CORSOptions{Origins: []string{"https://a.example"}}
	e := newEndpoint(t, &socketio.Options{Engine: engineio.Options{CORS: cors}}, nil)
	serveEcho(e)
	for _, origin := range []string{"", "https://a.example", strings.Replace(e.url, "https", "http", 1)} {
		o := e.options()
		if origin != "" {
			o.Engine.Header = http.Header{"Origin": {origin}}
		}
		wantEcho(t, connect(t, e.url, o), 1)
	}
}

func TestClosedByTheServer(t *testing.T) { // engine.io webtransport 10
	e := newEndpoint(t, nil, nil)
	connected := serveEcho(e)
	c := connect(t, e.url, e.options())
	s := receive(t, connected)
	lost := make(chan client.DisconnectReason, 1)
	c.OnDisconnect(func(r client.DisconnectReason) { lost <- r })
	got := make(chan string, 1)
	event.Of[string]("last").On(c, func(_ context.Context, text string) error { got <- text; return nil })
	ended := make(chan socketio.DisconnectReason, 1)
	s.OnDisconnect(func(r socketio.DisconnectReason) { ended <- r })
	last := strings.Repeat("x", 300_000)
	if err := s.Emit("last", last); err != nil {
		t.Fatal(err)
	}
	s.Disconnect(true)
	if text := receive(t, got); text != last {
		t.Errorf("%d bytes came", len(text))
	}
	t.Log(receive(t, lost), receive(t, ended))
	until(t, "no session", func() bool { return e.io.Engine().Count() == 0 })
}

func TestClosedByTheClient(t *testing.T) { // engine.io webtransport 11
	e := newEndpoint(t, nil, nil)
	connected := serveEcho(e)
	c := connect(t, e.url, e.options())
	s := receive(t, connected)
	ended := make(chan socketio.DisconnectReason, 1)
	s.OnDisconnect(func(r socketio.DisconnectReason) { ended <- r })
	c.Close()
	t.Log(receive(t, ended))
	until(t, "no session", func() bool { return e.io.Engine().Count() == 0 })
}

// engine.io webtransport 8
func TestHeartbeat(t *testing.T) {
	e := newEndpoint(t, &socketio.Options{Engine: engineio.Options{PingInterval: 20 * time.Millisecond}}, nil)
	serveEcho(e)
	pongs := make(chan struct{}, 100)
	o := e.options()
	o.Engine.Trace = &engineio.Trace{Packet: func(transport string, sent bool, p packet.Packet) {
		if sent && p.Type == packet.Pong && transport == "webtransport" {
			select {
			case pongs <- struct{}{}:
			default:
			}
		}
	}}
	connect(t, e.url, o)
	for range 3 {
		receive(t, pongs)
	}
}

// Several servers and clients at once, started again on the same port: a client comes back.
func TestRestart(t *testing.T) {
	e := newEndpoint(t, nil, nil)
	connected := serveEcho(e)
	o := e.options()
	o.DisableReconnection = false
	o.ReconnectionDelay = time.Millisecond
	c := connect(t, e.url, o)
	receive(t, connected)
	lost := make(chan client.DisconnectReason, 1)
	c.OnDisconnect(func(r client.DisconnectReason) { lost <- r })
	addr := strings.TrimPrefix(e.url, "https://")
	e.io.Close()
	e.wt.Close()
	receive(t, lost)
	if err := <-e.done; err != http.ErrServerClosed {
		t.Error(err)
	}
	e.io = socketio.NewServer(&socketio.Options{Engine: e.io.Engine().Options()})
	connected = serveEcho(e)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", e.io)
	e.wt = &Server{Handler: mux, TLSConfig: e.wt.TLSConfig}
	packets, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	go func() { e.done <- e.wt.Serve(packets) }()
	receive(t, connected)
	wantEcho(t, c, 1000)
}

func TestShutdownWaitsForSessions(t *testing.T) {
	e := newEndpoint(t, nil, nil)
	connected := serveEcho(e)
	c := connect(t, e.url, e.options())
	receive(t, connected)
	ctx, cancel := context.WithCancel(t.Context())
	down := make(chan error, 1)
	go func() { down <- e.wt.Shutdown(ctx) }()
	until(t, "nothing new is let in", func() bool {
		e.wt.mu.Lock()
		defer e.wt.mu.Unlock()
		return e.wt.closed
	})
	wantEcho(t, c, 10)
	cancel()
	if err := receive(t, down); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	until(t, "no session", func() bool { return e.io.Engine().Count() == 0 })
}

// The page, the client's file and polling come by the same connection, for those who use HTTP/3 for all.
func TestOtherRequests(t *testing.T) {
	e := newEndpoint(t, nil, nil)
	status, header, _ := e.get(t, "/socket.io/?EIO=4&transport=polling&sid=none")
	if status != 400 || header.Get("Connection") != "" {
		t.Errorf("%d %v", status, header)
	}
	status, _, body := e.get(t, "/socket.io/?EIO=4&transport=polling")
	if status != 200 || !strings.Contains(body, `"upgrades":["websocket","webtransport"]`) {
		t.Errorf("%d %s", status, body)
	}
}

func TestNoCertificate(t *testing.T) {
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	has(t, new(Server).Serve(packets), "no certificate")
}

func TestServeAfterClose(t *testing.T) {
	cert, err := NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, Addr: "127.0.0.1:0"}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.ListenAndServe(); err != http.ErrServerClosed {
		t.Error(err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestCertificate(t *testing.T) {
	cert, err := NewCertificate("localhost", "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	if d := cert.Leaf.NotAfter.Sub(cert.Leaf.NotBefore); d > 14*24*time.Hour || d < 12*24*time.Hour {
		t.Errorf("valid for %v", d)
	}
	if err := cert.Leaf.VerifyHostname("192.0.2.1"); err != nil {
		t.Error(err)
	}
	if CertificateHash(cert) != sha256.Sum256(cert.Leaf.Raw) {
		t.Error("another hash")
	}
}

func TestDialerChecksTheCertificate(t *testing.T) {
	e := newEndpoint(t, nil, nil)
	serveEcho(e)
	o := e.options()
	for name, d := range map[string]*Dialer{
		"authority": {}, "hash": {CertificateHashes: [][sha256.Size]byte{{1}}},
	} {
		o.Engine.DialStream = d.DialStream
		if _, err := client.Dial(t.Context(), e.url, o); err == nil {
			t.Errorf("%s: connected", name)
		} else {
			t.Log(err)
		}
	}
	o.Engine.DialStream = (&Dialer{TLSConfig: &tls.Config{InsecureSkipVerify: true}}).DialStream
	wantEcho(t, connect(t, e.url, o), 1)
}

func TestTryAllTransports(t *testing.T) {
	e := newEndpoint(t, &socketio.Options{Engine: engineio.Options{Transports: []string{"polling", "websocket"}}}, nil)
	connected := serveEcho(e)
	o := e.options()
	o.Engine.Transports = []string{"webtransport", "websocket"}
	o.Engine.TryAllTransports = true
	c := connect(t, e.http(), o) // nobody is at this port by UDP, or with the transport
	if got := receive(t, connected).Conn().Transport(); got != "websocket" {
		t.Errorf("transport %q", got)
	}
	wantEcho(t, c, 1)
}

func TestDialEnds(t *testing.T) {
	noLeak(t)
	packets, err := net.ListenPacket("udp", "127.0.0.1:0") // takes what comes, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodConnect, "https://"+packets.LocalAddr().String()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := new(Dialer).DialStream(ctx, r)
		done <- err
	}()
	if _, _, err := packets.ReadFrom(make([]byte, 2000)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := receive(t, done); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
