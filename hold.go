package socketio

import (
	"net/http"
	"time"

	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/dispatch"
)

// held is a conn as its inboxes see it: what the events of a connection hold that wait, or are being handled, in all of its
// namespaces. Up to freely bytes are counted with one atomic operation; beyond that the server's memory is asked, and charged
// in steps.
type held conn

var _ dispatch.Account = (*held)(nil)

const (
	// freely is how many bytes of events a connection may hold whatever the others hold.
	freely = 64 << 10

	// conn.held counts units above its flags.
	heldUnit  = 16
	heldFlags = 2
	heldMost  = 1 << 26 // units of one item

	heldWaited  = 1 // somebody waits for room
	heldCharged = 2 // something is charged to the engine

	// A step is what is charged at once. Less than a step is not, and no charge is given back for less than slack.
	heldStep  = 16 << 10 / heldUnit
	heldSlack = 4 * heldStep
)

func heldUnits(n int) int32 { return int32(min((uint(n)+heldUnit-1)/heldUnit, heldMost)) }

// freelyUnits is how much needs no look at the limit, which is most unless that is 0.
func freelyUnits(most int) int32 {
	if most > 0 && most < freely {
		return heldUnits(most)
	}
	return heldUnits(freely)
}

// Take is that of dispatch.Account.
func (h *held) Take(n int) bool {
	u := heldUnits(n)
	after := h.held.Add(u<<heldFlags) >> heldFlags
	before := after - u
	if before > 0 && after > h.srv.freely && int64(after)*heldUnit > h.limit() {
		if v := h.held.Add(-u << heldFlags); v&heldCharged != 0 && v>>heldFlags < heldStep {
			(*conn)(h).charge() // who gave something back meanwhile may have seen what was added
		}
		return false
	}
	if after/heldStep > before/heldStep {
		(*conn)(h).charge()
	}
	return true
}

// Force is that of dispatch.Account.
func (h *held) Force(n int) {
	u := heldUnits(n)
	after := h.held.Add(u<<heldFlags) >> heldFlags
	if after/heldStep > (after-u)/heldStep {
		(*conn)(h).charge()
	}
}

// Over is that of dispatch.Account.
func (h *held) Over() bool {
	n := h.held.Load() >> heldFlags
	return n > h.srv.freely && int64(n)*heldUnit > h.limit()
}

// limit is how many bytes the connection may hold now.
func (h *held) limit() int64 {
	n := int64(h.eng.HoldLimit())
	if most := int64(h.srv.opts.MaxInboxBytes); most > 0 {
		n = min(n, most)
	}
	return min(n, 8<<30) // what the units can count
}

// Give is that of dispatch.Account.
func (h *held) Give(n int) {
	u := heldUnits(n)
	v := h.held.Add(-u << heldFlags)
	after := v >> heldFlags
	if v&heldCharged != 0 && (after < heldStep || after/heldSlack < (after+u)/heldSlack) {
		(*conn)(h).charge()
	}
	if v&heldWaited != 0 {
		h.Wake()
	}
}

// Room is that of dispatch.Account.
func (h *held) Room() <-chan struct{} {
	c := (*conn)(h)
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.rarely()
	if r.room == nil {
		r.room = make(chan struct{})
		c.held.Or(heldWaited)
	}
	return r.room
}

// Wake is that of dispatch.Account.
func (h *held) Wake() {
	c := (*conn)(h)
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rare; r != nil && r.room != nil {
		close(r.room)
		r.room = nil
		c.held.And(^heldWaited)
		c.tidy()
	}
}

// owed is a conn as the acknowledgements see it that its sockets wait for.
type owed conn

var _ dispatch.Lender = (*owed)(nil)

// owedFreely is how many bytes of acknowledgements a connection may owe whatever the others hold: about a thousand.
const owedFreely = 1100 * dispatch.AckCost

// Borrow is that of dispatch.Lender. What the client owes does not count in what its events may hold: else it would not be
// read from, and never answer.
func (o *owed) Borrow(n int) bool {
	c := (*conn)(o)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rare != nil {
		n += c.rare.owed
	}
	if n > owedFreely && n > c.eng.HoldLimit() {
		return false
	}
	c.rarely().owed = n
	c.chargeLocked()
	return true
}

// Repay is that of dispatch.Lender.
func (o *owed) Repay(n int) {
	c := (*conn)(o)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rare.owed -= n
	c.chargeLocked()
}

// charge tells the engine what the connection holds, in steps: the events above, the packet of which attachments are missing,
// what the client said about itself, and the answers it owes.
func (c *conn) charge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.chargeLocked()
}

// chargeLocked is charge. It needs mu. The flag comes first: whoever gives something back afterwards sees it, and waits.
func (c *conn) chargeLocked() {
	c.held.Or(heldCharged)
	const step = heldStep * heldUnit
	n, charged := c.held.Load()>>heldFlags/heldStep, int32(0)
	if !c.closed {
		n += int32(len(c.opening) / step)
	}
	if r := c.rare; r != nil {
		n += int32(r.partial/step + r.auths/step + r.owed/step)
		charged = r.charged
	}
	if n == 0 {
		c.held.And(^heldCharged)
	}
	if n != charged {
		c.rarely().charged = n
		c.eng.Hold(int(n-charged) * step)
	}
	c.tidy()
}

// lingers notes that the auth of a socket which is removed is kept until its last job. It needs mu.
func (c *conn) lingers(s *Socket) {
	if s.authSize >= lingering {
		c.rarely().lingering += int(s.authSize)
	}
}

// lingering is from how many bytes on that counts: there may be twice as many sockets as namespaces.
const lingering = 4 << 10

// gone is for the last job of a socket that was removed. It needs mu.
func (c *conn) gone(s *Socket) {
	if s.authSize >= lingering {
		c.rare.lingering -= int(s.authSize)
		c.keepAuth()
	}
}

// keepAuth notes what is kept of the sockets' auth. It needs mu.
func (c *conn) keepAuth() {
	n := c.authLocked()
	if c.rare != nil {
		n += c.rare.lingering
	}
	switch {
	case n >= heldStep*heldUnit:
		c.rarely().auths = n
	case c.rare == nil || c.rare.auths == 0:
		return
	default:
		c.rare.auths = 0
	}
	c.chargeLocked()
}

// authLocked is how many bytes of auth the sockets hold. It needs mu.
func (c *conn) authLocked() (n int) {
	for s := c.first; s != nil; s = s.next {
		n += int(s.authSize)
	}
	if c.rare != nil {
		n += c.rare.manyAuths
	}
	return n
}

// headerSize is how many bytes of a request are kept, about.
func headerSize(r *http.Request) int {
	n := len(r.RequestURI)
	for name, values := range r.Header {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	return n
}

// limitHeaders refuses handshakes of which more would have to be kept than Options.MaxAuth.
func (s *server) limitHeaders(next func(r *http.Request) error) func(r *http.Request) error {
	most := s.opts.MaxAuth
	return func(r *http.Request) error {
		if n := headerSize(r); n > most {
			s.log.Debug("socketio: handshake refused", "error", "URL and header are larger than MaxAuth", "bytes", n, "limit", most)
			return &engineio.RequestError{Message: "URL and header too large"}
		}
		if next == nil {
			return nil
		}
		return next(r)
	}
}

// ticks is the server's clock in milliseconds, as far as 32 bits hold it; never 0.
func (s *server) ticks() uint32 { return max(1, uint32(time.Since(s.start).Milliseconds())+1) }

// keepPartial charges a packet of which attachments are missing. While the others hold much the client is not read from,
// unless it is the one that may go on in any case: if all had a part and waited for the rest, none would ever get it.
func (c *conn) keepPartial() {
	c.heavy = true
	if !c.mayKeep() {
		c.missing.Store(0) // that it takes longer is our doing
		tick := time.NewTicker(partialTick)
		defer tick.Stop()
		for !c.mayKeep() && !c.favoured {
			select {
			case c.srv.favour <- struct{}{}:
				c.favoured = true
			case <-tick.C:
			case <-c.eng.Context().Done():
				return
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rarely().partial = int(c.size)
	c.chargeLocked()
}

// partialTick is how often a connection looks whether there is memory again, and partialParts how much more than for events
// that wait there may be for one packet: it can't be handled before it is complete.
const (
	partialTick  = 100 * time.Millisecond
	partialParts = 4
)

func (c *conn) mayKeep() bool { return int(c.size)/partialParts <= c.eng.HoldLimit() }

// dropPartial is called when the packet is complete, or will never be.
func (c *conn) dropPartial() {
	c.heavy = false
	if c.favoured {
		c.favoured = false
		<-c.srv.favour
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rare != nil {
		c.rare.partial = 0
	}
	c.chargeLocked()
}
