package dispatch

import (
	"log/slog"

	"sio.example/socketio/internal/journal"
)

// Plain makes what a peer sent fit to be logged: one line, without control characters, and not long.
func Plain(s string) string { return journal.Plain(s) }

// Logger returns l such that whatever its Handler does harms nobody, and one that discards if l is nil; see package
// journal. Panics end the process if they are wanted.
func (g *Guard) Logger(l *slog.Logger) *slog.Logger {
	return journal.Logger(l, &journal.Options{DisableRecover: g.DisableRecover})
}
