package budget

import (
	"math/rand/v2"
	"sync"
	"testing"
)

func TestFewMayHoldMuchAndManyLittle(t *testing.T) {
	const limit = 100 << 20
	for _, n := range []int{1, 2, 10, 1000} {
		p := New(limit, nil)
		claims := make([]Claim, n)
		for i := range claims {
			claims[i] = p.Claim()
		}
		for grown := true; grown; { // each takes what it may, a quantum at a time
			grown = false
			for i := range claims {
				c := &claims[i]
				if c.Held(Out)+Quantum <= p.Threshold(0, 2) {
					c.Add(Out, Quantum)
					grown = true
				}
			}
		}
		want := int64(limit / (n + 2)) // half of what is free: h = (limit - n*h) / 2
		for i := range claims {
			if h := claims[i].Held(Out); h < want-2*Quantum || h > want+2*Quantum {
				t.Errorf("%d holders: number %d holds %d, want about %d", n, i, h, want)
			}
		}
		if p.Free() <= 0 {
			t.Errorf("%d holders: nothing is free", n)
		}
	}
}

func TestGuaranteedWhenNothingIsFree(t *testing.T) {
	p := New(1<<20, nil)
	c := p.Claim()
	c.Add(Held, 3<<20)
	if got := p.Free(); got != -2<<20 {
		t.Errorf("%d bytes are free", got)
	}
	if got := p.Threshold(5000, 2); got != 5000 {
		t.Errorf("a holder may hold %d bytes", got)
	}
}

// What holds less than a quantum does not touch the pool, and what has held much leaves nothing in it.
func TestPoolIsChargedInQuanta(t *testing.T) {
	p := New(1<<20, nil)
	c := p.Claim()
	c.Add(Out, Quantum-1)
	if p.Used(Out) != 0 {
		t.Error("a little is charged")
	}
	c.Add(Out, 1)
	if p.Used(Out) != Quantum || p.Used(In) != 0 {
		t.Errorf("charged %d and %d", p.Used(Out), p.Used(In))
	}
	c.Add(Out, -1)
	c.Add(Out, 1)
	c.Add(Out, 3*Quantum+7)
	if p.Used(Out) != 4*Quantum {
		t.Errorf("charged %d", p.Used(Out))
	}
	c.Clear(Out)
	if !c.Add(In, 3*Quantum+5) || c.Add(In, 5) || c.Total() != 3*Quantum+10 ||
		c.Add(In, -3*Quantum) || p.Used(In) != Quantum {
		t.Errorf("holds %d, charged %d", c.Total(), p.Used(In))
	}
	c.Clear(In)
	if !c.Empty() || p.Used(Out) != 0 {
		t.Errorf("%d are left, %d charged", c.Held(Out), p.Used(Out))
	}
	c.Add(In, -5)
	if c.Held(In) != 0 {
		t.Error("less than nothing is held")
	}
}

// The pool is always within a quantum a claim and kind of what is held, and empty in the end, whoever adds meanwhile.
func TestPoolAgreesWithItsClaims(t *testing.T) {
	p := New(1<<30, nil)
	var all sync.WaitGroup
	for g := range uint64(4) {
		all.Go(func() { // ends after its steps
			r := rand.New(rand.NewPCG(g, 1))
			c := p.Claim()
			var want [Kinds]int64
			for range 10_000 {
				k := Kind(r.IntN(Kinds))
				n := max(r.Int64N(6*Quantum)-3*Quantum, -want[k])
				want[k] += n
				c.Add(k, n)
				if d := c.held[k] - c.charged[k]; c.held[k] != want[k] || d >= Quantum || d <= -Quantum {
					t.Errorf("%d are held, %d charged, want %d", c.held[k], c.charged[k], want[k])
					return
				}
			}
			for k := range Kind(Kinds) {
				c.Clear(k)
			}
		})
	}
	all.Wait()
	if p.Free() != p.Limit() {
		t.Errorf("%d of %d are free in the end", p.Free(), p.Limit())
	}
}
