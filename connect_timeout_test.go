package socketio_test

import (
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio"
)

// The time of each connection ends by itself, whatever becomes of those that came before and after it.
func TestConnectTimeoutOfMany(t *testing.T) {
	bubble(t, &socketio.Options{ConnectTimeout: 10 * time.Second}, func(t *testing.T, f *fixture) {
		timedOut := func(after time.Duration, want uint64) {
			t.Helper()
			advance(after)
			synctest.Wait()
			if got := f.Stats().Rejected[socketio.RejectConnectTimeout]; got != want {
				t.Errorf("%d have timed out, want %d", got, want)
			}
		}
		var all []*wsClient
		for range 6 { // at 0 to 5 s
			all = append(all, f.dial())
			timedOut(time.Second, 0)
		}
		for _, i := range []int{0, 3, 5} { // the first, one between and the last join
			all[i].connect("/", "")
		}
		all[2].close()
		timedOut(5*time.Second-time.Millisecond, 0) // until 11 s
		timedOut(time.Millisecond, 1)
		timedOut(3*time.Second-time.Millisecond, 1) // until 14 s
		timedOut(time.Millisecond, 2)
		if n := f.Stats().Sockets; n != 3 {
			t.Errorf("%d sockets, want 3", n)
		}
		late := f.dial() // when none is left
		timedOut(10*time.Second-time.Millisecond, 2)
		timedOut(time.Millisecond, 3)
		f.dial().close()
		timedOut(time.Minute, 3)
		if _, err := late.receive(); err == nil {
			t.Error("the connection is still open")
		}
	})
}
