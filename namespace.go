package socketio

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"

	"sio.example/socketio/adapter"
	"sio.example/socketio/event"
	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/index"
	"sio.example/socketio/parser"
)

// SocketHandler handles one event of any socket of a namespace, as a [Handler] does of one: one at a time for each
// socket, at the same time for different ones.
type SocketHandler func(ctx context.Context, s *Socket, e *Event) error

// A Namespace is where clients connect to: it has middleware, handlers and rooms of its own. As an operator without a
// filter it reaches all of its sockets. Its methods are safe for concurrent use. What is registered counts for sockets
// that connect, and events that arrive, from then on.
type Namespace struct {
	BroadcastOperator

	srv    *server
	name   string
	parent *ParentNamespace // nil without one
	stays  bool             // made by Of; guarded by server.mu
	hooks  hooks
	remote dispatch.Table[Handler] // OnServerSide

	rooms  roomObserver
	ackIDs atomic.Uint32 // of broadcasts

	told          chan struct{} // closed when OnNamespace has told of it; nil if nobody was to be told
	ready         chan struct{} // closed when the three below are set
	adapter       adapter.Adapter
	adapterErr    error
	inlineAdapter bool
	recovery      atomic.Pointer[recovery] // nil without; set before ready is closed
	refs          int                      // sockets that use it, connecting ones too; guarded by server.mu
	closing       sync.Once                // of the adapter

	mu      sync.RWMutex
	sockets index.Index[*Socket] // by id: from shortly before CONNECT until OnDisconnect was called
}

// newNamespace returns a namespace that open must be called for.
func newNamespace(s *server, name string, p *ParentNamespace) *Namespace {
	n := &Namespace{srv: s, name: name, parent: p, ready: make(chan struct{}), sockets: index.New((*Socket).ID)}
	n.BroadcastOperator.ns = n
	n.rooms.ns = n
	if p != nil {
		n.hooks.set.Store(p.hooks.load())
	}
	return n
}

// open makes the adapter, or waits until somebody else has made it. Factories are user code, so no lock is held.
func (n *Namespace) open(mine bool) {
	if !mine {
		<-n.ready
		return
	}
	n.make()
	if n.srv.isClosed() { // close may have come too early
		_ = n.close()
	}
	if err := n.adapterErr; err != nil { // not before the namespace is ready: OnError may ask for it
		n.srv.reportAdapter("open", err)
	}
}

var errNoAdapter = errors.New("the factory returned nil")

// make has the factory make the adapter.
func (n *Namespace) make() {
	defer close(n.ready)
	var made adapter.Adapter
	inline := false
	ctx, cancel := context.WithTimeout(n.srv.opened, n.srv.opts.ConnectTimeout)
	defer cancel()
	err := n.srv.guard.Contain(func() (err error) {
		if made, err = n.srv.opts.Adapter(ctx, (*local)(n)); err == nil && made != nil {
			inline = adapter.Inline(made)
		}
		return err
	})
	if err == nil && made == nil {
		err = errNoAdapter
	}
	if err != nil {
		n.adapterErr = errtext.Wrap("socketio: adapter of "+dispatch.Plain(n.name), err)
		return
	}
	n.adapter, n.adapterErr, n.inlineAdapter = made, nil, inline
	n.startRecovery()
	n.rooms.start()
}

// Ready returns nil once events that other servers of the cluster emit arrive here: at once with the adapter in
// memory. A program that is to miss none of them waits before it lets clients in. ctx bounds how long.
func (n *Namespace) Ready(ctx context.Context) error {
	if n.adapterErr != nil {
		return n.adapterErr
	}
	if err := n.adapter.Ready(ctx); err != nil {
		return n.adapterError("socketio: adapter of "+dispatch.Plain(n.name)+": ready", err)
	}
	return nil
}

// adapterError is errtext.Wrap for an error of the adapter's: that of one which was closed with the server matches
// ErrServerClosed.
func (n *Namespace) adapterError(where string, err error) error {
	if errors.Is(err, adapter.ErrClosed) && n.srv.isClosed() {
		err = errtext.As(ErrServerClosed, err)
	}
	return errtext.Wrap(where, err)
}

// close closes the adapter. One that is still being made is closed by open, so that a factory which takes long does
// not hold up Shutdown.
func (n *Namespace) close() (err error) {
	select {
	case <-n.ready:
	default:
		return nil
	}
	n.closing.Do(func() {
		if r := n.recovery.Load(); r != nil {
			r.close()
		}
		if n.adapter != nil {
			err = n.srv.guard.Contain(n.adapter.Close)
		}
	})
	return err
}

// Name is the name, with its leading slash.
func (n *Namespace) Name() string { return n.name }

// Use adds middleware. It decides, in the order it was added and one function after another, whether a socket may
// connect: an error refuses it. A *ConnectError is sent as it is; any other error is logged and the client gets
// InternalError. ctx is the socket's context. What middleware emits to the socket arrives before the client learns
// that it is connected.
func (n *Namespace) Use(mw func(ctx context.Context, s *Socket) error) { n.hooks.use(mw) }

// UseEvents adds event middleware around the handlers of all events of all sockets, outside of that of Socket.Use.
// The first one is the outermost. SocketFromContext tells the socket.
func (n *Namespace) UseEvents(mw ...Middleware) { n.hooks.useEvents(mw) }

// OnConnection adds a function that is called for each socket once it is connected, before its first event is handled.
// The returned function removes it: it may be called more than once, by any goroutine, and by fn itself. Sockets that
// are connecting at that moment may still be given to fn.
func (n *Namespace) OnConnection(fn func(s *Socket)) (off func()) {
	id := n.hooks.onConnection(fn)
	return func() { n.hooks.removeConnection(id) }
}

// Handle adds a handler for an event of all sockets. It runs after the socket's own listeners of that name. Its error
// is treated as that of a Handler, see Socket.On. The returned function removes it, as that of OnConnection does. For
// events with types there is the function Handle.
func (n *Namespace) Handle(name string, h SocketHandler) (off func()) {
	id := n.hooks.handle(name, h)
	return func() { n.hooks.removeHandler(name, id) }
}

// Sockets iterates over the sockets that are connected to this process, in no particular order.
func (n *Namespace) Sockets() iter.Seq[*Socket] {
	return func(yield func(*Socket) bool) {
		for _, s := range n.snapshot() {
			if (s.Connected() || s.awaitConnected()) && !yield(s) { // as in Socket
				return
			}
		}
	}
}

// Socket returns the socket with this id, if it is connected to this process.
func (n *Namespace) Socket(id string) (*Socket, bool) {
	n.mu.RLock()
	s := n.sockets.Get(id)
	n.mu.RUnlock()
	if s == nil {
		return nil, false
	}
	if !s.Connected() && !s.awaitConnected() { // the client may have CONNECT already: see queueConnect
		return nil, false
	}
	return s, true
}

// ServerSideEmit sends an event to the other servers of the cluster, where OnServerSide receives it. With the adapter
// in memory there are none, and it returns nil.
func (n *Namespace) ServerSideEmit(name string, args ...any) error {
	_, err := n.serverSideEmit(context.Background(), name, args, false)
	return err
}

// ServerSideEmitWithAck asks the other servers of the cluster. It returns one answer a server; when ctx is done
// first, or nobody listens to the event on one of them, those that have come and an error.
func (n *Namespace) ServerSideEmitWithAck(ctx context.Context, name string, args ...any) ([]Args, error) {
	return n.serverSideEmit(ctx, name, args, true)
}

func (n *Namespace) serverSideEmit(ctx context.Context, name string, args []any, ack bool) (all []Args, err error) {
	switch name {
	case "connect", "connection", "new_namespace": // names of the official server's own events
		return nil, errtext.Errorf("socketio: server-side emit: %w: %q", errReserved, name)
	}
	if n.adapterErr != nil {
		return nil, n.adapterErr
	}
	for a, err := range n.adapter.ServerSideEmit(ctx, name, parser.NewArgs(args...), ack) {
		if err != nil {
			return all, n.adapterError("socketio: server-side emit", err)
		}
		if ack {
			all = append(all, a)
		}
	}
	return all, nil
}

// OnServerSide adds a listener for an event that another server of the cluster sent. The returned function removes
// it.
func (n *Namespace) OnServerSide(name string, h Handler) (off func()) {
	return n.remote.Add(name, h, false)
}

func (n *Namespace) add(s *Socket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sockets.Put(s)
}

func (n *Namespace) remove(s *Socket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sockets.Get(s.id) == s {
		n.sockets.Remove(s.id)
	}
}

func (n *Namespace) snapshot() []*Socket {
	n.mu.RLock()
	defer n.mu.RUnlock()
	all := make([]*Socket, 0, n.sockets.Len())
	for s := range n.sockets.All() {
		all = append(all, s)
	}
	return all
}

// Handlers is what handlers for all sockets are added to: a Server, a Namespace or a ParentNamespace.
type Handlers interface {
	Handle(name string, h SocketHandler) (off func())
}

// Handle adds a typed handler for all sockets of a Server, a Namespace or a ParentNamespace. Arguments that do not fit
// T are an error of the handler, and fn is not called. The returned function removes it.
func Handle[T any](
	to Handlers, name event.Of[T], fn func(ctx context.Context, s *Socket, v T) error,
) (off func()) {
	return name.On(typedHandlers{to}, func(ctx context.Context, v T) error {
		s, _ := SocketFromContext(ctx)
		return fn(ctx, s, v)
	})
}

// HandleWithAck adds a typed, acknowledging handler for all sockets of a Server, a Namespace or a ParentNamespace. What
// fn returns is the acknowledgement; see event.WithAck.On for errors. The returned function removes it.
func HandleWithAck[Req, Res any](
	to Handlers, name event.WithAck[Req, Res], fn func(ctx context.Context, s *Socket, req Req) (Res, error),
) (off func()) {
	return name.On(typedHandlers{to}, func(ctx context.Context, req Req) (Res, error) {
		s, _ := SocketFromContext(ctx)
		return fn(ctx, s, req)
	})
}

// typedHandlers makes Handlers the listener that contracts expect.
type typedHandlers struct{ to Handlers }

// On adds a handler that finds its socket in the context, also if event middleware has put another one in place.
func (t typedHandlers) On(name string, h Handler) (off func()) {
	return t.to.Handle(name, func(ctx context.Context, s *Socket, e *Event) error {
		if got, _ := SocketFromContext(ctx); got != s {
			ctx = context.WithValue(ctx, contextKey{}, s)
		}
		return h(ctx, e)
	})
}
