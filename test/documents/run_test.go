package documents

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sio.example/socketio/test/internal/program"
)

// patience is how long a line has, some of which compile everything. Nothing that passes waits for it.
const patience = 20 * time.Minute

// TestLines runs the lines of each document in its order, in one copy of the repository.
func TestLines(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and runs every program")
	}
	if _, err := exec.LookPath("sh"); err != nil {
		program.Missing(t, "there is no shell")
	}
	if !enter(t) {
		return
	}
	r := &reader{dir: duplicate(t)}
	for _, name := range documents(t) {
		t.Run(name, func(t *testing.T) {
			defer r.stop(t) // a reader stops what he started
			for _, row := range rows[name] {
				if !t.Run(row.line, func(t *testing.T) { r.run(t, row) }) {
					break // the lines after it may need it
				}
			}
		})
	}
}

// duplicate copies the repository into a folder that is called as the documents call it.
func duplicate(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "sio")
	program.CopyRepository(t, dir)
	return dir
}

// A reader types lines.
type reader struct {
	dir     string
	serving string    // what runs in the other window
	server  *process  // nil for the example of docs/cli.md
	example io.Closer // which is in this process
}

// run runs one line.
func (r *reader) run(t *testing.T, row row) {
	if row.needs != "" {
		if _, err := exec.LookPath(row.needs); err != nil {
			t.Skipf("%s is not installed", row.needs)
		}
	}
	line := row.line
	if row.why != "" {
		line = row.instead
		t.Logf("%s: instead %s", row.why, line)
	}
	if row.page != "" {
		r.stop(t) // it wants the same port
	}
	if row.server != "" {
		r.serve(t, row.server)
	}
	p := r.start(t, row.dir, line)
	p.prints(t, row.prints)
	if row.page != "" {
		look(t, row.page)
		r.serving, r.server = row.line, p // it stays for the lines that follow
		return
	}
	if row.stays {
		p.interrupt()
	}
	if got := p.end(t); got != row.status && !row.stays {
		t.Errorf("ended with status %d, want %d:\n%s", got, row.status, p)
	}
}

// serve makes sure that a line's server runs.
func (r *reader) serve(t *testing.T, line string) {
	t.Helper()
	if r.serving == line {
		return
	}
	r.stop(t)
	if line == "example" {
		r.example = example(t, r.dir)
	} else {
		r.server = r.start(t, ".", line)
		r.server.prints(t, []string{"http://localhost:3000"})
	}
	r.serving = line
}

// stop ends the server, as Ctrl-C does.
func (r *reader) stop(t *testing.T) {
	t.Helper()
	if r.server != nil {
		r.server.interrupt()
		r.server.end(t)
	}
	if r.example != nil {
		if err := r.example.Close(); err != nil {
			t.Error(err)
		}
	}
	r.serving, r.server, r.example = "", nil, nil
}

// look wants something in the page that a server shows, and the client beside it.
func look(t *testing.T, want string) {
	t.Helper()
	c := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	for path, want := range map[string]string{"/": want, "/socket.io/socket.io.js": "function"} {
		re, err := c.Get("http://localhost:3000" + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(re.Body)
		_ = re.Body.Close()
		if err != nil || re.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s, %v, without %q:\n%.300s", path, re.Status, err, want, body)
		}
	}
}

// A process is a line that runs, with all that it starts.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	exited chan struct{}

	mu   sync.Mutex
	text bytes.Buffer
	more *sync.Cond // there is more text, or it is over
	over bool
}

// start starts a line in a folder that is named as seen from the repository. What it starts is a process group of its
// own, so that it can be interrupted as a terminal does that.
func (r *reader) start(t *testing.T, dir, line string) *process {
	t.Helper()
	p := &process{cmd: exec.Command("sh", "-c", line), exited: make(chan struct{})}
	p.more = sync.NewCond(&p.mu)
	p.cmd.Dir = filepath.Join(r.dir, filepath.FromSlash(dir))
	p.cmd.Env = append(os.Environ(), "PATH="+r.dir+string(os.PathListSeparator)+os.Getenv("PATH"),
		"GOPROXY=off", "GOSUMDB=off", "GOFLAGS=-buildvcs=false", "NO_COLOR=1") // there is no network
	p.cmd.Stdout, p.cmd.Stderr = p, p
	group(p.cmd)
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // owned by p; ends with the process
		defer close(p.exited)
		_ = p.cmd.Wait() // the status is asked for later
		p.mu.Lock()
		p.over = true
		p.more.Broadcast()
		p.mu.Unlock()
	}()
	return p
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.more.Broadcast()
	return p.text.Write(b)
}

func (p *process) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// prints waits until the process has printed all of that, in this order, and types what it is given to type.
func (p *process) prints(t *testing.T, want []string) {
	t.Helper()
	timer := time.AfterFunc(patience, func() { p.kill() }) // only what hangs gets here
	defer timer.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	from := 0
	for _, text := range want {
		if text == "^D" {
			_ = p.stdin.Close()
			continue
		}
		if typed, ok := strings.CutPrefix(text, "> "); ok {
			p.mu.Unlock()
			_, err := io.WriteString(p.stdin, typed+"\n")
			p.mu.Lock()
			if err != nil {
				t.Fatalf("%q could not be typed: %v, after:\n%s", typed, err, p.text.String())
			}
			continue
		}
		for {
			if i := strings.Index(p.text.String()[from:], text); i >= 0 {
				from += i + len(text)
				break
			}
			if p.over {
				t.Fatalf("%q was not printed, but:\n%s", text, p.text.String())
			}
			p.more.Wait()
		}
	}
}

// interrupt does what Ctrl-C does.
func (p *process) interrupt() { signal(p.cmd, syscall.SIGINT) }

func (p *process) kill() { signal(p.cmd, syscall.SIGKILL) }

// end closes stdin, waits for the end, and returns the status.
func (p *process) end(t *testing.T) int {
	t.Helper()
	_ = p.stdin.Close() // it may be gone already
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.kill()
		<-p.exited
		t.Errorf("did not end by itself; it printed:\n%s", p)
	}
	return p.cmd.ProcessState.ExitCode()
}

// build fetches what the programs need, and what go doc asks of all modules, while there is a network.
func build(t *testing.T) {
	t.Helper()
	dir := duplicate(t) // go list adds to go.work.sum
	for _, args := range [][]string{
		{"build", "-o", os.DevNull, "./examples/...", "./cmd/sio/...", "./bench/..."},
		{"list", "-m", "all"},
	} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = dir
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", args[0], err, text)
		}
	}
}
