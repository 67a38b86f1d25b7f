//go:build !linux

package documents

import "testing"

// enter has the lines run here, with the ports that they name.
func enter(t *testing.T) bool {
	t.Helper()
	build(t)
	return true
}
