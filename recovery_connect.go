package socketio

import (
	"crypto/rand"
	"slices"
	"time"

	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/sid"
	"sio.example/socketio/parser"
)

// How a socket gets a session: it claims the one that its client asks for, when CONNECT is read, or begins one when
// middleware has let it in.

// lookup returns a namespace that exists and is ready, or nil.
func (s *server) lookup(name string) *Namespace {
	s.mu.Lock()
	n := s.namespaces[name]
	s.mu.Unlock()
	if n == nil {
		return nil
	}
	select {
	case <-n.ready:
		return n
	default:
		return nil
	}
}

// askedSession is what the client says about its session: nothing, if pid is empty.
func (s *server) askedSession(auth Args) (pid, offset string, readable bool) {
	var asked struct {
		PID    any `json:"pid"`
		Offset any `json:"offset"`
	}
	if auth.Len() == 0 || s.guard.Call(func() error { return auth.Decode(0, &asked) }) != nil {
		return "", "", false
	}
	pid, _ = asked.PID.(string)
	offset, _ = asked.Offset.(string)
	return pid, offset, len(offset) <= maxOffset
}

// claimSession gives the socket, which nobody knows yet, the session that its client asks for, if it may have it. A
// connection that has it is closed: of two of them nobody can tell which one the client has left.
func (s *Socket) claimSession(auth Args) {
	srv := s.conn.srv
	pid, offset, readable := srv.askedSession(auth)
	if pid == "" {
		return
	}
	n, why := srv.lookup(s.name), RecoveryUnknown
	if n != nil {
		r := n.recovery.Load()
		if r == nil {
			return
		}
		if len(pid) <= maxPID {
			why = r.claim(n, s, pid, offset, readable)
		}
	}
	if why != "" {
		s.ensureUnconnected().refusal = refusalNumber(why)
	}
}

func (r *recovery) claim(n *Namespace, s *Socket, pid, offset string, readable bool) (why RecoveryRefusal) {
	r.mu.Lock()
	e := r.byPID[pid]
	if e == nil {
		why = r.ended.why[pid]
		r.mu.Unlock()
		if why == "" {
			why = RecoveryUnknown
		}
		return why
	}
	from, why := r.fromLocked(e, offset, readable)
	if r.srv.noReturn.Load() { // over a connection that was there before
		why = RecoveryEnded
	}
	if why != "" {
		r.mu.Unlock()
		return why
	}
	old, was := e.owner, connecting
	closed := false
	if old != nil {
		was, closed = old.markStopped(ReasonForcedClose, closeDrain)
		if e.live {
			e.until = r.srv.now() + r.opts.MaxDisconnectionDuration
		}
	}
	r.backLocked(e)
	s.id = e.id
	s.marks.Or(markRecovered)
	s.namespace.Store(n)
	e.owner, e.live, e.resumed = s, false, from
	e.member.Store(nil)
	e.sockets = append(e.sockets, s)
	r.idle[e] = struct{}{}
	r.kept.Store(int32(len(r.idle)))
	r.holdLocked()
	r.mu.Unlock()
	if closed {
		old.finishStop(was, ReasonForcedClose, closeDrain)
		old.inbox.Close(job{kind: jobClose})
	}
	if old != nil {
		old.conn.eng.CloseWith(engineio.ForcedClose, true, "the session goes on over another connection")
	}
	return ""
}

// fromLocked is where the replay begins for an offset: not before the session.
func (r *recovery) fromLocked(e *session, offset string, readable bool) (from uint64, why RecoveryRefusal) {
	from = e.start
	if !readable {
		return 0, RecoveryLogTooShort
	}
	if offset != "" {
		tag, number, ok := parseOffset(offset)
		if !ok || tag == r.tag && number > r.head.Load() {
			return 0, RecoveryLogTooShort
		}
		if tag == r.tag {
			from = max(from, number)
		}
	}
	switch {
	case from < e.resumed:
		return 0, RecoveryUsed
	case e.rooms.missed(e.id, &r.log.dropped, from):
		return 0, RecoveryLogTooShort
	}
	return from, ""
}

// unclaim is for a socket that is not registered after all.
func (s *Socket) unclaim() {
	if r := s.recovery(); r != nil {
		r.mu.Lock()
		r.lostLocked(s, ReasonForcedServerClose)
		r.mu.Unlock()
		r.freed(s)
	}
}

// releaseSession lets go of the session of a socket that is refused. If the client asks for it again, the connection is
// not closed as one that has it already.
func (s *Socket) releaseSession() {
	if r := s.recovery(); r != nil {
		r.mu.Lock()
		r.lostLocked(s, ReasonServerDisconnect)
		r.mu.Unlock()
	}
}

// beginRecovery is what comes before the middleware. It reports whether that is left out.
func (s *Socket) beginRecovery() (skip bool, err error) {
	r := s.recovery()
	if r == nil {
		return false, nil
	}
	if why := s.takeRefusal(); why != "" {
		s.recoveryRefused(why)
	}
	if !s.Recovered() {
		return false, nil
	}
	if !r.awaitTurn(s) {
		<-s.Context().Done() // it is about to be
		return true, s.Context().Err()
	}
	return r.opts.SkipMiddleware, nil
}

func (s *Socket) takeRefusal() RecoveryRefusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unconnected == nil {
		return ""
	}
	why := refusals[s.unconnected.refusal]
	s.unconnected.refusal = 0
	return why
}

// awaitTurn waits until the callbacks of the sockets that had the session before have returned, so that one id has one
// order of them. It reports false if the socket has lost the session, or its time is over.
func (r *recovery) awaitTurn(s *Socket) bool {
	timeout := time.NewTimer(r.srv.opts.ConnectTimeout)
	defer timeout.Stop()
	for {
		mine, turn := r.turnOf(s)
		if turn == nil {
			return mine
		}
		select {
		case <-turn:
		case <-s.Context().Done():
			return false
		case <-timeout.C:
			s.conn.closeOverLimit(RejectConnectTimeout, "connect timeout")
			return false
		}
	}
}

// turnOf reports whether it is the socket's turn, or returns what to wait for. At its turn it gets the data.
func (r *recovery) turnOf(s *Socket) (mine bool, turn <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.session(s.id)
	if e == nil || e.owner != s {
		return false, nil
	}
	if e.sockets[0] != s {
		if e.turn == nil {
			e.turn = make(chan struct{})
		}
		return false, e.turn
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.data == nil {
		s.data = e.data
	}
	return true, nil
}

// beginAdmission returns the rooms to join. A new session begins here, so that joins count from now on.
func (r *recovery) beginAdmission(s *Socket, rooms []string) ([]string, error) {
	if s.Recovered() {
		if e := r.session(s.id); e != nil {
			rooms, e.version = e.rooms.names()
		}
		return rooms, nil
	}
	pid, err := sid.New(rand.Reader)
	if err != nil {
		return nil, err
	}
	e := &session{pid: pid, id: s.id, owner: s, fresh: true, sockets: []*Socket{s}}
	e.member.Store(s)
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed && !s.is(disconnected) {
		r.byID.Store(s.id, e)
	}
	return rooms, nil
}

// queueConnect is that of a Socket where sessions are recovered: CONNECT, what was missed, and being connected are one
// step. joined are the rooms that the socket is in.
func (r *recovery) queueConnect(s *Socket, joined []string) (in bool, err error) {
	e := r.session(s.id)
	if e == nil {
		return false, nil
	}
	reply := sessionReply{s.id, e.pid, r.srv.placeholder}
	p := &parser.Packet{Type: parser.Connect, Namespace: s.name, Args: parser.NewArgs(reply)}
	n, err := r.srv.encodeNumbered(nil, p, 1)
	if err != nil {
		return false, err
	}
	for {
		switch r.goLive(s, e, &n) {
		case wentLive:
			if s.Recovered() {
				r.srv.stats.recovered.Add(1)
			}
			return true, nil
		case liveLater:
			if joined, err = r.follow(s, e, joined); err != nil {
				return false, &adapterFailure{err}
			}
		case tooLate: // for another try of the client, which will have a later offset or a new session
			s.conn.eng.CloseWith(engineio.ForcedClose, true, "the log has become too short")
			return false, nil
		default:
			return false, nil
		}
	}
}

// A sessionReply is the payload of CONNECT. Official clients do not look at the offset.
type sessionReply struct {
	SID    string `json:"sid"`
	PID    string `json:"pid"`
	Offset string `json:"offset"`
}

type liveResult byte

const (
	notLive   liveResult = iota
	wentLive             // CONNECT and what was missed are queued
	liveLater            // rooms have changed
	tooLate              // the log has lost something
)

func (r *recovery) goLive(s *Socket, e *session, n *numbered) liveResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.is(disconnected) || e.owner != s || r.closed:
		return notLive
	case e.fresh:
		e.start = r.head.Load()
		e.resumed = e.start
	case e.version != e.rooms.currentVersion():
		return liveLater
	case e.rooms.missed(e.id, &r.log.dropped, e.resumed):
		return tooLate
	}
	n.fill(r.tag, e.resumed)
	if s.conn.eng.Send(engineio.SendOptions{Defer: true}, n.messages...) != nil {
		return notLive
	}
	if !e.fresh && !r.replayLocked(s, e) {
		return notLive
	}
	s.conn.srv.stats.connects.Add(1) // before it can be disconnected
	s.state.Store(int32(connected))
	e.rooms.begin(e.resumed)
	e.fresh, e.live = false, true
	e.member.Store(s)
	r.byPID[e.pid] = e
	delete(r.idle, e)
	r.kept.Store(int32(len(r.idle)))
	return wentLive
}

// replayLocked queues what was missed.
func (r *recovery) replayLocked(s *Socket, e *session) bool {
	missed := r.log.after(e.resumed)
	for i := range missed {
		m := &missed[i]
		if !e.rooms.match(e.id, &m.to, m.number) {
			continue
		}
		if s.conn.eng.Send(engineio.SendOptions{Defer: true, NoCompress: m.to.Flags.NoCompress}, m.messages...) != nil {
			return false
		}
		s.conn.srv.stats.eventsOut.Add(1)
	}
	return true
}

// follow has the adapter do what has happened to the rooms of the session meanwhile.
func (r *recovery) follow(s *Socket, e *session, joined []string) (rooms []string, err error) {
	rooms, version := e.rooms.names()
	var gone []string
	for _, room := range joined {
		if !slices.Contains(rooms, room) {
			gone = append(gone, room)
		}
	}
	err = r.srv.guard.Call(func() error {
		if err := r.ns.adapter.Leave((*member)(s), gone...); err != nil {
			return err
		}
		return r.ns.adapter.Join((*member)(s), rooms...)
	})
	e.version = version // used by this goroutine, and with mu held
	return rooms, err
}
