package accounting

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// A ledger is what the process holds at one moment.
type ledger struct {
	goroutines  int
	heap        uint64 // bytes of live objects
	descriptors int
}

// heapAllowance is what the heap may grow by in passing: tables that keep their size, and the runtime's own. A session
// held by mistake costs over a kilobyte, so a few hundred of thousands would show.
const heapAllowance = 384 << 10

func take(t testing.TB) ledger {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("descriptors can't be counted here: %v", err)
	}
	for range 3 { // pools give way to the second collection, finalizers run after the first
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return ledger{goroutines: runtime.NumGoroutine(), heap: m.HeapAlloc, descriptors: len(entries)}
}

// over says what l holds that base did not, or nothing.
func (l ledger) over(base ledger) string {
	var out []string
	if l.goroutines > base.goroutines {
		out = append(out, fmt.Sprintf("goroutines: %d, before %d", l.goroutines, base.goroutines))
	}
	if l.heap > base.heap+heapAllowance {
		out = append(out, fmt.Sprintf("heap: %d KiB, before %d KiB", l.heap>>10, base.heap>>10))
	}
	if l.descriptors > base.descriptors {
		out = append(out, fmt.Sprintf("descriptors: %d, before %d", l.descriptors, base.descriptors))
	}
	return strings.Join(out, "; ")
}

// patience is how long something may take to end. Nothing that passes waits for it.
const patience = 5 * time.Minute

// settle waits until the process holds no more than base, and fails the test with what it holds if that takes too long:
// the last goroutines of a connection end a moment after its last event.
func settle(t testing.TB, base ledger) {
	t.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		over := take(t).over(base)
		if over == "" {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			t.Fatalf("left behind: %s\n%s", over, stacks[:min(len(stacks), 20000)])
		}
	}
}

// growRuntime makes the runtime allocate what it keeps for ever: a descriptor on the heap for each goroutine there was
// at the busiest moment.
func growRuntime() {
	end := make(chan struct{})
	var wg sync.WaitGroup
	for range 5 * sessions {
		wg.Go(func() { <-end }) // owned by growRuntime, which waits
	}
	close(end)
	wg.Wait()
}

// TestLedgerNotices proves that the ledger sees what is left behind.
func TestLedgerNotices(t *testing.T) {
	base := take(t)
	if over := take(t).over(base); over != "" {
		t.Fatalf("nothing happened, but: %s", over)
	}

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() { // ends below
		<-end
		close(ended)
	}()
	held := make([][]byte, 2000)
	for i := range held {
		held[i] = make([]byte, 300)
	}
	over := take(t).over(base)
	for _, what := range []string{"goroutines", "heap", "descriptors"} {
		if !strings.Contains(over, what) {
			t.Errorf("the ledger does not notice %s: %q", what, over)
		}
	}
	runtime.KeepAlive(held)
	close(end)
	<-ended
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	settle(t, base)
}
