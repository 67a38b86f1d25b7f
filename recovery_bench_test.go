//go:build !race

package socketio_test

import (
	"fmt"
	"io"
	"testing"

	socketio "sio.example/socketio"
)

// What an emit costs with and without recovery: to all of a hundred clients, and to one.
func BenchmarkRecovery(b *testing.B) {
	for _, o := range []*socketio.RecoveryOptions{nil, {}} {
		server, ln := benchServerWith(b, &socketio.Options{Recovery: o})
		for range 100 {
			conn := benchClient(b, ln)
			go func() { _, _ = io.Copy(io.Discard, conn) }() // ends with the connection
		}
		var one *socketio.Socket
		for s := range server.Sockets() {
			one = s
		}
		for name, emit := range map[string]func() error{
			"all": func() error { return server.Emit("news", point{1, "some text"}) },
			"one": func() error { return one.Emit("news", point{1, "some text"}) },
		} {
			b.Run(fmt.Sprintf("%s/%v", name, o != nil), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := emit(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
