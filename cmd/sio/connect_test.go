package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"sio.example/socketio"
)

// newServer returns a server for tests: / lets everyone in, /admin those whose token is right.
func newServer(t *testing.T) *socketio.Server {
	io := socketio.NewServer(nil)
	handlers := func(ns *socketio.Namespace) {
		ns.OnConnection(func(s *socketio.Socket) { _ = s.Emit("hello", ns.Name()) })
		ns.Handle("echo", func(_ context.Context, s *socketio.Socket, e *socketio.Event) error {
			if e.WantsAck() {
				return e.Ack(e.Args)
			}
			return s.Emit("echo", e.Args)
		})
		ns.Handle("question", func(ctx context.Context, s *socketio.Socket, e *socketio.Event) error {
			answer, err := s.EmitWithAck(ctx, "question", e.Args)
			if err != nil {
				return err
			}
			return s.Emit("answered", answer)
		})
		ns.Handle("evil", func(_ context.Context, s *socketio.Socket, _ *socketio.Event) error {
			return s.Emit(hostile, hostile)
		})
		ns.Handle("many", func(_ context.Context, s *socketio.Socket, _ *socketio.Event) error {
			var err error
			for i := range 500 {
				err = errors.Join(err, s.Emit("tick", i))
			}
			return err
		})
		ns.Handle("kick", func(_ context.Context, s *socketio.Socket, _ *socketio.Event) error {
			s.Disconnect(false)
			return nil
		})
		ns.Handle("drop", func(_ context.Context, s *socketio.Socket, _ *socketio.Event) error {
			s.Conn().Close()
			return nil
		})
	}
	handlers(io.Of("/"))
	admin := io.Of("/admin")
	admin.Use(func(_ context.Context, s *socketio.Socket) error {
		var auth struct{ Token string }
		if err := s.Handshake().Auth.Bind(&auth); err != nil || auth.Token != "letmein" {
			return &socketio.ConnectError{Message: "not\x1b[2J allowed", Data: map[string]any{"code": "E\u009bX"}}
		}
		return nil
	})
	handlers(admin)
	return io
}

func serveTest(t *testing.T, start func(http.Handler) *httptest.Server) *httptest.Server {
	t.Helper()
	io := newServer(t)
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	mux.HandleFunc("/page/", func(w http.ResponseWriter,
		r *http.Request) {
		_, _ = w.Write([]byte("<html>a page</html>"))
	})
	srv := start(mux)
	t.Cleanup(func() {
		io.Close()
		srv.Close()
	})
	return srv
}

// tryWith runs the program in process with something on stdin.
func tryWith(ctx context.Context, in io.Reader, args ...string) (code int, stdout, stderr string) {
	var out, errs lockedBuffer
	code = run(ctx, args, stdio{in, &out, &errs})
	return code, out.String(), errs.String()
}

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// settled waits until no more goroutines run than before.
func settled(t *testing.T, before int) {
	t.Helper()
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > before {
		buf := make([]byte, 1<<16)
		t.Errorf("%d goroutines are left of %d\n%s", n, before, buf[:runtime.Stack(buf, true)])
	}
}

var clock = regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d\.\d\d\d `)

// untimed is output without what differs from run to run.
func untimed(text string) string {
	text = clock.ReplaceAllString(text, "")
	return regexp.MustCompile(`  [0-9.]+ (µs|ms|s)\n`).ReplaceAllString(text, "\n")
}

func TestConnectPipe(t *testing.T) {
	srv := serveTest(t, httptest.NewServer)
	before := runtime.NumGoroutine()
	in := "echo 1 {\"a\":[true]} ?\n\n/ask echo 'x y'\nquestion why\n/nsp /admin\n"
	code, out, errs := tryWith(t.Context(), strings.NewReader(in), "connect", srv.URL, "--answer", `because {"n":1}`,
		"--auth", `{"token":"letmein"}`, "--linger", "200ms", "--transport", "websocket")
	want := []string{
		`← hello "/"`, `← ack #1 1 {"a":[true]}  echo`, `← ack #2 "x y"  echo`, `← question "why"  wants ack #3`,
		`← answered "because" {"n":1}`, `/admin ← hello "/admin"`,
	}
	for _, w := range want {
		if !strings.Contains(untimed(out), w+"\n") {
			t.Errorf("%q is missing on stdout:\n%s", w, out)
		}
	}
	if code != 0 || strings.Count(out, "\n") != len(want) || !strings.Contains(errs, "✓ connected to /") ||
		!strings.Contains(errs, "✓ connected to /admin") || strings.Contains(out+errs, "\x1b") {
		t.Errorf("got status %d, stdout\n%s\nstderr\n%s", code, out, errs)
	}
	settled(t, before)
}

func TestConnectJSON(t *testing.T) {
	srv := serveTest(t, httptest.NewServer)
	code, out, errs := tryWith(t.Context(),
		strings.NewReader("echo {\"$bin\":\"AQI=\"} 12345678901234567890 ?\nevil\n"),
		"connect", srv.URL, "--json", "--linger", "200ms")
	var types []string
	for line := range strings.Lines(out) {
		var r struct {
			Time      time.Time
			Type, NSP string
			Args      json.RawMessage
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil || r.Time.IsZero() || r.NSP != "/" {
			t.Errorf("%s: %v, %+v", line, err, r)
		}
		types = append(types, r.Type+string(r.Args))
	}
	got := strings.Join(types, "\n")
	for _, want := range []string{"connect", `event["/"]`, `ack[{"$bin":"AQI="},12345678901234567890]`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in\n%s", want, got)
		}
	}
	if code != 0 || errs != "" || strings.ContainsRune(out, 0x1B) {
		t.Errorf("got status %d, stderr %s", code, errs)
	}
}

// Lines that other programs write are sent as they are.
func TestConnectEvent(t *testing.T) {
	srv := serveTest(t, httptest.NewServer)
	in := "/quit {\n@/etc/passwd \xff\n\n"
	code, out, errs := tryWith(t.Context(), strings.NewReader(in), "connect", srv.URL, "--event", "echo", "--ack")
	for _, want := range []string{`"/quit {"  echo`, `"@/etc/passwd ` + "\uFFFD" + `"  echo`, `""  echo`} {
		if !strings.Contains(untimed(out), want) {
			t.Errorf("%s is missing in\n%s", want, out)
		}
	}
	if code != 0 {
		t.Errorf("got status %d, %s", code, errs)
	}
}

func TestStatus(t *testing.T) {
	srv := serveTest(t, httptest.NewServer)
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, c := range []struct {
		in, args string
		code     int
		stderr   string // "" means there is none
	}{
		{"", "connect " + gone.URL, 3, "nothing listens at 127.0.0.1:"},
		{"", "connect " + gone.URL + " --json", 3, ""},
		{"", "connect " + srv.URL + "/admin", 4,
			`the server refuses /admin: not\u001b[2J allowed  {"code":"E\u009bX"}`},
		{"", "connect " + srv.URL + "/nowhere", 4, "Invalid namespace"},
		{"", "connect " + srv.URL + " --path /page/", 3, "Is this a Socket.IO server"},
		{"", "connect " + srv.URL + " --path /nowhere/", 3, "HTTP 404 Not Found"},
		{"silence ?\n", "connect " + srv.URL + " --ack-timeout 50ms", 5, "✗ ack #1 did not come in time  silence"},
		{"kick\n", "connect " + srv.URL + " --linger -1s", 3, "disconnected: io server disconnect"},
		{"drop\n", "connect " + srv.URL + " --no-reconnect --linger -1s", 3, "disconnected: transport close"},
		{"echo {\n", "connect " + srv.URL, 1, "line 1: this JSON is not complete"},
		{"echo 1\n/nothing\n", "connect " + srv.URL, 1, "line 2: there is no /nothing"},
		{"/quit\nkick\n", "connect " + srv.URL, 0, "✓ connected"},

		{"", "emit " + srv.URL + " silence --ack-timeout 50ms", 5,
			"the event was sent, but not acknowledged within 50ms\n--no-ack is for"},
		{"", "emit " + srv.URL + " silence --no-ack", 0, ""},
		{"", "emit " + srv.URL + " kick", 5, "the connection was lost"},
		{"", "emit " + gone.URL + " echo", 3, "nothing listens at 127.0.0.1:"},
		{"", "emit " + srv.URL + "/admin echo", 4, `not\u001b[2J allowed  {"code":"E\u009bX"}`},
		{"", "emit " + srv.URL + " connect", 2, "reserved"},
		{"", "emit " + srv.URL + " echo {a:1}", 2, "this is not JSON"},
		{"", "emit " + srv.URL, 2, "an event"},
		{"", "connect", 2, "give the URL"},
		{"", "connect ftp://x", 2, "a URL is like"},
		{"", "connect " + srv.URL + " --event disconnect", 2, "reserved"},
		{"", "connect " + srv.URL + " --answer {", 2, "answer: this JSON"},
	} {
		code, _, errs := tryWith(t.Context(), strings.NewReader(c.in), strings.Fields(c.args)...)
		if code != c.code || !holds(errs, c.stderr) {
			t.Errorf("sio %s: got status %d, want %d; stderr\n%s", c.args, code, c.code, errs)
		}
		harmless(t, strings.ReplaceAll(errs, "\n", ""))
	}
}

func TestEmit(t *testing.T) {
	srv := serveTest(t, httptest.NewServer)
	before := runtime.NumGoroutine()
	for _, c := range []struct {
		args []string
		out  string
	}{
		{[]string{srv.URL, "echo", "a b", "42", `{"x": [1]}`, "@-"},
			"\"a b\"\n42\n{\"x\":[1]}\n{\"$bin\":\"c3RkaW4=\"}\n"},
		{[]string{srv.URL, "echo", "--raw", "a b", "42", "@-"}, "a b\n42\nstdin"},
		{[]string{srv.URL, "echo"}, ""},
		{[]string{srv.URL + "/admin", "echo", "1", "--auth", `{"token":"letmein"}`, "--transport", "polling"}, "1\n"},
	} {
		code, out, errs := tryWith(t.Context(), strings.NewReader("stdin"), append([]string{"emit"}, c.args...)...)
		if code != 0 || out != c.out || errs != "" {
			t.Errorf("%q: got status %d, stdout %q, stderr %q; want %q", c.args, code, out, errs, c.out)
		}
	}
	srv.CloseClientConnections()
	settled(t, before)
}

// A message that is larger than the server takes ends the connection: the program says why.
func TestEmitLarge(t *testing.T) {
	srv := serveTest(t, httptest.NewServer)
	for _, transport := range []string{"polling", "websocket"} {
		code, _, errs := tryWith(t.Context(), strings.NewReader(strings.Repeat("x", 2e6)),
			"emit", srv.URL, "echo", "@-", "--transport", transport)
		if code != exitNoAck || !strings.Contains(errs, "The server takes messages of 1 MB; this one has 2 MB.") {
			t.Errorf("%s: got status %d, %s", transport, code, errs)
		}
	}
}

// Ctrl-C ends what waits.
func TestInterrupt(t *testing.T) {
	srv := serveTest(t, httptest.NewServer)
	before := runtime.NumGoroutine()
	for _, args := range []string{"connect " + srv.URL, "emit " + srv.URL + " silence -v"} {
		ctx, interrupt := context.WithCancel(t.Context())
		in, never := io.Pipe()
		var out lockedBuffer
		errs := &trigger{text: "connected to /", do: interrupt}
		if strings.HasPrefix(args, "emit") {
			errs.text = "socket.io ←"
		}
		if code := run(ctx, strings.Fields(args), stdio{in, &out, errs}); code != exitInterrupted {
			t.Errorf("sio %s: got status %d; %s", args, code, errs.String())
		}
		never.Close()
		interrupt()
	}
	settled(t, before)
}

// trigger does something when a text is written.
type trigger struct {
	lockedBuffer
	text string
	do   func()
}

func (w *trigger) Write(p []byte) (int, error) {
	n, err := w.lockedBuffer.Write(p)
	if strings.Contains(string(p), w.text) {
		w.do()
	}
	return n, err
}

func TestTLS(t *testing.T) {
	srv := serveTest(t, httptest.NewTLSServer)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	srv.Config.ErrorLog = nil
	for _, c := range []struct {
		args   string
		code   int
		stderr []string
	}{
		{srv.URL, 3, []string{"signed by an unknown authority", "--insecure"}},
		{srv.URL + " --insecure", 0, nil},
		{srv.URL + " --ca " + ca, 0, nil},
		{strings.Replace(srv.URL, "https:", "http:", 1), 3, []string{"https://"}},
		{srv.URL + " --insecure -v --header Cookie:geheim", 0, []string{
			"tcp       connected to 127.0.0.1:", "tls       TLS 1.3",
			"certificate of", "> GET /socket.io/?EIO=4&transport=polling",
			"> Cookie: [redacted]", "< HTTP/1.1 200 OK", "engine.io open over polling",
			"socket.io → CONNECT /", "socket.io ← CONNECT /",
		}},
	} {
		code, _, errs := tryWith(t.Context(), strings.NewReader(""),
			append([]string{"emit"}, append(strings.Fields(c.args), "echo")...)...)
		if code != c.code || len(c.stderr) == 0 && errs != "" || strings.Contains(errs, "geheim") {
			t.Errorf("%s: got status %d, stderr\n%s", c.args, code, errs)
		}
		for _, want := range c.stderr {
			if !strings.Contains(errs, want) {
				t.Errorf("%s: %q is missing on stderr\n%s", c.args, want, errs)
			}
		}
	}
}
