package socketio

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/internal/journal"
	"sio.example/socketio/internal/sid"
	"sio.example/socketio/internal/standstill"
	"sio.example/socketio/parser"
)

// A conn is one Engine.IO session, which carries the sockets of a client in any number of namespaces. What most do without
// most of the time is in rare.
type conn struct {
	srv     *server
	eng     *engineio.Socket
	opening opening

	// Used by the reader only, which the engine calls from one goroutine at a time.
	decoder parser.Decoder // made when needed
	size    uint32         // bytes read of the packet, or the most there can be

	unflushed atomic.Bool   // in the queue of the server's flusher
	missing   atomic.Uint32 // since when attachments are missing, see ticks; 0 if none are
	held      atomic.Int32  // what the inboxes hold, see hold.go

	// From here on guarded by mu.
	first   *Socket // of the sockets, connecting ones too, linked by Socket.next; few, so searched
	rare    *rare   // nil if it would be empty
	mu      sync.Mutex
	living  int32 // of the sockets, and of those that are no longer there, whose runner has not done its last job
	settled bool  // the client has joined a namespace
	closed  bool
	// Used by the reader only.
	heavy    bool // the packet of which attachments are missing is charged
	favoured bool // it is the one that may be kept in any case, see keepPartial
}

// rare is guarded by conn.mu.
type rare struct {
	place  *newcomer          // until the first socket is connected
	missed *time.Timer        // looks at missing; nil if it does not
	fewer  chan struct{}      // closed when living gets smaller; nil if nobody waits for that
	many   map[string]*Socket // of the sockets, those for which first would be too long a list; nil if it is not
	left   *leftNames         // namespaces that the client was in; nil if there are none

	manyAuths int // bytes of auth of the sockets in many
	lingering int // and of those that were removed and have not done their last job

	room    chan struct{} // closed when there may be room in the inboxes; nil if nobody waits for that
	partial int           // bytes of the packet of which attachments are missing, if they are many
	auths   int           // bytes of auth, likewise
	owed    int           // bytes of acknowledgements that are waited for
	charged int32         // steps that the engine knows of
}

func newConn(s *server, e *engineio.Socket, r *http.Request) *conn {
	c := &conn{srv: s, eng: e, opening: newOpening(r)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rarely().place = s.newcomers.add(c)
	if len(c.opening) >= heldStep*heldUnit {
		c.chargeLocked()
	}
	return c
}

// rarely is rare to be changed. It needs mu.
func (c *conn) rarely() *rare {
	if c.rare == nil {
		c.rare = new(rare)
	}
	return c.rare
}

// tidy drops what is in rare no more. It needs mu.
func (c *conn) tidy() {
	if r := c.rare; r != nil && r.place == nil && r.missed == nil && r.fewer == nil && r.many == nil && r.left == nil &&
		r.room == nil && r.partial|r.auths|r.lingering|r.owed|int(r.charged) == 0 {
		c.rare = nil
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
		c.malformed(err)
		return
	}
	if p == nil {
		if c.size >= heldStep*heldUnit {
			c.keepPartial()
		}
		c.awaitAttachments()
		return
	}
	size := int(c.size)
	c.size = 0
	c.missing.Store(0)
	p.Namespace = cmp.Or(p.Namespace, "/")
	c.handle(p, size)
	if c.heavy { // its event is charged now
		c.dropPartial()
	}
}

// malformed is not part of HandleMessage, which is on the stack of each reader that handles a message.
func (c *conn) malformed(err error) {
	level, limit := slog.LevelDebug, ""
	if e := (*parser.SyntaxError)(nil); errors.As(err, &e) {
		if limit = e.Limit(); limit == "MaxBytes" { // which an honest client may meet
			level = slog.LevelWarn
		}
	}
	const msg = "socketio: parse error"
	if args := []any{"address", c.address(), "error", err, "limit", limit}; level == slog.LevelDebug {
		c.srv.log.Debug(msg, args...)
	} else {
		c.srv.causes.Log(context.Background(), c.srv.log, journal.Often, msg, level, msg, args...)
	}
	c.violation(RejectParse, ReasonParseError, "parse error")
}

// HandleClose ends all sockets.
func (c *conn) HandleClose(reason engineio.Reason, err error) {
	c.missing.Store(0)
	c.decoder = nil // and what it holds; the connection itself may linger
	if c.heavy {
		c.dropPartial()
	}
	why := DisconnectReason(reason)
	if errors.Is(err, engineio.ErrServerClosed) {
		why = ReasonServerShuttingDown
	}
	mode := closeDrop
	switch reason {
	case engineio.TransportClose, engineio.TransportError, engineio.ParseError: // and it may have sent events before
		mode = closeDrain
	}
	for _, s := range c.shut() {
		s.closeHere(why, mode)
	}
}

func (c *conn) handle(p *parser.Packet, size int) {
	if p.Type == parser.Connect {
		if d, ok := c.decoder.(interface{ Blank() bool }); ok && d.Blank() {
			c.decoder = nil // many clients connect and then only listen
		}
		c.connect(p, size)
		return
	}
	s, known := c.find(p.Namespace)
	if !known || p.Type == parser.ConnectError {
		c.violation(RejectViolation, ReasonForcedServerClose, "protocol error")
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
			s.acks.Resolve((*owed)(c), p.ID, p.Args, size)
			if h := (*held)(c); h.Over() { // callbacks may hang, and what they wait with is large
				dispatch.AwaitRoom(h, c.eng.Context().Done())
			}
		}
	case parser.Disconnect:
		s.closeHere(ReasonClientDisconnect, closeDrain)
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
	return nil, c.closed || c.wasIn(name)
}

// connect answers a CONNECT packet, or has a new socket's gates do it.
func (c *conn) connect(p *parser.Packet, size int) {
	name := p.Namespace
	c.mu.Lock()
	closed, again, many := c.closed, c.socket(name) != nil, c.count() >= c.srv.opts.MaxNamespaces
	large := p.Args.Len() > 0 && size+c.authLocked() > c.srv.opts.MaxAuth
	c.mu.Unlock()
	switch {
	case closed:
		return
	case again: // pages say connect() twice; the answer to the first one, if not on its way yet, is the answer to both
		return
	case many:
		c.srv.stats.reject(RejectNamespaces)
		c.refuse(name, &ConnectError{Message: "Too many namespaces"})
		return
	case large:
		c.srv.stats.reject(RejectAuth)
		c.srv.log.Debug("socketio: auth refused", "address", c.address(), "bytes", size, "limit", "Options.MaxAuth")
		c.refuse(name, &ConnectError{Message: "Auth too large"})
		return
	}
	if !c.awaitFewer() {
		return
	}
	id, err := sid.New(rand.Reader)
	if err != nil {
		c.srv.report(c.eng.Context(), nil, nil, err)
		c.refuse(name, &ConnectError{Message: InternalError})
		return
	}
	s := newSocket(c, id, name, p.Args, size)
	ok, err := c.srv.begin(s, name)
	if err != nil {
		return // the connection is about to be closed
	}
	if !ok {
		c.srv.stats.reject(RejectNamespace)
		c.refuse(name, errUnknown)
		return
	}
	// Only the reader adds sockets, so that nobody can have come in between.
	c.mu.Lock()
	c.living++
	if closed = c.closed; !closed {
		c.add(s)
		c.keepAuth()
	} else {
		s.authSize = 0 // it counts nowhere
	}
	c.mu.Unlock()
	if !s.entersAlone() || !s.inbox.Here(job{kind: jobEnter}) {
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
	if !c.drop(s) {
		return
	}
	c.lingers(s)
	c.keepAuth()
	if was && !c.closed {
		c.leaves(s.name)
	}
}

// awaitFewer holds the client up while twice as many of its sockets live as there may be namespaces, or those that have gone
// keep as much auth as there may be, so that one that comes and goes while its handlers hang does not pile them up. It
// reports false if the connection ends meanwhile.
func (c *conn) awaitFewer() bool {
	for {
		c.mu.Lock()
		fewer := int(c.living) < 2*c.srv.opts.MaxNamespaces && (c.rare == nil || c.rare.lingering <= c.srv.opts.MaxAuth)
		if closed := c.closed; closed || fewer {
			c.mu.Unlock()
			return !closed
		}
		r := c.rarely()
		if r.fewer == nil {
			r.fewer = make(chan struct{})
		}
		wait := r.fewer
		c.mu.Unlock()
		select {
		case <-wait:
		case <-c.eng.Context().Done():
			return false
		}
	}
}

// finished is called when a socket's runner has done its last job.
func (c *conn) finished(s *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.living--
	c.gone(s)
	if r := c.rare; r != nil && r.fewer != nil {
		close(r.fewer)
		r.fewer = nil
		c.tidy()
	}
}

// settle stops the timer: the client has joined a namespace.
func (c *conn) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settled = true
	c.unplace()
	c.tidy()
}

// unplace ends the time to join a namespace. It needs mu.
func (c *conn) unplace() {
	if r := c.rare; r != nil && r.place != nil {
		c.srv.newcomers.remove(r.place)
		r.place = nil
	}
}

// connectTimeout runs on a timer's goroutine.
func (c *conn) connectTimeout() {
	c.mu.Lock()
	settled := c.settled
	c.mu.Unlock()
	if !settled {
		c.limit(RejectConnectTimeout, "connect timeout")
	}
}

// awaitAttachments gives the client some time, from a packet's header to its last attachment.
func (c *conn) awaitAttachments() {
	if c.missing.Load() != 0 {
		return
	}
	if d, ok := c.decoder.(parser.Peeker); ok {
		if p := d.Peek(); p != nil {
			if _, known := c.find(cmp.Or(p.Namespace, "/")); !known {
				c.violation(RejectViolation, ReasonForcedServerClose, "protocol error")
				return
			}
		}
	}
	c.missing.Store(c.srv.ticks())
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rarely(); r.missed == nil && !c.closed {
		r.missed = time.AfterFunc(c.srv.opts.AttachmentTimeout, c.attachmentTimeout)
	}
}

// attachmentTimeout runs on the timer's goroutine, at the latest when attachments have been missing for AttachmentTimeout. The
// timer is not set for each packet, since nearly always the attachments are there at once.
func (c *conn) attachmentTimeout() {
	c.mu.Lock()
	since := c.missing.Load()
	left := c.srv.opts.AttachmentTimeout - time.Duration(c.srv.ticks()-since)*time.Millisecond
	over := false
	switch {
	case c.closed:
	case since == 0:
		c.rare.missed = nil
		c.tidy()
	case left > 0:
		c.rare.missed.Reset(left)
	case standstill.Late(-left), c.eng.Paused(): // they may be there, and yet to be read
		c.missing.CompareAndSwap(since, c.srv.ticks())
		c.rare.missed.Reset(c.srv.opts.AttachmentTimeout)
	default:
		over = true
	}
	c.mu.Unlock()
	if over {
		c.limit(RejectAttachments, "attachment timeout")
	}
}

// violation ends the connection because of what the client sent.
func (c *conn) violation(label string, why DisconnectReason, text string) {
	reason, mode := engineio.ForcedClose, closeDrop
	if why == ReasonParseError {
		reason, mode = engineio.ParseError, closeDrain
	}
	c.srv.stats.reject(label)
	c.srv.log.Debug("socketio: client breaks the protocol", "address", c.address(), "reject", label)
	c.end(why, mode)
	c.eng.CloseWith(reason, false, text)
}

// limit ends the connection because of what the client did not do.
func (c *conn) limit(label, text string) {
	c.srv.stats.reject(label)
	c.srv.log.Debug("socketio: client over a limit", "address", c.address(), "reject", label)
	c.end(ReasonForcedServerClose, closeDrop)
	c.eng.CloseWith(engineio.ForcedClose, true, text)
}

// disconnect tells the client that it is disconnected from all of its namespaces, and ends the connection when that is
// sent.
func (c *conn) disconnect() {
	defer c.eng.Close()
	defer c.end(ReasonForcedServerClose, closeDrop)
	dispatch.RunAll(&c.srv.guard, c.all(), func(s *Socket) {
		if !s.is(connecting) {
			s.close(ReasonServerDisconnect, closeTell)
		}
	}, func(error) {})
}

// end ends all sockets, and lets no other in.
func (c *conn) end(why DisconnectReason, mode closeMode) {
	for _, s := range c.shut() {
		s.close(why, mode)
	}
}

// shut lets no other socket in, and returns those that are there.
func (c *conn) shut() []*Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if len(c.opening) >= heldStep*heldUnit {
		c.chargeLocked()
	}
	c.unplace()
	if r := c.rare; r != nil && r.missed != nil {
		r.missed.Stop()
		r.missed = nil
	}
	c.tidy()
	return c.list()
}

func (c *conn) all() []*Socket {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.list()
}

// refuse sends CONNECT_ERROR.
func (c *conn) refuse(name string, why *ConnectError) {
	if c.srv.debugs() {
		c.srv.log.Debug("socketio: refused", "nsp", dispatch.Plain(name), "address", c.address(), "error", dispatch.Plain(why.Message))
	}
	reply := connectErrorReply{Message: why.Message, Data: why.Data}
	p := &parser.Packet{Type: parser.ConnectError, Namespace: name, Args: parser.NewArgs(reply)}
	err := c.refuseWith(p, why.Data)
	if err == nil || errors.Is(err, ErrDisconnected) || errors.Is(err, ErrSlowConsumer) {
		return
	}
	// The data can't be encoded.
	c.srv.report(c.eng.Context(), nil, nil, err)
	reply.Data = nil
	p.Args = parser.NewArgs(reply)
	_ = c.send(p, engineio.SendOptions{})
}

// refuseWith sends p, whose data are the user's and may do anything when they are encoded.
func (c *conn) refuseWith(p *parser.Packet, data any) error {
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

// A letter is a packet for one client and what that is encoded into.
type letter struct {
	packet   parser.Packet
	text     []byte
	frames   []parser.Frame
	messages []engineio.Message
}

var letters = sync.Pool{New: func() any {
	return &letter{text: make([]byte, 0, 256), frames: make([]parser.Frame, 0, 4), messages: make([]engineio.Message, 0, 4)}
}}

func newLetter() *letter { return letters.Get().(*letter) }

// maxLetter is the most of a letter's text that is kept for the next one, in bytes.
const maxLetter = 64 << 10

func (l *letter) free() {
	l.packet = parser.Packet{}
	clear(l.frames)
	clear(l.messages)
	l.frames, l.messages = l.frames[:0], l.messages[:0]
	if cap(l.text) <= maxLetter {
		letters.Put(l)
	}
}

// send encodes a packet and queues it.
func (c *conn) send(p *parser.Packet, o engineio.SendOptions) error {
	l := newLetter()
	defer l.free()
	l.packet = *p
	return c.post(l, o)
}

// post encodes the packet of l and queues it.
func (c *conn) post(l *letter, o engineio.SendOptions) error {
	if err := c.srv.write(l); err != nil {
		return err
	}
	return c.queue(l, o)
}

// queue queues what l was encoded into.
func (c *conn) queue(l *letter, o engineio.SendOptions) error {
	for _, f := range l.frames {
		l.messages = append(l.messages, engineio.Message(f))
	}
	switch err := c.eng.SendMessages(o, l.messages...); {
	case err == nil:
		return nil
	case errors.Is(err, engineio.ErrSlowConsumer):
		return ErrSlowConsumer
	default:
		return ErrDisconnected
	}
}

// write encodes the packet of l.
func (s *server) write(l *letter) error {
	err := s.guard.Call(func() (err error) {
		if s.appender != nil {
			l.text, l.frames, err = s.appender.AppendEncode(l.text[:0], l.frames, &l.packet)
		} else {
			l.frames, err = s.opts.Parser.Encode(l.frames, &l.packet)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("socketio: encode: %w", err)
	}
	return nil
}

// encodable reports why p can't be encoded. Each member of a broadcast with acknowledgements has an id of its own, so
// that the packet is encoded for each; that it can't be must not look as if nobody had answered.
func (s *server) encodable(p *parser.Packet) error {
	l := newLetter()
	defer l.free()
	l.packet = *p
	return s.write(l)
}

var frameSlices = sync.Pool{New: func() any {
	s := make([]parser.Frame, 0, 4)
	return &s
}}

// encode appends the wire form of p to dst, for about so many sockets. A value that can't be encoded is an error, even if it panics when asked.
func (s *server) encode(dst []*engineio.Prepared, p *parser.Packet, sockets int) (_ []*engineio.Prepared, err error) {
	frames := frameSlices.Get().(*[]parser.Frame)
	defer func() {
		clear(*frames)
		frameSlices.Put(frames)
	}()
	err = s.guard.Call(func() (err error) {
		*frames, err = s.opts.Parser.Encode((*frames)[:0], p)
		return err
	})
	if err != nil {
		*frames = nil
		return dst, fmt.Errorf("socketio: encode: %w", err)
	}
	for _, f := range *frames {
		dst = append(dst, engineio.PrepareFor(engineio.Message(f), sockets))
	}
	return dst, nil
}
