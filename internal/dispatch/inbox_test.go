package dispatch

import (
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// runFunc makes a Runner of a function.
type runFunc struct {
	run func(int)
	Budget
}

func (f *runFunc) Run(i int)        { f.run(i) }
func (f *runFunc) Account() Account { return &f.Budget }

func newInbox(limits Limits, run func(int)) *Inbox[int] {
	q := new(Inbox[int])
	q.Init(&runFunc{run: run, Budget: Budget{Limit: limits.Bytes}}, limits.Items)
	return q
}

func TestInboxRunsInOrderOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []int // no lock: the race detector sees two at once
		q := newInbox(Limits{Items: 4, Bytes: 100}, func(i int) { got = append(got, i) })
		for i := range 1000 {
			if !q.Push(nil, i, 1) {
				t.Fatalf("push %d refused", i)
			}
		}
		synctest.Wait()
		if len(got) != 1000 || !slices.IsSorted(got) {
			t.Fatalf("got %d items, sorted %v", len(got), slices.IsSorted(got))
		}
	})
}

func TestInboxHasNoGoroutineWhenEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // panics at the end if one is left
		q := newInbox(Limits{Items: 1, Bytes: 1}, func(int) {})
		for range 3 {
			q.Push(nil, 0, 0)
			synctest.Wait()
			if _, busy := q.Current(); busy || q.work != nil {
				t.Fatal("runner lives on")
			}
		}
	})
}

func TestInboxBlocksWhenFull(t *testing.T) {
	for _, tt := range []struct {
		name   string
		limits Limits
		sizes  []int // that fit behind the one being run
		over   int   // and one that does not
	}{
		{"items", Limits{Items: 2, Bytes: 100}, []int{1, 1}, 1},
		{"bytes", Limits{Items: 100, Bytes: 10}, []int{4, 6}, 1},
		{"one that is too large", Limits{Items: 100, Bytes: 10}, []int{1000}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				var got []int
				q := newInbox(tt.limits, func(i int) { <-release; got = append(got, i) })
				q.Push(nil, 0, 0)
				synctest.Wait()
				for i, size := range tt.sizes {
					if !q.Push(nil, i+1, size) {
						t.Fatal("refused")
					}
				}
				if tt.over == 0 {
					tt.over = 1
				}
				if q.Offer(-1, max(tt.over, 1)) {
					t.Fatal("a full inbox took an offer")
				}
				last, pushed := len(tt.sizes)+1, false
				go func() { // ends when there is room
					q.Push(nil, last, tt.over)
					pushed = true
				}()
				synctest.Wait()
				if pushed {
					t.Fatal("a full inbox took an item")
				}
				release <- struct{}{}
				release <- struct{}{}
				synctest.Wait()
				close(release)
				synctest.Wait()
				if !pushed || len(got) != last+1 || !slices.IsSorted(got) {
					t.Fatalf("pushed %v, got %v", pushed, got)
				}
			})
		})
	}
}

func TestInboxWaitEndsWithDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release, done := make(chan struct{}), make(chan struct{})
		q := newInbox(Limits{Items: 1, Bytes: 1}, func(int) { <-release })
		q.Push(nil, 0, 0)
		synctest.Wait()
		q.Push(nil, 1, 0)
		result := make(chan bool, 1)
		go func() { result <- q.Push(done, 2, 0) }() // ends with done
		synctest.Wait()
		close(done)
		if <-result {
			t.Error("push succeeded")
		}
		if n, _ := q.Len(); n != 1 {
			t.Errorf("%d items wait, want 1", n)
		}
		close(release)
	})
}

func TestInboxClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var got []int
		q := newInbox(Limits{Items: 2, Bytes: 100}, func(i int) {
			if i == 0 {
				<-release
			}
			got = append(got, i)
		})
		q.Push(nil, 0, 0)
		synctest.Wait()
		q.Push(nil, 1, 0)
		q.Push(nil, 2, 0)
		refused := make(chan bool, 1)
		go func() { refused <- !q.Push(nil, 3, 0) }() // ends with Close
		synctest.Wait()

		if !q.Close(99) || q.Close(100) {
			t.Error("the first Close counts, and no other")
		}
		if !<-refused || q.Push(nil, 4, 0) || q.Offer(5, 0) {
			t.Error("a closed inbox took an item")
		}
		if i, busy := q.Current(); i != 0 || !busy {
			t.Errorf("current is %d, %v", i, busy)
		}
		close(release)
		synctest.Wait()
		if want := []int{0, 1, 2, 99}; !slices.Equal(got, want) {
			t.Errorf("ran %v, want %v", got, want)
		}
	})
}

func TestInboxSurvivesGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []int
		q := newInbox(Limits{Items: 10, Bytes: 10}, func(i int) {
			got = append(got, i)
			if i%2 == 0 {
				runtime.Goexit()
			}
		})
		for i := range 5 {
			q.Push(nil, i, 0)
		}
		synctest.Wait()
		q.Push(nil, 5, 0)
		synctest.Wait()
		if !slices.Equal(got, []int{0, 1, 2, 3, 4, 5}) {
			t.Errorf("ran %v", got)
		}
	})
}

func TestInboxReleasesMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		q := newInbox(Limits{Items: 1000, Bytes: 1000}, func(i int) {
			if i == 0 {
				<-release
			}
		})
		for i := range 1000 {
			q.Push(nil, i, 1)
		}
		close(release)
		synctest.Wait()
		if n, bytes := q.Len(); n != 0 || bytes != 0 || q.work != nil {
			t.Errorf("%d items, %d bytes, or a runner, when empty", n, bytes)
		}
	})
}

func TestInboxManyPushers(t *testing.T) {
	const pushers, each = 8, 500
	last := make([]int, pushers)
	n := 0
	done := make(chan struct{})
	q := newInbox(Limits{Items: 16, Bytes: 64}, func(i int) {
		p, seq := i/each, i%each
		if seq > 0 && last[p] != seq-1 {
			t.Errorf("pusher %d: %d after %d", p, seq, last[p])
		}
		last[p] = seq
		if n++; n == pushers*each {
			close(done)
		}
	})
	var wg sync.WaitGroup
	for p := range pushers {
		wg.Go(func() {
			for i := range each {
				q.Push(nil, p*each+i, i%7)
			}
		})
	}
	wg.Wait()
	<-done
}

func TestInboxAllocates(t *testing.T) {
	done := make(chan struct{})
	q := newInbox(Limits{Items: 16, Bytes: 64}, func(int) { done <- struct{}{} })
	n := testing.AllocsPerRun(100, func() {
		q.Push(nil, 1, 1)
		<-done
	})
	if n > 2 {
		t.Errorf("%v allocations for a wake-up, want at most 2", n)
	}
}

func BenchmarkInbox(b *testing.B) {
	done := make(chan struct{})
	q := newInbox(Limits{Items: 256, Bytes: 1 << 20}, func(i int) {
		if i == b.N-1 {
			close(done)
		}
	})
	b.ReportAllocs()
	for i := range b.N {
		q.Push(nil, i, 100)
	}
	<-done
}

func TestInboxAppendIgnoresTheLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []int
		hold := make(chan struct{})
		q := newInbox(Limits{Items: 1, Bytes: 1}, func(i int) {
			if i == 0 {
				<-hold
			}
			got = append(got, i)
		})
		q.Append(0)
		for i := range 9 {
			if !q.Append(i + 1) {
				t.Fatal("refused")
			}
		}
		close(hold)
		synctest.Wait()
		if len(got) != 10 || !slices.IsSorted(got) {
			t.Errorf("got %v", got)
		}
		q.Close(99)
		if q.Append(100) {
			t.Error("taken after Close")
		}
	})
}

func TestInboxDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []int
		hold := make(chan struct{})
		q := newInbox(Limits{Items: 4, Bytes: 100}, func(i int) {
			if i == 0 {
				<-hold
			}
			got = append(got, i)
		})
		q.Push(nil, 0, 0)
		synctest.Wait() // it is being run
		for i := 1; i <= 4; i++ {
			q.Push(nil, i, 10)
		}
		pushed := make(chan bool)
		go func() { pushed <- q.Push(nil, 5, 100) }() // ends when there is room
		synctest.Wait()
		q.Drop(func(i int) bool { return i != 2 })
		synctest.Wait()
		if items, bytes := q.Len(); items != 1 || bytes != 10 {
			t.Errorf("%d items, %d bytes wait", items, bytes)
		}
		close(hold)
		if !<-pushed {
			t.Error("refused")
		}
		synctest.Wait()
		if !slices.Equal(got, []int{0, 2, 5}) {
			t.Errorf("got %v", got)
		}
		q.Drop(func(int) bool { return true }) // of an empty inbox
	})
}
