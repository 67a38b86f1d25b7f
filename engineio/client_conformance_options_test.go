package engineio

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func TestConformanceOptionsAreNotChanged(t *testing.T) {
	onRig(t, nil, func(t *testing.T, r *rig) {
		opts := DialOptions{
			Transports: []string{"websocket", "polling"}, Query: url.Values{"a": {"b"}}, Header: http.Header{"X-A": {"b"}},
		}
		r.use(rigURL+"?c=d", opts, func(p *endpoint) { p.expect(text("hi")) })
		if !slices.Equal(opts.Transports, []string{"websocket", "polling"}) || len(opts.Query) != 1 || len(opts.Header) != 1 {
			t.Errorf("options are now %+v", opts)
		}
	})
}

func TestConformanceUnknownTransport(t *testing.T) {
	onRig(t, nil, func(t *testing.T, r *rig) {
		if _, err := r.dial(rigURL, only("pigeon")); err == nil || !strings.Contains(err.Error(), "pigeon") {
			t.Errorf("Dial: %v", err)
		}
		if n := r.net.Dials(); n > 0 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestConformanceTryAllTransports(t *testing.T) {
	deny := func(transport string) *Options {
		return &Options{AllowRequest: func(r *http.Request) error {
			if r.URL.Query().Get("transport") == transport {
				return &RequestError{Message: "denied"}
			}
			return nil
		}}
	}
	for _, c := range []struct{ first, second, message string }{
		{"websocket", "polling", "websocket error"},
		{"polling", "websocket", "xhr poll error"},
	} {
		t.Run(c.first, func(t *testing.T) {
			onRig(t, deny(c.first), func(t *testing.T, r *rig) {
				opts := DialOptions{Transports: []string{c.first, c.second}, DisableUpgrade: true}
				var failure *ClientError
				if _, err := r.dial(rigURL, opts); !errors.As(err, &failure) || failure.Message != c.message ||
					failure.Transport != c.first {
					t.Errorf("without TryAllTransports: %v", err)
				}
				opts.TryAllTransports = true
				r.use(rigURL, opts, func(p *endpoint) {
					p.expect(text("hi"))
					if p.socket.Transport() != c.second {
						t.Errorf("transport %s", p.socket.Transport())
					}
				})
			})
		})
	}
}

// TestConformanceUnknownSession: the error has what the server answered.
func TestConformanceUnknownSession(t *testing.T) {
	onRig(t, nil, func(t *testing.T, r *rig) {
		bodies := map[string]string{"polling": `{"code":1,"message":"Session ID unknown"}`, "websocket": "Session ID unknown"}
		for transport, message := range map[string]string{"polling": "xhr poll error", "websocket": "websocket error"} {
			opts := only(transport)
			opts.Query = url.Values{"sid": {"abc"}}
			_, err := r.dial(rigURL, opts)
			var failure *ClientError
			if !errors.As(err, &failure) || failure.Message != message || failure.Status != http.StatusBadRequest ||
				failure.Transport != transport {
				t.Errorf("%s: %v", transport, err)
				continue
			}
			if body := string(failure.Body); body != bodies[transport] {
				t.Errorf("%s: body %q", transport, body)
			}
			if !strings.Contains(err.Error(), `code 1, "Session ID unknown": `) {
				t.Errorf("%s: the text does not have the server's: %v", transport, err)
			}
		}
	})
}

// requests returns a Trace and a function for what was requested so far.
func requests() (*Trace, func() []*url.URL) {
	var mu sync.Mutex
	var urls []*url.URL
	return &Trace{Request: func(r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			u := *r.URL
			urls = append(urls, &u)
		}}, func() []*url.URL {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(urls)
		}
}

// TestConformanceAddresses: what is dialed and asked for, for each form of a URL.
func TestConformanceAddresses(t *testing.T) {
	for _, c := range []struct {
		url, addr, path string
		opts            DialOptions
	}{
		{url: "http://localhost", addr: "localhost:80", path: "/engine.io/"},
		{url: "http://localhost:80", addr: "localhost:80", path: "/engine.io/"},
		{url: "http://localhost:3000", addr: "localhost:3000", path: "/engine.io/"},
		{url: "ws://test", addr: "test:80", path: "/engine.io/"},
		{url: "ws://test:8080", addr: "test:8080", path: "/engine.io/"},
		{url: "http://[::1]", addr: "[::1]:80", path: "/engine.io/"},
		{url: "http://[::1]:8080", addr: "[::1]:8080", path: "/engine.io/"},
		{url: "http://[2001::7334:a]:81", addr: "[2001::7334:a]:81", path: "/engine.io/"},
		{url: "http://localhost", addr: "localhost:80", path: "/engine.io", opts: DialOptions{NoTrailingSlash: true}},
		{url: "http://localhost", addr: "localhost:80", path: "/other/", opts: DialOptions{Path: "/other"}},
		{url: "http://localhost/foo/bar?foo=bar", addr: "localhost:80", path: "/foo/bar/"},
	} {
		for _, transport := range []string{"polling", "websocket"} {
			t.Run(c.url+" "+transport, func(t *testing.T) {
				onRig(t, &Options{Path: "/", MatchPrefix: true}, func(t *testing.T, r *rig) {
					opts := c.opts
					opts.Transports = []string{transport}
					var asked func() []*url.URL
					opts.Trace, asked = requests()
					r.use(c.url, opts, func(p *endpoint) { p.expect(text("hi")) })
					if r.dialed[0] != c.addr {
						t.Errorf("dialed %s, want %s", r.dialed[0], c.addr)
					}
					u := asked()[0]
					if u.Path != c.path {
						t.Errorf("asked for %s, want %s", u, c.path)
					}
					q := u.Query()
					if q.Get("EIO") != "4" || q.Get("transport") != transport || q.Has("sid") ||
						strings.Contains(c.url, "?") != q.Has("foo") {
						t.Errorf("query %v", q)
					}
				})
			})
		}
	}
}

// TestConformanceSecureAddresses: a dial that fails says where it would have gone.
func TestConformanceSecureAddresses(t *testing.T) {
	for rawURL, want := range map[string]string{
		"https://localhost": "localhost:443", "wss://localhost": "localhost:443", "https://localhost:8443": "localhost:8443",
		"wss://localhost:2020": "localhost:2020", "https://[::1]": "[::1]:443",
	} {
		for _, transport := range []string{"polling", "websocket"} {
			opts := only(transport)
			refused := errors.New("no")
			var addr string
			opts.NetDial = func(_ context.Context, _, a string) (net.Conn, error) { addr = a; return nil, refused }
			opts.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
			_, err := Dial(t.Context(), rawURL, nil, &opts)
			if addr != want || !errors.Is(err, refused) {
				t.Errorf("%s of %s: dialed %s: %v", transport, rawURL, addr, err)
			}
		}
	}
}

func TestConformanceUselessURLs(t *testing.T) {
	for _, rawURL := range []string{"", "http://", "ftp://localhost", "http://localhost:port", "::", "http://a b/"} {
		opts := DialOptions{NetDial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("dialed")
		}}
		if _, err := Dial(t.Context(), rawURL, nil, &opts); err == nil || strings.Contains(err.Error(), "dialed") {
			t.Errorf("%q: %v", rawURL, err)
		}
	}
}

func TestConformanceTimestamps(t *testing.T) {
	for _, c := range []struct {
		name, transport, param string
		opts                   DialOptions
	}{
		{"polling", "polling", "t", DialOptions{}},
		{"polling, named", "polling", "woot", DialOptions{TimestampParam: "woot"}},
		{"polling, disabled", "polling", "", DialOptions{DisableTimestamp: true}},
		{"websocket", "websocket", "", DialOptions{}},
		{"websocket, enabled", "websocket", "woot", DialOptions{TimestampWebSocket: true, TimestampParam: "woot"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			onRig(t, nil, func(t *testing.T, r *rig) {
				opts := c.opts
				opts.Transports = []string{c.transport}
				var asked func() []*url.URL
				opts.Trace, asked = requests()
				r.use(rigURL, opts, func(p *endpoint) { p.expect(text("hi")) })
				seen := map[string]bool{}
				for _, u := range asked() {
					q := u.Query()
					if c.param == "" && q.Has("t") || c.param != "" && q.Get(c.param) == "" {
						t.Errorf("query %s", u.RawQuery)
					}
					if c.param != "" && seen[q.Get(c.param)] {
						t.Errorf("%s comes twice", u.RawQuery)
					}
					seen[q.Get(c.param)] = true
				}
			})
		})
	}
}

// countingTransport counts the requests of polling.
type countingTransport struct {
	http.RoundTripper
	n *atomic.Int32
}

func (c countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.RoundTripper.RoundTrip(r)
}

// TestConformanceOwnConnections: both transports use the dialer, and polling a client of the caller's.
func TestConformanceOwnConnections(t *testing.T) {
	onRig(t, nil, func(t *testing.T, r *rig) {
		for _, transport := range []string{"polling", "websocket"} {
			before := r.net.Dials()
			r.use(rigURL, only(transport), func(p *endpoint) { p.expect(text("hi")) })
			if r.net.Dials() == before {
				t.Errorf("%s does not use NetDial", transport)
			}
		}
		var n atomic.Int32
		tr := &http.Transport{DialContext: r.net.DialContext, MaxConnsPerHost: 2}
		defer tr.CloseIdleConnections()
		opts := only("polling")
		opts.HTTPClient = &http.Client{Transport: countingTransport{tr, &n}}
		p, err := r.dial(rigURL, opts)
		if err != nil {
			t.Fatal(err)
		}
		p.expect(text("hi"))
		p.socket.Close()
		<-p.socket.Done()
		if n.Load() < 2 {
			t.Errorf("%d requests with HTTPClient", n.Load())
		}
	})
}

func TestConformanceHeaders(t *testing.T) {
	onRig(t, nil, func(t *testing.T, r *rig) {
		for _, transport := range []string{"polling", "websocket"} {
			var got []http.Header
			var mu sync.Mutex
			r.front = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				mu.Lock()
				h := req.Header.Clone()
				h.Set("Host", req.Host)
				got = append(got, h)
				mu.Unlock()
				r.Server.ServeHTTP(w, req)
			})
			opts := only(transport)
			opts.Header = http.Header{"X-Custom-Header-For-My-Project": {"my-secret-access-token"}, "Cookie": {"a=b"},
				"Host": {"other.example"}}
			r.use(rigURL, opts, func(p *endpoint) {
				p.expect(text("hi"))
				p.send(text("x"))
				p.expect(text("x"))
			})
			for _, h := range got {
				if h.Get("X-Custom-Header-For-My-Project") != "my-secret-access-token" || h.Get("Cookie") != "a=b" ||
					h.Get("Host") != "other.example" {
					t.Errorf("%s: header %v", transport, h)
				}
			}
		}
	})
}

// TestConformanceCookies: those of the answers go with later requests, of the upgrade too, until they expire.
func TestConformanceCookies(t *testing.T) {
	for _, disabled := range []bool{false, true} {
		onRig(t, nil, func(t *testing.T, r *rig) {
			var mu sync.Mutex
			got := map[string]string{} // by method and transport
			r.front = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				q := req.URL.Query()
				if !q.Has("sid") {
					w.Header().Add("Set-Cookie", "1=1; Max-Age=86400")
					w.Header().Add("Set-Cookie", "2=2; HttpOnly; SameSite=strict; Path=/")
					w.Header().Add("Set-Cookie", "3=3; Max-Age=0")
					w.Header().Add("Set-Cookie", "4=4; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
					w.Header().Add("Set-Cookie", "5=bar=bar&foo=foo&John=Doe&Doe=John; Path=/; HttpOnly")
				} else {
					mu.Lock()
					got[req.Method+" "+q.Get("transport")] = req.Header.Get("Cookie")
					mu.Unlock()
				}
				r.Server.ServeHTTP(w, req)
			})
			upgraded := make(chan error, 1)
			opts := DialOptions{DisableCookies: disabled, Trace: &Trace{Upgrade: func(_ string, err error) { upgraded <- err }}}
			r.use(rigURL, opts, func(p *endpoint) {
				p.expect(text("hi"))
				<-upgraded
			})
			opts = only("polling")
			opts.DisableCookies = disabled
			r.use(rigURL, opts, func(p *endpoint) {
				p.send(text("x"))
				p.expect(text("hi"), text("x"))
			})
			for _, request := range []string{"GET polling", "POST polling", "GET websocket"} {
				cookies := strings.Split(got[request], "; ")
				slices.Sort(cookies)
				want := []string{"1=1", "2=2", "5=bar=bar&foo=foo&John=Doe&Doe=John"}
				if disabled {
					want = []string{""}
				}
				if _, ok := got[request]; !ok || !slices.Equal(cookies, want) {
					t.Errorf("%s (disabled: %v): cookies %q, want %q", request, disabled, cookies, want)
				}
			}
		})
	}
}

// TestConformanceUserInfo: the name and password of a URL go along as basic authentication, and into no log or error.
func TestConformanceUserInfo(t *testing.T) {
	onRig(t, nil, func(t *testing.T, r *rig) {
		for _, transport := range []string{"polling", "websocket"} {
			var mu sync.Mutex
			var got []string
			r.front = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				user, password, _ := req.BasicAuth()
				mu.Lock()
				got = append(got, user+" "+password)
				mu.Unlock()
				r.Server.ServeHTTP(w, req)
			})
			r.use("http://foo:secret@server.example", only(transport), func(p *endpoint) { p.expect(text("hi")) })
			for _, auth := range got {
				if auth != "foo secret" {
					t.Errorf("%s: authentication %q", transport, auth)
				}
			}
			r.front = http.NotFoundHandler()
			if _, err := r.dial("http://foo:secret@server.example", only(transport)); err == nil ||
				strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v", transport, err)
			}
		}
	})
}
