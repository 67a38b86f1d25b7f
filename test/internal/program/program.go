// Package program runs the programs that tests need as real processes: Go programs of this module, and Node scripts
// with the official JavaScript packages.
package program

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Deadline is how long a program has to start or to end. It is generous: nothing that passes waits for it.
const Deadline = 5 * time.Minute

// Build compiles a program of this module, with the race detector if the test has it, and returns its path.
func Build(t testing.TB, pkg string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), filepath.Base(pkg))
	args := []string{"build", "-o", out}
	if raceEnabled {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(t.Context(), "go", append(args, pkg)...)
	cmd.Dir = Root()
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, text)
	}
	return out
}

// Root is the folder of the test module.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..")
}

// Modules is the folder with the official JavaScript packages.
func Modules() string { return filepath.Join(Root(), "js", "node_modules") }

// Node returns the path of Node. Without it, or without the packages, the test is skipped; in CI it fails.
func Node(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		Missing(t, "Node is not installed")
	}
	if _, err := os.Stat(filepath.Join(Modules(), "socket.io", "package.json")); err != nil {
		Missing(t, "the JavaScript packages are not installed: run npm ci in test/js")
	}
	return path
}

// Missing skips the test because the machine lacks something; in CI it fails.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// A Server is a running process that printed its ready line.
type Server struct {
	Port int
	URL  string // http://127.0.0.1:Port

	cmd    *exec.Cmd
	exited chan struct{}
	stderr *watch
}

// Start starts a server with more environment ("NAME=value") and waits for its ready line. It ends with the test.
// A data race or a panic on its stderr fails the test.
func Start(t testing.TB, env []string, name string, args ...string) *Server {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(append(os.Environ(), "HOST=127.0.0.1", "PORT=0"), env...)
	s := &Server{cmd: cmd, exited: make(chan struct{}), stderr: &watch{}}
	cmd.Stderr = s.stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan string, 1)
	go func() { // owned by the Server; ends with the process, and End waits for it
		defer close(s.exited)
		lines := bufio.NewReader(stdout)
		line, _ := lines.ReadString('\n') // without a ready line the process is on its way out
		ready <- line
		_, _ = io.Copy(io.Discard, lines)
		_ = cmd.Wait() // how it ended is not said: it may have been killed
	}()
	t.Cleanup(func() {
		s.End(t, syscall.SIGKILL)
		s.stderr.report(t)
	})
	select {
	case line := <-ready:
		var r struct {
			Ready bool `json:"ready"`
			Port  int  `json:"port"`
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil || !r.Ready {
			t.Fatalf("%s: no ready line but %q; stderr:\n%s", name, line, s.stderr)
		}
		s.Port = r.Port
		s.URL = "http://" + s.Addr()
	case <-time.After(Deadline):
		t.Fatalf("%s: not ready after %v; stderr:\n%s", name, Deadline, s.stderr)
	}
	return s
}

// Addr is the host and the port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// PID is the id of the process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Stderr is what the process has printed there so far.
func (s *Server) Stderr() string { return s.stderr.String() }

// Signal sends a signal that does not end the process.
func (s *Server) Signal(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Errorf("%v: %v", sig, err)
	}
}

// End sends a signal and waits until the process is gone.
func (s *Server) End(t testing.TB, sig syscall.Signal) {
	t.Helper()
	_ = s.cmd.Process.Signal(sig) // it may have ended already
	select {
	case <-s.exited:
	case <-time.After(Deadline):
		_ = s.cmd.Process.Kill()
		t.Errorf("the server did not end within %v of %v; stderr:\n%s", Deadline, sig, s.stderr)
	}
}

// Run runs a program to its end and calls line for each line on its stdout. Its stderr goes to the test's log when it
// fails, and is searched for data races and panics.
func Run(t testing.TB, env []string, line func(text []byte), name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), env...)
	stderr := &watch{}
	cmd.Stderr = stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		line(lines.Bytes())
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v; stderr:\n%s", filepath.Base(name), err, stderr)
	}
	stderr.report(t)
}

// watch keeps what a process prints on stderr.
type watch struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *watch) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *watch) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// report fails the test for what must never be printed.
func (w *watch) report(t testing.TB) {
	t.Helper()
	text := w.String()
	for _, bad := range []string{"WARNING: DATA RACE", "panic"} {
		if strings.Contains(text, bad) {
			t.Errorf("stderr shows a %s:\n%s", strings.ToLower(bad), text)
			return
		}
	}
	if t.Failed() && text != "" {
		t.Logf("stderr:\n%s", text)
	}
}

// Env is NAME=value with value as JSON.
func Env(t testing.TB, name string, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(fmt.Errorf("program: env: %w", err))
	}
	return name + "=" + string(text)
}
