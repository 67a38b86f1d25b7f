package standstill

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var calls, last atomic.Int64
		timer := AfterFunc(10*time.Second, func() {
			calls.Add(1)
			last.Store(int64(time.Since(start)))
		})
		want := func(n int64, d time.Duration) {
			t.Helper()
			synctest.Wait()
			if calls.Load() != n || time.Duration(last.Load()) != d {
				t.Fatalf("%d calls, the last after %v, want %d and %v", calls.Load(), time.Duration(last.Load()), n, d)
			}
		}
		<-time.After(11 * time.Second)
		want(1, 10*time.Second)
		timer.fire() // late, of a time before
		want(1, 10*time.Second)
		timer.Reset(10 * time.Second)
		<-time.After(5 * time.Second)
		timer.Reset(10 * time.Second)
		timer.fire() // early
		want(1, 10*time.Second)
		<-time.After(11 * time.Second)
		want(2, 26*time.Second)
		timer.Reset(time.Second)
		timer.Stop()
		timer.Stop()
		<-time.After(time.Minute)
		want(2, 26*time.Second)
	})
}

// A timer that goes off late begins anew, however often that happens.
func TestTimerOfAProcessThatStoodStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var called atomic.Bool
		timer := AfterFunc(10*time.Second, func() { called.Store(true) })
		for _, late := range []time.Duration{time.Second, 4 * time.Second, time.Hour} {
			timer.mu.Lock()
			timer.due = time.Now().Add(-late)
			timer.mu.Unlock()
			timer.fire()
			<-time.After(9 * time.Second)
			if called.Load() {
				t.Fatalf("%v late, and the function is called", late)
			}
		}
		<-time.After(2 * time.Second)
		if !called.Load() {
			t.Error("the function is never called")
		}
		called.Store(false)
		timer.Reset(10 * time.Second)
		timer.mu.Lock()
		timer.due = time.Now().Add(-900 * time.Millisecond)
		timer.mu.Unlock()
		timer.fire()
		if !called.Load() {
			t.Error("a timer of a busy machine does not call")
		}
	})
}
