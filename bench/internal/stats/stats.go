// Package stats condenses repeated measurements. The middle one is told, with the smallest and the largest: a mean
// would believe the run that a neighbour disturbed.
package stats

import (
	"math"
	"slices"
)

// A Summary is what repetitions came to.
type Summary struct {
	Median, Min, Max float64
	N                int // repetitions
}

// Of summarizes values; NaN and infinities are left out. Of nothing, all is 0.
func Of(values []float64) Summary {
	kept := make([]float64, 0, len(values))
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			kept = append(kept, v)
		}
	}
	n := len(kept)
	if n == 0 {
		return Summary{}
	}
	slices.Sort(kept)
	return Summary{Median: (kept[(n-1)/2] + kept[n/2]) / 2, Min: kept[0], Max: kept[n-1], N: n}
}
