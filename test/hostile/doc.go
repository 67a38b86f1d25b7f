// Package hostile does to a client, over real sockets, what no well-behaved server does: one row a test, named by the
// row of the table of attacks that it is the other direction of (E: Engine.IO packets, U: upgrade, W and F: WebSocket
// handshake and frames, P: Socket.IO packets, B: binary attachments), or by a row of its own (N: what only a server can
// do). It holds tests only.
//
// After each row the socket that was attacked must have been told once why its connection ended and have come back by
// itself if the reason says so, another client in the same process must not have noticed anything, nothing may be left
// of the connection, and it must not have cost more memory than the bytes that came account for.
package hostile
