package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"sio.example/socketio/bench/internal/report"
)

// machine says where the benchmark runs; what can't be found out is left out.
func (b *builds) machine(ctx context.Context) report.Machine {
	m := report.Machine{CPU: runtime.GOARCH, Cores: runtime.NumCPU(), Memory: "unknown memory"}
	if name := field("/proc/cpuinfo", "model name"); name != "" {
		m.CPU = name
	}
	if kib, err := strconv.ParseFloat(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 64); err == nil {
		m.Memory = fmt.Sprintf("%.0f GiB", kib/(1<<20))
	}
	m.System = runtime.GOOS
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.System = "Linux " + strings.TrimSpace(string(release))
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(load), " ")
	}
	m.Tools = append(m.Tools, "Go "+strings.TrimPrefix(runtime.Version(), "go"))
	if version := output(ctx, b.source, "node", "--version"); version != "" {
		m.Tools = append(m.Tools, "Node "+strings.TrimPrefix(version, "v"))
	}
	for _, name := range []string{"socket.io", "ws"} {
		if version := packageVersion(filepath.Join(b.nodePackages(), name, "package.json")); version != "" {
			m.Tools = append(m.Tools, name+" "+version)
		}
	}
	if version := output(ctx, b.source, "go", "list", "-m", "-f",
		"{{.Version}}", "github.com/gorilla/websocket"); version != "" {
		m.Tools = append(m.Tools, "gorilla/websocket "+strings.TrimPrefix(version, "v"))
	}
	return m
}

// field is the value of the first line of a file that begins with name and a colon.
func field(file, name string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func output(ctx context.Context, dir, name string, args ...string) string {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(out))
}

func packageVersion(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	var p struct{ Version string }
	_ = json.Unmarshal(b, &p) // without a version there is none to tell
	return p.Version
}
