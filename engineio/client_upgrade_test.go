package engineio

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/websocket"
)

// upgradeScript is a server that opens with polling. A GET is answered when poll is written to, and a WebSocket given
// to ws.
func upgradeScript(poll <-chan string, ws func(c *websocket.Conn)) func(w http.ResponseWriter, r *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case first(r):
			io.WriteString(w, openUpgrade)
		case r.Header.Get("Upgrade") != "":
			webSocketScript("", ws)(w, r)
		case r.Method == http.MethodPost:
			io.WriteString(w, "ok")
		default:
			select {
			case s := <-poll:
				io.WriteString(w, s)
			case <-r.Context().Done():
			}
		}
	}
}

func say(c *websocket.Conn, s string) {
	c.WriteFrames(websocket.AppendFrame(nil, websocket.Text, []byte(s)))
}

// hear is the next message, or what ended the connection.
func hear(c *websocket.Conn) string {
	_, data, err := c.Read()
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// TestClientUpgradeSteps: what is sent during the upgrade waits for its end, and what the last poll brings comes first.
func TestClientUpgradeSteps(t *testing.T) {
	var poll chan string
	var heard chan string
	scripted(t, func(w http.ResponseWriter, r *http.Request) {
		upgradeScript(poll, func(c *websocket.Conn) {
			heard <- hear(c)
			<-time.After(time.Millisecond) // the GET is under way: a client that has none commits at once
			say(c, "3probe")
			for range 4 {
				m := hear(c)
				heard <- m
				if m == "5" {
					say(c, "4by WebSocket")
				}
			}
		})(w, r)
	}, func(t *testing.T, s *script) {
		poll, heard = make(chan string), make(chan string, 10)
		var upgrades []string
		o := s.options()
		o.Trace = &Trace{Upgrade: func(transport string,
			err error) {
			upgrades = append(upgrades, fmt.Sprint(transport, err))
		}}
		p := s.open(o)
		p.alive()
		if got := <-heard; got != "2probe" {
			t.Fatalf("heard %q", got)
		}
		<-time.After(2 * time.Millisecond)
		p.socket.Send(SendOptions{}, text("one"))
		p.socket.Send(SendOptions{Volatile: true}, text("dropped"))
		<-time.After(time.Second)
		if len(heard) > 0 || len(s.bodies()) > 0 || p.socket.Transport() != "polling" || len(upgrades) > 0 {
			t.Fatalf("heard %d, posted %q, %s, %v while a GET was under way", len(heard), s.bodies(), p.socket.Transport(),
				upgrades)
		}
		poll <- "4by polling\x1e2\x1e6"
		p.alive()
		p.socket.Send(SendOptions{}, text("two"))
		p.alive()
		for _, want := range []string{"5", "3", "4one", "4two"} {
			if got := <-heard; got != want {
				t.Errorf("heard %q, want %q", got, want)
			}
		}
		if got := p.texts(); got != "by polling by WebSocket" {
			t.Errorf("got %q", got)
		}
		if got := fmt.Sprint(upgrades); got != "[websocket<nil>]" || p.socket.Transport() != "websocket" {
			t.Errorf("upgrades %s, transport %s", got, p.socket.Transport())
		}
		if s.polls != 0 {
			t.Error("a GET is still under way")
		}
		p.socket.Close()
		p.want(ForcedClose)
	})
}

// TestClientUpgradeFails: whatever goes wrong with the WebSocket, the session goes on with polling and loses nothing.
func TestClientUpgradeFails(t *testing.T) {
	var answerPolls chan string
	tests := map[string]func(w http.ResponseWriter, r *http.Request){
		"refused": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) },
		"no answer": func(w http.ResponseWriter, r *http.Request) {
			c, _, _ := http.NewResponseController(w).Hijack()
			defer c.Close()
			io.Copy(io.Discard, c)
		},
		"cut": func(w http.ResponseWriter, r *http.Request) {
			c, _, _ := http.NewResponseController(w).Hijack()
			c.Close()
		},
		"silent":       webSocketScript("", drainConn),
		"wrong packet": webSocketScript("4hello", drainConn),
		"wrong probe":  webSocketScript("3prob", drainConn),
		"no probe":     webSocketScript("3", drainConn),
		"open":         webSocketScript(openWebSocket, drainConn),
		"no packet":    webSocketScript("x", drainConn),
		"binary probe": webSocketScript("", func(c *websocket.Conn) {
			c.WriteFrames(websocket.AppendFrame(nil,
				websocket.Binary, []byte("3probe")))
		}),
		"closed":         webSocketScript("", func(c *websocket.Conn) { hear(c); c.Close(websocket.NormalClosure, "") }),
		"aborted":        webSocketScript("", func(c *websocket.Conn) { hear(c); c.Abort() }),
		"closed paused":  webSocketScript("3probe", func(c *websocket.Conn) { hear(c); c.Close(websocket.GoingAway, "") }),
		"aborted paused": webSocketScript("3probe", func(c *websocket.Conn) { hear(c); c.Abort() }),
		"two probes":     webSocketScript("3probe", func(c *websocket.Conn) { say(c, "3probe") }),
		"message paused": webSocketScript("3probe", func(c *websocket.Conn) { say(c, "4early") }),
		"silent paused":  webSocketScript("3probe", drainConn), // the GET is not answered
	}
	for name, ws := range tests {
		t.Run(name, func(t *testing.T) {
			scripted(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Upgrade") != "" {
					<-time.After(time.Millisecond) // the GET is under way: a client that has none commits at once
					ws(w, r)
					return
				}
				upgradeScript(answerPolls, nil)(w, r)
			}, func(t *testing.T, s *script) {
				answerPolls = make(chan string)
				var upgrades []error
				o := s.options()
				o.Trace = &Trace{Upgrade: func(_ string, err error) { upgrades = append(upgrades, err) }}
				p := s.open(o)
				p.socket.Send(SendOptions{}, text("one"))
				<-time.After(11 * time.Second)
				p.socket.Send(SendOptions{}, text("two"))
				answerPolls <- "4hello"
				p.alive()
				if len(upgrades) != 1 || upgrades[0] == nil {
					t.Errorf("upgrades: %v", upgrades)
				}
				if got := p.texts(); got != "hello" {
					t.Errorf("got %q", got)
				}
				if got := strings.Join(s.bodies(), "|"); got != "4one|4two" {
					t.Errorf("posted %q", got)
				}
				p.socket.Close()
				p.want(ForcedClose)
			})
		})
	}
}

// TestClientUpgradeTimeout is UpgradeTimeout, not its default.
func TestClientUpgradeTimeout(t *testing.T) {
	scripted(t, upgradeScript(nil, drainConn), func(t *testing.T, s *script) {
		start := time.Now()
		failed := make(chan error, 1)
		o := s.options()
		o.UpgradeTimeout = 3 * time.Second
		o.Trace = &Trace{Upgrade: func(_ string, err error) { failed <- err }}
		p := s.open(o)
		if err := <-failed; !errors.Is(err, errUpgradeTimeout) || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		p.socket.Close()
		p.want(ForcedClose)
	})
}

// TestClientNoUpgrade: there is none that either side does not want.
func TestClientNoUpgrade(t *testing.T) {
	for name, set := range map[string]func(o *DialOptions, so *Options){
		"client":     func(o *DialOptions, so *Options) { o.DisableUpgrade = true },
		"transports": func(o *DialOptions, so *Options) { o.Transports = []string{"polling"} },
		"server":     func(o *DialOptions, so *Options) { so.DisableUpgrades = true },
	} {
		t.Run(name, func(t *testing.T) {
			o, so := &DialOptions{}, &Options{}
			set(o, so)
			bubble(t, so, func(t *testing.T, e *env) {
				o.NetDial = e.net.DialContext
				o.Trace = &Trace{Request: func(r *http.Request) {
					if r.Header.Get("Upgrade") != "" {
						t.Error("a WebSocket is asked for")
					}
				}}
				p := e.join(o)
				<-time.After(time.Minute)
				if got := p.socket.Transport(); got != "polling" {
					t.Errorf("transport %s", got)
				}
				p.socket.Close()
				p.want(ForcedClose)
			})
		})
	}
}

// TestClientUpgradeCommitting: while the last packet of the upgrade is on its way, what the WebSocket says counts for
// the session, and the session ends there and not on polling.
func TestClientUpgradeCommitting(t *testing.T) {
	for said, want := range map[string]struct {
		reason Reason
		status websocket.Status
	}{"9": {ParseError, websocket.ProtocolError}, "1": {TransportClose,
		websocket.NormalClosure}, "4hello": {ForcedClose, websocket.NormalClosure}} {
		var committing chan bool
		var poll chan string
		var told error
		scripted(t, func(w http.ResponseWriter, r *http.Request) {
			upgradeScript(poll, func(c *websocket.Conn) {
				hear(c)
				<-time.After(time.Millisecond) // the GET is under way: a client that has none commits at once
				say(c, "3probe")
				<-time.After(time.Millisecond) // or the answer overtakes it, and the client polls again
				poll <- "6"
				<-committing
				say(c, said)
				for told == nil {
					_, _, told = c.Read()
				}
			})(w, r)
		}, func(t *testing.T, s *script) {
			committing, poll, told = make(chan bool), make(chan string), nil
			o := s.options()
			o.UpgradeTimeout = 500 * time.Millisecond // it is too late for that
			o.Trace = &Trace{Packet: func(transport string, sent bool, p packet.Packet) {
				if sent && p.Type == packet.Upgrade {
					close(committing)
					<-time.After(time.Second)
				}
			}}
			p := s.open(o)
			<-time.After(3 * time.Second)
			if said == "4hello" {
				p.alive()
				if got := p.texts(); got != "hello" {
					t.Errorf("got %q", got)
				}
				p.socket.Close()
			}
			p.want(want.reason)
			synctest.Wait()
			var ce *websocket.CloseError
			if !errors.As(told, &ce) || ce.Status != want.status {
				t.Errorf("after %q the server was told %v, want %d", said, told, want.status)
			}
			if got := s.bodies(); len(got) > 0 {
				t.Errorf("after %q posted %q", said, got)
			}
			if p.socket.Transport() != "websocket" {
				t.Errorf("after %q on %s", said, p.socket.Transport())
			}
		})
	}
}
