// Command million holds a million connections in one process: a Socket.IO server on its public API with default options
// and net/http, over connections in memory, since a machine has rarely descriptors and ports for as many. It opens
// them, joins each to a room, sends to all and to rooms, takes an event from each, and closes them; it checks that each
// client gets what it should, and says what that took.
//
//	go run ./bench/million                   a million in 1,000 rooms: some minutes, and 12 GB of memory at the worst
//	go run ./bench/million -n 100000
//
// The table goes to the standard output. With wrong answers there is none, and the exit code is 1. It needs Linux.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"sio.example/socketio/bench/internal/proc"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	cancel()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "million:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	clients, rooms int
	broadcasts     int
	ping           time.Duration
	pause          time.Duration
	timeout        time.Duration
	profiles       string
	floor          string
}

func parse(args []string, stderr io.Writer) (*settings, error) {
	s := new(settings)
	flags := flag.NewFlagSet("million", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&s.clients, "n", 1_000_000, "`connections`")
	flags.IntVar(&s.rooms, "rooms", 1_000, "`rooms`, each for as many of them")
	flags.IntVar(&s.broadcasts, "broadcasts", 5, "how many broadcasts to all, of which the median counts")
	flags.DurationVar(&s.ping, "ping", 0, "`interval` of the server's pings; default the server's own, 25 s")
	flags.DurationVar(&s.pause, "rest", 25*time.Second, "`time` in which there is nothing but pings")
	flags.DurationVar(&s.timeout, "timeout", 20*time.Minute, "`time` for all of it")
	flags.StringVar(&s.profiles, "profile", "", "write profiles of the steps and of the heap to `folder`")
	flags.StringVar(&s.floor, "floor", "", "measure only what the benchmark itself costs, as JSON: `pairs` or readers")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case flags.NArg() > 0:
		return nil, fmt.Errorf("unexpected %q", flags.Arg(0))
	case s.rooms < 1 || s.clients < s.rooms || s.clients < 2 || s.clients > 100_000_000:
		return nil, errors.New("want at least two connections, and one for each room")
	case s.broadcasts < 1:
		return nil, errors.New("want at least one broadcast")
	case s.floor != "" && s.floor != pairs && s.floor != readers:
		return nil, fmt.Errorf("-floor %s: want %s or %s", s.floor, pairs, readers)
	}
	return s, nil
}

func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s, err := parse(args, stderr)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if s.floor != "" {
		f, err := measureFloor(ctx, s)
		if err != nil {
			return err
		}
		return json.NewEncoder(stdout).Encode(f)
	}
	free, err := proc.Available()
	if err != nil {
		return err
	}
	if err := enough(s.clients, free); err != nil {
		return err
	}
	var floors []*floor
	for _, kind := range []string{pairs, readers} {
		f, err := runFloor(ctx, s, kind, stderr)
		if err != nil {
			return err
		}
		floors = append(floors, f)
	}
	r, err := measure(ctx, s, stderr)
	if err != nil {
		return err
	}
	return write(stdout, s, floors, r)
}

// most is what a connection takes at the worst moment, in bytes: three times what it takes at rest, since the collector
// lets the heap grow to twice what is live, stacks counted, before it begins.
const most = 12 << 10

// enough refuses to begin what would end with the machine out of memory.
func enough(clients int, free int64) error {
	need := int64(clients) * most
	if need <= free {
		return nil
	}
	return fmt.Errorf("%d connections take up to %.1f GiB, and %.1f GiB are available: at most -n %d here",
		clients, float64(need)/(1<<30), float64(free)/(1<<30), free/most)
}
