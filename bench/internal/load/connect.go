package load

import (
	"fmt"
	"io"
	"time"

	"sio.example/socketio/bench/internal/proc"
	"sio.example/socketio/bench/internal/wsframe"
)

// connects opens and closes connections, a number of them at a time.
type connects struct {
	g       *generator
	ws      *webSockets
	count   int
	stopped bool
	active  int // not closed by the server yet
	goodbye []byte
}

const maxFailures = 100

func (g *generator) connects() error {
	d := &connects{g: g}
	d.ws = newWebSockets(g, d)
	d.goodbye = g.frame(nil, "41")
	d.goodbye, _ = wsframe.Append(d.goodbye, wsframe.Close, []byte{3, 232}) // 1000
	return g.flow(d)
}

func (d *connects) open() error { return nil }

func (d *connects) begin() {
	for range d.g.cfg.Connections {
		d.next()
	}
}

func (d *connects) stop() { d.stopped = true }

func (d *connects) outstanding() int64 { return int64(d.active) }

func (d *connects) finish() { d.g.result.Faults.LeftOpen += int64(d.active) }

func (d *connects) next() {
	faults := &d.g.result.Faults
	if d.stopped || faults.Closed >= maxFailures {
		return
	}
	if _, err := d.ws.dial(d.count); err != nil {
		faults.note(&faults.Closed, "connection %d: %v", d.count, err)
		return
	}
	d.count++
	d.active++
}

func (d *connects) opened(c *conn) {
	c.stage = leaving
	d.g.loop.write(c, d.goodbye)
}

// message is the server's close frame.
func (d *connects) message(c *conn, _ byte, p []byte) error {
	faults := &d.g.result.Faults
	if len(p) != 2 || p[0] != 3 || p[1] != 232 {
		faults.note(&faults.Bad, "close frame %q", p)
	}
	d.g.counted++
	d.g.latency.add(d.g.loop.now - c.opened)
	d.next()
	return nil
}

func (d *connects) settled(*conn) {}

func (d *connects) ended(c *conn, err error) {
	d.active--
	if c.stage == left && err == io.EOF {
		return
	}
	faults := &d.g.result.Faults
	faults.note(&faults.Closed, "connection %d, at stage %d: %v", c.index, c.stage, noEOF(err))
	if c.stage != left {
		d.next()
	}
}

// idle opens connections and looks at what they cost when nothing happens.
func (g *generator) idle() error {
	f := newFlow(g)
	base, err := proc.PSS(g.target.PID)
	if err != nil {
		return err
	}
	f.equip = func(f *flow) {
		for _, c := range f.conns {
			c.rx = &receiver{lane: &lane{}} // that gets nothing
		}
	}
	begun := time.Now()
	if err := f.open(); err != nil {
		return err
	}
	i := &Idle{BaseBytes: base, OpenedIn: time.Since(begun).Seconds()}
	g.result.Idle = i
	each := func() (float64, error) {
		if err := g.loop.runUntil(g.cfg.Rest, nil); err != nil {
			return 0, err
		}
		pss, err := proc.PSS(g.target.PID)
		g.result.PSS = pss
		return float64(pss-base) / float64(len(f.conns)), err
	}
	if i.Fresh, err = each(); err != nil {
		return err
	}
	if g.target.Collect != nil {
		if err := g.target.Collect(); err != nil {
			return fmt.Errorf("asking for a collection: %w", err)
		}
	}
	if i.Settled, err = each(); err != nil {
		return err
	}
	before, err := g.sample()
	if err != nil {
		return err
	}
	if err := g.loop.runUntil(time.Second, nil); err != nil {
		return err
	}
	after, err := g.sample()
	if err != nil {
		return err
	}
	i.CPU = (after.server.Total() - before.server.Total()).Seconds() /
		after.at.Sub(before.at).Seconds()
	g.result.Messages = int64(len(f.conns))
	g.result.Seconds = after.at.Sub(begun).Seconds()
	return nil
}
