package dispatch

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// The errors of Acks.Add.
var (
	ErrAcksClosed = errors.New("closed")
	ErrAcksFull   = errors.New("too many unanswered acknowledgements")
)

// AckCost is what an acknowledgement that is waited for counts in bytes, beside what its owner says: a little more than it
// takes.
const AckCost = 256

// Acks are the acknowledgements that a socket waits for. Each settles exactly once: by Resolve, by Fail, by Close, or
// silently by Forget. It is one word until the first is added. The zero value is ready; it is safe for concurrent use.
type Acks[T any] struct {
	table atomic.Pointer[ackTable[T]]
}

type ackTable[T any] struct {
	mu      sync.Mutex
	closed  bool
	peak    int32 // entries that the map has held at once
	next    uint64
	queued  int // callbacks that have not run yet
	bytes   int // of those, and of what is pending
	pending map[uint64]ack[T]
}

// An ack has one of its two functions.
type ack[T any] struct {
	settle func(v T, err error)
	queue  func(v T, size int, err error)
	size   int
}

// maxKept is how large a map may have been to be kept when it is empty: maps never shrink.
const maxKept = 32

// made returns the table, and makes it if there is none.
func (a *Acks[T]) made() *ackTable[T] {
	if t := a.table.Load(); t != nil {
		return t
	}
	a.table.CompareAndSwap(nil, new(ackTable[T]))
	return a.table.Load()
}

// Add registers settle under a new id. It fails after Close, and while as many are waited for as limits say. settle must
// not block; no lock is held when it is called.
func (a *Acks[T]) Add(limits *Limits, settle func(v T, err error)) (id uint64, err error) {
	return a.add(limits, ack[T]{settle: settle, size: AckCost})
}

// AddQueued is Add for what queues a callback, which counts until Done is called with size. It is called with a lock held, so
// that nothing is queued any more when Close has returned. extra is what it takes in bytes beside AckCost.
func (a *Acks[T]) AddQueued(limits *Limits, extra int, queue func(v T, size int, err error)) (id uint64, err error) {
	return a.add(limits, ack[T]{queue: queue, size: AckCost + extra})
}

func (a *Acks[T]) add(limits *Limits, e ack[T]) (id uint64, err error) {
	t := a.made()
	t.mu.Lock()
	defer t.mu.Unlock()
	waiting := len(t.pending) + t.queued
	switch {
	case t.closed:
		return 0, ErrAcksClosed
	case waiting >= limits.Items, waiting > 0 && t.bytes+e.size > limits.Bytes:
		return 0, ErrAcksFull
	}
	if t.pending == nil {
		t.pending = make(map[uint64]ack[T], 1)
	}
	id = t.next
	t.next++
	t.pending[id] = e
	t.bytes += e.size
	t.peak = max(t.peak, int32(len(t.pending)))
	return id, nil
}

// Resolve settles id with v, which takes size bytes. It reports false for an id that is not waited for.
func (a *Acks[T]) Resolve(id uint64, v T, size int) bool { return a.settle(id, v, size, nil) }

// Fail settles id with err. It reports false for an id that is not waited for.
func (a *Acks[T]) Fail(id uint64, err error) bool {
	var zero T
	return a.settle(id, zero, 0, err)
}

func (a *Acks[T]) settle(id uint64, v T, size int, err error) bool {
	t := a.table.Load()
	if t == nil {
		return false
	}
	t.mu.Lock()
	e, ok := t.take(id)
	if ok && e.queue != nil {
		t.call(e, v, size, err)
	}
	t.mu.Unlock()
	if ok && e.queue == nil {
		e.settle(v, err)
	}
	return ok
}

// Forget gives id up. It reports false if the id has been settled, or is just being settled.
func (a *Acks[T]) Forget(id uint64) bool {
	t := a.table.Load()
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.take(id)
	return ok
}

// Done says that a callback which was queued has run. size is what queue was told.
func (a *Acks[T]) Done(size int) {
	t := a.made()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queued--
	t.bytes -= size
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

// Close settles all with err, in the order they were added; Add fails from then on. What is queued for them is queued when
// it returns.
func (a *Acks[T]) Close(err error) {
	t := a.made()
	var zero T
	t.mu.Lock()
	pending := t.pending
	ids := slices.Sorted(maps.Keys(pending))
	t.pending, t.closed = nil, true
	for _, id := range ids {
		e := pending[id]
		t.bytes -= e.size
		if e.queue != nil {
			t.call(e, zero, 0, err)
		}
	}
	t.mu.Unlock()
	for _, id := range ids {
		if e := pending[id]; e.queue == nil {
			e.settle(zero, err)
		}
	}
}

// The following need mu.

func (t *ackTable[T]) take(id uint64) (e ack[T], ok bool) {
	e, ok = t.pending[id]
	if !ok {
		return e, false
	}
	delete(t.pending, id)
	t.bytes -= e.size
	if len(t.pending) == 0 && t.peak > maxKept {
		t.pending, t.peak = nil, 0
	}
	return e, true
}

func (t *ackTable[T]) call(e ack[T], v T, size int, err error) {
	t.queued++
	t.bytes += e.size + size
	e.queue(v, e.size+size, err)
}
