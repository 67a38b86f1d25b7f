package index

import "hash/maphash"

// Places finds the elements of a list, which are distinct, in a fifth of the memory that a map to their positions
// takes. The list is its owner's, which says how it changes. It is not safe for concurrent use, but for Find among
// themselves.
type Places[T comparable] struct {
	slots []int32 // a power of two of them, with linear probing: 0 if it is empty, or else the position plus one
	n     int
}

// NewPlaces returns the places of a list as it is.
func NewPlaces[T comparable](list []T) *Places[T] {
	p := new(Places[T])
	p.rebuild(list)
	return p
}

// Len is how many there are.
func (p *Places[T]) Len() int {
	if p == nil {
		return 0
	}
	return p.n
}

// Find is the position of v, or -1.
func (p *Places[T]) Find(list []T, v T) int {
	mask := len(p.slots) - 1
	for i := home(v) & mask; p.slots[i] != 0; i = (i + 1) & mask {
		if at := int(p.slots[i]) - 1; list[at] == v {
			return at
		}
	}
	return -1
}

// Appended says that the last element of the list is new.
func (p *Places[T]) Appended(list []T) {
	if p.n >= len(p.slots)/4*3 {
		p.rebuild(list)
		return
	}
	p.insert(list, len(list)-1)
}

// Remove says that the last element of the list is about to take the place of the one at position at, which goes.
func (p *Places[T]) Remove(list []T, at int) {
	mask, last := len(p.slots)-1, len(list)-1
	i := p.slot(list, at)
	for j := (i + 1) & mask; p.slots[j] != 0; j = (j + 1) & mask { // those that would not be found any more
		if v := list[p.slots[j]-1]; (j-home(v))&mask >= (j-i)&mask { // i lies on its way
			p.slots[i] = p.slots[j]
			i = j
		}
	}
	p.slots[i] = 0
	p.n--
	if at != last {
		p.slots[p.slot(list, last)] = int32(at) + 1
	}
}

// slot is where the place of the element at position at is noted.
func (p *Places[T]) slot(list []T, at int) int {
	mask := len(p.slots) - 1
	i := home(list[at]) & mask
	for p.slots[i] != int32(at)+1 {
		i = (i + 1) & mask
	}
	return i
}

func (p *Places[T]) insert(list []T, at int) {
	mask := len(p.slots) - 1
	i := home(list[at]) & mask
	for p.slots[i] != 0 {
		i = (i + 1) & mask
	}
	p.slots[i] = int32(at) + 1
	p.n++
}

func (p *Places[T]) rebuild(list []T) {
	size := minimum
	for size/4*3 <= len(list) {
		size *= 2
	}
	p.slots, p.n = make([]int32, size), 0
	for i := range list {
		p.insert(list, i)
	}
}

func home[T comparable](v T) int { return int(maphash.Comparable(seed, v) >> 1) }
