package client

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sio.example/socketio/test/internal/faultproxy"
)

// notes is how many notes the client writes in the dialogue of a sweep, half of them before it is connected.
const notes = 12

// A cutting is one place and way to break the dialogue.
type cutting struct {
	direction faultproxy.Direction
	at        int64
	ending    faultproxy.Ending
	one       bool // only the connection that carries the byte
	retries   bool
}

func (c cutting) String() string {
	scope, mode := "all", "once"
	if c.one {
		scope = "one"
	}
	if c.retries {
		mode = "retries"
	}
	return fmt.Sprintf("%v at %d, %v %s, %s", c.direction, c.at, c.ending, scope, mode)
}

// TestCuts breaks the dialogue from the first byte through the upgrade, at many places. Each time the client must come
// back, what was acknowledged must have been received, and nothing may be received twice that was not to be sent twice.
// SIO_CUTS is at how many places in each direction; 48 by default.
func TestCuts(t *testing.T) {
	official := officialSide(startScript(t, "official_server.js"))
	for _, sd := range []side{official, ourSide} {
		t.Run(sd.name, func(t *testing.T) {
			for _, d := range []faultproxy.Direction{faultproxy.Up, faultproxy.Down} {
				total := cutAt(t, sd, nil).Passed(d)
				places := int64(48)
				if n, err := strconv.Atoi(os.Getenv("SIO_CUTS")); err == nil {
					places = int64(n)
				}
				for i := range places {
					c := cutting{
						direction: d, at: i * total / (places - 1),
						ending: faultproxy.Ending(i % 2), one: i/2%2 == 1, retries: i/4%2 == 1,
					}
					if !t.Run(c.String(), func(t *testing.T) { cutAt(t, sd, &c) }) {
						return // one is enough to look into
					}
				}
			}
		})
	}
}

// cutAt plays the dialogue with a cut, or without.
func cutAt(t *testing.T, sd side, c *cutting) *faultproxy.Proxy {
	t.Helper()
	var socket socketOptions
	sc := scenario{
		options: func(_ *peerOptions, s *serverOptions) { s.PingInterval, s.PingTimeout = 400, 600 },
	}
	var proxy *faultproxy.Proxy
	var done <-chan struct{} // closed by the cut
	sc.play = func(r *run) {
		proxy = r.proxy
		for _, source := range sources {
			r.ignore(source) // they depend on where the cut is; what counts is looked at below
		}
		if c != nil {
			arm := r.proxy.Cut
			if c.one {
				arm = r.proxy.CutOne
			}
			done = arm(c.direction, c.at, c.ending)
			if c.retries {
				socket = socketOptions{Retries: 1000, AckTimeout: 2000}
			}
		}
		r.dialogue(socket, c, done)
	}
	before := take(t)
	play(t, sc, sd, ourKind, modes[2])
	settle(t, before)
	return proxy
}

// dialogue is what is broken.
func (r *run) dialogue(o socketOptions, c *cutting, done <-chan struct{}) {
	r.Helper()
	r.peer.open(r.T, "/", o)
	r.peer.emit(r.T, "/", "push", 10)
	note := func(i int) { r.peer.ask(r.T, "/", fmt.Sprintf("ack %d", i), "note", i) }
	for i := 1; i <= notes/2; i++ {
		note(i)
	}
	r.peer.connect(r.T, "/")
	r.peer.record(r.T, "manager", 0, 1, patience) // open, or an error
	for i := notes/2 + 1; i <= notes; i++ {
		note(i)
	}
	acks := r.peer.record(r.T, "/ acks", 0, notes, patience)
	if len(acks) != notes {
		r.Fatalf("%d of %d notes have come to an end", len(acks), notes)
	}
	if c == nil {
		r.upgraded()
	}

	// After the cut, wherever it was, everything works.
	if !r.proxy.Disarm() && done != nil {
		<-done
	}
	end := r.untilAcknowledged()
	r.check(acks, c != nil && c.retries, c == nil)
	before := len(r.peer.record(r.T, "/", 0, 0, 0))
	r.peer.emit(r.T, "/", "push", 3)
	r.peer.ask(r.T, "/", "pushed", "echo", "after the ticks")
	r.peer.record(r.T, "/ acks", end, 1, patience)
	if got, want := r.peer.record(r.T, "/", before, 3, patience), every("tick", 1, 3); !slices.Equal(got, want) {
		r.Errorf("in the end the client got %q, want %q", got, want)
	}
	r.peer.disconnect(r.T, "/")
}

// untilAcknowledged asks until an answer comes: until then the connection may still break, or be about to be found
// broken. It returns how many acknowledgements there are.
func (r *run) untilAcknowledged() int {
	r.Helper()
	deadline := time.Now().Add(patience)
	for count := notes; ; count++ {
		r.peer.ask(r.T, "/", "end", "echo", "end")
		got := r.peer.record(r.T, "/ acks", count, 1, patience)
		switch {
		case len(got) == 0 || time.Now().After(deadline):
			r.Fatalf("nothing is acknowledged any more: %q", got)
		case got[0] == `end ["end"]`:
			return count + 1
		}
	}
}

// check compares what the client believes with what the server has received.
func (r *run) check(acks []string, retries, unbroken bool) {
	r.Helper()
	received := map[string]int{}
	last := 0
	for _, got := range r.srv.record(r.T, "/", 0, 0, 0) {
		var number int
		if n, _ := fmt.Sscanf(got, "note %d", &number); n != 1 {
			continue
		}
		if received[got]++; received[got] == 1 {
			if number < last {
				r.Errorf("note %d came behind %d", number, last)
			}
			last = number
		}
	}
	for i := 1; i <= notes; i++ {
		text := fmt.Sprintf("note %d", i)
		acked := slices.Contains(acks, entry(fmt.Sprintf("ack %d", i), []any{"noted", i}))
		lost := slices.Contains(acks, fmt.Sprintf("ack %d disconnected", i))
		switch n := received[text]; {
		case acked == lost:
			r.Errorf("%s: acknowledged %v, lost %v", text, acked, lost)
		case acked && n == 0:
			r.Errorf("%s was acknowledged, but not received", text)
		case n > 1 && !retries:
			r.Errorf("%s was received %d times", text, n)
		case lost && (retries || unbroken):
			r.Errorf("%s was given up", text)
		}
	}
	r.checkTicks()
}

// checkTicks: of ten ticks the first ones came, once, in order; with retries more than one push may have been made.
func (r *run) checkTicks() {
	r.Helper()
	next := 1
	for _, got := range r.peer.record(r.T, "/", 0, 0, 0) {
		if !strings.HasPrefix(got, "tick ") {
			next = 1 // a connection has ended or begun
			continue
		}
		if want := fmt.Sprintf("tick %d", next); got != want {
			r.Errorf("got %q, want %q", got, want)
		}
		next++
	}
}
