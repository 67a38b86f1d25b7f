package websocket

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"syscall"
	"testing"
	"time"
)

// options reads back what Tune has set.
func options(t *testing.T, nc *net.TCPConn) (unsent, ms int) {
	t.Helper()
	raw, err := nc.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		unsent, _ = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotsentLowat)
		ms, _ = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout)
	})
	return unsent, ms
}

// Connections are tuned through what wraps them, as far as that can be looked into.
func TestTune(t *testing.T) {
	type embedding struct{ *net.TCPConn }
	for name, wrap := range map[string]func(*net.TCPConn) net.Conn{
		"tcp":     func(c *net.TCPConn) net.Conn { return c },
		"tls":     func(c *net.TCPConn) net.Conn { return tls.Server(c, nil) },
		"embeds":  func(c *net.TCPConn) net.Conn { return embedding{c} },
		"both":    func(c *net.TCPConn) net.Conn { return tls.Server(embedding{c}, nil) },
		"tls^2":   func(c *net.TCPConn) net.Conn { return tls.Client(tls.Client(c, nil), nil) },
		"opaque":  func(c *net.TCPConn) net.Conn { return struct{ net.Conn }{c} },
		"opaque2": func(c *net.TCPConn) net.Conn { return tls.Server(struct{ net.Conn }{c}, nil) },
	} {
		a, b := tcpPair(t)
		Tune(wrap(a.(*net.TCPConn)), 45*time.Second)
		unsent, ms := options(t, a.(*net.TCPConn))
		want, wantMS := unsentMost, 45_000
		if name == "opaque" || name == "opaque2" {
			want, wantMS = unsent, 0
		}
		if unsent != want || ms != wantMS {
			t.Errorf("%s: %d bytes, %d ms", name, unsent, ms)
		}
		a.Close()
		b.Close()
	}
}

// Upgrade tunes what it takes over.
func TestUpgradeTunes(t *testing.T) {
	got := make(chan [2]int, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Upgrade(w, r, &Options{UserTimeout: 20 * time.Second})
		if err != nil {
			t.Error(err)
			got <- [2]int{}
			return
		}
		unsent, ms := options(t, c.NetConn().(*net.TCPConn))
		c.Abort()
		got <- [2]int{unsent, ms}
	}))
	defer s.Close()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := Dial(t.Context(), u, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Abort()
	if g := <-got; g != [2]int{unsentMost, 20_000} {
		t.Errorf("%d bytes, %d ms", g[0], g[1])
	}
}
