package engineio

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"sio.example/socketio/internal/memnet"
)

// A connectWriter is the ResponseWriter of a CONNECT that may become a stream.
type connectWriter struct {
	*httptest.ResponseRecorder
	stream io.ReadWriteCloser
	err    error
}

func (w *connectWriter) AcceptStream() (io.ReadWriteCloser, error) { return w.stream, w.err }

// hidden is what middleware makes of a ResponseWriter.
type hidden struct{ http.ResponseWriter }

func (w hidden) Unwrap() http.ResponseWriter { return w.ResponseWriter }

var allTransports = []string{"polling", "websocket", "webtransport"}

// connect asks for a stream, and returns the client's end of what may become one.
func (e *env) connect(header http.Header, fails error) (*streamPeer, *httptest.ResponseRecorder) {
	client, server := memnet.Pipe(64 << 10)
	w := &connectWriter{httptest.NewRecorder(), server, fails}
	r := httptest.NewRequest(http.MethodConnect, "https://example.com/engine.io/", nil)
	r.URL.Path, r.URL.Host, r.Host, r.Header = "/engine.io/", "", "example.com", header
	ctx, cancel := context.WithCancel(e.t.Context())
	e.ServeHTTP(hidden{hidden{w}}, r.WithContext(ctx))
	cancel() // as net/http does when the handler returns
	return &streamPeer{t: e.t, conn: client, r: bufio.NewReader(client)}, w.ResponseRecorder
}

func TestConnectBecomesAStream(t *testing.T) {
	bubble(t, &Options{Transports: allTransports}, func(t *testing.T, e *env) {
		p, _ := e.connect(http.Header{"Origin": {"https://example.com"}}, nil)
		p.send("0")
		if open := p.next(); !strings.HasPrefix(open, "0{") {
			t.Fatalf("handshake %q", open)
		}
		rec := e.session(0)
		p.send("4hello")
		synctest.Wait()
		rec.alive()
		if got := e.Stats(); got.WebTransport != 1 || len(got.Rejected) != 0 {
			t.Errorf("%+v", got)
		}
		p.conn.Close()
	})
}

func TestConnectIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		options *Options
		header  http.Header
		fails   error
		closed  bool
		status  int
		reject  string
	}{
		"transport":  {options: nil, status: 400, reject: RejectTransport},
		"origin":     {header: http.Header{"Origin": {"https://evil.example"}}, status: 403, reject: RejectOrigin},
		"bad origin": {header: http.Header{"Origin": {"a\x00"}}, status: 400, reject: RejectOriginSyntax},
		"two": {header: http.Header{"Origin": {"https://example.com", "https://example.com"}}, status: 403,
			reject: RejectOrigin},
		"shutdown":  {closed: true, status: 503, reject: RejectShutdown},
		"no stream": {fails: errors.New("no"), status: 400, reject: RejectHandshake},
	} {
		t.Run(name, func(t *testing.T) {
			if name != "transport" {
				c.options = &Options{Transports: allTransports}
			}
			bubble(t, c.options, func(t *testing.T, e *env) {
				if c.closed {
					e.Close()
				}
				p, w := e.connect(c.header, c.fails)
				if w.Code != c.status {
					t.Errorf("status %d, want %d", w.Code, c.status)
				}
				e.rejected(c.reject, 1)
				p.conn.Close()
			})
		})
	}
}

// A hook that aborts the request, as net/http lets handlers do, ends the stream, whose goroutine is nobody's.
func TestConnectIsAborted(t *testing.T) {
	abort := func(*http.Request) error { panic(http.ErrAbortHandler) }
	bubble(t, &Options{Transports: allTransports, AllowRequest: abort}, func(t *testing.T, e *env) {
		p, _ := e.connect(http.Header{}, nil)
		p.send("0")
		if n, err := p.r.Read(make([]byte, 1)); err == nil {
			t.Errorf("the stream is open still, and %d bytes came", n)
		}
	})
}
