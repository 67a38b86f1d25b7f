package socketio_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio"
)

// What a client has sent in time may be unread when a process goes on that stood still.
func TestConnectTimeoutOfAProcessThatStoodStill(t *testing.T) {
	bubble(t, &socketio.Options{ConnectTimeout: 10 * time.Second}, func(t *testing.T, f *fixture) {
		first := f.dial()
		advance(time.Second)
		second, silent := f.dial(), f.dial()
		socketio.StandStill(f.Server, 5*time.Second)
		advance(18 * time.Second)
		first.connect("/", "")
		second.connect("/", "")
		advance(900 * time.Millisecond)
		synctest.Wait()
		if st := f.Stats(); st.Sockets != 2 || st.Rejected[socketio.RejectConnectTimeout] != 0 {
			t.Errorf("%+v", st)
		}
		advance(time.Second)
		silent.expectClose("closed: 1008 connect timeout")
	})
}

func TestAttachmentTimeoutOfAProcessThatStoodStill(t *testing.T) {
	bubbleOf(t, &socketio.Options{AttachmentTimeout: 5 * time.Second}, func(t *testing.T, f *fixture) {
		f.OnConnection(func(s *socketio.Socket) {
			s.On("x", func(_ context.Context, e *socketio.Event) error {
				var b []byte
				if err := e.Bind(&b); err != nil {
					return err
				}
				return s.Emit("y", len(b))
			})
		})
		c, _ := f.join("/")
		c.send(`451-["x",{"_placeholder":true,"num":0}]`)
		synctest.Wait()
		for range 3 {
			socketio.StandStill(f.Server, 2*time.Second)
			advance(4 * time.Second)
		}
		c.sendBinary([]byte{1, 2})
		c.expect(`42["y",2]`)
		advance(10 * time.Second) // until nobody looks any more
		c.send(`451-["x",{"_placeholder":true,"num":0}]`)
		synctest.Wait()
		socketio.StandStill(f.Server, 2*time.Second)
		advance(9 * time.Second)
		synctest.Wait()
		if n := f.Stats().Rejected[socketio.RejectAttachments]; n != 0 {
			t.Error("the connection is closed")
		}
		advance(2 * time.Second)
		c.expectClose("closed: 1008 attachment timeout")
	})
}
