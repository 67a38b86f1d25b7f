package dispatch

import (
	"errors"
	"log/slog"

	"sio.example/socketio/event"
	"sio.example/socketio/internal/journal"
)

// Plain makes what a peer sent fit to be logged: one line, without control characters, and not long.
func Plain(s string) string { return journal.Plain(s) }

// Logger returns l such that whatever its Handler does harms nobody, and one that discards if l is nil; see package
// journal. Panics end the process if they are wanted.
func (g *Guard) Logger(l *slog.Logger) *slog.Logger {
	return journal.Logger(l, &journal.Options{DisableRecover: g.DisableRecover})
}

// ErrorArgs are the attributes of a record about err: sid and nsp of the socket, without one if nsp is empty; the
// event, if e is not nil; the stack of a panic; and how many records of the same cause were left out.
func ErrorArgs(sid, nsp string, e *event.Event, err error, skipped int) []any {
	args := make([]any, 0, 12)
	if nsp != "" {
		args = append(args, "sid", Plain(sid), "nsp", Plain(nsp))
	}
	if e != nil {
		args = append(args, "event", Plain(e.Name))
	}
	args = append(args, "error", Plain(err.Error()))
	if p := (*event.PanicError)(nil); errors.As(err, &p) {
		args = append(args, "stack", string(p.Stack))
	}
	if skipped > 0 {
		args = append(args, "skipped", skipped)
	}
	return args
}
