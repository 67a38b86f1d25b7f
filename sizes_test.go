package socketio

import (
	"testing"
	"unsafe"

	"sio.example/socketio/engineio"
)

// TestSizes pins what each connection has; see docs/memory.md. The allocator rounds up: to 96, 112, 128, 208, 224.
func TestSizes(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("for 64 bits")
	}
	for name, size := range map[string][2]uintptr{
		"conn":             {unsafe.Sizeof(conn{}), 96},
		"Socket":           {unsafe.Sizeof(Socket{}), 208},
		"engineio.Socket":  {unsafe.Sizeof(engineio.Socket{}), 208},
		"coldState":        {unsafe.Sizeof(coldState{}), 128},
		"unconnectedState": {unsafe.Sizeof(unconnectedState{}), 80},
		"extraListeners":   {unsafe.Sizeof(extraListeners{}), 32},
	} {
		if size[0] > size[1] {
			t.Errorf("%s has %d bytes, more than %d", name, size[0], size[1])
		}
	}
}
