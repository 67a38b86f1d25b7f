package msgpack_test

import (
	"context"
	"fmt"
	"log"
	"math"
	"net/http/httptest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/parser/msgpack"
)

// What JSON has no form for arrives as it was sent.
func Example() {
	io := socketio.NewServer(&socketio.Options{Parser: msgpack.Parser(nil)})
	io.Handle("measured", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error {
		var r struct {
			At    time.Time
			Value float64
			Count uint64
			Raw   []byte
		}
		if err := e.Bind(&r); err != nil {
			return err
		}
		return e.Ack(r.At.Year(), r.Value, r.Count, r.Raw)
	})
	server := httptest.NewServer(io)
	defer server.Close()
	defer io.Close()

	opts := &client.Options{Parser: msgpack.Parser(nil)}
	socket, err := client.Dial(context.Background(), server.URL, opts)
	if err != nil {
		log.Fatal(err)
	}
	defer socket.Manager().Close()
	args, err := socket.EmitWithAck(context.Background(), "measured", map[string]any{
		"at": time.Date(2026, 11, 28, 0, 0, 0, 0, time.UTC), "value": math.Inf(1), "count": uint64(math.MaxUint64),
		"raw": []byte{1, 2, 3},
	})
	if err != nil {
		log.Fatal(err)
	}
	values, err := args.Values()
	fmt.Println(values, err)
	// Output:
	// [2026 +Inf 18446744073709551615 [1 2 3]] <nil>
}
