package engineio

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"sio.example/socketio/internal/deadline"
	"sio.example/socketio/internal/websocket"
)

// A Socket is one session. Its methods are safe for concurrent use and never block.
type Socket struct {
	// Each session is counted in Server.running until its handler has been told of the end and each goroutine that
	// works for it is gone; refs counts those.

	server  *Server
	handler Handler // set before the latch opens
	id      string
	remote  string

	in           incoming
	stackDirty   bool           // messages were handled on the reader's stack
	freshStacks  uint8          // how often the reader took a fresh one
	base64       bool           // the client takes text only, and may send base64 (query parameter b64)
	deadlineList heartbeatState // which of the server's deadlines it is in, or was; guarded by mu
	latch        latch
	marks        atomic.Uint32 // see below

	revision  uint8 // of the protocol, see codec
	pings     uint8 // that went out and were not answered; from here on guarded by mu
	refs      int32
	mu        sync.Mutex
	state     sessionState
	kind      transportKind // of the transport; its link may not be open yet
	upgrade   upgradeState
	heartbeat heartbeatState
	blockedAt time.Duration // since when a write waits for the peer to read, on the server's clock; 0 if none does
	link      link          // the transport, once it is open; nil while it is polling
	poll      *polling      // nil when no request can come any more
	out       outbox
	claim     *claim // on the server's memory; nil while the session holds little
	deadline  deadline.Entry[*Socket]
	outcome   *outcome // nil until somebody asks for the context, or the session begins to close
}

// The marks of a session.
const (
	markInputClosed = 1 << iota // closing or closed: messages of the peer are dropped
	markSilent                  // nothing has come since the last ping
	markAsked                   // a large message was let in, see intake
	markChoked                  // the queue is long: messages are not read before it is shorter
	markBinary                  // the link takes binary data, though polling may not have
)

type sessionState uint8

const (
	sessionOpen     sessionState = iota
	sessionDraining              // Close was called; what is queued is still sent
	sessionClosed
)

// An ending is why and how a session ends.
type ending struct {
	reason Reason
	err    error
	status websocket.Status // said to a WebSocket, also one that upgrades a session on polling
	text   string           // said with it; constant
	final  *Prepared        // answers the pending GET; nil means a close packet
	reject string           // counted if this is what ends the session
}

// What a WebSocket is told that upgrades a session, when the session ends because of its requests.
const (
	textAborted   = "request aborted"
	textOverlap   = "two requests at once"
	textMalformed = "malformed packet"
)

// guilty is the end of a session whose peer broke the protocol, or broke a request off.
func guilty(reason Reason, err error, reject, text string) ending {
	return ending{reason: reason, err: err, reject: reject, status: websocket.ProtocolError, text: text}
}

// newSocket makes a session that nobody knows yet, with a ref of its own and one of the handshake's request. Its latch
// is closed until accept has returned.
func (s *Server) newSocket(id string, k transportKind, r *http.Request, q *query) *Socket {
	sock := &Socket{server: s, id: id, kind: k, remote: r.RemoteAddr, base64: q.base64, refs: 2}
	sock.revision, _ = codecNamed(q.eio)
	if k == kindPolling {
		sock.poll = newPolling(s.now())
	} else {
		sock.upgrade = upgradeDone
	}
	sock.latch.enter()
	return sock
}

// ID is the session id. It is a credential: do not show it to others.
func (s *Socket) ID() string { return s.id }

// Transport is "polling", "websocket", or for a byte stream "webtransport", whose framing it has (see
// [Server.ServeStream]).
func (s *Socket) Transport() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kind.String()
}

// Protocol is the protocol revision: 4, or 3 (see Options.AllowEIO3).
func (s *Socket) Protocol() int { return s.codec().revision }

// RemoteAddr is the peer's address as net/http gave it with the first request: host and port. It is "" for a stream
// without a request.
func (s *Socket) RemoteAddr() string { return s.remote }

// Context is cancelled when the session begins to close, with its Reason as the cause.
func (s *Socket) Context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.outcomeLocked()
	if o.ctx == nil {
		o.ctx, o.cancel = context.WithCancelCause(context.Background())
		if o.ending != nil {
			o.cancel(o.ending.reason) // nobody can have derived from it yet
		}
	}
	return o.ctx
}

// An outcome is what most sessions need only when they close.
type outcome struct {
	ctx    context.Context // nil until somebody asks for it
	cancel context.CancelCauseFunc
	ending *ending // nil while the session is open
}

func (s *Socket) outcomeLocked() *outcome {
	if s.outcome == nil {
		s.outcome = new(outcome)
	}
	return s.outcome
}

// endingLocked is why and how the session closes; it has begun to.
func (s *Socket) endingLocked() *ending { return s.outcome.ending }

// Close ends the session with ForcedClose after the queue is sent. The client sees a close packet or frame. A polling
// client that has no request pending has 30 seconds to fetch what is queued.
func (s *Socket) Close() {
	s.drain(ending{reason: ForcedClose, status: websocket.NormalClosure})
}

// CloseWith ends the session at once because of what the peer did or failed to do: the WebSocket status is
// ProtocolError or PolicyViolation with a constant text, which is cut at 123 bytes.
func (s *Socket) CloseWith(reason Reason, policy bool, text string) {
	e := ending{reason: reason, status: websocket.ProtocolError, text: text}
	if policy {
		e.status = websocket.PolicyViolation
	}
	s.close(e, false)
}

// drain ends the session when its queue is sent. Only the first call counts.
func (s *Socket) drain(e ending) {
	s.mu.Lock()
	if s.state != sessionOpen {
		s.mu.Unlock()
		return
	}
	s.state = sessionDraining
	o := s.outcomeLocked()
	o.ending = &e
	s.marks.Or(markInputClosed)
	s.unchokeLocked() // what comes now is dropped anyway
	cancel := o.cancel
	if s.kind == kindPolling {
		s.heartbeat = heartbeatDraining
		s.arm(s.drainTimeLocked(&e))
		s.poll.signal()
		s.poll.makeRoom()
	}
	s.startFlushLocked()
	s.mu.Unlock()
	if cancel != nil {
		cancel(e.reason)
	}
}

// drainTimeLocked is how long a client on polling may take to fetch the end of its session. One that works has a GET
// pending, or makes the next at once: when the server shuts down, nobody waits for those that are gone.
func (s *Socket) drainTimeLocked(e *ending) time.Duration {
	p := s.poll
	if e.err != ErrServerClosed || p.get != getNone {
		return drainTimeout
	}
	return max(0, leaveTimeout-(s.server.now()-p.polled))
}

// shortenDrain has a session that is draining already end as soon as Shutdown wants it to.
func (s *Socket) shortenDrain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != sessionDraining || s.heartbeat != heartbeatDraining || s.kind != kindPolling {
		return
	}
	if d := s.drainTimeLocked(&serverClosed); s.server.now()+d < s.deadline.Due() {
		s.arm(d)
	}
}

// close closes the session at once. If inline is true and nobody else is calling the Handler, its last call is made
// here; otherwise by the goroutine that is inside it, or by one of its own.
func (s *Socket) close(e ending, inline bool) {
	s.mu.Lock()
	fx := s.stopLocked(e)
	s.mu.Unlock()
	s.closeStopped(fx, inline)
}

// closing is what is left to do when the lock is released.
type closing struct {
	stopped bool // there is something to do
	link    link
	probe   link
	cancel  context.CancelCauseFunc
	ending  ending
	notify  bool // the last call of the Handler is ours
}

// stopLocked makes the session closed: input stops, what is queued is freed, and requests that wait are woken, which
// tell the peer. The caller passes what is returned to closeStopped.
func (s *Socket) stopLocked(e ending) closing {
	if s.state == sessionClosed {
		return closing{}
	}
	if s.state == sessionDraining {
		e.reason, e.err = s.endingLocked().reason, s.endingLocked().err // it ends for the reason it began to end
	}
	if e.final == nil {
		e.final = closePacket
	}
	if e.reject != "" {
		s.server.counters.reject(e.reject)
	}
	o := s.outcomeLocked()
	fx := closing{stopped: true, link: s.link, cancel: o.cancel, ending: e}
	if s.state == sessionDraining {
		fx.cancel = nil // done when it began
	}
	s.server.counters.sessions[s.kind].Add(-1)
	s.state, o.ending = sessionClosed, &e
	s.marks.Or(markInputClosed)
	if _, x := s.stepLocked(inClosed); x != nil {
		fx.probe = x
	}
	s.stopTimer()
	if s.poll != nil {
		s.poll.abort()
	}
	s.out.free()
	if c := s.claim; c != nil {
		if c.watched {
			s.server.watcher.gone()
		}
		s.handedOverLocked()
	}
	if s.claim != nil {
		s.sentLocked(0)
	}
	fx.notify = s.latch.close()
	return fx
}

// closeStopped does what stopLocked left, without the lock: it tells the peer, and notifies the Handler.
func (s *Socket) closeStopped(fx closing, inline bool) {
	if !fx.stopped {
		return
	}
	s.server.remove(s)
	s.server.counters.close(fx.ending.reason)
	if fx.cancel != nil {
		fx.cancel(fx.ending.reason)
	}
	if fx.link != nil {
		fx.link.close(fx.ending.status, fx.ending.text)
		if fx.ending.reject == RejectMemory {
			fx.link.abort() // which may hold a part of a message as long as its peer likes
		}
	}
	if fx.probe != nil {
		fx.probe.close(fx.ending.status, fx.ending.text)
	}
	if l := s.server.options.Logger; l.Enabled(context.Background(), slog.LevelDebug) {
		l.Debug("engineio: session closed", "sid", s.id, "reason", string(fx.ending.reason), "error", fx.ending.err)
	}
	switch {
	case !fx.notify: // the goroutine inside the Handler calls notifyClosed
	case inline:
		s.notifyClosed()
	default:
		go s.notifyClosed() // owned by the session, ends with HandleClose, and unref lets Shutdown go on
	}
}

// closeStoppedApart is closeStopped for callers whose goroutine serves other sessions as well, or which may hold locks.
// The session is locked.
func (s *Socket) closeStoppedApart(fx closing) {
	if !fx.stopped {
		return
	}
	s.refs++
	go func() { // owned by the session, ends when all is told; unref lets Shutdown go on
		defer s.unref() // HandleClose may end the goroutine
		s.closeStopped(fx, true)
	}()
}

// ref keeps the session on the server's count until unref; it fails when the session is closed.
func (s *Socket) ref() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == sessionClosed {
		return false
	}
	s.refs++
	return true
}

// unref gives back one of refs. The last one takes the session off the server's count.
func (s *Socket) unref() {
	s.mu.Lock()
	last := s.unrefLocked()
	s.mu.Unlock()
	if last {
		s.server.running.Done()
	}
}

// unrefLocked is unref, but leaves the server's count to the caller if it reports true.
func (s *Socket) unrefLocked() (last bool) {
	s.refs--
	return s.refs == 0
}
