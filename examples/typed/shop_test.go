package typed

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/event"
	"sio.example/socketio/siotest"
)

func TestBuy(t *testing.T) {
	srv := siotest.NewServer(t, &siotest.Options{Setup: Shop})
	customer, other := srv.Dial("/shop", nil), srv.Dial("/shop", nil)
	rec := siotest.NewRecorder(t)
	rec.Client("other", other)

	receipt, err := Buy.Emit(t.Context(), customer, Order{Item: "tea", Amount: 2})
	if err != nil || receipt.Number != 1 {
		t.Errorf("receipt %+v, %v", receipt, err)
	}
	rec.Wait(`other: sold [{"item":"tea","amount":2}]`)

	_, err = Buy.Emit(t.Context(), customer, Order{Item: "tea"})
	var refused *event.Error
	if !errors.As(err, &refused) || refused.Message != "buy at least one" {
		t.Errorf("an order of nothing: %v", err)
	}
}

// TestBuyWhileTheServerIsAway: an order waits for the connection, and for ten seconds at most.
func TestBuyWhileTheServerIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := siotest.NewServer(t, &siotest.Options{Setup: Shop})
		customer := srv.Client(nil).Socket("/shop", &client.SocketOptions{AckTimeout: 10 * time.Second})
		if err := customer.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}

		srv.Stop()
		synctest.Wait() // until the customer has noticed
		time.AfterFunc(5*time.Second, srv.Start)
		if receipt, err := Buy.Emit(t.Context(), customer, Order{Item: "tea", Amount: 2}); err != nil || receipt.Number != 1 {
			t.Errorf("receipt %+v, %v", receipt, err)
		}

		srv.Stop()
		synctest.Wait()
		if _, err := Buy.Emit(t.Context(), customer, Order{Item: "tea", Amount: 2}); !errors.Is(err, client.ErrAckTimeout) {
			t.Errorf("nobody sells: %v", err)
		}
	})
}
