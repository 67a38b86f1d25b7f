package load

import "fmt"

// Faults are what was wrong.
type Faults struct {
	Misordered int64    `json:"misordered"` // arrived after a later one
	Bad        int64    `json:"bad"`        // not what was sent
	Unexpected int64    `json:"unexpected"` // a second time, or never asked for
	Lost       int64    `json:"lost"`       // had not arrived some seconds after the end
	Closed     int64    `json:"closed"`     // connections that the server ended
	LeftOpen   int64    `json:"leftOpen"`   // connections that the server did not end when it should
	First      []string `json:"first,omitempty"`
}

// Total is their number.
func (f *Faults) Total() int64 {
	return f.Misordered + f.Bad + f.Unexpected + f.Lost + f.Closed + f.LeftOpen
}

// String names those there are.
func (f *Faults) String() string {
	text := ""
	for _, k := range []struct {
		n    int64
		name string
	}{
		{f.Misordered, "misordered"}, {f.Bad, "bad"}, {f.Unexpected, "unexpected"}, {f.Lost, "lost"},
		{f.Closed, "closed"}, {f.LeftOpen, "left open"},
	} {
		if k.n > 0 {
			if text != "" {
				text += ", "
			}
			text += fmt.Sprintf("%d %s", k.n, k.name)
		}
	}
	return text
}

const keptFaults = 5

// note counts a fault, and keeps what the first ones were.
func (f *Faults) note(count *int64, format string, args ...any) {
	*count++
	if len(f.First) < keptFaults {
		f.First = append(f.First, fmt.Sprintf(format, args...))
	}
}
