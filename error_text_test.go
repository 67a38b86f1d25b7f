package socketio_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/adapter"
	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/event"
	"sio.example/socketio/internal/cluster"
	"sio.example/socketio/internal/cluster/membus"
	"sio.example/socketio/parser"
	"sio.example/socketio/siotest"
)

var packageName = regexp.MustCompile(`\b(socketio|client|engineio|packet|parser|event|adapter|cluster|websocket): `)

// unencodable fails when it is encoded, with an error of the user's.
type unencodable struct{}

var errOwn = errors.New("no JSON of this")

func (unencodable) MarshalJSON() ([]byte, error) { return nil, errOwn }

// Each error of this module names one package, that of the function that was called, at the beginning of its line; what
// it wraps is found all the same.
func TestErrorsNameOnePackage(t *testing.T) {
	type check struct {
		name string
		err  error
		is   error // that it must match; nil if there is none
	}
	var checks []check
	add := func(name string, err, is error) { checks = append(checks, check{name, err, is}) }
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	bad := unencodable{}

	// The server.
	srv := siotest.NewServer(t, &siotest.Options{Setup: func(io *socketio.Server) {
		io.Use(func(ctx context.Context, s *socketio.Socket) error { return s.Emit("early", 1) })
	}})
	c := srv.Dial("/", nil)
	s, ok := srv.IO().Socket(c.ID())
	if !ok {
		t.Fatal("no socket")
	}
	server := srv.IO()
	question := event.WithAck[any, int]("question")
	add("Emit", s.Emit("x", bad), errOwn)
	add("Emit reserved", s.Emit("connect"), nil)
	add("Volatile", s.Volatile().Emit("x", bad), errOwn)
	add("broadcast", server.Emit("x", bad), errOwn)
	add("broadcast reserved", server.Emit("disconnect"), nil)
	add("broadcast to a room", s.To("r").Emit("x", bad), errOwn)
	add("server-side emit", server.ServerSideEmit("connection"), nil)
	add("EmitFunc", s.EmitFunc(t.Context(), "x", nil, bad), errOwn)
	add("EmitFunc late", s.EmitFunc(ctx, "x", nil), context.DeadlineExceeded)
	_, err := s.EmitWithAck(t.Context(), "x", bad)
	add("EmitWithAck", err, errOwn)
	_, err = s.EmitWithAck(ctx, "x")
	add("EmitWithAck late", err, context.DeadlineExceeded)
	_, err = question.Emit(ctx, s, 1)
	add("typed late", err, context.DeadlineExceeded)
	_, err = server.EmitWithAck(t.Context(), "x", bad)
	add("broadcast with acknowledgements", err, errOwn)
	_, err = server.EmitWithAck(ctx, "x")
	add("broadcast with acknowledgements late", err, context.DeadlineExceeded)
	add("no namespace", socketio.BroadcastOperator{}.Emit("x"), nil)
	add("options", (&socketio.Options{
		ConnectTimeout: 45, MaxInbox: -1, Engine: engineio.Options{PingInterval: 25, Transports: []string{"pigeon"}},
	}).Validate(), nil)
	for _, remote := range []error{adapter.ErrClosed, errors.New("redis: gone")} {
		factory := func(context.Context, adapter.Local) (adapter.Adapter, error) { return nil, remote }
		broken := socketio.NewServer(&socketio.Options{
			Adapter: factory, Logger: slog.New(slog.DiscardHandler),
		})
		defer broken.Close()
		add("adapter", broken.Emit("x"), remote)
		_, err = broken.FetchSockets(t.Context())
		add("fetch", err, remote)
		add("join", broken.SocketsJoin(t.Context(), "r"), remote)
	}

	// The client.
	add("client: Emit", c.Emit("x", bad), errOwn)
	add("client: Emit reserved", c.Emit("connect"), nil)
	add("client: EmitFunc", c.EmitFunc(t.Context(), "x", nil, bad), errOwn)
	_, err = c.EmitWithAck(ctx, "x")
	add("client: EmitWithAck", err, context.DeadlineExceeded)
	badAuth := &client.Options{Socket: client.SocketOptions{Auth: bad}}
	add("client: auth", srv.Socket("/", badAuth).Connect(t.Context()), errOwn)
	cut := srv.NewNetwork()
	cut.Refuse()
	opts := &client.Options{ReconnectionAttempts: 1, ReconnectionDelay: time.Millisecond}
	add("client: gave up", cut.Socket("/", opts).Connect(t.Context()), client.ErrGaveUp)
	for name, answer := range map[string]string{
		"nothing": "", "page": "<html>", "JSON": "{}", "old": "97:0{", "packet": "9",
		"handshake": "0{}", "refused": `{"code":1}`,
	} {
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, answer)
		}))
		defer other.Close()
		for _, transport := range []string{"polling", "websocket"} {
			opts := engineio.DialOptions{Transports: []string{transport}}
			_, err := client.Dial(t.Context(), other.URL, &client.Options{Engine: opts})
			add("client: "+name+" by "+transport, err, nil)
			_, err = engineio.Dial(t.Context(), other.URL, nil, &opts)
			add("engineio: "+name+" by "+transport, err, nil)
		}
	}
	_, err = client.Dial(t.Context(), "localhost:99999", nil)
	add("client: port", err, nil)
	silent := engineio.DialOptions{
		NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() },
	}
	_, err = client.Dial(t.Context(), "http://127.0.0.1:1",
		&client.Options{Engine: silent, ConnectTimeout: 50 * time.Millisecond})
	add("client: timeout", err, context.DeadlineExceeded)
	_, err = client.Dial(ctx, "http://127.0.0.1:1", &client.Options{Engine: silent})
	add("client: late", err, context.DeadlineExceeded)

	// Sessions, packets and events.
	_, err = engineio.Dial(ctx, "http://127.0.0.1:1", nil, nil)
	add("engineio: late", err, context.DeadlineExceeded)
	_, err = engineio.Dial(t.Context(), "ftp://x", nil, nil)
	add("engineio: scheme", err, nil)
	options := &engineio.Options{PingTimeout: 20, MaxPayload: -1, CORS: &engineio.CORSOptions{}}
	add("engineio: options", options.Validate(), nil)
	_, err = packet.Decode([]byte("9"), false)
	add("packet", err, nil)
	_, err = packet.DecodeHandshake([]byte("{"))
	add("packet: handshake", err, nil)
	_, err = parser.JSON(nil).Encode(nil, &parser.Packet{Type: parser.Event, Name: "x", Args: parser.NewArgs(1, bad)})
	add("parser: encode", err, errOwn)
	_, err = parser.JSON(nil).NewDecoder().Add(parser.Frame{Data: []byte("2[")})
	add("parser: decode", err, nil)
	var n int
	received := parser.NewArgs("text")
	add("parser: Bind", received.Bind(&n), nil)
	add("parser: Decode", received.Decode(3, &n), nil)
	add("event: Bind", event.New("x", received, nil).Bind(&n), nil)
	add("event: Ack", event.New("x", received, nil).Ack(), event.ErrNoAck)
	handler := event.Of[int]("x").Handler(func(context.Context, int) error { return nil })
	add("event: handler", handler(t.Context(), event.New("x", received, nil)), nil)
	asked := event.WithAck[int, any]("x").Handler(func(context.Context, int) (any, error) { return bad, nil })
	add("event: acknowledgement", asked(t.Context(), event.New("x", parser.NewArgs(1), func(args []any) error {
		_, err := parser.JSON(nil).Encode(nil, &parser.Packet{Type: parser.Ack, HasID: true, Args: parser.NewArgs(args...)})
		return err
	})), errOwn)
	addStreamErrors(t, add)
	addClusterErrors(t, add)
	add("event: refusal", (&event.ConnectError{Message: "no", Data: "text"}).Bind(&n), nil)

	// After the end.
	c.Close()
	add("client: closed", c.Emit("x"), client.ErrClosed)
	add("client: connect after the end", c.Connect(t.Context()), client.ErrClosed)
	_, err = c.EmitWithAck(t.Context(), "x")
	add("client: EmitWithAck after the end", err, client.ErrClosed)
	_ = server.Close()
	add("closed", server.Of("/late").Emit("x"), socketio.ErrServerClosed)
	add("gone", s.Emit("x"), socketio.ErrDisconnected)
	add("gone: join", s.Join("r"), socketio.ErrDisconnected)

	for _, c := range checks {
		if c.err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		if c.is != nil && !errors.Is(c.err, c.is) {
			t.Errorf("%s: %v does not match %v", c.name, c.err, c.is)
		}
		for line := range strings.Lines(c.err.Error()) {
			if found := packageName.FindAllStringIndex(line, -1); len(found) > 1 || len(found) == 1 && found[0][0] != 0 {
				t.Errorf("%s: %q", c.name, line)
			}
		}
		if t.Failed() || testing.Verbose() {
			t.Logf("%s: %v", c.name, c.err)
		}
	}
}

// addStreamErrors adds those of sessions on streams, at both ends.
func addStreamErrors(t *testing.T, add func(name string, err, is error)) {
	serve := func(opts *engineio.Options, say string) error {
		e := engineio.NewServer(func(*engineio.Socket, *http.Request) engineio.Handler { return nil }, opts)
		defer e.Close()
		near, far := net.Pipe()
		go func() { // ends with the stream
			_, _ = io.WriteString(near, say)
			if opts == nil {
				_ = near.Close()
			}
			_, _ = io.Copy(io.Discard, near)
		}()
		defer near.Close()
		return e.ServeStream(t.Context(), far, nil)
	}
	add("ServeStream: nothing", serve(nil, ""), io.EOF)
	add("ServeStream: half a packet", serve(nil, "\x050"), nil)
	add("ServeStream: no frame", serve(nil, "\x00"), nil)
	add("ServeStream: no packet", serve(nil, "\x01x"), nil)
	add("ServeStream: no session", serve(nil, "\x0c0"+`{"sid":"x"}`), nil)
	add("ServeStream: silence", serve(&engineio.Options{UpgradeTimeout: time.Millisecond}, ""), nil)
	add("ServeStream: refused", serve(&engineio.Options{
		AllowRequest: func(*http.Request) error { return errOwn },
	}, "\x010"), nil)
	closed := engineio.NewServer(nil, nil)
	_ = closed.Close()
	near, far := net.Pipe()
	go func() { _, _ = io.WriteString(near, "\x010") }() // ends with the stream
	add("ServeStream: closed", closed.ServeStream(t.Context(), far, nil), engineio.ErrServerClosed)

	dial := func(stream io.ReadWriteCloser, err error) error {
		opts := engineio.DialOptions{
			Transports: []string{"webtransport"},
			DialStream: func(context.Context, *http.Request) (io.ReadWriteCloser, error) { return stream, err },
		}
		_, err = engineio.Dial(t.Context(), "http://localhost", nil, &opts)
		return err
	}
	says := func(packets string) io.ReadWriteCloser {
		near, far := net.Pipe()
		go func() { // ends with the stream
			_, _ = io.ReadFull(near, make([]byte, 2)) // an open packet
			_, _ = io.WriteString(near, packets)
			_ = near.Close()
		}()
		return far
	}
	add("DialStream", dial(nil, errOwn), errOwn)
	add("DialStream: nothing", dial(nil, nil), nil)
	add("DialStream: silence", dial(says(""), nil), io.EOF)
	add("DialStream: no frame", dial(says("\x00"), nil), nil)
	add("DialStream: no packet", dial(says("\x01x"), nil), nil)
	add("DialStream: no handshake", dial(says("\x030{}"), nil), nil)
	_, err := client.Dial(t.Context(), "http://localhost", &client.Options{Engine: engineio.DialOptions{
		Transports: []string{"webtransport"},
		DialStream: func(context.Context, *http.Request) (io.ReadWriteCloser, error) { return says("\x00"), nil },
	}})
	add("client: DialStream", err, nil)
}

// addClusterErrors adds those of adapters for several servers, which only Ready, requests and reports return.
func addClusterErrors(t *testing.T, add func(name string, err, is error)) {
	late, cancel := context.WithCancel(t.Context())
	cancel()
	reported := make(chan error, 100)
	network := membus.New(membus.Faults{})
	var nodes []adapter.Adapter
	open := func() (*socketio.Server, *membus.Bus) {
		bus := network.Node()
		factory := cluster.New(bus, nil)
		return socketio.NewServer(&socketio.Options{
			Adapter: func(ctx context.Context, ns adapter.Local) (adapter.Adapter, error) {
				node, err := factory(ctx, ns)
				nodes = append(nodes, node)
				return node, err
			},
			Logger: slog.New(slog.DiscardHandler),
			OnError: func(_ context.Context, _ *socketio.Socket, _ *socketio.Event, err error) {
				select {
				case reported <- err:
				default:
				}
			},
		}), bus
	}
	a, bus := open()
	b, other := open()
	defer func() {
		_ = b.Close()
		_ = bus.Close()
		_ = other.Close()
	}()
	for _, server := range []*socketio.Server{a, b} {
		if err := server.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	gone := &adapter.MissingError{Nodes: []string{"b"}, Err: adapter.ErrNodeGone}
	add("adapter: a node is gone", gone, adapter.ErrNodeGone)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n := 0; n < 2; <-tick.C {
		var err error
		if n, err = nodes[0].ServerCount(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	resume := bus.Block() // so that there is no answer
	_, err := a.FetchSockets(late)
	resume()
	add("cluster: fetch late", err, context.Canceled)
	mend := bus.Fail()
	if err := a.Emit("x"); err != nil {
		t.Errorf("what cannot be published is an error of Emit: %v", err)
	}
	add("cluster: report", <-reported, nil)
	mend()
	_ = a.Close()
	add("cluster: ready after the end", a.Ready(t.Context()), adapter.ErrClosed)

	remote := errors.New("redis: gone")
	for name, err := range map[string]error{"own": remote, "closed": adapter.ErrClosed} {
		unready := socketio.NewServer(&socketio.Options{
			Adapter: func(_ context.Context, ns adapter.Local) (adapter.Adapter, error) {
				return &unready{adapter.New(ns), err}, nil
			},
		})
		defer unready.Close()
		add("adapter: Ready: "+name, unready.Ready(t.Context()), err)
	}
}

type unready struct {
	*adapter.Memory
	err error
}

func (a *unready) Ready(context.Context) error { return a.err }

// fussy says something that begins like the errors of this module.
type fussy struct{}

const fussyText = "client: 17 is not known\nevent: gone"

func (fussy) MarshalText() ([]byte, error) { return nil, errors.New(fussyText) }

// What users' code says stays as it says it.
func TestErrorsKeepTextsOfUsers(t *testing.T) {
	srv := siotest.NewServer(t, nil)
	if err := srv.IO().Emit("x", fussy{}); err == nil || !strings.Contains(err.Error(), fussyText) {
		t.Errorf("%q", err)
	}
	io := socketio.NewServer(&socketio.Options{
		Adapter: func(_ context.Context, ns adapter.Local) (adapter.Adapter, error) {
			return &unready{adapter.New(ns), errors.New(fussyText)}, nil
		},
	})
	defer io.Close()
	if err := io.Ready(t.Context()); err == nil || !strings.HasSuffix(err.Error(), ": ready: "+fussyText) {
		t.Errorf("%q", err)
	}
}
