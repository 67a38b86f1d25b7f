// Package standstill keeps a process that stood still from blaming others for it.
//
// A process may be stopped (SIGSTOP, a paused virtual machine) or starved for seconds. When it goes on, the timers come
// first and find deadlines that have passed, while what the peers sent in time lies unread in the kernel. A timer that
// runs much too late has thus learnt something about this process, and nothing about a peer: it begins anew.
package standstill

import (
	"sync"
	"time"
)

// Threshold is how late a timer is when the process has stood still. On a machine that is merely busy timers are late
// by milliseconds.
const Threshold = time.Second

// Late reports whether a timer that is late by d says that the process stood still.
func Late(d time.Duration) bool { return d >= Threshold }

// A Timer calls a function when a peer has had its time, while the process did not stand still. Its methods are safe
// for concurrent use.
type Timer struct {
	fn func()

	mu      sync.Mutex
	timer   *time.Timer
	wait    time.Duration
	due     time.Time
	waiting bool
}

// AfterFunc has fn called on a goroutine of its own when d has passed.
func AfterFunc(d time.Duration, fn func()) *Timer {
	t := &Timer{fn: fn}
	t.Reset(d)
	return t
}

// Reset has the function called when d has passed from now, whether or not it has been called before.
func (t *Timer) Reset(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wait, t.waiting = d, true
	t.start()
}

// Stop has the function not called any more. It does not wait for a call that has begun.
func (t *Timer) Stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting = false
	t.timer.Stop()
}

// start needs mu.
func (t *Timer) start() {
	t.due = time.Now().Add(t.wait)
	if t.timer == nil {
		t.timer = time.AfterFunc(t.wait, t.fire) // stopped by Stop
	} else {
		t.timer.Reset(t.wait)
	}
}

// fire runs on a goroutine of the timer.
func (t *Timer) fire() {
	t.mu.Lock()
	late := time.Since(t.due)
	switch {
	case !t.waiting || late < 0: // it ran while it was stopped or set again
		t.mu.Unlock()
		return
	case Late(late):
		t.start()
		t.mu.Unlock()
		return
	}
	t.waiting = false
	t.mu.Unlock()
	t.fn()
}
