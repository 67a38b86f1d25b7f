package engineio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/internal/memnet"
	"sio.example/socketio/internal/websocket"
)

// eachTransport runs f with a fresh server for each way to be connected.
func eachTransport(t *testing.T, o *Options, f func(t *testing.T, e *env, o *DialOptions)) {
	for _, transports := range []string{"polling", "websocket", "polling,websocket"} {
		t.Run(transports, func(t *testing.T) {
			bubble(t, o, func(t *testing.T, e *env) { f(t, e, e.clientOptions(strings.Split(transports, ",")...)) })
		})
	}
}

// TestClientViolationWhileWriting: a writer may meet the close frame that the reader has just sent to a server that broke a
// rule. It is the reader who knows why the session ends.
func TestClientViolationWhileWriting(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		p := e.join(e.clientOptions("websocket"))
		if err := p.socket.Send(SendOptions{Defer: true}, text("late")); err != nil { // after Close the reader may be faster
			t.Error(err)
		}
		p.socket.conn.Close(websocket.ProtocolError, "reserved bit set") // as Read does before it returns
		p.socket.Flush()
		p.want(TransportError)
		<-p.socket.Done()
	})
}

// TestClientCloseSendsFirst: what was queued before Close arrives, in order, and the server sees a client that leaves.
func TestClientCloseSendsFirst(t *testing.T) {
	eachTransport(t, &Options{MaxPayload: 100_000, MaxQueueBytes: 100 << 20}, func(t *testing.T, e *env, o *DialOptions) {
		p := e.join(o)
		var want strings.Builder
		for i := range 1000 {
			s := fmt.Sprint(i, strings.Repeat("x", i))
			p.socket.Send(SendOptions{}, text(s))
			want.WriteString(s + " ")
		}
		p.socket.Close()
		p.socket.Close()
		if err := p.socket.Send(SendOptions{}, text("late")); err != ErrClosed {
			t.Errorf("Send: %v", err)
		}
		if err := context.Cause(p.socket.Context()); err != ForcedClose {
			t.Errorf("the context's cause is %v at once", err)
		}
		if p.socket.Alive() {
			t.Error("alive while closing")
		}
		p.want(ForcedClose)
		if p.err != nil {
			t.Error(p.err)
		}
		e.session(0).want(TransportClose)
		if got := e.session(0).texts() + " "; got != want.String() {
			t.Errorf("the server got %d bytes, want %d", len(got), want.Len())
		}
	})
}

// TestClientCloseReceives: messages that come while a session is closing are still delivered.
func TestClientCloseReceives(t *testing.T) {
	release := make(chan bool)
	scripted(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost && release != nil:
			<-release
			io.WriteString(w, "ok")
		case first(r):
			io.WriteString(w, openPolling)
		case r.Method == http.MethodGet && release != nil:
			<-time.After(time.Second)
			io.WriteString(w, "4hello")
		default:
			answerPolling(w, r)
		}
	}, func(t *testing.T, s *script) {
		release = make(chan bool)
		p := s.open(s.options("polling"))
		p.socket.Send(SendOptions{}, text("a"))
		p.socket.Close()
		<-time.After(3 * time.Second / 2)
		p.alive()
		if got := p.texts(); got != "hello" {
			t.Errorf("got %q", got)
		}
		close(release)
		p.want(ForcedClose)
	})
}

// TestClientCloseIsBounded: a network that takes nothing and a server that answers nothing hold a closing session up for
// a limited time.
func TestClientCloseIsBounded(t *testing.T) {
	t.Run("polling", func(t *testing.T) {
		scripted(t, func(w http.ResponseWriter, r *http.Request) {
			if first(r) {
				io.WriteString(w, openPolling)
				return
			}
			hang(r)
		}, func(t *testing.T, s *script) {
			p := s.open(s.options("polling"))
			p.socket.Send(SendOptions{}, text("a"))
			start := time.Now()
			p.socket.Close()
			p.want(ForcedClose)
			if d := time.Since(start); d > 33*time.Second {
				t.Errorf("closed after %v", d)
			}
		})
	})
	t.Run("websocket", func(t *testing.T) {
		scripted(t, func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Upgrade(w, r, nil)
			if err != nil {
				return
			}
			say(c, openWebSocket)
			<-time.After(2 * time.Minute) // and reads nothing
			c.Abort()
		}, func(t *testing.T, s *script) {
			p := s.open(s.options("websocket"))
			p.socket.Send(SendOptions{}, text(strings.Repeat("x", 1<<20)))
			start := time.Now()
			p.socket.Close()
			p.want(ForcedClose)
			if d := time.Since(start); d > 40*time.Second {
				t.Errorf("closed after %v", d)
			}
			<-time.After(2 * time.Minute)
		})
	})
}

// TestClientAbort is at once, whatever the session is doing.
func TestClientAbort(t *testing.T) {
	eachTransport(t, nil, func(t *testing.T, e *env, o *DialOptions) {
		for _, wait := range []time.Duration{0, time.Second} {
			p := e.join(o)
			<-time.After(wait)
			p.socket.Send(SendOptions{}, text(strings.Repeat("x", 100_000)))
			start := time.Now()
			cause := errors.New("mine")
			p.socket.Abort(PingTimeout, cause)
			p.socket.Abort(ParseError, nil)
			select {
			case <-p.closed:
			case <-time.After(time.Hour):
				t.Fatal("not closed")
			}
			if d := time.Since(start); d > 0 || p.err != cause {
				t.Errorf("HandleClose after %v with %v", d, p.err)
			}
			p.want(PingTimeout)
			<-time.After(time.Second)
			if n := e.Count(); n != 0 {
				t.Errorf("the server has %d sessions left", n)
			}
		}
	})
}

// TestClientServerCloses: a server that says goodbye is a close of the transport.
func TestClientServerCloses(t *testing.T) {
	eachTransport(t, nil, func(t *testing.T, e *env, o *DialOptions) {
		e.onOpen = nil
		p := e.join(o)
		<-time.After(time.Second)
		e.session(0).socket.Send(SendOptions{}, text("bye"))
		e.session(0).socket.Close()
		p.want(TransportClose)
		if got := p.texts(); got != "bye" {
			t.Errorf("got %q", got)
		}
	})
}

// TestClientConnectionLost: connections that just break end the session.
func TestClientConnectionLost(t *testing.T) {
	for transports, reason := range map[string]Reason{"polling": TransportError, "websocket": TransportClose, "polling,websocket": TransportClose} {
		for _, reset := range []bool{false, true} {
			bubble(t, nil, func(t *testing.T, e *env) {
				var mu sync.Mutex
				var conns []*memnet.Conn
				o := e.clientOptions(strings.Split(transports, ",")...)
				o.NetDial = func(ctx context.Context, _, _ string) (net.Conn, error) {
					c, err := e.net.Dial(ctx)
					mu.Lock()
					defer mu.Unlock()
					conns = append(conns, c)
					return c, err
				}
				p := e.join(o)
				<-time.After(time.Second)
				mu.Lock()
				for _, c := range conns {
					if reset {
						c.Reset()
					} else {
						c.Close()
					}
				}
				mu.Unlock()
				p.want(reason)
				if p.err == nil {
					t.Errorf("%s: no error", transports)
				}
			})
		}
	}
}

// TestClientWebSocketEnds: what a server may do to a WebSocket, with the reason that it is and what the server is told.
func TestClientWebSocketEnds(t *testing.T) {
	frame := func(op byte, payload string) []byte { return append([]byte{0x80 | op, byte(len(payload))}, payload...) }
	for name, test := range map[string]struct {
		send   []byte
		reason Reason
		status websocket.Status // of our close frame
	}{
		"close packet":  {frame(1, "1"), TransportClose, websocket.NormalClosure},
		"close frame":   {frame(8, "\x03\xe8"), TransportClose, websocket.NormalClosure},
		"going away":    {frame(8, "\x03\xe9bye"), TransportClose, websocket.GoingAway},
		"no status":     {frame(8, ""), TransportClose, websocket.NoStatus},
		"empty":         {frame(1, ""), ParseError, websocket.ProtocolError},
		"no packet":     {frame(1, "9"), ParseError, websocket.ProtocolError},
		"base64":        {frame(1, "bAQID"), ParseError, websocket.ProtocolError},
		"bad UTF-8":     {frame(1, "4\xff"), TransportError, websocket.InvalidPayload},
		"reserved bits": {frame(0x41, "4"), TransportError, websocket.ProtocolError},
		"bad opcode":    {frame(3, "4"), TransportError, websocket.ProtocolError},
		"masked":        {[]byte{0x81, 0x81, 0, 0, 0, 0, '4'}, TransportError, websocket.ProtocolError},
		"too big":       {[]byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0x40, 0}, TransportError, websocket.MessageTooBig},
		"huge":          {[]byte{0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, TransportError, websocket.ProtocolError},
	} {
		t.Run(name, func(t *testing.T) {
			told := make(chan error, 1)
			scripted(t, func(w http.ResponseWriter, r *http.Request) {
				c, err := websocket.Upgrade(w, r, nil)
				if err != nil {
					return
				}
				say(c, openWebSocket)
				c.WriteFrames(test.send)
				_, _, err = c.Read()
				told <- err
				drainConn(c)
			}, func(t *testing.T, s *script) {
				told = make(chan error, 1)
				o := s.options("websocket")
				o.MaxPayload = 1000
				p := s.open(o)
				p.want(test.reason)
				var ce *websocket.CloseError
				if err := <-told; !errors.As(err, &ce) || ce.Status != test.status {
					t.Errorf("the server is told %v, want %d", err, test.status)
				}
				var e *ClientError
				if test.reason == TransportError && (!errors.As(p.err, &e) || e.Message != "websocket error") {
					t.Errorf("error %v", p.err)
				}
				if p.err != nil && strings.Contains(fmt.Sprint(e), "bye") {
					t.Errorf("%v", p.err)
				}
			})
		})
	}
}

// TestClientMeaninglessPackets are taken without a word.
func TestClientMeaninglessPackets(t *testing.T) {
	scripted(t, webSocketScript(openWebSocket, func(c *websocket.Conn) {
		for _, s := range []string{openWebSocket, "0", "3", "3probe", "5", "6", "6x", "4"} {
			say(c, s)
		}
		c.WriteFrames(websocket.AppendFrame(nil, websocket.Binary, nil))
		say(c, "4end")
	}), func(t *testing.T, s *script) {
		p := s.open(s.options("websocket"))
		p.alive()
		if got := p.texts(); got != " [] end" || p.socket.ID() != "x" {
			t.Errorf("got %q", got)
		}
		p.socket.Close()
		p.want(ForcedClose)
	})
}

// TestClientHandlerPanics: it ends the session, and is logged.
func TestClientHandlerPanics(t *testing.T) {
	eachTransport(t, nil, func(t *testing.T, e *env, o *DialOptions) {
		var logged bytes.Buffer
		o.Logger = slog.New(slog.NewTextHandler(&logged, nil))
		p := newEndpoint(t)
		p.onMsg = func(Message) { panic("mine") }
		if _, err := Dial(t.Context(), "http://server", func(s *ClientSocket) Handler { p.socket = s; return panicking{p} }, o); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		e.session(0).socket.Send(SendOptions{}, text("a"), text("b"))
		p.want(TransportError)
		if p.err != errPanic || !strings.Contains(logged.String(), "HandleMessage") || !strings.Contains(logged.String(), "HandleClose") {
			t.Errorf("%v, log %s", p.err, logged.String())
		}
	})
}

type panicking struct{ *endpoint }

func (p panicking) HandleClose(r Reason, err error) {
	p.endpoint.HandleClose(r, err)
	panic("again")
}

// TestClientCloseInHandler: Close and Abort work from within HandleMessage; HandleClose comes after it.
func TestClientCloseInHandler(t *testing.T) {
	eachTransport(t, nil, func(t *testing.T, e *env, o *DialOptions) {
		for reason, f := range map[Reason]func(*ClientSocket){
			ForcedClose: (*ClientSocket).Close,
			ParseError:  func(s *ClientSocket) { s.Abort(ParseError, nil) },
		} {
			e.onOpen = func(s *Socket, _ *http.Request) { s.Send(SendOptions{}, text("go")) }
			p := newEndpoint(t)
			p.onMsg = func(Message) {
				f(p.socket)
				<-time.After(time.Second) // endpoint sees to it that HandleClose does not come meanwhile
			}
			if _, err := Dial(t.Context(), "http://server", func(s *ClientSocket) Handler { p.socket = s; return p }, o); err != nil {
				t.Fatal(err)
			}
			p.want(reason)
		}
	})
}

// TestClientPingTimeout: a server that never pings is given up at interval plus timeout, and one that stops, too.
func TestClientPingTimeout(t *testing.T) {
	silent := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			webSocketScript(openWebSocket, func(c *websocket.Conn) {
				<-time.After(10 * time.Second)
				say(c, "2")
				for range 5 {
					<-time.After(time.Second)
					say(c, "4x") // is no sign of life that counts
				}
			})(w, r)
			return
		}
		answerPolling(w, r)
	}
	for transport, after := range map[string]time.Duration{"polling": 45 * time.Second, "websocket": 55 * time.Second} {
		scripted(t, silent, func(t *testing.T, s *script) {
			p := s.open(s.options(transport))
			start := time.Now()
			select {
			case <-p.closed:
			case <-time.After(time.Hour):
				t.Fatal("not closed")
			}
			if d := time.Since(start); d != after {
				t.Errorf("%s: closed after %v", transport, d)
			}
			p.want(PingTimeout)
		})
	}
}

// TestClientBusyHandler: a ping behind a message that the Handler does not take is not missed.
func TestClientBusyHandler(t *testing.T) {
	eachTransport(t, &Options{PingTimeout: time.Hour}, func(t *testing.T, e *env, o *DialOptions) {
		p := e.join(o)
		<-time.After(time.Second)
		p.socket.mu.Lock()
		p.socket.handshake.PingTimeoutMS = 20_000 // what the server said is for it to be patient
		p.socket.expectPingLocked()
		p.socket.mu.Unlock()
		p.onMsg = func(Message) { <-time.After(5 * time.Minute) }
		e.session(0).socket.Send(SendOptions{}, text("slow"))
		<-time.After(6 * time.Minute)
		p.alive()
		<-time.After(6 * time.Minute)
		p.alive()
		p.socket.Close()
		p.want(ForcedClose)
	})
}

// TestClientSuspended: a process that was stopped finds its session dead before its timers do.
func TestClientSuspended(t *testing.T) {
	eachTransport(t, nil, func(t *testing.T, e *env, o *DialOptions) {
		p := e.join(o)
		<-time.After(time.Second)
		s := p.socket
		if !s.Alive() {
			t.Error("not alive at first")
		}
		s.mu.Lock()
		s.pingBy = time.Now().Add(-time.Second) // the timer is not due
		s.mu.Unlock()
		if s.Alive() {
			t.Error("alive though the ping is overdue")
		}
		if err := s.Send(SendOptions{}, text("x")); err != ErrClosed {
			t.Errorf("Send: %v", err)
		}
		p.want(PingTimeout)
	})
}

// TestClientPongFirst: the pong does not wait behind what is queued.
func TestClientPongFirst(t *testing.T) {
	var release chan bool
	var pinged atomic.Bool
	scripted(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			<-release
			io.WriteString(w, "ok")
		case !first(r) && !pinged.Swap(true):
			<-time.After(time.Second)
			io.WriteString(w, "2")
		default:
			answerPolling(w, r)
		}
	}, func(t *testing.T, s *script) {
		release = make(chan bool)
		p := s.open(s.options("polling"))
		p.socket.Send(SendOptions{}, text("1"))
		synctest.Wait()
		p.socket.Send(SendOptions{}, text("2"), text("3"))
		<-time.After(2 * time.Second)
		close(release)
		p.alive()
		if got := strings.Join(s.bodies(), "|"); got != "41|3\x1e42\x1e43" {
			t.Errorf("posted %q", got)
		}
		p.socket.Close()
		p.want(ForcedClose)
	})
}

// A closeConn knows whether it is closed.
type closeConn struct {
	net.Conn
	open *atomic.Int32
	once sync.Once
}

func (c *closeConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { c.open.Add(-1) })
	return err
}

// TestClientDoneIsLast: when Done is closed all connections are, and HandleClose has returned.
func TestClientDoneIsLast(t *testing.T) {
	for name, end := range map[string]func(c *ClientSocket, s *Socket){
		"close":  func(c *ClientSocket, s *Socket) { c.Close() },
		"abort":  func(c *ClientSocket, s *Socket) { c.Abort(ParseError, nil) },
		"server": func(c *ClientSocket, s *Socket) { s.Close() },
		"timeout": func(c *ClientSocket, s *Socket) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.expectLocked(0, true)
		},
	} {
		eachTransport(t, nil, func(t *testing.T, e *env, o *DialOptions) {
			var open atomic.Int32
			o.NetDial = func(ctx context.Context, _, _ string) (net.Conn, error) {
				c, err := e.net.Dial(ctx)
				if err != nil {
					return nil, err
				}
				open.Add(1)
				return &closeConn{Conn: c, open: &open}, nil
			}
			p := e.join(o)
			<-time.After(time.Second)
			end(p.socket, e.session(0).socket)
			<-p.socket.Done()
			if n := open.Load(); n != 0 {
				t.Errorf("%s: %d connections are open", name, n)
			}
			select {
			case <-p.closed:
			default:
				t.Errorf("%s: HandleClose was not called", name)
			}
		})
	}
}
