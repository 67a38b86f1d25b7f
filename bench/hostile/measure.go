package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"sio.example/socketio/bench/internal/proc"
)

// sampleEvery is how often the server is looked at.
const sampleEvery = 250 * time.Millisecond

// A result is what one set of hostile clients did.
type result struct {
	Kind          string
	Memory        int64         // bytes that the process grew by at most
	Kernel        int64         // and the buffers of its sockets, at the same time
	CPU           float64       // cores
	Cut           int64         // hostile connections that the server ended
	First, Half   time.Duration // when the first was, and half of them were; 0 if not
	Before        latency       // of honest clients
	During        latency
	HonestCut     int
	Stopped       time.Duration // when it was stopped because it took too much; 0 if it was not
	Reached, Want int64         // hostile connections that were open at once, of those that there should have been
}

const header = "| kind | memory | kernel | CPU | hostile cut | first, half after | honest p50, p99 before | during " +
	"| honest cut |\n" +
	"| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"

func (r *result) row() string {
	when := "-"
	if r.First > 0 {
		when = seconds(r.First) + ", " + seconds(r.Half)
	}
	kind := r.Kind
	if r.Stopped > 0 {
		kind += fmt.Sprintf(", stopped after %s", seconds(r.Stopped))
	}
	return fmt.Sprintf("| %s | %s | %s | %.2f | %d of %d | %s | %s, %s | %s, %s | %d |\n",
		kind, mib(r.Memory), mib(r.Kernel),
		r.CPU, r.Cut, r.Want, when, milli(r.Before.P50), milli(r.Before.P99),
		milli(r.During.P50), milli(r.During.P99), r.HonestCut)
}

func mib(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

func seconds(d time.Duration) string {
	if d == 0 {
		return "never"
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func milli(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

// measure starts a server, and lets one set of attacks work on it.
func (s *settings) measure(ctx context.Context, set set) (result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v, err := start(ctx, s.self, "serve")
	if err != nil {
		return result{}, err
	}
	defer v.end()
	c, err := gather(ctx, v.addr, s.honest)
	if err != nil {
		return result{}, fmt.Errorf("honest clients: %w", err)
	}
	defer c.clients.Wait()
	defer cancel()
	defer c.end()
	if err := rest(ctx, s.before); err != nil {
		return result{}, err
	}
	r := result{Kind: set.name, Want: int64(s.hostile * len(set.attacks))}
	r.Before, _ = c.look()

	memory, kernel, err := v.memory()
	if err != nil {
		return r, err
	}
	cpu, err := proc.CPU(v.pid)
	if err != nil {
		return r, err
	}
	began := time.Now()
	attacking, stop := context.WithTimeout(ctx, s.duration)
	defer stop()
	// A process of their own: what they do must not hold up the honest ones here.
	hostile := exec.CommandContext(attacking, s.self, "attack", v.addr, set.name, strconv.Itoa(s.hostile))
	hostile.Stderr = os.Stderr
	if err := hostile.Start(); err != nil {
		return r, err
	}
	if s.profile != "" {
		save := time.AfterFunc(s.duration*9/10, func() { // ends with the answer, or v
			if err := v.heap(ctx, filepath.Join(s.profile, set.name+".heap")); err != nil {
				fmt.Fprintln(os.Stderr, "hostile:", err)
			}
		})
		defer save.Stop()
	}
	err = s.watch(attacking, stop, v, c, &r, memory, kernel, began)
	r.During, r.HonestCut = c.look()
	if used, err := proc.CPU(v.pid); err == nil {
		r.CPU = float64(used.Total()-cpu.Total()) / float64(time.Since(began))
	}
	stop()
	_ = hostile.Wait() // it was killed
	return r, err
}

// watch looks at the server until the attacks end, and stops them when it takes too much.
func (s *settings) watch(
	ctx context.Context, stop context.CancelFunc, v *victim, c *crowd, r *result, memory, kernel int64, began time.Time,
) error {
	for rest(ctx, sampleEvery) == nil {
		m, k, err := v.memory()
		if err != nil {
			return fmt.Errorf("the server has ended: %w", err)
		}
		if grown := m - memory + k - kernel; grown > r.Memory+r.Kernel {
			r.Memory, r.Kernel = m-memory, k-kernel
			if grown > s.stop<<20 {
				r.Stopped = time.Since(began)
				stop()
				return nil
			}
		}
		now, ok := v.status(ctx)
		if !ok {
			continue // it has more to do
		}
		c.mu.Lock()
		honest := int64(s.honest - c.cut)
		c.mu.Unlock()
		open := now.Sessions - honest
		r.Reached = max(r.Reached, open)
		if gone := r.Reached - open; gone > r.Cut {
			r.Cut = gone
			if r.First == 0 {
				r.First = time.Since(began)
			}
			if r.Half == 0 && gone >= r.Want/2 {
				r.Half = time.Since(began)
			}
		}
	}
	return nil
}

// rest waits, or returns the error of ctx.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// A victim is the server's process.
type victim struct {
	addr   string
	port   int
	pid    int
	cmd    *exec.Cmd
	client *http.Client
}

func start(ctx context.Context, command ...string) (*victim, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	v := &victim{cmd: cmd, pid: cmd.Process.Pid, client: &http.Client{Timeout: 2 * time.Second}}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err == nil {
		v.port, err = strconv.Atoi(strings.TrimSpace(line))
	}
	if err != nil {
		v.end()
		return nil, errors.Join(errors.New("the server does not start"), err)
	}
	v.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(v.port))
	return v, nil
}

// end ends the process: there is nothing that it should still do.
func (v *victim) end() {
	v.client.CloseIdleConnections()
	_ = v.cmd.Process.Signal(syscall.SIGKILL) // it may have ended
	_ = v.cmd.Wait()
}

// memory is that of the process, and that of the kernel for its sockets.
func (v *victim) memory() (process, kernel int64, err error) {
	if process, err = proc.PSS(v.pid); err != nil {
		return 0, 0, err
	}
	kernel, _, err = proc.SocketMemory(v.port)
	return process, kernel, err
}

func (v *victim) status(ctx context.Context) (s status, ok bool) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+v.addr+"/status", nil)
	if err != nil {
		return s, false
	}
	re, err := v.client.Do(r)
	if err != nil {
		return s, false
	}
	defer re.Body.Close()
	return s, json.NewDecoder(re.Body).Decode(&s) == nil
}

// heap saves the profile of the server's heap.
func (v *victim) heap(ctx context.Context, name string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+v.addr+"/heap", nil)
	if err != nil {
		return err
	}
	re, err := v.client.Do(r)
	if err != nil {
		return err
	}
	defer re.Body.Close()
	profile, err := io.ReadAll(re.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(name, profile, 0o600)
}
