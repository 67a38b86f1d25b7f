package engineio

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// logHook is a slog.Handler that does with each record what the test wants.
type logHook struct {
	slog.Handler
	do func(r slog.Record)
}

func (logHook) Enabled(context.Context, slog.Level) bool { return true }

func (h logHook) Handle(_ context.Context, r slog.Record) error {
	h.do(r)
	return nil
}

func logTo(do func(r slog.Record)) *slog.Logger { return slog.New(logHook{slog.DiscardHandler, do}) }

// A slog.Handler that blocks when the ping timeout of one session is logged holds up nobody: the others get their pings, and
// time out, too.
func TestLoggerThatBlocksHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		unblock := sync.OnceFunc(func() { close(goOn) })
		e := newEnv(t, &Options{PingInterval: time.Second, PingTimeout: time.Second, Logger: logTo(func(slog.Record) { <-goOn })})
		defer e.stop()
		defer unblock()
		_, silent := e.ws()
		p, alive := e.ws()
		for range 10 {
			p.want("2")
			p.send("3")
		}
		alive.alive()
		silent.want(PingTimeout) // though its record is not written yet
		_, rec := e.open()
		<-time.After(3 * time.Second)
		p.conn.Close()
		rec.want(PingTimeout)
		alive.want(PingTimeout)
	})
}
