//go:build unix && race

package websocket

import (
	"runtime"
	"testing"
)

// TestMessageOrdersMemory: what was written before a message was sent may be read by whoever has received it. With both
// ends in one process, as in the tests of an application, the race detector has to see that, as it does with a
// net.Conn.
func TestMessageOrdersMemory(t *testing.T) {
	a, b := tcpPair(t)
	from, to := rawConn(a), rawConn(b)
	said := 0
	go func() { // ends when it has written
		said = 1
		from.Write(func(fd uintptr) bool {
			if n, err := writeFD(fd, []byte("x")); n != 1 {
				t.Errorf("%d, %v", n, err)
			}
			return true
		})
	}()
	var p [1]byte
	n := 0
	for n == 0 && !t.Failed() {
		to.Read(func(fd uintptr) bool {
			var err error
			if n, _, err = readFD(fd, p[:]); err != nil {
				t.Error(err)
			}
			return true
		})
		runtime.Gosched()
	}
	if said != 1 {
		t.Error("the message has overtaken what was before it")
	}
}
