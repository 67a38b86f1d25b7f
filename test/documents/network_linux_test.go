package documents

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// inside is set in the process that has the network of its own.
const inside = "SIO_DOCUMENTS_INSIDE"

// enter reports whether the lines are to be run here. At first they are not: it runs this test again in a process that
// has a network of its own, with nothing but loopback, where every port is free.
func enter(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		if err := loopback(); err != nil {
			t.Fatalf("loopback: %v", err)
		}
		return true
	}
	build(t)
	pattern := flag.Lookup("test.run").Value.String() // which may pick some of the documents
	if !strings.HasPrefix(pattern, "TestLines") {
		pattern = "^TestLines$"
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+pattern, "-test.v", "-test.timeout=0")
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGTERM}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	said := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Logf("no network of its own (%v): the lines need the ports 3000 and 4443", err)
		return true
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v:\n%s", err, said)
	} else {
		t.Log(said)
	}
	return false
}

// loopback turns it on.
func loopback() error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	request := struct { // ifreq
		name  [16]byte
		flags uint16
		_     [22]byte
	}{flags: syscall.IFF_UP | syscall.IFF_RUNNING}
	copy(request.name[:], "lo")
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd),
		syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request)))
	if errno != 0 {
		return errno
	}
	return nil
}
