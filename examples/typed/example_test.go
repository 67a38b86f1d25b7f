package typed

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"sio.example/socketio"
	"sio.example/socketio/client"
)

// A customer and the shop, over a real connection.
func Example() {
	io := socketio.NewServer(nil)
	Shop(io)
	server := httptest.NewServer(io)
	defer server.Close()
	defer io.Close()
	ctx, url := context.Background(), server.URL

	socket, err := client.Dial(ctx, url+"/shop", nil) // and it comes back whenever the connection is lost
	if err != nil {
		log.Fatal(err)
	}
	defer socket.Close()
	Sold.On(socket, func(ctx context.Context, o Order) error {
		log.Printf("somebody else bought %d %s", o.Amount, o.Item)
		return nil
	})
	receipt, err := Buy.Emit(ctx, socket, Order{Item: "tea", Amount: 2}) // waits for the acknowledgement
	if err != nil {
		log.Fatal(err) // perhaps an *event.Error: buy at least one
	}
	fmt.Println("bought, receipt", receipt.Number)

	// Output: bought, receipt 1
}
