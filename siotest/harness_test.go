package siotest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	socketio "sio.example/socketio"
	"sio.example/socketio/siotest"
)

// inAndOut runs a test in a bubble and outside of it, in parallel.
func inAndOut(t *testing.T, fn func(t *testing.T)) {
	t.Helper()
	t.Run("virtual time", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, fn)
	})
	t.Run("real time", func(t *testing.T) {
		t.Parallel()
		fn(t)
	})
}

// A fakeTB is a test that may fail.
type fakeTB struct {
	testing.TB

	mu       sync.Mutex
	cleanups []func()
	failed   bool
	out      bytes.Buffer
}

// try runs fn as a test, with its end, and returns what it failed with.
func try(t *testing.T, fn func(tb testing.TB)) (failed bool, output string) {
	t.Helper()
	f := &fakeTB{TB: t}
	f.do(func() { fn(f) })
	for len(f.cleanups) > 0 {
		last := f.cleanups[len(f.cleanups)-1]
		f.cleanups = f.cleanups[:len(f.cleanups)-1]
		f.do(last)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed, f.out.String()
}

func (f *fakeTB) do(fn func()) {
	done := make(chan struct{})
	go func() { // ends with fn, maybe by Goexit
		defer close(done)
		fn()
	}()
	<-done
}

func (f *fakeTB) Helper()           {}
func (f *fakeTB) Cleanup(fn func()) { f.cleanups = append(f.cleanups, fn) }
func (f *fakeTB) Output() io.Writer { return io.Discard }

func (f *fakeTB) Failed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

func (f *fakeTB) Logf(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fmt.Fprintf(&f.out, format+"\n", args...)
}

func (f *fakeTB) Errorf(format string, args ...any) {
	f.Logf(format, args...)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failed = true
}

func (f *fakeTB) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	runtime.Goexit()
}

// A poller speaks the protocol by hand.
type poller struct {
	t    testing.TB
	http *http.Client
	url  string
}

func newPoller(t testing.TB, n *siotest.Network, url string) *poller {
	t.Helper()
	p := &poller{t: t, http: n.HTTPClient(), url: url + "/socket.io/?EIO=4&transport=polling"}
	body, err := p.get()
	if err != nil {
		t.Fatalf("handshake: %v", err)
	}
	var h struct{ SID string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(body, "0")), &h); err != nil {
		t.Fatalf("handshake %q: %v", body, err)
	}
	p.url += "&sid=" + h.SID
	return p
}

func (p *poller) get() (string, error) {
	resp, err := p.http.Get(p.url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if resp.StatusCode != 200 {
		err = fmt.Errorf("%s: %s", resp.Status, b)
	}
	return string(b), err
}

func (p *poller) post(packet string) error {
	resp, err := p.http.Post(p.url, "text/plain;charset=UTF-8", strings.NewReader(packet))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if string(b) != "ok" {
		return fmt.Errorf("%s: %s", resp.Status, b)
	}
	return err
}

func (p *poller) send(packet string) {
	p.t.Helper()
	if err := p.post(packet); err != nil {
		p.t.Fatalf("POST: %v", err)
	}
}

func (p *poller) expect(want string) {
	p.t.Helper()
	got, err := p.get()
	if err != nil || !strings.HasPrefix(got, want) {
		p.t.Fatalf("got %q, %v, want %q", got, err, want)
	}
}

// echo answers "echo" with its arguments.
func echo(io *socketio.Server) {
	io.OnConnection(func(s *socketio.Socket) {
		s.On("echo", func(_ context.Context, e *socketio.Event) error {
			return s.Emit("echo", e.Args)
		})
	})
}
