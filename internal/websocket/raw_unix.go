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

// readFD reads once. Again tells that nothing is there yet.
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
