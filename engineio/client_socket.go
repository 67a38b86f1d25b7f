package engineio

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/journal"
	"sio.example/socketio/internal/websocket"
)

// A ClientSocket is the client's end of one session. Its methods are safe for concurrent use and never block.
type ClientSocket struct {
	// A session is done when nothing is left that works for it: refs counts its goroutines, the connections of polling,
	// and one until the Handler has been told of the end.

	handler   Handler          // set before the latch opens
	handshake packet.Handshake // set before anybody has the socket
	trace     *Trace
	logger    *slog.Logger
	maxBytes  int // that may wait to be sent
	maxQueued int // and messages
	base64    bool

	latch  latch
	marks  atomic.Uint32 // see client_heartbeat.go
	reader struct {      // belongs to the reader of a link
		stackDirty  bool  // messages were handled on this stack
		freshStacks uint8 // how often the reader took a fresh one
	}
	finalLook bool // at whether a ping has come; guarded by mu

	mu        sync.Mutex
	state     sessionState
	beatDue   bool          // an answer to the server's ping, before all that is queued
	kind      transportKind // of the transport; the last one of a session that is closed
	refs      int32
	link      link           // the transport; nil while it is polling
	poll      *clientPolling // nil when it is not polling
	up        *clientUpgrade // nil when there is none
	out       outbox
	blockedAt time.Time     // since when the flusher waits for the peer to read; zero if it does not
	pingDue   time.Time     // when the next ping is overdue; while draining, when the session ends anyway
	unasked   time.Duration // how long before pingDue a pong went out for a ping that was not read; 0 if none did
	timer     *time.Timer
	ctx       context.Context
	cancel    context.CancelCauseFunc
	done      chan struct{} // nil until somebody asks
	end       *ending       // from draining on
}

// sessionOpening is before the handshake. Nobody has the socket yet.
const sessionOpening sessionState = sessionClosed + 1

// The packets that only a client sends, and the answer to a ping.
var (
	pongPacket    = &Prepared{typ: packet.Pong}
	probePacket   = &Prepared{typ: packet.Ping, m: Message{Data: []byte("probe")}}
	upgradePacket = &Prepared{typ: packet.Upgrade}
)

// codec is the revision that the session speaks.
func (s *ClientSocket) codec() *codec { return &revision4 }

// newClientSocket makes a socket that is not open yet, with a ref that start or abandon takes over. It keeps no
// options, which may be made for one session and outlive it here.
func newClientSocket(o *DialOptions) *ClientSocket {
	s := &ClientSocket{
		state: sessionOpening, trace: o.Trace, logger: journal.Logger(o.Logger, nil), base64: o.ForceBase64,
		maxBytes:  cmp.Or(max(o.MaxQueueBytes, 0), clientQueueBytes),
		maxQueued: cmp.Or(max(o.MaxQueuePackets, 0), clientQueuePackets),
		refs:      1,
	}
	return s
}

// start makes a session of a transport that has opened, and calls open. It fails if that returns no Handler.
func (s *ClientSocket) start(d *clientDialer, o opened, open func(*ClientSocket) Handler) bool {
	s.handshake = o.handshake
	s.latch.enter()
	s.mu.Lock()
	s.state, s.kind = sessionOpen, o.kind
	s.refs++ // for what follows
	if o.link != nil {
		s.link = o.link
		s.refs++ // for the reader
	} else {
		s.poll = &clientPolling{dialer: d, rest: o.rest}
	}
	s.expectPingLocked()
	s.mu.Unlock()
	defer s.unref()
	if t := s.trace; t != nil && t.Handshake != nil {
		t.Handshake(o.kind.String(), o.handshake)
	}
	if l := s.logger; l.Enabled(context.Background(), slog.LevelDebug) {
		l.Debug("engineio: session open", "sid", s.shortID(), "transport", o.kind.String())
	}
	if o.link != nil {
		d.close()
	}

	returned := false
	defer func() {
		if !returned { // open panics
			s.Abort(TransportError, errPanic)
			s.leaveLatch()
			s.receiveFrom(d, o)
		}
	}()
	s.handler = open(s)
	returned = true
	if s.handler == nil {
		s.Abort(TransportError, errNoHandler)
	}
	s.leaveLatch()
	s.receiveFrom(d, o)
	return s.handler != nil
}

// receiveFrom starts what receives, and the upgrade.
func (s *ClientSocket) receiveFrom(d *clientDialer, o opened) {
	if o.link != nil {
		s.startReading(o.link, nil)
		return
	}
	s.mu.Lock()
	if s.state != sessionClosed {
		s.stepPollingLocked(s.poll, pollBegin)
		s.startUpgradeLocked(d, 0)
	}
	s.mu.Unlock()
}

// abandon ends what has never been open, and waits until nothing is left of it.
func (s *ClientSocket) abandon(d *clientDialer) {
	s.mu.Lock()
	s.state, s.end = sessionClosed, &ending{reason: TransportError}
	s.mu.Unlock()
	d.close()
	s.unref()
	// What is left now is a dial that has been told to end. If it is the user's it may not care.
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-s.Done():
	case <-t.C:
	}
}

// ID is the session id. It is a credential: do not show it to others.
func (s *ClientSocket) ID() string { return s.handshake.SID }

// Transport is "polling", "websocket" or "webtransport"; that of the last packet when the session is closed.
func (s *ClientSocket) Transport() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kind.String()
}

// Handshake is what the server said when the session opened.
func (s *ClientSocket) Handshake() packet.Handshake { return s.handshake }

// Context is cancelled when the session begins to close, with its Reason as the cause.
func (s *ClientSocket) Context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil {
		s.ctx, s.cancel = context.WithCancelCause(context.Background())
		if s.end != nil {
			s.cancel(s.end.reason) // nobody can have derived from it yet
		}
	}
	return s.ctx
}

// Done is closed when the session is closed, HandleClose has returned and no goroutine or connection of it is left.
func (s *ClientSocket) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done == nil {
		s.done = make(chan struct{})
		if s.refs == 0 {
			close(s.done)
		}
	}
	return s.done
}

// Close ends the session with ForcedClose after what is queued was sent and an upgrade under way has ended, and tells
// the server. That may take 30 seconds; meanwhile messages are still received. HandleClose gets an error if not all
// could be sent.
func (s *ClientSocket) Close() {
	s.mu.Lock()
	if s.state != sessionOpen {
		s.mu.Unlock()
		return
	}
	s.state, s.end = sessionDraining, &ending{reason: ForcedClose, status: websocket.NormalClosure}
	cancel := s.cancel
	s.expectLocked(drainTimeout, true) // the end, not a ping
	s.startLocked()
	fx := s.drainedLocked()
	s.mu.Unlock()
	if cancel != nil {
		cancel(ForcedClose)
	}
	s.closeStopped(fx, false)
}

var errUnsent = errtext.New("engineio: not all that was queued could be sent")

// drainedLocked closes a session that is draining when there is nothing more to wait for.
func (s *ClientSocket) drainedLocked() clientClosing {
	posting := s.poll != nil && s.poll.state.posting
	if s.state != sessionDraining || s.out.flushing || s.up != nil || s.queuedLocked() || posting {
		return clientClosing{}
	}
	return s.stopLocked(*s.end)
}

// Abort ends the session at once with reason, and drops what is queued. It tries to tell the server, which may keep
// Done waiting for three seconds.
func (s *ClientSocket) Abort(reason Reason, err error) {
	e := ending{reason: reason, err: err, status: websocket.NormalClosure}
	switch reason {
	case ParseError:
		e.status, e.text = websocket.ProtocolError, "parse error"
	case PingTimeout:
		e.status, e.text = websocket.PolicyViolation, "ping timeout"
	}
	s.close(e, false)
}

// close ends the session at once. Inline is as in Socket.close.
func (s *ClientSocket) close(e ending, inline bool) {
	s.mu.Lock()
	fx := s.stopLocked(e)
	s.mu.Unlock()
	s.closeStopped(fx, inline)
}

// clientClosing is what is left to do when the lock is released.
type clientClosing struct {
	stopped bool // there is something to do
	link    link
	up      *clientUpgrade
	poll    *clientPolling
	lost    bool // the server is gone, or knows
	polling clientPollEffect
	cancel  context.CancelCauseFunc
	ending  ending
	notify  bool // the last call of the Handler is ours
}

// stopLocked makes the session closed: nothing is received or sent any more, but what tells the server. The caller
// passes what is returned to closeStopped.
func (s *ClientSocket) stopLocked(e ending) clientClosing {
	if s.state == sessionClosed || s.state == sessionOpening {
		return clientClosing{}
	}
	fx := clientClosing{stopped: true, link: s.link, up: s.up, poll: s.poll, cancel: s.cancel}
	_, failed := e.err.(*ClientError) // of a request
	fx.lost = e.reason == TransportClose || failed && !tooBig(e.err)
	if s.up != nil && s.up.stage == stageCommitting { // to the server it has been the transport since it read that
		fx.link, fx.lost, s.kind = s.up.link, true, s.up.kind
	}
	if s.state == sessionDraining {
		e.reason = s.end.reason // it ends for the reason it began to end
		switch {
		case s.out.messages == 0:
			e.err = s.end.err
		case e.err == nil:
			e.err = errUnsent
		}
		fx.cancel = nil
	}
	fx.ending = e
	s.state, s.end = sessionClosed, &e
	if s.timer != nil {
		s.timer.Stop()
	}
	s.link, s.up, s.poll = nil, nil, nil
	s.out.free()
	s.beatDue = false
	if p := fx.poll; p != nil {
		in := pollLost
		if !fx.lost {
			in = pollTell
			p.late = time.AfterFunc(closeTimeout, p.dialer.cancel) // stopped by tellClose
		}
		fx.polling = s.stepPollingLocked(p, in)
	}
	fx.notify = s.latch.close()
	return fx
}

// closeStopped does what stopLocked left, without the lock. Inline is as in Socket.close.
func (s *ClientSocket) closeStopped(fx clientClosing, inline bool) {
	if !fx.stopped {
		return
	}
	e := fx.ending
	if fx.cancel != nil {
		fx.cancel(e.reason)
	}
	if fx.link != nil {
		fx.link.close(e.status, e.text)
	}
	if fx.up != nil {
		fx.up.abort(e.status, e.text)
	}
	if fx.poll != nil {
		if fx.lost {
			fx.poll.dialer.cancel()
		}
		s.stepped(fx.poll, nil, fx.polling)
	}
	if l := s.logger; l.Enabled(context.Background(), slog.LevelDebug) {
		l.Debug("engineio: session closed", "sid", s.shortID(), "reason", string(e.reason), "error", e.err)
	}
	switch {
	case !fx.notify: // the goroutine inside the Handler calls notifyClosed
	case inline:
		s.notifyClosed()
	default:
		go s.notifyClosed() // owned by the session, ends with HandleClose, and unref lets Done go on
	}
}

// notifyClosed tells the Handler, and lets the session go.
func (s *ClientSocket) notifyClosed() {
	defer s.unref()
	s.mu.Lock()
	e := s.end
	s.mu.Unlock()
	if s.handler == nil {
		return
	}
	defer s.contain("HandleClose")
	s.handler.HandleClose(e.reason, e.err)
}

// receive does what a packet asks for. If it is false the session is to end.
func (s *ClientSocket) receive(p packet.Packet) (e ending, ok bool) {
	if s.has(markDoubted) {
		s.trust()
	}
	switch p.Type {
	case packet.Message:
		if !s.latch.enter() {
			return e, true // closed
		}
		s.deliver(p)
	case s.codec().client.awaits:
		s.beat()
	case packet.Close:
		return ending{reason: TransportClose, status: websocket.NormalClosure}, false
	}
	return e, true // others mean nothing here
}

// deliver calls the Handler. The caller has entered the latch.
func (s *ClientSocket) deliver(p packet.Packet) {
	defer s.leaveLatch()
	defer s.contain("HandleMessage")
	s.handler.HandleMessage(Message{Binary: p.Binary, Data: p.Data})
}

// leaveLatch also marks that the Handler has taken something.
func (s *ClientSocket) leaveLatch() {
	s.markArrival()
	if s.latch.leave() {
		s.notifyClosed()
	}
}

// exited ends the session because user code has called runtime.Goexit on a goroutine of ours.
func (s *ClientSocket) exited() {
	s.logger.Error("engineio: runtime.Goexit in user code of a session", "sid", s.shortID())
	s.close(ending{reason: TransportError, err: errExited, status: websocket.InternalError, text: "internal error"}, false)
}

// contain ends the session, and nothing else, when the Handler panics. It is to be deferred.
func (s *ClientSocket) contain(where string) {
	if v := recover(); v != nil {
		s.logger.Error("engineio: panic in "+where, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		s.close(ending{reason: TransportError, err: errPanic, status: websocket.InternalError, text: "internal error"}, true)
	}
}

// streamFailed logs that a method of the user's stream did not return. The link ends because of that.
func (s *ClientSocket) streamFailed(method string, panicked any) {
	if panicked == nil {
		s.logger.Error("engineio: runtime.Goexit in "+method+" of a stream", "sid", s.shortID())
		return
	}
	s.logger.Error("engineio: panic in "+method+" of a stream",
		"panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
}

// malformed is what input that is no packet does to the session.
func malformed(err error) ending {
	return ending{reason: ParseError, err: err, status: websocket.ProtocolError, text: "malformed packet"}
}

// ref keeps Done waiting until unref; it fails when the session is done.
func (s *ClientSocket) ref() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refs == 0 {
		return false
	}
	s.refs++
	return true
}

// unref gives back one of refs. After the last one the session is done.
func (s *ClientSocket) unref() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refs--
	if s.refs == 0 && s.done != nil {
		close(s.done)
	}
}

// shortID is as much of the session id as may be logged.
func (s *ClientSocket) shortID() string { return s.handshake.SID[:min(len(s.handshake.SID), 6)] }

// traceSent tells Trace of what is in b.
func (s *ClientSocket) traceSent(kind transportKind, b *batch) {
	if t := s.trace; t != nil && t.Packet != nil {
		for _, m := range b.items {
			t.Packet(kind.String(), true, m.packet())
		}
	}
}
