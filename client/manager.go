package client

import (
	"cmp"
	"context"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/backoff"
	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/parser"
)

// A Manager is one connection to a server, made again when it is lost, which any number of sockets share: one for each
// namespace. Its methods are safe for concurrent use.
//
// It is connected while one of its sockets wants to be, and costs no goroutine of its own then.
type Manager struct {
	opts      *Options
	parser    parser.Parser
	guard     dispatch.Guard
	log       *slog.Logger           // discards if there is none in opts; see warner
	warns     atomic.Pointer[warner] // made when needed
	url       string
	configErr error           // why the URL or the options make no sense
	inbox     dispatch.Budget // of the sockets together
	hooks     atomic.Pointer[hooks]

	// mu guards all below, and all of the sockets' that is not said to be safe. The engine's locks and those of package
	// dispatch are below it; no user code runs, and nothing waits, while it is held.
	mu            sync.Mutex
	sockets       []*Socket       // few, so a slice
	conn          *conn           // the session that is open, or nil
	loop          *loop           // is making one, or nil
	attempts      int             // to reconnect, in a row
	backoff       backoff.Backoff // their delays
	failure       error           // of the last attempt
	reconnect     bool
	singleAttempt bool // Dial has not succeeded: one attempt
	upgraded      bool // the last session ended on a WebSocket
	closed        bool // nothing new
	ended         bool // closed, and the connection too

	openSessions []*conn       // that may not be gone yet
	liveCount    int           // goroutines, and sockets that are closed and whose runner has not ended
	allEnded     chan struct{} // closed when liveCount is 0; nil if nobody waits
	drained      chan struct{} // closed when no event waits for a connection; nil if nobody waits
}

// NewManager returns a Manager for the server at rawURL, whose scheme is http, https, ws or wss; without one it is
// http. The path of the URL is ignored here, its query is sent. It connects when a socket does. If the URL or an option
// makes no sense, all connecting fails with that error.
func NewManager(rawURL string, opts *Options) *Manager {
	m, _ := newManager(rawURL, opts)
	return m
}

// newManager returns the path of the URL, too.
func newManager(rawURL string, opts *Options) (m *Manager, path string) {
	if opts == nil {
		opts = new(Options)
	}
	m = &Manager{opts: opts, parser: opts.parser(), guard: dispatch.Guard{DisableRecover: opts.DisableRecover}}
	m.inbox.Limit = cmp.Or(max(opts.MaxInboxBytes, 0), defaultInboxBytes)
	m.log = m.guard.Logger(opts.Logger)
	m.backoff = opts.backoff()
	m.reconnect = !opts.DisableReconnection
	u, err := parseURL(rawURL)
	if err == nil {
		path = u.Path
		u.Path, u.RawPath, u.Fragment, u.RawFragment = "", "", "", ""
		m.url = u.String()
		err = opts.check()
	}
	m.configErr = err
	return m, path
}

func parseURL(rawURL string) (*url.URL, error) {
	scheme, _, found := strings.Cut(rawURL, "://")
	switch {
	case strings.HasPrefix(rawURL, "//"):
		rawURL = "http:" + rawURL
	case !found || strings.ContainsAny(scheme, "/?#"): // it is in the query
		rawURL = "http://" + rawURL
	}
	u, err := url.Parse(rawURL)
	switch {
	case err != nil: // it would repeat the URL, maybe with a password
		return nil, errURL
	case !slices.Contains([]string{"http", "https", "ws", "wss"}, u.Scheme):
		return nil, errtext.Errorf("client: unknown scheme %q", u.Scheme)
	case u.Hostname() == "":
		return nil, errtext.Errorf("client: no host in the URL")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return nil, errtext.Errorf("client: port %.20s is not between 1 and 65535", port)
		}
	}
	return u, nil
}

// Socket returns the socket of a namespace, which it makes when asked for the first time; opts count then, and nil
// means those of the Manager. The name "" is "/", and a leading slash may be left out. The socket connects when it is
// told to.
func (m *Manager) Socket(namespace string, opts *SocketOptions) *Socket {
	return m.ensureSocket(namespace, opts, false)
}

// ensureSocket is Socket; owner says whether Close of a new one closes the Manager.
func (m *Manager) ensureSocket(namespace string, opts *SocketOptions, owner bool) *Socket {
	if !strings.HasPrefix(namespace, "/") {
		namespace = "/" + namespace
	}
	if opts == nil {
		opts = &m.opts.Socket
	}
	m.mu.Lock()
	if s := m.find(namespace); s != nil {
		m.mu.Unlock()
		return s
	}
	s := newSocket(m, namespace, opts)
	s.owner = owner
	if f := m.conn.findPast(namespace); f != nil {
		s.ids.Store(f.ids)
	}
	if !m.closed {
		m.sockets = append(m.sockets, s)
	}
	m.mu.Unlock()
	defer s.endSetup() // even if Setup calls runtime.Goexit
	if setup := m.opts.Setup; setup != nil {
		err := m.guard.Call(func() error {
			setup(s)
			return nil
		})
		if err != nil {
			m.report(s.Context(), s, nil, err)
		}
	}
	return s
}

// endSetup lets the socket connect, after Setup; it may want that already.
func (s *Socket) endSetup() {
	m := s.m
	var t *attempt
	m.mu.Lock()
	s.inSetup = false
	closed := m.closed
	if s.wanted && !closed {
		t = s.activate()
	}
	m.unlock()
	t.start()
	if closed {
		s.closeFor(ReasonForcedClose)
	}
}

func (m *Manager) find(namespace string) *Socket {
	for _, s := range m.sockets {
		if s.name == namespace {
			return s
		}
	}
	return nil
}

// Engine is the session that is open, or nil.
func (m *Manager) Engine() *engineio.ClientSocket {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn == nil {
		return nil
	}
	return m.conn.eng
}

// SetReconnection turns reconnection on or off, from now on. Turned off while the Manager waits for the next attempt,
// it makes that the end of the attempts.
func (m *Manager) SetReconnection(on bool) {
	m.mu.Lock()
	defer m.unlock()
	m.reconnect = on
	if l := m.loop; !on && l != nil && l.pausing {
		l.cancel()
		m.stopLoop(m.failure)
	}
}

// closeTime is how long Close lets a session try to tell the server.
const closeTime = time.Second

// Close disconnects all sockets for good and ends the connection, after it has tried for a second to tell the server.
// It waits for nothing; Emit and Connect return ErrClosed from then on. It returns nil.
func (m *Manager) Close() error {
	m.close(ReasonForcedClose)
	return nil
}

func (m *Manager) close(reason DisconnectReason) {
	m.mu.Lock()
	m.closed = true
	for _, c := range m.openSessions { // one may have been on its way out before
		c.limitClose()
	}
	m.unlock()
	m.closeSockets(reason)
}

// Shutdown does what Close does, but after what was emitted is sent, what waits for a connection or for its retries
// included, and waits until nothing is left of the Manager: no connection, no goroutine, no callback. If ctx ends
// before, it closes at once and returns ctx.Err(). A callback must not wait for it. What waits for a server that
// refuses, or that can't be reached before the attempts are used up, is dropped; ask for acknowledgements to know.
func (m *Manager) Shutdown(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	if m.drained == nil {
		m.drained = make(chan struct{})
	}
	drained := m.drained
	m.unlock()
	var err error
	select {
	case <-drained:
	case <-ctx.Done():
		err = ctx.Err()
	}
	m.closeSockets(ReasonForcedClose)
	if err == nil {
		err = m.awaitEnded(ctx)
	}
	if err != nil {
		m.abort()
	}
	return err
}

// closeSockets disconnects all sockets for good, and with them the session.
func (m *Manager) closeSockets(reason DisconnectReason) {
	m.mu.Lock()
	first := !m.ended
	m.closed, m.ended = true, true
	sockets := slices.Clone(m.sockets)
	m.unlock()
	for _, s := range sockets {
		s.closeFor(reason)
	}
	m.mu.Lock()
	idle := m.takeIdleSession() // if there was no socket at all
	if h := m.hooks.Load(); h != nil && first {
		m.liveCount++
		if !h.calls.Close(m.countEnded) {
			m.liveCount--
		}
	}
	m.unlock()
	idle.close()
}

// abort ends all sessions at once.
func (m *Manager) abort() {
	m.mu.Lock()
	sessions := slices.Clone(m.openSessions)
	m.mu.Unlock()
	for _, c := range sessions {
		c.eng.Abort(engineio.ForcedClose, nil)
	}
}

// awaitEnded waits until nothing is left, after closeSockets.
func (m *Manager) awaitEnded(ctx context.Context) error {
	for {
		m.mu.Lock()
		m.freeEndedSessions()
		var wait <-chan struct{}
		switch {
		case len(m.openSessions) > 0:
			wait = m.openSessions[0].eng.Done()
		case m.liveCount > 0:
			if m.allEnded == nil {
				m.allEnded = make(chan struct{})
			}
			wait = m.allEnded
		}
		m.mu.Unlock()
		if wait == nil {
			return nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// freeEndedSessions drops the sessions that are gone. mu is held.
func (m *Manager) freeEndedSessions() {
	m.openSessions = slices.DeleteFunc(m.openSessions, func(c *conn) bool {
		select {
		case <-c.eng.Done():
			return true
		default:
			return false
		}
	})
	if len(m.openSessions) == 0 {
		m.openSessions = nil
	}
}

// countEnded is called when one of those that liveCount counts has ended.
func (m *Manager) countEnded() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.liveCount--
	if m.liveCount == 0 && m.allEnded != nil {
		close(m.allEnded)
		m.allEnded = nil
	}
}

// unlock unlocks mu after something may have changed that Shutdown waits for.
func (m *Manager) unlock() {
	if m.drained != nil && !slices.ContainsFunc(m.sockets, (*Socket).hasUnsent) {
		close(m.drained)
		m.drained = nil
	}
	m.mu.Unlock()
}
