package chat

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"sio.example/socketio/event"
)

// limits bound what the hub keeps. The zero value of each means its default.
type limits struct {
	rooms        int // default 100
	messages     int // of a room; default 200
	messageBytes int // texts of a room; default 256 KiB, so that a history fits a session's outgoing budget
	pictureBytes int // pictures of all rooms; default 64 MiB
	burst        int // messages a person may send at once, refilled at 5 a second; default 60
}

const refill = 200 * time.Millisecond // one message more for who has used up the burst

// lobby is the room that is always there.
const lobby = "Lobby"

// errNameFirst refuses what needs a nickname.
var errNameFirst = &event.Error{Message: "Choose a nickname first."}

// hub is the state of the chat. Its methods change the state under the lock and queue the news of it; the news are
// sent after the lock is released, in the order of the changes, by one caller at a time.
type hub struct {
	limits limits
	to     func(target) event.Emitter

	mu       sync.Mutex
	people   map[string]*person // by secret key; with one socket or more
	names    map[string]*person // by folded name
	rooms    map[string]*room   // by key
	pictures []*blob            // oldest first
	kept     int                // bytes of pictures
	clock    uint64
	news     []func()
	sending  bool
}

// person is somebody with a nickname, guarded by the hub's lock.
type person struct {
	Person
	key     string
	sockets int
	spent   time.Time // until when the messages sent so far use up the allowance
}

// visitor is one socket. The hub's lock guards what comes after its key and id.
type visitor struct {
	key string
	id  string

	person *person // nil before it has a nickname
	room   *room   // nil outside
	gone   bool
}

// target is who gets the news: an adapter room or else everybody, but for one socket, and if volatile only those that
// can take it now.
type target struct {
	room     string
	except   string
	volatile bool
}

// everybody is the whole namespace.
var everybody = target{}

func newVisitor(key, id string) *visitor { return &visitor{key: key, id: id} }

func newHub(l limits, to func(target) event.Emitter) *hub {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&l.rooms, 100)
	def(&l.messages, 200)
	def(&l.messageBytes, 256<<10)
	def(&l.pictureBytes, 64<<20)
	def(&l.burst, 60)
	h := &hub{
		limits: l, to: to,
		people: map[string]*person{}, names: map[string]*person{}, rooms: map[string]*room{},
	}
	h.rooms[foldKey(lobby)] = newRoom(foldKey(lobby), lobby)
	return h
}

// unlock releases the lock and sends what news are queued, unless somebody else is at it: then these are sent by them,
// in their turn. Emitting does not wait for anybody, so the queue stays short.
func (h *hub) unlock() {
	if h.sending {
		h.mu.Unlock()
		return
	}
	h.sending = true
	for len(h.news) > 0 {
		batch := h.news
		h.news = nil
		h.mu.Unlock()
		for _, send := range batch {
			send()
		}
		h.mu.Lock()
	}
	h.sending = false
	h.mu.Unlock()
}

// emit queues an event. Its error is not of interest: it says that the server or a client is on its way out.
func emit[T any](h *hub, ev event.Of[T], to target, v T) {
	h.news = append(h.news, func() { _ = ev.Emit(h.to(to), v) })
}

// setName gives a visitor a nickname, or a new one.
func (h *hub) setName(v *visitor, q NameRequest) (NameReply, error) {
	name, err := cleanName(q.Name)
	if err != nil {
		return NameReply{}, err
	}
	h.mu.Lock()
	defer h.unlock()
	p := v.person
	if p == nil {
		p = h.people[v.key] // another socket of the same person, or the one whose loss is not known yet
	}
	if owner := h.names[foldKey(name)]; owner != nil && owner != p {
		return NameReply{Taken: true, Suggest: h.suggest(name)}, nil
	}
	if p == nil {
		p = &person{Person: Person{ID: personID(v.key)}, key: v.key}
		h.people[v.key] = p
	}
	if v.person == nil {
		v.person = p
		p.sockets++
	}
	if p.Name != name {
		delete(h.names, foldKey(p.Name))
		h.names[foldKey(name)] = p
		p.Name = name
		for _, r := range h.rooms {
			if r.people[p] != nil {
				emit(h, Renamed, target{room: adapterRoom(r.key)}, Presence{Room: r.name, Who: p.Person})
			}
		}
	}
	return NameReply{You: p.Person, Rooms: h.list()}, nil
}

// suggest returns a free name much like a taken one.
func (h *hub) suggest(name string) string {
	for n := 2; ; n++ {
		suffix := fmt.Sprintf(" %d", n)
		runes := []rune(name)
		s := string(runes[:min(len(runes), maxName-len(suffix))]) + suffix
		if h.names[foldKey(s)] == nil {
			return s
		}
	}
}

// list returns the rooms, the lobby first, then by name.
func (h *hub) list() []RoomInfo {
	all := make([]RoomInfo, 0, len(h.rooms))
	for _, r := range h.rooms {
		all = append(all, r.info())
	}
	first := foldKey(lobby)
	slices.SortFunc(all, func(a, b RoomInfo) int {
		ka, kb := foldKey(a.Name), foldKey(b.Name)
		switch {
		case ka == kb:
			return 0
		case ka == first || kb != first && ka < kb:
			return -1
		}
		return 1
	})
	return all
}

// enter puts a visitor, who is outside, into a room and returns what is to be seen there.
func (h *hub) enter(v *visitor, q EnterRequest) (EnterReply, error) {
	key, name, err := roomKey(q.Room)
	if err != nil {
		return EnterReply{}, err
	}
	h.mu.Lock()
	defer h.unlock()
	p := v.person
	if p == nil || v.gone {
		return EnterReply{}, errNameFirst
	}
	r := h.rooms[key]
	if r == nil {
		if len(h.rooms) >= h.limits.rooms && !h.forgetRoom() {
			return EnterReply{}, &event.Error{Message: "There are too many rooms. Join one of those."}
		}
		r = newRoom(key, name)
		h.rooms[key] = r
	}
	h.touch(r)
	if v.room != r {
		v.room = r
		h.arrive(r, v)
	}
	re := EnterReply{Room: r.info(), People: r.list(), Seen: r.seenByAll}
	switch {
	case q.Epoch == r.epoch && q.After <= r.last:
		re.Messages, re.Gap = r.since(max(q.After, 0))
	default:
		re.Messages, _ = r.since(0)
		re.Reset = q.Epoch != ""
	}
	return re, nil
}

// arrive counts a socket in, and tells the room if it is the first of its person.
func (h *hub) arrive(r *room, v *visitor) {
	p := v.person
	if pr := r.people[p]; pr != nil {
		pr.sockets++
		return
	}
	r.people[p] = &presence{sockets: 1}
	emit(h, Came, target{room: adapterRoom(r.key), except: v.id}, Presence{Room: r.name, Who: p.Person})
	emit(h, RoomChanged, everybody, r.info())
}

// forgetRoom makes place for a new room: of those where nobody is, the one unused for longest goes.
func (h *hub) forgetRoom() bool {
	var old *room
	for key, r := range h.rooms {
		if len(r.people) == 0 && key != foldKey(lobby) && (old == nil || r.touched < old.touched) {
			old = r
		}
	}
	if old == nil {
		return false
	}
	h.drop(old)
	return true
}

// drop forgets a room and its messages.
func (h *hub) drop(r *room) {
	delete(h.rooms, r.key)
	for i := range r.history {
		if b := r.history[i].blob; b != nil {
			b.data = nil
		}
	}
	h.prune()
	info := r.info()
	info.Gone = true
	emit(h, RoomChanged, everybody, info)
}

// leave takes a visitor out of the room, unless it is the one of key next, where the visitor wants to go. It returns
// the adapter's name of the room left, or "".
func (h *hub) leave(v *visitor, next string) (adapter string) {
	h.mu.Lock()
	defer h.unlock()
	r := v.room
	if r == nil || r.key == next {
		return ""
	}
	h.depart(v)
	return adapterRoom(r.key)
}

// depart counts a socket out. The person is gone from the room with the last one.
func (h *hub) depart(v *visitor) {
	r, p := v.room, v.person
	v.room = nil
	h.touch(r)
	pr := r.people[p]
	if pr.sockets--; pr.sockets > 0 {
		return
	}
	delete(r.people, p)
	emit(h, Went, target{room: adapterRoom(r.key), except: v.id}, Presence{Room: r.name, Who: p.Person})
	h.mark(r)
	if len(r.people) == 0 && r.last == 0 && r.key != foldKey(lobby) {
		h.drop(r) // nothing was said: it was a mistyped name, or a look
		return
	}
	emit(h, RoomChanged, everybody, r.info())
}

// gone forgets a socket. The nickname is free when its person has no other.
func (h *hub) gone(v *visitor) {
	h.mu.Lock()
	defer h.unlock()
	v.gone = true
	p := v.person
	if p == nil {
		return
	}
	if v.room != nil {
		h.depart(v)
	}
	v.person = nil
	if p.sockets--; p.sockets == 0 {
		delete(h.people, p.key)
		delete(h.names, foldKey(p.Name))
	}
}

// say adds a message to the visitor's room, or finds that it is there already.
func (h *hub) say(v *visitor, q SayRequest) (SayReply, error) {
	m := entry{Message: Message{CID: q.CID, Text: cleanText(q.Text)}}
	if err := checkMessage(&m.Message); err != nil {
		return SayReply{}, err
	}
	if len(q.Picture) > 0 {
		pic, err := inspect(q.Picture)
		if err != nil {
			return SayReply{}, err
		}
		m.blob = &blob{data: pic.Data}
		pic.Data = nil
		m.Picture = pic
	} else if m.Text == "" {
		return SayReply{}, &event.Error{Message: "There is nothing in that message."}
	}

	h.mu.Lock()
	defer h.unlock()
	r, p := v.room, v.person
	if r == nil || p == nil || foldKey(q.Room) != r.key {
		return SayReply{}, &event.Error{Message: "You are not in that room."}
	}
	m.by = cidKey{author: p.ID, cid: q.CID}
	if id, again := r.byCID[m.by]; again {
		old := r.entry(id)
		return SayReply{ID: old.ID, At: old.At, Text: old.Text, Picture: old.Picture}, nil
	}
	now := time.Now()
	if !p.mayTalk(now, h.limits.burst) {
		return SayReply{}, &event.Error{Message: "That was a lot at once. Try again in a moment."}
	}
	m.Room, m.From, m.At = r.name, p.Person, now.UnixMilli()
	h.touch(r)
	said := r.add(m, h.limits.messages, h.limits.messageBytes)
	r.people[p].seen = said.ID
	h.keep(m.blob)

	out := said
	if out.Picture != nil { // a copy with the data goes out live; the history stays without
		pic := *out.Picture
		pic.Data = m.blob.data
		out.Picture = &pic
	}
	emit(h, Said, target{room: adapterRoom(r.key), except: v.id}, out)
	emit(h, RoomChanged, everybody, r.info())
	return SayReply{ID: said.ID, At: said.At, Text: said.Text, Picture: said.Picture}, nil
}

// checkMessage refuses what is not of the size the page would send.
func checkMessage(m *Message) error {
	if n := len([]rune(m.Text)); n > maxText {
		return &event.Error{Message: fmt.Sprintf("That message is too long: %d characters of %d.", n, maxText)}
	}
	if m.CID == "" || len(m.CID) > maxCID {
		return &event.Error{Message: "A message needs an id of 1 to 64 characters."}
	}
	return nil
}

// mayTalk takes one message off a person's allowance: a burst, refilled steadily.
func (p *person) mayTalk(now time.Time, burst int) bool {
	spent := p.spent
	if spent.Before(now) {
		spent = now
	}
	spent = spent.Add(refill)
	if spent.Sub(now) > time.Duration(burst)*refill {
		return false
	}
	p.spent = spent
	return true
}

// keep counts a picture's data, and forgets the oldest pictures beyond the limit: their messages stay.
func (h *hub) keep(b *blob) {
	if b == nil {
		return
	}
	h.pictures = append(h.pictures, b)
	h.kept += len(b.data)
	if h.kept > h.limits.pictureBytes {
		h.prune()
	}
	for h.kept > h.limits.pictureBytes && len(h.pictures) > 1 {
		h.kept -= len(h.pictures[0].data)
		h.pictures[0].data = nil
		h.pictures = h.pictures[1:]
	}
}

// prune takes the pictures off the list that went with their messages.
func (h *hub) prune() {
	h.kept = 0
	h.pictures = slices.DeleteFunc(h.pictures, func(b *blob) bool {
		h.kept += len(b.data)
		return b.data == nil
	})
}

// picture returns the data of a picture in the visitor's room.
func (h *hub) picture(v *visitor, q PictureRequest) (PictureReply, error) {
	h.mu.Lock()
	defer h.unlock()
	if v.room == nil {
		return PictureReply{}, &event.Error{Message: "You are not in a room."}
	}
	e := v.room.entry(q.ID)
	if e == nil || e.blob == nil {
		return PictureReply{}, nil
	}
	return PictureReply{Type: e.Picture.Type, Data: e.blob.data}, nil
}

// typing passes on that somebody writes, or stopped.
func (h *hub) typing(v *visitor, q TypingState) {
	h.mu.Lock()
	defer h.unlock()
	if v.room != nil {
		others := target{room: adapterRoom(v.room.key), except: v.id, volatile: true}
		emit(h, Typing, others, TypingState{From: v.person.Person, On: q.On})
	}
}

// seen notes up to where somebody has looked, and tells the room if that completes something.
func (h *hub) seen(v *visitor, q SeenMark) {
	h.mu.Lock()
	defer h.unlock()
	r := v.room
	if r == nil || foldKey(q.Room) != r.key {
		return // a mark that crossed with leaving the room
	}
	pr := r.people[v.person]
	pr.seen = max(pr.seen, min(q.ID, r.last))
	h.mark(r)
}

// mark tells the room up to where everybody has looked, if that has changed.
func (h *hub) mark(r *room) {
	if r.advance() {
		emit(h, Seen, target{room: adapterRoom(r.key)}, SeenMark{Room: r.name, ID: r.seenByAll})
	}
}

// touch notes that a room was used.
func (h *hub) touch(r *room) {
	h.clock++
	r.touched = h.clock
}
