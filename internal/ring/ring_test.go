package ring

import (
	"math/rand/v2"
	"testing"
)

func TestAgainstASlice(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var r Ring[int]
	var model []int
	for i := 1; i <= 100_000; i++ {
		// Long phases of growing and of shrinking, so that the ring wraps at many sizes.
		if rnd.IntN(100) < 30+40*((i/1000)%2) {
			r.Push(i)
			model = append(model, i)
		} else {
			head, peeked := r.Peek()
			got, ok := r.Pop()
			if ok != (len(model) > 0) || ok != peeked || got != head {
				t.Fatalf("step %d: Pop = %d, %v, Peek = %d, %v, the model holds %d",
					i, got, ok, head, peeked, len(model))
			}
			if ok {
				if got != model[0] {
					t.Fatalf("step %d: Pop = %d, want %d", i, got, model[0])
				}
				model = model[1:]
			}
		}
		if r.Len() != len(model) {
			t.Fatalf("step %d: Len = %d, want %d", i, r.Len(), len(model))
		}
	}
}

func TestMemoryIsGivenBack(t *testing.T) {
	var r Ring[*int]
	for range 10 * keep {
		r.Push(new(int))
	}
	for r.Len() > 0 {
		r.Pop()
	}
	if r != (Ring[*int]{}) {
		t.Error("a drained ring keeps something")
	}
	for range keep {
		r.Push(new(int))
	}
	q := r.rest
	for r.Len() > 0 {
		r.Pop()
	}
	for i, p := range q.buf {
		if p != nil {
			t.Errorf("slot %d still refers to what was popped", i)
		}
	}
	r.Push(new(int))
	r.Push(new(int))
	r.Reset()
	if r != (Ring[*int]{}) {
		t.Error("Reset leaves something")
	}
}

func TestAllocations(t *testing.T) {
	var r Ring[*int]
	v := new(int)
	if n := testing.AllocsPerRun(100, func() { r.Push(v); r.Pop() }); n != 0 {
		t.Errorf("Push and Pop of one value allocate %v times", n)
	}
	r.Push(v)
	r.Push(v)
	if n := testing.AllocsPerRun(100, func() { r.Push(v); r.Pop() }); n != 0 {
		t.Errorf("Push and Pop of a small ring allocate %v times", n)
	}
}
