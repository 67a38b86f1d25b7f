package documents

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	socketio "sio.example/socketio"
	"sio.example/socketio/parser/msgpack"
	"sio.example/socketio/test/internal/certificate"
)

// example is the server that docs/cli.md talks to, at port 3000 and with TLS at 4443, one that speaks MessagePack at
// 3001, and the files that they name.
func example(t *testing.T, dir string) io.Closer {
	t.Helper()
	server := socketio.NewServer(nil)
	server.OnConnection(func(s *socketio.Socket) { talk(s) })
	server.Of("/admin").Use(func(_ context.Context, s *socketio.Socket) error {
		var auth struct{ Token string }
		if err := s.Handshake().Auth.Bind(&auth); err != nil || auth.Token != "secret" {
			return &socketio.ConnectError{Message: "no"}
		}
		return nil
	})
	server.Of("/admin").OnConnection(func(s *socketio.Socket) {
		s.On("kick", func(_ context.Context, e *socketio.Event) error { return e.Ack(map[string]bool{"kicked": true}) })
	})
	server.Of("/logs").OnConnection(func(s *socketio.Socket) {
		s.On("line", func(_ context.Context, e *socketio.Event) error { return s.Emit("line", e.Args) })
	})

	mux := http.NewServeMux()
	mux.Handle("/socket.io/", server)
	cert, key := certificate.New(t)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"cert.pem":   string(cert),
		"token.json": `{"token":"secret"}`,
		"photo.jpg":  "\xff\xd8\xff",
		"app.log":    "the first line of app.log\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	x := &exampleServer{io: server, packed: socketio.NewServer(&socketio.Options{Parser: msgpack.Parser(nil)})}
	x.packed.OnConnection(func(s *socketio.Socket) { talk(s) })
	x.http = &http.Server{Handler: mux, ReadHeaderTimeout: patience, ErrorLog: log.New(io.Discard, "", 0)}
	for _, addr := range []string{"localhost:3000", "localhost:4443"} {
		listener, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if addr == "localhost:4443" {
			config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}
			listener = tls.NewListener(listener, config)
		}
		x.serving.Go(func() { _ = x.http.Serve(listener) })
	}
	listener, err := net.Listen("tcp", "localhost:3001")
	if err != nil {
		t.Fatal(err)
	}
	x.packedHTTP = &http.Server{Handler: x.packed, ReadHeaderTimeout: patience, ErrorLog: log.New(io.Discard, "", 0)}
	x.serving.Go(func() { _ = x.packedHTTP.Serve(listener) })
	return x
}

// talk is what its main namespace does.
func talk(s *socketio.Socket) {
	_ = s.Emit("hello", map[string]any{"nsp": "/", "auth": map[string]any{}}) // it may be gone already
	s.On("echo", func(_ context.Context, e *socketio.Event) error {
		if e.WantsAck() {
			return e.Ack(e.Args)
		}
		return s.Emit("echo", e.Args)
	})
	s.On("ask", func(ctx context.Context, e *socketio.Event) error {
		return s.EmitFunc(ctx, "question", func(answer socketio.Args, err error) {
			if err == nil {
				_ = s.Emit("answered", answer)
			}
		}, e.Args)
	})
	s.On("login", func(_ context.Context, e *socketio.Event) error { return e.Ack("welcome") })
	s.On("say", func(_ context.Context, e *socketio.Event) error { return s.Emit("said", e.Args) })
	s.On("upload", func(context.Context, *socketio.Event) error { return nil })
	s.On("add", func(_ context.Context, e *socketio.Event) error {
		var a, b int
		if err := e.Bind(&a, &b); err != nil {
			return err
		}
		return e.Ack(a + b)
	})
}

type exampleServer struct {
	io, packed       *socketio.Server
	http, packedHTTP *http.Server
	serving          sync.WaitGroup
}

// Close ends the server, and waits until that is done.
func (x *exampleServer) Close() error {
	err := errors.Join(x.io.Close(), x.packed.Close(), x.http.Close(), x.packedHTTP.Close())
	x.serving.Wait()
	return err
}
