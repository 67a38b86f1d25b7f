// Package websocket holds the tests of the core's internal/websocket against other implementations: gorilla/websocket,
// coder/websocket, and the ws package of Node, as clients that our server has to get along with, and as servers that
// have to react to the same bytes as ours does.
//
// It is the one place outside the core module that imports something of its internal folder, which the path of the
// module permits. That is for tests alone, which are built with the core of the same tree; nothing else may do so.
package websocket
