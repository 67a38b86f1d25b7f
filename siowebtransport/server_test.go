package siowebtransport

import (
	"bytes"
	"context"
	"testing"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/event"
)

// echo is acknowledged with what it gets.
const echo event.WithAck[[]byte, []byte] = "echo"

func TestConnect(t *testing.T) { // engine.io webtransport 1
	e := newEndpoint(t, nil, nil)
	connected := make(chan *socketio.Socket, 1)
	e.io.OnConnection(func(s *socketio.Socket) {
		echo.On(s, func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
		connected <- s
	})
	c := connect(t, e.url, e.options())
	s := receive(t, connected)
	if got := s.Conn().Transport(); got != "webtransport" {
		t.Errorf("transport %q", got)
	}
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 900_000} { // engine.io webtransport 12 to 18
		want := bytes.Repeat([]byte{7}, n)
		got, err := echo.Emit(t.Context(), c, want)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %d came back, %v", n, len(got), err)
		}
	}
	if st := e.io.Engine().Stats(); st.WebTransport != 1 || st.Opened != 1 || len(st.Rejected) > 0 && st.Rejected["stream"] > 0 {
		t.Errorf("%+v", st)
	}
	_ = client.Options{}
}
