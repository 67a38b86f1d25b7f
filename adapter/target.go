package adapter

import (
	"math/bits"
	"slices"
)

// members returns a snapshot of the target's members, in no particular order, without those that are leaving.
func (a *Memory) members(to *Target) []Member {
	var members []Member
	a.each(to, func(m Member) {
		if !m.Leaving() {
			members = append(members, m)
		}
	})
	return members
}

// each calls fn once for each member of the target, with read locks held.
func (a *Memory) each(to *Target, fn func(Member)) {
	switch {
	case to.Socket != "":
		s := a.shard(hash(to.Socket))
		s.mu.RLock()
		defer s.mu.RUnlock()
		if e := s.ids.Get(to.Socket); e != nil {
			fn(e.m)
		}
	case to.Sender == "":
		a.eachInRooms(to, fn)
	default:
		// A sender that is not there now may come meanwhile: it is looked at by name.
		if e := a.lookup(to.Sender); e != nil {
			a.eachInRooms(to, func(m Member) {
				if m != e.m {
					fn(m)
				}
			})
			return
		}
		a.eachInRooms(to, func(m Member) {
			if m.ID() != to.Sender {
				fn(m)
			}
		})
	}
}

// eachInRooms is each for Rooms and Except.
func (a *Memory) eachInRooms(to *Target, fn func(Member)) {
	if len(to.Rooms) == 1 && len(to.Except) == 0 {
		s := a.shard(hash(to.Rooms[0]))
		s.mu.RLock()
		defer s.mu.RUnlock()
		r, _ := s.room(to.Rooms[0])
		if r.own != nil {
			fn(r.own)
		}
		for _, m := range r.list() {
			fn(m)
		}
		return
	}

	if len(to.Rooms) == 0 {
		a.eachInNamespace(to.Except, fn)
		return
	}

	// With the shards of all rooms locked together, nobody slips from one room to another unseen.
	locked := a.lockForReading(to)
	defer a.unlock(locked)
	var roomBuf, exceptBuf [maxSearched]room // keeps the usual case off the heap
	rooms := a.resolve(roomBuf[:0], to.Rooms)
	except := exclusion{rooms: a.resolve(exceptBuf[:0], to.Except)}
	except.prepare(size(rooms))
	if len(rooms) <= maxSearched {
		eachInFew(rooms, &except, fn)
		return
	}
	eachInMany(rooms, &except, fn)
}

// maxExcluded is how many excluded members are written down.
const maxExcluded = 16

// eachInNamespace holds one shard after the other, and none of those of the excluded rooms meanwhile: that would be a
// lock out of order. So it writes down who is excluded, or, if these are many, locks all shards together.
func (a *Memory) eachInNamespace(except []string, fn func(Member)) {
	var buf [maxExcluded]Member
	excluded, ok := a.excluded(buf[:0], except)
	if !ok {
		a.eachInAll(except, fn)
		return
	}
	for i := range a.shards {
		if s := a.shards[i].Load(); s != nil {
			s.eachBut(excluded, fn)
		}
	}
}

// excluded appends the members of rooms, at one moment, and reports whether they fit.
func (a *Memory) excluded(dst []Member, except []string) (excluded []Member, ok bool) {
	if len(except) == 0 {
		return dst, true
	}
	locked := a.lockForReading(&Target{Except: except})
	defer a.unlock(locked)
	for _, name := range except {
		r, _ := a.shard(hash(name)).room(name)
		if r.size() > maxExcluded-len(dst) {
			return nil, false
		}
		if r.own != nil {
			dst = append(dst, r.own)
		}
		dst = append(dst, r.list()...)
	}
	return dst, true
}

func (s *shard) eachBut(excluded []Member, fn func(Member)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, m := range s.list {
		if !slices.Contains(excluded, m) {
			fn(m)
		}
	}
}

func (a *Memory) eachInAll(names []string, fn func(Member)) {
	const all = 1<<shards - 1
	members := 0
	for i := range a.shards {
		s := a.shard(i)
		s.mu.RLock()
		members += len(s.list)
	}
	defer a.unlock(all)
	var buf [maxSearched]room
	except := exclusion{rooms: a.resolve(buf[:0], names)}
	except.prepare(members)
	for i := range a.shards {
		for _, m := range a.shard(i).list {
			if !except.has(m) {
				fn(m)
			}
		}
	}
}

// maxSearched is how many rooms are searched for members met before: that costs no memory, but time that grows with
// the square of their number.
const maxSearched = 8

// An exclusion is who gets nothing.
type exclusion struct {
	rooms   []room
	members map[Member]struct{} // of rooms, if it was cheaper to write them down
}

// prepare makes has cheap for that many calls. Searching each room each time takes the product of both numbers.
func (x *exclusion) prepare(calls int) {
	if len(x.rooms) <= maxSearched || size(x.rooms) >= calls*len(x.rooms) {
		return
	}
	x.members = make(map[Member]struct{})
	for _, r := range x.rooms {
		if r.own != nil {
			x.members[r.own] = struct{}{}
		}
		for _, m := range r.list() {
			x.members[m] = struct{}{}
		}
	}
}

func (x *exclusion) has(m Member) bool {
	if x.members != nil {
		_, ok := x.members[m]
		return ok
	}
	return inAny(x.rooms, m)
}

func eachInFew(rooms []room, except *exclusion, fn func(Member)) {
	for i, r := range rooms {
		if r.own != nil && !inAny(rooms[:i], r.own) && !except.has(r.own) {
			fn(r.own)
		}
		for _, m := range r.list() {
			if !inAny(rooms[:i], m) && !except.has(m) {
				fn(m)
			}
		}
	}
}

func eachInMany(rooms []room, except *exclusion, fn func(Member)) {
	seen := make(map[Member]struct{})
	visit := func(m Member) {
		if _, ok := seen[m]; !ok && !except.has(m) {
			seen[m] = struct{}{}
			fn(m)
		}
	}
	for _, r := range rooms {
		if r.own != nil {
			visit(r.own)
		}
		for _, m := range r.list() {
			visit(m)
		}
	}
}

func inAny(rooms []room, m Member) bool {
	for _, r := range rooms {
		if r.has(m) {
			return true
		}
	}
	return false
}

// size is how many members rooms have; a member of several counts for each.
func size(rooms []room) (n int) {
	for _, r := range rooms {
		n += r.size()
	}
	return n
}

// resolve appends those of the named rooms that exist, each once if there are many. Their shards are locked.
func (a *Memory) resolve(dst []room, names []string) []room {
	var seen map[string]struct{}
	if len(names) > maxSearched {
		seen = make(map[string]struct{}, len(names))
	}
	for _, name := range names {
		if seen != nil {
			if _, ok := seen[name]; ok {
				continue
			}
			seen[name] = struct{}{}
		}
		if r, ok := a.shard(hash(name)).room(name); ok {
			dst = append(dst, r)
		}
	}
	return dst
}

// lockForReading locks the shards of all rooms that the target names and returns them as a set of bits.
func (a *Memory) lockForReading(to *Target) uint64 {
	var set uint64
	for _, name := range to.Rooms {
		set |= 1 << hash(name)
	}
	for _, name := range to.Except {
		set |= 1 << hash(name)
	}
	for rest := set; rest != 0; rest &= rest - 1 {
		a.shard(bits.TrailingZeros64(rest)).mu.RLock()
	}
	return set
}

func (a *Memory) unlock(set uint64) {
	for ; set != 0; set &= set - 1 {
		a.shard(bits.TrailingZeros64(set)).mu.RUnlock()
	}
}
