package engineio

import (
	"context"

	"errors"

	"io"
	"net"
	"net/http"
	"net/http/httptest"

	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestClientConnections: each request of polling has a connection of its own, of which two are in use at a time. A
// client of the user's may have its two connections for good.
func TestClientConnections(t *testing.T) {
	for _, pooled := range []bool{false, true} {
		bubble(t, nil, func(t *testing.T, e *env) {
			e.onMsg = echo
			var opened, open, most atomic.Int32
			dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := e.net.DialContext(ctx, network, addr)
				opened.Add(1)
				most.Store(max(most.Load(), open.Add(1)))
				return &watchedConn{Conn: c, closed: sync.OnceFunc(func() { open.Add(-1) })}, err
			}
			var requests atomic.Int32
			o := &DialOptions{Transports: []string{"polling"}, NetDial: dial}
			o.Trace = &Trace{Request: func(*http.Request) { requests.Add(1) }}
			if pooled {
				o.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: dial}}
			}
			p := e.join(o)
			for range 100 {
				p.socket.Send(SendOptions{}, text("x"))
				synctest.Wait()
			}
			limit := int32(2)
			if !pooled {
				limit = 4 // net/http closes a connection on a goroutine of its own, when the next may be open
			}
			if n := opened.Load(); !pooled && n != requests.Load() || pooled && n > 2 || most.Load() > limit {
				t.Errorf("pooled: %v: %d connections for %d requests, %d at once", pooled, n, requests.Load(), most.Load())
			}
			if got := strings.Count(p.texts(), "x"); got != 100 {
				t.Errorf("%d of 100 messages", got)
			}
			p.socket.Close()
			p.want(ForcedClose)
			if pooled {
				o.HTTPClient.CloseIdleConnections()
			} else if n := open.Load(); n != 0 {
				t.Errorf("%d connections are open at the end", n)
			}
		})
	}
}

type watchedConn struct {
	net.Conn
	closed func()
}

func (c *watchedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// TestClientPollIsNotRepeated: net/http would make a GET again by itself when a connection that was used before
// breaks. What the broken answer may have held would be lost without anybody noticing. The same holds for a POST
// that may have been read.
func TestClientPollIsNotRepeated(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		for _, pooled := range []bool{false, true} {
			for _, header := range []http.Header{nil, {"Idempotency-Key": {"1"}}} {
				calls := 0
				scripted(t, func(w http.ResponseWriter, r *http.Request) {
					if r.Method != method || first(r) {
						answerPolling(w, r)
						return
					}
					if calls++; calls == 2 {
						c, _, _ := http.NewResponseController(w).Hijack()
						c.Close()
						return
					}
					io.WriteString(w, "4a")
				}, func(t *testing.T, s *script) {
					o := s.options("polling")
					o.Header = header
					if pooled {
						o.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: s.net.DialContext}}
					}
					p := s.open(o)
					for range 2 {
						p.socket.Send(SendOptions{}, text("b"))
						synctest.Wait()
					}
					p.want(TransportError)
					if calls != 2 {
						t.Errorf("%s, pooled: %v, %v: %d requests", method, pooled, header, calls)
					}
					if pooled {
						o.HTTPClient.CloseIdleConnections()
					}
				})
			}
		}
	}
}

// A flaky transport fails before the base does anything, as net/http does in the cases of the test below.
type flaky struct {
	base http.RoundTripper
	fail func(r *http.Request, t *httptrace.ClientTrace) error
}

func (f *flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := f.fail(r, httptrace.ContextClientTrace(r.Context())); err != nil {
		if r.Body != nil {
			io.Copy(io.Discard, r.Body)
			r.Body.Close()
		}
		return nil, err
	}
	return f.base.RoundTrip(r)
}

// TestClientRepeats: what net/http says about a request on a connection of the pool, and whether it is made again.
func TestClientRepeats(t *testing.T) {
	type fault struct {
		reused, wrote bool
		err           error
		repeated      bool
	}
	for name, f := range map[string]fault{
		"closed while idle": {true, true, errors.New("http: server closed idle connection"), true},
		"reset while idle": {true, true, errors.New("readLoopPeekFailLocked: read tcp: connection reset by peer"),
			true},
		"not written":              {true, false, io.EOF, true},
		"written":                  {true, true, io.EOF, false},
		"written, reset":           {true, true, syscall.ECONNRESET, false},
		"not written, but not old": {false, false, io.EOF, false},
		"new connection":           {false, true, io.EOF, false},
		"no connection":            {false, false, syscall.ECONNREFUSED, false},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			scripted(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet && !first(r) && strings.HasSuffix(r.URL.RawQuery, ".2") { // the first poll
					io.WriteString(w, "4a")
					return
				}
				answerPolling(w, r)
			}, func(t *testing.T, s *script) {
				base := &http.Transport{DialContext: s.net.DialContext}
				failures := 0
				o := s.options("polling")
				o.HTTPClient = &http.Client{Transport: &flaky{base, func(r *http.Request, tr *httptrace.ClientTrace) error {
					if r.Method != method || first(r) || failures == 3 {
						return nil
					}
					failures++
					if f.reused {
						tr.GotConn(httptrace.GotConnInfo{Reused: true})
					}
					if f.wrote {
						tr.WroteHeaders()
					}
					return f.err
				}}}
				p := s.open(o)
				p.socket.Send(SendOptions{}, text("b"))
				synctest.Wait()
				select {
				case <-p.closed:
					if f.repeated || failures != 1 {
						t.Errorf("%s, %s: the session has ended after %d failures: %v", name, method, failures, p.err)
					}
				default:
					if got := strings.Join(s.bodies(), " "); !f.repeated || failures != 3 || got != "4b" {
						t.Errorf("%s, %s: after %d failures, posted %q", name, method, failures, got)
					}
					p.socket.Close()
				}
				<-p.socket.Done()
				base.CloseIdleConnections()
			})
		}
	}
}

// TestClientAnsweredWith408: a 408 says that the request was not received, and may be made again, once. Envoy's
// does not.
func TestClientAnsweredWith408(t *testing.T) {
	for _, test := range []struct {
		server string
		times  int
		ends   bool
	}{{"", 1, false}, {"", 2, true}, {"envoy", 1, true}, {"istio-envoy", 1, true}} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			calls := 0
			scripted(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method == method && !first(r) {
					if calls++; calls <= test.times {
						w.Header().Set("Server", test.server)
						w.WriteHeader(http.StatusRequestTimeout)
						return
					}
				}
				answerPolling(w, r)
			}, func(t *testing.T, s *script) {
				p := s.open(s.options("polling"))
				p.socket.Send(SendOptions{}, text("b"))
				synctest.Wait()
				if test.ends {
					p.want(TransportError)
					if want := min(test.times, 2); calls != want {
						t.Errorf("%+v, %s: %d requests", test, method, calls)
					}
					return
				}
				p.alive()
				if got := s.bodies(); got[len(got)-1] != "4b" || calls != 2 {
					t.Errorf("%+v, %s: %d requests, posted %q", test, method, calls, got)
				}
				p.socket.Close()
				p.want(ForcedClose)
			})
		}
	}
}

// TestClientNetworkIsDown: while this machine has no network there are no new connections. A session survives that
// as long as its heartbeat does; one that is not open yet fails at once.
func TestClientNetworkIsDown(t *testing.T) {
	for _, outage := range []time.Duration{10 * time.Second, time.Hour} {
		down := atomic.Bool{}
		scripted(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && !first(r) {
				select {
				case <-time.After(20 * time.Second):
					io.WriteString(w, "2")
				case <-r.Context().Done():
				}
				return
			}
			answerPolling(w, r)
		}, func(t *testing.T, s *script) {
			o := s.options("polling")
			o.NetDial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if down.Load() {
					return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ENETUNREACH}
				}
				return s.net.DialContext(ctx, network, addr)
			}
			down.Store(true)
			if e := s.refused(o); !errors.Is(e, syscall.ENETUNREACH) {
				t.Errorf("without a network: %v", e)
			}
			down.Store(false)
			p := s.open(o)
			<-time.After(15 * time.Second)
			down.Store(true)
			p.socket.Send(SendOptions{}, text("b"))
			if outage == time.Hour {
				p.want(PingTimeout)
				return
			}
			<-time.After(outage)
			down.Store(false)
			<-time.After(time.Second)
			p.alive()
			if got := s.bodies(); !slices.Contains(got, "4b\x1e3") && !slices.Contains(got, "4b") {
				t.Errorf("posted %q", got)
			}
			p.socket.Close()
			p.want(ForcedClose)
		})
	}
}

// TestClientDialsOnce: a host is looked up once for each session, however many connections it makes.
func TestClientDialsOnce(t *testing.T) {
	listen := func() net.Listener {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ln.Close() })
		return ln
	}
	one, other := listen(), listen()
	d, err := newClientDialer(newClientSocket(noOptions), "http://localhost", noOptions)
	if err != nil {
		t.Fatal(err)
	}
	defer d.cancel()
	_, port, _ := net.SplitHostPort(one.Addr().String())
	name := "localhost:" + port
	dialed := func() string {
		c, err := d.dial(t.Context(), "tcp4", name)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.RemoteAddr().String()
	}
	if got := dialed(); got != one.Addr().String() || d.found.name != name || d.found.addr != got {
		t.Errorf("dialed %s, found %v", got, d.found)
	}
	d.found.addr = other.Addr().String()
	if got := dialed(); got != other.Addr().String() {
		t.Errorf("dialed %s, want %s, which was found before", got, other.Addr())
	}
	other.Close()
	if got := dialed(); got != one.Addr().String() {
		t.Errorf("dialed %s, want %s, as what was found before is gone", got, one.Addr())
	}
}

// TestClientResumesTLS: of the connections of a session the first has a full handshake.
func TestClientResumesTLS(t *testing.T) {
	full := make(chan bool, 100)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		full <- !r.TLS.DidResume
		answerPolling(w, r)
	}))
	defer server.Close()
	p, err := dialEndpoint(t, server.URL, &DialOptions{
		Transports: []string{"polling"}, TLS: server.Client().Transport.(*http.Transport).TLSClientConfig,
	})
	if err != nil {
		t.Fatal(err)
	}
	first := <-full
	<-full // the first poll
	resumed := 0
	for range 10 {
		p.socket.Send(SendOptions{}, text("x"))
		if !<-full {
			resumed++
		}
	}
	if !first || resumed < 8 {
		t.Errorf("the first was full: %v; %d of 10 POSTs were resumed", first, resumed)
	}
	p.socket.Close()
	p.want(ForcedClose)
}
