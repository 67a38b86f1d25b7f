package websocket

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever the sizes of buffers are, and however they are copied together or not, the bytes are those given, in order.
func TestWriteFramesOfAllSizes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	sizes := []int{0, 1, 100, smallBuf - 1, smallBuf, copyMax - 1, copyMax, copyMax + 1, 100_000}
	source := randomBytes(r, 200_000, false)
	for _, kind := range kinds {
		c, p := connect(t, kind, nil)
		var want []byte
		const n = 60
		calls := make(chan [][]byte, n)
		for i := range n {
			pieces := r.IntN(8)
			if i%20 == 0 {
				pieces = 200
			}
			var bufs [][]byte
			for range pieces {
				size := sizes[r.IntN(len(sizes))]
				if pieces == 200 {
					size %= 9000 // mostly small
				}
				from := r.IntN(len(source) - size)
				b := source[from : from+size]
				bufs = append(bufs, b)
				want = append(want, b...)
			}
			calls <- bufs
		}
		close(calls)
		go func() { // ends when all is written
			for bufs := range calls {
				if err := c.WriteFrames(bufs...); err != nil {
					t.Error(err)
				}
			}
		}()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(p.br, got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%s: bytes differ", kind)
		}
	}
}

// The caller's buffers are read only.
func TestWriteFramesLeavesBuffersAlone(t *testing.T) {
	c, p := connect(t, "tcp", nil)
	go io.Copy(io.Discard, p) // ends with the connection
	bufs := [][]byte{[]byte("small"), bytes.Repeat([]byte("L"), 100_000),
		[]byte("tail"), bytes.Repeat([]byte("M"), 50_000)}
	if err := c.WriteFrames(bufs...); err != nil {
		t.Fatal(err)
	}
	if string(bufs[0]) != "small" || len(bufs[1]) != 100_000 ||
		string(bufs[2]) != "tail" || len(bufs[3]) != 50_000 || bufs[1][99_999] != 'L' {
		t.Error("buffers were changed")
	}
}

// What the kernel does not take is owed, is not lost when the peer reads again, and nothing gets before it.
func TestTryWriteFrames(t *testing.T) {
	if !haveRaw {
		t.Skip("no descriptors here")
	}
	c, p := connect(t, "tcp", nil)
	var want []byte
	next := AppendFrame(nil, Text, []byte("next"))
	for chunk, full := 0, false; !full; chunk++ {
		f := AppendFrame(nil, Binary, bytes.Repeat([]byte{byte(chunk)}, 50_000))
		want = append(want, f...)
		all, err := c.TryWriteFrames(f)
		if err != nil || all != (c.Owed() == 0) {
			t.Fatalf("chunk %d: %v, %v, %d owed", chunk, all, err, c.Owed())
		}
		if all {
			continue
		}
		want = append(want, next...)
		before := c.Owed()
		all, err = c.TryWriteFrames(next)
		if err != nil || all != (c.Owed() == 0) || c.Owed() > before+len(next) {
			t.Fatalf("%v, %v, %d owed", all, err, c.Owed())
		}
		full = !all // otherwise the kernel has found room in the meantime
	}
	last := AppendFrame(nil, Text, []byte("last"))
	want = append(want, last...)
	wrote := make(chan error, 1)
	go func() { wrote <- c.WriteFrames(last) }() // ends when the peer has read
	got := make([]byte, len(want))
	if _, err := io.ReadFull(p.br, got); err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; err != nil || c.Owed() != 0 {
		t.Errorf("%v, %d owed", err, c.Owed())
	}
	if !bytes.Equal(got, want) {
		t.Error("bytes differ")
	}
	if all, err := c.TryWriteFrames(next); !all || err != nil {
		t.Errorf("afterwards: %v, %v", all, err)
	}
}

// While another goroutine writes, and where nothing can be tried, all is owed; the writer at work takes it along.
func TestTryWriteFramesWhileWriting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := connect(t, "pipe", nil)
		one, two := AppendFrame(nil, Text, []byte("one")), AppendFrame(nil, Text, []byte("two"))
		if all, err := c.TryWriteFrames(one); all || err != nil || c.Owed() != len(one) {
			t.Fatalf("%v, %v, %d owed", all, err, c.Owed())
		}
		wrote := make(chan error, 1)
		go func() { wrote <- c.WriteFrames() }() // ends when the peer has read
		synctest.Wait()
		if c.Owed() != 0 {
			t.Errorf("%d owed", c.Owed())
		}
		if all, err := c.TryWriteFrames(two); all || err != nil || c.Owed() != len(two) {
			t.Fatalf("%v, %v, %d owed", all, err, c.Owed())
		}
		p.want(t, text("one"), text("two"))
		if err := <-wrote; err != nil || c.Owed() != 0 {
			t.Errorf("%v, %d owed", err, c.Owed())
		}
	})
}

// A write has WriteTimeout and a second per 10 KB; then the connection is dead, for the reader too.
func TestWriteTimeout(t *testing.T) {
	for name, write := range map[string]func(c *Conn, p []byte) error{
		"one":  func(c *Conn, p []byte) error { return c.WriteFrames(p) },
		"two":  func(c *Conn, p []byte) error { return c.WriteFrames(p[:9_000], p[9_000:]) },
		"many": func(c *Conn, p []byte) error { return c.WriteFrames(p[:9_000], p[9_000:30_000], p[30_000:]) },
		"owed": func(c *Conn, p []byte) error {
			if all, err := c.TryWriteFrames(p); all || err != nil {
				return errors.New("was tried")
			}
			return c.WriteFrames()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _ := connect(t, "pipe", nil)
				done := receive(c)
				begun := time.Now()
				err := write(c, make([]byte, 55_000))
				if d := time.Since(begun); d != 15*time.Second || !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%v after %v", err, d)
				}
				if r := <-done; !errors.Is(r.err, os.ErrDeadlineExceeded) || errors.As(r.err, new(*CloseError)) {
					t.Errorf("reader got %v", r.err)
				}
				if again := c.WriteFrames([]byte("x")); again == nil || again.Error() != err.Error() {
					t.Errorf("the next write: %v", again)
				}
				if _, again := c.TryWriteFrames([]byte("x")); again == nil || again.Error() != err.Error() {
					t.Errorf("the next try: %v", again)
				}
			})
		})
	}
}

// stuff fills the buffers of a connection whose peer does not read.
func stuff(t *testing.T, c *Conn) (sent int) {
	t.Helper()
	f := AppendFrame(nil, Binary, make([]byte, 9_000))
	for {
		if all, err := c.TryWriteFrames(f); err != nil {
			t.Fatal(err)
		} else if sent += len(f); !all {
			return sent
		}
	}
}

// deadlines remembers the last write deadline that was set.
type deadlines struct {
	net.Conn
	set  int
	last time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.set++
	d.last = t
	return d.Conn.SetWriteDeadline(t)
}

// A write on a descriptor only has a deadline if it has to wait, and leaves none behind.
func TestLateWriteLeavesNoDeadline(t *testing.T) {
	if !haveRaw {
		t.Skip("no descriptors here")
	}
	for name, bufs := range map[string][][]byte{
		"one":    {AppendFrame(nil, Text, []byte("more"))},
		"vector": {AppendHeader(nil, Binary, 33_000), make([]byte, 33_000)}, // too large to be copied together
	} {
		t.Run(name, func(t *testing.T) {
			c, p := connect(t, "tcp", nil)
			d := &deadlines{Conn: c.nc}
			c.nc = d
			sent := stuff(t, c)
			if d.set != 0 {
				t.Error("a deadline was set for what does not wait")
			}
			blocked := make(chan struct{}, 1)
			testBlock = func(*Conn) { blocked <- struct{}{} }
			defer func() { testBlock = nil }()
			wrote := make(chan error, 1)
			go func() { wrote <- c.WriteFrames(bufs...) }() // ends when the peer has read
			<-blocked
			for _, b := range bufs {
				sent += len(b)
			}
			if _, err := io.CopyN(io.Discard, p.br, int64(sent)); err != nil {
				t.Fatal(err)
			}
			if err := <-wrote; err != nil {
				t.Fatal(err)
			}
			if d.set != 2 || !d.last.IsZero() {
				t.Errorf("set %d times, last to %v", d.set, d.last)
			}
		})
	}
}

// One that is too late ends the connection, and takes what the peer has not read out of the kernel's memory.
func TestWriteTimeoutTCP(t *testing.T) {
	c, p := connect(t, "tcp", &Options{WriteTimeout: 100 * time.Millisecond})
	done := receive(c)
	var err error
	for err == nil {
		err = c.WriteFrames(make([]byte, 9_000)) // one of them fills the buffers
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if r := <-done; !errors.Is(r.err, os.ErrDeadlineExceeded) {
		t.Errorf("reader got %v", r.err)
	}
	if _, err := io.Copy(io.Discard, p.br); err == nil || !strings.Contains(err.Error(), "reset") {
		t.Errorf("the peer got %v", err)
	}
}

// Abort does not wait for a peer to take a TLS alert.
func TestAbortTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		config, roots := tlsConfig()
		server, client := tls.Server(a, config), tls.Client(b, roots)
		done := make(chan error, 1)
		go func() { // ends with the handshake
			err := client.Handshake()
			if err == nil {
				_, err = client.Read(make([]byte, 1))
			}
			done <- err
		}()
		c := newConn(server, nil, nil)
		if err := c.WriteFrames([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		c.Abort()
		if d := time.Since(begun); d != 0 {
			t.Errorf("took %v", d)
		}
		b.Close()
	})
}

// Abort lets readers and writers go.
func TestAbort(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			c, p := connect(t, kind, nil)
			done := receive(c)
			wrote := make(chan error, 2)
			for range 2 { // one is at work, one waits for its turn
				go func() { wrote <- c.WriteFrames(make([]byte, 30<<20)) }() // ends with Abort
			}
			if _, err := p.br.Peek(1); err != nil {
				t.Fatal(err)
			}
			c.Abort()
			c.Abort()
			for range 2 {
				if err := <-wrote; err == nil {
					t.Error("a write succeeded")
				}
			}
			if r := <-done; !errors.Is(r.err, net.ErrClosed) || errors.As(r.err, new(*CloseError)) {
				t.Errorf("reader got %v", r.err)
			}
			if err := c.WriteFrames([]byte("x")); !errors.Is(err, ErrClosed) {
				t.Errorf("write: %v", err)
			}
			if _, err := c.TryWriteFrames([]byte("x")); !errors.Is(err, ErrClosed) {
				t.Errorf("try: %v", err)
			}
			c.Close(1000, "too late")
			if kind == "tcp" { // what is on its way may still come, or a reset
				if _, err := io.Copy(io.Discard, p.br); err != nil && !strings.Contains(err.Error(), "reset") {
					t.Error(err)
				}
			}
		})
	}
}
