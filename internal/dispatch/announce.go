package dispatch

import (
	"reflect"
	"runtime"
	"sync/atomic"
)

// announcing is how many calls of Announce are under way. While it is one there is no need to look at the stack.
var announcing atomic.Int64

// Announce calls fn, which tells listeners what is being sent, unless this goroutine is inside of such a call: what a
// listener sends is not announced in its turn. A listener that sends would never return otherwise, and end the process
// when the stack is used up.
func Announce(fn func()) {
	defer announcing.Add(-1)
	if announcing.Add(1) > 1 && announced() {
		return
	}
	announce(fn)
}

// announce is a frame on the stack to be found by announced.
//
//go:noinline
func announce(fn func()) { fn() }

var announceEntry = reflect.ValueOf(announce).Pointer()

// announced reports whether announce is on the stack of this goroutine.
func announced() bool {
	var pcs [64]uintptr
	for skip := 2; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs[:])
		for _, pc := range pcs[:n] {
			if f := runtime.FuncForPC(pc - 1); f != nil && f.Entry() == announceEntry {
				return true
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}
