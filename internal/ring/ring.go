// Package ring is a FIFO queue that costs two words while it holds nothing or one value, as most do most of the time.
package ring

import "sync"

// A queue begins with minimum slots; one with more than keep of them is not used again.
const (
	minimum = 4
	keep    = 64
)

// A Ring is a queue. The zero value is empty and holds no memory; that of T can't be in a queue. It is not safe for
// concurrent use.
type Ring[T comparable] struct {
	first T         // the oldest; the zero value if there is none
	rest  *queue[T] // the others, borrowed; nil if there are none
}

// A queue is a slice used in a circle.
type queue[T comparable] struct {
	buf  []T // its length is a power of two
	head int // index of the oldest
	n    int
}

// queues is for all rings of a process, which are of one type.
var queues sync.Pool

// Len is the number of values in the queue.
func (r *Ring[T]) Len() int {
	var zero T
	switch {
	case r.first == zero:
		return 0
	case r.rest == nil:
		return 1
	}
	return 1 + r.rest.n
}

// Push adds v, which is not the zero value, behind the others.
func (r *Ring[T]) Push(v T) {
	var zero T
	if r.first == zero {
		r.first = v
		return
	}
	if r.rest == nil {
		r.rest = borrow[T]()
	}
	r.rest.push(v)
}

// Peek returns the oldest value and leaves it where it is; ok is false if there is none.
func (r *Ring[T]) Peek() (v T, ok bool) {
	var zero T
	return r.first, r.first != zero
}

// Last returns the latest value and leaves it where it is; ok is false if there is none.
func (r *Ring[T]) Last() (v T, ok bool) {
	if q := r.rest; q != nil {
		return q.buf[(q.head+q.n-1)&(len(q.buf)-1)], true
	}
	return r.Peek()
}

// Pop takes the oldest value out; ok is false if there is none.
func (r *Ring[T]) Pop() (v T, ok bool) {
	var zero T
	v, r.first = r.first, zero
	if q := r.rest; q != nil {
		r.first = q.pop()
		if q.n == 0 {
			r.rest = nil
			q.giveBack()
		}
	}
	return v, v != zero
}

// Has reports whether v is in the queue. It looks at all values.
func (r *Ring[T]) Has(v T) bool {
	if r.first == v || r.rest == nil {
		return r.first == v
	}
	q := r.rest
	for i := range q.n {
		if q.buf[(q.head+i)&(len(q.buf)-1)] == v {
			return true
		}
	}
	return false
}

// Reset drops everything, memory included.
func (r *Ring[T]) Reset() { *r = Ring[T]{} }

func borrow[T comparable]() *queue[T] {
	if q, ok := queues.Get().(*queue[T]); ok {
		return q
	}
	return &queue[T]{buf: make([]T, minimum)}
}

// giveBack is for queues that are empty.
func (q *queue[T]) giveBack() {
	if len(q.buf) <= keep {
		queues.Put(q)
	}
}

func (q *queue[T]) push(v T) {
	if q.n == len(q.buf) {
		buf := make([]T, 2*len(q.buf))
		n := copy(buf, q.buf[q.head:])
		copy(buf[n:], q.buf[:q.head])
		q.buf, q.head = buf, 0
	}
	q.buf[(q.head+q.n)&(len(q.buf)-1)] = v
	q.n++
}

func (q *queue[T]) pop() (v T) {
	var zero T
	v, q.buf[q.head] = q.buf[q.head], zero
	q.head = (q.head + 1) & (len(q.buf) - 1)
	q.n--
	return v
}
