package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/event"
)

// A PriceQuery asks for the price of something.
type PriceQuery struct {
	Item string `json:"item"`
}

// A Price is the answer.
type Price struct {
	Cents int `json:"cents"`
}

// GetPrice is a request with a response: an event that is acknowledged.
const GetPrice event.WithAck[PriceQuery, Price] = "price"

// Request and response: the context is the timeout, and what the server's handler refuses comes back as an error.
func Example_request() {
	shop := httptest.NewServer(newShop())
	defer shop.Close()

	socket, err := client.Dial(context.Background(), shop.URL, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer socket.Close()

	for _, item := range []string{"tea", "gold", "patience"} {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		price, err := GetPrice.Emit(ctx, socket, PriceQuery{Item: item})
		cancel()

		var refused *event.Error
		switch {
		case err == nil:
			fmt.Printf("%s costs %d cents\n", item, price.Cents)
		case errors.As(err, &refused):
			fmt.Printf("%s: the shop says: %s\n", item, refused.Message)
		case errors.Is(err, context.DeadlineExceeded):
			fmt.Printf("%s: no answer in time\n", item)
		default:
			fmt.Printf("%s: %v\n", item, err)
		}
	}

	// Output:
	// tea costs 250 cents
	// gold: the shop says: we are out of gold
	// patience: no answer in time
}

// newShop is the server.
func newShop() *socketio.Server {
	io := socketio.NewServer(nil)
	socketio.HandleWithAck(io.Of("/"), GetPrice,
		func(ctx context.Context, _ *socketio.Socket, q PriceQuery) (Price, error) {
			switch q.Item {
			case "tea":
				return Price{Cents: 250}, nil
			case "patience":
				<-ctx.Done() // until the client is gone
				return Price{}, ctx.Err()
			}
			return Price{}, &event.Error{Message: "we are out of " + q.Item}
		})
	return io
}
