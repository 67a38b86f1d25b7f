package chat

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
)

// room is a room of the hub, guarded by the hub's lock.
type room struct {
	key, name string
	epoch     string
	last      int64 // id of the latest message
	seenByAll int64 // never falls
	people    map[*person]*presence

	history []entry // in the order of ids, without gaps
	bytes   int     // of the texts in history
	byCID   map[cidKey]int64
	touched uint64 // when it was last used, in steps of the hub's clock
}

// presence is a person's being in a room, through one or more sockets.
type presence struct {
	sockets int
	seen    int64 // id of the latest message looked at
}

// entry is a message with what a history does not show. The Message is immutable, its picture has no data.
type entry struct {
	Message
	by   cidKey
	blob *blob // nil without a picture
}

// blob is the data of a picture, or nothing any more.
type blob struct{ data []byte }

// cidKey tells messages apart that were sent twice. The author is part of it, so that nobody can use up the ids of
// somebody else.
type cidKey struct{ author, cid string }

func newRoom(key, name string) *room {
	return &room{
		key: key, name: name, epoch: newEpoch(),
		people: map[*person]*presence{},
		byCID:  map[cidKey]int64{},
	}
}

func newEpoch() string {
	var b [6]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (r *room) info() RoomInfo {
	return RoomInfo{Name: r.name, Epoch: r.epoch, People: len(r.people), Last: r.last}
}

// list returns who is here, by name.
func (r *room) list() []Person {
	all := make([]Person, 0, len(r.people))
	for p := range r.people {
		all = append(all, p.Person)
	}
	slices.SortFunc(all, func(a, b Person) int {
		return strings.Compare(strings.ToLower(a.Name)+"\x00"+a.ID, strings.ToLower(b.Name)+"\x00"+b.ID)
	})
	return all
}

// entry returns the message of that id, if the room still has it.
func (r *room) entry(id int64) *entry {
	if len(r.history) == 0 {
		return nil
	}
	i := id - r.history[0].ID
	if i < 0 || i >= int64(len(r.history)) {
		return nil
	}
	return &r.history[i]
}

// add gives e the next id, keeps it, and forgets the oldest messages beyond the limits.
func (r *room) add(e entry, maxMessages, maxBytes int) (added Message) {
	r.last++
	e.ID = r.last
	r.history = append(r.history, e)
	r.byCID[e.by] = e.ID
	r.bytes += len(e.Text)
	n := 0
	for len(r.history)-n > maxMessages || r.bytes > maxBytes && n < len(r.history)-1 {
		old := &r.history[n]
		r.bytes -= len(old.Text)
		delete(r.byCID, old.by)
		if old.blob != nil {
			old.blob.data = nil // the hub's list of pictures still has the blob
		}
		n++
	}
	r.history = slices.Delete(r.history, 0, n)
	return e.Message
}

// since returns the messages after an id, and whether some are missing in between.
func (r *room) since(after int64) (ms []Message, gap bool) {
	ms = []Message{} // an empty list, not null
	for i := range r.history {
		if r.history[i].ID > after {
			ms = append(ms, r.history[i].Message)
		}
	}
	return ms, after > 0 && len(ms) > 0 && ms[0].ID > after+1
}

// advance works out up to where everybody here has looked, and reports whether that is further than before. With
// nobody to look but the author it stays where it is. It can be one mark for the whole room because who says something
// has seen all before it: if a message was seen by all but its author, those before it were seen by all but theirs.
func (r *room) advance() bool {
	if len(r.people) < 2 {
		return false
	}
	low := r.last
	for _, p := range r.people {
		low = min(low, p.seen)
	}
	if low <= r.seenByAll {
		return false
	}
	r.seenByAll = low
	return true
}
