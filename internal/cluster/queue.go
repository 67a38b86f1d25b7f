package cluster

import "sync"

// A queue runs jobs in order, on a goroutine that exists while there are some. It is bounded in bytes.
type queue struct {
	limit int

	mu      sync.Mutex // a leaf
	jobs    []job
	bytes   int
	running bool
	closed  bool
	idle    chan struct{} // closed when nothing runs any more; nil if nobody waits
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
	for {
		q.mu.Lock()
		if len(q.jobs) == 0 {
			q.running = false
			if q.idle != nil {
				close(q.idle)
				q.idle = nil
			}
			q.mu.Unlock()
			return
		}
		j := q.jobs[0]
		q.jobs[0] = job{}
		q.jobs = q.jobs[1:]
		q.mu.Unlock()
		j.do()
		q.mu.Lock()
		q.bytes -= j.size // what is being done counts
		q.mu.Unlock()
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
