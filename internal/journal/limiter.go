package journal

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"
)

// A Rate is how often records of one cause may be logged: Burst at once, and one more for each Every that has passed.
type Rate struct {
	Burst int
	Every time.Duration
}

// The usual rates.
var (
	// Once is for what is wrong with a set-up, which nobody cures while the program runs.
	Once = Rate{Burst: 1, Every: time.Hour}
	// Often is for errors of user code.
	Often = Rate{Burst: 10, Every: 10 * time.Second}
)

// A Limiter lets few records of each cause through. What is left out is counted, and told by the next record of the
// cause, as "skipped". The zero value is ready; it is safe for concurrent use, and calls no user code.
type Limiter struct {
	mu     sync.Mutex
	causes map[string]*cause
	swept  time.Time
}

// A cause is a bucket: one record fills it by rate.Every.
type cause struct {
	rate    Rate
	empty   time.Time // when it will be
	skipped int
}

const (
	maxCauses   = 256
	maxCauseLen = 256
)

// Allow reports whether a record of the cause may be logged now, and how many were left out before it. A cause may
// contain what a peer sent: above a number of causes, all that are new are taken for one.
func (l *Limiter) Allow(name string, rate Rate) (skipped int, ok bool) {
	now := time.Now()
	if len(name) > maxCauseLen {
		name = name[:maxCauseLen]
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.causeLocked(name, rate, now)
	if c.empty.Before(now) {
		c.empty = now
	}
	if full := c.empty.Add(c.rate.Every); full.Sub(now) <= time.Duration(max(1, c.rate.Burst))*c.rate.Every {
		c.empty, skipped, c.skipped = full, c.skipped, 0
		return skipped, true
	}
	c.skipped++
	return 0, false
}

func (l *Limiter) causeLocked(name string, rate Rate, now time.Time) *cause {
	if c := l.causes[name]; c != nil {
		return c
	}
	if len(l.causes) >= maxCauses {
		if now.Sub(l.swept) >= time.Second {
			l.swept = now
			for n, c := range l.causes {
				if c.empty.Before(now) {
					delete(l.causes, n)
				}
			}
		}
		if len(l.causes) >= maxCauses {
			name = "" // all the others
			if c := l.causes[name]; c != nil {
				return c
			}
		}
	}
	if l.causes == nil {
		l.causes = make(map[string]*cause)
	}
	c := &cause{rate: rate}
	l.causes[name] = c
	return c
}

// Log logs what Allow lets through.
func (l *Limiter) Log(ctx context.Context, to *slog.Logger,
	rate Rate, name string, level slog.Level, msg string, args ...any) {
	if !to.Enabled(ctx, level) {
		return
	}
	skipped, ok := l.Allow(name, rate)
	if !ok {
		return
	}
	var pc [1]uintptr
	runtime.Callers(2, pc[:]) // the caller of Log, for handlers that tell the source
	r := slog.NewRecord(time.Now(), level, msg, pc[0])
	r.Add(args...)
	if skipped > 0 {
		r.AddAttrs(slog.Int("skipped", skipped))
	}
	_ = to.Handler().Handle(ctx, r)
}
