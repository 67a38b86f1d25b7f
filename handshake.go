package socketio

import "sio.example/socketio/adapter"

// Handshake is what is known about how a socket connected. It is shared: do not change it.
//
// What it is made of is kept as long as the connection: the header, and what the client sent with CONNECT.
// Options.MaxAuth limits both.
type Handshake = adapter.Handshake

// dateLayout is how JavaScript prints a Date as a string, in UTC.
const dateLayout = "Mon Jan 02 2006 15:04:05 GMT-0700 (Coordinated Universal Time)"
