package client_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/memnet"
	"sio.example/socketio/internal/taggedparser"
	"sio.example/socketio/parser"
	"sio.example/socketio/parser/msgpack"
)

// The tests whose names begin with TestConformance go through what the official client's own tests look at;
// docs/conformance.md says which is for what. They need nothing but this package's exported names.

// A stage is a server on a network in memory, and the clients of it. It lives in a synctest bubble: time is virtual,
// and a goroutine that is left in the end fails the test.
type stage struct {
	*socketio.Server
	t    *testing.T
	ln   *memnet.Listener
	http *http.Server

	parser parser.Parser // of both ends; nil is the default

	refused atomic.Bool // TCP connections are

	mu       sync.Mutex
	conns    []*memnet.Conn // the clients' ends
	wire     []string       // messages sent ("> ") and received ("< ") by clients, base64 for binary ones
	managers []*client.Manager
}

// onStage runs fn with the server that the official client is tested against, which supportServer describes: once with
// the default parser, with MessagePack and with one of another format, at both ends.
func onStage(t *testing.T, fn func(t *testing.T, s *stage)) {
	t.Helper()
	for name, p := range map[string]parser.Parser{"json": nil, "msgpack": msgpack.Parser(nil),
		"tagged": taggedparser.New(nil)} {
		t.Run(name, func(t *testing.T) {
			t.Helper()
			onStageWith(t, p, func() http.Handler { return supportServerWith(p) }, fn)
		})
	}
}

// onStageOf runs fn with a server of the test's own, and the default parser.
func onStageOf(t *testing.T, server func() http.Handler, fn func(t *testing.T, s *stage)) {
	t.Helper()
	onStageWith(t, nil, server, fn)
}

func onStageWith(t *testing.T, p parser.Parser, server func() http.Handler, fn func(t *testing.T, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := server()
		s := &stage{t: t, ln: memnet.Listen(), parser: p}
		s.http = &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
		go func() { _ = s.http.Serve(s.ln) }() // owned by the stage, ends with Close below
		defer func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			for _, m := range s.managers {
				if err := m.Shutdown(ctx); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
			}
			if c, ok := h.(interface{ Close() error }); ok {
				_ = c.Close()
			}
			_ = s.http.Close()
			_ = s.ln.Close()
		}()
		s.Server, _ = h.(*socketio.Server)
		fn(t, s)
	})
}

const stageURL = "http://server.example"

// manager returns a Manager whose connections go to the stage's server.
func (s *stage) manager(opts *client.Options) *client.Manager { return s.managerOf(stageURL, opts) }

func (s *stage) managerOf(rawURL string, opts *client.Options) *client.Manager {
	m := client.NewManager(rawURL, s.options(opts))
	s.managers = append(s.managers, m)
	return m
}

// dial is client.Dial to the stage's server.
func (s *stage) dial(rawURL string, opts *client.Options) (*client.Socket, error) {
	sock, err := client.Dial(s.t.Context(), rawURL, s.options(opts))
	if err == nil {
		s.managers = append(s.managers, sock.Manager())
	}
	return sock, err
}

// connected returns a socket of a Manager of its own that has connected.
func (s *stage) connected(namespace string, opts *client.Options) *client.Socket {
	s.t.Helper()
	sock := s.manager(opts).Socket(namespace, nil)
	if err := sock.Connect(s.t.Context()); err != nil {
		s.t.Fatalf("Connect: %v", err)
	}
	return sock
}

func (s *stage) options(opts *client.Options) *client.Options {
	var o client.Options
	if opts != nil {
		o = *opts
	}
	if o.Parser == nil {
		o.Parser = s.parser
	}
	o.Engine.NetDial = s.netDial
	o.Engine.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	if o.Engine.Trace == nil {
		o.Engine.Trace = &engineio.Trace{Packet: s.trace}
	}
	return &o
}

func (s *stage) netDial(ctx context.Context, _, _ string) (net.Conn, error) {
	if s.refused.Load() {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	c, err := s.ln.Dial(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = append(s.conns, c)
	return c, nil
}

func (s *stage) trace(_ string, sent bool, p packet.Packet) {
	if p.Type != packet.Message {
		return
	}
	way := "< "
	if sent {
		way = "> "
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range s.textOf(p.Data) {
		s.wire = append(s.wire, way+text)
	}
}

// textOf is a message in the default format.
func (s *stage) textOf(message []byte) (texts []string) {
	if s.parser == nil {
		return []string{string(message)}
	}
	p, err := s.parser.NewDecoder().Add(parser.Frame{Binary: true, Data: slices.Clone(message)})
	if err != nil {
		return []string{err.Error()}
	}
	frames, err := parser.JSON(nil).Encode(nil, p)
	if err != nil {
		return []string{err.Error()}
	}
	for _, f := range frames {
		texts = append(texts, string(f.Data))
	}
	return texts
}

// sent is what clients have sent so far.
func (s *stage) sent() []string { return s.passed("> ") }

func (s *stage) passed(way string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, m := range s.wire {
		if rest, ok := strings.CutPrefix(m, way); ok {
			out = append(out, rest)
		}
	}
	return out
}

// cut resets all connections, as soon as there is nothing else to do.
func (s *stage) cut() {
	synctest.Wait()
	s.mu.Lock()
	conns := s.conns
	s.conns = nil
	s.mu.Unlock()
	for _, c := range conns {
		c.Reset()
	}
}

// dials is how many TCP connections were made.
func (s *stage) dials() int { return s.ln.Dials() }

// next receives from ch, for which it waits a minute of the bubble's time.
func next[T any](t *testing.T, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(time.Minute):
		t.Fatalf("no %s within a minute", what)
		panic("unreachable")
	}
}

// never wants nothing in ch for as long as d of the bubble's time.
func never[T any](t *testing.T, what string, ch <-chan T, d time.Duration) {
	t.Helper()
	select {
	case v := <-ch:
		t.Fatalf("%s: %v", what, v)
	case <-time.After(d):
	}
}

// signal returns a channel and a function that puts a value into it.
func signal[T any]() (<-chan T, func(T)) {
	ch := make(chan T, 100)
	return ch, func(v T) { ch <- v }
}

// events returns a channel of the arguments of the events called name.
func events(s *client.Socket, name string) <-chan client.Args {
	ch, put := signal[client.Args]()
	s.On(name, func(_ context.Context, e *client.Event) error {
		put(e.Args)
		return nil
	})
	return ch
}

// connects returns a channel with a value for each time s connects from now on.
func connects(s *client.Socket) <-chan string {
	synctest.Wait() // for the callbacks that are under way
	ch, put := signal[string]()
	s.OnConnect(func() { put(s.ID()) })
	return ch
}

// disconnects returns a channel of the reasons for which s disconnects.
func disconnects(s *client.Socket) <-chan client.DisconnectReason {
	synctest.Wait()
	ch, put := signal[client.DisconnectReason]()
	s.OnDisconnect(put)
	return ch
}

// connectErrors returns a channel of the errors of s.
func connectErrors(s *client.Socket) <-chan error {
	synctest.Wait()
	ch, put := signal[error]()
	s.OnConnectError(put)
	return ch
}

// decode decodes the argument with the number i.
func decode[T any](t *testing.T, args client.Args, i int) T {
	t.Helper()
	var v T
	if err := args.Decode(i, &v); err != nil {
		t.Fatalf("argument %d of %v: %v", i, args, err)
	}
	return v
}

// ask emits an event and returns the values of its acknowledgement.
func ask(t *testing.T, s *client.Socket, name string, args ...any) client.Args {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answer, err := s.EmitWithAck(ctx, name, args...)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return answer
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantWire(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("on the wire\n%q, want\n%q", got, want)
	}
}

// quick are options with short delays.
func quick() *client.Options {
	return &client.Options{ReconnectionDelay: 10 * time.Millisecond}
}

// webSocketOnly are options for a client without polling.
func webSocketOnly() *client.Options {
	return &client.Options{Engine: engineio.DialOptions{Transports: []string{"websocket"}},
		ReconnectionDelay: 10 * time.Millisecond}
}

var utf8Texts = []string{"てすと", "Я Б Г Д Ж Й", "Ä ä Ü ü ß", "utf8 — string", "utf8 — string"}

// supportServer is an application like the one that the official client is tested against.
func supportServer() *socketio.Server { return supportServerWith(nil) }

func supportServerWith(p parser.Parser) *socketio.Server {
	io := socketio.NewServer(&socketio.Options{Parser: p})
	io.Use(func(_ context.Context, s *socketio.Socket) error {
		if _, ok := s.Handshake().Query["fail"]; ok {
			return &socketio.ConnectError{Message: "Auth failed (main namespace)"}
		}
		return nil
	})
	io.Of("/no").Use(func(context.Context, *socketio.Socket) error {
		return &socketio.ConnectError{Message: "Auth failed (custom namespace)", Data: map[string]int{"code": 7}}
	})
	io.Of("/valid").OnConnection(func(*socketio.Socket) {})
	io.Of("/asd").OnConnection(func(*socketio.Socket) {})
	io.Of("/bar").OnConnection(func(*socketio.Socket) {})
	answerIDs(io.Of("/foo"))
	answerIDs(io.Of("/"))
	io.Of("/abc").OnConnection(func(s *socketio.Socket) {
		h := s.Handshake()
		auth, _ := h.Auth.Values()
		_ = s.Emit("handshake", map[string]any{"query": h.Query, "auth": auth, "token": h.Header["X-Token"]})
	})
	io.OnConnection(serveSupport)
	return io
}

func answerIDs(n *socketio.Namespace) {
	n.Handle("getId", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error { return e.Ack(s.ID()) })
}

func serveSupport(s *socketio.Socket) {
	const date = "2026-05-04T03:02:01.000Z"
	on := func(name string, fn func(e *socketio.Event) error) {
		s.On(name, func(_ context.Context, e *socketio.Event) error { return fn(e) })
	}
	on("hi", func(*socketio.Event) error { return s.Emit("hi") })
	on("echo", func(e *socketio.Event) error { return e.Ack(e.Args) })
	on("return", func(e *socketio.Event) error { return s.Emit("returned", e.Args) })
	on("ack", func(*socketio.Event) error {
		go func() { // ends with the acknowledgement, or with the socket
			args, err := s.EmitWithAck(s.Context(), "ack")
			var n int
			var m map[string]bool
			if err == nil && args.Bind(&n, &m) == nil && n == 5 && m["test"] {
				_ = s.Emit("got it")
			}
		}()
		return nil
	})
	on("getAckDate", func(e *socketio.Event) error { return e.Ack(date) })
	on("getDate", func(*socketio.Event) error { return s.Emit("takeDate", date) })
	on("getDateObj", func(*socketio.Event) error { return s.Emit("takeDateObj", map[string]string{"date": date}) })
	on("getUtf8", func(*socketio.Event) error {
		for _, text := range utf8Texts {
			if err := s.Emit("takeUtf8", text); err != nil {
				return err
			}
		}
		return nil
	})
	on("false", func(*socketio.Event) error { return s.Emit("false", false) })
	on("doge", func(*socketio.Event) error { return s.Emit("doge", []byte("asdfasdf")) })
	on("leave", func(*socketio.Event) error { s.Disconnect(false); return nil })
	on("drop", func(*socketio.Event) error { s.Disconnect(true); return nil })
}

// A script is a server that sends what a test tells it to.
type script struct {
	*engineio.Server
	open func(s *engineio.Socket, n int) engineio.Handler

	mu sync.Mutex
	n  int // sessions so far
}

// newScript returns a script; open is called for each session with its number, from 1.
func newScript(opts engineio.Options, open func(s *engineio.Socket, n int) engineio.Handler) *script {
	sc := &script{open: open}
	opts.Path = "/socket.io/"
	sc.Server = engineio.NewServer(func(s *engineio.Socket, _ *http.Request) engineio.Handler {
		sc.mu.Lock()
		sc.n++
		n := sc.n
		sc.mu.Unlock()
		return sc.open(s, n)
	}, &opts)
	return sc
}

// A handler answers messages; it is an engineio.Handler.
type handler func(m string)

func (h handler) HandleMessage(m engineio.Message)   { h(string(m.Data)) }
func (h handler) HandleClose(engineio.Reason, error) {}

func say(s *engineio.Socket, text string) {
	_ = s.Send(engineio.SendOptions{}, engineio.Prepare(engineio.Message{Data: []byte(text)}))
}
