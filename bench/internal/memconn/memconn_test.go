package memconn

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A recorder is a peer that answers "ping" with "pong".
type recorder struct {
	Conn
	got    []string
	closed int
}

func (r *recorder) Receive(p []byte) []byte {
	r.got = append(r.got, string(p))
	if string(p) == "ping" {
		return []byte("pong")
	}
	return nil
}

func (r *recorder) Closed() { r.closed++ }

func connect() *recorder {
	r := new(recorder)
	r.Init(r, 0x01020304)
	return r
}

func (r *recorder) read(t *testing.T, size int) string {
	t.Helper()
	p := make([]byte, size)
	n, err := r.Read(p)
	if err != nil {
		t.Fatal(err)
	}
	return string(p[:n])
}

func TestConn(t *testing.T) {
	r := connect()
	first := []byte("first")
	r.Send(first[:4:5])
	r.Send([]byte("second"))
	if string(first) != "first" {
		t.Errorf("what was sent is overwritten: %q", first)
	}
	if n, err := r.Write([]byte("ping")); n != 4 || err != nil {
		t.Error(n, err)
	}
	if got := r.read(t, 3) + "," + r.read(t, 100); got != "fir,ssecondpong" {
		t.Errorf("read %q", got)
	}
	r.Send([]byte("last"))
	r.End()
	r.Send([]byte("too late"))
	if got := r.read(t, 100); got != "last" {
		t.Errorf("read %q", got)
	}
	if _, err := r.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("error %v at the end", err)
	}
	if err := r.Close(); err != nil || r.closed != 1 {
		t.Error(err, r.closed)
	}
	_, read := r.Read(make([]byte, 1))
	_, write := r.Write([]byte("x"))
	for _, err := range []error{read, write, r.Close(), r.SetDeadline(time.Time{})} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("error %v after Close", err)
		}
	}
	if len(r.got) != 1 || r.closed != 1 {
		t.Errorf("the peer got %q, and was closed %d times", r.got, r.closed)
	}
}

func TestReadWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := connect()
		got := make(chan string, 1)
		read := func() {
			p := make([]byte, 10)
			n, err := r.Read(p)
			switch {
			case errors.Is(err, os.ErrDeadlineExceeded):
				got <- "late"
			case errors.Is(err, net.ErrClosed):
				got <- "closed"
			default:
				got <- string(p[:n])
			}
		}
		for _, step := range []struct {
			does func()
			want string
		}{
			{func() { r.Send([]byte("sent")) }, "sent"},
			{func() { _ = r.SetReadDeadline(time.Now()) }, "late"},
			{func() { _ = r.SetReadDeadline(time.Time{}); r.Send([]byte("again")) }, "again"},
			{func() { _ = r.SetDeadline(time.Now().Add(time.Second)) }, "late"},
			{func() {
				_ = r.SetDeadline(time.Now().Add(time.Second))
				_ = r.SetDeadline(time.Now().Add(time.Hour))
				<-time.After(2 * time.Second) // in which the first one must not count
				r.Send([]byte("in time"))
			}, "in time"},
			{func() { _ = r.Close() }, "closed"},
		} {
			if step.want != "late" {
				_ = r.SetReadDeadline(time.Time{})
			} else {
				_ = r.SetReadDeadline(time.Now().Add(time.Hour))
			}
			go read() // ends with the step
			synctest.Wait()
			step.does()
			if text := <-got; text != step.want {
				t.Errorf("read %q, want %q", text, step.want)
			}
		}
	})
}

// net/http can serve such connections, and hand them over.
func TestHijack(t *testing.T) {
	ln := Listen()
	done, handled := make(chan error, 1), make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.RemoteAddr != "10.2.3.4:40001" {
			t.Errorf("address %s", r.RemoteAddr)
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = conn.Write([]byte("hello"))
		_ = conn.Close()
		close(handled)
	})}
	go func() { done <- server.Serve(ln) }() // ends with the listener
	r := connect()
	r.Send([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	if err := ln.Connect(&r.Conn); err != nil {
		t.Fatal(err)
	}
	<-handled
	if len(r.got) != 1 || r.got[0] != "hello" || r.closed != 1 {
		t.Errorf("the peer got %q, and was closed %d times", r.got, r.closed)
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
	if err := ln.Connect(&connect().Conn); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v of a closed listener", err)
	}
	if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error %v of a closed listener", err)
	}
}

func TestAddr(t *testing.T) {
	if a := Addr(999_999).String(); a != "10.15.66.63:40000" {
		t.Error(a)
	}
	if a := ServerAddr; a.Network() != "mem" || !strings.HasSuffix(a.String(), ":80") {
		t.Error(a)
	}
}
