package socketio

import (
	"slices"
	"time"

	"sio.example/socketio/adapter"
	"sio.example/socketio/engineio"
)

// A recoveryLog holds the events of a namespace that a client may have missed, by their numbers. It is guarded by
// recovery.mu.
type recoveryLog struct {
	entries []logEntry // the first ones are empty
	first   int        // of entries
	bytes   int
	dropped heads
}

// A logEntry is an event as it was queued.
type logEntry struct {
	number   uint64
	at       time.Duration // on the server's clock
	size     int
	messages []*engineio.Prepared
	to       adapter.Target
}

// entryCost is what an entry takes beside its messages and the names of its target.
const entryCost = 200

func sizeOfEntry(messages []*engineio.Prepared, to *adapter.Target) int {
	n := entryCost
	for _, m := range messages {
		n += 64 + len(m.Message().Data)
	}
	for _, names := range [][]string{to.Rooms, to.Except} {
		for _, name := range names {
			n += 16 + len(name)
		}
	}
	return n
}

func (l *recoveryLog) len() int { return len(l.entries) - l.first }

func (l *recoveryLog) add(e logEntry) {
	if l.first > 32 && l.first > len(l.entries)/2 {
		l.entries = slices.Delete(l.entries, 0, l.first)
		l.first = 0
	}
	l.entries = append(l.entries, e)
	l.bytes += e.size
}

// oldest is the first entry; there must be one.
func (l *recoveryLog) oldest() *logEntry { return &l.entries[l.first] }

// drop forgets the oldest entry, and remembers for whom it was.
func (l *recoveryLog) drop(maxHeads int) {
	e := l.oldest()
	l.bytes -= e.size
	l.dropped.note(e.number, &e.to, maxHeads)
	*e = logEntry{}
	if l.first++; l.first == len(l.entries) {
		l.entries, l.first = nil, 0
	}
}

// after returns the entries beyond a number.
func (l *recoveryLog) after(number uint64) []logEntry {
	live := l.entries[l.first:]
	i, _ := slices.BinarySearchFunc(live, number+1, func(e logEntry, n uint64) int {
		switch {
		case e.number < n:
			return -1
		case e.number > n:
			return 1
		}
		return 0
	})
	return live[i:]
}

// heads are the last numbers that a log has dropped: of events to all, to each room, and to each socket.
type heads struct {
	all            uint64
	rooms, sockets map[string]uint64
}

// note notes that an event was dropped. Of more than most names the older half becomes "all".
func (h *heads) note(number uint64, to *adapter.Target, most int) {
	switch {
	case to.Socket != "":
		if h.sockets == nil {
			h.sockets = make(map[string]uint64)
		}
		h.sockets[to.Socket] = number
	case len(to.Rooms) == 0:
		h.all = number
		clear(h.rooms) // all of these are lower
		clear(h.sockets)
	default:
		if h.rooms == nil {
			h.rooms = make(map[string]uint64)
		}
		for _, room := range to.Rooms {
			h.rooms[room] = number
		}
	}
	if len(h.rooms)+len(h.sockets) > most {
		h.fold()
	}
}

// fold makes the older half of the names part of "all".
func (h *heads) fold() {
	var numbers []uint64
	for _, names := range []map[string]uint64{h.rooms, h.sockets} {
		for _, n := range names {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	h.all = max(h.all, numbers[len(numbers)/2])
	for _, names := range []map[string]uint64{h.rooms, h.sockets} {
		for name, n := range names {
			if n <= h.all {
				delete(names, name)
			}
		}
	}
}
