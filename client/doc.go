// Package client is a Socket.IO client (protocol revision 5 over Engine.IO revision 4), for this module's server and
// the official one.
//
//	s, err := client.Dial(ctx, "http://localhost:3000/", nil)
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	s.On("chat message", func(ctx context.Context, e *client.Event) error {
//		var text string
//		if err := e.Bind(&text); err != nil {
//			return err
//		}
//		return s.Emit("seen", text)
//	})
//	members, err := s.EmitWithAck(ctx, "join", "lobby")
//
// Events that come before there is a listener are dropped. What must not miss the first ones is added in
// [Options.Setup], or to a socket of a Manager before it connects.
//
// [Dial] is for programs that have nothing to do without a connection. A [Manager] connects when its sockets do, tries
// until it succeeds, and carries sockets in any number of namespaces over one connection. Contracts of package event
// work with both ends: a [Socket] is an event.Listener, event.Emitter and event.AckEmitter.
//
// # Promises
//
// Events in one namespace are handled one at a time, in the order they arrive; those of different sockets at the same
// time. Events emitted by one goroutine arrive in that order; but if Disconnect has ended the connection and Open makes
// another one, what follows may overtake what is still being sent over the first. Delivery is at most once, unless
// [SocketOptions.Retries] asks for at least once, or the server has connection state recovery.
//
// A connection that is lost is made again, after the delays that the official client would wait, until it succeeds or
// [Options.ReconnectionAttempts] are used up; but unlike there, the delays begin anew only after a session that lasted
// for ReconnectionDelayMax. [DisconnectReason] says after what. What is emitted meanwhile is kept, up to a limit, and
// sent in order before anything newer.
//
// Emit never waits, and may be called from any goroutine. Each acknowledgement that was asked for settles exactly once:
// with the server's values, or with the error that tells why there are none.
//
// # Concurrency
//
// All methods of [Manager] and [Socket] may be called from any goroutine, at any time. Handlers, middleware and
// callbacks of a socket, the functions of EmitFunc among them, run on one goroutine of that socket, never two at a
// time, and with no lock held: all methods may be called, except that none may wait for [Socket.Connect] or
// [Manager.Shutdown]. OnConnect callbacks run before the first event of a connection, OnDisconnect callbacks after its
// last one. The goroutine exists only while there is something to do; an idle client costs the one that reads the
// connection.
//
// The callbacks of a Manager run one at a time, too, beside those of its sockets. Listeners of [Socket.OnAnyOutgoing]
// are called on the sender's goroutine; these, [Options.OnError], a Logger and the functions of an [engineio.Trace] may
// be called by several goroutines at the same time, and must return quickly. [SocketOptions.AuthFunc] has a goroutine
// of its own.
//
// A handler that takes long holds up the events of its own socket only: when more of them wait than
// [Options.MaxInboxBytes] allows, the connection is not read any more. Acknowledgements are not held up before that; so
// a handler may wait for one with EmitWithAck. The server gets answers to its pings all the same.
//
// The context of a handler ends with the connection, and its cause is the [DisconnectReason]. Events that had come
// before the connection was lost, or the server disconnected the socket, are still handled, with a context that lasts a
// second longer than the connection. After Disconnect and Close they are dropped.
//
// A panic of user code is recovered, logged and given to [Options.OnError], and the socket lives on; see
// [Options.DisableRecover]. The text of an error is not for strangers: a handler answers a server with an
// [event.Error]; for any other error that gets event.InternalText.
//
// # The end
//
// [Socket.Disconnect] may be followed by Connect. [Socket.Close] and [Manager.Close] are for good, return at once and
// leave nothing behind a few seconds later, whatever the network does; [Manager.Shutdown] sends what waits, and returns
// when nothing is left.
package client
