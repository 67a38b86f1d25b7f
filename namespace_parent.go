package socketio

import (
	"context"
	"errors"
	"iter"
	"regexp"
)

// A ParentNamespace stands for the namespaces that a function or a regular expression lets in. Each of them gets the
// middleware, handlers and callbacks that the parent has when it is made. Its methods are safe for concurrent use.
type ParentNamespace struct {
	srv   *server
	match func(ctx context.Context, name string, auth Args) bool
	names *regexp.Regexp // of OfRegexp, or nil
	hooks hooks
}

// Use adds middleware; see Namespace.Use.
func (p *ParentNamespace) Use(mw func(ctx context.Context, s *Socket) error) { p.hooks.use(mw) }

// UseEvents adds event middleware; see Namespace.UseEvents.
func (p *ParentNamespace) UseEvents(mw ...Middleware) { p.hooks.useEvents(mw) }

// OnConnection adds a function that is called for each socket once it is connected; see Namespace.OnConnection. The
// returned function removes it, also from the children that have it.
func (p *ParentNamespace) OnConnection(fn func(s *Socket)) (off func()) {
	id := p.hooks.onConnection(fn)
	return func() { p.eachHooks(func(h *hooks) { h.removeConnection(id) }) }
}

// OnRooms has h called for what happens to rooms of the children that are made from now on; see Namespace.OnRooms. The
// returned function removes it, also from the children that have it.
func (p *ParentNamespace) OnRooms(h *RoomHooks) (off func()) {
	added := p.hooks.onRooms(*h, 0) // all that happens in a child that has it
	return func() { p.eachHooks(func(h *hooks) { h.removeRooms(added) }) }
}

// Handle adds a handler; see Namespace.Handle. The returned function removes it, also from the children that have it.
func (p *ParentNamespace) Handle(name string, h SocketHandler) (off func()) {
	id := p.hooks.handle(name, h)
	return func() { p.eachHooks(func(h *hooks) { h.removeHandler(name, id) }) }
}

// eachHooks calls fn for the hooks of the parent and then for those of its children: a child that is made meanwhile is
// among them, or gets what is left of the parent's.
func (p *ParentNamespace) eachHooks(fn func(h *hooks)) {
	fn(&p.hooks)
	for _, n := range p.srv.all() {
		if n.parent == p {
			fn(&n.hooks)
		}
	}
}

// Emit emits to all sockets of all children that there are.
func (p *ParentNamespace) Emit(name string, args ...any) error {
	var errs []error
	for n := range p.Children() {
		errs = append(errs, n.Emit(name, args...))
	}
	return errors.Join(errs...)
}

// Child returns the namespace called name, if it is one of the parent's and there now. A leading slash is added.
func (p *ParentNamespace) Child(name string) (*Namespace, bool) {
	p.srv.mu.Lock()
	n := p.srv.namespaces[slashed(name)]
	p.srv.mu.Unlock()
	if n == nil || n.parent != p {
		return nil, false
	}
	<-n.ready
	return n, true
}

// Children iterates over the namespaces that were made and are still there, in no particular order.
func (p *ParentNamespace) Children() iter.Seq[*Namespace] {
	return func(yield func(*Namespace) bool) {
		for _, n := range p.srv.all() {
			if n.parent != p {
				continue
			}
			<-n.ready
			if !yield(n) {
				return
			}
		}
	}
}

// matchParent returns the first parent that lets name in.
func (s *server) matchParent(sock *Socket, auth Args) *ParentNamespace {
	s.mu.Lock()
	parents := s.parents
	s.mu.Unlock()
	for _, p := range parents {
		ok := false
		err := s.guard.Call(func() error {
			ok = p.match(sock.Context(), sock.name, auth)
			return nil
		})
		if err != nil {
			s.report(sock.Context(), sock, nil, err)
		}
		if ok {
			return p
		}
	}
	return nil
}
