package engineio

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/websocket"
)

// The tests whose names begin with TestConformance go through what the official client's own tests look at;
// docs/conformance.md says which is for what.

// A rig is a server like the one the official client is tested against, and clients of it: it greets with "hi",
// echoes, and takes no more than 100 bytes at once.
type rig struct {
	*env
	front http.Handler // in front of the server, if not nil

	mu     sync.Mutex
	bodies []int    // sizes of POST bodies
	dialed []string // addresses
}

func onRig(t *testing.T, opts *Options, fn func(t *testing.T, r *rig)) {
	t.Helper()
	var o Options
	if opts != nil {
		o = *opts
	}
	o.MaxPayload = 100
	bubble(t, &o, func(t *testing.T, e *env) {
		r := &rig{env: e}
		e.http.Handler = r
		e.onOpen = func(s *Socket, _ *http.Request) { s.Send(SendOptions{}, text("hi")) }
		e.onMsg = func(rec *recorder, m Message) {
			switch string(m.Data) {
			case "give binary":
				m = Message{Binary: true, Data: []byte{0, 1, 2, 3, 4}}
			case "close":
				rec.socket.Close()
				return
			}
			echo(rec, m)
		}
		fn(t, r)
	})
}

func (r *rig) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method == http.MethodPost {
		r.mu.Lock()
		r.bodies = append(r.bodies, int(req.ContentLength))
		r.mu.Unlock()
	}
	if r.front != nil {
		r.front.ServeHTTP(w, req)
		return
	}
	r.Server.ServeHTTP(w, req)
}

const rigURL = "http://server.example"

// dial opens a session with the rig.
func (r *rig) dial(rawURL string, opts DialOptions) (*endpoint, error) {
	opts.NetDial = func(ctx context.Context, _, addr string) (net.Conn, error) {
		r.mu.Lock()
		r.dialed = append(r.dialed, addr)
		r.mu.Unlock()
		return r.net.Dial(ctx)
	}
	opts.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	return dialEndpoint(r.t, rawURL, &opts)
}

// use runs fn with a session, and closes it.
func (r *rig) use(rawURL string, opts DialOptions, fn func(p *endpoint)) {
	r.t.Helper()
	p, err := r.dial(rawURL, opts)
	if err != nil {
		r.t.Fatalf("Dial: %v", err)
	}
	defer func() {
		p.socket.Close()
		<-p.socket.Done()
	}()
	fn(p)
}

func only(transport string) DialOptions { return DialOptions{Transports: []string{transport}} }

func TestConformanceConnects(t *testing.T) {
	for name, opts := range map[string]DialOptions{"default": {}, "polling": only("polling"),
		"websocket": only("websocket")} {
		t.Run(name, func(t *testing.T) {
			onRig(t, nil, func(t *testing.T, r *rig) {
				r.use(rigURL, opts, func(p *endpoint) {
					p.expect(text("hi"))
					for _, s := range []string{"cash money €€€", "𐀀-\U000EFFFF\U000F0000-\U0010FFFF\uE000-\uF8FF", ""} {
						p.send(text(s))
						p.expect(text(s))
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
		r.use(rigURL, DialOptions{Trace: &Trace{Packet: func(_ string, out bool, p packet.Packet) {
			mu.Lock()
			defer mu.Unlock()
			if out && p.Type == packet.Message {
				sent = append(sent, string(p.Data))
			}
		}}}, func(p *endpoint) {
			p.socket.Close()
			if err := p.socket.Send(SendOptions{}, text("hi")); !errors.Is(err, ErrClosed) {
				t.Errorf("Send: %v", err)
			}
			p.want(ForcedClose)
		})
		if len(sent) > 0 {
			t.Errorf("sent %q", sent)
		}
	})
}

// TestConformancePayloads: what is sent together fits into the maxPayload that the server announced.
func TestConformancePayloads(t *testing.T) {
	repeat := func(s string, n int) *Prepared { return text(strings.Repeat(s, n)) }
	for name, messages := range map[string][]*Prepared{
		"text": {repeat("a", 99), repeat("b", 30), repeat("c", 30), repeat("d", 35), repeat("€", 33), repeat("f", 99)},
		"binary": {
			bin(make([]byte, 72)...), bin(make([]byte, 20)...), repeat("a",
				20), bin(make([]byte, 20)...), bin(make([]byte, 72)...),
		},
	} {
		t.Run(name, func(t *testing.T) {
			onRig(t, nil, func(t *testing.T, r *rig) {
				r.use(rigURL, only("polling"), func(p *endpoint) {
					p.expect(text("hi"))
					for _, m := range messages {
						if err := p.socket.Send(SendOptions{Defer: true}, m); err != nil {
							t.Fatal(err)
						}
					}
					p.socket.Flush()
					p.expect(messages...)
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
		r.use(rigURL, only("polling"), func(p *endpoint) {
			p.send(text(strings.Repeat("a", 101)))
			_ = p.socket.Send(SendOptions{}, text("b")) // it may be closed already
			<-p.socket.Done()
			// The end comes with the answer to the POST, or to the GET that was pending, or to the next GET.
			var cause *ClientError
			refused := errors.As(p.err, &cause) && cause.Status == http.StatusRequestEntityTooLarge &&
				cause.Message == "xhr post error" && len(cause.Body) == 0
			unknown := errors.As(p.err, &cause) && cause.Status == http.StatusBadRequest && cause.Message == "xhr poll error"
			closed := p.reason == TransportClose && p.err == nil
			if !closed && (p.reason != TransportError || !refused && !unknown) {
				t.Errorf("polling: closed by %q, %#v", p.reason, p.err)
			}
		})
		r.use(rigURL, only("websocket"), func(p *endpoint) {
			p.send(text(strings.Repeat("a", 101)))
			<-p.socket.Done()
			if p.reason != TransportClose || p.err == nil || !strings.Contains(p.err.Error(), "1009") {
				t.Errorf("websocket: closed by %q, %v", p.reason, p.err)
			}
		})
	})
}

// TestConformanceCloseWaitsForTheUpgrade: and for what was sent before.
func TestConformanceCloseWaitsForTheUpgrade(t *testing.T) {
	onRig(t, nil, func(t *testing.T, r *rig) {
		upgraded := make(chan error, 1)
		got := make(chan string, 10)
		p, err := r.dial(rigURL, DialOptions{Trace: &Trace{
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
		p.socket.Close()
		if err := p.socket.Send(SendOptions{}, text("too late")); !errors.Is(err, ErrClosed) {
			t.Errorf("Send while closing: %v", err)
		}
		p.want(ForcedClose)
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
			r.net.Buffer = 100
			p, err := r.dial(rigURL, only(transport))
			if err != nil {
				t.Fatal(err)
			}
			for range 500 {
				p.send(text(strings.Repeat("a", 50)))
			}
			p.socket.Close()
			p.want(ForcedClose)
			if got := len(strings.Fields(r.session(0).texts())); got != 500 {
				t.Errorf("%s: %d messages of 500 arrived", transport, got)
			}
		})
	}
}

func TestConformanceCloseWhenTheUpgradeFails(t *testing.T) {
	onRig(t, nil, func(t *testing.T, r *rig) {
		r.front = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.Header.Get("Upgrade") != "" {
				w.WriteHeader(http.StatusTeapot)
				return
			}
			r.Server.ServeHTTP(w, req)
		})
		upgraded := make(chan error, 1)
		opts := DialOptions{Trace: &Trace{Upgrade: func(_ string, err error) { upgraded <- err }}}
		p, err := r.dial(rigURL, opts)
		if err != nil {
			t.Fatal(err)
		}
		p.socket.Close()
		p.want(ForcedClose)
		if err := <-upgraded; err == nil {
			t.Error("the upgrade succeeded")
		}

		// Without Close the session goes on with polling.
		r.use(rigURL, opts, func(p *endpoint) {
			if err := <-upgraded; err == nil {
				t.Error("the upgrade succeeded")
			}
			p.expect(text("hi"))
			p.send(text("still here"))
			p.expect(text("still here"))
			if p.socket.Transport() != "polling" {
				t.Errorf("transport %s", p.socket.Transport())
			}
		})
	})
}

func TestConformanceUpgradesOnlyToWhatIsWanted(t *testing.T) {
	for name, opts := range map[string]DialOptions{"transports": only("polling"), "option": {DisableUpgrade: true}} {
		t.Run(name, func(t *testing.T) {
			onRig(t, nil, func(t *testing.T, r *rig) {
				opts.Trace = &Trace{Upgrade: func(name string, _ error) { t.Errorf("upgrade to %s", name) }}
				r.use(rigURL, opts, func(p *endpoint) {
					if up := p.socket.Handshake().Upgrades; !slices.Equal(up, []string{"websocket"}) {
						t.Errorf("the server offers %q", up)
					}
					p.expect(text("hi"))
					<-time.After(time.Minute)
					if p.socket.Transport() != "polling" {
						t.Errorf("transport %s", p.socket.Transport())
					}
				})
			})
		})
	}
}

func TestConformanceUpgrades(t *testing.T) {
	onRig(t, nil, func(t *testing.T, r *rig) {
		upgraded := make(chan error, 1)
		r.use(rigURL, DialOptions{Trace: &Trace{
			Upgrade: func(_ string, err error) { upgraded <- err },
		}}, func(p *endpoint) {
			if err := <-upgraded; err != nil || p.socket.Transport() != "websocket" {
				t.Errorf("%s, %v", p.socket.Transport(), err)
			}
			p.expect(text("hi"))
			p.send(bin(0, 1, 2, 3, 4))
			p.send(text("cash money €€€"))
			p.expect(bin(0, 1, 2, 3, 4), text("cash money €€€"))
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
				opts.Trace = &Trace{Request: func(r *http.Request) {
					mu.Lock()
					defer mu.Unlock()
					asked = r.URL.Query().Get("b64") == "1"
				}}
				r.use(rigURL, opts, func(p *endpoint) {
					p.expect(text("hi"))
					p.send(bin(0, 1, 2, 3, 4))
					p.send(text("cash money €€€"))
					p.send(text("give binary"))
					p.expect(bin(0, 1, 2, 3, 4), text("cash money €€€"), bin(0, 1, 2, 3, 4))
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
	const open = `0{"sid":"x","upgrades":[],"pingInterval":300000,"pingTimeout":200000,"maxPayload":5}`
	for _, transport := range []string{"polling", "websocket"} {
		scripted(t, func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Header.Get("Upgrade") != "":
				webSocketScript(open, func(*websocket.Conn) {})(w, r)
			case first(r):
				io.WriteString(w, open)
			default:
				hang(r)
			}
		}, func(t *testing.T, s *script) {
			start := time.Now()
			p := s.open(s.options(transport))
			want := packet.Handshake{SID: "x", Upgrades: []string{}, PingIntervalMS: 300_000, PingTimeoutMS: 200_000,
				MaxPayload: 5}
			if h := p.socket.Handshake(); !reflect.DeepEqual(h, want) || p.socket.ID() != "x" {
				t.Errorf("handshake %+v", h)
			}
			if !p.socket.Alive() {
				t.Error("not alive at first")
			}
			p.ended()
			if d := time.Since(start); d != 500*time.Second {
				t.Errorf("%s: closed after %v", transport, d)
			}
			p.want(PingTimeout)
		})
	}
}

func TestConformanceHeartbeat(t *testing.T) {
	onRig(t, nil, func(t *testing.T, r *rig) {
		for _, transport := range []string{"polling", "websocket"} {
			r.use(rigURL, only(transport), func(p *endpoint) {
				p.expect(text("hi"))
				<-time.After(10 * time.Minute)
				if !p.socket.Alive() {
					t.Errorf("%s: not alive", transport)
				}
				p.send(text("x"))
				p.expect(text("x"))
			})
		}
	})
}
