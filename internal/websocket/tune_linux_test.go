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
func options(t *testing.T, nc *net.TCPConn) (unsent, ms, unread int) {
	t.Helper()
	raw, err := nc.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		unsent, _ = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotsentLowat)
		ms, _ = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout)
		unread, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
	})
	return unsent, ms, unread / 2 // Linux doubles it, for what is around the bytes
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
		unsent0, _, unread0 := options(t, a.(*net.TCPConn))
		Tune(wrap(a.(*net.TCPConn)), 45*time.Second, -1)
		unsent, ms, unread := options(t, a.(*net.TCPConn))
		opaque := name == "opaque" || name == "opaque2"
		want, wantMS := unsentMost, 45_000
		if opaque {
			want, wantMS = unsent0, 0
		}
		if unsent != want || ms != wantMS || unread != unread0 {
			t.Errorf("%s: %d bytes, %d ms, %d bytes", name, unsent, ms, unread)
		}
		for _, most := range []int{0, 50_000} {
			Tune(wrap(a.(*net.TCPConn)), 0, most)
			want := most
			if most == 0 {
				want = 128 << 10
			}
			if opaque {
				want = unread0
			}
			if _, _, unread := options(t, a.(*net.TCPConn)); unread != want {
				t.Errorf("%s: %d bytes are kept of %d", name, unread, most)
			}
		}
		a.Close()
		b.Close()
	}
}

// Upgrade tunes what it takes over.
func TestUpgradeTunes(t *testing.T) {
	got := make(chan [3]int, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := Upgrade(w, r, &Options{UserTimeout: 20 * time.Second, MaxUnread: 60_000})
		if err != nil {
			t.Error(err)
			got <- [3]int{}
			return
		}
		unsent, ms, unread := options(t, c.NetConn().(*net.TCPConn))
		c.Abort()
		got <- [3]int{unsent, ms, unread}
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
	if g := <-got; g != [3]int{unsentMost, 20_000, 60_000} {
		t.Errorf("%d bytes, %d ms, %d bytes", g[0], g[1], g[2])
	}
}
