package engineio

import (
	"cmp"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sio.example/socketio/internal/budget"
	"sio.example/socketio/internal/standstill"
	"sio.example/socketio/internal/websocket"
)

const (
	// watchTick is how often the watcher looks.
	watchTick = 250 * time.Millisecond
	// stalledParts is what part of MaxMemory sessions may hold together whose peers take nothing.
	stalledParts = 16
	// relief is how long sessions that were closed for their memory have to let go of it before others are.
	relief = time.Second
	// memoryWarning is how often it is logged at most that MaxMemory is reached.
	memoryWarning = 10 * time.Second
)

// A watcher ends sessions whose queue is over its budget when their peers take nothing; the worst of those that are not
// over it, when many take nothing; and the worst of all when they hold more than MaxMemory together. It is a goroutine
// that exists only while much waits to be sent, or too little memory is left; at rest it costs nothing.
type watcher struct {
	mu      sync.Mutex
	list    []*Socket // over their budgets; their claims say that they are here
	running bool
	wake    chan struct{} // of capacity 1: look now, a session is gone; nil while it does not run
	resumed atomic.Int64  // when it found that the process had stood still, on the server's clock
	warned  time.Duration // when it was last logged that there is too little memory, on the server's clock
}

// watch makes the watcher look at sock, which may be nil, from now on. Lock order: Socket.mu, then watcher.mu.
func (s *Server) watch(sock *Socket) {
	w := &s.watcher
	w.mu.Lock()
	defer w.mu.Unlock()
	if sock != nil {
		w.list = append(w.list, sock)
	}
	if !w.running {
		w.running, w.wake = true, make(chan struct{}, 1)
		go s.runWatcher() // owned by the server; ends when no queue is over its budget and there is enough memory
	}
}

// since is from when on it is known that the process does not stand still: peers had the time to do something.
func (w *watcher) since() time.Duration { return time.Duration(w.resumed.Load()) }

// gone makes the watcher look whether it is needed any more.
func (w *watcher) gone() {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (s *Server) runWatcher() {
	w := &s.watcher
	tick := time.NewTicker(watchTick)
	defer tick.Stop()
	w.mu.Lock()
	wake := w.wake
	w.mu.Unlock()
	last := s.now()
	var patient time.Duration // until then what was closed has the time to let go of its memory
	for {
		select {
		case <-tick.C:
		case <-wake:
		}
		if now := s.now(); standstill.Late(now - last - watchTick) {
			w.resumed.Store(int64(now))
		}
		last = s.now()
		w.mu.Lock()
		list := w.list
		w.list = nil
		w.mu.Unlock()
		list = slices.DeleteFunc(list, func(sock *Socket) bool { return !sock.watched() })
		short := s.short()
		if short && s.now() >= patient {
			s.relieveMemory()
			patient = s.now() + relief
		}
		w.mu.Lock()
		w.list = append(list, w.list...)
		if len(w.list) == 0 && !short {
			w.list, w.running, w.wake = nil, false, nil
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
	}
}

// watched ends the session if its peer is a slow consumer, and reports whether it is to be watched further.
func (s *Socket) watched() bool {
	s.mu.Lock()
	c := s.claim
	switch {
	case c == nil:
		s.mu.Unlock()
		return false
	case s.state == sessionClosed || !s.overLocked(0, 0):
		c.watched = false
		s.unclaimLocked()
		s.mu.Unlock()
		return false
	case s.stalledLocked(false) && !c.relented: // a peer that is given the chance to say all has the time of the write
		s.closeApartLocked(slowConsumer)
		s.mu.Unlock()
		return false
	}
	s.mu.Unlock()
	return true
}

// slowConsumer is the end of a session whose peer does not take what it is sent.
var slowConsumer = ending{
	reason: TransportError, err: ErrSlowConsumer, reject: RejectSlowConsumer,
	status: websocket.PolicyViolation, text: "slow consumer",
}

// closeApartLocked closes the session on a goroutine of its own, for callers that may not call user code, as a Logger
// is.
func (s *Socket) closeApartLocked(e ending) {
	s.closeStoppedApart(s.stopLocked(e))
}

// short reports whether memory is, or may be.
func (s *Server) short() bool {
	return s.pool.Free() < 0 || s.pool.Used(budget.Out) > s.pool.Limit()/stalledParts
}

// A holder is a session that holds much.
type holder struct {
	sock  *Socket
	bytes int64
	score float64 // bytes times seconds
}

// relieveMemory ends the worst sessions, those that hold most for longest without progress, and no more of them than
// have to be ended: of all sessions when they hold too much together, and of those whose peers take nothing when these
// do.
func (s *Server) relieveMemory() {
	var all, stalled []holder
	waiting := int64(0)
	for _, sock := range s.snapshot() {
		sock.mu.Lock()
		if n := sock.heldLocked(); n > 0 && sock.state != sessionClosed {
			h := holder{sock, n, float64(n) * (1 + sock.idleLocked().Seconds())}
			all = append(all, h)
			if sock.stalledLocked(true) && sock.longLocked(2) {
				stalled = append(stalled, h)
				waiting += n
			}
		}
		sock.mu.Unlock()
	}
	endWorst(stalled, slowConsumer, waiting-s.pool.Limit()/stalledParts)
	if missing := -s.pool.Free(); missing > 0 {
		s.warnOfMemory(endWorst(all, outOfMemory, missing))
	}
}

// endWorst ends the worst until they held at least missing bytes together, and returns how many.
func endWorst(all []holder, e ending, missing int64) (ended int) {
	slices.SortFunc(all, func(a, b holder) int { return cmp.Compare(b.score, a.score) })
	for _, h := range all {
		if missing <= 0 {
			break
		}
		h.sock.mu.Lock()
		if h.sock.state != sessionClosed {
			h.sock.closeApartLocked(e)
			missing -= h.bytes
			ended++
		}
		h.sock.mu.Unlock()
	}
	return ended
}

var outOfMemory = ending{
	reason: TransportError, err: ErrSlowConsumer, reject: RejectMemory,
	status: websocket.TryAgainLater, text: "server is out of memory",
}

// warnOfMemory logs, not too often.
func (s *Server) warnOfMemory(ended int) {
	w := &s.watcher
	w.mu.Lock()
	again := w.warned == 0 || s.now()-w.warned >= memoryWarning
	if again {
		w.warned = s.now()
	}
	w.mu.Unlock()
	if !again {
		return
	}
	m := s.memoryStats()
	go s.options.Logger.Warn( // owned by the server, ends with the Logger, which may take its time
		"engineio: sessions hold more than MaxMemory; those that hold most are closed", slog.Int64("limit", m.Limit),
		slog.Int64("out", m.Out), slog.Int64("in", m.In), slog.Int64("held", m.Held), slog.Int("closed", ended))
}
