// Package index finds things by their id, in a third of the memory that a map from strings to pointers takes.
package index

import (
	"hash/maphash"
	"iter"
)

const (
	// minimum is how many slots a part begins with.
	minimum = 8
	// splitAt is how many values one part holds before it becomes many, each of which then grows by itself: a
	// caller that adds a value never waits until all of a million have moved.
	splitAt = 4096
	parts   = 64
)

var seed = maphash.MakeSeed()

// An Index is a set of values with distinct ids, which do not change. It is not safe for concurrent use, but for Get,
// Len and All among themselves. New makes one; it holds next to nothing while it is empty.
type Index[T comparable] struct {
	id    func(v T) string
	parts []part[T] // none, one or all
	n     int
}

// A part is a table with linear probing.
type part[T comparable] struct {
	slots []T    // a power of two of them
	tags  []byte // for each: 0 if it is empty, or else a part of the hash, so that most others need not be looked at
	n     int
}

// New returns an empty index of values with the given id. The zero value of T is none of them.
func New[T comparable](id func(v T) string) Index[T] { return Index[T]{id: id} }

// Len is the number of values.
func (x *Index[T]) Len() int { return x.n }

// Get returns the value with this id, or the zero value.
func (x *Index[T]) Get(id string) (v T) {
	if x.n == 0 {
		return v
	}
	h := maphash.String(seed, id)
	p := x.part(h)
	if i, ok := x.find(p, h, id); ok {
		return p.slots[i]
	}
	return v
}

// Put adds v, in the place of the value with its id if there is one.
func (x *Index[T]) Put(v T) {
	if x.parts == nil {
		x.parts = make([]part[T], 1)
	}
	id := x.id(v)
	h := maphash.String(seed, id)
	p := x.part(h)
	if i, ok := x.find(p, h, id); ok {
		p.slots[i] = v
		return
	}
	if len(x.parts) == 1 && p.n == splitAt {
		x.split()
		p = x.part(h)
	}
	if p.n >= len(p.slots)/4*3 {
		x.resize(p, max(minimum, 2*len(p.slots)))
	}
	p.insert(h, v)
	x.n++
}

// Remove takes the value with this id out, if there is one. It gives memory back.
func (x *Index[T]) Remove(id string) {
	if x.n == 0 {
		return
	}
	h := maphash.String(seed, id)
	p := x.part(h)
	i, ok := x.find(p, h, id)
	if !ok {
		return
	}
	x.cut(p, i)
	p.n--
	x.n--
	switch {
	case x.n == 0:
		x.parts = nil
	case len(p.slots) > minimum && p.n < len(p.slots)/8:
		x.resize(p, len(p.slots)/2)
	}
}

// All iterates over the values, in no particular order. The index must not be changed meanwhile.
func (x *Index[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		for i := range x.parts {
			p := &x.parts[i]
			for j, tag := range p.tags {
				if tag != 0 && !yield(p.slots[j]) {
					return
				}
			}
		}
	}
}

func (x *Index[T]) part(h uint64) *part[T] {
	if len(x.parts) == 1 {
		return &x.parts[0]
	}
	return &x.parts[h>>32%parts]
}

func tagOf(h uint64) byte { return byte(h>>56) | 1 }

// find returns where the value with this id is.
func (x *Index[T]) find(p *part[T], h uint64, id string) (i int, ok bool) {
	if p.n == 0 {
		return 0, false
	}
	mask, tag := len(p.slots)-1, tagOf(h)
	for i = int(h) & mask; p.tags[i] != 0; i = (i + 1) & mask {
		if p.tags[i] == tag && x.id(p.slots[i]) == id {
			return i, true
		}
	}
	return 0, false
}

// insert adds a value that is not there; there is room for it.
func (p *part[T]) insert(h uint64, v T) {
	mask := len(p.slots) - 1
	i := int(h) & mask
	for p.tags[i] != 0 {
		i = (i + 1) & mask
	}
	p.slots[i], p.tags[i] = v, tagOf(h)
	p.n++
}

// cut empties slot i, and moves those behind it that would not be found any more.
func (x *Index[T]) cut(p *part[T], i int) {
	mask := len(p.slots) - 1
	for j := (i + 1) & mask; p.tags[j] != 0; j = (j + 1) & mask {
		home := int(maphash.String(seed, x.id(p.slots[j]))) & mask
		if (j-home)&mask >= (j-i)&mask { // i lies on its way
			p.slots[i], p.tags[i] = p.slots[j], p.tags[j]
			i = j
		}
	}
	var zero T
	p.slots[i], p.tags[i] = zero, 0
}

func (x *Index[T]) resize(p *part[T], size int) {
	old := *p
	*p = part[T]{slots: make([]T, size), tags: make([]byte, size)}
	for i, v := range old.slots {
		if old.tags[i] != 0 {
			p.insert(maphash.String(seed, x.id(v)), v)
		}
	}
}

func (x *Index[T]) split() {
	old := x.parts[0]
	x.parts = make([]part[T], parts)
	for i := range x.parts {
		x.resize(&x.parts[i], 4*splitAt/parts)
	}
	for i, v := range old.slots {
		if old.tags[i] != 0 {
			h := maphash.String(seed, x.id(v))
			p := x.part(h)
			if p.n >= len(p.slots)/4*3 {
				x.resize(p, 2*len(p.slots))
			}
			p.insert(h, v)
		}
	}
}
