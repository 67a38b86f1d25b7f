package engineio

import (
	"bufio"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A foreignWriter is the ResponseWriter of somebody's middleware. What it is asked to break panics, or does odd things.
type foreignWriter struct {
	http.ResponseWriter
	broken string
}

func (w foreignWriter) breaks(what string) {
	if w.broken == what {
		panic("broken " + what)
	}
}

func (w foreignWriter) Header() http.Header {
	w.breaks("Header")
	if w.broken == "nil Header" {
		return nil
	}
	return w.ResponseWriter.Header()
}

func (w foreignWriter) WriteHeader(code int) {
	w.breaks("WriteHeader")
	w.ResponseWriter.WriteHeader(code)
}

func (w foreignWriter) Write(b []byte) (int, error) {
	w.breaks("Write")
	switch w.broken {
	case "short Write":
		n, _ := w.ResponseWriter.Write(b[:len(b)/2])
		return n, nil
	case "Write of too much":
		w.ResponseWriter.Write(b)
		return len(b) + 10, nil
	case "failing Write":
		return 0, errors.New("no")
	}
	return w.ResponseWriter.Write(b)
}

func (w foreignWriter) Flush() {
	w.breaks("Flush")
	w.ResponseWriter.(http.Flusher).Flush()
}

func (w foreignWriter) SetReadDeadline(t time.Time) error {
	w.breaks("SetReadDeadline")
	return http.NewResponseController(w.ResponseWriter).SetReadDeadline(t)
}

func (w foreignWriter) SetWriteDeadline(t time.Time) error {
	w.breaks("SetWriteDeadline")
	return http.NewResponseController(w.ResponseWriter).SetWriteDeadline(t)
}

func (w foreignWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.breaks("Hijack")
	h := w.ResponseWriter.(http.Hijacker)
	switch w.broken {
	case "nil Hijack":
		return nil, nil, nil
	case "Hijack without a reader":
		c, _, err := h.Hijack()
		return c, &bufio.ReadWriter{}, err
	case "Hijack without buffers":
		c, _, err := h.Hijack()
		return c, nil, err
	case "Hijack with conn and error":
		c, rw, _ := h.Hijack()
		return c, rw, errors.New("no")
	case "Hijack of a conn that panics":
		c, rw, err := h.Hijack()
		return brokenConn{c}, rw, err
	}
	return h.Hijack()
}

type brokenConn struct{ net.Conn }

func (brokenConn) SetDeadline(time.Time) error { panic("broken SetDeadline") }

// An unwrapping writer has nothing but Unwrap.
type unwrapping struct {
	w      http.ResponseWriter
	unwrap func() http.ResponseWriter
}

func (u *unwrapping) Header() http.Header         { return u.w.Header() }
func (u *unwrapping) Write(b []byte) (int, error) { return u.w.Write(b) }
func (u *unwrapping) WriteHeader(code int)        { u.w.WriteHeader(code) }
func (u *unwrapping) Unwrap() http.ResponseWriter { return u.unwrap() }
func unwrapper(what string) func(http.ResponseWriter) http.ResponseWriter {
	return func(w http.ResponseWriter) http.ResponseWriter {
		u := &unwrapping{w: w}
		u.unwrap = map[string]func() http.ResponseWriter{
			"itself": func() http.ResponseWriter { return u },
			"panic":  func() http.ResponseWriter { panic("broken Unwrap") },
			"nil":    func() http.ResponseWriter { return nil },
			"good":   func() http.ResponseWriter { return w },
		}[what]
		return u
	}
}

// Whatever the ResponseWriter of a middleware does, each session is in a defined state: polls are answered, or refused
// since the session has ended, nothing hangs, and nothing is left.
func TestForeignResponseWriters(t *testing.T) {
	breaking := func(what string) func(http.ResponseWriter) http.ResponseWriter {
		return func(w http.ResponseWriter) http.ResponseWriter { return foreignWriter{w, what} }
	}
	for name, c := range map[string]struct {
		wrap      func(http.ResponseWriter) http.ResponseWriter
		poll      bool // polling works
		webSocket int  // the status of a handshake; 0 if there is no answer
	}{
		"good":                         {breaking(""), true, 101},
		"Header":                       {breaking("Header"), false, 0},
		"nil Header":                   {breaking("nil Header"), false, 101},
		"WriteHeader":                  {breaking("WriteHeader"), true, 101}, // not called where all is well
		"Write":                        {breaking("Write"), false, 101},
		"short Write":                  {breaking("short Write"), false, 101},
		"Write of too much":            {breaking("Write of too much"), true, 101},
		"failing Write":                {breaking("failing Write"), false, 101},
		"Flush":                        {breaking("Flush"), true, 101},
		"SetReadDeadline":              {breaking("SetReadDeadline"), true, 101},
		"SetWriteDeadline":             {breaking("SetWriteDeadline"), true, 101},
		"Hijack":                       {breaking("Hijack"), true, 501},
		"nil Hijack":                   {breaking("nil Hijack"), true, 501},
		"Hijack without a reader":      {breaking("Hijack without a reader"), true, 101},
		"Hijack without buffers":       {breaking("Hijack without buffers"), true, 101},
		"Hijack with conn and error":   {breaking("Hijack with conn and error"), true, 0},
		"Hijack of a conn that panics": {breaking("Hijack of a conn that panics"), true, 0},
		"nothing": {func(w http.ResponseWriter) http.ResponseWriter {
			return struct{ http.ResponseWriter }{w}
		}, true, 501},
		"unwraps":           {unwrapper("good"), true, 101},
		"unwraps to itself": {unwrapper("itself"), true, 501},
		"Unwrap":            {unwrapper("panic"), true, 501},
		"unwraps to nil":    {unwrapper("nil"), true, 501},
	} {
		t.Run(name, func(t *testing.T) {
			var logged strings.Builder
			o := &Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))}
			bubble(t, o, func(t *testing.T, e *env) {
				var broken atomic.Bool
				inner := e.http.Handler
				e.http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if broken.Load() {
						w = c.wrap(w)
					}
					inner.ServeHTTP(w, r)
				})
				e.http.WriteTimeout = time.Minute // so that it is lifted

				q, rec := e.open()
				long := strings.Repeat("x", 2*buffered)
				rec.socket.Send(SendOptions{NoCompress: true}, text(long))
				broken.Store(true)
				a := e.do("GET", q, "")
				broken.Store(false)
				if c.poll {
					a.want(t, 200, "4"+long)
				}
				synctest.Wait()
				// Nothing hangs: whoever comes next is answered at once.
				begin := time.Now()
				rec.socket.Send(SendOptions{}, text("next"))
				a = e.do("GET", q, "")
				if c.poll {
					a.want(t, 200, "4next")
					broken.Store(true)
					e.do("POST", q, "4a")
					broken.Store(false)
					e.do("POST", q, "4b")
					rec.alive()
				} else {
					if a.status != 400 && a.status != 200 {
						t.Errorf("the next poll: %+v", a)
					}
					if a.status == 400 {
						rec.want(TransportError)
					}
				}

				broken.Store(true)
				e.do("GET", handshakeQuery, "")
				broken.Store(false)
				if n := e.Count(); !c.poll && n > 1 || n > 2 {
					t.Errorf("%d sessions, of which nobody knows one", n)
				}
				known := e.Count()

				broken.Store(true)
				p, ws := e.dial("EIO=4&transport=websocket")
				up, upgrade := e.dial(strings.Replace(q, "polling", "websocket", 1))
				broken.Store(false)
				if time.Since(begin) > 10*time.Second {
					t.Errorf("something has hung for %v", time.Since(begin))
				}
				if got := ws.status; p != nil && c.webSocket != 101 || p == nil && got != c.webSocket {
					t.Errorf("WebSocket: %+v, want %d", ws, c.webSocket)
				}
				synctest.Wait() // the client may hear of the end first
				if p == nil && e.Count() != known {
					t.Errorf("%d sessions, of which nobody knows one", e.Count())
				}
				if c.poll {
					rec.alive()
					if got := upgrade.status; up != nil && c.webSocket != 101 || up == nil && got != c.webSocket {
						t.Errorf("upgrade: %+v, want %d", upgrade, c.webSocket)
					}
				}
				for _, p := range []*peer{p, up} {
					if p != nil {
						p.conn.Close()
					}
				}
				if ws.status == 501 && strings.Count(logged.String(), "cannot be taken over") != 1 {
					t.Errorf("logged %s", &logged)
				}
			})
		})
	}
}
