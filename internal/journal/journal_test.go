package journal

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// userHandler is a slog.Handler that does whatever the test wants.
type userHandler struct {
	slog.Handler
	mu     sync.Mutex
	level  slog.Level
	logged []string
	do     func(r slog.Record)
}

func (h *userHandler) Enabled(_ context.Context, level slog.Level) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return level >= h.level
}

func (h *userHandler) setLevel(level slog.Level) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.level = level
}

func (h *userHandler) Handle(_ context.Context, r slog.Record) error {
	h.mu.Lock()
	h.logged = append(h.logged, r.Message)
	h.mu.Unlock()
	if h.do != nil {
		h.do(r)
	}
	return nil
}

func (h *userHandler) take() (all []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all, h.logged = h.logged, nil
	return all
}

func TestHandlerThatBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		h := &userHandler{do: func(slog.Record) { <-goOn }}
		l := Logger(slog.New(h), nil)
		begin := time.Now()
		for i := range maxRecords + 11 {
			l.Info(fmt.Sprint(i))
			synctest.Wait()
		}
		for range 10 {
			l.Info(strings.Repeat("x", maxBytes))
		}
		if d := time.Since(begin); d != patience {
			t.Errorf("waited for %v: the first record is waited for, and no other while the Handler is late", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if Flush(ctx, l); ctx.Err() == nil {
			t.Error("Flush did not wait")
		}
		close(goOn)
		Flush(t.Context(), l)
		synctest.Wait()
		all := h.take()
		// One has been taken out when the queue fills.
		if n := len(all); n != maxRecords+2 || all[0] != "0" ||
			all[n-2] != fmt.Sprint(maxRecords) || !strings.Contains(all[n-1], "lost") {
			t.Errorf("%d records, the last %q", n, all[n-2:])
		}
	})
}

// A record is logged when the call returns, unless the Handler takes too long.
func TestWhoLogsWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var delay atomic.Int64
		delay.Store(int64(patience / 2))
		h := &userHandler{do: func(slog.Record) { <-time.After(time.Duration(delay.Load())) }}
		l := Logger(slog.New(h), nil)
		took := func(want time.Duration) {
			t.Helper()
			begin := time.Now()
			if l.Info("x"); time.Since(begin) != want {
				t.Errorf("waited for %v, want %v", time.Since(begin), want)
			}
		}
		took(patience / 2)
		took(patience / 2)
		delay.Store(int64(2 * patience))
		took(patience)
		took(0)
		delay.Store(int64(patience / 2))
		Flush(t.Context(), l)
		synctest.Wait()
		took(patience / 2) // it has caught up
	})
}

func TestHandlerThatEndsItsGoroutine(t *testing.T) {
	for name, do := range map[string]func(){"panic": func() { panic("boom") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &userHandler{do: func(slog.Record) { do() }}
				l := Logger(slog.New(h), nil)
				for _, m := range []string{"a", "b", "c"} {
					l.Info(m)
				}
				Flush(t.Context(), l)
				if all := h.take(); !slices.Equal(all, []string{"a", "b", "c"}) {
					t.Errorf("logged %q", all)
				}
			})
		})
	}
}

// A Handler may use what logs, and so log itself.
func TestHandlerThatCallsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *slog.Logger
		h := &userHandler{do: func(r slog.Record) {
			if r.Message == "first" {
				l.Info("second")
			}
		}}
		l = Logger(slog.New(h), nil)
		l.Info("first")
		Flush(t.Context(), l)
		if all := h.take(); len(all) != 2 {
			t.Errorf("logged %q", all)
		}
	})
}

func TestLevelIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &userHandler{level: slog.LevelWarn}
		l := Logger(slog.New(h), nil)
		l.Info("no")
		h.setLevel(slog.LevelDebug)
		<-time.After(again)
		l.Info("this one only has it asked for")
		synctest.Wait()
		l.Debug("yes")
		h.setLevel(slog.LevelError)
		l.Error("error")
		l.Debug("no more, though it was enabled a moment ago")
		Flush(t.Context(), l)
		if all := h.take(); !slices.Equal(all, []string{"yes", "error"}) && !slices.Equal(all, []string{"error"}) {
			t.Errorf("logged %q", all)
		}
	})
}

func TestRecordsAreTheSame(t *testing.T) {
	var direct, through bytes.Buffer
	opts := &slog.HandlerOptions{AddSource: true, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	j := Logger(slog.New(slog.NewTextHandler(&through, opts)), nil)
	for _, l := range []*slog.Logger{slog.New(slog.NewTextHandler(&direct, opts)), j} {
		l.With("app", "x").WithGroup("io").Warn("m", "a", 1, "b", "two",
			"c", 3, "d", 4, "e", 5, "f", 6, slog.Group("g", "h", 7))
	}
	Flush(t.Context(), j)
	if direct.String() != through.String() || !strings.Contains(through.String(), "journal_test.go") {
		t.Errorf("%s became %s", &direct, &through)
	}
}

func TestLoggerOfNothing(t *testing.T) {
	Logger(nil, nil).Error("nowhere")
	l := Logger(slog.New(&userHandler{}), nil)
	if Logger(l, nil) != l {
		t.Error("a logger of this package was wrapped again")
	}
	Flush(t.Context(), slog.New(slog.DiscardHandler)) // does not wait
}

func TestLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Limiter
		rate := Rate{Burst: 3, Every: time.Minute}
		want := func(cause string, pattern string) {
			t.Helper()
			got := ""
			for range pattern {
				if n, ok := l.Allow(cause, rate); ok {
					got += fmt.Sprint(n)
				} else {
					got += "-"
				}
			}
			if got != pattern {
				t.Errorf("%s: got %s, want %s", cause, got, pattern)
			}
		}
		want("a", "000--")
		want("b", "000-")
		<-time.After(time.Minute)
		want("a", "2-")
		<-time.After(time.Hour)
		want("a", "100-")
		for i := range 10 * maxCauses { // whatever peers send, the table is bounded
			l.Allow(fmt.Sprint(i), rate)
		}
		if n := len(l.causes); n > maxCauses+1 {
			t.Errorf("%d causes are kept", n)
		}
		want("new", "---")
		<-time.After(time.Hour)
		want("new", "000-")
	})
}

func TestLimiterLog(t *testing.T) {
	var out bytes.Buffer
	var l Limiter
	to := Logger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{AddSource: true})), nil)
	for range 3 {
		l.Log(t.Context(), to, Once, "cause", slog.LevelWarn, "wrong", "a", 1)
		l.Log(t.Context(), to, Once, "other", slog.LevelDebug, "not enabled")
	}
	Flush(t.Context(), to)
	if s := out.String(); strings.Count(s, "\n") != 1 ||
		!strings.Contains(s, "limiter_test.go") && !strings.Contains(s, "journal_test.go") ||
		!strings.Contains(s, "msg=wrong a=1") {
		t.Errorf("logged %s", s)
	}
}

// A record that is not enabled costs nothing.
func TestAllocations(t *testing.T) {
	l := Logger(slog.New(slog.NewTextHandler(new(bytes.Buffer), nil)), nil)
	if n := testing.AllocsPerRun(100, func() { l.Debug("m", "a", "b") }); n > 0 {
		t.Errorf("a record that is not enabled: %v allocations", n)
	}
}
