package engineio

import "sync/atomic"

// A latch lets one goroutine at a time call the Handler, and finds out who makes the last call. The transports see to
// it that nobody enters while somebody else is inside; what the latch decides is the race between a message and the
// close.
type latch struct{ state atomic.Uint32 }

const (
	latchIdle    = iota
	latchBusy    // a goroutine is inside
	latchLeaving // a goroutine is inside, and has to make the last call when it leaves
	latchClosed  // the last call is made, or about to be made by the one that closed the latch
)

// enter reports whether the Handler may be called; then leave must follow.
func (l *latch) enter() bool { return l.state.CompareAndSwap(latchIdle, latchBusy) }

// leave reports whether the caller has to make the last call.
func (l *latch) leave() bool {
	if l.state.CompareAndSwap(latchBusy, latchIdle) {
		return false
	}
	l.state.Store(latchClosed)
	return true
}

// close lets nobody in any more, and reports whether the caller has to make the last call.
func (l *latch) close() bool {
	for {
		switch l.state.Load() {
		case latchIdle:
			if l.state.CompareAndSwap(latchIdle, latchClosed) {
				return true
			}
		case latchBusy:
			if l.state.CompareAndSwap(latchBusy, latchLeaving) {
				return false
			}
		default:
			return false
		}
	}
}

// busy reports whether somebody is inside.
func (l *latch) busy() bool { return l.state.Load() == latchBusy }
