package faultproxy_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"sio.example/socketio/test/internal/faultproxy"
)

const patience = 5 * time.Minute // nothing that passes waits for it

// rig is a server that hands out what it accepts, and a proxy before it.
type rig struct {
	t       *testing.T
	ln      net.Listener
	servers chan net.Conn
	*faultproxy.Proxy
}

func newRig(t *testing.T) *rig {
	t.Helper()
	before := runtime.NumGoroutine()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := faultproxy.Start(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, ln: ln, servers: make(chan net.Conn, 16), Proxy: p}
	accepted := make(chan struct{})
	go func() { // owned by the test; ends with the listener
		defer close(accepted)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			r.servers <- c
		}
	}()
	t.Cleanup(func() {
		p.Close()
		_ = ln.Close()
		<-accepted
		if p.Open() != 0 {
			t.Errorf("%d connections are open after Close", p.Open())
		}
		deadline := time.Now().Add(patience)
		for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
			runtime.Gosched()
		}
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%d goroutines after Close, %d before", n, before)
		}
	})
	return r
}

// pair connects through the proxy.
func (r *rig) pair() (client, server net.Conn) {
	r.t.Helper()
	client, err := net.Dial("tcp", r.Addr())
	if err != nil {
		r.t.Fatal(err)
	}
	select {
	case server = <-r.servers:
	case <-time.After(patience):
		r.t.Fatal("the server was not connected to")
	}
	for _, c := range []net.Conn{client, server} {
		_ = c.SetDeadline(time.Now().Add(patience))
		r.t.Cleanup(func() { _ = c.Close() })
	}
	return client, server
}

// refused is how a connection fails that the proxy accepts, but nobody else: when it is made or when it is read.
func (r *rig) refused() error {
	c, err := net.Dial("tcp", r.Addr())
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_, err = c.Read(make([]byte, 1))
	return err
}

func write(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got[:n], err, want)
	}
}

// readsNothing proves that nothing comes, as far as that can be proved.
func readsNothing(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %d bytes, %v", n, err)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func TestBytesAndHalfClosesPass(t *testing.T) {
	r := newRig(t)
	client, server := r.pair()
	big := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	sent := make(chan error, 1)
	go func() { // ends with its write, which is waited for
		_, err := client.Write(big)
		sent <- errors.Join(err, client.(*net.TCPConn).CloseWrite())
	}()
	got, err := io.ReadAll(server)
	if err != nil || !bytes.Equal(got, big) {
		t.Fatalf("%d bytes of %d came, %v", len(got), len(big), err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	write(t, server, "still open this way")
	read(t, client, "still open this way")
	if up, down := r.Passed(faultproxy.Up), r.Passed(faultproxy.Down); up != int64(len(big)) || down != 19 {
		t.Errorf("passed %d up and %d down", up, down)
	}
	_ = server.Close()
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after both have ended: %v", err)
	}
}

func TestDrop(t *testing.T) {
	for _, how := range []faultproxy.Ending{faultproxy.Reset, faultproxy.Finish} {
		t.Run(how.String(), func(t *testing.T) {
			r := newRig(t)
			client, server := r.pair()
			other, _ := r.pair()
			write(t, client, "before")
			read(t, server, "before")
			r.Drop(how)
			for _, c := range []net.Conn{client, server, other} {
				_, err := c.Read(make([]byte, 1))
				if reset := isReset(err); reset != (how == faultproxy.Reset) || !reset && err != io.EOF {
					t.Errorf("%v: read: %v", how, err)
				}
			}
			client, server = r.pair()
			write(t, client, "a new one works")
			read(t, server, "a new one works")
			if n := r.Accepted(); n != 3 {
				t.Errorf("%d connections were accepted", n)
			}
		})
	}
}

func TestFinishDiscardsWhatComes(t *testing.T) {
	r := newRig(t)
	client, server := r.pair()
	r.Drop(faultproxy.Finish)
	for range 3 { // a reset would make the second write fail, or the read
		write(t, client, "to nobody")
	}
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("client: %v", err)
	}
	if _, err := server.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("server: %v", err)
	}
}

func TestAResetPasses(t *testing.T) {
	r := newRig(t)
	client, server := r.pair()
	_ = client.(*net.TCPConn).SetLinger(0)
	_ = client.Close()
	if _, err := server.Read(make([]byte, 1)); !isReset(err) {
		t.Errorf("server: %v", err)
	}
}

func TestFreeze(t *testing.T) {
	for _, d := range []faultproxy.Direction{faultproxy.Up, faultproxy.Down} {
		t.Run(d.String(), func(t *testing.T) {
			r := newRig(t)
			from, to := r.pair()
			if d == faultproxy.Down {
				from, to = to, from
			}
			r.Freeze(d)
			write(t, from, "held")
			write(t, to, "free")
			read(t, from, "free")
			readsNothing(t, to)
			r.Thaw(d)
			read(t, to, "held")

			r.Freeze(faultproxy.Up, faultproxy.Down)
			write(t, from, "lost")
			_ = from.Close()
			readsNothing(t, to)
			r.Drop(faultproxy.Reset) // ends what is frozen, too
			if _, err := to.Read(make([]byte, 1)); !isReset(err) {
				t.Errorf("dropped while frozen: %v", err)
			}
		})
	}
}

func TestShutAndRefuse(t *testing.T) {
	r := newRig(t)
	client, server := r.pair()
	r.Shut()
	if c, err := net.Dial("tcp", r.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatalf("dial while shut: %v, %v", c, err)
	}
	write(t, client, "open ones stay")
	read(t, server, "open ones stay")
	if err := r.Reopen(); err != nil {
		t.Fatal(err)
	}
	client, server = r.pair()
	write(t, client, "again")
	read(t, server, "again")

	r.Refuse(true)
	if err := r.refused(); !isReset(err) {
		t.Errorf("a refused connection: %v", err)
	}
	r.Refuse(false)
	r.pair()
	if n := r.Accepted(); n != 4 {
		t.Errorf("%d connections were accepted", n)
	}
}

func TestNoServerBehind(t *testing.T) {
	r := newRig(t)
	_ = r.ln.Close()
	if err := r.refused(); !isReset(err) {
		t.Errorf("a connection to nobody: %v", err)
	}
}

func TestSetTarget(t *testing.T) {
	r, other := newRig(t), newRig(t)
	r.SetTarget(other.ln.Addr().String())
	client, err := net.Dial("tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	server := <-other.servers
	defer func() { _ = server.Close() }()
	write(t, client, "moved")
	read(t, server, "moved")
}

func TestAnswer(t *testing.T) {
	r := newRig(t)
	r.Answer(http.StatusServiceUnavailable)
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Post("http://"+r.Addr(), "text/plain", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable {
		t.Error(res.Status)
	}
	r.Answer(0)
	r.pair()
}

func TestCutAtByte(t *testing.T) {
	const text = "0123456789"
	for _, d := range []faultproxy.Direction{faultproxy.Up, faultproxy.Down} {
		for _, how := range []faultproxy.Ending{faultproxy.Reset, faultproxy.Finish} {
			for n := range len(text) + 1 {
				t.Run(d.String()+"/"+how.String(), func(t *testing.T) {
					r := newRig(t)
					from, to := r.pair()
					if d == faultproxy.Down {
						from, to = to, from
					}
					idle, _ := r.pair()
					done := r.Cut(d, int64(n), how)
					for i := range text { // a byte a piece
						if _, err := io.WriteString(from, text[i:i+1]); err != nil && i < n {
							t.Fatalf("write %d: %v", i, err)
						}
					}
					got, err := io.ReadAll(to)
					if string(got) != text[:n] || how == faultproxy.Finish &&
						err != nil || how == faultproxy.Reset && !isReset(err) {
						t.Errorf("read %q, %v; want %q", got, err, text[:n])
					}
					<-done
					if _, err := idle.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
						t.Errorf("the other connection: %v", err)
					}
					if passed := r.Passed(d); passed != int64(n) {
						t.Errorf("passed %d", passed)
					}
				})
			}
		}
	}
}

func TestCutCountsAllConnections(t *testing.T) {
	r := newRig(t)
	first, firstServer := r.pair()
	second, secondServer := r.pair()
	done := r.CutOne(faultproxy.Up, 10, faultproxy.Finish)
	write(t, first, "0123456")
	read(t, firstServer, "0123456")
	write(t, second, "7890")
	if got, err := io.ReadAll(secondServer); string(got) != "789" || err != nil {
		t.Errorf("the second connection passed %q, %v", got, err)
	}
	<-done
	write(t, first, "on it goes")
	read(t, firstServer, "on it goes")

	r.Cut(faultproxy.Up, 1, faultproxy.Reset)
	if !r.Disarm() || r.Disarm() {
		t.Error("Disarm does not know what is armed")
	}
	write(t, first, "disarmed")
	read(t, firstServer, "disarmed")
}

func TestPending(t *testing.T) {
	r := newRig(t)
	client, server := r.pair()
	if n := r.Pending(""); n != 0 {
		t.Errorf("%d pending before anything was said", n)
	}
	write(t, client, "GET /")
	read(t, server, "GET /")
	if get, post := r.Pending("GET "), r.Pending("POST "); get != 1 || post != 0 {
		t.Errorf("%d GET and %d POST are pending", get, post)
	}
	write(t, server, "answer")
	read(t, client, "answer")
	if n := r.Pending(""); n != 0 {
		t.Errorf("%d pending after the answer", n)
	}
}

func TestDelay(t *testing.T) {
	const by = 20 * time.Millisecond
	r := newRig(t)
	client, server := r.pair()
	r.Delay(faultproxy.Up, by)
	start := time.Now()
	write(t, client, "late")
	read(t, server, "late")
	if took := time.Since(start); took < by {
		t.Errorf("took %v", took)
	}
	r.Delay(faultproxy.Up, time.Hour)
	write(t, client, "never")
	readsNothing(t, server) // Close ends it
}
