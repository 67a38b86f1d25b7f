package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/client"
)

// What becomes of events that are emitted while there is no connection: they wait in a buffer of limited size, and are
// sent in order when there is one.
func Example_offline() {
	log := make(chan string, 10)
	server := httptest.NewServer(newLog(log))
	defer server.Close()

	socket := client.NewManager(server.URL, nil).Socket("/", &client.SocketOptions{MaxBufferPackets: 2})
	defer socket.Manager().Close()

	fmt.Println("first:", socket.Emit("log", "first"))
	fmt.Println("volatile:", socket.Volatile().Emit("log", "volatile")) // is dropped, which is no error

	// Who waits for an acknowledgement waits for the connection, too. When ctx ends before, the event is taken back.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	_, err := socket.EmitWithAck(ctx, "log", "impatient")
	cancel()
	fmt.Println("impatient: out of time:", errors.Is(err, context.DeadlineExceeded))

	fmt.Println("second:", socket.Emit("log", "second"))
	fmt.Println("third: no room:", errors.Is(socket.Emit("log", "third"), client.ErrBufferFull))
	events, _ := socket.Buffered()
	fmt.Println(events, "events wait")

	if err := socket.Connect(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	_ = socket.Emit("log", "online")
	for range 3 {
		fmt.Println("the server got:", <-log)
	}

	// Output:
	// first: <nil>
	// volatile: <nil>
	// impatient: out of time: true
	// second: <nil>
	// third: no room: true
	// 2 events wait
	// the server got: first
	// the server got: second
	// the server got: online
}

// newLog is the server.
func newLog(log chan<- string) *socketio.Server {
	io := socketio.NewServer(nil)
	io.Of("/").Handle("log", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error {
		var line string
		if err := e.Bind(&line); err != nil {
			return err
		}
		log <- line
		return nil
	})
	return io
}
