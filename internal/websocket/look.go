package websocket

import (
	"crypto/tls"
	"syscall"
)

// Arrived reports whether a part of a message that is not complete came since the last call. Any goroutine may ask.
func (c *Conn) Arrived() bool {
	return c.marks.Load()&markArrived != 0 && c.marks.And(^uint32(markArrived))&markArrived != 0
}

// Unread reports whether the kernel holds input that nobody has read, as it does when the process stood still. It is
// false where that can't be known: for connections other than TCP and TLS, and on systems that are no Unix. Any
// goroutine may ask; it costs a system call and does not wait.
func (c *Conn) Unread() bool {
	raw := c.raw
	nc := c.nc
	for t, ok := nc.(*tls.Conn); ok; t, ok = nc.(*tls.Conn) {
		nc = t.NetConn()
		raw = rawConn(nc)
	}
	return raw != nil && unread(raw)
}

func unread(raw syscall.RawConn) (yes bool) {
	err := raw.Control(func(fd uintptr) { yes = peekFD(fd) })
	return err == nil && yes
}
