package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
)

func TestConformanceEmitBeforeConnected(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.manager(nil).Socket("/", nil)
		hi := events(sock, "hi")
		sock.Open()
		must(t, sock.Emit("hi"))
		next(t, "answer", hi)
	})
}

func TestConformanceNothingConnectsUnasked(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		m := s.manager(nil)
		sock := m.Socket("/", nil)
		synctest.Wait()
		if s.dials() > 0 || m.Engine() != nil || sock.Active() || sock.Connected() || sock.ID() != "" {
			t.Errorf("%d connections, engine %v, active %v, connected %v",
				s.dials(), m.Engine(), sock.Active(), sock.Connected())
		}
	})
}

// TestConformanceDialsShareNothing: the official io() has a cache of Managers; here one shares by using one Manager.
func TestConformanceDialsShareNothing(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		a, err := s.dial(stageURL, nil)
		must(t, err)
		b, err := s.dial(stageURL, nil)
		must(t, err)
		c, err := s.dial(stageURL+"/?woot=1", nil)
		must(t, err)
		if a.Manager() == b.Manager() || b.Manager() == c.Manager() || s.Engine().Count() != 3 {
			t.Errorf("%d sessions", s.Engine().Count())
		}
	})
}

func TestConformancePathOption(t *testing.T) {
	onStageOf(t, func() http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/foo/", http.NotFoundHandler())
		mux.Handle("/socket.io/", supportServer()) // its sessions end with the http.Server's connections
		return mux
	}, func(t *testing.T, s *stage) {
		_, err := s.dial(stageURL, &client.Options{Engine: engineio.DialOptions{Path: "/foo"}})
		var refused *engineio.ClientError
		if !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
			t.Errorf("dialed /foo: %v", err)
		}
	})
}

func TestConformanceNamespacesShareASession(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		m := s.manager(webSocketOnly())
		foo, bar := m.Socket("/foo", nil), m.Socket("/bar", nil)
		must(t, foo.Connect(t.Context()))
		must(t, bar.Connect(t.Context()))
		if n := s.Engine().Count(); n != 1 || s.dials() != 1 || foo.Manager() != bar.Manager() {
			t.Errorf("%d sessions over %d connections", n, s.dials())
		}
		if foo.Namespace() != "/foo" || bar.Namespace() != "/bar" {
			t.Errorf("namespaces %s and %s", foo.Namespace(), bar.Namespace())
		}
	})
}

func TestConformanceNamespaceAfterConnecting(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.connected("/", nil)
		must(t, sock.Manager().Socket("/foo", nil).Connect(t.Context()))
	})
}

func TestConformanceNamespaceAfterTheConnectionClosed(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.connected("/", nil)
		gone, closed := disconnects(sock), managerCloses(sock.Manager())
		sock.Disconnect()
		next(t, "disconnect", gone)
		next(t, "end of the session", closed)
		must(t, sock.Manager().Socket("/foo", nil).Connect(t.Context()))
	})
}

func managerCloses(m *client.Manager) <-chan client.DisconnectReason {
	ch, put := signal[client.DisconnectReason]()
	m.OnClose(func(r client.DisconnectReason, _ error) { put(r) })
	return ch
}

// TestConformanceConnectWhileAnotherLeaves: the session that loses its last socket serves the one that comes.
func TestConformanceConnectWhileAnotherLeaves(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		foo := s.connected("/foo", nil)
		asd := foo.Manager().Socket("/asd", nil)
		asd.Open()
		foo.Disconnect()
		must(t, asd.Connect(t.Context()))
	})
}

func TestConformanceLastSocketClosesTheSession(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		m := s.manager(nil)
		closed := managerCloses(m)
		foo, asd := m.Socket("/foo", nil), m.Socket("/asd", nil)
		must(t, foo.Connect(t.Context()))
		must(t, asd.Connect(t.Context()))
		gone := disconnects(asd)
		foo.Disconnect()
		never(t, "the other socket disconnects", gone, time.Second)
		if !asd.Connected() || m.Engine() == nil {
			t.Error("the session is closed")
		}
		asd.Disconnect()
		if r := next(t, "end of the session", closed); r != client.ReasonForcedClose &&
			r != client.ReasonClientDisconnect {
			t.Errorf("the session ended with %q", r)
		}
		synctest.Wait()
		if n := s.Engine().Count(); n != 0 || m.Engine() != nil {
			t.Errorf("%d sessions are left", n)
		}
	})
}

// TestConformanceServerOfAnOldVersion: a CONNECT without a session id comes from Socket.IO 2, whether it is asked or
// not.
func TestConformanceServerOfAnOldVersion(t *testing.T) {
	for _, asked := range []bool{false, true} {
		old := func() http.Handler {
			return newScript(engineio.Options{}, func(s *engineio.Socket, _ int) engineio.Handler {
				if !asked {
					say(s, "0")
				}
				return handler(func(string) {
					if asked {
						say(s, "0")
					}
				})
			})
		}
		onStageOf(t, old, func(t *testing.T, s *stage) {
			sock := s.manager(nil).Socket("/", nil)
			failed := connectErrors(sock)
			sock.Open()
			if err := next(t, "connect error", failed); err == nil || !strings.Contains(err.Error(), "v2") {
				t.Errorf("asked %v: error %v", asked, err)
			}
			if sock.Connected() {
				t.Errorf("asked %v: connected", asked)
			}
		})
	}
}

func TestConformanceSocketIsTheSame(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.connected("/", nil)
		gone := disconnects(sock)
		sock.Disconnect()
		next(t, "disconnect", gone)
		again := sock.Manager().Socket("", nil)
		if again != sock || again.Active() {
			t.Errorf("another socket, or active %v", again.Active())
		}
		must(t, again.Connect(t.Context()))
		if !again.Active() || !again.Connected() {
			t.Error("not active")
		}
	})
}

// TestConformanceOneConnectPacket: asking again for what is there or on its way changes nothing.
func TestConformanceOneConnectPacket(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		m := s.manager(webSocketOnly())
		sock := m.Socket("/", nil)
		sock.Open()
		sock.Open()
		must(t, m.Socket("/", nil).Connect(t.Context()))
		sock.Open()
		must(t, sock.Connect(t.Context()))
		gone := disconnects(sock)
		sock.Disconnect()
		next(t, "disconnect", gone)
		synctest.Wait()
		wantWire(t, s.sent(), "0", "1")
	})
}

func TestConformanceConnectPacketsOfTwoNamespaces(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		m := s.manager(webSocketOnly())
		sock, foo := m.Socket("/", nil), m.Socket("/foo", nil)
		must(t, sock.Connect(t.Context()))
		foo.Open()
		must(t, foo.Connect(t.Context()))
		sock.Disconnect()
		foo.Disconnect()
		next(t, "end", foo.Context().Done())
		synctest.Wait()
		wantWire(t, s.sent(), "0", "0/foo,", "1", "1/foo,")
	})
}

// TestConformanceUndecodablePacket: what is no packet ends the session as a parse error, and a new one is made.
func TestConformanceUndecodablePacket(t *testing.T) {
	bad := func() http.Handler {
		return newScript(engineio.Options{}, func(s *engineio.Socket, n int) engineio.Handler {
			return handler(func(m string) {
				if m == "0" {
					say(s, `0{"sid":"x"}`)
				}
				if n == 1 {
					say(s, "bad")
				}
			})
		})
	}
	onStageOf(t, bad, func(t *testing.T, s *stage) {
		sock := s.manager(quick()).Socket("/", nil)
		gone, back := disconnects(sock), connects(sock)
		must(t, sock.Connect(t.Context()))
		next(t, "connect", back)
		if r := next(t, "disconnect", gone); r != client.ReasonParseError {
			t.Errorf("disconnected by %q", r)
		}
		next(t, "second connect", back)
	})
}

func TestConformanceSocketID(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		for _, namespace := range []string{"/", "/foo"} {
			sock := s.connected(namespace, nil)
			id := decode[string](t, ask(t, sock, "getId"), 0)
			if id == "" || sock.ID() != id || id == sock.Manager().Engine().ID() {
				t.Errorf("%s: id %q, the server says %q", namespace, sock.ID(), id)
			}
			ids, put := signal[string]()
			sock.OnDisconnect(func(client.DisconnectReason) { put(sock.ID()) })
			sock.Disconnect()
			if id := next(t, "disconnect", ids); id != "" {
				t.Errorf("%s: id %q after disconnecting", namespace, id)
			}
		}
	})
}

func TestConformanceDisconnectWhileOpening(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.manager(&client.Options{ConnectTimeout: 100 * time.Millisecond}).Socket("/", nil)
		failed := connectErrors(sock)
		errs, put := signal[error]()
		sock.Manager().OnError(put)
		sock.Open()
		sock.Disconnect()
		never(t, "connect error", failed, 300*time.Millisecond)
		never(t, "error of the Manager", errs, 300*time.Millisecond)
		if sock.Active() || sock.Manager().Engine() != nil {
			t.Error("still active")
		}
	})
}

func TestConformanceConnectErrorOfTheConnection(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		s.refused.Store(true)
		sock := s.manager(nil).Socket("/", nil)
		failed := connectErrors(sock)
		sock.Open()
		var cause *engineio.ClientError
		err := next(t, "connect error", failed)
		if !errors.As(err, &cause) || cause.Message != "xhr poll error" || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("error %v", err)
		}
		if !sock.Active() {
			t.Error("not active any more, though it will try again")
		}
		sock.Disconnect()
	})
}

// silent accepts requests and answers none.
type silent struct{}

func (silent) ServeHTTP(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func TestConformanceOpenTimeout(t *testing.T) {
	for _, transport := range []string{"polling", "websocket"} {
		t.Run(transport, func(t *testing.T) {
			onStageOf(t, func() http.Handler { return silent{} }, func(t *testing.T, s *stage) {
				sock := s.manager(&client.Options{
					Engine:         engineio.DialOptions{Transports: []string{transport}},
					ConnectTimeout: 3 * time.Second,
				}).Socket("/", nil)
				failed := connectErrors(sock)
				start := time.Now()
				sock.Open()
				err := next(t, "connect error", failed)
				if d := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || d != 3*time.Second {
					t.Errorf("%v after %v", err, d)
				}
				sock.Disconnect()
			})
		})
	}
}

func TestConformanceDefaultOpenTimeout(t *testing.T) {
	onStageOf(t, func() http.Handler { return silent{} }, func(t *testing.T, s *stage) {
		sock := s.manager(&client.Options{DisableReconnection: true}).Socket("/", nil)
		start := time.Now()
		err := sock.Connect(t.Context())
		if d := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || d != 20*time.Second {
			t.Errorf("%v after %v", err, d)
		}
	})
}

func TestConformanceNoConnectErrorOnceConnected(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.connected("/", quick())
		failed, back := connectErrors(sock), connects(sock)
		s.cut()
		next(t, "reconnection", back)
		never(t, "connect error", failed, 300*time.Millisecond)
	})
}

func TestConformanceQuery(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		for _, query := range []string{"", "/?b=c&d=e"} {
			sock := s.managerOf(stageURL+query, &client.Options{
				Engine: engineio.DialOptions{Query: url.Values{"a": {"b"}, "&a": {"&=?a"}}},
			}).Socket("/abc", nil)
			seen := handshakeOf(t, sock)
			want := map[string]string{"a": "b", "&a": "&=?a"}
			if query != "" {
				want["b"], want["d"] = "c", "e"
			}
			for k, v := range want {
				if got := seen.Query[k]; len(got) != 1 || got[0] != v {
					t.Errorf("with %q, %q is %q, want %q", query, k, got, v)
				}
			}
		}
	})
}

type handshakeSeen struct {
	Query map[string][]string `json:"query"`
	Auth  []map[string]any    `json:"auth"`
	Token []string            `json:"token"`
}

// handshakeOf connects sock, whose namespace is /abc, and returns what the server saw.
func handshakeOf(t *testing.T, sock *client.Socket) handshakeSeen {
	t.Helper()
	handshakes := events(sock, "handshake")
	must(t, sock.Connect(t.Context()))
	return decode[handshakeSeen](t, next(t, "handshake", handshakes), 0)
}

func TestConformanceQueryOfTheMainNamespace(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		_, err := s.dial(stageURL+"/?fail=1", nil)
		var refused *client.ConnectError
		if !errors.As(err, &refused) || refused.Message != "Auth failed (main namespace)" {
			t.Errorf("in the URL: %v", err)
		}
		_, err = s.dial(stageURL, &client.Options{Engine: engineio.DialOptions{Query: url.Values{"fail": {""}}}})
		if !errors.As(err, &refused) {
			t.Errorf("as an option: %v", err)
		}
	})
}

func TestConformanceAuth(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		calls := 0
		for _, opts := range []*client.SocketOptions{
			{Auth: map[string]string{"a": "b", "c": "d"}},
			{AuthFunc: func(context.Context) (any,
				error) {
				calls++
				return map[string]string{"a": "b", "c": "d"}, nil
			}},
		} {
			sock := s.manager(quick()).Socket("/abc", opts)
			handshakes := events(sock, "handshake")
			must(t, sock.Connect(t.Context()))
			for range 2 {
				seen := decode[handshakeSeen](t, next(t, "handshake", handshakes), 0)
				if len(seen.Auth) != 1 || seen.Auth[0]["a"] != "b" ||
					seen.Auth[0]["c"] != "d" || seen.Query["a"] != nil {
					t.Errorf("the server saw %+v", seen)
				}
				s.cut() // and once more, with the auth of the next attempt
			}
			sock.Disconnect()
		}
		if calls < 2 {
			t.Errorf("AuthFunc was called %d times", calls)
		}
	})
}

func TestConformanceRefusedByMiddleware(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.manager(quick()).Socket("/no", nil)
		failed := connectErrors(sock)
		err := sock.Connect(t.Context())
		var refused *client.ConnectError
		if !errors.As(err, &refused) || refused.Message != "Auth failed (custom namespace)" {
			t.Fatalf("Connect: %v", err)
		}
		var data struct{ Code int }
		if err := refused.Bind(&data); err != nil || data.Code != 7 {
			t.Errorf("data %+v, %v", data, err)
		}
		if err := next(t, "connect error", failed); !errors.As(err, &refused) {
			t.Errorf("OnConnectError: %v", err)
		}
		s.cut()
		never(t, "second attempt", failed, 10*time.Second)
		if sock.Active() {
			t.Error("still active")
		}
	})
}

// TestConformanceDisconnectAndConnect: a socket that comes back at once has left once.
func TestConformanceDisconnectAndConnect(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		sock := s.connected("/", webSocketOnly())
		gone, back := disconnects(sock), connects(sock)
		sock.Disconnect()
		sock.Open()
		if r := next(t, "disconnect", gone); r != client.ReasonClientDisconnect {
			t.Errorf("disconnected by %q", r)
		}
		next(t, "connect", back)
		never(t, "second disconnect", gone, time.Second)
		if !sock.Connected() {
			t.Error("not connected")
		}
	})
}

// TestConformanceURLs: where a socket connects to, and which namespace it is in.
func TestConformanceURLs(t *testing.T) {
	for _, c := range []struct{ url, host, namespace string }{
		{"server.example:3000", "server.example:3000", "/"},
		{"//server.example:3000", "server.example:3000", "/"},
		{"server.example:3000/asd", "server.example:3000", "/asd"},
		{"http://server.example", "server.example", "/"},
		{"http://server.example/", "server.example", "/"},
		{"http://server.example/asd", "server.example", "/asd"},
		{"ws://server.example/asd", "server.example", "/asd"},
		{"http://[::1]", "[::1]", "/"},
		{"http://[::1]:8080", "[::1]:8080", "/"},
	} {
		t.Run(c.url, func(t *testing.T) {
			onStage(t, func(t *testing.T, s *stage) {
				hosts, put := signal[string]()
				sock, err := s.dial(c.url, &client.Options{Engine: engineio.DialOptions{
					Trace: &engineio.Trace{Request: func(r *http.Request) { put(r.URL.Host + r.URL.Path) }},
				}})
				must(t, err)
				if host := next(t, "request", hosts); host != c.host+"/socket.io/" {
					t.Errorf("asks %s", host)
				}
				if sock.Namespace() != c.namespace {
					t.Errorf("is in %s", sock.Namespace())
				}
			})
		})
	}
}

func TestConformanceCustomPathAndNamespace(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		paths, put := signal[string]()
		_, err := s.dial(stageURL+"/some-namespace", &client.Options{Engine: engineio.DialOptions{
			Path:  "/some-path",
			Trace: &engineio.Trace{Request: func(r *http.Request) { put(r.URL.Path) }},
		}})
		if err == nil {
			t.Error("the server does not serve this path")
		}
		if path := next(t, "request", paths); path != "/some-path/" {
			t.Errorf("asks for %s", path)
		}
	})
}

func TestConformanceHeaders(t *testing.T) {
	onStage(t, func(t *testing.T, s *stage) {
		for _, transport := range []string{"polling", "websocket"} {
			sock := s.manager(&client.Options{Engine: engineio.DialOptions{
				Transports: []string{transport},
				Header:     http.Header{"X-Token": {"secret"}},
			}}).Socket("/abc", nil)
			if seen := handshakeOf(t, sock); len(seen.Token) != 1 || seen.Token[0] != "secret" {
				t.Errorf("%s: the server saw the token %q", transport, seen.Token)
			}
		}
	})
}
