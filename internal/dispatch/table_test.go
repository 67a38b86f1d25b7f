package dispatch

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// call takes all listeners for name, in order.
func call(t *Table[string], name string) string {
	var got []string
	all := t.Snapshot()
	for i := range all {
		if l := &all[i]; l.Name == name && t.Take(l) {
			got = append(got, l.Handler)
		}
	}
	return strings.Join(got, " ")
}

func TestTableAddRemoveTake(t *testing.T) {
	var tab Table[string]
	if got := call(&tab, "x"); got != "" {
		t.Errorf("empty table called %q", got)
	}
	offA := tab.Add("x", "a", false)
	tab.Add("y", "other", false)
	tab.Add("x", "b", true)
	tab.Add("x", "c", false)
	if got := call(&tab, "x"); got != "a b c" {
		t.Errorf("called %q", got)
	}
	if got := call(&tab, "x"); got != "a c" {
		t.Errorf("called %q the second time", got)
	}
	offA()
	offA()
	tab.Add("x", "d", false)
	offA() // must not remove another one
	if got := call(&tab, "x"); got != "c d" {
		t.Errorf("called %q after off", got)
	}
	if got, n := call(&tab, "y"), tab.Len(); got != "other" || n != 3 {
		t.Errorf("called %q for y, %d listeners", got, n)
	}
}

func TestTableSnapshotStays(t *testing.T) {
	var tab Table[string]
	var offs []func()
	for _, h := range []string{"a", "b", "c"} {
		offs = append(offs, tab.Add("x", h, false))
	}
	all := tab.Snapshot()
	offs[0]()
	tab.Add("x", "d", false)
	var got []string
	for _, l := range all {
		got = append(got, l.Handler)
	}
	if !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("the snapshot became %q", got)
	}
}

func TestTableOnceRace(t *testing.T) {
	var tab Table[string]
	var taken atomic.Int64
	var wg sync.WaitGroup
	const n = 200
	for range n {
		tab.Add("x", "once", true)
	}
	for range 4 {
		wg.Go(func() {
			for off := tab.Add("x", "", false); ; {
				all := tab.Snapshot()
				left := 0
				for i := range all {
					if all[i].Handler != "once" {
						continue
					}
					left++
					if tab.Take(&all[i]) {
						taken.Add(1)
					}
				}
				if left == 0 {
					off()
					return
				}
			}
		})
	}
	wg.Wait()
	if taken.Load() != n || tab.Len() != 0 {
		t.Errorf("%d of %d were taken, %d left", taken.Load(), n, tab.Len())
	}
}

func TestTableRemaining(t *testing.T) {
	var tab Table[string]
	names := func(all []Listener[string]) (text string) {
		for _, l := range all {
			text += l.Handler
		}
		return text
	}
	offA, offB := tab.Add("x", "a", false), tab.Add("x", "b", false)
	before := tab.Snapshot()
	tab.Add("x", "c", false)
	if got := names(tab.Remaining(before)); got != "ab" {
		t.Errorf("after one was added: %s", got)
	}
	offA()
	if got := names(tab.Remaining(before)); got != "b" {
		t.Errorf("after one was removed: %s", got)
	}
	offB()
	if got := names(tab.Remaining(before)); got != "" {
		t.Errorf("after both were removed: %s", got)
	}
	if got := names(tab.Remaining(nil)); got != "" {
		t.Errorf("of nothing: %s", got)
	}
	if got := names(before); got != "ab" {
		t.Errorf("the snapshot has changed: %s", got)
	}
}

// Listeners that are added one by one are copied seldom; who looked before, or added at the same time, notices nothing.
func TestTableGrows(t *testing.T) {
	var tab Table[int]
	copies := 0
	var before []Listener[int]
	for i := range 1000 {
		tab.Add("x", i, false)
		now := tab.Snapshot()
		if len(before) > 0 && &now[0] != &before[0] {
			copies++
		}
		before = now
	}
	if copies > maxExact+8 {
		t.Errorf("%d copies for 1,000 listeners", copies)
	}
	tab = Table[int]{}
	var wg sync.WaitGroup
	for w := range 4 {
		tab.Add("y", -1, true)
		wg.Go(func() {
			for i := range 500 {
				off := tab.Add("x", w*1000+i, false)
				if i%5 == 0 {
					off()
				}
				before := tab.Snapshot()
				n, last := len(before), before[len(before)-1].Handler
				tab.Add("y", -1, true)
				if len(before) != n || before[n-1].Handler != last {
					t.Error("a snapshot has changed")
				}
			}
		})
	}
	wg.Wait()
	seen := make(map[int]bool)
	last := uint64(0)
	for _, l := range tab.Snapshot() {
		if l.id <= last {
			t.Fatal("ids do not grow")
		}
		last = l.id
		if l.Handler >= 0 && seen[l.Handler] {
			t.Errorf("%d twice", l.Handler)
		}
		seen[l.Handler] = true
	}
	if len(seen) != 4*400+1 {
		t.Errorf("%d listeners", len(seen))
	}
}
