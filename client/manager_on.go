package client

import (
	"context"

	"sio.example/socketio/internal/dispatch"
)

// The callbacks of a Manager run one at a time, on a goroutine that exists only while there are some to run. They are
// called for what happens after they were added; off removes them.

// hooks are the callbacks of a Manager. Most have none.
type hooks struct {
	open      dispatch.Table[func()]
	close     dispatch.Table[func(DisconnectReason, error)]
	err       dispatch.Table[func(error)]
	attempt   dispatch.Table[func(int)]
	reconnect dispatch.Table[func(int)]
	failed    dispatch.Table[func(error)]
	gaveUp    dispatch.Table[func()]

	calls dispatch.Inbox[func()]
}

// maxCalls is how many calls may wait for a callback that hangs; more are lost.
const maxCalls = 1024

// OnOpen adds a function that is called when a session has opened.
func (m *Manager) OnOpen(fn func()) (off func()) { return m.ensureHooks().open.Add("", fn, false) }

// OnClose adds a function that is called when an open session has closed, with what is known of why.
func (m *Manager) OnClose(fn func(reason DisconnectReason, err error)) (off func()) {
	return m.ensureHooks().close.Add("", fn, false)
}

// OnError adds a function that is called when an attempt to open a session failed.
func (m *Manager) OnError(fn func(err error)) (off func()) {
	return m.ensureHooks().err.Add("", fn, false)
}

// OnReconnectAttempt adds a function that is called before each attempt to reconnect with its number, from 1. The
// attempt begins when it has returned, so it must not wait in Connect.
func (m *Manager) OnReconnectAttempt(fn func(attempt int)) (off func()) {
	return m.ensureHooks().attempt.Add("", fn, false)
}

// OnReconnect adds a function that is called when an attempt succeeded.
func (m *Manager) OnReconnect(fn func(attempt int)) (off func()) {
	return m.ensureHooks().reconnect.Add("", fn, false)
}

// OnReconnectError adds a function that is called when an attempt failed.
func (m *Manager) OnReconnectError(fn func(err error)) (off func()) {
	return m.ensureHooks().failed.Add("", fn, false)
}

// OnReconnectFailed adds a function that is called when the last of ReconnectionAttempts failed.
func (m *Manager) OnReconnectFailed(fn func()) (off func()) {
	return m.ensureHooks().gaveUp.Add("", fn, false)
}

func (m *Manager) ensureHooks() *hooks {
	if h := m.hooks.Load(); h != nil {
		return h
	}
	h := new(hooks)
	h.calls.Init((*caller)(m), 0)
	m.hooks.CompareAndSwap(nil, h)
	return m.hooks.Load()
}

// caller is a Manager as the inbox of its callbacks sees it.
type caller Manager

// Run does one call.
func (c *caller) Run(call func()) { call() }

// Account counts nothing: callbacks have no size.
func (c *caller) Account() dispatch.Account { return &c.inbox }

// post has all callbacks of one kind called. It never waits, and may be called with the lock held.
func post[F any](m *Manager, pick func(*hooks) *dispatch.Table[F], call func(F)) bool {
	h := m.hooks.Load()
	if h == nil {
		return false
	}
	table := pick(h)
	fns := table.Snapshot()
	if len(fns) == 0 {
		return false
	}
	if n, _ := h.calls.Len(); n >= maxCalls {
		return false
	}
	return h.calls.Append(func() {
		runAll(m, nil, table.Remaining(fns), call)
	})
}

// runAll runs all of fns, whatever each of them does, and reports it. s may be nil.
func runAll[F any](m *Manager, s *Socket, fns []dispatch.Listener[F], call func(F)) {
	dispatch.RunAll(&m.guard, fns, func(l dispatch.Listener[F]) { call(l.Handler) },
		func(err error) { m.report(s.Context(), s, nil, err) })
}

func (m *Manager) postOpen(attempt int) {
	post(m, func(h *hooks) *dispatch.Table[func()] { return &h.open }, func(fn func()) { fn() })
	if attempt > 0 {
		post(m, func(h *hooks) *dispatch.Table[func(int)] { return &h.reconnect }, func(fn func(int)) { fn(attempt) })
	}
}

func (m *Manager) postClose(reason DisconnectReason, err error) {
	post(m, func(h *hooks) *dispatch.Table[func(DisconnectReason, error)] { return &h.close },
		func(fn func(DisconnectReason, error)) { fn(reason, err) })
}

func (m *Manager) postError(attempt int, err error) {
	call := func(fn func(error)) { fn(err) }
	post(m, func(h *hooks) *dispatch.Table[func(error)] { return &h.err }, call)
	if attempt > 0 {
		post(m, func(h *hooks) *dispatch.Table[func(error)] { return &h.failed }, call)
	}
}

func (m *Manager) postGaveUp() {
	post(m, func(h *hooks) *dispatch.Table[func()] { return &h.gaveUp }, func(fn func()) { fn() })
}

// announce calls the callbacks of an attempt, and waits for them or for ctx. No lock is held.
func (m *Manager) announce(ctx context.Context, attempt int) {
	h := m.hooks.Load()
	if h == nil {
		return
	}
	fns := h.attempt.Snapshot()
	if len(fns) == 0 {
		return
	}
	done := make(chan struct{})
	called := h.calls.Append(func() {
		defer close(done)
		runAll(m, nil, h.attempt.Remaining(fns), func(fn func(int)) { fn(attempt) })
	})
	if called {
		select {
		case <-done:
		case <-ctx.Done():
		}
	}
}
