package dispatch

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
)

// maxLogged is how many bytes of what a peer sent are logged.
const maxLogged = 256

// Plain makes what a peer sent fit to be logged: one line, without control characters, and not long.
func Plain(s string) string {
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

// Logger returns l such that its panics, unless they are wanted, do no harm, and one that discards if l is nil.
func (g *Guard) Logger(l *slog.Logger) *slog.Logger {
	switch {
	case l == nil:
		return discard
	case g.DisableRecover:
		return l
	}
	return slog.New(guardedHandler{l.Handler()})
}

var discard = slog.New(slog.DiscardHandler)

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
