package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"time"

	"sio.example/socketio/bench/internal/proc"
)

// memory is that of this process, in bytes, after a collection.
type memory struct {
	PSS        int64
	Stacks     int64
	Heap       int64 // in use
	Goroutines int64
}

// readMemory collects the garbage and gives the memory back before it looks.
func readMemory() (m memory, err error) {
	runtime.GC() // twice: pools keep what they have for one more
	debug.FreeOSMemory()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	m = memory{Stacks: int64(s.StackInuse), Heap: int64(s.HeapInuse), Goroutines: int64(runtime.NumGoroutine())}
	m.PSS, err = proc.PSS(os.Getpid())
	return m, err
}

// minus is what came on top of base, for each of n.
func (m memory) minus(base memory, n int) perClient {
	each := func(now, before int64) float64 { return float64(now-before) / float64(n) }
	return perClient{
		PSS: each(m.PSS, base.PSS), Stacks: each(m.Stacks, base.Stacks),
		Heap: each(m.Heap, base.Heap), Goroutines: each(m.Goroutines, base.Goroutines),
	}
}

// perClient is memory in bytes, and goroutines, for each client.
type perClient struct{ PSS, Stacks, Heap, Goroutines float64 }

// span is what some work has cost this process.
type span struct {
	Wall  time.Duration
	CPU   time.Duration
	GCs   uint64
	GCCPU time.Duration
	Pause time.Duration // the longest one for a collection, rounded up
}

// clock is a moment, for span.
type clock struct {
	at      time.Time
	cpu     time.Duration
	metrics []metrics.Sample
}

const (
	gcCycles = iota
	gcCPU
	gcPauses
)

func start() (c clock, err error) {
	c.metrics = []metrics.Sample{
		gcCycles: {Name: "/gc/cycles/total:gc-cycles"},
		gcCPU:    {Name: "/cpu/classes/gc/total:cpu-seconds"},
		gcPauses: {Name: "/sched/pauses/total/gc:seconds"},
	}
	metrics.Read(c.metrics)
	used, err := proc.CPU(os.Getpid())
	c.cpu, c.at = used.Total(), time.Now()
	return c, err
}

// since is what was used from then on.
func (c clock) since() (span, error) {
	wall := time.Since(c.at)
	now, err := start()
	cpu := now.metrics[gcCPU].Value.Float64() - c.metrics[gcCPU].Value.Float64()
	return span{
		Wall:  wall,
		CPU:   now.cpu - c.cpu,
		GCs:   now.metrics[gcCycles].Value.Uint64() - c.metrics[gcCycles].Value.Uint64(),
		GCCPU: time.Duration(cpu * float64(time.Second)),
		Pause: longest(c.metrics[gcPauses].Value.Float64Histogram(), now.metrics[gcPauses].Value.Float64Histogram()),
	}, err
}

// longest is the upper bound of the last bucket that has more in it than before.
func longest(before, after *metrics.Float64Histogram) time.Duration {
	for i := len(after.Counts) - 1; i >= 0; i-- {
		if after.Counts[i] > before.Counts[i] {
			bound := after.Buckets[i+1]
			if math.IsInf(bound, 1) {
				bound = after.Buckets[i]
			}
			return time.Duration(bound * float64(time.Second))
		}
	}
	return 0
}

// timed runs fn and tells what it cost.
func timed(fn func() error) (span, error) {
	c, err := start()
	if err != nil {
		return span{}, err
	}
	if err := fn(); err != nil {
		return span{}, err
	}
	return c.since()
}

// collections has the garbage collected a few times, and returns the one of median length.
func collections() (span, error) {
	var all []span
	for range 3 {
		s, err := timed(func() error {
			runtime.GC()
			return nil
		})
		if err != nil {
			return s, err
		}
		all = append(all, s)
	}
	return median(all), nil
}

// median is the span whose wall time is in the middle.
func median(all []span) span {
	sorted := slices.SortedFunc(slices.Values(all), func(a, b span) int { return int(a.Wall - b.Wall) })
	return sorted[len(sorted)/2]
}
