package websocket

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"
)

// TestDialTrace: the hooks of httptrace and those of DialOptions are called in the order of events.
func TestDialTrace(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		u, srv, _ := echoServer(t, encrypted)
		var seen []string
		note := func(format string, args ...any) { seen = append(seen, fmt.Sprintf(format, args...)) }
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GetConn:           func(addr string) { note("get %v", addr == u.Host) },
			ConnectStart:      func(_, addr string) { note("connect %v", addr == u.Host) },
			ConnectDone:       func(_, _ string, err error) { note("connected %v", err) },
			TLSHandshakeStart: func() { note("tls") },
			TLSHandshakeDone: func(s tls.ConnectionState,
				err error) {
				note("tls %v %v", s.HandshakeComplete, err)
			},
			GotConn:              func(i httptrace.GotConnInfo) { note("got %v", i.Conn != nil) },
			WroteHeaders:         func() { note("headers") },
			WroteRequest:         func(i httptrace.WroteRequestInfo) { note("wrote %v", i.Err) },
			GotFirstResponseByte: func() { note("first byte") },
		})
		o := &DialOptions{
			Options: Options{Header: http.Header{"X-Token": {"a"}}},
			OnRequest: func(r *http.Request) {
				note("request %s %s %v %s", r.Method, r.Host,
					len(r.Header.Get("Sec-Websocket-Key")) == 24, r.Header.Get("X-Token"))
			},
			OnResponse: func(r *http.Request, res *http.Response) {
				note("response %d %s %s", res.StatusCode, r.URL.Path, res.Header.Get("Set-Cookie"))
			},
		}
		want := "get true; connect true; connected <nil>; "
		if encrypted {
			o.TLS = srv.Client().Transport.(*http.Transport).TLSClientConfig
			want += "tls; tls true <nil>; "
		}
		want += "got true; request GET " + u.Host +
			" true a; headers; wrote <nil>; first byte; response 101 /socket.io/ a=b"
		c, _, err := Dial(ctx, u, o)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(seen, "; "); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		greet(t, c)
		c.Close(NormalClosure, "")
		go func() { // ends with the connection
			for {
				if _, _, err := c.Read(); err != nil {
					return
				}
			}
		}()
		done := make(chan bool)
		go func() { // ends when the connection is closed
			c.Wait()
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(5 * time.Minute):
			t.Fatal("Wait does not return")
		}
		c.Wait()
		if err := c.NetConn().SetDeadline(time.Time{}); err == nil {
			t.Error("the connection is open after Wait")
		}
	}
}
