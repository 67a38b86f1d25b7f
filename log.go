package socketio

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"
)

// maxLogged is how many bytes of what a client sent are logged.
const maxLogged = 256

// plain makes what a client sent fit to be logged: one line, without control characters, and not long.
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

// WithGroup returns a guarded handler.
func (h guardedHandler) WithGroup(name string) slog.Handler {
	return guardedHandler{h.Handler.WithGroup(name)}
}

// report logs an error of user code, counts it, and gives it to OnError. sock and e may be nil.
func (s *server) report(ctx context.Context, sock *Socket, e *Event, err error) {
	var p *PanicError
	level, msg := slog.LevelWarn, "socketio: error"
	args := make([]any, 0, 10)
	if sock != nil {
		args = append(args, "sid", sock.id, "nsp", plain(sock.name))
		if !sock.Connected() && (errors.Is(err, sock.Context().Err()) || errors.Is(err, ErrDisconnected)) {
			level = slog.LevelDebug // what was done for the socket has ended with it
		}
	}
	if e != nil {
		args = append(args, "event", plain(e.Name))
	}
	args = append(args, "error", plain(err.Error()))
	if errors.As(err, &p) {
		level, msg = slog.LevelError, "socketio: panic"
		args = append(args, "stack", string(p.Stack))
	} else {
		s.stats.handlerErrors.Add(1)
	}
	s.log.Log(ctx, level, msg, args...)
	if fn := s.opts.OnError; fn != nil {
		_ = s.protect(func() error {
			fn(ctx, sock, e, err)
			return nil
		})
	}
}
