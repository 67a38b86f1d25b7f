package siotest_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/siotest"
)

func TestDial(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		srv := siotest.NewServer(t, &siotest.Options{Setup: func(io *socketio.Server) {
			echo(io)
			io.Of("/admin").Handle("who", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
				return e.Ack(s.Namespace().Name())
			})
		}})
		for range 10 {
			s := srv.Dial("/", nil)
			rec := siotest.NewRecorder(t)
			rec.Client("", s)
			if err := s.Emit("echo", "x", []byte{1}); err != nil {
				t.Fatal(err)
			}
			rec.Expect(siotest.EventLine("echo", "x", []byte{1})) // no "connect", which has happened before
			if !s.Connected() {
				t.Error("not connected")
			}
		}
		args, err := srv.Dial("admin", nil).EmitWithAck(t.Context(), "who")
		if diff := siotest.Diff(args, "/admin"); err != nil || diff != "" {
			t.Error(err, diff)
		}
	})
}

func TestDialFails(t *testing.T) {
	var release chan struct{}
	for _, c := range []struct {
		name string
		do   func(tb testing.TB, srv *siotest.Server)
		want string
	}{
		{"refused by middleware", func(_ testing.TB, srv *siotest.Server) {
			srv.IO().Use(func(context.Context,
				*socketio.Socket) error {
				return &socketio.ConnectError{Message: "not you"}
			})
			srv.Dial("/", nil)
		}, "siotest: dial /: not you"},
		{"refused by the network", func(_ testing.TB, srv *siotest.Server) {
			srv.Refuse()
			srv.Dial("/x", nil)
		}, "siotest: dial /x: "},
		{"frozen", func(_ testing.TB, srv *siotest.Server) {
			srv.Freeze(siotest.ToClient)
			srv.Dial("/", nil)
		}, "siotest: dial /: context deadline exceeded after 1m0s"},
		{"a handler of a client does not return", func(tb testing.TB, srv *siotest.Server) {
			entered := make(chan struct{})
			s := srv.Dial("/", nil)
			s.On("x", func(context.Context, *client.Event) error {
				close(entered)
				<-release
				return nil
			})
			_ = srv.IO().Emit("x")
			<-entered
		}, "siotest: at the end of the test: a client does not end: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release = make(chan struct{})
				defer close(release)
				failed, out := try(t, func(tb testing.TB) {
					c.do(tb, siotest.NewServer(tb, &siotest.Options{
						Patience: time.Minute,
						Client:   &client.Options{ConnectTimeout: -1},
					}))
				})
				if !failed || !strings.Contains(out, c.want) {
					t.Errorf("failed: %v, with %q, want %q", failed, out, c.want)
				}
			})
		})
	}
}

func TestClientOptions(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		srv := siotest.NewServer(t, &siotest.Options{
			Client: &client.Options{Engine: engineio.DialOptions{Transports: []string{"websocket"}}},
		})
		transport := func(opts *client.Options) string { return srv.Dial("/", opts).Manager().Engine().Handshake().SID }
		if transport(nil) == "" {
			t.Error("no session")
		}
		if tr := srv.Dial("/", nil).Manager().Engine().Transport(); tr != "websocket" {
			t.Errorf("the default options do not count: %s", tr)
		}
		var dialed, asked atomic.Int64
		o := &client.Options{Engine: engineio.DialOptions{
			Transports: []string{"websocket"},
			NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				dialed.Add(1)
				return srv.DialContext(ctx, network, addr)
			},
		}}
		srv.Dial("/", o)
		o = &client.Options{Engine: engineio.DialOptions{
			Transports: []string{"polling"},
			HTTPClient: &http.Client{Transport: counting{&asked, srv.HTTPClient().Transport}},
		}}
		srv.Dial("/", o)
		if dialed.Load() == 0 || asked.Load() == 0 {
			t.Errorf("%d dials and %d requests of the client's own", dialed.Load(), asked.Load())
		}
		o.Engine.HTTPClient = &http.Client{Transport: http.DefaultTransport}
		srv.Dial("/", o)
		proxy := &url.URL{Scheme: "http", Host: "proxy.invalid"}
		o.Engine.HTTPClient = &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
		srv.Dial("/", o)
	})
}

type counting struct {
	n *atomic.Int64
	http.RoundTripper
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.RoundTripper.RoundTrip(r)
}

func TestRecorderOfAManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := siotest.NewServer(t, nil)
		m := srv.Client(&client.Options{ReconnectionAttempts: 2})
		rec := siotest.NewRecorder(t)
		rec.Manager("m", m)
		s := m.Socket("/", nil)
		s.Open()
		rec.Expect("m: open")
		synctest.Wait()
		srv.Stop()
		rec.Expect("m: close",
			"m: reconnect_attempt 1", "m: error", "m: reconnect_error",
			"m: reconnect_attempt 2", "m: error", "m: reconnect_error", "m: reconnect_failed")
		srv.Start()
		if err := s.Connect(t.Context()); err != nil {
			t.Error(err)
		}
		rec.Expect("m: open")
		srv.Restart()
		rec.Expect("m: close", "m: reconnect_attempt 1", "m: open", "m: reconnect 1")
	})
}

func TestRecorderOfAConnectError(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		srv := siotest.NewServer(t, nil)
		srv.IO().Use(func(context.Context,
			*socketio.Socket) error {
			return &socketio.ConnectError{Message: "not you"}
		})
		s := srv.Socket("/", nil)
		rec := siotest.NewRecorder(t)
		rec.Client("", s)
		s.Open()
		var refused *client.ConnectError
		if e := rec.Next(); e.String() != "connect_error not you" || !errors.As(e.Err, &refused) {
			t.Errorf("%v: %v", e, e.Err)
		}
	})
}
