package engineio

import (
	"errors"
	"net/http"
	"os"
	"time"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/bufpool"
	"sio.example/socketio/internal/standstill"
	"sio.example/socketio/internal/websocket"
)

// A probe is a WebSocket that wants to become the transport of a polling session.
type probe struct {
	conn  *websocket.Conn
	timer *time.Timer   // for the end of the upgrade, and for ticks before that
	until time.Duration // the end, on the server's clock
	wake  time.Duration // when timer goes off
}

// webSocketOptions are what each connection of this server has in common.
func (s *Server) webSocketOptions(h http.Header) *websocket.Options {
	return &websocket.Options{
		Header: h, MaxMessage: s.options.MaxPayload, Counters: &s.counters.frames, UserTimeout: s.silence(),
		MaxUnread: s.options.MaxUnread,
	}
}

// silence is after which time at the latest a peer has shown that it lives.
func (s *Server) silence() time.Duration { return s.options.PingInterval + s.options.PingTimeout }

// openWebSocket finishes a handshake whose session has been accepted: the session gets its transport and its reader.
func (s *Server) openWebSocket(w http.ResponseWriter, r *http.Request, sock *Socket, h http.Header) {
	o := s.webSocketOptions(h)
	first := s.openFrame(sock)
	defer bufpool.Put(first)
	if first != nil {
		o.First = *first
	}
	conn, err := websocket.Upgrade(w, r, o)
	if err != nil {
		sock.close(ending{reason: TransportError, err: err, reject: RejectHandshake}, true)
		s.upgradeFailed(w, r, err)
		return
	}
	sock.mu.Lock()
	end := sock.end
	closed := sock.state == sessionClosed
	if !closed {
		sock.conn = conn
		sock.arm(s.options.PingInterval)
		sock.startFlushLocked()
	}
	sock.holds++
	sock.mu.Unlock()
	if closed { // by what accept did
		conn.Close(end.status, end.text)
	}
	conn.Ask(true)
	go sock.readFirst(conn) // the reader: owned by the session, ends with the connection, and release lets Shutdown go on
}

// openFrame borrows a buffer with the Open packet, unless the session is closed by what accept did.
func (s *Server) openFrame(sock *Socket) *[]byte {
	sock.mu.Lock()
	closed := sock.state == sessionClosed
	sock.mu.Unlock()
	if closed {
		return nil
	}
	body, frame := bufpool.Get(256), bufpool.Get(256)
	*body = s.appendOpen(append(*body, '0'+byte(packet.Open)), sock.id, nil)
	*frame = websocket.AppendFrame(*frame, websocket.Text, *body)
	bufpool.Put(body)
	return frame
}

// upgradeFailed answers when nothing has been written yet.
func (s *Server) upgradeFailed(w http.ResponseWriter, r *http.Request, err error) {
	var he *websocket.HandshakeError
	switch {
	case errors.As(err, &he):
		s.refuseHandshake(w, he)
	case errors.Is(err, http.ErrNotSupported):
		s.explainHijack(r, err)
		s.answerUpgrade(w, http.StatusNotImplemented, "Not implemented: a middleware's http.ResponseWriter has neither Hijack nor Unwrap")
	}
}

// openProbe lets a second transport begin an upgrade of sock, or closes it.
func (s *Server) openProbe(w http.ResponseWriter, r *http.Request, sock *Socket, h http.Header) {
	conn, err := websocket.Upgrade(w, r, s.webSocketOptions(h))
	if err != nil {
		s.counters.reject(RejectHandshake)
		s.upgradeFailed(w, r, err)
		return
	}
	sock.mu.Lock()
	sock.holds++
	fx := fxRefuse
	if !s.options.DisableUpgrades {
		fx, _ = sock.stepLocked(inOpened)
	}
	if fx&fxRefuse != 0 {
		sock.mu.Unlock()
		s.counters.reject(RejectUpgrade)
		conn.Close(websocket.ProtocolError, "no upgrade possible")
		go sock.readOut(conn) // owned by the session, ends with the connection: at most the close timeout from now
		return
	}
	p := &probe{conn: conn, until: s.now() + s.options.UpgradeTimeout}
	p.wake = p.until
	p.timer = time.AfterFunc(s.options.UpgradeTimeout, func() { sock.onProbeTimer(p) })
	sock.probe = p
	sock.mu.Unlock()
	go sock.readUpgrade(p) // the reader, as in openWebSocket
}

// stepLocked takes the upgrade one step and applies what can be applied under the lock. The caller answers the probe
// and closes the WebSocket that is returned.
func (s *Socket) stepLocked(in upgradeInput) (fx upgradeEffect, abandoned *websocket.Conn) {
	s.upgrade, fx = s.upgrade.step(in)
	p := s.probe
	if s.poll != nil {
		s.poll.makeRoom()
	}
	if fx&fxNoop != 0 && s.poll != nil && s.poll.parked && (in == inTick || !s.poll.late) {
		s.poll.noop = true
		s.poll.signal()
	}
	if fx&fxTick != 0 {
		now := s.server.now()
		p.wake = min(now+upgradeTick, p.until)
		p.timer.Reset(max(0, p.wake-now))
	}
	if fx&fxSwitch != 0 {
		s.switchLocked(p.conn)
	}
	if fx&fxAbandon != 0 {
		abandoned = p.conn
	}
	if fx&fxForget != 0 {
		p.timer.Stop()
		s.probe = nil
	}
	return fx, abandoned
}

// switchLocked makes the WebSocket the transport. A GET that is pending is answered (see polling.late), and what is queued
// goes out here; what a GET has taken and is still writing goes first.
func (s *Socket) switchLocked(c *websocket.Conn) {
	s.conn = c
	n := &s.server.counters
	n.polling.Add(-1)
	n.webSocket.Add(1)
	n.upgraded.Add(1)
	s.poll.signal()
	if s.poll.inside {
		s.poll.delivered = make(chan struct{})
	}
	s.forgetPollingLocked()
	s.startFlushLocked()
}

// onProbeTimer runs on a goroutine of the timer.
func (s *Socket) onProbeTimer(p *probe) {
	s.mu.Lock()
	if s.probe != p {
		s.mu.Unlock()
		return
	}
	in, now := inTick, s.server.now()
	if standstill.Late(now - p.wake) {
		p.until = now + s.server.options.UpgradeTimeout
		p.wake = p.until
		p.timer.Reset(p.until - now)
	}
	if now >= p.until {
		in = inTimeout
		s.server.counters.reject(RejectUpgradeTimeout)
	}
	_, abandoned := s.stepLocked(in)
	s.mu.Unlock()
	if abandoned != nil {
		abandoned.Close(websocket.PolicyViolation, "upgrade timeout")
	}
}

// readUpgrade is the reader of a WebSocket that upgrades.
func (s *Socket) readUpgrade(p *probe) {
	if s.probing(p) {
		p.conn.Ask(true)
		s.read(p.conn)
		return
	}
	s.readOut(p.conn)
}

// A verdict is what the reader does next.
type verdict uint8

const (
	readOn     verdict = iota
	readAnew           // on a fresh stack
	readNoMore         // but for the end of the closing handshake
)

// read is the reader of a WebSocket.
//
// Its goroutine is most of what an idle session costs, so the chain of calls in which it waits is kept short enough for
// the 2 KiB that a stack begins with, and what handles a message, which makes the stack grow, is not part of it. A stack
// that has grown does not shrink below 4 KiB, so the reader goes on with a fresh one when it is likely to wait for long.
func (s *Socket) read(c *websocket.Conn) {
	for {
		op, data, err := c.Read()
		switch s.handle(c, op, data, err) {
		case readAnew:
			go s.read(c) // the same reader with its hold, on a fresh stack
			return
		case readNoMore:
			s.readOut(c)
			return
		}
	}
}

// readFirst is read on a stack that grows at once, while there is nothing on it to copy: what a client says first makes it
// grow anyway.
func (s *Socket) readFirst(c *websocket.Conn) {
	growStack()
	s.read(c)
}

//go:noinline
func growStack() {
	var frame [5 << 10]byte
	touch(&frame)
}

//go:noinline
func touch(*[5 << 10]byte) {}

// readOut waits for the end of a WebSocket that has been told to close. After Close a Conn returns no more messages.
func (s *Socket) readOut(c *websocket.Conn) {
	c.Ask(false)
	for {
		if _, _, err := c.Read(); err != nil {
			break
		}
	}
	s.release()
}

// probing reads the packets of an upgrade and reports whether the WebSocket is the transport now.
func (s *Socket) probing(p *probe) bool {
	for {
		op, data, err := p.conn.Read()
		in := inViolation
		switch {
		case err != nil:
			in = inLost
		case op == websocket.Binary:
		case string(data) == "2probe":
			in = inProbe
		case string(data) == "5":
			in = inCommit
		}
		s.mu.Lock()
		if s.probe != p { // timed out, or the session is closed
			s.mu.Unlock()
			return false
		}
		fx, abandoned := s.stepLocked(in)
		var wait chan struct{}
		if fx&fxSwitch != 0 && s.poll != nil {
			wait = s.poll.delivered
		}
		s.mu.Unlock()
		switch {
		case fx&fxSwitch != 0:
			if wait != nil {
				<-wait // the last POST is still delivering; ends when the Handler has taken its messages
			}
			return true
		case fx&fxPong != 0:
			if p.conn.WriteFrames(probeFrame) != nil {
				continue // Read tells
			}
		case abandoned != nil:
			s.server.counters.reject(RejectUpgradeViolation)
			abandoned.Close(websocket.ProtocolError, "probe expected")
			return false
		default:
			s.server.counters.reject(RejectUpgradeLost)
			return false
		}
	}
}

var probeFrame = websocket.AppendFrame(nil, websocket.Text, []byte("3probe"))

// handle does what is to be done about what was read.
//
//go:noinline
func (s *Socket) handle(c *websocket.Conn, op websocket.Opcode, data []byte, err error) verdict {
	if err != nil {
		if err == websocket.ErrRoom {
			return s.makeRoom(c)
		}
		return s.lost(c, err)
	}
	var p packet.Packet
	if s.base64 && op == websocket.Text {
		p, err = packet.DecodeTextOnly(data)
	} else {
		p, err = packet.Decode(data, op == websocket.Binary)
	}
	if err != nil {
		return s.malformed(c, err)
	}
	if p.Type == packet.Message {
		s.in.messages++
		if n := uint64(len(p.Data)); n < 1<<20 && s.in.data < 1<<30 {
			s.in.data += uint32(n)
		} else {
			s.server.counters.bytesIn.Add(n)
		}
	}
	idle := !c.Buffered()
	if idle && s.in.messages > 0 {
		s.server.counters.messagesIn.Add(uint64(s.in.messages))
		s.server.counters.bytesIn.Add(uint64(s.in.data))
		s.in, s.grown = incoming{}, true
	}
	if p.Type == packet.Message && s.marks.Load()&markChoked != 0 {
		s.awaitQueue()
	}
	if !s.receive(p, c) {
		return s.violated(c, p.Type)
	}
	if s.marks.Load()&markAsked != 0 {
		s.handedOver()
	}
	if idle && s.grown && (p.Type == packet.Pong || s.fresh < freshStacks) {
		s.grown = false
		s.fresh = min(s.fresh+1, freshStacks)
		return readAnew
	}
	return readOn
}

// The ends are functions of their own, so that they are not on the stack while a message is handled.

//go:noinline
func (s *Socket) lost(c *websocket.Conn, err error) verdict {
	s.closeReading(c, readEnding(err))
	return readNoMore
}

//go:noinline
func (s *Socket) malformed(c *websocket.Conn, err error) verdict {
	s.closeReading(c, ending{
		reason: ParseError, err: err, reject: RejectPacket,
		status: websocket.ProtocolError, text: "malformed packet",
	})
	return readNoMore
}

//go:noinline
func (s *Socket) violated(c *websocket.Conn, t packet.Type) verdict {
	s.closeReading(c, violation(t))
	return readNoMore
}

// freshStacks is how often a session's reader takes a fresh stack after its first messages; from then on it does so after
// the pongs of a session that has received messages since the last one.
const freshStacks = 3

// incoming belongs to the reader, like Socket.grown and fresh.
type incoming struct {
	data     uint32 // bytes of messages that are not in the counters yet
	messages uint32 // and their number
}

// readEnding is what a failed read does to the session.
func readEnding(err error) ending {
	if errors.Is(err, os.ErrDeadlineExceeded) { // of a write: Read has no deadline that it does not explain
		return writeEnding(err)
	}
	e := ending{reason: TransportClose, err: err, status: websocket.NormalClosure}
	var ce *websocket.CloseError
	if !errors.As(err, &ce) || ce.Received {
		return e // a connection that just ends is a close, as the official server sees it
	}
	e.reason, e.reject = TransportError, RejectWebSocket
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		e.reject = RejectMessageSize
	case errors.Is(err, websocket.ErrTooManyFragments), errors.Is(err, websocket.ErrMessageTimeout), errors.Is(err, websocket.ErrTooManyPings):
		e.reject = RejectWebSocketLimit
	}
	return e
}
