package main

import (
	"bytes"
	"encoding/json"
	"io"
	"runtime/debug"
	"sync"
)

// The lines of the output.
type (
	ready struct {
		Type    string   `json:"type"`
		Impl    string   `json:"impl"`
		Version string   `json:"version"`
		Caps    []string `json:"caps"`
	}
	connected struct {
		Type      string `json:"type"`
		ID        string `json:"id"`
		SID       string `json:"sid"`
		Recovered bool   `json:"recovered"`
		Transport string `json:"transport"`
	}
	disconnected struct {
		Type   string `json:"type"`
		ID     string `json:"id"`
		Reason string `json:"reason"`
	}
	connectError struct {
		Type    string `json:"type"`
		ID      string `json:"id"`
		Message string `json:"message"`
		Data    any    `json:"data"`
	}
	received struct {
		Type  string `json:"type"`
		ID    string `json:"id"`
		Event string `json:"event"`
		Args  []any  `json:"args"`
	}
	acked struct {
		Type string  `json:"type"`
		ID   string  `json:"id"`
		Ack  any     `json:"ack"`
		Err  *string `json:"err"`
		Args []any   `json:"args"`
	}
	managed struct {
		Type  string `json:"type"`
		ID    string `json:"id"`
		Event string `json:"event"`
		Args  []int  `json:"args"`
	}
	state struct {
		Type      string  `json:"type"`
		ID        string  `json:"id"`
		Tag       any     `json:"tag"`
		Connected bool    `json:"connected"`
		Active    bool    `json:"active"`
		Recovered bool    `json:"recovered"`
		SID       *string `json:"sid"`
		Transport *string `json:"transport"`
	}
	failure struct {
		Type    string `json:"type"`
		Cmd     string `json:"cmd"`
		ID      string `json:"id"`
		Message string `json:"message"`
	}
)

// printer prints one object a line. It is safe for concurrent use.
type printer struct {
	mu      sync.Mutex
	w       io.Writer
	stopped bool
}

// print prints v. An error of the output ends up nowhere: the driver that read it is gone, and so will be stdin.
func (p *printer) print(v any) {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // no line holds what has no JSON form; see plain
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stopped {
		_, _ = p.w.Write(line.Bytes())
	}
}

// stop prevents further lines.
func (p *printer) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
