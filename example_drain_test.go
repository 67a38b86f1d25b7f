package socketio_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/client"
)

// A server that is replaced sends its clients to the others, a few at a time.
func ExampleServer_Drain() {
	var ready atomic.Bool
	io := socketio.NewServer(nil)
	server := httptest.NewServer(io)
	defer server.Close()
	s, err := client.Dial(context.Background(), server.URL, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Manager().Close()
	gone := make(chan client.DisconnectReason, 1)
	s.OnDisconnect(func(reason client.DisconnectReason) { gone <- reason })
	replace(io, &ready, 100*time.Millisecond)
	fmt.Println(<-gone, s.Active())
	// Output:
	// transport close true
}

func replace(io *socketio.Server, ready *atomic.Bool, window time.Duration) {
	ready.Store(false) // what the load balancer asks for: new clients go elsewhere from now on
	drain, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := io.Drain(drain, &socketio.DrainOptions{Window: window}); err != nil {
		log.Print(err) // some are left
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := io.Shutdown(ctx); err != nil {
		log.Print(err)
	}
}
