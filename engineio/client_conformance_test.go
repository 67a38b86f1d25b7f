package engineio_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/engineio"
	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/memnet"
)

// The tests whose names begin with TestConformance go through what the official client's own tests look at;
// docs/conformance.md says which is for what.

// A rig is a server like the one the official client is tested against, and clients of it, on a network in memory: it
// greets with "hi", echoes, and takes no more than 100 bytes at once. Time is virtual, and what is left in the end fails
// the test.
type rig struct {
	*engineio.Server
	t       *testing.T
	ln      *memnet.Listener
	handler http.Handler // in front of the server, if not nil

	mu     sync.Mutex
	bodies []int    // sizes of POST bodies
	dialed []string // addresses
	count  int      // messages that the server got
}

type rigSession struct {
	rig *rig
	s   *engineio.Socket
}

func (r rigSession) HandleMessage(m engineio.Message) {
	r.rig.mu.Lock()
	r.rig.count++
	r.rig.mu.Unlock()
	switch string(m.Data) {
	case "give binary":
		m = engineio.Message{Binary: true, Data: []byte{0, 1, 2, 3, 4}}
	case "close":
		r.s.Close()
		return
	}
	_ = r.s.Send(engineio.SendOptions{}, engineio.Prepare(m))
}

func (rigSession) HandleClose(engineio.Reason, error) {}

func onRig(t *testing.T, opts *engineio.Options, fn func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := engineio.Options{}
		if opts != nil {
			o = *opts
		}
		o.MaxPayload = 100
		r := &rig{t: t, ln: memnet.Listen()}
		r.Server = engineio.NewServer(func(s *engineio.Socket, _ *http.Request) engineio.Handler {
			_ = s.Send(engineio.SendOptions{}, engineio.Prepare(engineio.Message{Data: []byte("hi")}))
			return rigSession{r, s}
		}, &o)
		srv := &http.Server{Handler: r, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
		go func() { _ = srv.Serve(r.ln) }() // owned by the rig, ends with Close below
		defer func() {
			_ = r.Server.Close()
			_ = srv.Close()
			_ = r.ln.Close()
		}()
		fn(t, r)
	})
}

func (r *rig) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method == http.MethodPost {
		r.mu.Lock()
		r.bodies = append(r.bodies, int(req.ContentLength))
		r.mu.Unlock()
	}
	if r.handler != nil {
		r.handler.ServeHTTP(w, req)
		return
	}
	r.Server.ServeHTTP(w, req)
}

func (r *rig) netDial(ctx context.Context, _, addr string) (net.Conn, error) {
	r.mu.Lock()
	r.dialed = append(r.dialed, addr)
	r.mu.Unlock()
	return r.ln.Dial(ctx)
}

// A peer is a client and what it was told.
type peer struct {
	*engineio.ClientSocket
	t        *testing.T
	messages chan engineio.Message
	closed   chan closing
}

type closing struct {
	reason engineio.Reason
	err    error
}

func (p *peer) HandleMessage(m engineio.Message)              { p.messages <- m }
func (p *peer) HandleClose(reason engineio.Reason, err error) { p.closed <- closing{reason, err} }

const rigURL = "http://server.example"

// dial opens a session with the rig; it is closed when the test ends.
func (r *rig) dial(rawURL string, opts engineio.DialOptions) (*peer, error) {
	p := &peer{t: r.t, messages: make(chan engineio.Message, 1000), closed: make(chan closing, 1)}
	opts.NetDial = r.netDial
	opts.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	s, err := engineio.Dial(r.t.Context(), rawURL, func(s *engineio.ClientSocket) engineio.Handler {
		p.ClientSocket = s
		return p
	}, &opts)
	if err != nil {
		return nil, err
	}
	if s != p.ClientSocket {
		r.t.Error("Dial returns another socket than it gave to open")
	}
	return p, nil
}

// use runs fn with a session, and closes it.
func (r *rig) use(rawURL string, opts engineio.DialOptions, fn func(p *peer)) {
	r.t.Helper()
	p, err := r.dial(rawURL, opts)
	if err != nil {
		r.t.Fatalf("Dial: %v", err)
	}
	defer func() {
		p.Close()
		<-p.Done()
	}()
	fn(p)
}

func (p *peer) send(m engineio.Message) {
	p.t.Helper()
	if err := p.Send(engineio.SendOptions{}, engineio.Prepare(m)); err != nil {
		p.t.Fatalf("Send: %v", err)
	}
}

func (p *peer) want(ms ...engineio.Message) {
	p.t.Helper()
	for _, want := range ms {
		select {
		case got := <-p.messages:
			if got.Binary != want.Binary || !bytes.Equal(got.Data, want.Data) {
				p.t.Errorf("received %v %q, want %v %q", got.Binary, got.Data, want.Binary, want.Data)
			}
		case <-time.After(5 * time.Minute):
			p.t.Fatalf("%q did not come", want.Data)
		}
	}
}

func (p *peer) wantClosed() closing {
	p.t.Helper()
	select {
	case c := <-p.closed:
		<-p.Done()
		return c
	case <-time.After(5 * time.Minute):
		p.t.Fatal("not closed")
		panic("unreachable")
	}
}

func text(s string) engineio.Message    { return engineio.Message{Data: []byte(s)} }
func binary(b ...byte) engineio.Message { return engineio.Message{Binary: true, Data: b} }

func only(transport string) engineio.DialOptions {
	return engineio.DialOptions{Transports: []string{transport}}
}

func TestConformanceConnects(t *testing.T) {
	for name, opts := range map[string]engineio.DialOptions{"default": {}, "polling": only("polling"), "websocket": only("websocket")} {
		t.Run(name, func(t *testing.T) {
			onRig(t, nil, func(t *testing.T, r *rig) {
				r.use(rigURL, opts, func(p *peer) {
					p.want(text("hi"))
					for _, s := range []string{"cash money €€€", "𐀀-\U000EFFFF\U000F0000-\U0010FFFF\uE000-\uF8FF", ""} {
						p.send(text(s))
						p.want(text(s))
					}
				})
			})
		})
	}
}

func TestConformanceNothingIsSentAfterClose(t *testing.T) {
	onRig(t, nil, func(t *testing.T, r *rig) {
		var mu sync.Mutex
		var sent []string
		r.use(rigURL, engineio.DialOptions{Trace: &engineio.Trace{Packet: func(_ string, out bool, p packet.Packet) {
			mu.Lock()
			defer mu.Unlock()
			if out && p.Type == packet.Message {
				sent = append(sent, string(p.Data))
			}
		}}}, func(p *peer) {
			p.Close()
			if err := p.Send(engineio.SendOptions{}, engineio.Prepare(text("hi"))); !errors.Is(err, engineio.ErrClosed) {
				t.Errorf("Send: %v", err)
			}
			if c := p.wantClosed(); c.reason != engineio.ForcedClose {
				t.Errorf("closed by %q", c.reason)
			}
		})
		if len(sent) > 0 {
			t.Errorf("sent %q", sent)
		}
	})
}

// TestConformancePayloads: what is sent together fits into the maxPayload that the server announced.
func TestConformancePayloads(t *testing.T) {
	repeat := func(s string, n int) engineio.Message { return text(strings.Repeat(s, n)) }
	for name, messages := range map[string][]engineio.Message{
		"text": {repeat("a", 99), repeat("b", 30), repeat("c", 30), repeat("d", 35), repeat("€", 33), repeat("f", 99)},
		"binary": {
			binary(make([]byte, 72)...), binary(make([]byte, 20)...), repeat("a", 20), binary(make([]byte, 20)...), binary(make([]byte, 72)...),
		},
	} {
		t.Run(name, func(t *testing.T) {
			onRig(t, nil, func(t *testing.T, r *rig) {
				r.use(rigURL, only("polling"), func(p *peer) {
					p.want(text("hi"))
					for _, m := range messages {
						if err := p.Send(engineio.SendOptions{Defer: true}, engineio.Prepare(m)); err != nil {
							t.Fatal(err)
						}
					}
					p.Flush()
					p.want(messages...)
				})
				if n := len(r.bodies); n > len(messages) || slices.Max(r.bodies) > 100 {
					t.Errorf("%d requests with %v bytes for %d messages", n, r.bodies, len(messages))
				}
			})
		})
	}
}

func TestConformanceTooLargeAMessage(t *testing.T) {
	onRig(t, nil, func(t *testing.T, r *rig) {
		r.use(rigURL, only("polling"), func(p *peer) {
			p.send(text(strings.Repeat("a", 101)))
			_ = p.Send(engineio.SendOptions{}, engineio.Prepare(text("b"))) // it may be closed already
			c := p.wantClosed()
			// The end comes with the answer to the POST, or to the GET that was pending, or to the next GET.
			var cause *engineio.ClientError
			refused := errors.As(c.err, &cause) && cause.Status == http.StatusRequestEntityTooLarge &&
				cause.Message == "xhr post error" && len(cause.Body) == 0
			unknown := errors.As(c.err, &cause) && cause.Status == http.StatusBadRequest && cause.Message == "xhr poll error"
			closed := c.reason == engineio.TransportClose && c.err == nil
			if !closed && (c.reason != engineio.TransportError || !refused && !unknown) {
				t.Errorf("polling: closed by %q, %#v", c.reason, c.err)
			}
		})
		r.use(rigURL, only("websocket"), func(p *peer) {
			p.send(text(strings.Repeat("a", 101)))
			c := p.wantClosed()
			if c.reason != engineio.TransportClose || c.err == nil || !strings.Contains(c.err.Error(), "1009") {
				t.Errorf("websocket: closed by %q, %v", c.reason, c.err)
			}
		})
	})
}

// TestConformanceCloseWaitsForTheUpgrade: and for what was sent before.
func TestConformanceCloseWaitsForTheUpgrade(t *testing.T) {
	onRig(t, nil, func(t *testing.T, r *rig) {
		upgraded := make(chan error, 1)
		got := make(chan string, 10)
		p, err := r.dial(rigURL, engineio.DialOptions{Trace: &engineio.Trace{
			Upgrade: func(_ string, err error) { upgraded <- err },
			Packet: func(_ string, sent bool, p packet.Packet) {
				if sent && p.Type == packet.Message {
					got <- string(p.Data)
				}
			},
		}})
		if err != nil {
			t.Fatal(err)
		}
		p.send(text("buffered"))
		p.Close()
		if err := p.Send(engineio.SendOptions{}, engineio.Prepare(text("too late"))); !errors.Is(err, engineio.ErrClosed) {
			t.Errorf("Send while closing: %v", err)
		}
		if c := p.wantClosed(); c.reason != engineio.ForcedClose {
			t.Errorf("closed by %q", c.reason)
		}
		select {
		case err := <-upgraded:
			if err != nil {
				t.Errorf("upgrade: %v", err)
			}
		default:
			t.Error("closed before the upgrade had ended")
		}
		if m := <-got; m != "buffered" || len(got) > 0 {
			t.Errorf("sent %q and %d more", m, len(got))
		}
	})
}

// TestConformanceCloseSendsWhatIsQueued: all that Send took arrives.
func TestConformanceCloseSendsWhatIsQueued(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		onRig(t, nil, func(t *testing.T, r *rig) {
			r.ln.Buffer = 100
			p, err := r.dial(rigURL, only(transport))
			if err != nil {
				t.Fatal(err)
			}
			for range 500 {
				p.send(text(strings.Repeat("a", 50)))
			}
			p.Close()
			p.wantClosed()
			synctest.Wait()
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.count != 500 {
				t.Errorf("%s: %d messages of 500 arrived", transport, r.count)
			}
		})
	}
}

func TestConformanceCloseWhenTheUpgradeFails(t *testing.T) {
	onRig(t, nil, func(t *testing.T, r *rig) {
		r.handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Header.Get("Upgrade") != "" {
				w.WriteHeader(http.StatusTeapot)
				return
			}
			r.Server.ServeHTTP(w, req)
		})
		upgraded := make(chan error, 1)
		opts := engineio.DialOptions{Trace: &engineio.Trace{Upgrade: func(_ string, err error) { upgraded <- err }}}
		p, err := r.dial(rigURL, opts)
		if err != nil {
			t.Fatal(err)
		}
		p.Close()
		if c := p.wantClosed(); c.reason != engineio.ForcedClose {
			t.Errorf("closed by %q", c.reason)
		}
		if err := <-upgraded; err == nil {
			t.Error("the upgrade succeeded")
		}

		// Without Close the session goes on with polling.
		r.use(rigURL, opts, func(p *peer) {
			if err := <-upgraded; err == nil {
				t.Error("the upgrade succeeded")
			}
			p.want(text("hi"))
			p.send(text("still here"))
			p.want(text("still here"))
			if p.Transport() != "polling" {
				t.Errorf("transport %s", p.Transport())
			}
		})
	})
}

func TestConformanceUpgradesOnlyToWhatIsWanted(t *testing.T) {
	for name, opts := range map[string]engineio.DialOptions{"transports": only("polling"), "option": {DisableUpgrade: true}} {
		t.Run(name, func(t *testing.T) {
			onRig(t, nil, func(t *testing.T, r *rig) {
				opts.Trace = &engineio.Trace{Upgrade: func(name string, _ error) { t.Errorf("upgrade to %s", name) }}
				r.use(rigURL, opts, func(p *peer) {
					if up := p.Handshake().Upgrades; !slices.Equal(up, []string{"websocket"}) {
						t.Errorf("the server offers %q", up)
					}
					p.want(text("hi"))
					<-time.After(time.Minute)
					if p.Transport() != "polling" {
						t.Errorf("transport %s", p.Transport())
					}
				})
			})
		})
	}
}

func TestConformanceUpgrades(t *testing.T) {
	onRig(t, nil, func(t *testing.T, r *rig) {
		upgraded := make(chan error, 1)
		r.use(rigURL, engineio.DialOptions{Trace: &engineio.Trace{
			Upgrade: func(_ string, err error) { upgraded <- err },
		}}, func(p *peer) {
			if err := <-upgraded; err != nil || p.Transport() != "websocket" {
				t.Errorf("%s, %v", p.Transport(), err)
			}
			p.want(text("hi"))
			p.send(binary(0, 1, 2, 3, 4))
			p.send(text("cash money €€€"))
			p.want(binary(0, 1, 2, 3, 4), text("cash money €€€"))
		})
	})
}

// TestConformanceBinary: bytes and text come back as they were, in order, also as base64.
func TestConformanceBinary(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		for _, forced := range []bool{false, true} {
			onRig(t, nil, func(t *testing.T, r *rig) {
				opts := only(transport)
				opts.ForceBase64 = forced
				var mu sync.Mutex
				asked := false
				opts.Trace = &engineio.Trace{Request: func(r *http.Request) {
					mu.Lock()
					defer mu.Unlock()
					asked = r.URL.Query().Get("b64") == "1"
				}}
				r.use(rigURL, opts, func(p *peer) {
					p.want(text("hi"))
					p.send(binary(0, 1, 2, 3, 4))
					p.send(text("cash money €€€"))
					p.send(text("give binary"))
					p.want(binary(0, 1, 2, 3, 4), text("cash money €€€"), binary(0, 1, 2, 3, 4))
				})
				if asked != forced {
					t.Errorf("%s, ForceBase64 %v: asked for base64: %v", transport, forced, asked)
				}
			})
		}
	}
}

// TestConformancePingTimeout: a server that falls silent is noticed after PingInterval and PingTimeout.
func TestConformancePingTimeout(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		onRig(t, nil, func(t *testing.T, r *rig) {
			r.handler = http.HandlerFunc(silentServer)
			p, err := r.dial(rigURL, only(transport))
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if h := p.Handshake(); h.PingIntervalMS != 300_000 || h.PingTimeoutMS != 200_000 || h.MaxPayload != 5 || p.ID() != "x" {
				t.Errorf("handshake %+v", h)
			}
			if !p.Alive() {
				t.Error("not alive at first")
			}
			select {
			case c := <-p.closed:
				if d := time.Since(start); c.reason != engineio.PingTimeout || d != 500*time.Second {
					t.Errorf("%s: closed by %q after %v", transport, c.reason, d)
				}
			case <-time.After(time.Hour):
				t.Fatal("not closed")
			}
			<-p.Done()
		})
	}
}

// silentServer opens sessions, and says nothing more.
func silentServer(w http.ResponseWriter, r *http.Request) {
	const open = `0{"sid":"x","upgrades":[],"pingInterval":300000,"pingTimeout":200000,"maxPayload":5}`
	switch q := r.URL.Query(); {
	case q.Get("transport") == "websocket":
		c, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		fmt.Fprintf(buf, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
			base64.StdEncoding.EncodeToString(sum[:]))
		fmt.Fprintf(buf, "\x81%c%s", len(open), open)
		_ = buf.Flush()
		_, _ = io.Copy(io.Discard, buf) // until the client leaves
		_ = c.Close()
	case q.Has("sid"):
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	default:
		_, _ = io.WriteString(w, open)
	}
}

func TestConformanceHeartbeat(t *testing.T) {
	onRig(t, nil, func(t *testing.T, r *rig) {
		for _, transport := range []string{"polling", "websocket"} {
			r.use(rigURL, only(transport), func(p *peer) {
				p.want(text("hi"))
				<-time.After(10 * time.Minute)
				if !p.Alive() {
					t.Errorf("%s: not alive", transport)
				}
				p.send(text("x"))
				p.want(text("x"))
			})
		}
	})
}
