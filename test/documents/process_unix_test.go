//go:build unix

package documents

import (
	"os/exec"
	"syscall"
)

// group makes a process group of what cmd starts.
func group(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// signal sends to all of the group that cmd leads.
func signal(cmd *exec.Cmd, sig syscall.Signal) { _ = syscall.Kill(-cmd.Process.Pid, sig) } // it may have ended
