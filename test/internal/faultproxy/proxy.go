// Package faultproxy is a TCP proxy on loopback whose connections break on command: dropped with RST or FIN, frozen in
// one direction or both, refused, delayed, or cut after an exact number of bytes. Nothing in it is random.
//
// The client connects to Addr, which stays the same while the server behind it comes and goes.
package faultproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A Direction is one of the two ways through the proxy.
type Direction int

// The directions, seen from the client.
const (
	Up   Direction = iota // from the client to the server
	Down                  // from the server to the client
)

// String is "up" or "down".
func (d Direction) String() string {
	if d == Up {
		return "up"
	}
	return "down"
}

// An Ending is how a connection is ended.
type Ending int

const (
	// Reset ends both sides with RST. What the kernel has not delivered yet may be lost.
	Reset Ending = iota
	// Finish ends both sides with FIN after what was passed, and discards what still comes.
	Finish
)

// String is "reset" or "finish".
func (e Ending) String() string {
	if e == Reset {
		return "reset"
	}
	return "finish"
}

// dialTimeout is how long the server has to accept.
const dialTimeout = 10 * time.Second

// longestPrefix is how much Pending knows of a piece.
const longestPrefix = 256

// A Proxy forwards connections to one server. Its methods are safe for concurrent use and wait for nothing, but Close.
type Proxy struct {
	addr string
	ctx  context.Context // ends with Close
	stop context.CancelFunc
	wg   sync.WaitGroup // accept loops and links

	mu       sync.Mutex
	target   string
	listener net.Listener // nil while shut
	links    map[*link]struct{}
	accepted int
	epoch    int    // counts Drop: what was accepted before does not survive it
	ending   Ending // of the last Drop
	refusing bool
	status   int
	frozen   [2]bool
	delay    [2]time.Duration
	passed   [2]int64
	cut      [2]*cut
	changed  chan struct{} // closed and replaced when frozen changes
}

// cut is one that is armed.
type cut struct {
	left   int64
	only   bool
	ending Ending
	done   chan struct{}
}

// Start starts a proxy to the server at target, host:port.
func Start(target string) (*Proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("faultproxy: listen: %w", err)
	}
	p := &Proxy{addr: ln.Addr().String(), target: target, links: map[*link]struct{}{}, changed: make(chan struct{})}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.listenOn(ln)
	return p, nil
}

func (p *Proxy) listenOn(ln net.Listener) {
	p.listener = ln
	p.wg.Go(func() { p.accept(ln) }) // owned by the Proxy; ends with the listener, and Close waits
}

// Close drops everything and waits until nothing is left.
func (p *Proxy) Close() {
	p.stop()
	p.Shut()
	p.Drop(Reset)
	p.wg.Wait()
}

// Addr is where the proxy listens, host:port.
func (p *Proxy) Addr() string { return p.addr }

// SetTarget changes the server for connections to come.
func (p *Proxy) SetTarget(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Shut closes the listener: the kernel refuses connections from now on. Those that are open stay.
func (p *Proxy) Shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		_ = p.listener.Close() // ends accept; there is nothing to lose
		p.listener = nil
	}
}

// Reopen listens again, on the same port.
func (p *Proxy) Reopen() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil || p.ctx.Err() != nil {
		return nil
	}
	ln, err := net.Listen("tcp", p.addr)
	if err != nil {
		return fmt.Errorf("faultproxy: listen again: %w", err)
	}
	p.listenOn(ln)
	return nil
}

// Refuse makes the proxy accept connections and reset them at once, or not any more.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing = on
}

// Answer makes the proxy answer each new connection's request itself, with an HTTP status and no body, as a load
// balancer without a server does; 0 ends that.
func (p *Proxy) Answer(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status = status
}

// Freeze stops what goes in the directions, of all connections, those to come included: nothing is lost, nothing
// arrives. The end of a connection that comes from a peer does not arrive either.
func (p *Proxy) Freeze(ds ...Direction) { p.setFrozen(true, ds) }

// Thaw ends Freeze.
func (p *Proxy) Thaw(ds ...Direction) { p.setFrozen(false, ds) }

func (p *Proxy) setFrozen(on bool, ds []Direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range ds {
		p.frozen[d] = on
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// Delay makes each piece that goes in a direction wait for a time before it is passed on, and those behind it with it.
func (p *Proxy) Delay(d Direction, by time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay[d] = by
}

// Drop ends all connections.
func (p *Proxy) Drop(how Ending) {
	p.mu.Lock()
	p.epoch++
	p.ending = how
	links := make([]*link, 0, len(p.links))
	for l := range p.links {
		links = append(links, l)
	}
	p.mu.Unlock()
	for _, l := range links {
		l.end(how)
	}
}

// Cut passes the next n bytes in a direction, counted over all connections, and not one more: then it ends all
// connections, once. It replaces a cut of that direction that is armed. The channel is closed when it has happened.
func (p *Proxy) Cut(d Direction, n int64, how Ending) (done <-chan struct{}) {
	return p.arm(d, &cut{left: n, ending: how, done: make(chan struct{})})
}

// CutOne is Cut, but ends only the connection that carries byte n.
func (p *Proxy) CutOne(d Direction, n int64, how Ending) (done <-chan struct{}) {
	return p.arm(d, &cut{left: n, ending: how, only: true, done: make(chan struct{})})
}

func (p *Proxy) arm(d Direction, c *cut) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut[d] = c
	return c.done
}

// Disarm takes back what Cut and CutOne armed, and reports whether there was anything: if not, it has happened or does
// so right now.
func (p *Proxy) Disarm() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	armed := p.cut != [2]*cut{}
	p.cut = [2]*cut{}
	return armed
}

// Passed is how many bytes went in a direction so far.
func (p *Proxy) Passed(d Direction) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed[d]
}

// Accepted is how many connections were accepted so far, those refused or answered included.
func (p *Proxy) Accepted() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

// Open is how many connections are open.
func (p *Proxy) Open() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// Pending is how many connections wait for an answer: the last piece that passed went up, and begins with prefix.
func (p *Proxy) Pending(prefix string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	count := 0
	for l := range p.links {
		if l.asked != "" && strings.HasPrefix(l.asked, prefix) {
			count++
		}
	}
	return count
}

func (p *Proxy) accept(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the peer was quicker to leave
		}
		client := c.(*net.TCPConn)
		p.mu.Lock()
		p.accepted++
		epoch, target, refusing, status := p.epoch, p.target, p.refusing, p.status
		p.mu.Unlock()
		switch {
		case refusing:
			reset(client)
		case status != 0:
			p.wg.Go(func() { p.answer(client, status) }) // owned by the Proxy; ends after one answer or with Close
		default:
			p.wg.Go(func() { p.serve(client, target, epoch) }) // owned by the Proxy; ends with the connection
		}
	}
}

// answer reads one request's header and answers it.
func (p *Proxy) answer(client *net.TCPConn, status int) {
	defer context.AfterFunc(p.ctx, func() { reset(client) })()
	defer func() { _ = client.Close() }() // whatever became of it
	var header []byte
	for piece := make([]byte, 4096); !endsHeader(header); {
		n, err := client.Read(piece)
		if err != nil {
			return
		}
		header = append(header, piece[:n]...)
	}
	_, _ = fmt.Fprintf(client, "HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		status, http.StatusText(status)) // the client may have left
	_ = client.CloseWrite()
	_, _ = io.Copy(io.Discard, client) // so that closing does not reset
}

func endsHeader(b []byte) bool {
	const end = "\r\n\r\n"
	for i := 0; i+len(end) <= len(b); i++ {
		if string(b[i:i+len(end)]) == end {
			return true
		}
	}
	return false
}

// serve connects a client with the server, until both are done with each other.
func (p *Proxy) serve(client *net.TCPConn, target string, epoch int) {
	ctx, cancel := context.WithTimeout(p.ctx, dialTimeout)
	c, err := new(net.Dialer).DialContext(ctx, "tcp", target)
	cancel()
	if err != nil {
		reset(client)
		return
	}
	l := &link{proxy: p, ends: [2]*net.TCPConn{client, c.(*net.TCPConn)}, gone: make(chan struct{})}
	p.mu.Lock()
	p.links[l] = struct{}{}
	stale, how := epoch != p.epoch, p.ending
	p.mu.Unlock()
	if stale {
		l.end(how)
	}
	l.run()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

// pass says how much of a piece may go in a direction, and which cut is due after it.
func (p *Proxy) pass(l *link, d Direction, piece []byte) (int, *cut) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, c := len(piece), p.cut[d]
	if c != nil {
		if c.left > int64(n) {
			c.left -= int64(n)
			c = nil
		} else {
			n = int(c.left)
			p.cut[d] = nil
		}
	}
	p.passed[d] += int64(n)
	l.asked = ""
	if d == Up {
		l.asked = string(piece[:min(n, longestPrefix)])
	}
	return n, c
}

// gate is what a piece in a direction has to wait for now.
func (p *Proxy) gate(d Direction) (frozen bool, changed <-chan struct{}, delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.frozen[d], p.changed, p.delay[d]
}

func reset(c *net.TCPConn) {
	_ = c.SetLinger(0) // fails only on a closed connection
	_ = c.Close()
}
