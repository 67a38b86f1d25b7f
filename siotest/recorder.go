package siotest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/event"
	"sio.example/socketio/parser"
)

// A Kind is what an Entry of a Recorder is about. The kinds are called as in the JavaScript API.
type Kind string

// The kinds.
const (
	KindConnect      Kind = "connect"       // a client's socket has connected
	KindConnectError Kind = "connect_error" // connecting failed: Err
	KindConnection   Kind = "connection"    // a socket has connected to a namespace of the server
	KindDisconnect   Kind = "disconnect"    // a client's or a server's socket was disconnected: Reason
	KindEvent        Kind = "event"         // one was received: Name, Args, Ack

	KindOpen             Kind = "open"              // a Manager has opened a connection
	KindClose            Kind = "close"             // it has ended: Reason, Err
	KindError            Kind = "error"             // it could not be opened: Err
	KindReconnectAttempt Kind = "reconnect_attempt" // a Manager tries again: Attempt
	KindReconnect        Kind = "reconnect"         // with success: Attempt
	KindReconnectError   Kind = "reconnect_error"   // without: Err
	KindReconnectFailed  Kind = "reconnect_failed"  // a Manager gave up

	KindNote Kind = "note" // something of the test's own: Name
)

// An Entry is one thing that was recorded.
type Entry struct {
	At      time.Duration // since the Recorder was made
	Source  string        // the label it is recorded under
	Kind    Kind
	Name    string      // of an event, or the text of a note
	Args    parser.Args // of an event
	Ack     bool        // the event asks for an acknowledgement
	Reason  string
	Attempt int
	Err     error
}

// String is the entry as a line: its kind and what belongs to it, or for an event its name and arguments.
//
//	connect
//	connect_error not allowed
//	chat message ["hello",{"to":"all"}]
//	disconnect ping timeout
//	reconnect_attempt 2
//
// With a label it begins with that, as in "ada: connect".
func (e Entry) String() string {
	s := string(e.Kind)
	switch e.Kind {
	case KindEvent:
		s = e.Name + " " + Text(e.Args)
	case KindNote:
		s = e.Name
	case KindDisconnect, KindClose:
		s += " " + e.Reason
	case KindConnectError, KindError, KindReconnectError:
		s += " " + fmt.Sprint(e.Err)
	case KindReconnectAttempt, KindReconnect:
		s += fmt.Sprintf(" %d", e.Attempt)
	}
	if e.Source != "" {
		s = e.Source + ": " + s
	}
	return s
}

// Matches reports whether line is the entry's String, or its beginning up to a space: "disconnect" matches every
// disconnection, "chat message" every event of that name.
func (e Entry) Matches(line string) bool {
	rest, ok := strings.CutPrefix(e.String(), line)
	return ok && (rest == "" || rest[0] == ' ')
}

// A Recorder writes down what sockets experience, in order, and compares it with what a test expects. Each entry is
// taken once: by Next, Wait, Expect or Rest. If the test fails, all that was recorded is part of its output.
//
// Anything may be recorded at any time, from any goroutine; but only the test's goroutine may wait and expect, because
// that may end the test. Waiting ends after 30 s, on virtual time after an hour; see SetPatience.
type Recorder struct {
	tb       testing.TB
	start    time.Time
	patience time.Duration // guarded by nothing: set before it is used

	mu      sync.Mutex
	entries []Entry
	taken   int
	changed chan struct{} // closed and replaced with each entry
}

// NewRecorder returns a Recorder that records nothing yet.
func NewRecorder(tb testing.TB) *Recorder {
	r := &Recorder{tb: tb, start: time.Now(), patience: defaultPatience(), changed: make(chan struct{})}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("siotest: recorded:\n%s", r)
		}
	})
	return r
}

// SetPatience says how long the methods of r wait. It must be called before they are.
func (r *Recorder) SetPatience(d time.Duration) { r.patience = d }

// Client records what s experiences from now on: that it connects, can't connect, is disconnected, and all events.
// label may be empty.
func (r *Recorder) Client(label string, s *client.Socket) {
	s.OnConnect(func() { r.add(Entry{Source: label, Kind: KindConnect}) })
	s.OnConnectError(func(err error) { r.add(Entry{Source: label, Kind: KindConnectError, Err: err}) })
	s.OnDisconnect(func(reason client.DisconnectReason) {
		r.add(Entry{Source: label, Kind: KindDisconnect, Reason: string(reason)})
	})
	s.OnAny(r.event(label))
}

// Manager records what m experiences from now on: its connections, and its attempts to reconnect. They are not in a
// fixed order with what its sockets experience at the same moment.
func (r *Recorder) Manager(label string, m *client.Manager) {
	m.OnOpen(func() { r.add(Entry{Source: label, Kind: KindOpen}) })
	m.OnClose(func(reason client.DisconnectReason, err error) {
		r.add(Entry{Source: label, Kind: KindClose, Reason: string(reason), Err: err})
	})
	m.OnError(func(err error) { r.add(Entry{Source: label, Kind: KindError, Err: err}) })
	m.OnReconnectAttempt(func(n int) { r.add(Entry{Source: label, Kind: KindReconnectAttempt, Attempt: n}) })
	m.OnReconnect(func(n int) { r.add(Entry{Source: label, Kind: KindReconnect, Attempt: n}) })
	m.OnReconnectError(func(err error) { r.add(Entry{Source: label, Kind: KindReconnectError, Err: err}) })
	m.OnReconnectFailed(func() { r.add(Entry{Source: label, Kind: KindReconnectFailed}) })
}

// Namespace records what the server's sockets in n experience from now on: that they connect, are disconnected, and all
// events. To go on after Server.Start, call it in Options.Setup.
func (r *Recorder) Namespace(label string, n *socketio.Namespace) {
	n.OnConnection(func(s *socketio.Socket) {
		r.add(Entry{Source: label, Kind: KindConnection})
		s.OnAny(r.event(label))
		s.OnDisconnect(func(reason socketio.DisconnectReason) {
			r.add(Entry{Source: label, Kind: KindDisconnect, Reason: string(reason)})
		})
	})
}

// Note records something of the test's own.
func (r *Recorder) Note(format string, args ...any) {
	r.add(Entry{Kind: KindNote, Name: fmt.Sprintf(format, args...)})
}

func (r *Recorder) event(label string) func(context.Context, *event.Event) {
	return func(_ context.Context, e *event.Event) {
		r.add(Entry{Source: label, Kind: KindEvent, Name: e.Name, Args: e.Args, Ack: e.WantsAck()})
	}
}

func (r *Recorder) add(e Entry) {
	e.At = time.Since(r.start)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries = append(r.entries, e)
	close(r.changed)
	r.changed = make(chan struct{})
}

// Next takes the next entry. It waits until there is one, and ends the test if none comes.
func (r *Recorder) Next() Entry {
	r.tb.Helper()
	ctx, cancel := r.deadline()
	defer cancel()
	e, ok := r.next(ctx)
	if !ok {
		r.tb.Fatalf("siotest: nothing recorded for %v", r.patience)
	}
	return e
}

// Wait takes entries up to the first that matches line, which it returns; see Entry.Matches. It waits until there is
// one, and ends the test if none comes.
func (r *Recorder) Wait(line string) Entry {
	r.tb.Helper()
	return r.wait(fmt.Sprintf("%q", line), func(e Entry) bool { return e.Matches(line) })
}

// WaitFunc is Wait for the first entry for which match returns true.
func (r *Recorder) WaitFunc(match func(e Entry) bool) Entry {
	r.tb.Helper()
	return r.wait("what is waited for", match)
}

func (r *Recorder) wait(what string, match func(e Entry) bool) Entry {
	r.tb.Helper()
	ctx, cancel := r.deadline()
	defer cancel()
	for {
		e, ok := r.next(ctx)
		if !ok {
			r.tb.Fatalf("siotest: %s is not recorded after %v", what, r.patience)
		}
		if match(e) {
			return e
		}
	}
}

// Expect takes as many entries as there are lines, and waits until there are so many. It ends the test with both lists
// side by side unless each entry matches its line; see Entry.Matches.
func (r *Recorder) Expect(lines ...string) {
	r.tb.Helper()
	ctx, cancel := r.deadline()
	defer cancel()
	var got []Entry
	for _, line := range lines {
		e, ok := r.next(ctx)
		if ok {
			got = append(got, e)
		}
		if !ok || !e.Matches(line) {
			got = append(got, r.Rest()...)
			r.tb.Fatalf("siotest: recorded is not what is expected:\n%s", compare(lines, got))
		}
	}
}

// ExpectNothing ends the test if there is an entry that was not taken yet. It does not wait; on virtual time call
// synctest.Wait before it.
func (r *Recorder) ExpectNothing() {
	r.tb.Helper()
	if rest := r.Rest(); len(rest) > 0 {
		r.tb.Fatalf("siotest: recorded, though nothing is expected:\n%s", compare(nil, rest))
	}
}

// Rest takes all entries that there are.
func (r *Recorder) Rest() []Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	rest := r.entries[r.taken:]
	r.taken = len(r.entries)
	return rest[:len(rest):len(rest)]
}

// All is all that was recorded, taken or not.
func (r *Recorder) All() []Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entries[:len(r.entries):len(r.entries)]
}

// String is all that was recorded, with its times.
func (r *Recorder) String() string {
	var b strings.Builder
	for _, e := range r.All() {
		fmt.Fprintf(&b, "%10v  %s\n", e.At, e)
	}
	return b.String()
}

func (r *Recorder) deadline() (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.Background(), r.patience, errors.New("siotest: out of patience"))
}

// next takes an entry; ok is false if ctx ends before there is one.
func (r *Recorder) next(ctx context.Context) (e Entry, ok bool) {
	for {
		r.mu.Lock()
		if r.taken < len(r.entries) {
			e = r.entries[r.taken]
			r.taken++
			r.mu.Unlock()
			return e, true
		}
		changed := r.changed
		r.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return Entry{}, false
		}
	}
}
