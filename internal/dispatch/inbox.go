package dispatch

import (
	"sync"

	"sio.example/socketio/internal/stack"
)

// A Runner does the work of an Inbox: one item at a time, in the order of arrival. The bytes of the items count in the
// Account, which must always be the same.
type Runner[T any] interface {
	Run(item T)
	Account() Account
}

// Limits bound a number of things.
type Limits struct {
	Items int // at most
	Bytes int // of them, at most; one that is larger is taken if it is the only one
}

// An Inbox is a queue that starts its own runner: a goroutine that exists only while there is work. What it needs while
// there is some is taken from a pool, since most sockets rest most of the time. It is safe for concurrent use. Init
// must be called before anything else.
type Inbox[T any] struct {
	runner Runner[T]

	mu     sync.Mutex
	work   *work[T] // nil while there is no runner
	items  int32    // that may wait
	closed bool
}

// work is what there is to do.
type work[T any] struct {
	queue   []entry[T] // queue[head:] waits
	head    int
	bytes   int
	current T // what the runner is doing, if busy
	busy    bool
	space   chan struct{} // closed when a waiting Push should look again; nil if none waits
}

type entry[T any] struct {
	item T
	size int
}

// workPool is for all inboxes of a process, which are of one type or two.
var workPool sync.Pool

// maxKeptQueue is the capacity of a queue up to which it is used again.
const maxKeptQueue = 64

func getWork[T any]() *work[T] {
	if w, ok := workPool.Get().(*work[T]); ok {
		return w
	}
	return &work[T]{queue: make([]entry[T], 0, 4)}
}

func (w *work[T]) put() {
	if cap(w.queue) > maxKeptQueue {
		return
	}
	*w = work[T]{queue: w.queue[:0]} // next has cleared what was in it
	workPool.Put(w)
}

// Init sets what runs the items, and how many may wait; 0 means that the Account alone bounds them.
func (q *Inbox[T]) Init(r Runner[T], items int) {
	if items <= 0 {
		items = noItemLimit
	}
	q.runner, q.items = r, int32(min(items, noItemLimit))
}

// Offer is Push for those that don't wait: it reports whether the item was taken.
func (q *Inbox[T]) Offer(item T, size int) bool {
	account := q.runner.Account()
	if !account.Take(size) {
		return false
	}
	q.mu.Lock()
	if q.closed || !q.fits() {
		q.mu.Unlock()
		account.Give(size)
		return false
	}
	q.append(entry[T]{item, size})
	q.mu.Unlock()
	return true
}

// Push appends an item of size bytes. While the inbox or the Account is full it waits: for room, for Close or for done.
// It reports whether the item was taken.
func (q *Inbox[T]) Push(done <-chan struct{}, item T, size int) bool {
	account := q.runner.Account()
	for {
		var room, space <-chan struct{}
		taken := account.Take(size)
		if !taken {
			room = account.Room()
			taken = account.Take(size)
		}
		q.mu.Lock()
		closed, fits := q.closed, q.fits()
		switch {
		case closed:
		case taken && fits:
			q.append(entry[T]{item, size})
			q.mu.Unlock()
			return true
		case !fits:
			if q.work.space == nil {
				q.work.space = make(chan struct{})
			}
			space = q.work.space
		}
		q.mu.Unlock()
		if taken {
			account.Give(size)
			room = nil
		}
		if closed {
			return false
		}
		select {
		case <-space:
		case <-room:
		case <-done:
			return false
		}
	}
}

// Append takes an item whatever the limits say. It reports false after Close.
func (q *Inbox[T]) Append(item T) bool { return q.AppendSized(item, 0) }

// AppendSized is Append for an item of size bytes, which may bring the Account above what it may hold: see
// [Account.Over].
func (q *Inbox[T]) AppendSized(item T, size int) bool {
	if size > 0 {
		q.runner.Account().Force(size)
	}
	q.mu.Lock()
	taken := !q.closed
	if taken {
		q.append(entry[T]{item, size})
	}
	q.mu.Unlock()
	if !taken && size > 0 {
		q.runner.Account().Give(size)
	}
	return taken
}

// Drop removes the items that wait and match, and makes room for those that are being pushed. match is called with the
// inbox's lock held.
func (q *Inbox[T]) Drop(match func(item T) bool) {
	if dropped := q.drop(match); dropped > 0 {
		q.runner.Account().Give(dropped)
	}
}

func (q *Inbox[T]) drop(match func(item T) bool) (dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := q.work
	if w == nil {
		return 0
	}
	rest := w.queue[w.head:w.head]
	for _, e := range w.queue[w.head:] {
		if match(e.item) {
			dropped += e.size
		} else {
			rest = append(rest, e)
		}
	}
	w.bytes -= dropped
	clear(w.queue[w.head+len(rest):])
	w.queue = w.queue[:w.head+len(rest)]
	w.wake()
	return dropped
}

// Close appends last as the final item, behind what waits, and refuses all others. Only the first call does anything;
// it reports whether it was that one. The item being run is not interrupted.
func (q *Inbox[T]) Close(last T) bool {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return false
	}
	q.closed = true
	q.append(entry[T]{item: last})
	q.work.wake()
	q.mu.Unlock()
	q.runner.Account().Wake() // a waiting Push may wait for this inbox
	return true
}

// Current is the item that is being run now, if there is one.
func (q *Inbox[T]) Current() (item T, busy bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.work == nil {
		return item, false
	}
	return q.work.current, q.work.busy
}

// Len is how many items wait, and their bytes.
func (q *Inbox[T]) Len() (items, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.work == nil {
		return 0, 0
	}
	return q.work.len(), q.work.bytes
}

func (q *Inbox[T]) fits() bool { return q.work == nil || q.work.len() < int(q.items) }

func (q *Inbox[T]) append(e entry[T]) {
	w := q.work
	if w == nil {
		w = getWork[T]()
		q.work = w
		go q.start() // owned by the inbox; ends when it is empty, at the latest after the item given to Close
	}
	if w.head > cap(w.queue)/2 && len(w.queue) == cap(w.queue) {
		n := copy(w.queue, w.queue[w.head:])
		clear(w.queue[n:])
		w.queue, w.head = w.queue[:n], 0
	}
	w.queue = append(w.queue, e)
	w.bytes += e.size
}

func (w *work[T]) len() int { return len(w.queue) - w.head }

func (w *work[T]) wake() {
	if w.space != nil {
		close(w.space)
		w.space = nil
	}
}

func (q *Inbox[T]) start() {
	stack.Grow()
	q.loop()
}

func (q *Inbox[T]) loop() {
	done, size := false, 0
	defer func() {
		if !done { // user code ended this goroutine with runtime.Goexit: another one goes on
			go q.start() // as the one above
			q.giveBack(size)
		}
	}()
	for {
		e, ok := q.next()
		if !ok {
			done = true
			return
		}
		size = e.size
		q.runner.Run(e.item)
		q.giveBack(size)
	}
}

// giveBack gives back what an item has held until it was run.
func (q *Inbox[T]) giveBack(size int) {
	if size > 0 {
		q.runner.Account().Give(size)
	}
}

// next takes the first item, or ends the runner.
func (q *Inbox[T]) next() (e entry[T], ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := q.work
	if w.head == len(w.queue) {
		q.work = nil
		w.put()
		return e, false
	}
	e = w.queue[w.head]
	w.queue[w.head] = entry[T]{}
	w.head++
	w.bytes -= e.size
	w.current, w.busy = e.item, true
	w.wake()
	return e, true
}
