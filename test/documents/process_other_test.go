//go:build !unix

package documents

import (
	"os/exec"
	"syscall"
)

func group(*exec.Cmd) {}

func signal(cmd *exec.Cmd, _ syscall.Signal) { _ = cmd.Process.Kill() } // there is no Ctrl-C to send
