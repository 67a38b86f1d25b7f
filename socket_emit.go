package socketio

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"sio.example/socketio/adapter"
	"sio.example/socketio/engineio"
	"sio.example/socketio/event"
	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/parser"
)

var errReserved = errors.New("reserved event name")

// checkName refuses the names that mean something else to clients.
func checkName(name string) error {
	switch name {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return fmt.Errorf("socketio: emit: %w: %q", errReserved, name)
	}
	return nil
}

// Emit sends an event to the client. It never waits: the event is encoded and queued. The error is one of encoding,
// ErrDisconnected, or ErrSlowConsumer, after which the connection is closed.
func (s *Socket) Emit(name string, args ...any) error {
	return s.emit(name, args, engineio.SendOptions{})
}

// EmitWithAck sends an event, and waits for the client to acknowledge it. ctx is the timeout: without one, and without
// an answer, it waits until the socket is disconnected. It returns the values of the acknowledgement; ErrDisconnected;
// an error that matches ctx.Err(); or an error of Emit. A handler may wait for the client whose event it handles; a
// gate should not, since clients answer only when they are connected.
func (s *Socket) EmitWithAck(ctx context.Context, name string, args ...any) (Args, error) {
	if err := checkName(name); err != nil {
		return Args{}, err
	}
	if err := ctx.Err(); err != nil { // nobody would wait for the answer
		return Args{}, fmt.Errorf("socketio: acknowledgement of %s: %w", dispatch.Plain(name), err)
	}
	type answer struct {
		args Args
		err  error
	}
	ch := make(chan answer, 1)
	id, ok := s.acks.Add(func(args Args, err error) { ch <- answer{args, err} })
	if !ok {
		return Args{}, ErrDisconnected
	}
	if err := s.request(id, name, args); err != nil {
		s.acks.Forget(id)
		return Args{}, err
	}
	select {
	case a := <-ch:
		return a.args, a.err
	case <-ctx.Done():
		if s.acks.Forget(id) {
			return Args{}, fmt.Errorf("socketio: acknowledgement of %s: %w", dispatch.Plain(name), ctx.Err())
		}
		a := <-ch // it is being settled
		return a.args, a.err
	}
}

// EmitFunc is EmitWithAck for those who don't wait: fn is called exactly once, as handlers are, with the values or the
// error. If EmitFunc returns an error, fn is not called. What is emitted with EmitFunc by one goroutine arrives in that
// order.
func (s *Socket) EmitFunc(ctx context.Context, fn func(args Args, err error), name string, args ...any) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("socketio: acknowledgement of %s: %w", dispatch.Plain(name), err)
	}
	var settled atomic.Bool
	var stop atomic.Pointer[func() bool]
	settle := func(args Args, err error) {
		settled.Store(true)
		if stop := stop.Load(); stop != nil {
			(*stop)()
		}
		s.inbox.AppendLate(job{kind: jobCall, call: func() { fn(args, err) }})
	}
	id, ok := s.acks.Add(settle)
	if !ok {
		return ErrDisconnected
	}
	if err := s.request(id, name, args); err != nil && s.acks.Forget(id) {
		return err
	}
	if ctx.Done() != nil {
		end := context.AfterFunc(ctx, func() {
			if s.acks.Forget(id) {
				settle(Args{}, fmt.Errorf("socketio: acknowledgement of %s: %w", dispatch.Plain(name), ctx.Err()))
			}
		})
		stop.Store(&end)
		if settled.Load() {
			end()
		}
	}
	return nil
}

// Volatile returns an emitter whose events are dropped when the connection can't take them at once.
func (s *Socket) Volatile() event.Emitter {
	return emitter{s, engineio.SendOptions{Volatile: true}}
}

// Compress returns an emitter whose events are compressed, if the transport can do it, or not.
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
	l := newLetter()
	defer l.free()
	l.packet = parser.Packet{Type: parser.Event, Namespace: s.name, Name: name, Args: parser.NewArgs(args...)}
	return s.sendEvent(l, o)
}

// request sends an event that the client is to acknowledge.
func (s *Socket) request(id uint64, name string, args []any) error {
	l := newLetter()
	defer l.free()
	l.packet = parser.Packet{Type: parser.Event, Namespace: s.name, ID: id, HasID: true, Name: name, Args: parser.NewArgs(args...)}
	return s.sendEvent(l, engineio.SendOptions{})
}

func (s *Socket) sendEvent(l *letter, o engineio.SendOptions) error {
	if s.is(disconnected) {
		return ErrDisconnected
	}
	s.notifyOutgoing(&l.packet)
	if err := s.conn.post(l, o); err != nil {
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
	l := newLetter()
	defer l.free()
	l.packet = parser.Packet{Type: parser.Ack, Namespace: s.name, ID: id, HasID: true, Args: parser.NewArgs(args...)}
	return s.conn.post(l, engineio.SendOptions{})
}

func (s *Socket) notifyOutgoing(p *parser.Packet) {
	x := s.more.Load()
	if x == nil || x.outgoing.Len() == 0 {
		return
	}
	runAll(s, x.outgoing.Snapshot(), func(l dispatch.Listener[func(string, Args)]) { l.Handler(p.Name, p.Args) })
}

// To returns an operator that reaches the other members of rooms: s itself is excluded, whatever rooms it is in. Who is in
// the room called by its id is not excluded for that.
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

// ID is the socket's id.
func (m *member) ID() string { return m.id }

// Deliver queues a broadcast. Adapters may call it with a lock held, so no user code runs here.
func (m *member) Deliver(e adapter.Encoded, to *adapter.Target) {
	s, b := (*Socket)(m), e.(*broadcast)
	if !s.Connected() && !s.isWelcomed() {
		return
	}
	o := sendOptions(to.Flags)
	o.Defer = true
	if s.conn.eng.Send(o, b.messages...) == nil {
		b.reached = append(b.reached, s)
	}
}

// isWelcomed is Connected for who must not miss what follows CONNECT: it waits while that is being queued.
func (s *Socket) isWelcomed() bool {
	if !s.is(answering) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Connected()
}

// DeliverWithAck queues a packet with an id of the socket's.
func (m *member) DeliverWithAck(p *parser.Packet, to *adapter.Target, ack func(Args)) (forget func()) {
	s := (*Socket)(m)
	id, ok := s.acks.Add(func(args Args, err error) {
		if err == nil {
			ack(args)
		}
	})
	if !ok { // the adapter will be told that the socket has left
		return func() {}
	}
	l := newLetter()
	defer l.free()
	l.packet = *p
	l.packet.ID, l.packet.HasID = id, true
	_ = s.sendEvent(l, sendOptions(to.Flags)) // who can't answer is waited for, as who doesn't
	return func() { s.acks.Forget(id) }
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
