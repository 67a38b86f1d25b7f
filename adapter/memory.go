package adapter

import (
	"context"
	"hash/maphash"
	"iter"
	"sync"
	"sync/atomic"

	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/index"
	"sio.example/socketio/parser"
)

const shards = 64 // rooms spread over as many locks; a set of them is a uint64

var seed = maphash.MakeSeed()

// Memory is the adapter of a single node, and the local half of those for clusters, which embed *Memory.
//
// Its methods never wait, so that those that take a ctx only look at it where their comment says so. A room exists
// while it has members: the last one to leave deletes it.
type Memory struct {
	// Lock order: membership.mu, then one shard. Broadcasts take any number of shards for reading, in ascending order,
	// and never membership.mu.

	ns     Local
	shards [shards]atomic.Pointer[shard] // made when first needed, since namespaces can be many
	waits  ackWaits
	rooms  observers
	count  atomic.Int64 // members
}

// A shard holds the rooms and the members of some names. The room that a member has for itself, which is called by
// its id as it joins one on connecting, costs nothing but a flag of its membership.
type shard struct {
	mu    sync.RWMutex
	rooms table[*set[Member]] // never empty ones; without the members for whom it is their own
	ids   index.Index[*membership]
	list  []Member // what ids holds, to be iterated
}

// A membership is a member and its rooms.
type membership struct {
	m   Member
	pos int32 // in shard.list, guarded by shard.mu
	own bool  // is in the room called by its id; changed with both locks held

	gone  bool         // LeaveAll has run; guarded by mu
	mu    sync.Mutex   // held while the member enters or leaves rooms, so that these always agree with shard.rooms
	rooms *set[string] // but its own; nil if there are none
}

func (e *membership) id() string { return e.m.ID() }

// names are the rooms but its own. It needs mu.
func (e *membership) names() []string {
	if e.rooms == nil {
		return nil
	}
	return e.rooms.list
}

// A room is one in a locked shard.
type room struct {
	own     Member // nil, or the one whose id is the room's name
	members *set[Member]
}

func (r room) has(m Member) bool { return r.own == m || r.members != nil && r.members.has(m) }

// list returns the members but own.
func (r room) list() []Member {
	if r.members == nil {
		return nil
	}
	return r.members.list
}

// size is how many members there are, own too.
func (r room) size() int {
	n := len(r.list())
	if r.own != nil {
		n++
	}
	return n
}

// NewMemory is the Factory of in-memory adapters.
func NewMemory(_ context.Context, ns Local) (Adapter, error) { return New(ns), nil }

// New returns an in-memory adapter. It is for adapters that embed one; NewMemory is the Factory.
func New(ns Local) *Memory {
	return &Memory{ns: ns, waits: ackWaits{closed: make(chan struct{})}}
}

func (a *Memory) sealed() {}

// Close ends the broadcasts that wait for acknowledgements with ErrClosed and lets nobody join any more.
func (a *Memory) Close() error {
	a.waits.close()
	return nil
}

// Join puts m into rooms; see Adapter. It returns ErrExists if another member has the same id, and ErrClosed.
func (a *Memory) Join(m Member, rooms ...string) error {
	if a.waits.isClosed() {
		return errtext.Wrap("adapter: join", ErrClosed)
	}
	for {
		e := a.membership(m)
		if e.m != m {
			return errtext.Wrap("adapter: join", ErrExists)
		}
		if a.enter(e, rooms) {
			return nil
		}
		// LeaveAll came first: e is in no table any more, so the next one is new.
	}
}

// Leave takes m out of rooms; see Adapter. The error is always nil.
func (a *Memory) Leave(m Member, rooms ...string) error {
	if e := a.lookup(m.ID()); e != nil && e.m == m {
		a.exit(e, rooms)
	}
	return nil
}

// LeaveAll takes m out of all rooms and the namespace; see Adapter.
func (a *Memory) LeaveAll(m Member) {
	e := a.lookup(m.ID())
	if e == nil || e.m != m {
		return
	}
	e.mu.Lock()
	if !e.gone {
		e.gone = true
		for _, name := range e.names() {
			a.removeFrom(name, m)
		}
		e.rooms = nil
		a.forgetMember(e) // before unlocking: a caller that finds e gone can rely on it
	}
	e.mu.Unlock()
	a.waits.leave(m)
}

// Rooms returns the rooms of the member called id, in no particular order.
func (a *Memory) Rooms(id string) []string {
	e := a.lookup(id)
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var rooms []string
	if e.own {
		rooms = append(make([]string, 0, len(e.names())+1), id)
	}
	return append(rooms, e.names()...)
}

// Broadcast delivers p to the target's members; see Adapter. The only error is the one of Local.Encode, as it is.
func (a *Memory) Broadcast(p *parser.Packet, to Target) error {
	e, err := a.ns.Encode(p, a.expect(&to))
	if err != nil {
		return err
	}
	a.Deliver(e, &to)
	return nil
}

// Deliver is the second half of Broadcast, for adapters that embed Memory: it hands e to the target's members and
// flushes it.
func (a *Memory) Deliver(e Encoded, to *Target) {
	a.ns.Place(e, to)
	a.each(to, func(m Member) { m.Deliver(e, to) })
	a.ns.Flush(e)
}

// Fetch describes the target's members; see Adapter. The error is always nil.
func (a *Memory) Fetch(_ context.Context, to Target) ([]Socket, error) {
	members := a.members(&to)
	sockets := make([]Socket, len(members))
	for i, m := range members {
		sockets[i] = m.Describe()
	}
	return sockets, nil
}

// JoinAll puts the target's members into rooms; see Adapter. The error is always nil.
func (a *Memory) JoinAll(_ context.Context, to Target, rooms ...string) error {
	for _, m := range a.members(&to) {
		// Not Join: a member that has left since must not come back.
		if e := a.lookup(m.ID()); e != nil && e.m == m {
			a.enter(e, rooms)
		}
	}
	return nil
}

// LeaveRooms takes the target's members out of rooms; see Adapter. The error is always nil.
func (a *Memory) LeaveRooms(_ context.Context, to Target, rooms ...string) error {
	for _, m := range a.members(&to) {
		if err := a.Leave(m, rooms...); err != nil {
			return err
		}
	}
	return nil
}

// DisconnectAll disconnects the target's members; see Adapter. The error is always nil.
func (a *Memory) DisconnectAll(_ context.Context, to Target, close bool) error {
	for _, m := range a.members(&to) {
		m.Disconnect(close)
	}
	return nil
}

// ServerSideEmit yields nothing, since there is no other node.
func (a *Memory) ServerSideEmit(context.Context, string, parser.Args, bool) iter.Seq2[parser.Args, error] {
	return func(func(parser.Args, error) bool) {}
}

// ServerCount is 1.
func (a *Memory) ServerCount(context.Context) (int, error) { return 1, nil }

// HasRoom reports whether room has members on this node.
func (a *Memory) HasRoom(room string) bool {
	s := a.shard(hash(room))
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.room(room)
	return ok
}

// Ready returns nil, or ErrClosed: there is nobody to wait for.
func (a *Memory) Ready(context.Context) error {
	if a.waits.isClosed() {
		return errtext.Wrap("adapter: ready", ErrClosed)
	}
	return nil
}

// maxExpected is how many rooms are counted to tell about how many members a target has.
const maxExpected = 4

// expect is about how many members a target has.
func (a *Memory) expect(to *Target) (n int) {
	switch {
	case to.Socket != "":
		return 1
	case len(to.Rooms) == 0:
		return int(a.count.Load())
	}
	for _, name := range to.Rooms[:min(len(to.Rooms), maxExpected)] {
		s := a.shard(hash(name))
		s.mu.RLock()
		r, _ := s.room(name)
		n += r.size()
		s.mu.RUnlock()
	}
	return n
}

// room returns the one called name, if it exists. The shard is locked.
func (s *shard) room(name string) (r room, ok bool) {
	r.members = s.rooms.m[name]
	if e := s.ids.Get(name); e != nil && e.own {
		r.own = e.m
	}
	return r, r.members != nil || r.own != nil
}

// enter puts the member into rooms, unless it is gone.
func (a *Memory) enter(e *membership, rooms []string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone {
		return false
	}
	id := e.m.ID()
	for _, name := range rooms {
		if name == id {
			a.setOwn(e, id, true)
			continue
		}
		if e.rooms == nil {
			e.rooms = new(set[string])
		}
		if e.rooms.add(name) {
			a.addTo(name, e.m)
		}
	}
	return true
}

func (a *Memory) exit(e *membership, rooms []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	id := e.m.ID()
	for _, name := range rooms {
		if name == id {
			a.setOwn(e, id, false)
		} else if e.rooms != nil && e.rooms.remove(name) {
			a.removeFrom(name, e.m)
		}
	}
	if len(e.names()) == 0 {
		e.rooms = nil
	}
}

func (a *Memory) setOwn(e *membership, id string, own bool) {
	s := a.shard(hash(id))
	s.mu.Lock()
	defer s.mu.Unlock()
	a.setOwnLocked(s, e, id, own)
}

// setOwnLocked needs the lock of s, the shard of id.
func (a *Memory) setOwnLocked(s *shard, e *membership, id string, own bool) {
	if e.own == own {
		return
	}
	e.own = own
	if all := a.rooms.load(); all != nil {
		all.tell(id, e.m, own, s.rooms.m[id] == nil)
	}
}

func (a *Memory) addTo(name string, m Member) {
	s := a.shard(hash(name))
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms.m[name]
	if r == nil {
		r = new(set[Member])
		s.rooms.put(name, r)
	}
	r.add(m)
	if all := a.rooms.load(); all != nil {
		all.tell(name, m, true, len(r.list) == 1 && !s.isOwn(name))
	}
}

// isOwn reports whether somebody is in the room called by its id, which is name. It needs mu.
func (s *shard) isOwn(name string) bool {
	e := s.ids.Get(name)
	return e != nil && e.own
}

func (a *Memory) removeFrom(name string, m Member) {
	s := a.shard(hash(name))
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rooms.m[name]
	r.remove(m)
	empty := len(r.list) == 0
	if empty {
		s.rooms.remove(name)
	}
	if all := a.rooms.load(); all != nil {
		all.tell(name, m, false, empty && !s.isOwn(name))
	}
}

// lookup returns the membership of the member called id, or nil.
func (a *Memory) lookup(id string) *membership {
	s := a.shard(hash(id))
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ids.Get(id)
}

// membership returns that of the member with m's id, and makes m one if there is none.
func (a *Memory) membership(m Member) *membership {
	id := m.ID()
	if e := a.lookup(id); e != nil {
		return e
	}
	s := a.shard(hash(id))
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.ids.Get(id); e != nil {
		return e
	}
	e := &membership{m: m, pos: int32(len(s.list))}
	s.ids.Put(e)
	a.count.Add(1)
	if n := len(s.list); n == cap(s.list) {
		s.list = append(make([]Member, 0, n+n/4+1), s.list...) // append would double it
	}
	s.list = append(s.list, m)
	return e
}

// forgetMember removes e from the namespace, and from its own room.
func (a *Memory) forgetMember(e *membership) {
	id := e.m.ID()
	s := a.shard(hash(id))
	s.mu.Lock()
	defer s.mu.Unlock()
	a.setOwnLocked(s, e, id, false)
	a.count.Add(-1)
	if last := s.list[len(s.list)-1]; last != e.m {
		s.ids.Get(last.ID()).pos = e.pos
	}
	s.list, _ = cut(s.list, int(e.pos))
	s.ids.Remove(id)
}

// hash tells the shard of a room or an id.
func hash(name string) int { return int(maphash.String(seed, name) % shards) }

func (a *Memory) shard(i int) *shard {
	if s := a.shards[i].Load(); s != nil {
		return s
	}
	a.shards[i].CompareAndSwap(nil, &shard{ids: index.New((*membership).id)})
	return a.shards[i].Load()
}
