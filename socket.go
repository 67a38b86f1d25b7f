package socketio

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/internal/scratch"
	"sio.example/socketio/parser"
)

// A Socket is one client in one namespace. Its methods are safe for concurrent use. EmitWithAck waits, and so may Join
// and Leave where an adapter connects several servers; no other does.
//
// Middleware, handlers and callbacks of one socket run one at a time, on a goroutine that belongs to the socket; those
// of different sockets run at the same time.
type Socket struct {
	id        string
	name      string // of the namespace
	conn      *conn
	auth      *Args                         // nil without any
	authSize  int32                         // bytes that it keeps
	next      *Socket                       // of the same conn; guarded by conn.mu
	issued    int64                         // nanoseconds since 1970
	namespace atomic.Pointer[Namespace]     // nil until a parent is found; not changed once connected
	ctx       atomic.Pointer[socketContext] // made when asked for
	state     atomic.Int32                  // a state; changed with mu held
	marks     atomic.Uint32                 // see below

	inbox        dispatch.Inbox[job]
	acks         dispatch.Acks[Args]
	listeners    dispatch.Table[Handler]
	onDisconnect dispatch.Table[func(DisconnectReason)]
	extra        atomic.Pointer[extraListeners]

	chain *middlewareChain // used by the runner only

	mu          sync.Mutex
	unconnected *unconnectedState // nil while it is connected
	data        *any              // a pointer, since most have none
	handshake   weak.Pointer[Handshake]
}

// The marks of a socket; once there, they stay.
const (
	markWasConnected = 1 << iota // it has been connected; used by the runner only
	markLeftRooms                // LeaveAll was called, or is about to be
)

func (s *Socket) has(mark uint32) bool { return s.marks.Load()&mark != 0 }

// An unconnectedState holds what counts only before a socket is connected, and after.
type unconnectedState struct {
	rooms      nameSet          // joined by middleware; entered when connected
	reason     DisconnectReason // set when state becomes disconnected, like drain
	drainUntil time.Time        // until when events that wait are handled; zero if they are not
}

// ensureUnconnected returns the unconnectedState to be changed. It needs mu.
func (s *Socket) ensureUnconnected() *unconnectedState {
	if s.unconnected == nil {
		s.unconnected = new(unconnectedState)
	}
	return s.unconnected
}

// reason is why the socket is disconnected, and drains until when events that wait are handled; zero if they are not.
func (s *Socket) reason() DisconnectReason { return s.unconnected.reason }
func (s *Socket) drainUntil() time.Time    { return s.unconnected.drainUntil }

// extraListeners is what most sockets do without.
type extraListeners struct {
	any           dispatch.TwoEnded[func(ctx context.Context, e *Event)]
	outgoing      dispatch.TwoEnded[func(name string, args Args)]
	disconnecting dispatch.Table[func(DisconnectReason)]
	middleware    dispatch.Table[Middleware]
}

// The states of a socket. They only ever grow.
type state int32

const (
	connecting state = iota // middleware runs; the client may send nothing
	admitting               // middleware has let it in; it joins its rooms, and CONNECT is about to be queued
	connected               // CONNECT is queued
	disconnected
)

func newSocket(c *conn, id, name string, auth Args, size int) *Socket {
	s := &Socket{id: id, name: name, conn: c, issued: time.Now().UnixNano()}
	if auth.Len() > 0 { // else it would keep the packet alive
		s.auth = new(Args)
		*s.auth, s.authSize = auth, int32(size) // at most MaxAuth
	}
	s.inbox.Init((*runner)(s), c.srv.opts.MaxInbox)
	return s
}

// ID is the public id of the socket. It differs from the id of the Engine.IO session, which is a credential.
func (s *Socket) ID() string { return s.id }

// Namespace is the namespace the socket belongs to. It is nil for the functions given to OfFunc, which decide whether
// there is one.
func (s *Socket) Namespace() *Namespace { return s.ns() }

func (s *Socket) ns() *Namespace { return s.namespace.Load() }

// Handshake describes how the socket connected. It is shared: do not change it. It is made when asked for, and goes
// when nobody holds it any more.
func (s *Socket) Handshake() *Handshake {
	kept := s.conn.keptRequest()
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.handshake.Value()
	if h == nil {
		var auth Args
		if s.auth != nil {
			auth = *s.auth
		}
		h = s.conn.newHandshake(time.Unix(0, s.issued), auth, kept)
		s.handshake = weak.Make(h)
	}
	return h
}

// Connected reports whether the socket is connected: after the middleware has let it in, and before it is disconnected.
func (s *Socket) Connected() bool { return s.is(connected) }

// Recovered reports whether the socket took up an earlier one's id, rooms and data. Connection state recovery is not
// there yet: it is always false.
func (s *Socket) Recovered() bool { return false }

// Data is what SetData stored last, or nil. The function [Data] gives it a type.
func (s *Socket) Data() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.data == nil {
		return nil
	}
	return *s.data
}

// SetData stores a value with the socket, in place of the one before. Other servers of the cluster see it with
// FetchSockets as JSON has it. The value is not copied, and is encoded at any time: what it refers to must not change
// once it is stored, unless its MarshalJSON takes the lock that guards it.
func (s *Socket) SetData(v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = &v
}

// Context is cancelled when the socket is disconnected; context.Cause is the DisconnectReason. It is also the context
// that middleware and handlers get. It has the values of Options.RequestContext.
func (s *Socket) Context() context.Context {
	if l := s.ctx.Load(); l != nil {
		return l.ctx
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.ctx.Load()
	if l == nil {
		l = new(socketContext)
		l.ctx, l.cancel = context.WithCancelCause((*contextRoot)(s))
		if s.is(disconnected) {
			l.cancel(s.reason()) // nobody can have derived from it yet
		}
		s.ctx.Store(l)
	}
	return l.ctx
}

// A socketContext is the context of a socket, which most that only receive do without.
type socketContext struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// Conn is the Engine.IO session, which the client's sockets in other namespaces share.
func (s *Socket) Conn() *engineio.Socket { return s.conn.eng }

// Rooms are the rooms the socket is in, in no particular order. One of them has its id as the name, unless it has left
// that one. During middleware they are those that were joined by then; once OnDisconnecting has returned there are
// none.
func (s *Socket) Rooms() []string {
	s.mu.Lock()
	if s.is(connecting) {
		defer s.mu.Unlock()
		if s.unconnected == nil {
			return nil
		}
		return slices.Clone(s.unconnected.rooms.list)
	}
	s.mu.Unlock()
	if s.ns() == nil || s.ns().adapter == nil {
		return nil
	}
	return s.ns().adapter.Rooms(s.id)
}

// Join puts the socket into rooms. Called during middleware it does so when the socket is connected. It returns
// ErrDisconnected once the socket is disconnected, or the adapter's error. With an adapter that connects several
// servers it may wait until what those send to the room arrives here.
//
// Ids of sockets are public, and names of rooms: a handler that joins whatever room its client names lets the client
// read what is sent to somebody else's id, or to any other room. Look at the name first, or put a prefix before it.
func (s *Socket) Join(rooms ...string) error {
	s.mu.Lock()
	if s.is(connecting) {
		p := s.ensureUnconnected()
		for _, room := range rooms {
			p.rooms.add(room)
		}
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	if s.is(disconnected) {
		return ErrDisconnected
	}
	err := s.ns().adapter.Join((*member)(s), rooms...)
	if s.has(markLeftRooms) { // the runner may have called LeaveAll before Join was through
		s.ns().adapter.LeaveAll((*member)(s))
		return ErrDisconnected
	}
	return err
}

// Leave takes the socket out of rooms. It returns ErrDisconnected, or the adapter's error.
func (s *Socket) Leave(rooms ...string) error {
	s.mu.Lock()
	if s.is(connecting) {
		if p := s.unconnected; p != nil {
			for _, room := range rooms {
				p.rooms.remove(room)
			}
		}
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	if s.is(disconnected) {
		return ErrDisconnected
	}
	return s.ns().adapter.Leave((*member)(s), rooms...)
}

// Disconnect takes the socket out of its namespace, and tells the client, which will not come back by itself. With
// close it does so in all namespaces of the client, and closes its connection. The second call does nothing, and nor
// does Disconnect(false) in middleware, which refuses the socket by its error.
func (s *Socket) Disconnect(close bool) {
	switch {
	case s.is(disconnected):
	case close:
		s.conn.disconnect()
	case !s.is(connecting): // middleware refuses by its error
		s.close(ReasonServerDisconnect, closeTell)
	}
}

func (s *Socket) is(st state) bool { return state(s.state.Load()) == st }

// How a socket is closed.
type closeMode byte

const (
	closeDrop  closeMode = iota // events that wait are dropped
	closeTell                   // likewise, and the client gets a DISCONNECT packet
	closeDrain                  // events that wait are handled, for a while
)

// drainTime is how long events that wait may be handled when it was the client that ended the connection, or broke it:
// it may well have sent them as its last act.
const drainTime = time.Second

// close begins to end the socket, once; the runner does the rest after what it is doing now. It takes no lock that user
// code or adapters hold, and never waits.
func (s *Socket) close(reason DisconnectReason, mode closeMode) {
	if _, ok := s.stop(reason, mode); !ok {
		return
	}
	defer s.inbox.Close(job{kind: jobClose}) // also if a parser of the user's calls runtime.Goexit
	if mode == closeTell {
		_ = s.conn.send(&parser.Packet{Type: parser.Disconnect, Namespace: s.name}, engineio.SendOptions{})
	}
}

// closeInline is close for a goroutine of the connection's, which does the rest itself if that needs no runner.
func (s *Socket) closeInline(reason DisconnectReason, mode closeMode) {
	was, ok := s.stop(reason, mode)
	if ok && !(was == connected && s.canCloseInline() && s.inbox.CloseInline(job{kind: jobCloseInline})) {
		s.inbox.Close(job{kind: jobClose})
	}
}

// stop is close without the runner. It reports whether it was the first, and what the socket was before.
func (s *Socket) stop(reason DisconnectReason, mode closeMode) (was state, ok bool) {
	s.mu.Lock()
	was = state(s.state.Load())
	if was == disconnected {
		s.mu.Unlock()
		return was, false
	}
	p := s.ensureUnconnected()
	p.reason = reason
	if mode == closeDrain {
		p.drainUntil = time.Now().Add(drainTime)
	}
	s.state.Store(int32(disconnected))
	s.mu.Unlock()

	if was == connected {
		s.conn.srv.stats.disconnect(reason)
	}
	s.conn.remove(s, was != connecting) // before the client knows, since it may connect again at once
	if mode != closeDrain {
		s.inbox.Drop(func(j job) bool { return j.kind == jobEvent })
	}
	// before ctx, so that a caller that waits for both sees ErrDisconnected
	s.acks.Close((*ackLender)(s.conn), ErrDisconnected)
	if l := s.ctx.Load(); l != nil {
		l.cancel(reason)
	}
	return was, true
}

// A job is what the runner does.
type job struct {
	kind  jobKind
	event *Event
	call  func()
}

type jobKind byte

const (
	jobConnect         jobKind = iota
	jobConnectInline           // jobConnect without user code
	jobNotifyConnected         // the callbacks that were added during jobConnect
	jobEvent
	jobCall
	jobCloseInline // jobClose without user code
	jobClose
)

func (j job) describe() string {
	switch j.kind {
	case jobConnect, jobConnectInline, jobNotifyConnected:
		return "connecting"
	case jobEvent:
		return "event " + dispatch.Plain(j.event.Name)
	case jobCall:
		return "acknowledgement"
	default:
		return "disconnecting"
	}
}

// runner is a Socket as its inbox sees it. All of its methods run on the inbox's goroutine; without user code to call,
// connectInline and free may run on another.
type runner Socket

// Account counts what waits in the inbox, and that of the others of the connection.
func (r *runner) Account() dispatch.Account { return (*inboxAccount)(r.conn) }

// Run does one job.
func (r *runner) Run(j job) {
	switch j.kind {
	case jobConnect:
		r.connect()
	case jobConnectInline:
		r.connectInline()
	case jobNotifyConnected:
		(*Socket)(r).notifyConnected()
	case jobEvent:
		r.handle(j.event)
	case jobCall:
		r.call(j.call)
	case jobCloseInline:
		r.free()
	case jobClose:
		r.notifyAndFree()
	}
}

// call calls user code.
func (r *runner) call(fn func()) {
	runAll((*Socket)(r), []func(){fn}, func(fn func()) { fn() })
}

// connect runs the middleware, and answers the client.
func (r *runner) connect() {
	s := (*Socket)(r)
	in := false
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
	if !s.conn.srv.encodesInline || !s.hasInlineAdapter() {
		return false
	}
	hooks := s.ns().hooks.load()
	return len(hooks.middleware) == 0 && len(hooks.onConnection) == 0
}

// canCloseInline reports the same of the end of a socket that was connected. A callback that somebody adds right now
// comes too late.
func (s *Socket) canCloseInline() bool {
	return s.hasInlineAdapter() && s.onDisconnect.Len() == 0 && s.extra.Load() == nil
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
	return nil
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
		s.tellRefused(refusal)
	default:
		srv.stats.reject(RejectMiddleware)
		defer s.tellRefused(&ConnectError{Message: InternalError}) // also if OnError calls runtime.Goexit
		srv.report(s.Context(), s, nil, err)
	}
}

// tellRefused sends CONNECT_ERROR, unless the connection has gone.
func (s *Socket) tellRefused(why *ConnectError) {
	if s.is(disconnected) {
		return
	}
	defer s.close(ReasonServerDisconnect, closeDrop) // also if the data calls runtime.Goexit when asked for its JSON
	s.conn.remove(s, false)                          // before the client knows, since it may connect again at once
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
	if err := srv.guard.Call(func() error { return s.ns().adapter.Join((*member)(s), rooms...) }); err != nil &&
		!srv.isClosed() {
		return false, &adapterFailure{err}
	}
	if !srv.moveToNamespace(s) {
		s.close(ReasonServerShuttingDown, closeDrop)
		return false, nil
	}
	if in, err = s.queueConnect(); !in {
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
	l := scratch.For(parser.Packet{Type: parser.Connect, Namespace: s.name, Args: w.args})
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

// notifyAndFree is the last job of each socket. What is deferred runs even if a callback calls runtime.Goexit.
func (r *runner) notifyAndFree() {
	s := (*Socket)(r)
	srv := s.conn.srv
	defer srv.freeSocket(s)
	defer s.conn.freeSocket(s)
	if !s.has(markWasConnected) {
		s.leaveRooms()
		if s.ns() != nil {
			s.ns().remove(s)
		}
		return
	}
	reason := s.reason() // not changed any more
	if srv.debugEnabled() {
		s.debug("socketio: disconnected", "reason", string(reason))
	}
	call := func(l dispatch.Listener[func(DisconnectReason)]) { l.Handler(reason) }
	defer s.ns().remove(s) // not before, so that Shutdown can name a callback that hangs
	defer func() { runAll(s, s.onDisconnect.Snapshot(), call) }()
	defer s.leaveRooms()
	if x := s.extra.Load(); x != nil {
		runAll(s, x.disconnecting.Snapshot(), call)
	}
}

// free is notifyAndFree without callbacks.
func (r *runner) free() {
	s := (*Socket)(r)
	srv := s.conn.srv
	s.leaveRooms()
	if s.has(markWasConnected) && srv.debugEnabled() {
		s.debug("socketio: disconnected", "reason", string(s.reason()))
	}
	s.ns().remove(s)
	s.conn.freeSocket(s)
	srv.freeSocket(s)
}

func (s *Socket) leaveRooms() {
	if s.ns() == nil || s.ns().adapter == nil {
		return
	}
	s.marks.Or(markLeftRooms)
	err := s.conn.srv.guard.Call(func() error {
		s.ns().adapter.LeaveAll((*member)(s))
		return nil
	})
	if err != nil {
		s.conn.srv.report(s.Context(), s, nil, err)
	}
}

// runAll runs all of fns, whatever each of them does, and reports it.
func runAll[F any](s *Socket, fns []F, call func(F)) {
	srv := s.conn.srv
	dispatch.RunAll(&srv.guard, fns, call, func(err error) { srv.report(s.Context(), s, nil, err) })
}

// contextRoot is the parent of a socket's context: it is never done, and knows the socket.
type contextRoot Socket

type contextKey struct{}

func (r *contextRoot) Deadline() (time.Time, bool) { return time.Time{}, false }
func (r *contextRoot) Done() <-chan struct{}       { return nil }
func (r *contextRoot) Err() error                  { return nil }
func (r *contextRoot) Value(key any) any {
	if key == (contextKey{}) {
		return (*Socket)(r)
	}
	return r.conn.requestValue(key)
}

// SocketFromContext returns the socket whose middleware or handler got ctx, or a context derived from it.
func SocketFromContext(ctx context.Context) (*Socket, bool) {
	s, ok := ctx.Value(contextKey{}).(*Socket)
	return s, ok
}
