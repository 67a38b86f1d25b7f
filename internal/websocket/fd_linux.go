//go:build !race && !msan && !asan

package websocket

import (
	"syscall"
	"unsafe"
)

// The descriptors are in non-blocking mode, so that the scheduler need not be told of system calls on them: that saves
// two tenths of a microsecond for each message. The sanitizers have to be told as well: they use fd_unix.go.

// readFD reads once. Again tells that nothing is there yet.
func readFD(fd uintptr, p []byte) (n int, again bool, err error) {
	for {
		r, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(r), false, nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, true, nil
		default:
			return 0, false, errno
		}
	}
}

// writeFD writes what the kernel takes.
func writeFD(fd uintptr, p []byte) (n int, err error) {
	for n < len(p) {
		r, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(&p[n])), uintptr(len(p)-n))
		switch errno {
		case 0:
			n += int(r)
		case syscall.EINTR:
		case syscall.EAGAIN:
			return n, nil
		default:
			return n, errno
		}
	}
	return n, nil
}
