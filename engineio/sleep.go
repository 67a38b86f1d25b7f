package engineio

import (
	"sync"
	"time"
)

// sleeps is when this machine slept, for all client sessions of the process.
var sleeps = sleepLog{asleep: asleep}

// A sleepLog tells whether the machine has slept since some time. While it sleeps the clock of package time stands
// still that timers and deadlines go by; the wall clock goes on, but it also jumps when somebody sets it.
type sleepLog struct {
	asleep func() (total time.Duration, known bool) // since the machine was started

	mu      sync.Mutex
	asked   bool
	total   time.Duration // when it was last looked
	noticed time.Time     // when total was last found to have grown
}

// shortSleep is less than what matters, and more than what lies between reading two clocks.
const shortSleep = time.Second

// look is to be called before a time that since is asked about, and not long before.
func (l *sleepLog) look() {
	total, known := l.asleep()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !known:
	case !l.asked:
		l.asked, l.total = true, total
	case total-l.total >= shortSleep:
		l.total, l.noticed = total, time.Now()
	}
}

// since reports whether the machine may have slept since t.
func (l *sleepLog) since(t time.Time) bool {
	l.look()
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.asked || l.noticed.After(t)
}
