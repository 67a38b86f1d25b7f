// Package siowebtransport carries the sessions of a Socket.IO server by WebTransport, over HTTP/3, and those of the Go
// client. [Server] is to HTTP/3 what [http.Server] is to HTTP/1: it has the same handler, and a second port, of UDP:
//
//	io := socketio.NewServer(&socketio.Options{
//		Engine: engineio.Options{Transports: []string{"polling", "websocket", "webtransport"}},
//	})
//	http.Handle("/socket.io/", io)
//	go http.ListenAndServeTLS(":443", "cert.pem", "key.pem", nil)
//	wt := &siowebtransport.Server{Addr: ":443"}
//	log.Fatal(wt.ListenAndServeTLS("cert.pem", "key.pem"))
//
// Clients that have begun on polling are told of it, and upgrade; others open a session on it directly. Its CONNECT
// passes through the handler, so middleware, the rule for origins, AllowRequest and all budgets of the server hold
// for it as for a WebSocket.
//
// [Dialer] is the client's end, and [NewCertificate] makes what a page trusts without an authority while a program is
// being developed.
package siowebtransport
