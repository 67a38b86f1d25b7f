package report

import (
	"fmt"
	"io"
	"strings"

	"sio.example/socketio/bench/internal/load"
	"sio.example/socketio/bench/internal/stats"
)

// Markdown writes the page; chart is the path of the chart as the page refers to it.
func (r *Report) Markdown(w io.Writer, chart string) error {
	p := &page{r: r}
	p.intro(chart)
	p.targets()
	p.costs()
	p.ratios(Node, "socket.io on Node")
	p.ratios(Model, "the model")
	p.ratios(Floor, "the floor")
	p.idle()
	p.speed()
	p.method()
	p.wrong()
	_, err := io.WriteString(w, p.b.String())
	return err
}

type page struct {
	r *Report
	b strings.Builder
}

func (p *page) printf(format string, args ...any) { fmt.Fprintf(&p.b, format, args...) }

func (p *page) row(cells ...string) { p.printf("| %s |\n", strings.Join(cells, " | ")) }

// head writes the first rows of a table; the first column is left-aligned, the others are as align says.
func (p *page) head(cells ...string) {
	p.row(cells...)
	rule := make([]string, len(cells))
	for i := range rule {
		rule[i] = "---:"
	}
	rule[0] = "---"
	p.row(rule...)
}

func (p *page) intro(chart string) {
	p.printf("# Benchmarks\n\n")
	p.printf("What a message costs the server, beside the official server and beside what hand-written servers " +
		"without\n" +
		"Socket.IO need for the same bytes. `go run ./bench` made this page; [bench](../bench/README.md) says how " +
		"to repeat\n" +
		"it, and what the scenarios are.\n\n")
	p.printf("![What a message costs, as a share of what it costs socket.io on Node](%s)\n\n", chart)
	p.printf("The figure that holds is the CPU time of the server for each message, as the kernel counts it. All "+
		"servers are\n"+
		"run in turn, each time in a fresh process; ratios are taken within one repetition.\n"+
		"%s In parentheses stand the smallest and the largest.\n"+
		"Times depend on the machine: compare ratios, not times of two pages.\n\n", p.r.runs())
	p.machine()
}

func (p *page) machine() {
	m := p.r.Machine
	p.printf("Measured on %s: %s, %d cores, %s, %s, over the loopback interface",
		p.r.Date, m.CPU, m.Cores, m.Memory, m.System)
	if m.Load != "" {
		p.printf("; load average before the first run %s", m.Load)
	}
	p.printf(". %s.\n\n", strings.Join(m.Tools, ", "))
}

// targets compares what was reached with what is wanted.
func (p *page) targets() {
	if !p.r.has(Typed) {
		return
	}
	p.printf("## Targets\n\nFor handlers that declare their types. *Node* is socket.io on Node, *floor* a " +
		"hand-written server that\n" +
		"decodes no JSON, *model* the floor with typed `encoding/json`.\n\n")
	p.head("scenario", "ours", "Node", "of Node", "target", "met", "compared with", "ratio", "target", "met")
	met, all := 0, 0
	count := func(ok string) string {
		if ok != "" {
			all++
		}
		if ok == "yes" {
			met++
		}
		return ok
	}
	for _, t := range Targets {
		ours := p.r.Summary(t.Scenario, Typed, Cost)
		if ours.N == 0 {
			continue
		}
		node := p.r.Summary(t.Scenario, Node, Cost)
		ratio := p.r.Ratio(t.Scenario, Typed, Node)
		cells := []string{
			t.Scenario, cost(t.Scenario, ours.Median), cost(t.Scenario, node.Median),
			factor(ratio.Median, ratio.N), fmt.Sprintf("≤ %.2f", t.Node), count(reached(ratio, t.Node)),
		}
		if t.Base == "" {
			cells = append(cells, "-", cost(t.Scenario, ours.Median),
				"≤ "+cost(t.Scenario, t.Bytes), count(reached(ours, t.Bytes)))
		} else {
			other := p.r.Ratio(t.Scenario, Typed, t.Base)
			base := p.r.Summary(t.Scenario, t.Base, Cost)
			cells = append(cells, t.Base+" "+cost(t.Scenario, base.Median), factor(other.Median, other.N),
				fmt.Sprintf("≤ %.2f", t.Ratio), count(reached(other, t.Ratio)))
		}
		p.row(cells...)
	}
	p.printf("\n%d of %d targets are met.\n\n", met, all)
}

// reached says "yes", or by how much not; nothing if it was not measured.
func reached(s stats.Summary, limit float64) string {
	switch {
	case s.N == 0:
		return ""
	case s.Median <= limit:
		return "yes"
	}
	return fmt.Sprintf("no, %.0f %% over", max(1, (s.Median/limit-1)*100))
}

func factor(v float64, n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", v)
}

// cost is a figure in its unit.
func cost(scenario string, v float64) string {
	switch {
	case v == 0:
		return "-"
	case scenario == "idle":
		return micros(v/1024) + " KiB"
	}
	return micros(v) + " µs"
}

// micros shows three digits that count.
func micros(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// spread is a median with its extremes.
func spread(s stats.Summary, form func(float64) string) string {
	switch s.N {
	case 0:
		return "-"
	case 1:
		return form(s.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", form(s.Median), form(s.Min), form(s.Max))
}

func (p *page) titles(first ...string) []string {
	for _, c := range p.r.Columns {
		first = append(first, c.Title)
	}
	return first
}

// each writes a row for each scenario, and a cell for each column.
func (p *page) each(cell func(s load.Scenario, column string) string) {
	for _, s := range p.r.scenarios() {
		cells := []string{s.Name}
		for _, c := range p.r.Columns {
			cells = append(cells, cell(s, c.Name))
		}
		p.row(cells...)
	}
	p.printf("\n")
}

func (p *page) costs() {
	p.printf("## Server CPU for each message\n\nMicroseconds; of idle connections KiB of user space for each, after " +
		"a collection.\n\n")
	p.head(p.titles("scenario")...)
	p.each(func(s load.Scenario, column string) string {
		form := micros
		if s.Name == "idle" {
			form = func(v float64) string { return micros(v / 1024) }
		}
		return spread(p.r.Summary(s.Name, column, Cost), form)
	})
	p.printf("| scenario | load | a message is |\n| --- | --- | --- |\n")
	for _, s := range p.r.scenarios() {
		load := s.Load
		if s.Name == "idle" {
			load = fmt.Sprintf("%d %s", s.Connections, load)
		}
		p.row(s.Name, load, "one "+s.Unit)
	}
	p.printf("\n`echo`, `ack` and `binary` flatter everyone, since the client writes several messages at once; " +
		"`echonb` and\n" +
		"`echo1` are everyday figures.\n\n")
}

func (p *page) ratios(base, title string) {
	if !p.r.has(base) {
		return
	}
	p.printf("## Ratios to %s\n\nWithin the same repetition; below 1 is better.\n\n", title)
	p.head(p.titles("scenario")...)
	p.each(func(s load.Scenario, column string) string {
		return spread(p.r.Ratio(s.Name, column, base), func(v float64) string { return fmt.Sprintf("%.2f", v) })
	})
}

func (p *page) idle() {
	figures := []struct {
		name   string
		figure func(*load.Result) float64
	}{
		{"KiB for each connection, soon after opening", func(r *load.Result) float64 { return r.Idle.Fresh / 1024 }},
		{"KiB for each connection, after a collection", func(r *load.Result) float64 { return r.Idle.Settled / 1024 }},
		{"CPU at rest, ms a second", func(r *load.Result) float64 { return r.Idle.CPU * 1000 }},
		{"opened in, s", func(r *load.Result) float64 { return r.Idle.OpenedIn }},
		{"the process before, MiB", func(r *load.Result) float64 { return float64(r.Idle.BaseBytes) / (1 << 20) }},
	}
	any := false
	for i := range p.r.Measurements {
		any = any || p.r.Measurements[i].Result != nil && p.r.Measurements[i].Result.Idle != nil
	}
	if !any {
		return
	}
	p.printf("## Idle connections\n\nProportional set size (PSS) of the process; the kernel adds about 4 KiB for " +
		"its end of each connection.\n\n")
	p.head(p.titles("")...)
	for _, f := range figures {
		cells := []string{f.name}
		for _, c := range p.r.Columns {
			cells = append(cells, spread(p.r.Summary("idle", c.Name, f.figure), micros))
		}
		p.row(cells...)
	}
	p.printf("\n")
}

// speed is what depends most on the machine.
func (p *page) speed() {
	p.printf("## Messages a second, and latency\n\nOnly indicative: client and server share the cores, and the " +
		"client is as fast as the server lets it be. Thousands of\n" +
		"messages a second; below, the median and the 99th percentile of the latency in milliseconds, and what the " +
		"load\n" +
		"generator itself used for each message in microseconds.\n\n")
	p.head(p.titles("scenario")...)
	median := func(s load.Scenario, column string, figure func(*load.Result) float64) string {
		v := p.r.Summary(s.Name, column, figure)
		if v.N == 0 || s.Name == "idle" {
			return "-"
		}
		return micros(v.Median)
	}
	p.each(func(s load.Scenario, column string) string {
		return median(s, column, func(r *load.Result) float64 { return r.Rate / 1000 })
	})
	p.head(p.titles("latency, ms")...)
	p.each(func(s load.Scenario, column string) string {
		low := median(s, column, func(r *load.Result) float64 { return r.Latency.P50 / 1000 })
		if low == "-" {
			return low
		}
		return low + " / " + median(s, column, func(r *load.Result) float64 { return r.Latency.P99 / 1000 })
	})
	p.head(p.titles("generator, µs")...)
	p.each(func(s load.Scenario, column string) string {
		return median(s, column, func(r *load.Result) float64 { return r.LoadCPU })
	})
}

func (p *page) method() {
	p.printf("## What was measured\n\n")
	for _, c := range p.r.Columns {
		p.printf("- **%s**: %s\n", c.Title, c.About)
	}
	p.printf("\nEach run had %s to warm up and %s that counted. The load generator is one thread with its own event "+
		"loop and\n"+
		"framing; it checks ids, order and contents of all that comes back. The server's CPU is utime and stime of\n"+
		"`/proc/PID/stat` over the window; memory is PSS of `/proc/PID/smaps_rollup`. Compression is off.\n\n",
		p.r.Warm, p.r.Duration)
}

func (p *page) wrong() {
	runs := p.r.Wrong()
	p.printf("## What was wrong\n\n")
	if len(runs) == 0 {
		p.printf("Nothing: in %d runs no message was lost, came twice, in another order or with other contents, and "+
			"no connection\n"+
			"ended too early or too late.\n", len(p.r.Measurements))
		return
	}
	for _, m := range runs {
		text := m.Error
		if m.Result != nil {
			text = m.Result.Faults.String()
			if len(m.Result.Faults.First) > 0 {
				text += "; first: " + m.Result.Faults.First[0]
			}
		}
		p.printf("- repetition %d, %s, %s: %s\n", m.Repetition, m.Scenario, m.Column, quote(text))
	}
}

// quote makes code of a text, on one line.
func quote(text string) string {
	const longest = 300
	text = strings.Join(strings.Fields(strings.ReplaceAll(text, "`", "'")), " ")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return "`" + text + "`"
}
