package engineio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/journal"
	"sio.example/socketio/internal/websocket"
)

// A ClientSocket is the client's end of one session. Its methods are safe for concurrent use and never block.
//
// It is done when nothing is left that works for it: holds counts its goroutines, the connections of polling, and one until
// the Handler has been told of the end.
type ClientSocket struct {
	handler   Handler          // set before the latch opens
	handshake packet.Handshake // set before anybody has the socket
	trace     *Trace
	logger    *slog.Logger
	maxBytes  int // that may wait to be sent
	maxQueued int // and messages
	base64    bool

	latch latch
	marks atomic.Uint32 // see client_heartbeat.go
	in    struct {      // belongs to the reader
		grown bool // messages were handled on this stack
		fresh uint8
	}
	looked bool // for the next ping, once; guarded by mu

	mu        sync.Mutex
	state     sessionState
	pong      bool // is due, before all that is queued
	ws        bool // the transport is, or was, a WebSocket
	holds     int32
	conn      *websocket.Conn // the transport; nil while it is polling
	poll      *clientPolling  // nil when it is not polling
	up        *clientUpgrade  // nil when there is none
	out       outbox
	blockedAt time.Time // since when the flusher waits for the peer to read; zero if it does not
	pingBy    time.Time // when the next ping is overdue; while draining, when the session ends anyway
	timer     *time.Timer
	ctx       context.Context
	cancel    context.CancelCauseFunc
	done      chan struct{} // nil until somebody asks
	end       *ending       // from draining on
}

// sessionOpening is before the handshake. Nobody has the socket yet.
const sessionOpening sessionState = sessionClosed + 1

// The packets without content that a client sends.
var (
	pongPacket    = &Prepared{typ: packet.Pong}
	probePacket   = &Prepared{typ: packet.Ping, m: Message{Data: []byte("probe")}}
	upgradePacket = &Prepared{typ: packet.Upgrade}
)

// newClientSocket makes a socket that is not open yet, with a hold that start or abandon takes over. It keeps no options,
// which may be made for one session and outlive it here.
func newClientSocket(o *DialOptions) *ClientSocket {
	s := &ClientSocket{
		state: sessionOpening, trace: o.Trace, logger: journal.Logger(o.Logger, nil), base64: o.ForceBase64,
		maxBytes: o.MaxQueueBytes, maxQueued: o.MaxQueuePackets, holds: 1,
	}
	def(&s.maxBytes, clientQueueBytes)
	def(&s.maxQueued, clientQueuePackets)
	return s
}

// start makes a session of a transport that has opened, and calls open. It fails if that returns no Handler.
func (s *ClientSocket) start(d *clientDialer, o opened, open func(*ClientSocket) Handler) bool {
	s.handshake = o.handshake
	s.latch.enter()
	s.mu.Lock()
	s.state = sessionOpen
	s.holds++ // for what follows
	if o.conn != nil {
		s.conn, s.ws = o.conn, true
		s.holds++ // for the reader
	} else {
		s.poll = &clientPolling{dialer: d}
	}
	s.expectPingLocked()
	s.mu.Unlock()
	defer s.release()
	if t := s.trace; t != nil && t.Handshake != nil {
		t.Handshake(o.transport, o.handshake)
	}
	if l := s.logger; l.Enabled(context.Background(), slog.LevelDebug) {
		l.Debug("engineio: session open", "sid", s.shortID(), "transport", o.transport)
	}
	if o.conn != nil {
		d.close()
	}

	returned := false
	defer func() {
		if !returned { // open panics
			s.Abort(TransportError, errPanic)
			s.leaveGate()
			s.receiveFrom(d, o)
		}
	}()
	s.handler = open(s)
	returned = true
	if s.handler == nil {
		s.Abort(TransportError, errNoHandler)
	}
	s.leaveGate()
	s.receiveFrom(d, o)
	return s.handler != nil
}

// receiveFrom starts what receives, and the upgrade.
func (s *ClientSocket) receiveFrom(d *clientDialer, o opened) {
	if o.conn != nil {
		go s.read(o.conn, nil) // the reader: owned by the session, ends with the connection, and release lets Done go on
		return
	}
	s.mu.Lock()
	if s.state != sessionClosed {
		s.startPollLocked(o.rest)
		s.startPostLocked()
		s.startUpgradeLocked(d)
	}
	s.mu.Unlock()
}

// abandon ends what has never been open, and waits until nothing is left of it.
func (s *ClientSocket) abandon(d *clientDialer) {
	s.mu.Lock()
	s.state, s.end = sessionClosed, &ending{reason: TransportError}
	s.mu.Unlock()
	d.close()
	s.release()
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

// Transport is "polling" or "websocket"; that of the last packet when the session is closed.
func (s *ClientSocket) Transport() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ws {
		return transportWebSocket
	}
	return transportPolling
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
		if s.holds == 0 {
			close(s.done)
		}
	}
	return s.done
}

// Close ends the session with ForcedClose after what is queued was sent and an upgrade under way has ended, and tells
// the server. That may take 30 seconds; meanwhile messages are still received. HandleClose gets an error if not all could
// be sent.
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
	s.finish(fx, false)
}

var errUnsent = errors.New("engineio: not all that was queued could be sent")

// drainedLocked closes a session that is draining when there is nothing more to wait for.
func (s *ClientSocket) drainedLocked() clientClosing {
	if s.state != sessionDraining || s.out.flushing || s.up != nil || s.queuedLocked() || s.poll != nil && s.poll.posting {
		return clientClosing{}
	}
	return s.closeLocked(*s.end)
}

// Abort ends the session at once with reason, and drops what is queued. It tries to tell the server, which may keep Done
// waiting for three seconds.
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
	fx := s.closeLocked(e)
	s.mu.Unlock()
	s.finish(fx, inline)
}

// clientClosing is what is left to do when the lock is released.
type clientClosing struct {
	done     bool // there is something to do
	conn     *websocket.Conn
	up       *clientUpgrade
	poll     *clientPolling
	lost     bool // the server is gone, or knows
	farewell bool // it is to be told by a goroutine
	cancel   context.CancelCauseFunc
	ending   ending
	handler  bool // the last call of the Handler is ours
}

// closeLocked makes the session closed. The caller passes what is returned to finish.
func (s *ClientSocket) closeLocked(e ending) clientClosing {
	if s.state == sessionClosed || s.state == sessionOpening {
		return clientClosing{}
	}
	fx := clientClosing{done: true, conn: s.conn, up: s.up, poll: s.poll, cancel: s.cancel}
	_, failed := e.err.(*ClientError) // of a request
	fx.lost = e.reason == TransportClose || failed
	if s.up != nil && s.up.stage == stageCommitting { // to the server it has been the transport since it read that
		fx.conn, fx.lost, s.ws = s.up.conn, true, true
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
	s.conn, s.up, s.poll = nil, nil, nil
	if fx.poll != nil && !fx.lost {
		fx.farewell = s.farewellLocked(fx.poll)
	}
	s.out.free()
	s.pong = false
	fx.handler = s.latch.close()
	return fx
}

// finish does what closeLocked left, without the lock.
func (s *ClientSocket) finish(fx clientClosing, inline bool) {
	if !fx.done {
		return
	}
	e := fx.ending
	if fx.cancel != nil {
		fx.cancel(e.reason)
	}
	if fx.conn != nil {
		fx.conn.Close(e.status, e.text)
	}
	if fx.up != nil {
		fx.up.abort()
	}
	switch {
	case fx.farewell:
		go s.sayFarewell(fx.poll) // owned by the session, ends after closeTimeout at the latest, and release lets Done go on
	case fx.poll != nil && fx.lost:
		fx.poll.dialer.cancel()
		s.tidy(fx.poll)
	}
	if l := s.logger; l.Enabled(context.Background(), slog.LevelDebug) {
		l.Debug("engineio: session closed", "sid", s.shortID(), "reason", string(e.reason), "error", e.err)
	}
	switch {
	case !fx.handler: // whoever is inside the Handler calls lastCall
	case inline:
		s.lastCall()
	default:
		go s.lastCall() // owned by the session, ends with HandleClose, and release lets Done go on
	}
}

// lastCall tells the handler, and lets the session go.
func (s *ClientSocket) lastCall() {
	defer s.release()
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
	case packet.Ping:
		s.ping()
	case packet.Close:
		return ending{reason: TransportClose, status: websocket.NormalClosure}, false
	}
	return e, true // others mean nothing here
}

// deliver calls the Handler. The caller has entered the latch.
func (s *ClientSocket) deliver(p packet.Packet) {
	defer s.leaveGate()
	defer s.contain("HandleMessage")
	s.handler.HandleMessage(Message{Binary: p.Binary, Data: p.Data})
}

func (s *ClientSocket) leaveGate() {
	if s.latch.leave() {
		s.lastCall()
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

// malformed is what input that is no packet does to the session.
func malformed(err error) ending {
	return ending{reason: ParseError, err: err, status: websocket.ProtocolError, text: "malformed packet"}
}

// hold keeps Done waiting until release; it fails when the session is closed.
func (s *ClientSocket) hold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holds == 0 {
		return false
	}
	s.holds++
	return true
}

// release gives back one of holds. After the last one the session is done.
func (s *ClientSocket) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holds--
	if s.holds == 0 && s.done != nil {
		close(s.done)
	}
}

// shortID is as much of the session id as may be logged.
func (s *ClientSocket) shortID() string { return s.handshake.SID[:min(len(s.handshake.SID), 6)] }

// traceReceived and traceSent tell Trace.
func (s *ClientSocket) traceReceived(transport string, p packet.Packet) {
	if t := s.trace; t != nil && t.Packet != nil {
		t.Packet(transport, false, p)
	}
}

func (s *ClientSocket) traceSent(transport string, b *batch) {
	if t := s.trace; t != nil && t.Packet != nil {
		for _, m := range b.items {
			t.Packet(transport, true, m.packet())
		}
	}
}
