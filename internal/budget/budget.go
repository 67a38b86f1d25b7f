// Package budget shares a number of bytes among holders of which each may need much, but not all at once.
//
// A holder may hold what is guaranteed to it, and beyond that a fraction of what is free at the moment (dynamic
// thresholds, Choudhury and Hahne 1998): few may hold much and many little, nobody has to be told of the others, and
// something is free always. With half of what is free, one holder gets up to a third of all, two get a quarter each,
// ten a twelfth.
//
// The pool is charged in steps of [Quantum], so holders that hold little never meet in it.
package budget

import "sync/atomic"

// Quantum is the step in which a Claim charges its Pool, in bytes. What a holder holds and what the pool knows of it
// differ by less.
const Quantum = 16 << 10

// A Kind is what bytes are held for.
type Kind uint8

// The kinds.
const (
	Out  Kind = iota // waits to be sent
	In               // is being read
	Held             // was read and is kept
	Kept             // for peers that may come back

	Kinds = iota
)

// A Pool is what holders share. Its methods may be called from any goroutine.
type Pool struct {
	limit   int64
	charged [Kinds]atomic.Int64
	reading *atomic.Int64
}

// New returns a pool of limit bytes. Reading, if not nil, is what is read without a claim.
func New(limit int64, reading *atomic.Int64) *Pool {
	if reading == nil {
		reading = new(atomic.Int64)
	}
	return &Pool{limit: limit, reading: reading}
}

// Limit is the size of the pool.
func (p *Pool) Limit() int64 { return p.limit }

// Used is how many bytes are charged for one kind.
func (p *Pool) Used(k Kind) int64 {
	n := p.charged[k].Load()
	if k == In {
		n += p.reading.Load()
	}
	return n
}

// Free is how many bytes are not charged; below zero if the holders hold more than there is.
func (p *Pool) Free() int64 {
	free := p.limit - p.reading.Load()
	for k := range p.charged {
		free -= p.charged[k].Load()
	}
	return free
}

// Threshold is how much a holder may hold now: what is guaranteed to it, and one part in parts of what is free.
func (p *Pool) Threshold(guaranteed, parts int64) int64 { return guaranteed + max(0, p.Free())/parts }

// A Claim is what one holder holds. Its methods need a lock of the holder's.
type Claim struct {
	pool    *Pool
	held    [Kinds]int64
	charged [Kinds]int64
}

// Claim returns an empty claim.
func (p *Pool) Claim() Claim { return Claim{pool: p} }

// Add changes how much is held; n may be negative. Less than nothing is nothing. It reports whether the pool was
// charged with more.
func (c *Claim) Add(k Kind, n int64) (more bool) {
	held := max(0, c.held[k]+n)
	c.held[k] = held
	d := held - c.charged[k]
	if d > -Quantum && d < Quantum {
		return false
	}
	d -= d % Quantum
	c.charged[k] += d
	c.pool.charged[k].Add(d)
	return d > 0
}

// Clear is Add of what is held, negative.
func (c *Claim) Clear(k Kind) { c.Add(k, -c.held[k]) }

// Held is how much is held of one kind.
func (c *Claim) Held(k Kind) int64 { return c.held[k] }

// Total is how much is held.
func (c *Claim) Total() (n int64) {
	for _, held := range c.held {
		n += held
	}
	return n
}

// Empty reports whether nothing is held.
func (c *Claim) Empty() bool { return c.held == [Kinds]int64{} }
