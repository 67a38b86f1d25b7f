package client

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/parser"
)

// A conn is one Engine.IO session, which carries the sockets of a Manager. It is the session's Handler.
type conn struct {
	m      *Manager
	eng    *engineio.ClientSocket
	opened time.Time

	// Used by the reader only, which the engine calls from one goroutine at a time.
	decoder      parser.Decoder
	size         int  // bytes read of the packet
	inputStopped bool // the session is about to end, and an event was not taken: those behind it are not either

	// Guarded by the Manager's lock.
	unanswered []string        // namespaces whose CONNECT is not answered yet
	past       []pastNamespace // few, so a slice
	closeTimer *time.Timer     // of closing; nil without one
	closed     bool
	admitted   bool // it has let somebody in
}

// A pastNamespace is what must be known of the sockets that were in a namespace before, lest what was for them is taken
// for the next one's.
type pastNamespace struct {
	name string
	left bool   // DISCONNECT was sent: what comes before the answer to the next CONNECT is of the time before
	ids  uint64 // those of acknowledgements that a socket used which was closed
}

// maxPast is how many namespaces are remembered. The oldest are forgotten, for which nothing will be on the way.
const maxPast = 256

// ensurePast returns what is known of a namespace, to be changed. The Manager's lock is held.
func (c *conn) ensurePast(name string) *pastNamespace {
	if f := c.findPast(name); f != nil {
		return f
	}
	if len(c.past) >= maxPast {
		c.past = slices.Delete(c.past, 0, 1)
	}
	c.past = append(c.past, pastNamespace{name: name})
	return &c.past[len(c.past)-1]
}

// findPast is ensurePast, but nil if nothing is known. c may be nil. The Manager's lock is held.
func (c *conn) findPast(name string) *pastNamespace {
	if c == nil {
		return nil
	}
	i := slices.IndexFunc(c.past, func(f pastNamespace) bool { return f.name == name })
	if i < 0 {
		return nil
	}
	return &c.past[i]
}

// HandleMessage takes one frame of a packet.
func (c *conn) HandleMessage(msg engineio.Message) {
	c.size += len(msg.Data)
	p, err := c.decoder.Add(parser.Frame(msg))
	if err != nil {
		c.violation(err)
		return
	}
	if p == nil {
		return // its attachments follow
	}
	size := c.size
	c.size = 0
	p.Namespace = cmp.Or(p.Namespace, "/")
	switch p.Type {
	case parser.Connect:
		c.handleConnect(p)
	case parser.ConnectError:
		c.handleConnectError(p)
	case parser.Disconnect:
		c.handleDisconnect(p)
	case parser.Event:
		c.handleEvent(p, size)
	case parser.Ack:
		c.handleAck(p, size)
	}
}

// HandleClose takes all sockets off the connection.
func (c *conn) HandleClose(reason engineio.Reason, err error) {
	c.decoder = nil // and what it holds
	m := c.m
	m.mu.Lock()
	c.closed = true
	if c.closeTimer != nil {
		c.closeTimer.Stop()
		c.closeTimer = nil
	}
	lost := m.conn == c
	if lost {
		m.sessionLost(c, DisconnectReason(reason), err)
	}
	m.unlock()
	if lost && m.debugs() {
		m.log.Debug("client: connection lost", "transport", c.eng.Transport(),
			"reason", string(reason), "error", plainError(err))
	}
}

// violation ends the connection because of what the server sent.
func (c *conn) violation(err error) {
	limit := ""
	if e := parser.LimitError(nil); errors.As(err, &e) {
		limit = e.Limit() // of Options.Parser
	}
	c.m.warn("client: parse error", "error", dispatch.Plain(err.Error()), "limit", limit)
	c.eng.Abort(engineio.ParseError, err)
}

// find returns the socket that packets of a namespace are for, or nil. The Manager's lock is held.
func (c *conn) find(name string) *Socket {
	if c.m.conn != c {
		return nil
	}
	return c.m.find(name)
}

// takeAnswer reports whether an answer to CONNECT is due, and takes it for that. The Manager's lock is held.
func (c *conn) takeAnswer(name string) bool {
	i := slices.Index(c.unanswered, name)
	if i < 0 {
		return false
	}
	c.unanswered = slices.Delete(c.unanswered, i, i+1)
	if len(c.unanswered) == 0 {
		c.unanswered = nil
	}
	return true
}

// handleConnect takes the answer to CONNECT.
func (c *conn) handleConnect(p *parser.Packet) {
	var reply struct {
		SID any `json:"sid"`
		PID any `json:"pid"`
		Off any `json:"offset"` // of servers of this module
	}
	if p.Args.Len() > 0 {
		_ = p.Args.Decode(0, &reply) // anything but an object has no sid
	}
	id, _ := reply.SID.(string)
	pid, _ := reply.PID.(string)
	offset, _ := reply.Off.(string)

	m := c.m
	m.mu.Lock()
	s := c.find(p.Namespace)
	switch {
	case id == "" && s != nil && (s.phase == connecting || s.phase == awaitingSession): // servers of old do so unasked
		c.takeAnswer(p.Namespace)
		idle := s.refused(errOldServer)
		m.unlock()
		idle.close()
		return
	case !slices.Contains(c.unanswered, p.Namespace):
		m.unlock()
		return
	case s == nil || s.phase != connecting || !s.attempt.ready: // it is not wanted any more
		m.unlock()
		c.decline(p.Namespace)
		return
	}
	c.takeAnswer(p.Namespace)
	t := s.attempt
	st := s.beginEpoch(c, id, pid, offset)
	track := s.tracks()
	m.unlock()
	c.flush()
	s.debug("client: connected", "sid", dispatch.Plain(id))
	for _, h := range t.held {
		if c.inputStopped {
			break
		}
		s.receive(st, h.packet, h.size, track)
	}
}

// decline leaves a namespace that the server let the socket into which asked before. Until that is said the namespace
// counts as asked, so that no CONNECT overtakes it. No lock is held.
func (c *conn) decline(name string) {
	m := c.m
	packet := m.disconnectPacket(name)
	m.mu.Lock()
	c.takeAnswer(name)
	_ = c.mustSend(engineio.SendOptions{}, packet)
	c.ensurePast(name).left = true
	t := c.nextAttempt(name)
	m.unlock()
	c.flush()
	t.start()
}

// nextAttempt is the attempt that waited for the answer to an earlier one, or nil. It is to be started without the
// Manager's lock, which is held.
func (c *conn) nextAttempt(name string) *attempt {
	s := c.find(name)
	if s == nil || s.phase != connecting || s.attempt.ready {
		return nil
	}
	return s.attempt.prepare()
}

// handleConnectError takes the server's refusal.
func (c *conn) handleConnectError(p *parser.Packet) {
	err := refusal(p.Args)
	m := c.m
	m.mu.Lock()
	s := c.find(p.Namespace)
	if !c.takeAnswer(p.Namespace) || s == nil || s.phase != connecting || !s.attempt.ready {
		t := c.nextAttempt(p.Namespace)
		m.unlock()
		t.start()
		return
	}
	idle := s.refused(err)
	m.unlock()
	s.debug("client: refused", "error", dispatch.Plain(err.Message))
	idle.close()
}

// handleDisconnect takes the server's DISCONNECT. Before the answer to CONNECT it is for the time before, when both
// ends said it at once.
func (c *conn) handleDisconnect(p *parser.Packet) {
	m := c.m
	m.mu.Lock()
	s := c.find(p.Namespace)
	var idle *conn
	if s != nil && s.phase == connected {
		s.detach(ReasonServerDisconnect, nil, inactive)
		idle = m.takeIdleSession()
	}
	m.unlock()
	idle.close()
}

// handleEvent gives an event to its socket. It waits while that has too many.
func (c *conn) handleEvent(p *parser.Packet, size int) {
	if c.inputStopped {
		return
	}
	m := c.m
	m.mu.Lock()
	s := c.find(p.Namespace)
	if s == nil || s.phase != connected {
		f := c.findPast(p.Namespace)
		flood := s != nil && s.phase == connecting && s.attempt.ready &&
			(f == nil || !f.left) && !s.attempt.hold(p, size)
		if flood {
			s.recovery = nil // else the server would send it all again
		}
		m.unlock()
		if flood {
			c.violation(errFlood)
		}
		return
	}
	st, track := s.epoch, s.tracks()
	m.unlock()
	s.receive(st, p, size, track)
}

// handleAck settles what waits for the acknowledgement. It never waits.
func (c *conn) handleAck(p *parser.Packet, size int) {
	if !p.HasID {
		return
	}
	m := c.m
	m.mu.Lock()
	if s := c.find(p.Namespace); s != nil && s.phase == connected {
		s.acknowledged(p.ID, p.Args, size)
	}
	m.unlock()
	c.flush()
}

// send queues the frames of a packet. It may be called with the Manager's lock held, which keeps packets in order over
// reconnections; flush must follow without it.
func (c *conn) send(o engineio.SendOptions, frames []*engineio.Prepared) error {
	o.Defer = true
	return c.eng.Send(o, frames...)
}

// mustSend is send for what must not be lost to a full queue, and is bounded elsewhere. It fails if the session has
// ended.
func (c *conn) mustSend(o engineio.SendOptions, frames []*engineio.Prepared) error {
	o.NoLimit = true
	return c.send(o, frames)
}

// flush sends what is queued. c may be nil.
func (c *conn) flush() {
	if c != nil {
		c.eng.Flush()
	}
}

// limitClose lets a session that is about to be closed live for closeTime at most. The Manager's lock is held.
func (c *conn) limitClose() {
	if c != nil && c.closeTimer == nil && !c.closed {
		// stopped by HandleClose
		c.closeTimer = time.AfterFunc(closeTime, func() { c.eng.Abort(engineio.ForcedClose, nil) })
	}
}

// closeSoon is close, with a limit. c may be nil.
func (c *conn) closeSoon() {
	if c != nil {
		c.m.mu.Lock()
		c.limitClose()
		c.m.mu.Unlock()
		c.close()
	}
}

// close ends a session that nobody wants any more, after what is queued was sent. c may be nil.
func (c *conn) close() {
	if c != nil {
		c.eng.Close()
	}
}
