package socketio_test

// The code of docs/server.md.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/adapter"
	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/event"
	"sio.example/socketio/parser"
)

// A server beside the other handlers of a program, with its time limits, its options, and an end.
func Example_mounting() {
	io := socketio.NewServer(&socketio.Options{
		Engine: engineio.Options{
			PingInterval: 10 * time.Second,
			MaxPayload:   200_000, // bytes of one message
		},
	})

	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io) // with the slash at the end, and without a method
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") })
	server := &http.Server{
		Addr:              "localhost:3000",
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		ConnContext:       io.Engine().ConnContext, // bounds what the kernel keeps for clients that do not read
	}

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() { // ends with the server
		if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
			log.Fatal(err)
		}
	}()
	<-ctx.Done()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := io.Shutdown(ctx); err != nil { // first: http.Server.Shutdown does not know WebSockets
		log.Print(err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), 5*time.Second) // anew: the first may be used up
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		log.Print(err)
	}
}

// Another path, for the server and for its clients.
func ExampleOptions_path() {
	mux := http.NewServeMux()
	io := socketio.NewServer(&socketio.Options{Engine: engineio.Options{Path: "/live/"}})
	mux.Handle("/live/", io)

	server := httptest.NewServer(mux)
	defer server.Close()
	defer io.Close()
	s, err := client.Dial(context.Background(), server.URL, &client.Options{
		Engine: engineio.DialOptions{Path: "/live/"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	fmt.Println(s.Connected())

	// Output: true
}

// Options that no server can keep are an error, for programs that would rather not start.
func ExampleOptions_Validate() {
	opts := &socketio.Options{ConnectTimeout: 45000} // meant are milliseconds, as in JavaScript
	fmt.Println(opts.Validate())

	// Output: socketio: ConnectTimeout is 45µs: a time.Duration counts nanoseconds; write 45000 * time.Millisecond
}

// A session needs no HTTP: any stream of bytes in both directions will do. Here it is a TCP connection.
func ExampleServer_Engine() {
	io := socketio.NewServer(nil)
	defer io.Close()
	io.Handle("greet", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error { return e.Ack("hello") })

	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		log.Fatal(err)
	}
	defer listener.Close()
	go func() { // ends with the listener
		for {
			stream, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the session
				if err := io.Engine().ServeStream(context.Background(), stream, nil); err != nil {
					log.Print(err)
				}
			}()
		}
	}()

	s, err := client.Dial(context.Background(), "http://"+listener.Addr().String(), &client.Options{
		Engine: engineio.DialOptions{Transports: []string{"webtransport"}, DialStream: dialTCP},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	answer, err := s.EmitWithAck(context.Background(), "greet")
	fmt.Println(answer, err)

	// Output: ["hello"] <nil>
}

func dialTCP(ctx context.Context, r *http.Request) (io.ReadWriteCloser, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", r.URL.Host)
}

type requestIDKey struct{}

// withRequestID is middleware of package http.
func withRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), requestIDKey{}, r.Header.Get("X-Request-Id"))
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// What middleware of package http has put into the context of the request is there for handlers, if the option says so.
func ExampleOptions_requestContext() {
	io := socketio.NewServer(&socketio.Options{
		RequestContext: (*http.Request).Context, // or a context that holds no more than what is needed
	})
	io.Handle("where from?", func(ctx context.Context, s *socketio.Socket, e *socketio.Event) error {
		return e.Ack(ctx.Value(requestIDKey{}))
	})

	server := httptest.NewServer(withRequestID(io))
	defer server.Close()
	defer io.Close()
	s, err := client.Dial(context.Background(), server.URL, &client.Options{
		Engine: engineio.DialOptions{Header: http.Header{"X-Request-Id": {"7f3c"}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	answer, err := s.EmitWithAck(context.Background(), "where from?")
	fmt.Println(answer, err)

	// Output: ["7f3c"] <nil>
}

// A cookie says who connects; the handshake has it.
func ExampleSocket_Handshake() {
	users := map[string]string{"s3cr3t": "ada"}

	io := socketio.NewServer(nil)
	io.Use(func(ctx context.Context, s *socketio.Socket) error {
		cookie, err := s.Handshake().Cookie("session")
		if err != nil {
			return &socketio.ConnectError{Message: "please log in"}
		}
		name, ok := users[cookie.Value]
		if !ok {
			return &socketio.ConnectError{Message: "please log in again", Data: map[string]string{"code": "expired"}}
		}
		s.SetData(User{Name: name})
		return s.Join("user:" + name) // however many windows the user has
	})

	server := httptest.NewServer(io)
	defer server.Close()
	defer io.Close()
	_, err := client.Dial(context.Background(), server.URL, nil)
	fmt.Println(err)
	s, err := client.Dial(context.Background(), server.URL, &client.Options{
		Engine: engineio.DialOptions{Header: http.Header{"Cookie": {"session=s3cr3t"}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	fmt.Println(s.Connected())

	// Output:
	// please log in
	// true
}

// Each way to register a handler.
func Example_handlers() {
	io := socketio.NewServer(nil)

	// 1. For all sockets of a namespace, with types.
	socketio.HandleWithAck(io, Login, func(_ context.Context, s *socketio.Socket, c Credentials) (User, error) {
		if c.Password != "sesame" {
			return User{}, &event.Error{Message: "wrong password"} // the client sees this text
		}
		u := User{Name: c.Name}
		s.SetData(u)
		return u, nil // the acknowledgement
	})

	// 2. For all sockets of a namespace, without types.
	io.Handle("rename", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
		var name string
		if err := e.Bind(&name); err != nil {
			return err
		}
		s.SetData(User{Name: name})
		return nil
	})

	io.OnConnection(func(s *socketio.Socket) {
		// 3. For one socket, with what the function knows of it.
		began := time.Now()
		s.On("since when?", func(_ context.Context, e *socketio.Event) error {
			return e.Ack(time.Since(began).Round(time.Hour).String())
		})

		// 4. For one socket, with types.
		Moved.On(s, func(_ context.Context, m Move) error {
			return Moved.Emit(s.Broadcast(), m)
		})
	})

	server := httptest.NewServer(io)
	defer server.Close()
	defer io.Close()
	ctx := context.Background()
	s, err := client.Dial(ctx, server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	fmt.Println(Login.Emit(ctx, s, Credentials{"ada", "sesame"}))
	fmt.Println(Login.Emit(ctx, s, Credentials{"eve", "?"}))
	answer, err := s.EmitWithAck(ctx, "since when?")
	fmt.Println(answer, err)

	// Output:
	// {ada} <nil>
	// {} wrong password
	// ["0s"] <nil>
}

// What is returned by On and the like removes the listener.
func ExampleNamespace_OnConnection() {
	io := socketio.NewServer(nil)
	off := io.OnConnection(func(s *socketio.Socket) { _ = s.Emit("welcome", "to the opening") })
	off() // nobody who connects from now on is greeted

	// Output:
}

// Middleware of events sees each one before the handlers do, and decides whether they get it.
func ExampleSocket_Use() {
	io := socketio.NewServer(nil)
	io.OnConnection(func(s *socketio.Socket) {
		budget := 2 // events of one socket are handled one at a time: no lock is needed
		s.Use(func(next socketio.Handler) socketio.Handler {
			return func(ctx context.Context, e *socketio.Event) error {
				if budget--; budget < 0 {
					return &event.Error{Message: "too many events"}
				}
				return next(ctx, e)
			}
		})
		s.On("ping", func(_ context.Context, e *socketio.Event) error { return e.Ack("pong") })
	})

	server := httptest.NewServer(io)
	defer server.Close()
	defer io.Close()
	ctx := context.Background()
	s, err := client.Dial(ctx, server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	const ping event.WithAck[parser.None, string] = "ping"
	for range 3 {
		fmt.Println(ping.Emit(ctx, s, parser.None{}))
	}

	// Output:
	// pong <nil>
	// pong <nil>
	//  too many events
}

// Rooms are names of groups; a socket leaves all of them when it is disconnected.
func ExampleSocket_Join() {
	io := socketio.NewServer(nil)
	io.Handle("enter", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
		var room string
		if err := e.Bind(&room); err != nil {
			return err
		}
		if !strings.HasPrefix(room, "chess/") {
			return &event.Error{Message: "no such room"} // clients don't join rooms: the server decides
		}
		if err := s.Join(room); err != nil {
			return err
		}
		return s.To(room).Emit("entered", s.ID()) // all others in the room
	})

	server := httptest.NewServer(io)
	defer server.Close()
	defer io.Close()
	s, err := client.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	const enter event.WithAck[string, parser.None] = "enter"
	_, err = enter.Emit(context.Background(), s, "admin")
	fmt.Println(err)

	// Output: no such room
}

// Hooks are told when rooms come and go. Here each room is about a stock, whose prices are asked for while somebody is
// in it.
func ExampleNamespace_OnRooms() {
	io := socketio.NewServer(nil)
	changes := make(chan string)
	io.OnRooms(&socketio.RoomHooks{
		Created: func(_ *socketio.Namespace, room string) {
			if stock, ok := strings.CutPrefix(room, "stock/"); ok { // a socket's own room is one, too
				changes <- "ask for " + stock
			}
		},
		Deleted: func(_ *socketio.Namespace, room string) {
			if stock, ok := strings.CutPrefix(room, "stock/"); ok {
				changes <- "forget " + stock
			}
		},
	})
	io.Use(func(_ context.Context, s *socketio.Socket) error { return s.Join("stock/ACME") })

	server := httptest.NewServer(io)
	defer server.Close()
	defer io.Close()
	s, err := client.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(<-changes)
	s.Close()
	fmt.Println(<-changes)

	// Output:
	// ask for ACME
	// forget ACME
}

// A server of a cluster lets clients in when it hears the other servers.
func ExampleNamespace_Ready() {
	factory := adapter.Factory(adapter.NewMemory) // or one that connects to a broker
	io := socketio.NewServer(&socketio.Options{Adapter: factory})
	defer io.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := io.Ready(ctx); err != nil {
		log.Print(err) // go on, or give up: clients can connect, and events of other servers do not reach them yet
	}
}

// FetchSockets describes who is in a room, in all servers of a cluster.
func ExampleBroadcastOperator_FetchSockets() {
	io := socketio.NewServer(nil)
	io.Use(func(_ context.Context, s *socketio.Socket) error {
		s.SetData(User{Name: "ada"})
		return s.Join("chess/7")
	})

	server := httptest.NewServer(io)
	defer server.Close()
	defer io.Close()
	ctx := context.Background()
	s, err := client.Dial(ctx, server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	sockets, err := io.To("chess/7").FetchSockets(ctx)
	if err != nil {
		log.Fatal(err) // sockets are those that were found all the same
	}
	for _, s := range sockets {
		u, _ := socketio.Data[User](s)
		fmt.Println(u.Name, len(s.Rooms()))
	}

	// Output: ada 2
}

// A question to one client, without waiting for the answer.
func ExampleSocket_EmitFunc() {
	io := socketio.NewServer(nil)
	answered := make(chan string)
	io.OnConnection(func(s *socketio.Socket) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		err := s.EmitFunc(ctx, "your name?", func(answer socketio.Args, err error) {
			defer cancel()
			var name string
			if err == nil {
				err = answer.Bind(&name)
			}
			answered <- fmt.Sprint(name, " ", err)
		}, "please")
		if err != nil {
			cancel() // the function will not be called
		}
	})

	server := httptest.NewServer(io)
	defer server.Close()
	defer io.Close()
	s, err := client.Dial(context.Background(), server.URL, &client.Options{Setup: func(s *client.Socket) {
		s.On("your name?", func(_ context.Context, e *client.Event) error { return e.Ack("ada") })
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	fmt.Println(<-answered)

	// Output: ada <nil>
}

// Picture has binary in it, which is sent as it is and not as base64.
type Picture struct {
	Name   string `json:"name"`
	Pixels []byte `json:"pixels"`
}

// Binary may be anywhere in an argument.
func Example_binary() {
	io := socketio.NewServer(nil)
	io.Handle("upload", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
		var p Picture
		if err := e.Bind(&p); err != nil {
			return err
		}
		return e.Ack(Picture{Name: "thumbnail of " + p.Name, Pixels: p.Pixels[:2]})
	})

	server := httptest.NewServer(io)
	defer server.Close()
	defer io.Close()
	s, err := client.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	answer, err := s.EmitWithAck(context.Background(), "upload", Picture{"sun", []byte{1, 2, 3}})
	if err != nil {
		log.Fatal(err)
	}
	var thumbnail Picture
	if err := answer.Bind(&thumbnail); err != nil {
		log.Fatal(err)
	}
	fmt.Println(thumbnail, answer.HasBinary())

	// Output: {thumbnail of sun [1 2]} true
}

// What can go wrong with an emit.
func Example_errors() {
	io := socketio.NewServer(nil)
	defer io.Close()
	io.Handle("work", func(ctx context.Context, s *socketio.Socket, _ *socketio.Event) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		answer, err := s.EmitWithAck(ctx, "ready?")
		switch {
		case err == nil:
			return s.Emit("go", answer)
		case errors.Is(err, socketio.ErrDisconnected):
			return nil // the client has gone, and nobody needs to know
		case errors.Is(err, context.DeadlineExceeded):
			return &event.Error{Message: "you are too slow"} // the client sees this text
		default:
			return err // it is logged, and the client sees "internal error"
		}
	})

	fmt.Println(io.Emit("chart", func() {})) // no value that JSON has

	// Output: socketio: encode: argument 0: json: unsupported type: func()
}

// A log for operators, and a hook for what counts errors.
func Example_logging() {
	opts := &socketio.Options{
		Logger: slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OnError: func(ctx context.Context, s *socketio.Socket, e *socketio.Event, err error) {
			var panicked *socketio.PanicError
			if errors.As(err, &panicked) {
				log.Printf("a bug: %v\n%s", panicked.Value, panicked.Stack)
			}
		},
	}
	io := socketio.NewServer(opts)
	defer io.Close()

	http.HandleFunc("/stats", func(w http.ResponseWriter, _ *http.Request) {
		st := io.Stats()
		fmt.Fprintln(w, "sockets", st.Sockets)
		fmt.Fprintln(w, "bytes held", st.Engine.Memory.Out+st.Engine.Memory.In+st.Engine.Memory.Held)
		fmt.Fprintln(w, "lost between servers", st.AdapterErrors)
		for cause, n := range st.Rejected { // "origin", "packet", "slow_consumer" and so on
			fmt.Fprintln(w, "rejected", cause, n)
		}
	})
}
