// Package bufpool lends byte buffers in size classes. It is for bytes that cannot escape to a user: what the network
// was read into, what frames are copied together in, scratch space of an encoder. A buffer that was given back may be
// in somebody else's hands at once, so it must not be touched again; [SetPoison] makes tests notice when it is.
package bufpool

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// The classes are the powers of two from 64 bytes to 4 KiB, and from there to 1 MiB four for each power, so that a
// buffer that is kept for a while is not much larger than what is in it. Buffers outside are left to the garbage
// collector.
const (
	minBits  = 6
	fineBits = 12
	maxBits  = 20
	fine     = 4 // classes for each power of two above fineBits
)

var (
	pools  [fineBits - minBits + 1 + fine*(maxBits-fineBits)]sync.Pool
	poison atomic.Bool
)

// PoisonByte is what [SetPoison] fills buffers with.
const PoisonByte = 0xDB

// Get lends an empty buffer with a capacity of at least n bytes; its spare capacity may hold anything. Append to *b or
// slice it up to its capacity, store the result in *b if it grew, and hand the pointer to [Put]. Get and Put may be
// called from any goroutine.
func Get(n int) *[]byte {
	c := class(n)
	if c >= len(pools) {
		b := make([]byte, 0, n)
		return &b
	}
	if b, ok := pools[c].Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, size(c))
	if poison.Load() {
		fill(b)
	}
	return &b
}

// Put takes a buffer back. A buffer that outgrew its class is filed under the one it fits now. Put(nil) does nothing.
func Put(b *[]byte) {
	if b == nil || cap(*b) < 1<<minBits || cap(*b) >= 1<<(maxBits+1) {
		return
	}
	*b = (*b)[:0]
	if poison.Load() {
		fill(*b)
	}
	pools[fits(cap(*b))].Put(b)
}

// SetPoison is for tests: from now on each buffer is filled with [PoisonByte] when it is made and when it is given
// back, so that bytes used after Put, or sent without having been written, are seen.
func SetPoison(on bool) { poison.Store(on) }

// class is the index of the smallest class that holds n bytes.
func class(n int) int {
	switch {
	case n <= 1<<minBits:
		return 0
	case n <= 1<<fineBits:
		return bits.Len(uint(n-1)) - minBits
	}
	k := bits.Len(uint(n-1)) - 1
	return fineBits - minBits + 1 + fine*(k-fineBits) + (n-1-1<<k)>>(k-2)
}

// size is that of the buffers of a class.
func size(class int) int {
	c := class - (fineBits - minBits + 1)
	if c < 0 {
		return 1 << (class + minBits)
	}
	k := fineBits + c/fine
	return 1<<k + (c%fine+1)<<(k-2)
}

// fits is the index of the largest class whose buffers are no larger than c, of at least the smallest.
func fits(c int) int {
	i := class(min(c, 1<<maxBits))
	if size(i) > c {
		i--
	}
	return i
}

func fill(b []byte) {
	b = b[:cap(b)]
	for i := range b {
		b[i] = PoisonByte
	}
}
