package websocket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

// modelLimits are small, so that random input meets them.
var modelLimits = &Options{MaxMessage: 3000, MaxFragments: 20}

// model is RFC 6455 5 to 8 for a server, written down as plainly as possible: it gets all that a client ever sends and
// returns the messages, the frames to send, and the status of the close frame that ended it (0 if the input just
// ended), with who said it.
func model(in []byte) (messages, sent []frame, end Status, received bool) { return modelOf(false, in) }

// modelOf is the model of a server or a client.
func modelOf(client bool, in []byte) (messages, sent []frame, end Status, received bool) {
	var msg []byte
	op, count := byte(0), 0
	fail := func(s Status) ([]frame, []frame, Status, bool) { return messages, sent, s, false }
	text := func(final bool) bool {
		s := string(msg)
		if op != 1 || utf8.ValidString(s) {
			return true
		}
		return !final && completable(s)
	}
	for {
		if len(in) < 2 {
			return fail(0)
		}
		first, second := in[0], in[1]
		code, isFin, n := first&15, first&128 != 0, uint64(second&127)
		known := code <= 2 || code >= 8 && code <= 10
		switch {
		case first&0x70 != 0, !known, second&128 == 0 != client,
			code == 0 && op == 0, (code == 1 || code == 2) && op != 0,
			code >= 8 && (!isFin || n > 125):
			return fail(1002)
		}
		in = in[2:]
		if size := map[uint64]int{126: 2, 127: 8}[n]; size > 0 {
			if len(in) < size {
				return fail(0)
			}
			n = 0
			for _, b := range in[:size] {
				n = n<<8 | uint64(b)
			}
			in = in[size:]
		}
		if n >= 1<<63 {
			return fail(1002)
		}
		if code < 8 && n > uint64(modelLimits.MaxMessage)-uint64(len(msg)) {
			return fail(1009)
		}
		key := make([]byte, 4)
		if !client {
			if len(in) < 4 {
				return fail(0)
			}
			key, in = in[:4], in[4:]
		}
		have := min(n, uint64(len(in)))
		payload := make([]byte, have)
		for i := range payload {
			payload[i] = in[i] ^ key[i%4]
		}
		in = in[have:]
		switch {
		case code >= 8 && have < n:
			return fail(0)
		case code == 9:
			sent = append(sent, frame{fin | 10, payload})
		case code == 8:
			if n == 1 {
				return fail(1002)
			}
			if n == 0 {
				return messages, append(sent, mk(8, "")), 0, true
			}
			s := Status(binary.BigEndian.Uint16(payload))
			if !(s >= 1000 && s <= 1003 || s >= 1007 && s <= 1014 || s >= 3000 && s <= 4999) {
				return fail(1002)
			}
			if !utf8.Valid(payload[2:]) {
				return fail(1007)
			}
			return messages, append(sent, closing(s, "")), s, true
		case code <= 2:
			if code != 0 {
				op = code
			}
			if count++; count > modelLimits.MaxFragments {
				return fail(1008)
			}
			msg = append(msg, payload...)
			if !text(isFin && have == n) {
				return fail(1007)
			}
			if have < n {
				return fail(0)
			}
			if isFin {
				messages = append(messages, frame{fin | op, msg})
				msg, op, count = nil, 0, 0
			}
		}
	}
}

// A script is a connection that delivers bytes in given pieces and then ends, and records what is written.
type script struct {
	net.TCPConn // for the methods that matter to nobody
	pieces      [][]byte
	closed      chan struct{}

	mu    sync.Mutex
	wrote []byte
	once  sync.Once
}

func newScript(pieces ...[]byte) *script { return &script{pieces: pieces, closed: make(chan struct{})} }

func (s *script) Read(p []byte) (int, error) {
	for len(s.pieces) > 0 && len(s.pieces[0]) == 0 {
		s.pieces = s.pieces[1:]
	}
	if len(s.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.pieces[0])
	s.pieces[0] = s.pieces[0][n:]
	return n, nil
}

func (s *script) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrote = append(s.wrote, p...)
	return len(p), nil
}

func (s *script) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }
func (s *script) CloseWrite() error                { return nil }

// against plays pieces to a Conn and compares with the model.
func against(t testing.TB, pieces ...[]byte) {
	t.Helper()
	againstAs(t, false, pieces...)
}

func againstAs(t testing.TB, client bool, pieces ...[]byte) {
	t.Helper()
	in := slices.Concat(pieces...)
	messages, sent, end, received := modelOf(client, in)
	nc := newScript(pieces...)
	c := newConn(nc, nil, modelLimits)
	c.client = client
	r := <-receive(c)
	<-nc.closed // by itself, when all is written
	if !slices.EqualFunc(r.messages, messages, frame.equal) {
		t.Fatalf("input %x\nmessages %v\nwant %v", in, r.messages, messages)
	}
	var e *CloseError
	switch {
	case end == 0 && !received:
		if !errors.Is(r.err, io.EOF) || errors.As(r.err, &e) {
			t.Fatalf("input %x\nended with %v", in, r.err)
		}
	case !errors.As(r.err, &e) || e.Status != end || e.Received != received:
		t.Fatalf("input %x\nended with %v, want %d, received %v", in, r.err, end, received)
	case !received:
		sent = append(sent, closing(e.Status, e.Reason))
	}
	var want []byte
	for _, f := range sent {
		want = AppendFrame(want, Opcode(f.first&^fin), f.payload)
	}
	nc.mu.Lock()
	defer nc.mu.Unlock()
	got := string(nc.wrote)
	if client {
		got = string(unmask(nc.wrote))
	}
	if got != string(want) && (e != nil || !strings.HasPrefix(string(want), got)) {
		t.Fatalf("input %x\nwrote %x\nwant %x", in, got, want)
	}
}

// randomFrames is a plausible stream with a mistake now and then.
func randomFrames(r *rand.Rand) (out []byte) {
	open := false
	for range 1 + r.IntN(40) {
		n := []int{0, 1, 5, 125, 126, 200, 500, 2999}[r.IntN(8)]
		f := frame{first: fin}
		switch k := r.IntN(20); {
		case k < 4:
			f.first, n = fin|9, min(n, 125)
		case k < 5:
			f.first, n = fin|10, min(n, 125)
		case k < 6:
			f.first, n = fin|8, min(n, 125)
		case open:
			if r.IntN(3) > 0 {
				f.first = 0
			} else {
				open = false
			}
		default:
			f.first |= byte(1 + r.IntN(2))
			if r.IntN(2) == 0 {
				f.first &^= fin
				open = true
			}
		}
		if r.IntN(150) == 0 {
			f.first = byte(r.Uint32())
		}
		valid := f.first&15 != 2 && r.IntN(30) > 0
		f.payload = randomBytes(r, n, valid)
		if f.first == fin|8 && n >= 2 {
			binary.BigEndian.PutUint16(f.payload, uint16([]int{1000, 1000, 1005, 4999, 5000}[r.IntN(5)]))
		} else if valid && n > 10 && r.IntN(2) == 0 {
			copy(f.payload[r.IntN(n-4):], "\U0001f600")
		}
		b := f.maskedWith([4]byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())})
		if r.IntN(200) == 0 {
			b[1] &^= maskBit
		}
		out = append(out, b...)
	}
	if r.IntN(4) == 0 {
		out = out[:r.IntN(len(out))]
	}
	return out
}

// cut cuts b into pieces of up to most bytes.
func cut(r *rand.Rand, b []byte, most int) (pieces [][]byte) {
	for len(b) > 0 {
		n := min(len(b), 1+r.IntN(most))
		pieces = append(pieces, b[:n])
		b = b[n:]
	}
	return pieces
}

// F-20: random streams of frames mean the same to the model and to the Conn, however they are cut.
func TestAgainstModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	n := 1500
	if testing.Short() || raceEnabled {
		n = 300
	}
	ends := map[Status]int{}
	for range n {
		in := randomFrames(r)
		_, _, end, _ := model(in)
		ends[end]++
		against(t, slices.Clone(in))
		against(t, cut(r, slices.Clone(in), []int{3, 40, 3000}[r.IntN(3)])...)
	}
	for _, s := range []Status{0, 1000, 1002, 1007, 1009} {
		if ends[s] == 0 {
			t.Errorf("no stream ended with %d: %v", s, ends)
		}
	}
}

// splitFrames are frames of every form, and some that are wrong.
func splitFrames() (all [][]byte) {
	for _, n := range []int{0, 1, 2, 7, 125, 126, 300} {
		s := strings.Repeat("\u00e4\u20ac", n)[:n/5*5]
		all = append(all, text(s).masked(), mk(2, strings.Repeat("\xff", n)).masked(),
			mk(9, s[:min(len(s), 125)]).masked())
		all = append(all, stream(part(1, s), mk(9, "between"), mk(0, s)))
	}
	for _, f := range []frame{closing(1000, "bye"), mk(8, ""), mk(8, "x"),
		closing(1005, ""), text("\xff\xff"), part(9, ""), mk(3, "")} {
		all = append(all, f.masked())
	}
	return append(all, announce(2, 1<<63+1), announce(1, 1<<62), announce(1, 5000))
}

// F-18: every frame cut in two at every byte, with another before and after it, means the same.
func TestSplitAtEveryByte(t *testing.T) {
	before, after := text("before").masked(), mk(2, "after").masked()
	for _, b := range splitFrames() {
		for i := 0; i <= len(b); i++ {
			against(t, slices.Concat(before, b[:i]), slices.Concat(b[i:], after))
		}
	}
}

// The same on a descriptor, where the second part is sent when the reader waits for it.
func TestSplitAtEveryByteTCP(t *testing.T) {
	if !haveRaw {
		t.Skip("no descriptors here")
	}
	waiting := make(chan struct{}, 1)
	testWait = func(*Conn) { waiting <- struct{}{} } // once per connection, as the deadline stays
	defer func() { testWait = nil }()
	for _, f := range []frame{text("hello"), mk(2, strings.Repeat("m", 130)),
		mk(9, "ping"), mk(1, ""), text(strings.Repeat("l", 66_000))} {
		b, want := f.masked(), f
		if f.first == fin|9 {
			want.first = fin | 10
		}
		for i := 1; i < len(b); i += 1 + i/200*5000 {
			c, p := connect(t, "tcp", nil)
			done := echo(c)
			p.sendBytes(t, b[:i])
			<-waiting
			p.sendBytes(t, b[i:])
			p.want(t, want)
			p.Close()
			<-done
		}
	}
}

func ExampleAppendFrame() {
	fmt.Printf("%q\n", AppendFrame(nil, Text, []byte("4"), []byte("hello")))
	// Output: "\x81\x064hello"
}
