package chat

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/event"
)

// outbox records the news of a hub.
type outbox struct {
	mu   sync.Mutex
	sent []sent
}

type sent struct {
	to   target
	name string
	arg  any
}

func (o *outbox) to(to target) event.Emitter { return address{o, to} }

type address struct {
	box *outbox
	to  target
}

func (a address) Emit(name string, args ...any) error {
	a.box.mu.Lock()
	defer a.box.mu.Unlock()
	a.box.sent = append(a.box.sent, sent{a.to, name, args[0]})
	return nil
}

// take returns the news since the last call, as "name>room-except", without those about the list of rooms.
func (o *outbox) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var ss []string
	for _, s := range o.sent {
		if s.name == string(RoomChanged) {
			continue
		}
		line := s.name + ">" + strings.TrimPrefix(s.to.room, "room:")
		if s.to.except != "" {
			line += "-" + s.to.except
		}
		if s.to.volatile {
			line += "?"
		}
		ss = append(ss, line)
	}
	o.sent = nil
	return ss
}

// last returns the argument of the latest news of that name.
func last[T any](t *testing.T, o *outbox, name string) T {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range slices.Backward(o.sent) {
		if s.name == name {
			return s.arg.(T)
		}
	}
	t.Fatalf("no %q was sent", name)
	panic("unreachable")
}

// world is a hub with visitors.
type world struct {
	t   *testing.T
	hub *hub
	box *outbox
}

func newWorld(t *testing.T, l limits) *world {
	box := &outbox{}
	return &world{t, newHub(l, box.to), box}
}

// visitor returns a new socket of somebody.
func (w *world) visitor(id, key string) *visitor { return newVisitor(key+"-key-0123456789", id) }

// in returns a new socket with a nickname and in a room; id, key and name are one.
func (w *world) in(name, room string) *visitor {
	w.t.Helper()
	v := w.visitor(name, name)
	w.name(v, name)
	w.enter(v, EnterRequest{Room: room})
	return v
}

func (w *world) name(v *visitor, name string) NameReply {
	w.t.Helper()
	re, err := w.hub.setName(v, NameRequest{Name: name})
	if err != nil {
		w.t.Fatalf("name %q: %v", name, err)
	}
	return re
}

func (w *world) enter(v *visitor, q EnterRequest) EnterReply {
	w.t.Helper()
	re, err := w.hub.enter(v, q)
	if err != nil {
		w.t.Fatalf("enter %q: %v", q.Room, err)
	}
	return re
}

func (w *world) say(v *visitor, cid, text string) SayReply {
	w.t.Helper()
	re, err := w.hub.say(v, SayRequest{Room: v.room.name, CID: cid, Text: text})
	if err != nil {
		w.t.Fatalf("say %q: %v", text, err)
	}
	return re
}

func (w *world) news(want ...string) {
	w.t.Helper()
	if got := w.box.take(); !slices.Equal(got, want) {
		w.t.Errorf("news: got %q, want %q", got, want)
	}
}

// refused fails the test unless err is one whose text the client may see.
func refused(t *testing.T, err error, contains string) {
	t.Helper()
	var e *event.Error
	if !errors.As(err, &e) || !strings.Contains(e.Message, contains) {
		t.Errorf("got error %v, want an event.Error with %q", err, contains)
	}
}

func texts(ms []Message) (ts []string) {
	for _, m := range ms {
		ts = append(ts, fmt.Sprint(m.ID, m.Text))
	}
	return ts
}

func TestNicknamesAreUnique(t *testing.T) {
	w := newWorld(t, limits{})
	a, b := w.visitor("a", "a"), w.visitor("b", "b")
	w.name(a, "Anna")
	for _, taken := range []string{"Anna", "anna", " A n n a ", "An\u200bna", "Anna\u200d", "ANNA\u202e"} {
		if re := w.name(b, taken); !re.Taken || foldKey(re.Suggest) != "anna2" || re.You.ID != "" {
			t.Errorf("%q: got %+v, want it taken and Anna 2 suggested", taken, re)
		}
	}
	if re := w.name(b, "Anna 2"); re.Taken || re.You.Name != "Anna 2" {
		t.Errorf("Anna 2: got %+v", re)
	}
	if re := w.name(w.visitor("c", "c"), "Anna2"); re.Suggest != "Anna2 2" {
		t.Errorf("got suggestion %q", re.Suggest)
	}
	if re := w.name(a, "ANNA"); re.Taken { // her own
		t.Errorf("got %+v", re)
	}
	w.name(a, "Berta")
	if re := w.name(b, "Anna"); re.Taken {
		t.Error("a name given up is still taken")
	}
	w.hub.gone(a)
	if re := w.name(b, "Berta"); re.Taken {
		t.Error("the name of somebody gone is still taken")
	}
}

func TestSuggestionFits(t *testing.T) {
	w := newWorld(t, limits{})
	long := strings.Repeat("ä", maxName)
	w.name(w.visitor("a", "a"), long)
	b := w.visitor("b", "b")
	re := w.name(b, long)
	if want := strings.Repeat("ä", maxName-2) + " 2"; re.Suggest != want {
		t.Fatalf("got %q, want %q", re.Suggest, want)
	}
	if re := w.name(b, re.Suggest); re.Taken {
		t.Error("the suggestion is taken")
	}
}

func TestPresence(t *testing.T) {
	w := newWorld(t, limits{})
	a := w.in("Anna", "Lobby")
	w.news("came>lobby-Anna")
	b := w.in("Ben", "Lobby")
	w.news("came>lobby-Ben")
	if re := w.enter(a, EnterRequest{Room: "lobby"}); len(re.People) != 2 ||
		re.People[1].Name != "Ben" || re.Room.People != 2 {
		t.Errorf("got %+v", re)
	}
	w.news() // who is there and enters again does not come

	w.name(b, "Benno")
	w.news("renamed>lobby")
	if room := w.hub.leave(b, "lobby"); room != "" {
		t.Errorf("left %q on the way to the same room", room)
	}
	if room := w.hub.leave(b, "other"); room != "room:lobby" {
		t.Errorf("left %q", room)
	}
	w.news("went>lobby-Ben")
	if room := w.hub.leave(b, ""); room != "" {
		t.Errorf("left %q, being in none", room)
	}
	w.enter(b, EnterRequest{Room: "Hikes"})
	w.news("came>hikes-Ben")
	w.hub.gone(b)
	w.news("went>hikes-Ben")
	w.hub.gone(a)
	w.news("went>lobby-Anna")
	if n := len(w.hub.people) + len(w.hub.names); n != 0 {
		t.Errorf("%d people are left of none", n)
	}
	if list := w.hub.list(); len(list) != 1 || list[0].Name != "Lobby" || list[0].People != 0 {
		t.Errorf("rooms: %+v", list)
	}
}

// A client that reconnects before the server has noticed that it was gone is the same person all along.
func TestReconnectionBeforeTheLossIsNoticed(t *testing.T) {
	w := newWorld(t, limits{})
	w.in("Ben", "Lobby")
	old := w.in("Anna", "Lobby")
	w.box.take()
	again := w.visitor("second", "Anna")
	re := w.name(again, "Anna")
	if re.Taken || re.You.ID != old.person.ID {
		t.Fatalf("got %+v", re)
	}
	if re := w.enter(again, EnterRequest{Room: "Lobby"}); len(re.People) != 2 {
		t.Errorf("people: %v", re.People)
	}
	w.hub.gone(old)
	w.news()
	w.hub.gone(again)
	w.news("went>lobby-second")
}

func TestHistoryAndWhatWasMissed(t *testing.T) {
	w := newWorld(t, limits{messages: 5})
	a := w.in("Anna", "Lobby")
	b := w.in("Ben", "Lobby")
	epoch := a.room.epoch
	for i := range 3 {
		w.say(a, fmt.Sprint("c", i), fmt.Sprint("m", i+1))
	}
	w.hub.gone(b)
	w.say(a, "c3", "m4")

	enter := func(epoch string, after int64) EnterReply {
		v := w.visitor("x", "x")
		w.name(v, "Xaver")
		defer w.hub.gone(v)
		return w.enter(v, EnterRequest{Room: "Lobby", Epoch: epoch, After: after})
	}
	check := func(re EnterReply, want string, reset, gap bool) {
		t.Helper()
		if got := strings.Join(texts(re.Messages), " "); got != want || re.Reset != reset || re.Gap != gap {
			t.Errorf("got %q reset %t gap %t, want %q %t %t", got, re.Reset, re.Gap, want, reset, gap)
		}
		if re.Messages == nil {
			t.Error("the list of messages is null")
		}
	}
	check(enter("", 0), "1m1 2m2 3m3 4m4", false, false)
	check(enter(epoch, 3), "4m4", false, false)
	check(enter(epoch, 4), "", false, false)
	check(enter(epoch, 99), "1m1 2m2 3m3 4m4", true, false) // no such message: another epoch, whatever it says
	check(enter("other", 3), "1m1 2m2 3m3 4m4", true, false)
	check(enter(epoch, -5), "1m1 2m2 3m3 4m4", false, false)
	for i := 4; i < 8; i++ {
		w.say(a, fmt.Sprint("c", i), fmt.Sprint("m", i+1))
	}
	check(enter("", 0), "4m4 5m5 6m6 7m7 8m8", false, false)
	check(enter(epoch, 2), "4m4 5m5 6m6 7m7 8m8", false, true)
	check(enter(epoch, 3), "4m4 5m5 6m6 7m7 8m8", false, false)
	if n := len(a.room.byCID); n != 5 {
		t.Errorf("%d client ids are kept of 5 messages", n)
	}
}

func TestHistoryIsBoundedInBytes(t *testing.T) {
	w := newWorld(t, limits{messageBytes: 100, burst: 1000})
	a := w.in("Anna", "Lobby")
	for i := range 20 {
		w.say(a, fmt.Sprint(i), strings.Repeat("x", 30))
	}
	if n := len(a.room.history); n != 3 || a.room.bytes != 90 {
		t.Errorf("%d messages of %d bytes are kept", n, a.room.bytes)
	}
	w.say(a, "long", strings.Repeat("x", 500))
	if n := len(a.room.history); n != 1 {
		t.Errorf("%d messages are kept; the latest always is, and it alone is too much", n)
	}
}

// A message sent again, because the acknowledgement was lost with the connection, is told once.
func TestMessageSentAgain(t *testing.T) {
	w := newWorld(t, limits{})
	a := w.in("Anna", "Lobby")
	b := w.in("Ben", "Lobby")
	w.box.take()
	first := w.say(a, "c1", "hello")
	w.news("message>lobby-Anna")
	w.hub.gone(a)
	w.box.take()
	a = w.in("Anna", "Lobby")
	w.box.take()
	if again := w.say(a, "c1", "hello"); !reflect.DeepEqual(first, again) {
		t.Errorf("got %+v, first was %+v", again, first)
	}
	w.news()
	if other := w.say(b, "c1", "mine"); other.ID != 2 {
		t.Errorf("the id of somebody else's message is taken: %+v", other)
	}
	w.news("message>lobby-Ben")
}

func TestSeenByEverybody(t *testing.T) {
	w := newWorld(t, limits{})
	mark := func(v *visitor, id int64) { w.hub.seen(v, SeenMark{Room: "Lobby", ID: id}) }
	a := w.in("Anna", "Lobby")
	w.say(a, "1", "is anybody here?")
	mark(a, 1)
	if a.room.seenByAll != 0 {
		t.Error("seen by everybody, with nobody there")
	}
	b := w.in("Ben", "Lobby")
	c := w.in("Chiara", "Lobby")
	w.box.take()
	mark(b, 1)
	w.news()
	mark(c, 99) // more than there is: all there is
	if m := last[SeenMark](t, w.box, "seen"); m != (SeenMark{Room: "Lobby", ID: 1}) {
		t.Errorf("got %+v", m)
	}
	w.news("seen>lobby")
	mark(c, 1)
	mark(b, 0)
	mark(b, -7)
	w.news() // nothing new

	w.say(a, "2", "second")
	w.say(b, "3", "third") // who speaks has seen what was said
	w.box.take()
	mark(a, 3)
	w.news()
	w.hub.gone(c) // the one it waited for
	if m := last[SeenMark](t, w.box, "seen"); m.ID != 3 {
		t.Errorf("got %+v", m)
	}
	w.news("went>lobby-Chiara", "seen>lobby")

	// Who comes later has seen nothing yet, and takes nothing back.
	c = w.in("Chiara", "Lobby")
	if re := w.enter(c, EnterRequest{Room: "Lobby"}); re.Seen != 3 {
		t.Errorf("seen %d", re.Seen)
	}
	w.hub.seen(c, SeenMark{Room: "elsewhere", ID: 3})
	if seen := c.room.people[c.person].seen; seen != 0 {
		t.Errorf("a mark for another room counts: %d", seen)
	}
}

func TestSayIsChecked(t *testing.T) {
	w := newWorld(t, limits{})
	a := w.in("Anna", "Lobby")
	say := func(q SayRequest) error {
		_, err := w.hub.say(a, q)
		return err
	}
	long := strings.Repeat("é", maxText)
	if err := say(SayRequest{Room: "Lobby", CID: "1", Text: long}); err != nil {
		t.Errorf("a text of the greatest length: %v", err)
	}
	refused(t, say(SayRequest{Room: "Lobby", CID: "2", Text: long + "!"}), "too long")
	refused(t, say(SayRequest{Room: "Lobby", CID: "3", Text: " \n\u200b\u200d\ufe0f "}), "nothing")
	refused(t, say(SayRequest{Room: "Lobby", Text: "x"}), "id")
	refused(t, say(SayRequest{Room: "Lobby", CID: strings.Repeat("c", 65), Text: "x"}), "id")
	refused(t, say(SayRequest{Room: "Other", CID: "4", Text: "x"}), "not in that room")
	refused(t, say(SayRequest{Room: "Lobby", CID: "5", Picture: []byte("<svg>")}), "not a picture")
	w.hub.leave(a, "")
	refused(t, say(SayRequest{Room: "Lobby", CID: "6", Text: "x"}), "not in that room")

	nobody := w.visitor("n", "n")
	_, err := w.hub.enter(nobody, EnterRequest{Room: "Lobby"})
	refused(t, err, "nickname")
	_, err = w.hub.say(nobody, SayRequest{Room: "Lobby", CID: "1", Text: "x"})
	refused(t, err, "not in that room")
	w.box.take()
	w.hub.typing(nobody, TypingState{On: true})
	w.hub.seen(nobody, SeenMark{Room: "Lobby", ID: 1})
	w.hub.gone(nobody)
	w.news()
}

func TestFloodIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limits{burst: 3})
		a := w.in("Anna", "Lobby")
		say := func(cid int) error {
			_, err := w.hub.say(a, SayRequest{Room: "Lobby", CID: fmt.Sprint(cid), Text: "x"})
			return err
		}
		for i := range 3 {
			if err := say(i); err != nil {
				t.Fatal(err)
			}
		}
		refused(t, say(3), "moment")
		if err := say(2); err != nil {
			t.Errorf("one sent again: %v", err)
		}
		<-time.After(refill)
		if err := say(3); err != nil {
			t.Error(err)
		}
		refused(t, say(4), "moment")
		<-time.After(time.Hour)
		for i := range 3 {
			if err := say(10 + i); err != nil {
				t.Error(err)
			}
		}
		refused(t, say(13), "moment")
	})
}

func TestTyping(t *testing.T) {
	w := newWorld(t, limits{})
	a := w.in("Anna", "Lobby")
	w.box.take()
	w.hub.typing(a, TypingState{From: Person{ID: "forged", Name: "Ben"}, On: true})
	if s := last[TypingState](t, w.box, "typing"); !s.On || s.From != a.person.Person {
		t.Errorf("got %+v", s)
	}
	w.news("typing>lobby-Anna?")
}

func TestRoomsAreBounded(t *testing.T) {
	w := newWorld(t, limits{rooms: 3})
	a := w.in("Anna", "One")
	w.say(a, "1", "x")
	b := w.in("Ben", "Two")
	c := w.visitor("c", "c")
	w.name(c, "Chiara")
	_, err := w.hub.enter(c, EnterRequest{Room: "Three"})
	refused(t, err, "too many rooms")
	w.hub.leave(a, "")
	w.enter(c, EnterRequest{Room: "Three"}) // One had messages, but nobody
	names := func() (ns []string) {
		for _, r := range w.hub.list() {
			ns = append(ns, r.Name)
		}
		return ns
	}
	if got := names(); !slices.Equal(got, []string{"Lobby", "Three", "Two"}) {
		t.Errorf("rooms: %q", got)
	}
	w.hub.leave(b, "") // nothing was said in Two
	if got := names(); !slices.Equal(got, []string{"Lobby", "Three"}) {
		t.Errorf("rooms: %q", got)
	}
	if info := last[RoomInfo](t, w.box, "room"); info.Name != "Two" || !info.Gone {
		t.Errorf("got %+v", info)
	}
}

func TestPictures(t *testing.T) {
	w := newWorld(t, limits{pictureBytes: 3 * len(gifPixel)})
	a := w.in("Anna", "Lobby")
	b := w.in("Ben", "Lobby")
	send := func(v *visitor, cid string) SayReply {
		t.Helper()
		re, err := w.hub.say(v, SayRequest{Room: v.room.name, CID: cid, Picture: slices.Clone(gifPixel)})
		if err != nil {
			t.Fatal(err)
		}
		return re
	}
	re := send(a, "1")
	if re.Picture == nil || re.Picture.Data != nil || re.Picture.Type != "image/gif" || re.Picture.Width != 1 {
		t.Errorf("acknowledged with %+v", re.Picture)
	}
	if m := last[Message](t, w.box, "message"); string(m.Picture.Data) != string(gifPixel) {
		t.Errorf("told %d bytes of %d", len(m.Picture.Data), len(gifPixel))
	}
	if re := w.enter(b, EnterRequest{Room: "Lobby"}); re.Messages[0].Picture == nil ||
		re.Messages[0].Picture.Data != nil {
		t.Errorf("the history has %+v", re.Messages[0].Picture)
	}
	has := func(id int64) bool {
		t.Helper()
		re, err := w.hub.picture(b, PictureRequest{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		return string(re.Data) == string(gifPixel) && re.Type == "image/gif"
	}
	send(a, "2")
	send(a, "3")
	if !has(1) || !has(2) || !has(3) || has(4) || has(0) || has(-1) {
		t.Error("pictures 1 to 3 are kept")
	}
	send(a, "4")
	if has(1) || !has(2) || !has(4) {
		t.Error("pictures 2 to 4 are kept")
	}

	// A room that is forgotten makes place for others.
	c := w.in("Chiara", "Elsewhere")
	send(c, "1")
	w.hub.leave(c, "")
	if w.hub.kept != 3*len(gifPixel) {
		t.Errorf("%d bytes are kept", w.hub.kept)
	}
	w.hub.mu.Lock()
	w.hub.drop(w.hub.rooms["elsewhere"])
	w.hub.unlock()
	if w.hub.kept != 2*len(gifPixel) || len(w.hub.pictures) != 2 {
		t.Errorf("%d bytes in %d pictures are kept", w.hub.kept, len(w.hub.pictures))
	}
	_, err := w.hub.picture(c, PictureRequest{ID: 1})
	refused(t, err, "not in a room")
}

// The news of a room arrive in the order in which it changed, whoever sends them.
func TestNewsAreInOrder(t *testing.T) {
	w := newWorld(t, limits{burst: 10000, messages: 10000})
	const people, each = 8, 50
	var wg sync.WaitGroup
	for p := range people {
		v := w.in(fmt.Sprint("P", p), "Lobby")
		wg.Go(func() {
			for i := range each {
				w.hub.say(v, SayRequest{Room: "Lobby", CID: fmt.Sprint(i), Text: "x"})
			}
		})
	}
	wg.Wait()
	var id int64
	for _, s := range w.box.sent {
		if m, ok := s.arg.(Message); ok {
			if id++; m.ID != id {
				t.Fatalf("message %d follows %d", m.ID, id-1)
			}
		}
	}
	if id != people*each {
		t.Errorf("%d messages of %d were told", id, people*each)
	}
}
