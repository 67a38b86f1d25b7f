package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/internal/memnet"
	"sio.example/socketio/siotest"
)

// A shift is two servers, of which the first is drained.
type shift struct {
	servers [2]*socketio.Server
	ln      [2]*memnet.Listener
	http    [2]*http.Server

	mu      sync.Mutex
	handled map[string]int // events, by name of the client and number
	arrived []time.Duration
	begun   time.Time
}

func newShift() *shift {
	x := &shift{handled: make(map[string]int)}
	for i := range x.servers {
		server := socketio.NewServer(&socketio.Options{Logger: slog.New(slog.DiscardHandler)})
		server.OnConnection(func(*socketio.Socket) {
			if i == 1 {
				x.mu.Lock()
				defer x.mu.Unlock()
				x.arrived = append(x.arrived, time.Since(x.begun))
			}
		})
		server.Handle("event", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error {
			var name string
			if err := e.Bind(&name); err != nil {
				return err
			}
			x.mu.Lock()
			x.handled[name]++
			x.mu.Unlock()
			return e.Ack()
		})
		x.servers[i], x.ln[i] = server, memnet.Listen()
		x.http[i] = &http.Server{Handler: server, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
		go func() { _ = x.http[i].Serve(x.ln[i]) }() // ends with close
	}
	return x
}

// A route leads a client to the first server, where its session is, and to the second when that has ended, as a load
// balancer has it.
type route struct {
	shift *shift
	moved atomic.Bool
}

func (r *route) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if r.moved.Load() {
		return r.shift.ln[1].DialContext(ctx, network, addr)
	}
	return r.shift.ln[0].DialContext(ctx, network, addr)
}

func (x *shift) close() {
	for i := range x.servers {
		_ = x.servers[i].Close()
		_ = x.http[i].Close()
		_ = x.ln[i].Close()
	}
}

// Clients of a server that is drained move to another one, one percent a second, and nothing that was acknowledged is
// lost, and nothing that is retried.
func TestDrainMovesClients(t *testing.T) { drainMoves(t, 1000) }

func drainMoves(t *testing.T, n int) {
	synctest.Test(t, func(t *testing.T) {
		x := newShift()
		defer x.close()
		managers, sockets := make([]*client.Manager, n), make([]*client.Socket, n)
		for i := range n {
			o := &client.Options{RandomizationFactor: -1, ReconnectionDelay: time.Second,
				Logger: slog.New(slog.DiscardHandler), Socket: client.SocketOptions{Retries: 10, AckTimeout: time.Minute}}
			r := &route{shift: x}
			o.Engine.NetDial = r.dial
			o.Engine.Transports = [][]string{{"websocket"}, {"polling"}}[i%2]
			managers[i] = client.NewManager("http://192.0.2.1", o)
			sockets[i] = managers[i].Socket("/", nil)
			sockets[i].OnDisconnect(func(client.DisconnectReason) { r.moved.Store(true) })
			if err := sockets[i].Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		var acked sync.Map
		var emitters sync.WaitGroup
		for i, s := range sockets {
			emitters.Go(func() { // ends after its events
				<-time.After(time.Duration(i%1000+1) * 17 * time.Millisecond)
				for k := range 4 {
					name := fmt.Sprint(i, "/", k)
					if _, err := s.EmitWithAck(t.Context(), "event", name); err != nil {
						t.Errorf("%s: %v", name, err)
						return
					}
					acked.Store(name, true)
					<-time.After(30 * time.Second)
				}
			})
		}
		x.begun = time.Now()
		if err := x.servers[0].Drain(t.Context(), nil); err != nil {
			t.Error(err)
		}
		if took := time.Since(x.begun); took < 100*time.Second || took > 105*time.Second {
			t.Errorf("it took %v", took)
		}
		if err := x.servers[0].Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		emitters.Wait()
		x.check(t, n, &acked)
		for _, m := range managers {
			m.Close()
		}
		synctest.Wait()
	})
}

// check looks at what became of all clients and events.
func (x *shift) check(t *testing.T, n int, acked *sync.Map) {
	t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	count := 0
	acked.Range(func(name, _ any) bool {
		if count++; x.handled[name.(string)] == 0 {
			t.Errorf("%v was acknowledged, and nobody has handled it", name)
		}
		return true
	})
	if count != 4*n || len(x.handled) != 4*n {
		t.Errorf("of %d events %d were handled and %d acknowledged", 4*n, len(x.handled), count)
	}
	perSecond := map[int]int{}
	for _, at := range x.arrived {
		perSecond[int(at/time.Second)]++
	}
	most := 0
	for _, k := range perSecond {
		most = max(most, k)
	}
	if len(x.arrived) != n || most > n/100 {
		t.Errorf("%d of %d clients came back, at most %d in a second", len(x.arrived), n, most)
	}
}

// A connection whose handler runs is ended when that has returned: its acknowledgement arrives, and the client is not
// told to stay away. What Tell emits arrives, too.
func TestDrainWaitsForHandlers(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		synctest.Test(t, func(t *testing.T) {
			srv := siotest.NewServer(t, &siotest.Options{Setup: func(io *socketio.Server) {
				io.Handle("slow", func(ctx context.Context, _ *socketio.Socket, e *socketio.Event) error {
					var d time.Duration
					if err := e.Bind(&d); err != nil {
						return err
					}
					select {
					case <-time.After(d):
						return e.Ack("done")
					case <-ctx.Done():
						return ctx.Err()
					}
				})
			}})
			opts := &client.Options{}
			opts.Engine.Transports = []string{transport}
			c := srv.Dial("/", opts)
			told, gone := make(chan string, 1), make(chan client.DisconnectReason, 9)
			c.On("moving", func(_ context.Context, e *client.Event) error {
				var to string
				err := e.Bind(&to)
				told <- to
				return err
			})
			c.OnDisconnect(func(reason client.DisconnectReason) { gone <- reason })
			answers := make(chan string, 2)
			ask := func(d time.Duration) {
				args, err := c.EmitWithAck(t.Context(), "slow", d)
				answers <- fmt.Sprint(args, err)
			}
			begun := time.Now()
			go ask(3 * time.Second) // ends with its answer
			synctest.Wait()
			err := srv.IO().Drain(t.Context(), &socketio.DrainOptions{Window: -1, Grace: 5 * time.Second,
				Tell: func(s *socketio.Socket) { _ = s.Emit("moving", "elsewhere") }})
			if took := time.Since(begun); err != nil || took < 3*time.Second || took > 4*time.Second {
				t.Errorf("%s: %v after %v", transport, err, took)
			}
			if a := <-answers; a != `["done"] <nil>` {
				t.Errorf("%s: %s", transport, a)
			}
			if to, why := <-told, <-gone; to != "elsewhere" || why != client.ReasonTransportClose {
				t.Errorf("%s: told %q, disconnected by %q", transport, to, why)
			}
			if !c.Active() {
				t.Errorf("%s: the client stays away", transport)
			}
			c.Manager().Close()
		})
	}
}

// A handler that does not return in time holds nobody up, and ctx ends the call.
func TestDrainEnds(t *testing.T) {
	bubbleOf(t, nil, func(t *testing.T, f *fixture) {
		reasons := make(chan socketio.DisconnectReason, 9)
		f.OnConnection(func(s *socketio.Socket) {
			s.OnDisconnect(func(reason socketio.DisconnectReason) { reasons <- reason })
		})
		f.Handle("hang", func(ctx context.Context, _ *socketio.Socket, _ *socketio.Event) error {
			<-ctx.Done()
			return nil
		})
		c, _ := f.join("/")
		stranger := f.dial() // in no namespace
		c.send(`42["hang"]`)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err := f.Drain(ctx, nil)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) ||
			err.Error() != "socketio: drain: 2 connections are left: context deadline exceeded" {
			t.Errorf("%v", err)
		}
		if err := f.refused(t); err != "503 5" {
			t.Errorf("a new session: %s", err)
		}
		ended := make(chan error, 1)
		go func() { // ends with Drain
			ended <- f.Drain(t.Context(), &socketio.DrainOptions{Window: -1, Grace: 2 * time.Second})
		}()
		c.expectClose("closed: 1001 server shutting down")
		stranger.expectClose("closed: 1001 server shutting down")
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if why := <-reasons; why != socketio.ReasonServerShuttingDown {
			t.Errorf("reason %q", why)
		}
		if err := f.Drain(t.Context(), nil); err != nil {
			t.Error("nobody is left:", err)
		}
	})
}

// refused tries to open a session, and returns the status and Retry-After.
func (f *fixture) refused(t *testing.T) string {
	t.Helper()
	tr := &http.Transport{DialContext: f.ln.DialContext}
	defer tr.CloseIdleConnections()
	r, _ := http.NewRequest(http.MethodGet, "http://192.0.2.1/socket.io/?EIO=4&transport=polling", nil)
	resp, err := tr.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("Retry-After"))
}

// A session on polling goes on while new ones are refused: it polls, posts and upgrades.
func TestDrainLetsSessionsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := siotest.NewServer(t, &siotest.Options{Setup: func(io *socketio.Server) {
			io.Handle("echo", func(_ context.Context, _ *socketio.Socket, e *socketio.Event) error { return e.Ack(e.Args) })
		}})
		opts := &client.Options{}
		opts.Engine.Transports = []string{"polling"}
		c := srv.Dial("/", opts)
		ctx, cancel := context.WithCancel(t.Context())
		var drained sync.WaitGroup
		drained.Go(func() { // ends with ctx
			if err := srv.IO().Drain(ctx, &socketio.DrainOptions{Window: time.Hour}); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		synctest.Wait()
		for i := range 3 {
			args, err := c.EmitWithAck(t.Context(), "echo", i)
			if diff := siotest.Diff(args, i); err != nil || diff != "" {
				t.Error(err, diff)
			}
		}
		if admin := c.Manager().Socket("/", nil); admin != c {
			t.Error("another socket")
		}
		late := srv.Client(&client.Options{DisableReconnection: true}).Socket("/", nil)
		if err := late.Connect(t.Context()); err == nil || !strings.Contains(err.Error(), "503") {
			t.Errorf("a new client: %v", err)
		}
		cancel()
		drained.Wait()
		if all := slices.Collect(srv.IO().Sockets()); len(all) != 1 {
			t.Errorf("%d sockets", len(all))
		}
	})
}
