package client_test

import (
	"strings"
	"testing"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
)

// Options that cannot be meant are an error of Connect, with the right form; nothing is tried.
func TestOptionsThatCannotBeMeant(t *testing.T) {
	for want, o := range map[string]client.Options{
		"ConnectTimeout is 20µs: a time.Duration counts nanoseconds; write 20000 * time.Millisecond": {ConnectTimeout: 20000},
		"ReconnectionDelay is 1µs":     {ReconnectionDelay: 1000},
		"ReconnectionDelayMax is 5µs":  {ReconnectionDelayMax: 5000},
		"Socket.AckTimeout is 10µs":    {Socket: client.SocketOptions{AckTimeout: 10000}},
		"Engine.RequestTimeout is 3µs": {Engine: engineio.DialOptions{RequestTimeout: 3000}},
		"Engine.UpgradeTimeout is 3µs": {Engine: engineio.DialOptions{UpgradeTimeout: 3000}},
		"RandomizationFactor is 50":    {RandomizationFactor: 50},
	} {
		begin := time.Now()
		if _, err := client.Dial(t.Context(), "http://127.0.0.1:1", &o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s, after %v", err, want, time.Since(begin))
		}
	}
}
