// Package deadline keeps those who wait for about the same length of time in one list with one timer: a timer for each
// takes 140 bytes, and a heap of as many.
package deadline

import (
	"sync"
	"time"
)

// A List holds values in the order in which their deadlines pass. Because they all wait for about the same time, a
// value that is added nearly always goes to the end. A List has a lock of its own, which is a leaf: expired is called
// without it. Init must be called before anything else.
type List[T comparable] struct {
	now     func() time.Duration
	entry   func(v T) *Entry[T]
	expired func(v T)

	mu    sync.Mutex
	first T // the zero value if there is none
	last  T
	timer *time.Timer
}

// An Entry is what a value needs to be in a List. It belongs to the value, which is in one List at a time at most.
type Entry[T comparable] struct {
	due        time.Duration // kept when the value is removed
	prev, next T
}

// Due is when the deadline passes, or passed, on the clock of the List. The caller sees to it that nobody adds the
// value meanwhile.
func (e *Entry[T]) Due() time.Duration { return e.due }

// Init sets the clock, which must be monotonic; what returns the entry of a value; and what is called, on a goroutine
// of the timer, for each value whose deadline has passed, after it was removed. expired must not hold that goroutine
// up.
func (l *List[T]) Init(now func() time.Duration, entry func(v T) *Entry[T], expired func(v T)) {
	l.now, l.entry, l.expired = now, entry, expired
}

// Add sets the deadline of v, which is in no List, to wait from now. The clock is read with the lock held: otherwise a
// caller that has read it and then waits for a processor comes behind thousands of later deadlines, and has to be
// brought past each.
func (l *List[T]) Add(v T, wait time.Duration) {
	var none T
	l.mu.Lock()
	defer l.mu.Unlock()
	due := l.now() + wait
	before := l.last
	for before != none && l.entry(before).due > due {
		before = l.entry(before).prev
	}
	after := l.first
	if before != none {
		b := l.entry(before)
		after, b.next = b.next, v
	} else {
		l.first = v
	}
	if after != none {
		l.entry(after).prev = v
	} else {
		l.last = v
	}
	*l.entry(v) = Entry[T]{due: due, prev: before, next: after}
	if before == none {
		l.setTimer()
	}
}

// Remove takes v out of the List, so that expired is not called for it. It reports false if v is not in it: then
// expired may have been called, or is about to be.
func (l *List[T]) Remove(v T) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.has(v) {
		return false
	}
	l.unlink(v) // the timer finds nothing to do if v was the first
	return true
}

// Has reports whether v is in the List.
func (l *List[T]) Has(v T) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.has(v)
}

// First returns the value whose deadline passes first. It reports false if there is none.
func (l *List[T]) First() (v T, ok bool) {
	var none T
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first, l.first != none
}

// Stop removes all values; the timer is not needed any more.
func (l *List[T]) Stop() {
	var none T
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.first != none {
		l.unlink(l.first)
	}
	if l.timer != nil {
		l.timer.Stop()
	}
}

// Advance has all deadlines pass d earlier, and leaves the timer as it is: as if the process had stood still for d when
// it runs. It is for tests.
func (l *List[T]) Advance(d time.Duration) {
	var none T
	l.mu.Lock()
	defer l.mu.Unlock()
	for v := l.first; v != none; v = l.entry(v).next {
		l.entry(v).due -= d
	}
}

// The following need mu.

func (l *List[T]) has(v T) bool {
	var none T
	return l.first == v || l.entry(v).prev != none
}

func (l *List[T]) unlink(v T) {
	var none T
	e := l.entry(v)
	if e.prev != none {
		l.entry(e.prev).next = e.next
	} else {
		l.first = e.next
	}
	if e.next != none {
		l.entry(e.next).prev = e.prev
	} else {
		l.last = e.prev
	}
	e.prev, e.next = none, none
}

// setTimer sets the timer for the first value, if there is one.
func (l *List[T]) setTimer() {
	var none T
	if l.first == none {
		return
	}
	wait := l.entry(l.first).due - l.now()
	if l.timer == nil {
		l.timer = time.AfterFunc(wait, l.expire) // runs for the last time when no value is left
	} else {
		l.timer.Reset(wait)
	}
}

// expire runs on a goroutine of the timer.
func (l *List[T]) expire() {
	var none T
	for {
		l.mu.Lock()
		v := l.first
		if v == none || l.entry(v).due > l.now() {
			l.setTimer()
			l.mu.Unlock()
			return
		}
		l.unlink(v)
		l.mu.Unlock()
		l.expired(v)
	}
}
