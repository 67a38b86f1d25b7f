package websocket

import (
	"net"
	"syscall"
	"time"
)

const (
	// unsentMost is how many bytes the kernel takes of a connection beyond what it can send at once. Its buffers grow
	// to 4 MiB otherwise, and a peer that reads nothing is not noticed before they are full.
	unsentMost = 128 << 10
	// defaultMaxUnread is how many bytes it takes from a peer that is not read. It would be up to 6 MiB for one that
	// was read fast before.
	defaultMaxUnread = 128 << 10
)

// Tune bounds what the kernel holds for a peer that reads slowly, and for how long it waits for one that does not
// acknowledge what it was sent, or does not make room for it; 0 is the system's own time, which is a quarter of an hour
// or, for a peer that lives and does not read, for ever.
//
// Unread is how many bytes it keeps of what is not read yet; 0 is 128 KiB. The buffer for what is received has one size
// then, unless unread is negative, which leaves it to the system.
//
// All is set on what lies beneath nc: TCP has them, and connections are looked into that have SyscallConn, as those do
// that embed a *net.TCPConn, or NetConn, as *tls.Conn. Of a connection that hides what is beneath nothing is known.
// Linux has TCP_NOTSENT_LOWAT and TCP_USER_TIMEOUT, macOS the first; on other systems nothing is set. What can't be set
// is not.
func Tune(nc net.Conn, patience time.Duration, unread int) {
	raw := beneath(nc)
	if raw == nil {
		return
	}
	ms := int(min(patience/time.Millisecond, 1<<31-1))
	if unread == 0 {
		unread = defaultMaxUnread
	}
	_ = raw.Control(func(fd uintptr) { tuneFD(fd, ms, unread) })
}

// beneath is the descriptor that nc has, or that the one has that it wraps; nil if that can't be known.
func beneath(nc net.Conn) syscall.RawConn {
	for range 8 { // nobody wraps deeper
		switch c := nc.(type) {
		case syscall.Conn:
			raw, err := c.SyscallConn()
			if err != nil {
				return nil
			}
			return raw
		case interface{ NetConn() net.Conn }:
			nc = c.NetConn()
		default:
			return nil
		}
	}
	return nil
}
