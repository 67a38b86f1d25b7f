package engineio

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/internal/memnet"
)

// What engine.io-parser 5.2.3 writes (createPacketEncoderStream): the length of the payload, bytes of it.
var officialStreamFrames = []struct {
	binary bool
	n      int
	header string
}{
	{false, 1, "01"}, {false, 6, "06"}, {true, 3, "83"},
	{false, 125, "7d"}, {false, 126, "7e007e"}, {true, 126, "fe007e"},
	{false, 65535, "7effff"}, {false, 65536, "7f0000000000010000"}, {true, 65536, "ff0000000000010000"},
}

func TestStreamHeaderIsTheOfficialOne(t *testing.T) {
	for _, c := range officialStreamFrames {
		got := appendStreamHeader(nil, c.binary, c.n)
		if hex.EncodeToString(got) != c.header {
			t.Errorf("header of %d bytes: %x, want %s", c.n, got, c.header)
		}
		isBinary, length, size, err := parseStreamHeader(got, 1<<20)
		if isBinary != c.binary || length != c.n || size != len(got) || err != nil {
			t.Errorf("%x: %v, %d, %d, %v", got, isBinary, length, size, err)
		}
		for cut := range got {
			if _, _, size, err := parseStreamHeader(got[:cut], 1<<20); size != 0 || err != nil {
				t.Errorf("%x, cut at %d: %d, %v", got, cut, size, err)
			}
		}
	}
}

func TestFramesOfAStream(t *testing.T) {
	shared := Prepare(Message{Data: []byte("shared")})
	for range 3 { // from the second use on, the frame is kept
		for _, c := range []struct {
			p    *Prepared
			want string
		}{
			{shared, "\x074shared"},
			{Prepare(Message{Data: []byte("hello")}), "\x064hello"},
			{Prepare(Message{Binary: true, Data: []byte{1, 2, 3}}), "\x83\x01\x02\x03"},
			{Prepare(Message{Binary: true}), "\x01b"}, // "\x80" would be an error to the official decoder
			{pingPacket, "\x012"},
		} {
			b := newBatch(nil, &streamLink{}, &revision4, false)
			b.items = append(b.items, parcel{c.p, 0})
			b.link.encode(b)
			if got := string(bytes.Join(b.bufs, nil)); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			b.put()
		}
	}
}

// A streamPeer is the client end of a stream.
type streamPeer struct {
	t    *testing.T
	conn io.ReadWriteCloser
	r    *bufio.Reader
	done chan struct{} // closed when ServeStream has returned err
	err  error
}

// serve has ServeStream serve one end of a pipe, wrapped, and returns the other.
func (e *env) serve(ctx context.Context,
	wrap func(io.ReadWriteCloser) io.ReadWriteCloser, r *http.Request) *streamPeer {
	client, server := memnet.Pipe(64 << 10)
	p := &streamPeer{t: e.t, conn: client, r: bufio.NewReader(client), done: make(chan struct{})}
	rwc := io.ReadWriteCloser(server)
	if wrap != nil {
		rwc = wrap(server)
	}
	go func() { // ends with the stream
		defer close(p.done)
		p.err = errExited
		p.err = e.ServeStream(ctx, rwc, r)
	}()
	return p
}

// stream opens a session on a stream.
func (e *env) stream(wrap func(io.ReadWriteCloser) io.ReadWriteCloser) (*streamPeer, *recorder) {
	e.t.Helper()
	n := len(e.sessions)
	p := e.serve(context.Background(), wrap, nil)
	p.send("0")
	if open := p.next(); !strings.HasPrefix(open, "0{") || !strings.Contains(open, `"upgrades":[]`) {
		e.t.Fatalf("handshake %q", open)
	}
	return p, e.session(n)
}

// send writes packets of text.
func (p *streamPeer) send(packets ...string) {
	for _, s := range packets {
		p.write(string(appendStreamHeader(nil, false, len(s))) + s)
	}
}

func (p *streamPeer) write(s string) {
	if _, err := io.WriteString(p.conn, s); err != nil {
		p.t.Errorf("write: %v", err)
	}
}

// next is the next packet: text, or binary after "[b]".
func (p *streamPeer) next() string {
	p.t.Helper()
	head := make([]byte, 1)
	if _, err := io.ReadFull(p.r, head); err != nil {
		return "error: " + err.Error()
	}
	switch head[0] & 0x7f {
	case 126:
		head = append(head, make([]byte, 2)...)
	case 127:
		head = append(head, make([]byte, 8)...)
	}
	if _, err := io.ReadFull(p.r, head[1:]); err != nil {
		return "error: " + err.Error()
	}
	isBinary, n, _, err := parseStreamHeader(head, 1<<30)
	if err != nil {
		p.t.Fatalf("header %x: %v", head, err)
	}
	data := make([]byte, n)
	io.ReadFull(p.r, data)
	if isBinary {
		return "[b]" + string(data)
	}
	return string(data)
}

func (p *streamPeer) want(packet string) {
	p.t.Helper()
	if got := p.next(); got != packet {
		p.t.Errorf("packet %.100q, want %.100q", got, packet)
	}
}

// ended waits for the end of the stream at both ends.
func (p *streamPeer) ended() error {
	p.t.Helper()
	if _, err := io.Copy(io.Discard, p.r); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		p.t.Logf("the stream ended with %v", err)
	}
	<-p.done
	return p.err
}

func TestStream(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		e.onMsg = echo
		p, rec := e.stream(nil)
		if got := rec.socket.Transport(); got != "webtransport" {
			t.Errorf("transport %q", got)
		}
		if st := e.Stats(); st.WebTransport != 1 || st.Sessions != 1 || st.Polling+st.WebSocket != 0 {
			t.Errorf("stats %+v", st)
		}
		p.send("4hello", "4"+strings.Repeat("x", 70_000))
		p.want("4hello")
		p.want("4" + strings.Repeat("x", 70_000))
		p.write("\x83\x01\x02\x03\x01b") // a binary message, and an empty one as text
		p.want("[b]\x01\x02\x03")
		p.want("b")
		<-time.After(25 * time.Second)
		p.want("2")
		p.send("3")
		<-time.After(25 * time.Second)
		p.want("2")
		p.conn.Close()
		if err := p.ended(); err != nil {
			t.Errorf("ServeStream: %v", err)
		}
		rec.want(TransportClose)
		if st := e.Stats(); st.WebTransport != 0 || st.MessagesIn != 4 || st.MessagesOut != 4 {
			t.Errorf("stats %+v", st)
		}
	})
}

// A stream upgrades a session by the packets that a WebSocket does, but for the first.
func TestUpgradeToAStream(t *testing.T) {
	bubble(t, &Options{Transports: []string{"polling", "webtransport"}}, func(t *testing.T, e *env) {
		e.onMsg = echo
		if a := e.do("GET", handshakeQuery, ""); !strings.Contains(a.body, `"upgrades":["webtransport"]`) {
			t.Errorf("handshake %q", a.body)
		}
		q, rec := e.open()
		get := e.later("GET", q, "")
		p := e.serve(context.Background(), nil, nil)
		p.send(`0{"sid":"`+rec.socket.ID()+`"}`, "2probe")
		p.want("3probe")
		(<-get).want(t, 200, "6")
		second := e.serve(context.Background(), nil, nil)
		second.send(`0{"sid":"` + rec.socket.ID() + `"}`)
		if err := second.ended(); err == nil {
			t.Error("a second stream was let in")
		}
		e.rejected(RejectUpgrade, 1)
		p.send("5", "4hello")
		p.want("4hello")
		if st := e.Stats(); st.WebTransport != 1 || st.Upgraded != 1 || rec.socket.Transport() != "webtransport" {
			t.Errorf("%s, stats %+v", rec.socket.Transport(), st)
		}
		rec.socket.Close()
		if err := p.ended(); err != nil {
			t.Errorf("ServeStream: %v", err)
		}
		rec.want(ForcedClose)
		e.session(0).socket.Close()
	})
}

func TestStreamThatUpgradesFails(t *testing.T) {
	for name, f := range map[string]func(p *streamPeer){
		RejectUpgradeLost:      func(p *streamPeer) { p.conn.Close() },
		RejectUpgradeViolation: func(p *streamPeer) { p.send("4early") },
		RejectUpgradeTimeout:   func(p *streamPeer) { <-time.After(11 * time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, e *env) {
				q, rec := e.open()
				p := e.serve(context.Background(), nil, nil)
				p.send(`0{"sid":"` + rec.socket.ID() + `"}`)
				synctest.Wait()
				f(p)
				p.ended()
				e.rejected(name, 1)
				rec.socket.Send(SendOptions{}, text("still here"))
				e.do("GET", q, "").want(t, 200, "4still here")
				rec.socket.Close()
			})
		})
	}
}

func TestStreamHandshakeIsRefused(t *testing.T) {
	origin := func() *http.Request {
		r, _ := http.NewRequest("CONNECT", "https://server/engine.io/", nil)
		r.Header.Set("Origin", "https://evil.example")
		return r
	}
	for _, c := range []struct {
		name, write, reject string
		r                   *http.Request
		o                   Options
		err                 string
	}{
		{name: "silence", reject: RejectHandshake, err: "no handshake in time"},
		{name: "part of a header", write: "\x7f\x00", reject: RejectHandshake, err: "no handshake in time"},
		{name: "another packet", write: "\x024x", reject: RejectHandshake, err: "no handshake"},
		{name: "no packet", write: "\x01x", reject: RejectHandshake, err: "no handshake"},
		{name: "binary", write: "\x810", reject: RejectHandshake, err: "no handshake"},
		{name: "empty", write: "\x00", reject: RejectHandshake, err: "empty frame"},
		{name: "large", write: "\x7e\x7f\xff0", reject: RejectHandshake, err: "too big"},
		{name: "huge", write: "\x7f\xff\xff\xff\xff\xff\xff\xff\xff", reject: RejectHandshake, err: "out of range"},
		{name: "no JSON", write: "\x030{x", reject: RejectHandshake, err: "no handshake"},
		{name: "no id", write: "\x030{}", reject: RejectHandshake, err: "no handshake"},
		{name: "id of nobody", write: "\x0c" + `0{"sid":"x"}`, reject: RejectSession, err: "Session ID unknown"},
		{name: "origin", write: "\x010", r: origin(), reject: RejectOrigin, err: "Forbidden"},
		{name: "AllowRequest", write: "\x010", reject: RejectForbidden, err: "no", o: Options{
			AllowRequest: func(*http.Request) error { return &RequestError{"no"} },
		}},
		{name: "panic in AllowRequest", write: "\x010", reject: RejectPanic, err: "panicked", o: Options{
			AllowRequest: func(*http.Request) error { panic("x") },
		}},
		{name: "NewID", write: "\x010", reject: RejectID, err: "Bad request", o: Options{
			NewID: func(*http.Request) (string, error) { return "", nil },
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, &c.o, func(t *testing.T, e *env) {
				p := e.serve(context.Background(), nil, c.r)
				p.write(c.write)
				if err := p.ended(); err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want one with %q", err, c.err)
				}
				e.rejected(c.reject, 1)
				if n := e.Count(); n != 0 {
					t.Errorf("%d sessions", n)
				}
			})
		})
	}
}

func TestHostileStream(t *testing.T) {
	for _, c := range []struct {
		name   string
		do     func(p *streamPeer, rec *recorder)
		reason Reason
		reject string
	}{
		{"length out of range", func(p *streamPeer, _ *recorder) { p.write("\x7f\xff\xff\xff\xff\xff\xff\xff\xff") },
			TransportError, RejectStream},
		{"huge length", func(p *streamPeer, _ *recorder) { p.write("\x7f\x00\x1f\xff\xff\xff\xff\xff\xff") },
			TransportError, RejectMessageSize},
		{"empty frame", func(p *streamPeer, _ *recorder) { p.write("\x80") }, TransportError, RejectStream},
		{"no UTF-8", func(p *streamPeer, _ *recorder) { p.write("\x024\xff") }, TransportError, RejectStream},
		{"no packet", func(p *streamPeer, _ *recorder) { p.write("\x019") }, ParseError, RejectPacket},
		{"ping", func(p *streamPeer, _ *recorder) { p.send("2") }, TransportError, RejectHeartbeat},
		{"header that never ends", func(p *streamPeer, _ *recorder) {
			p.write("\x7f\x00\x00")
			<-time.After(31 * time.Second)
		}, TransportError, RejectStreamLimit},
		{"message that never ends", func(p *streamPeer, _ *recorder) {
			p.write("\x7e\x7f\xff")
			for range 29 {
				p.write("4")
				<-time.After(time.Second)
			}
			<-time.After(2 * time.Second)
		}, TransportError, RejectStreamLimit},
		{"no pong", func(*streamPeer, *recorder) { <-time.After(46 * time.Second) }, PingTimeout, RejectPingTimeout},
		{"no reading", func(_ *streamPeer, rec *recorder) {
			for range 10 {
				rec.socket.Send(SendOptions{}, text(strings.Repeat("x", 100_000)))
			}
			<-time.After(30 * time.Second)
		}, TransportError, RejectWriteTimeout},
		{"slow consumer", func(_ *streamPeer, rec *recorder) {
			for range 20 {
				rec.socket.Send(SendOptions{}, text(strings.Repeat("x", 100_000)))
			}
			<-time.After(5 * time.Second)
		}, TransportError, RejectSlowConsumer},
	} {
		for _, bare := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				bubble(t, nil, func(t *testing.T, e *env) {
					p, rec := e.stream(func(rwc io.ReadWriteCloser) io.ReadWriteCloser {
						if bare { // without deadlines
							return struct{ io.ReadWriteCloser }{rwc}
						}
						return rwc
					})
					c.do(p, rec)
					<-p.done
					rec.want(c.reason)
					e.rejected(c.reject, 1)
					if st := e.Stats(); st.WebTransport != 0 || st.Memory.In != 0 || st.Memory.Out != 0 {
						t.Errorf("stats %+v", st)
					}
				})
			})
		}
	}
}

// A trickster is a stream that does what it must not, when told to.
type trickster struct {
	io.ReadWriteCloser
	mu   sync.Mutex
	do   map[string]func()
	done chan struct{}
}

func (r *trickster) on(method string, f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.do == nil {
		r.do = make(map[string]func())
	}
	r.do[method] = f
}

func (r *trickster) play(method string) {
	r.mu.Lock()
	f := r.do[method]
	r.mu.Unlock()
	if f != nil {
		f()
	}
}

func (r *trickster) Read(p []byte) (int, error) {
	n, err := r.ReadWriteCloser.Read(p)
	r.play("Read")
	return n, err
}

func (r *trickster) Write(p []byte) (int, error) {
	r.play("Write")
	return r.ReadWriteCloser.Write(p)
}

func (r *trickster) Close() error {
	defer r.play("Close")
	return r.ReadWriteCloser.Close()
}

func TestStreamThatPanics(t *testing.T) {
	for how, f := range map[string]func(){"panic": func() { panic("x") }, "Goexit": runtime.Goexit} {
		for _, method := range []string{"Read", "Write", "Close"} {
			t.Run(how+" in "+method, func(t *testing.T) {
				bubble(t, nil, func(t *testing.T, e *env) {
					e.onMsg = echo
					r := new(trickster)
					p, rec := e.stream(func(rwc io.ReadWriteCloser) io.ReadWriteCloser {
						r.ReadWriteCloser = rwc
						return r
					})
					synctest.Wait()
					r.on(method, f)
					p.send("4x")
					if method == "Close" {
						p.want("4x")
						rec.socket.Close()
					}
					<-rec.closed
					p.ended()
					synctest.Wait()
					if n := e.Stats().Rejected[RejectPanic]; n == 0 {
						t.Error("the panic is not counted")
					}
				})
			})
		}
	}
}

// A half closes for writing only, as a stream of QUIC does.
type half struct{ *memnet.Conn }

func (h half) Close() error { return h.Conn.CloseWrite() }

func TestStreamWhoseCloseDoesNotEndRead(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		p, rec := e.stream(func(rwc io.ReadWriteCloser) io.ReadWriteCloser { return half{rwc.(*memnet.Conn)} })
		rec.socket.Close()
		if err := p.ended(); err != nil {
			t.Errorf("ServeStream: %v", err)
		}
		rec.want(ForcedClose)
	})
}

func TestEndsOfAStream(t *testing.T) {
	for name, end := range map[string]func(e *env, p *streamPeer, rec *recorder, cancel func()) Reason{
		"close packet": func(_ *env, p *streamPeer, _ *recorder,
			_ func()) Reason {
			p.send("1")
			return TransportClose
		},
		"context": func(_ *env, _ *streamPeer, _ *recorder, cancel func()) Reason { cancel(); return TransportClose },
		"Close": func(_ *env, p *streamPeer, rec *recorder, _ func()) Reason {
			rec.socket.Send(SendOptions{}, text("last"))
			rec.socket.Close()
			p.want("4last")
			return ForcedClose
		},
		"CloseWith": func(_ *env, _ *streamPeer, rec *recorder, _ func()) Reason {
			rec.socket.CloseWith(ParseError, false, "no")
			return ParseError
		},
		"Shutdown": func(e *env, p *streamPeer, rec *recorder, _ func()) Reason {
			rec.socket.Send(SendOptions{}, text("last"))
			go e.Shutdown(context.Background()) // ends with the session
			p.want("4last")
			return ForcedClose
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, e *env) {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				p := e.serve(ctx, nil, nil)
				p.send("0")
				p.next()
				rec := e.session(0)
				reason := end(e, p, rec, cancel)
				if err := p.ended(); err != nil {
					t.Errorf("ServeStream: %v", err)
				}
				rec.want(reason)
			})
		})
	}
}

func TestStreamAfterShutdown(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		e.Shutdown(context.Background())
		p := e.serve(context.Background(), nil, nil)
		p.send("0")
		if err := p.ended(); err != ErrServerClosed {
			t.Errorf("error %v", err)
		}
		e.rejected(RejectShutdown, 1)
	})
}

// A stream ends when its time is over, also one that has no deadlines and whose Close blocks as long as its Write.
func TestWriteOfAStreamHasADeadline(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		_, server := memnet.Pipe(1)
		l := newStreamLink(server, &e.streams)
		if err := l.writeFrames([]byte("more than one byte")); !errors.Is(err, os.ErrDeadlineExceeded) ||
			l.fault(err) != faultSlow {
			t.Errorf("error %v", err)
		}
		l.wait()
	})
}

// A halved stream takes no more writes from some moment on.
type halved struct {
	io.ReadWriteCloser
	off atomic.Bool
}

func (h *halved) Write(p []byte) (int, error) {
	if h.off.Load() {
		return 0, errors.New("nobody listens")
	}
	return h.ReadWriteCloser.Write(p)
}

// A peer that takes nothing any more is heard to the end of what it says, however long the Handler takes for it.
func TestStreamWhoseWritesFailIsReadToItsEnd(t *testing.T) {
	for _, closes := range []bool{true, false} {
		t.Run(fmt.Sprint("closes ", closes), func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, e *env) {
				e.onMsg = func(*recorder, Message) { <-time.After(2 * streamCloseTimeout) }
				h := new(halved)
				p, rec := e.stream(func(rwc io.ReadWriteCloser) io.ReadWriteCloser {
					h.ReadWriteCloser = rwc
					return h
				})
				h.off.Store(true)
				rec.socket.Send(SendOptions{}, text("lost"))
				synctest.Wait()
				p.send("4a", "4"+strings.Repeat("b", 50_000))
				if closes {
					p.conn.Close()
				}
				rec.expect(text("a"), text(strings.Repeat("b", 50_000)))
				handled := time.Now().Add(2 * streamCloseTimeout)
				rec.want(TransportClose)
				if d := time.Since(handled); closes && d > 0 || d > 2*streamCloseTimeout {
					t.Errorf("the session ends %v after the last message", d)
				}
				if !closes && !strings.Contains(fmt.Sprint(rec.err), "nobody listens") {
					t.Errorf("HandleClose is told %v", rec.err)
				}
				p.ended()
			})
		})
	}
}
