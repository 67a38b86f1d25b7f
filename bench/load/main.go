// Command load starts a server and loads it with one scenario.
//
//	load [flags] -- SERVER [ARGUMENT...]
//
// A free port is added to the server's arguments. It must print "ready", and end on SIGTERM. What was measured goes
// to stdout, as JSON or in words; exit code 1 says that nothing could be measured, 3 that answers were wrong.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"sio.example/socketio/bench/internal/load"
)

func main() {
	// One thread, and the one that the server's life hangs on.
	runtime.LockOSThread()
	runtime.GOMAXPROCS(1)
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var names []string
	for _, s := range load.Scenarios {
		names = append(names, s.Name)
	}
	name := flags.String("s", "echo", "the `scenario`: "+strings.Join(names, ", "))
	asJSON := flags.Bool("json", false, "write the result as JSON")
	connections := flags.Int("n", 0, "`connections`, if not as many as the scenario has")
	window := flags.Int("w", 0, "messages `outstanding`, if not as many as the scenario has")
	warm := flags.Duration("warm", time.Second, "run before the measured window")
	duration := flags.Duration("d", 3*time.Second, "length of the measured window")
	packed := flags.Bool("msgpack", false, "packets are MessagePack; not for polling")
	rest := flags.Duration("rest", 2*time.Second, "idle: wait before the memory is read")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	scenario, ok := load.Find(*name)
	if !ok || flags.NArg() == 0 {
		fmt.Fprintf(stderr, "load: want a command, and one of %s\n", strings.Join(names, ", "))
		return 2
	}
	if *connections > 0 {
		scenario.Connections = *connections
	}
	if *window > 0 {
		scenario.Window = *window
	}
	cfg := load.Config{Scenario: scenario, Msgpack: *packed, Warm: *warm, Duration: *duration, Rest: *rest}

	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, *warm+*duration+2**rest+3*time.Minute)
	defer cancel()
	result, err := one(ctx, cfg, flags.Args())
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	if *asJSON {
		_ = json.NewEncoder(stdout).Encode(result) // whoever reads it notices
	} else {
		describe(stdout, result)
	}
	if result.Faults.Total() > 0 {
		return 3
	}
	return 0
}

// one is a whole run with a server of its own.
func one(ctx context.Context, cfg load.Config, command []string) (*load.Result, error) {
	limit := syscall.Rlimit{}
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) // for the server, too; too few show when connections fail
	}
	server, err := load.Start(ctx, command, nil)
	if err != nil {
		return nil, err
	}
	result, err := load.Run(ctx, server.Target(), cfg)
	server.Stop()
	if err != nil {
		return nil, fmt.Errorf("%w%s", err, server.Output())
	}
	return result, nil
}

func describe(w io.Writer, r *load.Result) {
	fmt.Fprintf(w, "%s: %d connections, %d outstanding, %.1f s\n", r.Scenario, r.Connections, r.Window, r.Seconds)
	if i := r.Idle; i != nil {
		fmt.Fprintf(w, "  memory      %.2f KiB for each connection, %.2f after a collection (PSS), before them %.1f "+
			"MiB\n",
			i.Fresh/1024, i.Settled/1024, float64(i.BaseBytes)/(1<<20))
		fmt.Fprintf(w, "  at rest     %.1f ms of CPU a second; opened in %.1f s\n", i.CPU*1000, i.OpenedIn)
	} else {
		fmt.Fprintf(w, "  server      %.2f us for each message (%.2f user, %.2f system), %.1f MiB\n",
			r.ServerCPU, r.ServerUser, r.ServerSys, float64(r.PSS)/(1<<20))
		fmt.Fprintf(w, "  messages    %d, %.0f a second\n", r.Messages, r.Rate)
		fmt.Fprintf(w, "  latency     %.0f us median, %.0f 90 %%, %.0f 99 %%, %.0f at most\n",
			r.Latency.P50, r.Latency.P90, r.Latency.P99, r.Latency.Max)
		fmt.Fprintf(w, "  generator   %.2f us for each message\n", r.LoadCPU)
	}
	if r.Faults.Total() > 0 {
		fmt.Fprintf(w, "  WRONG       %s\n", r.Faults.String())
		for _, text := range r.Faults.First {
			fmt.Fprintf(w, "              %s\n", text)
		}
	}
}
