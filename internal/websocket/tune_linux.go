package websocket

import "syscall"

// What package syscall has not on all architectures (tcp(7)).
const (
	tcpUserTimeout  = 18
	tcpNotsentLowat = 25
)

func tuneFD(fd uintptr, ms, unread int) {
	_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotsentLowat, unsentMost)
	if unread > 0 {
		_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, unread)
	}
	if ms > 0 {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, ms)
	}
}
