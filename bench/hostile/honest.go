package main

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// echoEvery is how often an honest client asks for an echo, whether the last one has come or not.
const echoEvery = 100 * time.Millisecond

// The crowd are the honest clients.
type crowd struct {
	mu      sync.Mutex
	took    []time.Duration // of the echoes since the last look
	sent    map[echo]time.Time
	cut     int
	ended   bool
	clients sync.WaitGroup
}

type echo struct{ client, number int }

// gather connects honest clients, which talk until ctx ends.
func gather(ctx context.Context, addr string, n int) (*crowd, error) {
	c := &crowd{sent: make(map[echo]time.Time)}
	for i := range n {
		p, err := dial(ctx, addr, 0)
		if err != nil {
			return nil, err
		}
		if err := p.send("40"); err != nil {
			return nil, err
		}
		if err := p.await("40"); err != nil {
			return nil, err
		}
		ended, cancel := context.WithCancel(ctx)
		c.clients.Go(func() { // owned by the crowd; ends with the connection, which ctx closes
			defer cancel()
			c.listen(p, i)
		})
		c.clients.Go(func() { // owned by the crowd; ends with the other
			c.talk(ended, p, i, time.Duration(i)*echoEvery/time.Duration(n))
		})
	}
	return c, nil
}

// talk begins after a while, so that not all ask at the same time.
func (c *crowd) talk(ctx context.Context, p *peer, client int, after time.Duration) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(after):
	}
	number := 0
	_ = ticking(ctx, echoEvery, func() error { // the end is counted by listen
		c.mu.Lock()
		c.sent[echo{client, number}] = time.Now()
		c.mu.Unlock()
		number++
		return p.send("42" + strconv.Itoa(number-1) + `["echo","hello"]`)
	})
}

func (c *crowd) listen(p *peer, client int) {
	for {
		text, err := p.next()
		now := time.Now()
		if err != nil {
			c.mu.Lock()
			if !c.ended {
				c.cut++
			}
			c.mu.Unlock()
			return
		}
		rest, ok := strings.CutPrefix(text, "43")
		digits, _, found := strings.Cut(rest, "[")
		number, err := strconv.Atoi(digits)
		if !ok || !found || err != nil {
			continue
		}
		c.mu.Lock()
		if at, ok := c.sent[echo{client, number}]; ok {
			c.took = append(c.took, now.Sub(at))
			delete(c.sent, echo{client, number})
		}
		c.mu.Unlock()
	}
}

// latency is how long an echo takes.
type latency struct{ P50, P99 time.Duration }

// look tells of the time since the last look. What has not come yet took at least as long as it is waited for.
func (c *crowd) look() (l latency, cut int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	all := slices.Clone(c.took)
	for _, at := range c.sent {
		all = append(all, now.Sub(at))
	}
	c.took = c.took[:0]
	clear(c.sent)
	slices.Sort(all)
	if n := len(all); n > 0 {
		l = latency{all[n/2], all[n*99/100]}
	}
	return l, c.cut
}

// end says that nobody is cut from now on.
func (c *crowd) end() {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
}
