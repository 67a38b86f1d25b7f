package client_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/event"
	"sio.example/socketio/parser"
)

// A Reading is what a sensor measures.
type Reading struct {
	Number  int     `json:"number"`
	Celsius float64 `json:"celsius"`
}

// Measured is worth nothing a moment later: send it volatile. Enough tells the sensor to stop.
const (
	Measured event.Of[Reading]     = "measured"
	Enough   event.Of[parser.None] = "enough"
)

// A sensor streams readings. They are volatile: while there is no connection, or a slow one holds up what was sent
// before, new readings are dropped instead of waiting in a queue, so that what arrives is always fresh.
func Example_stream() {
	received := make(chan Reading, 100)
	dashboard := httptest.NewServer(newDashboard(received))
	defer dashboard.Close()

	sensor := client.NewManager(dashboard.URL, &client.Options{
		Engine: engineio.DialOptions{Transports: []string{"websocket"}}, // no polling: a reading is one small frame
	}).Socket("/", nil)
	defer sensor.Manager().Close()
	stop := make(chan struct{})
	Enough.On(sensor, func(context.Context, parser.None) error {
		close(stop)
		return nil
	})
	sensor.Open() // does not wait: the sensor measures whether somebody listens or not

	tick := time.NewTicker(time.Millisecond) // the rate
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
			if err := Measured.Emit(sensor.Volatile(), Reading{Number: n, Celsius: 21.5}); err != nil {
				fmt.Println(err)
			}
			continue
		case <-stop:
		}
		break
	}

	last := 0
	for range 3 {
		r := <-received
		fmt.Println(r.Celsius, "°C, newer than the one before:", r.Number > last)
		last = r.Number
	}

	// Output:
	// 21.5 °C, newer than the one before: true
	// 21.5 °C, newer than the one before: true
	// 21.5 °C, newer than the one before: true
}

// newDashboard is the server: it takes three readings.
func newDashboard(received chan<- Reading) *socketio.Server {
	io := socketio.NewServer(nil)
	n := 0
	socketio.Handle(io.Of("/"), Measured, func(_ context.Context, s *socketio.Socket, r Reading) error {
		if n++; n > 3 {
			return nil
		}
		received <- r
		if n == 3 {
			return Enough.Emit(s, parser.None{})
		}
		return nil
	})
	return io
}
