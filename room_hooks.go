package socketio

import (
	"context"
	"sync"

	"sio.example/socketio/adapter"
	"sio.example/socketio/internal/dispatch"
)

// RoomHooks are functions to be called when rooms come and go, and sockets join and leave them, on this server: the
// events create-room, join-room, leave-room and delete-room of the official one. Each may be nil. A room is created
// by the first socket that joins it, and deleted when the last one has left; the one that is called by a socket's id
// is joined by that socket when it connects.
//
// They are called on a goroutine of the namespace's, one at a time, and for one room in the order in which things
// happened: Created, Joined and Left, Deleted. Join and Leave do not wait for them, so by then the room may have
// changed again, and the socket be disconnected. They may do anything, also join, leave, emit and wait, but not wait
// for Shutdown, which waits for them. While they are slower than what happens, what cancels out is left out, such as a
// socket that joins and leaves again: so the queue for them is never much longer than the list of rooms and members.
type RoomHooks struct {
	Created func(n *Namespace, room string)
	Joined  func(s *Socket, room string)
	Left    func(s *Socket, room string)
	Deleted func(n *Namespace, room string)
}

// OnRooms has h called for what happens to rooms from now on. Rooms that exist already are not told of, and nor is what
// happened before and waits for other hooks. The returned function ends it: it may be called more than once, and by the
// hooks themselves.
func (n *Namespace) OnRooms(h *RoomHooks) (off func()) {
	added := n.rooms.register(h)
	n.rooms.start()
	return func() { n.hooks.removeRooms(added) }
}

// A roomHook is what OnRooms was called with.
type roomHook struct {
	*RoomHooks
	since uint64 // the first part of the queue that is told; see roomQueue
}

// A roomObserver calls the RoomHooks of a namespace.
type roomObserver struct {
	ns *Namespace

	mu       sync.Mutex // a leaf: a shard of the adapter is locked when something is added
	observes bool
	running  bool
	queue    roomQueue
}

type roomEvent struct {
	kind roomChange
	room string
	s    *Socket // that joined or left; nil if it is the room
}

type roomChange byte

// The changes of a room, in the order in which they are told when some that cancelled out were left out.
const (
	roomCreated roomChange = iota
	roomJoined
	roomLeft
	roomDeleted
)

// register adds hooks. What is queued by then is not for them.
func (o *roomObserver) register(h *RoomHooks) *roomHook {
	others := o.ns.hooks.load().rooms
	o.mu.Lock()
	since := o.queue.begin(others)
	o.mu.Unlock()
	return o.ns.hooks.onRooms(*h, since)
}

// start begins to observe, if somebody wants it and there is an adapter.
func (o *roomObserver) start() {
	if o.ns.adapter == nil || len(o.ns.hooks.load().rooms) == 0 {
		return
	}
	o.mu.Lock()
	observes := o.observes
	o.observes = true
	o.mu.Unlock()
	if observes {
		return
	}
	o.ns.adapter.ObserveRooms(&adapter.RoomHooks{
		Created: func(room string) { o.add(roomEvent{roomCreated, room, nil}) },
		Joined:  func(room string, m adapter.Member) { o.add(roomEvent{roomJoined, room, (*Socket)(m.(*member))}) },
		Left:    func(room string, m adapter.Member) { o.add(roomEvent{roomLeft, room, (*Socket)(m.(*member))}) },
		Deleted: func(room string) { o.add(roomEvent{roomDeleted, room, nil}) },
	})
}

// add queues an event. It never waits, since a room is locked.
func (o *roomObserver) add(e roomEvent) {
	if len(o.ns.hooks.load().rooms) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue.add(e)
	if !o.running {
		o.running = true
		o.ns.srv.roomTellers.add(1)
		go o.run() // owned by the namespace; ends when the queue is empty
	}
}

// run tells until nothing is left. A hook that calls runtime.Goexit ends the goroutine, and another one goes on.
func (o *roomObserver) run() {
	exits := true
	defer func() {
		if exits {
			go o.run() // owned by the namespace; ends when the queue is empty
		}
	}()
	for {
		o.mu.Lock()
		part := o.queue.take()
		if part == nil {
			o.running, exits = false, false
			o.mu.Unlock()
			o.ns.srv.roomTellers.add(-1)
			return
		}
		o.mu.Unlock()
		tell := func(e roomEvent) { o.tell(e, part.number) }
		dispatch.RunAll(&o.ns.srv.guard, part.inOrder(), tell, func(error) {}) // reported by tell
	}
}

// tell calls the hooks that were there when a part of the queue began, whatever each of them does.
func (o *roomObserver) tell(e roomEvent, part uint64) {
	srv := o.ns.srv
	dispatch.RunAll(&srv.guard, o.ns.hooks.load().rooms, func(h *roomHook) {
		if h.since <= part {
			h.call(o.ns, e)
		}
	}, func(err error) {
		srv.report(context.Background(), nil, nil, err)
	})
}

func (h *RoomHooks) call(n *Namespace, e roomEvent) {
	switch {
	case e.kind == roomCreated && h.Created != nil:
		h.Created(n, e.room)
	case e.kind == roomJoined && h.Joined != nil:
		h.Joined(e.s, e.room)
	case e.kind == roomLeft && h.Left != nil:
		h.Left(e.s, e.room)
	case e.kind == roomDeleted && h.Deleted != nil:
		h.Deleted(n, e.room)
	}
}

// roomTellers counts the goroutines that call RoomHooks, for Shutdown.
type roomTellers struct {
	mu   sync.Mutex // a leaf
	n    int
	none chan struct{} // closed when n is 0; nil if nobody waits
}

func (t *roomTellers) add(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n += n
	if t.n == 0 && t.none != nil {
		close(t.none)
		t.none = nil
	}
}

// idle returns a channel that is closed once none runs.
func (t *roomTellers) idle() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == 0 {
		none := make(chan struct{})
		close(none)
		return none
	}
	if t.none == nil {
		t.none = make(chan struct{})
	}
	return t.none
}
