package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"sio.example/socketio/bench/internal/load"
	"sio.example/socketio/bench/internal/report"
)

const module = "sio.example/socketio/bench"

// A column is a server, and how it is started.
type column struct {
	report.Column
	command []string // the port is added
	env     []string
	without []string // scenarios that it can't do, or that would only repeat another column
	packed  bool     // packets are MessagePack
	own     bool     // this project's
}

// builds are the programs, built for one benchmark.
type builds struct {
	source string // folder of this module
	bin    string
}

// build builds all programs into a temporary folder.
func build(ctx context.Context, stderr io.Writer) (*builds, error) {
	list := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", module)
	list.Stderr = stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("looking for the source of %s: %w", module, err)
	}
	b := &builds{source: strings.TrimSpace(string(out))}
	if b.bin, err = os.MkdirTemp("", "bench-"); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", b.bin+string(filepath.Separator),
		"./server", "./load", "./peers/floor", "./peers/model", "./peers/gorilla")
	cmd.Dir = b.source
	cmd.Stdout, cmd.Stderr = stderr, stderr
	if err := cmd.Run(); err != nil {
		b.close()
		return nil, fmt.Errorf("building: %w", err)
	}
	return b, nil
}

func (b *builds) close() { _ = os.RemoveAll(b.bin) } // the system cleans up in the end

func (b *builds) path(name string) string { return filepath.Join(b.bin, name) }

// nodePackages is where the official packages are installed, with the lock file of the tests.
func (b *builds) nodePackages() string {
	return filepath.Join(b.source, "..", "test", "js", "node_modules")
}

// compressed are the scenarios of compressed messages, which need a server that offers that.
var compressed = []string{"echodeflate", "bcastdeflate"}

// all are the columns there are, in the order of the page.
func (b *builds) all() []column {
	return []column{
		{
			Column: report.Column{Name: report.Typed, Title: "this server",
				About: "`bench/server`, whose handlers declare the types of their payloads, with default options"},
			command: []string{b.path("server")}, env: []string{"BENCH_HANDLERS=typed"}, own: true,
		},
		{
			Column: report.Column{Name: report.Any, Title: "this server, any",
				About: "the same, whose handlers take what JSON happens to hold, as a port of a JavaScript server " +
					"would"},
			command: []string{b.path("server")}, env: []string{"BENCH_HANDLERS=any"}, own: true,
		},
		{
			Column: report.Column{Name: report.Msgpack, Title: "this server, MessagePack",
				About: "this server, declared types, with `parser/msgpack`; an attachment stands within its message"},
			command: []string{b.path("server")}, env: []string{"BENCH_HANDLERS=typed", "BENCH_PARSER=msgpack"},
			without: []string{"idle", "polling"}, packed: true, own: true,
		},
		{
			Column: report.Column{Name: report.Node, Title: "Node",
				About: "the official socket.io on Node with ws, `bench/peers/node`"},
			command: []string{"node", "--expose-gc", filepath.Join(b.source, "peers", "node", "server.js")},
			env:     []string{"NODE_PATH=" + b.nodePackages(), "NODE_ENV=production"},
		},
		{
			Column: report.Column{Name: report.NodeMsgpack, Title: "Node, MessagePack",
				About: "the same with socket.io-msgpack-parser"},
			command: []string{"node", "--expose-gc", filepath.Join(b.source, "peers", "node", "server.js")},
			env:     []string{"NODE_PATH=" + b.nodePackages(), "NODE_ENV=production", "BENCH_PARSER=msgpack"},
			without: []string{"idle", "polling"}, packed: true,
		},
		{
			Column: report.Column{Name: report.Model, Title: "model",
				About: "the floor that decodes and encodes payloads with typed `encoding/json`; where it would do " +
					"the same as " +
					"the floor it is not run"},
			command: []string{b.path("model")}, without: append([]string{"idle", "connect", "binary", "polling"}, compressed...),
		},
		{
			Column: report.Column{Name: report.Floor, Title: "floor",
				About: "no Socket.IO server: `net/http`, Hijack, own framing, one goroutine for each connection " +
					"that waits " +
					"without a buffer, joined writes; right bytes, no JSON decoded"},
			command: []string{b.path("floor")}, without: compressed,
		},
		{
			Column: report.Column{Name: "gorilla", Title: "gorilla",
				About: "no Socket.IO server either: gorilla/websocket and `encoding/json` as one writes it without " +
					"thinking " +
					"of speed, one write for each message"},
			command: []string{b.path("gorilla")}, without: append([]string{"polling"}, compressed...),
		},
	}
}

// columns picks by name; without names, those that can be run.
func (b *builds) columns(names string, stderr io.Writer) ([]column, error) {
	all := b.all()
	nodeErr := b.haveNode()
	if names == "" {
		if nodeErr != nil {
			fmt.Fprintf(stderr, "without the column %q: %v\n", report.Node, nodeErr)
			all = slices.DeleteFunc(all, isNode)
		}
		return all, nil
	}
	var picked []column
	for name := range strings.SplitSeq(names, ",") {
		i := slices.IndexFunc(all, func(c column) bool { return c.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no column %q", name)
		}
		if isNode(all[i]) && nodeErr != nil {
			return nil, nodeErr
		}
		picked = append(picked, all[i])
	}
	return picked, nil
}

func isNode(c column) bool { return c.Name == report.Node || c.Name == report.NodeMsgpack }

func (b *builds) haveNode() error {
	if _, err := exec.LookPath("node"); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(b.nodePackages(), "socket.io")); err != nil {
		return fmt.Errorf("run scripts/setup for the official packages: %w", err)
	}
	return nil
}

// measure runs one scenario against a fresh server. Wrong answers are in the result, and no error.
func (b *builds) measure(ctx context.Context, s *settings,
	scenario load.Scenario, c column, label string) (*load.Result, error) {
	limit := s.warm + s.duration + 2*s.rest + 4*time.Minute // load ends by itself before
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	args := []string{"-json", "-s", scenario.Name, "-n", fmt.Sprint(scenario.Connections), "-warm", s.warm.String(),
		"-d", s.duration.String(), "-rest", s.rest.String()}
	if c.packed {
		args = append(args, "-msgpack")
	}
	args = append(args, "--")
	cmd := exec.CommandContext(ctx, b.path("load"), append(args, c.command...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it stops its server
	cmd.WaitDelay = 10 * time.Second
	cmd.Env = append(os.Environ(), c.env...)
	if scenario.Compressed() {
		cmd.Env = append(cmd.Env, "BENCH_DEFLATE=1")
	}
	if s.profiles != "" && c.own {
		if err := os.MkdirAll(s.profiles, 0o755); err != nil {
			return nil, err
		}
		folder, err := filepath.Abs(s.profiles)
		if err != nil {
			return nil, err
		}
		name := filepath.Join(folder, label)
		cmd.Env = append(cmd.Env, "BENCH_CPUPROFILE="+name+".cpu", "BENCH_HEAPPROFILE="+name+".heap")
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 3 {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	result := new(load.Result)
	if err := json.Unmarshal(stdout.Bytes(), result); err != nil {
		return nil, fmt.Errorf("load said %q: %w", stdout.String(), err)
	}
	return result, nil
}
