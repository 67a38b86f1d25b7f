package browser

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/examples/chat"
	"sio.example/socketio/siowebtransport"
	"sio.example/socketio/test/internal/program"
)

// A transportSite serves a page by HTTP/1, and its sessions by WebTransport, too, at the port of the same number: where
// the clients look for it.
type transportSite struct {
	t      *testing.T
	client string
	allow  func(r *http.Request) error
	page   func(io *socketio.Server, certificate []byte) http.Handler
	addr   string
	cert   tls.Certificate
	hash   string // of the certificate, in base64

	io   *socketio.Server
	http *http.Server
	wt   *siowebtransport.Server
	done chan error // of both, when they have ended
}

func newTransportSite(
	t *testing.T, client string, page func(io *socketio.Server, certificate []byte) http.Handler,
) *transportSite {
	t.Helper()
	if client != "" {
		program.Node(t) // the packages are there
		client = filepath.Join(program.Modules(), client)
	}
	cert, err := siowebtransport.NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	hash := siowebtransport.CertificateHash(cert)
	s := &transportSite{
		t: t, client: client, page: page, allow: func(*http.Request) error { return nil }, addr: "127.0.0.1:0", cert: cert,
		hash: base64.StdEncoding.EncodeToString(hash[:]),
	}
	s.start()
	t.Cleanup(func() {
		if s.io != nil {
			s.end()
		}
	})
	return s
}

// listen takes a port of both kinds.
func (s *transportSite) listen() (net.Listener, net.PacketConn) {
	s.t.Helper()
	var err error
	for range 20 { // what is free of one kind may be taken of the other
		var ln net.Listener
		if ln, err = net.Listen("tcp", s.addr); err != nil {
			continue
		}
		var packets net.PacketConn
		if packets, err = net.ListenPacket("udp", ln.Addr().String()); err == nil {
			return ln, packets
		}
		ln.Close()
	}
	s.t.Fatal(err)
	return nil, nil
}

func (s *transportSite) start() {
	s.t.Helper()
	ln, packets := s.listen()
	s.addr = ln.Addr().String()
	s.io = socketio.NewServer(&socketio.Options{
		Engine: engineio.Options{
			Transports:   []string{"polling", "websocket", "webtransport"},
			AllowRequest: func(r *http.Request) error { return s.allow(r) },
		},
	})
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", s.io)
	hash := siowebtransport.CertificateHash(s.cert)
	mux.Handle("/", s.page(s.io, hash[:]))
	if s.client != "" {
		mux.HandleFunc("/socket.io/socket.io.js", func(w http.ResponseWriter, r *http.Request) {
			http.ServeFile(w, r, s.client)
		})
	}
	s.http, s.done = &http.Server{Handler: mux}, make(chan error, 2)
	s.wt = &siowebtransport.Server{
		Handler: mux, TLSConfig: &tls.Config{Certificates: []tls.Certificate{s.cert}},
	}
	h, wt, done := s.http, s.wt, s.done
	go func() { done <- h.Serve(ln) }()       // owned by site; end waits for it
	go func() { done <- wt.Serve(packets) }() // likewise
}

// transportPage is the application behind the page of these tests.
func transportPage(io *socketio.Server, _ []byte) http.Handler {
	io.Handle("echo", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
		if e.WantsAck() {
			return e.Ack(e.Args)
		}
		return s.Emit("echo", e.Args)
	})
	io.Handle("leave", func(_ context.Context, s *socketio.Socket, _ *socketio.Event) error {
		if err := s.Emit("last", strings.Repeat("x", 200_000)); err != nil {
			return err
		}
		s.Disconnect(true)
		return nil
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, static, "static/webtransport.html")
	})
}

// end stops everything at once, as a crash does.
func (s *transportSite) end() {
	s.t.Helper()
	if err := errors.Join(s.wt.Close(), s.http.Close(), s.io.Close()); err != nil {
		s.t.Error(err)
	}
	for range 2 {
		if err := <-s.done; !errors.Is(err, http.ErrServerClosed) {
			s.t.Error(err)
		}
	}
	s.io = nil
}

// open opens a socket in a page, and waits until it is on a transport.
func (s *transportSite) open(p *page, transports, want string) {
	p.t.Helper()
	eval[chromedp.Void](p, fmt.Sprintf("start(%s, %q)", transports, s.hash))
	p.until(fmt.Sprintf("socket.connected && transport() === %q", want))
}

func TestWebTransport(t *testing.T) {
	browser := chromium(t)
	for _, client := range clients {
		t.Run(client.name, func(t *testing.T) {
			if client.file == "" && !hasWebTransport() {
				t.Skip("our bundle has no WebTransport")
			}
			testWebTransport(t, browser, client.file)
		})
	}
}

// hasWebTransport reports whether our bundle has the transport.
func hasWebTransport() bool {
	rec := httptest.NewRecorder()
	socketio.NewServer(nil).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/socket.io/socket.io.js", nil))
	return strings.Contains(rec.Body.String(), "createBidirectionalStream")
}

func testWebTransport(t *testing.T, browser context.Context, client string) {
	sizes := []int{1, 125, 126, 65_535, 65_536, 900_000}
	if client == "" {
		sizes = append(sizes, 0) // the official client makes a frame of it that its own decoder refuses
	}
	s := newTransportSite(t, client, transportPage)
	p := newPage(t, browser, t.Name(), "http://"+s.addr+"/")
	for _, way := range []struct{ name, transports string }{
		{"direct", `["webtransport"]`},
		{"upgrade", `["polling", "webtransport"]`},
		{"default", `["polling", "websocket", "webtransport"]`},
	} {
		t.Run(way.name, func(t *testing.T) {
			p := p.in(t)
			s.open(p, way.transports, "webtransport")
			for _, n := range sizes {
				if !eval[bool](p, fmt.Sprintf("socket.emitWithAck('echo', bytes(%d)).then((b) => same(b, %[1]d))", n)) {
					t.Errorf("%d bytes came back as others", n)
				}
			}
			if got := eval[string](p, "socket.emitWithAck('echo', 'é€😀')"); got != "é€😀" {
				t.Errorf("text came back as %q", got)
			}
			eval[chromedp.Void](p, "void socket.close()")
			waitForSessions(t, s.io, 0)
		})
		t.Run(way.name+", closed by the server", func(t *testing.T) {
			p := p.in(t)
			s.open(p, way.transports, "webtransport")
			eval[chromedp.Void](p, "void socket.emit('leave')")
			p.until("seen.length === 3 && socket.io.engine.readyState === 'closed'")
			want := "connect|last " + strings.Repeat("x", 200_000) + "|disconnect io server disconnect"
			if got := eval[string](p, "seen.join('|')"); got != want {
				t.Errorf("the page saw %.100q (%d bytes)", got, len(got))
			}
			waitForSessions(t, s.io, 0)
			eval[chromedp.Void](p, "void socket.close()")
		})
		t.Run(way.name+", restart", func(t *testing.T) {
			p := p.in(t)
			s.open(p, way.transports, "webtransport")
			s.end()
			p.until("seen.some((what) => what.startsWith('disconnect'))")
			s.start()
			p.until("seen.includes('reconnect') && socket.connected && transport() === 'webtransport'")
			if got := eval[string](p, "socket.emitWithAck('echo', 'again')"); got != "again" {
				t.Errorf("%q came back", got)
			}
			eval[chromedp.Void](p, "void socket.close()")
			waitForSessions(t, s.io, 0)
		})
	}
}

// TestWebTransportIsRefused: a page is told at once, and does not wait until its time for connecting is over.
func TestWebTransportIsRefused(t *testing.T) {
	browser := chromium(t)
	s := newTransportSite(t, clients[1].file, transportPage)
	var asked atomic.Pointer[http.Request]
	s.allow = func(r *http.Request) error {
		asked.Store(r)
		return &engineio.RequestError{Message: "not you"}
	}
	p := newPage(t, browser, "refused", "http://"+s.addr+"/")
	p.do(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`start(["webtransport"], %q, { timeout: 1e8 })`, s.hash)))
	p.until(`seen.filter((what) => what === "error webtransport error").length > 1`)
	r := asked.Load()
	if origin := r.Header.Get("Origin"); origin != "http://"+s.addr || r.Method != http.MethodConnect {
		t.Errorf("it was asked about %s of %s, %s", r.Method, origin, r.RemoteAddr)
	}
	if n := s.io.Engine().Stats().Opened; n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// waitForSessions waits until the server has that many, which nothing tells of.
func waitForSessions(t *testing.T, io *socketio.Server, want int64) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for start := time.Now(); ; <-tick.C {
		got := io.Engine().Stats().Sessions
		if got == want {
			return
		}
		if time.Since(start) > patience {
			t.Fatalf("%d sessions, want %d", got, want)
		}
	}
}

// TestChatByWebTransport: the demo's page trusts the certificate by its hash, and says what it uses.
func TestChatByWebTransport(t *testing.T) {
	browser := chromium(t)
	for _, client := range clients {
		t.Run(client.name, func(t *testing.T) {
			if client.file == "" && !hasWebTransport() {
				t.Skip("our bundle has no WebTransport")
			}
			s := newTransportSite(t, client.file, chat.NewTrusting)
			p := enter(t, browser, "http://"+s.addr+"/", "Ann")
			p.until(`document.getElementById("me-state").textContent === "Online, WebTransport"`)
			p.say("hello by UDP")
			p.sees("hello by UDP")
			if file := os.Getenv("SIO_SCREENSHOT"); file != "" {
				p.screenshot(file + client.name + ".png")
			}
		})
	}
}
