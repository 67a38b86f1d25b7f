// Command bench measures the server beside others: interleaved runs, each in a fresh process. It writes a page and a
// chart, or checks that nothing has become a lot worse.
//
//	go run ./bench -o docs/benchmarks.md     everything, five times; takes most of an hour
//	go run ./bench -s echo,idle -peers typed,node -reps 1
//	go run ./bench -check                    a minute; exit code 1 if something is a lot worse
//
// It needs Linux, and for the column "node" Node with the packages of test/js.
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
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"sio.example/socketio/bench/internal/load"
	"sio.example/socketio/bench/internal/report"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr)
	cancel()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// settings are the flags.
type settings struct {
	scenarios, peers string
	repetitions      int
	warm, duration   time.Duration
	rest             time.Duration
	page, raw, from  string
	profiles         string
	check            bool
	added            []column
}

func parse(args []string, stderr io.Writer) (*settings, error) {
	s := new(settings)
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.scenarios, "s", "", "`scenarios`, separated by commas; default all")
	flags.StringVar(&s.peers, "peers", "", "`columns`, separated by commas; default all there are")
	flags.IntVar(&s.repetitions, "reps", 5, "repetitions")
	flags.DurationVar(&s.warm, "warm", 2*time.Second, "time to warm up in each run")
	flags.DurationVar(&s.duration, "d", 4*time.Second, "time that counts in each run")
	flags.DurationVar(&s.rest, "rest", 2*time.Second, "idle: wait before the memory is read")
	flags.StringVar(&s.page, "o", "", "write the page to `file`, and the chart to img/NAME.svg beside it; default "+
		"the page to stdout")
	flags.StringVar(&s.raw, "raw", "", "write all results as JSON to `file`, after each run")
	flags.StringVar(&s.from, "from", "", "measure nothing, but make the page of the results in `file`")
	flags.StringVar(&s.profiles, "profile", "", "write CPU and heap profiles of this project's servers to `folder`")
	flags.Func("add", "another server, as `name=command`; the port is added to the command's words", s.add)
	flags.BoolVar(&s.check, "check", false, "compare with the floor, and fail if something is a lot worse")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("unexpected %q", flags.Arg(0))
	}
	if s.repetitions < 1 || s.repetitions > 100 || s.duration > time.Minute ||
		s.warm > time.Minute || s.rest > time.Minute {
		return nil, errors.New("want 1 to 100 repetitions, and times of up to a minute")
	}
	return s, nil
}

func run(ctx context.Context, args []string, stderr io.Writer) error {
	s, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if s.from != "" {
		return s.render(stderr)
	}
	scenarios, err := pick(s.scenarios)
	if err != nil {
		return err
	}
	b, err := build(ctx, stderr)
	if err != nil {
		return err
	}
	defer b.close()
	if s.check {
		return b.check(ctx, s, stderr)
	}
	columns, err := b.columns(s.peers, stderr)
	if err != nil {
		return err
	}
	columns = append(columns, s.added...)
	r := &report.Report{
		Date: time.Now().UTC().Format("2006-01-02"), Machine: b.machine(ctx), Repetitions: s.repetitions,
		Warm: s.warm.String(), Duration: s.duration.String(),
	}
	for _, c := range columns {
		r.Columns = append(r.Columns, c.Column)
	}
	if err := b.matrix(ctx, s, r, scenarios, columns, stderr); err != nil {
		return err
	}
	if err := s.write(r); err != nil {
		return err
	}
	if wrong := r.Wrong(); len(wrong) > 0 {
		return fmt.Errorf("%d runs failed, or got wrong answers; the page says which", len(wrong))
	}
	return nil
}

// add takes a server that the command line names.
func (s *settings) add(text string) error {
	name, command, _ := strings.Cut(text, "=")
	words := strings.Fields(command)
	if name == "" || len(words) == 0 {
		return errors.New("want name=command")
	}
	s.added = append(s.added, column{
		Column: report.Column{Name: name, Title: name, About: "`" + command + "`"}, command: words,
	})
	return nil
}

// pick finds scenarios by name.
func pick(names string) ([]load.Scenario, error) {
	if names == "" {
		return load.Scenarios, nil
	}
	var picked []load.Scenario
	for name := range strings.SplitSeq(names, ",") {
		s, ok := load.Find(name)
		if !ok {
			return nil, fmt.Errorf("there is no scenario %q", name)
		}
		picked = append(picked, s)
	}
	return picked, nil
}

// matrix runs all columns in all scenarios, repetition by repetition. Each repetition begins with another column, so
// that none always follows the same one.
func (b *builds) matrix(ctx context.Context, s *settings, r *report.Report,
	scenarios []load.Scenario, columns []column, stderr io.Writer) error {
	for rep := range s.repetitions {
		for _, scenario := range scenarios {
			for i := range columns {
				c := columns[(i+rep)%len(columns)]
				if slices.Contains(c.without, scenario.Name) {
					continue
				}
				m := report.Measurement{Repetition: rep + 1, Scenario: scenario.Name, Column: c.Name}
				result, err := b.measure(ctx, s, scenario, c, fmt.Sprintf("%s-%s-%d", scenario.Name, c.Name, rep+1))
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if m.Result = result; err != nil {
					m.Error = err.Error()
				}
				r.Measurements = append(r.Measurements, m)
				fmt.Fprintf(stderr, "%d/%d %-10s %-8s %s\n", rep+1, s.repetitions, scenario.Name, c.Name, outcome(m))
				if err := s.keep(r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// outcome is a run in a line.
func outcome(m report.Measurement) string {
	switch r := m.Result; {
	case r == nil:
		return "FAILED: " + m.Error
	case r.Faults.Total() > 0:
		return "WRONG: " + r.Faults.String()
	case r.Idle != nil:
		return fmt.Sprintf("%6.2f KiB", r.Idle.Settled/1024)
	default:
		return fmt.Sprintf("%6.2f us (generator %.2f)", r.ServerCPU, r.LoadCPU)
	}
}

// keep saves the results so far, so that a benchmark that is stopped was not for nothing.
func (s *settings) keep(r *report.Report) error {
	if s.raw == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(s.raw, append(text, '\n'), 0o644)
}

func (s *settings) render(stderr io.Writer) error {
	text, err := os.ReadFile(s.from)
	if err != nil {
		return err
	}
	r := new(report.Report)
	if err := json.Unmarshal(text, r); err != nil {
		return fmt.Errorf("%s: %w", s.from, err)
	}
	if len(r.Wrong()) > 0 {
		fmt.Fprintf(stderr, "%d runs failed, or got wrong answers\n", len(r.Wrong()))
	}
	return s.write(r)
}

// write writes the page, and the chart where its place is known.
func (s *settings) write(r *report.Report) error {
	if s.page == "" {
		return r.Markdown(os.Stdout, "img/benchmarks.svg")
	}
	name := strings.TrimSuffix(filepath.Base(s.page), filepath.Ext(s.page)) + ".svg"
	folder := filepath.Join(filepath.Dir(s.page), "img")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return errors.Join(
		writeFile(s.page, func(w io.Writer) error { return r.Markdown(w, "img/"+name) }),
		writeFile(filepath.Join(folder, name), r.Chart),
	)
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
