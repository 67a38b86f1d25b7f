package siowebtransport

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
)

// patience is how long anything may take. Nothing that passes waits for it.
const patience = 5 * time.Minute

// An endpoint is a Socket.IO server by HTTP/3.
type endpoint struct {
	t    *testing.T
	io   *socketio.Server
	wt   *Server
	url  string // its address
	hash [sha256.Size]byte
	done chan error // of Serve
	pool []net.PacketConn
}

// newEndpoint serves io, by default in a mux, at a free port. What is left of the goroutines at the end fails the
// test.
func newEndpoint(t *testing.T, o *socketio.Options, change func(*Server)) *endpoint {
	t.Helper()
	noLeak(t)
	if o == nil {
		o = &socketio.Options{}
	}
	if o.Engine.Transports == nil {
		o.Engine.Transports = []string{"polling", "websocket", "webtransport"}
	}
	e := &endpoint{t: t, io: socketio.NewServer(o), done: make(chan error, 1)}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", e.io)
	cert, err := NewCertificate()
	if err != nil {
		t.Fatal(err)
	}
	e.hash = CertificateHash(cert)
	e.wt = &Server{Handler: mux, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
	if change != nil {
		change(e.wt)
	}
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e.url = "https://" + packets.LocalAddr().String()
	go func() { e.done <- e.wt.Serve(packets) }()
	t.Cleanup(e.close)
	return e
}

func (e *endpoint) close() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := e.io.Shutdown(ctx); err != nil {
		e.t.Error(err)
	}
	if err := e.wt.Shutdown(ctx); err != nil {
		e.t.Error(err)
	}
	if err := e.wt.Close(); err != nil {
		e.t.Error(err)
	}
	if err := <-e.done; err != http.ErrServerClosed {
		e.t.Errorf("Serve: %v", err)
	}
}

// dialer takes the endpoint's certificate.
func (e *endpoint) dialer() *Dialer { return &Dialer{CertificateHashes: [][sha256.Size]byte{e.hash}} }

// options are those of a client that uses WebTransport only.
func (e *endpoint) options() *client.Options {
	return &client.Options{
		Engine:              engineio.DialOptions{Transports: []string{"webtransport"}, DialStream: e.dialer().DialStream},
		DisableReconnection: true,
	}
}

// elsewhere opens streams at the endpoint, whatever address the client has.
func (e *endpoint) elsewhere(ctx context.Context, r *http.Request) (io.ReadWriteCloser, error) {
	r = r.Clone(ctx)
	r.URL.Host = strings.TrimPrefix(e.url, "https://")
	return e.dialer().DialStream(ctx, r)
}

// http serves io by HTTP/1, too, and returns the address.
func (e *endpoint) http() string {
	s := httptest.NewServer(e.wt.Handler)
	e.t.Cleanup(s.Close)
	return s.URL
}

// get asks by HTTP/3.
func (e *endpoint) get(t *testing.T, path string) (status int, h http.Header, body string) {
	t.Helper()
	rt := &http3.Transport{TLSClientConfig: e.dialer().config("127.0.0.1")}
	defer rt.Close()
	res, err := (&http.Client{Transport: rt}).Get(e.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

// connect returns a client's socket that is connected.
func connect(t *testing.T, url string, o *client.Options) *client.Socket {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := client.Dial(ctx, url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// receive waits for something.
func receive[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// until waits for a condition that nothing tells of.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for start := time.Now(); !condition(); <-tick.C {
		if time.Since(start) > patience {
			t.Fatalf("never: %s", what)
		}
	}
}

// noLeak wants no goroutine of this test to be left at its end.
func noLeak(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		start := time.Now()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for runtime.NumGoroutine() > before {
			if time.Since(start) > patience/5 {
				buf := make([]byte, 1<<20)
				buf = buf[:runtime.Stack(buf, true)]
				t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf)
			}
			<-tick.C
		}
	})
}

// refusal is the error of a client that was refused.
func refusal(t *testing.T, err error) *engineio.ClientError {
	t.Helper()
	var e *engineio.ClientError
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *engineio.ClientError", err)
	}
	return e
}

func has(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) {
		t.Errorf("%v, want %q in it", err, text)
	}
}
