package websocket

import "syscall"

// What package syscall has not on all architectures (tcp(7)).
const (
	tcpUserTimeout  = 18
	tcpNotsentLowat = 25
)

func tuneFD(fd uintptr, unsent, ms int) {
	_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotsentLowat, unsent)
	if ms > 0 {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, ms)
	}
}
