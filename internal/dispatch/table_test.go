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

func TestTable(t *testing.T) {
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
