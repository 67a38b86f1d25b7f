package engineio

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"
)

// Connections of polling, and of TLS, have the kernel's limits too when ConnContext is asked to, but for what they
// receive, which may be an upload to another handler.
func TestConnContext(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		s := NewServer(nil, &Options{PingInterval: 20 * time.Second, PingTimeout: 10 * time.Second})
		got := make(chan [3]int, 1)
		h := httptest.NewUnstartedServer(http.NotFoundHandler())
		h.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
			tuned := c
			if t, ok := c.(interface{ NetConn() net.Conn }); ok {
				c = t.NetConn()
			}
			raw, err := c.(syscall.Conn).SyscallConn()
			if err != nil {
				t.Error(err)
			}
			var o [3]int
			received := func(fd uintptr) int {
				n, _ := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF)
				return n
			}
			raw.Control(func(fd uintptr) { o[2] = -received(fd) })
			ctx = s.ConnContext(ctx, tuned)
			raw.Control(func(fd uintptr) {
				o[2] += received(fd)
				for i, name := range []int{25, 18} { // TCP_NOTSENT_LOWAT, TCP_USER_TIMEOUT
					o[i], _ = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, name)
				}
			})
			got <- o
			return ctx
		}
		if encrypted {
			h.StartTLS()
		} else {
			h.Start()
		}
		res, err := h.Client().Get(h.URL)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if o := <-got; o != [3]int{128 << 10, 30_000, 0} {
			t.Errorf("encrypted %v: %v", encrypted, o)
		}
		h.Close()
	}
}

// What the kernel keeps of a WebSocket that is not read is an option, and may be left to it.
func TestMaxUnread(t *testing.T) {
	for option, want := range map[int]int{0: 128 << 10, 60_000: 60_000, -1: 0} {
		open := make(chan *Socket, 1)
		end := make(chan error, 1)
		_, l := tcp(t, &Options{MaxUnread: option}, func(s *Socket, _ *http.Request) Handler {
			open <- s
			return funcHandler{s.testEcho, closedInto(end)}
		})
		size := func(c net.Conn) (n int) {
			raw, err := c.(syscall.Conn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			raw.Control(func(fd uintptr) { n, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF) })
			return n / 2 // as Linux doubles it
		}
		c := dialTCP(t, l)
		p := newTCPPeer(t, c)
		p.skip()
		s := <-open
		c.Write(frame(1, "4x"))
		p.message() // the session has its transport
		s.mu.Lock()
		conn := s.link.(webSocketLink).conn
		s.mu.Unlock()
		got := size(conn.NetConn())
		if want != 0 && got != want || want == 0 && (got == 128<<10 || got == 0) {
			t.Errorf("MaxUnread %d: %d bytes", option, got)
		}
		c.Close()
		<-end
	}
}
