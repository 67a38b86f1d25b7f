package siotest_test

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
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/siotest"
)

func TestServerByHand(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		rec := siotest.NewRecorder(t)
		srv := siotest.NewServer(t, &siotest.Options{Setup: func(io *socketio.Server) {
			echo(io)
			rec.Namespace("", io.Of("/"))
		}})
		p := newPoller(t, srv.Network, srv.URL)
		p.send("40")
		p.expect(`40{"sid":`)
		p.send(`42["echo","hi",{"a":1}]`)
		p.expect(`42["echo","hi",{"a":1}]`)
		rec.Expect("connection", `echo ["hi",{"a":1}]`)
		rec.ExpectNothing()
		p.send("41")
		rec.Expect("disconnect client namespace disconnect")
	})
}

func TestMiddleware(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		own := socketio.NewServer(nil)
		srv := siotest.NewServer(t, &siotest.Options{
			NewServer: func() *socketio.Server { return own },
			Handler: func(io *socketio.Server) http.Handler {
				mux := http.NewServeMux()
				mux.Handle("/socket.io/", io)
				mux.HandleFunc("/other",
					func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "other ", r.Host) })
				return mux
			},
		})
		if srv.IO() != own {
			t.Error("another server")
		}
		resp, err := srv.HTTPClient().Get(srv.URL + "/other")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); string(b) != "other siotest.invalid" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
		newPoller(t, srv.Network, srv.URL)
	})
}

func TestStopAndStart(t *testing.T) {
	inAndOut(t, func(t *testing.T) {
		rec := siotest.NewRecorder(t)
		lives := 0
		srv := siotest.NewServer(t, &siotest.Options{Setup: func(io *socketio.Server) {
			lives++
			echo(io)
			rec.Namespace(fmt.Sprint(lives), io.Of("/"))
		}})
		first := srv.IO()
		srv.Start() // runs already
		if srv.IO() != first {
			t.Error("Start of a server that runs replaces it")
		}
		p := newPoller(t, srv.Network, srv.URL)
		p.send("40")
		p.expect("40")
		polled := make(chan error)
		go func() { // ends with Stop
			_, err := p.get()
			polled <- err
		}()
		for srv.IO().Engine().Stats().Polling == 0 {
			<-time.After(time.Millisecond)
		}
		srv.Stop()
		// net/http tries again when a connection that was used before is reset.
		if err := <-polled; !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("the poll of a server that stops: %v", err)
		}
		rec.Expect("1: connection", "1: disconnect server shutting down")
		if err := p.post("41"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("POST to a stopped server: %v", err)
		}
		srv.Stop()
		if srv.IO() != first || srv.Conns() != 0 && isVirtual() {
			t.Errorf("another server, or %d connections", srv.Conns())
		}
		srv.Start()
		if srv.IO() == first {
			t.Error("Start after Stop is no fresh server")
		}
		if err := p.post("41"); err == nil || errors.Is(err, syscall.ECONNREFUSED) ||
			errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("POST to a new server: %v, want an unknown session", err)
		}
		p = newPoller(t, srv.Network, srv.URL)
		p.send("40")
		p.expect("40")
		srv.Restart()
		p = newPoller(t, srv.Network, srv.URL)
		p.send("40")
		p.expect("40")
		rec.Expect("2: connection", "2: disconnect", "3: connection")
	})
}

func TestStartAfterTheEnd(t *testing.T) {
	var srv *siotest.Server
	failed, out := try(t, func(tb testing.TB) { srv = siotest.NewServer(tb, nil) })
	if failed {
		t.Error(out)
	}
	last := srv.IO()
	srv.Start()
	srv.Restart()
	if srv.IO() != last {
		t.Error("a server is started after the end of the test")
	}
}

func isVirtual() bool { return time.Now().Year() < 2020 }

func TestLeaksFail(t *testing.T) {
	var block chan struct{} // closed when the test has failed
	for _, c := range []struct {
		name string
		want string // "": it passes
		test func(tb testing.TB, srv *siotest.Server)
	}{
		{"nothing", "", func(testing.TB, *siotest.Server) {}},
		{"stopped", "", func(_ testing.TB, srv *siotest.Server) { srv.Stop() }},
		{"a session", "", func(tb testing.TB, srv *siotest.Server) { newPoller(tb, srv.Network, srv.URL).send("40") }},
		{"faults", "", func(tb testing.TB, srv *siotest.Server) {
			n := srv.NewNetwork()
			p := newPoller(tb, n, srv.URL)
			n.Freeze(siotest.Both)
			srv.Freeze(siotest.Both)
			go p.get() // ends with the connection
		}},
		{"a connection", "not closed: the client's end of 192.0.2.2:40001", func(tb testing.TB, srv *siotest.Server) {
			if _, err := srv.DialContext(context.Background(), "tcp", "any:1"); err != nil {
				tb.Fatalf("%v", err)
			}
		}},
		{"a handler", "still running: event x", func(tb testing.TB, srv *siotest.Server) {
			entered := make(chan struct{})
			srv.IO().Handle("x", func(context.Context, *socketio.Socket, *socketio.Event) error {
				close(entered)
				<-block
				return nil
			})
			p := newPoller(tb, srv.Network, srv.URL)
			p.send("40")
			p.expect("40")
			p.send(`42["x"]`)
			<-entered
		}},
		{"a handler when stopped", "siotest: stop: ", func(tb testing.TB, srv *siotest.Server) {
			entered := make(chan struct{})
			srv.IO().Handle("x", func(context.Context, *socketio.Socket, *socketio.Event) error {
				close(entered)
				<-block
				return nil
			})
			p := newPoller(tb, srv.Network, srv.URL)
			p.send("40")
			p.expect("40")
			p.send(`42["x"]`)
			<-entered
			srv.Stop()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				block = make(chan struct{})
				defer close(block)
				start := time.Now()
				failed, out := try(t, func(tb testing.TB) { c.test(tb, siotest.NewServer(tb, nil)) })
				if failed != (c.want != "") || !strings.Contains(out, c.want) {
					t.Errorf("failed: %v, output %q, want %q", failed, out, c.want)
				}
				if d := time.Since(start); failed && d < time.Hour || !failed && d > time.Minute {
					t.Errorf("it took %v", d)
				}
			})
		})
	}
}

func TestLeakOfAnHTTPHandlerFails(t *testing.T) {
	block := make(chan struct{})
	failed, out := try(t, func(tb testing.TB) {
		entered := make(chan struct{})
		srv := siotest.NewServer(tb, &siotest.Options{
			Patience: 50 * time.Millisecond, // fails in any case
			Handler: func(*socketio.Server) http.Handler {
				return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
					close(entered)
					<-block
				})
			},
		})
		go srv.HTTPClient().Get(srv.URL + "/slow") // ends with the server
		<-entered
	})
	close(block)
	if want := "handlers of HTTP requests that have not returned: GET /slow"; !failed || !strings.Contains(out, want) {
		t.Errorf("failed: %v, output %q, want %q", failed, out, want)
	}
}

func TestFaultsOfANetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := siotest.NewServer(t, &siotest.Options{Setup: echo})
		ada, bob := srv.NewNetwork(), srv.NewNetwork()
		a, b := newPoller(t, ada, srv.URL), newPoller(t, bob, srv.URL)
		for _, p := range []*poller{a, b} {
			p.send("40")
			p.expect("40")
		}
		ask := func(p *poller) (time.Duration, error) {
			start := time.Now()
			err := p.post(`42["echo"]`)
			if err == nil {
				_, err = p.get()
			}
			return time.Since(start), err
		}
		want := func(what string, p *poller, d time.Duration, wantErr error) {
			t.Helper()
			if took, err := ask(p); took != d || !errors.Is(err, wantErr) {
				t.Errorf("%s: %v after %v, want %v after %v", what, err, took, wantErr, d)
			}
		}
		want("no fault", a, 0, nil)
		ada.SetDelay(siotest.ToServer, time.Second)
		srv.SetDelay(siotest.ToClient, 2*time.Second)
		want("delay", a, 2*(time.Second+2*time.Second), nil)
		want("delay of the other", b, 4*time.Second, nil)
		srv.SetDelay(siotest.Both, 0)
		ada.Heal()
		want("healed", a, 0, nil)

		ada.Freeze(siotest.ToClient)
		time.AfterFunc(10*time.Second, func() { ada.Thaw(siotest.ToClient) })
		want("frozen", a, 10*time.Second, nil)
		want("the other is not", b, 0, nil)

		if n := srv.Conns(); n != 2 {
			t.Errorf("%d connections, want 2", n)
		}
		ada.Refuse()
		ada.Drop()
		want("refused", a, 0, syscall.ECONNREFUSED)
		want("the other", b, 0, nil)
		ada.Allow()
		want("allowed", a, 0, nil)

		before := srv.Bytes(siotest.ToServer)
		done := ada.Cut(siotest.ToServer, 10, siotest.Close)
		if _, err := ask(a); err == nil {
			t.Error("cut: no error")
		}
		<-done
		if n := srv.Bytes(siotest.ToServer) - before; n != 10 {
			t.Errorf("%d bytes before the cut, want 10", n)
		}
		want("after it", a, 0, nil)

		srv.SetBandwidth(siotest.ToClient, 50)
		if d, err := ask(b); d < 5*time.Second || err != nil {
			t.Errorf("bandwidth: %v after %v", err, d)
		}
		srv.SetBandwidth(siotest.ToClient, 0)
		srv.Hang()
		a.http.Timeout = time.Hour
		var timeout net.Error
		if err := a.post(`42["echo"]`); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("hang: %v", err)
		}
		if n := ada.Dials(); n < 3 {
			t.Errorf("%d dials", n)
		}
	})
}

func TestParallelServers(t *testing.T) {
	for i := range 20 {
		inAndOut(t, func(t *testing.T) {
			rec := siotest.NewRecorder(t)
			srv := siotest.NewServer(t, &siotest.Options{Setup: func(io *socketio.Server) {
				rec.Namespace("",
					io.Of("/"))
			}})
			p := newPoller(t, srv.Network, srv.URL)
			p.send("40")
			p.expect("40")
			p.send(fmt.Sprintf(`42["x",%d]`, i))
			rec.Expect("connection", siotest.EventLine("x", i))
		})
	}
}

func TestNewLogger(t *testing.T) {
	var lines []string
	out := writerFunc(func(p []byte) (int, error) {
		lines = append(lines, string(p))
		return len(p), nil
	})
	var log interface {
		Info(string, ...any)
		Warn(string, ...any)
	}
	try(t, func(tb testing.TB) {
		l := siotest.NewLogger(outputTB{tb, out}, slog.LevelWarn)
		log = l
		l.Info("no")
		l.Warn("yes")
	})
	log.Warn("too late")
	if len(lines) != 1 || !slices.ContainsFunc(lines, func(s string) bool { return strings.Contains(s, "msg=yes") }) {
		t.Errorf("%q", lines)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

type outputTB struct {
	testing.TB
	out io.Writer
}

func (o outputTB) Output() io.Writer { return o.out }
