package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"sio.example/socketio/bench/internal/load"
	"sio.example/socketio/bench/internal/report"
)

// A limit is how much more than the floor the server may cost before something must have gone wrong: about twice what
// it costs.
type limit struct {
	scenario    string
	connections int
	ratio       float64
}

var limits = []limit{
	{"echo", 0, 9},
	{"broadcast", 0, 3},
	{"idle", 5_000, 3},
}

// attempts is how often a scenario is run before it counts as worse. A disturbed run is worse by chance, a worse server
// is so each time: one run within the limit is enough.
const attempts = 4

// check compares the server with the floor, in turn, and fails if it costs a lot more.
func (b *builds) check(ctx context.Context, s *settings, stderr io.Writer) error {
	quick := *s
	quick.warm, quick.duration, quick.rest = 500*time.Millisecond, time.Second, 500*time.Millisecond
	all := b.all()
	server := all[slices.IndexFunc(all, func(c column) bool { return c.Name == report.Typed })]
	floor := all[slices.IndexFunc(all, func(c column) bool { return c.Name == report.Floor })]
	var worse []string
	for _, l := range limits {
		scenario, _ := load.Find(l.scenario)
		if l.connections > 0 {
			scenario.Connections = l.connections
		}
		ok, err := within(l, func() (ours, base float64, err error) {
			if base, err = b.cost(ctx, &quick, scenario, floor); err != nil {
				return 0, 0, err
			}
			ours, err = b.cost(ctx, &quick, scenario, server)
			return ours, base, err
		}, stderr)
		if err != nil {
			return err
		}
		if !ok {
			worse = append(worse, l.scenario)
		}
	}
	if len(worse) > 0 {
		return fmt.Errorf("a lot worse than it was: %s", strings.Join(worse, ", "))
	}
	return nil
}

// cost is that of one run, in which everything must be right.
func (b *builds) cost(ctx context.Context, s *settings, scenario load.Scenario, c column) (float64, error) {
	r, err := b.measure(ctx, s, scenario, c, "check-"+scenario.Name)
	if err != nil {
		return 0, fmt.Errorf("%s, %s: %w", scenario.Name, c.Name, err)
	}
	if r.Faults.Total() > 0 {
		return 0, fmt.Errorf("%s, %s: wrong answers: %s: %s", scenario.Name,
			c.Name, r.Faults.String(), strings.Join(r.Faults.First, "; "))
	}
	if r.Messages == 0 {
		return 0, fmt.Errorf("%s, %s: %w", scenario.Name, c.Name, errNothing)
	}
	return report.Cost(r), nil
}

var errNothing = errors.New("nothing arrived")

// within reports whether a ratio is within its limit in one of some attempts.
func within(l limit, pair func() (ours, base float64, err error), w io.Writer) (bool, error) {
	for range attempts {
		ours, base, err := pair()
		if err != nil {
			return false, err
		}
		if base <= 0 {
			fmt.Fprintf(w, "%-10s the floor's cost is too small to be measured\n", l.scenario)
			continue
		}
		ratio := ours / base
		verdict := "ok"
		if ratio > l.ratio {
			verdict = "TOO MUCH"
		}
		fmt.Fprintf(w, "%-10s %5.2f x floor, at most %.1f: %s\n", l.scenario, ratio, l.ratio, verdict)
		if ratio <= l.ratio {
			return true, nil
		}
	}
	return false, nil
}
