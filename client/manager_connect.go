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

// wake starts the loop if there is no session and none is being made. After a loss the first attempt has to wait. mu is
// held.
func (m *Manager) wake(lost bool) {
	if m.conn != nil || m.loop != nil || m.ended {
		return
	}
	l := &loop{done: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	m.loop = l
	m.living++
	// Owned by the Manager; ends when a session is open, or l.ctx is done, or there is no attempt left. Shutdown waits.
	go m.run(l, lost)
}

func (m *Manager) run(l *loop, lost bool) {
	defer m.leave()
	defer close(l.done)
	defer l.cancel()
	defer func() { // if user code below the engine calls runtime.Goexit
		m.mu.Lock()
		defer m.unlock()
		if m.loop == l {
			m.stop(dispatch.ErrExited)
		}
	}()
	for attempt := 0; ; {
		if lost {
			var ok bool
			if attempt, ok = m.pause(l); !ok {
				return
			}
		}
		c, err := m.dial(l, attempt)
		if err == nil && m.arrived(l, c) {
			return
		}
		if err != nil && !m.failed(l, attempt, err) {
			return
		}
		lost = true
	}
}

// pause waits until the next attempt is due, and returns its number. It reports false if there is none.
func (m *Manager) pause(l *loop) (attempt int, ok bool) {
	m.mu.Lock()
	limit := m.opts.ReconnectionAttempts
	switch {
	case m.loop != l:
		m.unlock()
		return 0, false
	case !m.mayRetry():
		m.stop(m.failure)
		m.unlock()
		return 0, false
	case limit > 0 && m.attempts >= limit:
		m.calm()
		m.postGaveUp()
		m.stop(because("", ErrGaveUp, m.failure))
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
			m.opened(l, c, attempt)
			return c
		}, opts)
		return err
	})
	if err != nil && c != nil { // a panic, after it was opened
		c.eng.Abort(engineio.ForcedClose, err)
	}
	if err != nil && l.ctx.Err() == nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = because("timeout", err)
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
		}
		if slices.Contains(o.Transports, "websocket") {
			rest := slices.DeleteFunc(slices.Clone(o.Transports), func(t string) bool { return t == "websocket" })
			o.Transports = append([]string{"websocket"}, rest...)
		}
	}
	return &o
}

// opened is called when a session has opened, before anything is received.
func (m *Manager) opened(l *loop, c *conn, attempt int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget()
	m.sessions = append(m.sessions, c)
	if m.loop == l {
		m.conn = c
		m.failure = nil
		m.postOpen(attempt)
	}
}

// arrived has the sockets ask to be let in. It reports false if the session is lost already, and another one wanted.
func (m *Manager) arrived(l *loop, c *conn) bool {
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
	var tries []*try
	for _, s := range m.sockets {
		if s.phase == waiting {
			tries = append(tries, s.ask(c))
		}
	}
	m.unlock()
	m.log.Debug("client: connection open", "transport", c.eng.Transport())
	startAll(tries)
	return true
}

// startAll starts attempts, even if encoding the auth of one calls runtime.Goexit. No lock is held.
func startAll(tries []*try) {
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

// failed tells everybody that an attempt failed. It reports whether there may be another one.
func (m *Manager) failed(l *loop, attempt int, err error) bool {
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
		if s.phase == waiting {
			s.notConnected(err)
		}
	}
	again := m.mayRetry() && !old
	if !again {
		m.stop(err)
	}
	m.unlock()
	m.log.Debug("client: connecting failed", "attempt", attempt, "error", dispatch.Plain(err.Error()))
	return again
}

// mayRetry, stop, lost, release and calm are called with mu held.

func (m *Manager) mayRetry() bool { return m.reconnect && !m.single && !m.ended }

// stop ends the loop: all who wait for it get err, and are not active any more.
func (m *Manager) stop(err error) {
	m.loop = nil
	for _, s := range m.sockets {
		if s.phase == waiting {
			s.phase = inactive
			s.answer(connectError(err))
		}
	}
}

// connectError is what Connect returns.
func connectError(err error) error {
	if err == nil {
		err = ErrDisconnected
	}
	return because("client: connect", err)
}

// lost takes the sockets off a session that has ended, and has another one made if that is wanted.
func (m *Manager) lost(c *conn, reason DisconnectReason, err error) {
	m.conn = nil
	m.failure = because("", reason, err)
	m.upgraded = c.eng.Transport() == "websocket"
	if c.useful && time.Since(c.opened) >= m.backoff.Max {
		m.calm()
	}
	m.postClose(reason, err)
	next := inactive
	if m.mayRetry() {
		next = waiting
	}
	for _, s := range m.sockets {
		if s.phase != inactive {
			s.lost(reason, m.failure, next)
		}
	}
	switch {
	case next == inactive && m.loop != nil:
		m.loop.cancel()
		m.loop = nil
	case next == waiting && slices.ContainsFunc(m.sockets, (*Socket).active):
		m.wake(true)
	}
}

// release returns the session if no socket wants it any more: it is to be closed then. It ends the loop, too.
func (m *Manager) release() *conn {
	if slices.ContainsFunc(m.sockets, (*Socket).active) {
		return nil
	}
	if m.loop != nil {
		m.loop.cancel()
		m.loop = nil
	}
	m.calm()
	c := m.conn
	if c != nil {
		m.conn = nil
		m.upgraded = c.eng.Transport() == "websocket"
		m.postClose(ReasonForcedClose, nil)
	}
	return c
}

// calm has the next attempt be as the first one. A session that was short, or let nobody in, does not: a server that hangs
// up again and again shall be asked ever more seldom. Officially the delays begin anew with each session, however short.
func (m *Manager) calm() {
	m.attempts = 0
	m.backoff.Reset()
}
