package socketio

import (
	"errors"

	"sio.example/socketio/adapter"
	"sio.example/socketio/engineio"
	"sio.example/socketio/event"
	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/scratch"
	"sio.example/socketio/internal/seal"
	"sio.example/socketio/parser"
)

var errReserved = errors.New("reserved event name")

// checkName refuses the names that mean something else to clients.
func checkName(name string) error {
	if parser.IsReserved(name) {
		return errtext.Errorf("socketio: emit: %w: %q", errReserved, name)
	}
	return nil
}

// Emit sends an event to the client. It never waits: the event is encoded and queued. The error is one of encoding,
// ErrDisconnected, or ErrSlowConsumer, after which the connection is closed.
func (s *Socket) Emit(name string, args ...any) error {
	return s.emit(name, args, engineio.SendOptions{})
}

// Send sends an event called "message"; see [Socket.Emit].
func (s *Socket) Send(args ...any) error { return s.Emit("message", args...) }

// Volatile returns an emitter whose events are dropped when the connection can't take them at once, because something
// waits before them: another event that was emitted right now is enough.
func (s *Socket) Volatile() event.Emitter {
	return emitter{s, engineio.SendOptions{Volatile: true}}
}

// Compress returns an emitter whose events are compressed, if the transport can do it, or not. By default they are: in
// answers to polls of 1024 bytes or more, and never in messages of WebSockets.
func (s *Socket) Compress(on bool) event.Emitter {
	return emitter{s, engineio.SendOptions{NoCompress: !on}}
}

type emitter struct {
	s *Socket
	o engineio.SendOptions
}

func (e emitter) Emit(name string, args ...any) error { return e.s.emit(name, args, e.o) }

func (s *Socket) emit(name string, args []any, o engineio.SendOptions) error {
	if err := checkName(name); err != nil {
		return err
	}
	l := scratch.For(parser.Packet{Type: parser.Event, Namespace: s.name, Name: name, Args: parser.NewArgs(args...)})
	defer l.Free()
	return s.sendEvent(l, o)
}

func (s *Socket) sendEvent(l *scratch.Packet, o engineio.SendOptions) error {
	if r := s.recovery(); r != nil && r.sends(s, &l.Packet, o) {
		return r.emit(s, &l.Packet, o)
	}
	if s.is(disconnected) {
		return ErrDisconnected
	}
	s.notifyOutgoing(&l.Packet)
	if err := s.conn.encodeAndQueue(l, o); err != nil {
		return err
	}
	s.conn.srv.stats.eventsOut.Add(1)
	return nil
}

// sendAck answers an event of the client.
func (s *Socket) sendAck(id uint64, args []any) error {
	if s.is(disconnected) {
		return ErrDisconnected
	}
	l := scratch.For(parser.Packet{Type: parser.Ack, Namespace: s.name,
		ID: id, HasID: true, Args: parser.NewArgs(args...)})
	defer l.Free()
	return s.conn.encodeAndQueue(l, engineio.SendOptions{})
}

// hasOutgoingListeners reports whether somebody listens to what is sent.
func (s *Socket) hasOutgoingListeners() bool {
	x := s.extra.Load()
	return x != nil && x.outgoing.Len() > 0
}

func (s *Socket) notifyOutgoing(p *parser.Packet) {
	if !s.hasOutgoingListeners() {
		return
	}
	x := s.extra.Load()
	dispatch.Announce(func() {
		runAll(s, x.outgoing.Snapshot(), func(l dispatch.Listener[func(string, Args)]) { l.Handler(p.Name, p.Args) })
	})
}

// To returns an operator that reaches the other members of rooms: s itself is excluded, whatever rooms it is in. A
// member of the room called by its id is not excluded for that.
func (s *Socket) To(rooms ...string) BroadcastOperator { return s.Broadcast().To(rooms...) }

// Except returns an operator that reaches all but s and the members of rooms.
func (s *Socket) Except(rooms ...string) BroadcastOperator { return s.Broadcast().Except(rooms...) }

// Broadcast returns an operator that reaches all but s.
func (s *Socket) Broadcast() BroadcastOperator {
	return BroadcastOperator{ns: s.ns(), sender: s.id}
}

// member is a Socket as its adapter sees it.
type member Socket

var _ adapter.Member = (*member)(nil)

// Sealed makes it the only adapter.Member there is outside of tests.
func (m *member) Sealed(seal.Mark) {}

// ID is the socket's id.
func (m *member) ID() string { return m.id }

// Deliver queues a broadcast. Adapters may call it with a lock held, so no user code runs here.
func (m *member) Deliver(e adapter.Encoded, to *adapter.Target) {
	s, b := (*Socket)(m), e.(*broadcast)
	if !s.Connected() && !s.awaitConnected() {
		return
	}
	o := sendOptions(to.Flags)
	o.Defer = true
	messages := b.messagesFor(s)
	if len(messages) == 0 {
		return
	}
	if s.conn.eng.Send(o, messages...) == nil {
		b.reached, b.plain = append(b.reached, s), o.NoCompress
	}
}

// awaitConnected is Connected for a caller that must not miss what follows CONNECT: it waits while that is being
// queued.
func (s *Socket) awaitConnected() bool {
	if !s.is(admitting) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Connected()
}

// Describe returns a snapshot.
func (m *member) Describe() adapter.Socket {
	s := (*Socket)(m)
	return adapter.Socket{ID: s.id, Handshake: s.Handshake(), Rooms: s.Rooms(), Data: s.Data()}
}

// Leaving reports whether the socket is disconnected.
func (m *member) Leaving() bool { return (*Socket)(m).is(disconnected) }

// Disconnect does what Socket.Disconnect does.
func (m *member) Disconnect(close bool) { (*Socket)(m).Disconnect(close) }

func sendOptions(f adapter.Flags) engineio.SendOptions {
	return engineio.SendOptions{Volatile: f.Volatile, NoCompress: f.NoCompress}
}
