package dispatch

import (
	"math"
	"sync"
	"sync/atomic"
)

// An Account is what the inboxes of one connection hold together: the items that wait and those that are being run. Its
// methods are safe for concurrent use, and called with no lock of an inbox held.
type Account interface {
	// Take reports whether n bytes more may be held, and counts them if so. When nothing is held it is always true.
	Take(n int) bool
	// Force counts n bytes more, whatever may be held.
	Force(n int)
	// Over reports whether more is held than may be, which Force can bring about.
	Over() bool
	// Give says that n bytes are held no more.
	Give(n int)
	// Room returns what is closed when Take or Over is worth another try. The caller must try once more before
	// waiting.
	Room() <-chan struct{}
	// Wake closes what Room has returned.
	Wake()
}

// AwaitRoom waits while more is held in an Account than may be, at most until done is closed.
func AwaitRoom(a Account, done <-chan struct{}) {
	for a.Over() {
		room := a.Room()
		if !a.Over() {
			return
		}
		select {
		case <-room:
		case <-done:
			return
		}
	}
}

// A Budget is an Account with a limit of its own.
type Budget struct {
	Limit int // in bytes

	held atomic.Int64 // twice what is held, and one more if room is not nil
	mu   sync.Mutex
	room chan struct{}
}

// Take is that of Account.
func (b *Budget) Take(n int) bool {
	held := b.held.Add(2*int64(n)) >> 1
	if held > int64(b.Limit) && held > int64(n) {
		b.held.Add(-2 * int64(n))
		return false
	}
	return true
}

// Force is that of Account.
func (b *Budget) Force(n int) { b.held.Add(2 * int64(n)) }

// Over is that of Account.
func (b *Budget) Over() bool { return b.Held() > b.Limit }

// Give is that of Account.
func (b *Budget) Give(n int) {
	if b.held.Add(-2*int64(n))&1 != 0 {
		b.Wake()
	}
}

// Room is that of Account.
func (b *Budget) Room() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.room == nil {
		b.room = make(chan struct{})
		b.held.Or(1)
	}
	return b.room
}

// Wake is that of Account.
func (b *Budget) Wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.room != nil {
		close(b.room)
		b.room = nil
		b.held.And(^1)
	}
}

// Held is how many bytes are held.
func (b *Budget) Held() int { return int(b.held.Load() >> 1) }

// EventCost is what an event that waits takes in memory beside its data, in bytes.
const EventCost = 384

// noItemLimit is the most items that an inbox holds if it is not told otherwise.
const noItemLimit = math.MaxInt32
