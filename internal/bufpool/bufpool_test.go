package bufpool

import (
	"bytes"
	"math/bits"
	"testing"
)

func TestGetHasRoom(t *testing.T) {
	for _, n := range []int{0, 1, 255, 256, 257, 511, 512, 513, 4096, 1<<20 - 1, 1 << 20, 1<<20 + 1, 3 << 20} {
		b := Get(n)
		if len(*b) != 0 || cap(*b) < n {
			t.Errorf("Get(%d): len %d, cap %d", n, len(*b), cap(*b))
		}
		if n <= 1<<20 && n > 256 && cap(*b) >= 2<<bits.Len(uint(n-1)) { // one that outgrew its class may come back
			t.Errorf("Get(%d): cap %d is a class too large", n, cap(*b))
		}
		Put(b)
	}
}

// A buffer that grew to an odd capacity must never come back for a request that it can't hold.
func TestPutFilesByCapacity(t *testing.T) {
	for _, n := range []int{0, 100, 256, 300, 511, 512, 700, 1000, 1<<20 + 5, 1<<21 - 1, 1 << 21} {
		b := make([]byte, n)
		Put(&b)
	}
	Put(nil)
	for n := 1; n <= 2048; n++ {
		if b := Get(n); cap(*b) < n || len(*b) != 0 {
			t.Fatalf("Get(%d): len %d, cap %d", n, len(*b), cap(*b))
		}
	}
}

func TestPoison(t *testing.T) {
	SetPoison(true)
	defer SetPoison(false)
	b := Get(300)
	*b = append(*b, "secret"...)
	kept := *b
	Put(b)
	if bytes.Contains(kept, []byte("secret")) {
		t.Error("Put left the bytes in place")
	}
	for _, x := range (*Get(70_000))[:70_000] {
		if x != PoisonByte {
			t.Fatalf("fresh buffer holds %#x", x)
		}
	}
}

func TestGetPutDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool drop buffers")
	}
	if n := testing.AllocsPerRun(1000, func() { Put(Get(4096)) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Each size has a class that holds it, and from 4 KiB on wastes little; each buffer goes back to a class that it can
// serve.
func TestClasses(t *testing.T) {
	for n := range 1<<maxBits + 1 {
		c := class(n)
		if s := size(c); s < n || n > 1<<fineBits && s > n+n/4 || c > 0 && size(c-1) >= n {
			t.Fatalf("%d bytes get %d", n, s)
		}
		if f := fits(max(n, 1<<minBits)); size(f) > max(n, 1<<minBits) || f+1 < len(pools) && size(f+1) <= n {
			t.Fatalf("a buffer of %d bytes is one of %d", n, size(f))
		}
	}
	if f := fits(1<<(maxBits+1) - 1); f != len(pools)-1 {
		t.Errorf("the largest is of class %d of %d", f, len(pools))
	}
}
