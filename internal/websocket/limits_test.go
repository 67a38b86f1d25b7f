package websocket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/internal/bufpool"
)

// announce is the header of a masked frame that claims n bytes.
func announce(op byte, n uint64) []byte {
	b := []byte{fin | op, maskBit | 127}
	return append(binary.BigEndian.AppendUint64(b, n), 1, 2, 3, 4)
}

// nastyFrames are rows of the attack table that one write triggers and one close frame answers.
var nastyFrames = []struct {
	name   string
	send   []byte
	status Status
	cause  error
}{
	{"F-1 unmasked", []byte("\x81\x05hello"), ProtocolError, nil},
	{"F-11 CVE-2026-27889", append(announce(2, 1<<63+1), 0x55), ProtocolError, nil},
	{"F-11 all ones", append(announce(2, 1<<64-1), 0x55), ProtocolError, nil},
	{"F-11 for a text", append(announce(1, 1<<63), 0x55), ProtocolError, nil},
	{"F-12 2^63-1", announce(2, 1<<63-1), MessageTooBig, ErrMessageTooBig},
	{"F-12 2^40", announce(2, 1<<40), MessageTooBig, ErrMessageTooBig},
	{"F-13 sum near 2^63", append(part(2, "x").masked(), announce(0, 1<<63-1)...), MessageTooBig, ErrMessageTooBig},
	{"F-14 1,000,001", announce(2, 1_000_001), MessageTooBig, ErrMessageTooBig},
	{"F-14 without mask", announce(2, 1_000_001)[:10], MessageTooBig, ErrMessageTooBig},
	{"F-27 two of 600,000", stream(part(1, strings.Repeat("a", 600_000)), mk(0, strings.Repeat("b", 600_000))),
		MessageTooBig, ErrMessageTooBig},
	{"F-13 one too many", stream(part(1, strings.Repeat("a", 999_999)), mk(0, "bc")), MessageTooBig, ErrMessageTooBig},
	{"F-24 empty continuations", stream(append([]frame{part(1, "")},
		slices.Repeat([]frame{part(0, "")}, 20_000)...)...), PolicyViolation, ErrTooManyFragments},
	{"F-25 one-byte fragments", stream(append([]frame{part(2, "")},
		slices.Repeat([]frame{part(0, "x")}, 20_000)...)...), PolicyViolation, ErrTooManyFragments},
	{"F-32 RSV1 on a continuation", stream(part(1, "a"), frame{fin | 0x40, nil}), ProtocolError, nil},
	{"control frame with a 16-bit length",
		append([]byte{fin | 9, maskBit | 126, 0, 5, 1, 2, 3, 4}, "hello"...), ProtocolError, nil},
}

// Each answer comes whole although the peer goes on sending, as a reset would hide it, and the reader learns the same.
func TestNastyFrames(t *testing.T) {
	for _, kind := range kinds {
		for _, row := range nastyFrames {
			t.Run(kind+"/"+row.name, func(t *testing.T) {
				c, p := connect(t, kind, nil)
				done := receive(c)
				go func() { // ends with the connection
					p.Write(row.send)
					p.Write(bytes.Repeat([]byte("more"), 100_000))
				}()
				f, err := p.readFrame()
				if err != nil || f.first != fin|opClose || Status(binary.BigEndian.Uint16(f.payload)) != row.status {
					t.Fatalf("got %v, %v; want close %d", f, err, row.status)
				}
				e := closedWith(t, (<-done).err, row.status, false)
				if row.cause != nil && !errors.Is(e, row.cause) || row.cause == nil && e.Unwrap() != nil {
					t.Errorf("cause is %v", e.Unwrap())
				}
				if (e.Reason == "") != (row.status == MessageTooBig) ||
					len(e.Reason) > 40 || e.Reason != string(f.payload[2:]) {
					t.Errorf("reason is %q, sent %q", e.Reason, f.payload[2:])
				}
				if _, _, again := c.Read(); again != error(e) {
					t.Errorf("second read: %v", again)
				}
			})
		}
	}
}

// T-32: the 15 bytes of CVE-2026-27889 in two segments.
func TestOverflowSplit(t *testing.T) {
	send := append(announce(2, 1<<63+1), 0x55)
	for cut := 1; cut < len(send); cut++ {
		c, p := connect(t, "pipe", nil)
		done := receive(c)
		go func() { // ends with the connection
			p.Write(send[:cut])
			p.Write(send[cut:])
		}()
		p.want(t, closing(ProtocolError, "length out of range"))
		closedWith(t, (<-done).err, ProtocolError, false)
	}
}

// The limits are inclusive.
func TestLimitsAreInclusive(t *testing.T) {
	full := strings.Repeat("m", 1_000_000)
	c, p := connect(t, "tcp", nil)
	done := receive(c)
	go func() { // ends with the connection
		p.Write(text(full).masked())
		p.Write(stream(part(1, full[:400_000]), mk(0, full[400_000:])))
		p.Write(stream(append(append([]frame{part(2, "")}, slices.Repeat([]frame{part(0, "x")}, 16_382)...),
			mk(0, "y"))...))
		p.Write(closing(1000, "").masked())
	}()
	p.want(t, closing(1000, ""))
	r := <-done
	closedWith(t, r.err, 1000, true)
	if len(r.messages) != 3 || !r.messages[0].equal(text(full)) ||
		!r.messages[1].equal(text(full)) || len(r.messages[2].payload) != 16_383 {
		t.Errorf("%d messages", len(r.messages))
	}
}

// F-9: lengths that are not minimal are accepted.
func TestLongLengthsAreAccepted(t *testing.T) {
	c, p := connect(t, "tcp", nil)
	echo(c)
	p.sendBytes(t, append([]byte{fin | 1, maskBit | 126, 0, 3, 0, 0, 0, 0}, "abc"...))
	p.sendBytes(t, append([]byte{fin | 1, maskBit | 127, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0}, "def"...))
	p.want(t, text("abc"), text("def"))
}

// F-26: who begins a message and falls silent is closed when the message has had its time, not before; pings in between
// are answered but win no time.
func TestMessageTimeout(t *testing.T) {
	cases := map[string][]byte{
		"one byte of header":   {fin | 1},
		"five bytes of header": {fin | 1, maskBit | 5, 1, 2, 3},
		"cut payload":          text("hello").masked()[:8],
		"big cut payload":      append(announce(2, 500_000), make([]byte, 100_000)...),
		"unfinished message":   part(1, "hello").masked(),
		"cut ping":             mk(9, "hello").masked()[:8],
	}
	for name, send := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := connect(t, "pipe", nil)
				done := receive(c)
				p.send(t, text("first")) // its deadline must not count
				<-time.After(20 * time.Second)
				p.sendBytes(t, send)
				begun := time.Now()
				<-time.After(20 * time.Second)
				if name == "unfinished message" {
					p.send(t, mk(9, ""))
					p.want(t, mk(10, ""))
				}
				p.want(t, closing(PolicyViolation, "message takes too long"))
				if d := time.Since(begun); d != 30*time.Second {
					t.Errorf("closed after %v", d)
				}
				if e := closedWith(t, (<-done).err, PolicyViolation, false); !errors.Is(e, ErrMessageTimeout) {
					t.Errorf("cause is %v", e.Unwrap())
				}
			})
		})
	}
}

// F-26 on a descriptor, in real time.
func TestMessageTimeoutTCP(t *testing.T) {
	for name, send := range map[string][]byte{
		"header": {fin | 1}, "payload": append(announce(2, 500_000), make([]byte, 100_000)...),
		"fragment": part(1, "hello").masked(),
	} {
		t.Run(name, func(t *testing.T) {
			c, p := connect(t, "tcp", &Options{MessageTimeout: 50 * time.Millisecond})
			done := receive(c)
			p.send(t, text("first"))
			p.sendBytes(t, send)
			p.want(t, closing(PolicyViolation, "message takes too long"))
			closedWith(t, (<-done).err, PolicyViolation, false)
		})
	}
}

// F-28: a message that comes byte by byte is delivered if it is quick enough, and it may take several rounds of
// deadline over the life of a connection.
func TestSlowMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := connect(t, "pipe", nil)
		done := echo(c)
		want := text(strings.Repeat("slow", 20))
		for range 10 {
			for _, b := range want.masked() {
				p.sendBytes(t, []byte{b})
				<-time.After(300 * time.Millisecond)
			}
			p.want(t, want)
			<-time.After(7 * time.Second)
		}
		p.Close()
		if r := <-done; len(r.messages) != 10 {
			t.Errorf("%d messages", len(r.messages))
		}
	})
}

// The deadline of one message does not count for the next, nor that of a ping for the message behind it.
func TestDeadlinesDoNotAddUp(t *testing.T) {
	for name, first := range map[string]frame{"message": text("first"),
		"ping": mk(9, "first"), "fragments": part(1, "fi")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := connect(t, "pipe", nil)
				echo(c)
				pause := func() { <-time.After(20 * time.Second) }
				b := first.masked()
				p.sendBytes(t, b[:8])
				pause()
				p.sendBytes(t, b[8:])
				switch name {
				case "message":
					p.want(t, text("first"))
				case "ping":
					p.want(t, mk(10, "first"))
				case "fragments":
					p.send(t, mk(0, "rst"))
					p.want(t, text("first"))
				}
				b = text("second").masked()
				p.sendBytes(t, b[:8])
				pause()
				p.sendBytes(t, b[8:])
				p.want(t, text("second"))
				p.Close()
			})
		})
	}
}

// An idle connection has no deadline, whatever was received on it before.
func TestIdleForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := connect(t, "pipe", nil)
		echo(c)
		for range 3 {
			<-time.After(24 * time.Hour)
			p.send(t, part(1, strings.Repeat("a", 20)), mk(0, "b"))
			p.want(t, text(strings.Repeat("a", 20)+"b"))
		}
		p.Close()
	})
}

// heap is what is in use after a collection.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}

// T-34: 1,000 connections each claim 1,000,000 bytes and send one.
func TestClaimedBytesAreNotAllocated(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has memory of its own")
	}
	const conns = 1000
	claim := append(announce(2, 1_000_000), 1)
	check := func(t *testing.T, base int) {
		t.Helper()
		if grown := heap() - base; grown > 20<<20 {
			t.Errorf("%d MB for %d connections", grown>>20, conns)
		} else {
			t.Logf("%d bytes per connection", grown/conns)
		}
	}
	t.Run("pipe", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			base := heap()
			for range conns {
				server, client := net.Pipe()
				receive(newConn(server, nil, nil))
				if _, err := client.Write(claim); err != nil {
					t.Fatal(err)
				}
				defer client.Close()
			}
			synctest.Wait()
			check(t, base)
		})
	})
	t.Run("tcp", func(t *testing.T) {
		var waiting sync.WaitGroup
		waiting.Add(conns)
		testWait = func(c *Conn) { waiting.Done() }
		defer func() { testWait = nil }()
		base := heap()
		var dones []<-chan result
		var peers []net.Conn
		for range conns {
			server, client := tcpPair(t)
			dones = append(dones, receive(newConn(server, nil, nil)))
			peers = append(peers, client)
			if _, err := client.Write(claim); err != nil {
				t.Fatal(err)
			}
		}
		waiting.Wait()
		check(t, base)
		for i, p := range peers {
			p.Close()
			<-dones[i]
		}
	})
}

// While it waits between messages a connection holds no buffer, on a descriptor not even between the bytes of a header.
func TestNoBufferWhileWaiting(t *testing.T) {
	waiting := make(chan struct{}, 1)
	testWait = func(c *Conn) {
		if c.in != nil && c.in.buf != nil {
			t.Error("a buffer is held")
		}
		waiting <- struct{}{}
	}
	defer func() { testWait = nil }()
	if haveRaw {
		c, p := connect(t, "tcp", nil)
		done := receive(c)
		p.sendBytes(t, text("x").masked()[:4])
		<-waiting
		p.Close()
		<-done
	}
	synctest.Test(t, func(t *testing.T) {
		c, p := connect(t, "pipe", nil)
		receive(c)
		p.send(t, text("x"))
		synctest.Wait()
		if c.in != nil && c.in.buf != nil {
			t.Error("a buffer is held")
		}
		p.Close()
	})
}

// A message is handed over in a slice of its size, however it came.
func TestExactSize(t *testing.T) {
	c, p := connect(t, "tcp", nil)
	done := receive(c)
	go func() { // ends with the connection
		for _, n := range []int{0, 1, 100, 5000, 50_000, 999_999} {
			f := mk(2, strings.Repeat("x", n))
			p.Write(f.masked())
			if n > 0 {
				p.Write(stream(fragments(f, n/7+1)...))
			}
		}
		p.Write(closing(1000, "").masked())
	}()
	p.want(t, closing(1000, ""))
	r := <-done
	if len(r.messages) != 11 {
		t.Fatalf("%d messages, %v", len(r.messages), r.err)
	}
	for _, m := range r.messages {
		if n := len(m.payload); cap(m.payload) > n+n/8 {
			t.Errorf("message of %d bytes in %d", n, cap(m.payload))
		}
	}
}

// F-19: 1,000 messages in one write are all delivered, in order, with one answer.
func TestManyMessagesInOneWrite(t *testing.T) {
	for _, kind := range kinds {
		c, p := connect(t, kind, nil)
		done := receive(c)
		var out []byte
		for i := range 1000 {
			out = append(out, mk(2, string(binary.BigEndian.AppendUint32(nil, uint32(i)))).masked()...)
		}
		p.sendBytes(t, append(out, closing(1000, "").masked()...))
		p.want(t, closing(1000, ""))
		r := <-done
		if len(r.messages) != 1000 {
			t.Fatalf("%d messages", len(r.messages))
		}
		for i, m := range r.messages {
			if binary.BigEndian.Uint32(m.payload) != uint32(i) {
				t.Fatalf("message %d is %x", i, m.payload)
			}
		}
	}
}

// Buffered tells whether there is a message from the same system call, and is false before what ends the connection.
func TestBuffered(t *testing.T) {
	type row struct {
		send []byte
		want []bool // after each message
	}
	half := text("half").masked()[:8]
	for name, row := range map[string]row{
		"three messages":       {stream(text("a"), text("b"), text("c")), []bool{true, true, false}},
		"half a message":       {append(stream(text("a"), text("b")), half...), []bool{true, false}},
		"half a header":        {append(stream(text("a"), text("b")), half[:3]...), []bool{true, false}},
		"ping between":         {stream(text("a"), mk(9, "?"), text("b")), []bool{true, false}},
		"ping behind":          {stream(text("a"), mk(9, "?")), []bool{false}},
		"fragments":            {stream(text("a"), part(1, "b"), mk(10, ""), mk(0, "c")), []bool{true, false}},
		"unfinished fragments": {stream(text("a"), part(1, "b"), part(0, "c")), []bool{false}},
		"close":                {stream(text("a"), closing(1000, ""), text("b")), []bool{false}},
		"ping and close":       {stream(text("a"), mk(9, "?"), closing(1000, ""), text("b")), []bool{false}},
		"violation":            {append(stream(text("a"), text("b")), 0xff, 0xff, 0xff), []bool{true, false}},
		"too big":              {append(stream(text("a")), announce(2, 1<<40)...), []bool{false}},
		"fragments too big":    {append(stream(text("a"), part(2, "b")), announce(0, 1_000_000)...), []bool{false}},
	} {
		t.Run(name, func(t *testing.T) {
			buf := bufpool.Get(readSize)
			*buf = append(*buf, row.send...)
			c := newConn(newScript(), buf, nil)
			for i, want := range row.want {
				if _, _, err := c.Read(); err != nil || c.Buffered() != want {
					t.Errorf("after message %d: %v, %v", i, c.Buffered(), err)
				}
			}
		})
	}
}

func TestBufferedAfterClose(t *testing.T) {
	buf := bufpool.Get(readSize)
	*buf = append(*buf, stream(text("a"), text("b"))...)
	c := newConn(newScript(), buf, nil)
	before := c.Buffered()
	c.Close(1000, "")
	if !before || c.Buffered() {
		t.Errorf("%v before, %v after", before, c.Buffered())
	}
	c.Abort()
}
