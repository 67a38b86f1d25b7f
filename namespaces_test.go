package socketio_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/siotest"
)

// Namespaces lists static and dynamic namespaces by name, and SocketCount how many sockets each has.
func TestNamespacesAndTheirSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := siotest.NewServer(t, nil)
		io := srv.IO()
		io.Of("/b")
		io.OfFunc(func(_ context.Context, name string, _ socketio.Args) bool { return name == "/a" })
		srv.Dial("/", nil)
		first := srv.Dial("/a", nil)
		srv.Dial("/a", nil)
		list := func() (names []string, counts []int) {
			for n := range io.Namespaces() {
				names, counts = append(names, n.Name()), append(counts, n.SocketCount())
			}
			return names, counts
		}
		names, counts := list()
		if !slices.Equal(names, []string{"/", "/a", "/b"}) || !slices.Equal(counts, []int{1, 2, 0}) || io.SocketCount() != 1 {
			t.Errorf("%q with %v sockets", names, counts)
		}
		for range io.Namespaces() {
			break
		}
		first.Disconnect()
		<-time.After(time.Second) // an upgrade may hold it up
		synctest.Wait()
		if names, counts = list(); !slices.Equal(counts, []int{1, 1, 0}) {
			t.Errorf("afterwards %q with %v sockets", names, counts)
		}
	})
}
