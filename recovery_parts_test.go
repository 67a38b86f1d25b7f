package socketio

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"sio.example/socketio/adapter"
)

// FuzzOffset: whatever a client sends as an offset is read or refused, and what was read means the same when it is
// written.
func FuzzOffset(f *testing.F) {
	var text [offsetSize]byte
	for _, n := range []uint64{0, 1, 127, 128, 1 << 20, maxNumber} {
		putOffset(text[:], logTag{1, 2, 3}, n)
		f.Add(string(text[:]))
	}
	f.Add("")
	f.Add("AQIDBAU")
	f.Add("AAAAAAAAAAAAAA")
	f.Add("1712345678901-0")
	f.Fuzz(func(t *testing.T, in string) {
		tag, n, ok := parseOffset(in)
		if !ok || n > maxNumber {
			return
		}
		var out [offsetSize]byte
		putOffset(out[:], tag, n)
		if tag2, n2, ok := parseOffset(string(out[:])); !ok || tag2 != tag || n2 != n {
			t.Errorf("%q is %v %d, and comes back as %v %d %v", in, tag, n, tag2, n2, ok)
		}
	})
}

// A placeholder is no offset, and as long as one.
func TestPlaceholder(t *testing.T) {
	for range 100 {
		p := newPlaceholder()
		if _, _, ok := parseOffset(p); ok || len(p) != offsetSize {
			t.Fatalf("%q", p)
		}
	}
}

// Rooms with times are what a plain list of all joins and leaves says, however many there are.
func TestStays(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 50 {
		var y stays
		var all []stay // an open one has no end
		const rooms = 40
		head := uint64(0)
		for range 60 {
			room := fmt.Sprint(rnd.IntN(rooms))
			if rnd.IntN(2) == 0 {
				head++
			}
			open := -1
			for i := range all {
				if all[i].room == room && all[i].to == now {
					open = i
				}
			}
			if rnd.IntN(3) > 0 {
				if y.join(room, head) != (open < 0) {
					t.Fatal("join")
				}
				if open < 0 {
					all = append(all, stay{room, head, now})
				}
			} else {
				if y.leave(room, head) != (open >= 0) {
					t.Fatal("leave")
				}
				if open >= 0 {
					all[open].to = head
				}
			}
		}
		for n := uint64(0); n <= head+1; n++ {
			for r := range rooms {
				room, want := fmt.Sprint(r), false
				for _, s := range all {
					want = want || s.room == room && n > s.from && n <= s.to
				}
				if got := y.match("id", &adapter.Target{Rooms: []string{room}}, n); got != want {
					t.Fatalf("round %d: room %s at %d: %v", round, room, n, got)
				}
				if got := y.match("id", &adapter.Target{Except: []string{room}}, n); got == want {
					t.Fatalf("round %d: but room %s at %d: %v", round, room, n, got)
				}
			}
		}
	}
}

// Of rooms that were left long ago only so many are remembered; what was before counts as missed.
func TestStaysAreBounded(t *testing.T) {
	var y stays
	for i := range uint64(1000) {
		y.join("room", i)
		y.leave("room", i+1)
	}
	if len(y.closed) > maxClosedStays {
		t.Errorf("%d are remembered", len(y.closed))
	}
	h := new(heads)
	if first := y.closed[0].from; !y.missed("id", h, first-1) || y.missed("id", h, first) {
		t.Error("what was forgotten does not count as missed, or what was not does")
	}
	y.begin(1000)
	y.join("room", 1001)
	y.leave("room", 1002)
	if len(y.closed) != 1 {
		t.Errorf("%d are remembered when no offset can be before", len(y.closed))
	}
}

// A log that remembers for too many rooms what it has dropped makes the older half "all".
func TestHeadsAreBounded(t *testing.T) {
	h := new(heads)
	for i := range uint64(1000) {
		to := adapter.Target{Rooms: []string{fmt.Sprint(i)}}
		if i%2 == 0 {
			to = adapter.Target{Socket: fmt.Sprint(i)}
		}
		h.note(i+1, &to, 100)
		if len(h.rooms)+len(h.sockets) > 100 {
			t.Fatalf("%d names", len(h.rooms)+len(h.sockets))
		}
	}
	if h.all < 900 || h.all > 960 || h.rooms["999"] != 1000 {
		t.Errorf("all is %d, the last one %d", h.all, h.rooms["999"])
	}
	h.note(1001, &adapter.Target{}, 100)
	if h.all != 1001 || len(h.rooms)+len(h.sockets) != 0 {
		t.Errorf("after one to all: %+v", h)
	}
}

// Of sessions that are over the latest are remembered.
func TestGravesAreBounded(t *testing.T) {
	var g graves
	for i := range 3 * maxGraves {
		g.add(fmt.Sprint(i), RecoveryEnded)
	}
	first, last := g.why[fmt.Sprint(2*maxGraves)], g.why[fmt.Sprint(3*maxGraves-1)]
	if len(g.why) != maxGraves || first != RecoveryEnded || last != RecoveryEnded {
		t.Errorf("%d are remembered", len(g.why))
	}
}
