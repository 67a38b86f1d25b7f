package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"sio.example/socketio/engineio"
	"sio.example/socketio/event"
	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/parser"
)

// All functions of this file that don't say otherwise are called with the Manager's lock held.

// A stay is one time that a socket is connected.
type stay struct {
	s      *Socket
	id     string
	ctx    context.Context
	cancel context.CancelCauseFunc
	conn   *conn // nil when it is over; guarded by the Manager's lock

	over    atomic.Pointer[ending] // nil while it is not
	dropped atomic.Bool            // events that were not handled yet are not wanted
}

// An ending is how a stay ended.
type ending struct {
	reason DisconnectReason
	until  time.Time // when the context of events that were not handled yet ends
}

// drainTime is how long after the connection was lost the context of the events that had come lasts.
const drainTime = time.Second

// A try is one attempt to be let in.
type try struct {
	s      *Socket
	conn   *conn
	ready  bool // prepared; before, an earlier CONNECT is still to be answered
	auth   any
	fn     func(ctx context.Context) (any, error)
	ctx    context.Context // of fn, if there is one
	cancel context.CancelFunc
	held   []held
	size   int // bytes of them
}

// held is an event that came before the answer to CONNECT, as those that a server sends again do.
type held struct {
	packet *parser.Packet
	size   int
}

// What may be held.
const (
	maxHeldEvents = 65_536
	maxHeldBytes  = 16 << 20
)

// hold keeps an event. It reports false if there are too many.
func (t *try) hold(p *parser.Packet, size int) bool {
	t.size += size
	t.held = append(t.held, held{p, size})
	return len(t.held) <= maxHeldEvents && t.size <= maxHeldBytes
}

// conn is the session that the socket is connected over, or nil.
func (s *Socket) conn() *conn {
	if s.phase != connected {
		return nil
	}
	return s.stay.conn
}

// ask begins to ask for being let in. The attempt is to be started without the lock.
func (s *Socket) ask(c *conn) *try {
	s.phase = asking
	t := &try{s: s, conn: c}
	s.try = t
	if slices.Contains(c.asked, s.name) {
		// It asked, and has left before the server answered. Two CONNECTs at once are against the protocol, and the answer will
		// be one to the auth of before. What waits for it goes on then.
		return nil
	}
	return t.prepare()
}

// prepare has the attempt send what is to be sent now. It is to be started then.
func (t *try) prepare() *try {
	t.ready = true
	t.auth, t.fn = t.s.auth, t.s.authFunc
	if t.fn != nil {
		t.ctx, t.cancel = context.WithCancel(context.Background())
		t.s.m.living++
	}
	return t
}

// start sends CONNECT, or has AuthFunc called for that. t may be nil. No lock is held.
func (t *try) start() {
	switch {
	case t == nil:
	case t.fn == nil:
		t.send(t.auth)
	default:
		go t.authorize() // owned by the try; ends when AuthFunc has returned, at the latest after t.ctx is done. Shutdown waits.
	}
}

// authorize calls AuthFunc until it knows. No lock is held.
func (t *try) authorize() {
	m := t.s.m
	defer m.leave()
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
		err = fmt.Errorf("client: auth: %w", err)
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
func (t *try) call() (auth any, err error) {
	returned := false
	defer func() {
		if !returned { // runtime.Goexit, or a panic that ends the process
			t.refuse(fmt.Errorf("client: auth: %w", dispatch.ErrExited))
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
func (t *try) again(err error, last bool) bool {
	m := t.s.m
	var refusal *ConnectError
	refused := errors.As(err, &refusal)
	m.mu.Lock()
	retry := !last && !refused && m.mayRetry()
	wanted := t.s.try == t
	if wanted && retry {
		t.s.notConnected(err)
	}
	m.unlock()
	switch {
	case refused:
		t.refuse(refusal)
	case last:
		t.refuse(because("", ErrGaveUp, err))
	case !retry:
		t.refuse(err)
	}
	return wanted && retry
}

// refuse ends the attempt as the server's refusal does. No lock is held.
func (t *try) refuse(err error) {
	m := t.s.m
	var idle *conn
	m.mu.Lock()
	if t.s.try == t {
		idle = t.s.refused(err)
	}
	m.unlock()
	idle.close()
}

// send sends CONNECT. No lock is held.
func (t *try) send(auth any) {
	s, m := t.s, t.s.m
	m.mu.Lock()
	var resume *session
	if s.session != nil {
		copied := *s.session
		resume = &copied
	}
	m.mu.Unlock()
	var frames []*engineio.Prepared
	err := dispatch.ErrExited
	defer func() { // also if the encoding of auth calls runtime.Goexit
		if err != nil {
			t.refuse(fmt.Errorf("client: auth: %w", err))
		}
	}()
	err = m.guard.Call(func() error {
		args, err := connectArgs(auth, resume)
		if err != nil {
			return err
		}
		frames, err = m.encode(nil, &parser.Packet{Type: parser.Connect, Namespace: s.name, Args: args})
		return err
	})
	if err != nil {
		return
	}
	m.mu.Lock()
	if s.try == t && t.conn.mustSend(engineio.SendOptions{}, frames) == nil { // else the loss is about to be noticed
		t.conn.asked = append(t.conn.asked, s.name)
	}
	m.unlock()
	t.conn.flush()
}

// end is for a try that is over, however it went.
func (t *try) end() {
	t.s.try = nil
	if t.cancel != nil {
		t.cancel()
	}
}

// joined begins a stay. What was held back is sent before anything new. The count of attempts begins anew, and not with the
// session: a server that opens sessions and lets nobody in shall see no more than ReconnectionAttempts.
func (s *Socket) joined(c *conn, id, pid string) *stay {
	s.try.end()
	s.phase = connected
	s.failure = nil
	c.useful = true
	if f := c.formerly(s.name); f != nil {
		f.gone = false
	}
	st := &stay{s: s, id: id, conn: c}
	st.ctx, st.cancel = context.WithCancelCause((*root)(st))
	s.stay = st
	s.recovered = s.resume(pid)
	s.m.attempts = 0
	s.m.single = false
	s.flush()
	s.sendNext()
	if x := s.more.Load(); x != nil {
		announce(s, &x.connect, func(fn func()) { fn() })
	}
	s.answer(nil) // last, since who waited may add callbacks, which are for the next time
	return st
}

// refused ends an attempt for good. The session that is returned, if any, is to be closed.
func (s *Socket) refused(err error) (idle *conn) {
	if s.try != nil {
		s.try.end()
	}
	s.phase = inactive
	s.notConnected(err)
	s.answer(err)
	return s.m.release()
}

// lost takes the socket off its connection. next is waiting or inactive; cause is what those get who wait for it to
// connect.
func (s *Socket) lost(reason DisconnectReason, cause error, next phase) {
	was := s.phase
	s.phase = next
	switch was {
	case asking:
		s.try.end()
		if next == waiting || !reason.own() {
			s.notConnected(cause)
		}
	case connected:
		s.part(reason)
	}
	if next == inactive {
		if cause != ErrClosed {
			cause = connectError(cause)
		}
		s.answer(cause)
	}
}

// part ends a stay.
func (s *Socket) part(reason DisconnectReason) {
	st := s.stay
	st.over.Store(&ending{reason: reason, until: time.Now().Add(drainTime)})
	st.conn = nil
	s.fail(ErrDisconnected, true) // before ctx is done, so that who waits for both sees this
	s.interrupt(ErrDisconnected)
	st.cancel(reason)
	if x := s.more.Load(); x != nil {
		announce(s, &x.disconnect, func(fn func(DisconnectReason)) { fn(reason) })
	}
}

// announce has the runner call all of t. Who is added later is not called for what was before, and who is removed
// until then isn't either.
func announce[F any](s *Socket, t *dispatch.Table[F], call func(F)) {
	if fns := t.Snapshot(); len(fns) > 0 {
		s.inbox.Append(job{call: func() { runAll(s.m, s, t.Remaining(fns), call) }})
	}
}

// drop has the events that wait not be handled.
func (s *Socket) drop() {
	if s.stay != nil {
		s.stay.dropped.Store(true)
		s.inbox.Drop(func(j job) bool { return j.event != nil })
	}
}

// maxErrors is how many calls of OnConnectError may wait for a handler that hangs; more are lost.
const maxErrors = 64

// notConnected tells OnConnectError.
func (s *Socket) notConnected(err error) {
	s.failure = err
	x := s.more.Load()
	if x == nil || s.errors.Load() >= maxErrors {
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

// answer ends all waiting in Connect.
func (s *Socket) answer(err error) {
	for _, w := range s.waiters {
		w <- err // it has room for one
	}
	s.waiters = nil
}

// farewell is a DISCONNECT packet. No lock is held.
func (m *Manager) farewell(namespace string) []*engineio.Prepared {
	frames, err := m.encode(nil, &parser.Packet{Type: parser.Disconnect, Namespace: namespace})
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

// root is the parent of a stay's context: it is never done, and knows the socket.
type root stay

type contextKey struct{}

func (r *root) Deadline() (time.Time, bool) { return time.Time{}, false }
func (r *root) Done() <-chan struct{}       { return nil }
func (r *root) Err() error                  { return nil }
func (r *root) Value(key any) any {
	if key == (contextKey{}) {
		return r.s
	}
	return nil
}
