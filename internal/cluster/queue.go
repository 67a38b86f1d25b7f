package cluster

import "sync"

// A queue runs jobs in order, on a goroutine that exists while there are some. It is bounded in bytes. A job that ends
// the goroutine ends nothing else.
type queue struct {
	limit int

	mu      sync.Mutex // a leaf
	jobs    []job
	bytes   int
	running bool
	closed  bool
	idle    chan struct{} // closed when nothing runs any more; nil if nobody waits
	room    chan struct{} // closed when there is more room, or the queue is closed; nil if nobody waits
}

type job struct {
	size int
	do   func()
}

// add queues a job, unless the queue is closed or has no room. One job always has.
func (q *queue) add(size int, do func()) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.bytes > 0 && q.bytes+size > q.limit {
		return false
	}
	q.push(job{size, do})
	return true
}

// push needs mu.
func (q *queue) push(j job) {
	q.jobs = append(q.jobs, j)
	q.bytes += j.size
	if !q.running {
		q.running = true
		go q.run() // owned by the adapter; ends when the queue is empty
	}
}

func (q *queue) run() {
	exits := true
	defer func() {
		if !exits { // the queue is empty
			return
		}
		if v := recover(); v != nil { // one that is to end the process
			panic(v)
		}
		go q.run() // owned by the adapter, as the goroutine that a job has ended with runtime.Goexit
	}()
	for q.next() {
	}
	exits = false
}

// next does one job, and reports false if there was none.
func (q *queue) next() bool {
	q.mu.Lock()
	if len(q.jobs) == 0 {
		q.running = false
		if q.idle != nil {
			close(q.idle)
			q.idle = nil
		}
		q.mu.Unlock()
		return false
	}
	j := q.jobs[0]
	q.jobs[0] = job{}
	q.jobs = q.jobs[1:]
	q.mu.Unlock()
	defer q.done(j)
	j.do()
	return true
}

// done takes a job off the queue's account: what is being done counts.
func (q *queue) done(j job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= j.size
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
}

// addWait is add, and waits for room. The jobs MUST NOT wait for the caller.
func (q *queue) addWait(size int, do func()) bool {
	for {
		q.mu.Lock()
		if q.closed {
			q.mu.Unlock()
			return false
		}
		if q.bytes == 0 || q.bytes+size <= q.limit {
			q.push(job{size, do})
			q.mu.Unlock()
			return true
		}
		if q.room == nil {
			q.room = make(chan struct{})
		}
		room := q.room
		q.mu.Unlock()
		<-room
	}
}

// close lets nobody add any more, but for one last job, and returns a channel that is closed when all is done.
func (q *queue) close(last func()) <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if last != nil && !q.closed {
		q.push(job{0, last})
	}
	q.closed = true
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
	idle := make(chan struct{})
	if !q.running {
		close(idle)
		return idle
	}
	if q.idle == nil {
		q.idle = idle
	}
	return q.idle
}
