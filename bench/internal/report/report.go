// Package report makes a page and a chart of what the benchmark measured.
package report

import (
	"sio.example/socketio/bench/internal/load"
	"sio.example/socketio/bench/internal/stats"
)

// A Report is all that one benchmark measured.
type Report struct {
	Date         string        `json:"date"`
	Machine      Machine       `json:"machine"`
	Columns      []Column      `json:"columns"`
	Repetitions  int           `json:"repetitions"`
	Warm         string        `json:"warm"`     // before each window
	Duration     string        `json:"duration"` // of each window
	Measurements []Measurement `json:"measurements"`
}

// A Machine is where it was measured.
type Machine struct {
	CPU    string   `json:"cpu"`
	Cores  int      `json:"cores"`
	Memory string   `json:"memory"`
	System string   `json:"system"` // the kernel
	Load   string   `json:"load"`   // average, before the first run
	Tools  []string `json:"tools"`  // versions
}

// A Column is one server.
type Column struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	About string `json:"about"`
}

// The columns that others are compared with, and that targets are for.
const (
	Typed = "typed"
	Any   = "any"
	Node  = "node"

	Msgpack     = "msgpack"
	NodeMsgpack = "node-msgpack"

	Floor = "floor"
	Model = "model"
)

// A Measurement is one run; Result is nil if it failed, and Error says how.
type Measurement struct {
	Repetition int          `json:"repetition"`
	Scenario   string       `json:"scenario"`
	Column     string       `json:"column"`
	Result     *load.Result `json:"result,omitempty"`
	Error      string       `json:"error,omitempty"`
}

// Cost is what a run is judged by: microseconds of the server's CPU for each message; of idle connections, bytes for
// each after a collection.
func Cost(r *load.Result) float64 {
	if r.Idle != nil {
		return r.Idle.Settled
	}
	return r.ServerCPU
}

// get calls fn for the successful runs of a scenario with a column.
func (r *Report) get(scenario, column string, fn func(m *Measurement)) {
	for i := range r.Measurements {
		if m := &r.Measurements[i]; m.Scenario == scenario && m.Column == column && m.Result != nil {
			fn(m)
		}
	}
}

// Summary summarizes a figure of all repetitions.
func (r *Report) Summary(scenario, column string, figure func(*load.Result) float64) stats.Summary {
	var values []float64
	r.get(scenario, column, func(m *Measurement) { values = append(values, figure(m.Result)) })
	return stats.Of(values)
}

// Ratio summarizes the ratios of the costs of two columns, each taken within one repetition.
func (r *Report) Ratio(scenario, column, base string) stats.Summary {
	bases := map[int]float64{}
	r.get(scenario, base, func(m *Measurement) { bases[m.Repetition] = Cost(m.Result) })
	var values []float64
	r.get(scenario, column, func(m *Measurement) {
		if b := bases[m.Repetition]; b > 0 {
			values = append(values, Cost(m.Result)/b)
		}
	})
	return stats.Of(values)
}

// scenarios are those that were run.
func (r *Report) scenarios() (found []load.Scenario) {
	for _, s := range load.Scenarios {
		for i := range r.Measurements {
			if r.Measurements[i].Scenario == s.Name {
				found = append(found, s)
				break
			}
		}
	}
	return found
}

// has reports whether a column was run.
func (r *Report) has(column string) bool {
	for _, c := range r.Columns {
		if c.Name == column {
			return true
		}
	}
	return false
}

// Wrong are the runs that failed, and those whose answers were wrong.
func (r *Report) Wrong() (runs []Measurement) {
	for _, m := range r.Measurements {
		if m.Result == nil || m.Result.Faults.Total() > 0 {
			runs = append(runs, m)
		}
	}
	return runs
}

// A Target is what the server with declared types is to reach in a scenario.
type Target struct {
	Scenario string
	Node     float64 // at most, of socket.io on Node
	Base     string  // the other column it is compared with; "" if Bytes counts
	Ratio    float64 // at most, of that
	Bytes    float64 // at most
}

// Targets are those of this project.
var Targets = []Target{
	{"idle", 0.30, "", 0, 4.7 * 1024},
	{"connect", 0.25, Floor, 1.3, 0},
	{"echo", 0.22, Model, 1.0, 0},
	{"ack", 0.22, Model, 1.0, 0},
	{"binary", 0.12, Floor, 1.8, 0},
	{"echonb", 0.45, Model, 1.05, 0},
	{"echo1", 0.45, Model, 1.0, 0},
	{"echodeflate", 0.50, Any, 1.1, 0}, // no other column compresses
	{"broadcast", 0.23, Model, 1.05, 0},
	{"broadcast1", 0.55, Model, 1.1, 0},
	{"bcastdeflate", 0.05, Any, 1.1, 0},
	{"rooms", 0.50, Model, 1.05, 0},
	{"polling", 0.60, Floor, 1.15, 0},
}
