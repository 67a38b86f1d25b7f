package socketio

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/dispatch"
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
	markRecovered                // it has the session of an earlier one; set before anybody knows it
)

func (s *Socket) has(mark uint32) bool { return s.marks.Load()&mark != 0 }

// An unconnectedState holds what counts only before a socket is connected, and after.
type unconnectedState struct {
	rooms      nameSet          // joined by middleware; entered when connected
	reason     DisconnectReason // set when state becomes disconnected, like drain
	drainUntil time.Time        // until when events that wait are handled; zero if they are not
	refusal    uint8            // of refusals: why it has not the session that its client asks for
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

// ID is the public id of the socket. It differs from the id of the Engine.IO session, which is a credential; but not
// for clients of Socket.IO 2: see engineio.Options.AllowEIO3.
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

// Disconnect takes the socket out of its namespace, and tells the client, which will not come back by itself. With
// close it does so in all namespaces of the client, and closes its connection. The second call does nothing, and nor
// does Disconnect(false) in middleware, which refuses the socket by its error.
func (s *Socket) Disconnect(close bool) {
	switch {
	case s.is(disconnected):
		if r := s.recovery(); r != nil {
			r.disconnect(s, close)
		}
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
	if r := s.recovery(); r != nil {
		was, ok = r.stop(s, reason, mode)
	} else {
		was, ok = s.markStopped(reason, mode)
	}
	if ok {
		s.finishStop(was, reason, mode)
	}
	return was, ok
}

// markStopped is the step of stop that only the first call makes.
func (s *Socket) markStopped(reason DisconnectReason, mode closeMode) (was state, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was = state(s.state.Load())
	if was == disconnected {
		return was, false
	}
	p := s.ensureUnconnected()
	p.reason = reason
	if mode == closeDrain {
		p.drainUntil = time.Now().Add(drainTime)
	}
	s.state.Store(int32(disconnected))
	return was, true
}

// finishStop is the rest of stop.
func (s *Socket) finishStop(was state, reason DisconnectReason, mode closeMode) {
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

// notifyAndFree is the last job of each socket. What is deferred runs even if a callback calls runtime.Goexit.
func (r *runner) notifyAndFree() {
	s := (*Socket)(r)
	srv := s.conn.srv
	defer srv.freeSocket(s)
	defer s.conn.freeSocket(s)
	if r := s.recovery(); r != nil {
		defer r.freed(s)
	}
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
