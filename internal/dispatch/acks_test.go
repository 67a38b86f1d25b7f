package dispatch

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

const many = 1 << 20

// A bank is a Lender with a limit.
type bank struct {
	limit int64
	lent  atomic.Int64
}

func (b *bank) Borrow(n int) bool {
	if b.lent.Add(int64(n)) > b.limit {
		b.Repay(n)
		return false
	}
	return true
}

func (b *bank) Repay(n int) { b.lent.Add(int64(-n)) }

var rich = &bank{limit: 1 << 30}

func TestAcksSettleOnce(t *testing.T) {
	var a Acks[string]
	var got []string
	add := func() uint64 {
		id, err := a.Add(many, rich, func(v string, err error) {
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
	if !a.Resolve(rich, first, "one", 3) || a.Resolve(rich, first, "again", 5) || a.Forget(rich, first) {
		t.Error("the first acknowledgement did not settle exactly once")
	}
	if !a.Forget(rich, second) || a.Resolve(rich, second, "late", 4) || a.Forget(rich, second) {
		t.Error("a forgotten acknowledgement was settled")
	}
	if a.Resolve(rich, 12345, "unknown", 7) {
		t.Error("an unknown id was settled")
	}
	a.Close(rich, errors.New("gone"))
	if a.Resolve(rich, third, "late", 4) || a.Len() != 0 {
		t.Error("something was left after Close")
	}
	if _, err := a.Add(many, rich, func(string, error) {}); err != ErrAcksClosed {
		t.Errorf("Add after Close: %v", err)
	}
	a.Close(rich, errors.New("again"))
	if len(got) != 2 || got[0] != "one" || got[1] != "gone" {
		t.Errorf("settled with %q", got)
	}
}

func TestAcksSettleMayUseThem(t *testing.T) {
	var a Acks[int]
	id, _ := a.Add(many, rich, func(int, error) { a.Add(many, rich, func(int, error) {}) })
	a.Resolve(rich, id, 0, 1)
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
		id, _ := a.Add(many, rich, func(int, error) { settled.Add(1) })
		ids <- id
	}
	close(ids)
	for id := range ids {
		if id%3 == 0 {
			wg.Go(func() { a.Resolve(rich, id, 0, 1) })
		}
		if id%2 == 0 {
			wg.Go(func() {
				if a.Forget(rich, id) {
					forgotten.Add(1)
				}
			})
		}
	}
	wg.Go(func() { a.Close(rich, errors.New("gone")) })
	wg.Wait()
	if got := settled.Load() + forgotten.Load(); got != n {
		t.Errorf("%d settled or forgotten, want %d", got, n)
	}
}

func TestAcksReleaseMemory(t *testing.T) {
	var a Acks[int]
	for range 10 * maxKept {
		a.Add(many, rich, func(int, error) {})
	}
	for id := range uint64(10 * maxKept) {
		a.Forget(rich, id)
	}
	if a.ensureTable().pending != nil {
		t.Error("a map that was large is kept")
	}
}

// What is waited for is bounded in number, callbacks that have not run among it.
func TestAcksLimit(t *testing.T) {
	var a Acks[string]
	var sizes []int
	const most = 3
	queue := func(_ string, size int, _ error) { sizes = append(sizes, size) }
	for i := range 2 {
		if id, err := a.AddQueued(most, rich, 10, queue); err != nil || id != uint64(i) {
			t.Fatal(id, err)
		}
	}
	full := func() {
		t.Helper()
		if _, err := a.Add(most, rich, nil); err != ErrAcksFull {
			t.Errorf("a fourth of three: %v", err)
		}
	}
	if _, err := a.Add(most, rich, nil); err != nil {
		t.Fatal(err)
	}
	full()
	a.Resolve(rich, 0, "x", 1000)
	a.Fail(rich, 1, errors.New("late"))
	if len(sizes) != 2 || sizes[0] != 1000 || sizes[1] != 0 || a.Len() != 1 {
		t.Fatalf("sizes %v, %d wait", sizes, a.Len())
	}
	full()
	a.Done(rich, 10)
	if _, err := a.Add(most, rich, nil); err != nil {
		t.Errorf("after one has run: %v", err)
	}
}

// What is waited for is lent, but for little; it is given back however it ends, all of it when nothing waits.
func TestAcksAreLent(t *testing.T) {
	var a Acks[int]
	b := &bank{limit: 100 * AckCost}
	queue := func(int, int, error) {}
	ends := []func(id uint64){
		func(id uint64) { a.Resolve(b, id, 1, 1000); a.Done(b, 8) },
		func(id uint64) { a.Fail(b, id, errors.New("late")); a.Done(b, 8) },
		func(id uint64) { a.Forget(b, id) },
	}
	var ids []uint64
	for {
		id, err := a.AddQueued(many, b, 8, queue)
		if err != nil {
			break
		}
		if ids = append(ids, id); len(ids) == 7 && b.lent.Load() != 0 {
			t.Error("few are lent, too")
		}
	}
	if lent := b.lent.Load(); lent < 90*AckCost || len(ids) < 95 || len(ids) > 108 {
		t.Errorf("%d wait, %d bytes are lent", len(ids), lent)
	}
	for i, id := range ids {
		ends[i%len(ends)](id)
		if left := int64(len(ids)-i-1) * AckCost; left > 0 &&
			(b.lent.Load() < left-ackAllowance || b.lent.Load() > left*2+2*ackStep) {
			t.Fatalf("%d bytes are lent for %d", b.lent.Load(), left)
		}
	}
	if b.lent.Load() != 0 {
		t.Errorf("%d bytes are lent in the end", b.lent.Load())
	}
	if _, err := a.Add(many, b, nil); err != nil {
		t.Error(err)
	}
	a.Forget(b, uint64(len(ids)))
	if id, err := a.AddQueued(many, b, 200*AckCost, queue); err != nil {
		t.Errorf("too large, alone: %v", err)
	} else if _, err := a.Add(many, b, nil); err != ErrAcksFull {
		t.Errorf("beside one that is too large: %v", err)
	} else {
		a.Forget(b, id)
	}
	for range 20 {
		_, _ = a.AddQueued(many, b, 8, queue)
	}
	a.Close(b, errors.New("gone"))
	for range 20 {
		a.Done(b, 8)
	}
	if b.lent.Load() != 0 {
		t.Errorf("%d bytes are lent after Close", b.lent.Load())
	}
}

// Once Close has returned nothing is queued any more: it waits for who is just being settled. The others come in
// order.
func TestAcksCloseIsLast(t *testing.T) {
	var a Acks[int]
	var closed atomic.Bool
	var got []int
	done := make(chan struct{})
	for i := range 20 {
		_, _ = a.AddQueued(many, rich, 0, func(_ int, _ int, err error) {
			if i == 7 {
				go func() { // ends when Close has returned
					a.Close(rich, errors.New("gone"))
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
	a.Resolve(rich, 7, 0, 0)
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
		id, _ := a.Add(many, rich, settle)
		a.Resolve(rich, id, 1, 1)
	}
}

// An id that was chosen for several is one of a range of its own, and cannot wait twice.
func TestSharedAcks(t *testing.T) {
	var a Acks[string]
	var got []string
	settle := func(v string, _ int, err error) { got = append(got, v) }
	const id = SharedAckIDs + 7
	if err := a.AddShared(id, many, rich, settle); err != nil {
		t.Fatal(err)
	}
	if err := a.AddShared(id, many, rich, settle); err != ErrAcksFull {
		t.Errorf("added twice: %v", err)
	}
	if err := a.AddShared(id+1, 1, rich, settle); err != ErrAcksFull {
		t.Errorf("added beyond the limit: %v", err)
	}
	if !a.Resolve(rich, id, "yes", 3) || a.Resolve(rich, id, "again", 5) || a.Forget(rich, id) {
		t.Error("not settled exactly once")
	}
	if err := a.AddShared(id, many, rich, settle); err != nil {
		t.Errorf("added again: %v", err)
	}
	a.Close(rich, errors.New("gone"))
	if err := a.AddShared(id, many, rich, settle); err != ErrAcksClosed || len(got) != 2 {
		t.Errorf("after Close: %v; settled %q", err, got)
	}
}

// An answer to a shared one counts until it is released, and is dropped if there is no memory for it.
func TestSharedAcksCountTheAnswer(t *testing.T) {
	var a Acks[string]
	b := &bank{limit: 1 << 20}
	var sizes []int
	var errs []error
	settle := func(v string, size int, err error) { sizes, errs = append(sizes, size), append(errs, err) }
	for id, size := range map[uint64]int{SharedAckIDs: 600_000, SharedAckIDs + 1: 600_000} {
		if err := a.AddShared(id, many, b, settle); err != nil {
			t.Fatal(err)
		}
		a.Resolve(b, id, "large", size)
	}
	if !slices.Equal(sizes, []int{600_000, 0}) || errs[0] != nil || errs[1] != ErrAcksFull {
		t.Errorf("settled with sizes %v, errors %v", sizes, errs)
	}
	if n := b.lent.Load(); n < 500_000 {
		t.Errorf("%d bytes are borrowed for an answer that is held", n)
	}
	a.Close(b, errors.New("gone"))
	a.Release(b, 600_000)
	if n := b.lent.Load(); n != 0 {
		t.Errorf("%d bytes are borrowed for nothing", n)
	}
}

// Ids stay below those that are shared, and go round without meeting one that waits.
func TestAckIDsGoRound(t *testing.T) {
	var a Acks[int]
	waits, _ := a.Add(many, rich, func(int, error) {})
	a.table.Load().next = SharedAckIDs - 1
	last, _ := a.Add(many, rich, func(int, error) {})
	next, _ := a.Add(many, rich, func(int, error) {})
	if waits != 0 || last != SharedAckIDs-1 || next != 1 {
		t.Errorf("ids %d, %d, %d", waits, last, next)
	}
}
