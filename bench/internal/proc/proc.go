// Package proc reads what Linux says of a process, and of the machine's memory, from /proc.
package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/PID/stat: USER_HZ is 100 on every architecture Linux runs on today.
const tick = 10 * time.Millisecond

// CPUTime is what a process has used so far.
type CPUTime struct{ User, System time.Duration }

// Total is both together.
func (t CPUTime) Total() time.Duration { return t.User + t.System }

// CPU is the time of a process, in steps of 10 ms (proc_pid_stat(5), fields 14 and 15).
func CPU(pid int) (t CPUTime, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return t, err
	}
	// The second field is a name in parentheses that may hold anything.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 13 {
		return t, fmt.Errorf("/proc/%d/stat: %q", pid, b)
	}
	user, err := strconv.ParseInt(f[11], 10, 64)
	if err != nil {
		return t, err
	}
	system, err := strconv.ParseInt(f[12], 10, 64)
	return CPUTime{time.Duration(user) * tick, time.Duration(system) * tick}, err
}

// PSS is the memory of a process in bytes, of pages it shares its share.
func PSS(pid int) (int64, error) { return kib(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss") }

// Peak is the most memory, in bytes, that a process has had at one time, shared pages included.
func Peak(pid int) (int64, error) { return kib(fmt.Sprintf("/proc/%d/status", pid), "VmHWM") }

// Available is how much memory, in bytes, the machine can give to new processes without swapping.
func Available() (int64, error) { return kib("/proc/meminfo", "MemAvailable") }

// kib finds a line of the form "Name:  123 kB", and returns bytes.
func kib(file, name string) (int64, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return n << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no %s", file, name)
}
