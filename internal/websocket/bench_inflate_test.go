package websocket

import (
	"slices"
	"strings"
	"testing"
)

// A bitWriter writes as a stream of deflate has it, the lowest bit first.
type bitWriter struct {
	bytes []byte
	n     int // bits
}

func (w *bitWriter) bits(value, n int) {
	for i := range n {
		if w.n%8 == 0 {
			w.bytes = append(w.bytes, 0)
		}
		w.bytes[w.n/8] |= byte(value>>i&1) << (w.n % 8)
		w.n++
	}
}

// code writes a Huffman code, which has its highest bit first.
func (w *bitWriter) code(value, n int) {
	for i := n - 1; i >= 0; i-- {
		w.bits(value>>i, 1)
	}
}

// codes are the canonical ones of these lengths (RFC 1951 3.2.2).
func codes(lengths []int) []int {
	all := make([]int, len(lengths))
	code := 0
	for n := 1; n <= 15; n++ {
		for i, l := range lengths {
			if l == n {
				all[i] = code
				code++
			}
		}
		code <<= 1
	}
	return all
}

// dynamic writes a block without content whose codes have these lengths. Those of the lengths themselves are repeat, of
// the alphabet of RFC 1951 3.2.7.
func (w *bitWriter) dynamic(literals []int, repeat [19]int) {
	order := []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	most := len(order)
	for repeat[order[most-1]] == 0 {
		most--
	}
	w.bits(0, 1) // not the last block
	w.bits(2, 2)
	w.bits(len(literals)-257, 5)
	w.bits(0, 5) // one distance
	w.bits(most-4, 4)
	for _, s := range order[:most] {
		w.bits(repeat[s], 3)
	}
	short := codes(repeat[:])
	lengths := append(slices.Clone(literals), 1)
	for i := 0; i < len(lengths); {
		l, n := lengths[i], 1
		for i+n < len(lengths) && lengths[i+n] == l {
			n++
		}
		switch {
		case l == 0 && n >= 11 && repeat[18] > 0:
			n = min(n, 138)
			w.code(short[18], repeat[18])
			w.bits(n-11, 7)
		case i > 0 && lengths[i-1] == l && n >= 3 && repeat[16] > 0:
			n = min(n, 6)
			w.code(short[16], repeat[16])
			w.bits(n-3, 2)
		default:
			n = 1
			w.code(short[l], repeat[l])
		}
		i += n
	}
	end := codes(literals)
	w.code(end[256], literals[256])
}

// emptyBlocks are kinds of blocks without content, of n bytes together.
func emptyBlocks(n int) map[string]string {
	last, least, most := 0, new(bitWriter), new(bitWriter)
	for range n / finalEvery {
		last += len("\x03\x00")
	}
	few := make([]int, 257)
	few[256] = 1
	for len(least.bytes) < n {
		least.dynamic(few, [19]int{18: 1, 1: 1})
	}
	// All that begins with one of many prefixes of 9 bits is looked up in a table of its own.
	long := slices.Concat([]int{1, 3, 4, 5, 6, 11, 12, 13, 14, 15, 15}, slices.Repeat([]int{10}, 271))
	for len(most.bytes) < n {
		most.dynamic(long, [19]int{16: 1, 10: 3, 1: 4, 3: 4, 4: 5, 5: 5, 6: 5, 11: 5, 12: 5, 13: 5, 14: 5, 15: 5})
	}
	return map[string]string{
		"stored":  strings.Repeat("\x00\x00\x00\xff\xff", n/5),
		"last":    strings.Repeat("\x03\x00", n/finalEvery) + strings.Repeat("\x00\x00\x00\xff\xff", (n-last)/5),
		"dynamic": align(least),
		"long":    align(most),
	}
}

// align ends with a stored block, whose content begins at a whole byte.
func align(w *bitWriter) string {
	w.bits(0, 3)
	return string(w.bytes) + "\x00\x00\xff\xff"
}

// Blocks without content are the most work that a client can make of a megabyte; see SECURITY.md.
func BenchmarkInflateEmptyBlocks(b *testing.B) {
	content := zipped(9, strings.Repeat("x", inflatedSize)) // so that it is inflated twice
	for kind, blocks := range emptyBlocks(1_000_000 - len(content)) {
		b.Run(kind, func(b *testing.B) {
			c, _ := connectDeflating(b, "pipe", Options{MaxMessage: 1_000_000}, deflation{takeIn: true})
			c.historyOf().in = make([]byte, windowSize)
			z := []byte(blocks + content)
			c.input().op, c.in.deflated = Text, true
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.inflate(z); err != nil {
					b.Fatal(err)
				}
				c.historyOf().in = make([]byte, windowSize)
				c.in.inflated = 0
			}
		})
	}
}
