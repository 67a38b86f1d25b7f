package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"sio.example/socketio/bench/internal/load"
	"sio.example/socketio/bench/internal/report"
)

func TestWithin(t *testing.T) {
	l := limit{scenario: "echo", ratio: 3}
	for name, test := range map[string]struct {
		ours []float64 // of the attempts; the floor is 1
		want bool
		runs int
	}{
		"at once":         {[]float64{2}, true, 1},
		"after a bad one": {[]float64{9, 3}, true, 2},
		"worse":           {[]float64{9, 9, 9, 9}, false, attempts},
	} {
		runs := 0
		ok, err := within(l, func() (float64, float64, error) {
			runs++
			return test.ours[runs-1], 1, nil
		}, io.Discard)
		if ok != test.want || runs != test.runs || err != nil {
			t.Errorf("%s: %v after %d runs, %v", name, ok, runs, err)
		}
	}
	if ok, err := within(l, func() (float64, float64, error) { return 1, 0, nil }, io.Discard); ok || err != nil {
		t.Errorf("a floor without cost: %v, %v", ok, err)
	}
	if _, err := within(l, func() (float64, float64, error) { return 0, 0, errNothing },
		io.Discard); !errors.Is(err, errNothing) {
		t.Errorf("error %v", err)
	}
}

func TestPick(t *testing.T) {
	all, err := pick("")
	if err != nil || len(all) != len(load.Scenarios) {
		t.Errorf("%d scenarios, %v", len(all), err)
	}
	some, err := pick("rooms,echo")
	if err != nil || len(some) != 2 || some[0].Name != "rooms" {
		t.Errorf("%v, %v", some, err)
	}
	if _, err := pick("echo,nothing"); err == nil {
		t.Error("a scenario that does not exist was found")
	}
	for _, l := range limits {
		if _, ok := load.Find(l.scenario); !ok {
			t.Errorf("the check has a scenario %q", l.scenario)
		}
	}
}

func TestColumns(t *testing.T) {
	b := &builds{source: t.TempDir(), bin: "bin"}
	for _, c := range b.all() {
		if c.About == "" || c.Title == "" || len(c.command) == 0 {
			t.Errorf("%+v", c)
		}
		for _, name := range c.without {
			if _, ok := load.Find(name); !ok {
				t.Errorf("%s is without %q", c.Name, name)
			}
		}
	}
	columns, err := b.columns("", io.Discard)
	if err != nil || slices.ContainsFunc(columns, isNode) || len(columns) != len(b.all())-2 {
		t.Errorf("without the official packages: %d columns, %v", len(columns), err)
	}
	if _, err := b.columns(report.Node, io.Discard); err == nil {
		t.Error("Node can't be run without its packages")
	}
	if _, err := b.columns("typed,nobody", io.Discard); err == nil {
		t.Error("a column that does not exist was found")
	}
}

// A page is made of saved results.
func TestRender(t *testing.T) {
	folder := t.TempDir()
	s := &settings{raw: filepath.Join(folder, "raw.json")}
	r := &report.Report{
		Date: "2026-01-02", Repetitions: 1, Columns: []report.Column{{Name: report.Typed, Title: "ours"}},
		Measurements: []report.Measurement{{Repetition: 1, Scenario: "echo",
			Column: report.Typed, Result: &load.Result{Scenario: "echo", ServerCPU: 1.5}}},
	}
	if err := s.keep(r); err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(folder, "docs", "numbers.md")
	if err := run(t.Context(), []string{"-from", s.raw, "-o", page}, io.Discard); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte("1.50 µs")) || !bytes.Contains(text, []byte("](img/numbers.svg)")) {
		t.Errorf("page:\n%s", text)
	}
	if chart, err := os.ReadFile(filepath.Join(folder, "docs", "img", "numbers.svg")); err != nil ||
		!bytes.HasPrefix(chart, []byte("<svg")) {
		t.Errorf("chart: %.100s, %v", chart, err)
	}
}

// All of it, small: programs are built and run, and the page says that nothing was wrong.
func TestBenchmark(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux")
	}
	folder := t.TempDir()
	page := filepath.Join(folder, "page.md")
	var out strings.Builder
	err := run(t.Context(), []string{"-s", "echo,connect", "-peers",
		"typed,any,floor", "-add", "mute=false", "-reps", "1", "-warm", "100ms",
		"-d", "200ms", "-o", page, "-raw", filepath.Join(folder, "raw.json"), "-profile", folder}, &out)
	if err == nil || !strings.Contains(err.Error(), "2 runs failed") {
		t.Errorf("error %v; %s", err, out.String())
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte("repetition 1, echo, mute")) ||
		bytes.Count(text, []byte("- repetition 1")) != 2 || !bytes.Contains(text, []byte("| echo |")) {
		t.Errorf("page:\n%s\n%s", text, out.String())
	}
	for _, name := range []string{"raw.json", "echo-typed-1.cpu", "connect-any-1.heap"} {
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-reps", "0"}, {"-reps", "1000"}, {"-d", "1h"},
		{"page.md"}, {"-nonsense"}, {"-s", "nothing"}, {"-from", "nothing"}, {"-add", "x="}} {
		var out strings.Builder
		if err := run(t.Context(), args, &out); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
}

func TestMachine(t *testing.T) {
	b := &builds{source: t.TempDir()}
	m := b.machine(context.Background())
	if m.CPU == "" || m.Cores < 1 || m.System == "" || len(m.Tools) == 0 || !strings.HasPrefix(m.Tools[0], "Go 1.") {
		t.Errorf("%+v", m)
	}
}
