// Command hostile says what clients can do to a server that mean no good: for each kind of them it starts this server
// in a process of its own, with default options, has honest clients talk to it, lets a hundred hostile ones loose, and
// measures what the server takes and what the honest ones notice.
//
//	go run ./bench/hostile                          all kinds, one after the other: some six minutes
//	go run ./bench/hostile -kinds auth,rooms -d 5s
//	go run ./bench/hostile -kinds all -limit 64     all at once; exit code 1 above 64 MiB or if an honest one was cut
//
// The table goes to the standard output. It needs Linux.
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
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	cancel()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "hostile:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	kinds    string
	honest   int
	hostile  int
	before   time.Duration
	duration time.Duration
	limit    int64
	stop     int64
	json     bool
	profile  string
	self     string // the program that is the server, and the hostile clients
}

func command(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 1 && args[0] == "serve" {
		return serve(ctx, stdout)
	}
	if len(args) == 4 && args[0] == "attack" {
		return assail(ctx, args[1], args[2], args[3])
	}
	s := &settings{self: "/proc/self/exe"}
	flags := flag.NewFlagSet("hostile", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.kinds, "kinds", "",
		"`kinds`, separated by commas; \"all\" is all of them at once; default each by itself\n"+about())
	flags.IntVar(&s.honest, "honest", 100, "honest `clients`")
	flags.IntVar(&s.hostile, "n", 100, "hostile `connections` of each kind")
	flags.DurationVar(&s.before, "before", 4*time.Second, "`time` in which the honest clients are alone")
	flags.DurationVar(&s.duration, "d", 20*time.Second, "`time` for each kind")
	flags.Int64Var(&s.limit, "limit", 0,
		"`MiB` that the server's memory and the kernel's may grow by; more, or an honest client cut, is exit code 1")
	flags.Int64Var(&s.stop, "stop", 1024, "`MiB` at which a kind is stopped, to spare the machine")
	flags.BoolVar(&s.json, "json", false, "print JSON")
	flags.StringVar(&s.profile, "profile", "",
		"`directory` for profiles of the server's heap, taken shortly before the end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected %q", flags.Arg(0))
	}
	sets, err := pick(s.kinds)
	if err != nil {
		return err
	}
	if !s.json {
		fmt.Fprint(stdout, header)
	}
	var all []result
	for _, set := range sets {
		fmt.Fprintln(stderr, "hostile:", set.name)
		r, err := s.measure(ctx, set)
		if err != nil {
			return fmt.Errorf("%s: %w", set.name, err)
		}
		all = append(all, r)
		if !s.json {
			fmt.Fprint(stdout, r.row())
		}
	}
	if s.json {
		out := json.NewEncoder(stdout)
		out.SetIndent("", "  ")
		if err := out.Encode(all); err != nil {
			return err
		}
	}
	return s.judge(all)
}

// judge is the error of what is worse than wanted.
func (s *settings) judge(all []result) error {
	if s.limit == 0 {
		return nil
	}
	var bad []string
	for _, r := range all {
		if grown := r.Memory + r.Kernel; grown > s.limit<<20 {
			bad = append(bad, fmt.Sprintf("%s: memory grew by %s", r.Kind, mib(grown)))
		}
		if r.HonestCut > 0 {
			bad = append(bad, fmt.Sprintf("%s: %d honest clients were cut", r.Kind, r.HonestCut))
		}
	}
	if len(bad) > 0 {
		return errors.New(strings.Join(bad, "; "))
	}
	return nil
}
