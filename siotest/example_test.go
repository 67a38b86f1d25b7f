package siotest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/siotest"
)

// Register is what is to be tested: an application's middleware and handlers.
func Register(io *socketio.Server) {
	io.Use(func(_ context.Context, s *socketio.Socket) error {
		var auth struct{ Name string }
		if err := s.Handshake().Auth.Bind(&auth); err != nil || auth.Name == "" {
			return &socketio.ConnectError{Message: "who are you?"}
		}
		s.SetData(auth.Name)
		return nil
	})
	io.OnConnection(func(s *socketio.Socket) {
		_ = s.Broadcast().Emit("joined", s.Data())
	})
	io.Handle("say", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
		if err := io.Emit("said", s.Data(), e.Args); err != nil {
			return err
		}
		return e.Ack("ok")
	})
}

// as are the options of a client that is called name.
func as(name string) *client.Options {
	return &client.Options{Socket: client.SocketOptions{Auth: map[string]string{"name": name}}}
}

// A request and its answer, what others get to see of it, and a client that is refused.
func Example() {
	run(func(t *testing.T) { // func TestSay(t *testing.T) {
		srv := siotest.NewServer(t, &siotest.Options{Setup: Register})
		ada, bob := srv.Socket("/", as("ada")), srv.Dial("/", as("bob"))
		seenByAda, seenByBob := siotest.NewRecorder(t), siotest.NewRecorder(t)
		seenByAda.Client("", ada)
		seenByBob.Client("", bob)

		if err := ada.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		seenByAda.Expect("connect")
		seenByBob.Expect(`joined ["ada"]`)

		args, err := bob.EmitWithAck(t.Context(), "say", "hi")
		if diff := siotest.Diff(args, "ok"); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
		seenByAda.Expect(`said ["bob","hi"]`)

		err = srv.Socket("/", nil).Connect(t.Context())
		fmt.Println("without a name:", err)
	})
	// Output: without a name: who are you?
}

// On virtual time it takes no time to see what a client does while its server is away, and when.
func Example_reconnection() {
	run(func(t *testing.T) { // func TestReconnection(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := siotest.NewServer(t, &siotest.Options{Setup: Register})
			ada := srv.Dial("/", as("ada"))
			said, attempts := siotest.NewRecorder(t), siotest.NewRecorder(t)
			said.Client("", ada)
			attempts.Manager("", ada.Manager())

			srv.Stop()
			said.Expect("disconnect")
			_ = ada.Emit("say", "later") // is kept
			time.AfterFunc(10*time.Second, srv.Start)
			said.Wait(`said ["ada","later"]`)

			for _, e := range attempts.All() {
				if e.Kind == siotest.KindReconnectAttempt || e.Kind == siotest.KindReconnect {
					fmt.Println(e.At, e)
				}
			}
		})
	})
	// Output:
	// 1s reconnect_attempt 1
	// 3s reconnect_attempt 2
	// 7s reconnect_attempt 3
	// 12s reconnect_attempt 4
	// 12s reconnect 4
}

// A phone's packets don't arrive any more, and nobody is told. Both ends find out by themselves.
func ExampleNetwork_Hang() {
	run(func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			here, there := siotest.NewRecorder(t), siotest.NewRecorder(t)
			srv := siotest.NewServer(t, &siotest.Options{Setup: func(io *socketio.Server) {
				there.Namespace("server", io.Of("/"))
			}})
			phone := srv.NewNetwork() // other clients notice nothing
			s := phone.Dial("/", nil)
			here.Client("phone", s)
			<-time.After(time.Second) // the upgrade to WebSocket is done, and nothing is going on any more
			phone.Hang()

			for _, e := range []siotest.Entry{here.Wait("phone: disconnect"), there.Wait("server: disconnect")} {
				fmt.Println("after", e.At, e)
			}
			here.Expect("phone: connect") // again, over a new connection
		})
	})
	// Output:
	// after 45s phone: disconnect ping timeout
	// after 45s server: disconnect ping timeout
}

// A connection that ends in the middle of a packet.
func ExampleNetwork_Cut() {
	run(func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := siotest.NewServer(t, &siotest.Options{Setup: Register})
			ada := srv.Dial("/", as("ada"))
			<-time.After(time.Second) // the upgrade to WebSocket is done

			srv.Cut(siotest.ToServer, 10, siotest.Reset)
			_, err := ada.EmitWithAck(t.Context(), "say", "Is there anybody?")
			fmt.Println(errors.Is(err, client.ErrDisconnected))
		})
	})
	// Output: true
}

// Expect shows what is different when the test fails.
func ExampleRecorder_Expect() {
	run(func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := siotest.NewServer(t, &siotest.Options{Setup: Register})
			ada := srv.Socket("/", as("ada"))
			rec := siotest.NewRecorder(t)
			rec.Client("", ada)
			ada.Open()
			rec.Expect("connect")
			_ = ada.Emit("say", 1, map[string]any{"to": "all"})
			rec.Expect(siotest.EventLine("said", "ada", 1, map[string]any{"to": "all"}))
			ada.Disconnect()
			rec.Expect("disconnect io client disconnect")
			rec.ExpectNothing()
		})
	})
	// Output:
}
