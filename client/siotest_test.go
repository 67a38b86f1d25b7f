package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/taggedparser"
	"sio.example/socketio/parser"
	"sio.example/socketio/parser/msgpack"
	"sio.example/socketio/siotest"
)

func engineOptions(transports ...string) engineio.DialOptions {
	return engineio.DialOptions{Transports: transports}
}

// established runs fn with a client that is connected, and upgraded if it does that, on virtual time. Recorders have
// taken what happened until then.
func established(t *testing.T, opts client.Options,
	fn func(t *testing.T, srv *siotest.Server, s *client.Socket, here, there *siotest.Recorder)) {
	t.Helper()
	for name, p := range map[string]parser.Parser{"json": nil, "msgpack": msgpack.Parser(nil),
		"tagged": taggedparser.New(&taggedparser.Options{Inline: true})} {
		o := opts
		o.Parser = p
		t.Run(name, func(t *testing.T) { establishedWith(t, o, fn) })
	}
}

// establishedWith is established with the parser of opts, at both ends.
func establishedWith(
	t *testing.T, opts client.Options, fn func(t *testing.T,
		srv *siotest.Server, s *client.Socket, here, there *siotest.Recorder),
) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		here, there := siotest.NewRecorder(t), siotest.NewRecorder(t)
		srv := siotest.NewServer(t, &siotest.Options{Server: &socketio.Options{Parser: opts.Parser},
			Setup: func(io *socketio.Server) {
				there.Namespace("", io.Of("/"))
				io.Handle("ask", func(_ context.Context, _ *socketio.Socket,
					e *socketio.Event) error {
					return e.Ack(e.Args)
				})
			}})
		s := srv.Socket("/", &opts)
		here.Client("", s)
		s.Open()
		here.Expect("connect")
		there.Expect("connection")
		for len(opts.Engine.Transports) == 2 && s.Manager().Engine().Transport() != "websocket" {
			<-time.After(time.Second)
		}
		synctest.Wait() // until the next poll, or the end of the upgrade, has arrived
		fn(t, srv, s, here, there)
	})
}

// wantNext expects an entry after d.
func wantNext(t *testing.T, r *siotest.Recorder, d time.Duration, line string) {
	t.Helper()
	start := time.Now()
	r.Expect(line)
	if got := time.Since(start); got != d {
		t.Errorf("%s after %v, want %v", line, got, d)
	}
}

// A side is when one end notices, and what it calls it; "" is anything.
type side struct {
	after  time.Duration
	reason string
}

func (s side) line() string { return strings.TrimSpace("disconnect " + s.reason) }

// TestFaults says who notices which fault of the network when, and calls it what.
func TestFaults(t *testing.T) {
	drop := func(srv *siotest.Server) { srv.Drop() }
	freeze := func(d siotest.Direction) func(srv *siotest.Server) {
		return func(srv *siotest.Server) { srv.Freeze(d) }
	}
	restart := func(srv *siotest.Server) { srv.Restart() }
	timeout := side{45 * time.Second, "ping timeout"}
	for _, c := range []struct {
		fault     string
		do        func(srv *siotest.Server)
		transport string
		client    side
		server    side
	}{
		{"drop", drop, "polling", side{0, "transport error"}, side{0, "transport error"}},
		{"drop", drop, "websocket", side{0, "transport close"}, side{0, "transport close"}},
		{"freeze both", freeze(siotest.Both), "polling", timeout, timeout},
		{"freeze both", freeze(siotest.Both), "websocket", timeout, timeout},
		{"freeze to client", freeze(siotest.ToClient), "polling", timeout, timeout},
		// The client may close at the same moment, of which the server is told.
		{"freeze to client", freeze(siotest.ToClient), "websocket", timeout, side{45 * time.Second, ""}},
		// Pings still come, but pongs don't go. The server says that it closes.
		{"freeze to server", freeze(siotest.ToServer), "websocket", side{45 * time.Second, "transport close"}, timeout},
		// The pong is a request of its own, and so is the next poll.
		{"freeze to server", freeze(siotest.ToServer), "polling", side{70 * time.Second, "ping timeout"}, timeout},
		{"restart", restart, "polling", side{0, "transport error"}, side{0, "server shutting down"}},
		{"restart", restart, "websocket", side{0, "transport close"}, side{0, "server shutting down"}},
	} {
		t.Run(c.fault+" "+c.transport, func(t *testing.T) {
			o := client.Options{Engine: engineOptions(c.transport)}
			established(t, o, func(t *testing.T, srv *siotest.Server, s *client.Socket, here, there *siotest.Recorder) {
				c.do(srv)
				if c.client.after < c.server.after {
					wantNext(t, here, c.client.after, c.client.line())
					wantNext(t, there, c.server.after-c.client.after, c.server.line())
				} else {
					wantNext(t, there, c.server.after, c.server.line())
					wantNext(t, here, c.client.after-c.server.after, c.client.line())
				}
				if s.Connected() || !s.Active() {
					t.Error("the socket says it is connected, or does not try to be")
				}
				srv.Heal()
				wantNext(t, here, time.Second, "connect")
				there.Expect("connection")
				args, err := s.EmitWithAck(t.Context(), "ask", "again")
				if diff := siotest.Diff(args, "again"); err != nil || diff != "" {
					t.Error(err, diff)
				}
			})
		})
	}
}

// TestShortFreezeIsNotNoticed: what takes less than the ping timeout only delays.
func TestShortFreezeIsNotNoticed(t *testing.T) {
	for _, list := range transportLists {
		for _, dir := range []siotest.Direction{siotest.ToServer, siotest.ToClient, siotest.Both} {
			t.Run(fmt.Sprint(list.name, dir), func(t *testing.T) {
				established(t, list.options,
					func(t *testing.T, srv *siotest.Server, s *client.Socket, here, there *siotest.Recorder) {
						for range 10 {
							srv.Freeze(dir)
							time.AfterFunc(19*time.Second, func() { srv.Thaw(dir) })
							start := time.Now()
							if _, err := s.EmitWithAck(t.Context(), "ask"); err != nil {
								t.Fatal(err)
							}
							if d := time.Since(start); d != 19*time.Second {
								t.Errorf("the answer came after %v", d)
							}
							<-time.After(11 * time.Second)
						}
						here.ExpectNothing()
					})
			})
		}
	}
}

// roundTripper hides that it is a *http.Transport.
type roundTripper struct{ http.RoundTripper }

// TestFaultOfAnUpgrade: what happens to the WebSocket of an upgrade does not harm the session, which stays with
// polling.
func TestFaultOfAnUpgrade(t *testing.T) {
	for _, dir := range []siotest.Direction{siotest.ToServer, siotest.ToClient} {
		for _, way := range []siotest.Way{siotest.Reset, siotest.Close, siotest.Hang} {
			for n := int64(0); n < 120; n += step(13) {
				t.Run(fmt.Sprint(dir, way, n), func(t *testing.T) { faultOfAnUpgrade(t, dir, way, n) })
			}
		}
	}
}

func faultOfAnUpgrade(t *testing.T, dir siotest.Direction, way siotest.Way, n int64) {
	synctest.Test(t, func(t *testing.T) {
		srv := siotest.NewServer(t, nil)
		webSocket := srv.NewNetwork()
		cut := webSocket.Cut(dir, n, way)
		failed := make(chan error, 1)
		o := client.Options{Engine: engineOptions("polling", "websocket")}
		o.Engine.HTTPClient = &http.Client{Transport: roundTripper{srv.HTTPClient().Transport}}
		o.Engine.NetDial = webSocket.DialContext
		o.Engine.Trace = &engineio.Trace{Upgrade: func(_ string, err error) { failed <- err }}
		s, rec := srv.Socket("/", &o), siotest.NewRecorder(t)
		rec.Client("", s)
		s.Open()
		rec.Expect("connect")
		<-cut
		start := time.Now()
		err := <-failed
		if d := time.Since(start); err == nil || d > 10*time.Second || d > 0 && way != siotest.Hang {
			t.Errorf("the upgrade ends after %v with %v", d, err)
		}
		for range 3 {
			<-time.After(time.Minute)
			if err := srv.IO().Emit("still", "there?"); err != nil {
				t.Error(err)
			}
			rec.Expect(`still ["there?"]`)
		}
		if tr := s.Manager().Engine().Transport(); tr != "polling" {
			t.Errorf("the transport is %s", tr)
		}
	})
}

// TestOneClientsFaultIsNobodyElses: a Network of its own suffers alone.
func TestOneClientsFaultIsNobodyElses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := siotest.NewServer(t, nil)
		bad := srv.NewNetwork()
		good, lost := siotest.NewRecorder(t), siotest.NewRecorder(t)
		g, l := srv.Dial("/", nil), bad.Dial("/", nil)
		synctest.Wait()
		good.Client("", g)
		lost.Client("", l)
		bad.Refuse()
		bad.Drop()
		lost.Expect("disconnect", "connect_error", "connect_error")
		bad.Allow()
		lost.Wait("connect")
		_ = srv.IO().Emit("all")
		good.Expect("all []")
		lost.Expect("all []")
	})
}

func TestDialFailsOnBadNetworks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := siotest.NewServer(t, nil)
		for _, list := range transportLists {
			o := list.options
			o.Engine.NetDial = srv.DialContext
			for _, c := range []struct {
				fault func()
				after time.Duration
				want  error
			}{
				{srv.Refuse, 0, nil},
				{func() { srv.Freeze(siotest.Both) }, 20 * time.Second, context.DeadlineExceeded},
				{func() { srv.Cut(siotest.ToServer, 10, siotest.Reset) }, 0, nil},
				{func() { srv.Cut(siotest.ToClient, 10, siotest.Close) }, 0, nil},
				{func() { srv.Cut(siotest.ToClient, 10, siotest.Hang) }, 20 * time.Second, context.DeadlineExceeded},
			} {
				c.fault()
				start := time.Now()
				s, err := client.Dial(t.Context(), srv.URL, &o)
				if err == nil || c.want != nil && !errors.Is(err, c.want) {
					t.Errorf("%s: %v, %v", list.name, s, err)
				}
				if d := time.Since(start); d != c.after {
					t.Errorf("%s: failed after %v, want %v: %v", list.name, d, c.after, err)
				}
				srv.Heal()
			}
		}
	})
}
