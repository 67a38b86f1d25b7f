package websocket

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// unmask turns what a client sends into what a server sends, as far as it consists of masked frames; from the first
// that is not, only the mask bit of that is changed.
func unmask(b []byte) (out []byte) {
	b = slices.Clone(b)
	for len(b) >= 2 {
		size, n := 2, uint64(b[1]&^maskBit)
		switch {
		case n == 126 && len(b) >= 4:
			size, n = 4, uint64(binary.BigEndian.Uint16(b[2:]))
		case n == 127 && len(b) >= 10:
			size, n = 10, binary.BigEndian.Uint64(b[2:])
		case n > 125:
			size = len(b)
		}
		b[1] ^= maskBit
		out = append(out, b[:size]...)
		if b[1]&maskBit != 0 {
			return append(out, b[size:]...)
		}
		b = b[size:]
		if len(b) < 4 {
			return out
		}
		key := b[:4]
		b = b[4:]
		n = min(n, uint64(len(b)))
		for i, x := range b[:n] {
			out = append(out, x^key[i%4])
		}
		b = b[n:]
	}
	return append(out, b...)
}

// connectClient is connect with the Conn as the client.
func connectClient(t testing.TB, kind string, opts *Options) (*Conn, *peer) {
	t.Helper()
	c, p := connect(t, kind, opts) // which end has done which part in TLS does not matter any more
	c.client, p.server = true, true
	return c, p
}

func TestAppendMasked(t *testing.T) {
	keys := map[[4]byte]bool{}
	for _, n := range []int{0, 1, 3, 8, 125, 126, 65535, 65536, 1 << 20} {
		body := randomBytes(rand.New(rand.NewPCG(1, uint64(n))), n, false)
		kept := slices.Clone(body)
		got := AppendMasked([]byte("#"), Binary, body[:n/3], nil, body[n/3:])
		head := AppendHeader(nil, Binary, n)
		if len(got) != 1+len(head)+4+n || got[0] != '#' || got[2]&maskBit == 0 {
			t.Fatalf("frame of %d: %.20x", n, got)
		}
		keys[[4]byte(got[1+len(head):])] = true
		if plain := unmask(got[1:]); !bytes.Equal(plain, append(head, body...)) {
			t.Errorf("frame of %d: %.20x", n, plain)
		}
		if !bytes.Equal(body, kept) {
			t.Errorf("payload of %d was changed", n)
		}
	}
	if len(keys) < 8 {
		t.Errorf("keys %v", keys)
	}
	c := &Conn{client: true}
	buf, body := make([]byte, 0, 4096), make([]byte, 1000)
	if n := testing.AllocsPerRun(100, func() { buf = c.AppendFrame(buf[:0], Text, []byte{'4'}, body) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if got := new(Conn).AppendFrame(nil, Text, []byte("a")); string(got) != "\x81\x01a" {
		t.Errorf("server's frame %x", got)
	}
}

// F-20 in the other direction.
func TestClientAgainstModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	n := 800
	if testing.Short() || raceEnabled {
		n = 200
	}
	ends := map[Status]int{}
	for range n {
		in := unmask(randomFrames(r))
		_, _, end, _ := modelOf(true, in)
		ends[end]++
		againstAs(t, true, slices.Clone(in))
		againstAs(t, true, cut(r, slices.Clone(in), []int{3, 40, 3000}[r.IntN(3)])...)
	}
	for _, s := range []Status{0, 1000, 1002, 1007, 1009} {
		if ends[s] == 0 {
			t.Errorf("no stream ended with %d: %v", s, ends)
		}
	}
}

// F-18 in the other direction.
func TestClientSplitAtEveryByte(t *testing.T) {
	before, after := unmask(text("before").masked()), unmask(mk(2, "after").masked())
	for _, b := range splitFrames() {
		b = unmask(b)
		for i := 0; i <= len(b); i++ {
			againstAs(t, true, slices.Concat(before, b[:i]), slices.Concat(b[i:], after))
		}
	}
}

// N-1: what breaks the rules or the limits is answered as by the server, in masked frames.
func TestClientNastyFrames(t *testing.T) {
	rows := slices.Clone(nastyFrames)
	rows[0].name, rows[0].send = "F-1 masked", nil
	rows = append(rows, nastyFrames[0])
	rows[len(rows)-1].name, rows[len(rows)-1].send = "F-32 compressed, not negotiated",
		frame{fin | 0x40 | 1, []byte("\xf2\x48\xcd\xc9\xc9\x07\x00")}.masked()
	for _, kind := range kinds {
		for _, row := range rows {
			t.Run(kind+"/"+row.name, func(t *testing.T) {
				c, p := connectClient(t, kind, nil)
				done := receive(c)
				send := unmask(row.send)
				if row.send == nil {
					send = text("hello").masked()
				}
				go func() { // ends with the connection
					p.Write(send)
					p.Write(bytes.Repeat([]byte("more"), 100_000))
				}()
				f, err := p.readFrame()
				if err != nil || f.first != fin|opClose || Status(binary.BigEndian.Uint16(f.payload)) != row.status {
					t.Fatalf("got %v, %v; want close %d", f, err, row.status)
				}
				e := closedWith(t, (<-done).err, row.status, false)
				if row.cause != nil && !errors.Is(e, row.cause) {
					t.Errorf("cause is %v", e.Unwrap())
				}
			})
		}
	}
}

// The closing handshake from either side, and pings, with the client's frames masked.
func TestClientClose(t *testing.T) {
	for _, kind := range kinds {
		c, p := connectClient(t, kind, nil)
		done := echo(c)
		in := unmask(stream(mk(9, "ping"), part(1, "a"), mk(9, ""), mk(0, "b"), closing(4321, "bye")))
		go p.Write(in) // ends with the connection; a pipe takes it only as the answers are read
		p.want(t, mk(10, "ping"), mk(10, ""), text("ab"), closing(4321, ""))
		p.wantEnd(t)
		if e := closedWith(t, (<-done).err, 4321, true); e.Reason != "bye" {
			t.Errorf("reason %q", e.Reason)
		}
		c, p = connectClient(t, kind, nil)
		done = receive(c)
		c.Close(4000, "enough")
		p.want(t, closing(4000, "enough"))
		p.send(t, text("late"), closing(4000, ""))
		p.wantEnd(t)
		closedWith(t, (<-done).err, 4000, false)
	}
}

// Both roles of ours, over each kind of connection.
func TestClientAndServer(t *testing.T) {
	for _, kind := range kinds {
		server, p := connect(t, kind, nil)
		client := newConn(p.Conn, nil, nil)
		client.client = true
		serverDone, clientDone := echo(server), receive(client)
		r := rand.New(rand.NewPCG(1, 1))
		var want []frame
		var out []byte
		for _, n := range []int{0, 1, 125, 126, 4000, 65535, 65536, 300_000} {
			for _, op := range []Opcode{Text, Binary} {
				f := frame{fin | byte(op), randomBytes(r, n, op == Text)}
				want = append(want, f)
				out = client.AppendFrame(out, op, f.payload)
				if n%2 == 0 {
					if err := client.WriteFrames(out); err != nil {
						t.Fatal(err)
					}
				} else if _, err := client.TryWriteFrames(out); err != nil {
					t.Fatal(err)
				}
				out = out[:0]
			}
		}
		if err := client.WriteFrames(client.AppendFrame(nil, Text, []byte("last"))); err != nil {
			t.Fatal(err)
		}
		want = append(want, text("last"))
		client.WriteFrames()
		// The echoes of all come before the answer to the close frame.
		client.Close(1000, "")
		got, back := <-serverDone, <-clientDone
		closedWith(t, got.err, 1000, true)
		if !slices.EqualFunc(got.messages, want, frame.equal) {
			t.Errorf("%s: server got %d of %d messages", kind, len(got.messages), len(want))
		}
		var e *CloseError
		if !errors.As(back.err, &e) || e.Received || e.Status != 1000 {
			t.Errorf("%s: client ended with %v", kind, back.err)
		}
		for i, f := range back.messages { // what came after Close is discarded
			if !f.equal(want[i]) {
				t.Errorf("%s: echo %d is %v, want %v", kind, i, f, want[i])
			}
		}
		client.Abort()
	}
}

// An idle client holds no buffer.
func TestClientIdle(t *testing.T) {
	c, p := connectClient(t, "tcp", nil)
	if !haveRaw {
		t.Skip("no descriptors here")
	}
	done := echo(c)
	p.send(t, text(strings.Repeat("x", 20_000)))
	p.want(t, text(strings.Repeat("x", 20_000)))
	p.Close()
	<-done
	if c.in != nil || c.owed != nil {
		t.Error("buffer is kept")
	}
}

// FuzzServerFrames is FuzzFrames for the client.
func FuzzServerFrames(f *testing.F) {
	for _, b := range splitFrames() {
		f.Add(unmask(b), uint64(1))
	}
	for seed := range uint64(20) {
		f.Add(unmask(randomFrames(rand.New(rand.NewPCG(seed, seed)))), seed)
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		againstAs(t, true, cut(r, slices.Clone(in), 1+int(seed%100)*50)...)
	})
}
