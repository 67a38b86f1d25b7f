package dispatch

import (
	"errors"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// The errors of Acks.Add.
var (
	ErrAcksClosed = errors.New("closed")
	ErrAcksFull   = errors.New("too many unanswered acknowledgements")
)

// SharedAckIDs is how many ids there are for what one socket asks for itself, from 0 on, and behind them for what
// several are asked for together. Both ranges end below 2^31, since there are clients that take ids for 32-bit
// integers: the official one for Java does (socket.io-client-java, IOParser.java).
const SharedAckIDs = 1 << 30

// AckCost is what an acknowledgement that is waited for counts in bytes, beside what its owner says: a little more
// than it takes.
const AckCost = 256

// A Lender has memory for the acknowledgements that the sockets of one connection wait for. It is called with the
// lock of an Acks held, and must not wait.
type Lender interface {
	// Borrow reports whether n bytes more may be held, and counts them if so.
	Borrow(n int) bool
	// Repay says that n bytes are held no more.
	Repay(n int)
}

// What is borrowed: nothing for the first few, and then for some at once.
const (
	ackAllowance = 8 * AckCost
	ackStep      = 16 * AckCost
)

// Acks are the acknowledgements that a socket waits for. Each settles exactly once: by Resolve, by Fail, by Close, or
// silently by Forget. It is one word until the first is added. The zero value is ready; it is safe for concurrent
// use.
type Acks[T any] struct {
	table atomic.Pointer[ackTable[T]]
}

type ackTable[T any] struct {
	mu      sync.Mutex
	closed  bool
	peak    int32 // entries that the map has held at once
	next    uint64
	queued  int32 // callbacks that have not run yet
	lent    int32 // bytes
	bytes   int   // of what is queued or pending
	pending map[uint64]ack[T]
}

// An ack has one of its two functions.
type ack[T any] struct {
	settle func(v T, err error)
	queue  func(v T, size int, err error)
	size   int32 // what it counts
	shared bool  // queue is called without a lock, and may keep v
}

// maxKept is how large a map may have been to be kept when it is empty: maps never shrink.
const maxKept = 32

// ensureTable returns the table, and makes it if there is none.
func (a *Acks[T]) ensureTable() *ackTable[T] {
	if t := a.table.Load(); t != nil {
		return t
	}
	a.table.CompareAndSwap(nil, new(ackTable[T]))
	return a.table.Load()
}

// Add registers settle under a new id. It fails after Close, while most are waited for, and while l has no memory for
// more than one. settle must not block; no lock is held when it is called.
func (a *Acks[T]) Add(most int, l Lender, settle func(v T, err error)) (id uint64, err error) {
	return a.add(most, l, ack[T]{settle: settle, size: AckCost})
}

// AddShared is Add with an id that was chosen for several sockets, from SharedAckIDs on. It also fails while an
// earlier one with this id is waited for. Others are waited for when v has come, so v counts with its size until
// Release; one for which l has no memory is dropped, and settled with ErrAcksFull.
func (a *Acks[T]) AddShared(id uint64, most int, l Lender, settle func(v T, size int, err error)) error {
	t := a.ensureTable()
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, taken := t.pending[id]; taken {
		return ErrAcksFull
	}
	return t.put(id, most, l, ack[T]{queue: settle, size: AckCost, shared: true})
}

// AddQueued is Add for what queues a callback, which counts until Done is called. It is called with a lock held, so
// that nothing is queued any more when Close has returned; size is that of v, which does not count here. extra is what
// it takes in bytes beside AckCost.
func (a *Acks[T]) AddQueued(most int, l Lender, extra int,
	queue func(v T, size int, err error)) (id uint64, err error) {
	return a.add(most, l, ack[T]{queue: queue, size: int32(AckCost + extra)})
}

func (a *Acks[T]) add(most int, l Lender, e ack[T]) (id uint64, err error) {
	t := a.ensureTable()
	t.mu.Lock()
	defer t.mu.Unlock()
	for id = t.next; ; id = (id + 1) % SharedAckIDs {
		if _, taken := t.pending[id]; !taken { // the counter may have come round
			break
		}
	}
	if err = t.put(id, most, l, e); err != nil {
		return 0, err
	}
	t.next = (id + 1) % SharedAckIDs
	return id, nil
}

// Resolve settles id with v, which takes size bytes. It reports false for an id that is not waited for.
func (a *Acks[T]) Resolve(l Lender, id uint64, v T, size int) bool {
	return a.settle(l, id, v, size, nil)
}

// Fail settles id with err. It reports false for an id that is not waited for.
func (a *Acks[T]) Fail(l Lender, id uint64, err error) bool {
	var zero T
	return a.settle(l, id, zero, 0, err)
}

func (a *Acks[T]) settle(l Lender, id uint64, v T, size int, err error) bool {
	t := a.table.Load()
	if t == nil {
		return false
	}
	t.mu.Lock()
	e, ok := t.take(id)
	switch {
	case ok && e.isQueued():
		t.queued++
		e.queue(v, size, err)
	case ok:
		t.bytes -= int(e.size)
		if e.shared && err == nil {
			if t.borrow(l, size) {
				t.bytes += size
			} else {
				var zero T
				v, size, err = zero, 0, ErrAcksFull
			}
		}
		t.repay(l, 0)
	}
	t.mu.Unlock()
	if ok {
		e.tell(v, size, err)
	}
	return ok
}

// isQueued reports whether what settles it is called with the lock held.
func (e *ack[T]) isQueued() bool { return e.queue != nil && !e.shared }

// tell calls what is called without a lock.
func (e *ack[T]) tell(v T, size int, err error) {
	switch {
	case e.shared:
		e.queue(v, size, err)
	case e.settle != nil:
		e.settle(v, err)
	}
}

// Release says that an answer to a shared one, which took size bytes, is held no more.
func (a *Acks[T]) Release(l Lender, size int) {
	t := a.ensureTable()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.repay(l, size)
}

// Forget gives id up. It reports false if the id has been settled, or is just being settled.
func (a *Acks[T]) Forget(l Lender, id uint64) bool {
	t := a.table.Load()
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.take(id)
	if ok {
		t.repay(l, int(e.size))
	}
	return ok
}

// Done says that a callback which was queued has run. extra is what AddQueued was told.
func (a *Acks[T]) Done(l Lender, extra int) {
	t := a.ensureTable()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queued--
	t.repay(l, AckCost+extra)
}

// Len is how many are waited for.
func (a *Acks[T]) Len() int {
	t := a.table.Load()
	if t == nil {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.pending)
}

// Close settles all with err, in the order they were added, and those with shared ids behind the others; Add fails
// from then on. What is queued for them is queued when it returns.
func (a *Acks[T]) Close(l Lender, err error) {
	t := a.ensureTable()
	var zero T
	t.mu.Lock()
	pending := t.pending
	ids := slices.Sorted(maps.Keys(pending))
	t.pending, t.closed = nil, true
	for _, id := range ids {
		if e := pending[id]; e.isQueued() {
			t.queued++
			e.queue(zero, 0, err)
		} else {
			t.repay(l, int(e.size))
		}
	}
	t.mu.Unlock()
	for _, id := range ids {
		if e := pending[id]; !e.isQueued() {
			e.tell(zero, 0, err)
		}
	}
}

// The following need mu.

// put adds a pending one, unless there is no room for it.
func (t *ackTable[T]) put(id uint64, most int, l Lender, e ack[T]) error {
	waiting := len(t.pending) + int(t.queued)
	switch {
	case t.closed:
		return ErrAcksClosed
	case waiting >= most, !t.borrow(l, int(e.size)) && waiting > 0:
		return ErrAcksFull
	}
	if t.pending == nil {
		t.pending = make(map[uint64]ack[T], 1)
	}
	t.pending[id] = e
	t.bytes += int(e.size)
	t.peak = max(t.peak, int32(len(t.pending)))
	return nil
}

// take removes a pending one, which still counts.
func (t *ackTable[T]) take(id uint64) (e ack[T], ok bool) {
	e, ok = t.pending[id]
	if !ok {
		return e, false
	}
	delete(t.pending, id)
	if len(t.pending) == 0 && t.peak > maxKept {
		t.pending, t.peak = nil, 0
	}
	return e, true
}

// borrow sees to it that there is memory for n bytes more.
func (t *ackTable[T]) borrow(l Lender, n int) bool {
	lack := t.bytes + n - ackAllowance - int(t.lent)
	if lack <= 0 {
		return true
	}
	lack = (lack + ackStep - 1) / ackStep * ackStep
	if lack > math.MaxInt32-int(t.lent) || !l.Borrow(lack) {
		return false
	}
	t.lent += int32(lack)
	return true
}

// repay is for n bytes that are held no more. A little is kept until nothing waits.
func (t *ackTable[T]) repay(l Lender, n int) {
	t.bytes -= n
	over := int(t.lent)
	if t.bytes > 0 {
		over = (over-t.bytes)/ackStep*ackStep - ackStep
	}
	if over > 0 {
		t.lent -= int32(over)
		l.Repay(over)
	}
}
