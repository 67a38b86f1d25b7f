//go:build !linux

package load

import (
	"errors"
	"os/exec"
	"time"
)

// Elsewhere the package compiles, and says that it can't.

var errAgain = errors.ErrUnsupported

type poller struct{}

func newPoller() (*poller, error)                           { return nil, errors.ErrUnsupported }
func (*poller) wait(time.Duration) (int, error)             { return 0, errors.ErrUnsupported }
func (*poller) ready(int) (fd int, readable, writable bool) { return 0, false, false }
func (*poller) add(int) error                               { return errors.ErrUnsupported }
func (*poller) wantWrite(int, bool) error                   { return errors.ErrUnsupported }
func (*poller) close()                                      {}
func dial(int, int) (int, error)                            { return -1, errors.ErrUnsupported }
func readFD(int, []byte) (int, error)                       { return 0, errors.ErrUnsupported }
func writeFD(int, []byte) (int, error)                      { return 0, errors.ErrUnsupported }
func closeFD(int)                                           {}
func ownCPU() time.Duration                                 { return 0 }
func dieWithParent(*exec.Cmd)                               {}
