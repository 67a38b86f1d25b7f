package client

import (
	"context"
	"slices"

	"sio.example/socketio/event"
	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/parser"
)

// Event is one received event. It may be kept.
type Event = event.Event

// Handler handles one event.
type Handler = event.Handler

// Middleware wraps a handler.
type Middleware = event.Middleware

// Args are arguments, decoded when asked for.
type Args = parser.Args

// extraListeners is what most sockets do without.
type extraListeners struct {
	any          dispatch.TwoEnded[func(ctx context.Context, e *Event)]
	outgoing     dispatch.TwoEnded[func(name string, args Args)]
	middleware   dispatch.Table[Middleware]
	connect      dispatch.Table[func()]
	connectError dispatch.Table[func(error)]
	disconnect   dispatch.Table[func(DisconnectReason)]
}

// On adds a listener for the event called name; several are called in the order they were added. The returned function
// removes it. ctx is that of the connection the event came over, but for events that had come before it was lost and
// are handled later: see the package comment.
//
// An error is logged and given to OnError. If the server wants an acknowledgement and has not got one when the last
// listener returned, it gets {"error": message}, with the message of an *event.Error, event.InvalidText if arguments
// did not fit, or event.InternalText for any other error; see event.Event.AckError. A listener that wants to
// acknowledge later must return nil.
func (s *Socket) On(name string, h Handler) (off func()) { return s.listeners.Add(name, h, false) }

// Once adds a listener that is called for the first event only.
func (s *Socket) Once(name string, h Handler) (off func()) { return s.listeners.Add(name, h, true) }

// OnAny adds a listener for all events. It is called before the middleware, thus also for events that this stops.
func (s *Socket) OnAny(h func(ctx context.Context, e *Event)) (off func()) {
	return s.ensureExtra().any.Add(h)
}

// PrependAny is OnAny, but the listener is called before those there are.
func (s *Socket) PrependAny(h func(ctx context.Context, e *Event)) (off func()) {
	return s.ensureExtra().any.Prepend(h)
}

// OnAnyOutgoing adds a listener for all events that are sent, each time they are. It is called on the sender's
// goroutine, at the same time by several, and must return quickly; for events that had to wait, on that of the
// handlers. It may send: those events are not announced to listeners for outgoing events.
func (s *Socket) OnAnyOutgoing(h func(name string, args Args)) (off func()) {
	return s.ensureExtra().outgoing.Add(h)
}

// PrependAnyOutgoing is OnAnyOutgoing, but the listener is called before those there are.
func (s *Socket) PrependAnyOutgoing(h func(name string, args Args)) (off func()) {
	return s.ensureExtra().outgoing.Prepend(h)
}

// Use adds middleware around the listeners of all events. It counts from the next event on.
func (s *Socket) Use(mw ...Middleware) {
	x := s.ensureExtra()
	for _, m := range mw {
		x.middleware.Add("", m, false)
	}
}

// OnConnect adds a function that is called each time the socket has connected from now on, before the first event of
// that connection.
func (s *Socket) OnConnect(fn func()) (off func()) { return s.ensureExtra().connect.Add("", fn, false) }

// OnConnectError adds a function that is called when connecting failed: with the server's *ConnectError, after which
// the socket is not active any more, or with an error of the connection or of AuthFunc.
func (s *Socket) OnConnectError(fn func(err error)) (off func()) {
	return s.ensureExtra().connectError.Add("", fn, false)
}

// OnDisconnect adds a function that is called once for each time the socket was connected, after its last event.
func (s *Socket) OnDisconnect(fn func(reason DisconnectReason)) (off func()) {
	return s.ensureExtra().disconnect.Add("", fn, false)
}

func (s *Socket) ensureExtra() *extraListeners {
	if x := s.extra.Load(); x != nil {
		return x
	}
	s.extra.CompareAndSwap(nil, new(extraListeners))
	return s.extra.Load()
}

// A job is what the runner does: it handles an event of an epoch, or makes a call.
type job struct {
	epoch *epoch
	event *Event
	call  func()
}

// runner is a Socket as its inbox sees it. All of its methods run on the inbox's goroutine.
type runner Socket

// Run does one job.
func (r *runner) Run(j job) {
	if j.event != nil {
		(*Socket)(r).handle(j.epoch, j.event)
		return
	}
	j.call()
}

// Account counts what waits in the inbox, and in those of the others of the Manager.
func (r *runner) Account() dispatch.Account { return &r.m.inbox }

// call calls user code.
func (s *Socket) call(fn func()) {
	runAll(s.m, s, []dispatch.Listener[func()]{{Handler: fn}}, func(fn func()) { fn() })
}

// receive puts an event into the inbox, and waits while that is full. size is that of the packet on the wire; track
// says whether the event may have an offset. It is called by the reader, with no lock held.
func (s *Socket) receive(st *epoch, p *parser.Packet, size int, track bool) {
	var reply func(args []any) error
	if p.HasID {
		id := p.ID
		reply = func(args []any) error { return st.acknowledge(id, args) }
	}
	j := job{epoch: st, event: event.New(p.Name, p.Args, reply)}
	size += dispatch.EventCost
	if !s.inbox.Offer(j, size) && !s.awaitInbox(st, j, size) {
		return
	}
	if track {
		s.storeOffset(st, p.Args)
	}
}

// awaitInbox waits for room in the inbox, at most until the session ends. A reader that does not read is not told that
// the server has gone: the session finds out by the pongs that it sends meanwhile.
func (s *Socket) awaitInbox(st *epoch, j job, size int) bool {
	s.m.mu.Lock()
	c := st.conn
	s.m.mu.Unlock()
	if c == nil {
		return false
	}
	ctx := c.eng.Context()
	if s.inbox.Push(ctx.Done(), j, size) {
		return true
	}
	c.inputStopped = ctx.Err() != nil
	return false
}

// handle gives an event to all that want it.
func (s *Socket) handle(st *epoch, e *Event) {
	ctx := st.ctx
	if st.dropped.Load() {
		return
	}
	if over := st.ended.Load(); over != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(context.WithoutCancel(ctx), over.until, over.reason)
		defer cancel()
	}
	s.m.guard.Run(func() error {
		s.observe(ctx, e)
		if c := s.wrapped(); c != nil {
			return c.handler(ctx, e)
		}
		return s.deliver(ctx, e)
	}, func(err error) { s.reportFailed(ctx, e, err) })
}

// observe calls those who see all events.
func (s *Socket) observe(ctx context.Context, e *Event) {
	if x := s.extra.Load(); x != nil && x.any.Len() > 0 {
		m := s.m
		dispatch.RunAll(&m.guard, x.any.Snapshot(),
			func(l dispatch.Listener[func(context.Context, *Event)]) { l.Handler(ctx, e) },
			func(err error) { m.report(ctx, s, e, err) })
	}
}

// A middlewareChain is the middleware of a socket put together, as long as nothing is added to it.
type middlewareChain struct {
	length  int // none is ever removed
	handler Handler
}

// wrapped is deliver with the middleware around it, or nil without any. It is called by the runner.
func (s *Socket) wrapped() *middlewareChain {
	x := s.extra.Load()
	if x == nil {
		return nil
	}
	all := x.middleware.Snapshot()
	if len(all) == 0 {
		return nil
	}
	if c := s.chain; c != nil && c.length == len(all) {
		return c
	}
	h := s.deliver
	for _, l := range slices.Backward(all) {
		h = l.Handler(h)
	}
	s.chain = &middlewareChain{len(all), h}
	return s.chain
}

// deliver calls the listeners, whatever errors they return.
func (s *Socket) deliver(ctx context.Context, e *Event) error {
	var errs dispatch.Errors
	listeners := s.listeners.Snapshot()
	for i := range listeners {
		l := &listeners[i]
		if l.Name != e.Name || !s.listeners.Take(l) {
			continue
		}
		errs.Add(s.m.guard.Call(func() error { return l.Handler(ctx, e) }))
	}
	return errs.Err()
}

// reportFailed gives the server the answer it waits for, and reports what handlers returned.
func (s *Socket) reportFailed(ctx context.Context, e *Event, err error) {
	if e.WantsAck() && !e.Acked() {
		_ = e.AckError(err) // nobody waits any more if it fails
	}
	dispatch.Each(err, func(err error) { s.m.report(ctx, s, e, err) })
}
