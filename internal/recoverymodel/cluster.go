package recoverymodel

// What nodes say to each other about sessions. The bus keeps the order of each sender to each receiver, and no other.

func (m *machine) send(a, b int8, msg message) {
	ch := &m.s.Bus[a][b]
	push(ch.Msg[:], &ch.N, msg)
}

// sendSession sends a message that carries a session.
func (m *machine) sendSession(a, b int8, msg message, s session) {
	for i := range m.s.Flight {
		if m.s.Flying>>i&1 == 0 {
			m.s.Flying |= 1 << i
			m.s.Flight[i] = s
			msg.Slot = int8(i) + 1
			m.send(a, b, msg)
			return
		}
	}
	panic(errTooLarge)
}

// carried takes the session out of a message that has arrived, or was lost.
func (m *machine) carried(msg message) (s session) {
	if i := msg.Slot - 1; i >= 0 {
		s = m.s.Flight[i]
		m.s.Flying &^= 1 << i
		m.s.Flight[i] = session{}
	}
	return s
}

// peers are the nodes that a node believes to be alive, without itself.
func (m *machine) peers(n int8) (mask uint8) {
	return (1<<m.sc.Nodes - 1) &^ (1 << n) &^ m.s.Nodes[n].Dead
}

// second is where the copy of a session is: the first living node that is not its home, in an order that the pid gives.
func (m *machine) second(n, pid, home int8) (b int8, ok bool) {
	alive := m.peers(n) | 1<<n
	for k := range int8(m.sc.Nodes) {
		if b = (pid + k) % int8(m.sc.Nodes); b != home && alive>>b&1 == 1 {
			return b, true
		}
	}
	return 0, false
}

// ask puts the question for a session to all other nodes, with what the own log will have from now on.
func (m *machine) ask(c *conn) {
	n := c.Node
	r := &m.s.Nodes[n].Records[c.Pid]
	if r.Ask.Active {
		for i := range m.s.Conns[:m.s.NConns] {
			d := &m.s.Conns[i]
			if d.Node == n && d.Phase == phaseAsking && d.Pid == c.Pid {
				if c.Offset.V.stale(d.Offset.V) {
					m.fresh(c, reasonUsed)
					return
				}
				// Nobody can tell which of the two the client has left. It comes back if it is this one.
				if m.bug == BugLoserStays {
					m.fresh(d, reasonUsed)
				} else {
					m.shut(d)
				}
			}
		}
		c.Phase = phaseAsking
		return
	}
	peers := m.peers(n)
	if peers == 0 {
		m.fresh(c, reasonUnknown)
		return
	}
	c.Phase = phaseAsking
	r.Round++
	r.Ask = ask{Active: true, Await: peers, Offset: c.Offset, Fence: m.fence(n)}
	via := int8(0)
	if (r.State == recordMoved || r.State == recordMoving) && peers>>r.To&1 == 1 { // it was here before
		via = n + 1
		r.Ask.Await, r.Ask.HintGen = 1<<r.To, r.Gen
		if r.State == recordMoving {
			r.Ask.HintGen = r.Sess.Gen + 1
		}
	}
	m.say("node %d asks for session %d%s, from %v", n, c.Pid, c.Offset.text(), r.Ask.Fence)
	m.sendAsk(n, c.Pid, r.Ask.Await, via)
}

// fence is from where on the log of a node has what concerns a session that it has just heard of. Where the bus brings
// only what a node subscribed to, that is from now on.
func (m *machine) fence(n int8) vec {
	if m.sc.Interest && m.bug != BugJoinAfterAsk {
		return m.s.Nodes[n].V
	}
	return vec{}
}

func (m *machine) sendAsk(n, pid int8, to uint8, via int8) {
	nd := &m.s.Nodes[n]
	a := &nd.Records[pid].Ask
	msg := message{Kind: messageAsk, Pid: pid, Round: nd.Records[pid].Round, Via: via, Offset: a.Offset, Fence: a.Fence}
	msg.Dead = nd.Dead
	if via > 0 {
		msg.Gen = a.HintGen
	}
	for b := range int8(m.sc.Nodes) {
		if to>>b&1 == 1 {
			m.send(n, b, msg)
		}
	}
}

// receive takes the next message from one node to another.
func (m *machine) receive(a, b int8) {
	ch := &m.s.Bus[a][b]
	msg := ch.Msg[0]
	remove(ch.Msg[:], &ch.N, 0)
	r := &m.s.Nodes[b].Records[msg.Pid]
	sess := m.carried(msg)
	if msg.Kind != messageEvent {
		m.say("node %d takes %s for session %d from node %d", b, messages[msg.Kind], msg.Pid, a)
	}
	switch msg.Kind {
	case messageEvent:
		m.say("node %d takes event %d from node %d", b, msg.Ev, a)
		m.take(b, msg.Ev)
	case messageAsk:
		m.asked(a, b, msg)
	case messageAnswer:
		m.answered(b, sess)
	case messageNone, messageMoved, messageUsed:
		if msg.Kind == messageNone && msg.Gen > 0 {
			r.stays(a, msg)
			m.settleAsk(b, msg.Pid)
		}
		if r.Ask.Active && r.Round == msg.Round {
			m.replied(a, b, msg)
		}
	case messageCopy:
		m.copied(a, b, msg, sess)
	case messageDrop:
		if r.HasCopy && r.Home == a {
			r.HasCopy, r.Copy = false, session{}
		}
	case messageOwn:
		m.send(b, a, message{Kind: messageGot, Pid: msg.Pid})
		m.own(b, sess)
		m.settleAsk(b, msg.Pid)
	case messageGot:
		r.Given = false
	}
}

// stays notes that a session that was said to come does not: it is over, or stays where it was.
func (r *record) stays(from int8, msg message) {
	if r.State != recordNone && (r.State != recordMoved || r.Gen >= msg.Gen) {
		return
	}
	if msg.Reason == reasonEnded {
		r.State, r.To, r.Gen = recordEnded, 0, 0
		return
	}
	r.State, r.To, r.Gen = recordMoved, from, msg.Gen
}

var messages = [...]string{
	"an event", "a question", "the answer", "no", "that it has moved", "that it is used", "a copy",
	"that it is over", "the whole", "that it has come",
}

// asked is a node that is asked for a session.
func (m *machine) asked(from, n int8, msg message) {
	nd := &m.s.Nodes[n]
	for x := range int8(m.sc.Nodes) {
		if msg.Dead>>x&1 == 1 && nd.Dead>>x&1 == 0 {
			for m.s.Bus[x][n].N > 0 {
				m.receive(x, n)
			}
			m.detect(n, x)
		}
	}
	r := &nd.Records[msg.Pid]
	s := m.owned(n, msg.Pid)
	if s == nil && m.bug == BugCopyAnswers && r.HasCopy {
		r.State, r.Sess = recordAbsent, r.Copy
		s = &r.Sess
	}
	reply := message{Kind: messageNone, Pid: msg.Pid, Round: msg.Round}
	switch {
	case s != nil:
		at := m.from(s, msg.Offset)
		if m.used(s, at) {
			reply.Kind = messageUsed
			break
		}
		if m.short(n, s, at) {
			reply.Reason = reasonShort
			break
		}
		t := m.release(n, msg.Pid, s)
		t.Resumed, t.Claimed = at, true
		r.State, r.To, r.Sess, r.Offset, r.Fence = recordMoving, from, t, msg.Offset, msg.Fence
		r.ToRound, r.Offset.V = msg.Round, at
		m.answer(n, msg.Pid)
		return
	case msg.Via > 0 && m.expects(n, msg):
		r.Waiting |= 1 << from
		r.Waits[from] = question{Round: msg.Round, Offset: msg.Offset, Fence: msg.Fence, Via: msg.Via, Gen: msg.Gen}
		return
	case r.State == recordMoving || r.State == recordMoved:
		if r.To != from {
			reply.Kind, reply.To, reply.Gen = messageMoved, r.To, r.Gen
			if r.State == recordMoving {
				reply.Gen = r.Sess.Gen + 1
			}
		}
	case r.State == recordExpired:
		reply.Reason = reasonExpired
	case r.State == recordEnded:
		reply.Reason = reasonEnded
	}
	m.send(n, from, reply)
}

// expects reports whether a session that somebody said is here has yet to come. What this node knows of an earlier
// time, by the number of moves, does not count.
func (m *machine) expects(n int8, msg message) bool {
	nd := &m.s.Nodes[n]
	r := &nd.Records[msg.Pid]
	switch r.State {
	case recordMoving, recordExpired, recordEnded:
		return false
	case recordMoved:
		if r.Gen >= msg.Gen {
			return false
		}
	}
	return r.Ask.Active || nd.Dead>>(msg.Via-1)&1 == 0
}

// answerAll sends the answers whose fence has been reached.
func (m *machine) answerAll(n int8) {
	for pid := range m.s.NPids {
		if m.s.Nodes[n].Records[pid].State == recordMoving {
			m.answer(n, pid)
		}
	}
}

// answer hands a session over, once this node has all that the other's log may lack. A dead node brings no more.
func (m *machine) answer(n, pid int8) {
	nd := &m.s.Nodes[n]
	r := &nd.Records[pid]
	w := nd.V.max(r.Sess.Base)
	for o := range w {
		if w[o] < r.Fence[o] && nd.Dead>>o&1 == 0 && m.bug != BugNoFence {
			return
		}
	}
	to := r.To
	if m.short(n, &r.Sess, r.Offset.V) {
		r.Sess.Gen++
		m.send(n, to, message{Kind: messageNone, Pid: pid, Round: r.ToRound, Reason: reasonShort, Gen: r.Sess.Gen})
		r.State, r.To, r.ToRound, r.Offset, r.Fence = recordAbsent, 0, 0, offset{}, vec{}
		m.settleAsk(n, pid)
		return
	}
	s := m.packed(n, &r.Sess, r.Offset.V)
	m.say("node %d answers with session %d and %d events, up to %v", n, pid, s.NBack, s.Base)
	m.sendSession(n, to, message{Kind: messageAnswer, Pid: pid}, s)
	if m.bug == BugHomeKeeps {
		r.State, r.Offset, r.Fence = recordAbsent, offset{}, vec{}
		return
	}
	m.forget(r, recordMoved)
	r.To, r.Gen = to, s.Gen
	if m.bug != BugAnswerForgotten { // until the other has copied it to somebody
		r.HasCopy, r.Copy, r.Home, r.CopyV = true, s, to, s.Base
	}
}

// packed is a session with all that its client may have missed, as it is handed over.
func (m *machine) packed(n int8, s *session, from vec) session {
	t := *s
	t.Gen++
	t.NBack, t.Back = 0, [maxEvents]item{}
	for _, it := range m.missed(n, s, from) {
		push(t.Back[:], &t.NBack, it)
	}
	t.Base = m.s.Nodes[n].V.max(s.Base)
	t.Floor = m.head(n, s).max(s.Floor)
	if m.bug == BugNoVector {
		t.Base = from
	}
	return t
}

// answered is the node that gets the session.
func (m *machine) answered(n int8, got session) {
	r := &m.s.Nodes[n].Records[got.Pid]
	a := r.Ask
	if m.bug == BugJoinAfterAsk && m.sc.Interest {
		a.Fence = m.s.Nodes[n].V
	}
	r.Ask, r.Cover = ask{}, vec{}
	if m.sc.Interest {
		r.Cover = a.Fence
	}
	if !a.Fence.within(got.Base) && m.bug != BugNoFence && m.bug != BugJoinAfterAsk && m.bug != BugNoVector {
		m.s.Truths[got.Pid].Short = true
		m.forget(r, recordEnded)
		m.refuseAsking(n, got.Pid, reasonShort)
		return
	}
	if why := m.own(n, got); m.owned(n, got.Pid) == nil {
		m.refuseAsking(n, got.Pid, why)
	}
	m.settleAsk(n, got.Pid)
}

// settleAsk gives a session that has come to this node to the connection that waits for it.
func (m *machine) settleAsk(n, pid int8) {
	r := &m.s.Nodes[n].Records[pid]
	s := m.owned(n, pid)
	if s != nil {
		r.Ask = ask{}
		for i := range m.s.Conns[:m.s.NConns] {
			c := &m.s.Conns[i]
			if c.Node == n && c.Phase == phaseAsking && c.Pid == pid {
				m.claim(c, s)
				break
			}
		}
	}
	for to := range int8(m.sc.Nodes) {
		if r.Waiting>>to&1 == 1 {
			q := r.stopWaiting(to)
			m.asked(to, n, message{
				Kind: messageAsk, Pid: pid, Round: q.Round, Offset: q.Offset, Fence: q.Fence, Via: q.Via, Gen: q.Gen,
			})
		}
	}
}

func (r *record) stopWaiting(n int8) question {
	q := r.Waits[n]
	r.Waiting &^= 1 << n
	r.Waits[n] = question{}
	return q
}

// own makes this node the home of a session, and carries out on it what its log has beyond it. If it cannot, it says
// why.
func (m *machine) own(n int8, s session) reason {
	nd := &m.s.Nodes[n]
	r := &nd.Records[s.Pid]
	m.forget(r, recordAbsent)
	r.Sess = s
	if !nd.TrimmedControl.within(s.Base) && m.bug != BugControlForgotten {
		m.forget(r, recordEnded)
		m.s.Truths[s.Pid].Short = true
		return reasonShort
	}
	m.changed(&r.Sess)
	for _, it := range nd.Log[:nd.NLog] {
		e := &m.s.Events[it.Ev]
		if e.Kind.control() && e.Seq > s.Base[e.Origin] && m.control(&r.Sess, e, it.V.max(s.Base)) {
			m.endRecord(n, s.Pid)
			return reasonEnded
		}
	}
	if nd.Draining {
		m.handOver(n, s.Pid)
		return reasonUnknown
	}
	return reasonFirst
}

// replied is a node that does not have the session.
func (m *machine) replied(from, n int8, msg message) {
	a := &m.s.Nodes[n].Records[msg.Pid].Ask
	switch msg.Kind {
	case messageUsed:
		m.endAsk(n, msg.Pid, reasonUsed)
		return
	case messageMoved:
		a.Hint, a.HintVia, a.HintGen, a.Chased = msg.To+1, from+1, msg.Gen, false
	}
	if msg.Reason != reasonFirst {
		a.Reason = msg.Reason
	}
	a.Await &^= 1 << from
	m.conclude(n, msg.Pid)
}

// conclude ends a question that all have answered. The node that got the session from one of them may not have it yet.
func (m *machine) conclude(n, pid int8) {
	a := &m.s.Nodes[n].Records[pid].Ask
	if !a.Active || a.Await != 0 {
		return
	}
	if h := a.Hint - 1; h >= 0 && !a.Chased {
		if m.peers(n)>>h&1 == 0 {
			m.askAgain(n, pid)
			return
		}
		a.Chased, a.Await = true, 1<<h
		m.say("node %d asks node %d, to which session %d has moved", n, h, pid)
		m.sendAsk(n, pid, a.Await, a.HintVia)
		return
	}
	why := a.Reason
	if why == reasonFirst {
		why = reasonUnknown
	}
	m.endAsk(n, pid, why)
}

func (m *machine) endAsk(n, pid int8, why reason) {
	r := &m.s.Nodes[n].Records[pid]
	for to := range int8(m.sc.Nodes) {
		if r.Waiting>>to&1 == 1 {
			m.send(n, to, message{Kind: messageNone, Pid: pid, Round: r.stopWaiting(to).Round})
		}
	}
	asked := r.Ask.Offset
	r.Ask = ask{}
	for i := range m.s.Conns[:m.s.NConns] {
		c := &m.s.Conns[i]
		if c.Node == n && c.Phase == phaseAsking && c.Pid == pid && asked.V.stale(c.Offset.V) {
			m.ask(c) // the question was that of an older connection
			return
		}
	}
	m.refuseAsking(n, pid, why)
}

func (m *machine) refuseAsking(n, pid int8, why reason) {
	for i := range m.s.Conns[:m.s.NConns] {
		c := &m.s.Conns[i]
		if c.Node == n && c.Phase == phaseAsking && c.Pid == pid {
			m.fresh(c, why)
		}
	}
}
