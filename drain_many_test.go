//go:build !race

package socketio_test

import "testing"

// The race detector would take minutes and gigabytes for as many.
func TestDrainMovesTenThousandClients(t *testing.T) {
	if testing.Short() {
		t.Skip("it has 10,000 clients")
	}
	drainMoves(t, 10_000)
}
