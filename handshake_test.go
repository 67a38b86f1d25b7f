package socketio_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"testing"
	"time"
	"weak"

	socketio "sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/siotest"
)

type ctxKey struct{}

// withValue is HTTP middleware that puts something into the context of the request, which ends with the request.
func withValue(next http.Handler, value func(r *http.Request) any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(context.WithValue(r.Context(), ctxKey{}, value(r)))
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// What HTTP middleware has found out is in the contexts of all user code, and does not end with the request.
func TestRequestContext(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		t.Run(transport, func(t *testing.T) {
			got := make(chan string, 16)
			see := func(where string, ctx context.Context) {
				_, deadline := ctx.Deadline()
				got <- fmt.Sprint(where, " ", ctx.Value(ctxKey{}), " ", ctx.Value("other"), " ", deadline)
			}
			srv := siotest.NewServer(t, &siotest.Options{
				Server: &socketio.Options{RequestContext: (*http.Request).Context},
				Handler: func(io *socketio.Server) http.Handler {
					return withValue(io, func(r *http.Request) any { return r.Header.Get("X-User") })
				},
				Setup: func(io *socketio.Server) {
					parent := io.OfFunc(func(ctx context.Context, _ string, _ socketio.Args) bool {
						see("match", ctx)
						return true
					})
					parent.Use(func(ctx context.Context, s *socketio.Socket) error { see("middleware", ctx); return ctx.Err() })
					parent.OnConnection(func(s *socketio.Socket) { see("connection", s.Context()) })
					parent.Handle("tick", func(ctx context.Context, _ *socketio.Socket, e *socketio.Event) error {
						see("handler", ctx)
						return e.Ack()
					})
				},
			})
			s := srv.Dial("/x", &client.Options{Engine: engineio.DialOptions{
				Transports: []string{transport}, Header: http.Header{"X-User": {"ada"}},
			}})
			if _, err := s.EmitWithAck(t.Context(), "tick"); err != nil {
				t.Fatal(err)
			}
			for _, where := range []string{"match", "middleware", "connection", "handler"} {
				if line := <-got; line != where+" ada <nil> false" {
					t.Errorf("%q at %s", line, where)
				}
			}
		})
	}
}

// Without the option nothing of the request's context is kept; with it, it goes with the connection.
func TestRequestContextIsKeptOnRequest(t *testing.T) {
	for _, keep := range []bool{false, true} {
		t.Run(fmt.Sprint(keep), func(t *testing.T) {
			opts := &socketio.Options{}
			if keep {
				opts.RequestContext = (*http.Request).Context
			}
			values := make(chan weak.Pointer[[1 << 10]byte], 64)
			srv := siotest.NewServer(t, &siotest.Options{Server: opts, Handler: func(io *socketio.Server) http.Handler {
				return withValue(io, func(r *http.Request) any {
					v := new([1 << 10]byte)
					values <- weak.Make(v)
					return v
				})
			}})
			s := srv.Dial("/", &client.Options{Engine: engineio.DialOptions{Transports: []string{"websocket"}}})
			value := <-values
			if keep {
				for range 3 {
					runtime.GC()
				}
				if value.Value() == nil {
					t.Error("the context has gone before the connection")
				}
			} else if !collected(value) {
				t.Error("the context is kept")
			}
			ended := make(chan struct{})
			for sock := range srv.IO().Sockets() {
				sock.OnDisconnect(func(socketio.DisconnectReason) { close(ended) })
			}
			s.Close()
			<-ended
			if !collected(value) {
				t.Error("the context outlives the connection")
			}
		})
	}
}

// collected waits until the garbage collector takes v, to which goroutines that end may still refer.
func collected(v weak.Pointer[[1 << 10]byte]) bool {
	for start := time.Now(); time.Since(start) < time.Minute; runtime.Gosched() {
		if runtime.GC(); v.Value() == nil {
			return true
		}
	}
	return false
}

// A client's certificate is in the handshake, over both transports, and so is what was agreed upon.
func TestHandshakeOverTLS(t *testing.T) {
	io := socketio.NewServer(nil)
	server := httptest.NewUnstartedServer(io)
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	defer server.Close()
	defer io.Close()
	certificate := newCertificate(t)
	for _, transport := range []string{"polling", "websocket"} {
		for _, certificates := range [][]tls.Certificate{nil, {certificate}} {
			roots := x509.NewCertPool()
			roots.AddCert(server.Certificate())
			s, err := client.Dial(t.Context(), server.URL, &client.Options{Engine: engineio.DialOptions{
				Transports: []string{transport}, DisableUpgrade: true, TLS: &tls.Config{RootCAs: roots, Certificates: certificates},
			}})
			if err != nil {
				t.Fatal(err)
			}
			sock, ok := io.Socket(s.ID())
			if !ok {
				t.Fatal("no socket")
			}
			h := sock.Handshake()
			if h.TLS == nil || h.TLS.Version != tls.VersionTLS13 || h.TLS.CipherSuite == 0 || !h.TLS.HandshakeComplete {
				t.Fatalf("%s: TLS %+v", transport, h.TLS)
			}
			got := h.TLS.PeerCertificates
			if len(got) != len(certificates) || len(got) > 0 && got[0].Subject.CommonName != "ada" {
				t.Errorf("%s: %d certificates", transport, len(got))
			}
			if h.Host != server.Listener.Addr().String() {
				t.Errorf("host %q", h.Host)
			}
			s.Close()
		}
	}
}

func newCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ada"}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Names are those of package http: header, query, cookies and address read as they do there.
func TestHandshakeInTypesOfGo(t *testing.T) {
	srv := siotest.NewServer(t, nil)
	s := srv.Dial("/", &client.Options{Engine: engineio.DialOptions{
		Header: http.Header{"Cookie": {"session=s3cr3t; theme=dark"}, "X-Tag": {"a", "b"}},
		Query:  map[string][]string{"room": {"7", "8"}},
	}})
	sock, ok := srv.IO().Socket(s.ID())
	if !ok {
		t.Fatal("no socket")
	}
	h := sock.Handshake()
	cookie, err := h.Cookie("session")
	if err != nil || cookie.Value != "s3cr3t" || len(h.Cookies()) != 2 {
		t.Errorf("cookie %v, %v", cookie, err)
	}
	if !slices.Equal(h.Header.Values("X-Tag"), []string{"a", "b"}) || !slices.Equal(h.Query["room"], []string{"7", "8"}) {
		t.Errorf("header %v, query %v", h.Header, h.Query)
	}
	if h.URL.Path != "/socket.io/" || h.URL.Query().Get("room") != "7" || h.Host == "" || h.TLS != nil {
		t.Errorf("URL %v, host %q", h.URL, h.Host)
	}
	if since := time.Since(h.Time); since < 0 || since > time.Hour {
		t.Errorf("connected %v ago", since)
	}
}
