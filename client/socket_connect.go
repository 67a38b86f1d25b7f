package client

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"sio.example/socketio/engineio"
	"sio.example/socketio/event"
	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/parser"
)

// All functions of this file that don't say otherwise are called with the Manager's lock held.

// An epoch is one time that a socket is connected.
type epoch struct {
	s      *Socket
	id     string
	ctx    context.Context
	cancel context.CancelCauseFunc
	conn   *conn // nil when it is over; guarded by the Manager's lock

	ended   atomic.Pointer[epochEnd] // nil while it is not
	dropped atomic.Bool              // events that were not handled yet are not wanted
}

// An epochEnd is how an epoch ended.
type epochEnd struct {
	reason DisconnectReason
	until  time.Time // when the context of events that were not handled yet ends
}

// drainTime is how long after the connection was lost the context of the events that had come lasts.
const drainTime = time.Second

// An attempt is one try of a socket to be let into its namespace on a session.
type attempt struct {
	s      *Socket
	conn   *conn
	ready  bool // prepared; before, an earlier CONNECT is still to be answered
	auth   any
	fn     func(ctx context.Context) (any, error)
	ctx    context.Context // of fn, if there is one
	cancel context.CancelFunc
	held   []heldEvent
	size   int // bytes of them
}

// heldEvent is an event that came before the answer to CONNECT, as those that a server sends again do.
type heldEvent struct {
	packet *parser.Packet
	size   int
}

// What may be held.
const (
	maxHeldEvents = 65_536
	maxHeldBytes  = 16 << 20
)

// hold keeps an event. It reports false if there are too many.
func (t *attempt) hold(p *parser.Packet, size int) bool {
	t.size += size
	t.held = append(t.held, heldEvent{p, size})
	return len(t.held) <= maxHeldEvents && t.size <= maxHeldBytes
}

// conn is the session that the socket is connected over, or nil.
func (s *Socket) conn() *conn {
	if s.phase != connected {
		return nil
	}
	return s.epoch.conn
}

// startAttempt begins to ask for being let in. The attempt is to be started without the lock.
func (s *Socket) startAttempt(c *conn) *attempt {
	s.phase = connecting
	t := &attempt{s: s, conn: c}
	s.attempt = t
	if slices.Contains(c.unanswered, s.name) {
		// It asked, and has left before the server answered. Two CONNECTs at once are against the protocol, and the
		// answer will be one to the auth of before. What waits for it goes on then.
		return nil
	}
	return t.prepare()
}

// prepare has the attempt send what is to be sent now. It is to be started then.
func (t *attempt) prepare() *attempt {
	t.ready = true
	t.auth, t.fn = t.s.auth, t.s.authFunc
	if t.fn != nil {
		t.ctx, t.cancel = context.WithCancel(context.Background())
		t.s.m.liveCount++
	}
	return t
}

// start sends CONNECT, or has AuthFunc called for that. t may be nil. No lock is held.
func (t *attempt) start() {
	switch {
	case t == nil:
	case t.fn == nil:
		t.send(t.auth)
	default:
		// owned by the attempt; ends when AuthFunc has returned, at the latest after t.ctx is done. Shutdown waits.
		go t.authorize()
	}
}

// authorize calls AuthFunc until it knows. No lock is held.
func (t *attempt) authorize() {
	m := t.s.m
	defer m.countEnded()
	defer t.cancel()
	delays := m.opts.backoff()
	m.mu.Lock()
	delays.Random = m.backoff.Random
	m.mu.Unlock()
	for {
		auth, err := t.call()
		if err == nil {
			t.send(auth)
			return
		}
		var broken *PanicError
		if t.ctx.Err() != nil && !errors.As(err, &broken) {
			return
		}
		err = errtext.Wrap("client: auth", err)
		m.report(t.ctx, t.s, nil, err)
		limit := m.opts.ReconnectionAttempts
		if !t.again(err, limit > 0 && delays.Attempts() >= limit) {
			return
		}
		timer := time.NewTimer(delays.Next())
		select {
		case <-timer.C:
		case <-t.ctx.Done():
			timer.Stop()
			return
		}
	}
}

// call calls AuthFunc. No lock is held.
func (t *attempt) call() (auth any, err error) {
	returned := false
	defer func() {
		if !returned { // runtime.Goexit, or a panic that ends the process
			t.refuse(errtext.Wrap("client: auth", dispatch.ErrExited))
		}
	}()
	err = t.s.m.guard.Call(func() (err error) {
		auth, err = t.fn(t.ctx)
		return err
	})
	returned = true
	return auth, err
}

// again tells that AuthFunc failed, and reports whether to call it again. No lock is held.
func (t *attempt) again(err error, last bool) bool {
	m := t.s.m
	var refusal *ConnectError
	refused := errors.As(err, &refusal)
	m.mu.Lock()
	retry := !last && !refused && m.mayRetry()
	wanted := t.s.attempt == t
	if wanted && retry {
		t.s.notConnected(err)
	}
	m.unlock()
	switch {
	case refused:
		t.refuse(refusal)
	case last:
		t.refuse(wrapCause("", ErrGaveUp, err))
	case !retry:
		t.refuse(err)
	}
	return wanted && retry
}

// refuse ends the attempt as the server's refusal does. No lock is held.
func (t *attempt) refuse(err error) {
	m := t.s.m
	var idle *conn
	m.mu.Lock()
	if t.s.attempt == t {
		idle = t.s.refused(err)
	}
	m.unlock()
	idle.close()
}

// send sends CONNECT. No lock is held.
func (t *attempt) send(auth any) {
	s, m := t.s, t.s.m
	m.mu.Lock()
	var resume *recoveryState
	if s.recovery != nil {
		copied := *s.recovery
		resume = &copied
	}
	m.mu.Unlock()
	var frames []*engineio.Prepared
	err := dispatch.ErrExited
	defer func() { // also if the encoding of auth calls runtime.Goexit
		if err != nil {
			t.refuse(errtext.Wrap("client: auth", err))
		}
	}()
	err = m.guard.Call(func() error {
		args, err := connectArgs(auth, resume)
		if err != nil {
			return err
		}
		frames, err = m.encode(parser.Packet{Type: parser.Connect, Namespace: s.name, Args: args})
		return err
	})
	if err != nil {
		return
	}
	m.mu.Lock()
	// else the loss is about to be noticed
	if s.attempt == t && t.conn.mustSend(engineio.SendOptions{}, frames) == nil {
		t.conn.unanswered = append(t.conn.unanswered, s.name)
	}
	m.unlock()
	t.conn.flush()
}

// stop ends an attempt, however it went.
func (t *attempt) stop() {
	t.s.attempt = nil
	if t.cancel != nil {
		t.cancel()
	}
}

// beginEpoch begins an epoch. What was held back is sent before anything new. The count of attempts begins anew, and
// not with the session: a server that opens sessions and lets nobody in shall see no more than ReconnectionAttempts.
func (s *Socket) beginEpoch(c *conn, id, pid, offset string) *epoch {
	s.attempt.stop()
	s.phase = connected
	s.failure = nil
	c.admitted = true
	if f := c.findPast(s.name); f != nil {
		f.left = false
	}
	st := &epoch{s: s, id: id, conn: c}
	st.ctx, st.cancel = context.WithCancelCause((*contextRoot)(st))
	s.epoch = st
	s.recovered = s.startRecovery(pid, offset)
	s.m.attempts = 0
	s.m.singleAttempt = false
	s.sendBuffered()
	s.sendNext()
	if x := s.extra.Load(); x != nil {
		announce(s, &x.connect, func(fn func()) { fn() })
	}
	s.answerWaiters(nil) // last, since a caller of Connect may add callbacks, which are for the next time
	return st
}

// refused ends an attempt for good. The session that is returned, if any, is to be closed.
func (s *Socket) refused(err error) (idle *conn) {
	if s.attempt != nil {
		s.attempt.stop()
	}
	s.phase = inactive
	s.notConnected(err)
	s.answerWaiters(err)
	return s.m.takeIdleSession()
}

// detach takes the socket off its connection. next is waiting or inactive; cause is what the callers get that wait for
// it to connect.
func (s *Socket) detach(reason DisconnectReason, cause error, next phase) {
	was := s.phase
	s.phase = next
	switch was {
	case connecting:
		s.attempt.stop()
		if next == awaitingSession || !reason.own() {
			s.notConnected(cause)
		}
	case connected:
		s.endEpoch(reason)
	}
	if next == inactive {
		if cause != ErrClosed {
			cause = connectError(cause)
		}
		s.answerWaiters(cause)
	}
}

// endEpoch ends an epoch.
func (s *Socket) endEpoch(reason DisconnectReason) {
	st := s.epoch
	st.ended.Store(&epochEnd{reason: reason, until: time.Now().Add(drainTime)})
	st.conn = nil
	s.failRequests(ErrDisconnected, true) // before ctx is done, so that a caller that waits for both sees this
	s.interrupt(ErrDisconnected)
	st.cancel(reason)
	if x := s.extra.Load(); x != nil {
		announce(s, &x.disconnect, func(fn func(DisconnectReason)) { fn(reason) })
	}
}

// announce has the runner call all of t. A function that is added later is not called for what was before, and one that
// is removed until then isn't either.
func announce[F any](s *Socket, t *dispatch.Table[F], call func(F)) {
	if fns := t.Snapshot(); len(fns) > 0 {
		s.inbox.Append(job{call: func() { runAll(s.m, s, t.Remaining(fns), call) }})
	}
}

// dropEvents has the events that wait not be handled.
func (s *Socket) dropEvents() {
	if s.epoch != nil {
		s.epoch.dropped.Store(true)
		s.inbox.Drop(func(j job) bool { return j.event != nil })
	}
}

// maxErrorCalls is how many calls of OnConnectError may wait for a handler that hangs; more are lost.
const maxErrorCalls = 64

// notConnected tells OnConnectError.
func (s *Socket) notConnected(err error) {
	s.failure = err
	x := s.extra.Load()
	if x == nil || s.errors.Load() >= maxErrorCalls {
		return
	}
	fns := x.connectError.Snapshot()
	if len(fns) == 0 {
		return
	}
	s.errors.Add(1)
	s.inbox.Append(job{call: func() {
		s.errors.Add(-1)
		runAll(s.m, s, x.connectError.Remaining(fns), func(fn func(error)) { fn(err) })
	}})
}

// answerWaiters ends all waiting in Connect.
func (s *Socket) answerWaiters(err error) {
	for _, w := range s.waiters {
		w <- err // it has room for one
	}
	s.waiters = nil
}

// disconnectPacket is a DISCONNECT packet. No lock is held.
func (m *Manager) disconnectPacket(namespace string) []*engineio.Prepared {
	frames, err := m.encode(parser.Packet{Type: parser.Disconnect, Namespace: namespace})
	if err != nil { // by a parser of the user's
		m.report(context.Background(), nil, nil, err)
	}
	return frames
}

// refusal makes an error of the payload of CONNECT_ERROR: an object with a message or, from servers of old, just that.
func refusal(args Args) *ConnectError {
	if err, ok := event.ReceivedConnectError(args); ok {
		return err
	}
	var message string
	if args.Len() > 0 {
		_ = args.Decode(0, &message) // anything else says nothing
	}
	return &ConnectError{Message: message}
}

// contextRoot is the parent of an epoch's context: it is never done, and knows the socket.
type contextRoot epoch

type contextKey struct{}

func (r *contextRoot) Deadline() (time.Time, bool) { return time.Time{}, false }
func (r *contextRoot) Done() <-chan struct{}       { return nil }
func (r *contextRoot) Err() error                  { return nil }
func (r *contextRoot) Value(key any) any {
	if key == (contextKey{}) {
		return r.s
	}
	return nil
}
