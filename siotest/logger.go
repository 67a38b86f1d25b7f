package siotest

import (
	"io"
	"log/slog"
	"sync"
	"testing"
)

// NewLogger returns a logger whose records from level on are part of the test's output, which go test shows if the test
// fails. What comes after the end of the test is dropped.
func NewLogger(tb testing.TB, level slog.Leveler) *slog.Logger {
	out := &output{w: tb.Output()}
	tb.Cleanup(out.close)
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level}))
}

// output is a test's output until the test ends, when writing there would panic.
type output struct {
	mu sync.Mutex
	w  io.Writer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(p)
}

func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.w = io.Discard
}
