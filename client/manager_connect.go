package client

import (
	"context"
	"errors"
	"slices"
	"time"

	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/dispatch"
)

// A loop makes a session: one attempt after the other, until one succeeds or nobody wants a session any more. There is
// at most one that is the Manager's; one that is not any more ends soon.
type loop struct {
	ctx     context.Context
	cancel  context.CancelFunc
	pausing bool // it waits for the next attempt
	done    chan struct{}
}

// startLoop starts the loop if there is no session and none is being made. After a loss the first attempt has to wait.
// mu is held.
func (m *Manager) startLoop(lost bool) {
	if m.conn != nil || m.loop != nil || m.ended {
		return
	}
	l := &loop{done: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	m.loop = l
	m.liveCount++
	// Owned by the Manager; ends when a session is open, or l.ctx is done, or there is no attempt left. Shutdown waits.
	go m.runLoop(l, lost)
}

func (m *Manager) runLoop(l *loop, lost bool) {
	defer m.countEnded()
	defer close(l.done)
	defer l.cancel()
	defer func() { // if user code below the engine calls runtime.Goexit
		m.mu.Lock()
		defer m.unlock()
		if m.loop == l {
			m.stopLoop(dispatch.ErrExited)
		}
	}()
	for attempt := 0; ; {
		if lost {
			var ok bool
			if attempt, ok = m.awaitNextAttempt(l); !ok {
				return
			}
		}
		c, err := m.dial(l, attempt)
		if err == nil && m.connectSockets(l, c) {
			return
		}
		if err != nil && !m.attemptFailed(l, attempt, err) {
			return
		}
		lost = true
	}
}

// awaitNextAttempt waits until the next attempt is due, and returns its number. It reports false if there is none.
func (m *Manager) awaitNextAttempt(l *loop) (attempt int, ok bool) {
	m.mu.Lock()
	limit := m.opts.ReconnectionAttempts
	switch {
	case m.loop != l:
		m.unlock()
		return 0, false
	case !m.mayRetry():
		m.stopLoop(m.failure)
		m.unlock()
		return 0, false
	case limit > 0 && m.attempts >= limit:
		m.resetBackoff()
		m.postGaveUp()
		m.stopLoop(wrapCause("", ErrGaveUp, m.failure))
		m.unlock()
		m.warn("client: reconnection gave up", "attempts", limit)
		return 0, false
	}
	delay := m.backoff.Next()
	m.attempts++
	attempt = m.attempts
	l.pausing = true
	m.unlock()

	timer := time.NewTimer(delay)
	select {
	case <-timer.C:
		m.announce(l.ctx, attempt)
	case <-l.ctx.Done():
		timer.Stop()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	l.pausing = false
	return attempt, m.loop == l
}

// dial opens a session.
func (m *Manager) dial(l *loop, attempt int) (c *conn, err error) {
	ctx := l.ctx
	timeout := m.opts.connectTimeout()
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	opts := m.engineOptions()
	err = m.guard.Call(func() error {
		_, err := engineio.Dial(ctx, m.url, func(e *engineio.ClientSocket) engineio.Handler {
			c = &conn{m: m, eng: e, opened: time.Now(), decoder: m.parser.NewDecoder()}
			m.sessionOpened(l, c, attempt)
			return c
		}, opts)
		return err
	})
	if err != nil && c != nil { // a panic, after it was opened
		c.eng.Abort(engineio.ForcedClose, err)
	}
	if err != nil && l.ctx.Err() == nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = wrapCause("client: timeout", err)
	}
	return c, err
}

// engineOptions are those for the next session.
func (m *Manager) engineOptions() *engineio.DialOptions {
	o := m.opts.Engine
	if o.Path == "" {
		o.Path = defaultPath
	}
	if o.Logger == nil {
		o.Logger = m.log
	}
	o.Logger = m.guard.Logger(o.Logger)
	m.mu.Lock()
	upgraded := m.upgraded
	m.mu.Unlock()
	if upgraded && m.opts.RememberUpgrade {
		if o.Transports == nil {
			o.Transports = []string{"polling", "websocket"}
			if o.DialStream != nil {
				o.Transports = append(o.Transports, "webtransport")
			}
		}
		if slices.Contains(o.Transports, "websocket") {
			rest := slices.DeleteFunc(slices.Clone(o.Transports), func(t string) bool { return t == "websocket" })
			o.Transports = append([]string{"websocket"}, rest...)
		}
	}
	return &o
}

// sessionOpened is called when a session has opened, before anything is received.
func (m *Manager) sessionOpened(l *loop, c *conn, attempt int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.freeEndedSessions()
	m.openSessions = append(m.openSessions, c)
	if m.loop == l {
		m.conn = c
		m.failure = nil
		m.postOpen(attempt)
	}
}

// connectSockets has the sockets ask to be let in. It reports false if the session is lost already, and another one
// wanted.
func (m *Manager) connectSockets(l *loop, c *conn) bool {
	m.mu.Lock()
	if m.loop != l { // nobody wants it any more
		if m.ended {
			c.limitClose()
		}
		m.unlock()
		c.close()
		return true
	}
	if m.conn != c {
		m.unlock()
		return false
	}
	m.loop = nil
	var tries []*attempt
	for _, s := range m.sockets {
		if s.phase == awaitingSession {
			tries = append(tries, s.startAttempt(c))
		}
	}
	m.unlock()
	m.log.Debug("client: connection open", "transport", c.eng.Transport())
	startAll(tries)
	return true
}

// startAll starts attempts, even if encoding the auth of one calls runtime.Goexit. No lock is held.
func startAll(tries []*attempt) {
	i := 0
	defer func() {
		if i < len(tries) { // the goroutine ends
			startAll(tries[i+1:])
		}
	}()
	for ; i < len(tries); i++ {
		tries[i].start()
	}
}

// attemptFailed tells everybody that an attempt failed. It reports whether there may be another one.
func (m *Manager) attemptFailed(l *loop, attempt int, err error) bool {
	old := errors.Is(err, engineio.ErrOldServer) // it will not be another one in a minute
	m.mu.Lock()
	if m.loop != l {
		m.unlock()
		return false
	}
	m.upgraded = false
	m.failure = err
	m.postError(attempt, err)
	for _, s := range m.sockets {
		if s.phase == awaitingSession {
			s.notConnected(err)
		}
	}
	again := m.mayRetry() && !old
	if !again {
		m.stopLoop(err)
	}
	m.unlock()
	m.log.Debug("client: connecting failed", "attempt", attempt, "error", dispatch.Plain(err.Error()))
	return again
}

// mayRetry, stopLoop, sessionLost, takeIdleSession and resetBackoff are called with mu held.

func (m *Manager) mayRetry() bool { return m.reconnect && !m.singleAttempt && !m.ended }

// stopLoop ends the loop: all who wait for it get err, and are not active any more.
func (m *Manager) stopLoop(err error) {
	m.loop = nil
	for _, s := range m.sockets {
		if s.phase == awaitingSession {
			s.phase = inactive
			s.answerWaiters(connectError(err))
		}
	}
}

// connectError is what Connect returns.
func connectError(err error) error {
	if err == nil {
		err = ErrDisconnected
	}
	return wrapCause("client: connect", err)
}

// sessionLost takes the sockets off a session that has ended, and has another one made if that is wanted.
func (m *Manager) sessionLost(c *conn, reason DisconnectReason, err error) {
	m.conn = nil
	m.failure = wrapCause("", reason, err)
	m.upgraded = c.eng.Transport() == "websocket"
	if c.admitted && time.Since(c.opened) >= m.backoff.Max {
		m.resetBackoff()
	}
	m.postClose(reason, err)
	next := inactive
	if m.mayRetry() {
		next = awaitingSession
	}
	for _, s := range m.sockets {
		if s.phase != inactive {
			s.detach(reason, m.failure, next)
		}
	}
	switch {
	case next == inactive && m.loop != nil:
		m.loop.cancel()
		m.loop = nil
	case next == awaitingSession && slices.ContainsFunc(m.sockets, (*Socket).active):
		m.startLoop(true)
	}
}

// takeIdleSession returns the session if no socket wants it any more: it is to be closed then. It ends the loop, too.
func (m *Manager) takeIdleSession() *conn {
	if slices.ContainsFunc(m.sockets, (*Socket).active) {
		return nil
	}
	if m.loop != nil {
		m.loop.cancel()
		m.loop = nil
	}
	m.resetBackoff()
	c := m.conn
	if c != nil {
		m.conn = nil
		m.upgraded = c.eng.Transport() == "websocket"
		m.postClose(ReasonForcedClose, nil)
	}
	return c
}

// resetBackoff has the next attempt be as the first one. A session that was short, or let nobody in, does not: a server
// that hangs up again and again shall be asked ever more seldom. Officially the delays begin anew with each session,
// however short.
func (m *Manager) resetBackoff() {
	m.attempts = 0
	m.backoff.Reset()
}
