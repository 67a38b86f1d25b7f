package websocket

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	gorilla "github.com/gorilla/websocket"
	"sio.example/socketio/internal/websocket"
)

// maxMessage is the limit of every server here.
const maxMessage = 3000

// An outcome is what a server did with the bytes it was sent. How pongs and echoes mix is up to it.
type outcome struct {
	echoes []string
	pongs  []string
	end    int // of its close frame, 1005 if that has none, 1006 if there is no close frame
}

func (o outcome) String() string {
	short := func(all []string) (s []string) {
		for _, p := range all {
			s = append(s, fmt.Sprintf("%.20q", p))
		}
		return s
	}
	return fmt.Sprintf("%d, echoes %v, pongs %v", o.end, short(o.echoes), short(o.pongs))
}

func (o outcome) equal(p outcome) bool {
	return o.end == p.end && slices.Equal(o.echoes, p.echoes) && slices.Equal(o.pongs, p.pongs)
}

// play sends bytes to the server at addr in the given pieces and reads until the close frame or the end.
func play(t *testing.T, addr string, pieces ...[]byte) (o outcome) {
	t.Helper()
	return playWith(t, addr, "", pieces...)
}

// playWith is play with more lines in the header.
func playWith(t *testing.T, addr, header string, pieces ...[]byte) (o outcome) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n", addr, header)
	br := bufio.NewReader(nc)
	res, err := http.ReadResponse(br, &http.Request{Method: "GET"})
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(res, err)
	}
	go func() { // ends with the connection
		for _, p := range pieces {
			nc.Write(p)
		}
	}()
	for {
		op, p, err := readFrame(br)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("after %v: %v", o, err)
			}
			o.end = 1006
			return o
		}
		switch op {
		case 1, 2:
			o.echoes = append(o.echoes, fmt.Sprint(op)+string(p))
		case 10:
			o.pongs = append(o.pongs, string(p))
		case 8:
			if o.end = 1005; len(p) >= 2 {
				o.end = int(binary.BigEndian.Uint16(p))
			}
			return o
		}
	}
}

// readFrame reads a message or control frame of a server; a message may be fragmented.
func readFrame(br *bufio.Reader) (op byte, payload []byte, err error) {
	for {
		var h [2]byte
		if _, err := io.ReadFull(br, h[:]); err != nil {
			return 0, nil, err
		}
		n := int(h[1])
		if n == 126 {
			var l [2]byte
			if _, err := io.ReadFull(br, l[:]); err != nil {
				return 0, nil, err
			}
			n = int(binary.BigEndian.Uint16(l[:]))
		}
		p := make([]byte, n)
		if _, err := io.ReadFull(br, p); err != nil {
			return 0, nil, err
		}
		if op == 0 {
			op = h[0] & 15
		}
		payload = append(payload, p...)
		if h[0]&128 != 0 {
			return op, payload, nil
		}
	}
}

// frameBytes is a client's frame.
func frameBytes(first byte, payload string) []byte {
	b := websocket.AppendHeader(nil, 0, len(payload))
	b[0] = first
	b[1] |= 128
	key := [4]byte{0x12, 0, 0xfe, 0x80}
	b = append(b, key[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^key[i%4])
	}
	return b
}

const fin = 128

// The servers. Each echoes messages and is limited to maxMessage.
var servers = map[string]func(t *testing.T) (addr string){
	"ours": func(t *testing.T) string {
		url, _ := ourServer(t, false, &websocket.Options{MaxMessage: maxMessage})
		return strings.TrimPrefix(url, "ws://")
	},
	"gorilla": func(t *testing.T) string {
		return listen(t, func(w http.ResponseWriter, r *http.Request) {
			c, err := new(gorilla.Upgrader).Upgrade(w, r, nil)
			if err != nil {
				return
			}
			defer c.Close()
			c.SetReadLimit(maxMessage)
			for {
				kind, p, err := c.ReadMessage()
				if err != nil {
					return
				}
				c.WriteMessage(kind, p)
			}
		})
	},
	"coder": func(t *testing.T) string {
		return listen(t, func(w http.ResponseWriter, r *http.Request) {
			c, err := coder.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer c.CloseNow()
			c.SetReadLimit(maxMessage)
			for {
				kind, p, err := c.Read(r.Context())
				if err != nil {
					return
				}
				c.Write(r.Context(), kind, p)
			}
		})
	},
	"ws": func(t *testing.T) string {
		n := startNode(t, "server")
		e, err := n.next()
		if err != nil || e.Port == 0 {
			t.Fatal(e, err)
		}
		return fmt.Sprint("127.0.0.1:", e.Port)
	},
}

func listen(t *testing.T, h http.HandlerFunc) (addr string) {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// validStream is random messages, fragmented or not, with pings and pongs, without a close frame.
func validStream(r *rand.Rand) (out []byte) {
	text := func(n int) string {
		s := strings.Repeat("aä€\U0001f600 plain ascii text ", n/20+2)
		for n > 0 && s[n]&0xc0 == 0x80 {
			n--
		}
		return s[:n]
	}
	for range r.IntN(8) {
		op := byte(1 + r.IntN(2))
		data := text([]int{0, 1, 3, 10, 125, 126, 1000, 2900, maxMessage}[r.IntN(9)])
		frames := 1 + r.IntN(4)*r.IntN(2)
		for i := range frames {
			n := len(data)
			first := op
			if i < frames-1 {
				n = r.IntN(n + 1) // anywhere, also inside a rune
			} else {
				first |= fin
			}
			out = append(out, frameBytes(first, data[:n])...)
			data, op = data[n:], 0
			switch r.IntN(6) {
			case 0:
				out = append(out, frameBytes(fin|9, text(r.IntN(126)))...)
			case 1:
				out = append(out, frameBytes(fin|10, text(r.IntN(126)))...)
			}
		}
	}
	return out
}

// pieces cuts b for the wire.
func pieces(r *rand.Rand, b []byte) (all [][]byte) {
	size := []int{1, 7, 100, 5000}[r.IntN(4)]
	if len(b) > 1000 {
		size = max(size, 100)
	}
	for p := range slices.Chunk(b, size) {
		all = append(all, p)
	}
	return all
}

// What is valid has the same outcome with every server.
func TestServersAgreeOnValidStreams(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	ours := servers["ours"](t)
	for _, name := range []string{"gorilla", "coder", "ws"} {
		t.Run(name, func(t *testing.T) {
			theirs := servers[name](t)
			r := rand.New(rand.NewPCG(seed, 0))
			for range 100 {
				in := append(validStream(r), frameBytes(fin|8, "\x03\xe8")...)
				cut := pieces(r, in)
				if a, b := play(t, ours, cut...), play(t, theirs, cut...); !a.equal(b) || a.end != 1000 {
					t.Fatalf("input %x\nours   %v\ntheirs %v", in, a, b)
				}
			}
		})
	}
}

// A fault is something that a server ends the connection for.
type fault struct {
	name   string
	send   []byte
	ours   int
	differ map[string]int // the status of other servers, where it is another; none if they go on
}

// none is the status of a server that takes no offence, or not before more has come.
const none = 0

func longHeader(op byte, n uint64) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{fin | op, 255}, n), 1, 2, 3, 4, 0x55)
}

func faults() []fault {
	code := func(n uint16, reason string) []byte {
		return frameBytes(fin|8, string(binary.BigEndian.AppendUint16(nil, n))+reason)
	}
	lax := map[string]int{"gorilla": none, "coder": none} // neither looks at the encoding of text
	lazy := map[string]int{"coder": none}                 // which counts what has come
	all := []fault{
		{name: "unmasked", send: []byte("\x81\x01a"), ours: 1002, differ: map[string]int{"coder": 1006}},
		{name: "RSV1", send: frameBytes(fin|0x40|1, "a"), ours: 1002},
		{name: "RSV2", send: frameBytes(fin|0x20|1, "a"), ours: 1002},
		{name: "RSV3", send: frameBytes(fin|0x10|2, "a"), ours: 1002},
		{name: "RSV1 on a ping", send: frameBytes(fin|0x40|9, "a"), ours: 1002},
		{name: "fragmented ping", send: frameBytes(9, "a"), ours: 1002},
		{name: "long ping", send: frameBytes(fin|9, strings.Repeat("p", 126)), ours: 1002},
		{name: "continuation of nothing", send: frameBytes(fin, "a"), ours: 1002},
		{name: "open continuation of nothing", send: frameBytes(0, "a"), ours: 1002},
		{name: "message in message", send: append(frameBytes(1, "a"), frameBytes(fin|1, "b")...), ours: 1002},
		{name: "close of one byte", send: frameBytes(fin|8, "a"), ours: 1002, differ: map[string]int{"gorilla": 1005}},
		{name: "length with the top bit", send: longHeader(2, 1<<63+1), ours: 1002,
			differ: map[string]int{"ws": 1009, "gorilla": 1006, "coder": 1006}},
		{name: "length of 2^63-1", send: longHeader(2, 1<<63-1), ours: 1009, differ: lazy},
		{name: "length of 2^40", send: longHeader(2, 1<<40), ours: 1009, differ: lazy},
		{name: "one byte too long", send: frameBytes(fin|2, strings.Repeat("x", maxMessage+1)), ours: 1009},
		{name: "sum too long", send: append(frameBytes(2, strings.Repeat("x", maxMessage)), frameBytes(fin, "y")...),
			ours: 1009},
		{name: "not UTF-8", send: frameBytes(fin|1, "a\xff"), ours: 1007, differ: lax},
		{name: "cut rune", send: frameBytes(fin|1, "a\xe2\x82"), ours: 1007, differ: lax},
		{name: "surrogate", send: frameBytes(fin|1, "\xed\xa0\x80"), ours: 1007, differ: lax},
		{name: "overlong", send: frameBytes(fin|1, "\xc0\xaf"), ours: 1007, differ: lax},
		{name: "cut rune in fragments", send: append(frameBytes(1, "\xe2"), frameBytes(fin, "\x82")...),
			ours: 1007, differ: lax},
		{name: "close reason not UTF-8", send: code(1000, "\xff"),
			ours: 1007, differ: map[string]int{"gorilla": 1002, "coder": 1000}},
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		all = append(all, fault{name: fmt.Sprint("opcode ", op), send: frameBytes(fin|op, ""), ours: 1002})
	}
	for _, n := range []uint16{0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535} {
		all = append(all, fault{name: fmt.Sprint("close code ", n), send: code(n, ""), ours: 1002})
	}
	for _, n := range []uint16{1000, 1001, 1002, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 4999} {
		f := fault{name: fmt.Sprint("close code ", n), send: code(n, "fine"), ours: int(n)}
		if n == 1014 { // is newer than gorilla's list
			f.differ = map[string]int{"gorilla": 1002}
		}
		all = append(all, f)
	}
	return append(all, fault{name: "close without a code", send: frameBytes(fin|8, ""), ours: 1005})
}

// What is not valid, behind what is, is answered by every server with the same status and after the same echoes, except
// for the differences written down with each fault. With ws, which Socket.IO is used to, there is but one.
func TestServersAgreeOnFaults(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	ours := servers["ours"](t)
	for _, name := range []string{"gorilla", "coder", "ws"} {
		t.Run(name, func(t *testing.T) {
			theirs := servers[name](t)
			r := rand.New(rand.NewPCG(seed, 0))
			for _, f := range faults() {
				in := slices.Concat(validStream(r), f.send,
					frameBytes(fin|8, "\x03\xe8"), bytes.Repeat([]byte("x"), 10))
				cut := pieces(r, in)
				a := play(t, ours, cut...)
				if a.end != f.ours {
					t.Errorf("%s: ours %v, want %d", f.name, a, f.ours)
				}
				want := a.end
				if n, ok := f.differ[name]; ok {
					want = n
				}
				if want == none {
					continue
				}
				b := play(t, theirs, cut...)
				if a.end == 1007 { // our echo server answers in batches, and sees this kind of fault late
					b.echoes = b.echoes[:min(len(a.echoes), len(b.echoes))]
				}
				if a.end = want; !a.equal(b) {
					t.Errorf("%s:\nours   %v (status aside)\ntheirs %v", f.name, a, b)
				}
			}
		})
	}
}
