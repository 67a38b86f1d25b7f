package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = 5 * time.Minute

// try runs the program in process.
func try(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(ctx, args, stdio{strings.NewReader(""), &out, &errs})
	return code, out.String(), errs.String()
}

func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		args   string
		code   int
		stdout string // contained in the output; "" means there is none
		stderr string
	}{
		{"", 2, "", "a command is missing"},
		{"--help", 0, "Usage: sio <command>", ""},
		{"-h", 0, "demo", ""},
		{"help", 0, "version", ""},
		{"help demo", 0, "Usage: sio demo [chat]", ""},
		{"help nothing", 2, "", `there is no command "nothing"`},
		{"nothing", 2, "", `sio: there is no command "nothing"`},
		{"demo --help", 0, "--port PORT", ""},
		{"demo -h", 0, "--addr ADDR", ""},
		{"demo chat --help", 0, "--help", ""},
		{"demo nothing", 2, "", `there is no demo "nothing", but: chat`},
		{"demo chat again", 2, "", "too many arguments: again"},
		{"demo --port 70000", 2, "", "there is no port 70000"},
		{"demo --port x", 2, "", "sio demo: invalid value"},
		{"demo --nothing", 2, "", `Run "sio demo --help" for help.`},
		{"demo -- chat again", 2, "", "too many arguments: again"},
		{"demo --addr 192.0.2.1", 1, "", "sio demo: listen"}, // an address for documentation: not of this machine
		{"version", 0, "sio ", ""},
		{"--version", 0, runtime.Version(), ""},
		{"version --help", 0, "Usage: sio version", ""},
		{"version now", 2, "", "too many arguments"},
		{"emit --help", 0, "--parser NAME", ""},
		{"emit localhost:1 x --parser cbor", 2, "", `there is no parser "cbor", but json and msgpack`},
	} {
		code, out, errs := try(t.Context(), strings.Fields(c.args)...)
		if code != c.code || !holds(out, c.stdout) || !holds(errs, c.stderr) {
			t.Errorf("sio %s: got status %d\n--- stdout\n%s\n--- stderr\n%s", c.args, code, out, errs)
		}
	}
}

func holds(got, want string) bool { return (got == "") == (want == "") && strings.Contains(got, want) }

// demo is a demo that runs.
type demo struct {
	url  string
	stop func() // as Ctrl-C does
	done chan int
	out  *bufio.Reader
}

// startDemo runs "sio demo" with args until the test ends, and waits for its address.
func startDemo(t *testing.T, args ...string) *demo {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.SetReadDeadline(time.Now().Add(patience))
	d := &demo{stop: stop, done: make(chan int, 1), out: bufio.NewReader(r)}
	var errs bytes.Buffer
	go func() { // owned by the test, ends after stop, waited for by end and Cleanup
		d.done <- run(ctx, append([]string{"demo"}, args...), stdio{strings.NewReader(""), w, &errs})
		close(d.done)
		w.Close()
	}()
	t.Cleanup(func() {
		stop()
		<-d.done
		r.Close()
	})
	for d.url == "" {
		line, err := d.out.ReadString('\n')
		if err != nil {
			stop()
			<-d.done
			t.Fatalf("no address was printed: %v %s", err, errs.String())
		}
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "http://") {
			d.url = line
		}
	}
	return d
}

// end stops the demo and returns its exit status and the rest of its output.
func (d *demo) end(t *testing.T) (code int, out string) {
	t.Helper()
	d.stop()
	select {
	case code = <-d.done:
	case <-time.After(patience):
		t.Fatal("the demo does not end")
	}
	rest, err := io.ReadAll(d.out)
	if err != nil {
		t.Fatal(err)
	}
	return code, string(rest)
}

func fetch(t *testing.T, c *http.Client, url string) (status int, body string) {
	t.Helper()
	re, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer re.Body.Close()
	b, err := io.ReadAll(re.Body)
	if err != nil {
		t.Fatal(err)
	}
	return re.StatusCode, string(b)
}

func TestDemo(t *testing.T) {
	c := &http.Client{Transport: &http.Transport{}, Timeout: patience}
	defer c.CloseIdleConnections()
	d := startDemo(t, "--port", "0")
	if !strings.HasPrefix(d.url, "http://localhost:") {
		t.Errorf("the address is %s", d.url)
	}
	for path, want := range map[string]string{
		"/":                       "<title>sio chat</title>",
		"/app.js":                 "link.js",
		"/socket.io/socket.io.js": "function",
	} {
		if status, body := fetch(t, c, d.url+path); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: got %d %.200s", path, status, body)
		}
	}
	code, out := d.end(t)
	if code != 0 || !strings.Contains(out, "Open it in two browser windows") || !strings.Contains(out, "Stopping.") {
		t.Errorf("got status %d and\n%s", code, out)
	}
	if re, err := c.Get(d.url); err == nil {
		re.Body.Close()
		t.Error("the page is still served")
	}
}

// A demo with a session in the middle of a poll ends all the same, at once, and tells the client.
func TestDemoEndsWithClients(t *testing.T) {
	c := &http.Client{Transport: &http.Transport{}, Timeout: patience}
	defer c.CloseIdleConnections()
	before := runtime.NumGoroutine()
	d := startDemo(t, "chat", "--port=0", "--verbose")
	_, open := fetch(t, c, d.url+"/socket.io/?EIO=4&transport=polling")
	_, sid, _ := strings.Cut(open, `"sid":"`)
	sid, _, ok := strings.Cut(sid, `"`)
	if !ok {
		t.Fatalf("the handshake is %q", open)
	}
	polled := make(chan string, 1)
	sent := make(chan struct{})
	trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) }}
	go func() { // ends when the server answers the poll, waited for below
		ctx := httptrace.WithClientTrace(t.Context(), trace)
		r, _ := http.NewRequestWithContext(ctx, "GET", d.url+"/socket.io/?EIO=4&transport=polling&sid="+sid, nil)
		re, err := c.Do(r)
		if err != nil {
			polled <- err.Error()
			return
		}
		defer re.Body.Close()
		b, _ := io.ReadAll(re.Body)
		polled <- fmt.Sprint(re.StatusCode, " ", string(b))
	}()
	<-sent
	if code, _ := d.end(t); code != 0 {
		t.Errorf("got status %d", code)
	}
	if got := <-polled; got != "200 1" && got != "200 6" {
		t.Errorf("the poll got %q, want a close packet", got)
	}
	c.CloseIdleConnections()
	for deadline := time.Now().Add(patience); runtime.NumGoroutine() > before && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > before {
		buf := make([]byte, 1<<16)
		t.Errorf("%d goroutines are left of %d\n%s", n, before, buf[:runtime.Stack(buf, true)])
	}
}

func TestPortTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	if code, _, errs := try(t.Context(), "demo", "--port", port); code != 1 || !strings.Contains(errs, port) {
		t.Errorf("a port that was asked for and is taken: got status %d, %s", code, errs)
	}

	// A name with two addresses needs both.
	if six, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		defer six.Close()
		_, port, _ = net.SplitHostPort(six.Addr().String())
		if code, _, errs := try(t.Context(), "demo", "--port", port); code != 1 || !strings.Contains(errs, port) {
			t.Errorf("a port that is taken on ::1: got status %d, %s", code, errs)
		}
	}

	// The default port may be free or not, but then it is not free for the second.
	first, second := startDemo(t), startDemo(t)
	if first.url == second.url || second.url == fmt.Sprintf("http://localhost:%d", defaultPort) {
		t.Errorf("two demos are at %s and %s", first.url, second.url)
	}
}
