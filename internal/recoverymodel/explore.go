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
func Explore(sc *Scenario, bug Bug, limit int) Result {
	x := explorer{m: newMachine(sc, bug), seed: maphash.MakeSeed(), seen: map[uint64]bool{}}
	x.enter(x.m.moves(nil), maphash.Bytes(x.seed, x.m.s.bytes()))
	for len(x.levels) > 0 && x.r.Broken == nil {
		if x.r.States >= limit {
			return x.r
		}
		x.step()
	}
	x.r.Complete = x.r.Broken == nil
	return x.r
}

// An explorer goes through all histories, depth first.
type explorer struct {
	m      *machine
	seed   maphash.Seed
	seen   map[uint64]bool // and whether the state is in the history that is being looked at
	states []*state        // of each depth, used again
	levels []level
	r      Result
}

// A level is a state of the history that is being looked at.
type level struct {
	s     *state
	hash  uint64
	moves []Move
	next  int
}

func (x *explorer) enter(moves []Move, hash uint64) {
	if len(x.levels) == len(x.states) {
		x.states = append(x.states, new(state))
	}
	s := x.states[len(x.levels)]
	s.set(&x.m.s)
	x.levels = append(x.levels, level{s: s, hash: hash, moves: moves})
	x.seen[hash] = true
}

// step makes the next move of the deepest level, or leaves it.
func (x *explorer) step() {
	m, l := x.m, &x.levels[len(x.levels)-1]
	if l.next == len(l.moves) {
		x.seen[l.hash] = false
		x.levels = x.levels[:len(x.levels)-1]
		return
	}
	m.s.set(l.s)
	m.do(l.moves[l.next])
	l.next++
	x.r.Moves++
	var moves []Move
	var hash uint64
	if m.bad == "" {
		hash = maphash.Bytes(x.seed, m.s.bytes())
		if open, ok := x.seen[hash]; open {
			x.r.Broken = &Broken{History: x.history(), What: "this may go round for ever"}
			return
		} else if ok {
			return
		}
		x.seen[hash] = false
		x.r.States++
		x.r.Depth = max(x.r.Depth, len(x.levels))
		if moves = m.moves(nil); len(moves) == 0 {
			m.end()
		}
	}
	if m.bad != "" {
		x.r.Broken = shrink(x.history(), m.bug)
	} else if len(moves) > 0 {
		x.enter(moves, hash)
	}
}

func (x *explorer) history() History {
	h := History{Scenario: x.m.sc}
	for _, l := range x.levels {
		h.Moves = append(h.Moves, l.moves[l.next-1])
	}
	return h
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
