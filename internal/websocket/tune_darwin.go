package websocket

import "syscall"

const tcpNotsentLowat = 0x201 // netinet/tcp.h

func tuneFD(fd uintptr, unsent, _ int) {
	_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotsentLowat, unsent)
}
