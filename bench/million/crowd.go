package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"sio.example/socketio/bench/internal/memconn"
)

// A crowd is all clients. Any fault ends the run, since figures of a server that does the wrong thing say nothing.
type crowd struct {
	clients   []client
	requests  [][]byte // a room each
	connected *count
	round     atomic.Pointer[round] // that is under way, or was the last
	rounds    uint32
	closed    atomic.Pointer[count]
	shutdown  atomic.Bool // close frames may come by themselves
	pings     atomic.Int64

	broken chan struct{} // closed at the first fault

	mu     sync.Mutex
	number int
	faults []string // the first ones
}

// window is how many clients do the same at the same time: enough for two cores, and few enough for the queue of a
// listener.
const window = 256

// newCrowd makes n clients. All belong to one piece of memory, so that the allocator takes no share.
func newCrowd(n, rooms int) *crowd {
	w := &crowd{clients: make([]client, n), broken: make(chan struct{})}
	for i := range rooms {
		w.requests = append(w.requests, request(i))
	}
	for i := range w.clients {
		c := &w.clients[i]
		c.crowd, c.index = w, uint32(i)
		c.Init(c, memconn.Addr(i))
	}
	return w
}

// members is how many clients belong to a room, -1 for all.
func (w *crowd) members(room int) int {
	if room < 0 {
		return len(w.clients)
	}
	n, rooms := len(w.clients), len(w.requests)
	members := n / rooms
	if room < n%rooms {
		members++
	}
	return members
}

const keptFaults = 5

// fault takes note of something that is wrong; c is nil if it was not seen by a client.
func (w *crowd) fault(c *client, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.number++; w.number == 1 {
		close(w.broken)
	}
	if w.number <= keptFaults {
		who := "server"
		if c != nil {
			who = fmt.Sprintf("client %d", c.index)
		}
		w.faults = append(w.faults, who+": "+fmt.Sprintf(format, args...))
	}
}

// wrong is what the faults come to.
func (w *crowd) wrong() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.number == 0 {
		return nil
	}
	return fmt.Errorf("%d wrong answers: %s", w.number, strings.Join(w.faults, "; "))
}

// wait waits until all that count does have done it.
func (w *crowd) wait(ctx context.Context, n *count) error {
	select {
	case <-n.done:
		return w.wrong()
	case <-w.broken:
		return w.wrong()
	case <-ctx.Done():
		return fmt.Errorf("%d of %d clients: not %s: %w", n.want-n.did.Load(), n.want, n.what, context.Cause(ctx))
	}
}

// each calls fn for clients in turn, so that at most window of them are not through with it: count, which must have got
// slots, tells.
func (w *crowd) each(ctx context.Context, clients []client, slots chan struct{}, fn func(c *client) error) error {
	for i := range clients {
		select {
		case slots <- struct{}{}:
		case <-w.broken:
			return w.wrong()
		case <-ctx.Done():
			return fmt.Errorf("no more than %d of %d clients were through: %w", i, len(clients), context.Cause(ctx))
		}
		if err := fn(&clients[i]); err != nil {
			return err
		}
	}
	return nil
}

// open connects all clients, and waits until they are in the namespace.
func (w *crowd) open(ctx context.Context, ln *memconn.Listener) error {
	slots := make(chan struct{}, window)
	w.connected = w.newCount(len(w.clients), "connected", slots)
	err := w.each(ctx, w.clients, slots, func(c *client) error {
		c.Send(w.requests[c.room()])
		return ln.Connect(&c.Conn)
	})
	if err != nil {
		return err
	}
	return w.wait(ctx, w.connected)
}

// next begins a round.
func (w *crowd) next(room int, text string, slots chan struct{}) *round {
	w.rounds++
	r := &round{
		count:  w.newCount(w.members(room), fmt.Sprintf("got %q", text), slots),
		number: w.rounds, room: room, text: []byte(text), frame: serverFrame(text),
	}
	w.round.Store(r)
	return r
}

// ask has each client send an event, and waits for the acknowledgements.
func (w *crowd) ask(ctx context.Context) error {
	slots := make(chan struct{}, window)
	r := w.next(-1, string(answer), slots)
	err := w.each(ctx, w.clients, slots, func(c *client) error {
		c.Send(askFrame)
		return nil
	})
	if err != nil {
		return err
	}
	return w.wait(ctx, r.count)
}

// leave has clients leave, and waits until the server has closed their connections.
func (w *crowd) leave(ctx context.Context, clients []client) error {
	slots := make(chan struct{}, window)
	n := w.newCount(len(clients), "left", slots)
	w.closed.Store(n)
	err := w.each(ctx, clients, slots, func(c *client) error {
		c.Do(func() []byte {
			c.stage = leaving
			return leaveFrames
		})
		return nil
	})
	if err != nil {
		return err
	}
	return w.wait(ctx, n)
}
