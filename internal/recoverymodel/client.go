package recoverymodel

// What a client does, and the check of the promise, which is made where the client handles something.

// handle is the client's handling of a packet, as the official client does it.
func (m *machine) handle(c *conn, p packet) {
	cl := &m.s.Clients[c.Client]
	switch p.Kind {
	case packetConnect:
		m.say("client %d is connected, session %d, recovered=%v", c.Client, p.Pid, cl.Pid == p.Pid)
		m.seen(Observation{Client: c.Client, Kind: ObservedConnect, Session: p.Pid, Recovered: cl.Pid == p.Pid})
		c.Greeted = true
		cl.Pid = p.Pid // the offset stays as it was, also when the session is new
	case packetDisconnect:
		m.say("client %d is told to go", c.Client)
		cl.Gone = true
		c.Cut = true
	case packetEvent:
		e := &m.s.Events[p.Ev]
		m.say("client %d handles event %d%s", c.Client, p.Ev, p.offset())
		m.seen(Observation{Client: c.Client, Kind: ObservedEvent, Event: p.Ev, Session: cl.Pid})
		if !c.Greeted {
			m.fail("event %d came before CONNECT", p.Ev)
			return
		}
		if e.Kind != kindPlain && e.Origin == c.Node && p.Ev < c.Since {
			m.fail("event %d is not kept, and was replayed", p.Ev)
		}
		m.check(cl.Pid, p.Ev)
		switch {
		case p.HasV:
			cl.Offset = offset{V: p.V, State: offsetGood}
		case e.Text && e.Kind != kindAck: // the last argument of what wants an acknowledgement is the callback
			cl.Offset = offset{State: offsetUnreadable}
		}
	}
}

// check holds an event that a client handles against what the session is owed.
func (m *machine) check(pid, ev int8) {
	e, t := &m.s.Events[ev], &m.s.Truths[pid]
	got := &t.Got[e.Origin]
	if ev < *got {
		if e.Kind != kindPlain && m.s.Killed != 0 {
			return // the offset does not tell of it, and the node that knew is dead
		}
		m.fail("event %d came twice, or late", ev)
		return
	}
	if e.Kind == kindPlain && !m.owed(t, pid, ev) {
		m.fail("event %d was not for session %d", ev, pid)
		return
	}
	for j := *got; j < ev; j++ {
		if m.missing(t, pid, j, e.Origin) {
			m.fail("event %d did not come, but event %d after it did", j, ev)
			return
		}
	}
	*got = ev + 1
}

// missing reports whether event j of an origin must have come before any later one of that origin.
func (m *machine) missing(t *truth, pid, j, origin int8) bool {
	e := &m.s.Events[j]
	return e.Origin == origin && e.Kind == kindPlain && m.s.Killed>>origin&1 == 0 && m.owed(t, pid, j)
}

// owed reports whether the event was sent to the session.
func (m *machine) owed(t *truth, pid, ev int8) bool {
	e := &m.s.Events[ev]
	return e.Seq > t.Start[e.Origin] && matches(e, pid, t.Stays[:t.NStays])
}

// deliver lets the client handle the first n packets that are on the way to it.
func (m *machine) deliver(c *conn, n int8) {
	for ; n > 0 && !c.Cut && m.bad == ""; n-- {
		p := c.Down[0]
		remove(c.Down[:], &c.NDown, 0)
		m.handle(c, p)
	}
}

// cut is the end of a connection as the client sees it; what is on the way is lost.
func (m *machine) cut(c *conn) {
	c.Cut = true
	c.NDown = 0
	c.Down = [maxPackets]packet{}
}

func (m *machine) dial(cl, n int8) {
	k := &m.s.Clients[cl]
	k.Serial++
	c := conn{Client: cl, Serial: k.Serial, Node: n, Pid: k.Pid, Offset: k.Offset}
	if k.Pid < 0 {
		c.Offset = offset{}
	}
	m.say("client %d connects to node %d with session %d%s", cl, n, c.Pid, c.Offset.text())
	push(m.s.Conns[:], &m.s.NConns, c)
}

// A reason is why a client gets a new session.
type reason int8

const (
	reasonFirst reason = iota // it has not asked for another
	reasonUnknown
	reasonExpired
	reasonUsed
	reasonShort
	reasonAway
	reasonEnded
	reasonUnreadable
)

var reasons = [...]string{"first", "unknown", "expired", "used", "log too short", "engine away", "ended", "unreadable"}

// justified reports whether a client that has not lost the connection meanwhile may be refused its session.
func (m *machine) justified(c *conn) bool {
	t := &m.s.Truths[c.Pid]
	lost := t.Killed && !t.Covered
	switch c.Reason {
	case reasonUnknown, reasonAway:
		return lost || t.Ended || t.Expired || t.Short
	case reasonExpired:
		return t.Expired
	case reasonEnded:
		return t.Ended || t.Short
	case reasonShort:
		return m.trimmed(c.Pid) || m.sc.Interest && m.s.Killed != 0
	}
	return false
}

// trimmed reports whether some log has lost an event that could be for the session and is beyond the offset of its
// client. What the implementation remembers of it is the target, so what was excepted, and a room that was left before,
// counts.
func (m *machine) trimmed(pid int8) bool {
	t := &m.s.Truths[pid]
	for j := range m.s.NEvents {
		e := &m.s.Events[j]
		if m.s.Dropped>>j&1 == 0 || e.Seq <= t.Start[e.Origin] {
			continue
		}
		if e.Kind.control() && m.sc.Nodes > 1 {
			return true
		}
		if e.Kind != kindPlain || e.Seq <= m.s.Clients[t.Client].Offset.V[e.Origin] {
			continue
		}
		if e.To == toAll || e.To == toSocket && e.Pid == pid {
			return true
		}
		for _, y := range t.Stays[:t.NStays] {
			if e.To == toRoom && e.Room == y.Room {
				return true
			}
		}
	}
	return false
}
