package recoverymodel

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"slices"
)

// A Result is what an exploration has seen.
type Result struct {
	States   int // that differ
	Moves    int // that were made
	Depth    int // of the longest history
	Complete bool
	Broken   *Broken // nil if the promise was kept
}

// Broken is a history that breaks the promise.
type Broken struct {
	History History
	What    string
}

// Explore visits all states that a scenario can reach, up to a number of them, and stops at the first history that
// breaks the promise. Two states that are the same are visited once.
func Explore(sc *Scenario, bug Bug, limit int) (r Result) {
	type level struct {
		s     *state
		moves []Move
		next  int
	}
	seed := maphash.MakeSeed()
	seen := map[uint64]struct{}{}
	m := newMachine(sc, bug)
	var states []*state // of each depth, used again
	var levels []level
	enter := func(moves []Move) {
		if len(levels) == len(states) {
			states = append(states, new(state))
		}
		s := states[len(levels)]
		s.set(&m.s)
		levels = append(levels, level{s: s, moves: moves})
	}
	enter(m.moves(nil))
	path := func() []Move {
		var done []Move
		for _, l := range levels {
			done = append(done, l.moves[l.next-1])
		}
		return done
	}
	r.Complete = true
	for len(levels) > 0 {
		l := &levels[len(levels)-1]
		if l.next == len(l.moves) {
			levels = levels[:len(levels)-1]
			continue
		}
		if r.States >= limit {
			r.Complete = false
			return r
		}
		m.s.set(l.s)
		m.do(l.moves[l.next])
		l.next++
		r.Moves++
		var moves []Move
		if m.bad == "" {
			h := maphash.Bytes(seed, m.s.bytes())
			if _, ok := seen[h]; ok {
				continue
			}
			seen[h] = struct{}{}
			r.States++
			r.Depth = max(r.Depth, len(levels))
			if moves = m.moves(nil); len(moves) == 0 {
				m.end()
			}
		}
		if m.bad != "" {
			r.Broken = shrink(History{Scenario: sc, Moves: path()}, bug)
			return r
		}
		if len(moves) > 0 {
			enter(moves)
		}
	}
	return r
}

// Walk makes random moves until there are none, or until the arrays of the state are full, which is reported.
func Walk(sc *Scenario, bug Bug, seed uint64) (moves int, full bool, broken *Broken) {
	h := History{Scenario: sc}
	m := newMachine(sc, bug)
	full = m.wander(seed, &h.Moves)
	if m.bad != "" {
		broken = shrink(h, bug)
	}
	return len(h.Moves), full, broken
}

// wander makes random moves, and notes them.
func (m *machine) wander(seed uint64, made *[]Move) (full bool) {
	rnd := rand.New(rand.NewPCG(seed, 0))
	defer func() {
		if x := recover(); x == errTooLarge {
			full = true
		} else if x != nil {
			panic(x)
		}
	}()
	for m.bad == "" {
		next := m.moves(nil)
		if len(next) == 0 {
			m.end()
			break
		}
		v := next[rnd.IntN(len(next))]
		*made = append(*made, v)
		m.do(v)
	}
	return false
}

// run makes those moves of a history that are possible, and returns them, and what broke the promise.
func run(h History, bug Bug) (made []Move, bad string) {
	m := newMachine(h.Scenario, bug)
	for _, v := range h.Moves {
		if !slices.Contains(m.moves(nil), v) {
			continue
		}
		made = append(made, v)
		if m.do(v); m.bad != "" {
			return made, m.bad
		}
	}
	if len(m.moves(nil)) == 0 {
		m.end()
	}
	return made, m.bad
}

// shrink leaves out of a history what is not needed to break the promise.
func shrink(h History, bug Bug) *Broken {
	best, bad := run(h, bug)
	if bad == "" {
		panic(fmt.Sprintf("recoverymodel: the same moves give another result:\n%v", h))
	}
	for again := true; again; {
		again = false
		for i := len(best) - 1; i >= 0; i-- {
			try := slices.Delete(slices.Clone(best), i, i+1)
			if made, what := run(History{Scenario: h.Scenario, Moves: try}, bug); what != "" && len(made) < len(best) {
				best, bad, again = made, what, true
				i = min(i, len(best))
			}
		}
	}
	return &Broken{History: History{Scenario: h.Scenario, Moves: best}, What: bad}
}

// String is the history in words, numbered.
func (b *Broken) String() string { return b.Explain(0) }

// Explain is the history in words, with a planted bug.
func (b *Broken) Explain(bug Bug) string {
	text, _ := b.History.Tell(bug)
	return text + "broken: " + b.What + "\n"
}
