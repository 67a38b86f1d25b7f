package siowebtransport

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
	"github.com/quic-go/webtransport-go"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
)

// A raw peer speaks by hand.
type raw struct {
	t    *testing.T
	quic *quic.Conn
	conn *webtransport.ClientConn
}

func (e *endpoint) raw(t *testing.T, change func(*quic.Config)) *raw {
	t.Helper()
	o := &quic.Config{EnableDatagrams: true, EnableStreamResetPartialDelivery: true}
	if change != nil {
		change(o)
	}
	qc, err := quic.DialAddr(t.Context(), strings.TrimPrefix(e.url, "https://"), e.dialer().config("127.0.0.1"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { qc.CloseWithError(0x100, "") })
	conn, err := new(webtransport.Transport).NewClientConn(qc)
	if err != nil {
		t.Fatal(err)
	}
	return &raw{t, qc, conn}
}

// session opens a session without a stream.
func (r *raw) session(e *endpoint) *webtransport.Session {
	r.t.Helper()
	_, s, err := r.conn.Dial(r.t.Context(), e.url+"/socket.io/", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// openStream opens a stream and writes what is said first.
func openStream(t *testing.T, s *webtransport.Session, first string) *webtransport.Stream {
	t.Helper()
	str, err := s.OpenStreamSync(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(str, first); err != nil {
		t.Fatal(err)
	}
	return str
}

// frame reads one short frame.
func frame(t *testing.T, r io.Reader) string {
	t.Helper()
	var head [1]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		t.Fatal(err)
	}
	n := int(head[0] & 0x7f)
	if n == 126 {
		var long [2]byte
		if _, err := io.ReadFull(r, long[:]); err != nil {
			t.Fatal(err)
		}
		n = int(long[0])<<8 | int(long[1])
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// gone waits until a session has ended.
func gone(t *testing.T, s *webtransport.Session) {
	t.Helper()
	select {
	case <-s.Context().Done():
	case <-time.After(patience):
		t.Fatal("the session goes on")
	}
}

// T-44: whoever may not come in by one transport comes in by none.
func TestAllowRequestOfEachWay(t *testing.T) {
	var asked atomic.Int32
	e := newEndpoint(t, &socketio.Options{Engine: engineio.Options{
		AllowRequest: func(*http.Request) error { asked.Add(1); return nil },
	}}, nil)
	connected := serveEcho(e)
	plain := e.http()
	for _, way := range []struct {
		transports []string
		url        string
	}{
		{[]string{"polling"}, plain}, {[]string{"websocket"}, plain}, {[]string{"polling", "websocket"}, plain},
		{[]string{"webtransport"}, e.url}, {[]string{"polling", "webtransport"}, plain},
	} {
		o := e.options()
		o.Engine.Transports = way.transports
		o.Engine.DialStream = e.elsewhere
		upgraded := make(chan error, 1)
		o.Engine.Trace = &engineio.Trace{Upgrade: func(_ string, err error) { upgraded <- err }}
		asked.Store(0)
		c := connect(t, way.url, o)
		receive(t, connected)
		if len(way.transports) > 1 {
			if err := receive(t, upgraded); err != nil {
				t.Error(err)
			}
		}
		wantEcho(t, c, 10)
		if n := asked.Load(); n != 1 {
			t.Errorf("%v: asked %d times", way.transports, n)
		}
	}
}

func TestNoStream(t *testing.T) { // X-2; engine.io webtransport 3
	e := newEndpoint(t, &socketio.Options{Engine: engineio.Options{UpgradeTimeout: 100 * time.Millisecond}}, nil)
	s := e.raw(t, nil).session(e)
	gone(t, s)
	until(t, "it is counted", func() bool { return e.io.Engine().Stats().Rejected[engineio.RejectHandshake] == 1 })
}

func TestFirstPackets(t *testing.T) { // engine.io webtransport 4 to 6
	e := newEndpoint(t, nil, nil)
	for _, c := range []struct{ first, reject string }{
		{"\x16" + `0{"sid":"__proto__"}  `, engineio.RejectSession},
		{"\x10" + `0{"sid":"other"}`, engineio.RejectSession},
		{"\x090{\"sid\":5}", engineio.RejectHandshake},
		{"\x040abc", engineio.RejectHandshake},
		{"\x064hello", engineio.RejectHandshake},
		{"\x062probe", engineio.RejectHandshake},
		{"\x83abc", engineio.RejectHandshake},
		{"\x00", engineio.RejectHandshake},
		{"\x7f\x00\x20\x00\x00\x00\x00\x00\x00", engineio.RejectHandshake}, // 2^53
		{"\x7f\xff\xff\xff\xff\xff\xff\xff\xff", engineio.RejectHandshake},
		{"\x7e\x20\x00", engineio.RejectHandshake}, // more than a handshake may have
	} {
		before := e.io.Engine().Stats().Rejected[c.reject]
		s := e.raw(t, nil).session(e)
		openStream(t, s, c.first)
		gone(t, s)
		until(t, fmt.Sprintf("%q is counted as %s", c.first, c.reject), func() bool {
			return e.io.Engine().Stats().Rejected[c.reject] == before+1
		})
	}
	if st := e.io.Engine().Stats(); st.Opened != 0 {
		t.Errorf("%+v", st)
	}
}

// Only the first stream counts, and streams cost nothing when they are closed.
func TestManyStreams(t *testing.T) {
	e := newEndpoint(t, nil, nil)
	s := e.raw(t, nil).session(e)
	first := openStream(t, s, "\x010")
	if open := frame(t, first); !strings.HasPrefix(open, `0{"sid"`) {
		t.Fatal(open)
	}
	before := runtime.NumGoroutine()
	for i := range 2000 {
		str, err := s.OpenStreamSync(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		str.Write([]byte("\x010")) // may be refused by now
		if i%2 == 0 {
			str.CancelWrite(1)
			str.CancelRead(1)
			continue
		}
		if _, err := str.Read(make([]byte, 1)); err == nil {
			t.Fatal("a second stream is served")
		}
		str.CancelWrite(1)
	}
	for range 500 {
		str, err := s.OpenUniStreamSync(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		str.Write([]byte("x")) // may be refused by now
		str.CancelWrite(1)
	}
	until(t, "few goroutines", func() bool { return runtime.NumGoroutine() < before+100 })
	if st := e.io.Engine().Stats(); st.Opened != 1 || st.Sessions != 1 {
		t.Errorf("%+v", st)
	}
	if _, err := io.WriteString(first, "\x0240"); err != nil {
		t.Fatal(err)
	}
	if got := frame(t, first); !strings.HasPrefix(got, "40{") {
		t.Error(got)
	}
}

// connectStream opens a session of which the CONNECT is ours to write on.
func (r *raw) connectStream(e *endpoint) *http3.RequestStream {
	r.t.Helper()
	tr := &http3.Transport{EnableDatagrams: true, AdditionalSettings: map[uint64]uint64{0x2c7cf000: 1}}
	cc := tr.NewRawClientConn(r.quic)
	go func() {
		for {
			str, err := r.quic.AcceptUniStream(context.Background())
			if err != nil {
				return
			}
			go cc.HandleUnidirectionalStream(str)
		}
	}()
	str, err := cc.OpenRequestStream(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodConnect, e.url+"/socket.io/", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Proto = "webtransport"
	if err := str.SendRequestHeader(req); err != nil {
		r.t.Fatal(err)
	}
	if res, err := str.ReadResponse(); err != nil || res.StatusCode != 200 {
		r.t.Fatal(res, err)
	}
	return str
}

func TestCapsules(t *testing.T) {
	for _, c := range []struct {
		name   string
		kind   uint64
		length uint64
		sent   int
	}{
		{"unknown", 0x1234, 1 << 30, 16 << 20},
		{"close", 0x2843, 4 + 1<<20, 4 + 1<<20},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEndpoint(t, nil, nil)
			qc, err := quic.DialAddr(t.Context(), strings.TrimPrefix(e.url, "https://"), e.dialer().config("127.0.0.1"),
				&quic.Config{EnableDatagrams: true, EnableStreamResetPartialDelivery: true})
			if err != nil {
				t.Fatal(err)
			}
			defer qc.CloseWithError(0x100, "")
			str := (&raw{t: t, quic: qc}).connectStream(e)
			until(t, "a request", func() bool { return e.active() == 1 })
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			head := quicvarint.Append(quicvarint.Append(nil, c.kind), c.length)
			if _, err := str.Write(head); err != nil {
				t.Fatal(err)
			}
			chunk := bytes.Repeat([]byte("r"), 64<<10)
			for n := 0; n < c.sent; n += len(chunk) {
				if _, err := str.Write(chunk[:min(len(chunk), c.sent-n)]); err != nil {
					break // the session has ended, which is what a close is for
				}
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
				t.Errorf("%d bytes of %d are kept", grown, c.sent)
			}
			if c.name == "close" {
				until(t, "the session ends", func() bool { return e.active() == 0 })
			}
		})
	}
}

// active is the number of sessions and requests.
func (e *endpoint) active() int {
	e.wt.mu.Lock()
	defer e.wt.mu.Unlock()
	return e.wt.active
}

func TestPeerThatGivesNoCredit(t *testing.T) {
	e := newEndpoint(t, nil, nil)
	emitted := make(chan error, 1)
	e.io.OnConnection(func(s *socketio.Socket) { emitted <- s.Emit("much", strings.Repeat("x", 900_000)) })
	r := e.raw(t, func(o *quic.Config) {
		o.InitialStreamReceiveWindow, o.MaxStreamReceiveWindow = 2000, 2000
	})
	s := r.session(e)
	first := openStream(t, s, "\x010")
	frame(t, first)
	if _, err := io.WriteString(first, "\x0240"); err != nil {
		t.Fatal(err)
	}
	frame(t, first) // the rest is not read
	if err := receive(t, emitted); err != nil {
		t.Fatal(err)
	}
	e.io.Engine().Close() // and Shutdown, at the end of the test, waits for the session
	until(t, "no session", func() bool { return e.io.Engine().Count() == 0 })
	gone(t, s)
}

func TestDatagrams(t *testing.T) {
	e := newEndpoint(t, nil, nil)
	s := e.raw(t, nil).session(e)
	first := openStream(t, s, "\x010")
	frame(t, first)
	for range 5000 {
		if err := s.SendDatagram(bytes.Repeat([]byte("d"), 1000)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.WriteString(first, "\x0240"); err != nil {
		t.Fatal(err)
	}
	if got := frame(t, first); !strings.HasPrefix(got, "40{") {
		t.Error(got)
	}
}

func TestFrames(t *testing.T) { // X-9, and what comes too slowly is in engineio (TestHostileStream)
	e := newEndpoint(t, nil, nil)
	for _, c := range []struct{ sent, reject string }{
		{"\x7f\x00\x00\x00\x00\x00\x0f\x42\x41", engineio.RejectMessageSize}, // one more than MaxPayload
		{"\xff\x7f\xff\xff\xff\xff\xff\xff\xff", engineio.RejectStream},
		{"\x00", engineio.RejectStream}, {"\x80", engineio.RejectStream},
		{"\x02\xff\xfe", engineio.RejectStream},
	} {
		before := e.io.Engine().Stats().Rejected[c.reject]
		s := e.raw(t, nil).session(e)
		first := openStream(t, s, "\x010")
		frame(t, first)
		if _, err := io.WriteString(first, c.sent); err != nil {
			t.Fatal(err)
		}
		gone(t, s)
		until(t, fmt.Sprintf("%q is counted as %s", c.sent, c.reject), func() bool {
			return e.io.Engine().Stats().Rejected[c.reject] == before+1
		})
	}
}

// A client that gets another address keeps its session: it belongs to the connection, and nobody else gets into that.
func TestMigration(t *testing.T) {
	e := newEndpoint(t, nil, nil)
	connected := serveEcho(e)
	link := newUDPLink(t, strings.TrimPrefix(e.url, "https://"))
	o := e.options()
	d := e.dialer()
	o.Engine.DialStream = func(ctx context.Context, r *http.Request) (io.ReadWriteCloser, error) {
		r = r.Clone(ctx)
		r.URL.Host = link.addr
		return d.DialStream(ctx, r)
	}
	c := connect(t, e.url, o)
	receive(t, connected)
	for range 3 {
		wantEcho(t, c, 10_000)
		link.port.Add(1)
	}
	wantEcho(t, c, 100_000)
	if st := e.io.Engine().Stats(); st.Opened != 1 || st.Sessions != 1 {
		t.Errorf("%+v", st)
	}
}

// An opening can't be replayed, since the server takes no 0-RTT.
func TestReplay(t *testing.T) {
	e := newEndpoint(t, nil, nil)
	config := e.dialer().config("127.0.0.1")
	tickets := make(chan struct{}, 8)
	config.ClientSessionCache = tellingCache{tls.NewLRUClientSessionCache(4), tickets}
	for i := range 2 {
		qc, err := quic.DialAddrEarly(t.Context(), strings.TrimPrefix(e.url, "https://"), config, &quic.Config{
			EnableDatagrams: true, EnableStreamResetPartialDelivery: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		<-qc.HandshakeComplete()
		receive(t, tickets)
		if state := qc.ConnectionState(); state.Used0RTT || state.TLS.DidResume != (i == 1) {
			t.Errorf("connection %d: 0-RTT %v, resumed %v", i, state.Used0RTT, state.TLS.DidResume)
		}
		qc.CloseWithError(0x100, "")
	}
}

// A tellingCache tells when the server has sent a ticket.
type tellingCache struct {
	tls.ClientSessionCache
	put chan struct{}
}

func (c tellingCache) Put(key string, s *tls.ClientSessionState) {
	c.ClientSessionCache.Put(key, s)
	if s != nil {
		c.put <- struct{}{}
	}
}

// A udpLink forwards datagrams until it is cut.
type udpLink struct {
	addr string
	cut  atomic.Bool
	port atomic.Int32 // a greater number sends from other ports, as after a NAT has forgotten the old ones
}

func newUDPLink(t *testing.T, to string) *udpLink {
	t.Helper()
	front, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { front.Close() })
	l := &udpLink{addr: front.LocalAddr().String()}
	go func() {
		back := map[string]net.Conn{}
		defer func() {
			for _, c := range back {
				c.Close()
			}
		}()
		buf := make([]byte, 2048)
		for {
			n, from, err := front.ReadFrom(buf)
			if err != nil {
				return
			}
			key := fmt.Sprint(from, l.port.Load())
			c := back[key]
			if c == nil {
				if c, err = net.Dial("udp", to); err != nil {
					return
				}
				back[key] = c
				go l.answer(front, from, c)
			}
			if !l.cut.Load() {
				c.Write(buf[:n])
			}
		}
	}()
	return l
}

func (l *udpLink) answer(front net.PacketConn, to net.Addr, from net.Conn) {
	buf := make([]byte, 2048)
	for {
		n, err := from.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil && !l.cut.Load() {
			front.WriteTo(buf[:n], to)
		}
	}
}

// Where UDP is blocked while a session uses it, both ends notice by the heartbeat, and the client goes on by WebSocket.
func TestBlockedUDP(t *testing.T) {
	e := newEndpoint(t, &socketio.Options{Engine: engineio.Options{
		PingInterval: 200 * time.Millisecond, PingTimeout: 2 * time.Second, // pongs of a slow machine come in that
	}}, nil)
	connected := serveEcho(e)
	link := newUDPLink(t, strings.TrimPrefix(e.url, "https://"))
	d := e.dialer()
	o := e.options()
	o.DisableReconnection = false
	o.ReconnectionDelay = time.Millisecond
	o.Engine.Transports = []string{"webtransport", "websocket"}
	o.Engine.TryAllTransports = true
	o.Engine.DialStream = func(ctx context.Context, r *http.Request) (io.ReadWriteCloser, error) {
		if link.cut.Load() {
			return nil, errors.New("no answer") // which takes the Dialer five seconds to find out
		}
		r = r.Clone(ctx)
		r.URL.Host = link.addr
		return d.DialStream(ctx, r)
	}
	c := connect(t, e.http(), o)
	s := receive(t, connected)
	if got := s.Conn().Transport(); got != "webtransport" {
		t.Fatal(got)
	}
	ended := make(chan socketio.DisconnectReason, 1)
	s.OnDisconnect(func(r socketio.DisconnectReason) { ended <- r })
	lost := make(chan client.DisconnectReason, 1)
	c.OnDisconnect(func(r client.DisconnectReason) { lost <- r })
	link.cut.Store(true)
	if r := receive(t, ended); fmt.Sprint(r) != "ping timeout" { // engine.io webtransport 9
		t.Errorf("the server: %v", r)
	}
	if r := receive(t, lost); fmt.Sprint(r) != "ping timeout" {
		t.Errorf("the client: %v", r)
	}
	if got := receive(t, connected).Conn().Transport(); got != "websocket" {
		t.Error(got)
	}
	wantEcho(t, c, 10)
}

// A connection on which no request comes to its end is closed, whatever it sends.
func TestIdleConnection(t *testing.T) {
	e := newEndpoint(t, nil, func(s *Server) { s.IdleTimeout = 100 * time.Millisecond })
	r := e.raw(t, func(o *quic.Config) { o.KeepAlivePeriod = 20 * time.Millisecond })
	str, err := r.quic.OpenStreamSync(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := str.Write([]byte{1, 60}); err != nil { // HEADERS of 60 bytes, that do not come
		t.Fatal(err)
	}
	select {
	case <-r.quic.Context().Done():
	case <-time.After(patience):
		t.Fatal("the connection goes on")
	}
}

func TestLargeHeader(t *testing.T) {
	e := newEndpoint(t, nil, nil)
	o := e.options()
	o.Engine.Header = http.Header{"X-Large": {strings.Repeat("x", 40<<10)}}
	_, err := client.Dial(t.Context(), e.url, o)
	refused := refusal(t, err) // whichever comes first: the answer, or that the server reads no more
	if refused.Status != http.StatusRequestHeaderFieldsTooLarge && !strings.Contains(err.Error(), "H3_EXCESSIVE_LOAD") {
		t.Errorf("%v", err)
	}
}

// A page that answers every request, as a mux's "/" does, makes no session of a CONNECT.
func TestPageIsNoSession(t *testing.T) {
	e := newEndpoint(t, nil, func(s *Server) {
		s.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "a page") })
	})
	_, err := client.Dial(t.Context(), e.url, e.options())
	if refused := refusal(t, err); refused.Status != http.StatusNotImplemented {
		t.Errorf("%v", err)
	}
}
