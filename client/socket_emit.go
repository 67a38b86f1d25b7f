package client

import (
	"context"
	"errors"
	"math"
	"slices"

	"sio.example/socketio/engineio"
	"sio.example/socketio/event"
	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/scratch"
	"sio.example/socketio/parser"
)

// Emit sends an event, or keeps it until the socket is connected. It never waits, and has copied what is in args when
// it returns. The error is one of encoding, ErrBufferFull, ErrClosed, or, with BufferNothing, ErrDisconnected.
func (s *Socket) Emit(name string, args ...any) error {
	return s.emit(name, args, engineio.SendOptions{}, nil)
}

// Send sends an event called "message"; see [Socket.Emit].
func (s *Socket) Send(args ...any) error { return s.Emit("message", args...) }

// EmitWithAck sends an event, and waits for the server to acknowledge it. ctx is the timeout, beside AckTimeout. It
// returns the values of the acknowledgement; ErrDisconnected, if the connection ended after the event was sent;
// ErrAckTimeout; ErrTooManyAcks; an error that matches ctx.Err(), after which the event is not sent any more if it
// still waits; or an error of Emit. A handler may wait for the server whose event it handles.
func (s *Socket) EmitWithAck(ctx context.Context, name string, args ...any) (Args, error) {
	if err := ctx.Err(); err != nil { // nobody would wait for the answer
		return Args{}, ackError(name, err)
	}
	type answer struct {
		args Args
		err  error
	}
	done := make(chan answer, 1)
	r := s.newRequest(name, func(args Args, err error) { done <- answer{args, err} })
	s.arm(r)
	if err := s.emit(name, args, engineio.SendOptions{}, r); err != nil {
		r.disarm()
		return Args{}, err
	}
	select {
	case a := <-done:
		return a.args, a.err
	case <-ctx.Done():
		s.giveUp(r, ackError(name, ctx.Err()))
		a := <-done // that, or what came before
		return a.args, a.err
	}
}

// EmitFunc is EmitWithAck for those who don't wait: fn is called exactly once, as handlers are and before the
// OnDisconnect of its connection, with the values or the error. If EmitFunc returns an error, fn is not called. How
// many may wait for an answer, or for fn to return, is SocketOptions.MaxPendingAcks: beyond that EmitFunc returns
// ErrTooManyAcks, and sends nothing.
func (s *Socket) EmitFunc(ctx context.Context, name string, fn func(args Args, err error), args ...any) error {
	if err := ctx.Err(); err != nil {
		return ackError(name, err)
	}
	stop := func() bool { return true }
	var r *request
	r = s.newRequest(name, func(args Args, err error) {
		cost := r.cost + r.size
		s.runningCallbacks++
		s.ackBytes += cost
		s.inbox.Append(job{call: func() {
			stop()
			s.call(func() {
				defer s.callbackReturned(cost)
				fn(args, err)
			})
		}})
	})
	s.arm(r)
	if ctx.Done() != nil {
		stop = context.AfterFunc(ctx, func() { s.giveUp(r, ackError(name, ctx.Err())) })
	}
	err := s.emit(name, args, engineio.SendOptions{}, r)
	if err != nil {
		r.disarm()
		stop()
	}
	return err
}

func ackError(name string, err error) error {
	return errtext.Wrap("client: acknowledgement of "+dispatch.Plain(name), err)
}

// Volatile returns an emitter whose events are dropped unless the connection takes them at once: something that
// waits before them, as another event that was emitted right now, is enough.
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

// Emit sends an event; see Socket.Emit.
func (e emitter) Emit(name string, args ...any) error { return e.s.emit(name, args, e.o, nil) }

// emit sends an event, or keeps it. r is nil if nobody waits for an acknowledgement.
func (s *Socket) emit(name string, args []any, o engineio.SendOptions, r *request) error {
	if parser.IsReserved(name) {
		return errtext.Errorf("client: emit: %w: %q", errReserved, name)
	}
	if s.opts.Retries > 0 && !o.Volatile && r == nil {
		r = s.newRequest(name, nil)
	}
	p := scratch.For(parser.Packet{Type: parser.Event, Namespace: s.name, Name: name, Args: parser.NewArgs(args...)})
	defer p.Free()
	if r != nil {
		p.ID, p.HasID = r.id, true
	}
	if err := s.m.prepare(p); err != nil {
		return err
	}
	return s.transmit(p, o, r)
}

// transmit sends an event that was prepared, or keeps it.
func (s *Socket) transmit(p *scratch.Packet, o engineio.SendOptions, r *request) error {
	m, frames := s.m, p.Prepared
	heard := s.hasOutgoingListeners()
	m.mu.Lock()
	sent, err := false, s.mayAsk(r)
	if err == nil {
		sent, err = s.route(frames, o, r)
	}
	if err == nil && !sent && !o.Volatile {
		e := &outgoing{frames: append([]*engineio.Prepared(nil), frames...),
			options: o, size: sizeOf(frames), request: r, announced: heard}
		if s.opts.Retries > 0 {
			err = s.enqueue(e)
		} else {
			err = s.keepInBuffer(e)
		}
	}
	c := s.conn()
	m.unlock()
	c.flush()
	if sent && heard {
		s.notify(p.Name, p.Args)
	}
	return err
}

// route sends an event at once if nothing stands against it. The Manager's lock is held.
func (s *Socket) route(frames []*engineio.Prepared, o engineio.SendOptions, r *request) (sent bool, err error) {
	switch {
	case s.closed || s.m.closed:
		return false, ErrClosed
	case r != nil && r.done:
		return false, r.err
	case s.phase != connected || s.buffer.events > 0 || s.opts.Retries > 0 && !o.Volatile:
		return false, nil
	}
	switch err := s.epoch.conn.send(o, frames); {
	case err == nil:
		if r != nil {
			s.expect(r)
		}
		return true, nil
	case errors.Is(err, engineio.ErrQueueFull):
		return false, ErrBufferFull
	default: // the loss is about to be noticed
		return false, nil
	}
}

// acknowledge answers an event of the server.
func (st *epoch) acknowledge(id uint64, args []any) error {
	s, m := st.s, st.s.m
	frames, err := m.encode(parser.Packet{Type: parser.Ack,
		Namespace: s.name, ID: id, HasID: true, Args: parser.NewArgs(args...)})
	if err != nil {
		return err
	}
	m.mu.Lock()
	c := st.conn
	if c == nil {
		m.mu.Unlock()
		return ErrDisconnected
	}
	err = c.send(engineio.SendOptions{}, frames)
	m.mu.Unlock()
	switch {
	case err == nil:
		c.flush()
		return nil
	case errors.Is(err, engineio.ErrQueueFull):
		return ErrBufferFull
	default:
		return ErrDisconnected
	}
}

// prepare prepares a packet to be sent. A value that can't be encoded is an error, even if it panics when asked. No
// lock is held.
func (m *Manager) prepare(p *scratch.Packet) error {
	if err := m.guard.Call(func() error { return p.Prepare(m.parser, 1) }); err != nil {
		return errtext.Wrap("client: encode", err)
	}
	return nil
}

// encode is the wire form of p, to be kept. No lock is held.
func (m *Manager) encode(p parser.Packet) ([]*engineio.Prepared, error) {
	s := scratch.For(p)
	defer s.Free()
	if err := m.prepare(s); err != nil {
		return nil, err
	}
	return slices.Clone(s.Prepared), nil
}

// hasOutgoingListeners reports whether somebody listens to what is sent.
func (s *Socket) hasOutgoingListeners() bool {
	x := s.extra.Load()
	return x != nil && x.outgoing.Len() > 0
}

func (s *Socket) notify(name string, args Args) {
	x := s.extra.Load()
	dispatch.Announce(func() {
		runAll(s.m, s, x.outgoing.Snapshot(), func(fn func(string, Args)) { fn(name, args) })
	})
}

// notifyLater has the runner do it. The Manager's lock is held.
func (s *Socket) notifyLater(e *outgoing) {
	if e.announced {
		frames := e.frames
		s.inbox.Append(job{call: func() {
			if p := s.m.decode(frames); p != nil {
				s.notify(p.Name, p.Args)
			}
		}})
	}
}

// decode is the packet that was encoded: with the arguments as they were then. It is nil if a parser of the user's
// cannot read what it wrote. No lock is held.
func (m *Manager) decode(frames []*engineio.Prepared) (p *parser.Packet) {
	own := m.opts.Parser
	if own == nil {
		own = unboundedParser
	}
	_ = m.guard.Call(func() (err error) {
		d := own.NewDecoder()
		for _, f := range frames {
			if p, err = d.Add(parser.Frame(f.Message())); err != nil {
				return err
			}
		}
		return nil
	})
	return p
}

// unboundedParser reads what this end has written.
var unboundedParser = parser.JSON(&parser.JSONOptions{MaxBytes: math.MaxInt})
