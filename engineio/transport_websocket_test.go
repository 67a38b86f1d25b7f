package engineio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/internal/websocket"
)

func TestWebSocketEcho(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		e.onMsg = echo
		p, a := e.dial("EIO=4&transport=websocket")
		if p == nil {
			t.Fatal(a)
		}
		id := e.session(0).socket.ID()
		p.want(`0{"sid":"` + id + `","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`)
		p.send("4hello", "4é", "4")
		p.conn.Write(frame(2, "\x01\x02"))
		p.conn.Write(frame(2, ""))
		p.want("4hello", "4é", "4", "[0102]", "[]")
		p.send("6", "5", "0{}", "3") // E-16, E-4
		p.send("4" + strings.Repeat("x", 100_000))
		p.want("4" + strings.Repeat("x", 100_000))
		synctest.Wait()
		e.rejected(RejectUnexpected, 2)
		e.rejected(RejectPong, 1)
		st := e.Stats()
		if st.WebSocket != 1 || st.MessagesIn != 6 || st.MessagesOut != 6 ||
			st.BytesIn != st.BytesOut || st.BytesIn != 100_009 {
			t.Errorf("stats %+v", st)
		}
		e.session(0).socket.Close()
		p.wantClose("close 1000")
		e.session(0).want(ForcedClose)
	})
}

// E-13 to E-15 and the frame layer: what the peer does, the close frame it gets, and the reason.
func TestEndsByThePeer(t *testing.T) {
	for _, c := range []struct {
		name   string
		bytes  []byte
		close  string
		reason Reason
		reject string
	}{
		{"empty", frame(1, ""), "close 1002 malformed packet", ParseError, RejectPacket},
		{"unknown type", frame(1, "9"), "close 1002 malformed packet", ParseError, RejectPacket},
		{"base64", frame(1, "bAQID"), "close 1002 malformed packet", ParseError, RejectPacket},
		{"ping", frame(1, "2"), "close 1002 invalid heartbeat direction", TransportError, RejectHeartbeat},
		{"probe", frame(1, "2probe"), "close 1002 invalid heartbeat direction", TransportError, RejectHeartbeat},
		{"close packet", frame(1, "1"), "close 1000 transport close", TransportClose, ""},
		{"close frame", frame(8, "\x03\xe8"), "close 1000", TransportClose, ""},
		{"close frame 4999", frame(8, "\x13\x87bye"), "close 4999", TransportClose, ""},
		{"close frame without code", frame(8, ""), "close", TransportClose, ""},
		{"bad UTF-8", frame(1, "4\xff"), "close 1007", TransportError, RejectWebSocket},
		{"reserved bit", []byte{0xf1, 0x80, 0, 0, 0, 0}, "close 1002", TransportError, RejectWebSocket},
		{"not masked", []byte{0x81, 1, '4'}, "close 1002", TransportError, RejectWebSocket},
		{"too long", []byte{0x81, 0xff, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x41},
			"close 1009", TransportError, RejectMessageSize},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, e *env) {
				p, rec := e.ws()
				p.send("4before")
				p.conn.Write(c.bytes)
				p.conn.Write(frame(1, "4after"))
				if got := p.read(); !strings.HasPrefix(got, c.close) {
					t.Errorf("got %q, want %q", got, c.close)
				}
				p.conn.Write(frame(8, "\x03\xe8"))
				p.want("EOF")
				p.conn.Close()
				rec.want(c.reason)
				if got := rec.texts(); got != "before" {
					t.Errorf("delivered %q", got)
				}
				if c.reject != "" {
					e.rejected(c.reject, 1)
				}
				if st := e.Stats(); st.Closed[c.reason] != 1 || c.reject == "" && len(st.Rejected) != 0 {
					t.Errorf("stats %+v", st)
				}
			})
		})
	}
}

// A writer may meet the close frame that the reader has just sent to a peer that broke a rule. It is the reader who
// knows why the session ends.
func TestViolationWhileWriting(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		p, rec := e.ws()
		// the Open packet is there before the session has its connection
		synctest.Wait()
		rec.socket.link.close(websocket.ProtocolError, "reserved bit set") // as Read does before it returns
		if err := rec.socket.Send(SendOptions{}, text("late")); err != nil {
			t.Fatal(err)
		}
		rec.socket.Flush()
		synctest.Wait()
		p.wantClose("close 1002 reserved bit set")
		p.conn.Close()
		rec.want(TransportError)
		e.rejected(RejectWebSocket, 1)
	})
}

func TestConnectionsThatJustEnd(t *testing.T) { // W-10
	bubble(t, nil, func(t *testing.T, e *env) {
		for _, reset := range []bool{false, true} {
			p, rec := e.ws()
			if reset {
				p.conn.Reset()
			} else {
				p.conn.Close()
			}
			rec.want(TransportClose)
		}
		if n := len(e.Stats().Rejected); n != 0 {
			t.Errorf("rejected %v", e.Stats().Rejected)
		}
	})
}

func TestUnsolicitedPongFrames(t *testing.T) { // F-22
	bubble(t, nil, func(t *testing.T, e *env) {
		e.onMsg = echo
		p, rec := e.ws()
		for range 100 {
			p.conn.Write(frame(10, "x"))
		}
		p.send("4x")
		p.want("4x")
		e.rejected(RejectWebSocketPong, 100)
		rec.alive()
	})
}

func TestBase64Client(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		p, _ := e.dial("EIO=4&transport=websocket&b64=1")
		p.read()
		s := e.session(0).socket
		s.Send(SendOptions{}, bin(1, 2, 3))
		p.want("bAQID")
		s.Send(SendOptions{}, text("x"), bin(), bin(1), text("y"))
		p.want("4x", "b", "bAQ==", "4y")
		p.send("bAQID", "4z", "b", "4bAQ==")
		p.conn.Write(frame(2, "\x04"))
		synctest.Wait()
		if got := e.session(0).texts(); got != "[010203] z [] bAQ== [04]" {
			t.Errorf("received %q", got)
		}
		p.send("bAQID\x1e4x")
		p.wantClose("close 1002 malformed packet")
		e.session(0).want(ParseError)
		e.rejected(RejectPacket, 1)
	})
	bubble(t, nil, func(t *testing.T, e *env) { // through an upgrade
		e.onMsg = echo
		a := e.do("GET", handshakeQuery+"&b64=1", "")
		_, id, _ := strings.Cut(a.body, `"sid":"`)
		p := e.probe(handshakeQuery + "&sid=" + id[:20])
		p.send("2probe", "5", "bAQID")
		p.want("3probe", "bAQID")
		p.send("bBA==")
		p.want("bBA==")
		if got := e.session(0).texts(); got != "[010203] [04]" {
			t.Errorf("received %q", got)
		}
		p.conn.Close()
	})
}

func TestHandlerPanics(t *testing.T) { // R-1 at this layer: the session ends, the process does not
	bubble(t, nil, func(t *testing.T, e *env) {
		e.onMsg = func(*recorder, Message) { panic("boom") }
		p, rec := e.ws()
		p.send("4x", "4y")
		p.wantClose("close 1011 internal error")
		rec.want(TransportError)
		q, rec := e.open()
		e.do("POST", q, "4x\x1e4y").want(t, 200, "ok")
		rec.want(TransportError)
		if rec.texts() != "x" {
			t.Errorf("delivered %q", rec.texts())
		}
		e.rejected(RejectPanic, 2)
	})
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, nil)
		e.accept = func(*Socket, *http.Request) Handler { return closePanics{} }
		p, _ := e.dial("EIO=4&transport=websocket")
		p.read()
		p.conn.Close()
		synctest.Wait()
		e.rejected(RejectPanic, 1)
		e.stop()
	})
}

type closePanics struct{}

func (closePanics) HandleMessage(Message)     {}
func (closePanics) HandleClose(Reason, error) { panic("boom") }

// A handler may close its own session, and is told of it when it has returned.
func TestCloseInsideTheHandler(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		e.onMsg = func(r *recorder, m Message) {
			switch string(m.Data) {
			case "close":
				r.socket.Send(SendOptions{}, text("bye"))
				r.socket.Close()
			case "with":
				r.socket.CloseWith(ParseError, true, "not this")
			}
			<-r.socket.Context().Done()
		}
		p, rec := e.ws()
		p.send("4close", "4x")
		p.want("4bye")
		p.wantClose("close 1000")
		rec.want(ForcedClose)
		p, rec = e.ws()
		p.send("4with", "4x")
		p.wantClose("close 1008 not this")
		rec.want(ParseError)
		q, rec := e.open()
		get := e.later("GET", q, "")
		e.do("POST", q, "4close\x1e4x").want(t, 200, "ok")
		(<-get).want(t, 200, "4bye")
		e.do("GET", q, "").want(t, 200, "1")
		rec.want(ForcedClose)
		if rec.texts() != "close" {
			t.Errorf("delivered %q", rec.texts())
		}
	})
}

func TestCloseInAccept(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		e.onOpen = func(s *Socket, r *http.Request) {
			s.Send(SendOptions{}, text("hi"))
			s.Close()
			s.Close()
			if err := s.Send(SendOptions{}, text("more")); err != ErrClosed {
				t.Errorf("Send after Close: %v", err)
			}
		}
		p, rec := e.ws()
		p.want("4hi")
		p.wantClose("close 1000")
		rec.want(ForcedClose)
		q, rec := e.open()
		e.do("GET", q, "").want(t, 200, "4hi")
		e.do("GET", q, "").want(t, 200, "1")
		rec.want(ForcedClose)
		e.onOpen = func(s *Socket, r *http.Request) { s.CloseWith(ParseError, true, "no") }
		p, _ = e.dial("EIO=4&transport=websocket")
		p.wantClose("close 1008 no")
		e.session(2).want(ParseError)
	})
}

func TestCORS(t *testing.T) { // C-1 to C-8
	list := &CORSOptions{Origins: []string{"https://a.com", "https://b.com"},
		Credentials: true, MaxAge: time.Minute, ExposedHeaders: []string{"X-A", "X-B"}}
	bubble(t, &Options{CORS: list}, func(t *testing.T, e *env) {
		a := e.do("OPTIONS", "", "", "Origin", "https://b.com", "Access-Control-Request-Headers", "x-mine, y")
		a.want(t, 204, "")
		want := map[string]string{
			"Access-Control-Allow-Origin": "https://b.com", "Access-Control-Allow-Credentials": "true",
			"Access-Control-Allow-Methods": "GET,HEAD,PUT,PATCH,POST,DELETE",
			"Access-Control-Allow-Headers": "x-mine, y",
			"Access-Control-Max-Age":       "60", "Access-Control-Expose-Headers": "X-A,X-B",
		}
		for k, v := range want {
			if got := a.header.Get(k); got != v {
				t.Errorf("%s: %q, want %q", k, got, v)
			}
		}
		if v := strings.Join(a.header["Vary"], ","); v != "Origin,Access-Control-Request-Headers" {
			t.Errorf("Vary %q", v)
		}
		a = e.do("GET", handshakeQuery, "", "Origin", "https://a.com")
		if a.status != 200 || a.header.Get("Access-Control-Allow-Origin") != "https://a.com" ||
			a.header.Get("Access-Control-Allow-Methods") != "" || a.header.Get("Vary") != "Origin" {
			t.Errorf("%d %v", a.status, a.header)
		}
		a = e.do("GET", "EIO=4", "", "Origin", "https://a.com") // refusals can be read by the page
		if a.status != 400 || a.header.Get("Access-Control-Allow-Origin") != "https://a.com" {
			t.Errorf("%d %v", a.status, a.header)
		}
		for _, o := range []string{"https://a.com.evil.io", "https://evil-a.com",
			"http://a.com", "https://a.com:444", "null", "HTTPS://A.COM", ""} {
			for _, method := range []string{"GET", "OPTIONS"} {
				a := e.do(method, handshakeQuery, "", "Origin", o)
				if a.status != map[string]int{"GET": 200, "OPTIONS": 204}[method] ||
					a.header.Get("Access-Control-Allow-Origin") != "" ||
					a.header.Get("Access-Control-Allow-Credentials") != "" || a.header.Get("Vary") != "Origin" {
					t.Errorf("%s %q: %d %v", method, o, a.status, a.header)
				}
			}
			if o != "" {
				if _, a := e.dial("EIO=4&transport=websocket", "Origin", o); a.status != 403 {
					t.Errorf("WebSocket of %q: %d", o, a.status)
				}
			}
		}
		p, a := e.dial("EIO=4&transport=websocket", "Origin", "https://b.com")
		if p == nil || a.header.Get("Access-Control-Allow-Origin") != "https://b.com" {
			t.Fatalf("%d %v", a.status, a.header)
		}
		p.conn.Close()
		for _, o := range []string{"http://server", "https://SERVER"} { // the same origin, whatever the list says
			p, _ = e.ws("Origin", o)
			p.conn.Close()
		}
	})
	bubble(t, &Options{CORS: &CORSOptions{Origins: []string{"*"}, Credentials: true,
		Methods: []string{"GET"}, AllowedHeaders: []string{"a", "b"}}}, func(t *testing.T, e *env) {
		a := e.do("OPTIONS", handshakeQuery, "", "Origin", "https://any")
		if a.header.Get("Access-Control-Allow-Origin") != "*" ||
			a.header.Get("Access-Control-Allow-Credentials") != "" ||
			a.header.Get("Access-Control-Allow-Methods") != "GET" ||
			a.header.Get("Access-Control-Allow-Headers") != "a,b" {
			t.Errorf("%v", a.header)
		}
		p, _ := e.ws("Origin", "null")
		p.conn.Close()
	})
	bubble(t, &Options{AllowAnyOrigin: true}, func(t *testing.T, e *env) {
		p, _ := e.ws("Origin", "https://evil")
		p.conn.Close()
		if a := e.do("GET", handshakeQuery, "", "Origin", "https://evil"); a.status != 200 ||
			len(a.header["Vary"]) != 0 {
			t.Errorf("%d %v", a.status, a.header)
		}
	})
}

// The origins that a wildcard, a function or reflection lets in.
func TestCORSBeyondTheList(t *testing.T) {
	allowed := func(t *testing.T, e *env, origin string, want bool, credentials string) {
		t.Helper()
		for _, method := range []string{"OPTIONS", "GET"} {
			a := e.do(method, handshakeQuery, "", "Origin", origin)
			got := a.header.Get("Access-Control-Allow-Origin")
			if want && (got != origin || a.header.Get("Access-Control-Allow-Credentials") != credentials) ||
				!want && got != "" || a.header.Get("Vary") == "" {
				t.Errorf("%s of %q: %d %v", method, origin, a.status, a.header)
			}
		}
		p, a := e.dial("EIO=4&transport=websocket", "Origin", origin)
		if (p != nil) != want || !want && a.status != 403 {
			t.Errorf("WebSocket of %q: %d", origin, a.status)
		}
		if p != nil {
			p.conn.Close()
		}
	}
	wild := &CORSOptions{Origins: []string{"https://*.Example.com", "http://*.localhost:8080"}, Credentials: true,
		PreflightStatus: 200}
	bubble(t, &Options{CORS: wild}, func(t *testing.T, e *env) {
		e.do("OPTIONS", "", "", "Origin", "https://a.example.com").want(t, 200, "")
		for origin, want := range map[string]bool{
			"https://a.example.com": true, "https://a.b.example.com": true, "http://x-1.localhost:8080": true,
			"https://example.com": false, "http://a.example.com": false, "https://.example.com": false,
			"https://a.example.com.evil.io": false, "https://evil.io/.example.com": false, "null": false,
			"https://evil.io#.example.com": false, "https://evil.io:1.example.com": false,
			"https://a@b.example.com": false, "https://aexample.com": false, "https://a.example.com:444": false,
			"https://A.example.com": false, "http://a.localhost": false, "https://*.example.com": false,
		} {
			allowed(t, e, origin, want, "true")
		}
	})
	asked := 0
	fn := func(origin string, r *http.Request) bool {
		asked++
		if origin == "https://panics" {
			panic("boom")
		}
		return strings.HasSuffix(origin, ".dev") && r.Header.Get("Origin") == origin
	}
	bubble(t, &Options{CORS: &CORSOptions{Origins: []string{"https://listed"}, AllowOrigin: fn}},
		func(t *testing.T, e *env) {
			allowed(t, e, "https://listed", true, "")
			e.do("GET", handshakeQuery, "")
			if asked != 0 {
				t.Errorf("asked %d times about what is listed, and without an origin", asked)
			}
			allowed(t, e, "https://a.dev", true, "")
			if asked != 3 {
				t.Errorf("asked %d times for three requests", asked)
			}
			allowed(t, e, "https://a.io", false, "")
			allowed(t, e, "https://panics", false, "")
		})
	bubble(t, &Options{CORS: &CORSOptions{ReflectOrigin: true, Credentials: true}}, func(t *testing.T, e *env) {
		allowed(t, e, "https://any.io", true, "true")
		allowed(t, e, "null", true, "true")
	})
}

// tcp is a server on a real connection, where writes go straight to the descriptor.
func tcp(t *testing.T, o *Options, accept func(s *Socket, r *http.Request) Handler) (*Server, net.Listener) {
	t.Helper()
	base := runtime.NumGoroutine()
	s := NewServer(accept, o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip("no loopback:", err)
	}
	h := &http.Server{Handler: s}
	go h.Serve(l) // ends with Close below
	t.Cleanup(func() {
		s.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("sessions are left: %v", err)
		}
		h.Close()
		for i := 0; runtime.NumGoroutine() > base; i++ { // what just ended may not be gone
			if i == 300_000 {
				buf := make([]byte, 1<<20)
				t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), base, buf[:runtime.Stack(buf, true)])
			}
			<-time.After(time.Millisecond)
		}
	})
	return s, l
}

type funcHandler struct {
	message func(Message)
	close   func(Reason, error)
}

func (h funcHandler) HandleMessage(m Message)         { h.message(m) }
func (h funcHandler) HandleClose(r Reason, err error) { h.close(r, err) }
func (s *Socket) testEcho(m Message)                  { s.Send(SendOptions{}, Prepare(m)) }
func closedInto(ch chan error) func(r Reason, err error) {
	return func(r Reason, err error) { ch <- errors.Join(r, err) }
}

func dialTCP(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprintf(c, "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: s\r\nConnection: "+
		"Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	return c
}

func TestRealConnection(t *testing.T) {
	end := make(chan error, 1)
	_, l := tcp(t, nil, func(s *Socket, r *http.Request) Handler { return funcHandler{s.testEcho, closedInto(end)} })
	c := dialTCP(t, l)
	p := newTCPPeer(t, c)
	p.skip()
	const n = 5000
	go func() { // ends when all is written
		for i := range n {
			c.Write(frame(1, fmt.Sprint("4", i)))
		}
		c.Write(frame(2, strings.Repeat("b", 300_000)))
		c.Write(frame(1, "4end"))
	}()
	for i := range n {
		if got := p.message(); got != fmt.Sprint("4", i) {
			t.Fatalf("got %q, want message %d", got, i)
		}
	}
	if got := p.message(); got != strings.Repeat("b", 300_000) {
		t.Fatalf("got %d bytes", len(got))
	}
	if got := p.message(); got != "4end" {
		t.Fatalf("got %q", got)
	}
	c.Close()
	if err := <-end; !errors.Is(err, TransportClose) {
		t.Errorf("ended with %v", err)
	}
}

// S-1: a peer that does not read has its session closed when its queue is full; the others go on.
func TestSlowConsumerOnARealConnection(t *testing.T) {
	end := make(chan error, 1)
	open := make(chan *Socket, 1)
	s, l := tcp(t, &Options{MaxQueueBytes: 256 << 10}, func(s *Socket, r *http.Request) Handler {
		open <- s
		return funcHandler{s.testEcho, closedInto(end)}
	})
	slow := dialTCP(t, l)
	defer slow.Close()
	sock := <-open
	m := Prepare(Message{Data: []byte(strings.Repeat("x", 10_000))})
	for i := 0; ; i++ {
		if i == 1_000_000 {
			t.Fatal("10 GB are queued")
		}
		if err := sock.Send(SendOptions{}, m); err == ErrSlowConsumer {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if err := sock.Send(SendOptions{}, m); err != ErrSlowConsumer {
		t.Errorf("the next Send: %v", err)
	}
	if err := <-end; !errors.Is(err, TransportError) || !errors.Is(err, ErrSlowConsumer) {
		t.Errorf("ended with %v", err)
	}
	if got := s.Stats().Rejected[RejectSlowConsumer]; got != 1 {
		t.Errorf("counted %d times", got)
	}
}

func TestReadEndings(t *testing.T) {
	for _, c := range []struct {
		err    error
		reason Reason
		reject string
	}{
		{net.ErrClosed, TransportClose, ""},
		{&websocket.CloseError{Status: 1001, Received: true}, TransportClose, ""},
		{&websocket.CloseError{Status: 1002}, TransportError, RejectWebSocket},
	} {
		if e := readEnding(webSocketLink{}, c.err); e.reason != c.reason || e.reject != c.reject {
			t.Errorf("%v: %q, %q", c.err, e.reason, e.reject)
		}
	}
}

// Some proxies add the default port to Host; browsers leave it out of Origin.
func TestDefaultPortsOfOrigins(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		for _, c := range []struct {
			origin, host string
			ok           bool
		}{
			{"https://a.com", "a.com:443", true},
			{"http://a.com", "A.com:80", true},
			{"https://a.com:443", "a.com", true},
			{"https://[::1]", "[::1]:443", true},
			{"http://[::1]:3000", "[::1]:3000", true},
			{"https://a.com", "a.com:80", false},
			{"http://a.com", "a.com:443", false},
			{"https://a.com:444", "a.com:443", false},
			{"https://a.com", "a.com:4443", false},
			{"https://a.com", "b.com:443", false},
			{"https://:443", "", false},
			{"https://", ":443", false},
			{"ws://a.com", "a.com", false},
		} {
			r := httptest.NewRequest("GET", "/", nil)
			r.Host = c.host
			r.Header.Set("Origin", c.origin)
			if got := e.originAllowed(r, e.corsAllows(r)); got != c.ok {
				t.Errorf("%s at %s: %v", c.origin, c.host, got)
			}
		}
	})
}
