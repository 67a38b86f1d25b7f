package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"
)

// write writes the table, in Markdown.
func write(w io.Writer, s *settings, floors []*floor, r *result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s connections in %s rooms; %s, %d cores.\n\n",
		thousands(int64(s.clients)), thousands(int64(s.rooms)),
		runtime.Version(), runtime.GOMAXPROCS(0))
	b.WriteString("| |")
	for _, f := range floors {
		b.WriteString(" " + f.Kind + " |")
	}
	b.WriteString(" server |\n| --- |" + strings.Repeat(" ---: |", len(floors)+1) + "\n")

	row := func(name string, floor func(f *floor) string, server string) {
		b.WriteString("| " + name + " |")
		for _, f := range floors {
			cell := ""
			if floor != nil {
				cell = floor(f)
			}
			b.WriteString(" " + cell + " |")
		}
		b.WriteString(" " + server + " |\n")
	}
	memory := func(name string, of func(m perClient) float64) {
		cell := func(m perClient) string { return fmt.Sprintf("%.0f", of(m)) }
		row(name, func(f *floor) string { return cell(f.Memory) }, cell(r.Fresh))
	}
	n := int64(s.clients)

	row("opened and joined in", nil, r.Open.String())
	row("CPU of that, for each", nil, r.Open.each(n))
	row("collections meanwhile", nil, fmt.Sprintf("%d, %.0f %% of the CPU",
		r.Open.GCs, 100*r.Open.GCCPU.Seconds()/r.Open.CPU.Seconds()))
	memory("**memory for each, bytes (PSS)**", func(m perClient) float64 { return m.PSS })
	memory("stacks", func(m perClient) float64 { return m.Stacks })
	memory("heap in use", func(m perClient) float64 { return m.Heap })
	row("goroutines for each", func(f *floor) string { return fmt.Sprintf("%.2f", f.Memory.Goroutines) },
		fmt.Sprintf("%.2f", r.Fresh.Goroutines))
	row("memory after all below, bytes (PSS)", nil, fmt.Sprintf("%.0f", r.Used.PSS))
	row("at rest: pings answered in a second", nil, thousands(int64(float64(r.Pings)/r.Rest.Wall.Seconds())))
	row("at rest: CPU, of one core", nil, fmt.Sprintf("%.0f %%", 100*r.Rest.CPU.Seconds()/r.Rest.Wall.Seconds()))
	row("**broadcast to all**, until the last has it",
		func(f *floor) string { return f.Deliver.String() }, r.Broadcast.String())
	row("CPU of that, for each", func(f *floor) string { return f.Deliver.each(n) }, r.Broadcast.each(n))
	row("until Emit returned", nil, short(r.Emit))
	sorted := slices.Sorted(slices.Values(r.Rooms))
	row(fmt.Sprintf("broadcast to a room of %s, median", thousands(n/int64(s.rooms))),
		nil, short(sorted[len(sorted)/2]))
	row("the longest one", nil, short(sorted[len(sorted)-1]))
	row("an event from each, acknowledged", nil, r.Ask.String())
	row("CPU of that, for each", nil, r.Ask.each(n))
	row("**one collection**, wall", func(f *floor) string { return f.GC.String() }, r.GC.String())
	row("its CPU", func(f *floor) string { return short(f.GC.GCCPU) }, short(r.GC.GCCPU))
	row("its longest pause", func(f *floor) string { return short(f.GC.Pause) }, short(r.GC.Pause))
	row("half of them left in", nil, r.Leave.String())
	row("Shutdown closed the others in", nil, r.Shutdown.String())
	row("left over: goroutines", nil, fmt.Sprint(r.Goroutines))
	row("left over: heap, MiB (server not yet dropped)", nil, mib(r.HeapLeft))
	row("left over: PSS, MiB", nil, mib(r.PSSLeft))
	row("highest memory of the process (RSS), MiB", nil, mib(r.Peak))
	_, err := io.WriteString(w, b.String())
	return err
}

func (s span) String() string { return short(s.Wall) }

// each is the CPU time that each of n took.
func (s span) each(n int64) string {
	return fmt.Sprintf("%.2f us", float64(s.CPU.Nanoseconds())/1e3/float64(n))
}

// short leaves three digits.
func short(d time.Duration) string {
	unit := time.Duration(1)
	for unit*1000 <= d {
		unit *= 10
	}
	return d.Round(unit).String()
}

func mib(n int64) string { return fmt.Sprintf("%.1f", float64(n)/(1<<20)) }

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
