package socketio

import (
	"cmp"
	"context"
	"time"

	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/errtext"
)

// DrainOptions say how fast Drain goes. The zero value of each means its default; nil means all defaults.
type DrainOptions struct {
	// Window is how long it takes to end all connections there are when Drain is called: they end evenly spread over it,
	// so that as many clients come back a second elsewhere as there are, divided by it. Default: 100 s, one percent a
	// second. Negative: at once.
	Window time.Duration

	// Grace is how long a connection whose turn has come may go on as long as handlers run, or events wait for them.
	// What they acknowledge and emit is sent before it ends. Default: 10 s. Negative: none.
	Grace time.Duration

	// Tell is called for each socket of a connection when its turn has come, on the goroutine of Drain: to emit where
	// to go, for example. What it emits is sent before the connection ends.
	Tell func(s *Socket)
}

const (
	defaultDrainWindow = 100 * time.Second
	defaultDrainGrace  = 10 * time.Second

	// drainStep is how often Drain looks at what is to end: so a connection is ended as much later than it is due, and
	// of one that is busy nothing but this is seen.
	drainStep = 50 * time.Millisecond
)

// Drain empties the server, for one that is replaced while others go on: it refuses new connections from now on with
// status 503 and Retry-After, and ends those there are a few at a time, over DrainOptions.Window, each when its
// handlers have returned and its queue is sent. Until its turn a client notices nothing; sockets may join further
// namespaces. It is not sent a DISCONNECT, after which it would stay away, but loses its connection, as "transport
// close", and connects again by itself: a load balancer must send it to another server by then. Sockets are told
// ReasonServerShuttingDown, and nobody's connection state is kept for a return: see RecoveryOptions.
//
// Drain returns nil when no connection is left. When ctx is done first it ends no more, and returns an error that
// matches ctx.Err() and its cause; new connections are still refused. Shutdown or Close is to follow in any case: they
// wait for OnDisconnect, and close the adapters.
func (s *Server) Drain(ctx context.Context, opts *DrainOptions) error {
	d := drain{srv: s.srv}
	if opts != nil {
		d.opts = *opts
	}
	d.opts.Window = max(0, cmp.Or(d.opts.Window, defaultDrainWindow))
	d.opts.Grace = max(0, cmp.Or(d.opts.Grace, defaultDrainGrace))
	s.srv.engine.RefuseSessions()
	s.srv.endRecovery()
	return d.run(ctx)
}

// A drain is one call of Drain.
type drain struct {
	srv     *server
	opts    DrainOptions
	begun   time.Time
	total   int
	due     []*conn // whose turn has not come
	leaving []leaving
}

// leaving is a connection whose turn has come, and which is busy.
type leaving struct {
	conn *conn
	last time.Time // it ends then at the latest
}

func (d *drain) run(ctx context.Context) error {
	d.begun = time.Now()
	d.due = d.srv.conns()
	d.total = len(d.due)
	tick := time.NewTicker(drainStep)
	defer tick.Stop()
	for {
		now := time.Now()
		d.step(ctx, now)
		if len(d.due)+len(d.leaving) == 0 {
			d.rest()
			if d.srv.engine.Count() == 0 {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if n := d.srv.engine.Count(); n > 0 {
				return errtext.Errorf("socketio: drain: %d connections are left: %w", n, errtext.Ended(ctx))
			}
			return nil
		}
	}
}

// step ends what is due, and what was and is not busy any more.
func (d *drain) step(ctx context.Context, now time.Time) {
	ended := d.total
	if since := now.Sub(d.begun); since < d.opts.Window {
		ended = int(float64(d.total) * float64(since) / float64(d.opts.Window))
	}
	for len(d.due) > 0 && d.total-len(d.due) < ended && ctx.Err() == nil {
		c := d.due[0]
		d.due = d.due[1:]
		if d.opts.Tell != nil {
			for _, s := range c.sockets() {
				if s.is(connected) {
					d.opts.Tell(s)
				}
			}
		}
		d.leaving = append(d.leaving, leaving{c, now.Add(d.opts.Grace)})
	}
	busy := d.leaving[:0]
	for _, l := range d.leaving {
		if now.Before(l.last) && l.conn.isBusy() {
			busy = append(busy, l)
			continue
		}
		l.conn.eng.CloseForShutdown()
	}
	clear(d.leaving[len(busy):])
	d.leaving = busy
}

// rest ends sessions that had joined no namespace when Drain began, and those that opened at that moment.
func (d *drain) rest() {
	known := d.srv.conns()
	of := make(map[*engineio.Socket]*conn, len(known))
	for _, c := range known {
		of[c.eng] = c
	}
	for e := range d.srv.engine.Sockets() {
		if c := of[e]; c != nil && c.isBusy() && time.Since(d.begun) < d.opts.Window+d.opts.Grace {
			continue
		}
		e.CloseForShutdown()
	}
}

// conns returns the connections that have sockets, connected or not, each once, in no particular order.
func (s *server) conns() []*conn {
	var all []*conn
	seen := make(map[*conn]struct{})
	for _, sock := range s.sockets() {
		if _, ok := seen[sock.conn]; !ok {
			seen[sock.conn] = struct{}{}
			all = append(all, sock.conn)
		}
	}
	return all
}

// isBusy reports whether a handler of the connection runs or will, for what has been read.
func (c *conn) isBusy() bool {
	if c.attachmentsSince.Load() != 0 {
		return true
	}
	for _, s := range c.sockets() {
		if n, _ := s.inbox.Len(); n > 0 {
			return true
		}
		if _, busy := s.inbox.Current(); busy {
			return true
		}
	}
	return false
}
