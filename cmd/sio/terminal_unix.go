//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

const canSuspend = true

// stopSelf stops the program, and its pipeline, until it is continued. Without a shell that could continue it nothing
// happens, which shows after a moment only.
func stopSelf() {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(continued)
	if syscall.Kill(0, syscall.SIGTSTP) == nil {
		select {
		case <-continued:
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// watchSize calls fn when the size of the terminal changes, until stop.
func watchSize(fn func()) (stop func()) {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	end := make(chan struct{})
	done := make(chan struct{})
	go func() { // owned by the caller; ends at stop, which waits for it
		defer close(done)
		for {
			select {
			case <-changed:
				fn()
			case <-end:
				return
			}
		}
	}()
	return func() {
		signal.Stop(changed)
		close(end)
		<-done
	}
}
