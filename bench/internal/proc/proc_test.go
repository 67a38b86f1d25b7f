package proc

import (
	"os"
	"runtime"
	"testing"
)

func TestThisProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	used, err := CPU(os.Getpid())
	if err != nil || used.Total() < 0 {
		t.Errorf("CPU %+v, %v", used, err)
	}
	pss, err := PSS(os.Getpid())
	if err != nil || pss < 1<<20 {
		t.Errorf("PSS %d, %v", pss, err)
	}
	if peak, err := Peak(os.Getpid()); peak < pss || err != nil {
		t.Errorf("peak %d, PSS %d, %v", peak, pss, err)
	}
	free, err := Available()
	if err != nil || free < 1<<20 {
		t.Errorf("available %d, %v", free, err)
	}
	if _, err := CPU(1 << 30); err == nil {
		t.Error("the CPU time of a process that does not exist")
	}
	if _, err := kib("/proc/meminfo", "Nothing"); err == nil {
		t.Error("a line that does not exist")
	}
}
