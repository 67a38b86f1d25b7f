package dispatch

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

var wide = Limits{Items: 1 << 20, Bytes: 1 << 30}

func TestAcksSettleOnce(t *testing.T) {
	var a Acks[string]
	var got []string
	add := func() uint64 {
		id, err := a.Add(&wide, func(v string, err error) {
			if err != nil {
				v = err.Error()
			}
			got = append(got, v)
		})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	first, second, third := add(), add(), add()
	if first == second || second == third {
		t.Fatal("an id was given twice")
	}
	if !a.Resolve(first, "one", 3) || a.Resolve(first, "again", 5) || a.Forget(first) {
		t.Error("the first acknowledgement did not settle exactly once")
	}
	if !a.Forget(second) || a.Resolve(second, "late", 4) || a.Forget(second) {
		t.Error("a forgotten acknowledgement was settled")
	}
	if a.Resolve(12345, "unknown", 7) {
		t.Error("an unknown id was settled")
	}
	a.Close(errors.New("gone"))
	if a.Resolve(third, "late", 4) || a.Len() != 0 {
		t.Error("something was left after Close")
	}
	if _, err := a.Add(&wide, func(string, error) {}); err != ErrAcksClosed {
		t.Errorf("Add after Close: %v", err)
	}
	a.Close(errors.New("again"))
	if len(got) != 2 || got[0] != "one" || got[1] != "gone" {
		t.Errorf("settled with %q", got)
	}
}

func TestAcksSettleMayUseThem(t *testing.T) {
	var a Acks[int]
	id, _ := a.Add(&wide, func(int, error) { a.Add(&wide, func(int, error) {}) })
	a.Resolve(id, 0, 1)
	if a.Len() != 1 {
		t.Errorf("%d wait, want 1", a.Len())
	}
}

func TestAcksRace(t *testing.T) {
	var a Acks[int]
	var settled atomic.Int64
	var forgotten atomic.Int64
	var wg sync.WaitGroup
	const n = 2000
	ids := make(chan uint64, n)
	for range n {
		id, _ := a.Add(&wide, func(int, error) { settled.Add(1) })
		ids <- id
	}
	close(ids)
	for id := range ids {
		if id%3 == 0 {
			wg.Go(func() { a.Resolve(id, 0, 1) })
		}
		if id%2 == 0 {
			wg.Go(func() {
				if a.Forget(id) {
					forgotten.Add(1)
				}
			})
		}
	}
	wg.Go(func() { a.Close(errors.New("gone")) })
	wg.Wait()
	if got := settled.Load() + forgotten.Load(); got != n {
		t.Errorf("%d settled or forgotten, want %d", got, n)
	}
}

func TestAcksReleaseMemory(t *testing.T) {
	var a Acks[int]
	for range 10 * maxKept {
		a.Add(&wide, func(int, error) {})
	}
	for id := range uint64(10 * maxKept) {
		a.Forget(id)
	}
	if a.made().pending != nil {
		t.Error("a map that was large is kept")
	}
}

// What is waited for is bounded in number and bytes, callbacks that have not run among it, with what they were answered.
func TestAcksLimits(t *testing.T) {
	var a Acks[string]
	var sizes []int
	few := &Limits{Items: 3, Bytes: 4 * AckCost}
	queue := func(_ string, size int, _ error) { sizes = append(sizes, size) }
	for i := range 2 {
		if id, err := a.AddQueued(few, 10, queue); err != nil || id != uint64(i) {
			t.Fatal(id, err)
		}
	}
	if _, err := a.Add(few, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Add(few, nil); err != ErrAcksFull {
		t.Errorf("a fourth of three: %v", err)
	}
	a.Forget(2)
	a.Resolve(0, "x", 1000)
	a.Fail(1, errors.New("late"))
	if len(sizes) != 2 || sizes[0] != AckCost+1010 || sizes[1] != AckCost+10 || a.Len() != 0 {
		t.Fatalf("sizes %v, %d wait", sizes, a.Len())
	}
	if _, err := a.Add(few, nil); err != ErrAcksFull {
		t.Errorf("beside a large answer: %v", err)
	}
	a.Done(sizes[0])
	if _, err := a.Add(few, nil); err != nil {
		t.Errorf("after it was taken: %v", err)
	}
	if _, err := a.AddQueued(few, 4*AckCost, queue); err != ErrAcksFull {
		t.Errorf("too large beside others: %v", err)
	}
	a.Done(sizes[1])
	a.Forget(3)
	if _, err := a.AddQueued(few, 8*AckCost, queue); err != nil {
		t.Errorf("too large, alone: %v", err)
	}
}

// Once Close has returned nothing is queued any more: it waits for who is just being settled. The others come in order.
func TestAcksCloseIsLast(t *testing.T) {
	var a Acks[int]
	var closed atomic.Bool
	var got []int
	done := make(chan struct{})
	for i := range 20 {
		_, _ = a.AddQueued(&wide, 0, func(_ int, _ int, err error) {
			if i == 7 {
				go func() { // ends when Close has returned
					a.Close(errors.New("gone"))
					closed.Store(true)
					close(done)
				}()
				for range 10_000 {
					runtime.Gosched() // Close may come as far as it can
				}
			}
			if closed.Load() {
				t.Error("queued after Close")
			}
			if err != nil {
				got = append(got, i)
			}
		})
	}
	a.Resolve(7, 0, 0)
	<-done
	if !slices.IsSorted(got) || len(got) != 19 {
		t.Errorf("got %v", got)
	}
}

func BenchmarkAcks(b *testing.B) {
	var a Acks[int]
	settle := func(int, error) {}
	b.ReportAllocs()
	for range b.N {
		id, _ := a.Add(&wide, settle)
		a.Resolve(id, 1, 1)
	}
}
