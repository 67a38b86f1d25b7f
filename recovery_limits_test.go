package socketio_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/taggedparser"
	"sio.example/socketio/parser"
	"sio.example/socketio/parser/msgpack"
	"sio.example/socketio/siotest"
)

// A refusing is a server with recovery that notes what it refuses.
type refusing struct {
	*siotest.Server
	mu      sync.Mutex
	refused []string
	logs    bytes.Buffer
}

func newRefusing(t *testing.T, o socketio.RecoveryOptions, setup func(io *socketio.Server)) *refusing {
	r := &refusing{}
	o.OnRefused = func(s *socketio.Socket, why socketio.RecoveryRefusal) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.refused = append(r.refused, string(why))
	}
	log := slog.New(slog.NewTextHandler(lockedWriter{r}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r.Server = siotest.NewServer(t, &siotest.Options{
		Server: &socketio.Options{Recovery: &o, Logger: log}, Setup: setup,
	})
	return r
}

type lockedWriter struct{ r *refusing }

func (w lockedWriter) Write(p []byte) (int, error) {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	return w.r.logs.Write(p)
}

// want checks why sessions were refused, and that it was counted.
func (r *refusing) want(t *testing.T, reasons ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.refused, reasons) {
		t.Errorf("refused for %q, want %q", r.refused, reasons)
	}
	counts := map[socketio.RecoveryRefusal]uint64{}
	for _, why := range reasons {
		counts[socketio.RecoveryRefusal(why)]++
	}
	if got := r.IO().Stats().Recovery.Refused; fmt.Sprint(got) != fmt.Sprint(counts) {
		t.Errorf("counted %v, want %v", got, counts)
	}
}

// Each reason for which a session is not recovered is told and counted; the client has a new session without a word
// about it.
func TestRecoveryRefusals(t *testing.T) {
	no := func(context.Context, *socketio.Socket) error { return &socketio.ConnectError{Message: "banned"} }
	for _, row := range []struct {
		why  socketio.RecoveryRefusal
		opts socketio.RecoveryOptions
		run  func(t *testing.T, r *refusing, c *wireClient)
	}{
		{
			why: socketio.RecoveryExpired,
			run: func(*testing.T, *refusing, *wireClient) { <-time.After(2*time.Minute + time.Second) },
		},
		{
			why: socketio.RecoveryExpired, opts: socketio.RecoveryOptions{MaxDisconnectionDuration: time.Second},
			run: func(*testing.T, *refusing, *wireClient) { <-time.After(time.Second) },
		},
		{why: socketio.RecoveryLogTooShort, opts: socketio.RecoveryOptions{MaxPackets: 2},
			run: func(_ *testing.T, r *refusing, _ *wireClient) {
				for i := range 3 {
					_ = r.IO().Emit("missed", i)
				}
			}},
		{why: socketio.RecoveryLogTooShort, opts: socketio.RecoveryOptions{MaxBytes: 2000},
			run: func(_ *testing.T, r *refusing, _ *wireClient) {
				for range 3 {
					_ = r.IO().Emit("missed", strings.Repeat("x", 1000))
				}
			}},
		{why: socketio.RecoveryEnded, run: func(t *testing.T, r *refusing, c *wireClient) {
			if err := r.IO().In(c.sid).DisconnectSockets(t.Context(), false); err != nil {
				t.Error(err)
			}
		}},
		{why: socketio.RecoveryOverBudget, opts: socketio.RecoveryOptions{MaxSessions: 1},
			run: func(t *testing.T, r *refusing, _ *wireClient) { wireConnect(t, r.Server, "/", nil).lose() }},
		{why: socketio.RecoveryOverBudget, opts: socketio.RecoveryOptions{MaxSessionBytes: 700},
			run: func(t *testing.T, r *refusing, _ *wireClient) { wireConnect(t, r.Server, "/", nil).lose() }},
		{why: socketio.RecoveryMiddleware, run: func(_ *testing.T, r *refusing, _ *wireClient) { r.IO().Use(no) }},
	} {
		t.Run(strings.ReplaceAll(string(row.why), " ", "_"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRefusing(t, row.opts, nil)
				c := wireConnect(t, r.Server, "/", nil)
				_ = r.IO().Emit("handled")
				synctest.Wait()
				c.lose()
				row.run(t, r, c)
				synctest.Wait()
				again := wireConnect(t, r.Server, "/", c.session())
				r.want(t, string(row.why))
				if again.sid == c.sid || again.pid == c.pid || len(again.events) > 0 || again.closed {
					t.Errorf("the client has %+v", again.session())
				}
				if refused := again.refused != ""; refused != (row.why == socketio.RecoveryMiddleware) {
					t.Errorf("refused: %q", again.refused)
				}
			})
		})
	}
}

// V-1: what is no session, and what is no offset, gives a new session and no detail, and costs nothing.
func TestRecoveryOfWhatIsNoSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRefusing(t, socketio.RecoveryOptions{}, nil)
		c := wireConnect(t, r.Server, "/", nil)
		_ = r.IO().Emit("handled")
		synctest.Wait()
		c.lose()
		var want []string
		for _, row := range []struct {
			pid, offset any
			why         socketio.RecoveryRefusal
		}{
			{pid: 1, offset: 2}, {pid: true}, {pid: []string{c.pid}}, {pid: map[string]any{"pid": c.pid}}, {pid: ""}, {pid: nil},
			{pid: "abcdefghijklmnopqrst", why: socketio.RecoveryUnknown},
			{pid: strings.Repeat("x", 100_000), why: socketio.RecoveryUnknown},
			{pid: c.pid + " ", why: socketio.RecoveryUnknown},
			{pid: c.sid, why: socketio.RecoveryUnknown},
			{pid: c.pid, offset: strings.Repeat("x", 100_000), why: socketio.RecoveryLogTooShort},
			{pid: c.pid, offset: "(a+)+$", why: socketio.RecoveryLogTooShort},
			{pid: c.pid, offset: "1712345678901-0", why: socketio.RecoveryLogTooShort},
			{pid: c.pid, offset: c.offset[:7], why: socketio.RecoveryLogTooShort},
			{pid: c.pid, offset: c.offset + "AAAA", why: socketio.RecoveryLogTooShort},
			{pid: c.pid, offset: c.offset[:6] + "_" + c.offset[7:], why: socketio.RecoveryLogTooShort}, // not given out yet
		} {
			again := wireConnect(t, r.Server, "/", map[string]any{"pid": row.pid, "offset": row.offset})
			if again.sid == "" || again.sid == c.sid || again.closed || again.refused != "" {
				t.Errorf("%.40v, %.40v: %q, closed %v, refused %q", row.pid, row.offset, again.sid, again.closed, again.refused)
			}
			if row.why != "" {
				want = append(want, string(row.why))
			}
			again.lose()
		}
		r.want(t, want...)
		if again := wireConnect(t, r.Server, "/", c.session()); again.sid != c.sid {
			t.Error("after all that the session is not there")
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if logs := r.logs.String(); strings.Contains(logs, c.pid) || strings.Contains(logs, c.offset) { // V-10
			t.Errorf("the log has the secret: %s", logs)
		}
	})
}

// V-3: who has gone on with a session has it. The same offset again is a client that was lost twice; an older one is
// refused.
func TestRecoveryIsUsedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRefusing(t, socketio.RecoveryOptions{}, nil)
		c := wireConnect(t, r.Server, "/", nil)
		start := c.session()
		_ = r.IO().Emit("one")
		synctest.Wait()
		c.lose()
		_ = r.IO().Emit("two")
		one := c.session()
		for range 3 { // lost again and again before anything came
			again := wireConnect(t, r.Server, "/", one)
			if again.sid != c.sid || !slices.Equal(again.events, []string{"two[]"}) {
				t.Fatalf("%q with %v", again.sid, again.events)
			}
			again.lose()
		}
		last := wireConnect(t, r.Server, "/", one)
		thief := wireConnect(t, r.Server, "/", start)
		if thief.sid == c.sid || last.closed {
			t.Error("a session was had with an offset from before its owner came")
		}
		r.want(t, string(socketio.RecoveryUsed))
		if _, ok := r.IO().Socket(c.sid); !ok {
			t.Error("the owner has lost the session")
		}
	})
}

// V-4: a client that is back before the server has noticed that it was gone has its session; the connection before is
// closed, and its callbacks are over first.
func TestRecoveryBeforeTheLossIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var order []string
		note := func(format string, args ...any) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, fmt.Sprintf(format, args...))
		}
		r := newRefusing(t, socketio.RecoveryOptions{}, func(io *socketio.Server) {
			io.Use(func(_ context.Context, s *socketio.Socket) error {
				d, _ := socketio.Data[int](s)
				note("middleware %v %v", s.Recovered(), d)
				return nil
			})
			io.OnConnection(func(s *socketio.Socket) {
				note("connected")
				s.OnDisconnect(func(why socketio.DisconnectReason) {
					<-time.After(time.Second) // takes its time
					s.SetData(7)
					note("%s", why)
				})
			})
		})
		c := wireConnect(t, r.Server, "/", nil)
		c.net.Hang()
		_ = r.IO().Emit("one")
		again := wireConnect(t, r.Server, "/", c.session())
		_ = r.IO().Emit("two")
		<-time.After(2 * time.Second)
		synctest.Wait()
		if again.sid != c.sid || !slices.Equal(again.events, []string{"one[]", "two[]"}) {
			t.Errorf("%q with %v", again.sid, again.events)
		}
		want := []string{"middleware false 0", "connected", "forced close", "middleware true 7", "connected"}
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(order, want) {
			t.Errorf("%q, want %q", order, want)
		}
	})
}

// V-5 in one process: of many connections that ask for a session at once, one has it in the end.
func TestRecoveryRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRefusing(t, socketio.RecoveryOptions{}, nil)
		for round := range 20 {
			c := wireConnect(t, r.Server, "/", nil)
			c.lose()
			_ = r.IO().Emit("missed")
			var all []*wireClient
			for range 10 {
				all = append(all, wireDial(t, r.Server))
			}
			var racers sync.WaitGroup
			for _, again := range all {
				racers.Go(func() { again.send("/", c.session()) })
			}
			racers.Wait()
			synctest.Wait()
			live := 0
			for _, again := range all {
				if !again.closed && again.sid == c.sid && slices.Equal(again.events, []string{"missed[]"}) {
					live++
				}
			}
			if live != 1 {
				t.Fatalf("round %d: %d have the session", round, live)
			}
		}
	})
}

// What is kept is given back: when sessions expire, and when the server is closed.
func TestRecoveryFreesWhatItKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRefusing(t, socketio.RecoveryOptions{}, nil)
		for i := range 50 {
			c := wireConnect(t, r.Server, "/", nil)
			s, _ := r.IO().Socket(c.sid)
			for room := range 20 {
				_ = s.Join(fmt.Sprint("a room with a long name ", i, room))
			}
			c.lose()
			_ = r.IO().Emit("event", strings.Repeat("x", 10_000))
		}
		st := r.IO().Stats()
		if st.Recovery.Sessions != 50 || st.Recovery.Packets != 50 || st.Recovery.Bytes < 500_000 ||
			st.Engine.Memory.Kept < 500_000 {
			t.Errorf("%+v, %+v", st.Recovery, st.Engine.Memory)
		}
		<-time.After(3 * time.Minute)
		synctest.Wait()
		st = r.IO().Stats()
		kept := st.Recovery.Sessions + st.Recovery.SessionBytes + st.Recovery.Packets + st.Recovery.Bytes
		if kept != 0 || st.Engine.Memory.Kept != 0 {
			t.Errorf("%+v, %+v", st.Recovery, st.Engine.Memory)
		}
		wireConnect(t, r.Server, "/", nil).lose()
		_ = r.IO().Emit("event", strings.Repeat("x", 100_000))
		_ = r.IO().Close()
		if held := r.IO().Stats().Engine.Memory.Kept; held != 0 {
			t.Errorf("%d bytes are held by a server that is closed", held)
		}
	})
}

// A namespace that a parent made stays while somebody may come back to it, and goes then.
func TestRecoveryKeepsChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRefusing(t, socketio.RecoveryOptions{}, func(io *socketio.Server) {
			io.OfFunc(func(context.Context, string, socketio.Args) bool { return true })
		})
		c := wireConnect(t, r.Server, "/child", nil)
		c.lose()
		again := wireConnect(t, r.Server, "/child", c.session())
		if again.sid != c.sid || again.sid == "" {
			t.Errorf("%q, then %q", c.sid, again.sid)
		}
		again.lose()
		if n := r.IO().Stats().Namespaces; n != 2 {
			t.Errorf("%d namespaces", n)
		}
		<-time.After(3 * time.Minute)
		synctest.Wait()
		if n := r.IO().Stats().Namespaces; n != 1 {
			t.Errorf("%d namespaces when nobody can come back", n)
		}
	})
}

// Middleware runs again unless it is told not to, and what it emits comes after what was missed.
func TestRecoveryAndMiddleware(t *testing.T) {
	for _, skip := range []bool{false, true} {
		t.Run(fmt.Sprint("skip ", skip), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRefusing(t, socketio.RecoveryOptions{SkipMiddleware: skip}, func(io *socketio.Server) {
					io.Use(func(_ context.Context, s *socketio.Socket) error {
						if s.Recovered() && (!slices.Contains(s.Rooms(), "room") || s.Leave("room") != nil || s.Join("new") != nil) {
							return fmt.Errorf("rooms %v", s.Rooms())
						}
						return s.Emit("middleware")
					})
					io.OnConnection(func(s *socketio.Socket) { _ = s.Join("room") })
				})
				c := wireConnect(t, r.Server, "/", nil)
				c.lose()
				_ = r.IO().To("room").Emit("missed")
				again := wireConnect(t, r.Server, "/", c.session())
				_ = r.IO().To("new").Emit("later")
				synctest.Wait()
				want := []string{"missed[]", "middleware[]", "later[]"}
				if skip {
					want = want[:1]
				}
				if !slices.Equal(again.events, want) || again.sid != c.sid {
					t.Errorf("%v, want %v", again.events, want)
				}
			})
		})
	}
}

// A parser of another format has its offsets, too.
func TestRecoveryWithAnotherParser(t *testing.T) {
	for name, p := range map[string]parser.Parser{"tagged": taggedparser.New(nil), "msgpack": msgpack.Parser(nil),
		"timestamps": msgpack.Parser(&msgpack.Options{Timestamps: true})} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { recoverWith(t, p) }) })
	}
}

func recoverWith(t *testing.T, p parser.Parser) {
	r := newRecovering(t, &socketio.RecoveryOptions{}, "websocket", nil, p)
	_ = r.IO().Emit("before", 1)
	synctest.Wait() // a volatile event right behind another one is dropped
	_ = r.IO().Volatile().Emit("volatile", 1)
	synctest.Wait()
	_ = r.IO().Volatile().Emit("text", "ends in a string")
	synctest.Wait()
	r.handled(t, "before[1]", "volatile[1]", `text["ends in a string"]`)
	r.Network.Refuse()
	r.Network.Drop()
	_ = r.IO().Emit("missed", []byte("bytes"))
	_ = r.socket().Emit("missed", "to one")
	r.Network.Allow()
	r.back(t, 2)
	if len(r.events) != 2 || !r.client.Recovered() {
		t.Errorf("%v, recovered %v", r.events, r.client.Recovered())
	}
}

// All namespaces together keep no more than a part of the server's memory.
func TestRecoveryLeavesMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := siotest.NewServer(t, &siotest.Options{Server: &socketio.Options{
			Engine: engineio.Options{MaxMemory: 4 << 20}, Recovery: &socketio.RecoveryOptions{},
			Logger: slog.New(slog.DiscardHandler),
		}})
		for i := range 10 {
			name := fmt.Sprint("/", i)
			srv.IO().Of(name)
			wireConnect(t, srv, name, nil).lose()
		}
		for i := range 500 {
			_ = srv.IO().Of(fmt.Sprint("/", i%10)).Emit("event", strings.Repeat("x", 10_000))
		}
		st := srv.IO().Stats()
		if held := st.Recovery.Bytes + st.Recovery.SessionBytes; held > 1<<20+10*16<<10 || held < 512<<10 {
			t.Errorf("%d bytes: %+v", held, st.Recovery)
		}
	})
}

// What the log says that it takes is about what it takes: it keeps no frames beside the events that were sent.
func TestRecoveryCountsWhatItKeeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRefusing(t, socketio.RecoveryOptions{}, nil)
		for range 3 { // to more than one the frame is sent that was made for all
			wireConnect(t, r.Server, "/", nil)
		}
		heap := func() int {
			var m runtime.MemStats
			runtime.GC()
			runtime.GC() // also of pools
			runtime.ReadMemStats(&m)
			return int(m.HeapAlloc)
		}
		before := heap()
		text := strings.Repeat("x", 8000)
		for range 1000 {
			_ = r.IO().Emit("event", text)
			synctest.Wait()
		}
		took, said := heap()-before, r.IO().Stats().Recovery.Bytes
		if said < 8_000_000 || took > said+said/2 {
			t.Errorf("it takes %d bytes, and says %d", took, said)
		}
	})
}

// slowData takes its time to be encoded.
type slowData struct{ begun, goOn chan struct{} }

// MarshalJSON waits.
func (d slowData) MarshalJSON() ([]byte, error) {
	close(d.begun)
	<-d.goOn
	return []byte("1"), nil
}

// A client that is refused and tries again on the same connection keeps it, and its session, however fast it is.
func TestRecoveryAfterARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusals := make(chan *socketio.ConnectError, 1)
		r := newRefusing(t, socketio.RecoveryOptions{}, func(io *socketio.Server) {
			io.Use(func(context.Context, *socketio.Socket) error {
				select {
				case why := <-refusals:
					return why
				default:
					return nil
				}
			})
		})
		c := wireConnect(t, r.Server, "/", nil)
		c.lose()
		d := slowData{make(chan struct{}), make(chan struct{})}
		refusals <- &socketio.ConnectError{Message: "not yet", Data: d}
		again := wireConnect(t, r.Server, "/", c.session())
		<-d.begun
		again.connect("/", c.session())
		close(d.goOn)
		synctest.Wait()
		if again.closed || again.refused == "" || again.sid != c.sid || again.pid != c.pid {
			t.Errorf("closed: %v, refused: %q, session %v", again.closed, again.refused, again.session())
		}
		if st := r.IO().Stats().Recovery; st.Recovered != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// A namespace that is kept for the sessions of those who have left is counted: a client that joins one after the other
// and goes away does not have the server keep them all.
func TestRecoveryKeepsFewChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := siotest.NewServer(t, &siotest.Options{
			Server: &socketio.Options{
				Engine: engineio.Options{MaxMemory: 4 << 20}, Recovery: &socketio.RecoveryOptions{},
				Logger: slog.New(slog.DiscardHandler),
			},
			Setup: func(io *socketio.Server) {
				io.OfFunc(func(context.Context, string, socketio.Args) bool { return true })
			},
		})
		kept := func() (n int) {
			for range srv.IO().Namespaces() {
				n++
			}
			return n - 1 // but the main one
		}
		for i := range 25 {
			c := wireDial(t, srv)
			for j := range 40 {
				c.send(fmt.Sprint("/", i, "-", j), nil)
			}
			synctest.Wait()
			c.lose()
		}
		if n := kept(); n < 100 || n > 300 {
			t.Errorf("%d namespaces are kept: %+v", n, srv.IO().Stats().Recovery)
		}
		<-time.After(3 * time.Minute)
		synctest.Wait()
		if st := srv.IO().Stats(); kept() != 0 || st.Engine.Memory.Kept != 0 {
			t.Errorf("%d namespaces are left, %d bytes", kept(), st.Engine.Memory.Kept)
		}
	})
}
