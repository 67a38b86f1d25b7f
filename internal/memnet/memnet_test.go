package memnet

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestHTTPServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen()
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			<-time.After(time.Hour)
			io.WriteString(w, r.RemoteAddr+" "+string(body))
		})}
		go srv.Serve(l) // ends with Shutdown below
		tr := &http.Transport{DialContext: l.DialContext}
		client := &http.Client{Transport: tr}
		start := time.Now()
		resp, err := client.Post("http://any/", "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := "192.0.2.2:40001 hello"; string(body) != want || err != nil {
			t.Errorf("body %q, %v, want %q", body, err, want)
		}
		if d := time.Since(start); d != time.Hour {
			t.Errorf("took %v of the bubble's time, want an hour", d)
		}
		tr.CloseIdleConnections()
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := l.Dial(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Dial after Close: %v", err)
		}
	})
}

func TestAbortedRequestIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen()
		gone := make(chan struct{})
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			close(gone)
		})}
		go srv.Serve(l) // ends with Close below
		c, err := l.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: any\r\n\r\n")
		synctest.Wait()
		c.Close()
		<-gone
		srv.Close()
	})
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := Pipe(10)
		start := time.Now()
		a.SetReadDeadline(start.Add(3 * time.Second))
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) ||
			time.Since(start) != 3*time.Second {
			t.Errorf("Read: %v after %v", err, time.Since(start))
		}
		var timeout net.Error
		if _, err := a.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("Read past the deadline: %v", err)
		}
		a.SetDeadline(time.Time{})
		b.Write([]byte("x"))
		if n, err := a.Read(make([]byte, 9)); n != 1 || err != nil {
			t.Errorf("Read without a deadline: %d, %v", n, err)
		}
		a.SetWriteDeadline(time.Now().Add(time.Second))
		if n, err := a.Write(make([]byte, 25)); n != 10 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write into a full buffer: %d, %v", n, err)
		}
		// A deadline that is moved while somebody waits counts at once.
		a.SetDeadline(time.Time{})
		done := make(chan error)
		go func() { // ends with its read, below
			_, err := a.Read(make([]byte, 1))
			done <- err
		}()
		synctest.Wait()
		a.SetReadDeadline(time.Unix(1, 0))
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read with a deadline in the past: %v", err)
		}
		a.SetDeadline(time.Now().Add(time.Hour)) // its timers end with Close
		a.Close()
		b.Close()
	})
}

func TestStreamThroughASmallBuffer(t *testing.T) {
	a, b := Pipe(7)
	want := bytes.Repeat([]byte("0123456789"), 1000)
	go func() { // ends when all is written
		a.Write(want)
		a.CloseWrite()
	}()
	got, err := io.ReadAll(bufio.NewReaderSize(b, 16))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := b.Write([]byte("x")); err != nil {
		t.Errorf("the other direction: %v", err)
	}
	a.Close()
	if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write to a closed peer: %v", err)
	}
	if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
	if _, err := a.Write(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after Close: %v", err)
	}
}

func TestReset(t *testing.T) {
	a, b := Pipe(0)
	a.Write([]byte("lost"))
	a.Reset()
	if n, err := b.Read(make([]byte, 9)); n != 0 || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Read = %d, %v", n, err)
	}
	if _, err := b.Write([]byte("x")); err == nil {
		t.Error("write after a reset succeeds")
	}
}

func TestDialGivesUp(t *testing.T) {
	l := Listen()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Dial(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Dial: %v", err)
	}
	l.Close()
	l.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v", err)
	}
}
