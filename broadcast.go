package socketio

import (
	"context"
	"errors"
	"slices"

	"sio.example/socketio/adapter"
	"sio.example/socketio/engineio"
	"sio.example/socketio/event"
	"sio.example/socketio/internal/argbytes"
	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/scratch"
	"sio.example/socketio/internal/seal"
	"sio.example/socketio/parser"
)

// A BroadcastOperator sends to many: to the sockets that are in any of the rooms given with To, or to all sockets of
// the namespace without any, and in none of those given with Except. A socket gets one copy however many rooms it is
// in. An operator is an immutable value: its methods return another one. Only connected sockets are reached.
type BroadcastOperator struct {
	ns     *Namespace
	rooms  *roomList
	except *roomList
	socket string // the only one
	sender string // not this one
	flags  adapter.Flags
}

// To adds rooms. Without any it adds nothing: an operator that had none reaches the whole namespace, so look at the
// length of a slice of rooms before passing it.
func (b BroadcastOperator) To(rooms ...string) BroadcastOperator {
	b.rooms = b.rooms.with(rooms)
	return b
}

// In is To.
func (b BroadcastOperator) In(rooms ...string) BroadcastOperator { return b.To(rooms...) }

// Except excludes the members of rooms.
func (b BroadcastOperator) Except(rooms ...string) BroadcastOperator {
	b.except = b.except.with(rooms)
	return b
}

// Local reaches only the sockets of this process.
func (b BroadcastOperator) Local() BroadcastOperator {
	b.flags.Local = true
	return b
}

// Volatile drops the event for those whose connection can't take it at once, because something waits before it.
func (b BroadcastOperator) Volatile() BroadcastOperator {
	b.flags.Volatile = true
	return b
}

// Compress compresses the event, where the transport can do it, or not. By default it does: answers to polls of 1024
// bytes or more are, messages of WebSockets are never.
func (b BroadcastOperator) Compress(on bool) BroadcastOperator {
	b.flags.NoCompress = !on
	return b
}

// Emit sends an event. It is encoded once and queued for each; that is never waited for. The error is one of
// encoding, or the adapter's.
func (b BroadcastOperator) Emit(name string, args ...any) error {
	p, err := b.packet(name, args)
	if err != nil {
		return err
	}
	if err := b.ns.adapter.Broadcast(p, b.target()); err != nil {
		return b.ns.broadcastError(err)
	}
	return nil
}

// Send sends an event called "message"; see [BroadcastOperator.Emit].
func (b BroadcastOperator) Send(args ...any) error { return b.Emit("message", args...) }

// EmitWithAck sends an event, and collects the acknowledgements in the order they come: one a client. It returns when
// all have answered, at once if there is nobody: no answers and no error. ctx is the timeout.
//
// Otherwise the answers that have come are returned with an error. It matches ctx.Err() when that is done first;
// adapter.ErrGone when clients have left; ErrTooManyAcks when some could not be asked, or sent more than their
// connections may hold while the others are waited for; an *adapter.MissingError says which servers of a cluster have
// not answered. Clients for whom a volatile event is dropped are waited for until ctx is done.
func (b BroadcastOperator) EmitWithAck(ctx context.Context, name string, args ...any) ([]Args, error) {
	p, err := b.packet(name, args)
	if err != nil {
		return nil, err
	}
	var all []Args
	for a, err := range b.ns.adapter.BroadcastWithAck(ctx, p, b.target()) {
		if err != nil {
			return all, b.ns.broadcastAckError(name, err)
		}
		all = append(all, a)
	}
	return all, nil
}

// broadcastError is an adapter's error as users see it.
func (n *Namespace) broadcastError(err error) error {
	var e *encodeError
	if errors.As(err, &e) {
		return e.err
	}
	return n.adapterError("socketio: broadcast", err)
}

// broadcastAckError is an adapter's error as users branch on it.
func (n *Namespace) broadcastAckError(name string, err error) error {
	var e *encodeError
	switch {
	case errors.As(err, &e):
		return e.err
	case errors.Is(err, adapter.ErrTooManyAcks):
		err = ErrTooManyAcks
	}
	return n.adapterError("socketio: broadcast: acknowledgements of "+dispatch.Plain(name), err)
}

// An encodeError has gone through an adapter.
type encodeError struct{ err error }

// Error is that of err.
func (e *encodeError) Error() string { return e.err.Error() }

// Unwrap returns err.
func (e *encodeError) Unwrap() error { return e.err }

// FetchSockets describes the sockets, those on other servers of the cluster too. ctx bounds how long it waits for those
// servers: with an error it returns what it has found. With the adapter in memory it never waits.
func (b BroadcastOperator) FetchSockets(ctx context.Context) ([]*RemoteSocket, error) {
	if err := b.usable(); err != nil {
		return nil, err
	}
	found, err := b.ns.adapter.Fetch(ctx, b.target())
	if err != nil {
		err = b.ns.adapterError("socketio: fetch sockets", err)
	}
	all := make([]*RemoteSocket, len(found))
	for i := range found {
		all[i] = &RemoteSocket{ns: b.ns, flags: b.flags, socket: found[i]}
	}
	return all, err
}

// SocketsJoin puts the sockets into rooms: those of this process before it returns, others a little later.
func (b BroadcastOperator) SocketsJoin(ctx context.Context, rooms ...string) error {
	return b.onAdapter("join", func(a adapter.Adapter) error {
		defer b.ns.changeAway(changeJoin, b.target(), rooms)()
		return a.JoinAll(ctx, b.target(), rooms...)
	})
}

// SocketsLeave takes the sockets out of rooms: those of this process before it returns, others a little later.
func (b BroadcastOperator) SocketsLeave(ctx context.Context, rooms ...string) error {
	return b.onAdapter("leave", func(a adapter.Adapter) error {
		defer b.ns.changeAway(changeLeave, b.target(), rooms)()
		return a.LeaveRooms(ctx, b.target(), rooms...)
	})
}

// DisconnectSockets disconnects the sockets; with close their connections too. See Socket.Disconnect.
func (b BroadcastOperator) DisconnectSockets(ctx context.Context, close bool) error {
	return b.onAdapter("disconnect", func(a adapter.Adapter) error {
		defer b.ns.changeAway(changeEnd, b.target(), nil)()
		return a.DisconnectAll(ctx, b.target(), close)
	})
}

func (b BroadcastOperator) onAdapter(what string, fn func(adapter.Adapter) error) error {
	if err := b.usable(); err != nil {
		return err
	}
	if err := fn(b.ns.adapter); err != nil {
		return b.ns.adapterError("socketio: sockets: "+what, err)
	}
	return nil
}

var errNoNamespace = errtext.New("socketio: operator without a namespace")

// usable reports why nothing can be sent: the namespace has no adapter, or there is no namespace, because the
// operator is the zero value or was got from a socket for which none has been found yet.
func (b BroadcastOperator) usable() error {
	if b.ns == nil {
		return errNoNamespace
	}
	return b.ns.adapterErr
}

func (b BroadcastOperator) target() adapter.Target {
	return adapter.Target{Rooms: b.rooms.all(), Except: b.except.all(),
		Socket: b.socket, Sender: b.sender, Flags: b.flags}
}

func (b BroadcastOperator) packet(name string, args []any) (*parser.Packet, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if err := b.usable(); err != nil {
		return nil, err
	}
	return &parser.Packet{Type: parser.Event, Namespace: b.ns.name, Name: name, Args: parser.NewArgs(args...)}, nil
}

// local is a Namespace as its adapter sees it.
type local Namespace

var _ adapter.Local = (*local)(nil)

// A broadcast is a packet on its way to the members of a namespace.
type broadcast struct {
	packet   *parser.Packet
	messages []*engineio.Prepared
	reached  []*Socket // in whose queues it is
	plain    bool      // it is not to be compressed

	// With recovery only.
	numbered bool                 // there is an offset, or room for it
	at       int                  // where
	old      []*engineio.Prepared // without, for clients of Socket.IO 2; nil if there were none
	members  int                  // about how many it goes to
	locked   *recovery            // from Place to Flush
}

var broadcasts scratch.Pool[broadcast]

// Name is the namespace's name.
func (l *local) Name() string { return l.name }

// Sealed makes it the only adapter.Local there is outside of tests.
func (l *local) Sealed(seal.Mark) {}

// AckID returns an id for a broadcast. They come round after 2^30 of them: a socket that is still waited for with one
// is not asked with it again.
func (l *local) AckID() uint64 {
	return dispatch.SharedAckIDs + uint64(l.ackIDs.Add(1)-1)%dispatch.SharedAckIDs
}

// Report counts and logs what went wrong with the adapter, and gives it to OnError.
func (l *local) Report(what string, err error) {
	err = errtext.Wrap("socketio: adapter of "+dispatch.Plain(l.name)+": "+what, err)
	_ = l.srv.guard.Contain(func() error { // the goroutine is the adapter's
		l.srv.reportAdapter(what, err)
		return nil
	})
}

// Guard calls user code on a goroutine of the adapter's.
func (l *local) Guard(fn func() error, failed func(err error)) { l.srv.guard.Run(fn, failed) }

// Hold counts what the adapter keeps.
func (l *local) Hold(n int) bool { return l.srv.engine.Hold(n) }

// Encode makes the wire form.
func (l *local) Encode(p *parser.Packet, members int) (adapter.Encoded, error) {
	b := broadcasts.Get()
	var err error
	if p.Type == parser.Event && !p.HasID && l.srv.opts.Recovery != nil && l.recovery.Load() != nil {
		err = b.encodeForRecovery(l.srv, p, members)
	} else {
		b.messages, err = l.srv.prepare(b.messages[:0], p, members)
	}
	if err != nil {
		b.free()
		return nil, &encodeError{err}
	}
	b.packet = p
	return b, nil
}

// Flush starts sending what Deliver has queued, and tells the listeners for outgoing events.
func (l *local) Flush(e adapter.Encoded) {
	b := e.(*broadcast)
	b.unlock()
	if len(b.reached) > 0 && !b.plain {
		l.srv.engine.Compress(b.messages...) // here, so that no other emit waits for it
		if b.old != nil {
			l.srv.engine.Compress(b.old...)
		}
	}
	if len(b.reached) > maxInlineFlush {
		l.srv.flush.add(b.reached)
	} else {
		for _, s := range b.reached {
			s.conn.eng.Flush()
		}
	}
	l.srv.stats.eventsOut.Add(uint64(len(b.reached)))
	defer b.free()
	var heard []*Socket
	for _, s := range b.reached {
		if s.hasOutgoingListeners() {
			heard = append(heard, s)
		}
	}
	if heard != nil {
		dispatch.Announce(func() { // here too, since the next goroutine does not have our stack
			_ = l.srv.guard.Contain(func() error { // ours may be the adapter's
				// reported by each
				dispatch.RunAll(&l.srv.guard, heard, func(s *Socket) { s.notifyOutgoing(b.packet) }, func(error) {})
				return nil
			})
		})
	}
}

// free makes b usable for another broadcast.
func (b *broadcast) free() {
	clear(b.messages)
	clear(b.reached)
	*b = broadcast{messages: b.messages[:0], reached: b.reached[:0]}
	broadcasts.Put(b)
}

// snapshot is args as they are now: the listener may change what they refer to when Ack has returned.
func snapshot(args Args) (Args, error) {
	b, err := argbytes.Append(nil, args)
	if err != nil {
		return Args{}, err
	}
	return argbytes.Parse(b)
}

var errNoListener = errors.New("nobody listens to the event")

// ServerSide gives an event of another server to the namespace's listeners.
func (l *local) ServerSide(ctx context.Context, name string, args Args, wantAck bool) (Args, error) {
	n := (*Namespace)(l)
	if wantAck && !slices.ContainsFunc(n.remote.Snapshot(), func(h dispatch.Listener[Handler]) bool {
		return h.Name == name
	}) {
		return Args{}, errNoListener
	}
	answer := make(chan Args, 1)
	var reply func(args []any) error
	if wantAck {
		reply = func(args []any) error {
			a, err := snapshot(parser.NewArgs(args...))
			if err == nil {
				answer <- a
			}
			return err
		}
	}
	e := event.New(name, args, reply)
	_ = n.srv.guard.Contain(func() error { // the goroutine is the adapter's
		for _, h := range n.remote.Snapshot() {
			if h.Name == name {
				n.srv.guard.Run(func() error { return h.Handler(ctx, e) },
					func(err error) { n.srv.report(ctx, nil, e, err) })
			}
		}
		return nil
	})
	if !wantAck {
		return Args{}, nil
	}
	select {
	case a := <-answer:
		return a, nil
	case <-ctx.Done():
		return Args{}, ctx.Err()
	}
}
