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

// OnRooms has h called for what happens to rooms from now on. Rooms that exist already are not told of. The returned
// function ends it: it may be called more than once, and by the hooks themselves.
func (n *Namespace) OnRooms(h *RoomHooks) (off func()) {
	added := n.hooks.onRooms(*h)
	n.rooms.start()
	return func() { n.hooks.removeRooms(added) }
}

// A roomObserver calls the RoomHooks of a namespace.
type roomObserver struct {
	ns *Namespace

	mu       sync.Mutex // a leaf: a shard of the adapter is locked when something is added
	observes bool
	running  bool
	queue    []roomEvent
	folded   int // length of the queue when it was last folded
}

type roomEvent struct {
	kind roomChange
	room string
	s    *Socket // that joined or left; nil if it is the room
}

type roomChange byte

// The changes of a room, in the order in which they are told when the queue was folded.
const (
	roomCreated roomChange = iota
	roomJoined
	roomLeft
	roomDeleted
)

// maxRoomEvents is how many events wait before the queue is folded.
const maxRoomEvents = 4096

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
	o.queue = append(o.queue, e)
	if len(o.queue) >= max(maxRoomEvents, 2*o.folded) {
		o.queue = foldRoomEvents(o.queue)
		o.folded = len(o.queue)
	}
	if !o.running {
		o.running = true
		o.ns.srv.roomTellers.add(1)
		go o.run() // owned by the namespace; ends when the queue is empty
	}
}

// foldRoomEvents leaves out what cancels out. What remains is in an order that makes sense for each room: one whose
// members have all been replaced is joined before it is left.
func foldRoomEvents(queue []roomEvent) []roomEvent {
	type subject struct {
		room string
		s    *Socket
	}
	net := make(map[subject]int) // 1: created or joined, -1: left or deleted
	for _, e := range queue {
		if e.kind == roomCreated || e.kind == roomJoined {
			net[subject{e.room, e.s}]++
		} else {
			net[subject{e.room, e.s}]--
		}
	}
	var folded []roomEvent
	for kind := roomCreated; kind <= roomDeleted; kind++ {
		sign := 1
		if kind >= roomLeft {
			sign = -1
		}
		for _, e := range queue {
			if of := (subject{e.room, e.s}); e.kind == kind && net[of] == sign {
				net[of] = 0
				folded = append(folded, e)
			}
		}
	}
	return folded
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
		batch := o.queue
		o.queue, o.folded = nil, 0
		if len(batch) == 0 {
			o.running, exits = false, false
			o.mu.Unlock()
			o.ns.srv.roomTellers.add(-1)
			return
		}
		o.mu.Unlock()
		guard := &o.ns.srv.guard
		dispatch.RunAll(guard, batch, o.tell, func(error) {}) // reported by tell
	}
}

// tell calls the hooks, whatever each of them does.
func (o *roomObserver) tell(e roomEvent) {
	srv := o.ns.srv
	dispatch.RunAll(&srv.guard, o.ns.hooks.load().rooms, func(h *RoomHooks) { h.call(o.ns, e) }, func(err error) {
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
