package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// A floor is what the benchmark itself costs, without a server: to be taken off the result.
type floor struct {
	Kind    string
	Memory  perClient
	Deliver span // a frame to each client, written in a loop
	GC      span
}

// The kinds of floors.
const (
	pairs   = "pairs"   // connections that nobody reads
	readers = "readers" // a goroutine that waits in Read on each, with 16 bytes to read into
)

// measureFloor measures one in this process.
func measureFloor(ctx context.Context, s *settings) (*floor, error) {
	base, err := readMemory()
	if err != nil {
		return nil, err
	}
	w := newCrowd(s.clients, s.rooms)
	var reading sync.WaitGroup
	for i := range w.clients {
		c := &w.clients[i]
		c.stage = inside
		if s.floor == readers {
			reading.Go(c.drain) // ends with the connection
		}
	}
	f := &floor{Kind: s.floor}
	now, err := readMemory()
	f.Memory = now.minus(base, s.clients)
	if err != nil {
		return nil, err
	}
	p := payload{-1, 0, filling}
	r := w.next(-1, p.wire(), nil)
	f.Deliver, err = timed(func() error {
		for i := range w.clients {
			if _, err := w.clients[i].Write(r.frame); err != nil {
				return err
			}
		}
		return w.wait(ctx, r.count)
	})
	if err != nil {
		return nil, err
	}
	if f.GC, err = collections(); err != nil {
		return nil, err
	}
	for i := range w.clients {
		w.clients[i].End()
	}
	reading.Wait()
	return f, w.wrong()
}

// drain reads until the end.
func (c *client) drain() {
	var p [16]byte
	for {
		if _, err := c.Read(p[:]); err != nil {
			return
		}
	}
}

// runFloor measures a floor in a process of its own: the runtime keeps what it needed for many goroutines, so that in
// the same process whoever comes later seems to need less.
func runFloor(ctx context.Context, s *settings, kind string, stderr io.Writer) (*floor, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, self, "-n", strconv.Itoa(s.clients),
		"-rooms", strconv.Itoa(s.rooms), "-floor", kind)
	cmd.Env = append(os.Environ(), childVariable+"=1")
	cmd.Stdout, cmd.Stderr = &out, stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	f := new(floor)
	if err := json.NewDecoder(strings.NewReader(out.String())).Decode(f); err != nil {
		return nil, fmt.Errorf("%s: %q: %w", kind, out.String(), err)
	}
	return f, nil
}

// childVariable is set in the environment of such a process, for tests, whose program is another one.
const childVariable = "MILLION_FLOOR"
