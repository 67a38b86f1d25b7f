//go:build !unix

package main

const canSuspend = false

func stopSelf() {}

// watchSize does nothing: the size is asked for whenever something is drawn.
func watchSize(func()) (stop func()) { return func() {} }
