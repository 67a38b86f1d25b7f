package socketio

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"sio.example/socketio/adapter"
	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/parser"
)

// A Socket is one client in one namespace. Its methods are safe for concurrent use, and none but EmitWithAck waits.
//
// Gates, handlers and callbacks of one socket run one at a time, on a goroutine that belongs to the socket; those of
// different sockets run at the same time.
type Socket struct {
	id       string
	name     string // of the namespace
	conn     *conn
	auth     *Args                     // nil without any
	authSize int32                     // bytes that it keeps
	next     *Socket                   // of the same conn; guarded by conn.mu
	issued   int64                     // nanoseconds since 1970
	space    atomic.Pointer[Namespace] // nil until a parent is found; not changed once connected
	ctx      atomic.Pointer[lifetime]  // made when asked for
	state    atomic.Int32              // a state; changed with mu held
	marks    atomic.Uint32             // see below

	inbox     dispatch.Inbox[job]
	acks      dispatch.Acks[Args]
	listeners dispatch.Table[Handler]
	gone      dispatch.Table[func(DisconnectReason)]
	more      atomic.Pointer[extras]

	chain *chain // used by the runner only

	mu        sync.Mutex
	passage   *passage // nil while it is connected
	data      *any     // a pointer, since most have none
	handshake weak.Pointer[Handshake]
}

// The marks of a socket; once there, they stay.
const (
	markAdmitted = 1 << iota // it has been connected; used by the runner only
	markLeft                 // LeaveAll was called, or is about to be
)

func (s *Socket) has(mark uint32) bool { return s.marks.Load()&mark != 0 }

// A passage is what counts before a socket is connected, and after.
type passage struct {
	rooms  nameSet          // joined by gates; entered when connected
	reason DisconnectReason // set when state becomes disconnected, like drain
	drain  time.Time        // until when events that wait are handled; zero if they are not
}

// passing is the passage to be changed. It needs mu.
func (s *Socket) passing() *passage {
	if s.passage == nil {
		s.passage = new(passage)
	}
	return s.passage
}

// reason is why the socket is disconnected, and drains until when events that wait are handled; zero if they are not.
func (s *Socket) reason() DisconnectReason { return s.passage.reason }
func (s *Socket) drains() time.Time        { return s.passage.drain }

// extras is what most sockets do without.
type extras struct {
	any           dispatch.Table[func(ctx context.Context, e *Event)]
	outgoing      dispatch.Table[func(name string, args Args)]
	disconnecting dispatch.Table[func(DisconnectReason)]
	middleware    dispatch.Table[Middleware]
}

// The states of a socket. They only ever grow.
type state int32

const (
	connecting state = iota // gates run; the client may send nothing
	answering               // gates have let it in; it joins its rooms, and CONNECT is about to be queued
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

// Namespace is the namespace the socket belongs to. It is nil for the functions given to OfFunc, which decide whether there
// is one.
func (s *Socket) Namespace() *Namespace { return s.ns() }

func (s *Socket) ns() *Namespace { return s.space.Load() }

// Handshake describes how the socket connected. It is shared: do not change it. It is made when asked for, and goes
// when nobody holds it any more.
func (s *Socket) Handshake() *Handshake {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.handshake.Value()
	if h == nil {
		var auth Args
		if s.auth != nil {
			auth = *s.auth
		}
		h = s.conn.opening.handshake(s.conn.address(), time.Unix(0, s.issued), auth)
		s.handshake = weak.Make(h)
	}
	return h
}

// Connected reports whether the socket is connected: after its gates have let it in, and before it is disconnected.
func (s *Socket) Connected() bool { return s.is(connected) }

// Recovered reports whether the socket took up an earlier one's id, rooms and data. Connection state recovery is not
// there yet: it is always false.
func (s *Socket) Recovered() bool { return false }

// Data is what SetData stored last, or nil.
func (s *Socket) Data() any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.data == nil {
		return nil
	}
	return *s.data
}

// SetData stores any value with the socket. Others see it with FetchSockets.
func (s *Socket) SetData(v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = &v
}

// Context is cancelled when the socket is disconnected; context.Cause is the DisconnectReason. It is also the context
// that gates and handlers get.
func (s *Socket) Context() context.Context {
	if l := s.ctx.Load(); l != nil {
		return l.ctx
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.ctx.Load()
	if l == nil {
		l = new(lifetime)
		l.ctx, l.cancel = context.WithCancelCause((*root)(s))
		if s.is(disconnected) {
			l.cancel(s.reason()) // nobody can have derived from it yet
		}
		s.ctx.Store(l)
	}
	return l.ctx
}

// A lifetime is the context of a socket, which most that only receive do without.
type lifetime struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// Conn is the Engine.IO session, which the client's sockets in other namespaces share.
func (s *Socket) Conn() *engineio.Socket { return s.conn.eng }

// Rooms are the rooms the socket is in, in no particular order; one of them has its id as the name.
func (s *Socket) Rooms() []string {
	s.mu.Lock()
	if s.is(connecting) {
		defer s.mu.Unlock()
		if s.passage == nil {
			return nil
		}
		return slices.Clone(s.passage.rooms.list)
	}
	s.mu.Unlock()
	if s.ns() == nil || s.ns().adapter == nil {
		return nil
	}
	return s.ns().adapter.Rooms(s.id)
}

// Join puts the socket into rooms. A gate may call it; the rooms count from when the socket is connected. It returns
// ErrDisconnected after that, or the adapter's error.
func (s *Socket) Join(rooms ...string) error {
	s.mu.Lock()
	if s.is(connecting) {
		p := s.passing()
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
	if s.has(markLeft) { // the runner may have called LeaveAll before Join was through
		s.ns().adapter.LeaveAll((*member)(s))
		return ErrDisconnected
	}
	return err
}

// Leave takes the socket out of rooms. It returns ErrDisconnected, or the adapter's error.
func (s *Socket) Leave(rooms ...string) error {
	s.mu.Lock()
	if s.is(connecting) {
		if p := s.passage; p != nil {
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
// close it does so in all namespaces of the client, and closes its connection. The second call does nothing.
func (s *Socket) Disconnect(close bool) {
	switch {
	case s.is(disconnected):
	case close:
		s.conn.disconnect()
	case !s.is(connecting): // a gate refuses by its error
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

// drainTime is how long events that wait may be handled when it was the client that ended the connection, or broke it: it
// may well have sent them as its last act.
const drainTime = time.Second

// close begins to end the socket, once; the runner does the rest after what it is doing now. It takes no lock that user
// code or adapters hold, and never waits.
func (s *Socket) close(reason DisconnectReason, mode closeMode) {
	if _, ok := s.shut(reason, mode); !ok {
		return
	}
	defer s.inbox.Close(job{kind: jobEnd}) // also if a parser of the user's calls runtime.Goexit
	if mode == closeTell {
		_ = s.conn.send(&parser.Packet{Type: parser.Disconnect, Namespace: s.name}, engineio.SendOptions{})
	}
}

// closeHere is close for a goroutine of the connection's, which does the rest itself if that needs no runner.
func (s *Socket) closeHere(reason DisconnectReason, mode closeMode) {
	was, ok := s.shut(reason, mode)
	if ok && !(was == connected && s.leavesAlone() && s.inbox.CloseHere(job{kind: jobLeave})) {
		s.inbox.Close(job{kind: jobEnd})
	}
}

// shut is close without the runner. It reports whether it was the first, and what the socket was before.
func (s *Socket) shut(reason DisconnectReason, mode closeMode) (was state, ok bool) {
	s.mu.Lock()
	was = state(s.state.Load())
	if was == disconnected {
		s.mu.Unlock()
		return was, false
	}
	p := s.passing()
	p.reason = reason
	if mode == closeDrain {
		p.drain = time.Now().Add(drainTime)
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
	s.acks.Close((*owed)(s.conn), ErrDisconnected) // before ctx, so that who waits for both sees ErrDisconnected
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
	jobConnect jobKind = iota
	jobEnter           // jobConnect without user code
	jobGreet           // the callbacks that were added during jobEnter
	jobEvent
	jobCall
	jobLeave // jobEnd without user code
	jobEnd
)

func (j job) describe() string {
	switch j.kind {
	case jobConnect, jobEnter, jobGreet:
		return "connecting"
	case jobEvent:
		return "event " + dispatch.Plain(j.event.Name)
	case jobCall:
		return "acknowledgement"
	default:
		return "disconnecting"
	}
}

// runner is a Socket as its inbox sees it. All of its methods run on the inbox's goroutine; without user code to call, enter
// and leave may run on another.
type runner Socket

// Account counts what waits in the inbox, and that of the others of the connection.
func (r *runner) Account() dispatch.Account { return (*held)(r.conn) }

// Run does one job.
func (r *runner) Run(j job) {
	switch j.kind {
	case jobConnect:
		r.connect()
	case jobEnter:
		r.enterAlone()
	case jobGreet:
		(*Socket)(r).greet()
	case jobEvent:
		r.handle(j.event)
	case jobCall:
		r.call(j.call)
	case jobLeave:
		r.leave()
	case jobEnd:
		r.end()
	}
}

// call calls user code.
func (r *runner) call(fn func()) {
	runAll((*Socket)(r), []func(){fn}, func(fn func()) { fn() })
}

// connect asks the gates, and answers the client.
func (r *runner) connect() {
	s := (*Socket)(r)
	in := false
	s.conn.srv.guard.Run(func() (err error) {
		if err = s.ask(); err == nil {
			in, err = s.enter()
		}
		return err
	}, s.refuse)
	if in {
		s.greet()
	}
}

// entersAlone reports whether connecting calls no user code, so that no runner is needed: a parser of the user's would
// be some, and so is what the user does about its errors. It is for the reader, and a socket that nobody knows yet.
func (s *Socket) entersAlone() bool {
	if !s.conn.srv.plain || !s.inMemory() {
		return false
	}
	hooks := s.ns().hooks.load()
	return len(hooks.gates) == 0 && len(hooks.connection) == 0
}

// leavesAlone reports the same of the end of a socket that was connected. A callback that somebody adds right now comes too late.
func (s *Socket) leavesAlone() bool {
	return s.inMemory() && s.gone.Len() == 0 && s.more.Load() == nil
}

// inMemory reports whether the socket's namespace is known and has the default adapter.
func (s *Socket) inMemory() bool {
	if s.ns() == nil {
		return false
	}
	select {
	case <-s.ns().ready:
		_, ok := s.ns().adapter.(*adapter.Memory)
		return ok
	default:
		return false
	}
}

// ask asks the parents for the namespace, and the gates.
func (s *Socket) ask() error {
	if err := s.find(); err != nil {
		return err
	}
	for _, gate := range s.ns().hooks.load().gates {
		if s.is(disconnected) {
			break
		}
		if err := gate(s.Context(), s); err != nil {
			return err
		}
	}
	return nil
}

var errUnknown = &ConnectError{Message: "Invalid namespace"}

// find sets the namespace, if it was not known at once.
func (s *Socket) find() error {
	srv := s.conn.srv
	if s.ns() == nil {
		var auth Args
		if s.auth != nil {
			auth = *s.auth
		}
		p := srv.find(s, auth)
		if p == nil {
			return errUnknown
		}
		s.space.Store(srv.acquire(s.name, p))
	}
	<-s.ns().ready
	return s.ns().adapterErr
}

// enterAlone is connect without user code.
func (r *runner) enterAlone() {
	s := (*Socket)(r)
	in, err := s.enter()
	if err != nil {
		s.refuse(err)
	}
	if in && len(s.ns().hooks.load().connection) > 0 { // who added them may not have seen the socket yet
		s.inbox.First(job{kind: jobGreet})
	}
}

// refuse tells the client that it may not connect, whatever OnError does.
func (s *Socket) refuse(err error) {
	srv := s.conn.srv
	var refusal *ConnectError
	switch {
	case s.is(disconnected) && errors.Is(err, s.Context().Err()):
		// The client has gone, and the gate gave up.
	case err == errUnknown:
		srv.stats.reject(RejectNamespace)
		s.turnAway(errUnknown)
	case errors.As(err, &refusal) && refusal != nil:
		srv.stats.reject(RejectGate)
		s.turnAway(refusal)
	default:
		srv.stats.reject(RejectGate)
		defer s.turnAway(&ConnectError{Message: InternalError}) // also if OnError calls runtime.Goexit
		srv.report(s.Context(), s, nil, err)
	}
}

// turnAway sends CONNECT_ERROR, unless the connection has gone.
func (s *Socket) turnAway(why *ConnectError) {
	if s.is(disconnected) {
		return
	}
	defer s.close(ReasonServerDisconnect, closeDrop) // also if the data calls runtime.Goexit when asked for its JSON
	s.conn.remove(s, false)                          // before the client knows, since it may connect again at once
	s.conn.refuse(s.name, why)
}

// enter makes the socket a connected one, in an order such that a broadcast is neither sent before CONNECT nor missed
// once the client has it: the socket is in its rooms before CONNECT is queued, and gets what is sent there from then on.
// An error is to be told to the client.
func (s *Socket) enter() (in bool, err error) {
	srv := s.conn.srv
	rooms, ok := s.answer()
	if !ok {
		return false, nil
	}
	if err := srv.guard.Call(func() error { return s.ns().adapter.Join((*member)(s), rooms...) }); err != nil && !srv.isClosed() {
		return false, err
	}
	if !srv.connected(s) {
		s.close(ReasonServerShuttingDown, closeDrop)
		return false, nil
	}
	if in, err = s.welcome(); !in {
		return false, err
	}
	s.marks.Or(markAdmitted)
	s.conn.settle()
	s.conn.eng.Flush()
	if srv.debugs() {
		s.debug("socketio: connected", "address", s.conn.address())
	}
	return true, nil
}

// answer ends the time of the gates, and returns the rooms to be in.
func (s *Socket) answer() (rooms []string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.is(disconnected) {
		return nil, false
	}
	s.state.Store(int32(answering))
	rooms = []string{s.id}
	if s.passage != nil {
		rooms = append(rooms, s.passage.rooms.list...)
		s.passage = nil
	}
	return rooms, true
}

// welcome queues CONNECT. It reports false if the socket or the connection has gone. What queues DISCONNECT comes before
// all of it, or after. An error is one of a parser of the user's.
func (s *Socket) welcome() (in bool, err error) {
	l := newLetter()
	defer l.free()
	w := welcomes.Get().(*welcome)
	w.reply["sid"] = s.id
	l.packet = parser.Packet{Type: parser.Connect, Namespace: s.name, Args: w.args}
	if err := s.conn.srv.write(l); err != nil {
		return false, err
	}
	welcomes.Put(w)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.is(disconnected) || s.conn.queue(l, engineio.SendOptions{Defer: true}) != nil {
		return false, nil
	}
	s.conn.srv.stats.connects.Add(1) // before it can be disconnected
	s.state.Store(int32(connected))
	return true, nil
}

// A welcome is the payload of an answer to CONNECT: a map because those are encoded without reflection.
type welcome struct {
	reply map[string]string
	args  Args // reply
}

var welcomes = sync.Pool{New: func() any {
	reply := make(map[string]string, 1)
	return &welcome{reply: reply, args: parser.NewArgs(reply)}
}}

// greet calls the connection callbacks.
func (s *Socket) greet() {
	runAll(s, s.ns().hooks.load().connection, func(fn func(*Socket)) { fn(s) })
}

// end is the last job of each socket. What is deferred runs even if a callback calls runtime.Goexit.
func (r *runner) end() {
	s := (*Socket)(r)
	srv := s.conn.srv
	defer srv.release(s)
	defer s.conn.finished(s)
	if !s.has(markAdmitted) {
		s.leaveAll()
		if s.ns() != nil {
			s.ns().remove(s)
		}
		return
	}
	reason := s.reason() // not changed any more
	if srv.debugs() {
		s.debug("socketio: disconnected", "reason", string(reason))
	}
	call := func(l dispatch.Listener[func(DisconnectReason)]) { l.Handler(reason) }
	defer s.ns().remove(s) // not before, so that Shutdown can name a callback that hangs
	defer func() { runAll(s, s.gone.Snapshot(), call) }()
	defer s.leaveAll()
	if x := s.more.Load(); x != nil {
		runAll(s, x.disconnecting.Snapshot(), call)
	}
}

// leave is end without callbacks.
func (r *runner) leave() {
	s := (*Socket)(r)
	srv := s.conn.srv
	s.leaveAll()
	if s.has(markAdmitted) && srv.debugs() {
		s.debug("socketio: disconnected", "reason", string(s.reason()))
	}
	s.ns().remove(s)
	s.conn.finished(s)
	srv.release(s)
}

func (s *Socket) leaveAll() {
	if s.ns() == nil || s.ns().adapter == nil {
		return
	}
	s.marks.Or(markLeft)
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

// root is the parent of a socket's context: it is never done, and knows the socket.
type root Socket

type contextKey struct{}

func (r *root) Deadline() (time.Time, bool) { return time.Time{}, false }
func (r *root) Done() <-chan struct{}       { return nil }
func (r *root) Err() error                  { return nil }
func (r *root) Value(key any) any {
	if key == (contextKey{}) {
		return (*Socket)(r)
	}
	return nil
}

// SocketFromContext returns the socket whose gate, middleware or handler got ctx, or a context derived from it.
func SocketFromContext(ctx context.Context) (*Socket, bool) {
	s, ok := ctx.Value(contextKey{}).(*Socket)
	return s, ok
}
