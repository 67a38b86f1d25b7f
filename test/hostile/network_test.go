package hostile

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
)

// stranger is an address that nobody may talk to.
func stranger(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends with the test
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Errorf("the client has connected to a stranger")
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return l.Addr().String()
}

// redirect is one by the server to the target.
func redirect(status int, target string) string {
	return fmt.Sprintf("HTTP/1.1 %d Moved\r\nLocation: %s\r\nSet-Cookie: moved=1\r\nContent-Length: 0\r\n\r\n",
		status, target)
}

// TestRedirects is row N-5: none is followed, wherever it leads and whatever it comes to.
func TestRedirects(t *testing.T) {
	other := stranger(t)
	targets := []string{
		"/socket.io/?EIO=4&transport=polling", "http://" + other + "/socket.io/",
		"//" + other + "/", "https://" + other + "/", "ws://" + other + "/",
		"file:///etc/passwd", "javascript:alert(1)", "", "http://user:secret@" + other + "/",
		"\x00", "http://[::1", strings.Repeat("/", 10_000),
	}
	for i, target := range targets {
		for _, status := range []int{301, 302, 303, 307, 308} {
			r := row{id: "N-5", refuse: fmt.Sprintf("status %d", status), begin: func(e *env) {
				e.srv.instead(func(c *conn, _ *http.Request) { _ = c.say(redirect(status, target)) })
			}}
			if target == "\x00" || strings.Contains(target, "[") { // net/http has a word to say
				r.refuse = "error"
			}
			for _, transport := range both {
				if status != 302 && i > 1 {
					continue
				}
				t.Run(fmt.Sprintf("%d-%d/%s", i, status, transport), func(t *testing.T) { runRow(t, r, transport) })
			}
			if status == 302 || status == 307 {
				t.Run(fmt.Sprintf("%d-%d/later", i, status),
					func(t *testing.T) { runRow(t, laterRedirect(status, target, http.MethodGet), "polling") })
				t.Run(fmt.Sprintf("%d-%d/post", i, status),
					func(t *testing.T) { runRow(t, laterRedirect(status, target, http.MethodPost), "polling") })
			}
		}
	}
}

// laterRedirect is one in the middle of a session.
func laterRedirect(status int, target, method string) row {
	return row{reason: client.ReasonTransportError, run: func(e *env, s *session) {
		if method == http.MethodGet {
			s.text(redirect(status, target))
			return
		}
		e.srv.mu.Lock()
		e.srv.refuse = redirect(status, target)
		e.srv.mu.Unlock()
		if err := e.s.Emit("secret", "never to be sent again"); err != nil {
			e.Error(err)
		}
	}, any: true}
}

// TestRedirectsThatAreWanted: a user who follows them does not take the server's headers and cookies along.
func TestRedirectsThatAreWanted(t *testing.T) {
	var seen http.Header
	second := listen(t)
	second.take = func(_ *conn, r *http.Request) bool {
		seen = r.Header.Clone()
		return false
	}
	first := listen(t)
	first.take = func(c *conn, r *http.Request) bool {
		if r.Header.Get("Authorization") == "" || r.Header.Get("X-Token") == "" {
			t.Errorf("headers are missing: %v", r.Header)
		}
		_ = c.say(redirect(307, second.url()+r.URL.String()))
		return true
	}
	opts := &client.Options{DisableReconnection: true}
	opts.Engine.Transports = polling
	opts.Engine.Header = http.Header{"Authorization": {"Bearer secret"}, "X-Token": {"secret"}, "Cookie": {"a=secret"}}
	hc := &http.Client{Transport: &http.Transport{},
		CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
	defer hc.CloseIdleConnections()
	opts.Engine.HTTPClient = hc
	m := client.NewManager(first.url(), opts)
	s := m.Socket("/", nil)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Connect(ctx); err == nil { // the session is at the second, but its requests go to the first
		t.Log("connected by way of redirects")
	}
	shutdown(t, m)
	if len(seen) == 0 {
		t.Fatal("the redirect was not followed")
	}
	for name, values := range seen {
		if strings.Contains(strings.Join(values, ""), "secret") {
			t.Errorf("the other host was told %s", name)
		}
	}
}

// TestRedirectToPlain: nor is one from https to http followed.
func TestRedirectToPlain(t *testing.T) {
	other := stranger(t)
	hs := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+other+"/socket.io/", http.StatusFound)
	}))
	defer hs.Close()
	for _, transport := range both {
		opts := &client.Options{}
		opts.Engine.Transports = []string{transport}
		opts.Engine.TLS = hs.Client().Transport.(*http.Transport).TLSClientConfig
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, err := client.Dial(ctx, hs.URL, opts)
		cancel()
		var failure *engineio.ClientError
		if !errors.As(err, &failure) || failure.Status != http.StatusFound {
			t.Errorf("%s: %v", transport, err)
		}
	}
}

// TestCookies is row N-6: what a server sets is bounded, and only what is for it comes back.
func TestCookies(t *testing.T) {
	var set strings.Builder
	for i := range 2000 { // 60 KB, nearly all that a header may be
		fmt.Fprintf(&set, "Set-Cookie: flood%d=%s\r\n", i, "xxxxxxxx")
	}
	odd := "Set-Cookie: good=1; Path=/; HttpOnly\r\n" +
		"Set-Cookie: other=1; Domain=evil.example\r\n" +
		"Set-Cookie: parent=1; Domain=0.0.1\r\n" +
		"Set-Cookie: secure=1; Secure\r\n" +
		"Set-Cookie: past=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT\r\n" +
		"Set-Cookie: gone=1; Max-Age=-1\r\n" +
		"Set-Cookie: zero=1; Max-Age=0\r\n" +
		"Set-Cookie: huge=1; Max-Age=99999999999999999999\r\n" +
		"Set-Cookie: odd=1; Expires=the day before yesterday\r\n" +
		"Set-Cookie: long=" + strings.Repeat("x", 5000) + "\r\n" +
		"Set-Cookie: =nameless\r\nSet-Cookie:\r\nSet-Cookie: ;;;\r\nSet-Cookie: a b=c\r\n"
	for _, transport := range both {
		for name, headers := range map[string]string{"flood": set.String(), "odd": odd} {
			t.Run(name+"/"+transport, func(t *testing.T) { cookies(t, transport, headers, name == "odd") })
		}
	}
}

func cookies(t *testing.T, transport, headers string, odd bool) {
	e := start(t, row{}, transport)
	e.opts.Engine.Transports = nil // a WebSocket gets its cookies from the polling that it began with
	if transport == "polling" {
		e.opts.Engine.DisableUpgrade = true
	}
	e.m = client.NewManager(e.srv.url(), e.opts)
	e.s = e.m.Socket("/", nil)
	var mu sync.Mutex
	sent := make(map[string]bool)
	longest := 0
	e.srv.decorate = func(text string) string {
		return strings.Replace(text, "\r\n", "\r\n"+headers, 1)
	}
	asked := make(chan struct{}, 100)
	e.srv.take = func(_ *conn, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		longest = max(longest, len(r.Header.Get("Cookie")))
		for _, c := range r.Cookies() {
			sent[c.Name] = true
		}
		if r.URL.Query().Get("transport") == transport && r.URL.Query().Get("sid") != "" {
			asked <- struct{}{}
		}
		return false
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := e.s.Connect(ctx); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := echo(e.s); err != nil {
			t.Fatal(err)
		}
	}
	<-asked
	shutdown(t, e.m)
	mu.Lock()
	defer mu.Unlock()
	if longest > 8<<10 || len(sent) > 100 {
		t.Errorf("%d cookies, and a header of %d bytes", len(sent), longest)
	}
	if !odd {
		return
	}
	if !sent["good"] {
		t.Errorf("sent %v", sent)
	}
	for _, name := range []string{"other", "parent", "secure", "past", "gone", "zero", "long"} {
		if sent[name] {
			t.Errorf("the cookie %s was sent back", name)
		}
	}
}

// TestProxies is row N-11. The proxy is a server that says what the target would.
func TestProxies(t *testing.T) {
	const user, password = "proxyuser", "proxysecret"
	right := "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	for _, transport := range both {
		for _, scheme := range []string{"http", "socks5"} {
			for _, known := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/%s/%v", scheme, transport, known), func(t *testing.T) {
					e := start(t, row{}, transport)
					e.srv.mu.Lock()
					if scheme == "socks5" {
						e.srv.greet = func(c *conn) bool { return socksProxy(c, user, password) }
					} else {
						e.srv.take = func(c *conn, r *http.Request) bool { return httpProxy(c, r, right) }
					}
					e.srv.mu.Unlock()
					proxy := &url.URL{Scheme: scheme, Host: e.srv.l.Addr().String(),
						User: url.UserPassword(user, password)}
					if !known {
						proxy.User = url.UserPassword(user, "wrong"+password)
					}
					e.opts.DisableReconnection = true
					e.opts.Engine.Proxy = func(*http.Request) (*url.URL, error) { return proxy, nil }
					e.m = client.NewManager("http://target.example:1234", e.opts)
					e.s = e.m.Socket("/", nil)
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					err := e.s.Connect(ctx)
					if (err == nil) != known {
						t.Fatalf("Connect: %v", err)
					}
					if known {
						err = echo(e.s)
					}
					if err != nil && (known || strings.Contains(err.Error(), "secret")) {
						t.Errorf("error: %v", err)
					}
					shutdown(t, e.m)
					e.mu.Lock()
					defer e.mu.Unlock()
					if text := e.logs.String(); strings.Contains(text, "secret") || strings.Contains(text, right[6:]) {
						t.Errorf("logged: %s", text)
					}
				})
			}
		}
	}
}

// httpProxy reports whether it has answered a request to a proxy, because it is CONNECT or because the user is unknown.
func httpProxy(c *conn, r *http.Request, right string) bool {
	if r.Method != http.MethodConnect && r.URL.Host == "" {
		return false // through the tunnel
	}
	switch {
	case r.Header.Get("Proxy-Authorization") != right:
		_ = c.say("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"" +
			r.Header.Get("Proxy-Authorization") +
			"\"\r\nContent-Length: 0\r\n\r\n")
		return true
	case r.Method != http.MethodConnect:
		return false
	}
	_ = c.say("HTTP/1.1 200 Go ahead\r\n\r\n")
	c.srv.serve(c)
	return true
}

// socksProxy reports whether a client of SOCKS 5 (RFC 1928, RFC 1929) may go on.
func socksProxy(c *conn, user, password string) bool {
	read := func(n int) []byte {
		b := make([]byte, n)
		_, _ = io.ReadFull(c.in, b) // what follows is wrong then
		return b
	}
	read(int(read(2)[1]))
	_ = c.say("\x05\x02")
	name := string(read(int(read(2)[1])))
	if word := string(read(int(read(1)[0]))); name != user || word != password {
		_ = c.say("\x01\x01")
		return false
	}
	_ = c.say("\x01\x00")
	switch head := read(4); head[3] {
	case 1:
		read(4 + 2)
	case 3:
		read(int(read(1)[0]) + 2)
	}
	return c.say("\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00") == nil
}

// TestProxyFromEnvironment is the rest of N-11, in a process of its own, as net/http reads the environment once.
func TestProxyFromEnvironment(t *testing.T) {
	if addr := os.Getenv("HOSTILE_TARGET"); addr != "" {
		proxiedChild(t, addr)
		return
	}
	for name, c := range map[string]struct {
		none  string // NO_PROXY
		asked bool   // the proxy is
	}{
		"proxy": {"", true}, "exempt": {"other.example,.target.example", false}, "all": {"*", false},
	} {
		t.Run(name, func(t *testing.T) {
			srv, proxy := listen(t), listen(t)
			var mu sync.Mutex
			asked := 0
			proxy.mu.Lock() // another process comes
			proxy.greet = func(*conn) bool {
				mu.Lock()
				defer mu.Unlock()
				asked++
				return true
			}
			proxy.take = func(c *conn, r *http.Request) bool {
				return httpProxy(c, r, "Basic "+base64.StdEncoding.EncodeToString([]byte("user:secret")))
			}
			proxy.mu.Unlock()
			cmd := exec.Command(os.Args[0], "-test.run=^TestProxyFromEnvironment$", "-test.v")
			cmd.Env = append(slices.DeleteFunc(os.Environ(),
				func(v string) bool { return strings.Contains(strings.ToLower(v), "_proxy=") }),
				"HOSTILE_TARGET="+srv.l.Addr().String(),
				"HTTP_PROXY=http://user:secret@"+proxy.l.Addr().String(), "NO_PROXY="+c.none)
			out, err := cmd.CombinedOutput()
			if err != nil || strings.Contains(string(out), "secret") {
				t.Errorf("%v\n%s", err, out)
			}
			mu.Lock()
			defer mu.Unlock()
			if (asked > 0) != c.asked {
				t.Errorf("the proxy was asked %d times", asked)
			}
		})
	}
}

// proxiedChild connects to a name that only this dialer, and the proxy, know.
func proxiedChild(t *testing.T, addr string) {
	for _, transport := range both {
		opts := &client.Options{}
		opts.Engine.Transports = []string{transport}
		opts.Engine.NetDial = func(ctx context.Context, network, to string) (net.Conn, error) {
			if strings.HasPrefix(to, "www.target.example:") {
				to = addr
			}
			return new(net.Dialer).DialContext(ctx, network, to)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		s, err := client.Dial(ctx, "http://www.target.example:1234", opts)
		if err != nil {
			t.Errorf("%s: %v", transport, err)
			continue
		}
		if err := echo(s); err != nil {
			t.Error(err)
		}
		shutdown(t, s.Manager())
	}
}
