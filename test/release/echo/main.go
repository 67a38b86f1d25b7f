// Command echo is a program that uses the library: its client sends an event to its server, and prints the
// acknowledgement.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/client"
)

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute) // only what hangs takes that
	defer cancel()
	io := socketio.NewServer(nil)
	io.OnConnection(func(s *socketio.Socket) {
		s.On("echo", func(_ context.Context, e *socketio.Event) error { return e.Ack(e.Args) })
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: io, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }() // owned by run, which closes the server
	defer server.Close()
	defer io.Close()

	socket, err := client.Dial(ctx, "http://"+listener.Addr().String(), nil)
	if err != nil {
		return err
	}
	defer socket.Close()
	answer, err := socket.EmitWithAck(ctx, "echo", "hello")
	if err != nil {
		return err
	}
	var text string
	if err := answer.Bind(&text); err != nil {
		return err
	}
	_, err = fmt.Println("echo:", text)
	return err
}
