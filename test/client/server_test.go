package client

import (
	"fmt"
	"testing"
	"time"
)

// serverOptions have the names of the official ones; times are in milliseconds.
type serverOptions struct {
	Transports   []string `json:"transports,omitempty"`
	PingInterval int      `json:"pingInterval,omitempty"`
	PingTimeout  int      `json:"pingTimeout,omitempty"`
	Recovery     bool     `json:"recovery,omitempty"`
	// KeepAlive is how long an idle connection is kept; default as the server has it.
	KeepAlive int `json:"keepAlive,omitempty"`
}

// A server runs the application of the scenarios: see official_server.js.
type server interface {
	addr() string
	// record returns what a namespace has received behind the first entries, or why its sockets have gone (" gone"),
	// when there are count of them or after a time.
	record(t *testing.T, source string, from, count int, limit time.Duration) []string
	// acks says what becomes of acknowledgements of notes: the next skip are never sent, others are held until release.
	acks(t *testing.T, skip int, hold bool)
	release(t *testing.T)
	// emit sends to all of a namespace.
	emit(t *testing.T, nsp, event string, args ...any)
	// sessions is how many Engine.IO sessions there are.
	sessions(t *testing.T) int
	// stop ends the server, politely or as if its process had died.
	stop(t *testing.T, politely bool)
}

// A side makes servers of one kind.
type side struct {
	name     string
	official bool
	// start starts a server on a port, or on any that is free.
	start func(t *testing.T, port int, o serverOptions) server
}

// officialSide starts servers in a process of Node.
func officialSide(s *script) side {
	return side{name: "node", official: true, start: func(t *testing.T, port int, o serverOptions) server {
		t.Helper()
		started := &officialServer{script: s}
		s.call(t, "start", arguments{"options": o, "port": port}, &started.answer)
		return started
	}}
}

type officialServer struct {
	script *script
	answer struct{ ID, Port int }
}

func (s *officialServer) addr() string { return fmt.Sprintf("127.0.0.1:%d", s.answer.Port) }

func (s *officialServer) record(t *testing.T, source string, from, count int, limit time.Duration) []string {
	t.Helper()
	return s.script.record(t, s.answer.ID, source, from, count, limit)
}

func (s *officialServer) acks(t *testing.T, skip int, hold bool) {
	t.Helper()
	s.script.call(t, "acks", arguments{"id": s.answer.ID, "skip": skip, "hold": hold}, nil)
}

func (s *officialServer) release(t *testing.T) {
	t.Helper()
	s.script.call(t, "release", arguments{"id": s.answer.ID}, nil)
}

func (s *officialServer) emit(t *testing.T, nsp, event string, args ...any) {
	t.Helper()
	s.script.call(t, "emit", arguments{"id": s.answer.ID, "nsp": nsp, "event": event, "args": notated(args)}, nil)
}

func (s *officialServer) sessions(t *testing.T) int {
	t.Helper()
	var count int
	s.script.call(t, "sessions", arguments{"id": s.answer.ID}, &count)
	return count
}

func (s *officialServer) stop(t *testing.T, politely bool) {
	t.Helper()
	how := "die"
	if politely {
		how = "close"
	}
	s.script.call(t, "stop", arguments{"id": s.answer.ID, "how": how}, nil)
}

// notated are arguments for a script; never null.
func notated(args []any) any { return notate(append([]any{}, args...)) }
