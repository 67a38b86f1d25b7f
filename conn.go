package socketio

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/deadline"
	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/journal"
	"sio.example/socketio/internal/reqhead"
	"sio.example/socketio/internal/scratch"
	"sio.example/socketio/internal/standstill"
	"sio.example/socketio/parser"
)

// A conn is one Engine.IO session, which carries the sockets of a client in any number of namespaces. Fields that most
// connections do without most of the time are in cold.
type conn struct {
	srv  *server
	eng  *engineio.Socket
	head reqhead.Head

	// Used by the reader only, which the engine calls from one goroutine at a time.
	decoder parser.Decoder // made when needed
	size    uint32         // bytes read of the packet, or the most there can be

	inFlusher        atomic.Bool   // in the queue of the server's flusher
	attachmentsSince atomic.Uint32 // since when attachments are missing, see ticks; 0 if none are
	inboxHeld        atomic.Int32  // what the inboxes hold, see conn_memory.go

	// From here on guarded by mu.
	firstSocket *Socket    // of the sockets, connecting ones too, linked by Socket.next; few, so searched
	cold        *coldState // nil if it would be empty
	mu          sync.Mutex
	liveSockets int32 // sockets whose runner has not done its last job, those that were removed among them
	joined      bool  // the client has joined a namespace
	closed      bool
	// Used by the reader only.
	partialCharged  bool // the packet of which attachments are missing is charged
	hasPartialToken bool // it is the one that may be kept in any case, see chargePartial
}

// coldState is guarded by conn.mu.
type coldState struct {
	conn            *conn
	connectDeadline deadline.Entry[*coldState] // while pending
	attachmentTimer *time.Timer                // looks at attachmentsSince; nil while it is not set
	fewerSockets    chan struct{}              // closed when liveSockets gets smaller; nil if nobody waits for that
	// the sockets for which the list of firstSocket would be too long; nil if it is not
	byName map[string]*Socket
	left   *leftNames // namespaces that the client was in; nil if there are none
	// what is kept of the first request beside head; not changed once it is there
	request *keptRequest

	byNameAuth  int // bytes of auth of the sockets in byName
	closingAuth int // and of those that were removed and whose runner has not done its last job

	inboxRoom    chan struct{} // closed when there may be room in the inboxes; nil if nobody waits for that
	partialBytes int           // bytes of the packet of which attachments are missing, if they are many
	authBytes    int           // bytes of auth, likewise
	ackBytes     int           // bytes of acknowledgements that are waited for
	chargedSteps int32         // steps that the engine knows of
	pending      bool          // no socket has been connected yet; see connect_timeout.go
}

func newConn(s *server, e *engineio.Socket, r *http.Request) *conn {
	c := &conn{srv: s, eng: e, head: reqhead.Of(r)}
	var kept *keptRequest
	if s.opts.RequestContext != nil || r.TLS != nil {
		kept = s.keepRequest(r)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if kept != nil {
		c.ensureCold().request = kept
	}
	c.startConnectTimeout()
	if c.requestSize() >= stepUnits*chargeUnit {
		c.chargeLocked()
	}
	return c
}

// ensureCold returns cold to be changed. It needs mu.
func (c *conn) ensureCold() *coldState {
	if c.cold == nil {
		c.cold = &coldState{conn: c}
	}
	return c.cold
}

// freeCold drops cold if nothing is in it any more. It needs mu.
func (c *conn) freeCold() {
	if r := c.cold; r != nil && !r.pending && r.attachmentTimer == nil && r.fewerSockets == nil &&
		r.byName == nil && r.left == nil && r.request == nil && r.inboxRoom == nil &&
		r.partialBytes|r.authBytes|r.closingAuth|r.ackBytes|int(r.chargedSteps) == 0 {
		c.cold = nil
	}
}

func (c *conn) address() string { return hostOf(c.eng.RemoteAddr()) }

// HandleMessage takes one frame of a packet.
func (c *conn) HandleMessage(m engineio.Message) {
	c.size += uint32(min(uint64(len(m.Data)), uint64(math.MaxUint32-c.size)))
	if c.decoder == nil {
		c.decoder = c.srv.opts.Parser.NewDecoder()
	}
	p, err := c.decoder.Add(parser.Frame(m))
	if err != nil {
		c.closeMalformed(err)
		return
	}
	if p == nil {
		if c.size >= stepUnits*chargeUnit {
			c.chargePartial()
		}
		c.awaitAttachments()
		return
	}
	size := int(c.size)
	c.size = 0
	c.attachmentsSince.Store(0)
	p.Namespace = cmp.Or(p.Namespace, "/")
	c.handle(p, size)
	if c.partialCharged { // its event is charged now
		c.freePartial()
	}
}

// closeMalformed closes the connection because of a packet that is none. It is not part of HandleMessage, which is on
// the stack of each reader that handles a message.
func (c *conn) closeMalformed(err error) {
	level, limit := slog.LevelDebug, ""
	if e := parser.LimitError(nil); errors.As(err, &e) {
		if limit = e.Limit(); e.MayBeHonest() {
			level = slog.LevelWarn
		}
	}
	const msg = "socketio: parse error"
	if args := []any{"address", c.address(), "error", err, "limit", limit}; level == slog.LevelDebug {
		c.srv.log.Debug(msg, args...)
	} else {
		c.srv.causes.Log(context.Background(), c.srv.log, journal.Often, msg, level, msg, args...)
	}
	c.closeViolation(RejectParse, ReasonParseError, "parse error")
}

// HandleClose ends all sockets.
func (c *conn) HandleClose(reason engineio.Reason, err error) {
	c.attachmentsSince.Store(0)
	c.decoder = nil // and what it holds; the conn itself may be referred to for longer
	if c.partialCharged {
		c.freePartial()
	}
	c.countOld(-1)
	why := DisconnectReason(reason)
	if errors.Is(err, engineio.ErrServerClosed) {
		why = ReasonServerShuttingDown
	}
	mode := closeDrop
	switch reason {
	case engineio.TransportClose, engineio.TransportError, engineio.ParseError: // and it may have sent events before
		mode = closeDrain
	}
	for _, s := range c.stop() {
		s.closeInline(why, mode)
	}
}

func (c *conn) handle(p *parser.Packet, size int) {
	if p.Type == parser.Connect {
		if d, ok := c.decoder.(parser.Resettable); ok && d.IsReset() {
			c.decoder = nil // many clients connect and then only listen
		}
		c.connect(p, size)
		return
	}
	s, known := c.find(p.Namespace)
	if !known || p.Type == parser.ConnectError {
		c.closeViolation(RejectViolation, ReasonForcedServerClose, "protocol error")
		return
	}
	if s == nil {
		return // the client could not know yet that it is no longer in the namespace
	}
	switch p.Type {
	case parser.Event:
		s.receive(p, size)
	case parser.Ack:
		if p.HasID {
			s.acks.Resolve((*ackLender)(c), p.ID, p.Args, size)
			if h := (*inboxAccount)(c); h.Over() { // callbacks may hang, and what they wait with is large
				dispatch.AwaitRoom(h, c.eng.Context().Done())
			}
		}
	case parser.Disconnect:
		s.closeInline(ReasonClientDisconnect, closeDrain)
	}
}

// find returns the socket that may receive packets of a namespace, and whether the client may send any: it may if it
// is, or was, in the namespace.
func (c *conn) find(name string) (s *Socket, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.socket(name); s != nil {
		return s, !s.is(connecting)
	}
	if short, query := withoutQuery(name); query != "" && c.isOld() {
		if s := c.socket(short); s != nil {
			return s, !s.is(connecting)
		}
		name = short
	}
	return nil, c.closed || c.wasIn(name)
}

// connect answers a CONNECT packet, or has the middleware of a new socket do it.
func (c *conn) connect(p *parser.Packet, size int) {
	if c.isOld() {
		if err := readQuery(p); err != nil {
			c.closeMalformed(err)
			return
		}
	}
	name := p.Namespace
	if c.srv.longNames && len(name) > maxNamespace {
		c.closeMalformed(errLongName)
		return
	}
	c.mu.Lock()
	closed, again, many := c.closed, c.socket(name) != nil, c.countSockets() >= c.srv.opts.MaxNamespaces
	large := p.Args.Len() > 0 && size+c.authLocked() > c.srv.opts.MaxAuth
	c.mu.Unlock()
	switch {
	case closed:
		return
	case again: // pages say connect() twice; the answer to the first one, if not on its way yet, is the answer to both
		return
	case many:
		c.srv.stats.reject(RejectNamespaces)
		c.tellRefused(name, &ConnectError{Message: "Too many namespaces"})
		return
	case large:
		c.srv.stats.reject(RejectAuth)
		c.srv.log.Debug("socketio: auth refused", "address", c.address(), "bytes", size, "limit", "Options.MaxAuth")
		c.tellRefused(name, &ConnectError{Message: "Auth too large"})
		return
	}
	if !c.awaitFewerSockets() {
		return
	}
	id, err := c.newID(name)
	if err != nil {
		c.srv.report(c.eng.Context(), nil, nil, err)
		c.tellRefused(name, &ConnectError{Message: InternalError})
		return
	}
	s := newSocket(c, id, name, p.Args, size)
	if c.srv.opts.Recovery != nil && !c.isOld() {
		s.claimSession(p.Args)
	}
	ok, err := c.srv.register(s, name)
	if err != nil || !ok {
		s.unclaim()
	}
	if err != nil {
		return // the connection is about to be closed
	}
	if !ok {
		c.srv.stats.reject(RejectNamespace)
		c.tellRefused(name, errUnknownNamespace)
		return
	}
	c.start(s)
}

// start adds a socket that the server knows, and has its client let in. Only the reader adds sockets, so that nobody
// can have come in between.
func (c *conn) start(s *Socket) {
	c.mu.Lock()
	c.liveSockets++
	leaving, closed := c.isLeaving(s.name), c.closed
	if !closed {
		c.add(s)
		c.chargeAuth()
	} else {
		s.authSize = 0 // it counts nowhere
	}
	c.mu.Unlock()
	if leaving || !s.canConnectInline() || !s.inbox.RunInline(job{kind: jobConnectInline}) {
		s.inbox.Push(nil, job{kind: jobConnect}, 0)
	}
	if closed {
		s.close(ReasonForcedServerClose, closeDrop)
	}
}

// remove forgets a socket. If it was connected, what the client still sends to it is not held against it.
func (c *conn) remove(s *Socket, was bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.unlink(s) {
		return
	}
	c.countClosingAuth(s)
	c.chargeAuth()
	if was && !c.closed {
		c.noteLeft(s.name)
		if c.isOld() {
			c.noteLeaving(s)
		}
	}
}

// awaitFewerSockets holds the client up while twice as many of its sockets live as there may be namespaces, or those
// that have gone keep as much auth as there may be, so that one that comes and goes while its handlers hang does not
// pile them up. It reports false if the connection ends meanwhile.
func (c *conn) awaitFewerSockets() bool {
	for {
		c.mu.Lock()
		fewer := int(c.liveSockets) < 2*c.srv.opts.MaxNamespaces &&
			(c.cold == nil || c.cold.closingAuth <= c.srv.opts.MaxAuth)
		if closed := c.closed; closed || fewer {
			c.mu.Unlock()
			return !closed
		}
		wait := c.awaitFreedLocked()
		c.mu.Unlock()
		select {
		case <-wait:
		case <-c.eng.Context().Done():
			return false
		}
	}
}

// awaitFreedLocked is closed with the next call of freeSocket.
func (c *conn) awaitFreedLocked() <-chan struct{} {
	r := c.ensureCold()
	if r.fewerSockets == nil {
		r.fewerSockets = make(chan struct{})
	}
	return r.fewerSockets
}

// freeSocket is called when a socket's runner has done its last job.
func (c *conn) freeSocket(s *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.liveSockets--
	c.noteOut(s)
	c.freeClosingAuth(s)
	if r := c.cold; r != nil && r.fewerSockets != nil {
		close(r.fewerSockets)
		r.fewerSockets = nil
		c.freeCold()
	}
}

// markJoined stops the timer: the client has joined a namespace.
func (c *conn) markJoined() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.joined = true
	c.stopConnectTimeout()
	c.freeCold()
}

// awaitAttachments gives the client some time, from a packet's header to its last attachment.
func (c *conn) awaitAttachments() {
	if c.attachmentsSince.Load() != 0 {
		return
	}
	if d, ok := c.decoder.(parser.Peeker); ok {
		if p := d.Peek(); p != nil {
			if _, known := c.find(cmp.Or(p.Namespace, "/")); !known {
				c.closeViolation(RejectViolation, ReasonForcedServerClose, "protocol error")
				return
			}
		}
	}
	c.attachmentsSince.Store(c.srv.ticks())
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.ensureCold(); r.attachmentTimer == nil && !c.closed {
		r.attachmentTimer = time.AfterFunc(c.srv.opts.AttachmentTimeout, c.attachmentTimeout)
	}
}

// attachmentTimeout runs on the timer's goroutine, at the latest when attachments have been missing for
// AttachmentTimeout. The timer is not set for each packet, since nearly always the attachments come at once.
func (c *conn) attachmentTimeout() {
	c.mu.Lock()
	since := c.attachmentsSince.Load()
	left := c.srv.opts.AttachmentTimeout - time.Duration(c.srv.ticks()-since)*time.Millisecond
	over := false
	switch {
	case c.closed:
	case since == 0:
		c.cold.attachmentTimer = nil
		c.freeCold()
	case left > 0:
		c.cold.attachmentTimer.Reset(left)
	case standstill.Late(-left), c.eng.Paused(): // they may be there, and yet to be read
		c.attachmentsSince.CompareAndSwap(since, c.srv.ticks())
		c.cold.attachmentTimer.Reset(c.srv.opts.AttachmentTimeout)
	default:
		over = true
	}
	c.mu.Unlock()
	if over {
		c.closeOverLimit(RejectAttachments, "attachment timeout")
	}
}

// closeViolation ends the connection because of what the client sent.
func (c *conn) closeViolation(label string, why DisconnectReason, text string) {
	reason, mode := engineio.ForcedClose, closeDrop
	if why == ReasonParseError {
		reason, mode = engineio.ParseError, closeDrain
	}
	c.srv.stats.reject(label)
	c.srv.log.Debug("socketio: client breaks the protocol", "address", c.address(), "reject", label)
	c.closeSockets(why, mode)
	c.eng.CloseWith(reason, false, text)
}

// closeOverLimit ends the connection because of what the client did not do.
func (c *conn) closeOverLimit(label, text string) {
	c.srv.stats.reject(label)
	c.srv.log.Debug("socketio: client over a limit", "address", c.address(), "reject", label)
	c.closeSockets(ReasonForcedServerClose, closeDrop)
	c.eng.CloseWith(engineio.ForcedClose, true, text)
}

// disconnect tells the client that it is disconnected from all of its namespaces, and ends the connection when that is
// sent.
func (c *conn) disconnect() {
	defer c.eng.Close()
	defer c.closeSockets(ReasonForcedServerClose, closeDrop)
	dispatch.RunAll(&c.srv.guard, c.sockets(), func(s *Socket) {
		if !s.is(connecting) {
			s.close(ReasonServerDisconnect, closeTell)
		}
	}, func(error) {})
}

// closeSockets ends all sockets, and lets no other in.
func (c *conn) closeSockets(why DisconnectReason, mode closeMode) {
	for _, s := range c.stop() {
		s.close(why, mode)
	}
}

// stop stops input: no other socket is let in. It returns those of the connection.
func (c *conn) stop() []*Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.requestSize() >= stepUnits*chargeUnit {
		c.chargeLocked()
	}
	c.stopConnectTimeout()
	if r := c.cold; r != nil && r.attachmentTimer != nil {
		r.attachmentTimer.Stop()
		r.attachmentTimer = nil
	}
	c.freeCold()
	return c.listSockets()
}

func (c *conn) sockets() []*Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.listSockets()
}

// tellRefused sends CONNECT_ERROR.
func (c *conn) tellRefused(name string, why *ConnectError) {
	if c.srv.debugEnabled() {
		c.srv.log.Debug("socketio: refused", "nsp", dispatch.Plain(name),
			"address", c.address(), "error", dispatch.Plain(why.Message))
	}
	p := &parser.Packet{Type: parser.ConnectError, Namespace: name, Args: c.refusalArgs(why)}
	err := c.sendRefusal(p, why.Data)
	if err == nil || errors.Is(err, ErrDisconnected) || errors.Is(err, ErrSlowConsumer) {
		return
	}
	// The data can't be encoded.
	c.srv.report(c.eng.Context(), nil, nil, err)
	p.Args = c.refusalArgs(&ConnectError{Message: why.Message})
	_ = c.send(p, engineio.SendOptions{})
}

// sendRefusal sends p, whose data are the user's and may do anything when they are encoded.
func (c *conn) sendRefusal(p *parser.Packet, data any) error {
	send := func() error { return c.send(p, engineio.SendOptions{}) }
	if data == nil {
		return send()
	}
	return c.srv.guard.Contain(send)
}

type connectErrorReply struct {
	Message string `json:"message"`
	Data    any    `json:"data,omitzero"`
}

// send encodes a packet and queues it.
func (c *conn) send(p *parser.Packet, o engineio.SendOptions) error {
	l := scratch.For(*p)
	defer l.Free()
	return c.encodeAndQueue(l, o)
}

// encodeAndQueue encodes the packet of l and queues it.
func (c *conn) encodeAndQueue(l *scratch.Packet, o engineio.SendOptions) error {
	if err := c.srv.encode(l); err != nil {
		return err
	}
	return c.queue(l, o)
}

// queue queues what l was encoded into.
func (c *conn) queue(l *scratch.Packet, o engineio.SendOptions) error {
	switch err := c.eng.SendMessages(o, l.Messages()...); {
	case err == nil:
		return nil
	case errors.Is(err, engineio.ErrSlowConsumer):
		return ErrSlowConsumer
	default:
		return ErrDisconnected
	}
}

// encode encodes the packet of l. A value that can't be encoded is an error, even if it panics when asked; so it is in
// prepare.
func (s *server) encode(l *scratch.Packet) error {
	err := s.guard.Call(func() error { return l.Encode(s.opts.Parser, s.appender) })
	if err != nil {
		return errtext.Wrap("socketio: encode", err)
	}
	return nil
}

// prepare appends the wire form of p to dst, for about so many sockets. A value that can't be encoded is an error, even
// if it panics when asked.
func (s *server) prepare(dst []*engineio.Prepared, p *parser.Packet, sockets int) ([]*engineio.Prepared, error) {
	err := s.guard.Call(func() (err error) {
		dst, err = scratch.Prepare(dst, s.opts.Parser, p, sockets)
		return err
	})
	if err != nil {
		return dst, errtext.Wrap("socketio: encode", err)
	}
	return dst, nil
}
