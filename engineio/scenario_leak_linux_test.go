package engineio

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// On real connections and on each route goroutines, descriptors and memory are back where they were when Done is
// closed, whoever ends a session in which way.
func TestScenarioLeavesNothing(t *testing.T) {
	opened := make(chan *Socket, 1)
	engine := NewServer(func(s *Socket, _ *http.Request) Handler { opened <- s; return echoing{s} },
		&Options{Transports: []string{transportPolling, transportWebSocket, transportStream}})
	srv := httptest.NewServer(engine)
	defer srv.Close()
	streams, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer streams.Close()
	go serveStreams(engine, streams, false) // ends with streams
	ends := map[string]func(c *ClientSocket, s *Socket){
		"close":        func(c *ClientSocket, s *Socket) { c.Close() },
		"abort":        func(c *ClientSocket, s *Socket) { c.Abort(TransportError, nil) },
		"ping timeout": func(c *ClientSocket, s *Socket) { c.Abort(PingTimeout, nil) },
		"server":       func(c *ClientSocket, s *Socket) { s.Close() },
		"violation":    func(c *ClientSocket, s *Socket) { s.CloseWith(ParseError, false, "no") },
		"cut": func(c *ClientSocket, s *Socket) {
			srv.CloseClientConnections()
			s.CloseWith(TransportError, true, "")
		},
		"flush": func(c *ClientSocket, s *Socket) {
			for _, n := range []int{1, 1000, 500_000, 1} {
				c.Send(SendOptions{Defer: true}, text(strings.Repeat("x", n)))
			}
			c.Flush()
			c.Close()
		},
		"flush little": func(c *ClientSocket, s *Socket) {
			c.Send(SendOptions{Defer: true}, text("x"))
			c.Flush()
			c.Close()
		},
		"busy": func(c *ClientSocket, s *Socket) {
			c.Send(SendOptions{}, text(strings.Repeat("x", 500_000)))
			c.Abort(ForcedClose, nil)
		},
	}
	dial := func(r route, end func(c *ClientSocket, s *Socket)) {
		h := &sink{make(chan struct{}, 10)}
		upgraded := make(chan struct{})
		o := &DialOptions{Transports: r.transports, Trace: &Trace{Upgrade: func(string, error) { close(upgraded) }}}
		if r.streams() {
			o.DialStream = func(ctx context.Context, _ *http.Request) (io.ReadWriteCloser, error) {
				c, err := new(net.Dialer).DialContext(ctx, "tcp", streams.Addr().String())
				if err != nil {
					return nil, err
				}
				return barely(c, r.bare), nil
			}
		}
		c, err := Dial(context.Background(), srv.URL, func(*ClientSocket) Handler { return h }, o)
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Transports) > 1 {
			<-upgraded
		}
		c.Send(SendOptions{}, text("hello"))
		<-h.got
		end(c, <-opened)
		select {
		case <-c.Done():
		case <-time.After(5 * time.Minute):
			t.Fatal("the session does not end")
		}
	}
	for _, r := range routes {
		dial(r, ends["close"])
	}
	goroutines, files := settled(t, 0, 0)
	heap := heapAfterGC()
	sessions := 0
	for name, end := range ends {
		for _, r := range routes {
			for range 3 {
				dial(r, end)
				sessions++
			}
			if g, f := settled(t, goroutines, files); g > goroutines || f > files {
				buf := make([]byte, 1<<16)
				t.Errorf("%s on %s: from %d to %d goroutines, from %d to %d descriptors\n%s",
					name, r.name, goroutines, g, files, f, buf[:runtime.Stack(buf, true)])
			}
		}
	}
	if more := heapAfterGC() - heap; more > sessions<<10 {
		t.Errorf("%d sessions leave %d bytes", sessions, more)
	}
	// Those that could not open.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	goroutines, files = settled(t, 0, 0)
	for _, transport := range []string{"polling", "websocket"} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, err := Dial(ctx, "http://"+l.Addr().String(), nil, &DialOptions{Transports: []string{transport}}); err == nil {
			t.Error("no error")
		}
		cancel()
	}
	if g, f := settled(t, goroutines, files); g > goroutines || f > files {
		t.Errorf("not opened: from %d to %d goroutines, from %d to %d descriptors", goroutines, g, files, f)
	}
}

// heapAfterGC is what the heap holds that is in use. What pools hold is gone after a second collection.
func heapAfterGC() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// settled counts goroutines and descriptors when they have come down to what is wanted; if nothing is wanted, when
// they have not changed for a while. The server in this process and the goroutines of net/http need a moment to see
// that a connection is gone, and on a busy machine nobody knows how long that is.
func settled(t *testing.T, goroutines, files int) (g, f int) {
	count := func() (int, int) {
		all, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return runtime.NumGoroutine(), len(all)
	}
	g, f = count()
	long := 30 // times 10 ms
	if goroutines > 0 {
		long = 30_000
	}
	for same := 0; same < long; {
		if g <= goroutines && f <= files {
			return g, f
		}
		<-time.After(10 * time.Millisecond)
		g2, f2 := count()
		if g2 == g && f2 == f {
			same++
		} else {
			same = 0
		}
		g, f = g2, f2
	}
	return g, f
}
