//go:build !unix

package websocket

import (
	"errors"
	"net"
	"syscall"
)

// Elsewhere every connection is read and written through net.Conn.

func rawConn(net.Conn) syscall.RawConn { return nil }

func readFD(uintptr, []byte) (n int, again bool, err error) { return 0, false, errors.ErrUnsupported }

func writeFD(uintptr, []byte) (n int, err error) { return 0, errors.ErrUnsupported }

func peekFD(uintptr) bool { return false }
