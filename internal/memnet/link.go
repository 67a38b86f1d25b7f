package memnet

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

// A Direction is one of the two directions of connections, or both.
type Direction byte

// The directions.
const (
	ToServer Direction = 1 << iota
	ToClient
	Both = ToServer | ToClient
)

// A Way is one in which a connection is cut.
type Way byte

// The ways.
const (
	Reset Way = iota // both ends get ECONNRESET: the one that was to get more bytes after those that came
	Close            // both ends get io.EOF
	Hang             // neither end gets anything, ever again
)

// A Link is what lies between some dialers and a listener. Faults count for all its connections, those of the Links
// below it among them. Its methods may be called from any goroutine.
type Link struct {
	net    *network
	parent *Link

	// guarded by net.mu
	subs      []*Link
	refused   bool
	frozenIn  Direction
	delay     [2]time.Duration
	rate      [2]int       // bytes per second; 0 is no limit
	free      [2]time.Time // when what was sent at that rate is gone
	cuts      [2]*cut
	bytes     [2]int64
	dials     int
	conns     map[*connection]struct{}
	perfectIn Direction // nothing delays
}

// A network is what a Link shares with those below it.
type network struct {
	mu       sync.Mutex
	listener *Listener
	port     int
	changed  chan struct{} // closed and replaced when something that somebody may wait for has changed
}

type connection struct {
	up, down *stream
	addr     net.Addr
	open     Direction // the ends that their owners have not closed, by what they write to
}

type cut struct {
	left int64
	way  Way
	done chan struct{}
}

// segmentSize is what arrives together if the rate is limited.
const segmentSize = 1460

// NewLink returns a Link to l, which may be nil: then dialing is refused.
func NewLink(l *Listener) *Link {
	return &Link{
		net:       &network{listener: l, port: firstPort, changed: make(chan struct{})},
		conns:     make(map[*connection]struct{}),
		perfectIn: Both,
	}
}

// Sub returns a Link that has its own faults beside those of l.
func (l *Link) Sub() *Link {
	defer l.lock()()
	sub := &Link{net: l.net, parent: l, conns: make(map[*connection]struct{}), perfectIn: Both}
	l.subs = append(l.subs, sub)
	return sub
}

// SetListener makes another Listener the one that is dialed from now on.
func (l *Link) SetListener(ln *Listener) {
	defer l.lock()()
	l.net.listener = ln
}

// lock returns the function that tells those who wait, and unlocks.
func (l *Link) lock() (unlock func()) {
	l.net.mu.Lock()
	return func() {
		l.net.notify()
		l.net.mu.Unlock()
	}
}

func (n *network) notify() {
	close(n.changed)
	n.changed = make(chan struct{})
}

// Dial connects. It takes as long as a round trip, and is answered when nothing is frozen.
func (l *Link) Dial(ctx context.Context) (*Conn, error) {
	l.net.mu.Lock()
	l.each(func(l *Link) { l.dials++ })
	trip := l.total(0) + l.total(1)
	l.net.mu.Unlock()
	if trip > 0 {
		timer := time.NewTimer(trip)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, dialError(ctx)
		}
	}
	for {
		client, server, ln, changed := l.connect()
		switch {
		case changed != nil: // frozen
			select {
			case <-changed:
			case <-ctx.Done():
				return nil, dialError(ctx)
			}
		case client == nil:
			return nil, errRefused
		default:
			if err := ln.deliver(ctx, server); err != nil {
				client.Reset()
				server.Reset()
				return nil, err
			}
			return client, nil
		}
	}
}

// DialContext is Dial for an http.Transport; network and address are ignored.
func (l *Link) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	c, err := l.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// connect makes a connection, unless the Link is frozen or refuses. From now on the connection suffers with the others.
func (l *Link) connect() (client, server *Conn, ln *Listener, changed chan struct{}) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	refused, frozen := false, Direction(0)
	l.each(func(l *Link) {
		refused = refused || l.refused
		frozen |= l.frozenIn
	})
	if frozen != 0 {
		return nil, nil, nil, l.net.changed
	}
	if ln = l.net.listener; refused || ln == nil {
		return nil, nil, nil, nil
	}
	l.net.port++
	client, server = pair(&l.net.mu, ln.Buffer, clientAddr(l.net.port), serverAddr)
	up, down := client.out, server.out
	c := &connection{up: up, down: down, addr: client.local, open: Both}
	up.link, up.conn, up.dir = l, c, ToServer
	down.link, down.conn, down.dir = l, c, ToClient
	l.each(func(l *Link) { l.conns[c] = struct{}{} })
	return client, server, ln, nil
}

// release forgets a connection when both of its owners have closed it; out is what the one wrote to. The lock is held.
func (l *Link) release(out *stream) {
	c := out.conn
	if c.open &^= out.dir; c.open == 0 {
		l.each(func(l *Link) { delete(l.conns, c) })
	}
	l.net.notify()
}

// Refuse lets Dial fail with ECONNREFUSED from now on, or no longer.
func (l *Link) Refuse(on bool) {
	defer l.lock()()
	l.refused = on
}

// Freeze stops all bytes, and ends of connections, on their way; they are not lost. A Dial waits.
func (l *Link) Freeze(d Direction) {
	defer l.lock()()
	l.frozenIn |= d
	l.perfect()
}

// Thaw lets go on what Freeze has stopped.
func (l *Link) Thaw(d Direction) {
	defer l.lock()()
	l.thaw(d)
}

func (l *Link) thaw(d Direction) {
	l.frozenIn &^= d
	l.perfect()
	for _, c := range l.sorted() {
		c.up.advance()
		c.down.advance()
	}
}

// SetDelay says how long bytes that are sent from now on take to arrive; nothing overtakes what was sent before.
func (l *Link) SetDelay(d Direction, delay time.Duration) {
	defer l.lock()()
	for i := range d.indexes() {
		l.delay[i] = max(delay, 0)
	}
	l.perfect()
}

// SetRate says how many bytes per second pass, in all connections together; 0 is no limit.
func (l *Link) SetRate(d Direction, bytesPerSecond int) {
	defer l.lock()()
	for i := range d.indexes() {
		l.rate[i] = max(bytesPerSecond, 0)
	}
	l.perfect()
}

// Cut cuts the connection on which the next byte is sent after n bytes from now on, of all connections together; for n
// above 0 as soon as the nth is sent. What was sent before arrives. It counts instead of the last Cut in that
// direction. The channel is closed when it has happened. n < 0 means never. d is one direction.
func (l *Link) Cut(d Direction, n int64, w Way) (done <-chan struct{}) {
	c := &cut{left: n, way: w, done: make(chan struct{})}
	defer l.lock()()
	for i := range d.indexes() {
		if l.cuts[i] = c; n < 0 {
			l.cuts[i] = nil
		}
	}
	return c.done
}

// Drop resets all connections: both ends get ECONNRESET at once, and what is under way is lost.
func (l *Link) Drop() {
	defer l.lock()()
	for _, c := range l.sorted() {
		c.up.fail(syscall.ECONNRESET, syscall.ECONNRESET)
		c.down.fail(syscall.ECONNRESET, syscall.ECONNRESET)
	}
}

// Hang lets nothing arrive any more on the connections of this moment, nor the end of a connection. Nobody is told.
func (l *Link) Hang() {
	defer l.lock()()
	for _, c := range l.sorted() {
		c.up.hung, c.down.hung = true, true
	}
}

// Heal ends all faults of this Link but for what hangs already.
func (l *Link) Heal() {
	defer l.lock()()
	l.heal()
}

// HealAll heals this Link and those below it.
func (l *Link) HealAll() {
	defer l.lock()()
	l.healAll()
}

func (l *Link) healAll() {
	for _, sub := range l.subs {
		sub.healAll()
	}
	l.heal()
}

func (l *Link) heal() {
	l.refused = false
	l.cuts, l.delay, l.rate, l.free = [2]*cut{}, [2]time.Duration{}, [2]int{}, [2]time.Time{}
	l.thaw(Both)
}

// Dials is how many times somebody has dialed, with success or without.
func (l *Link) Dials() int {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	return l.dials
}

// Bytes is how many bytes were sent in the directions of d.
func (l *Link) Bytes(d Direction) int64 {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	var n int64
	for i := range d.indexes() {
		n += l.bytes[i]
	}
	return n
}

// Open is how many connections have an end that was not closed by its owner, and what they are.
func (l *Link) Open() (n int, ends []string) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	for _, c := range l.sorted() {
		for i, who := range []string{"client", "server"} {
			if c.open&(1<<i) != 0 {
				ends = append(ends, fmt.Sprintf("the %s's end of %s", who, c.addr))
			}
		}
	}
	return len(l.conns), ends
}

// Wait waits until all connections are closed at both ends.
func (l *Link) Wait(ctx context.Context) error {
	for {
		l.net.mu.Lock()
		n, changed := len(l.conns), l.net.changed
		l.net.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// What follows is called with the lock held.

// each calls fn for the Link and all above it.
func (l *Link) each(fn func(l *Link)) {
	for ; l != nil; l = l.parent {
		fn(l)
	}
}

// sorted is the connections in the order in which they were made, so that faults are the same each time.
func (l *Link) sorted() []*connection {
	all := make([]*connection, 0, len(l.conns))
	for c := range l.conns {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *connection) int {
		return cmp.Compare(a.addr.(*net.TCPAddr).Port, b.addr.(*net.TCPAddr).Port)
	})
	return all
}

func (l *Link) perfect() {
	l.perfectIn = Both &^ l.frozenIn
	for i := range Both.indexes() {
		if l.delay[i] > 0 || l.rate[i] > 0 {
			l.perfectIn &^= 1 << i
		}
	}
}

// indexes are those of the directions in the arrays of a Link.
func (d Direction) indexes() iter.Seq[int] {
	return func(yield func(i int) bool) {
		for i := range 2 {
			if d&(1<<i) != 0 && !yield(i) {
				return
			}
		}
	}
}

func (d Direction) index() int { return int(d) - 1 }

func (l *Link) frozen(d Direction) (frozen bool) {
	l.each(func(l *Link) { frozen = frozen || l.frozenIn&d != 0 })
	return frozen
}

func (l *Link) slow(d Direction) (slow bool) {
	l.each(func(l *Link) { slow = slow || l.perfectIn&d == 0 })
	return slow
}

func (l *Link) total(i int) (delay time.Duration) {
	l.each(func(l *Link) { delay += l.delay[i] })
	return delay
}

// split cuts n bytes into what arrives together.
func (l *Link) split(d Direction, n int) (sizes []int) {
	limited := false
	l.each(func(l *Link) { limited = limited || l.rate[d.index()] > 0 })
	if !limited {
		return []int{n}
	}
	for n > 0 {
		sizes = append(sizes, min(n, segmentSize))
		n -= segmentSize
	}
	return sizes
}

// due is when size bytes arrive that are sent now.
func (l *Link) due(d Direction, size int) time.Time {
	t, i := time.Now(), d.index()
	l.each(func(l *Link) {
		if l.rate[i] > 0 {
			if l.free[i].After(t) {
				t = l.free[i]
			}
			t = t.Add(time.Duration(size) * time.Second / time.Duration(l.rate[i]))
			l.free[i] = t
		}
	})
	return t.Add(l.total(i))
}

// allow is how many of n bytes may be sent before the connection is cut. It may cut it.
func (l *Link) allow(s *stream, n int) int {
	i := s.dir.index()
	for ; l != nil; l = l.parent {
		c := l.cuts[i]
		if c != nil && c.left == 0 {
			l.cut(s, c)
			return 0
		}
		if c != nil {
			n = int(min(int64(n), c.left))
		}
	}
	return n
}

// sent counts bytes, and cuts the connection if they were the last.
func (l *Link) sent(s *stream, n int) {
	i := s.dir.index()
	l.each(func(l *Link) {
		l.bytes[i] += int64(n)
		if c := l.cuts[i]; c != nil {
			if c.left -= int64(n); c.left == 0 {
				l.cut(s, c)
			}
		}
	})
}

func (l *Link) cut(s *stream, c *cut) {
	for i := range Both.indexes() {
		if l.cuts[i] == c {
			l.cuts[i] = nil
		}
	}
	switch c.way {
	case Hang:
		s.push(segment{hang: true, due: l.due(s.dir, 0)})
		s.back.hung = true
	case Close:
		s.terminate(end{both: true})
		s.broken = syscall.EPIPE
		s.back.terminate(end{both: true})
	case Reset:
		s.terminate(end{both: true, err: syscall.ECONNRESET})
		s.broken = syscall.ECONNRESET
		s.back.drop()
		s.back.finish(end{err: syscall.ECONNRESET})
	}
	close(c.done)
}
