package socketio

import (
	"errors"

	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/scratch"
	"sio.example/socketio/parser"
)

// How a socket is let in: middleware, rooms, and CONNECT.

// connect runs the middleware, and answers the client.
func (r *runner) connect() {
	s := (*Socket)(r)
	in := false
	s.conn.awaitLeaving(s)
	s.conn.srv.guard.Run(func() (err error) {
		if err = s.runMiddleware(); err == nil {
			in, err = s.admit()
		}
		return err
	}, s.refuse)
	if in {
		s.notifyConnected()
	}
}

// canConnectInline reports whether connecting calls no user code, so that no runner is needed: a parser of the user's
// would be some, and so is what the user does about its errors. It is for the reader, and a socket that nobody knows
// yet.
func (s *Socket) canConnectInline() bool {
	if !s.conn.srv.encodesInline || s.conn.srv.opts.Recovery != nil || !s.hasInlineAdapter() ||
		!s.ns().isTold() {
		return false
	}
	hooks := s.ns().hooks.load()
	return len(hooks.middleware) == 0 && len(hooks.onConnection) == 0
}

// canCloseInline reports the same of the end of a socket that was connected. A callback that somebody adds right now
// comes too late.
func (s *Socket) canCloseInline() bool {
	return s.conn.srv.opts.Recovery == nil && s.hasInlineAdapter() && s.onDisconnect.Len() == 0 && s.extra.Load() == nil
}

// hasInlineAdapter reports whether the socket's namespace is known and has an adapter that never waits.
func (s *Socket) hasInlineAdapter() bool {
	if s.ns() == nil {
		return false
	}
	select {
	case <-s.ns().ready:
		return s.ns().inlineAdapter
	default:
		return false
	}
}

// runMiddleware asks the parents for the namespace, then runs its middleware.
func (s *Socket) runMiddleware() error {
	if err := s.resolveNamespace(); err != nil {
		return err
	}
	if skip, err := s.beginRecovery(); skip || err != nil {
		return err
	}
	for _, mw := range s.ns().hooks.load().middleware {
		if s.is(disconnected) {
			break
		}
		if err := mw(s.Context(), s); err != nil {
			return err
		}
	}
	return nil
}

var errUnknownNamespace = &ConnectError{Message: "Invalid namespace"}

// resolveNamespace sets the namespace, if it was not known at once.
func (s *Socket) resolveNamespace() error {
	srv := s.conn.srv
	if s.ns() == nil {
		var auth Args
		if s.auth != nil {
			auth = *s.auth
		}
		p := srv.matchParent(s, auth)
		if p == nil {
			return errUnknownNamespace
		}
		s.namespace.Store(srv.acquire(s.name, p))
	}
	<-s.ns().ready
	if err := s.ns().adapterErr; err != nil {
		return &adapterFailure{err}
	}
	return s.awaitTold()
}

// awaitTold waits until OnNamespace has told of the namespace, by which that may get the middleware that decides about
// the socket.
func (s *Socket) awaitTold() error {
	if s.ns().isTold() {
		return nil
	}
	select {
	case <-s.ns().told:
		return nil
	case <-s.Context().Done():
		return s.Context().Err()
	}
}

// isTold reports whether awaitTold need not wait.
func (n *Namespace) isTold() bool {
	if n.told == nil {
		return true
	}
	select {
	case <-n.told:
		return true
	default:
		return false
	}
}

// connectInline is connect without user code.
func (r *runner) connectInline() {
	s := (*Socket)(r)
	in, err := s.admit()
	if err != nil {
		s.refuse(err)
	}
	if in && len(s.ns().hooks.load().onConnection) > 0 { // their adder may not have seen the socket yet
		s.inbox.Prepend(job{kind: jobNotifyConnected})
	}
}

// refuse tells the client that it may not connect, whatever OnError does.
func (s *Socket) refuse(err error) {
	srv := s.conn.srv
	var refusal *ConnectError
	switch {
	case s.is(disconnected) && errors.Is(err, s.Context().Err()):
		// The client has gone, and the middleware gave up.
	case err == errUnknownNamespace:
		srv.stats.reject(RejectNamespace)
		s.tellRefused(errUnknownNamespace)
	case errors.As(err, &refusal) && refusal != nil:
		srv.stats.reject(RejectMiddleware)
		defer s.tellRefused(refusal) // also if OnRefused calls runtime.Goexit
		if s.Recovered() {
			s.recoveryRefused(RecoveryMiddleware)
		}
	default:
		srv.stats.reject(RejectMiddleware)
		defer s.tellRefused(&ConnectError{Message: InternalError}) // also if OnError calls runtime.Goexit
		srv.report(s.Context(), s, nil, err)
		if s.Recovered() {
			s.recoveryRefused(RecoveryMiddleware)
		}
	}
}

// tellRefused sends CONNECT_ERROR, unless the connection has gone.
func (s *Socket) tellRefused(why *ConnectError) {
	if s.is(disconnected) {
		return
	}
	defer s.close(ReasonServerDisconnect, closeDrop) // also if the data calls runtime.Goexit when asked for its JSON
	s.releaseSession()
	s.conn.remove(s, false) // both before the client knows, since it may connect again at once
	s.conn.tellRefused(s.name, why)
}

// admit makes the socket a connected one, in an order such that a broadcast is neither sent before CONNECT nor missed
// once the client has it: the socket is in its rooms before CONNECT is queued, and gets what is sent there from then
// on. An error is to be told to the client.
func (s *Socket) admit() (in bool, err error) {
	srv := s.conn.srv
	rooms, ok := s.beginAdmission()
	if !ok {
		return false, nil
	}
	r := s.recovery()
	if r != nil {
		if rooms, err = r.beginAdmission(s, rooms); err != nil {
			return false, err
		}
	}
	if err := srv.guard.Call(func() error { return s.ns().adapter.Join((*member)(s), rooms...) }); err != nil &&
		!srv.isClosed() {
		return false, &adapterFailure{err}
	}
	if !srv.moveToNamespace(s) {
		s.close(ReasonServerShuttingDown, closeDrop)
		return false, nil
	}
	if r != nil {
		in, err = r.queueConnect(s, rooms)
	} else {
		in, err = s.queueConnect()
	}
	if !in {
		return false, err
	}
	s.marks.Or(markWasConnected)
	s.conn.markJoined()
	s.conn.eng.Flush()
	if srv.debugEnabled() {
		s.debug("socketio: connected", "address", s.conn.address())
	}
	return true, nil
}

// beginAdmission ends the time of the middleware, and returns the rooms to join.
func (s *Socket) beginAdmission() (rooms []string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.is(disconnected) {
		return nil, false
	}
	s.state.Store(int32(admitting))
	rooms = []string{s.id}
	if s.unconnected != nil {
		rooms = append(rooms, s.unconnected.rooms.list...)
		s.unconnected = nil
	}
	return rooms, true
}

// queueConnect queues CONNECT. It reports false if the socket or the connection has gone. What queues DISCONNECT comes
// before all of it, or after. An error is one of a parser of the user's.
func (s *Socket) queueConnect() (in bool, err error) {
	w := connectReplies.Get()
	w.set(s.id)
	l := scratch.For(parser.Packet{Type: parser.Connect, Namespace: s.name, Args: s.conn.answer(w.args)})
	defer l.Free()
	if err := s.conn.srv.encode(l); err != nil {
		return false, err
	}
	w.clear()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.is(disconnected) || s.conn.queue(l, engineio.SendOptions{Defer: true}) != nil {
		return false, nil
	}
	s.conn.srv.stats.connects.Add(1) // before it can be disconnected
	s.state.Store(int32(connected))
	return true, nil
}

// A connectReply is the payload of an answer to CONNECT: a map because those are encoded without reflection.
type connectReply struct {
	reply map[string]string
	args  Args // reply
}

var connectReplies scratch.Pool[connectReply]

func (w *connectReply) set(id string) {
	if w.reply == nil {
		w.reply = make(map[string]string, 1)
		w.args = parser.NewArgs(w.reply)
	}
	w.reply["sid"] = id
}

// clear gives w back for another socket, with nothing of this one in it.
func (w *connectReply) clear() {
	clear(w.reply)
	connectReplies.Put(w)
}

// notifyConnected calls the connection callbacks.
func (s *Socket) notifyConnected() {
	runAll(s, s.ns().hooks.load().onConnection, func(h hook[func(*Socket)]) { h.fn(s) })
}
