package websocket

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
)

func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool drop buffers")
	}
	dst := make([]byte, 0, 1024)
	head, body := []byte{'4'}, bytes.Repeat([]byte("x"), 100)
	if n := testing.AllocsPerRun(1000, func() { dst = AppendFrame(dst[:0], Text, head, body) }); n != 0 {
		t.Errorf("AppendFrame: %v allocations", n)
	}
	if n := testing.AllocsPerRun(1000, func() { dst = AppendHeader(dst[:0], Text, 100_000) }); n != 0 {
		t.Errorf("AppendHeader: %v allocations", n)
	}
	server, client := tcpPair(t)
	defer client.Close()
	c := newConn(server, nil, nil)
	defer c.Abort()
	go io.Copy(io.Discard, client) // ends with the connection
	out := AppendFrame(nil, Text, body)
	if n := testing.AllocsPerRun(1000, func() { c.WriteFrames(out) }); n != 0 {
		t.Errorf("WriteFrames of one: %v allocations", n)
	}
	if n := testing.AllocsPerRun(1000, func() { c.WriteFrames(out, out, out) }); n != 0 {
		t.Errorf("WriteFrames of three: %v allocations", n)
	}
	if n := testing.AllocsPerRun(1000, func() { c.TryWriteFrames(out) }); n != 0 {
		t.Errorf("TryWriteFrames: %v allocations", n)
	}
	in := text(string(body)).masked()
	one, other := tcpPair(t)
	defer other.Close()
	r := newConn(one, nil, nil)
	defer r.Abort()
	// The payload, which is the caller's to keep, and nothing else.
	if n := testing.AllocsPerRun(1000, func() {
		other.Write(in)
		if _, p, err := r.Read(); err != nil || len(p) != 100 {
			t.Fatal(len(p), err)
		}
	}); n != 1 {
		t.Errorf("Read: %v allocations", n)
	}
	pong := text("3").masked()
	if n := testing.AllocsPerRun(1000, func() {
		other.Write(pong)
		if _, p, err := r.Read(); err != nil || string(p) != "3" {
			t.Fatal(p, err)
		}
	}); n != 0 {
		t.Errorf("Read of a byte: %v allocations", n)
	}
}

// Texts of one byte share their memory: there is one for each byte, and no room behind it.
func TestOneByte(t *testing.T) {
	c, p := connect(t, "tcp", nil)
	done := receive(c)
	for i := range 0x80 {
		p.send(t, text(string(rune(i))), mk(2, string(rune(i))))
	}
	p.send(t, mk(1, "\x80"))
	p.want(t, closing(InvalidPayload, "text is not UTF-8"))
	r := <-done
	closedWith(t, r.err, InvalidPayload, false)
	if len(r.messages) != 2*0x80 {
		t.Fatalf("%d messages", len(r.messages))
	}
	for i := range 0x80 {
		short, binary := r.messages[2*i], r.messages[2*i+1]
		if !short.equal(mk(1, string(rune(i)))) || cap(short.payload) != 1 {
			t.Errorf("text %d: %v, room for %d", i, short, cap(short.payload))
		}
		if !binary.equal(mk(2, string(rune(i)))) || &binary.payload[0] == &short.payload[0] {
			t.Errorf("binary %d: %v", i, binary)
		}
	}
}

func BenchmarkAppendFrame(b *testing.B) {
	head, body := []byte{'4'}, bytes.Repeat([]byte("x"), 100)
	dst := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendFrame(dst[:0], Text, head, body)
	}
}

func BenchmarkUnmask(b *testing.B) {
	for _, n := range []int{16, 100, 1000, 65536} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			src, dst := make([]byte, n), make([]byte, n)
			b.SetBytes(int64(n))
			for b.Loop() {
				maskCopy(dst, src, 0x12345678)
			}
		})
	}
}

// BenchmarkParse is what a small message costs without the system calls: frames of 100 bytes of text out of a full
// buffer.
func BenchmarkParse(b *testing.B) {
	f := text(string(bytes.Repeat([]byte("x"), 100))).masked()
	src := &repeat{data: bytes.Repeat(f, 64)}
	c := newConn(src, nil, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := c.Read(); err != nil {
			b.Fatal(err)
		}
	}
}

// repeat is a connection whose input never ends.
type repeat struct {
	net.TCPConn // for the methods not called
	data        []byte
	off         int
}

func (r *repeat) Read(p []byte) (int, error) {
	n := copy(p, r.data[r.off:])
	r.off = (r.off + n) % len(r.data)
	return n, nil
}

// BenchmarkEcho is a message of 100 bytes there and back over loopback, with some outstanding, client included.
func BenchmarkEcho(b *testing.B) {
	for _, kind := range []string{"tcp", "tls"} {
		for _, window := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/%d", kind, window), func(b *testing.B) { benchmarkEcho(b, kind, window, 100) })
		}
	}
	b.Run("tcp/64KiB", func(b *testing.B) { benchmarkEcho(b, "tcp", 1, 64<<10) })
	b.Run("tcp/1MB", func(b *testing.B) { benchmarkEcho(b, "tcp", 1, 1_000_000) })
}

func benchmarkEcho(b *testing.B, kind string, window, size int) {
	c, p := connect(b, kind, nil)
	go func() { // ends with the connection
		out := make([]byte, 0, 4096)
		for {
			op, msg, err := c.Read()
			if err != nil {
				return
			}
			out = AppendFrame(out, op, msg)
			if !c.Buffered() {
				if all, _ := c.TryWriteFrames(out); !all {
					c.WriteFrames()
				}
				out = out[:0]
			}
		}
	}()
	in := bytes.Repeat(mk(2, string(make([]byte, size))).masked(), window)
	back := make([]byte, len(AppendFrame(nil, Binary, make([]byte, size)))*window)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += window {
		if _, err := p.Write(in); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(p.br, back); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPings is a ping there and its pong back, 2,000 of them at a time, client included: what a flood can cost.
func BenchmarkPings(b *testing.B) {
	c, p := connect(b, "tcp", nil)
	go c.Read() // ends with the connection
	const batch = 2000
	in := bytes.Repeat(mk(9, "").masked(), batch)
	back := make([]byte, 2*batch)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += batch {
		if _, err := p.Write(in); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(p.br, back); err != nil {
			b.Fatal(err)
		}
	}
}
