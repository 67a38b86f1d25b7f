// Package typed shows event contracts: constants that name an event and the types of what it carries. Whoever sends the
// event and whoever receives it use the same constant, so that the compiler checks both.
package typed

import (
	"context"
	"fmt"

	"sio.example/socketio"
	"sio.example/socketio/event"
)

// An Order says what somebody wants.
type Order struct {
	Item   string `json:"item"`
	Amount int    `json:"amount"`
}

// A Receipt proves a purchase.
type Receipt struct {
	Number int `json:"number"`
}

// The events of the shop.
const (
	Buy  event.WithAck[Order, Receipt] = "buy"  // acknowledged with a Receipt
	Sold event.Of[Order]               = "sold" // not acknowledged
)

// Shop sells to everybody who connects.
func Shop(io *socketio.Server) {
	socketio.HandleWithAck(io.Of("/shop"), Buy, func(ctx context.Context, s *socketio.Socket, o Order) (Receipt, error) {
		if o.Amount < 1 {
			return Receipt{}, &event.Error{Message: "buy at least one"} // acknowledged as {"error": "buy at least one"}
		}
		if err := Sold.Emit(s.Broadcast(), o); err != nil { // to everybody else in /shop
			return Receipt{}, fmt.Errorf("typed: tell the others: %w", err)
		}
		return Receipt{Number: 1}, nil
	})
}
