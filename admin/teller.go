package admin

import "sync"

// What messages cost beside their texts, about, and how much may wait to be emitted.
const (
	messageCost   = 200
	describedCost = 2000
	maxWaiting    = 8 << 20
)

// A teller emits to all UIs, in order, on a goroutine that exists while there is something to emit.
type teller struct {
	emit func(name string, args ...any) error

	mu      sync.Mutex // a leaf
	queue   []told
	bytes   int
	running bool
	lost    bool // something was, for too much waited
}

type told struct {
	emit func(name string, args ...any) error
	name string
	args []any
	size int
}

// add queues a message, unless too much waits already.
func (t *teller) add(size int, name string, args ...any) { t.addFor(nil, size, name, args...) }

// addFor is add for one UI, which emit reaches; nil is all.
func (t *teller) addFor(emit func(name string, args ...any) error, size int, name string, args ...any) {
	if emit == nil {
		emit = t.emit
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.bytes+size > maxWaiting {
		t.lost = true
		return
	}
	t.bytes += size
	t.queue = append(t.queue, told{emit, name, args, size})
	if !t.running {
		t.running = true
		go t.run() // owned by the watch; ends when all is emitted
	}
}

func (t *teller) run() {
	for {
		t.mu.Lock()
		if len(t.queue) == 0 {
			t.running, t.queue = false, nil
			t.mu.Unlock()
			return
		}
		m := t.queue[0]
		t.queue[0] = told{}
		t.queue = t.queue[1:]
		t.bytes -= m.size
		t.mu.Unlock()
		_ = m.emit(m.name, m.args...) // what cannot be encoded was made by user code, and is not shown
	}
}

// takeLost reports whether something was lost since it was called last.
func (t *teller) takeLost() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	lost := t.lost
	t.lost = false
	return lost
}
