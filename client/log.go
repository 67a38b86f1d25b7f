package client

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
)

// maxLogged is how many bytes of what a server sent are logged.
const maxLogged = 256

// plain makes what a server sent fit to be logged: one line, without control characters, and not long.
func plain(s string) string {
	cut := len(s) > maxLogged
	if cut {
		s = s[:maxLogged]
	}
	special := func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r >= 0x7f }
	if strings.ContainsFunc(s, special) {
		s = strconv.QuoteToASCII(s)
		if len(s) > maxLogged {
			s = strings.TrimRight(s[:maxLogged-1], `\`) + `"`
		}
	}
	if cut {
		s += "..."
	}
	return s
}

// A guardedHandler keeps the panics of the user's from those who log.
type guardedHandler struct{ slog.Handler }

// Enabled reports false if the handler panics.
func (h guardedHandler) Enabled(ctx context.Context, level slog.Level) bool {
	defer func() { _ = recover() }()
	return h.Handler.Enabled(ctx, level)
}

// Handle loses the record if the handler panics.
func (h guardedHandler) Handle(ctx context.Context, r slog.Record) error {
	defer func() { _ = recover() }()
	return h.Handler.Handle(ctx, r)
}

// WithAttrs returns a guarded handler.
func (h guardedHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return guardedHandler{h.Handler.WithAttrs(attrs)}
}

// report logs an error of user code, and gives it to OnError. s and e may be nil. No lock is held.
func (m *Manager) report(ctx context.Context, s *Socket, e *Event, err error) {
	var p *PanicError
	level, msg := slog.LevelWarn, "client: error"
	args := make([]any, 0, 10)
	if s != nil {
		args = append(args, "sid", plain(s.ID()), "nsp", plain(s.name))
		if ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, ErrDisconnected)) {
			level = slog.LevelDebug // what was done for the connection has ended with it
		}
	}
	if e != nil {
		args = append(args, "event", plain(e.Name))
	}
	args = append(args, "error", plain(err.Error()))
	if errors.As(err, &p) {
		level, msg = slog.LevelError, "client: panic"
		args = append(args, "stack", string(p.Stack))
	}
	m.log.Log(ctx, level, msg, args...)
	if fn := m.opts.OnError; fn != nil {
		_ = m.protect(func() error {
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
	return plain(err.Error())
}

// debug logs what happens to a socket.
func (s *Socket) debug(msg string, args ...any) {
	ctx := context.Background()
	if s.m.log.Enabled(ctx, slog.LevelDebug) {
		s.m.log.Log(ctx, slog.LevelDebug, msg, append([]any{"nsp", plain(s.name)}, args...)...)
	}
}
