package engineio

import (
	"runtime"
	"testing"
	"time"
	"unsafe"
)

// wallBack is t as it would be if the wall clock had jumped forward by d since t was made: its wall time lies d
// earlier, in relation to the clock of now. It knows how time.Time keeps both.
func wallBack(t time.Time, d time.Duration) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) -= uint64(d/time.Second) << 30
	return t
}

// TestClientWallClockJumps: a session survives that somebody sets the clock, and is found dead after the machine
// has slept.
func TestClientWallClockJumps(t *testing.T) {
	defer func(f func() (time.Duration, bool)) { sleeps = sleepLog{asleep: f} }(sleeps.asleep)
	for name, test := range map[string]struct {
		before, after time.Duration // how long the machine slept before the last ping came, and since
		known, alive  bool
	}{
		"jump":                      {0, 0, true, true},
		"jump, slept earlier":       {8 * time.Hour, 0, true, true},
		"sleep":                     {0, time.Hour, true, false},
		"sleep again":               {8 * time.Hour, time.Hour, true, false},
		"nobody knows":              {0, 0, false, false},
		"jitter between the clocks": {0, time.Millisecond, true, true},
	} {
		total := 10 * time.Hour
		sleeps = sleepLog{asleep: func() (time.Duration, bool) { return total, test.known }}
		sleeps.look()
		total += test.before
		s := newClientSocket(noOptions)
		s.state, s.handshake.PingIntervalMS, s.handshake.PingTimeoutMS = sessionOpen, 25_000, 20_000
		s.mu.Lock()
		s.expectPingLocked()
		s.pingDue = wallBack(s.pingDue, time.Hour)
		s.mu.Unlock()
		total += test.after
		if s.Alive() != test.alive {
			t.Errorf("%s: alive is %v", name, !test.alive)
		}
		if err := s.Send(SendOptions{}, text("x")); test.alive && err != nil {
			t.Errorf("%s: Send: %v", name, err)
		}
		s.timer.Stop()
	}
	if total, known := asleep(); known != (runtime.GOOS == "linux") || total < -time.Second {
		t.Errorf("asleep for %v, known: %v", total, known)
	}
}
