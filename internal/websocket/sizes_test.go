package websocket

import (
	"testing"
	"unsafe"
)

// TestSizes pins what each connection has; see docs/memory.md. The allocator rounds up to 112.
func TestSizes(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("for 64 bits")
	}
	if n := unsafe.Sizeof(Conn{}); n > 112 {
		t.Errorf("Conn has %d bytes", n)
	}
}
