package recoverymodel

// What makes that a session outlives its home: copies at a second node, death, and drain.

// dirty is the session that a node owns and that has changed since it was copied.
func (m *machine) dirty(n, pid int8) *session {
	if !m.s.Nodes[n].Alive {
		return nil
	}
	if s := m.owned(n, pid); s != nil && s.Dirty {
		return s
	}
	return nil
}

// copying reports whether a copy is on its way: the next one waits, and has all changes since.
func (m *machine) copying(n, pid int8) bool {
	b, _ := m.second(n, pid, n)
	ch := &m.s.Bus[n][b]
	for i := range ch.Msg[:ch.N] {
		if ch.Msg[i].Kind == messageCopy && ch.Msg[i].Pid == pid {
			return true
		}
	}
	return false
}

// copyOut sends a copy of a session to its second.
func (m *machine) copyOut(n, pid int8) {
	s := m.dirty(n, pid)
	s.Dirty = false
	if b, ok := m.second(n, pid, n); ok {
		m.say("node %d copies session %d to node %d", n, pid, b)
		m.sendSession(n, b, message{Kind: messageCopy, Pid: pid, To: n, Fence: m.s.Nodes[n].V.max(s.Base)}, *s)
	}
}

// copied is the second. It carries out on the copy what its log has beyond it.
func (m *machine) copied(from, n int8, msg message, s session) {
	nd := &m.s.Nodes[n]
	r := &nd.Records[msg.Pid]
	if r.State == recordAbsent || r.State == recordMoving || m.owner(n, msg.Pid) != nil {
		return
	}
	r.HasCopy, r.Copy, r.Home, r.CopyV, r.CopyFrom = true, s, msg.To, msg.Fence, m.fence(n)
	r.Copy.Dirty = false
	for _, it := range nd.Log[:nd.NLog] {
		e := &m.s.Events[it.Ev]
		if e.Kind.control() && e.Seq > r.CopyV[e.Origin] && m.change(&r.Copy, e, it.V, nil) {
			r.HasCopy, r.Copy = false, session{}
			return
		}
	}
	if nd.Dead>>r.Home&1 == 1 {
		m.promote(n, msg.Pid)
	}
}

// drop tells the second that a session is over.
func (m *machine) drop(n, pid int8) {
	if b, ok := m.second(n, pid, n); ok {
		m.send(n, b, message{Kind: messageDrop, Pid: pid})
	}
}

// promote makes the second of a session whose home is dead its home. One node decides: others give their copy to it.
func (m *machine) promote(n, pid int8) {
	r := &m.s.Nodes[n].Records[pid]
	s, home, v := r.Copy, r.Home, r.CopyV
	b, ok := m.second(n, pid, home)
	if !ok || b != n {
		if ok {
			m.sendSession(n, b, message{Kind: messageCopy, Pid: pid, To: home, Fence: v}, s)
		}
		r.HasCopy, r.Copy = false, session{}
		return
	}
	m.say("node %d is the home of session %d from now on", n, pid)
	cover := r.CopyFrom
	m.forget(r, recordAbsent)
	r.Sess, r.Cover = s, cover
	m.changed(&r.Sess)
	// Changes of rooms that the dead home had not taken come in the order of the second.
	t := &m.s.Truths[pid]
	t.NStays, t.Stays = s.NStays, s.Stays
	m.settleAsk(n, pid)
}

// detect is a node learning that another is dead. All that it had sent has come.
func (m *machine) detect(n, x int8) {
	nd := &m.s.Nodes[n]
	m.say("node %d learns that node %d is dead", n, x)
	nd.Dead |= 1 << x
	for pid := range m.s.NPids {
		r := &nd.Records[pid]
		if r.State == recordMoving && r.To == x {
			r.State, r.To, r.ToRound, r.Offset, r.Fence = recordAbsent, 0, 0, offset{}, vec{}
			m.settleAsk(n, pid)
		}
		if s := m.owned(n, pid); s != nil {
			m.changed(s)
		}
		if r.State == recordMoved && r.To == x {
			r.State, r.To, r.Gen = recordNone, 0, 0
		}
		if r.HasCopy && r.Home == x {
			m.promote(n, pid)
		}
		r.stopWaiting(x)
		for to := range int8(m.sc.Nodes) {
			if r.Waiting>>to&1 == 1 && r.Waits[to].Via == x+1 && !r.Ask.Active && m.owned(n, pid) == nil {
				m.send(n, to, message{Kind: messageNone, Pid: pid, Round: r.stopWaiting(to).Round})
			}
		}
		if r.Ask.Active && r.Ask.Await>>x&1 == 1 && m.bug != BugWaitsForTheDead {
			m.askAgain(n, pid)
		}
	}
	m.answerAll(n)
}

// askAgain begins a question anew: what the dead node had may have gone to one that has answered already.
func (m *machine) askAgain(n, pid int8) {
	r := &m.s.Nodes[n].Records[pid]
	r.Round++
	r.Ask = ask{Active: true, Await: m.peers(n), Offset: r.Ask.Offset, Fence: r.Ask.Fence}
	m.sendAsk(n, pid, r.Ask.Await, 0)
	m.conclude(n, pid)
}

// kill is kill -9: of what the node had sent, each other node gets at most the first keep messages.
func (m *machine) kill(x, keep int8) {
	m.say("node %d is killed; %d of its messages still arrive", x, keep)
	for pid := range m.s.NPids {
		t := &m.s.Truths[pid]
		if s := m.owned(x, pid); s != nil || m.s.Nodes[x].Records[pid].State == recordMoving {
			t.Killed, t.Covered = true, s != nil && m.covered(x, pid, keep, s)
		}
		for b := range m.sc.Nodes { // on its way from the dead node, or to it
			m.mourn(&m.s.Bus[x][b], pid, keep, false)
			m.mourn(&m.s.Bus[b][x], pid, 0, true)
		}
	}
	m.stop(x, keep)
	m.s.Killed |= 1 << x
}

// mourn marks a session that is lost with a channel. A sender that lives has a copy.
func (m *machine) mourn(ch *channel, pid, keep int8, copied bool) {
	for i := min(keep, ch.N); i < ch.N; i++ {
		if k := ch.Msg[i].Kind; ch.Msg[i].Pid == pid && (k == messageAnswer || k == messageOwn) {
			m.s.Truths[pid].Killed, m.s.Truths[pid].Covered = true, copied
		}
	}
}

// covered reports whether the second of a session has, or will get, the last copy.
func (m *machine) covered(x, pid, keep int8, s *session) bool {
	b, ok := m.second(x, pid, x)
	if !ok || s.Dirty || !m.s.Nodes[b].Alive || m.sc.Interest {
		return false
	}
	ch := &m.s.Bus[x][b]
	for i := min(keep, ch.N); i < ch.N; i++ {
		if ch.Msg[i].Pid == pid && ch.Msg[i].Kind != messageEvent {
			return false
		}
	}
	return true
}

// stop ends a node, and all connections to it.
func (m *machine) stop(x, keep int8) {
	m.s.Nodes[x] = node{}
	for i := range m.s.Conns[:m.s.NConns] {
		if c := &m.s.Conns[i]; c.Node == x {
			m.shut(c)
		}
	}
	for b := range m.sc.Nodes {
		m.lose(&m.s.Bus[b][x], 0)
		m.lose(&m.s.Bus[x][b], keep)
	}
}

// lose drops what a channel has beyond the first messages.
func (m *machine) lose(ch *channel, keep int8) {
	for ch.N > keep {
		ch.N--
		m.carried(ch.Msg[ch.N])
		ch.Msg[ch.N] = message{}
	}
}

// drain is a node that gives its sessions away, and then tells its clients to go.
func (m *machine) drain(x int8) {
	m.say("node %d is drained", x)
	m.s.Nodes[x].Draining = true
	for i := range m.s.Conns[:m.s.NConns] {
		c := &m.s.Conns[i]
		if c.Node != x || c.Phase == phaseDone {
			continue
		}
		if c.Phase == phaseLive || c.Phase == phaseClaimed {
			m.absent(c)
		}
		m.shut(c)
	}
	for pid := range m.s.NPids {
		if m.s.Nodes[x].Records[pid].State == recordAbsent {
			m.handOver(x, pid)
		}
	}
}

// handOver gives a session to its second, with all that its client may have missed.
func (m *machine) handOver(x, pid int8) {
	r := &m.s.Nodes[x].Records[pid]
	b, ok := m.second(x, pid, x)
	if !ok || m.bug == BugDrainForgets {
		return
	}
	s := m.packed(x, &r.Sess, r.Sess.Resumed)
	m.say("node %d gives session %d to node %d", x, pid, b)
	m.sendSession(x, b, message{Kind: messageOwn, Pid: pid}, s)
	m.forget(r, recordMoved)
	r.Gen = s.Gen
	r.To, r.Given, r.HasCopy, r.Copy, r.Home, r.CopyV = b, true, true, s, b, s.Base
}

// mayExit reports whether a drained node has nothing left to do.
func (m *machine) mayExit(x int8) bool {
	for pid := range m.s.NPids {
		r := &m.s.Nodes[x].Records[pid]
		busy := r.State == recordAbsent || r.State == recordMoving
		if r.Ask.Active || r.Given || r.Waiting != 0 || busy && m.bug != BugDrainForgets {
			return false
		}
	}
	return true
}

func (m *machine) exit(x int8) {
	m.say("node %d exits", x)
	for pid := range m.s.NPids {
		if m.owned(x, pid) != nil {
			m.s.Truths[pid].Killed, m.s.Truths[pid].Covered = true, true
		}
	}
	m.stop(x, maxChannel)
}
