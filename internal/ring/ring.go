// Package ring is a FIFO queue in one slice that grows while it is used and gives its memory back when it is drained.
package ring

// The slice begins with minimum slots; a drained ring keeps at most keep of them.
const (
	minimum = 4
	keep    = 32
)

// A Ring is a queue. The zero value is empty and holds no memory. It is not safe for concurrent use.
type Ring[T any] struct {
	buf  []T // its length is 0 or a power of two
	head int // index of the oldest
	n    int
}

// Len is the number of values in the queue.
func (r *Ring[T]) Len() int { return r.n }

// Push adds v behind the others.
func (r *Ring[T]) Push(v T) {
	if r.n == len(r.buf) {
		r.grow()
	}
	r.buf[(r.head+r.n)&(len(r.buf)-1)] = v
	r.n++
}

// Peek returns the oldest value and leaves it where it is; ok is false if there is none.
func (r *Ring[T]) Peek() (v T, ok bool) {
	if r.n == 0 {
		return v, false
	}
	return r.buf[r.head], true
}

// Pop takes the oldest value out; ok is false if there is none. Taking the last one releases a slice that has grown.
func (r *Ring[T]) Pop() (v T, ok bool) {
	if r.n == 0 {
		return v, false
	}
	var zero T
	v, r.buf[r.head] = r.buf[r.head], zero
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	if r.n == 0 && len(r.buf) > keep {
		r.Reset()
	}
	return v, true
}

// Reset drops everything, memory included.
func (r *Ring[T]) Reset() { *r = Ring[T]{} }

func (r *Ring[T]) grow() {
	buf := make([]T, max(minimum, 2*len(r.buf)))
	n := copy(buf, r.buf[r.head:])
	copy(buf[n:], r.buf[:r.head])
	r.buf, r.head = buf, 0
}
