package ends

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/test/internal/wire"
)

// namespaces are those that each session joins.
var namespaces = []string{"/", "/n"}

// An app is a server whose user notes what he is notified of.
type app struct {
	t       *testing.T
	io      *socketio.Server // nil if there is no more than an engine
	engine  *engineio.Server
	session *engineio.Socket // of an engine alone
	http    *httptest.Server
	streams string        // where streams are served
	parked  chan struct{} // gets one when a GET of a session begins to wait

	mu      sync.Mutex
	changed *sync.Cond
	users   map[string]*user // by namespace
}

// A user is who is notified, for one socket.
type user struct {
	socket  *socketio.Socket
	notes   []string // in order
	answers []error  // of the acknowledgement that was pending
	late    int      // events that came after the end
}

func newApp(t *testing.T) *app {
	a := &app{t: t, users: map[string]*user{}}
	a.changed = sync.NewCond(&a.mu)
	return a
}

// serve starts a Socket.IO server.
func serve(t *testing.T, opts *socketio.Options) *app {
	t.Helper()
	a := newApp(t)
	a.io = socketio.NewServer(opts)
	for _, name := range namespaces {
		a.io.Of(name).OnConnection(a.connected)
	}
	a.start(a.io, a.io.Engine())
	return a
}

// start serves sessions on all routes, until the test ends.
func (a *app) start(handler http.Handler, engine *engineio.Server) {
	a.engine = engine
	a.parked = make(chan struct{}, 100) // more than anybody polls
	a.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && r.URL.Query().Get("sid") != "" {
			r = r.WithContext(watched{r.Context(), a.parked})
		}
		handler.ServeHTTP(w, r)
	}))
	a.streams = serveStreams(a.t, engine)
	a.t.Cleanup(func() {
		_ = engine.Close()
		a.http.Close()
	})
}

// settle brings a session to the moment that its route is about.
func (a *app) settle(p *peer) {
	a.t.Helper()
	for len(a.parked) > 0 {
		<-a.parked // those from before
	}
	p.settle()
	if p.route == polling || p.route == upgrading {
		<-a.parked
	}
}

// A watched context tells when somebody begins to wait for its end.
type watched struct {
	context.Context
	waits chan struct{}
}

func (w watched) Done() <-chan struct{} {
	w.waits <- struct{}{}
	return w.Context.Done()
}

func (a *app) target() wire.Target { return wire.Target{Addr: a.http.Listener.Addr().String()} }

// connected is the user's code: a room, an event that is expected, one that is not, and an acknowledgement that
// stays pending.
func (a *app) connected(s *socketio.Socket) {
	u := &user{socket: s}
	a.mu.Lock()
	a.users[s.Namespace().Name()] = u
	a.mu.Unlock()
	note := func(change func()) {
		a.mu.Lock()
		defer a.mu.Unlock()
		change()
		a.changed.Broadcast()
	}
	s.OnDisconnecting(func(why socketio.DisconnectReason) {
		in := slices.Contains(s.Rooms(), "room")
		note(func() { u.notes = append(u.notes, fmt.Sprintf("disconnecting, in the room %t: %s", in, why)) })
	})
	s.OnDisconnect(func(why socketio.DisconnectReason) {
		cause := context.Cause(s.Context())
		note(func() { u.notes = append(u.notes, fmt.Sprintf("disconnected: %s, cause %v", why, cause)) })
	})
	s.On("late", func(context.Context, *socketio.Event) error {
		note(func() { u.late++ })
		return nil
	})
	s.On("echo", func(_ context.Context, e *socketio.Event) error { return e.Ack("echo") })
	if err := s.Join("room"); err != nil {
		a.t.Error(err)
	}
	answer := func(_ socketio.Args, err error) { note(func() { u.answers = append(u.answers, err) }) }
	if err := s.EmitFunc(context.Background(), "question", answer); err != nil {
		a.t.Error(err)
	}
}

// join connects a peer to the namespaces, and waits until each has asked its question.
func (a *app) join(p *peer) {
	a.t.Helper()
	for _, name := range namespaces {
		prefix := "4"
		if name == "/" {
			name = ""
		} else {
			name += ","
		}
		p.say(prefix + "0" + name)
		for _, want := range []string{"40" + name + `{"sid":`, "42" + name + `0["question"]`} {
			if got := p.next(); len(got) < len(want) || got[:len(want)] != want {
				a.t.Fatalf("%q came, not %q", got, want)
			}
		}
	}
}

// await waits until cond holds; it looks whenever the user was notified.
func (a *app) await(what string, cond func() bool) {
	a.t.Helper()
	over := false
	timer := time.AfterFunc(patience, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		over = true
		a.changed.Broadcast()
	})
	defer timer.Stop()
	a.mu.Lock()
	defer a.mu.Unlock()
	for !cond() {
		if over {
			a.t.Fatalf("%s did not happen", what)
		}
		a.changed.Wait()
	}
}

// awaitClosed waits until the server has closed the session.
func (a *app) awaitClosed() {
	a.t.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for a.engine.Count() > 0 {
		select {
		case <-again.C:
		case <-deadline:
			a.t.Fatal("the session did not end")
		}
	}
}

// wantNotified wants the user of a namespace to be notified once, with the reason, and the pending acknowledgement
// to fail.
func (a *app) wantNotified(name string, why socketio.DisconnectReason) {
	a.t.Helper()
	u := a.users[name]
	a.await("the end in "+name, func() bool { return len(u.notes) >= 2 && len(u.answers) >= 1 })
	a.mu.Lock()
	defer a.mu.Unlock()
	want := []string{
		"disconnecting, in the room true: " + string(why),
		fmt.Sprintf("disconnected: %s, cause %s", why, why),
	}
	if !slices.Equal(u.notes, want) {
		a.t.Errorf("notify %s: %q, want %q", name, u.notes, want)
	}
	if len(u.answers) != 1 || !errors.Is(u.answers[0], socketio.ErrDisconnected) {
		a.t.Errorf("notify %s: the acknowledgement was settled with %v", name, u.answers)
	}
	if err := u.socket.Emit("more"); !errors.Is(err, socketio.ErrDisconnected) {
		a.t.Errorf("notify %s: Emit returns %v, want %v", name, err, socketio.ErrDisconnected)
	}
}

// wantStopped wants no event to have been handled that was sent after the end.
func (a *app) wantStopped(name string) {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := a.users[name].late; n > 0 {
		a.t.Errorf("stop %s: %d events were handled after the end", name, n)
	}
}

// wantLeft wants a socket to be in no room and no list.
func (a *app) wantLeft(name string) {
	a.t.Helper()
	u := a.users[name]
	if rooms := u.socket.Rooms(); len(rooms) > 0 {
		a.t.Errorf("free %s: the socket is in the rooms %q", name, rooms)
	}
	if _, ok := a.io.Of(name).Socket(u.socket.ID()); ok {
		a.t.Errorf("free %s: the namespace has the socket", name)
	}
	if all, err := a.io.Of(name).To("room").FetchSockets(context.Background()); err != nil || len(all) > 0 {
		a.t.Errorf("free %s: the room has %d sockets, %v", name, len(all), err)
	}
}

// held is what the process holds.
type held struct{ goroutines, descriptors int }

func (h held) within(before held) bool {
	return h.goroutines <= before.goroutines && h.descriptors <= before.descriptors
}

func holds(t *testing.T) held {
	t.Helper()
	h := held{goroutines: runtime.NumGoroutine()}
	if files, err := os.ReadDir("/proc/self/fd"); err == nil { // Linux
		h.descriptors = len(files)
	}
	return h
}

// gauges are what the server says that it holds.
func (a *app) gauges() string {
	var sockets int64
	if a.io != nil {
		sockets = a.io.Stats().Sockets
	}
	e := a.engine.Stats()
	e.Memory.Limit = 0
	return fmt.Sprint(sockets, e.Sessions, e.Polling, e.WebSocket, e.WebTransport, e.Memory)
}

// wantFreed waits until what is held is no more than before, and the server's gauges are at zero.
func (a *app) wantFreed(before held) {
	a.t.Helper()
	none := fmt.Sprint(0, 0, 0, 0, 0, engineio.MemoryStats{})
	deadline := time.After(patience)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		now, gauges := holds(a.t), a.gauges()
		if gauges == none && now.within(before) {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			stacks := make([]byte, 1<<20)
			a.t.Fatalf("free: %+v is held, before %+v, and the gauges are %s\n%s", now, before, gauges,
				stacks[:runtime.Stack(stacks, true)])
		}
	}
}
