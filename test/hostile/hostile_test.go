package hostile

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/test/internal/wire"
)

// A row is one thing a server says to a client, and what the client makes of it.
type row struct {
	id string
	// on are the transports: "polling", "websocket" and "upgraded", which is a WebSocket that began as polling. None
	// means the first two.
	on   []string
	opts func(o *client.Options)
	// run has the first session, in whose main namespace the client is.
	run func(e *env, s *session)
	// begin is run instead, before the client does anything; it may change the server.
	begin func(e *env)

	// reason is why the client's socket was disconnected; "" means that it must not have been.
	reason client.DisconnectReason
	status int    // of the client's close frame, if it is on WebSocket; 0 means that none is asked for
	text   string // in it
	heard  []heard
	any    bool // heard does not matter
	// lenient says that connecting may have failed, and failed says that handlers have.
	lenient, failed bool
	race            bool // whether the session survives does not matter
	// refused says that connecting fails the first time, with refuse in the error; for begin.
	refused bool
	refuse  string
	says    bool // it is the Socket.IO server who says no
	failure func(e *env, err *engineio.ClientError)
	alloc   uint64 // bytes that may be allocated beyond what is usual
	warns   bool   // the client may log a warning
}

func rows() []row {
	return slices.Concat(packetRows, openRows, upgradeRows, handshakeRows, frameRows, eventRows, binaryRows)
}

// TestHostile runs each row with a client and a server of its own, beside a client that nobody attacks.
func TestHostile(t *testing.T) {
	w := watch(t)
	held := heap()
	seen := make(map[string]bool)
	for _, r := range rows() {
		if seen[r.id] {
			t.Errorf("two rows are called %s", r.id)
		}
		seen[r.id] = true
		if r.on == nil {
			r.on = both
		}
		for _, transport := range r.on {
			t.Run(r.id+"/"+transport, func(t *testing.T) {
				runRow(t, r, transport)
				w.unharmed(t)
			})
		}
	}
	if n := heap() - held; n > 4<<20 { // some is of the tests themselves
		t.Errorf("%d bytes are still held", n)
	}
}

// heap is what is on it for good.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what has finalizers, or is in a pool
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

var (
	both      = []string{"polling", "websocket"}
	polling   = []string{"polling"}
	websocket = []string{"websocket"}
	sockets   = []string{"websocket", "upgraded"}
)

// A witness is a client in the same process that has a lawful server.
type witness struct {
	s  *client.Socket
	id string
}

func watch(t *testing.T) *witness {
	srv := listen(t)
	srv.open = func(sid string) string { // it is not pinged
		return fmt.Sprintf(`{"sid":"%s","upgrades":["websocket"],"pingInterval":1000000000,"pingTimeout":20000,`+
			`"maxPayload":1000000}`, sid)
	}
	s, err := client.Dial(t.Context(), srv.url(), &client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shutdown(t, s.Manager()) })
	w := &witness{s, s.ID()}
	wait(t, "the witness's upgrade", func() bool { return s.Manager().Engine().Transport() == "websocket" },
		func() string { return "" })
	w.unharmed(t)
	return w
}

func (w *witness) unharmed(t *testing.T) {
	t.Helper()
	if err := echo(w.s); err != nil || w.s.ID() != w.id {
		t.Errorf("the other client: %v", err)
	}
}

func echo(s *client.Socket) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	args, err := s.EmitWithAck(ctx, "echo", "hello")
	if err != nil {
		return err
	}
	var got string
	if err := args.Bind(&got); err != nil || got != "hello" {
		return fmt.Errorf("echo %q, %v", got, err)
	}
	return nil
}

func shutdown(t *testing.T, m *client.Manager) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := m.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// An env is the client under attack, and what is seen of it.
type env struct {
	*testing.T
	row
	transport string
	srv       *server
	opts      *client.Options
	m         *client.Manager
	s         *client.Socket

	mu          sync.Mutex
	logs        bytes.Buffer
	heard       []heard
	connects    int
	disconnects []client.DisconnectReason
	refusals    []error
	attempts    []int
	reconnects  []int
	faults      []error       // of handlers
	after       func()        // is run when the client is connected
	changed     chan struct{} // closed and replaced at each change
}

// heard is an event that reached a handler.
type heard struct {
	name string
	args string // JSON
}

func runRow(t *testing.T, r row, transport string) {
	goroutines, descriptors := runtime.NumGoroutine(), openFiles(t)
	var before, after runtime.MemStats
	e := start(t, r, transport)
	runtime.ReadMemStats(&before)
	var s *session
	if r.begin != nil {
		r.begin(e)
		e.m.Socket("/", nil).Open()
	} else {
		e.srv.hostile = 1
		s = e.connect()
		r.run(e, s)
	}
	e.check(s)
	runtime.ReadMemStats(&after)
	// All of the server's is in it, too, and of the log.
	if n, most := after.TotalAlloc-before.TotalAlloc, 24*uint64(e.srv.sent.Load())+16<<20+e.alloc; n > most {
		t.Errorf("%d bytes were allocated, for %d that were sent", n, e.srv.sent.Load())
	}
	shutdown(t, e.m)
	e.srv.close()
	e.checkLogs()
	wait(t, "the descriptors to be closed",
		func() bool { return openFiles(t) <= descriptors }, func() string { return "" })
	wait(t, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines }, stacks)
}

func stacks() string {
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

// start makes a server and a client that is not connected yet.
func start(t *testing.T, r row, transport string) *env {
	e := &env{T: t, row: r, transport: transport, srv: listen(t), changed: make(chan struct{})}
	e.opts = &client.Options{
		ReconnectionDelay:   5 * time.Millisecond,
		RandomizationFactor: -1,
		Logger:              slog.New(slog.NewTextHandler(locked{e}, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OnError: func(_ context.Context, _ *client.Socket, _ *client.Event, err error) {
			e.update(func() { e.faults = append(e.faults, err) })
		},
	}
	e.opts.Engine.Transports = []string{transport}
	if transport == "upgraded" {
		e.opts.Engine.Transports = nil
	}
	if r.opts != nil {
		r.opts(e.opts)
	}
	e.m = client.NewManager(e.srv.url(), e.opts)
	e.m.OnReconnectAttempt(func(n int) { e.update(func() { e.attempts = append(e.attempts, n) }) })
	e.m.OnReconnect(func(n int) { e.update(func() { e.reconnects = append(e.reconnects, n) }) })
	e.s = e.m.Socket("/", nil)
	e.s.OnConnect(func() { e.update(func() { e.connects++ }) })
	e.s.OnConnectError(func(err error) { e.update(func() { e.refusals = append(e.refusals, err) }) })
	e.s.OnDisconnect(func(r client.DisconnectReason) { e.update(func() { e.disconnects = append(e.disconnects, r) }) })
	e.listen(e.s)
	t.Cleanup(func() { _ = e.m.Close() })
	return e
}

// listen notes the events of a socket.
func (e *env) listen(s *client.Socket) {
	s.OnAny(func(_ context.Context, ev *client.Event) {
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
	s.On("echo", func(_ context.Context, ev *client.Event) error {
		if ev.WantsAck() {
			return ev.Ack(ev.Args)
		}
		return s.Emit("echo", ev.Args)
	})
}

func (e *env) update(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
	close(e.changed)
	e.changed = make(chan struct{})
}

// until waits for the client's handlers to have seen something.
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
			e.mu.Lock()
			defer e.mu.Unlock()
			e.Fatalf("waited in vain for %s; connects %d, disconnects %v, refusals %v, heard %.300v\n%s",
				what, e.connects, e.disconnects, e.refusals, e.heard, e.logs.Bytes())
		}
	}
}

// connect connects the client to a session that is the row's.
func (e *env) connect() *session {
	e.Helper()
	e.s.Open()
	s := e.srv.first()
	if e.transport == "upgraded" {
		select {
		case <-s.upgraded:
		case <-time.After(patience):
			e.Fatal("the client does not upgrade")
		}
	}
	s.join("/")
	e.until("the connection", func() bool { return e.connects == 1 })
	if e.transport == "upgraded" { // to the client as well
		wait(e.T, "the upgrade", func() bool { return e.m.Engine().Transport() == "websocket" },
			func() string { return "" })
	}
	return s
}

// join has the client join another namespace, too.
func (e *env) join(s *session, namespace string) *client.Socket {
	e.Helper()
	sock := e.m.Socket(namespace, nil)
	connected := make(chan struct{}, 100)
	off := sock.OnConnect(func() { connected <- struct{}{} })
	defer off()
	e.listen(sock)
	sock.Open()
	s.join(namespace)
	select {
	case <-connected:
	case <-time.After(patience):
		e.Fatalf("the client is not connected to %s", namespace)
	}
	return sock
}

// check is what must be so after each row.
func (e *env) check(s *session) {
	e.Helper()
	switch {
	case e.refused || e.refuse != "":
		e.checkRefused()
	case e.reason == "":
		if s != nil {
			e.srv.wg.Go(s.echo)
		}
		e.until("the connection", func() bool { return e.connects > 0 })
		if e.after != nil {
			e.after()
		}
	default:
		e.until("the disconnection", func() bool { return len(e.disconnects) > 0 })
		if s != nil && s.onWebSocket() && e.status != 0 {
			if status, text := s.closeFrame(); status != e.status || e.text != "" && text != e.text || len(text) > 40 {
				e.Errorf("closed with %d %q, want %d %q", status, text, e.status, e.text)
			}
		}
		e.checkBack()
	}
	err := echo(e.s)
	if e.race && errors.Is(err, client.ErrDisconnected) {
		err = echo(e.s)
	}
	if err != nil {
		e.Errorf("the client is not served: %v", err)
	}
	e.hears(e.row.heard...)
	e.mu.Lock()
	defer e.mu.Unlock()
	var want []client.DisconnectReason
	if e.reason != "" {
		want = append(want, e.reason)
	}
	if !e.race && !slices.Equal(e.disconnects, want) {
		e.Errorf("disconnected: %q, want %q", e.disconnects, want)
	}
	if !e.refused && e.refuse == "" && !e.lenient && len(e.refusals) > 0 {
		e.Errorf("refused: %v", e.refusals)
	}
	if len(e.faults) > 0 {
		e.Errorf("faults: %v", e.faults)
	}
}

// checkRefused waits for connecting to have failed, and then to have worked.
func (e *env) checkRefused() {
	e.Helper()
	e.until("the refusal", func() bool { return len(e.refusals) > 0 })
	e.mu.Lock()
	err := e.refusals[0]
	e.mu.Unlock()
	if !strings.Contains(err.Error(), e.refuse) || !e.row.says && len(err.Error()) > 500 {
		e.Errorf("refused: %.1000v, want %s", err, e.refuse)
	}
	var failure *engineio.ClientError
	if failed := errors.As(err, &failure); failed == e.row.says || failed && failure.Transport != e.transport {
		e.Errorf("refused: %T %v", err, err)
	}
	if failure != nil && e.failure != nil {
		e.failure(e, failure)
	}
	if e.row.says { // nothing is tried again
		if e.s.Active() {
			e.Error("a socket that was refused is active")
		}
		e.s.Open()
	}
	e.until("the connection", func() bool { return e.connects > 0 })
}

// checkBack sees the client come back, by itself if the reason says so.
func (e *env) checkBack() {
	e.Helper()
	if e.reason == client.ReasonServerDisconnect {
		if e.s.Active() {
			e.Error("a socket that the server disconnected is active")
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := e.s.Connect(ctx); err != nil {
			e.Errorf("Connect: %v", err)
		}
	} else {
		e.until("the reconnection", func() bool { return len(e.reconnects) > 0 })
		e.mu.Lock()
		if !slices.Equal(e.attempts, []int{1}) || !slices.Equal(e.reconnects, []int{1}) {
			e.Errorf("reconnection attempts %v, reconnected %v", e.attempts, e.reconnects)
		}
		e.mu.Unlock()
	}
	e.until("the connection", func() bool { return e.connects == 2 })
}

// hears wants handlers to have heard of this, in order, and of nothing else.
func (e *env) hears(want ...heard) {
	e.Helper()
	if e.any {
		return
	}
	e.until(fmt.Sprintf("%d events", len(want)), func() bool { return len(e.heard) >= len(want) })
	e.mu.Lock()
	defer e.mu.Unlock()
	if !slices.Equal(e.heard, want) {
		e.Errorf("heard %.300v, want %.300v", e.heard, want)
	}
}

var logLevel = regexp.MustCompile(`^time=\S+ level=(\w+) `)

func (e *env) checkLogs() {
	e.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for line := range bytes.Lines(e.logs.Bytes()) {
		level := logLevel.FindSubmatch(line) // not what somebody wrote into a text
		if level == nil || string(level[1]) == "ERROR" || !e.warns &&
			e.reason != client.ReasonParseError && string(level[1]) == "WARN" {
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

// locked is the client's log.
type locked struct{ e *env }

func (l locked) Write(p []byte) (int, error) {
	l.e.update(func() { l.e.logs.Write(p) })
	return len(p), nil
}

// wait looks until ok; it fails the test after a time that only something stuck takes.
func wait(t *testing.T, what string, ok func() bool, detail func() string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
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

// txts are text packets.
func txts(texts ...string) []wire.Packet {
	var ps []wire.Packet
	for _, text := range texts {
		ps = append(ps, wire.Txt(text))
	}
	return ps
}

// lettered makes one row of each input: P-1a, P-1b and so on; like one when there is one only.
func lettered[T any](id string, like row, run func(e *env, s *session, input T), inputs ...T) []row {
	var all []row
	for i, input := range inputs {
		r := like
		r.id = id
		if len(inputs) > 1 {
			r.id += letters(i)
		}
		r.run = func(e *env, s *session) { run(e, s, input) }
		all = append(all, r)
	}
	return all
}

func letters(i int) string {
	if i < 26 {
		return string(rune('a' + i))
	}
	return letters(i/26-1) + letters(i%26)
}
