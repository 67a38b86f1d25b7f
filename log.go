package socketio

import (
	"context"
	"errors"
	"log/slog"

	"sio.example/socketio/internal/dispatch"
)

// report logs an error of user code, counts it, and gives it to OnError. sock and e may be nil.
func (s *server) report(ctx context.Context, sock *Socket, e *Event, err error) {
	var p *PanicError
	level, msg := slog.LevelWarn, "socketio: error"
	args := make([]any, 0, 10)
	if sock != nil {
		args = append(args, "sid", sock.id, "nsp", dispatch.Plain(sock.name))
		if !sock.Connected() && (errors.Is(err, sock.Context().Err()) || errors.Is(err, ErrDisconnected)) {
			level = slog.LevelDebug // what was done for the socket has ended with it
		}
	}
	if e != nil {
		args = append(args, "event", dispatch.Plain(e.Name))
	}
	args = append(args, "error", dispatch.Plain(err.Error()))
	if errors.As(err, &p) {
		level, msg = slog.LevelError, "socketio: panic"
		args = append(args, "stack", string(p.Stack))
	} else {
		s.stats.handlerErrors.Add(1)
	}
	s.log.Log(ctx, level, msg, args...)
	if fn := s.opts.OnError; fn != nil {
		_ = s.guard.Call(func() error {
			fn(ctx, sock, e, err)
			return nil
		})
	}
}
