//go:build !linux

package engineio

import "time"

// asleep knows nothing here: the wall clock is believed.
func asleep() (total time.Duration, known bool) { return 0, false }
