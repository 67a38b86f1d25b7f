package websocket

import (
	"flag"
	"os"
	"testing"

	"sio.example/socketio/internal/bufpool"
)

// All tests run with poisoned pools: a buffer that is used after it was given back, or sent without having been
// written, shows in the echoes, which are compared byte by byte.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.bench"); f == nil || f.Value.String() == "" {
		bufpool.SetPoison(true)
	}
	os.Exit(m.Run())
}
