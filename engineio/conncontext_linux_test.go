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

// Connections of polling, and of TLS, have the kernel's limits too when ConnContext is asked to.
func TestConnContext(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		s := NewServer(nil, &Options{PingInterval: 20 * time.Second, PingTimeout: 10 * time.Second})
		got := make(chan [2]int, 1)
		h := httptest.NewUnstartedServer(http.NotFoundHandler())
		h.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
			ctx = s.ConnContext(ctx, c)
			if t, ok := c.(interface{ NetConn() net.Conn }); ok {
				c = t.NetConn()
			}
			raw, err := c.(syscall.Conn).SyscallConn()
			if err != nil {
				t.Error(err)
			}
			var o [2]int
			raw.Control(func(fd uintptr) {
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
		if o := <-got; o != [2]int{128 << 10, 30_000} {
			t.Errorf("encrypted %v: %v", encrypted, o)
		}
		h.Close()
	}
}
