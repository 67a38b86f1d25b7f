//go:build linux

package load

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"sio.example/socketio/bench/internal/proc"
)

// TestMain makes the test binary a server that does nothing, if it is asked to be one.
func TestMain(m *testing.M) {
	if os.Getenv("LOAD_TEST_SERVER") == "" {
		os.Exit(m.Run())
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	fmt.Fprintln(os.Stderr, "port", os.Args[1])
	fmt.Println("ready")
	<-end
}

func TestProcess(t *testing.T) {
	p, err := Start(t.Context(), []string{os.Args[0]}, []string{"LOAD_TEST_SERVER=1"})
	if err != nil {
		t.Fatal(err)
	}
	target := p.Target()
	if target.Port != p.Port || syscall.Kill(target.PID, 0) != nil {
		t.Errorf("target %+v", target)
	}
	if pss, err := proc.PSS(target.PID); pss <= 0 || err != nil {
		t.Errorf("PSS %d, %v", pss, err)
	}
	p.Stop()
	if err := syscall.Kill(target.PID, 0); err == nil {
		t.Error("it was not stopped")
	}
	if out, want := p.Output(), fmt.Sprintf("\nport %d", p.Port); out != want {
		t.Errorf("output %q", out)
	}
}

func TestProcessNotReady(t *testing.T) {
	for _, script := range []string{"echo steady", "echo broken >&2; exit 1"} {
		if _, err := Start(t.Context(), []string{"sh", "-c", script, "sh"}, nil); err == nil {
			t.Errorf("%q was ready", script)
		} else if strings.Contains(script, "broken") && !strings.Contains(err.Error(), "broken") {
			t.Errorf("%q: %v", script, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Start(ctx, []string{"sh", "-c", "exec sleep 60", "sh"}, nil); err == nil {
		t.Error("silence was ready")
	}
}

func TestProcessCPU(t *testing.T) {
	before := ownCPU()
	for end := before + 30*time.Millisecond; ownCPU() < end; {
	}
	used, err := proc.CPU(os.Getpid())
	if err != nil || used.Total() < 20*time.Millisecond {
		t.Errorf("%+v, %v", used, err)
	}
	if _, err := proc.CPU(1 << 30); err == nil {
		t.Error("no process has used CPU")
	}
}
