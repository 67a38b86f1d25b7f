package recoverymodel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// A Scenario says how many of what there are, and how much may go wrong. All else is left to the explorer.
type Scenario struct {
	Name, Doc                       string
	Nodes, Clients                  int
	Rooms                           [maxClients][]int8 // that each client joins when it connects
	Emits                           []emission         // in this order, at any moment
	Losses, Deaths, Trims, Expiries int8
	Refusals, Drains                int8
	LastLossy                       int8  // clients up to this one may be lost; the others are alike
	Lossy                           int8  // 1 + the only one of them that may be; 0 is all
	Dies                            int8  // the node that is killed, or -1 for any
	Interest                        bool  // the bus brings only what a node has asked for
	Copies                          bool  // sessions are copied although nobody dies
	Dials                           uint8 // the nodes that clients connect to; 0 is all
	Unconnected                     bool  // clients connect as part of the history
	Eager                           bool  // clients handle each packet in a move of its own
	Large                           bool  // explored in the larger form only
	Long                            bool  // not explored by short tests
}

// An emission is one emit of a scenario.
type emission struct {
	kind         eventKind
	to           target
	room, except int8
	other        int8 // the room to join or leave
	client       int8
	text         bool
	at           int8 // the node, or -1 for any
}

func (e emission) String() string {
	var b strings.Builder
	b.WriteString([]string{"", "volatile, ", "with an acknowledgement, ", "join", "leave", "kick "}[e.kind])
	if e.kind == kindJoin || e.kind == kindLeave {
		fmt.Fprintf(&b, " of room %d ", e.other)
	}
	switch e.to {
	case toAll:
		b.WriteString("to all")
	case toRoom:
		fmt.Fprintf(&b, "to room %d", e.room)
	case toSocket:
		fmt.Fprintf(&b, "to client %d", e.client)
	}
	if e.except >= 0 {
		fmt.Fprintf(&b, " but room %d", e.except)
	}
	return b.String()
}

func all() emission          { return emission{to: toAll, except: -1, at: -1} }
func room(r int8) emission   { return emission{to: toRoom, room: r, except: -1, at: -1} }
func socket(c int8) emission { return emission{to: toSocket, client: c, except: -1, at: -1} }
func allBut(r int8) emission { return emission{to: toAll, except: r, at: -1} }
func volatileText() emission {
	return emission{kind: kindVolatile, to: toAll, except: -1, at: -1, text: true}
}
func withAck(c int8) emission {
	return emission{kind: kindAck, to: toSocket, client: c, except: -1, at: -1, text: true}
}
func joins(c, r int8) emission {
	return emission{kind: kindJoin, to: toSocket, client: c, except: -1, other: r, at: -1}
}
func leaves(c, r int8) emission {
	return emission{kind: kindLeave, to: toSocket, client: c, except: -1, other: r, at: -1}
}
func kicks(c int8) emission {
	return emission{kind: kindKick, to: toSocket, client: c, except: -1, at: -1}
}
func (e emission) on(n int8) emission { e.at = n; return e }

var inRoom0 = [maxClients][]int8{{0}}

// Scenarios are those that are explored to the end.
var Scenarios = []*Scenario{
	{
		Name: "one", Doc: "one process, three events, a client that is lost twice",
		Nodes: 1, Clients: 2, Rooms: inRoom0, Losses: 2,
		Emits: []emission{all(), room(0), socket(0)},
	},
	{
		Name: "one-connect", Doc: "one process, clients connect while events are emitted",
		Nodes: 1, Clients: 2, Rooms: inRoom0, Losses: 1, Unconnected: true,
		Emits: []emission{all(), room(0), all()},
	},
	{
		Name: "one-rooms", Doc: "one process, a room is joined and left, and others are kept out of it",
		Nodes: 1, Clients: 2, Rooms: inRoom0, Losses: 1,
		Emits: []emission{room(1), joins(0, 1), allBut(0), leaves(0, 0), room(0), all()},
	},
	{
		Name: "one-leave", Doc: "one process, a room that was left had events before and after",
		Nodes: 1, Clients: 2, Rooms: inRoom0, Losses: 2,
		Emits: []emission{all(), room(0), leaves(0, 0), room(0), all()},
	},
	{
		Name: "one-trim", Doc: "one process, a log that is too short",
		Nodes: 1, Clients: 2, Rooms: inRoom0, Losses: 2, Trims: 2,
		Emits: []emission{room(1), room(0), all(), room(1)},
	},
	{
		Name: "one-volatile", Doc: "one process, events that are not kept",
		Nodes: 1, Clients: 2, Rooms: inRoom0, Losses: 2,
		Emits: []emission{all(), volatileText(), withAck(0), all()},
	},
	{
		Name: "one-end", Doc: "one process, sessions that are refused, expire or are ended while their client is away",
		Nodes: 1, Clients: 2, Rooms: inRoom0, Losses: 2, Expiries: 1, Refusals: 1,
		Emits: []emission{all(), kicks(0), all()},
	},
	{
		Name: "two", Doc: "two nodes, three events, one loss",
		Nodes: 2, Clients: 2, Rooms: inRoom0, Losses: 1,
		Emits: []emission{all(), room(0), socket(0)},
	},
	{
		Name: "two-again", Doc: "two nodes, a client that is lost twice",
		Nodes: 2, Clients: 1, Rooms: inRoom0, Losses: 2,
		Emits: []emission{all().on(0), room(0).on(1), all()},
	},
	{
		Name: "two-interest", Doc: "two nodes on a bus that brings only what was asked for",
		Nodes: 2, Clients: 1, Rooms: inRoom0, Losses: 2, Interest: true,
		Emits: []emission{all(), all()},
	},
	{
		Name: "two-kick", Doc: "two nodes, a session that is ended while it moves",
		Nodes: 2, Clients: 1, Rooms: inRoom0, Losses: 1,
		Emits: []emission{all(), leaves(0, 0), kicks(0)},
	},
	{
		Name: "two-trim", Doc: "two nodes, logs that are too short",
		Nodes: 2, Clients: 1, Rooms: inRoom0, Losses: 1, Trims: 1,
		Emits: []emission{all(), room(1), room(0)},
	},
	{
		Name: "two-trim-kick", Doc: "two nodes, a log that was trimmed while the session came",
		Nodes: 2, Clients: 1, Rooms: inRoom0, Losses: 1, Trims: 1,
		Emits: []emission{kicks(0)},
	},
	{
		Name: "two-kill-home", Doc: "two nodes, three events, one loss, and the home of the client is killed",
		Nodes: 2, Clients: 2, Rooms: inRoom0, Losses: 1, Deaths: 1, Dies: 0, Long: true,
		Emits: []emission{all().on(0), room(0).on(1), socket(0)},
	},
	{
		Name: "two-kill-other", Doc: "two nodes, two events, one loss, and the node that asks for the session is killed",
		Nodes: 2, Clients: 1, Rooms: inRoom0, Losses: 1, Deaths: 1, Dies: 1,
		Emits: []emission{all(), room(0)},
	},
	{
		Name: "two-drain", Doc: "two nodes, one of which is drained",
		Nodes: 2, Clients: 1, Rooms: inRoom0, Losses: 1, Drains: 1,
		Emits: []emission{all(), room(0)},
	},
	{
		Name: "three", Doc: "three nodes, events of the third",
		Nodes: 3, Clients: 1, Rooms: inRoom0, Losses: 1, Dials: 0b011,
		Emits: []emission{all().on(2), room(0).on(2), all().on(2)},
	},
	{
		Name: "three-volatile", Doc: "three nodes, volatile events of the third",
		Nodes: 3, Clients: 1, Rooms: inRoom0, Losses: 1, Dials: 0b011,
		Emits: []emission{volatileText().on(2), all().on(2)},
	},
	{
		Name: "three-again", Doc: "three nodes, events of the third, a client that is lost twice",
		Nodes: 3, Clients: 1, Rooms: inRoom0, Losses: 2, Dials: 0b011, Long: true,
		Emits: []emission{all().on(2), room(0).on(1)},
	},
	{
		Name: "three-interest", Doc: "three nodes on a bus that brings only what was asked for",
		Nodes: 3, Clients: 1, Rooms: inRoom0, Losses: 1, Interest: true, Dials: 0b011,
		Emits: []emission{all().on(2), room(0).on(2)},
	},
	{
		Name: "three-copies", Doc: "three nodes, sessions are copied but nobody dies",
		Nodes: 3, Clients: 1, Rooms: inRoom0, Losses: 1, Copies: true,
		Emits: []emission{all().on(0)},
	},
	{
		Name: "two-kill", Doc: "two nodes, two clients, three events, one loss, one death, of any",
		Nodes: 2, Clients: 2, Rooms: inRoom0, Losses: 1, Deaths: 1, Dies: -1, LastLossy: 1, Large: true,
		Emits: []emission{all(), room(0), socket(0)},
	},
	{
		Name: "two-interest-large", Doc: "two-interest with more events",
		Nodes: 2, Clients: 1, Rooms: inRoom0, Losses: 2, Interest: true, Large: true,
		Emits: []emission{all(), room(0), all()},
	},
	{
		Name: "two-drain-large", Doc: "two-drain with more events and clients",
		Nodes: 2, Clients: 2, Rooms: inRoom0, Losses: 1, Drains: 1, Large: true,
		Emits: []emission{all(), room(0), socket(0)},
	},
	{
		Name: "two-kick-large", Doc: "two-kick with two losses",
		Nodes: 2, Clients: 1, Rooms: inRoom0, Losses: 2, Large: true,
		Emits: []emission{all(), leaves(0, 0), kicks(0)},
	},
	{
		Name: "one-eager", Doc: "one process, each packet is handled in a move of its own",
		Nodes: 1, Clients: 2, Rooms: inRoom0, Losses: 2, Eager: true, LastLossy: 1,
		Emits: []emission{all(), room(0), socket(0)},
	},
}

// Parts are scenarios with fewer choices which have all histories of sc between them: each emit is at one node, one
// node dies, one client is lost. What they have seen need not be kept for the next one. A scenario in which more than
// one may die or be lost keeps that choice.
func (sc *Scenario) Parts() []*Scenario {
	parts := []*Scenario{sc}
	split := func(n int, fix func(part *Scenario, choice int)) {
		var next []*Scenario
		for _, p := range parts {
			for choice := range n {
				part := *p
				part.Emits = slices.Clone(p.Emits)
				fix(&part, choice)
				next = append(next, &part)
			}
		}
		parts = next
	}
	if sc.Deaths == 1 && sc.Dies < 0 {
		split(sc.Nodes, func(p *Scenario, n int) { p.Dies = int8(n) })
	}
	if sc.Losses == 1 && sc.LastLossy > 0 && sc.Lossy == 0 {
		split(min(int(sc.LastLossy)+1, sc.Clients), func(p *Scenario, c int) { p.Lossy = int8(1 + c) })
	}
	for i, e := range sc.Emits {
		if e.at < 0 {
			split(sc.Nodes, func(p *Scenario, n int) { p.Emits[i].at = int8(n) })
		}
	}
	return parts
}

func (sc *Scenario) lossy(c int8) bool {
	return c <= sc.LastLossy && (sc.Lossy == 0 || c == sc.Lossy-1)
}

// choices are what Parts has fixed, in words.
func (sc *Scenario) choices() string {
	text := fmt.Sprintf("dies %d, lost %d, emits at", sc.Dies, sc.Lossy-1)
	for _, e := range sc.Emits {
		text += fmt.Sprintf(" %d", e.at)
	}
	return text
}

// Find is the scenario of a name: one of Scenarios, or of a random walk.
func Find(name string) *Scenario {
	for _, sc := range Scenarios {
		if sc.Name == name {
			return sc
		}
	}
	for _, random := range []func(seed uint64) *Scenario{RandomScenario, RandomProcess} {
		_, number, _ := strings.Cut(name, "-")
		if seed, err := strconv.ParseUint(number, 10, 64); err == nil {
			if sc := random(seed); sc.Name == name {
				return sc
			}
		}
	}
	return nil
}

// RandomScenario is a larger scenario than those that can be explored, made from a seed.
func RandomScenario(seed uint64) *Scenario {
	rnd := rand.New(rand.NewPCG(seed, 1))
	return random(fmt.Sprintf("walk-%d", seed), rnd, 1+rnd.IntN(maxNodes))
}

// RandomProcess is one of those of one process.
func RandomProcess(seed uint64) *Scenario {
	return random(fmt.Sprintf("process-%d", seed), rand.New(rand.NewPCG(seed, 2)), 1)
}

func random(name string, rnd *rand.Rand, nodes int) *Scenario {
	sc := &Scenario{
		Name: name, Doc: "random", Nodes: nodes, Clients: 1 + rnd.IntN(maxClients),
		Losses: int8(rnd.IntN(4)), LastLossy: maxClients, Dies: -1, Eager: rnd.IntN(2) == 0, Unconnected: rnd.IntN(4) == 0,
	}
	for c := range sc.Rooms {
		for r := range int8(maxRooms) {
			if rnd.IntN(2) == 0 {
				sc.Rooms[c] = append(sc.Rooms[c], r)
			}
		}
	}
	deadly := false
	if sc.Nodes > 1 {
		switch rnd.IntN(4) {
		case 0:
			sc.Deaths, deadly = 1, true
		case 1:
			sc.Interest = true
		case 2:
			sc.Drains = 1
		}
	} else {
		sc.Expiries, sc.Refusals = int8(rnd.IntN(2)), int8(rnd.IntN(2))
	}
	sc.Trims = int8(rnd.IntN(3))
	for range rnd.IntN(maxEvents + 1) {
		c, r := int8(rnd.IntN(sc.Clients)), int8(rnd.IntN(maxRooms))
		kinds := []emission{
			all(), room(r), socket(c), allBut(r), volatileText(), withAck(c), joins(c, r), leaves(c, r), kicks(c),
		}
		if deadly { // rooms and ends that a dead node had not copied yet are not promised
			kinds = kinds[:6]
		}
		sc.Emits = append(sc.Emits, kinds[rnd.IntN(len(kinds))])
	}
	return sc
}
