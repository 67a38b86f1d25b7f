package adapter

import (
	"slices"
	"sync"
	"sync/atomic"
)

// RoomHooks are told what happens to the rooms of one node. Each of the functions may be nil.
//
// They are part of an adapter, not user code: the goroutine that joins or leaves calls them, under the room's lock. So
// for one room they are called in the order in which things happened, one at a time, and before Join, Leave or LeaveAll
// returns; for different rooms, by different goroutines at the same time. They MUST NOT wait, call the adapter or call
// user code: they note what is to be done, and leave it to a goroutine. A room is created before its first member
// joins, and deleted after its last one has left.
type RoomHooks struct {
	Created func(room string)
	Joined  func(room string, m Member)
	Left    func(room string, m Member)
	Deleted func(room string)
}

// observers are those of ObserveRooms.
type observers struct {
	hooks atomic.Pointer[hookList] // nil if there are none

	mu sync.Mutex // for changes
}

// A hookList is not changed once it can be seen.
type hookList []*RoomHooks

func (o *observers) load() *hookList { return o.hooks.Load() }

// ObserveRooms has h called; see Adapter. Rooms that exist are not told. A call that is under way may follow stop.
func (a *Memory) ObserveRooms(h *RoomHooks) (stop func()) {
	h = &RoomHooks{h.Created, h.Joined, h.Left, h.Deleted} // told apart from the same one given twice
	a.rooms.change(func(all hookList) hookList { return append(all, h) })
	return func() {
		a.rooms.change(func(all hookList) hookList {
			return slices.DeleteFunc(all, func(other *RoomHooks) bool { return other == h })
		})
	}
}

func (o *observers) change(fn func(all hookList) hookList) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all hookList
	if old := o.hooks.Load(); old != nil {
		all = slices.Clone(*old)
	}
	if all = fn(all); len(all) == 0 {
		o.hooks.Store(nil)
		return
	}
	o.hooks.Store(&all)
}

// tell says that m has joined room, or left it, and whether it is the only member, or was. The room's shard is
// locked.
func (all *hookList) tell(room string, m Member, joined, alone bool) {
	for _, h := range *all {
		if joined && alone && h.Created != nil {
			h.Created(room)
		}
		if joined && h.Joined != nil {
			h.Joined(room, m)
		}
		if !joined && h.Left != nil {
			h.Left(room, m)
		}
		if !joined && alone && h.Deleted != nil {
			h.Deleted(room)
		}
	}
}
