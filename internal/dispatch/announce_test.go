package dispatch

import (
	"runtime"
	"sync"
	"testing"
)

// deep calls fn below so many frames.
func deep(n int, fn func()) {
	if n > 0 {
		deep(n-1, fn)
		runtime.KeepAlive(n)
		return
	}
	fn()
}

// What a listener announces is not, however deep it does so; what others announce meanwhile is.
func TestAnnounce(t *testing.T) {
	for _, frames := range []int{0, 1, 61, 62, 63, 64, 65, 1000} {
		calls, others, later := 0, 0, 0
		Announce(func() {
			calls++
			deep(frames, func() { Announce(func() { calls++ }) })
			var wg sync.WaitGroup
			wg.Go(func() { Announce(func() { others++ }) })
			wg.Wait()
		})
		Announce(func() { later++ })
		if calls != 1 || others != 1 || later != 1 {
			t.Errorf("%d frames deep: %d calls, %d on another goroutine, %d later", frames, calls, others, later)
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { Announce(runtime.Goexit) })
	wg.Go(func() {
		defer func() { _ = recover() }()
		Announce(func() { panic("boom") })
	})
	wg.Wait()
	if n := announcing.Load(); n != 0 {
		t.Errorf("%d under way", n)
	}
}

func TestAnnounceAllocates(t *testing.T) {
	n := 0
	if got := testing.AllocsPerRun(100, func() { Announce(func() { Announce(func() { n++ }); n++ }) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkAnnounce(b *testing.B) {
	for b.Loop() {
		Announce(func() {})
	}
}

func BenchmarkAnnounceAmongOthers(b *testing.B) {
	announcing.Add(1)
	defer announcing.Add(-1)
	deep(20, func() {
		for b.Loop() {
			Announce(func() {})
		}
	})
}
