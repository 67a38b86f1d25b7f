package dispatch

import "sync"

// A Runner does the work of an Inbox: one item at a time, in the order of arrival.
type Runner[T any] interface{ Run(item T) }

// Limits bound an Inbox. They are shared by all inboxes of a server.
type Limits struct {
	Items int // that wait, at most
	Bytes int // of them, at most; an item that is larger goes into an empty inbox
}

// An Inbox is a queue that starts its own runner: a goroutine that exists only while there is work. It is safe for
// concurrent use. Init must be called before anything else.
type Inbox[T any] struct {
	runner Runner[T]
	limits *Limits

	mu      sync.Mutex
	queue   []entry[T] // queue[head:] waits
	head    int
	bytes   int
	current T // what the runner is doing, if busy
	busy    bool
	running bool
	closed  bool
	space   chan struct{} // closed when a waiting Push should look again; nil if none waits
}

type entry[T any] struct {
	item T
	size int
}

// keep is the capacity that an empty queue keeps, so that a socket with one event at a time does not allocate.
const keep = 4

// Init sets what runs the items, and the limits.
func (q *Inbox[T]) Init(r Runner[T], limits *Limits) {
	q.runner, q.limits = r, limits
}

// Offer is Push for those that don't wait: it reports whether the item was taken.
func (q *Inbox[T]) Offer(item T, size int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || !q.fits(size) {
		return false
	}
	q.append(entry[T]{item, size})
	return true
}

// Push appends an item of size bytes. While the inbox is full it waits: for room, for Close or for done. It reports
// whether the item was taken.
func (q *Inbox[T]) Push(done <-chan struct{}, item T, size int) bool {
	for {
		q.mu.Lock()
		if q.closed {
			q.mu.Unlock()
			return false
		}
		if q.fits(size) {
			q.append(entry[T]{item, size})
			q.mu.Unlock()
			return true
		}
		if q.space == nil {
			q.space = make(chan struct{})
		}
		space := q.space
		q.mu.Unlock()

		select {
		case <-space:
		case <-done:
			return false
		}
	}
}

// Close appends last as the final item, behind what waits or, with drop, instead of it, and refuses all others. Only the
// first call does anything; it reports whether it was that one. The item being run is not interrupted.
func (q *Inbox[T]) Close(last T, drop bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.closed = true
	if drop {
		q.queue, q.head, q.bytes = nil, 0, 0
	}
	q.append(entry[T]{item: last})
	q.wake()
	return true
}

// Current is the item that is being run now, if there is one.
func (q *Inbox[T]) Current() (item T, busy bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.current, q.busy
}

// Len is how many items wait, and their bytes.
func (q *Inbox[T]) Len() (items, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.queue) - q.head, q.bytes
}

func (q *Inbox[T]) fits(size int) bool {
	n := len(q.queue) - q.head
	return n == 0 || (n < q.limits.Items && q.bytes+size <= q.limits.Bytes)
}

func (q *Inbox[T]) append(e entry[T]) {
	if q.head > cap(q.queue)/2 && len(q.queue) == cap(q.queue) {
		n := copy(q.queue, q.queue[q.head:])
		clear(q.queue[n:])
		q.queue, q.head = q.queue[:n], 0
	}
	q.queue = append(q.queue, e)
	q.bytes += e.size
	if !q.running {
		q.running = true
		go q.start() // owned by the inbox; ends when it is empty, at the latest after the item given to Close
	}
}

func (q *Inbox[T]) wake() {
	if q.space != nil {
		close(q.space)
		q.space = nil
	}
}

func (q *Inbox[T]) start() {
	growStack()
	q.loop()
}

func (q *Inbox[T]) loop() {
	done := false
	defer func() {
		if !done { // user code ended this goroutine with runtime.Goexit: another one goes on
			go q.start() // as the one above
		}
	}()
	for {
		item, ok := q.next()
		if !ok {
			done = true
			return
		}
		q.runner.Run(item)
	}
}

// next takes the first item, or ends the runner.
func (q *Inbox[T]) next() (item T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var zero T
	if q.head == len(q.queue) {
		q.current, q.busy, q.running = zero, false, false
		q.head = 0
		if cap(q.queue) > keep {
			q.queue = nil
		} else {
			q.queue = q.queue[:0]
		}
		return zero, false
	}
	e := q.queue[q.head]
	q.queue[q.head] = entry[T]{}
	q.head++
	q.bytes -= e.size
	q.current, q.busy = e.item, true
	q.wake()
	return e.item, true
}

// growStack makes the stack of a new goroutine large enough for most handlers while there is next to nothing on it: later,
// the runtime would have to copy all that the handler has put there, twice. It saves a third of what an event costs that
// comes alone.
//
//go:noinline
func growStack() {
	var frame [4 << 10]byte
	touch(&frame)
}

//go:noinline
func touch(*[4 << 10]byte) {}
