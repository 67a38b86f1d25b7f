package recoverymodel

// How a connection gets a session: a new one, one that is at this node, or one of another node.

// read is what the server does with a CONNECT.
func (m *machine) read(c *conn) {
	m.say("node %d reads CONNECT of client %d", c.Node, c.Client)
	switch {
	case c.Pid < 0:
		m.fresh(c, reasonFirst)
		if m.bug == BugInlineConnect && !c.Cut {
			m.welcome(c) // CONNECT is queued; becoming a member is another step
			c.Phase = phaseHalf
		}
		return
	case c.Offset.State == offsetUnreadable:
		m.fresh(c, reasonUnreadable)
		return
	case c.Offset.State == offsetNone && m.bug == BugNoOffsetRefused:
		m.fresh(c, reasonUnknown)
		return
	}
	if s := m.owned(c.Node, c.Pid); s != nil {
		m.claim(c, s)
		return
	}
	switch r := &m.s.Nodes[c.Node].Records[c.Pid]; r.State {
	case recordExpired:
		m.fresh(c, reasonExpired)
	case recordEnded:
		m.fresh(c, reasonEnded)
	default:
		m.ask(c)
	}
}

// owner is the connection at a node that has a session, if one has.
func (m *machine) owner(n, pid int8) *conn {
	for i := range m.s.Conns[:m.s.NConns] {
		c := &m.s.Conns[i]
		if c.Node == n && (c.Phase == phaseLive || c.Phase == phaseClaimed || c.Phase == phaseHalf) && c.Sess.Pid == pid {
			return c
		}
	}
	return nil
}

// owned is the session if this node has it, connected or absent.
func (m *machine) owned(n, pid int8) *session {
	if c := m.owner(n, pid); c != nil {
		return &c.Sess
	}
	if r := &m.s.Nodes[n].Records[pid]; r.State == recordAbsent {
		return &r.Sess
	}
	return nil
}

// from is where the replay for an offset begins. A client that has handled nothing of this session has the offset of
// another, or none: then the replay begins with the session.
func (m *machine) from(s *session, o offset) vec {
	if m.bug == BugStaleOffset && o.State == offsetGood {
		return o.V
	}
	return o.V.max(s.Start)
}

// used reports whether an offset was said before the present owner came: by a connection that its client has left.
func (m *machine) used(s *session, from vec) bool {
	if m.bug == BugOffsetOnce && s.Claimed && from == s.Resumed {
		return true
	}
	return from.stale(s.Resumed)
}

// claim gives a session of this node to a connection. Another one that has it is ended first.
func (m *machine) claim(c *conn, s *session) {
	from := m.from(s, c.Offset)
	if m.used(s, from) {
		m.fresh(c, reasonUsed)
		return
	}
	if m.short(c.Node, s, from) && m.bug != BugShortEnds {
		m.fresh(c, reasonShort)
		return
	}
	t := m.release(c.Node, c.Pid, s)
	m.say("client %d claims session %d at node %d", c.Client, c.Pid, c.Node)
	m.give(c, t, from)
}

func (m *machine) give(c *conn, s session, from vec) {
	s.Resumed, s.Claimed = from, true
	m.changed(&s)
	c.Sess, c.Phase = s, phaseClaimed
	c.Offset = offset{}
	if m.bug == BugInlineResume {
		c.Offset.V = from // what was missed is looked up now, and queued later
		c.Sess.NBack, c.Sess.Back = 0, [maxEvents]item{}
		for _, it := range m.missed(c.Node, &s, from) {
			push(c.Sess.Back[:], &c.Sess.NBack, it)
		}
		c.Sess.Base = m.s.Nodes[c.Node].V
	}
}

// release takes a session from the connection or the record that has it.
func (m *machine) release(n, pid int8, s *session) session {
	t := *s
	if old := m.owner(n, pid); old != nil {
		switch {
		case m.bug == BugZombieKept && old.Phase == phaseLive:
			return t
		case m.bug == BugZombieTold && !old.Cut:
			m.write(old, packet{Kind: packetDisconnect})
			old.Phase = phaseDone
			return t
		}
		m.say("the connection %s that had session %d is closed", old.name(), pid)
		m.shut(old)
		return t
	}
	if m.bug != BugUsedTwice {
		r := &m.s.Nodes[n].Records[pid]
		r.State, r.Sess = recordNone, session{}
	}
	return t
}

// shut closes a connection at the server, without DISCONNECT: its client is to come back if it is still there.
func (m *machine) shut(c *conn) {
	c.Phase, c.Sess = phaseDone, session{}
}

// fresh lets a connection in with a new session.
func (m *machine) fresh(c *conn, r reason) {
	c.Phase, c.Reason, c.Sess = phaseFresh, r, session{}
	if r == reasonFirst {
		return
	}
	m.say("client %d does not get session %d back: %s", c.Client, c.Pid, reasons[r])
	if !c.Cut && !m.justified(c) {
		m.fail("session %d was not recovered without need: %s", c.Pid, reasons[r])
	}
}

// accept is middleware that lets a connection in, and the step in which it becomes live: CONNECT, what was missed, and
// being a member.
func (m *machine) accept(c *conn) {
	if c.Phase == phaseFresh {
		m.say("node %d lets client %d in with a new session", c.Node, c.Client)
		m.welcome(c)
		m.live(c)
		return
	}
	s, from := &c.Sess, c.Sess.Resumed
	if m.short(c.Node, s, from) {
		if m.bug == BugShortEnds {
			m.s.Nodes[c.Node].Records[s.Pid].State = recordEnded
		} else { // for a connection of the client that has an offset further on
			m.absent(c)
		}
		m.fresh(c, reasonShort)
		return
	}
	m.say("node %d lets client %d in with session %d", c.Node, c.Client, s.Pid)
	m.checkResumed(s)
	switch m.bug {
	case BugReplayLater: // a member first, what was missed next
		m.write(c, packet{Kind: packetConnect, Pid: s.Pid})
		m.live(c)
		c.Offset = offset{V: from, State: offsetUnreadable}
		return
	case BugReplayFirst:
		m.replay(c, from)
		m.write(c, packet{Kind: packetConnect, Pid: s.Pid})
	case BugLiveLater:
		m.write(c, packet{Kind: packetConnect, Pid: s.Pid})
		m.replay(c, from)
		c.Phase = phaseHalf
		return
	default:
		m.write(c, packet{Kind: packetConnect, Pid: s.Pid})
		m.replay(c, from)
	}
	m.live(c)
}

// replay queues what was missed. From now on what comes is beyond both the offset and the answer.
func (m *machine) replay(c *conn, from vec) {
	s := &c.Sess
	items := m.missed(c.Node, s, from)
	if m.bug == BugHoldDropped || m.bug == BugInlineResume {
		items = s.Back[:s.NBack]
	}
	if m.bug == BugCopyWithoutLog && m.s.Killed != 0 {
		items = nil
	}
	for _, it := range items {
		if m.bug == BugAnswerVector {
			it.V = it.V.max(s.Base)
		}
		m.write(c, packet{Kind: packetEvent, Ev: it.Ev, HasV: true, V: m.component(c, it.V)})
	}
	s.Base = s.Base.max(from)
	if m.bug == BugBackForgotten {
		s.NBack, s.Back = 0, [maxEvents]item{}
	}
}

// live makes a connection a member.
func (m *machine) live(c *conn) {
	c.Since = m.s.NEvents
	c.Phase, c.Pid, c.Offset, c.Reason = phaseLive, -1, offset{}, reasonFirst
	if !c.Cut {
		m.s.Current[c.Client] = c.Sess.Pid
	}
	m.s.Truths[c.Sess.Pid].Killed = false
	if m.bug == BugCopyLate {
		c.Sess.Dirty = false
	} else {
		m.changed(&c.Sess)
	}
	for i := range m.s.Conns[:m.s.NConns] {
		d := &m.s.Conns[i]
		if d != c && d.Phase == phaseLive && d.Sess.Pid == c.Sess.Pid {
			m.fail("two live sockets have session %d", c.Sess.Pid)
		}
	}
}

// welcome gives a connection a new session and queues CONNECT.
func (m *machine) welcome(c *conn) {
	v := m.s.Nodes[c.Node].V
	s := session{Pid: m.s.NPids, Client: c.Client, Start: v, Base: v, Resumed: v}
	for _, room := range m.sc.Rooms[c.Client] {
		join(s.Stays[:], &s.NStays, room, v)
	}
	push(m.s.Truths[:], &m.s.NPids, truth{Client: c.Client, Start: v, NStays: s.NStays, Stays: s.Stays})
	c.Sess = s
	m.write(c, packet{Kind: packetConnect, Pid: s.Pid})
}

// checkResumed holds what is restored against the truth.
func (m *machine) checkResumed(s *session) {
	t := &m.s.Truths[s.Pid]
	switch {
	case t.Ended:
		m.fail("session %d was recovered, but had been ended", s.Pid)
	case t.Expired:
		m.fail("session %d was recovered, but had expired", s.Pid)
	case !t.Killed && open(s.Stays[:s.NStays]) != open(t.Stays[:t.NStays]):
		m.fail("session %d came back with other rooms", s.Pid)
	}
}

func open(stays []stay) (rooms uint8) {
	for _, y := range stays {
		if y.Open {
			rooms |= 1 << y.Room
		}
	}
	return rooms
}

// refuse is middleware that does not let a connection in: the session stays for the next that is let in.
func (m *machine) refuse(c *conn) {
	m.say("middleware of node %d refuses client %d", c.Node, c.Client)
	if c.Phase == phaseClaimed && m.bug != BugRefusedLoses {
		m.absent(c)
	}
	m.shut(c)
}

// notice is the server learning that a connection is over.
func (m *machine) notice(c *conn) {
	m.say("node %d notices that connection %s is over", c.Node, c.name())
	switch {
	case c.Phase == phaseLive, c.Phase == phaseHalf, c.Phase == phaseClaimed && m.bug != BugClaimLost:
		m.absent(c)
	}
	m.shut(c)
}

// absent leaves the session of a connection in the record.
func (m *machine) absent(c *conn) {
	r := &m.s.Nodes[c.Node].Records[c.Sess.Pid]
	r.State, r.Sess = recordAbsent, c.Sess
	m.changed(&r.Sess)
	if m.bug == BugInlineDisconnect {
		r.State = recordLimbo
	}
}

// settle does the second half of a step that a planted bug has cut in two.
func (m *machine) settle(n int8) {
	nd := &m.s.Nodes[n]
	if nd.NPending > 0 {
		it := nd.Pending[0]
		remove(nd.Pending[:], &nd.NPending, 0)
		m.say("node %d queues event %d", n, it.Ev)
		m.queue(n, it)
		return
	}
	for i := range m.s.Conns[:m.s.NConns] {
		c := &m.s.Conns[i]
		switch {
		case c.Node != n:
		case c.Phase == phaseHalf:
			m.say("client %d becomes a member at node %d", c.Client, n)
			m.live(c)
			return
		case c.Phase == phaseLive && c.Offset.State == offsetUnreadable:
			m.say("what client %d missed is queued", c.Client)
			m.replay(c, c.Offset.V)
			c.Offset = offset{}
			return
		}
	}
	for i := range nd.Records[:m.s.NPids] {
		if r := &nd.Records[i]; r.State == recordLimbo {
			m.say("node %d keeps session %d", n, i)
			r.State = recordAbsent
			return
		}
	}
}

// unsettled reports whether there is such a half.
func (m *machine) unsettled(n int8) bool {
	nd := &m.s.Nodes[n]
	half := nd.NPending > 0
	for i := range m.s.Conns[:m.s.NConns] {
		c := &m.s.Conns[i]
		half = half || c.Node == n && (c.Phase == phaseHalf || c.Phase == phaseLive && c.Offset.State == offsetUnreadable)
	}
	for i := range nd.Records[:m.s.NPids] {
		half = half || nd.Records[i].State == recordLimbo
	}
	return half
}
