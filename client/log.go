package client

import (
	"context"
	"errors"
	"log/slog"

	"sio.example/socketio/internal/dispatch"
)

// report logs an error of user code, and gives it to OnError. s and e may be nil. No lock is held.
func (m *Manager) report(ctx context.Context, s *Socket, e *Event, err error) {
	var p *PanicError
	level, msg := slog.LevelWarn, "client: error"
	args := make([]any, 0, 10)
	if s != nil {
		args = append(args, "sid", dispatch.Plain(s.ID()), "nsp", dispatch.Plain(s.name))
		if ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, ErrDisconnected)) {
			level = slog.LevelDebug // what was done for the connection has ended with it
		}
	}
	if e != nil {
		args = append(args, "event", dispatch.Plain(e.Name))
	}
	args = append(args, "error", dispatch.Plain(err.Error()))
	if errors.As(err, &p) {
		level, msg = slog.LevelError, "client: panic"
		args = append(args, "stack", string(p.Stack))
	}
	m.log.Log(ctx, level, msg, args...)
	if fn := m.opts.OnError; fn != nil {
		_ = m.guard.Call(func() error {
			fn(ctx, s, e, err)
			return nil
		})
	}
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
