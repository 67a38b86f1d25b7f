package socketio_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/siotest"
)

// A frame that is compressed once for all has the offset in it, which is written before; what is sent again is the same
// event.
func TestRecoveryOfCompressedEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deflate := &engineio.DeflateOptions{Threshold: 1}
		srv := siotest.NewServer(t, &siotest.Options{Server: &socketio.Options{
			Engine: engineio.Options{Deflate: deflate}, Recovery: &socketio.RecoveryOptions{},
		}})
		var networks []*siotest.Network
		var clients []*client.Socket
		events := make([]chan string, 3)
		for i := range events {
			events[i] = make(chan string, 10)
			n := srv.NewNetwork()
			o := &client.Options{ReconnectionDelay: 10 * time.Millisecond}
			o.Engine.Transports, o.Engine.Deflate = []string{"websocket"}, deflate
			c := n.Client(o).Socket("/", nil)
			c.OnAny(func(_ context.Context, e *client.Event) { events[i] <- e.Name })
			if err := c.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
			networks, clients = append(networks, n), append(clients, c)
		}
		expect := func(want ...string) {
			t.Helper()
			for i := range events {
				for _, name := range want {
					if got := <-events[i]; got != name {
						t.Errorf("client %d got %s, want %s", i, got, name)
					}
				}
			}
		}
		text := strings.Repeat("some text ", 1000)
		for range 2 {
			_ = srv.IO().Emit("before", text)
			expect("before")
			for _, n := range networks {
				n.Refuse()
				n.Drop()
			}
			synctest.Wait()
			_ = srv.IO().Emit("missed", text)
			_ = srv.IO().Emit("missed too", 1)
			for _, n := range networks {
				n.Allow()
			}
			expect("missed", "missed too")
			synctest.Wait()
			_ = srv.IO().Emit("after", text)
			expect("after")
		}
		for i, c := range clients {
			if !c.Recovered() || len(events[i]) > 0 {
				t.Errorf("client %d is recovered: %v, and has %d events more", i, c.Recovered(), len(events[i]))
			}
		}
		if st := srv.IO().Stats().Recovery; st.Recovered != 6 || len(st.Refused) > 0 {
			t.Errorf("%+v", st)
		}
	})
}
