package attack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/test/internal/wire"
)

// A row is one input or fault, and the answer expected to it.
type row struct {
	id   string
	opts func(o *socketio.Options)
	run  func(e *env)

	// reject is the label under which the refusal is counted; times is how often (0: once; -1: at least once).
	reject string
	times  int
	// reason is why the sockets that e.connect opened ended, other than by the end of the row.
	reason socketio.DisconnectReason
	// warns says that the server may log a warning.
	warns bool
}

func rows() []row {
	return slices.Concat(httpRows, packetRows, oldRows, upgradeRows, handshakeRows, frameRows, deflateRows, eventRows,
		binaryRows, faultRows, recoveryRows)
}

func TestAttacks(t *testing.T) {
	seen := make(map[string]bool)
	for _, r := range rows() {
		if seen[r.id] {
			t.Errorf("two rows are called %s", r.id)
		}
		seen[r.id] = true
		t.Run(r.id, func(t *testing.T) { runRow(t, r) })
	}
}

// An env is the server under attack, and what is seen of it.
type env struct {
	*testing.T
	wire.Target
	io *socketio.Server

	mu      sync.Mutex
	logs    bytes.Buffer
	victims map[string]*victim // by socket id
	heard   []heard
	changed chan struct{} // closed and replaced at each change
	cleanup []func()
}

// A victim is a socket that e.connect opened.
type victim struct {
	disconnecting, disconnected []socketio.DisconnectReason
	attacked                    bool
}

// heard is an event that reached a handler.
type heard struct {
	name string
	args string // JSON
}

func runRow(t *testing.T, r row) {
	goroutines := runtime.NumGoroutine()
	e := start(t, r.opts)
	e.echo() // what is made once is made before the count
	e.settle(func() bool { return e.io.Stats().Engine.Sessions == 0 })
	descriptors := openFiles(t)
	e.update(func() { e.heard = nil })
	r.run(e)
	e.checkVictims(r.reason)
	e.echo()
	e.hangUp()
	if r.reason == "" {
		closeAll(e) // what goes on being served, as a polling session nobody closed
	}
	e.settle(func() bool { return e.io.Stats().Engine.Sessions == 0 && openFiles(t) <= descriptors })
	e.checkStats(r)
	e.checkLogs(r.warns)
	e.stop()
	wait(t, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines }, func() string {
		buf := make([]byte, 1<<20)
		return string(buf[:runtime.Stack(buf, true)])
	})
}

func start(t *testing.T, change func(*socketio.Options)) *env {
	e := &env{T: t, victims: make(map[string]*victim), changed: make(chan struct{})}
	o := &socketio.Options{Logger: slog.New(slog.NewTextHandler(locked{e},
		&slog.HandlerOptions{Level: slog.LevelDebug}))}
	if change != nil {
		change(o)
	}
	e.io = socketio.NewServer(o)
	e.app()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", e.io)
	hs := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes: 256 << 10, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	done := make(chan struct{})
	go func() { // owned by the env; ends when stop closes the server
		defer close(done)
		_ = hs.Serve(l)
	}()
	e.Target = wire.Target{Addr: l.Addr().String()}
	e.cleanup = append(e.cleanup, func() {
		_ = e.io.Close()
		_ = hs.Close()
		<-done
	})
	t.Cleanup(e.stop)
	return e
}

// app is what the rows talk to.
func (e *env) app() {
	for _, name := range []string{"/", "/admin"} {
		n := e.io.Of(name)
		n.OnConnection(e.watch)
		n.Handle("echo", func(_ context.Context, s *socketio.Socket, ev *socketio.Event) error {
			if ev.WantsAck() {
				return ev.Ack(ev.Args)
			}
			return s.Emit("echo", ev.Args)
		})
	}
	e.io.Of("/slow").Use(func(ctx context.Context, _ *socketio.Socket) error {
		<-ctx.Done()
		return ctx.Err()
	})
	e.io.OfFunc(func(_ context.Context, name string, _ socketio.Args) bool { return strings.HasPrefix(name, "/dyn-") })
}

// watch notes what happens to a socket.
func (e *env) watch(s *socketio.Socket) {
	v := new(victim)
	e.update(func() { e.victims[s.ID()] = v })
	s.OnDisconnecting(func(r socketio.DisconnectReason) {
		e.update(func() {
			v.disconnecting = append(v.disconnecting,
				r)
		})
	})
	s.OnDisconnect(func(r socketio.DisconnectReason) {
		e.update(func() {
			v.disconnected = append(v.disconnected,
				r)
		})
	})
	s.OnAny(func(_ context.Context, ev *socketio.Event) {
		args := "binary"
		if !ev.Args.HasBinary() {
			vs, err := ev.Args.Values()
			text, _ := json.Marshal(vs)
			if args = string(text); err != nil {
				args = err.Error()
			}
		}
		e.update(func() { e.heard = append(e.heard, heard{ev.Name, args}) })
	})
}

func (e *env) update(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
	close(e.changed)
	e.changed = make(chan struct{})
}

// patience is how long something may take. Nothing that passes waits for it.
const patience = 5 * time.Minute

// until waits for the app to have seen something.
func (e *env) until(what string, ok func() bool) {
	e.Helper()
	limit := time.After(patience)
	for {
		e.mu.Lock()
		done, changed := ok(), e.changed
		e.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-limit:
			e.Fatalf("waited in vain for %s", what)
		}
	}
}

// session opens an Engine.IO session; it is closed at the end of the row.
func (e *env) session(transport string) *wire.Session {
	e.Helper()
	open := wire.OpenWebSocket
	if transport == "polling" {
		open = wire.OpenPolling
	}
	s, err := open(e.Target, nil)
	if err != nil {
		e.Fatalf("open %s: %v", transport, err)
	}
	e.later(s.Abort)
	return s
}

// connect opens a session and joins the main namespace; the row says why the socket ends.
func (e *env) connect(transport string) *wire.Session {
	e.Helper()
	return e.join(e.session(transport))
}

// join joins the main namespace; from then on the session is a victim.
func (e *env) join(s *wire.Session) *wire.Session {
	e.Helper()
	id, err := s.Connect("/", "")
	if err != nil {
		e.Fatalf("connect: %v", err)
	}
	e.until("the connection", func() bool { return e.victims[id] != nil })
	e.update(func() { e.victims[id].attacked = true })
	return s
}

// socket is the server's end of a session in the main namespace.
func (e *env) socket(s *wire.Session) *socketio.Socket {
	e.Helper()
	for sock := range e.io.Sockets() {
		if sock.Conn().ID() == s.SID {
			return sock
		}
	}
	e.Fatal("no such socket")
	return nil
}

// both runs f with a connected session on each transport.
func (e *env) both(f func(s *wire.Session)) {
	e.Helper()
	f(e.connect("polling"))
	f(e.connect("websocket"))
}

// later runs f when the row is over.
func (e *env) later(f func()) { e.cleanup = append(e.cleanup, f) }

// hangUp ends what the row opened; the server itself, which came first, stays.
func (e *env) hangUp() {
	for _, f := range slices.Backward(e.cleanup[1:]) {
		f()
	}
	e.cleanup = e.cleanup[:1]
}

func (e *env) stop() {
	for _, f := range slices.Backward(e.cleanup) {
		f()
	}
	e.cleanup = nil
}

// echo is the first check after a row: a fresh client is served. With recovery an event ends in its offset.
func (e *env) echo() {
	e.Helper()
	s, err := wire.OpenWebSocket(e.Target, nil)
	if err != nil {
		e.Fatalf("a fresh client: %v", err)
	}
	defer s.Abort()
	if _, err := s.Connect("/", ""); err != nil {
		e.Fatalf("a fresh client: %v", err)
	}
	if err := s.Emit("echo", "hello"); err != nil {
		e.Fatalf("a fresh client: %v", err)
	}
	if _, err := s.Expect(`42["echo","hello"`); err != nil {
		e.Fatalf("a fresh client: %v", err)
	}
	if err := s.Close(); err != nil && !errors.Is(err, io.EOF) {
		e.Fatalf("a fresh client: %v", err)
	}
}

// alive checks that a session is served.
func (e *env) alive(s *wire.Session) {
	e.Helper()
	if err := s.Emit("echo", "alive"); err != nil {
		e.Fatalf("the session is not served: %v", err)
	}
	if _, err := s.Expect(`42["echo","alive"`); err != nil {
		e.Fatalf("the session is not served: %v", err)
	}
}

// settle waits for ok.
func (e *env) settle(ok func() bool) {
	e.Helper()
	wait(e.T, "the server to forget the attacker", ok, func() string {
		text, _ := json.Marshal(e.io.Stats())
		return string(text)
	})
}

func (e *env) checkVictims(reason socketio.DisconnectReason) {
	e.Helper()
	if reason == "" {
		e.mu.Lock()
		defer e.mu.Unlock()
		for id, v := range e.victims {
			if v.attacked && len(v.disconnected) > 0 {
				e.Errorf("socket %s was disconnected: %v", id, v.disconnected)
			}
		}
		return
	}
	n := 0
	e.until("the disconnection", func() bool {
		n = 0
		for _, v := range e.victims {
			if v.attacked {
				n++
				if len(v.disconnected) == 0 {
					return false
				}
			}
		}
		return true
	})
	if n == 0 {
		e.Errorf("no socket was attacked, and a reason is expected")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, v := range e.victims {
		want := []socketio.DisconnectReason{reason}
		if v.attacked && (!slices.Equal(v.disconnecting, want) || !slices.Equal(v.disconnected, want)) {
			e.Errorf("socket %s: disconnecting %q, disconnect %q; want %q once each",
				id, v.disconnecting, v.disconnected, reason)
		}
	}
}

func (e *env) checkStats(r row) {
	e.Helper()
	st := e.io.Stats()
	if st.Panics != 0 {
		e.Errorf("%d panics", st.Panics)
	}
	if r.reject == "" {
		return
	}
	n, want := st.Rejected[r.reject], uint64(max(r.times, 1))
	if r.times < 0 && n == 0 || r.times >= 0 && n != want {
		e.Errorf("counted %d times as %q, want %d; all: %v", n, r.reject, want, maps.Collect(maps.All(st.Rejected)))
	}
}

func (e *env) checkLogs(warns bool) {
	e.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for line := range bytes.Lines(e.logs.Bytes()) {
		cure := bytes.Contains(line, []byte(" cure=")) // of a set-up, as what was refused may come of one; once each
		_, level, _ := bytes.Cut(line, []byte(" "))    // behind the time; further on it may be in a name
		if bytes.HasPrefix(level, []byte("level=ERROR")) || !warns &&
			!cure && bytes.HasPrefix(level, []byte("level=WARN")) {
			e.Errorf("logged: %s", line)
		}
		if len(line) > 4096 {
			e.Errorf("a log line of %d bytes", len(line))
		}
		for _, b := range line[:len(line)-1] {
			if b < ' ' || b == 0x7f {
				e.Errorf("a log line with the byte %#x: %q", b, line)
				break
			}
		}
	}
}

// locked is the server's log.
type locked struct{ e *env }

func (l locked) Write(p []byte) (int, error) {
	l.e.update(func() { l.e.logs.Write(p) })
	return len(p), nil
}

// wait looks until ok; it fails the test after a time that only something stuck takes.
func wait(t *testing.T, what string, ok func() bool, detail func() string) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited in vain for %s: %s", what, detail())
		}
	}
}

func openFiles(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc here")
	}
	return len(list)
}
