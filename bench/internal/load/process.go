package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Process is a server that was started to be loaded.
type Process struct {
	Port   int
	cmd    *exec.Cmd
	stderr *tail
	exited chan struct{}
}

const (
	startTime = 2 * time.Minute
	stopTime  = 5 * time.Second
)

// Start runs a command with a free port as its last argument and env added to the environment, and waits until it
// prints "ready". The process is killed when this one ends; the calling goroutine should be locked to the main thread.
func Start(ctx context.Context, command, env []string) (*Process, error) {
	if len(command) == 0 {
		return nil, errors.New("load: no command")
	}
	port, err := freePort()
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	p := &Process{Port: port, stderr: new(tail), exited: make(chan struct{})}
	p.cmd = exec.Command(command[0], append(command[1:len(command):len(command)], strconv.Itoa(port))...)
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stderr = p.stderr
	p.cmd.WaitDelay = time.Second
	dieWithParent(p.cmd)
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	ready := make(chan error, 1)
	go func() { // owned by the process; ends with it
		defer close(p.exited)
		r := bufio.NewReader(out)
		line, err := r.ReadString('\n')
		if line = strings.TrimSpace(line); line == "ready" {
			err = nil
		} else if err == nil {
			err = fmt.Errorf("it said %q", line)
		}
		ready <- err
		_, _ = io.Copy(io.Discard, r)
		_ = p.cmd.Wait() // how it ended does not matter
	}()
	patience := time.NewTimer(startTime)
	defer patience.Stop()
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = ctx.Err()
	case <-patience.C:
		err = errors.New("it does not get ready")
	}
	if err != nil {
		p.Stop()
		return nil, fmt.Errorf("load: %s: %w%s", command[0], err, p.Output())
	}
	return p, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// Target is the process as the target of a run.
func (p *Process) Target() Target {
	return Target{Port: p.Port, PID: p.cmd.Process.Pid,
		Collect: func() error { return p.cmd.Process.Signal(syscall.SIGUSR2) }}
}

// Stop asks the process to end, kills it if it does not, and waits until it has ended.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails only if it has ended
	patience := time.NewTimer(stopTime)
	defer patience.Stop()
	select {
	case <-p.exited:
	case <-patience.C:
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// Output is the end of what the process wrote to stderr, on a new line; valid once it was stopped.
func (p *Process) Output() string {
	if text := strings.TrimSpace(string(p.stderr.b)); text != "" {
		return "\n" + text
	}
	return ""
}

// A tail keeps the end of what is written to it.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	const keep = 4 << 10
	t.b = append(t.b, p...)
	if len(t.b) > 2*keep {
		t.b = bytes.Clone(t.b[len(t.b)-keep:])
	}
	return len(p), nil
}
