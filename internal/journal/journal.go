// Package journal stands between those who log and the user's slog.Handler, which is user code: it may block, panic,
// end its goroutine, or call back. Records are handed to it by a goroutine that does nothing else.
//
// A caller that logs waits a moment, so that its record comes before what it does next, and before its program ends;
// but it does not while the Handler is late with an earlier record. So nobody may log with a lock held that user code
// can want, nor on a goroutine that serves several sessions.
//
// A [Limiter] lets few records of one cause through.
package journal

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// What may wait for a Handler that takes its time. What comes then is lost, and its number is logged.
const (
	maxRecords = 1024
	maxBytes   = 1 << 20
)

// patience is how long a record is waited for.
const patience = 100 * time.Millisecond

// again is for how long the answer of the user's Enabled holds.
const again = time.Second

// Options of a Logger. The zero value of each means its default; nil means all defaults.
type Options struct {
	// DisableRecover lets a panic of the Handler end the process. By default it costs the record.
	DisableRecover bool
}

// Logger returns a logger that never calls the Handler of l on the goroutine of the caller, and waits for it as the
// package says. The level is asked for now, and then on the other goroutine again, at most once in a second while
// somebody logs. Records keep their order, time, source and context.
//
// If l is nil the logger discards; a logger of this package is returned as it is.
func Logger(l *slog.Logger, opts *Options) *slog.Logger {
	if l == nil || l.Handler() == slog.DiscardHandler {
		return discard
	}
	if _, ok := l.Handler().(*handler); ok {
		return l
	}
	j := new(journal)
	if opts != nil {
		j.disableRecover = opts.DisableRecover
	}
	return slog.New(newHandler(l.Handler(), j))
}

var discard = slog.New(slog.DiscardHandler)

// Flush waits until what l, a logger of this package, has been given so far is logged, or ctx is done.
func Flush(ctx context.Context, l *slog.Logger) {
	h, ok := l.Handler().(*handler)
	if !ok {
		return
	}
	done := make(chan struct{})
	h.journal.add(entry{done: done})
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// A handler is what callers log to.
type handler struct {
	inner   slog.Handler
	journal *journal
	levels  atomic.Uint32 // bits of the levels that are enabled
	asked   atomic.Int64  // when that was asked for, in nanoseconds since start
}

var start = time.Now()

func newHandler(inner slog.Handler, j *journal) *handler {
	h := &handler{inner: inner, journal: j}
	h.levels.Store(1<<len(levels) - 1) // in case that it cannot tell
	h.asked.Store(int64(time.Since(start)))
	j.protected(h.ask)
	return h
}

var levels = [...]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}

// bit is that of the highest of levels that is not above level, or of the lowest.
func bit(level slog.Level) uint32 {
	n := 0
	for i, l := range levels {
		if level >= l {
			n = i
		}
	}
	return 1 << n
}

// ask asks the user's Handler which levels are enabled.
func (h *handler) ask() {
	bits := uint32(0)
	for _, l := range levels {
		if h.inner.Enabled(context.Background(), l) {
			bits |= bit(l)
		}
	}
	h.levels.Store(bits)
}

// Enabled reports what was true not long ago.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	now, asked := int64(time.Since(start)), h.asked.Load()
	if now-asked >= int64(again) && h.asked.CompareAndSwap(asked, now) {
		h.journal.add(entry{handler: h})
	}
	return h.levels.Load()&bit(level) != 0
}

// Handle queues r.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	e := entry{handler: h, ctx: ctx, record: r.Clone(), size: sizeOf(&r)}
	if h.journal.late.Load() {
		h.journal.add(e)
		return nil
	}
	e.done = make(chan struct{})
	if !h.journal.add(e) {
		return nil
	}
	t := time.NewTimer(patience)
	defer t.Stop()
	select {
	case <-e.done:
	case <-t.C:
		h.journal.late.Store(true)
	}
	return nil
}

// WithAttrs returns a handler with the same journal.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return newHandler(h.inner.WithAttrs(attrs), h.journal)
}

// WithGroup returns a handler with the same journal.
func (h *handler) WithGroup(name string) slog.Handler {
	return newHandler(h.inner.WithGroup(name), h.journal)
}

// sizeOf is about what r holds. Texts are what makes records differ.
func sizeOf(r *slog.Record) int {
	n := 300 + len(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		if n += 48; a.Value.Kind() == slog.KindString {
			n += len(a.Value.String())
		}
		return true
	})
	return n
}

// A journal is what waits for one Handler, and for those derived of it.
type journal struct {
	disableRecover bool
	late           atomic.Bool // somebody has waited in vain, and something still waits

	mu      sync.Mutex
	queue   []entry // queue[head:] waits
	head    int
	bytes   int
	running bool
	lost    int
	loser   *handler // of the record that was lost first
}

// An entry is a record; without a context a question about the levels; without a handler nothing but somebody who
// waits.
type entry struct {
	handler *handler
	ctx     context.Context
	record  slog.Record
	size    int
	done    chan struct{} // closed when it is done with; nil if nobody waits
}

// add reports false if the entry is lost.
func (j *journal) add(e entry) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e.ctx != nil && (len(j.queue)-j.head >= maxRecords || j.bytes+e.size > maxBytes) {
		if j.lost++; j.lost == 1 {
			j.loser = e.handler
		}
		return false
	}
	if j.head > len(j.queue)/2 {
		n := copy(j.queue, j.queue[j.head:])
		clear(j.queue[n:])
		j.queue, j.head = j.queue[:n], 0
	}
	j.queue = append(j.queue, e)
	j.bytes += e.size
	if !j.running {
		j.running = true
		go j.run() // owned by the journal; ends when nothing waits. A Handler that blocks for ever keeps it
	}
	return true
}

// next takes an entry, or reports false if there is none, and nobody runs any more.
func (j *journal) next() (e entry, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.head < len(j.queue):
		e, ok = j.queue[j.head], true
		j.queue[j.head] = entry{}
		j.head++
		j.bytes -= e.size
	case j.lost > 0:
		r := slog.NewRecord(time.Now(), slog.LevelWarn, "log records lost: the slog.Handler is too slow", 0)
		r.AddAttrs(slog.Int("records", j.lost))
		e, ok = entry{handler: j.loser, ctx: context.Background(), record: r}, true
		j.lost, j.loser = 0, nil
	default:
		j.running, j.queue, j.head = false, nil, 0
		j.late.Store(false)
	}
	return e, ok
}

func (j *journal) run() {
	ended := true
	defer func() {
		if ended { // the Handler called runtime.Goexit: another goroutine goes on
			go j.run() // as in add
		}
	}()
	for {
		e, ok := j.next()
		if !ok {
			ended = false
			return
		}
		j.protected(e.handle)
	}
}

func (e *entry) handle() {
	if e.done != nil {
		defer close(e.done)
	}
	switch h := e.handler; {
	case h == nil:
	case e.ctx == nil:
		h.ask()
	case h.inner.Enabled(e.ctx, e.record.Level): // it may depend on the context
		_ = h.inner.Handle(e.ctx, e.record)
	}
}

// protected calls user code.
func (j *journal) protected(call func()) {
	if !j.disableRecover {
		defer func() { _ = recover() }()
	}
	call()
}
