package client

import (
	"testing"
	"time"
)

// peerOptions have the names of the official ones; times are in milliseconds.
type peerOptions struct {
	Transports           []string `json:"transports"`
	TryAllTransports     bool     `json:"tryAllTransports"`
	RememberUpgrade      bool     `json:"rememberUpgrade"`
	Reconnection         bool     `json:"reconnection"`
	ReconnectionAttempts int      `json:"reconnectionAttempts,omitempty"`
	ReconnectionDelay    int      `json:"reconnectionDelay"`
	ReconnectionDelayMax int      `json:"reconnectionDelayMax"`
	RandomizationFactor  float64  `json:"randomizationFactor"`
	Timeout              int      `json:"timeout"`
	// DropOffset keeps the offset out of the record that a server with recovery appends to events.
	DropOffset bool `json:"dropOffset"`
}

// socketOptions have the names of the official ones, too. Auths are what a function returns, call by call.
type socketOptions struct {
	Auth       any   `json:"auth,omitempty"`
	Auths      []any `json:"auths,omitempty"`
	Retries    int   `json:"retries,omitempty"`
	AckTimeout int   `json:"ackTimeout,omitempty"`
}

type state struct {
	ID        string
	Connected bool
	Active    bool
	Recovered bool
	Transport string // empty while there is no session
}

// A peer is a client with its manager. What it sees is in its records:
//
//	manager   open, close, error, reconnect_attempt and so on
//	engine    upgrade websocket, upgrade failed
//	NSP       connect, connect_error, disconnect, and each event
//	NSP acks  of each ask the tag, and the values or why there are none
type peer interface {
	record(t *testing.T, source string, from, count int, limit time.Duration) []string
	// open makes the socket of a namespace; connect connects it, and does not wait.
	open(t *testing.T, nsp string, o socketOptions)
	connect(t *testing.T, nsp string)
	disconnect(t *testing.T, nsp string)
	setAuth(t *testing.T, nsp string, auth any)
	emit(t *testing.T, nsp, event string, args ...any)
	// count emits an event for each number of a range.
	count(t *testing.T, nsp, event string, from, to int)
	volatile(t *testing.T, nsp, event string, args ...any)
	ask(t *testing.T, nsp, tag, event string, args ...any)
	state(t *testing.T, nsp string) state
	// close closes the manager, end waits until nothing is left of it.
	close(t *testing.T)
	end(t *testing.T)
}

// A kind makes peers.
type kind struct {
	name string
	ours bool
	make func(t *testing.T, url string, o peerOptions) peer
}

// officialKind makes peers in a process of Node.
func officialKind(s *script) kind {
	return kind{name: "official", make: func(t *testing.T, url string, o peerOptions) peer {
		t.Helper()
		p := &officialPeer{script: s}
		s.call(t, "peer", arguments{"url": url, "options": o}, &p.id)
		return p
	}}
}

type officialPeer struct {
	script *script
	id     int
}

func (p *officialPeer) record(t *testing.T, source string, from, count int, limit time.Duration) []string {
	t.Helper()
	return p.script.record(t, p.id, source, from, count, limit)
}

func (p *officialPeer) open(t *testing.T, nsp string, o socketOptions) {
	t.Helper()
	p.script.call(t, "open", arguments{"id": p.id, "nsp": nsp, "options": o}, nil)
}

func (p *officialPeer) connect(t *testing.T, nsp string) {
	t.Helper()
	p.script.call(t, "connect", arguments{"id": p.id, "nsp": nsp}, nil)
}

func (p *officialPeer) disconnect(t *testing.T, nsp string) {
	t.Helper()
	p.script.call(t, "disconnect", arguments{"id": p.id, "nsp": nsp}, nil)
}

func (p *officialPeer) setAuth(t *testing.T, nsp string, auth any) {
	t.Helper()
	p.script.call(t, "auth", arguments{"id": p.id, "nsp": nsp, "auth": auth}, nil)
}

func (p *officialPeer) emit(t *testing.T, nsp, event string, args ...any) {
	t.Helper()
	p.script.call(t, "emit", arguments{"id": p.id, "nsp": nsp, "event": event, "args": notated(args)}, nil)
}

func (p *officialPeer) count(t *testing.T, nsp, event string, from, to int) {
	t.Helper()
	p.script.call(t, "count", arguments{"id": p.id, "nsp": nsp, "event": event, "from": from, "to": to}, nil)
}

func (p *officialPeer) volatile(t *testing.T, nsp, event string, args ...any) {
	t.Helper()
	p.script.call(t, "volatile", arguments{"id": p.id, "nsp": nsp, "event": event, "args": notated(args)}, nil)
}

func (p *officialPeer) ask(t *testing.T, nsp, tag, event string, args ...any) {
	t.Helper()
	p.script.call(t, "ask", arguments{"id": p.id, "nsp": nsp, "tag": tag, "event": event, "args": notated(args)}, nil)
}

func (p *officialPeer) state(t *testing.T, nsp string) state {
	t.Helper()
	var s state
	p.script.call(t, "state", arguments{"id": p.id, "nsp": nsp}, &s)
	return s
}

func (p *officialPeer) close(t *testing.T) {
	t.Helper()
	p.script.call(t, "close", arguments{"id": p.id}, nil)
}

func (p *officialPeer) end(t *testing.T) {
	t.Helper()
	p.script.call(t, "end", arguments{"id": p.id}, nil)
}
