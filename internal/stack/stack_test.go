//go:build !race

package stack

import (
	"runtime/debug"
	"runtime/metrics"
	"testing"
)

// A goroutine that has called Grow has a stack of 8 KiB.
func TestGrowMakesTheStackEightKiB(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	used := func() uint64 {
		s := []metrics.Sample{{Name: "/memory/classes/heap/stacks:bytes"}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	const n = 1000
	grown, end := make(chan struct{}), make(chan struct{})
	defer close(end)
	before := used()
	for range n {
		go func() { // ends with the test
			Grow()
			grown <- struct{}{}
			<-end
		}()
	}
	for range n {
		<-grown
	}
	if each := (used() - before) / n; each < 7<<10 || each > 12<<10 {
		t.Errorf("%d bytes of stack", each)
	}
}
