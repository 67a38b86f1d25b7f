package client

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sio.example/socketio/test/internal/faultproxy"
)

// A mode is a list of transports, and where it leads.
type mode struct {
	name     string
	client   []string
	server   []string // default both
	tryAll   bool
	lands    string // the transport in the end
	upgrades bool
}

var modes = []mode{
	{name: "polling", client: []string{"polling"}, lands: "polling"},
	{name: "websocket", client: []string{"websocket"}, lands: "websocket"},
	{name: "upgrade", client: []string{"polling", "websocket"}, lands: "websocket", upgrades: true},
	{name: "tryall", client: []string{"websocket", "polling"},
		server: []string{"polling"}, tryAll: true, lands: "polling"},
}

// lost is the reason that the client gives when its connection breaks while nothing is sent.
func (m mode) lost() string {
	if m.lands == "polling" {
		return "transport error" // the poll fails
	}
	return "transport close"
}

// unreachable is the error of an attempt that cannot connect.
func (m mode) unreachable() string {
	if m.client[0] == "polling" || m.tryAll {
		return "xhr poll error"
	}
	return "websocket error"
}

// A run is one scenario with one client, one server and one mode.
type run struct {
	*testing.T
	mode
	side  side
	kind  kind
	proxy *faultproxy.Proxy
	srv   server
	peer  peer

	serverOptions serverOptions
	options       peerOptions
	seen          map[string]int // entries of the peer's records that were expected
	heard         map[string]int // and of the server's
	ignored       []string       // records that nobody looks at in the end
}

// A scenario is what happens. Its options may be changed before the server and the client are made.
type scenario struct {
	name    string
	options func(o *peerOptions, s *serverOptions)
	play    func(r *run)
	only    func(m mode) bool                        // which modes; default all
	skip    func(t *testing.T, client kind, sd side) // skips what one of them cannot do, and says why
}

// play runs a scenario from a bare process back to a bare process.
func play(t *testing.T, sc scenario, sd side, k kind, m mode) {
	t.Helper()
	r := &run{T: t, mode: m, side: sd, kind: k, seen: map[string]int{}, heard: map[string]int{}}
	r.serverOptions = serverOptions{Transports: m.server}
	r.options = peerOptions{
		Transports: m.client, TryAllTransports: m.tryAll,
		Reconnection: true, ReconnectionDelay: 10, ReconnectionDelayMax: 40, Timeout: 20000,
	}
	if sc.options != nil {
		sc.options(&r.options, &r.serverOptions)
	}
	r.srv = sd.start(t, 0, r.serverOptions)
	proxy, err := faultproxy.Start(r.srv.addr())
	if err != nil {
		t.Fatal(err)
	}
	r.proxy = proxy
	r.peer = k.make(t, "http://"+proxy.Addr(), r.options)
	defer func() { // also after Fatal: what is left behind would be counted as another scenario's
		if t.Failed() {
			r.dump()
		}
		r.peer.end(t)
		proxy.Close()
		r.srv.stop(t, false)
	}()
	sc.play(r)
	r.nothingElse()
}

// expect waits for the next entries of one of the peer's records, which must be these.
func (r *run) expect(source string, want ...string) {
	r.Helper()
	r.next("client", source, r.seen, want, r.peer.record)
}

// ignore gives up on what else a record will have.
func (r *run) ignore(source string) { r.ignored = append(r.ignored, source) }

// received waits for the next entries of one of the server's records.
func (r *run) received(source string, want ...string) {
	r.Helper()
	r.next("server", source, r.heard, want, r.srv.record)
}

// A reader reads records of one end.
type reader func(t *testing.T, source string, from, count int, limit time.Duration) []string

func (r *run) next(end, source string, seen map[string]int, want []string, read reader) {
	r.Helper()
	for done := 0; done < len(want); {
		got := read(r.T, source, seen[source], done+1, patience)
		if len(got) <= done {
			r.Fatalf("%s, record of %q:\n got %q\nwant %q", end, source, got, want)
		}
		for ; done < min(len(got), len(want)); done++ {
			if got[done] != want[done] {
				r.Fatalf("%s, record of %q, entry %d:\n got %q\nwant %q", end, source, done, got, want)
			}
		}
	}
	seen[source] += len(want)
}

// gone waits until the server knows that the socket has left, for whatever reason.
func (r *run) gone(nsp string) {
	r.Helper()
	source := nsp + " gone"
	if got := r.srv.record(r.T, source, r.heard[source], 1, patience); len(got) != 1 {
		r.Fatalf("server, record of %q: %q", source, got)
	}
	r.heard[source]++
}

// nothingElse fails for entries that nobody expected.
func (r *run) nothingElse() {
	r.Helper()
	for _, source := range sources {
		if slices.Contains(r.ignored, source) {
			continue
		}
		if got := r.peer.record(r.T, source, r.seen[source], 0, 0); len(got) > 0 {
			r.Errorf("client, record of %q: unexpected %q", source, got)
		}
		if got := r.srv.record(r.T, source, r.heard[source], 0, 0); len(got) > 0 &&
			!strings.HasSuffix(source, " gone") {
			r.Errorf("server, record of %q: unexpected %q", source, got)
		}
	}
}

// sources are all records there are, of the client or the server.
var sources = []string{
	"manager", "engine", "/", "/chat", "/gate", "/nowhere",
	"/ acks", "/chat acks", "/gate acks", "/ gone", "/chat gone", "/gate gone",
}

// dump shows all records.
func (r *run) dump() {
	for _, source := range sources {
		for end, read := range map[string]reader{"client": r.peer.record, "server": r.srv.record} {
			if got := read(r.T, source, 0, 0, 0); len(got) > 0 {
				r.Logf("%s, record of %q: %q", end, source, got)
			}
		}
	}
	r.Logf("proxy: %d connections accepted, %d open", r.proxy.Accepted(), r.proxy.Open())
}

// connected opens and connects the main namespace, and waits for the upgrade if there is one.
func (r *run) connected(o socketOptions) {
	r.Helper()
	r.peer.open(r.T, "/", o)
	r.peer.connect(r.T, "/")
	r.expect("/", "connect")
	r.expect("manager", "open")
	r.received("/", entry("connect", authOf(o), false))
	r.upgraded()
}

func authOf(o socketOptions) any {
	switch {
	case len(o.Auths) > 0:
		return o.Auths[0]
	case o.Auth != nil:
		return o.Auth
	}
	return map[string]any{}
}

// upgraded waits for the upgrade if there is one.
func (r *run) upgraded() {
	r.Helper()
	if r.upgrades {
		r.expect("engine", "upgrade websocket")
	}
}

// drop ends all connections. With polling there is one at any time but between two polls, so it waits for the next.
func (r *run) drop(how faultproxy.Ending) {
	r.Helper()
	r.idle()
	r.proxy.Drop(how)
}

// idle waits until a poll is under way, if the session polls.
func (r *run) idle() {
	r.Helper()
	if r.lands != "polling" {
		return
	}
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	deadline := time.After(patience)
	for r.proxy.Pending("GET ") == 0 {
		select {
		case <-again.C:
		case <-deadline:
			r.Fatal("the client does not poll")
		}
	}
}

// disconnected waits until an open connection is lost.
func (r *run) disconnected(reason string) {
	r.Helper()
	r.expect("manager", "close "+reason)
	r.expect("/", "disconnect "+reason)
}

// back waits until the main namespace is connected again, with the first attempt.
func (r *run) back(auth any) {
	r.Helper()
	r.expect("manager", "reconnect_attempt 1", "open", "reconnect 1")
	r.expect("/", "connect")
	r.received("/", entry("connect", auth, false))
	r.upgraded()
}

// failing waits for attempts, beginning with that of a number, until one fails and end is called, and for those after
// it until one succeeds. message is how each of them fails.
func (r *run) failing(attempt int, message string, end func()) {
	r.Helper()
	fails := func() {
		r.Helper()
		r.expect("manager", "error "+message, "reconnect_error "+message)
		r.expect("/", "connect_error "+message)
	}
	r.expect("manager", fmt.Sprintf("reconnect_attempt %d", attempt))
	fails()
	end()
	for {
		attempt++
		r.expect("manager", fmt.Sprintf("reconnect_attempt %d", attempt))
		if got := r.peer.record(r.T, "manager", r.seen["manager"], 1, patience); len(got) > 0 && got[0] == "open" {
			break
		}
		fails()
	}
	r.expect("manager", "open", fmt.Sprintf("reconnect %d", attempt))
}

// restart starts the server again, on the same port.
func (r *run) restart() {
	r.Helper()
	_, port, err := net.SplitHostPort(r.srv.addr())
	if err != nil {
		r.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		r.Fatal(err)
	}
	r.srv = r.side.start(r.T, number, r.serverOptions)
	r.heard = map[string]int{}
}

// ping proves that the main namespace works in both directions.
func (r *run) ping(tag string) {
	r.Helper()
	r.peer.ask(r.T, "/", tag, "note", tag)
	r.expect("/ acks", entry(tag, []any{"noted", tag}))
	r.received("/", "note "+tag)
}

// leave disconnects the last namespace.
func (r *run) leave() {
	r.Helper()
	r.peer.disconnect(r.T, "/")
	r.expect("/", "disconnect io client disconnect")
	r.expect("manager", "close forced close")
}

// noAuth is what a server gets from a client without auth.
var noAuth = map[string]any{}

// A ledger is what the process holds.
type ledger struct{ goroutines, descriptors int }

func take(t testing.TB) ledger {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		entries = nil // not counted here
	}
	return ledger{goroutines: runtime.NumGoroutine(), descriptors: len(entries)}
}

// settle waits until the process holds no more than before.
func settle(t testing.TB, before ledger) {
	t.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for {
		now := take(t)
		if now.goroutines <= before.goroutines && now.descriptors <= before.descriptors {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			stacks := make([]byte, 1<<20)
			stacks = stacks[:runtime.Stack(stacks, true)]
			t.Errorf("left behind: %+v, before %+v\n%s", now, before, stacks)
			return
		}
	}
}

// every is all elements of a list of texts, each with a prefix.
func every(prefix string, from, to int) []string {
	var out []string
	for i := from; i <= to; i++ {
		out = append(out, fmt.Sprintf("%s %d", prefix, i))
	}
	return out
}
