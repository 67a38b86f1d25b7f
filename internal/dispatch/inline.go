package dispatch

import "slices"

// RunInline runs an item on the caller's goroutine instead of a runner's, if there is no runner, and reports whether it
// did. It is for items that call no user code: they must not block, panic or end the goroutine. What arrives meanwhile
// waits for a runner.
func (q *Inbox[T]) RunInline(item T) bool { return q.runInline(item, false) }

// CloseInline is Close that runs the final item as RunInline does. It reports false if there is a runner, or after
// Close, and then does nothing.
func (q *Inbox[T]) CloseInline(last T) bool { return q.runInline(last, true) }

// Prepend has a runner do item next, before what waits, and also after Close. It is for the item that RunInline runs.
func (q *Inbox[T]) Prepend(item T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := q.work
	w.queue = slices.Insert(w.queue, w.head, entry[T]{item: item})
}

func (q *Inbox[T]) runInline(item T, last bool) bool {
	q.mu.Lock()
	if q.closed || q.work != nil {
		q.mu.Unlock()
		return false
	}
	q.closed = last
	w := getWork[T]()
	w.current, w.busy = item, true
	q.work = w
	q.mu.Unlock()

	q.runner.Run(item)

	q.mu.Lock()
	defer q.mu.Unlock()
	if w.head < len(w.queue) {
		go q.start() // as in append
		return true
	}
	q.work = nil
	w.put()
	return true
}
