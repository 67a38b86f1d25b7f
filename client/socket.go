package client

import (
	"context"
	"slices"
	"sync/atomic"

	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/dispatch"
)

// A Socket is the client in one namespace. It lives as long as its Manager, over any number of connections. Its methods
// are safe for concurrent use.
//
// Handlers and callbacks of one socket run one at a time, on a goroutine that belongs to the socket and exists only
// while there is something to do; those of different sockets run at the same time.
type Socket struct {
	m         *Manager
	name      string
	opts      *SocketOptions
	inbox     dispatch.Inbox[job]
	listeners dispatch.Table[Handler]
	extra     atomic.Pointer[extraListeners]
	ids       atomic.Uint64    // of acknowledgements
	errors    atomic.Int32     // calls of OnConnectError that wait
	chain     *middlewareChain // used by the runner only
	owner     bool             // made by Dial: Close closes the Manager

	// Guarded by the Manager's lock.
	phase            phase
	inSetup          bool // Setup is called: it does not connect yet, but it may be wanted
	wanted           bool
	closed           bool
	recovered        bool
	epoch            *epoch   // while connected; the last one otherwise; nil before the first
	attempt          *attempt // while asking
	auth             any
	authFunc         func(ctx context.Context) (any, error)
	recovery         *recoveryState // nil if the server has no connection state recovery
	requests         map[uint64]*request
	peak             int32 // entries that requests has held at once
	pendingAcks      int32 // of requests, those that are not only of Retries
	runningCallbacks int32 // of EmitFunc, that have been answered and whose function has not returned
	ackBytes         int   // bytes of both
	buffer           buffer
	queue            buffer // of Retries
	waiters          []chan error
	failure          error // the last one since the socket was active
}

// What a socket wants, and has got.
type phase byte

const (
	inactive        phase = iota
	awaitingSession       // for a session
	connecting            // the session is open; CONNECT is about to be sent, or to be answered
	connected             //
)

func newSocket(m *Manager, name string, opts *SocketOptions) *Socket {
	s := &Socket{m: m, name: name, opts: opts, inSetup: true, auth: opts.Auth, authFunc: opts.AuthFunc}
	s.inbox.Init((*runner)(s), m.opts.MaxInbox)
	return s
}

// Dial makes a Manager of its own and connects one socket, to the namespace that is the path of the URL. It makes one
// attempt: if that fails nothing is left, and the error is the *ConnectError of a server that refused, or wraps an
// *engineio.ClientError, or matches ctx.Err(). Once connected, the socket reconnects as the options say. Its Close ends
// the Manager, too.
//
// Events may come before the caller can add listeners; Options.Setup can add them in time.
func Dial(ctx context.Context, rawURL string, opts *Options) (*Socket, error) {
	m, path := newManager(rawURL, opts)
	m.singleAttempt = true
	s := m.ensureSocket(path, nil, true)
	err := s.Connect(ctx)
	if err == nil {
		return s, nil
	}
	m.mu.Lock()
	l := m.loop
	m.mu.Unlock()
	m.closeSockets(ReasonForcedClose)
	m.abort()
	if l != nil {
		<-l.done // its context is done
	}
	m.mu.Lock()
	sessions := slices.Clone(m.openSessions) // no more will come
	m.mu.Unlock()
	for _, c := range sessions {
		<-c.eng.Done()
	}
	return nil, err
}

// Connect connects, and waits for that. Failed attempts are made again as the Manager's options say. It returns nil
// once connected; the *ConnectError of a server that refused; an error that matches ErrGaveUp, or without reconnection
// the first failure; ErrClosed; an error that matches ErrDisconnected after Disconnect; or one that matches ctx.Err()
// and the last failure, after which the socket still tries to connect until Disconnect. A handler of this socket must
// not call it: while it waits, the events that it may be waiting for are not handled.
func (s *Socket) Connect(ctx context.Context) error {
	m := s.m
	m.mu.Lock()
	if s.phase == connected {
		m.unlock()
		return nil
	}
	if err := s.cannotConnect(); err != nil {
		m.unlock()
		return err
	}
	done := make(chan error, 1)
	s.waiters = append(s.waiters, done)
	t := s.activate()
	m.unlock()
	t.start()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	m.mu.Lock()
	i, failure := slices.Index(s.waiters, done), s.failure
	if i >= 0 {
		s.waiters = slices.Delete(s.waiters, i, i+1)
	}
	m.unlock()
	if i < 0 {
		return <-done // in the very moment
	}
	return wrapCause("client: connect", ctx.Err(), failure)
}

// Open begins to connect, and does not wait. If the Manager's URL or options make no sense, OnConnectError gets to
// know.
func (s *Socket) Open() {
	m := s.m
	m.mu.Lock()
	var t *attempt
	if err := s.cannotConnect(); err == nil {
		t = s.activate()
	} else if err != ErrClosed {
		s.notConnected(err)
	}
	m.unlock()
	t.start()
}

// cannotConnect is why the socket can never connect. The Manager's lock is held.
func (s *Socket) cannotConnect() error {
	if s.closed || s.m.closed {
		return ErrClosed
	}
	if s.m.configErr == nil && s.opts != &s.m.opts.Socket {
		return s.opts.check("")
	}
	return s.m.configErr
}

// activate makes an inactive socket want a connection. The Manager's lock is held; the returned attempt, which may be
// nil, is to be started without it.
func (s *Socket) activate() *attempt {
	if s.inSetup {
		s.wanted = true
		return nil
	}
	if s.phase != inactive {
		return nil
	}
	s.phase = awaitingSession
	s.failure = nil
	if s.m.conn != nil && s.m.loop == nil {
		return s.startAttempt(s.m.conn)
	}
	s.m.startLoop(false)
	return nil
}

// Disconnect leaves the namespace after what was emitted is sent, and stops reconnecting. Events that have come and are
// not handled yet are dropped. When no other socket of the Manager is connected or connecting, the connection is
// closed. Open and Connect come back; what waits for a connection waits for that.
func (s *Socket) Disconnect() {
	s.disconnect(ReasonClientDisconnect, false).close()
}

// Close disconnects for good; the Manager forgets the socket, and that of Dial is closed. It waits for nothing, and
// returns nil. Emit and Connect return ErrClosed from then on, and what waits for a connection is dropped.
func (s *Socket) Close() error {
	if s.owner {
		s.m.close(ReasonClientDisconnect)
	} else {
		s.disconnect(ReasonClientDisconnect, true).closeSoon()
	}
	return nil
}

// closeFor disconnects for good.
func (s *Socket) closeFor(reason DisconnectReason) { s.disconnect(reason, true).close() }

// disconnect returns the session if nobody wants it any more: it is to be closed then.
func (s *Socket) disconnect(reason DisconnectReason, forGood bool) (idle *conn) {
	m := s.m
	packet := m.disconnectPacket(s.name)
	m.mu.Lock()
	c := s.conn()
	if c != nil {
		_ = c.mustSend(engineio.SendOptions{}, packet) // fails if the session is about to end anyway
		c.ensurePast(s.name).left = true
	}
	cause := error(reason)
	if forGood {
		cause = ErrClosed
	}
	if s.inSetup {
		s.wanted = false
		if !forGood {
			s.answerWaiters(connectError(cause))
		}
	}
	if s.phase != inactive {
		s.dropEvents() // before a handler that waits for its context can return
		s.detach(reason, cause, inactive)
	}
	if forGood && !s.closed {
		s.closed = true
		if ids := s.ids.Load(); ids > 0 && m.conn != nil {
			m.conn.ensurePast(s.name).ids = ids
		}
		s.dropEvents()
		s.failRequests(ErrClosed, false)
		s.answerWaiters(ErrClosed)
		s.buffer, s.queue = buffer{}, buffer{}
		m.sockets = slices.DeleteFunc(m.sockets, func(o *Socket) bool { return o == s })
		m.liveCount++
		s.inbox.Close(job{call: m.countEnded})
	}
	idle = m.takeIdleSession()
	m.unlock()
	c.flush()
	return idle
}

// ID is the id the server gave the socket for this connection; empty while it is not connected.
func (s *Socket) ID() string {
	if s == nil {
		return ""
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.phase != connected {
		return ""
	}
	return s.epoch.id
}

// Namespace is the name of the namespace.
func (s *Socket) Namespace() string { return s.name }

// Manager is the socket's Manager.
func (s *Socket) Manager() *Manager { return s.m }

// Connected reports whether the socket is connected.
func (s *Socket) Connected() bool {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.phase == connected
}

// Active reports whether the socket is connected, or will be without anybody's doing.
func (s *Socket) Active() bool {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.active()
}

func (s *Socket) active() bool { return s.phase != inactive }

// hasUnsent reports whether Shutdown has to wait for events of the socket. The Manager's lock is held.
func (s *Socket) hasUnsent() bool {
	return s.phase != inactive && s.buffer.events+s.queue.events > 0
}

// Recovered reports whether the server restored the state of the connection before, and sent what was missed.
func (s *Socket) Recovered() bool {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.recovered
}

// Context is cancelled when this connection of the socket ends, with the DisconnectReason as its cause. While the
// socket is not connected it is the context of the last connection, which is done.
func (s *Socket) Context() context.Context {
	if s == nil {
		return context.Background()
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.epoch == nil {
		return neverConnected
	}
	return s.epoch.ctx
}

// neverConnected is the context of a socket that has never been connected.
var neverConnected = func() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(ErrDisconnected)
	return ctx
}()

// SetAuth changes what is sent with the next CONNECT and those after it, as SocketOptions.Auth does. A function of
// SetAuthFunc or SocketOptions.AuthFunc is not asked any more.
func (s *Socket) SetAuth(auth any) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.auth, s.authFunc = auth, nil
}

// SetAuthFunc has fn asked for what is sent with the next CONNECT and those after it, as SocketOptions.AuthFunc is.
// What SetAuth or SocketOptions.Auth said does not count any more; if fn is nil it counts again.
func (s *Socket) SetAuthFunc(fn func(ctx context.Context) (any, error)) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.authFunc = fn
}

// SocketFromContext returns the socket whose middleware or handler got ctx, or a context derived from it.
func SocketFromContext(ctx context.Context) (*Socket, bool) {
	s, ok := ctx.Value(contextKey{}).(*Socket)
	return s, ok
}
