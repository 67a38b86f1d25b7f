package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"os"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/engineio/packet"
)

// Dial connects, and waits for that. What must not miss the first events is added by Setup, which runs before.
func ExampleDial() {
	server := guideServer()
	defer server.Close()
	ctx := context.Background()
	serverURL := server.URL // "https://example.com", "localhost:3000", "wss://example.com/namespace?token=x"

	greeted := make(chan string)
	socket, err := client.Dial(ctx, serverURL, &client.Options{
		Setup: func(s *client.Socket) {
			s.On("greeting", func(ctx context.Context, e *client.Event) error {
				var text string
				if err := e.Bind(&text); err != nil {
					return err
				}
				greeted <- text
				return nil
			})
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer socket.Close()

	fmt.Println("the server says:", <-greeted)
	if err := socket.Emit("shout", "hello", 3); err != nil {
		log.Fatal(err)
	}

	// Output: the server says: welcome
}

// What the server needs to know of who connects is an option of the socket.
func ExampleDial_auth() {
	server := guideServer()
	defer server.Close()
	ctx, token := context.Background(), "secret"

	socket, err := client.Dial(ctx, server.URL+"/admin", &client.Options{
		Socket: client.SocketOptions{Auth: map[string]string{"token": token}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer socket.Close()
	fmt.Println(socket.Connected())

	// Output: true
}

// The context of EmitWithAck is its timeout; what the server acknowledges comes back as Args.
func ExampleSocket_EmitWithAck() {
	server := guideServer()
	defer server.Close()
	socket, err := client.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer socket.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	answer, err := socket.EmitWithAck(ctx, "add", 2, 3)
	if err != nil {
		log.Fatal(err)
	}
	var sum int
	if err := answer.Bind(&sum); err != nil {
		log.Fatal(err)
	}
	fmt.Println(sum)

	// Output: 5
}

// Sockets of one Manager share a connection.
func ExampleManager_Socket() {
	server := guideServer()
	defer server.Close()
	ctx := context.Background()

	manager := client.NewManager(server.URL, nil)
	defer manager.Close()
	news := manager.Socket("/news", nil)
	admin := manager.Socket("/admin", &client.SocketOptions{Auth: map[string]string{"token": "secret"}})

	news.On("headline", func(ctx context.Context, e *client.Event) error {
		fmt.Println("news:", e.Args)
		return nil
	})
	if err := errors.Join(news.Connect(ctx), admin.Connect(ctx)); err != nil {
		log.Fatal(err)
	}
	fmt.Println(news.Namespace(), admin.Namespace(), news.ID() != admin.ID())

	// Output: /news /admin true
}

// AuthFunc is asked each time the socket connects, so a token that has expired meanwhile is no problem. Middleware of
// the server that refuses returns a *ConnectError, with data if it likes.
func ExampleConnectError() {
	server := guideServer()
	defer server.Close()
	ctx := context.Background()
	manager := client.NewManager(server.URL, nil)
	defer manager.Close()

	admin := manager.Socket("/admin", &client.SocketOptions{
		AuthFunc: func(ctx context.Context) (any, error) {
			token, err := fetchToken(ctx)
			return map[string]string{"token": token}, err
		},
	})
	err := admin.Connect(ctx)

	var refused *client.ConnectError
	if errors.As(err, &refused) {
		var data struct{ Code string }
		if err := refused.Bind(&data); err != nil {
			log.Fatal(err)
		}
		fmt.Println(refused.Message, data.Code, admin.Active())
	}

	// Output: not allowed E_TOKEN false
}

func fetchToken(context.Context) (string, error) { return "stale", nil }

// A program learns of everything that happens to its connection, and rarely needs to.
func ExampleManager_OnReconnect() {
	manager := client.NewManager("https://example.com", &client.Options{
		ReconnectionDelay:    500 * time.Millisecond, // then 1 s, 2 s and so on, each made random by half
		ReconnectionDelayMax: 30 * time.Second,
		ReconnectionAttempts: 100, // in a row, then OnReconnectFailed
	})
	socket := manager.Socket("/", nil)

	socket.OnConnect(func() { log.Print("connected as ", socket.ID()) })
	socket.OnConnectError(func(err error) { log.Print("not connected: ", err, ", trying again: ", socket.Active()) })
	socket.OnDisconnect(func(reason client.DisconnectReason) { log.Print("connection lost: ", reason) })

	manager.OnReconnectAttempt(func(attempt int) { log.Print("attempt ", attempt) })
	manager.OnReconnect(func(attempt int) { log.Print("back after ", attempt) })
	manager.OnReconnectFailed(func() { log.Print("given up") })

	socket.Open() // Connect would wait
}

// Subscriptions belong to a connection: make them when one begins, unless the server has restored the one before.
func ExampleSocket_Recovered() {
	socket := client.NewManager("https://example.com", nil).Socket("/", nil)
	socket.OnConnect(func() {
		if socket.Recovered() {
			return // with its rooms, and what was sent meanwhile follows
		}
		if err := socket.Emit("subscribe", "prices"); err != nil {
			log.Print(err)
		}
	})
	socket.Open()
}

// With Retries each event is sent until the server has acknowledged it, one after the other.
func ExampleSocketOptions_retries() {
	socket := client.NewManager("https://example.com", &client.Options{
		Socket: client.SocketOptions{
			Retries:    3,               // sent up to four times
			AckTimeout: 5 * time.Second, // for each of them
		},
	}).Socket("/", nil)
	socket.Open()

	type order struct {
		ID   string `json:"id"` // by which the server knows a second sending
		Item string `json:"item"`
	}
	if err := socket.Emit("order", order{ID: "7f3c", Item: "tea"}); err != nil {
		log.Print(err)
	}
}

// Who would rather fail now than wait, or rather lose old events than new ones, says so.
func ExampleBufferPolicy() {
	client.NewManager("https://example.com", &client.Options{Socket: client.SocketOptions{
		MaxBufferPackets: 100, // and MaxBufferBytes
		BufferPolicy:     client.BufferDropOldest,
	}})
	client.NewManager("https://example.com", &client.Options{Socket: client.SocketOptions{
		BufferPolicy: client.BufferNothing, // Emit returns ErrDisconnected while there is no connection
	}})
}

// What happens below is the business of package engineio.
func ExampleOptions_engine() {
	jar, err := cookiejar.New(nil)
	if err != nil {
		log.Fatal(err)
	}
	client.NewManager("https://example.com", &client.Options{
		Engine: engineio.DialOptions{
			Path:       "/my/socket.io/",
			Transports: []string{"websocket", "polling"}, TryAllTransports: true, // polling only where WebSocket fails
			Query:  url.Values{"version": {"2"}},
			Header: http.Header{"Authorization": {"Bearer abc"}, "Origin": {"https://example.com"}},
			Jar:    jar, // shared with other requests of the program
			TLS:    &tls.Config{ServerName: "internal.example.com"},
			Proxy:  http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.example.com:3128"}),
		},
	})
}

// Any connection will do.
func ExampleOptions_netDial() {
	client.NewManager("http://app", &client.Options{
		Engine: engineio.DialOptions{
			NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "unix", "/run/app.sock")
			},
		},
	})
}

// The Logger tells what goes wrong, and at debug level what happens; a Trace sees every request and packet.
func ExampleOptions_logger() {
	client.NewManager("https://example.com", &client.Options{
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OnError: func(ctx context.Context, s *client.Socket, e *client.Event, err error) {
			// count it, or send it to where errors are collected
		},
		Engine: engineio.DialOptions{
			Trace: &engineio.Trace{
				HTTP:    &httptrace.ClientTrace{DNSStart: func(i httptrace.DNSStartInfo) { log.Print("looking up ", i.Host) }},
				Request: func(r *http.Request) { log.Print(r.Method, " ", r.URL) },
				Upgrade: func(transport string, err error) { log.Print("upgrade to ", transport, ": ", err) },
				Packet: func(transport string, sent bool, p packet.Packet) {
					log.Printf("%s sent=%v %v %q", transport, sent, p.Type, p.Data)
				},
			},
		},
	})
}

// Shutdown sends what was emitted, and leaves nothing behind.
func ExampleManager_Shutdown() {
	server := guideServer()
	defer server.Close()
	manager := client.NewManager(server.URL, nil)
	socket := manager.Socket("/", nil)
	if err := socket.Connect(context.Background()); err != nil {
		log.Fatal(err)
	}
	if err := socket.Emit("shout", "goodbye"); err != nil {
		log.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := manager.Shutdown(ctx); err != nil {
		log.Print("closed at once: ", err)
	}
	fmt.Println(errors.Is(socket.Emit("shout", "too late"), client.ErrClosed))

	// Output: true
}

// What to do about an error of EmitWithAck, or of a typed event with an acknowledgement.
func ExampleSocket_EmitWithAck_errors() {
	socket := client.NewManager("https://example.com", nil).Socket("/", nil)
	ctx := context.Background()

	_, err := socket.EmitWithAck(ctx, "order", "tea")
	switch {
	case err == nil:
		// acknowledged
	case errors.Is(err, context.DeadlineExceeded):
		// the time of ctx, or AckTimeout, was up; the server may have got it
	case errors.Is(err, client.ErrDisconnected):
		// the connection was lost before the acknowledgement came; the server may have got it
	case errors.Is(err, client.ErrBufferFull):
		// it was never sent
	case errors.Is(err, client.ErrClosed):
		// the program is ending
	default:
		// the arguments can't be encoded, or the name is reserved
	}
}

// Middleware wraps the handlers of a socket; OnAny and OnAnyOutgoing only look.
func ExampleSocket_Use() {
	socket := client.NewManager("https://example.com", nil).Socket("/", nil)

	socket.Use(func(next client.Handler) client.Handler {
		return func(ctx context.Context, e *client.Event) error {
			start := time.Now()
			err := next(ctx, e)
			log.Print(e.Name, " took ", time.Since(start))
			return err
		}
	})
	socket.OnAny(func(ctx context.Context, e *client.Event) { log.Print("in: ", e.Name, " ", e.Args) })
	socket.OnAnyOutgoing(func(name string, args client.Args) { log.Print("out: ", name, " ", args) })
}

// Work that takes longer than a handler should ends with the connection it was for.
func ExampleSocket_Context() {
	socket := client.NewManager("https://example.com", nil).Socket("/", nil)

	socket.On("render", func(ctx context.Context, e *client.Event) error {
		go func() { // ends with the connection
			picture, err := render(ctx)
			if err != nil {
				log.Print("not rendered: ", context.Cause(ctx)) // a DisconnectReason, if that was why
				return
			}
			if err := e.Ack(picture); err != nil {
				log.Print(err)
			}
		}()
		return nil
	})
}

func render(context.Context) ([]byte, error) { return nil, nil }

// guideServer serves what the examples need.
func guideServer() *httptest.Server {
	io := socketio.NewServer(nil)
	io.OnConnection(func(s *socketio.Socket) { _ = s.Emit("greeting", "welcome") })
	io.Handle("shout", func(context.Context, *socketio.Socket, *socketio.Event) error { return nil })
	io.Handle("add", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error {
		var a, b int
		if err := e.Bind(&a, &b); err != nil {
			return err
		}
		return e.Ack(a + b)
	})
	io.Of("/news").OnConnection(func(*socketio.Socket) {})
	io.Of("/admin").Use(func(_ context.Context, s *socketio.Socket) error {
		var auth struct{ Token string }
		if err := s.Handshake().Auth.Bind(&auth); err != nil || auth.Token != "secret" {
			return &socketio.ConnectError{Message: "not allowed", Data: map[string]string{"code": "E_TOKEN"}}
		}
		return nil
	})
	return httptest.NewServer(io)
}
