// Package socketio is a Socket.IO server (protocol revision 5 over Engine.IO revision 4), for the official clients and
// those that speak as they do.
//
//	io := socketio.NewServer(nil)
//	io.OnConnection(func(s *socketio.Socket) {
//		s.On("chat message", func(ctx context.Context, e *socketio.Event) error {
//			var text string
//			if err := e.Bind(&text); err != nil {
//				return err
//			}
//			return io.Emit("chat message", text)
//		})
//	})
//	http.Handle("/socket.io/", io)
//
// # Promises
//
// Events of one client in one namespace are handled one at a time, in the order they arrive; those of different
// sockets at the same time. Packets emitted by one goroutine to one socket arrive in that order. Delivery is at most
// once. Emit never waits, may be called from any goroutine, handlers among them, and returns an error that matches
// [ErrDisconnected] once the socket is disconnected.
//
// A socket that was connected is told so exactly once: OnConnection callbacks run before its first event, OnDisconnect
// callbacks after its last one. When it was the client that left, or its connection that broke, or when it sent what is
// no packet, what it had sent before and still waits is handled for up to a second, with a context that lasts as long,
// while Emit already returns [ErrDisconnected]. In all other cases, a ping timeout among them, the events that wait are
// dropped, as by the official server.
//
// # User code
//
// Middleware, handlers and callbacks of a socket run on one goroutine of that socket, never two at a time, and with no
// lock held: all methods may be called, except that a handler must not wait for [Server.Shutdown]. A handler that takes
// long holds up the events of its own socket only: when more of them wait than [Options.MaxInboxBytes] allows, the
// client's connection is not read any more, and not given up for that. Acknowledgements are not held up, unless reading
// has stopped; so a handler may wait for one with EmitWithAck, also from the client whose event it handles.
//
// The goroutine exists only while there is something to do; an idle client costs no goroutine here.
//
// A panic of user code is recovered, logged and counted, and the socket lives on; see [Options.DisableRecover] and
// [Options.OnError].
//
// # What clients get to see
//
// The text of an error is not for strangers. Middleware refuses a socket with a [ConnectError], a handler answers with
// an [event.Error]; for any other error the client gets [InternalError].
//
// What a client does against the protocol closes its connection; [Stats] counts each under a name of its own.
package socketio
