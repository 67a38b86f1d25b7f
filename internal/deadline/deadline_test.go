package deadline

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

type waiter struct {
	Entry[*waiter]
	wait  time.Duration
	calls []time.Duration
}

// A clock counts from when it was made.
func clock() func() time.Duration {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

func list(expired func(w *waiter)) *List[*waiter] {
	l := new(List[*waiter])
	l.Init(clock(), func(w *waiter) *Entry[*waiter] { return &w.Entry }, expired)
	return l
}

// Each value expires once and at its time, in whatever order they were added; one that was removed does not.
func TestValuesExpireInOrder(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			now := clock()
			l := list(func(w *waiter) { w.calls = append(w.calls, now()) })
			var all []*waiter
			for range 100 {
				w := &waiter{wait: time.Duration(1+r.IntN(50)) * time.Second} // not due while it is removed
				l.Add(w, w.wait)
				all = append(all, w)
			}
			for i, w := range all {
				if i%3 == 0 && (!l.Has(w) || !l.Remove(w) || l.Remove(w) || l.Has(w)) {
					t.Fatal("a value was not removed once")
				}
			}
			<-time.After(time.Minute)
			synctest.Wait()
			for i, w := range all {
				want := []time.Duration{w.wait}
				if i%3 == 0 {
					want = nil
				}
				if !slices.Equal(w.calls, want) || l.Has(w) || l.Remove(w) || w.Due() != w.wait {
					t.Errorf("seed %d, value %d: called at %v, want %v", seed, i, w.calls, want)
				}
			}
		})
	}
}

// A List whose values have all gone works again, and expired may add its value.
func TestExpiredValueMayBeAddedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *List[*waiter]
		now, w := clock(), new(waiter)
		l = list(func(w *waiter) {
			if w.calls = append(w.calls, now()); len(w.calls) < 3 {
				l.Add(w, time.Second)
			}
		})
		for range 2 {
			w.calls = nil
			l.Add(w, time.Second)
			<-time.After(time.Minute)
			synctest.Wait()
			if len(w.calls) != 3 || w.calls[2]-w.calls[0] != 2*time.Second {
				t.Fatal(w.calls)
			}
		}
	})
}

// After a standstill the timer finds deadlines that have passed long ago; Due says how long.
func TestAdvanceMakesDeadlinesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := clock()
		var late atomic.Int64
		l := list(func(w *waiter) { late.Store(int64(now() - w.Due())) })
		l.Add(new(waiter), 10*time.Second)
		l.Advance(4 * time.Second)
		<-time.After(9 * time.Second)
		if synctest.Wait(); late.Load() != 0 {
			t.Error("the timer has run early")
		}
		<-time.After(2 * time.Second)
		if synctest.Wait(); late.Load() != int64(4*time.Second) {
			t.Errorf("late by %v", time.Duration(late.Load()))
		}
	})
}

// Whoever wins, a value either was removed or expires, once.
func TestRemoveRacesWithExpire(t *testing.T) {
	var removed, expired atomic.Int64
	var wg sync.WaitGroup
	const n = 5000
	done := make(chan struct{})
	count := func(c *atomic.Int64) {
		c.Add(1)
		if removed.Load()+expired.Load() == n {
			close(done)
		}
	}
	var mu sync.Mutex
	l := list(func(*waiter) {
		mu.Lock()
		defer mu.Unlock()
		count(&expired)
	})
	for i := range n {
		wg.Go(func() {
			w := new(waiter)
			l.Add(w, time.Duration(i%7)*time.Microsecond)
			if i%2 == 0 && l.Remove(w) {
				mu.Lock()
				defer mu.Unlock()
				count(&removed)
			}
		})
	}
	wg.Wait()
	<-done
}

// An entry is all that a value needs while it waits, and nothing is allocated for it.
func TestEntryIsThreeWords(t *testing.T) {
	if n := unsafe.Sizeof(Entry[*waiter]{}); n != 8+2*unsafe.Sizeof(uintptr(0)) {
		t.Errorf("%d bytes", n)
	}
	l, w := list(func(*waiter) {}), new(waiter)
	l.Add(new(waiter), time.Hour)
	if n := testing.AllocsPerRun(100, func() { l.Add(w, time.Hour); l.Remove(w) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
