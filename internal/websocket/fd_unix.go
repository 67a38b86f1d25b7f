//go:build unix && !(linux && (amd64 || arm64 || riscv64 || loong64) && !race && !msan && !asan)

package websocket

import "syscall"

// readFD reads once. Again tells that nothing has come yet.
func readFD(fd uintptr, p []byte) (n int, again bool, err error) {
	for {
		n, err = syscall.Read(int(fd), p)
		switch err {
		case nil:
			return n, false, nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, true, nil
		default:
			return 0, false, err
		}
	}
}

// writeFD writes what the kernel takes.
func writeFD(fd uintptr, p []byte) (n int, err error) {
	for n < len(p) {
		k, err := syscall.Write(int(fd), p[n:])
		if k > 0 {
			n += k
		}
		switch err {
		case nil, syscall.EINTR:
		case syscall.EAGAIN:
			return n, nil
		default:
			return n, err
		}
	}
	return n, nil
}
