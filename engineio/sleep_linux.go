package engineio

import (
	"syscall"
	"time"
	"unsafe"
)

// The clocks of clock_gettime(2): the first stands still while the machine sleeps.
const (
	clockMonotonic = 1
	clockBoottime  = 7
)

// asleep is how long the machine has slept since it was started.
func asleep() (total time.Duration, known bool) {
	var awake, all syscall.Timespec
	_, _, e1 := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&awake)), 0)
	_, _, e2 := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&all)), 0)
	return time.Duration(all.Nano() - awake.Nano()), e1 == 0 && e2 == 0
}
