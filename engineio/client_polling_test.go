package engineio

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// open dials a script.
func (s *script) open(o *DialOptions) *endpoint {
	s.t.Helper()
	p, err := dialEndpoint(s.t, "http://server", o)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// TestClientBatches: what a POST holds obeys the server's maxPayload, to the byte. A message beyond it goes alone.
func TestClientBatches(t *testing.T) {
	for _, test := range []struct{ sizes, bodies string }{
		{"99 1", "100 2"},
		{"49 48", "100"},
		{"49 49", "50 50"},
		{"150 1 1", "151 5"},
		{"1 150 1", "2 151 2"},
		{"b72", "97"}, {"b72 1", "100"}, {"b72 2", "97 3"},
	} {
		scripted(t, answerPolling, func(t *testing.T, s *script) {
			p := s.open(s.options("polling"))
			for _, size := range strings.Fields(test.sizes) {
				var n int
				digits, binary := strings.CutPrefix(size, "b")
				fmt.Sscan(digits, &n)
				p.socket.Send(SendOptions{Defer: true}, Prepare(Message{Binary: binary, Data: bytes.Repeat([]byte{'x'}, n)}))
			}
			p.socket.Flush()
			p.alive()
			var got []string
			for _, b := range s.bodies() {
				got = append(got, fmt.Sprint(len(b)))
			}
			if g := strings.Join(got, " "); g != test.bodies {
				t.Errorf("messages of %s were sent as %s, want %s", test.sizes, g, test.bodies)
			}
			p.socket.Close()
			p.want(ForcedClose)
		})
	}
}

// TestClientOnePost: while a POST is under way others wait, and then go together. The script checks that there is one
// only.
func TestClientOnePost(t *testing.T) {
	next := make(chan bool)
	scripted(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && next != nil {
			<-next
		}
		answerPolling(w, r)
	}, func(t *testing.T, s *script) {
		next = make(chan bool)
		p := s.open(s.options("polling"))
		for i := range 20 {
			if err := p.socket.Send(SendOptions{}, text(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				p.alive()
			}
		}
		p.socket.Send(SendOptions{Volatile: true}, text("dropped"))
		close(next)
		p.alive()
		p.socket.Send(SendOptions{Volatile: true}, text("sent"))
		p.alive()
		got := s.bodies()
		if len(got) != 3 || got[0] != "40" || !strings.HasPrefix(got[1], "41\x1e42\x1e") ||
			!strings.HasSuffix(got[1], "\x1e419") || got[2] != "4sent" {
			t.Errorf("posted %q", got)
		}
		p.socket.Close()
		p.want(ForcedClose)
	})
}

// TestClientPollingEnds: each way that polling can end, with its reason.
func TestClientPollingEnds(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	cut := func(before string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if before != "" {
				w.Header().Set("Content-Length", "100")
				io.WriteString(w, before)
				w.(http.Flusher).Flush()
			}
			c, _, _ := http.NewResponseController(w).Hijack()
			c.Close()
		}
	}
	for name, test := range map[string]struct {
		get, post http.HandlerFunc
		reason    Reason
		message   string // of a ClientError
		status    int
		farewell  bool
	}{
		"close packet":    {get: answer(200, "1"), reason: TransportClose},
		"no packet":       {get: answer(200, "abc"), reason: ParseError, farewell: true},
		"empty":           {get: answer(200, ""), reason: ParseError, farewell: true},
		"bad base64":      {get: answer(200, "4ok\x1eb!!!"), reason: ParseError, farewell: true},
		"bad UTF-8":       {get: answer(200, "4\xff"), reason: ParseError, farewell: true},
		"unknown session": {get: answer(400, `{"code":1}`), reason: TransportError, message: "xhr poll error", status: 400},
		"redirect": {get: http.RedirectHandler("/elsewhere", http.StatusFound).ServeHTTP, reason: TransportError,
			message: "xhr poll error", status: http.StatusFound},
		"no content":      {get: answer(204, ""), reason: TransportError, message: "xhr poll error", status: 204},
		"cut":             {get: cut(""), reason: TransportError, message: "xhr poll error"},
		"cut in the body": {get: cut("4hello"), reason: TransportError, message: "xhr poll error", status: 200},
		"POST refused":    {post: answer(413, ""), reason: TransportError, message: "xhr post error", status: 413},
		"POST to a portal": {post: answer(200, "<html>Sign in</html>"), reason: TransportError, message: "xhr post error",
			status: 200},
		"POST cut": {post: cut(""), reason: TransportError, message: "xhr post error"},
		"POST answer dribs": {post: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(500)
			w.(http.Flusher).Flush()
			hang(r)
		}, reason: TransportError, message: "xhr post error", status: 500},
	} {
		t.Run(name, func(t *testing.T) {
			scripted(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case first(r):
					io.WriteString(w, openPolling)
				case r.Method == http.MethodPost && test.post != nil:
					test.post(w, r)
				case r.Method == http.MethodGet && test.get != nil:
					test.get(w, r)
				default:
					answerPolling(w, r)
				}
			}, func(t *testing.T, s *script) {
				p := s.open(s.options("polling"))
				if test.post != nil {
					p.socket.Send(SendOptions{}, text("a"))
				}
				p.want(test.reason)
				var ce *ClientError
				if errors.As(p.err, &ce) != (test.message != "") || ce != nil &&
					(ce.Message != test.message || ce.Status != test.status) {
					t.Errorf("error %v", p.err)
				}
				if got := strings.Join(s.bodies(), "|"); test.post == nil && (got == "1") != test.farewell {
					t.Errorf("posted %q", got)
				}
				for _, r := range s.requests[1:] {
					if r.URL.Path != "/engine.io/" || r.URL.Query().Get("sid") != "x" {
						t.Errorf("request for %s", r.URL)
					}
				}
				if err := p.socket.Send(SendOptions{}, text("late")); err != ErrClosed {
					t.Errorf("Send: %v", err)
				}
			})
		})
	}
}

// endless is an answer without an end.
func endless(w http.ResponseWriter, start string) {
	io.WriteString(w, start)
	chunk := bytes.Repeat([]byte{'x'}, 32<<10)
	for {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// TestClientBoundedAnswers: an answer is cut at MaxPayload, compressed or not, announced or not.
func TestClientBoundedAnswers(t *testing.T) {
	bomb := new(bytes.Buffer)
	z := gzip.NewWriter(bomb)
	z.Write([]byte("4"))
	for range 80 {
		z.Write(make([]byte, 100<<10))
	}
	z.Close()
	for name, handle := range map[string]func(w http.ResponseWriter, start string){
		"endless": endless,
		"announced": func(w http.ResponseWriter, start string) {
			w.Header().Set("Content-Length", "1000000000000")
			endless(w, start)
		},
		"bomb": func(w http.ResponseWriter, start string) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(bomb.Bytes())
		},
	} {
		t.Run(name, func(t *testing.T) {
			scripted(t, func(w http.ResponseWriter, r *http.Request) { handle(w, "0") }, func(t *testing.T, s *script) {
				o := s.options("polling")
				o.MaxPayload = 1 << 20
				if e := s.refused(o); e.Message != "xhr poll error" || !errors.Is(e, errTooBig) {
					t.Errorf("handshake: %v", e)
				}
			})
			scripted(t, func(w http.ResponseWriter, r *http.Request) {
				if first(r) || r.Method == http.MethodPost {
					answerPolling(w, r)
					return
				}
				handle(w, "4")
			}, func(t *testing.T, s *script) {
				o := s.options("polling")
				o.MaxPayload = 1 << 20
				p := s.open(o)
				p.want(TransportError)
				if !errors.Is(p.err, errTooBig) {
					t.Error(p.err)
				}
			})
		})
	}
	t.Run("just fits", func(t *testing.T) {
		sent := false
		scripted(t, func(w http.ResponseWriter, r *http.Request) {
			if !first(r) && r.Method == http.MethodGet && !sent {
				sent = true
				w.Header().Set("Content-Encoding", "gzip")
				z := gzip.NewWriter(w)
				io.WriteString(z, "4"+strings.Repeat("x", 999))
				z.Close()
				return
			}
			answerPolling(w, r)
		}, func(t *testing.T, s *script) {
			o := s.options("polling")
			o.MaxPayload = 1000
			p := s.open(o)
			p.alive()
			if n := len(p.texts()); n != 999 {
				t.Errorf("got %d bytes", n)
			}
			p.socket.Close()
			p.want(ForcedClose)
		})
	})
}

// TestClientEndlessHeader: the header of an answer is bounded, too.
func TestClientEndlessHeader(t *testing.T) {
	scripted(t, func(w http.ResponseWriter, r *http.Request) {
		for i := range 5000 {
			w.Header().Add(fmt.Sprint("X-", i), strings.Repeat("x", 100))
		}
		io.WriteString(w, openPolling)
	}, func(t *testing.T, s *script) {
		if e := s.refused(s.options("polling")); e.Message != "xhr poll error" {
			t.Error(e)
		}
	})
}

// TestClientRequestTimeout: it is for each request.
func TestClientRequestTimeout(t *testing.T) {
	slow := func(w http.ResponseWriter, r *http.Request) { hang(r) }
	scripted(t, slow, func(t *testing.T, s *script) {
		o := s.options("polling")
		o.RequestTimeout = time.Second
		start := time.Now()
		if e := s.refused(o); !errors.Is(e, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", e, time.Since(start))
		}
	})
	scripted(t, answerPolling, func(t *testing.T, s *script) {
		o := s.options("polling")
		o.RequestTimeout = time.Second
		p := s.open(o)
		start := time.Now()
		p.want(TransportError)
		if !errors.Is(p.err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", p.err, time.Since(start))
		}
	})
}

// TestClientRedirects: those that the user's client follows take nothing of ours to another origin.
func TestClientRedirects(t *testing.T) {
	for _, target := range []string{"http://elsewhere/stolen", "https://server/stolen", "file:///etc/passwd", "/stolen",
		"/engine.io/?loop=1"} {
		scripted(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/stolen" && r.Host != "server" {
				for name := range r.Header {
					switch name {
					case "User-Agent", "Accept-Encoding": // net/http's own
					default:
						t.Errorf("%s took %s along", target, name)
					}
				}
			}
			if r.URL.Path == "/stolen" {
				io.WriteString(w, "no handshake")
				return
			}
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "secret"})
			http.Redirect(w, r, target, http.StatusTemporaryRedirect)
		}, func(t *testing.T, s *script) {
			o := s.options("polling")
			o.Header = http.Header{"Authorization": {"secret"}, "X-Token": {"secret"}, "Cookie": {"a=secret"}}
			if e := s.refused(o); e.Status != http.StatusTemporaryRedirect || len(s.requests) != 1 {
				t.Errorf("followed to %s: %v", target, e)
			}
			followed := 0
			o.HTTPClient = &http.Client{
				Transport: &http.Transport{DialContext: s.net.DialContext},
				CheckRedirect: func(r *http.Request, via []*http.Request) error {
					followed++
					if len(via) > 3 {
						return errors.New("enough")
					}
					return nil
				},
			}
			s.refused(o)
			if followed == 0 {
				t.Errorf("not followed to %s", target)
			}
			o.HTTPClient.CloseIdleConnections()
		})
	}
}

// TestClientCookies: the session's jar takes what a server may set, in reasonable amounts, and the WebSocket gets it
// as well.
func TestClientCookies(t *testing.T) {
	scripted(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case first(r):
			h := w.Header()
			for _, c := range []string{
				"sticky=a", "other=b; Domain=other.example", "mine=c; Domain=server", "secure=d; Secure", "gone=e; Max-Age=0",
				"old=f; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "soon=g; Max-Age=60", "odd=h; Expires=nonsense",
				"elsewhere=i; Path=/x",
				"nothing", "=empty", "sticky=z",
			} {
				h.Add("Set-Cookie", c)
			}
			io.WriteString(w, openUpgrade)
		case r.Header.Get("Upgrade") != "":
			w.WriteHeader(http.StatusBadRequest)
		default:
			answerPolling(w, r)
		}
	}, func(t *testing.T, s *script) {
		o := s.options()
		o.Header = http.Header{"Cookie": {"own=1"}}
		p := s.open(o)
		p.alive()
		<-time.After(2 * time.Minute / 4)
		const all = "own=1; mine=c; soon=g; odd=h; elsewhere=i; sticky=z"
		seen := 0
		for _, r := range s.requests[1:] {
			if got := strings.Join(r.Header["Cookie"], "; "); got != all {
				t.Errorf("%s %s: cookies %q", r.Method, r.URL, got)
			}
			if r.Header.Get("Upgrade") != "" {
				seen++
			}
		}
		if seen != 1 {
			t.Errorf("%d WebSocket handshakes", seen)
		}
		p.socket.Close()
		p.want(ForcedClose)
	})
}

func TestCookieJar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u, _ := url.Parse("https://server:8080/engine.io/")
		j := &cookieJar{host: "server:8080", secure: true}
		for i := range 1000 {
			j.SetCookies(u, []*http.Cookie{{Name: fmt.Sprint("c", i), Value: "x"},
				{Name: fmt.Sprint("big", i), Value: strings.Repeat("x", maxCookieSize)}})
		}
		if got := j.Cookies(u); len(got) != maxCookies || got[maxCookies-1].Name != "c999" {
			t.Errorf("%d cookies are kept", len(got))
		}
		for _, s := range []string{"http://server:8080/", "https://server/", "https://other:8080/"} {
			other, _ := url.Parse(s)
			j.SetCookies(other, []*http.Cookie{{Name: "stranger", Value: "x"}})
			if got := j.Cookies(other); len(got) != 0 {
				t.Errorf("%s gets %d cookies", s, len(got))
			}
		}
		ip, _ := url.Parse("http://127.0.0.1/")
		j = &cookieJar{host: "127.0.0.1"}
		j.SetCookies(ip, []*http.Cookie{{Name: "a", Domain: "0.0.1"}, {Name: "b", Domain: "127.0.0.1"}})
		if got := fmt.Sprint(j.Cookies(ip)); got != "[b=]" {
			t.Errorf("%s are kept", got)
		}
		j = &cookieJar{host: "server:8080", secure: true}
		j.SetCookies(u, []*http.Cookie{{Name: "a", Value: "1", MaxAge: 10}, {Name: "b", Value: "2", Secure: true},
			{Name: "c", Value: "3", MaxAge: math.MaxInt}})
		<-time.After(11 * time.Second)
		if got := fmt.Sprint(j.Cookies(u)); got != "[b=2 c=3]" {
			t.Errorf("left: %s", got)
		}
	})
}

// TestClientHTTPClient: a client of the user's is used with what it has, and not changed; its connections stay.
func TestClientHTTPClient(t *testing.T) {
	scripted(t, answerPolling, func(t *testing.T, s *script) {
		jar := &cookieJar{host: "server"}
		transport := &http.Transport{DialContext: s.net.DialContext}
		client := &http.Client{Transport: transport, Jar: jar, Timeout: time.Second}
		p := s.open(&DialOptions{Transports: []string{"polling"}, HTTPClient: client})
		<-time.After(5 * time.Second)
		p.alive() // Timeout would have ended the GET
		if client.CheckRedirect != nil || client.Timeout != time.Second {
			t.Error("the client was changed")
		}
		p.socket.Close()
		p.want(ForcedClose)
		<-time.After(time.Second) // for the server to see that the GET is over
		dials := s.net.Dials()
		res, err := client.Get("http://server/")
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if s.net.Dials() != dials {
			t.Error("the idle connections of the user's client were closed")
		}
		transport.CloseIdleConnections()
	})
}

// TestClientHTTPClientDials: the WebSocket takes the dialer of the user's client, unless it is told otherwise.
func TestClientHTTPClientDials(t *testing.T) {
	bubble(t, nil, func(t *testing.T, e *env) {
		var proxied atomic.Int32
		transport := &http.Transport{DialContext: e.net.DialContext,
			Proxy: func(*http.Request) (*url.URL, error) { proxied.Add(1); return nil, nil }}
		client := &http.Client{Transport: transport}
		for _, o := range []*DialOptions{
			{HTTPClient: client},
			{HTTPClient: client, Transports: []string{"websocket"}},
			{HTTPClient: &http.Client{}, Transports: []string{"websocket"}, NetDial: e.net.DialContext},
		} {
			p := e.join(o)
			<-time.After(time.Second)
			if got := p.socket.Transport(); got != "websocket" {
				t.Errorf("transport %s", got)
			}
			p.socket.Close()
			p.want(ForcedClose)
		}
		if n := proxied.Load(); n < 4 {
			t.Errorf("the proxy was asked for %d times", n)
		}
		transport.CloseIdleConnections()
	})
}
