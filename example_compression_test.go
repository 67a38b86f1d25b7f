package socketio_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
)

// Messages on WebSockets are compressed if both ends want that; browsers always do. One that tells secrets beside what
// others may choose is left out.
func ExampleOptions_compression() {
	io := socketio.NewServer(&socketio.Options{
		Engine: engineio.Options{
			Deflate:              &engineio.DeflateOptions{Threshold: 4096}, // on WebSockets; default 1024
			CompressionThreshold: 4096,                                      // of answers to polls; default 1024
		},
	})
	defer io.Close()
	io.OnConnection(func(s *socketio.Socket) {
		err := s.Compress(false).Emit("token", "9f2c")
		if err == nil {
			err = s.Emit("history", strings.Repeat("What repeats itself gets smaller. ", 1000))
		}
		if err != nil {
			log.Print(err)
		}
	})
	server := httptest.NewServer(http.Handler(io))
	defer server.Close()

	done := make(chan struct{})
	s, err := client.Dial(context.Background(), server.URL, &client.Options{
		Engine: engineio.DialOptions{
			Deflate: &engineio.DeflateOptions{}, // default: not offered
		},
		Setup: func(s *client.Socket) {
			s.On("history", func(_ context.Context, e *client.Event) error {
				var text string
				err := e.Bind(&text)
				fmt.Println(len(text), err)
				close(done)
				return err
			})
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	<-done

	// Output: 34000 <nil>
}
