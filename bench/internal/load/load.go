// Package load drives a Socket.IO server and says what that cost the server. It is meant to cost less itself: one
// thread, its own event loop, its own framing, messages that are made once and only numbered when they are sent. It
// needs Linux.
//
// Everything that comes back is checked: each message is to arrive once, in order, at everybody it is for, and with
// what was sent in it.
package load

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"sio.example/socketio/bench/internal/proc"
)

// A Scenario is one kind of load.
type Scenario struct {
	Name        string
	Load        string // in words
	Unit        string // of a message
	Connections int
	Window      int // messages outstanding: for each connection, or for each sender where all get them
}

// Compressed says that messages are compressed, and that the server's environment has BENCH_DEFLATE=1.
func (s Scenario) Compressed() bool { return strings.HasSuffix(s.Name, "deflate") }

// textSize is how long the text of a message is.
func (s Scenario) textSize() int {
	if s.Compressed() {
		return 2048
	}
	return 64
}

// Scenarios are all there are, in the order of the report.
var Scenarios = []Scenario{
	{"idle", "connections in the namespace, at rest", "connection", 10_000, 0},
	{"connect", "TCP, upgrade, CONNECT and clean close, 32 at a time", "connection", 32, 1},
	{"echo", "100 connections, 16 outstanding, 64 bytes of text in JSON", "round trip", 100, 16},
	{"ack", "the same, acknowledged", "round trip", 100, 16},
	{"binary", "the same with an attachment of 1 KiB", "round trip", 100, 16},
	{"echonb", "echo, each message written by itself", "round trip", 100, 16},
	{"echo1", "200 connections, 1 outstanding", "round trip", 200, 1},
	{"echodeflate", "the same, 2 KiB of text, which the server compresses", "round trip", 100, 4},
	{"broadcast", "to 1,000 receivers, 8 outstanding", "delivery", 1_000, 8},
	{"broadcast1", "to 1,000 receivers, 1 outstanding", "delivery", 1_000, 1},
	{"bcastdeflate", "to 1,000 receivers, 8 outstanding, 2 KiB of text, compressed", "delivery", 1_000, 8},
	{"rooms", "500 rooms of 10, 1 outstanding in each", "delivery", 5_000, 1},
	{"polling", "100 long-polling clients, 1 outstanding, a POST and a GET each", "round trip", 100, 1},
}

// Find returns the scenario of that name.
func Find(name string) (Scenario, bool) {
	for _, s := range Scenarios {
		if s.Name == name {
			return s, true
		}
	}
	return Scenario{}, false
}

const (
	roomSize  = 10
	openTime  = 60 * time.Second
	inOpening = 32 // connections being opened at a time
)

// Config is one run.
type Config struct {
	Scenario
	Msgpack  bool          // packets are MessagePack
	Warm     time.Duration // before the measured window; default 1 s
	Duration time.Duration // of the window; default 3 s
	Rest     time.Duration // idle: before the memory is read, and after it was asked to collect; default 2 s
	Drain    time.Duration // what is outstanding when the window has ended may take as long; default 5 s
}

// A Target is the server under load: a process that listens on 127.0.0.1.
type Target struct {
	Port int
	PID  int
	// Collect asks the server to collect its garbage; nil where it cannot.
	Collect func() error
}

// A Result is what one run said. CPU times are microseconds for each message.
type Result struct {
	Scenario    string  `json:"scenario"`
	Connections int     `json:"connections"`
	Window      int     `json:"window"`
	Messages    int64   `json:"messages"`
	Seconds     float64 `json:"seconds"` // of the measured window
	Rate        float64 `json:"rate"`    // messages for each second
	ServerCPU   float64 `json:"serverCPU"`
	ServerUser  float64 `json:"serverUser"`
	ServerSys   float64 `json:"serverSystem"`
	LoadCPU     float64 `json:"loadCPU"` // of this process
	Latency     Latency `json:"latency"`
	PSS         int64   `json:"pss"` // of the server at the end of the window, bytes
	Idle        *Idle   `json:"idle,omitempty"`
	Faults      Faults  `json:"faults"`
}

// Idle is what idle connections cost. The sizes are bytes of user space for each connection.
type Idle struct {
	Fresh     float64 `json:"fresh"`     // some time after the last connection was opened
	Settled   float64 `json:"settled"`   // after a collection
	CPU       float64 `json:"cpu"`       // of the server, seconds for each second
	OpenedIn  float64 `json:"openedIn"`  // seconds
	BaseBytes int64   `json:"baseBytes"` // PSS of the server before
}

// Run loads the server as the scenario says. The error tells that nothing could be measured; what was wrong with the
// answers is in the result.
func Run(ctx context.Context, t Target, cfg Config) (*Result, error) {
	if cfg.Warm <= 0 {
		cfg.Warm = time.Second
	}
	if cfg.Duration <= 0 {
		cfg.Duration = 3 * time.Second
	}
	if cfg.Rest <= 0 {
		cfg.Rest = 2 * time.Second
	}
	if cfg.Drain <= 0 {
		cfg.Drain = 5 * time.Second
	}
	if cfg.Window > ring || cfg.Connections < 1 {
		return nil, fmt.Errorf("load: %d connections, %d outstanding: want at least 1 and at most %d",
			cfg.Connections, cfg.Window, ring)
	}
	l, err := newLoop(ctx)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	defer l.close()
	g := &generator{loop: l, target: t, cfg: cfg, result: &Result{
		Scenario: cfg.Name, Connections: cfg.Connections, Window: cfg.Window,
	}}
	if err := g.run(); err != nil {
		return nil, fmt.Errorf("load: %s: %w", cfg.Name, err)
	}
	return g.result, nil
}

type generator struct {
	loop    *loop
	target  Target
	cfg     Config
	result  *Result
	latency histogram
	counted int64 // messages since the beginning
}

func (g *generator) run() error {
	switch g.cfg.Name {
	case "idle":
		return g.idle()
	case "connect":
		return g.connects()
	case "echo", "ack", "binary", "echonb", "echo1", "echodeflate":
		return g.flow(newEcho(g))
	case "broadcast", "broadcast1", "bcastdeflate":
		return g.flow(newBroadcast(g))
	case "rooms":
		return g.flow(newRooms(g))
	case "polling":
		return g.flow(newPolling(g))
	}
	return errors.New("no such scenario")
}

// A driver is a scenario of messages.
type driver interface {
	// open brings up all connections; it is bounded in time.
	open() error
	// begin sends the first messages.
	begin()
	// stop sends no more.
	stop()
	// outstanding is how much has not come to its end.
	outstanding() int64
	// finish counts what is still outstanding among the faults.
	finish()
}

// flow runs a scenario of messages: open, warm up, measure, let what is outstanding arrive.
func (g *generator) flow(d driver) error {
	if err := d.open(); err != nil {
		return err
	}
	d.begin()
	if err := g.measure(); err != nil {
		return err
	}
	d.stop()
	if err := g.loop.runUntil(g.cfg.Drain, func() bool { return d.outstanding() == 0 }); err != nil {
		return err
	}
	d.finish()
	return nil
}

// measure warms up and measures what the event loop is doing.
func (g *generator) measure() error {
	if err := g.loop.runUntil(g.cfg.Warm, nil); err != nil {
		return err
	}
	g.latency = histogram{}
	before, err := g.sample()
	if err != nil {
		return err
	}
	if err := g.loop.runUntil(g.cfg.Duration, nil); err != nil {
		return err
	}
	after, err := g.sample()
	if err != nil {
		return err
	}
	r := g.result
	r.Messages = after.counted - before.counted
	r.Seconds = after.at.Sub(before.at).Seconds()
	r.Rate = float64(r.Messages) / r.Seconds
	r.Latency = g.latency.summary()
	if r.Messages > 0 {
		each := 1e6 / float64(r.Messages)
		r.ServerUser = (after.server.User - before.server.User).Seconds() * each
		r.ServerSys = (after.server.System - before.server.System).Seconds() * each
		r.ServerCPU = r.ServerUser + r.ServerSys
		r.LoadCPU = (after.own - before.own).Seconds() * each
	}
	r.PSS, err = proc.PSS(g.target.PID)
	return err
}

type sample struct {
	at      time.Time
	server  proc.CPUTime
	own     time.Duration
	counted int64
}

func (g *generator) sample() (s sample, err error) {
	if s.server, err = proc.CPU(g.target.PID); err != nil {
		return s, err
	}
	s.own = ownCPU()
	s.counted = g.counted
	s.at = time.Now()
	return s, nil
}
