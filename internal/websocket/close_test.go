package websocket

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/internal/memnet"
)

// Our Close: the frame goes out, the peer's answer ends the connection, and Read says what we said.
func TestCloseAnswered(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			c, p := connect(t, kind, nil)
			done := receive(c)
			c.Close(GoingAway, "server shutting down")
			c.Close(PolicyViolation, "second")
			if err := c.WriteFrames([]byte("x")); !errors.Is(err, ErrClosed) {
				t.Errorf("write after Close: %v", err)
			}
			p.want(t, closing(GoingAway, "server shutting down"))
			// What was under way is not delivered, not answered, and does not keep the connection.
			p.send(t, text("late"), mk(9, "late"), part(1, "la"), mk(0, "te"),
				part(2, "never ended"), mk(10, ""), closing(3333, "mine"))
			p.wantEnd(t)
			r := <-done
			if e := closedWith(t, r.err, GoingAway, false); e.Reason != "server shutting down" || e.Unwrap() != nil {
				t.Errorf("%v, %v", e, e.Unwrap())
			}
			if len(r.messages) != 0 {
				t.Errorf("delivered %v", r.messages)
			}
		})
	}
}

// F-10: without an answer the connection ends five seconds after our close frame, whatever the peer sends, and whether
// or not anybody reads.
func TestCloseUnanswered(t *testing.T) {
	for _, reading := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			client, server := memnet.Pipe(0)
			c, p := newConn(server, nil, nil), &peer{Conn: client, br: bufio.NewReader(client)}
			var done <-chan result
			if reading {
				done = receive(c)
			}
			begun := time.Now()
			c.Close(NormalClosure, "")
			if time.Since(begun) != 0 {
				t.Error("Close took time")
			}
			p.want(t, closing(NormalClosure, ""))
			for range 4 {
				<-time.After(time.Second)
				p.send(t, text("data"))
			}
			if _, err := p.readFrame(); err == nil {
				t.Error("more came")
			}
			if d := time.Since(begun); d != 5*time.Second {
				t.Errorf("ended after %v", d)
			}
			if reading {
				e := closedWith(t, (<-done).err, NormalClosure, false)
				if !errors.Is(e, net.ErrClosed) {
					t.Errorf("cause is %v", e.Unwrap())
				}
			} else if _, _, err := c.Read(); err == nil {
				t.Error("Read after the end")
			}
		})
	}
}

// A peer that neither reads nor answers can't hold the connection, nor the writer that is stuck on it.
func TestCloseWhileWriterIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := connect(t, "pipe", &Options{WriteTimeout: time.Hour})
		done := receive(c)
		begun := time.Now()
		wrote := make(chan error, 1)
		go func() { wrote <- c.WriteFrames(make([]byte, 100)) }() // ends with the connection
		synctest.Wait()
		c.Close(NormalClosure, "")
		if err := <-wrote; err == nil {
			t.Error("the write succeeded")
		}
		closedWith(t, (<-done).err, NormalClosure, false)
		if d := time.Since(begun); d != 5*time.Second {
			t.Errorf("took %v", d)
		}
		p.Close()
	})
}

// The close frame follows what was accepted before it.
func TestCloseAfterOwed(t *testing.T) {
	c, p := connect(t, "pipe", nil)
	done := receive(c)
	c.TryWriteFrames(AppendFrame(nil, Text, []byte("owed")))
	c.Close(4001, "then this")
	p.want(t, text("owed"), closing(4001, "then this"))
	p.send(t, closing(4001, ""))
	p.wantEnd(t)
	<-done
}

func TestCloseWithUnsendableStatus(t *testing.T) {
	for _, s := range []Status{0, 1005, 1006, 1015, 2999, 5000} {
		c, p := connect(t, "pipe", nil)
		done := receive(c)
		c.Close(s, "reason")
		p.want(t, mk(8, ""))
		p.Close()
		if e := closedWith(t, (<-done).err, NoStatus, false); !errors.Is(e, io.EOF) {
			t.Errorf("cause is %v", e.Unwrap())
		}
	}
}

// Both close at the same time: each answer is the other's close frame, and ours is what Read tells.
func TestCloseCrossing(t *testing.T) {
	for _, kind := range kinds {
		c, p := connect(t, kind, nil)
		c.Close(4000, "ours")
		go p.Write(closing(4001, "theirs").masked()) // ends when it is read
		done := receive(c)
		p.want(t, closing(4000, "ours"))
		p.wantEnd(t)
		if e := closedWith(t, (<-done).err, 4000, false); e.Reason != "ours" {
			t.Errorf("got %v", e)
		}
	}
}

// The peer's close is answered with its status, also while a writer is stuck, and what follows it is ignored.
func TestPeerCloses(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			c, p := connect(t, kind, nil)
			done := receive(c)
			p.send(t, text("a"), closing(3000, "reason \u00e4"), text("b"), mk(9, ""), closing(1002, ""))
			p.want(t, closing(3000, ""))
			p.wantEnd(t)
			r := <-done
			e := closedWith(t, r.err, 3000, true)
			if e.Reason != "reason \u00e4" || len(r.messages) != 1 {
				t.Errorf("%v, %v", e, r.messages)
			}
			if err := c.WriteFrames([]byte("x")); !errors.Is(err, ErrClosed) {
				t.Errorf("write: %v", err)
			}
		})
	}
	// A reset would show if input was left unread.
	t.Run("and goes on", func(t *testing.T) {
		c, p := connect(t, "tcp", nil)
		done := receive(c)
		p.sendBytes(t, append(closing(1000, "").masked(), make([]byte, 5*readSize/2)...))
		closedWith(t, (<-done).err, 1000, true)
		p.want(t, closing(1000, ""))
		p.wantEnd(t)
	})
	t.Run("while a writer is stuck", func(t *testing.T) {
		c, p := connect(t, "tcp", nil)
		done := receive(c)
		wrote := make(chan error, 1)
		go func() { wrote <- c.WriteFrames(AppendFrame(nil, Binary, make([]byte, 30<<20))) }() // ends when p reads
		if _, err := p.br.Peek(1); err != nil {
			t.Fatal(err)
		}
		p.send(t, closing(1000, ""))
		closedWith(t, (<-done).err, 1000, true) // at once
		if f, err := p.readFrame(); err != nil || len(f.payload) != 30<<20 {
			t.Fatal(err)
		}
		p.want(t, closing(1000, ""))
		p.wantEnd(t)
		if err := <-wrote; err != nil {
			t.Error(err)
		}
	})
}

// A connection that just ends is not a CloseError.
func TestEndWithoutClose(t *testing.T) {
	for _, kind := range kinds {
		for _, first := range [][]byte{nil, {fin | 1}, text("hello").masked()[:8],
			part(1, "hello").masked(), announce(2, 500_000)} {
			c, p := connect(t, kind, nil)
			done := receive(c)
			if len(first) > 0 {
				p.sendBytes(t, first)
			}
			p.Close()
			if err := (<-done).err; !errors.Is(err, io.EOF) || errors.As(err, new(*CloseError)) {
				t.Errorf("%s after %x: %v", kind, first, err)
			}
			if err := c.WriteFrames([]byte("x")); !errors.Is(err, ErrClosed) {
				t.Errorf("write: %v", err)
			}
		}
	}
	c, p := connect(t, "tcp", nil)
	done := receive(c)
	p.Conn.(*net.TCPConn).SetLinger(0)
	p.Close()
	if err := (<-done).err; err == nil || !strings.Contains(err.Error(), "reset") || errors.As(err, new(*CloseError)) {
		t.Errorf("after a reset: %v", err)
	}
}

// After a violation the reader returns at once, while the connection lingers until the peer is done, five seconds at
// most.
func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := memnet.Pipe(100)
		c, p := newConn(server, nil, nil), &peer{Conn: client, br: bufio.NewReader(client)}
		done := receive(c)
		begun := time.Now()
		p.sendBytes(t, []byte("\x81\x05hello"))
		closedWith(t, (<-done).err, ProtocolError, false)
		if time.Since(begun) != 0 {
			t.Error("Read took time")
		}
		for range 4 {
			<-time.After(time.Second)
			p.sendBytes(t, make([]byte, 1000)) // more than is buffered, so somebody reads
		}
		p.want(t, closing(ProtocolError, "unmasked frame"))
		if _, err := p.readFrame(); !errors.Is(err, io.EOF) {
			t.Errorf("got %v", err)
		}
		for {
			if _, err := p.Write(make([]byte, 1000)); err != nil {
				break
			}
			<-time.After(100 * time.Millisecond)
		}
		if d := time.Since(begun); d < 5*time.Second || d > 5200*time.Millisecond {
			t.Errorf("ended after %v", d)
		}
	})
}

// The time of the message that took too long does not cut the lingering short.
func TestLingerAfterMessageTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := memnet.Pipe(100)
		c, p := newConn(server, nil, nil), &peer{Conn: client, br: bufio.NewReader(client)}
		done := receive(c)
		p.sendBytes(t, []byte{fin | 1})
		closedWith(t, (<-done).err, PolicyViolation, false)
		p.sendBytes(t, make([]byte, 1000))
		p.want(t, closing(PolicyViolation, "message takes too long"))
		p.Close()
	})
}

// Closing, aborting, reading and writing from everywhere at once, for the race detector. Nothing hangs.
func TestCloseFromEverywhere(t *testing.T) {
	for i := range 60 {
		kind := kinds[i%len(kinds)]
		c, p := connect(t, kind, &Options{CloseTimeout: 20 * time.Millisecond})
		done := echo(c)
		var wg sync.WaitGroup
		for j := range 3 {
			wg.Go(func() {
				for c.WriteFrames(AppendFrame(nil, Text, []byte("data"))) == nil {
					if _, err := c.TryWriteFrames(AppendFrame(nil, Text, []byte("more"))); err != nil {
						return
					}
					runtime.Gosched() // on one processor nobody else would ever have the turn
				}
			})
			wg.Go(func() {
				p.Write(stream(text("hello"), mk(9, "?"), text("hello")))
				if i%4 == j {
					p.Write(closing(1000, "").masked())
				}
				c.Close(4000, "bye")
				if i%5 == j {
					c.Abort()
				}
			})
		}
		if _, err := p.readAll(); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		wg.Wait()
		if (<-done).err == nil {
			t.Error("no error")
		}
	}
}

// A server closes the connection first (RFC 6455 7.1.1), soon after it has sent a close frame, and not before a peer
// that still sends has stopped and read it.
func TestServerClosesFirst(t *testing.T) {
	for _, busy := range []time.Duration{0, 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			c, p := connect(t, "pipe", nil)
			done := receive(c)
			p.sendBytes(t, []byte{0xff, 0x80}) // reserved bits
			f, err := p.readFrame()
			if err != nil || f.first != fin|opClose {
				t.Fatalf("got %v, %v", f, err)
			}
			for end := time.Now().Add(busy); time.Now().Before(end); {
				<-time.After(quietTime / 2)
				p.sendBytes(t, make([]byte, 1000))
			}
			start := time.Now()
			p.send(t, closing(ProtocolError, ""))
			p.wantEnd(t)
			if d := time.Since(start); d > time.Second {
				t.Errorf("closed after %v", d)
			}
			<-done
		})
	}
}
