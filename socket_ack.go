package socketio

import (
	"context"
	"errors"
	"sync/atomic"

	"sio.example/socketio/adapter"
	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/scratch"
	"sio.example/socketio/parser"
)

// EmitWithAck sends an event, and waits for the client to acknowledge it. ctx is the timeout: without one, and without
// an answer, it waits until the socket is disconnected. It returns the values of the acknowledgement; ErrDisconnected;
// ErrTooManyAcks; an error that matches ctx.Err(); or an error of Emit. A handler may wait for the client whose event
// it handles; middleware should not, since clients answer only when they are connected.
func (s *Socket) EmitWithAck(ctx context.Context, name string, args ...any) (Args, error) {
	if err := checkName(name); err != nil {
		return Args{}, err
	}
	if err := ctx.Err(); err != nil { // nobody would wait for the answer
		return Args{}, ackError(name, err)
	}
	type answer struct {
		args Args
		err  error
	}
	ch := make(chan answer, 1)
	id, err := s.acks.Add(s.conn.srv.opts.MaxPendingAcks, (*ackLender)(s.conn),
		func(args Args, err error) { ch <- answer{args, err} })
	if err != nil {
		return Args{}, ackRefusal(name, err)
	}
	sent := false
	defer func() {
		if !sent { // also if encoding called runtime.Goexit
			s.acks.Forget((*ackLender)(s.conn), id)
		}
	}()
	if err := s.emitWithID(id, name, args); err != nil {
		return Args{}, err
	}
	sent = true
	select {
	case a := <-ch:
		return a.args, a.err
	case <-ctx.Done():
		if s.acks.Forget((*ackLender)(s.conn), id) {
			return Args{}, ackError(name, ctx.Err())
		}
		a := <-ch // it is being settled
		return a.args, a.err
	}
}

// EmitFunc is EmitWithAck for those who don't wait: fn is called exactly once, as handlers are and before OnDisconnect,
// with the values or the error. If EmitFunc returns an error, fn is not called. What is emitted with EmitFunc by one
// goroutine arrives in that order. How many may wait for an answer, or for fn to return, is a matter of the server's
// memory and of Options.MaxPendingAcks: beyond that EmitFunc returns ErrTooManyAcks, and sends nothing.
func (s *Socket) EmitFunc(ctx context.Context, name string, fn func(args Args, err error), args ...any) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return ackError(name, err)
	}
	r := &ackCallback{s: s, fn: fn, name: int32(len(name))}
	id, err := s.acks.AddQueued(s.conn.srv.opts.MaxPendingAcks, (*ackLender)(s.conn), len(name), r.queue)
	if err != nil {
		return ackRefusal(name, err)
	}
	sent := false
	defer func() {
		if !sent {
			s.acks.Forget((*ackLender)(s.conn), id)
		}
	}()
	if err := s.emitWithID(id, name, args); err != nil && s.acks.Forget((*ackLender)(s.conn), id) {
		return err
	}
	sent = true
	if done := ctx.Done(); done != nil && !s.sharesDone(done) {
		stop := context.AfterFunc(ctx, func() { s.acks.Fail((*ackLender)(s.conn), id, ackError(name, ctx.Err())) })
		r.stop.Store(&stop)
		if r.settled.Load() {
			stop()
		}
	}
	return nil
}

// sharesDone reports whether done is that of the socket's own context, which handlers pass on: a caller that waits for
// an acknowledgement is told of its end anyway, and a timeout of its own would be most of what waiting costs.
func (s *Socket) sharesDone(done <-chan struct{}) bool {
	l := s.ctx.Load()
	return l != nil && l.ctx.Done() == done
}

// A ackCallback is an EmitFunc that waits.
type ackCallback struct {
	s       *Socket
	fn      func(args Args, err error)
	stop    atomic.Pointer[func() bool] // of the timeout
	settled atomic.Bool
	name    int32 // bytes of the event's
}

// queue has the runner call fn. It is called once, with a lock held. The answer counts as events that wait do.
func (r *ackCallback) queue(args Args, size int, err error) {
	r.s.inbox.AppendSized(job{kind: jobCall, call: func() {
		defer r.s.acks.Done((*ackLender)(r.s.conn), int(r.name))
		r.settled.Store(true)
		if stop := r.stop.Load(); stop != nil {
			(*stop)()
		}
		r.fn(args, err)
	}}, size)
}

func ackError(name string, err error) error {
	return errtext.Wrap("socketio: acknowledgement of "+dispatch.Plain(name), err)
}

// ackRefusal is why an acknowledgement cannot be waited for.
func ackRefusal(name string, err error) error {
	if errors.Is(err, dispatch.ErrAcksFull) {
		return ackError(name, ErrTooManyAcks)
	}
	return ErrDisconnected
}

// emitWithID sends an event that the client is to acknowledge.
func (s *Socket) emitWithID(id uint64, name string, args []any) error {
	l := scratch.For(parser.Packet{Type: parser.Event, Namespace: s.name,
		ID: id, HasID: true, Name: name, Args: parser.NewArgs(args...)})
	defer l.Free()
	return s.sendEvent(l, engineio.SendOptions{})
}

// DeliverWithAck queues a packet that several sockets are to acknowledge, each by itself.
func (m *member) DeliverWithAck(
	e adapter.Encoded, id uint64, to *adapter.Target, ack func(adapter.Member, adapter.Acknowledgement),
) error {
	s, b := (*Socket)(m), e.(*broadcast)
	if !s.Connected() && !s.awaitConnected() {
		return adapter.ErrGone
	}
	most := s.conn.srv.opts.MaxPendingAcks
	err := s.acks.AddShared(id, most, (*ackLender)(s.conn), func(args Args, size int, err error) {
		switch err {
		case nil:
		case dispatch.ErrAcksFull:
			err = adapter.ErrTooManyAcks
		default:
			err = adapter.ErrGone
		}
		ack(m, adapter.Acknowledgement{Args: args, Size: size, Err: err})
	})
	switch err {
	case nil:
	case dispatch.ErrAcksFull:
		return adapter.ErrTooManyAcks
	default:
		return adapter.ErrGone
	}
	o := sendOptions(to.Flags)
	o.Defer = true
	if s.conn.eng.Send(o, b.messages...) == nil { // else it is waited for, as one that does not answer
		b.reached, b.plain = append(b.reached, s), o.NoCompress
	}
	return nil
}

// ForgetAck gives up what DeliverWithAck waits for.
func (m *member) ForgetAck(id uint64) { (*Socket)(m).acks.Forget((*ackLender)(m.conn), id) }

// ReleaseAck says that an answer is held no more.
func (m *member) ReleaseAck(size int) { (*Socket)(m).acks.Release((*ackLender)(m.conn), size) }

// remoteAckError is broadcastAckError for one socket.
func (n *Namespace) remoteAckError(name string, err error) error {
	var e *encodeError
	switch {
	case errors.As(err, &e):
		return e.err
	case errors.Is(err, adapter.ErrTooManyAcks):
		err = ErrTooManyAcks
	case errors.Is(err, adapter.ErrGone):
		err = errtext.As(ErrDisconnected, err)
	}
	return n.adapterError("socketio: acknowledgement of "+dispatch.Plain(name), err)
}
