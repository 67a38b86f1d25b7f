//go:build unix

package websocket

import (
	"net"
	"syscall"
)

// rawConn gives access to the descriptor of nc, or nil if it has none. Only the connections of package net are asked: a
// type that embeds one has SyscallConn too, but its own Read and Write must not be passed by.
func rawConn(nc net.Conn) syscall.RawConn {
	var sc syscall.Conn
	switch nc := nc.(type) {
	case *net.TCPConn:
		sc = nc
	case *net.UnixConn:
		sc = nc
	default:
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// peekFD reports whether there is something to read, and leaves it there. The end of the stream does not count.
func peekFD(fd uintptr) bool {
	var p [1]byte
	n, _, err := syscall.Recvfrom(int(fd), p[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err == nil && n > 0
}
