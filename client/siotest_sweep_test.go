package client_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/siotest"
)

// Sweeps: the same conversation again and again, with a fault at each moment and at each byte.

var sweepAll = flag.Bool("sweep", false, "sweep over every byte and every moment, not only over some; takes minutes")

// step is every byte or moment with -sweep, and otherwise some.
func step(some int64) int64 {
	if *sweepAll {
		return 1
	}
	if testing.Short() {
		return some * 5
	}
	return some
}

// transportLists are the ways to get a connection.
var transportLists = []struct {
	name    string
	options client.Options
}{
	{"polling", client.Options{Engine: engineOptions("polling")}},
	{"websocket", client.Options{Engine: engineOptions("websocket")}},
	{"upgrade", client.Options{Engine: engineOptions("polling", "websocket")}},
	{"remembered upgrade", client.Options{Engine: engineOptions("polling", "websocket"), RememberUpgrade: true}},
}

// A conversation is what one client and one server tell each other while something goes wrong.
type conversation struct {
	t       *testing.T
	srv     *siotest.Server
	sock    *client.Socket
	rec     *siotest.Recorder // of the client
	io      *siotest.Recorder // of the server
	retries bool
	asking  sync.WaitGroup // the server's questions

	mu      sync.Mutex
	handled []int           // jobs, as the server handled them
	results map[int][]error // of jobs, as the client was told
}

const jobs = 6

// converse runs a conversation; fault is called before it begins.
func converse(t *testing.T, opts client.Options, retries bool, fault func(c *conversation)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &conversation{t: t, results: make(map[int][]error), retries: retries}
		c.rec, c.io = siotest.NewRecorder(t), siotest.NewRecorder(t)
		c.srv = siotest.NewServer(t, &siotest.Options{Setup: c.setup})
		if retries {
			opts.Socket.Retries = 1000 // every 10 s
		}
		c.sock = c.srv.Socket("/", &opts)
		c.rec.Client("", c.sock)
		c.sock.On("double", func(_ context.Context, e *client.Event) error {
			var n int
			if err := e.Bind(&n); err != nil {
				return err
			}
			return e.Ack(2 * n)
		})
		fault(c)
		c.run()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := c.sock.Manager().Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		c.srv.Stop()
		if !waitFor(&c.asking) {
			t.Error("questions of the server that never end")
		}
		checkStats(t, c.srv)
		c.check()
	})
}

func (c *conversation) setup(io *socketio.Server) {
	c.io.Namespace("", io.Of("/"))
	io.OnConnection(func(s *socketio.Socket) {
		_ = s.Emit("hello", s.ID(), []byte("binary"))
		// The server asks, too. The goroutine ends with the answer or the socket.
		c.asking.Go(func() {
			args, err := s.EmitWithAck(context.Background(), "double", 21)
			if diff := siotest.Diff(args, 42); err == nil && diff != "" {
				c.t.Errorf("answer of the client:\n%s", diff)
			} else if err != nil && !errors.Is(err, socketio.ErrDisconnected) {
				c.t.Errorf("question of the server: %v", err)
			}
		})
	})
	io.Handle("job", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error {
		var n int
		var payload []byte
		if err := e.Bind(&n, &payload); err != nil || string(payload) != "job" {
			c.t.Errorf("job: %v, %q", err, payload)
		}
		c.mu.Lock()
		c.handled = append(c.handled, n)
		c.mu.Unlock()
		return e.Ack(n)
	})
}

// run lets the client emit jobs, first without a connection, and waits until each has its result. Then it emits until
// one is acknowledged, which shows that there is a connection again.
func (c *conversation) run() {
	var all sync.WaitGroup
	for n := range jobs {
		if n == jobs/3 {
			c.sock.Open()
		}
		all.Add(1)
		err := c.sock.EmitFunc(context.Background(), "job", func(args client.Args, err error) {
			defer all.Done()
			if diff := siotest.Diff(args, n); err == nil && diff != "" {
				c.t.Errorf("acknowledgement of job %d:\n%s", n, diff)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.results[n] = append(c.results[n], err)
		}, n, []byte("job"))
		if err != nil {
			c.t.Fatalf("emit: %v", err)
		}
		<-time.After(40 * time.Millisecond)
	}
	if !waitFor(&all) {
		c.t.Fatalf("acknowledgements that never end\nclient:\n%sserver:\n%s", c.rec, c.io)
	}
	for n := jobs; ; n++ {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		_, err := c.sock.EmitWithAck(ctx, "job", n, []byte("job"))
		cancel()
		switch {
		case err == nil:
			return
		case !errors.Is(err, client.ErrDisconnected) || n > jobs+5:
			c.t.Fatalf("after the fault: %v\nclient:\n%sserver:\n%s", err, c.rec, c.io)
		}
	}
}

// waitFor waits for an hour of the bubble's time.
func waitFor(wg *sync.WaitGroup) bool {
	done := make(chan struct{})
	go func() { // ends with wg; if it does not, the bubble fails
		defer close(done)
		wg.Wait()
	}()
	select {
	case <-done:
		return true
	case <-time.After(time.Hour):
		return false
	}
}

// checkStats checks that a stopped server has nothing left, and that nothing but broken connections was wrong with the
// client.
func checkStats(t *testing.T, srv *siotest.Server) {
	t.Helper()
	st := srv.IO().Stats()
	if st.Sockets != 0 || st.Engine.Polling != 0 || st.Engine.WebSocket != 0 || st.Panics != 0 {
		t.Errorf("the server has left: %+v", st)
	}
	checkRejected(t, srv)
}

// checkRejected checks that the server found nothing wrong.
func checkRejected(t *testing.T, srv *siotest.Server) {
	t.Helper()
	for name, n := range srv.IO().Stats().Rejected {
		if !slices.Contains(brokenConnections, name) {
			t.Errorf("the server has rejected: %s, %d times", name, n)
		}
	}
}

// brokenConnections are what a server counts of clients that do nothing wrong. The WebSocket of an upgrade may come
// when the session has just ended, which is RejectUpgrade.
var brokenConnections = []string{
	socketio.RejectConnectTimeout, socketio.RejectAttachments, engineio.RejectHandshake, engineio.RejectPingTimeout,
	engineio.RejectPollAborted, engineio.RejectPostAborted, engineio.RejectPostTimeout, engineio.RejectSession,
	engineio.RejectShutdown, engineio.RejectUpgrade, engineio.RejectUpgradeLost,
	engineio.RejectUpgradeTimeout, engineio.RejectWebSocketLimit,
	engineio.RejectWriteTimeout, engineio.RejectDrainTimeout, engineio.RejectSlowConsumer,
}

// check checks what must be true no matter when the fault happened.
func (c *conversation) check() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := 1; i < len(c.handled); i++ {
		if a, b := c.handled[i-1], c.handled[i]; a > b || a == b && !c.retries {
			c.t.Errorf("the server handled the jobs %v", c.handled)
			break
		}
	}
	for n := range jobs {
		switch errs := c.results[n]; {
		case len(errs) != 1:
			c.t.Errorf("job %d has %d results", n, len(errs))
		case errs[0] == nil && !slices.Contains(c.handled, n):
			c.t.Errorf("job %d was acknowledged by nobody", n)
		case errs[0] != nil && (c.retries || !errors.Is(errs[0], client.ErrDisconnected)):
			c.t.Errorf("job %d: %v", n, errs[0])
		}
	}
	up := false
	for _, e := range c.rec.All() {
		switch was := up; e.Kind {
		case siotest.KindConnect:
			if up = true; was {
				c.t.Error("the client connects twice")
			}
		case siotest.KindDisconnect:
			if up = false; !was {
				c.t.Error("the client disconnects twice")
			}
		case siotest.KindEvent:
			if !up {
				c.t.Errorf("the client gets %s while it is not connected", e)
			}
		}
	}
	if up {
		c.t.Error("the client was not told that it is closed")
	}
	open := 0
	for _, e := range c.io.All() {
		switch e.Kind {
		case siotest.KindConnection:
			open++
		case siotest.KindDisconnect:
			open--
		}
	}
	if open != 0 {
		c.t.Errorf("%d of the server's sockets are not disconnected", open)
	}
	if c.t.Failed() {
		c.t.Logf("the server:\n%s", c.io)
	}
}

// TestSweepCut cuts a connection at each byte of the conversation, in each direction and each way.
func TestSweepCut(t *testing.T) {
	for _, list := range transportLists {
		for _, dir := range []siotest.Direction{siotest.ToServer, siotest.ToClient} {
			var total int64
			converse(t, list.options, false, func(c *conversation) {
				c.t.Cleanup(func() { total = c.srv.Bytes(dir) })
			})
			if total < 300 {
				t.Fatalf("%d bytes", total)
			}
			for _, way := range []siotest.Way{siotest.Reset, siotest.Close, siotest.Hang} {
				t.Run(fmt.Sprintf("%s %d %d", list.name, dir, way), func(t *testing.T) {
					for n := int64(0); n < total && !t.Failed(); n += step(101) {
						converse(t, list.options, n%2 == 0, func(c *conversation) {
							done := c.srv.Cut(dir, n, way)
							c.t.Cleanup(func() {
								select {
								case <-done:
								default:
									if c.srv.Bytes(dir) > n { // how many there are is not the same each time
										c.t.Error("not cut")
									}
								}
							})
						})
						if t.Failed() {
							t.Fatalf("cut at byte %d of %d", n, total)
						}
					}
				})
			}
		}
	}
}

// TestSweepMoments drops all connections, lets them hang, freezes the network for a while or restarts the server, at
// each moment of a conversation over a network that takes its time.
func TestSweepMoments(t *testing.T) {
	const delay = 10 * time.Millisecond
	for _, list := range transportLists {
		for name, fault := range map[string]func(c *conversation){
			"drop":           func(c *conversation) { c.srv.Drop() },
			"hang":           func(c *conversation) { c.srv.Hang() },
			"restart":        func(c *conversation) { c.srv.Restart() },
			"freeze a while": func(c *conversation) { c.freeze(siotest.Both, 5*time.Second) },
			"freeze up":      func(c *conversation) { c.freeze(siotest.ToServer, 2*time.Minute) },
			"freeze down":    func(c *conversation) { c.freeze(siotest.ToClient, 2*time.Minute) },
			"freeze":         func(c *conversation) { c.freeze(siotest.Both, 2*time.Minute) },
		} {
			t.Run(list.name+" "+name, func(t *testing.T) {
				for at := int64(0); at < 300 && !t.Failed(); at += step(23) {
					converse(t, list.options, at%2 == 0, func(c *conversation) {
						c.srv.SetDelay(siotest.Both, delay)
						time.AfterFunc(time.Duration(at)*time.Millisecond, func() { fault(c) })
					})
					if t.Failed() {
						t.Fatalf("after %d ms", at)
					}
				}
			})
		}
	}
}

func (c *conversation) freeze(dir siotest.Direction, d time.Duration) {
	c.srv.Freeze(dir)
	time.AfterFunc(d, func() { c.srv.Thaw(dir) })
}

// TestSweepClose closes the Manager at each moment of a conversation, over a network that works and over one that does
// not. Nothing may be left of it, and each acknowledgement ends.
func TestSweepClose(t *testing.T) {
	faults := map[string]func(srv *siotest.Server){
		"works":       func(*siotest.Server) {},
		"frozen":      func(srv *siotest.Server) { srv.Freeze(siotest.Both) },
		"frozen up":   func(srv *siotest.Server) { srv.Freeze(siotest.ToServer) },
		"frozen down": func(srv *siotest.Server) { srv.Freeze(siotest.ToClient) },
		"hangs":       func(srv *siotest.Server) { srv.Hang() },
		"drops":       func(srv *siotest.Server) { srv.Drop() },
	}
	for _, list := range transportLists {
		for name, fault := range faults {
			t.Run(list.name+" "+name, func(t *testing.T) {
				for at := int64(0); at < 200 && !t.Failed(); at += step(23) {
					synctest.Test(t, func(t *testing.T) {
						closeAt(t, list.options, time.Duration(at)*time.Millisecond, fault)
					})
					if t.Failed() {
						t.Fatalf("after %d ms", at)
					}
				}
			})
		}
	}
}

func closeAt(t *testing.T, opts client.Options, at time.Duration, fault func(srv *siotest.Server)) {
	c := &conversation{t: t}
	c.rec, c.io = siotest.NewRecorder(t), siotest.NewRecorder(t)
	srv := siotest.NewServer(t, &siotest.Options{Setup: c.setup})
	srv.SetDelay(siotest.Both, 10*time.Millisecond)
	s := srv.Socket("/", &opts)
	c.rec.Client("", s)
	s.Open()
	var errs []error
	emit := func() {
		note := func(_ client.Args, err error) { errs = append(errs, err) }
		_ = s.EmitFunc(context.Background(), "job", note, 1, []byte("job"))
	}
	emit()
	<-time.After(at)
	fault(srv)
	emit()
	start := time.Now()
	if err := s.Manager().Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if err := s.Manager().Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if d := time.Since(start); d > time.Minute {
		t.Errorf("Shutdown after Close took %v", d)
	}
	if len(errs) != 2 {
		t.Errorf("results of two emits: %v", errs)
	}
	for _, err := range errs {
		if err != nil && !errors.Is(err, client.ErrDisconnected) && !errors.Is(err, client.ErrClosed) {
			t.Error(err)
		}
	}
	if err := s.Emit("late"); !errors.Is(err, client.ErrClosed) {
		t.Errorf("Emit after Close: %v", err)
	}
	connects, disconnects := 0, 0
	for _, e := range c.rec.All() {
		switch e.Kind {
		case siotest.KindConnect:
			connects++
		case siotest.KindDisconnect:
			disconnects++
		}
	}
	if connects != disconnects {
		t.Errorf("%d connects, %d disconnects", connects, disconnects)
	}
	srv.Stop()
	if !waitFor(&c.asking) {
		t.Error("questions of the server that never end")
	}
	checkStats(t, srv)
}
