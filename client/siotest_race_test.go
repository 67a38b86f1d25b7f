package client_test

import (
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/siotest"
)

// TestLateServerDisconnect: the server's DISCONNECT was under way to a socket that has left and asks to come back. It
// is not the answer to that.
func TestLateServerDisconnect(t *testing.T) {
	for _, list := range transportLists {
		t.Run(list.name, func(t *testing.T) {
			established(t, list.options,
				func(t *testing.T, srv *siotest.Server, s *client.Socket, here, there *siotest.Recorder) {
					srv.IO().Of("/other") // keeps the connection
					if err := s.Manager().Socket("/other", nil).Connect(t.Context()); err != nil {
						t.Fatal(err)
					}
					srv.Freeze(siotest.ToClient)
					if err := srv.IO().DisconnectSockets(t.Context(), false); err != nil {
						t.Fatal(err)
					}
					there.Expect("disconnect server namespace disconnect")
					s.Disconnect()
					here.Expect("disconnect io client disconnect")
					s.Open()
					<-time.After(time.Second)
					srv.Thaw(siotest.ToClient)
					here.Expect("connect")
					there.Expect("connection")
					synctest.Wait()
					_ = srv.IO().Emit("news")
					here.Expect("news []")
					s.Disconnect()
					there.Expect("disconnect client namespace disconnect")
					checkRejected(t, srv)
				})
		})
	}
}
