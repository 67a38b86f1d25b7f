// Package backoff is how long to wait before the next attempt, as the official client does it (socket.io-client,
// contrib/backo2): the base doubles with each attempt, and a random share of it is added or taken away.
//
// It measures nothing and keeps no timer; the caller does that.
package backoff

import (
	"math"
	"math/rand/v2"
	"time"
)

// A Backoff counts attempts. The zero value waits not at all. It is not safe for concurrent use.
type Backoff struct {
	Min, Max time.Duration
	Jitter   float64        // 0 to 1: how far from the base a delay may be; anything else is 0
	Random   func() float64 // in [0,1); nil is math/rand/v2

	attempts int
}

// maxDoublings keeps the base finite. Officially the delay becomes 0 after a thousand attempts.
const maxDoublings = 60

// Next is the delay before the next attempt: Min, doubled for each attempt since Reset, give or take a share of at most
// Jitter, and never more than Max. One random number says both the sign and the share, as officially: it is below the
// base if its first decimal is even. The share is whole milliseconds.
func (b *Backoff) Next() time.Duration {
	ms := milliseconds(b.Min) * math.Exp2(float64(min(b.attempts, maxDoublings)))
	b.attempts++
	if b.Jitter > 0 && b.Jitter <= 1 {
		r := b.random()
		share := math.Floor(r * b.Jitter * ms)
		if int(r*10)%2 == 0 {
			share = -share
		}
		ms += share
	}
	if ms >= milliseconds(b.Max) {
		return b.Max // as a number it may have been rounded to more than there is
	}
	return time.Duration(ms * float64(time.Millisecond))
}

func (b *Backoff) random() float64 {
	if b.Random != nil {
		return b.Random()
	}
	return rand.Float64()
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Attempts is how often Next was called since Reset.
func (b *Backoff) Attempts() int { return b.attempts }

// Reset begins anew.
func (b *Backoff) Reset() { b.attempts = 0 }
