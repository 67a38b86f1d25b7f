package engineio

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/internal/websocket"
)

// TestClientViolationWhileWriting: a writer may meet the close frame that the reader has just sent to a server that
// broke a rule. It is the reader who knows why the session ends.
func TestClientViolationWhileWriting(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		p := e.join(e.clientOptions("websocket"))
		if err := p.socket.Send(SendOptions{Defer: true}, text("late")); err != nil { // after Close the reader may be faster
			t.Error(err)
		}
		p.socket.link.close(websocket.ProtocolError, "reserved bit set") // as Read does before it returns
		p.socket.Flush()
		p.want(TransportError)
		<-p.socket.Done()
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

// TestClientCloseIsBounded: a network that takes nothing and a server that answers nothing hold a closing session up
// for a limited time.
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
		"huge": {[]byte{0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, TransportError,
			websocket.ProtocolError},
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
