package admin

import (
	"net/netip"
	"sync"
	"time"

	socketio "sio.example/socketio"
)

const (
	// guessWindow is how long guesses count, from the first one of an address.
	guessWindow = time.Minute
	// maxGuessers is how many addresses are remembered. Only maxLooking holds back who has more of them.
	maxGuessers = 10_000
)

// guesses are the passwords that addresses have tried. One counts from when it comes until it was the right one, so
// that those that come at the same time count, too.
type guesses struct {
	limit int

	mu  sync.Mutex // a leaf
	all map[string]guessed
}

type guessed struct {
	since time.Time
	n     int
}

// begin reports whether an address may try one.
func (g *guesses) begin(address string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	a, known := g.all[address]
	if !known && len(g.all) >= maxGuessers {
		g.forgetLocked(now)
	}
	if now.Sub(a.since) >= guessWindow {
		a = guessed{since: now}
	}
	if a.n >= g.limit {
		return false
	}
	a.n++
	if g.all == nil {
		g.all = make(map[string]guessed)
	}
	g.all[address] = a
	return true
}

// forgetLocked makes room. It needs mu.
func (g *guesses) forgetLocked(now time.Time) {
	for address, a := range g.all {
		if now.Sub(a.since) >= guessWindow {
			delete(g.all, address)
		}
	}
	if len(g.all) >= maxGuessers {
		clear(g.all)
	}
}

// right takes one back.
func (g *guesses) right(address string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if a, ok := g.all[address]; ok && a.n > 0 {
		a.n--
		g.all[address] = a
	}
}

// addressOf is the address of the connection, or the network of it that one user has.
func addressOf(h *socketio.Handshake) string {
	at, err := netip.ParseAddrPort(h.RemoteAddr)
	if err != nil {
		return h.RemoteAddr
	}
	address := at.Addr().Unmap().WithZone("")
	if address.Is4() {
		return address.String()
	}
	network, _ := address.Prefix(64) // it has as many bits
	return network.String()
}
