package recoverymodel

// What a node does with events: it takes each into its log and queues it to its members in one step, as if under the
// lock of the log.

// matches is the filter of a broadcast over the stays of a session.
func matches(e *event, pid int8, stays []stay) bool {
	in := e.To == toAll || e.To == toSocket && e.Pid == pid
	for i := range stays {
		y := &stays[i]
		if !y.has(e.Origin, e.Seq) {
			continue
		}
		if y.Room == e.Except {
			return false
		}
		in = in || e.To == toRoom && y.Room == e.Room
	}
	return in
}

// matchesNow is the same for what is not kept: only where the session is now counts.
func matchesNow(e *event, s *session) bool {
	in := e.To == toAll || e.To == toSocket && e.Pid == s.Pid
	for i := range s.Stays[:s.NStays] {
		y := &s.Stays[i]
		if !y.Open {
			continue
		}
		if y.Room == e.Except {
			return false
		}
		in = in || e.To == toRoom && y.Room == e.Room
	}
	return in
}

// emit is an emit of the script at a node.
func (m *machine) emit(n int8) {
	em := m.sc.Emits[m.s.NEvents]
	nd := &m.s.Nodes[n]
	e := event{Kind: em.kind, Origin: n, To: em.to, Room: em.room, Pid: -1, Except: em.except, Other: em.other}
	e.Text = em.text
	if em.to == toSocket {
		e.Pid = m.s.Current[em.client]
	}
	if e.Kind.kept() || m.bug != BugVolatileNumber {
		nd.Published++
	}
	e.Seq = nd.Published
	ev := m.s.NEvents
	push(m.s.Events[:], &m.s.NEvents, e)
	m.say("event %d is emitted at node %d: %s", ev, n, em)
	for b := range int8(m.sc.Nodes) {
		if b != n && nd.Dead>>b&1 == 0 && m.s.Nodes[b].Alive {
			m.send(n, b, message{Kind: messageEvent, Ev: ev})
		}
	}
	m.take(n, ev)
}

// take is the one step: a place in the log, and the queues of the members.
func (m *machine) take(n, ev int8) {
	nd, e := &m.s.Nodes[n], &m.s.Events[ev]
	nd.V[e.Origin] = e.Seq
	logged := e.Kind.kept() || m.bug == BugVolatileLogged
	if m.bug == BugForeignNotLogged && e.Origin != n {
		logged = false
	}
	if logged {
		push(nd.Log[:], &nd.NLog, item{Ev: ev, V: nd.V})
	}
	if e.Kind.control() {
		m.controlAll(n, e)
		return
	}
	if m.bug == BugLockDropped {
		push(nd.Pending[:], &nd.NPending, item{Ev: ev, V: nd.V})
		return
	}
	m.queue(n, item{Ev: ev, V: nd.V})
	m.answerAll(n)
}

// queue gives an event to the members at the node.
func (m *machine) queue(n int8, it item) {
	for i := range m.s.Conns[:m.s.NConns] {
		c := &m.s.Conns[i]
		if c.Node == n && c.Phase == phaseLive {
			m.queueTo(c, it)
		}
	}
}

func (m *machine) queueTo(c *conn, it item) {
	e := &m.s.Events[it.Ev]
	if e.Kind != kindPlain {
		old := e.Seq <= c.Sess.Base[e.Origin] // the client may have had it, or newer ones, at another node
		if matchesNow(e, &c.Sess) && (!old || m.bug == BugVolatileNumber && e.Seq == c.Sess.Base[e.Origin]) {
			p := packet{Kind: packetEvent, Ev: it.Ev}
			// It is not kept, but a string at its end would be taken for an offset.
			if e.Kind == kindVolatile && e.Text && m.bug != BugVolatileText {
				p.HasV, p.V = true, m.onWire(c, it.V)
			}
			m.write(c, p)
		}
		return
	}
	if e.Seq <= c.Sess.Base[e.Origin] && m.bug != BugNoVector {
		return // it came with the answer
	}
	if e.Seq > c.Sess.Start[e.Origin] && matches(e, c.Sess.Pid, c.Sess.Stays[:c.Sess.NStays]) {
		m.write(c, packet{Kind: packetEvent, Ev: it.Ev, HasV: true, V: m.onWire(c, it.V)})
	}
}

// onWire is the offset that an event carries to a member: a node that is behind what the member brought along may not
// set it back.
func (m *machine) onWire(c *conn, v vec) vec {
	if m.bug == BugNodeVector {
		return v
	}
	return m.component(c, v.max(c.Sess.Base))
}

func (m *machine) component(c *conn, v vec) vec {
	if m.bug == BugOwnComponent {
		for o := range v {
			if int8(o) != c.Node {
				v[o] = 0
			}
		}
	}
	return v
}

func (m *machine) write(c *conn, p packet) {
	if c.Cut {
		return // into the void, until the server notices
	}
	push(c.Down[:], &c.NDown, p)
}

// missed are the events for a session beyond an offset, with the offset that each carries on the wire.
func (m *machine) missed(n int8, s *session, from vec) (items []item) {
	nd := &m.s.Nodes[n]
	add := func(it item, after vec) {
		e := &m.s.Events[it.Ev]
		if e.Kind.control() || e.Seq <= after[e.Origin] {
			if m.bug != BugOffsetLow || e.Kind.control() || e.Seq < after[e.Origin] {
				return
			}
		}
		if m.bug == BugOffsetHigh && e.Seq == after[e.Origin]+1 && after[e.Origin] > 0 {
			return
		}
		if m.replays(s, e) {
			items = append(items, item{Ev: it.Ev, V: it.V.max(from)})
		}
	}
	for _, it := range s.Back[:s.NBack] {
		add(it, from)
	}
	after := from.max(s.Base)
	if m.sc.Interest {
		after = after.max(nd.Records[s.Pid].Cover)
	}
	for _, it := range nd.Log[:nd.NLog] {
		add(item{Ev: it.Ev, V: it.V.max(s.Base)}, after)
	}
	return items
}

// replays is the filter of what was missed.
func (m *machine) replays(s *session, e *event) bool {
	f := *e
	stays := s.Stays
	for i := range stays[:s.NStays] {
		switch {
		case m.bug == BugLastRoomsOnly && !stays[i].Open:
			stays[i].Room = -2
		case m.bug == BugJoinedForgotten && stays[i].Open:
			stays[i].From = vec{}
		}
	}
	if m.bug == BugExceptIgnored {
		f.Except = -1
	}
	return matches(&f, s.Pid, stays[:s.NStays])
}

// short reports whether something was trimmed that could have been for the session beyond the offset.
func (m *machine) short(n int8, s *session, from vec) bool {
	if m.bug == BugTrimForgotten {
		return false
	}
	return !m.head(n, s).within(from.max(s.Base)) || !s.Floor.within(from)
}

// head is how far the log of a node was trimmed, as far as it concerns a session.
func (m *machine) head(n int8, s *session) (v vec) {
	trimmed := &m.s.Nodes[n].Trimmed
	if m.bug == BugHeadNotKept {
		for _, w := range trimmed {
			v = v.max(w)
		}
		return v
	}
	v = trimmed[0].max(trimmed[1+maxRooms+s.Pid])
	for i := range s.Stays[:s.NStays] {
		y := &s.Stays[i]
		if m.empty(y) {
			continue
		}
		for o, seq := range trimmed[1+y.Room] {
			if seq > y.From[o] {
				v[o] = max(v[o], seq)
			}
		}
	}
	return v
}

// empty reports whether no event came between join and leave, which one process sees from its numbers.
func (m *machine) empty(y *stay) bool {
	if m.sc.Nodes > 1 || y.Open {
		return false
	}
	for i := range m.s.Events[:m.s.NEvents] {
		if e := &m.s.Events[i]; e.Kind == kindPlain && y.has(e.Origin, e.Seq) {
			return false
		}
	}
	return true
}

// trim drops the oldest entry of a log, and remembers for its target how far that has gone.
func (m *machine) trim(n int8) {
	nd := &m.s.Nodes[n]
	e := &m.s.Events[nd.Log[0].Ev]
	m.say("node %d drops event %d from its log", n, nd.Log[0].Ev)
	m.s.Dropped |= 1 << nd.Log[0].Ev
	remove(nd.Log[:], &nd.NLog, 0)
	if e.Kind.control() { // carried out on what is here; on what comes from another node it cannot be any more
		nd.TrimmedControl[e.Origin] = e.Seq
		return
	}
	if e.Kind != kindPlain {
		return
	}
	at := 0
	switch e.To {
	case toRoom:
		at = 1 + int(e.Room)
	case toSocket:
		if e.Pid < 0 {
			return
		}
		at = 1 + maxRooms + int(e.Pid)
	}
	nd.Trimmed[at][e.Origin] = e.Seq
}

// controlAll carries a join, leave or kick out wherever this node has the session: connected, absent, or a copy.
func (m *machine) controlAll(n int8, e *event) {
	nd := &m.s.Nodes[n]
	for i := range m.s.Conns[:m.s.NConns] {
		c := &m.s.Conns[i]
		if c.Node != n || c.Phase != phaseLive && c.Phase != phaseClaimed || e.Seq <= c.Sess.Base[e.Origin] {
			continue
		}
		if m.control(&c.Sess, e, nd.V.max(c.Sess.Base)) {
			m.kick(c)
		}
	}
	for pid := range nd.Records[:m.s.NPids] {
		r := &nd.Records[pid]
		absent := r.State == recordAbsent || r.State == recordMoving
		skip := m.bug == BugKickOnlyConnected && e.Kind == kindKick || m.bug == BugRoomsOnlyConnected && e.Kind != kindKick
		if absent && skip { // the truth is changed all the same
			s := r.Sess
			m.control(&s, e, nd.V)
			continue
		}
		if absent && e.Seq > r.Sess.Base[e.Origin] && m.control(&r.Sess, e, nd.V.max(r.Sess.Base)) {
			m.endRecord(n, int8(pid))
		}
		if r.HasCopy && e.Seq > r.CopyV[e.Origin] {
			if m.change(&r.Copy, e, nd.V, nil) {
				r.HasCopy, r.Copy = false, session{}
			}
		}
	}
	m.answerAll(n)
}

// control changes a session at its owner, and the truth with it; it reports whether the session is over.
func (m *machine) control(s *session, e *event, v vec) (over bool) {
	return m.change(s, e, v, &m.s.Truths[s.Pid])
}

func (m *machine) change(s *session, e *event, v vec, t *truth) (over bool) {
	if e.Seq <= s.Start[e.Origin] || !matchesNow(e, s) {
		return false
	}
	switch e.Kind {
	case kindKick:
		if t != nil {
			t.Ended = true
		}
		return true
	case kindJoin:
		join(s.Stays[:], &s.NStays, e.Other, v)
		if t != nil {
			join(t.Stays[:], &t.NStays, e.Other, v)
		}
	case kindLeave:
		leave(s.Stays[:s.NStays], e.Other, v)
		if t != nil {
			leave(t.Stays[:t.NStays], e.Other, v)
		}
	}
	if t != nil {
		m.changed(s)
	}
	return false
}

func join(stays []stay, n *int8, room int8, v vec) {
	for _, y := range stays[:*n] {
		if y.Room == room && y.Open {
			return
		}
	}
	push(stays, n, stay{Room: room, From: v, Open: true})
}

func leave(stays []stay, room int8, v vec) {
	for i := range stays {
		if y := &stays[i]; y.Room == room && y.Open {
			y.Open, y.To = false, v
		}
	}
}

// kick is DisconnectSockets for a socket that is here.
func (m *machine) kick(c *conn) {
	m.say("node %d ends session %d", c.Node, c.Sess.Pid)
	m.endRecord(c.Node, c.Sess.Pid)
	m.shut(c)
}

func (m *machine) endRecord(n, pid int8) {
	r := &m.s.Nodes[n].Records[pid]
	if r.State == recordMoving {
		m.send(n, r.To, message{Kind: messageNone, Pid: pid, Round: r.ToRound, Reason: reasonEnded, Gen: r.Sess.Gen + 1})
	}
	m.forget(r, recordEnded)
	m.drop(n, pid)
}

func (m *machine) forget(r *record, as recordState) {
	r.State, r.To, r.ToRound, r.Gen, r.Sess = as, 0, 0, 0, session{}
	r.Offset, r.Fence, r.Given = offset{}, vec{}, false
	r.HasCopy, r.Copy = false, session{}
}

// changed marks a session as one to be copied. Where no node dies, or only one that a client is never at, that changes
// nothing.
func (m *machine) changed(s *session) {
	s.Dirty = m.sc.Copies || m.sc.Deaths > 0 && (m.sc.Dies < 0 || s.Client <= m.sc.LastLossy)
}
