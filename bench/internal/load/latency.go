package load

import "math/bits"

// Latency is from the write that sent a message to the read that brought it, in microseconds.
type Latency struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// A histogram counts nanoseconds with an error of 3 %: 32 steps for each power of two.
type histogram struct {
	counts [60 * 32]int64
	total  int64
	max    int64
}

func (h *histogram) add(ns int64) {
	ns = max(ns, 0)
	h.counts[bucket(uint64(ns))]++
	h.total++
	h.max = max(h.max, ns)
}

func bucket(v uint64) int {
	shift := max(0, bits.Len64(v)-6)
	return shift*32 + int(v>>shift)
}

// lowest is the smallest value of a bucket.
func lowest(i int) uint64 {
	if i < 64 {
		return uint64(i)
	}
	shift := i/32 - 1
	return uint64(i-shift*32) << shift
}

// quantile is the value that the share q of all do not exceed.
func (h *histogram) quantile(q float64) int64 {
	rest := int64(q * float64(h.total))
	for i, n := range h.counts {
		if rest -= n; rest < 0 {
			return int64(lowest(i))
		}
	}
	return h.max
}

func (h *histogram) summary() Latency {
	us := func(q float64) float64 { return float64(h.quantile(q)) / 1000 }
	return Latency{P50: us(0.5), P90: us(0.9), P99: us(0.99), Max: float64(h.max) / 1000}
}
