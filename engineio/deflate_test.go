package engineio

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/websocket"
)

const offer = "permessage-deflate; client_max_window_bits" // as browsers do

// deflating opens a session on a WebSocket that compresses.
func (e *env) deflating(t *testing.T, offer string) (*peer, *recorder) {
	t.Helper()
	e.mu.Lock()
	n := len(e.sessions)
	e.mu.Unlock()
	p, a := e.dial("EIO=4&transport=websocket", "Sec-Websocket-Extensions", offer)
	if p == nil || !strings.HasPrefix(a.header.Get("Sec-Websocket-Extensions"), "permessage-deflate") {
		t.Fatalf("%+v", a)
	}
	p.read()
	return p, e.session(n)
}

// message reads a message, and tells whether it was compressed and how long its frame was.
func (p *peer) message(t *testing.T) (m string, compressed bool, n int) {
	t.Helper()
	first, err := p.r.Peek(1)
	if err != nil {
		t.Fatal(err)
	}
	compressed = first[0]&0x40 != 0
	_, m, err = p.next()
	if err != nil {
		t.Fatal(err)
	}
	n = len(m)
	if compressed {
		z := flate.NewReader(strings.NewReader(m + "\x00\x00\xff\xff\x01\x00\x00\xff\xff"))
		plain, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		m = string(plain)
	}
	return m, compressed, n
}

// squeeze is a client's frame with a compressed message.
func squeeze(op byte, message string) []byte {
	var b bytes.Buffer
	z, _ := flate.NewWriter(&b, 9)
	_, _ = z.Write([]byte(message))
	_ = z.Flush()
	f := frame(op, string(bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff"))))
	f[0] |= 0x40
	return f
}

// What is long enough is compressed, for those that want it, if it was not sent with NoCompress, and gets smaller.
func TestMessagesAreDeflated(t *testing.T) {
	long, short := strings.Repeat("deflate me ", 200), "short"
	noise := make([]byte, 2000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	bubble(t, &Options{Deflate: &DeflateOptions{}}, func(t *testing.T, e *env) {
		p, rec := e.deflating(t, offer)
		plain, other := e.ws()
		s := rec.socket
		send := func(o SendOptions, ms ...Message) {
			t.Helper()
			if err := s.SendMessages(o, ms...); err != nil {
				t.Fatal(err)
			}
		}
		send(SendOptions{}, Message{Data: []byte(long)}, Message{Data: []byte(short)},
			Message{Binary: true, Data: []byte(long)}, Message{Binary: true, Data: noise},
			Message{Data: []byte(long[:1022])}, Message{Data: []byte(long[:1023])})
		for i, want := range []struct {
			m          string
			compressed bool
		}{{"4" + long, true}, {"4" + short, false}, {long, true}, {string(noise), false}, {"4" + long[:1022], false},
			{"4" + long[:1023], true}} {
			m, compressed, n := p.message(t)
			if m != want.m || compressed != want.compressed || compressed && n > 100 {
				t.Errorf("message %d: %.50q, compressed %v, %d bytes", i, m, compressed, n)
			}
		}
		send(SendOptions{NoCompress: true}, Message{Data: []byte(long)})
		if m, compressed, _ := p.message(t); m != "4"+long || compressed {
			t.Errorf("NoCompress: %v %.40q", compressed, m)
		}
		s.Send(SendOptions{Defer: true}, text(long))
		s.Flush()
		if m, compressed, _ := p.message(t); m != "4"+long || !compressed {
			t.Errorf("Flush: %v %.40q", compressed, m)
		}
		other.socket.Send(SendOptions{}, text(long))
		if m, compressed, _ := plain.message(t); m != "4"+long || compressed {
			t.Errorf("without: %v %.40q", compressed, m)
		}
		if n := e.counters.deflating.Load(); n != 1 {
			t.Errorf("%d sessions compress", n)
		}
		// the other direction
		p.conn.Write(squeeze(1, "4"+long))
		p.conn.Write(squeeze(1, "4"))
		p.conn.Write(squeeze(2, short))
		rec.expect(text(long), text(""), bin([]byte(short)...))
		p.conn.Close()
		plain.conn.Close()
		rec.want(TransportClose)
		if n := e.counters.deflating.Load(); n != 0 {
			t.Errorf("%d sessions compress at the end", n)
		}
	})
	bubble(t, nil, func(t *testing.T, e *env) { // by default nothing is agreed
		p, a := e.dial("EIO=4&transport=websocket", "Sec-Websocket-Extensions", offer)
		if p == nil || a.header.Get("Sec-Websocket-Extensions") != "" {
			t.Fatalf("%+v", a)
		}
		p.conn.Close()
	})
}

// A broadcast is compressed once for all that can share it, and each receiver gets it in the form that it reads. What
// waits behind another message goes with it in one write.
func TestBroadcastIsDeflatedOnce(t *testing.T) {
	long := strings.Repeat("deflate me ", 200)
	large := strings.Repeat("0123456789abcdef deflate me too ", 20_000)
	bubble(t, &Options{Deflate: &DeflateOptions{}}, func(t *testing.T, e *env) {
		offers := []string{offer, "permessage-deflate", "permessage-deflate; server_max_window_bits=9", "",
			"permessage-deflate; server_max_window_bits=12", offer, ""}
		var peers []*peer
		for _, o := range offers {
			if o == "" {
				p, _ := e.ws()
				peers = append(peers, p)
				continue
			}
			p, _ := e.deflating(t, o)
			peers = append(peers, p)
		}
		for _, premade := range []bool{true, false} {
			for _, message := range []string{long, large} {
				m, before := text(message), text("before")
				e.mu.Lock()
				sessions := e.sessions
				e.mu.Unlock()
				for _, rec := range sessions {
					rec.socket.Send(SendOptions{Defer: true}, before, m)
					rec.socket.Send(SendOptions{Defer: true}, m)
				}
				if premade {
					e.Compress(before, m)
				}
				for _, rec := range sessions {
					rec.socket.Flush()
				}
				for i, p := range peers {
					for _, want := range []string{"4before", "4" + message, "4" + message} {
						got, compressed, _ := p.message(t)
						if got != want || compressed != (offers[i] != "" && want != "4before") {
							t.Errorf("%q: compressed %v, %d bytes, want %d", offers[i], compressed, len(got), len(want))
						}
					}
				}
				if d := m.deflated.Load(); d == nil || len(d.frame) == 0 || before.deflated.Load() != nil {
					t.Errorf("made %v", d)
				}
			}
		}
		for _, p := range peers {
			p.conn.Close()
		}
	})
}

// A handshake whose extensions are malformed is refused as others are: without a session, and not in silence.
func TestMalformedExtensionsOpenNothing(t *testing.T) {
	var got traced
	o := &Options{Deflate: &DeflateOptions{}, Trace: got.trace()}
	bubble(t, o, func(t *testing.T, e *env) {
		_, a := e.dial("EIO=4&transport=websocket", "Sec-Websocket-Extensions", "permessage-deflate; =")
		if a.status != 400 || len(e.sessions) != 0 {
			t.Errorf("status %d, %d sessions", a.status, len(e.sessions))
		}
		e.rejected(RejectHandshake, 1)
		got.want(t, "refused "+RejectHandshake+" 400 3 Bad request websocket: handshake: malformed Sec-WebSocket-Extensions")
	})
}

// Clients of revision 3, and those that take text only, get what they read out of the same compressed broadcast.
func TestDeflatedBroadcastOfEachForm(t *testing.T) {
	long := strings.Repeat("deflate me ", 200)
	as64 := base64.StdEncoding.EncodeToString([]byte(long))
	var got traced
	o := &Options{AllowEIO3: true, Deflate: &DeflateOptions{}, Trace: &ServerTrace{
		Packet: func(_ *Socket, sent bool, p packet.Packet) { got.add("%v %v %d", sent, p.Binary, len(p.Data)) },
	}}
	bubble(t, o, func(t *testing.T, e *env) {
		clients := []struct{ query, binary string }{
			{"EIO=4&transport=websocket", long}, {"EIO=3&transport=websocket", "\x04" + long},
			{"EIO=4&transport=websocket&b64=1", "b" + as64}, {"EIO=3&transport=websocket&b64=1", "b4" + as64},
		}
		var peers []*peer
		for _, c := range clients {
			p, _ := e.dial(c.query, "Sec-Websocket-Extensions", offer)
			p.read()
			peers = append(peers, p)
		}
		for _, premade := range []bool{false, true} {
			data, str := Prepare(Message{Binary: true, Data: []byte(long)}), text(long)
			for i := range clients {
				e.session(i).socket.Send(SendOptions{Defer: true}, str, data)
			}
			if premade {
				e.Compress(str, data)
			}
			for i, c := range clients {
				e.session(i).socket.Flush()
				for _, want := range []string{"4" + long, c.binary} {
					if m, compressed, _ := peers[i].message(t); m != want || !compressed {
						t.Errorf("%s: compressed %v, %.50q, want %.50q", c.query, compressed, m, want)
					}
				}
				got.want(t, fmt.Sprintf("true false %d", len(long)), fmt.Sprintf("true true %d", len(long)))
			}
		}
		for i, p := range peers {
			p.conn.Write(squeeze(1, "4"+long))
			p.conn.Write(squeeze(2, strings.TrimPrefix(clients[i&1].binary, "b")))
			e.session(i).expect(text(long), bin([]byte(long)...))
			p.conn.Close()
		}
	})
}

// The goroutine that flushes broadcasts to many does not compress for one of them.
func TestFlushDoesNotCompress(t *testing.T) {
	r, long := rand.New(rand.NewPCG(1, 2)), ""
	for len(long) < 4000 {
		long += fmt.Sprintf(`{"id":%d,"name":"somebody"},`, r.Uint32())
	}
	bubble(t, &Options{Deflate: &DeflateOptions{ContextTakeover: true}}, func(t *testing.T, e *env) {
		p, rec := e.deflating(t, offer)
		s := rec.socket
		for name, tc := range map[string]struct {
			m     *Prepared
			flags parcelFlags
			want  bool // the frames are made
		}{
			"short":          {m: text("short"), want: true},
			"long":           {m: text(long)},
			"long and plain": {m: text(long), flags: parcelPlain, want: true},
		} {
			s.mu.Lock()
			b := s.newBatchLocked()
			s.mu.Unlock()
			b.items = append(b.items, parcel{tc.m, tc.flags})
			b.inline = true
			b.link.encode(b)
			if (len(b.bufs) > 0) != tc.want {
				t.Errorf("%s: %d frames", name, len(b.bufs))
			}
			b.reset()
			b.flush()
		}
		s.Send(SendOptions{Defer: true}, text(long), text(long))
		s.Flush()
		if m, compressed, n := p.message(t); m != "4"+long || !compressed || n < 500 {
			t.Errorf("%v, %d bytes", compressed, n)
		}
		if _, again, err := p.next(); err != nil || len(again) > 100 { // refers to the first
			t.Errorf("%d bytes, %v", len(again), err)
		}
		p.conn.Close()
	})
}

// MaxPayload holds for the inflated message.
func TestDeflatedBombEndsTheSession(t *testing.T) {
	bubble(t, &Options{Deflate: &DeflateOptions{}, MaxPayload: 100_000}, func(t *testing.T, e *env) {
		p, rec := e.deflating(t, offer)
		p.conn.Write(squeeze(1, "4"+strings.Repeat("a", 99_999)))
		p.conn.Write(squeeze(1, "4"+strings.Repeat("a", 100_000)))
		p.wantClose("close 1009")
		rec.want(TransportError)
		if len(rec.messages) != 1 || len(rec.messages[0].Data) != 99_999 {
			t.Errorf("%d messages", len(rec.messages))
		}
		e.rejected(RejectMessageSize, 1)

		p, rec = e.deflating(t, offer)
		f := squeeze(1, "4hello")
		f[len(f)-2] ^= 0xff
		f[len(f)-3] ^= 0xff
		p.conn.Write(f)
		if got := p.read(); !strings.HasPrefix(got, "close 1007") {
			t.Errorf("%q", got)
		}
		p.conn.Close()
		rec.want(TransportError)
		e.rejected(RejectWebSocket, 1)
	})
}

// A client and a server that both want it compress, on a WebSocket that was opened as such and on one that upgrades,
// and the messages come as they were and in order, whatever their size.
func TestClientDeflates(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var all []*Prepared
	total := int64(0)
	for i := range 60 {
		n := []int{0, 10, 1500, 5000, 40_000, 90_000, 200_000}[i%7]
		data := bytes.Repeat(fmt.Appendf(nil, "%d, hello ", i), n/8+1)[:n]
		for range n / 50 {
			data[r.IntN(n)] = 'a' + byte(r.IntN(26))
		}
		total += int64(n)
		all = append(all, Prepare(Message{Binary: i%3 == 0, Data: data}))
	}
	for _, transports := range [][]string{{"websocket"}, {"polling", "websocket"}} {
		for _, takeover := range []bool{false, true} {
			for _, base64 := range []bool{false, true} {
				d := &DeflateOptions{ContextTakeover: takeover}
				bubble(t, &Options{Deflate: d, MaxQueueBytes: 64 << 20}, func(t *testing.T, e *env) {
					e.onMsg = func(rec *recorder, m Message) { rec.socket.SendMessages(SendOptions{}, m) }
					o := e.clientOptions(transports...)
					o.Deflate, o.ForceBase64 = &DeflateOptions{ContextTakeover: takeover, Level: 6}, base64
					var traffic counter
					o.NetDial = traffic.dial(e.net.DialContext)
					upgraded := make(chan struct{})
					o.Trace = &Trace{Upgrade: func(string, error) { close(upgraded) }}
					c := e.join(o)
					if len(transports) > 1 {
						<-upgraded
					}
					for i, m := range all {
						c.send(m)
						if i%10 == 9 {
							synctest.Wait()
						}
					}
					c.expect(all...)
					if n := e.counters.deflating.Load(); n != 1 {
						t.Errorf("%d sessions compress", n)
					}
					if in, out := traffic.in.Load(), traffic.out.Load(); in > total/2 || out > total/2 || in < total/100 {
						t.Errorf("%d bytes in, %d out, for %d", in, out, total)
					}
					c.socket.Close()
					c.want(ForcedClose)
				})
			}
		}
	}
}

// A client goes on with a server that does not want it.
func TestClientOffersInVain(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		e.onMsg = echo
		o := e.clientOptions("websocket")
		o.Deflate = new(DeflateOptions)
		c := e.join(o)
		long := text(strings.Repeat("hello ", 1000))
		c.send(long)
		c.expect(long)
		c.socket.Close()
		c.want(ForcedClose)
	})
}

// The limit of a client holds for what a message inflates to, too.
func TestClientEndsAtADeflatedBomb(t *testing.T) {
	bubble(t, &Options{Deflate: new(DeflateOptions)}, func(t *testing.T, e *env) {
		o := e.clientOptions("websocket")
		o.Deflate, o.MaxPayload = new(DeflateOptions), 100_000
		c := e.join(o)
		rec := e.session(0)
		rec.socket.Send(SendOptions{}, text(strings.Repeat("a", 99_999)), text(strings.Repeat("a", 100_000)))
		c.want(TransportError)
		if len(c.messages) != 1 || len(c.messages[0].Data) != 99_999 || !errors.Is(c.err, websocket.ErrMessageTooBig) {
			t.Errorf("%d messages, %v", len(c.messages), c.err)
		}
		rec.ended()
	})
}

func TestDeflateOptionsAreChecked(t *testing.T) {
	for _, o := range []*DeflateOptions{{Threshold: -1}, {Level: 10}, {Level: -2}} {
		opts := &Options{Deflate: o}
		if opts.Validate() == nil {
			t.Errorf("%+v is accepted", o)
		}
		d := opts.withDefaults()
		if d.Deflate.Threshold != 1024 || d.Deflate.Level != 1 || d.Deflate == o {
			t.Errorf("%+v", d.Deflate)
		}
	}
	if d := (&Options{}).withDefaults(); d.Deflate != nil {
		t.Error("on by default")
	}
}

// A counter counts the bytes of connections.
type counter struct{ in, out atomic.Int64 }

func (c *counter) dial(dial netDialer) netDialer {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		return measuredConn{nc, c}, err
	}
}

type measuredConn struct {
	net.Conn
	c *counter
}

func (c measuredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.c.in.Add(int64(n))
	return n, err
}

func (c measuredConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.c.out.Add(int64(n))
	return n, err
}
