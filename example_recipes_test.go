package socketio_test

// More code of docs/server.md.

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"regexp"
	"sync/atomic"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
)

// A token says who connects: it is what pages send as auth.token.
func ExampleServer_Use_token() {
	tokens := map[string]string{"s3cr3t": "ada"}

	io := socketio.NewServer(nil)
	io.Use(func(ctx context.Context, s *socketio.Socket) error {
		var auth struct {
			Token string `json:"token"`
		}
		if err := s.Handshake().Auth.Bind(&auth); err != nil || auth.Token == "" { // Bind is content with no auth at all
			return &socketio.ConnectError{Message: "please log in"}
		}
		name, ok := tokens[auth.Token]
		if !ok {
			return &socketio.ConnectError{Message: "please log in again"}
		}
		s.SetData(User{Name: name})
		return nil
	})

	server := httptest.NewServer(io)
	defer server.Close()
	defer io.Close()
	for _, auth := range []any{nil, map[string]string{"token": "old"}, map[string]string{"token": "s3cr3t"}} {
		s, err := client.Dial(context.Background(), server.URL, &client.Options{
			Socket: client.SocketOptions{Auth: auth},
		})
		fmt.Println(err)
		if err == nil {
			_ = s.Close()
		}
	}

	// Output:
	// please log in
	// please log in again
	// <nil>
}

// A message to one user, in however many windows, and whether it has arrived.
func ExampleServer_To_private() {
	io := socketio.NewServer(nil)
	io.Use(func(_ context.Context, s *socketio.Socket) error {
		var u User // here anybody may be anybody
		if err := s.Handshake().Auth.Bind(&u); err != nil || u.Name == "" {
			return &socketio.ConnectError{Message: "a name is needed"}
		}
		s.SetData(u)
		return s.Join("user:" + u.Name)
	})
	io.Handle("private", func(ctx context.Context, s *socketio.Socket, e *socketio.Event) error {
		var to, text string
		if err := e.Bind(&to, &text); err != nil {
			return err
		}
		from, _ := socketio.Data[User](s)
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		answers, _ := io.To("user:"+to).EmitWithAck(ctx, "private", from.Name, text)
		return e.Ack(len(answers) > 0) // in one window at least, whatever became of the others
	})

	server := httptest.NewServer(io)
	defer server.Close()
	defer io.Close()
	dial := func(name string) *client.Socket {
		s, err := client.Dial(context.Background(), server.URL, &client.Options{
			Socket: client.SocketOptions{Auth: User{Name: name}},
			Setup: func(s *client.Socket) {
				s.On("private", func(_ context.Context, e *client.Event) error { return e.Ack() })
			},
		})
		if err != nil {
			log.Fatal(err)
		}
		return s
	}
	ada, bob := dial("ada"), dial("bob")
	defer ada.Close()
	defer bob.Close()
	for _, to := range []string{"bob", "eve"} {
		answer, err := ada.EmitWithAck(context.Background(), "private", to, "hello")
		fmt.Println(to, answer, err)
	}

	// Output:
	// bob [true] <nil>
	// eve [false] <nil>
}

// Clients are told, and may finish, before the server goes.
func ExampleServer_Shutdown_gentle() {
	var draining atomic.Bool
	io := socketio.NewServer(&socketio.Options{Engine: engineio.Options{
		AllowRequest: func(*http.Request) error {
			if draining.Load() {
				return &engineio.RequestError{Message: "going away"} // clients try again by themselves
			}
			return nil
		},
	}})

	server := httptest.NewServer(io)
	defer server.Close()
	s, err := client.Dial(context.Background(), server.URL, &client.Options{Setup: func(s *client.Socket) {
		s.On("closing", func(_ context.Context, e *client.Event) error {
			fmt.Println("closing")
			return e.Ack()
		})
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()

	draining.Store(true)
	notice, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _, err := io.EmitWithAck(notice, "closing"); err != nil { // clients finish, and answer
		log.Print(err) // some did not
	}

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(io.Shutdown(ctx))

	// Output:
	// closing
	// <nil>
}

// What the engine does can be watched: here requests that are refused.
func ExampleServer_OnNamespace() {
	io := socketio.NewServer(&socketio.Options{Engine: engineio.Options{
		CORS: &engineio.CORSOptions{Origins: []string{"https://*.example.com"}, Credentials: true},
		Trace: &engineio.ServerTrace{
			Refused: func(e *engineio.RefusedRequest) {
				fmt.Println("refused:", e.Status, e.Message, e.Reject, e.Err)
			},
		},
	}})
	io.OnNamespace(func(n *socketio.Namespace) {
		fmt.Println("made:", n.Name())
		n.OnConnection(func(s *socketio.Socket) {
			if _, ok := s.Client().Socket("/"); !ok {
				s.Disconnect(true) // on the same connection, the main namespace comes first
			}
		})
	})
	io.OfRegexp(regexp.MustCompile(`^/game/\d+$`)).Use(func(_ context.Context, s *socketio.Socket) error {
		return nil
	})
	io.Of("/game/7") // is a child of that

	server := httptest.NewServer(io)
	defer server.Close()
	defer io.Close()
	res, err := http.Get(server.URL + "/socket.io/?EIO=2&transport=polling")
	if err != nil {
		log.Fatal(err)
	}
	_ = res.Body.Close()

	// Output:
	// made: /game/7
	// refused: 400 Unsupported protocol version protocol <nil>
}
