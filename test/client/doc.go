// Package client runs the Go client through scenarios over real sockets, with a proxy between that breaks connections,
// against the official server, as a real process, and against ours.
//
// A scenario says exactly what the client and the server see, in order. The official client goes through the same
// scenarios against the official server: what fails there is a mistake in the scenario.
package client
