package engineio

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/internal/memnet"
	"sio.example/socketio/internal/websocket"
)

// FuzzClient lets a client talk to a server that says anything: as polling payloads, as bytes behind a WebSocket
// handshake, and as WebSocket messages of an upgrade. Whatever it is, the session ends when it is closed and leaves
// nothing, the Handler is called as promised, and nothing panics.
func FuzzClient(f *testing.F) {
	for way := range uint8(4) {
		f.Add(way, []byte(openPolling), []byte("4hello\x1ebAQID\x1e2\x1e6"))
		f.Add(way, []byte(openUpgrade), []byte("3probe"))
		f.Add(way, []byte(openUpgrade+"\x1e4a\x1e1"), []byte("\x81\x06"+"4hello"+"\x88\x02\x03\xe8"))
		f.Add(way, []byte(`0{"sid":"y","upgrades":["websocket"],"pingInterval":1,"pingTimeout":1}`),
			[]byte("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"))
		f.Add(way, []byte("0{}"), []byte(""))
	}
	f.Fuzz(func(t *testing.T, way uint8, open, rest []byte) {
		synctest.Test(t, func(t *testing.T) { fuzzClient(t, way%4, open, rest) })
	})
}

func fuzzClient(t *testing.T, way uint8, open, rest []byte) {
	l := memnet.Listen()
	gets := 0
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		switch {
		case r.Header.Get("Upgrade") != "":
			c, err := websocket.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			if way == 2 { // a handshake as it should be, then bytes
				say(c, string(open))
				c.NetConn().Write(rest)
			} else {
				say(c, string(rest))
				say(c, string(open))
			}
			drainConn(c)
		case first(r):
			w.Write(open)
		case r.Method == http.MethodPost:
			io.WriteString(w, "ok")
		default:
			if gets++; gets > 3 {
				hang(r)
				return
			}
			w.Write(rest)
		}
	})}
	go srv.Serve(l) // ends with Close
	o := &DialOptions{
		MaxPayload: 1 << 16,
		Proxy:      nil,
		NetDial:    func(ctx context.Context, _, _ string) (net.Conn, error) { return l.Dial(ctx) },
	}
	switch way {
	case 1:
		o.Transports = []string{"polling"}
	case 2:
		o.Transports = []string{"websocket"}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p := newEndpoint(t)
	s, err := Dial(ctx, "http://server", func(s *ClientSocket) Handler { p.socket = s; return p }, o)
	if err == nil {
		s.Send(SendOptions{}, text("hello"))
		<-time.After(time.Minute)
		s.Close()
		select {
		case <-s.Done():
		case <-time.After(time.Hour):
			t.Fatal("the session does not end")
		}
		if p.closes != 1 {
			t.Errorf("HandleClose was called %d times", p.closes)
		}
	} else if p.socket != nil {
		t.Error("open was called, and Dial failed")
	}
	srv.Close()
	l.Close()
	<-time.After(time.Second)
}
