package websocket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A sleeper is a connection of a process that stands still whenever a deadline passes: the peer has time to do
// something before that is noticed.
type sleeper struct {
	net.Conn
	still chan time.Duration // how long, once for each deadline
}

func (s sleeper) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.sleep(err)
	return n, err
}

func (s sleeper) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	s.sleep(err)
	return n, err
}

func (s sleeper) sleep(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		select {
		case d := <-s.still:
			<-time.After(d)
		default:
		}
	}
}

func sleeping(c *Conn, still ...time.Duration) {
	s := sleeper{Conn: c.nc, still: make(chan time.Duration, len(still))}
	for _, d := range still {
		s.still <- d
	}
	c.nc = s
}

// A write that was to be through while the process stood still goes on where it was.
func TestWriteOfAProcessThatStoodStill(t *testing.T) {
	whole := AppendFrame(nil, Binary, bytes.Repeat([]byte("0123456789"), 5_000))
	for name, bufs := range map[string][][]byte{
		"one": {whole}, "vector": {whole[:9_000], whole[9_000:9_100], whole[9_100:]},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := connect(t, "pipe", nil)
				sleeping(c, 4*time.Second, time.Hour)
				wrote := make(chan error, 1)
				go func() { wrote <- c.WriteFrames(bufs...) }() // ends when the peer has read
				var got bytes.Buffer
				for _, pause := range []time.Duration{0, 16 * time.Second, 20 * time.Second} { // it may take 15 s
					<-time.After(pause)
					if _, err := io.CopyN(&got, p.br, 9_050); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := io.CopyN(&got, p.br, int64(len(whole)-got.Len())); err != nil {
					t.Fatal(err)
				}
				if err := <-wrote; err != nil || !bytes.Equal(got.Bytes(), whole) {
					t.Errorf("%v, %d bytes", err, got.Len())
				}
				begun := time.Now()
				if err := c.WriteFrames(whole); !errors.Is(err, os.ErrDeadlineExceeded) ||
					time.Since(begun) != 15*time.Second {
					t.Errorf("a peer that does not read: %v after %v", err, time.Since(begun))
				}
			})
		})
	}
}

// A message that was to be complete while the process stood still gets its time once more.
func TestMessageOfAProcessThatStoodStill(t *testing.T) {
	want := text(strings.Repeat("long", 30_000))
	wire := want.masked()
	for name, cut := range map[string]int{"header": 1, "payload": 50_000} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := connect(t, "pipe", nil)
				sleeping(c, 4*time.Second, time.Hour)
				done := receive(c)
				p.sendBytes(t, wire[:cut])
				<-time.After(33 * time.Second) // it may take 30 s
				p.sendBytes(t, wire[cut:cut+10_000])
				<-time.After(40 * time.Second)
				p.sendBytes(t, wire[cut+10_000:])
				p.sendBytes(t, wire[:cut])
				begun := time.Now()
				p.want(t, closing(PolicyViolation, "message takes too long"))
				if d := time.Since(begun); d != 30*time.Second {
					t.Errorf("a peer that falls silent is closed after %v", d)
				}
				r := <-done
				if len(r.messages) != 1 || len(r.messages[0].payload) != len(want.payload) {
					t.Errorf("%d messages", len(r.messages))
				}
			})
		})
	}
}

// What lies in the kernel can be seen without reading it; the end of the connection is nothing to be read.
func TestUnread(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			c, p := connect(t, kind, nil)
			if kind == "tls" { // whose handshake is made by the first to read or write
				go p.Write(text("first").masked()) // ends when that is read
				if _, _, err := c.Read(); err != nil {
					t.Fatal(err)
				}
			}
			if c.Unread() {
				t.Error("something is unread before anything is sent")
			}
			if kind == "pipe" || !haveRaw {
				return
			}
			p.send(t, text("hello"))
			for !c.Unread() { // it is on its way
				runtime.Gosched()
			}
			if _, data, err := c.Read(); err != nil || string(data) != "hello" {
				t.Errorf("%q, %v", data, err)
			}
			if c.Unread() {
				t.Error("it is unread after it was read")
			}
			c.Abort()
			if c.Unread() {
				t.Error("something is unread on a closed connection")
			}
		})
	}
}

// A part of a message is seen to arrive, before its reader can know of it.
func TestArrived(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := connect(t, "pipe", nil)
		done := receive(c)
		if c.Arrived() {
			t.Error("something has arrived")
		}
		wire := text(strings.Repeat("x", 50_000)).masked()
		p.sendBytes(t, wire[:10_000])
		for range 2 {
			p.sendBytes(t, wire[10_000:20_000])
			wire = wire[10_000:]
			synctest.Wait()
			if !c.Arrived() {
				t.Error("no part has arrived")
			}
			if c.Arrived() {
				t.Error("a part counts twice")
			}
		}
		p.Close()
		<-done
	})
}
