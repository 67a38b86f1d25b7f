package engineio

import "sync/atomic"

// A gate lets one goroutine at a time call the Handler, and finds out who makes the last call. The transports see to it
// that nobody enters while somebody else is inside; what the gate decides is the race between a message and the close.
type gate struct{ state atomic.Uint32 }

const (
	gateIdle    = iota
	gateBusy    // a goroutine is inside
	gateLeaving // a goroutine is inside, and has to make the last call when it leaves
	gateShut    // the last call is made, or about to be made by whoever shut the gate
)

// enter reports whether the Handler may be called; then leave must follow.
func (g *gate) enter() bool { return g.state.CompareAndSwap(gateIdle, gateBusy) }

// leave reports whether the caller has to make the last call.
func (g *gate) leave() bool {
	if g.state.CompareAndSwap(gateBusy, gateIdle) {
		return false
	}
	g.state.Store(gateShut)
	return true
}

// shut lets nobody in any more, and reports whether the caller has to make the last call.
func (g *gate) shut() bool {
	for {
		switch g.state.Load() {
		case gateIdle:
			if g.state.CompareAndSwap(gateIdle, gateShut) {
				return true
			}
		case gateBusy:
			if g.state.CompareAndSwap(gateBusy, gateLeaving) {
				return false
			}
		default:
			return false
		}
	}
}

// busy reports whether somebody is inside.
func (g *gate) busy() bool { return g.state.Load() == gateBusy }
