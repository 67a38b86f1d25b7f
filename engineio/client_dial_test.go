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
	"net/http/httptrace"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/websocket"
)

// TestClientRefused: whatever the server answers instead of a handshake, Dial tells, and leaves nothing.
func TestClientRefused(t *testing.T) {
	handshake := func(sid, interval, timeout, payload string) string {
		return fmt.Sprintf(`0{"sid":%s,"upgrades":[],"pingInterval":%s,"pingTimeout":%s,"maxPayload":%s}`, sid, interval,
			timeout, payload)
	}
	answers := map[string]string{
		"empty": "", "no packet": "hello", "message first": "4hello", "ping first": "2", "no JSON": "0{",
		"no sid": `0{"upgrades":[],"pingInterval":1,"pingTimeout":1}`, "null": "0null", "array": "0[]",
		"empty sid": handshake(`""`, "25000", "20000", "1"), "number as sid": handshake("7", "25000", "20000", "1"),
		"long sid": handshake(`"`+strings.Repeat("x", maxSID+1)+`"`, "25000", "20000", "1"),
		"zero":     handshake(`"x"`, "0", "20000", "1"), "negative": handshake(`"x"`, "-1", "20000", "1"),
		"huge": handshake(`"x"`, "1000000000000000000", "20000", "1"), "string": handshake(`"x"`, `"25000"`, "20000", "1"),
		"huge timeout": handshake(`"x"`, "25000", "1e18", "1"), "negative payload": handshake(`"x"`, "25000", "20000", "-1"),
		"long": `0{"sid":"x","pingInterval":1,"pingTimeout":1,"upgrades":["` + strings.Repeat("x", maxHandshake) + `"]}`,
	}
	for name, text := range answers {
		t.Run(name, func(t *testing.T) {
			scripted(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Upgrade") != "" {
					webSocketScript(text, func(*websocket.Conn) {})(w, r)
					return
				}
				io.WriteString(w, text)
			}, func(t *testing.T, s *script) {
				for _, transport := range []string{"polling", "websocket"} {
					if text == "" && transport == "websocket" {
						continue // nothing is sent
					}
					e := s.refused(s.options(transport))
					if e.Transport != transport || e.Message != "server error" || strings.Contains(e.Error(), "hello") {
						t.Errorf("%s: %v", transport, e)
					}
				}
			})
		})
	}
}

// TestClientOpensToNothing: the WebSocket opens, and then there is no handshake.
func TestClientOpensToNothing(t *testing.T) {
	for name, then := range map[string]func(c *websocket.Conn){
		"closed":  func(c *websocket.Conn) { c.Close(websocket.TryAgainLater, "busy") },
		"aborted": func(c *websocket.Conn) { c.Abort() },
		"binary": func(c *websocket.Conn) {
			c.WriteFrames(websocket.AppendFrame(nil, websocket.Binary, []byte(openWebSocket)))
		},
	} {
		scripted(t, webSocketScript("", then), func(t *testing.T, s *script) {
			e := s.refused(s.options("websocket"))
			var ce *websocket.CloseError
			if e.Transport != "websocket" || errors.As(e, &ce) != (name == "closed") {
				t.Errorf("%s: %v", name, e)
			}
		})
	}
}

func TestClientRefusedByStatus(t *testing.T) {
	scripted(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, strings.Repeat("x", 2000))
	}, func(t *testing.T, s *script) {
		for transport, message := range map[string]string{"polling": "xhr poll error", "websocket": "websocket error"} {
			e := s.refused(s.options(transport))
			if e.Transport != transport || e.Message != message || e.Status != http.StatusTeapot || len(e.Body) != maxRefusal {
				t.Errorf("%s: %v, %d bytes", transport, e, len(e.Body))
			}
			if strings.Contains(e.Error(), "xxx") {
				t.Errorf("the error repeats the server: %v", e)
			}
		}
	})
}

// TestClientRefusedByNobody: errors of the network are the cause, and do not show the URL.
func TestClientRefusedByNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("down")
		for _, transport := range []string{"polling", "websocket"} {
			s, err := Dial(t.Context(), "http://user:secret@server/?token=secret", nil, &DialOptions{
				Transports: []string{transport},
				NetDial: func(context.Context, string, string) (net.Conn, error) {
					return nil, &net.OpError{Op: "dial", Net: "tcp", Err: down}
				},
			})
			var ce *ClientError
			if s != nil || !errors.As(err, &ce) || !errors.Is(err, down) || ce.Status != 0 ||
				strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v", transport, err)
			}
		}
	})
}

// TestClientDialContext: the context bounds everything up to the handshake, and nothing after it.
func TestClientDialContext(t *testing.T) {
	stages := map[string]func(w http.ResponseWriter, r *http.Request){
		"header": func(w http.ResponseWriter, r *http.Request) { hang(r) },
		"body": func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, openPolling[:20])
			w.(http.Flusher).Flush()
			hang(r)
		},
		"refusal": func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			w.(http.Flusher).Flush()
			hang(r)
		},
		"packet": webSocketScript("", drainConn),
	}
	for name, handle := range stages {
		for _, transport := range []string{"polling", "websocket"} {
			if (name == "packet") != (transport == "websocket") && name != "header" {
				continue
			}
			t.Run(name+" "+transport, func(t *testing.T) {
				scripted(t, handle, func(t *testing.T, s *script) {
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					sock, err := Dial(ctx, "http://server", nil, s.options(transport))
					if sock != nil || !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("Dial: %v, %v", sock, err)
					}
				})
			})
		}
	}
	t.Run("connection", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			for _, transport := range []string{"polling", "websocket"} {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				_, err := Dial(ctx, "http://server", nil, &DialOptions{
					Transports: []string{transport},
					NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
						<-ctx.Done()
						return nil, ctx.Err()
					},
				})
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v", transport, err)
				}
			}
		})
	})
	t.Run("afterwards", func(t *testing.T) {
		bubble(t, nil, func(t *testing.T, e *env) {
			for _, transport := range []string{"polling", "websocket"} {
				ctx, cancel := context.WithCancel(t.Context())
				p := newEndpoint(t)
				s, err := Dial(ctx, "http://server", func(s *ClientSocket) Handler { p.socket = s; return p },
					e.clientOptions(transport))
				cancel()
				if err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Minute)
				p.alive()
				s.Close()
				p.want(ForcedClose)
			}
		})
	})
}

// TestClientOpen: what is done in open takes effect, and nothing is received before it has returned.
func TestClientOpen(t *testing.T) {
	open := func(e *env, o *DialOptions, f func(s *ClientSocket)) *endpoint {
		p := newEndpoint(e.t)
		_, err := Dial(context.Background(), "http://server", func(s *ClientSocket) Handler {
			p.socket = s
			p.enter() // as if a call of the handler
			defer p.leave()
			f(s)
			<-time.After(time.Second)
			return p
		}, o)
		if err != nil {
			e.t.Fatal(err)
		}
		return p
	}
	for _, transport := range []string{"polling", "websocket"} {
		t.Run(transport, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, e *env) {
				e.onOpen = func(s *Socket, _ *http.Request) { s.Send(SendOptions{}, text("first"), text("second")) }
				p := open(e, e.clientOptions(transport), func(s *ClientSocket) { s.Send(SendOptions{}, text("hello")) })
				synctest.Wait()
				if got := p.texts(); got != "first second" {
					t.Errorf("the client got %q", got)
				}
				if got := e.session(0).texts(); got != "hello" {
					t.Errorf("the server got %q", got)
				}
				p.socket.Close()
				p.want(ForcedClose)

				p = open(e, e.clientOptions(transport), func(s *ClientSocket) {
					s.Send(SendOptions{}, text("bye"))
					s.Close()
				})
				p.want(ForcedClose)
				if got := e.session(1).texts(); got != "bye" {
					t.Errorf("the server got %q", got)
				}
				e.session(1).want(TransportClose)

				p = open(e, e.clientOptions(transport), func(s *ClientSocket) { s.Abort(ParseError, nil) })
				p.want(ParseError)
			})
		})
	}
}

// TestClientOpenFails: no Handler is an error, and a panic is the caller's, but nothing is left.
func TestClientOpenFails(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		bubble(t, nil, func(t *testing.T, e *env) {
			if s, err := Dial(t.Context(), "http://server", func(*ClientSocket) Handler { return nil },
				e.clientOptions(transport)); err == nil {
				t.Errorf("Dial: %v without an error", s)
			}
			func() {
				defer func() {
					if v := recover(); v != "mine" {
						t.Errorf("recovered %v", v)
					}
				}()
				Dial(t.Context(), "http://server", func(*ClientSocket) Handler { panic("mine") }, e.clientOptions(transport))
			}()
			<-time.After(time.Minute)
		})
	}
}

// TestClientHandshakePayload: what comes with the handshake is delivered, after open.
func TestClientHandshakePayload(t *testing.T) {
	scripted(t, func(w http.ResponseWriter, r *http.Request) {
		if first(r) {
			io.WriteString(w, openPolling+"\x1e4one\x1ebAQID\x1e6\x1e2\x1e4two")
			return
		}
		answerPolling(w, r)
	}, func(t *testing.T, s *script) {
		p, err := dialEndpoint(t, "http://server", s.options("polling"))
		if err != nil {
			t.Fatal(err)
		}
		p.alive()
		if got := p.texts(); got != "one [010203] two" {
			t.Errorf("got %q", got)
		}
		if got := strings.Join(s.bodies(), "|"); got != "3" {
			t.Errorf("posted %q", got)
		}
		p.socket.Close()
		p.want(ForcedClose)
	})
}

// TestClientHandshakeAndClose: a session may be over with its first answer.
func TestClientHandshakeAndClose(t *testing.T) {
	for rest, reason := range map[string]Reason{"1": TransportClose, "4a\x1e1\x1e4b": TransportClose, "": ParseError,
		"4a\x1e": ParseError, "4a\x1e9": ParseError} {
		scripted(t, func(w http.ResponseWriter, r *http.Request) {
			if first(r) {
				io.WriteString(w, openPolling+"\x1e"+rest)
				return
			}
			answerPolling(w, r)
		}, func(t *testing.T, s *script) {
			p, err := dialEndpoint(t, "http://server", s.options("polling"))
			if err != nil {
				t.Fatal(err)
			}
			p.want(reason)
			if got := p.texts(); strings.HasPrefix(rest, "4a") != (got == "a") {
				t.Errorf("%q: got %q", rest, got)
			}
		})
	}
}

// TestClientTrace: an observer sees each layer.
func TestClientTrace(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		var seen []string
		var requests, responses int
		note := make(chan string, 100)
		o := e.clientOptions()
		var logged bytes.Buffer
		o.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
		var calls [3]atomic.Int32
		o.Trace = &Trace{
			HTTP: &httptrace.ClientTrace{
				GotConn:              func(httptrace.GotConnInfo) { calls[0].Add(1) },
				WroteRequest:         func(httptrace.WroteRequestInfo) { calls[1].Add(1) },
				GotFirstResponseByte: func() { calls[2].Add(1) },
			},
			Request:  func(r *http.Request) { note <- "request " + r.Method + " " + r.URL.Query().Get("transport") },
			Response: func(r *http.Request, res *http.Response) { note <- fmt.Sprint("response ", res.StatusCode) },
			Handshake: func(transport string, h packet.Handshake) {
				note <- "handshake " + transport + " " + fmt.Sprint(h.SID != "")
			},
			Upgrade: func(transport string, err error) { note <- fmt.Sprint("upgrade ", transport, " ", err) },
			Packet: func(transport string, sent bool, p packet.Packet) {
				note <- fmt.Sprintf("%s %v %s %s", transport, sent, p.Type, p.Data)
			},
		}
		p := e.join(o)
		<-time.After(time.Second)
		p.socket.Close()
		p.want(ForcedClose)
		close(note)
		for n := range note {
			switch {
			case strings.HasPrefix(n, "request"):
				requests++
			case strings.HasPrefix(n, "response"):
				responses++
			default:
				seen = append(seen, n)
			}
		}
		got := strings.Join(seen, "; ")
		for _, want := range []string{
			"handshake polling true", "websocket true ping probe", "websocket false pong probe", "polling false noop ",
			"websocket true upgrade ",
			"upgrade websocket <nil>",
		} {
			rest, ok := strings.CutPrefix(got[max(0, strings.Index(got, want)):], want)
			if !ok {
				t.Fatalf("%q is missing, or too early, in %q", want, got)
			}
			got = rest
		}
		if requests < 3 || responses != requests { // two GETs at least and the WebSocket
			t.Errorf("%d requests, %d responses", requests, responses)
		}
		for i := range calls {
			if n := int(calls[i].Load()); n != requests {
				t.Errorf("hook %d of httptrace was called %d times for %d requests", i, n, requests)
			}
		}
		if log := logged.String(); strings.Count(log, "\n") != 3 || strings.Contains(log, p.socket.ID()) {
			t.Errorf("logged %s", log)
		}
	})
}

// TestRace: dead addresses cost little time (RFC 8305), and nothing is left of those that lose.
func TestRace(t *testing.T) {
	dead := func(ctx context.Context) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	synctest.Test(t, func(t *testing.T) {
		addrs := strings.Split("a b c d e live", " ")
		start := time.Now()
		c, err := race(t.Context(), addrs, func(ctx context.Context, addr string) (net.Conn, error) {
			if addr != "live" {
				return dead(ctx)
			}
			c, _ := net.Pipe()
			return c, nil
		})
		if d := time.Since(start); err != nil || d != 5*attemptDelay {
			t.Errorf("%v after %v", err, d)
		}
		c.Close()
	})
	synctest.Test(t, func(t *testing.T) { // those that refuse cost none
		start := time.Now()
		refused := errors.New("refused")
		c, err := race(t.Context(), []string{"a", "b", "live"}, func(ctx context.Context, addr string) (net.Conn, error) {
			if addr != "live" {
				return nil, refused
			}
			c, _ := net.Pipe()
			return c, nil
		})
		if d := time.Since(start); err != nil || d != 0 {
			t.Errorf("%v after %v", err, d)
		}
		c.Close()
		if _, err := race(t.Context(), []string{"a", "b"},
			func(context.Context, string) (net.Conn, error) { return nil, refused }); err != refused {
			t.Error(err)
		}
		if _, err := race(t.Context(), nil, nil); err == nil {
			t.Error("no address, no error")
		}
	})
	synctest.Test(t, func(t *testing.T) { // two win: one is closed
		conns := make(chan net.Conn, 2)
		c, err := race(t.Context(), []string{"a", "b"}, func(ctx context.Context, addr string) (net.Conn, error) {
			<-time.After(attemptDelay * 2)
			c, other := net.Pipe()
			conns <- other
			return c, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		for range 2 {
			other := <-conns
			if _, err := other.Read(make([]byte, 1)); err != io.EOF {
				t.Error(err)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := race(ctx, []string{"a", "b"}, func(ctx context.Context, addr string) (net.Conn, error) { return dead(ctx) })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestInterleave(t *testing.T) {
	var ips []net.IPAddr
	for _, s := range []string{"::1", "::2", "::3", "10.0.0.1", "10.0.0.2"} {
		ips = append(ips, net.IPAddr{IP: netip.MustParseAddr(s).AsSlice()})
	}
	var got []string
	for _, ip := range interleave(ips) {
		got = append(got, ip.String())
	}
	if s := strings.Join(got, " "); s != "::1 10.0.0.1 ::2 10.0.0.2 ::3" {
		t.Error(s)
	}
	if got := interleave(nil); len(got) != 0 {
		t.Error(got)
	}
}
