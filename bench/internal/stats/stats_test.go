package stats

import (
	"math"
	"slices"
	"testing"
)

func TestOf(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   Summary
	}{
		{nil, Summary{}},
		{[]float64{3}, Summary{3, 3, 3, 1}},
		{[]float64{4, 1}, Summary{2.5, 1, 4, 2}},
		{[]float64{9, 1, 5}, Summary{5, 1, 9, 3}},
		{[]float64{2, 100, 1, 4}, Summary{3, 1, 100, 4}},
		{[]float64{math.NaN(), 7, math.Inf(1)}, Summary{7, 7, 7, 1}},
	} {
		before := slices.Clone(test.values)
		if got := Of(test.values); got != test.want {
			t.Errorf("Of(%v) = %+v, want %+v", test.values, got, test.want)
		}
		if !slices.EqualFunc(before, test.values, func(a, b float64) bool { return a == b || a != a && b != b }) {
			t.Errorf("Of changed its argument: %v", test.values)
		}
	}
}
