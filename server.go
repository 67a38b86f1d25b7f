package socketio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/journal"
	"sio.example/socketio/parser"
)

// mainNamespace is embedded under a name that is not exported, so that its methods are promoted and the field is not.
type mainNamespace = Namespace

// A Server is an http.Handler and its main namespace "/": what can be done with a [Namespace] can be done with a
// Server. Its methods are safe for concurrent use.
//
// Most programs need few of them: [Server.OnConnection] and [Server.Handle] for what clients send, [Server.Use] to
// decide who may connect, [Server.Emit] and [Server.To] to send, [Server.Of] for other namespaces, and
// [Server.Shutdown] in the end.
type Server struct{ *mainNamespace }

// NewServer returns a server for http.Handle("/socket.io/", s): with the slash at the end, and without a method in the
// pattern. nil means all defaults. What [Options.Validate] reports is logged at error level, and left out.
//
// The caller serves it, under its path or under all, and calls Shutdown in the end: http.Server.Shutdown does not wait
// for WebSocket connections.
func NewServer(opts *Options) *Server {
	o := opts.withDefaults()
	s := &server{
		start:        time.Now(),
		opts:         o,
		allowance:    allowanceUnits(o.MaxInboxBytes),
		log:          o.Logger,
		namespaces:   make(map[string]*Namespace),
		connecting:   make(map[*Socket]struct{}),
		idle:         make(chan struct{}),
		partialToken: make(chan struct{}, 1),
	}
	s.opened, s.endOpened = context.WithCancel(context.Background())
	s.initPendingConns()
	s.guard = dispatch.Guard{DisableRecover: o.DisableRecover, Panics: &s.stats.panics}
	s.appender, _ = o.Parser.(parser.Appender)
	if p, ok := o.Parser.(parser.InlineEncoder); ok {
		s.encodesInline = p.EncodesInline()
	}
	s.longNames = o.Engine.AllowEIO3 && opts.Parser == nil
	if err := s.initRecovery(); err != nil {
		s.log.Error("socketio: recovery is off", "error", err)
	}
	o.Engine.AllowRequest = s.limitHeaders(o.Engine.AllowRequest)
	if opts != nil {
		if err := errors.Join(opts.check(), opts.checkPath()); err != nil {
			s.log.Error("socketio: options left out", "error", err)
		}
	}
	s.engine = engineio.NewServer(s.accept, &o.Engine)
	s.maxRecoveryHeld = s.engine.Stats().Memory.Limit / recoveryShare
	return &Server{s.of("/")}
}

// ServeHTTP serves Engine.IO requests, and the browser client's files below the path.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	srv := s.srv
	if !srv.opts.DisableClient && srv.serveFile(w, r) {
		return
	}
	srv.engine.ServeHTTP(w, r)
}

// Of returns the namespace called name, and makes it if needed, without waiting for the other servers of a cluster: for
// that there is Namespace.Ready. A leading slash is added. A namespace made by Of lets every client in that its
// middleware lets in, and stays. It is a child of the first parent of OfRegexp whose expression matches the name, if
// there is one; the functions given to OfFunc are not asked, and the middleware of their parents do not count. So do
// not use Of to reach what clients make by connecting: ParentNamespace.Child does not make anything.
func (s *Server) Of(name string) *Namespace { return s.srv.of(name) }

// OfFunc lets clients connect to each namespace for which match returns true; it is made when the first one does, and
// goes when the last one has left, unless Options.KeepEmptyChildren is set. Functions are asked in the order they were
// given, on the goroutine of the socket that wants to connect; ctx is done when its connection is gone. auth holds what
// the client sent along: none or one value.
func (s *Server) OfFunc(match func(ctx context.Context, name string, auth Args) bool) *ParentNamespace {
	return s.srv.addParent(s.srv.newParent(match))
}

// OfRegexp is OfFunc for the names that a regular expression matches; to match all of a name it begins with ^ and ends
// with $. Of makes children of such a parent, too.
func (s *Server) OfRegexp(names *regexp.Regexp) *ParentNamespace {
	p := s.srv.newParent(func(_ context.Context, name string, _ Args) bool { return names.MatchString(name) })
	p.names = names
	return s.srv.addParent(p)
}

// OnNamespace adds a function that is called for each namespace that is made from now on, by Of or as a child because a
// client connects. It may add middleware and handlers: clients wait until it returns. It is called by the goroutine
// for which the namespace is made, so several may be told of at the same time. The returned function removes it: it may
// be called more than once, and by fn itself.
func (s *Server) OnNamespace(fn func(n *Namespace)) (off func()) { return s.srv.onNamespace(fn) }

// Engine is the Engine.IO server below.
func (s *Server) Engine() *engineio.Server { return s.srv.engine }

// Shutdown refuses new connections and disconnects all sockets at once, with ReasonServerShuttingDown: events that wait
// are dropped, the contexts of handlers in progress are cancelled, and what they or OnDisconnecting emit to their
// sockets is refused with ErrDisconnected, acknowledgements too. Connections are closed once what was emitted before is
// sent. Shutdown waits for that, and for the handlers and callbacks in progress, then closes the adapters. Clients are
// not told to stay away: they will try to connect again. A server that is to let handlers finish, and clients
// leave a few at a time, calls Drain first.
//
// When ctx is done first, Shutdown closes what is left at once, and returns an error that matches ctx.Err() and its
// cause, and names the handlers that have not returned. A handler must not wait for Shutdown, which waits for the
// handler.
func (s *Server) Shutdown(ctx context.Context) error { return s.srv.shutdown(ctx) }

// Close is Shutdown without waiting: neither for what is queued nor for handlers. It may be called by a handler.
func (s *Server) Close() error { return s.srv.close() }

// server is what the namespaces of a Server share.
type server struct {
	opts            Options
	engine          *engineio.Server
	allowance       int32 // units that a connection may hold without asking, see conn_memory.go
	log             *slog.Logger
	guard           dispatch.Guard
	appender        parser.Appender // the Parser, if it is one
	encodesInline   bool            // see parser.InlineEncoder
	longNames       bool            // the parser takes longer ones than the server, see maxNamespace
	oldConns        atomic.Int64    // connections of clients of Socket.IO 2
	noReturn        atomic.Bool     // no client can come back: see endRecovery
	placeholder     string          // where an offset goes, with recovery
	recoveryHeld    atomic.Int64    // bytes that it keeps, at most
	maxRecoveryHeld int64
	stats           counters
	causes          journal.Limiter // of what is logged
	files           clientFiles
	flush           flusher
	start           time.Time
	roomTellers     roomTellers
	opened          context.Context // until closeSockets
	endOpened       context.CancelFunc

	pendingConns pendingConns
	partialToken chan struct{} // holds one element if a connection has the token; see chargePartial

	mu          sync.Mutex
	namespaces  map[string]*Namespace
	parents     []*ParentNamespace
	observers   []hook[func(n *Namespace)] // of OnNamespace
	connecting  map[*Socket]struct{}       // connecting: in no namespace yet
	liveSockets int                        // sockets whose runner has not done its last job
	closed      bool
	idle        chan struct{} // closed when closed and no socket lives
}

// accept is called by the engine for each new session.
func (s *server) accept(e *engineio.Socket, r *http.Request) engineio.Handler {
	c := newConn(s, e, r)
	c.countOld(1)
	c.connectOld()
	return c
}

func slashed(name string) string {
	if strings.HasPrefix(name, "/") {
		return name
	}
	return "/" + name
}

func (s *server) of(name string) *Namespace {
	name = slashed(name)
	p := s.parentOf(name)
	s.mu.Lock()
	n, made := s.namespaceLocked(name, p)
	n.stays = n.stays || made
	s.mu.Unlock()
	n.open(made)
	if made && name != "/" {
		s.announce(n)
	}
	return n
}

// parentOf returns the first parent with a regular expression that matches name.
func (s *server) parentOf(name string) *ParentNamespace {
	s.mu.Lock()
	parents := s.parents
	s.mu.Unlock()
	for _, p := range parents {
		if p.names != nil && p.names.MatchString(name) {
			return p
		}
	}
	return nil
}

// onNamespace adds a function to be called by announce.
func (s *server) onNamespace(fn func(n *Namespace)) (off func()) {
	id := hookIDs.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observers = append(slices.Clip(s.observers), hook[func(n *Namespace)]{id, fn})
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.observers = without(s.observers, id)
	}
}

// announce tells of a namespace that was made. Clients wait for it: see Socket.awaitTold.
func (s *server) announce(n *Namespace) {
	if n.told == nil {
		return
	}
	defer close(n.told)
	s.mu.Lock()
	all := s.observers
	s.mu.Unlock()
	_ = s.guard.Contain(func() error { // the goroutine may be one that lets a client in
		dispatch.RunAll(&s.guard, all, func(h hook[func(*Namespace)]) { h.fn(n) }, func(err error) {
			s.report(context.Background(), nil, nil, err)
		})
		return nil
	})
}

// namespaceLocked returns the namespace called name, and whether it had to be made; then open makes its adapter.
func (s *server) namespaceLocked(name string, p *ParentNamespace) (n *Namespace, made bool) {
	if n, ok := s.namespaces[name]; ok {
		return n, false
	}
	n = newNamespace(s, name, p)
	s.namespaces[name] = n
	if s.closed { // nobody would close its adapter
		n.adapterErr = ErrServerClosed
		close(n.ready)
		return n, false
	}
	if len(s.observers) > 0 {
		n.told = make(chan struct{})
	}
	return n, true
}

func (s *server) newParent(match func(ctx context.Context, name string, auth Args) bool) *ParentNamespace {
	return &ParentNamespace{srv: s, match: match}
}

func (s *server) addParent(p *ParentNamespace) *ParentNamespace {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parents = append(slices.Clip(s.parents), p)
	return p
}

// register registers a socket that wants to connect to a namespace. The namespace is nil if it must be asked for; then
// some parent may know it. It reports false if nobody can.
func (s *server) register(sock *Socket, name string) (ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, ErrServerClosed
	}
	if n := s.namespaces[name]; n != nil {
		n.refs++
		sock.namespace.Store(n)
	} else if len(s.parents) == 0 {
		return false, nil
	}
	s.connecting[sock] = struct{}{}
	s.liveSockets++
	return true, nil
}

// acquire returns the namespace called name for one more socket, and makes it a child of p if there is none.
func (s *server) acquire(name string, p *ParentNamespace) *Namespace {
	s.mu.Lock()
	n, made := s.namespaceLocked(name, p)
	n.refs++
	s.mu.Unlock()
	n.open(made)
	if made {
		s.announce(n)
	}
	return n
}

// moveToNamespace moves a socket that is about to be connected from the pending ones to those of its namespace. It
// reports false after Shutdown.
func (s *server) moveToNamespace(sock *Socket) bool {
	sock.ns().add(sock)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.connecting, sock)
	return !s.closed
}

func (s *server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// freeSocket forgets a socket that register has taken in; its runner does nothing more.
func (s *server) freeSocket(sock *Socket) {
	n := sock.ns()
	s.mu.Lock()
	delete(s.connecting, sock)
	orphan := false
	if n != nil {
		n.refs--
		orphan = s.removeOrphanLocked(n)
	}
	s.mu.Unlock()
	defer s.countEnded() // only then, since Shutdown closes the adapters when nothing lives
	if orphan {
		s.closeOrphan(n)
	}
}

// removeOrphanLocked forgets a namespace that a parent made and nobody uses any more.
func (s *server) removeOrphanLocked(n *Namespace) bool {
	if n.refs > 0 || n.parent == nil || n.stays || s.opts.KeepEmptyChildren || s.closed || s.namespaces[n.name] != n ||
		n.keepsSessions() {
		return false
	}
	delete(s.namespaces, n.name)
	return true
}

func (s *server) closeOrphan(n *Namespace) {
	if err := n.close(); err != nil {
		s.reportAdapter("close", errtext.Wrap("socketio: adapter of "+dispatch.Plain(n.name)+": close", err))
	}
}

// freeOrphan is for a namespace whose last session is over.
func (s *server) freeOrphan(n *Namespace) {
	s.mu.Lock()
	orphan := s.removeOrphanLocked(n)
	s.mu.Unlock()
	if orphan {
		s.closeOrphan(n)
	}
}

func (s *server) countEnded() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.liveSockets--
	if s.closed && s.liveSockets == 0 {
		close(s.idle)
	}
}

// all returns the namespaces of this moment.
func (s *server) all() []*Namespace {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Namespace, 0, len(s.namespaces))
	for _, n := range s.namespaces {
		all = append(all, n)
	}
	return all
}

// sockets returns all that live, connected or not.
func (s *server) sockets() []*Socket {
	var all []*Socket
	for _, n := range s.all() {
		all = append(all, n.snapshot()...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for sock := range s.connecting {
		all = append(all, sock)
	}
	return all
}

// closeSockets refuses what is new and disconnects all sockets.
func (s *server) closeSockets() {
	s.noReturn.Store(true)
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		s.endOpened()
		if s.liveSockets == 0 {
			close(s.idle)
		}
	}
	s.mu.Unlock()
	for _, sock := range s.sockets() {
		sock.close(ReasonServerShuttingDown, closeDrop)
	}
}

func (s *server) shutdown(ctx context.Context) error {
	s.closeSockets()
	err := s.engine.Shutdown(ctx)
	if err != nil {
		err = errtext.Wrap("socketio: shutdown", err)
	}
	select {
	case <-s.idle:
	case <-ctx.Done():
		select {
		case <-s.idle: // both at once
		default:
			err = s.stillRunning(errtext.Ended(ctx))
		}
	}
	select {
	case <-s.roomTellers.idle():
	case <-ctx.Done():
		select {
		case <-s.roomTellers.idle():
		default:
			err = errors.Join(err, errtext.Errorf("socketio: shutdown: %w: still running: room hooks", errtext.Ended(ctx)))
		}
	}
	err = errors.Join(err, s.closeAdapters())
	flush, cancel := context.WithTimeout(ctx, time.Second) // the program is likely to end now
	defer cancel()
	journal.Flush(flush, s.log)
	return err
}

func (s *server) close() error {
	s.closeSockets()
	return errors.Join(s.engine.Close(), s.closeAdapters())
}

func (s *server) closeAdapters() error {
	var errs []error
	for _, n := range s.all() {
		errs = append(errs, n.close())
	}
	return errors.Join(errs...)
}

// stillRunning is the error that names what still runs.
func (s *server) stillRunning(err error) error {
	const most = 5
	var names []string
	n := 0
	for _, sock := range s.sockets() {
		j, busy := sock.inbox.Current()
		if !busy {
			continue
		}
		if n++; n <= most {
			names = append(names, fmt.Sprintf("%s of %s in %s", j.describe(), sock.id, dispatch.Plain(sock.name)))
		}
	}
	if n > most {
		names = append(names, fmt.Sprintf("and %d more", n-most))
	}
	if n == 0 {
		return errtext.Wrap("socketio: shutdown", err)
	}
	return errtext.Errorf("socketio: shutdown: %w: still running: %s", err, strings.Join(names, ", "))
}
