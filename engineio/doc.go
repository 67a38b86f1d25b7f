// Package engineio moves messages over transports: HTTP long-polling, WebSocket and streams of bytes
// ([Server.ServeStream]), with upgrade and heartbeat (Engine.IO protocol revision 4, and 3 with
// [Options.AllowEIO3]). It gives them no meaning.
//
// # Promises
//
// Messages of one session arrive once and in order, in both directions and through an upgrade. Messages sent by one
// goroutine go out in the order of the Send calls, and those of one Send stay adjacent. [Socket.Send] never waits for
// the network: when the queue is over its budget, and the peer has taken nothing for some seconds or the server has no
// memory for more, the session is closed.
//
// A [Handler] is called by one goroutine at a time, and HandleClose is its last call. While HandleMessage blocks,
// nothing more is read from the peer, so TCP holds it back. The heartbeat grants the peer one more PingTimeout, once
// per ping, if it was heard or could not be heard because of that.
//
// # What it costs
//
// An idle WebSocket session is one goroutine, parked in a read without a buffer, and a place in a list of deadlines,
// which has one timer for all. An idle polling session is that place, and whatever net/http keeps for the pending
// request. Goroutines for writing exist only while there is something to write.
//
// # What it never does
//
// It keeps no *http.Request after the answer, reads no body before it knows the session, inflates no input, and sends
// nothing of what it received back in an error. It calls the Handler of a Logger on no goroutine of a session. It
// starts no listener and closes no http.Server.
//
// # Clients
//
// [Dial] opens a session from the other end, with the same promises; [ClientSocket.Send] refuses what does not fit into
// the queue instead of closing the session. A session on WebSocket costs a client what it costs a server. On polling it
// has one GET and at most one POST under way, over HTTP connections of its own that end with it. While an upgrade
// pauses polling nothing is sent, so nothing can overtake; an upgrade that fails costs only the WebSocket.
//
// A client trusts a server no more than the other way round: handshakes, answers, messages, headers and cookies are
// bounded, redirects are not followed, and errors do not repeat what a server said.
//
// # Who ends a session, and how
//
// A session ends once, with one [Reason]. Polite ends ([Socket.Close], [Server.Shutdown]) send the queue first; others
// drop it. A polling client is told by a close packet in answer to its pending request, a WebSocket client by a close
// frame: 1000 after a polite end, 1001 when the server goes away, 1002 for a violation of the protocol, 1008 for a
// limit (ping timeout, slow consumer), 1009 for a message too big, 1011 when the Handler panicked or called
// runtime.Goexit. A WebSocket that was about to take a polling session over is told the same; there, a request that
// overlaps with another or is broken off is a violation. A client tells its server in the same forms, by polling with a
// close packet in a POST.
package engineio
