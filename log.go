package socketio

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/internal/journal"
)

// report logs an error of user code, counts it, and gives it to OnError. sock and e may be nil.
func (s *server) report(ctx context.Context, sock *Socket, e *Event, err error) {
	var p *PanicError
	level, msg := slog.LevelWarn, "socketio: error"
	if sock != nil && !sock.Connected() && (errors.Is(err, sock.Context().Err()) || errors.Is(err, ErrDisconnected)) {
		level = slog.LevelDebug // what was done for the socket has ended with it
	}
	var failed *adapterFailure
	switch {
	case errors.As(err, &p):
		level, msg = slog.LevelError, "socketio: panic"
	case errors.As(err, &failed):
		s.stats.adapterErrors.Add(1)
	default:
		s.stats.handlerErrors.Add(1)
	}
	s.logError(ctx, level, msg, sock, e, err)
	if fn := s.opts.OnError; fn != nil {
		_ = s.guard.Call(func() error {
			fn(ctx, sock, e, err)
			return nil
		})
	}
}

// An adapterFailure is an error of an adapter because of which a client is refused. It counts as one.
type adapterFailure struct{ err error }

// Error is that of err.
func (e *adapterFailure) Error() string { return e.err.Error() }

// Unwrap returns err.
func (e *adapterFailure) Unwrap() error { return e.err }

// reportAdapter logs what an adapter reports, counts it, and gives it to OnError. what is the cause. A panic is one of
// user code as any other.
func (s *server) reportAdapter(what string, err error) {
	ctx := context.Background()
	if p := (*PanicError)(nil); errors.As(err, &p) {
		s.report(ctx, nil, nil, err)
		return
	}
	s.stats.adapterErrors.Add(1)
	s.logError(ctx, slog.LevelWarn, "socketio: adapter: "+dispatch.Plain(what), nil, nil, err)
	if fn := s.opts.OnError; fn != nil {
		_ = s.guard.Call(func() error {
			fn(ctx, nil, nil, err)
			return nil
		})
	}
}

// logError logs err, unless there was much of the same kind before.
func (s *server) logError(ctx context.Context, level slog.Level, msg string, sock *Socket, e *Event, err error) {
	if !s.log.Enabled(ctx, level) {
		return
	}
	skipped, ok := s.causes.Allow(causeOf(msg, sock, e), journal.Often)
	if !ok {
		return
	}
	sid, nsp := "", ""
	if sock != nil {
		sid, nsp = sock.id, sock.name
	}
	s.log.Log(ctx, level, msg, dispatch.ErrorArgs(sid, nsp, e, err, skipped)...)
}

// causeOf is what records are counted by. Names that clients choose are not part of it: they could have a cause for
// each record.
func causeOf(msg string, sock *Socket, e *Event) string {
	switch {
	case e != nil && (sock == nil || sock.hasListener(e.Name)):
		return msg + " of event " + e.Name
	case e != nil:
		return msg + " of an event without a listener"
	case sock == nil:
		return msg
	}
	if n := sock.ns(); n == nil || n.parent != nil {
		return msg + " in a namespace of OfFunc"
	}
	return msg + " in " + sock.name
}

// hasListener reports whether somebody listens to events of a name.
func (s *Socket) hasListener(name string) bool {
	if n := s.ns(); n != nil && n.hooks.load().handlers[name] != nil {
		return true
	}
	return slices.ContainsFunc(s.listeners.Snapshot(),
		func(l dispatch.Listener[Handler]) bool { return l.Name == name })
}

// debugEnabled reports whether it is worth the while to call debug.
func (s *server) debugEnabled() bool { return s.log.Enabled(context.Background(), slog.LevelDebug) }

// debug logs what happens to a socket.
func (s *Socket) debug(msg string, args ...any) {
	s.conn.srv.log.Debug(msg, append([]any{"sid", s.id, "nsp", dispatch.Plain(s.name)}, args...)...)
}
