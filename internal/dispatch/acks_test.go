package dispatch

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

func TestAcksSettleOnce(t *testing.T) {
	var a Acks[string]
	var got []string
	add := func() uint64 {
		id, ok := a.Add(func(v string, err error) {
			if err != nil {
				v = err.Error()
			}
			got = append(got, v)
		})
		if !ok {
			t.Fatal("refused")
		}
		return id
	}
	first, second, third := add(), add(), add()
	if first == second || second == third {
		t.Fatal("an id was given twice")
	}
	if !a.Resolve(first, "one") || a.Resolve(first, "again") || a.Forget(first) {
		t.Error("the first acknowledgement did not settle exactly once")
	}
	if !a.Forget(second) || a.Resolve(second, "late") || a.Forget(second) {
		t.Error("a forgotten acknowledgement was settled")
	}
	if a.Resolve(12345, "unknown") {
		t.Error("an unknown id was settled")
	}
	a.Close(errors.New("gone"))
	if a.Resolve(third, "late") || a.Len() != 0 {
		t.Error("something was left after Close")
	}
	if _, ok := a.Add(func(string, error) {}); ok {
		t.Error("Add after Close succeeded")
	}
	a.Close(errors.New("again"))
	if len(got) != 2 || got[0] != "one" || got[1] != "gone" {
		t.Errorf("settled with %q", got)
	}
}

func TestAcksSettleMayUseThem(t *testing.T) {
	var a Acks[int]
	id, _ := a.Add(func(int, error) { a.Add(func(int, error) {}) })
	a.Resolve(id, 0)
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
		id, _ := a.Add(func(int, error) { settled.Add(1) })
		ids <- id
	}
	close(ids)
	for id := range ids {
		if id%3 == 0 {
			wg.Go(func() { a.Resolve(id, 0) })
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
		a.Add(func(int, error) {})
	}
	for id := range uint64(10 * maxKept) {
		a.Forget(id)
	}
	if a.made().pending != nil {
		t.Error("a map that was large is kept")
	}
}

func BenchmarkAcks(b *testing.B) {
	var a Acks[int]
	settle := func(int, error) {}
	b.ReportAllocs()
	for range b.N {
		id, _ := a.Add(settle)
		a.Resolve(id, 1)
	}
}
