package attack

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"

	socketio "sio.example/socketio"
	"sio.example/socketio/test/internal/wire"
)

const upgradeCount = 500

// upgradeNumbers: 20 clients (not 1,000) upgrade while they send 500 numbered messages and get as many (not 10,000). In
// each direction all arrive, once and in order.
func upgradeNumbers(e *env) {
	var mu sync.Mutex
	heard := make(map[string]int)
	e.io.Handle("up", func(_ context.Context, s *socketio.Socket, ev *socketio.Event) error {
		var n int
		if err := ev.Bind(&n); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if n != heard[s.ID()] {
			e.Errorf("%s: heard %d as number %d", s.ID(), n, heard[s.ID()])
		}
		heard[s.ID()]++
		return nil
	})
	var clients sync.WaitGroup
	for seed := range uint64(20) {
		s := e.connect("polling")
		sock := e.socket(s)
		credit := make(chan int, upgradeCount)
		clients.Go(func() { // ends with the client, which closes credit
			i := 0
			for n := range credit {
				for range n {
					if err := sock.Emit("down", i); err != nil {
						e.Errorf("emit %d: %v", i, err)
						return
					}
					i++
				}
			}
		})
		c := &upgradeClient{target: e.Target, sid: s.SID, rnd: rand.New(rand.NewPCG(seed, 16)), credit: credit}
		e.later(c.close)
		clients.Go(func() { // ends with its last message
			if err := c.run(); err != nil {
				e.Errorf("client %d, %d sent, %d received: %v", seed, c.sent, c.got, err)
			}
		})
	}
	clients.Wait()
	e.until("all messages", func() bool {
		n := 0
		for _, h := range e.heard {
			if h.name == "up" {
				n++
			}
		}
		return n == 20*upgradeCount
	})
}

// An upgradeClient upgrades at a random moment of its conversation. The server sends as much as it is granted credit.
type upgradeClient struct {
	target    wire.Target
	sid       string
	rnd       *rand.Rand
	credit    chan<- int
	granted   int
	sent, got int
	get, post *wire.HTTP
	ws        *wire.WebSocket
	committed bool
}

func (c *upgradeClient) run() (err error) {
	defer close(c.credit)
	if c.get, err = c.target.HTTP(); err != nil {
		return err
	}
	if c.post, err = c.target.HTTP(); err != nil {
		return err
	}
	for range c.rnd.IntN(15) {
		c.grant(1 + c.rnd.IntN(20))
		if err := c.startPoll(); err != nil {
			return err
		}
		if err := c.postSome(); err != nil {
			return err
		}
		if err := c.finishPoll(); err != nil {
			return err
		}
	}
	if err := c.upgrade(); err != nil {
		return err
	}
	for c.sent < upgradeCount {
		c.grant(c.rnd.IntN(20))
		var frames []wire.Frame
		for range min(1+c.rnd.IntN(30), upgradeCount-c.sent) {
			frames = append(frames, wire.Frame{Opcode: wire.Text, Payload: fmt.Appendf(nil, `42["up",%d]`, c.sent)})
			c.sent++
		}
		if err := c.ws.Write(frames...); err != nil {
			return err
		}
	}
	c.grant(upgradeCount)
	for c.got < upgradeCount {
		f, err := c.ws.Read()
		if err != nil {
			return err
		}
		if err := c.take(f.Payload); err != nil {
			return err
		}
	}
	return nil
}

// upgrade is as the protocol wants it; but every second client does not wait for its last GET before it commits.
func (c *upgradeClient) upgrade() (err error) {
	patient := c.rnd.IntN(2) == 0
	if err := c.startPoll(); err != nil {
		return err
	}
	c.grant(c.rnd.IntN(20))
	if c.ws, err = c.target.WebSocket(c.target.URL("websocket", c.sid), nil); err != nil {
		return err
	}
	if err := c.postSome(); err != nil {
		return err
	}
	c.grant(c.rnd.IntN(20))
	if err := c.ws.Write(wire.Frame{Opcode: wire.Text, Payload: []byte("2probe")}); err != nil {
		return err
	}
	f, err := c.ws.Read()
	if err != nil || string(f.Payload) != "3probe" {
		return fmt.Errorf("%q instead of 3probe, %w", f.Payload, err)
	}
	if err := c.postSome(); err != nil {
		return err
	}
	if patient {
		if err := c.finishPoll(); err != nil {
			return err
		}
	}
	c.grant(c.rnd.IntN(20))
	if err := c.ws.Write(wire.Frame{Opcode: wire.Text, Payload: []byte("5")}); err != nil {
		return err
	}
	c.committed = true
	if !patient {
		return c.finishPoll()
	}
	return nil
}

func (c *upgradeClient) close() {
	for _, h := range []*wire.HTTP{c.get, c.post} {
		if h != nil {
			_ = h.Close()
		}
	}
	if c.ws != nil {
		_ = c.ws.Close()
	}
}

func (c *upgradeClient) grant(n int) {
	n = min(n, upgradeCount-c.granted)
	c.granted += n
	c.credit <- n
}

func (c *upgradeClient) startPoll() error {
	return c.get.Start(http.MethodGet, c.target.URL("polling", c.sid), nil, nil)
}

func (c *upgradeClient) finishPoll() error {
	res, err := c.get.Finish(http.MethodGet)
	if err != nil {
		return err
	}
	if c.committed && res.Status == 400 && strings.TrimSpace(string(res.Body)) == code3 {
		return nil // it was overtaken by the upgrade
	}
	if res.Status != 200 {
		return fmt.Errorf("GET: %d %q", res.Status, res.Body)
	}
	for part := range bytes.SplitSeq(res.Body, []byte{0x1e}) {
		if string(part) == "6" {
			continue
		}
		if err := c.take(part); err != nil {
			return err
		}
	}
	return nil
}

func (c *upgradeClient) postSome() error {
	var b strings.Builder
	for i := range min(1+c.rnd.IntN(15), upgradeCount-c.sent) {
		if i > 0 {
			b.WriteByte(0x1e)
		}
		fmt.Fprintf(&b, `42["up",%d]`, c.sent)
		c.sent++
	}
	res, err := c.post.Do(http.MethodPost, c.target.URL("polling", c.sid), nil, []byte(b.String()))
	if err != nil {
		return err
	}
	if res.Status != 200 {
		return fmt.Errorf("POST: %d %q", res.Status, res.Body)
	}
	return nil
}

// take checks the number of a message.
func (c *upgradeClient) take(p []byte) error {
	if want := fmt.Sprintf(`42["down",%d]`, c.got); string(p) != want {
		return fmt.Errorf("got %q, want %q", p, want)
	}
	c.got++
	return nil
}
