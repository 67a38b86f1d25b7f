package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"sio.example/socketio/bench/internal/load"
)

// sample is a report of two repetitions.
func sample() *Report {
	r := &Report{
		Date: "2026-01-02", Repetitions: 2, Warm: "1s", Duration: "3s",
		Machine: Machine{CPU: "Some <CPU> & Co", Cores: 2, Memory: "8 GiB",
			System: "Linux 6", Load: "0.10", Tools: []string{"Go 1.26", "Node 20"}},
		Columns: []Column{{Typed, "this server", "ours"}, {Any, "any", "ours too"},
			{Node, "Node", "official"}, {Floor, "floor", "low"}, {Model, "model", "good"}},
	}
	add := func(rep int, scenario, column string, cpu float64) {
		r.Measurements = append(r.Measurements, Measurement{Repetition: rep, Scenario: scenario, Column: column,
			Result: &load.Result{Scenario: scenario, ServerCPU: cpu, Messages: 100,
				Rate: 1000, Latency: load.Latency{P50: 10, P99: 20}}})
	}
	add(1, "echo", Typed, 2)
	add(1, "echo", Any, 4)
	add(1, "echo", Node, 10)
	add(1, "echo", Model, 4)
	add(2, "echo", Typed, 6) // a slow moment, for all
	add(2, "echo", Node, 20)
	add(2, "echo", Model, 12)
	add(1, "connect", Typed, 300)
	add(1, "connect", Node, 400)
	add(1, "connect", Floor, 100)
	for column, bytes := range map[string]float64{Typed: 4096, Node: 16384} {
		r.Measurements = append(r.Measurements, Measurement{Repetition: 1, Scenario: "idle", Column: column,
			Result: &load.Result{Scenario: "idle", Connections: 10000, Messages: 10000,
				Idle: &load.Idle{Fresh: 8192, Settled: bytes, CPU: 0.001}}})
	}
	return r
}

func TestRatio(t *testing.T) {
	r := sample()
	if s := r.Ratio("echo", Typed, Node); s.N != 2 || math.Abs(s.Median-0.25) > 1e-9 || s.Min != 0.2 || s.Max != 0.3 {
		t.Errorf("ratios are to be taken within a repetition: %+v", s)
	}
	if s := r.Ratio("echo", Any, Node); s.N != 1 || s.Median != 0.4 {
		t.Errorf("%+v", s)
	}
	if s := r.Ratio("idle", Typed, Node); s.Median != 0.25 {
		t.Errorf("idle is compared by its memory: %+v", s)
	}
	if s := r.Ratio("echo", Typed, Floor); s.N != 0 {
		t.Errorf("a ratio to nothing: %+v", s)
	}
	if s := r.Summary("echo", Typed, Cost); s.Median != 4 || s.Min != 2 || s.Max != 6 {
		t.Errorf("%+v", s)
	}
}

func markdown(t *testing.T, r *Report) string {
	t.Helper()
	var b strings.Builder
	if err := r.Markdown(&b, "img/chart.svg"); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestMarkdown(t *testing.T) {
	page := markdown(t, sample())
	for _, want := range []string{
		"](img/chart.svg)",
		"Some <CPU> & Co, 2 cores, 8 GiB, Linux 6",
		"Go 1.26, Node 20",
		"| idle | 4.00 KiB | 16.0 KiB | 0.25 | ≤ 0.30 | yes | - | 4.00 KiB | ≤ 4.70 KiB | yes |",
		"| connect | 300 µs | 400 µs | 0.75 | ≤ 0.25 | no, 200 % over | floor 100 µs | 3.00 | ≤ 1.30 | no, " +
			"131 % over |",
		"| echo | 4.00 µs | 15.0 µs | 0.25 | ≤ 0.22 | no, 14 % over | model 8.00 µs | 0.50 | ≤ 1.00 | yes |",
		"3 of 6 targets are met.",
		"| echo | 4.00 (2.00–6.00) | 4.00 | 15.0 (10.0–20.0) | - | 8.00 (4.00–12.0) |",
		"| echo | 0.25 (0.20–0.30) | 0.40 | 1.00 (1.00–1.00) | - | 0.50 (0.40–0.60) |",
		"| idle | 10000 connections in the namespace, at rest | one connection |",
		"Nothing: in 12 runs",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
	// All rows of a table are of one width.
	width := 0
	for line := range strings.Lines(page) {
		n := strings.Count(line, "|")
		if n > 0 && width > 0 && n != width {
			t.Errorf("%d cells instead of %d: %s", n-1, width-1, line)
		}
		width = n
	}
}

func TestWrong(t *testing.T) {
	r := sample()
	r.Measurements[0].Result.Faults = load.Faults{Lost: 3, Misordered: 1, First: []string{"message 7 `x`\nlate"}}
	r.Measurements = append(r.Measurements,
		Measurement{Repetition: 1, Scenario: "echo", Column: Floor, Error: "no server"})
	page := markdown(t, r)
	for _, want := range []string{
		"repetition 1, echo, typed: `1 misordered, 3 lost; first: message 7 'x' late`",
		"repetition 1, echo, floor: `no server`",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "Nothing: in") || len(r.Wrong()) != 2 {
		t.Error("the page says that all was well")
	}
}

// The chart is well-formed whatever is missing, and has what was measured.
func TestChart(t *testing.T) {
	full, alone, nothing := sample(), sample(), sample()
	alone.Columns = alone.Columns[:1]
	var kept []Measurement
	for _, m := range alone.Measurements {
		if m.Column == Typed {
			kept = append(kept, m)
		}
	}
	alone.Measurements, nothing.Measurements = kept, nil
	for name, r := range map[string]*Report{"full": full, "alone": alone, "nothing": nothing} {
		var b bytes.Buffer
		if err := r.Chart(&b); err != nil {
			t.Fatal(err)
		}
		for d := xml.NewDecoder(bytes.NewReader(b.Bytes())); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf") {
			t.Errorf("%s: not a number", name)
		}
		if name == "full" {
			for _, want := range []string{"echo: 0.25 of Node (0.20 to 0.30)",
				"Some &lt;CPU&gt; &amp; Co", "prefers-color-scheme: dark", ">4.00 KiB<"} {
				if !strings.Contains(b.String(), want) {
					t.Errorf("the chart lacks %q", want)
				}
			}
		}
	}
}

// Each scenario has a target.
func TestTargets(t *testing.T) {
	if len(Targets) != len(load.Scenarios) {
		t.Errorf("%d targets, %d scenarios", len(Targets), len(load.Scenarios))
	}
	for i, target := range Targets {
		if target.Scenario != load.Scenarios[i].Name || target.Node <= 0 ||
			(target.Base == "") != (target.Bytes > 0) || (target.Base == "") != (target.Ratio == 0) {
			t.Errorf("%+v", target)
		}
	}
}
