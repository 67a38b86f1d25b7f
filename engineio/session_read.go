package engineio

import (
	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/stack"
	"sio.example/socketio/internal/websocket"
)

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
// the 2 KiB that a stack begins with, and what handles a message, which makes the stack grow, is not part of it. A
// stack that has grown does not shrink below 4 KiB, so the reader goes on with a fresh one when it is likely to wait
// for long.
func (s *Socket) read(l link) {
	for {
		binary, data, err := l.read()
		switch s.handle(l, binary, data, err) {
		case readAnew:
			if l.kind() == kindStream { // whose goroutine is not ours
				continue
			}
			go s.read(l) // the same reader with its ref, on a fresh stack
			return
		case readNoMore:
			s.readOut(l)
			return
		}
	}
}

// readFirst is read on a stack that grows at once, while there is nothing on it to copy: what a client says first makes
// it grow anyway.
func (s *Socket) readFirst(l link) {
	stack.Grow()
	s.read(l)
}

// readOut waits for the end of a WebSocket that has been told to close. After Close a Conn returns no more messages.
func (s *Socket) readOut(l link) {
	l.ask(false)
	for {
		if _, _, err := l.read(); err != nil {
			break
		}
	}
	s.unref()
}

// handle does what is to be done about what was read.
//
//go:noinline
func (s *Socket) handle(l link, binary bool, data []byte, err error) verdict {
	if err != nil {
		if err == errRoom {
			return s.makeRoom(l)
		}
		return s.lost(l, err)
	}
	p, err := s.codec().decode(data, binary, s.base64 || l.kind() == kindStream)
	if err != nil {
		return s.malformed(l, err)
	}
	if p.Type == packet.Message {
		s.in.messages++
		if n := uint64(len(p.Data)); n < 1<<20 && s.in.data < 1<<30 {
			s.in.data += uint32(n)
		} else {
			s.server.counters.bytesIn.Add(n)
		}
	}
	idle := !l.buffered()
	if idle && s.in.messages > 0 {
		s.server.counters.messagesIn.Add(uint64(s.in.messages))
		s.server.counters.bytesIn.Add(uint64(s.in.data))
		s.in, s.stackDirty = incoming{}, true
	}
	if p.Type == packet.Message && s.marks.Load()&markChoked != 0 {
		s.awaitQueue()
	}
	if !s.receive(p, l) {
		return s.violated(l, p.Type)
	}
	if s.marks.Load()&markAsked != 0 {
		s.handedOver()
	}
	if idle && s.stackDirty && (p.Type != packet.Message || s.freshStacks < freshStacks) {
		s.stackDirty = false
		s.freshStacks = min(s.freshStacks+1, freshStacks)
		return readAnew
	}
	return readOn
}

// The ends are functions of their own, so that they are not on the stack while a message is handled.

//go:noinline
func (s *Socket) lost(l link, err error) verdict {
	s.closeReading(l, readEnding(l, err))
	return readNoMore
}

//go:noinline
func (s *Socket) malformed(l link, err error) verdict {
	s.closeReading(l, guilty(ParseError, err, RejectPacket, textMalformed))
	return readNoMore
}

//go:noinline
func (s *Socket) violated(l link, t packet.Type) verdict {
	s.closeReading(l, violation(t))
	return readNoMore
}

// freshStacks is how often a session's reader takes a fresh stack after its first messages; from then on it does so
// after the pongs of a session that has received messages since the last one.
const freshStacks = 3

// incoming belongs to the reader, like Socket.stackDirty and freshStacks.
type incoming struct {
	data     uint32 // bytes of messages that are not in the counters yet
	messages uint32 // and their number
}

// readEnding is what a failed read does to the session.
func readEnding(l link, err error) ending {
	f := l.fault(err)
	switch f {
	case faultNone: // a connection that just ends is a close, as the official server sees it
		return ending{reason: TransportClose, err: err, status: websocket.NormalClosure}
	case faultSlow:
		return writeEnding(l, err)
	}
	return ending{reason: TransportError, err: err, reject: faultRejects[l.kind()][f], status: websocket.NormalClosure}
}

// faultRejects are the names under which the faults of each kind of link are counted.
var faultRejects = [kinds][faults]string{
	kindWebSocket: {faultViolation: RejectWebSocket, faultSize: RejectMessageSize, faultLimit: RejectWebSocketLimit},
	kindStream:    {faultViolation: RejectStream, faultSize: RejectMessageSize, faultLimit: RejectStreamLimit},
}

// receive handles one packet of the current transport: of the link l, or of a POST if that is nil. If ok is false, the
// session is to end as violation says.
func (s *Socket) receive(p packet.Packet, l link) (ok bool) {
	marks := s.marks.Load()
	if marks&markSilent != 0 {
		s.marks.And(^uint32(markSilent))
	}
	if s.server.options.Trace != nil {
		s.traceReceived(p)
	}
	role := &s.codec().server
	switch p.Type {
	case packet.Message:
		if marks&markInputClosed == 0 && s.latch.enter() {
			s.deliver(p, l)
			if s.latch.leave() {
				s.asReader(l, s.notifyClosed)
			}
		}
	case role.awaits:
		s.pong()
	case role.says.typ, packet.Close:
		return false
	case packet.Noop:
	default:
		s.server.counters.reject(RejectUnexpected)
	}
	return true
}

// violation is what a packet does to the session that receive does not take.
func violation(t packet.Type) ending {
	if t == packet.Close {
		return ending{
			reason: TransportClose, final: noopPacket, status: websocket.NormalClosure, text: string(TransportClose),
		}
	}
	return ending{ // EIO v4 §heartbeat: one end asks, the other answers
		reason: TransportError, err: errHeartbeat, reject: RejectHeartbeat,
		status: websocket.ProtocolError, text: "invalid heartbeat direction",
	}
}
