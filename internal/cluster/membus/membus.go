// Package membus is a message broker in memory, with faults, for tests of clusters. What goes wrong is decided by a
// seed and by what is sent, and not by the clock. Its queues are not bounded.
package membus

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
)

// Faults are what goes wrong on the way. The zero value is a perfect network.
type Faults struct {
	Seed uint64
	// Reorder lets messages overtake those of other senders, and of other topics, by any number. Those of one sender
	// to one topic stay in order.
	Reorder bool
	// Drop and Duplicate are how many of 1,000 messages are lost, and come twice: the second time at any later
	// moment.
	Drop, Duplicate int
}

// A Net is a broker.
type Net struct {
	faults Faults

	mu     sync.Mutex
	nodes  []*Bus
	counts map[stream]uint64 // messages so far
}

// A stream is what one node sends to another one over one topic.
type stream struct {
	from, to int
	topic    string
	again    bool // what has come once already
}

// An item is a message on its way.
type item struct {
	msg   []byte
	again bool // it is to come once more
}

// New returns a broker without nodes.
func New(f Faults) *Net { return &Net{faults: f, counts: make(map[stream]uint64)} }

// A Bus is the broker as one node sees it.
type Bus struct {
	net   *Net
	index int

	mu      sync.Mutex
	subs    map[string][]*sub
	streams map[stream][]item // what is on its way here
	order   []stream          // those with messages; without Reorder: one for each message, in order
	random  *rand.Rand
	running bool
	closed  bool
	blocked chan struct{} // closed when publishing may go on; nil if it may
	failing int
}

type sub struct{ recv func(msg []byte) }

// Errors of Publish.
var (
	ErrClosed = errors.New("membus: closed")
	ErrFailed = errors.New("membus: told to fail")
)

// Node returns the bus of a new node.
func (n *Net) Node() *Bus {
	n.mu.Lock()
	defer n.mu.Unlock()
	b := &Bus{
		net: n, index: len(n.nodes), subs: make(map[string][]*sub), streams: make(map[stream][]item),
		random: rand.New(rand.NewPCG(n.faults.Seed, uint64(len(n.nodes)))),
	}
	n.nodes = append(n.nodes, b)
	return b
}

// Publish sends msg to all subscribers, those of this node too.
func (b *Bus) Publish(ctx context.Context, topic string, msg []byte) error {
	for {
		b.mu.Lock()
		blocked, failing, closed := b.blocked, b.failing > 0, b.closed
		b.mu.Unlock()
		switch {
		case closed:
			return ErrClosed
		case failing:
			return ErrFailed
		case blocked == nil:
			b.net.send(b.index, topic, msg)
			return nil
		}
		select {
		case <-blocked:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// send puts msg on its way to each node.
func (n *Net) send(from int, topic string, msg []byte) {
	n.mu.Lock()
	defer n.mu.Unlock() // what one node sends is in one order for all
	for _, to := range n.nodes {
		s := stream{from: from, to: to.index, topic: topic}
		n.counts[s]++
		fate := rand.New(rand.NewPCG(n.faults.Seed^uint64(from)<<32^uint64(to.index)<<40, hash(topic)^n.counts[s]))
		if from != to.index && fate.IntN(1000) < n.faults.Drop {
			continue
		}
		to.mu.Lock()
		to.put(s, item{msg, fate.IntN(1000) < n.faults.Duplicate})
		to.mu.Unlock()
	}
}

func hash(s string) uint64 {
	var h uint64 = 14695981039346656037
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// put queues a message. It needs mu.
func (b *Bus) put(s stream, it item) {
	if b.closed {
		return
	}
	if len(b.streams[s]) == 0 || !b.net.faults.Reorder {
		b.order = append(b.order, s)
	}
	b.streams[s] = append(b.streams[s], it)
	if !b.running {
		b.running = true
		go b.run() // owned by the Bus; ends when nothing is on its way
	}
}

func (b *Bus) run() {
	for {
		b.mu.Lock()
		if len(b.order) == 0 || b.closed {
			b.running = false
			b.mu.Unlock()
			return
		}
		i := 0
		if b.net.faults.Reorder {
			i = b.random.IntN(len(b.order))
		}
		s := b.order[i]
		it := b.streams[s][0]
		if rest := b.streams[s][1:]; len(rest) > 0 {
			b.streams[s] = rest
		} else {
			delete(b.streams, s)
		}
		if !b.net.faults.Reorder || b.streams[s] == nil {
			b.order = slices.Delete(b.order, i, i+1)
		}
		subs := slices.Clone(b.subs[s.topic])
		if it.again {
			s.again = true
			b.put(s, item{msg: it.msg})
		}
		b.mu.Unlock()
		for _, sub := range subs {
			sub.recv(it.msg)
		}
	}
}

// Subscribe has recv called.
func (b *Bus) Subscribe(ctx context.Context, topic string, recv func(msg []byte)) (cancel func(), err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, ErrClosed
	}
	s := &sub{recv}
	b.subs[topic] = append(b.subs[topic], s)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.subs[topic] = slices.DeleteFunc(b.subs[topic], func(other *sub) bool { return other == s })
		if len(b.subs[topic]) == 0 {
			delete(b.subs, topic)
		}
	}, nil
}

// Block lets publishing wait until resume is called.
func (b *Bus) Block() (resume func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.blocked == nil {
		b.blocked = make(chan struct{})
	}
	blocked := b.blocked
	return sync.OnceFunc(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.blocked = nil
		close(blocked)
	})
}

// Fail lets publishing fail until mend is called.
func (b *Bus) Fail() (mend func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failing++
	return sync.OnceFunc(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.failing--
	})
}

// Close ends the node's part: nothing is sent or received any more.
func (b *Bus) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	clear(b.subs)
	clear(b.streams)
	b.order = nil
	return nil
}
