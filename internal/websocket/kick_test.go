//go:build unix

package websocket

import (
	"runtime"
	"syscall"
	"testing"
)

// A busyRaw is a connection on which something more is owed whenever a write is through.
type busyRaw struct {
	fd    uintptr
	conn  *Conn
	left  int
	depth []int
}

func (r *busyRaw) Control(func(fd uintptr)) error   { return nil }
func (r *busyRaw) Read(func(fd uintptr) bool) error { return nil }

// Write takes all of it, as another goroutine answers a ping.
func (r *busyRaw) Write(fn func(fd uintptr) bool) error {
	var pcs [256]uintptr
	r.depth = append(r.depth, runtime.Callers(0, pcs[:]))
	fn(r.fd)
	if r.left--; r.left > 0 {
		r.conn.mu.Lock()
		r.conn.oweControl(opPong, nil)
		r.conn.mu.Unlock()
	}
	return nil
}

// How often others owe something while the kernel takes what was owed is up to the peer, and must not be the depth of a
// stack.
func TestKickDoesNotGrowTheStack(t *testing.T) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = syscall.Close(pair[0])
		_ = syscall.Close(pair[1])
	}()
	const rounds = 50
	c := new(Conn)
	r := &busyRaw{fd: uintptr(pair[0]), conn: c, left: rounds}
	c.raw = r
	c.oweControl(opPong, nil)
	c.kick()
	if len(r.depth) != rounds || c.owed != nil || c.busy {
		t.Fatalf("%d writes, %v owed, busy %v", len(r.depth), c.owed, c.busy)
	}
	if first, last := r.depth[0], r.depth[rounds-1]; first != last {
		t.Errorf("%d frames on the stack at first, %d after %d rounds", first, last, rounds)
	}
}
