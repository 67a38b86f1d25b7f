package index

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"unsafe"
)

type thing struct{ id string }

func (t *thing) name() string { return t.id }

func TestAgainstAMap(t *testing.T) {
	for _, ids := range []int{3, 20, 500, 20_000} {
		rnd := rand.New(rand.NewPCG(1, uint64(ids)))
		x, model := New((*thing).name), make(map[string]*thing)
		for i := range 40 * ids {
			v := &thing{strconv.Itoa(rnd.IntN(ids))}
			// Phases of growing and of shrinking.
			if rnd.IntN(100) < 25+50*(i/(10*ids)%2) {
				x.Put(v)
				model[v.id] = v
			} else {
				x.Remove(v.id)
				delete(model, v.id)
			}
			v = &thing{strconv.Itoa(rnd.IntN(ids))}
			if x.Get(v.id) != model[v.id] || x.Len() != len(model) {
				t.Fatalf("of %d: %q is %v, want %v; %d values, want %d",
					ids, v.id, x.Get(v.id), model[v.id], x.Len(), len(model))
			}
		}
		n := 0
		for v := range x.All() {
			if model[v.id] != v {
				t.Fatalf("of %d: %v, want %v", ids, v, model[v.id])
			}
			n++
		}
		if n != len(model) {
			t.Errorf("of %d: All yields %d values, want %d", ids, n, len(model))
		}
		for range x.All() {
			break
		}
		for id := range model {
			x.Remove(id)
		}
		x.Remove("0")
		if x.parts != nil || x.Len() != 0 || x.Get("0") != nil {
			t.Errorf("of %d: an empty index keeps %d parts", ids, len(x.parts))
		}
	}
}

// With as many slots as in the worst case, and those of a shrunk one.
func TestSize(t *testing.T) {
	x := New((*thing).name)
	size := func() (slots int) {
		for _, p := range x.parts {
			slots += len(p.slots)
		}
		return slots
	}
	const n = 50_000
	for i := range n {
		x.Put(&thing{strconv.Itoa(i)})
		if s := size(); s > 3*(i+1)+minimum+4*splitAt {
			t.Fatalf("%d slots of %d bytes for %d values", s, unsafe.Sizeof(x)+1, i+1)
		}
	}
	for i := range n - 1000 {
		x.Remove(strconv.Itoa(i))
	}
	if s := size(); s > 10*1000+parts*minimum {
		t.Errorf("%d slots for 1000 values", s)
	}
}

func BenchmarkGet(b *testing.B) {
	x := New((*thing).name)
	var ids []string
	for i := range 10_000 {
		ids = append(ids, strconv.Itoa(i))
		x.Put(&thing{ids[i]})
	}
	b.ReportAllocs()
	for i := range b.N {
		x.Get(ids[i%len(ids)])
	}
}
