package cluster

import (
	"context"
	"sync"
	"time"
)

// topics keeps the node subscribed to the rooms that have members here. What is to be done is noted in the map and
// not in a list, so that rooms which come and go while the engine is away cost no more than there are.
type topics struct {
	node *node

	mu      sync.Mutex // a leaf: a shard of the adapter is locked when a room comes or goes
	all     map[string]*topic
	changed []string // rooms to look at, each once
	running bool
	away    bool // the last attempt failed
	closed  bool
}

type topic struct {
	wanted bool
	noted  bool          // in changed
	ready  chan struct{} // closed while it is subscribed to
	cancel func()        // nil while it is not
}

// idLength is how long ids of sockets are. The rooms that sockets have for themselves, of which there are as many as
// sockets, have no topics: a room is taken for one of those by the length of its name, as officially
// (socket.io-redis-adapter 8.3.0, sharded-adapter.ts, subscriptionMode "dynamic"), since a node that broadcasts
// knows nothing else about it.
const idLength = 20

func isPrivate(room string) bool { return len(room) == idLength }

// want notes that a room exists, or does not any more.
func (t *topics) want(room string, wanted bool) {
	if isPrivate(room) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	e := t.all[room]
	if e == nil {
		if !wanted {
			return
		}
		e = new(topic)
		t.all[room] = e
	}
	if e.wanted = wanted; wanted && e.cancel == nil && e.ready == nil {
		e.ready = make(chan struct{})
	}
	t.note(room, e)
}

// note needs mu.
func (t *topics) note(room string, e *topic) {
	if !e.noted {
		e.noted = true
		t.changed = append(t.changed, room)
	}
	if !t.running {
		t.running = true
		go t.run() // owned by the adapter; ends when nothing is left to do, or with the adapter
	}
}

func (t *topics) run() {
	for {
		t.mu.Lock()
		if len(t.changed) == 0 || t.closed {
			t.running = false
			t.mu.Unlock()
			return
		}
		room := t.changed[0]
		t.changed = t.changed[1:]
		e := t.all[room]
		if e == nil {
			t.mu.Unlock()
			continue
		}
		e.noted = false
		subscribe, cancel := e.wanted && e.cancel == nil, e.cancel
		if !e.wanted {
			e.cancel, e.ready = nil, nil
			delete(t.all, room)
		}
		gone := !e.wanted
		t.mu.Unlock()
		switch {
		case subscribe:
			t.subscribe(room, e)
		case gone && cancel != nil:
			cancel()
			t.node.forgetTopic(t.node.roomTopic(room))
		}
	}
}

func (t *topics) subscribe(room string, e *topic) {
	name := t.node.roomTopic(room)
	cancel, err := t.node.bus.Subscribe(t.node.ctx, name, func(msg []byte) { t.node.receive(name, msg) })
	t.mu.Lock()
	t.away = err != nil
	closed := t.closed
	if err == nil && !closed {
		e.cancel = cancel
		close(e.ready)
	}
	t.mu.Unlock()
	switch {
	case err == nil && closed: // close did not see it
		cancel()
	case err != nil && !closed:
		t.node.report("subscribe", err)
		time.AfterFunc(t.node.opts.RetryDelay, func() { // notes it again, if the room is still there
			t.mu.Lock()
			defer t.mu.Unlock()
			if t.all[room] == e && !t.closed {
				t.note(room, e)
			}
		})
	}
}

// await returns when the node is subscribed to the rooms that exist, or the engine is away, or takes too long.
func (t *topics) await(rooms []string) {
	var timeout <-chan time.Time
	for _, room := range rooms {
		t.mu.Lock()
		e := t.all[room]
		if e == nil || e.cancel != nil || e.ready == nil || t.away || t.closed {
			t.mu.Unlock()
			continue
		}
		ready := e.ready
		t.mu.Unlock()
		if timeout == nil {
			timer := time.NewTimer(t.node.opts.SubscribeTimeout)
			defer timer.Stop()
			timeout = timer.C
		}
		select {
		case <-ready:
		case <-timeout:
			t.node.report("subscribe", context.DeadlineExceeded)
			return
		case <-t.node.ctx.Done():
			return
		}
	}
}

// close ends all subscriptions.
func (t *topics) close() {
	t.mu.Lock()
	t.closed = true
	var cancels []func()
	for _, e := range t.all {
		if e.cancel != nil {
			cancels = append(cancels, e.cancel)
		}
	}
	clear(t.all)
	t.mu.Unlock()
	for _, cancel := range cancels {
		cancel()
	}
}
