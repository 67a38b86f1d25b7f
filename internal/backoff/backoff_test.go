package backoff

import (
	"math"
	"testing"
	"time"
)

const ms = time.Millisecond

// fixed returns the same number for ever.
func fixed(r float64) func() float64 { return func() float64 { return r } }

func TestNextDoubles(t *testing.T) {
	b := Backoff{Min: 100 * ms, Max: 5 * time.Second}
	for i, want := range []time.Duration{100, 200, 400, 800, 1600, 3200, 5000, 5000} {
		if b.Attempts() != i {
			t.Fatalf("%d attempts, want %d", b.Attempts(), i)
		}
		if got := b.Next(); got != want*ms {
			t.Errorf("delay %d is %v, want %v", i, got, want*ms)
		}
	}
	b.Reset()
	if got := b.Next(); got != 100*ms || b.Attempts() != 1 {
		t.Errorf("after Reset: %v, %d attempts", got, b.Attempts())
	}
}

// TestNextJitter has the results of the official code, run with these random numbers.
func TestNextJitter(t *testing.T) {
	for _, c := range []struct {
		random float64
		want   []time.Duration // of the first attempts, in ms
	}{
		{0, []time.Duration{1000, 2000, 4000, 5000}},
		{0.15, []time.Duration{1075, 2150, 4300, 5000}},
		{0.25, []time.Duration{875, 1750, 3500, 5000}},
		{0.5, []time.Duration{1250, 2500, 5000, 5000}},
		{0.6543, []time.Duration{673, 1346, 2692, 5000}},
		{0.999, []time.Duration{1499, 2999, 5000, 5000}},
	} {
		b := Backoff{Min: time.Second, Max: 5 * time.Second, Jitter: 0.5, Random: fixed(c.random)}
		for i, want := range c.want {
			if got := b.Next(); got != want*ms {
				t.Errorf("random %v: delay %d is %v, want %v", c.random, i, got, want*ms)
			}
		}
	}
}

func TestNextStaysInBounds(t *testing.T) {
	b := Backoff{Min: time.Second, Max: 5 * time.Second, Jitter: 0.5}
	for i := range 3000 {
		d := b.Next()
		if low := min(time.Second<<min(i, 10)/2, 5*time.Second); d < low || d > 5*time.Second {
			t.Fatalf("delay %d is %v", i, d)
		}
	}
}

func TestNextDoesNotOverflow(t *testing.T) {
	for _, r := range []float64{0, 0.5, 0.999} {
		b := Backoff{Min: math.MaxInt64, Max: math.MaxInt64, Jitter: 1, Random: fixed(r)}
		for i := range 3 {
			if d := b.Next(); d < 0 {
				t.Errorf("random %v: delay %d is %v", r, i, d)
			}
		}
	}
}

func TestZeroValue(t *testing.T) {
	var b Backoff
	if d := b.Next(); d != 0 {
		t.Errorf("waits %v", d)
	}
	for _, jitter := range []float64{-1, 1.5} {
		b := Backoff{Min: time.Second, Max: time.Minute, Jitter: jitter, Random: fixed(0.5)}
		if d := b.Next(); d != time.Second {
			t.Errorf("jitter %v: %v", jitter, d)
		}
	}
}
