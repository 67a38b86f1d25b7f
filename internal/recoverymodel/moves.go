package recoverymodel

import "fmt"

// A MoveKind is one of the atomic steps. What the fields of a Move mean for it is in the package comment.
type MoveKind int8

// The moves. Settle exists only with planted bugs that cut a step in two.
const (
	MoveEmit MoveKind = iota
	MoveTake
	MoveDeliver
	MoveLose
	MoveClose
	MoveNotice
	MoveDial
	MoveRead
	MoveAccept
	MoveRefuse
	MoveCopy
	MoveExpire
	MoveTrim
	MoveKill
	MoveDetect
	MoveDrain
	MoveExit
	MoveSettle
)

// A Move is one atomic step of a history.
type Move struct {
	Kind    MoveKind
	A, B, C int8
}

// A machine is a state together with what changes it.
type machine struct {
	sc  *Scenario
	bug Bug
	s   state
	bad string // what of the promise was broken
	say func(format string, args ...any)
	obs func(Observation)
}

func quiet(string, ...any) {}

func (m *machine) seen(o Observation) {
	if m.obs != nil {
		m.obs(o)
	}
}

func (m *machine) fail(format string, args ...any) {
	if m.bad == "" {
		m.bad = fmt.Sprintf(format, args...)
	}
}

// newMachine is the scenario at its beginning: all clients are connected and have had CONNECT.
func newMachine(sc *Scenario, bug Bug) *machine {
	m := &machine{sc: sc, bug: bug, say: quiet}
	s := &m.s
	s.Losses, s.Deaths, s.Trims, s.Expiries = sc.Losses, sc.Deaths, sc.Trims, sc.Expiries
	s.Refusals, s.Drains = sc.Refusals, sc.Drains
	for n := range sc.Nodes {
		s.Nodes[n].Alive = true
	}
	for c := range s.Current {
		s.Current[c] = -1
		s.Clients[c].Pid = -1
	}
	for c := range int8(sc.Clients) {
		if sc.Unconnected {
			continue
		}
		m.dial(c, c%int8(sc.Nodes))
		k := &s.Conns[c]
		m.welcome(k)
		m.live(k)
		m.deliver(k, k.NDown)
		if m.bug != BugCopyLate {
			m.changed(&k.Sess)
		}
	}
	return m
}

// moves appends all that may happen next.
func (m *machine) moves(to []Move) []Move {
	s := &m.s
	add := func(k MoveKind, a, b, c int8) { to = append(to, Move{k, a, b, c}) }
	for i := range s.Conns[:s.NConns] {
		to = m.connMoves(&s.Conns[i], to)
	}
	for c := range int8(m.sc.Clients) {
		if !m.away(c) {
			continue
		}
		for n := range int8(m.sc.Nodes) {
			if s.Nodes[n].Alive && !s.Nodes[n].Draining && (m.sc.Dials == 0 || m.sc.Dials>>n&1 == 1) {
				add(MoveDial, c, n, 0)
			}
		}
	}
	for n := range int8(m.sc.Nodes) {
		to = m.nodeMoves(n, to)
	}
	return to
}

// away reports whether the client has no connection and wants one.
func (m *machine) away(c int8) bool {
	for i := range m.s.Conns[:m.s.NConns] {
		if k := &m.s.Conns[i]; k.Client == c && !k.Cut {
			return false
		}
	}
	return !m.s.Clients[c].Gone
}

func (m *machine) connMoves(c *conn, to []Move) []Move {
	add := func(k MoveKind, n int8) { to = append(to, Move{k, c.Client, c.Serial, n}) }
	if !c.Cut {
		// Nothing depends on when a client handles a packet but what it has handled when it is cut off: Eager looks at
		// the moments between, too.
		if m.sc.Eager && c.NDown > 0 {
			add(MoveDeliver, 1)
		}
		lossy := m.s.Losses > 0 && c.Phase != phaseDone && m.sc.lossy(c.Client)
		for n := int8(0); n <= c.NDown && (n == 0 || !m.sc.Eager); n++ {
			if lossy {
				add(MoveLose, n)
			}
			if c.Phase == phaseDone {
				add(MoveClose, n)
			}
		}
	}
	switch c.Phase {
	case phaseDone:
		return to
	case phaseOffered:
		add(MoveRead, 0)
	case phaseClaimed, phaseFresh:
		add(MoveAccept, 0)
		if m.s.Refusals > 0 {
			add(MoveRefuse, 0)
		}
	}
	if c.Cut {
		add(MoveNotice, 0)
	}
	return to
}

func (m *machine) nodeMoves(n int8, to []Move) []Move {
	s, nd := &m.s, &m.s.Nodes[n]
	add := func(k MoveKind, a, b, c int8) { to = append(to, Move{k, a, b, c}) }
	if !nd.Alive {
		return to
	}
	if int(s.NEvents) < len(m.sc.Emits) {
		if at := m.sc.Emits[s.NEvents].at; at < 0 && !nd.Draining || at == n {
			add(MoveEmit, n, 0, 0)
		}
	}
	for a := range int8(m.sc.Nodes) {
		if s.Bus[a][n].N > 0 {
			add(MoveTake, a, n, 0)
		}
		if !s.Nodes[a].Alive && nd.Dead>>a&1 == 0 && s.Bus[a][n].N == 0 {
			add(MoveDetect, n, a, 0)
		}
	}
	for pid := range s.NPids {
		if m.dirty(n, pid) != nil && !m.copying(n, pid) {
			add(MoveCopy, n, pid, 0)
		}
		if s.Expiries > 0 && nd.Records[pid].State == recordAbsent {
			add(MoveExpire, n, pid, 0)
		}
	}
	if s.Trims > 0 && nd.NLog > 0 {
		add(MoveTrim, n, 0, 0)
	}
	if s.Deaths > 0 && (m.sc.Dies < 0 || m.sc.Dies == n) {
		longest := int8(0)
		for b := range m.sc.Nodes {
			longest = max(longest, s.Bus[n][b].N)
		}
		for keep := range longest + 1 {
			add(MoveKill, n, keep, 0)
		}
	}
	if s.Drains > 0 {
		add(MoveDrain, n, 0, 0)
	}
	if nd.Draining && m.mayExit(n) {
		add(MoveExit, n, 0, 0)
	}
	if m.bug != 0 && m.unsettled(n) {
		add(MoveSettle, n, 0, 0)
	}
	return to
}

// do makes a move, which must be possible.
func (m *machine) do(v Move) {
	s := &m.s
	switch v.Kind {
	case MoveEmit:
		m.emit(v.A)
	case MoveTake:
		m.receive(v.A, v.B)
	case MoveDial:
		m.dial(v.A, v.B)
	case MoveCopy:
		m.copyOut(v.A, v.B)
	case MoveExpire:
		s.Expiries--
		m.say("session %d expires at node %d", v.B, v.A)
		m.forget(&s.Nodes[v.A].Records[v.B], recordExpired)
		s.Truths[v.B].Expired = true
		m.drop(v.A, v.B)
	case MoveTrim:
		s.Trims--
		m.trim(v.A)
	case MoveKill:
		s.Deaths--
		m.kill(v.A, v.B)
	case MoveDetect:
		m.detect(v.A, v.B)
	case MoveDrain:
		s.Drains--
		m.drain(v.A)
	case MoveExit:
		m.exit(v.A)
	case MoveSettle:
		m.settle(v.A)
	default:
		m.doConn(v, m.conn(v.A, v.B))
	}
	for i := int(s.NConns) - 1; i >= 0; i-- { // what is over at both ends
		if c := &s.Conns[i]; c.Cut && c.Phase == phaseDone {
			remove(s.Conns[:], &s.NConns, i)
		}
	}
}

func (m *machine) doConn(v Move, c *conn) {
	switch v.Kind {
	case MoveDeliver:
		m.deliver(c, v.C)
	case MoveLose, MoveClose:
		m.deliver(c, v.C)
		if v.Kind == MoveLose {
			m.s.Losses--
			m.say("client %d loses its connection %s", c.Client, c.name())
		} else {
			m.say("client %d sees that its connection %s is closed", c.Client, c.name())
		}
		m.cut(c)
	case MoveNotice:
		m.notice(c)
	case MoveRead:
		m.read(c)
	case MoveAccept:
		m.accept(c)
	case MoveRefuse:
		m.s.Refusals--
		m.refuse(c)
	}
}

func (m *machine) conn(client, serial int8) *conn {
	for i := range m.s.Conns[:m.s.NConns] {
		if c := &m.s.Conns[i]; c.Client == client && c.Serial == serial {
			return c
		}
	}
	return nil
}

// end checks a state in which nothing more can happen: nothing may be waiting, and all that is owed has come.
func (m *machine) end() {
	s := &m.s
	for i := range s.Conns[:s.NConns] {
		c := &s.Conns[i]
		m.deliver(c, c.NDown)
		if c.Phase != phaseLive && c.Phase != phaseDone {
			m.fail("client %d waits for ever at node %d", c.Client, c.Node)
		}
		if m.bad != "" {
			return
		}
	}
	for c := range int8(m.sc.Clients) {
		if s.Clients[c].Gone || m.away(c) {
			m.fail("client %d stays away for ever", c)
		}
		pid := s.Clients[c].Pid
		if pid < 0 {
			continue
		}
		for j := range s.NEvents {
			o := s.Events[j].Origin
			if j >= s.Truths[pid].Got[o] && m.missing(&s.Truths[pid], pid, j, o) {
				m.fail("event %d never came to client %d", j, c)
			}
			if e := &s.Events[j]; e.Kind == kindKick && e.To == toSocket && e.Pid == pid && s.Killed>>o&1 == 0 &&
				e.Seq > s.Truths[pid].Start[o] {
				m.fail("session %d goes on although it was ended", pid)
			}
		}
	}
	for n := range m.sc.Nodes {
		for pid := range s.NPids {
			r := &s.Nodes[n].Records[pid]
			if r.Ask.Active || r.State == recordMoving {
				m.fail("node %d waits for ever for session %d", n, pid)
			}
		}
	}
}
