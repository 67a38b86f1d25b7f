// Package siotest is an in-memory server and client pair for tests, as net/http/httptest is for net/http.
//
// A [Server] is a real Socket.IO server behind a real net/http server, and its clients are real clients; only the
// network between them is in memory. There are no ports, no traffic leaves the process, and tests may run in parallel.
// Both ends are closed when the test ends, and the test fails if something of them is left.
//
//	func TestEcho(t *testing.T) {
//		srv := siotest.NewServer(t, &siotest.Options{Setup: chat.Register}) // func(io *socketio.Server)
//		s := srv.Dial("/", nil)                                             // a connected *client.Socket
//		args, err := s.EmitWithAck(t.Context(), "echo", "hi")
//		if diff := siotest.Diff(args, "hi"); err != nil || diff != "" {
//			t.Fatal(err, diff)
//		}
//	}
//
// # Virtual time
//
// In a bubble of [testing/synctest] all of it runs on the bubble's clock, which advances at once when there is nothing
// to do but wait. A test may let hours of heartbeats and reconnections go by in milliseconds, and they take exactly as
// long each time:
//
//	synctest.Test(t, func(t *testing.T) {
//		srv := siotest.NewServer(t, nil)
//		...
//	})
//
// The server and all that the test does with it must be inside of the bubble. While somebody waits
// for a real socket, a file, a process or a sync.Mutex, the clock stands still.
//
// # Faults
//
// The [Network] of a Server does to connections what real ones do, when the test says so: it drops them, refuses new
// ones, freezes and thaws, delays, narrows the bandwidth, or cuts at a given byte. Faults count for all clients; for
// those of one client, make it with a Network of its own:
//
//	phone := srv.NewNetwork()
//	s := phone.Dial("/", nil)
//	phone.Freeze(siotest.Both) // in the tunnel
//
// [Server.Restart] is the crash of the whole server, and a fresh one.
//
// # What happened
//
// A [Recorder] writes down what sockets of both ends experience, in order, waits for it, and shows the difference to
// what was expected. It should begin before the socket connects, so [Network.Socket] returns one that does not yet:
//
//	s := srv.Socket("/", nil)
//	rec := siotest.NewRecorder(t)
//	rec.Client("", s)
//	s.Open()
//	rec.Expect("connect", `welcome ["ada"]`)
package siotest
