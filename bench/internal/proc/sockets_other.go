//go:build !linux

package proc

import "errors"

// SocketMemory is what the kernel holds in its buffers for this machine's TCP sockets at a local port, in bytes, and
// how many sockets that are.
func SocketMemory(int) (bytes int64, sockets int, err error) { return 0, 0, errors.ErrUnsupported }
