package websocket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// F-21: a pong carries what the ping did, at every length.
func TestPongsEveryLength(t *testing.T) {
	for _, kind := range kinds {
		c, p := connect(t, kind, nil)
		done := receive(c)
		for n := 0; n <= 125; n++ {
			payload := strings.Repeat(string(rune('a'+n%26)), n)
			p.send(t, mk(9, payload))
			p.want(t, mk(10, payload))
		}
		p.Close()
		<-done
	}
}

// A pong does not wait for the next call of Read, which may be long in coming.
func TestPongBeforeMessage(t *testing.T) {
	for _, kind := range kinds {
		c, p := connect(t, kind, nil)
		read := make(chan error, 1)
		go func() { // ends with the message
			_, _, err := c.Read()
			read <- err
		}()
		go p.Write(stream(mk(9, "ping"), text("message"), text("more"))) // ends when it is read, or with the connection
		p.want(t, mk(10, "ping"))
		if err := <-read; err != nil {
			t.Error(err)
		}
	}
}

// F-22: pongs that nobody asked for are counted and nothing else.
func TestPongFlood(t *testing.T) {
	var counters Counters
	c, p := connect(t, "tcp", &Options{Counters: &counters})
	echo(c)
	out := stream(mk(10, "x"), mk(10, strings.Repeat("y", 125)), mk(10, ""))
	for range 1000 {
		p.sendBytes(t, out)
	}
	p.send(t, mk(9, "?"), text("and?"))
	p.want(t, mk(10, "?"), text("and?"))
	if n := counters.Pongs.Load(); n != 3000 {
		t.Errorf("counted %d", n)
	}
	if n := counters.Pings.Load(); n != 1 {
		t.Errorf("counted %d pings", n)
	}
}

// F-23: a peer that reads gets its pongs, in order, however fast it asks.
func TestPingFloodFromReader(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			const pings = 20_000
			c, p := connect(t, kind, nil)
			done := receive(c)
			go func() { // ends when all is written, or with the connection
				var out []byte
				for i := range pings {
					out = append(out, mk(9, string(binary.BigEndian.AppendUint32(nil, uint32(i)))).masked()...)
					if len(out) > 10_000 || i == pings-1 {
						p.Write(out)
						out = out[:0]
					}
				}
			}()
			for i := range uint32(pings) {
				f, err := p.readFrame()
				if err != nil || f.first != fin|opPong || binary.BigEndian.Uint32(f.payload) != i {
					t.Fatalf("pong %d: %v, %v", i, f, err)
				}
			}
			p.Close()
			<-done
		})
	}
}

// F-29: a peer that asks and does not read is closed before the answers pile up.
func TestPingFloodWithoutReader(t *testing.T) {
	check := func(t *testing.T, c *Conn, p *peer) {
		t.Helper()
		done := receive(c)
		most := 0
		go func() { // ends with the connection
			out := mk(9, strings.Repeat("p", 125)).masked()
			for {
				if _, err := p.Write(out); err != nil {
					return
				}
			}
		}()
		e := closedWith(t, (<-done).err, PolicyViolation, false)
		if !errors.Is(e, ErrTooManyPings) {
			t.Errorf("cause is %v", e.Unwrap())
		}
		if most = c.Owed(); most > (maxPongs+1)*(2+maxControl) {
			t.Errorf("%d bytes are owed", most)
		}
	}
	t.Run("pipe", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, p := connect(t, "pipe", nil)
			begun := time.Now()
			check(t, c, p)
			<-time.After(time.Minute)
			if _, err := p.readFrame(); !ended(err) {
				t.Errorf("a minute later: %v", err)
			}
			if d := time.Since(begun); d != pongWait+time.Minute {
				t.Errorf("took %v", d)
			}
		})
	})
	t.Run("tcp", func(t *testing.T) {
		server, client := tcpPair(t)
		defer client.Close()
		server.(*net.TCPConn).SetWriteBuffer(4096)
		check(t, newConn(server, nil, &Options{CloseTimeout: 50 * time.Millisecond}), &peer{Conn: client})
		// The connection is closed after CloseTimeout.
		if _, err := io.Copy(io.Discard, client); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
	})
}

// A reader goes on while a writer is stuck on the same peer.
func TestReaderDoesNotWaitForWriter(t *testing.T) {
	for _, kind := range []string{"tcp", "pipe"} {
		t.Run(kind, func(t *testing.T) {
			c, p := connect(t, kind, nil)
			stuck := make(chan error, 1)
			big := AppendFrame(nil, Binary, make([]byte, 30<<20))
			go func() { stuck <- c.WriteFrames(big) }() // ends when p reads
			read := make(chan frame)
			go func() { // ends with the connection
				defer close(read)
				for {
					op, msg, err := c.Read()
					if err != nil {
						return
					}
					read <- frame{fin | byte(op), msg}
				}
			}()
			if _, err := p.br.Peek(1); err != nil { // the writer is at work
				t.Fatal(err)
			}
			for i := range 50 {
				m := text(fmt.Sprint("message ", i))
				p.send(t, mk(9, fmt.Sprint("ping ", i)), m)
				if got := <-read; !got.equal(m) {
					t.Fatalf("got %v", got)
				}
			}
			select {
			case err := <-stuck:
				t.Fatalf("the writer was not stuck: %v", err)
			default:
			}
			if f, err := p.readFrame(); err != nil || len(f.payload) != 30<<20 {
				t.Fatal(err)
			}
			for i := range 50 { // the writer takes the pongs along
				p.want(t, mk(10, fmt.Sprint("ping ", i)))
			}
			if err := <-stuck; err != nil {
				t.Error(err)
			}
			p.Close()
			<-read
		})
	}
}

// Pongs and the frames of many writers do not get into each other, even where frames are handed over in pieces.
func TestWritersDoNotMix(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			const writers, calls = 6, 60
			c, p := connect(t, kind, nil)
			done := receive(c)
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for i := range calls {
						body := []byte(strings.Repeat(fmt.Sprintf("%d:%d ", w, i), 1+(i*i*i)%9000))
						head := AppendHeader(nil, Text, len(body))
						last := AppendFrame(nil, Binary, []byte{byte(w), byte(i)})
						var err error
						if i%3 == 0 {
							if _, err = c.TryWriteFrames(append(append(head, body...), last...)); err == nil {
								err = c.WriteFrames()
							}
						} else {
							err = c.WriteFrames(head, body[:len(body)/2], body[len(body)/2:], last)
						}
						if err != nil {
							t.Errorf("writer %d: %v", w, err)
							return
						}
					}
				})
			}
			go func() { // ends when all is written
				for i := range 200 {
					p.Write(mk(9, fmt.Sprint(i)).masked())
				}
			}()
			var next [writers]int
			var open string
			pongs, datas := 0, 0
			for pongs < 200 || datas < 2*writers*calls {
				f, err := p.readFrame()
				if err != nil {
					t.Fatal(err)
				}
				switch f.first &^ fin {
				case opPong:
					if string(f.payload) != fmt.Sprint(pongs) {
						t.Fatalf("pong %d: %v", pongs, f)
					}
					pongs++
				case byte(Text):
					datas++
					if open != "" {
						t.Fatalf("%v inside the call of %q", f, open)
					}
					open, _, _ = strings.Cut(string(f.payload), " ")
					if s := strings.ReplaceAll(string(f.payload), open+" ", ""); s != "" {
						t.Fatalf("%q has %q", open, s)
					}
				case byte(Binary):
					datas++
					w, i := f.payload[0], int(f.payload[1])
					if want := fmt.Sprintf("%d:%d", w, i); open != want || next[w] != i {
						t.Fatalf("end of %s inside %q, expected call %d", want, open, next[w])
					}
					open = ""
					next[w]++
				}
			}
			wg.Wait()
			p.Close()
			<-done
		})
	}
}
