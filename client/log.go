package client

import (
	"context"
	"errors"
	"log/slog"

	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/internal/journal"
)

// report logs an error of user code, and gives it to OnError. s and e may be nil. No lock is held.
func (m *Manager) report(ctx context.Context, s *Socket, e *Event, err error) {
	var p *PanicError
	level, msg := slog.LevelWarn, "client: error"
	if s != nil && ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, ErrDisconnected)) {
		level = slog.LevelDebug // what was done for the connection has ended with it
	}
	if errors.As(err, &p) {
		level, msg = slog.LevelError, "client: panic"
	}
	m.logError(ctx, level, msg, s, e, err)
	if fn := m.opts.OnError; fn != nil {
		_ = m.guard.Call(func() error {
			fn(ctx, s, e, err)
			return nil
		})
	}
}

// logError logs err, unless there was much of the same kind before.
func (m *Manager) logError(ctx context.Context, level slog.Level, msg string, s *Socket, e *Event, err error) {
	w := m.warner()
	if !w.log.Enabled(ctx, level) || level == slog.LevelDebug && m.opts.Logger == nil {
		return
	}
	cause := msg
	if e != nil {
		cause += " of event " + e.Name
	} else if s != nil {
		cause += " in " + s.name
	}
	skipped, ok := w.causes.Allow(cause, journal.Often)
	if !ok {
		return
	}
	sid, nsp := "", ""
	if s != nil {
		sid, nsp = s.ID(), s.name
	}
	w.log.Log(ctx, level, msg, dispatch.ErrorArgs(sid, nsp, e, err, skipped)...)
}

// A warner logs what goes wrong. Most Managers never need one.
type warner struct {
	log    *slog.Logger
	causes journal.Limiter
}

func (m *Manager) warner() *warner {
	if w := m.warns.Load(); w != nil {
		return w
	}
	w := &warner{log: m.log}
	if m.opts.Logger == nil {
		w.log = m.guard.Logger(slog.Default())
	}
	m.warns.CompareAndSwap(nil, w)
	return m.warns.Load()
}

// warn logs what is wrong with a connection, seldom.
func (m *Manager) warn(msg string, args ...any) {
	w := m.warner()
	w.causes.Log(context.Background(), w.log, journal.Often, msg, slog.LevelWarn, msg, args...)
}

func (m *Manager) debugs() bool { return m.log.Enabled(context.Background(), slog.LevelDebug) }

func plainError(err error) string {
	if err == nil {
		return ""
	}
	return dispatch.Plain(err.Error())
}

// debug logs what happens to a socket.
func (s *Socket) debug(msg string, args ...any) {
	ctx := context.Background()
	if s.m.log.Enabled(ctx, slog.LevelDebug) {
		s.m.log.Log(ctx, slog.LevelDebug, msg, append([]any{"nsp", dispatch.Plain(s.name)}, args...)...)
	}
}
