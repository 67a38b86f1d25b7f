package socketio

import (
	"context"
	"slices"

	"sio.example/socketio/event"
	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/parser"
)

// Event is one received event; see [event.Event]. It may be kept.
type Event = event.Event

// Handler handles one event; see [event.Handler].
type Handler = event.Handler

// Middleware wraps a handler; see [event.Middleware].
type Middleware = event.Middleware

// Args are arguments, decoded when asked for; see [parser.Args].
type Args = parser.Args

// On adds a listener for the event called name; several are called in the order they were added. The returned function
// removes it. ctx is the socket's context, but for the last events of a client that has gone: see the package comment.
//
// An error is logged and given to OnError. If the client wants an acknowledgement and has not got one when the last
// listener returned, it gets {"error": message}, with the message of an *event.Error, event.InvalidText if arguments
// did not fit, or InternalError for any other error; see event.Event.AckError. A listener that wants to acknowledge
// later must return nil. A listener that another one of the same event removes may still be called for that event.
func (s *Socket) On(name string, h Handler) (off func()) {
	return s.listeners.Add(name, h, false)
}

// Once adds a listener that is called for the next event of that name only. The returned function removes it before.
func (s *Socket) Once(name string, h Handler) (off func()) {
	return s.listeners.Add(name, h, true)
}

// OnAny adds a listener for all events. It is called before the event middleware, thus also for events that this stops.
func (s *Socket) OnAny(h func(ctx context.Context, e *Event)) (off func()) {
	return s.ensureExtra().any.Add(h)
}

// PrependAny is OnAny, but the listener is called before those there are.
func (s *Socket) PrependAny(h func(ctx context.Context, e *Event)) (off func()) {
	return s.ensureExtra().any.Prepend(h)
}

// OnAnyOutgoing adds a listener for all events that are sent to the client, by Emit and by broadcasts. The sender waits
// for it: it is called at the same time by several, and must return quickly. It may send: those events, to whomever
// they go, are not announced to listeners for outgoing events.
func (s *Socket) OnAnyOutgoing(h func(name string, args Args)) (off func()) {
	return s.ensureExtra().outgoing.Add(h)
}

// PrependAnyOutgoing is OnAnyOutgoing, but the listener is called before those there are.
func (s *Socket) PrependAnyOutgoing(h func(name string, args Args)) (off func()) {
	return s.ensureExtra().outgoing.Prepend(h)
}

// Use adds event middleware around the listeners and handlers of all events, inside of that of Namespace.UseEvents. It
// counts from the next event on.
func (s *Socket) Use(mw ...Middleware) {
	x := s.ensureExtra()
	for _, m := range mw {
		x.middleware.Add("", m, false)
	}
}

// OnDisconnecting adds a function that is called when the socket has been disconnected, and is still in its rooms. The
// returned function removes it.
func (s *Socket) OnDisconnecting(fn func(DisconnectReason)) (off func()) {
	return s.ensureExtra().disconnecting.Add("", fn, false)
}

// OnDisconnect adds a function that is called when the socket has been disconnected and has left its rooms. It is
// called exactly once for a socket that was connected, after the handler in progress has returned, and never for one
// that was refused, nor if it is added when the others have been called. The returned function removes it.
func (s *Socket) OnDisconnect(fn func(DisconnectReason)) (off func()) {
	return s.onDisconnect.Add("", fn, false)
}

func (s *Socket) ensureExtra() *extraListeners {
	if x := s.extra.Load(); x != nil {
		return x
	}
	s.extra.CompareAndSwap(nil, new(extraListeners))
	return s.extra.Load()
}

// receive puts an event into the inbox, and waits while that is full. size is that of the packet on the wire.
func (s *Socket) receive(p *parser.Packet, size int) {
	var reply func(args []any) error
	if p.HasID {
		id := p.ID
		reply = func(args []any) error { return s.sendAck(id, args) }
	}
	e := event.New(p.Name, p.Args, reply)
	j := job{kind: jobEvent, event: e}
	size += dispatch.EventCost
	if s.inbox.Offer(j, size) || s.inbox.Push(s.conn.eng.Context().Done(), j, size) {
		s.conn.srv.stats.eventsIn.Add(1)
	}
}

// handle gives an event to all that want it.
func (r *runner) handle(e *Event) {
	s := (*Socket)(r)
	ctx, cancel := s.Context(), context.CancelFunc(nil)
	if s.is(disconnected) {
		if s.drainUntil().IsZero() {
			return
		}
		ctx, cancel = context.WithDeadline(context.WithoutCancel(s.Context()), s.drainUntil())
		defer cancel()
		if ctx.Err() != nil {
			return
		}
	}
	srv := s.conn.srv
	srv.guard.Run(func() error {
		s.observe(ctx, e)
		if c := r.wrapped(); c != nil {
			return c.handler(ctx, e)
		}
		return s.deliver(ctx, e)
	}, func(err error) { s.failed(e, err) })
}

// observe calls those who see all events.
func (s *Socket) observe(ctx context.Context, e *Event) {
	if x := s.extra.Load(); x != nil && x.any.Len() > 0 {
		srv := s.conn.srv
		dispatch.RunAll(&srv.guard, x.any.Snapshot(),
			func(l dispatch.Listener[func(context.Context, *Event)]) { l.Handler(ctx, e) },
			func(err error) { srv.report(s.Context(), s, e, err) })
	}
}

// A middlewareChain is the event middleware of a socket put together, as long as nothing is added to it.
type middlewareChain struct {
	hooks   *hookSet
	own     int // listeners of Socket.Use; none is ever removed
	handler Handler
}

// wrapped is deliver with the event middleware around it, or nil without any.
func (r *runner) wrapped() *middlewareChain {
	s := (*Socket)(r)
	hooks := s.ns().hooks.load()
	var own []dispatch.Listener[Middleware]
	if x := s.extra.Load(); x != nil {
		own = x.middleware.Snapshot()
	}
	if len(own) == 0 && len(hooks.eventMiddleware) == 0 {
		return nil
	}
	if c := s.chain; c != nil && c.hooks == hooks && c.own == len(own) {
		return c
	}
	h := s.deliver
	for _, l := range slices.Backward(own) {
		h = l.Handler(h)
	}
	for _, mw := range slices.Backward(hooks.eventMiddleware) {
		h = mw(h)
	}
	s.chain = &middlewareChain{hooks, len(own), h}
	return s.chain
}

// deliver calls the socket's listeners, then the namespace's handlers, whatever errors they return.
func (s *Socket) deliver(ctx context.Context, e *Event) error {
	srv := s.conn.srv
	var errs dispatch.Errors
	heard := false
	if s.is(disconnected) && s.drainUntil().IsZero() { // by middleware
		return nil
	}
	listeners := s.listeners.Snapshot()
	for i := range listeners {
		l := &listeners[i]
		if l.Name == e.Name && s.listeners.Take(l) {
			heard = true
			errs.Add(srv.guard.Call(func() error { return l.Handler(ctx, e) }))
		}
	}
	for _, h := range s.ns().hooks.load().handlers[e.Name] {
		heard = true
		errs.Add(srv.guard.Call(func() error { return h.fn(ctx, s, e) }))
	}
	if !heard && srv.debugEnabled() {
		s.debug("socketio: event without a listener", "event", dispatch.Plain(e.Name))
	}
	return errs.Err()
}

// failed gives the client the answer it waits for, and reports what handlers returned.
func (s *Socket) failed(e *Event, err error) {
	if e.WantsAck() && !e.Acked() {
		_ = e.AckError(err) // nobody waits any more if it fails
	}
	dispatch.Each(err, func(err error) { s.conn.srv.report(s.Context(), s, e, err) })
}
