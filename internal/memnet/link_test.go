package memnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// linked runs fn with a Link and a connection over it, on virtual time. In the end nothing may be left.
func linked(t *testing.T, fn func(t *testing.T, l *Link, client, server *Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ln := Listen()
		l := NewLink(ln)
		client, server := connectOver(t, l)
		fn(t, l, client, server)
		client.Close()
		server.Close()
		if n, ends := l.Open(); n != 0 {
			t.Errorf("%d connections are left: %v", n, ends)
		}
		if err := l.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func connectOver(t *testing.T, l *Link) (client, server *Conn) {
	t.Helper()
	accepted := make(chan net.Conn, 1)
	ln := l.net.listener
	go func() { // ends with the connection below
		c, _ := ln.Accept()
		accepted <- c
	}()
	client, err := l.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return client, (<-accepted).(*Conn)
}

// read is what comes within d, and the error that follows.
func read(c *Conn, d time.Duration) (string, error) {
	var b bytes.Buffer
	c.SetReadDeadline(time.Now().Add(d))
	defer c.SetReadDeadline(time.Time{})
	_, err := b.ReadFrom(c)
	return b.String(), err
}

func wantRead(t *testing.T, c *Conn, want string, wantErr error) {
	t.Helper()
	got, err := read(c, time.Second)
	if got != want || !errors.Is(err, wantErr) {
		t.Errorf("read %q, %v, want %q, %v", got, err, want, wantErr)
	}
}

func wantWrite(t *testing.T, c *Conn, s string, want int, wantErr error) {
	t.Helper()
	c.SetWriteDeadline(time.Now().Add(time.Second))
	if n, err := io.WriteString(c, s); n != want || !errors.Is(err, wantErr) {
		t.Errorf("write %q: %d, %v, want %d, %v", s, n, err, want, wantErr)
	}
	c.SetWriteDeadline(time.Time{})
}

var nothing = os.ErrDeadlineExceeded

func TestLinkWithoutFaults(t *testing.T) {
	linked(t, func(t *testing.T, l *Link, client, server *Conn) {
		start := time.Now()
		wantWrite(t, client, "up", 2, nil)
		p := make([]byte, 9)
		if n, err := server.Read(p); string(p[:n]) != "up" || err != nil {
			t.Errorf("%q, %v", p[:n], err)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("took %v", d)
		}
		server.Close()
		wantRead(t, client, "", nil)
		wantWrite(t, client, "x", 0, syscall.EPIPE)
		if u, d := l.Bytes(ToServer), l.Bytes(ToClient); u != 2 || d != 0 || l.Bytes(Both) != 2 || l.Dials() != 1 {
			t.Errorf("%d bytes up, %d down, %d dials", u, d, l.Dials())
		}
		if n, ends := l.Open(); n != 1 || !slices.Equal(ends, []string{"the client's end of 192.0.2.2:40001"}) {
			t.Errorf("%d open: %v", n, ends)
		}
	})
}

func TestFreeze(t *testing.T) {
	linked(t, func(t *testing.T, l *Link, client, server *Conn) {
		wantWrite(t, client, "a", 1, nil)
		l.Freeze(ToServer)
		wantWrite(t, client, "b", 1, nil)
		wantRead(t, server, "a", nothing)
		wantWrite(t, server, "down", 4, nil)
		wantRead(t, client, "down", nothing)
		l.Freeze(ToClient)
		wantWrite(t, server, "late", 4, nil)
		wantRead(t, client, "", nothing)
		client.CloseWrite() // and its end stays behind what was sent
		wantRead(t, server, "", nothing)
		l.Thaw(ToServer)
		wantRead(t, server, "b", nil)
		wantRead(t, client, "", nothing)
		l.Thaw(Both)
		wantRead(t, client, "late", nothing)
	})
}

func TestFreezeHoldsTheEndBack(t *testing.T) {
	for _, reset := range []bool{false, true} {
		linked(t, func(t *testing.T, l *Link, client, server *Conn) {
			l.Freeze(ToServer)
			wantWrite(t, client, "last", 4, nil)
			want, wantErr := "last", error(nil)
			if client.Close(); reset {
				want, wantErr = "", syscall.ECONNRESET
			}
			if reset {
				client, server = reconnect(t, l, client, server)
				l.Freeze(ToServer)
				client.Reset()
			}
			wantRead(t, server, "", nothing)
			wantWrite(t, server, "into the void", 13, nil) // nobody said that there is none
			l.Thaw(ToServer)
			wantRead(t, server, want, wantErr)
			wantWrite(t, server, "x", 0, syscall.EPIPE)
			server.Close()
		})
	}
}

func reconnect(t *testing.T, l *Link, client, server *Conn) (*Conn, *Conn) {
	t.Helper()
	l.Heal()
	client.Close()
	server.Close()
	return connectOver(t, l)
}

func TestFrozenWriterWaits(t *testing.T) {
	linked(t, func(t *testing.T, l *Link, client, server *Conn) {
		l.Freeze(Both)
		big := strings.Repeat("x", DefaultBuffer+1)
		wantWrite(t, client, big, DefaultBuffer, nothing)
		done := make(chan error)
		go func() { _, err := io.WriteString(client, "y"); done <- err }() // ends when thawed, below
		synctest.Wait()
		l.Thaw(ToServer)
		if got, err := read(server, time.Second); got != big[1:]+"y" || !errors.Is(err, nothing) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		l.Freeze(ToServer)
		wantWrite(t, client, big, DefaultBuffer, nothing)
		go func() { _, err := io.WriteString(client, "y"); done <- err }() // ends with Close
		synctest.Wait()
		client.Close()
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write while Close is called: %v", err)
		}
	})
}

func TestDelay(t *testing.T) {
	linked(t, func(t *testing.T, l *Link, client, server *Conn) {
		start := time.Now()
		at := func(what string, want time.Duration) {
			t.Helper()
			if d := time.Since(start); d != want {
				t.Errorf("%s after %v, want %v", what, d, want)
			}
		}
		l.SetDelay(ToServer, 300*time.Millisecond)
		wantWrite(t, client, "a", 1, nil)
		<-time.After(100 * time.Millisecond)
		wantWrite(t, client, "b", 1, nil)
		l.SetDelay(ToServer, 0) // which lets nothing overtake
		wantWrite(t, client, "c", 1, nil)
		client.CloseWrite()
		p := make([]byte, 9)
		for _, want := range []string{"a", "bc"} {
			n, err := server.Read(p)
			if string(p[:n]) != want || err != nil {
				t.Errorf("%q, %v, want %q", p[:n], err, want)
			}
			at(want, map[string]time.Duration{"a": 300, "bc": 400}[want]*time.Millisecond)
		}
		if _, err := server.Read(p); err != io.EOF {
			t.Error(err)
		}
		at("the end", 400*time.Millisecond)
		wantWrite(t, server, "back", 4, nil)
		n, _ := client.Read(p)
		if at("the other direction", 400*time.Millisecond); string(p[:n]) != "back" {
			t.Errorf("%q", p[:n])
		}

		// A dial is a round trip, and frozen bytes that have become due meanwhile arrive at once.
		l.SetDelay(Both, time.Second)
		c, s := connectOver(t, l)
		at("dial", 2400*time.Millisecond)
		l.Freeze(Both)
		wantWrite(t, c, "x", 1, nil)
		<-time.After(time.Minute)
		l.Thaw(Both)
		wantRead(t, s, "x", nothing)
		c.Close()
		s.Close()
	})
}

func TestRate(t *testing.T) {
	linked(t, func(t *testing.T, l *Link, client, server *Conn) {
		start := time.Now()
		l.SetRate(ToServer, 1000)
		go func() { // ends when all is sent
			client.Write(make([]byte, 100_000))
			client.CloseWrite()
		}()
		p := make([]byte, 1<<20)
		if n, err := server.Read(p); n != segmentSize || err != nil || time.Since(start) != 1460*time.Millisecond {
			t.Errorf("%d bytes, %v, after %v", n, err, time.Since(start))
		}
		n, err := io.ReadFull(server, p)
		if n != 100_000-segmentSize || err != io.ErrUnexpectedEOF || time.Since(start) != 100*time.Second {
			t.Errorf("%d bytes, %v, after %v", n, err, time.Since(start))
		}
	})
}

func TestRefuse(t *testing.T) {
	linked(t, func(t *testing.T, l *Link, client, server *Conn) {
		l.Refuse(true)
		if _, err := l.DialContext(t.Context(), "tcp", "any:80"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Dial: %v", err)
		}
		wantWrite(t, client, "lives on", 8, nil)
		wantRead(t, server, "lives on", nothing)
		l.Refuse(false)
		c, s := connectOver(t, l)
		c.Close()
		s.Close()
		ln := l.net.listener
		l.SetListener(nil)
		if _, err := l.Dial(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Dial without a listener: %v", err)
		}
		l.SetListener(ln)
		ln.Close()
		if _, err := l.Dial(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Dial of a closed listener: %v", err)
		}
		if l.Dials() != 5 {
			t.Errorf("%d dials", l.Dials())
		}
	})
}

func TestDialGivesUpOnALink(t *testing.T) {
	linked(t, func(t *testing.T, l *Link, client, server *Conn) {
		for _, fault := range []func(){
			func() { l.Freeze(ToServer) },
			func() { l.Freeze(ToClient) },
			func() { l.SetDelay(ToClient, time.Hour) },
			func() {}, // nobody accepts
		} {
			fault()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			if c, err := l.DialContext(ctx, "", ""); !errors.Is(err, context.DeadlineExceeded) || c != nil {
				t.Errorf("Dial: %v", err)
			}
			cancel()
			l.Heal()
		}
		l.Freeze(Both)
		time.AfterFunc(time.Minute, func() { l.Thaw(Both) })
		start := time.Now()
		c, s := connectOver(t, l)
		if d := time.Since(start); d != time.Minute {
			t.Errorf("Dial while frozen for a minute took %v", d)
		}
		c.Close()
		s.Close()
	})
}

func TestDrop(t *testing.T) {
	linked(t, func(t *testing.T, l *Link, client, server *Conn) {
		l.Freeze(Both)
		wantWrite(t, client, "lost", 4, nil)
		done := make(chan error)
		go func() { _, err := server.Read(make([]byte, 1)); done <- err }() // ends with Drop
		synctest.Wait()
		l.Drop()
		if err := <-done; !errors.Is(err, syscall.ECONNRESET) {
			t.Error(err)
		}
		l.Thaw(Both)
		for _, c := range []*Conn{client, server} {
			wantRead(t, c, "", syscall.ECONNRESET)
			wantWrite(t, c, "x", 0, syscall.ECONNRESET)
		}
		c, s := connectOver(t, l)
		wantWrite(t, c, "new", 3, nil)
		wantRead(t, s, "new", nothing)
		c.Close()
		s.Close()
	})
}

func TestHang(t *testing.T) {
	linked(t, func(t *testing.T, l *Link, client, server *Conn) {
		l.Hang()
		wantWrite(t, client, "x", 1, nil)
		wantWrite(t, server, "x", 1, nil)
		wantRead(t, client, "", nothing)
		l.Heal()
		server.Close()
		wantRead(t, client, "", nothing)
		c, s := connectOver(t, l)
		wantWrite(t, c, "new", 3, nil)
		wantRead(t, s, "new", nothing)
		c.Close()
		s.Close()
	})
}

func TestCut(t *testing.T) {
	for _, dir := range []Direction{ToServer, ToClient} {
		for _, way := range []Way{Reset, Close, Hang} {
			for n := range 5 {
				for _, delay := range []time.Duration{0, time.Millisecond} {
					t.Run(fmt.Sprint(dir, way, n, delay), func(t *testing.T) {
						linked(t, func(t *testing.T, l *Link, client, server *Conn) {
							l.SetDelay(Both, delay)
							testCut(t, l, client, server, dir, way, n)
						})
					})
				}
			}
		}
	}
}

func testCut(t *testing.T, l *Link, client, server *Conn, dir Direction, way Way, n int) {
	from, to := client, server
	if dir == ToClient {
		from, to = server, client
	}
	wantWrite(t, from, "12", 2, nil)
	done := l.Cut(dir, int64(n), way)
	select {
	case <-done:
		t.Error("happens at once")
	default:
	}
	readErr, writeErr, sent := error(syscall.ECONNRESET), error(syscall.ECONNRESET), n
	switch way {
	case Close:
		readErr, writeErr = nil, syscall.EPIPE // ReadFrom returns nil for io.EOF
	case Hang:
		readErr, writeErr, sent = nothing, nil, 5
	}
	wantWrite(t, to, "back", 4, nil) // the other direction does not count
	wantRead(t, from, "back", nothing)
	wantWrite(t, from, "34567", sent, writeErr)
	<-done
	wantRead(t, to, "1234567"[:2+n], readErr)
	wantRead(t, from, "", readErr)
	if way == Hang {
		writeErr, sent = nil, 1
	} else {
		writeErr, sent = syscall.EPIPE, 0
	}
	wantWrite(t, to, "x", sent, writeErr)
	c, s := connectOver(t, l) // a Cut happens once
	wantWrite(t, c, "new", 3, nil)
	wantRead(t, s, "new", nothing)
	c.Close()
	s.Close()
}

func TestCutCountsAllConnections(t *testing.T) {
	linked(t, func(t *testing.T, l *Link, client, server *Conn) {
		c, s := connectOver(t, l)
		l.Cut(ToServer, 1, Hang)
		done := l.Cut(ToServer, 10, Reset) // instead
		wantWrite(t, client, "123456", 6, nil)
		wantWrite(t, c, "123456", 4, syscall.ECONNRESET)
		<-done
		wantRead(t, s, "1234", syscall.ECONNRESET)
		wantRead(t, server, "123456", nothing)
		l.Cut(ToServer, 0, Reset)
		l.Cut(ToServer, -1, Reset)
		wantWrite(t, client, "x", 1, nil)
		l.Cut(ToServer, 0, Reset)
		l.Heal()
		wantWrite(t, client, "x", 1, nil)
		c.Close()
		s.Close()
	})
}

func TestFaultsOfLinksAddUp(t *testing.T) {
	linked(t, func(t *testing.T, l *Link, client, server *Conn) {
		sub := l.Sub()
		c, s := connectOver(t, sub)
		sub.SetDelay(ToServer, time.Second/4)
		l.SetDelay(ToServer, time.Second/4)
		start := time.Now()
		for _, x := range []struct {
			from, to *Conn
			want     time.Duration
		}{{client, server, time.Second / 4}, {c, s, time.Second / 2}} {
			wantWrite(t, x.from, "x", 1, nil)
			if _, err := x.to.Read(make([]byte, 1)); err != nil || time.Since(start) != x.want {
				t.Errorf("%v after %v, want %v", err, time.Since(start), x.want)
			}
			start = time.Now()
		}
		l.Heal()
		sub.Heal()
		l.Freeze(ToClient)
		wantWrite(t, s, "x", 1, nil)
		wantRead(t, c, "", nothing)
		sub.Freeze(ToClient)
		l.Heal()
		wantRead(t, c, "", nothing)
		sub.Heal()
		wantRead(t, c, "x", nothing)
		if l.Bytes(Both) != 3 || sub.Bytes(Both) != 2 || l.Dials() != 2 || sub.Dials() != 1 {
			t.Errorf("%d and %d bytes, %d and %d dials", l.Bytes(Both), sub.Bytes(Both), l.Dials(), sub.Dials())
		}
		sub.Refuse(true)
		if _, err := sub.Dial(t.Context()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Dial: %v", err)
		}
		sub.Drop()
		wantRead(t, s, "", syscall.ECONNRESET)
		wantWrite(t, client, "lives", 5, nil)
		wantRead(t, server, "lives", nothing)
		c.Close()
		s.Close()
	})
}

func TestHTTPOverALink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := Listen()
		l := NewLink(ln)
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(w, r.Body)
		})}
		go srv.Serve(ln) // ends with Close below
		tr := &http.Transport{DialContext: l.DialContext}
		post := func(body string) (string, error) {
			resp, err := (&http.Client{Transport: tr}).Post("http://any/", "text/plain", strings.NewReader(body))
			if err != nil {
				return "", err
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			return string(b), err
		}
		l.SetDelay(Both, time.Second)
		start := time.Now()
		if got, err := post("hello"); got != "hello" || err != nil || time.Since(start) != 4*time.Second {
			t.Errorf("%q, %v, after %v", got, err, time.Since(start))
		}
		l.Cut(ToClient, 150, Reset)
		if _, err := post(strings.Repeat("x", 100)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("cut: %v", err)
		}
		l.Heal()
		if got, err := post("again"); got != "again" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		tr.CloseIdleConnections()
		srv.Close()
		if err := l.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
