package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strings"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/event"
	"sio.example/socketio/parser"
)

// A whole server: what one client says, all get to hear.
func Example() {
	io := socketio.NewServer(nil)
	io.OnConnection(func(s *socketio.Socket) {
		s.On("chat message", func(_ context.Context, e *socketio.Event) error {
			var text string
			if err := e.Bind(&text); err != nil {
				return err
			}
			return io.Emit("chat message", s.ID(), text)
		})
	})
	http.Handle("/socket.io/", io)
	log.Fatal(http.ListenAndServe("127.0.0.1:3000", nil))
}

// Move is sent as two arguments.
type Move struct {
	_    parser.Tuple
	X, Y int
}

// Credentials and User belong to a contract that server and clients share.
type (
	Credentials struct{ Name, Password string }
	User        struct{ Name string }
)

// The events of the contract.
const (
	Moved event.Of[Move]                   = "moved"
	Login event.WithAck[Credentials, User] = "login"
)

// Events can have types, so that server and clients cannot disagree.
func Example_typedEvents() {
	io := socketio.NewServer(nil)

	// One handler for all sockets of a namespace costs no memory for each of them.
	socketio.Handle(io.Of("/board"), Moved, func(_ context.Context, s *socketio.Socket, m Move) error {
		return Moved.Emit(s.Broadcast(), m)
	})

	// What it returns is the acknowledgement.
	socketio.HandleWithAck(io.Of("/"), Login, func(_ context.Context, s *socketio.Socket, c Credentials) (User, error) {
		if c.Password != "sesame" {
			return User{}, &event.Error{Message: "wrong password"}
		}
		u := User{Name: c.Name}
		s.SetData(u)
		return u, nil
	})
}

// A gate decides who may connect.
func ExampleNamespace_Use() {
	io := socketio.NewServer(nil)
	io.Use(func(ctx context.Context, s *socketio.Socket) error {
		var auth struct{ Token string }
		if err := s.Handshake().Auth.Bind(&auth); err != nil || auth.Token == "" {
			return &socketio.ConnectError{Message: "not allowed", Data: map[string]string{"code": "E_TOKEN"}}
		}
		return s.Join("user:" + auth.Token)
	})
}

// Acknowledgements are waited for with a context, which is the timeout too.
func ExampleSocket_EmitWithAck() {
	ask := func(s *socketio.Socket) (string, error) {
		ctx, cancel := context.WithTimeout(s.Context(), 5*time.Second)
		defer cancel()
		args, err := s.EmitWithAck(ctx, "your name?")
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return "", fmt.Errorf("no answer: %w", err)
		case err != nil:
			return "", err // an error that matches socketio.ErrDisconnected, for one
		}
		var name string
		err = args.Bind(&name)
		return name, err
	}
	_ = ask
}

// Operators name who is to get an event.
func ExampleBroadcastOperator() {
	io := socketio.NewServer(nil)
	io.OnConnection(func(s *socketio.Socket) {
		_ = s.Join("lobby")
		_ = io.Emit("all of the namespace")
		_ = io.To("lobby", "bar").Except("muted").Emit("in either room, but not muted")
		_ = s.To("lobby").Emit("the others in the lobby")
		_ = s.Broadcast().Volatile().Emit("all others, if they can take it now")
	})
}

// Middleware surrounds the handlers of all events.
func ExampleNamespace_UseEvents() {
	io := socketio.NewServer(nil)
	io.UseEvents(func(next socketio.Handler) socketio.Handler {
		return func(ctx context.Context, e *socketio.Event) error {
			began := time.Now()
			err := next(ctx, e)
			s, _ := socketio.SocketFromContext(ctx)
			log.Printf("%s: %s took %v: %v", s.ID(), e.Name, time.Since(began), err)
			return err
		}
	})
}

// Clients may connect to any namespace that a function lets in.
func ExampleServer_OfFunc() {
	io := socketio.NewServer(nil)
	games := io.OfFunc(func(_ context.Context, name string, _ socketio.Args) bool {
		return strings.HasPrefix(name, "/game/")
	})
	games.OnConnection(func(s *socketio.Socket) {
		_ = s.Namespace().Emit("joined", s.ID()) // all players of this game
	})
}

// The server outlives the listener, so that connections can be closed in peace.
func ExampleServer_Shutdown() {
	io := socketio.NewServer(nil)
	server := &http.Server{Addr: "127.0.0.1:3000", Handler: io}
	go func() { log.Print(server.ListenAndServe()) }() // ends with Shutdown below

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := io.Shutdown(ctx); err != nil {
		log.Print(err) // names the handlers that have not returned
	}
	_ = server.Shutdown(ctx)
}
