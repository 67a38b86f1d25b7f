package socketio_test

import (
	"context"
	"encoding/json"
	"net"
	"testing"

	"sio.example/socketio"
)

// A stream need not have come by a request: the handshake is empty then, and the rest is as ever.
func TestSocketWithoutARequest(t *testing.T) {
	io := socketio.NewServer(nil)
	handshakes := make(chan *socketio.Handshake, 1)
	io.OnConnection(func(s *socketio.Socket) { handshakes <- s.Handshake() })
	peer, stream := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- io.Engine().ServeStream(context.Background(), stream, nil) }()
	write := func(packet string) {
		if _, err := peer.Write(append([]byte{byte(len(packet))}, packet...)); err != nil {
			t.Error(err)
		}
	}
	go func() { // ends with the peer
		for b := make([]byte, 512); ; {
			if _, err := peer.Read(b); err != nil {
				return
			}
		}
	}()
	write("0")
	write("40")
	h := <-handshakes
	if len(h.Header) != 0 || h.TLS != nil || len(h.Query) != 0 || len(h.Cookies()) != 0 || h.Time.IsZero() {
		t.Errorf("%+v", h)
	}
	if _, err := json.Marshal(h); err != nil {
		t.Error(err)
	}
	peer.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
