package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
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
	server := &http.Server{Addr: "localhost:3000", ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
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
	socketio.Handle(io.Of("/"), Moved, func(_ context.Context, s *socketio.Socket, m Move) error {
		return Moved.Emit(s, Move{X: -m.X, Y: -m.Y})
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

	server := httptest.NewServer(io)
	defer server.Close()
	defer io.Close()
	client := dialExample(server.URL)
	fmt.Println(client.connect("/", ""))
	client.send(`42["moved",1,2]`)
	fmt.Println(client.read())
	client.send(`421["login",{"Name":"ada","Password":"sesame"}]`)
	fmt.Println(client.read())
	client.send(`422["login",{"Name":"eve","Password":"?"}]`)
	fmt.Println(client.read())
	client.send(`423["login","no credentials at all"]`)
	fmt.Println(client.read())

	// Output:
	// connected
	// 42["moved",-1,-2]
	// 431[{"Name":"ada"}]
	// 432[{"error":"wrong password"}]
	// 433[{"error":"invalid arguments"}]
}

// Middleware decides who may connect.
func ExampleNamespace_Use() {
	io := socketio.NewServer(nil)
	io.Use(func(ctx context.Context, s *socketio.Socket) error {
		var auth struct{ Token string }
		if err := s.Handshake().Auth.Bind(&auth); err != nil {
			return err // the client learns no more than that there was an error
		}
		if auth.Token == "" {
			return &socketio.ConnectError{Message: "not allowed", Data: map[string]string{"code": "E_TOKEN"}}
		}
		return s.Join("user:" + auth.Token) // from when it is connected
	})

	server := httptest.NewServer(io)
	defer server.Close()
	defer io.Close()
	client := dialExample(server.URL)
	fmt.Println(client.connect("/", `{"token":5}`))
	fmt.Println(client.connect("/", ""))
	fmt.Println(client.connect("/", `{"token":"secret"}`))

	// Output:
	// 44{"message":"internal error"}
	// 44{"message":"not allowed","data":{"code":"E_TOKEN"}}
	// connected
}

// Acknowledgements are waited for with a context, which is the timeout too. A handler may wait for the client whose
// event it handles.
func ExampleSocket_EmitWithAck() {
	io := socketio.NewServer(nil)
	io.Handle("hello", func(ctx context.Context, s *socketio.Socket, _ *socketio.Event) error {
		ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		args, err := s.EmitWithAck(ctx, "your name?")
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			return s.Emit("welcome", "stranger")
		case err != nil:
			return err // an error that matches socketio.ErrDisconnected, for one
		}
		var name string
		if err := args.Bind(&name); err != nil {
			return err
		}
		return s.Emit("welcome", name)
	})

	server := httptest.NewServer(io)
	defer server.Close()
	defer io.Close()
	client := dialExample(server.URL)
	fmt.Println(client.connect("/", ""))
	client.send(`42["hello"]`)
	fmt.Println(client.read())
	fmt.Println(client.read()) // without having answered

	// Output:
	// connected
	// 420["your name?"]
	// 42["welcome","stranger"]
}

// Contracts ask with types, one client or many.
func ExampleBroadcastOperator_EmitWithAck() {
	const vote event.WithAck[string, bool] = "vote"
	io := socketio.NewServer(nil)
	io.Handle("call", func(ctx context.Context, s *socketio.Socket, _ *socketio.Event) error {
		votes, err := vote.EmitAll(ctx, io, "pizza?")
		if err != nil {
			return err // votes are those that came all the same
		}
		return s.Emit("result", votes)
	})

	server := httptest.NewServer(io)
	defer server.Close()
	defer io.Close()
	client := dialExample(server.URL)
	fmt.Println(client.connect("/", ""))
	client.send(`42["call"]`)
	fmt.Println(client.read())
	client.send(`431073741824[true]`)
	fmt.Println(client.read())

	// Output:
	// connected
	// 421073741824["vote","pizza?"]
	// 42["result",[true]]
}

// Operators name who is to get an event.
func ExampleBroadcastOperator() {
	io := socketio.NewServer(nil)
	// In middleware: the client is in the room by the time it is told that it is connected.
	io.Use(func(_ context.Context, s *socketio.Socket) error { return s.Join("lobby") })
	io.OnConnection(func(s *socketio.Socket) {
		s.On("say", func(_ context.Context, e *socketio.Event) error {
			return errors.Join(
				io.Emit("to all of the namespace", e.Args),
				io.To("lobby", "bar").Except("muted").Emit("to either room, but not to the muted", e.Args),
				s.To("lobby").Emit("to the others in the lobby", e.Args),
				s.Broadcast().Emit("to all others", e.Args),
			)
		})
	})

	server := httptest.NewServer(io)
	defer server.Close()
	defer io.Close()
	ada, bob := dialExample(server.URL), dialExample(server.URL)
	fmt.Println(ada.connect("/", ""), bob.connect("/", ""))
	ada.send(`42["say","hi"]`)
	for range 2 {
		fmt.Println("ada:", ada.read())
	}
	for range 4 {
		fmt.Println("bob:", bob.read())
	}

	// Output:
	// connected connected
	// ada: 42["to all of the namespace","hi"]
	// ada: 42["to either room, but not to the muted","hi"]
	// bob: 42["to all of the namespace","hi"]
	// bob: 42["to either room, but not to the muted","hi"]
	// bob: 42["to the others in the lobby","hi"]
	// bob: 42["to all others","hi"]
}

// Middleware surrounds the handlers of all events.
func ExampleNamespace_UseEvents() {
	io := socketio.NewServer(nil)
	io.UseEvents(func(next socketio.Handler) socketio.Handler {
		return func(ctx context.Context, e *socketio.Event) error {
			s, _ := socketio.SocketFromContext(ctx)
			if s.Data() == nil && e.Name != "login" {
				return &event.Error{Message: "log in first"}
			}
			return next(ctx, e)
		}
	})
	io.Handle("login", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
		s.SetData("ada")
		return e.Ack("welcome")
	})
	io.Handle("who am I?", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
		return e.Ack(s.Data())
	})

	server := httptest.NewServer(io)
	defer server.Close()
	defer io.Close()
	client := dialExample(server.URL)
	fmt.Println(client.connect("/", ""))
	for id, name := range []string{"who am I?", "login", "who am I?"} {
		client.send(fmt.Sprintf("42%d[%q]", id, name))
		fmt.Println(client.read())
	}

	// Output:
	// connected
	// 430[{"error":"log in first"}]
	// 431["welcome"]
	// 432["ada"]
}

// Clients may connect to any namespace that a function lets in. What is registered with the parent counts for each.
func ExampleServer_OfFunc() {
	io := socketio.NewServer(nil)
	games := io.OfFunc(func(_ context.Context, name string, _ socketio.Args) bool {
		return strings.HasPrefix(name, "/game/")
	})
	games.OnConnection(func(s *socketio.Socket) {
		_ = s.Namespace().Emit("joined", s.Namespace().Name()) // to all players of this game
	})

	server := httptest.NewServer(io)
	defer server.Close()
	defer io.Close()
	client := dialExample(server.URL)
	fmt.Println(client.connect("/game/7", ""))
	fmt.Println(client.read())
	fmt.Println(client.connect("/chess", ""))

	// Child finds a game that is being played. Of would make one without the parent's middleware and handlers.
	if game, ok := games.Child("/game/7"); ok {
		_ = game.Emit("score", 1, 2)
	}
	fmt.Println(client.read())

	// Output:
	// connected
	// 42/game/7,["joined","/game/7"]
	// 44/chess,{"message":"Invalid namespace"}
	// 42/game/7,["score",1,2]
}

// The server outlives the listener, so that connections can be closed in peace.
func ExampleServer_Shutdown() {
	io := socketio.NewServer(nil)
	io.OnConnection(func(s *socketio.Socket) {
		s.OnDisconnect(func(why socketio.DisconnectReason) { fmt.Println("disconnected:", why) })
	})
	server := httptest.NewServer(io)
	client := dialExample(server.URL)
	fmt.Println(client.connect("/", ""))

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_ = io.Emit("goodbye") // is still sent
	last := make(chan string)
	go func() { last <- client.read() + ", then " + client.read() }() // ends with what it reads
	if err := io.Shutdown(ctx); err != nil {
		log.Print(err) // names the handlers that have not returned
	}
	fmt.Println(<-last)
	server.Close() // or Shutdown, of an http.Server

	// Output:
	// connected
	// disconnected: server shutting down
	// 42["goodbye"], then 1
}

// What handlers without types may hold is an option of the parser.
func ExampleOptions_parser() {
	opts := &socketio.Options{}
	opts.Parser = parser.JSON(&parser.JSONOptions{MaxDecoded: 8 << 20})
	io := socketio.NewServer(opts)
	defer io.Close()
}
