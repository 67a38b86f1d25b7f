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
		"ConnectTimeout is 20µs: a time.Duration counts nanoseconds; write 20000 * time.Millisecond": {
			ConnectTimeout: 20000,
		},
		"ReconnectionDelay is 1µs":    {ReconnectionDelay: 1000},
		"ReconnectionDelayMax is 5µs": {ReconnectionDelayMax: 5000},
		"Socket.AckTimeout is 10µs": {
			Socket: client.SocketOptions{AckTimeout: 10000},
		},
		"Engine.RequestTimeout is 3µs": {
			Engine: engineio.DialOptions{RequestTimeout: 3000},
		},
		"Engine.UpgradeTimeout is 3µs": {
			Engine: engineio.DialOptions{UpgradeTimeout: 3000},
		},
		"RandomizationFactor is 50":                                   {RandomizationFactor: 50},
		"client: MaxInboxBytes is negative (-1): 0 means the default": {MaxInboxBytes: -1},
		"MaxInbox is negative":                                        {MaxInbox: -1},
		"Engine.MaxPayload is negative":                               {Engine: engineio.DialOptions{MaxPayload: -1}},
		"Engine.MaxQueueBytes is negative": {
			Engine: engineio.DialOptions{MaxQueueBytes: -1},
		},
		"Engine.MaxQueuePackets is negative":  {Engine: engineio.DialOptions{MaxQueuePackets: -1}},
		"Socket.MaxPendingAcks is negative":   {Socket: client.SocketOptions{MaxPendingAcks: -1}},
		"Socket.MaxBufferBytes is negative":   {Socket: client.SocketOptions{MaxBufferBytes: -1}},
		"Socket.MaxBufferPackets is negative": {Socket: client.SocketOptions{MaxBufferPackets: -1}},
	} {
		begin := time.Now()
		if _, err := client.Dial(t.Context(), "http://127.0.0.1:1", &o); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s, after %v", err, want, time.Since(begin))
		}
	}
}

// Those of one socket are an error of its Connect, and of no other's.
func TestOptionsOfOneSocketThatCannotBeMeant(t *testing.T) {
	onWire(t, nil, func(t *testing.T, _ *puppet, m *client.Manager) {
		for want, o := range map[string]client.SocketOptions{
			"AckTimeout is 10µs":         {AckTimeout: 10000},
			"MaxPendingAcks is negative": {MaxPendingAcks: -1},
		} {
			s := m.Socket(want, &o)
			if err := s.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		}
		connect(t, m.Socket("/", nil))
	})
}

// A transport that is none, and one that nobody can dial.
func TestTransportsThatCannotBeMeant(t *testing.T) {
	for transport, want := range map[string]string{
		"pigeon":       `client: unknown transport "pigeon"`,
		"webtransport": "client: transport webtransport needs Engine.DialStream",
	} {
		o := client.Options{Engine: engineio.DialOptions{Transports: []string{transport}}}
		if _, err := client.Dial(t.Context(), "http://127.0.0.1:1", &o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", transport, err)
		}
	}
}
