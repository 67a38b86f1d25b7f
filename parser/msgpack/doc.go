// Package msgpack is the parser of packets in MessagePack, which the npm package socket.io-msgpack-parser is at the
// other end. It is an option of the server, and of the client:
//
//	socketio.NewServer(&socketio.Options{Parser: msgpack.Parser(nil)})
//	client.Dial(ctx, url, &client.Options{Parser: msgpack.Parser(nil)})
//
// A packet is one binary message, a map with the members type, nsp, data and id. Bytes stand where they are, without
// attachments; NaN, infinities, integers of 64 bits and times come through, in typed handlers and in interfaces.
// Received arguments stay as they came until a handler asks for them, so that what arrives takes no more memory than
// its bytes.
//
// It is pure: no sockets, no clocks, no goroutines. docs/parsers.md tells what each value becomes at the other end.
package msgpack
