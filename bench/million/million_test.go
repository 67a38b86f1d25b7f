package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"sio.example/socketio/bench/internal/wsframe"
)

// TestMain lets this program be the one that measures a floor.
func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func needsProc(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
}

func TestAll(t *testing.T) {
	needsProc(t)
	var out, log bytes.Buffer
	profiles := t.TempDir()
	// 7 does not divide 1000; pings come, to be answered, all the time.
	args := []string{"-n", "1000", "-rooms", "7", "-rest", "200ms",
		"-ping", "50ms", "-broadcasts", "3", "-profile", profiles}
	if err := command(t.Context(), args, &out, &log); err != nil {
		t.Fatal(err, log.String())
	}
	for _, want := range []string{
		"1,000 connections in 7 rooms; ", "| | pairs | readers | server |", "| left over: goroutines |  |  | 0 |",
		"| goroutines for each | 0.00 | 1.00 | ", "| broadcast to a room of 142, median |",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	for _, name := range []string{"broadcast.cpu", "used.heap"} {
		if info, err := os.Stat(filepath.Join(profiles, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A server that forgets somebody, or does not answer, ends the run with an error.
func TestIncomplete(t *testing.T) {
	s := &settings{clients: 10, rooms: 2}
	m := &run{settings: s, log: io.Discard, crowd: newCrowd(10, 2)}
	m.serve()
	defer func() {
		if err := m.stop(); err != nil {
			t.Error(err)
		}
	}()
	if err := errors.Join(m.crowd.open(t.Context(), m.ln), m.crowd.wait(t.Context(), m.in)); err != nil {
		t.Fatal(err)
	}
	m.crowd.closed.Store(m.crowd.newCount(10, "closed", nil))
	m.crowd.shutdown.Store(true) // for the end

	late, cancel := context.WithCancelCause(t.Context())
	r := m.crowd.next(-1, "nothing", nil)
	cancel(errTooLate)
	if err := m.crowd.wait(late, r.count); !errors.Is(err, errTooLate) ||
		!strings.Contains(err.Error(), "10 of 10 clients") {
		t.Error(err)
	}
	// For a room that the clients believe to be another one.
	p := payload{0, 0, filling}
	r = m.crowd.next(1, p.wire(), nil)
	if err := m.io.To(roomName(0)).Emit("news", p); err != nil {
		t.Fatal(err)
	}
	if err := m.crowd.wait(t.Context(), r.count); err == nil || !strings.Contains(err.Error(), "of room 0 got") {
		t.Error(err)
	}
}

var errTooLate = errors.New("too late")

// frames are those of a server, in one write.
func frames(texts ...string) []byte {
	var all []byte
	for _, s := range texts {
		all = append(all, serverFrame(s)...)
	}
	return all
}

const answer101 = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: " + accepted + "\r\n\r\n"

func TestClient(t *testing.T) {
	w := newCrowd(2, 1)
	w.connected = w.newCount(1, "connected", nil)
	w.closed.Store(w.newCount(1, "closed", nil))
	c := &w.clients[1]
	step := func(p []byte, want []byte) {
		t.Helper()
		if got := c.Receive(p); !bytes.Equal(got, want) {
			t.Errorf("answer %q to %q, want %q", got, p, want)
		}
	}
	step([]byte(answer101), nil)
	step(frames("2", `0{"sid":"x"}`), append(bytes.Clone(pongFrame), connectFrame...))
	if bytes.Contains(pongFrame[:cap(pongFrame)], connectFrame) {
		t.Error("the frame that all share was written to")
	}
	step(frames(`40{"sid":"y"}`), nil)
	first := w.next(-1, "first", nil)
	step(frames("first"), nil)
	w.next(0, "second", nil)
	step(frames("2", "second"), pongFrame)
	if first.count.did.Load() != 1 || w.round.Load().count.did.Load() != 1 || w.connected.did.Load() != 1 {
		t.Error("not counted")
	}
	c.stage = leaving
	step(frames("2"), nil)
	step([]byte{0x80 | wsframe.Close, 2, 3, 232}, nil)
	c.Closed()
	if err := w.wait(t.Context(), w.closed.Load()); err != nil || c.stage != gone {
		t.Error(err)
	}
}

// Whatever a server does wrong is seen.
func TestFaults(t *testing.T) {
	normal := []byte{0x80 | wsframe.Close, 2, 3, 232}
	away := []byte{0x80 | wsframe.Close, 2, 3, 233}
	for name, test := range map[string]struct {
		stage  stage
		writes []string
		want   string
	}{
		"no upgrade": {upgrading, []string{"HTTP/1.1 400 Bad Request\r\n\r\n"}, "handshake"},
		"wrong key": {upgrading,
			[]string{"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n\r\n"}, "handshake"},
		"no session":        {opening, []string{string(frames(`40{"sid":"y"}`))}, "stage 1"},
		"refused":           {joining, []string{string(frames(`44{"message":"no"}`))}, "stage 2"},
		"other text":        {inside, []string{string(frames("news?"))}, "instead of"},
		"twice":             {inside, []string{string(frames("news")), string(frames("news"))}, "twice"},
		"twice in one":      {inside, []string{string(frames("news", "news"))}, "twice"},
		"a number":          {inside, []string{"\x82\x04news"}, "opcode 2"},
		"cut":               {inside, []string{"\x81\x04new"}, "missing"},
		"masked":            {inside, []string{"\x81\x84....news"}, "masked"},
		"end without cause": {inside, []string{string(normal)}, "close frame"},
		"going away":        {inside, []string{string(away)}, "close frame"},
		"wrong status":      {leaving, []string{string(away)}, "close frame"},
		"after the end":     {left, []string{string(frames("news"))}, "stage 5"},
	} {
		w := newCrowd(1, 1)
		w.connected = w.newCount(1, "connected", nil)
		w.clients[0].stage = test.stage
		w.next(-1, "news", nil).count.want = 2
		for _, p := range test.writes {
			w.clients[0].Receive([]byte(p))
		}
		if err := w.wrong(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}

	w := newCrowd(1, 1)
	w.clients[0].stage = inside
	w.clients[0].Receive(frames("news"))
	w.clients[0].Closed()
	r := w.next(-1, "news", nil)
	r.count.hit(nil)
	r.count.hit(nil)
	err := w.wait(t.Context(), w.newCount(1, "waited for", nil))
	for _, want := range []string{"3 wrong answers", "nothing was sent", "closed at stage 3", "one too many"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

func TestParse(t *testing.T) {
	for _, bad := range [][]string{
		{"-n", "1"}, {"-n", "10", "-rooms", "11"}, {"-rooms", "0"},
		{"-broadcasts", "0"}, {"-floor", "x"}, {"x"}, {"-x"},
	} {
		if _, err := parse(bad, io.Discard); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if s, err := parse(nil, io.Discard); err != nil || s.clients != 1_000_000 || s.rooms != 1_000 {
		t.Error(s, err)
	}
}

func TestEnough(t *testing.T) {
	if err := enough(1000, 1000*most); err != nil {
		t.Error(err)
	}
	err := enough(1000, 999*most)
	if err == nil || !strings.Contains(err.Error(), "at most -n 999 here") {
		t.Error(err)
	}
}

func TestMembers(t *testing.T) {
	w := newCrowd(10, 4)
	members := make([]int, 4)
	for i := range w.clients {
		members[w.clients[i].room()]++
	}
	for room, n := range members {
		if w.members(room) != n {
			t.Errorf("room %d has %d members, not %d", room, n, w.members(room))
		}
	}
	if w.members(-1) != 10 {
		t.Error(w.members(-1))
	}
}

func TestFigures(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 999: "999ns", 1234567: "1.23ms", 93_123_456_789: "1m33.1s", 8_376_000_000: "8.38s",
	} {
		if got := short(d); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := thousands(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	if m := median([]span{{Wall: 3}, {Wall: 1}, {Wall: 2}}); m.Wall != 2 {
		t.Error(m)
	}
}
