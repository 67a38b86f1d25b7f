package units

import (
	"fmt"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                    "<nil>",
		time.Millisecond:     "<nil>",
		time.Hour:            "<nil>",
		25000:                "X is 25µs: a time.Duration counts nanoseconds; write 25000 * time.Millisecond",
		time.Millisecond - 1: "X is 999.999µs: a time.Duration counts nanoseconds; write 999999 * time.Millisecond",
		-1:                   "X is negative (-1ns): 0 means the default",
	} {
		if got := fmt.Sprint(Check("X", d, time.Millisecond)); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
	if got := fmt.Sprint(Check("X", 600,
		time.Second)); got != "X is 600ns: a time.Duration counts nanoseconds; write 600 * time.Second" {
		t.Error(got)
	}
}
