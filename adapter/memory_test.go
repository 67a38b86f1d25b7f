package adapter

import (
	"context"
	"fmt"
	"testing"

	"sio.example/socketio/parser"
)

// The sender is a socket, not a room: whoever joined the room called by its id gets what it sends.
func TestSenderIsNoRoom(t *testing.T) {
	for _, to := range []Target{
		{Sender: "a"}, {Rooms: []string{"room"}, Sender: "a"}, {Rooms: []string{"room", "b"}, Sender: "a"},
	} {
		a, b := &fakeMember{id: "a"}, &fakeMember{id: "b"}
		m := New(fakeLocal{new(int)})
		_, _ = m.Join(a, "a", "room"), m.Join(b, "b", "room", "a")
		if err := m.Broadcast(nil, to); err != nil || a.delivered != 0 || b.delivered != 1 {
			t.Errorf("to %v: %v, %d for the sender, %d for its guest", to.Rooms, err, a.delivered, b.delivered)
		}
	}
}

// Many excluded rooms are not searched for each receiver, unless that is less work than to look at who is in them.
func TestManyExcludedRooms(t *testing.T) {
	a, _ := crowd(t, 200)
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("member-%014d", i), fmt.Sprintf("member-%014d", i))
	}
	rooms := a.resolve(nil, names)
	if len(rooms) != 100 {
		t.Fatalf("%d rooms, want each once", len(rooms))
	}
	x := exclusion{rooms: rooms}
	if x.prepare(200); len(x.members) != 100 {
		t.Errorf("%d members written down, want 100", len(x.members))
	}
	x = exclusion{rooms: append(a.resolve(nil, []string{"half 0"}), rooms[:8]...)}
	if x.prepare(5); x.members != nil {
		t.Error("a large room was written down for a few receivers")
	}
	for _, to := range []Target{{Except: names}, {Rooms: []string{"half 0", "half 1"}, Except: names}} {
		if n := len(a.members(&to)); n != 100 {
			t.Errorf("%d members left of 200", n)
		}
	}
}

// How many were asked is told once, before the first result; those who cannot be asked are not among them.
func TestDeliverWithAckTellsHowMany(t *testing.T) {
	m := New(fakeLocal{new(int)})
	for i, mute := range []bool{false, true, false} {
		_ = m.Join(&fakeMember{id: fmt.Sprint("m", i), mute: mute}, "room")
	}
	_ = m.Join(&fakeMember{id: "full", full: true}, "room")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	asked, results := 0, 0
	var last error
	for _, err := range m.DeliverWithAck(ctx, &parser.Packet{}, Target{}, func(n int) { asked += n }) {
		if last = err; err != nil {
			break
		}
		if results++; asked != 3 {
			t.Errorf("%d asked at result %d, want 3", asked, results)
		}
		if results == 2 {
			cancel()
		}
	}
	if results != 2 || last != context.Canceled {
		t.Errorf("%d results, %v", results, last)
	}
	for range m.DeliverWithAck(t.Context(), &parser.Packet{},
		Target{Rooms: []string{"nowhere"}}, func(n int) { asked += 100 + n }) {
		t.Error("a result of nobody")
	}
	if asked != 103 {
		t.Errorf("not told that nobody was asked: %d", asked)
	}
	never := func(int) { t.Error("told though nobody was asked") }
	for range m.DeliverWithAck(ctx, &parser.Packet{}, Target{}, never) {
	}
	_ = m.Close()
	for range m.DeliverWithAck(t.Context(), &parser.Packet{}, Target{}, never) {
	}
}

// An answer counts until the broadcast has ended, since who asked may keep it; a member that is disconnected is waited
// for no more before it has left.
func TestDeliverWithAckCountsAnswers(t *testing.T) {
	m := New(fakeLocal{new(int)})
	answers := &fakeMember{id: "answers"}
	_ = m.Join(answers, "room")
	_ = m.Join(&fakeMember{id: "gone", gone: true}, "room")
	var got []error
	for _, err := range m.BroadcastWithAck(t.Context(), &parser.Packet{}, Target{}) {
		if got = append(got, err); answers.held != 7 {
			t.Errorf("%d bytes held during the broadcast", answers.held)
		}
	}
	if len(got) != 2 || got[0] != nil || got[1] != ErrGone || answers.held != 0 {
		t.Errorf("results %v; %d bytes held", got, answers.held)
	}
}

// What embeds a Memory may wait, unless it says that it does not.
func TestInline(t *testing.T) {
	m := New(fakeLocal{})
	type embedding struct{ *Memory }
	if !Inline(m) || Inline(embedding{m}) || !Inline(inliner{m}) {
		t.Error("wrong answer")
	}
}

type inliner struct{ *Memory }

func (inliner) Inline() bool { return true }
