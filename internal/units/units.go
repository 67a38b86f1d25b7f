// Package units finds durations that were written without their unit: 25000 is 25 seconds in JavaScript, and 25
// microseconds here.
package units

import (
	"fmt"
	"time"
)

// Check reports a duration that cannot be meant: a negative one, or one below a millisecond. The message has the right
// form, for a number of units, which are milliseconds or seconds.
func Check(name string, d, unit time.Duration) error {
	switch {
	case d < 0:
		return fmt.Errorf("%s is negative (%v): 0 means the default", name, d)
	case d > 0 && d < time.Millisecond:
		text := "time.Millisecond"
		if unit == time.Second {
			text = "time.Second"
		}
		return fmt.Errorf("%s is %v: a time.Duration counts nanoseconds; write %d * %s", name, d, int64(d), text)
	}
	return nil
}
