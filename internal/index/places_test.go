package index

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// Places agree with a search of the list, whatever is added and removed.
func TestPlaces(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var list []string
	p := NewPlaces(list)
	for step := range 20_000 {
		v := fmt.Sprint("room ", r.IntN(300))
		at := p.Find(list, v)
		if want := slices.Index(list, v); at != want {
			t.Fatalf("step %d: %q is at %d, want %d of %d", step, v, at, want, len(list))
		}
		switch grow := step/1000%2 == 0; {
		case at < 0 && (grow || r.IntN(3) == 0):
			list = append(list, v)
			p.Appended(list)
		case at >= 0 && (!grow || r.IntN(3) == 0):
			p.Remove(list, at)
			list[at] = list[len(list)-1]
			list = list[:len(list)-1]
		}
		if p.n != len(list) {
			t.Fatalf("%d of %d", p.n, len(list))
		}
	}
}

// An element takes 5 to 11 bytes.
func TestSizeOfPlaces(t *testing.T) {
	var list []int
	p := NewPlaces(list)
	for i := range 10_000 {
		list = append(list, i)
		if p.Appended(list); i > minimum && 4*len(p.slots) > 11*len(list) {
			t.Fatalf("%d slots for %d elements", len(p.slots), len(list))
		}
	}
}

func TestPlacesAllocations(t *testing.T) {
	var list []string
	for i := range 50 {
		list = append(list, fmt.Sprint(i))
	}
	p := NewPlaces(list)
	if n := testing.AllocsPerRun(100, func() {
		v := list[3]
		p.Remove(list, 3)
		list[3] = list[49]
		list = append(list[:49], v)
		p.Appended(list)
		p.Find(list, "x")
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
