package recoverymodel

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A History is a scenario and the moves that were made in it.
type History struct {
	Scenario *Scenario
	Moves    []Move
}

// An Observation is what a client sees, and with it what a history is to be compared by: whatever runs the same moves
// must show each client the same.
type Observation struct {
	Client    int8
	Kind      ObservationKind
	Session   int8 // numbered in the order in which they begin
	Recovered bool
	Event     int8 // numbered in the order in which they are emitted
}

// An ObservationKind says what a client sees.
type ObservationKind int8

// The kinds of observations.
const (
	ObservedConnect ObservationKind = iota
	ObservedEvent
)

// String is the observation in words.
func (o Observation) String() string {
	if o.Kind == ObservedEvent {
		return fmt.Sprintf("client %d: event %d", o.Client, o.Event)
	}
	return fmt.Sprintf("client %d: session %d recovered=%v", o.Client, o.Session, o.Recovered)
}

// Replay makes all moves of a history, each of which must be possible, and returns what the clients have seen. If
// nothing more can happen afterwards, what is on its way to clients still comes.
func (h History) Replay(bug Bug) ([]Observation, error) {
	var seen []Observation
	m := newMachine(h.Scenario, bug)
	m.obs = func(o Observation) { seen = append(seen, o) }
	for i, v := range h.Moves {
		if !slices.Contains(m.moves(nil), v) {
			return seen, fmt.Errorf("recoverymodel: move %d, %v, is not possible", i+1, v)
		}
		if m.do(v); m.bad != "" {
			return seen, fmt.Errorf("recoverymodel: move %d, %v: %s", i+1, v, m.bad)
		}
	}
	if len(m.moves(nil)) == 0 {
		if m.end(); m.bad != "" {
			return seen, fmt.Errorf("recoverymodel: at the end: %s", m.bad)
		}
	}
	return seen, nil
}

// Over reports whether nothing more can happen after a history, so that Replay has shown its end as well.
func (h History) Over() bool {
	m := newMachine(h.Scenario, 0)
	for _, v := range h.Moves {
		m.do(v)
	}
	return len(m.moves(nil)) == 0
}

// RandomHistory is a history of one process, made from a seed. It reports false if it had to end too early.
func RandomHistory(seed uint64) (h History, whole bool) {
	h.Scenario = RandomProcess(seed)
	m := newMachine(h.Scenario, 0)
	full := m.wander(seed, &h.Moves)
	return h, !full && m.bad == ""
}

// An Emit is something that a scenario emits, for those who play histories with real code.
type Emit struct {
	Volatile, Ack, Join, Leave, Kick bool // it is an event, if none is set
	Text                             bool // the last argument is a string

	All            bool // or else:
	Room, Client   int  // -1 if it is not to a room, to a client
	Except, Joined int  // the room that is left out, or -1; the room of Join and Leave
}

// Emit is the emit with a number, from 0.
func (sc *Scenario) Emit(i int) Emit {
	e := sc.Emits[i]
	x := Emit{
		Volatile: e.kind == kindVolatile, Ack: e.kind == kindAck, Join: e.kind == kindJoin, Leave: e.kind == kindLeave,
		Kick: e.kind == kindKick, Text: e.text, All: e.to == toAll, Room: -1, Client: -1, Except: int(e.except),
		Joined: int(e.other),
	}
	switch e.to {
	case toRoom:
		x.Room = int(e.room)
	case toSocket:
		x.Client = int(e.client)
	}
	return x
}

// Tell is the history in words, numbered, up to where the promise is broken, which is the second result.
func (h History) Tell(bug Bug) (text, broken string) {
	var b strings.Builder
	fmt.Fprintf(&b, "scenario %s: %s\n", h.Scenario.Name, h.Scenario.Doc)
	n := 0
	m := newMachine(h.Scenario, bug)
	m.say = func(format string, args ...any) { fmt.Fprintf(&b, "      "+format+"\n", args...) }
	for _, v := range h.Moves {
		n++
		fmt.Fprintf(&b, "%4d. %v\n", n, v)
		if m.do(v); m.bad != "" {
			return b.String(), m.bad
		}
	}
	if len(m.moves(nil)) == 0 {
		b.WriteString("   at the end\n")
		m.end()
	}
	return b.String(), m.bad
}

// String is the text form of a history.
func (h History) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "scenario %s\n", h.Scenario.Name)
	for _, v := range h.Moves {
		fmt.Fprintln(&b, v)
	}
	return b.String()
}

// fields are the names of a move's fields in the text form. A connection is written client.serial.
var fields = map[MoveKind][]string{
	MoveEmit: {"emit", "at"}, MoveTake: {"take", "from", "to"}, MoveDeliver: {"deliver", "conn", "packets"},
	MoveLose: {"lose", "conn", "after"}, MoveClose: {"close", "conn", "after"}, MoveNotice: {"notice", "conn"},
	MoveDial: {"dial", "client", "node"}, MoveRead: {"read", "conn"}, MoveAccept: {"accept", "conn"},
	MoveRefuse: {"refuse", "conn"}, MoveCopy: {"copy", "node", "session"}, MoveExpire: {"expire", "node", "session"},
	MoveTrim: {"trim", "node"}, MoveKill: {"kill", "node", "keep"}, MoveDetect: {"detect", "node", "dead"},
	MoveDrain: {"drain", "node"}, MoveExit: {"exit", "node"}, MoveSettle: {"settle", "node"},
}

// String is the text form of a move.
func (v Move) String() string {
	f := fields[v.Kind]
	values := []int8{v.A, v.B, v.C}
	text := f[0]
	for _, name := range f[1:] {
		if name == "conn" {
			text += fmt.Sprintf(" conn=%d.%d", values[0], values[1])
			values = values[2:]
			continue
		}
		text += fmt.Sprintf(" %s=%d", name, values[0])
		values = values[1:]
	}
	return text
}

// Parse reads the text form of a history. Empty lines, and what follows a #, do not count.
func Parse(text string) (History, error) {
	var h History
	n := 0
	for line := range strings.Lines(text) {
		n++
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if h.Scenario == nil {
			if len(words) != 2 || words[0] != "scenario" {
				return h, fmt.Errorf("recoverymodel: line %d: a history begins with its scenario", n)
			}
			if h.Scenario = Find(words[1]); h.Scenario == nil {
				return h, fmt.Errorf("recoverymodel: line %d: there is no scenario %q", n, words[1])
			}
			continue
		}
		v, err := parseMove(words)
		if err != nil {
			return h, fmt.Errorf("recoverymodel: line %d: %w", n, err)
		}
		h.Moves = append(h.Moves, v)
	}
	if h.Scenario == nil {
		return h, fmt.Errorf("recoverymodel: an empty history")
	}
	return h, nil
}

func parseMove(words []string) (Move, error) {
	for kind, f := range fields {
		if f[0] != words[0] {
			continue
		}
		if len(words) != len(f) {
			return Move{}, fmt.Errorf("%s has the fields %v", f[0], f[1:])
		}
		var values []int8
		for i, word := range words[1:] {
			text, ok := strings.CutPrefix(word, f[i+1]+"=")
			parts := []string{text}
			if f[i+1] == "conn" {
				parts = strings.Split(text, ".")
				ok = ok && len(parts) == 2
			}
			for _, p := range parts {
				v, err := strconv.ParseInt(p, 10, 8)
				if err != nil || !ok {
					return Move{}, fmt.Errorf("%q is not a value of %s", word, f[i+1])
				}
				values = append(values, int8(v))
			}
		}
		values = append(values, 0, 0, 0)
		return Move{Kind: kind, A: values[0], B: values[1], C: values[2]}, nil
	}
	return Move{}, fmt.Errorf("there is no move %q", words[0])
}

func (c *conn) name() string { return fmt.Sprintf("%d.%d", c.Client, c.Serial) }

func (p packet) offset() string {
	if !p.HasV {
		return ""
	}
	return fmt.Sprintf(", offset %v", p.V)
}

func (o offset) text() string {
	switch o.State {
	case offsetGood:
		return fmt.Sprintf(", offset %v", o.V)
	case offsetUnreadable:
		return ", an offset that is none"
	}
	return ", no offset"
}
