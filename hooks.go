package socketio

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// hooks is what users register. A set is not changed once somebody has seen it, so that it can be read without a lock
// and shared with the children of a parent. What is registered meanwhile is gathered in the next one, which is made
// when somebody looks: a copy for each handler takes seconds for ten thousand.
type hooks struct {
	set atomic.Pointer[hookSet] // nil if next is newer, or nothing was registered

	mu   sync.Mutex // a leaf
	next *hookSet   // not seen yet; nil if there is none
}

type hookSet struct {
	middleware      []func(ctx context.Context, s *Socket) error
	eventMiddleware []Middleware
	onConnection    []hook[func(s *Socket)]
	rooms           []*roomHook
	handlers        map[string][]hook[SocketHandler]
}

// A hook can be removed by its id.
type hook[F any] struct {
	id uint64
	fn F
}

// hookIDs is the last id given. It is one for all, since the hooks of a parent are those of its children, too.
var hookIDs atomic.Uint64

var noHooks = new(hookSet)

func (h *hooks) load() *hookSet {
	if set := h.set.Load(); set != nil {
		return set
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if set := h.set.Load(); set != nil {
		return set
	}
	set := h.next
	if set == nil {
		set = noHooks
	}
	h.next = nil
	h.set.Store(set)
	return set
}

// change has fn add to the next set.
func (h *hooks) change(fn func(set *hookSet)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.next == nil {
		h.next = new(hookSet)
		if seen := h.set.Load(); seen != nil {
			h.next = seen.clone()
		}
	}
	fn(h.next)
	h.set.Store(nil)
}

// clone returns a copy to be added to.
func (s *hookSet) clone() *hookSet {
	handlers := maps.Clone(s.handlers)
	for name, all := range handlers {
		handlers[name] = slices.Clip(all)
	}
	return &hookSet{
		slices.Clip(s.middleware), slices.Clip(s.eventMiddleware),
		slices.Clip(s.onConnection), slices.Clip(s.rooms), handlers,
	}
}

func (h *hooks) use(mw func(ctx context.Context, s *Socket) error) {
	h.change(func(set *hookSet) { set.middleware = append(set.middleware, mw) })
}

func (h *hooks) useEvents(mw []Middleware) {
	h.change(func(set *hookSet) { set.eventMiddleware = append(set.eventMiddleware, mw...) })
}

// onConnection returns the id for remove.
func (h *hooks) onConnection(fn func(s *Socket)) (id uint64) {
	id = hookIDs.Add(1)
	h.change(func(set *hookSet) { set.onConnection = append(set.onConnection, hook[func(s *Socket)]{id, fn}) })
	return id
}

// onRooms returns what removeRooms takes back. since is the part of the namespace's queue with which it begins.
func (h *hooks) onRooms(r RoomHooks, since uint64) *roomHook {
	added := &roomHook{&r, since} // told apart from equal ones
	h.change(func(set *hookSet) { set.rooms = append(set.rooms, added) })
	return added
}

// removeRooms takes back what onRooms has added. It does nothing the second time.
func (h *hooks) removeRooms(added *roomHook) {
	h.change(func(set *hookSet) {
		set.rooms = slices.DeleteFunc(slices.Clone(set.rooms), func(other *roomHook) bool { return other == added })
	})
}

// handle returns the id for remove.
func (h *hooks) handle(name string, fn SocketHandler) (id uint64) {
	id = hookIDs.Add(1)
	h.change(func(set *hookSet) {
		if set.handlers == nil {
			set.handlers = make(map[string][]hook[SocketHandler])
		}
		set.handlers[name] = append(set.handlers[name], hook[SocketHandler]{id, fn})
	})
	return id
}

// removeConnection takes back what onConnection has added. It does nothing the second time.
func (h *hooks) removeConnection(id uint64) {
	h.change(func(set *hookSet) { set.onConnection = without(set.onConnection, id) })
}

// removeHandler takes back what handle has added. It does nothing the second time.
func (h *hooks) removeHandler(name string, id uint64) {
	h.change(func(set *hookSet) {
		if rest := without(set.handlers[name], id); len(rest) > 0 {
			set.handlers[name] = rest
		} else {
			delete(set.handlers, name)
		}
	})
}

// without returns the hooks but the one with that id, in memory of its own if there is one.
func without[F any](all []hook[F], id uint64) []hook[F] {
	for i, h := range all {
		if h.id == id {
			return slices.Concat(all[:i], all[i+1:])
		}
	}
	return all
}
