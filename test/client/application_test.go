package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
)

// ourSide starts our server in this process, with the application of official_server.js.
var ourSide = side{name: "ours", start: startOurs}

type ourServer struct {
	io     *socketio.Server
	http   *http.Server
	conns  *connections
	served chan error
	records

	mu   sync.Mutex
	skip int
	hold bool
	held []func()
}

func startOurs(t *testing.T, port int, o serverOptions) server {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	s := &ourServer{
		io: socketio.NewServer(&socketio.Options{Engine: engineio.Options{
			PingInterval: milliseconds(o.PingInterval),
			PingTimeout:  milliseconds(o.PingTimeout),
			Transports:   o.Transports,
		}}),
		conns:  &connections{Listener: ln, open: map[net.Conn]struct{}{}},
		served: make(chan error, 1),
	}
	s.io.Of("/gate").Use(func(_ context.Context, sock *socketio.Socket) error {
		var auth struct {
			Token string `json:"token"`
		}
		if err := sock.Handshake().Auth.Bind(&auth); err == nil && auth.Token == "letmein" {
			return nil
		}
		return &socketio.ConnectError{Message: "not allowed", Data: map[string]any{"code": 7, "why": []string{"token"}}}
	})
	for _, name := range []string{"/", "/chat", "/gate"} {
		s.io.Of(name).OnConnection(func(sock *socketio.Socket) { s.connected(name, sock) })
	}
	s.http = &http.Server{Handler: s.io, IdleTimeout: milliseconds(o.KeepAlive)}
	go func() { s.served <- s.http.Serve(s.conns) }() // owned by ourServer; stop ends it and waits
	return s
}

func milliseconds(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }

func (s *ourServer) connected(nsp string, sock *socketio.Socket) {
	auth := any(map[string]any{})
	if vs := values(sock.Handshake().Auth); len(vs) > 0 && vs[0] != nil {
		auth = vs[0]
	}
	rec := s.of(nsp)
	rec.add("connect", auth, sock.Recovered())
	sock.OnDisconnect(func(r socketio.DisconnectReason) { s.of(nsp + " gone").add(string(r)) })
	sock.OnAny(func(_ context.Context, e *socketio.Event) { rec.add(e.Name, values(e.Args)...) })
	for name, h := range map[string]func(e *socketio.Event) error{
		"echo": func(e *socketio.Event) error {
			if e.WantsAck() {
				return e.Ack(e.Args)
			}
			return sock.Emit("echo", e.Args)
		},
		"note": s.note,
		"push": func(e *socketio.Event) error {
			var count int
			if err := e.Bind(&count); err != nil {
				return fmt.Errorf("push: %w", err)
			}
			for i := range count {
				_ = sock.Emit("tick", i+1) // it may be gone
			}
			if e.WantsAck() { // with retries
				return e.Ack()
			}
			return nil
		},
		"kick":      func(*socketio.Event) error { sock.Disconnect(false); return nil },
		"kick-all":  func(*socketio.Event) error { sock.Disconnect(true); return nil },
		"drop":      func(*socketio.Event) error { sock.Conn().Close(); return nil },
		"transport": func(e *socketio.Event) error { return e.Ack(sock.Conn().Transport()) },
		"garbage": func(*socketio.Event) error {
			return sock.Conn().Send(engineio.SendOptions{},
				engineio.Prepare(engineio.Message{Data: []byte("9garbage")}))
		},
	} {
		sock.On(name, func(_ context.Context, e *socketio.Event) error { return h(e) })
	}
	sock.On("ask", func(ctx context.Context, e *socketio.Event) error {
		answer, err := sock.EmitWithAck(ctx, "question", e.Args)
		if err != nil {
			return fmt.Errorf("ask: %w", err)
		}
		return sock.Emit("answered", answer)
	})
}

// note acknowledges not at all, later, or now.
func (s *ourServer) note(e *socketio.Event) error {
	if !e.WantsAck() {
		return nil
	}
	first := values(e.Args)[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.skip > 0:
		s.skip--
	case s.hold:
		s.held = append(s.held, func() { _ = e.Ack("noted", first) }) // it may be gone
	default:
		defer func() { _ = e.Ack("noted", first) }()
	}
	return nil
}

func (s *ourServer) addr() string { return s.conns.Addr().String() }

func (s *ourServer) record(_ *testing.T, source string, from, count int, limit time.Duration) []string {
	return s.of(source).wait(from, count, limit)
}

func (s *ourServer) acks(_ *testing.T, skip int, hold bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skip, s.hold = skip, hold
}

func (s *ourServer) release(*testing.T) {
	s.mu.Lock()
	held := s.held
	s.held = nil
	s.mu.Unlock()
	for _, ack := range held {
		ack()
	}
}

func (s *ourServer) emit(t *testing.T, nsp, event string, args ...any) {
	t.Helper()
	if err := s.io.Of(nsp).Emit(event, args...); err != nil {
		t.Errorf("emit: %v", err)
	}
}

func (s *ourServer) sessions(*testing.T) int { return s.io.Engine().Count() }

func (s *ourServer) stop(t *testing.T, politely bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if politely {
		if err := errors.Join(s.io.Shutdown(ctx), s.http.Shutdown(ctx)); err != nil {
			t.Errorf("shutdown: %v", err)
		}
	} else {
		s.conns.reset()
		if err := s.io.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	_ = s.http.Close() // also when it is closed already
	if err := <-s.served; !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		t.Errorf("serve: %v", err)
	}
	if err := s.io.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	s.served <- http.ErrServerClosed // for stopping it again
}

// connections is a listener that can reset what it accepted, as the kernel does when a process dies.
type connections struct {
	net.Listener

	mu   sync.Mutex
	dead bool
	open map[net.Conn]struct{}
}

func (l *connections) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		_ = c.(*net.TCPConn).SetLinger(0)
		_ = c.Close()
		return nil, net.ErrClosed
	}
	l.open[c] = struct{}{}
	return c, nil
}

func (l *connections) reset() {
	_ = l.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
	for c := range l.open {
		_ = c.(*net.TCPConn).SetLinger(0) // fails only if it is closed
		_ = c.Close()
	}
}
