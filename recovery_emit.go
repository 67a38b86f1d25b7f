package socketio

import (
	"time"

	"sio.example/socketio/adapter"
	"sio.example/socketio/engineio"
	"sio.example/socketio/parser"
)

// minHeads is how many rooms and sockets a log remembers for which it has dropped something; more if there are more
// sessions.
const minHeads = 10_000

// logSlack is for how much longer than sessions events are kept.
const logSlack = 10 * time.Second

// appendLocked gives an event its number, and keeps it if somebody may miss it.
func (r *recovery) appendLocked(n *numbered, to *adapter.Target) {
	number := r.head.Add(1)
	n.fill(r.tag, number)
	if len(r.byPID) == 0 || r.closed || r.srv.noReturn.Load() && len(r.idle) == 0 {
		return
	}
	e := logEntry{number: number, at: r.srv.now(), messages: r.keptLocked(n.messages, to), to: *to}
	e.size = sizeOfEntry(e.messages, to)
	r.log.add(e)
	r.trimLocked(e.at)
	r.holdLocked()
}

// keptLocked are messages of the same data for the log: without the frames that are made for those to whom they go now,
// which the log would keep, and to be sent to as many as may come back.
func (r *recovery) keptLocked(messages []*engineio.Prepared, to *adapter.Target) []*engineio.Prepared {
	sessions := len(r.byPID)
	if to.Socket != "" {
		sessions = 1
	}
	kept := make([]*engineio.Prepared, len(messages))
	for i, m := range messages {
		kept[i] = engineio.PrepareFor(m.Message(), sessions)
	}
	return kept
}

// trimLocked drops what is beyond a limit.
func (r *recovery) trimLocked(now time.Duration) {
	l, longest := &r.log, r.opts.MaxDisconnectionDuration+logSlack
	for l.len() > 0 && (l.len() > r.opts.MaxPackets || l.bytes > r.opts.MaxBytes || now-l.oldest().at >= longest ||
		r.overLocked()) {
		r.dropLocked()
	}
	if l.len() > 0 && r.trimming == nil {
		r.trimming = time.AfterFunc(longest-(now-l.oldest().at), r.trim)
	}
}

func (r *recovery) dropLocked() { r.log.drop(max(minHeads, len(r.byPID))) }

// trim runs on the timer's goroutine.
func (r *recovery) trim() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trimming = nil
	if !r.closed {
		r.trimLocked(r.srv.now())
		r.holdLocked()
	}
}

// sends reports whether an event goes by emit, because it is recovered, or may be taken for one.
func (r *recovery) sends(s *Socket, p *parser.Packet, o engineio.SendOptions) bool {
	return !p.HasID && (!o.Volatile || endsInText(p.Args) || s.Recovered() && !s.Connected())
}

// emit sends an event to the session of a socket, also if another socket has that by now.
func (r *recovery) emit(s *Socket, p *parser.Packet, o engineio.SendOptions) error {
	n, err := s.conn.srv.number(nil, p, 1)
	if err != nil {
		return err
	}
	s.notifyOutgoing(p)
	o.Defer = true
	to, err := r.queue(s, &n, o)
	if to != nil && err == nil {
		to.conn.srv.stats.eventsOut.Add(1)
		to.conn.eng.Flush()
	}
	return err
}

// queue is the step of emit in which the event takes its place and is queued: to whom, if anybody is there.
func (r *recovery) queue(s *Socket, n *numbered, o engineio.SendOptions) (to *Socket, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.session(s.id)
	switch {
	case r.closed, e == nil && s.is(disconnected):
		return nil, ErrDisconnected
	case e == nil || e.fresh: // middleware sends before CONNECT; that is no event of the session
		n.fill(r.tag, r.head.Load())
		return s, s.conn.sendPrepared(o, n.messages)
	case o.Volatile:
		n.fill(r.tag, r.head.Load())
	default:
		r.appendLocked(n, &adapter.Target{Socket: s.id, Flags: adapter.Flags{NoCompress: o.NoCompress}})
	}
	if !e.live || e.owner.conn.sendPrepared(o, n.messages) != nil {
		return nil, nil // it is in the log
	}
	return e.owner, nil
}

// sendPrepared queues what was prepared.
func (c *conn) sendPrepared(o engineio.SendOptions, messages []*engineio.Prepared) error {
	if c.eng.Send(o, messages...) != nil {
		return ErrDisconnected
	}
	return nil
}

// encodeForRecovery is Encode where the event may be recovered.
func (b *broadcast) encodeForRecovery(srv *server, p *parser.Packet, members int) error {
	n, err := srv.number(b.messages[:0], p, members)
	b.messages, b.at, b.numbered, b.members = n.messages, n.at, err == nil, members
	if old := srv.oldConns.Load(); err == nil && old > 0 {
		b.old, err = srv.prepare(nil, p, int(min(old, int64(members))))
	}
	return err
}

// messagesFor is what is queued for a member: without an offset for a client of Socket.IO 2, which would take it for an
// argument of the event. If one has come after the event was encoded there is nothing: it is as if it had come later.
func (b *broadcast) messagesFor(s *Socket) []*engineio.Prepared {
	if b.numbered && s.conn.isOld() {
		return b.old
	}
	return b.messages
}

// Place gives an event its place in the log, which is locked from here to Flush: the place and the queues of the
// members are one step.
func (l *local) Place(e adapter.Encoded, to *adapter.Target) {
	b := e.(*broadcast)
	if !b.numbered {
		return
	}
	n := numbered{b.messages, b.at}
	if to.Flags.Volatile && !endsInText(b.packet.Args) {
		// It is not recovered, and nothing that it ends in is taken for an offset.
		if !n.withoutOffset(b.members) {
			if plain, err := l.srv.prepare(nil, b.packet, b.members); err == nil {
				b.messages, b.numbered = plain, false
				return
			}
		} else {
			b.numbered = false
			return
		}
	}
	r := l.recovery.Load()
	r.mu.Lock()
	b.locked = r
	if to.Flags.Volatile {
		n.fill(r.tag, r.head.Load())
		return
	}
	r.appendLocked(&n, to)
}

// unlock ends the step that Place has begun.
func (b *broadcast) unlock() {
	if r := b.locked; r != nil {
		b.locked = nil
		r.mu.Unlock()
	}
}
