package websocket

import "syscall"

const tcpNotsentLowat = 0x201 // netinet/tcp.h

func tuneFD(fd uintptr, _, unread int) {
	_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotsentLowat, unsentMost)
	if unread > 0 {
		_ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, unread)
	}
}
