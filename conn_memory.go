package socketio

import (
	"net/http"
	"time"

	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/dispatch"
)

// inboxAccount is a conn as its inboxes see it: what the events of a connection hold that wait, or are being handled,
// in all of its namespaces. Up to inboxAllowance bytes are counted with one atomic operation; beyond that the server's
// memory is asked, and charged in steps.
type inboxAccount conn

var _ dispatch.Account = (*inboxAccount)(nil)

const (
	// inboxAllowance is how many bytes of events a connection may hold whatever the others hold.
	inboxAllowance = 64 << 10

	// conn.inboxHeld counts units above its flags.
	chargeUnit   = 16
	chargeFlags  = 2
	maxItemUnits = 1 << 26 // units of one item

	flagAwaited = 1 // somebody waits for room
	flagCharged = 2 // something is charged to the engine

	// A step is what is charged at once. Less than a step is not, and no charge is given back for less than slack.
	stepUnits  = 16 << 10 / chargeUnit
	slackUnits = 4 * stepUnits
)

func unitsOf(n int) int32 { return int32(min((uint(n)+chargeUnit-1)/chargeUnit, maxItemUnits)) }

// allowanceUnits is how much needs no look at the limit, which is most unless that is 0.
func allowanceUnits(most int) int32 {
	if most > 0 && most < inboxAllowance {
		return unitsOf(most)
	}
	return unitsOf(inboxAllowance)
}

// Take is that of dispatch.Account.
func (h *inboxAccount) Take(n int) bool {
	u := unitsOf(n)
	after := h.inboxHeld.Add(u<<chargeFlags) >> chargeFlags
	before := after - u
	if before > 0 && after > h.srv.allowance && int64(after)*chargeUnit > h.limit() {
		if v := h.inboxHeld.Add(-u << chargeFlags); v&flagCharged != 0 && v>>chargeFlags < stepUnits {
			(*conn)(h).charge() // a Give that came meanwhile may have seen what was added
		}
		return false
	}
	if after/stepUnits > before/stepUnits {
		(*conn)(h).charge()
	}
	return true
}

// Force is that of dispatch.Account.
func (h *inboxAccount) Force(n int) {
	u := unitsOf(n)
	after := h.inboxHeld.Add(u<<chargeFlags) >> chargeFlags
	if after/stepUnits > (after-u)/stepUnits {
		(*conn)(h).charge()
	}
}

// Over is that of dispatch.Account.
func (h *inboxAccount) Over() bool {
	n := h.inboxHeld.Load() >> chargeFlags
	return n > h.srv.allowance && int64(n)*chargeUnit > h.limit()
}

// limit is how many bytes the connection may hold now.
func (h *inboxAccount) limit() int64 {
	n := int64(h.eng.HoldLimit())
	if most := int64(h.srv.opts.MaxInboxBytes); most > 0 {
		n = min(n, most)
	}
	return min(n, 8<<30) // what the units can count
}

// Give is that of dispatch.Account.
func (h *inboxAccount) Give(n int) {
	u := unitsOf(n)
	v := h.inboxHeld.Add(-u << chargeFlags)
	after := v >> chargeFlags
	if v&flagCharged != 0 && (after < stepUnits || after/slackUnits < (after+u)/slackUnits) {
		(*conn)(h).charge()
	}
	if v&flagAwaited != 0 {
		h.Wake()
	}
}

// Room is that of dispatch.Account.
func (h *inboxAccount) Room() <-chan struct{} {
	c := (*conn)(h)
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.ensureCold()
	if r.inboxRoom == nil {
		r.inboxRoom = make(chan struct{})
		c.inboxHeld.Or(flagAwaited)
	}
	return r.inboxRoom
}

// Wake is that of dispatch.Account.
func (h *inboxAccount) Wake() {
	c := (*conn)(h)
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.cold; r != nil && r.inboxRoom != nil {
		close(r.inboxRoom)
		r.inboxRoom = nil
		c.inboxHeld.And(^flagAwaited)
		c.freeCold()
	}
}

// ackLender is a conn as the acknowledgements see it that its sockets wait for.
type ackLender conn

var _ dispatch.Lender = (*ackLender)(nil)

// ackAllowance is how many bytes of acknowledgements a connection may owe whatever the others hold: about a thousand.
const ackAllowance = 1100 * dispatch.AckCost

// Borrow is that of dispatch.Lender. What the client owes does not count in what its events may hold: else it would not
// be read from, and never answer. Nor do the answers that it has given to broadcasts which wait for others, for the
// same reason; one large answer may be kept whatever the others hold.
func (o *ackLender) Borrow(n int) bool {
	c := (*conn)(o)
	c.mu.Lock()
	defer c.mu.Unlock()
	before := 0
	if c.cold != nil {
		before = c.cold.ackBytes
	}
	n += before
	if before > 0 && n > ackAllowance && n > c.eng.HoldLimit() {
		return false
	}
	c.ensureCold().ackBytes = n
	c.chargeLocked()
	return true
}

// Repay is that of dispatch.Lender.
func (o *ackLender) Repay(n int) {
	c := (*conn)(o)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cold.ackBytes -= n
	c.chargeLocked()
}

// charge tells the engine what the connection holds, in steps: the events above, the packet of which attachments are
// missing, what the client said about itself, and the answers it owes.
func (c *conn) charge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.chargeLocked()
}

// chargeLocked is charge. It needs mu. The flag comes first: a Give that comes afterwards sees it, and
// waits.
func (c *conn) chargeLocked() {
	c.inboxHeld.Or(flagCharged)
	const step = stepUnits * chargeUnit
	n, charged := c.inboxHeld.Load()>>chargeFlags/stepUnits, int32(0)
	if !c.closed {
		n += int32(c.requestSize() / step)
	}
	if r := c.cold; r != nil {
		n += int32(r.partialBytes/step + r.authBytes/step + r.ackBytes/step)
		charged = r.chargedSteps
	}
	if n == 0 {
		c.inboxHeld.And(^flagCharged)
	}
	if n != charged {
		c.ensureCold().chargedSteps = n
		c.eng.Hold(int(n-charged) * step)
	}
	c.freeCold()
}

// requestSize is how many bytes of the first request are kept. It needs mu.
func (c *conn) requestSize() int {
	n := len(c.head)
	if c.cold != nil && c.cold.request != nil {
		n += c.cold.request.size
	}
	return n
}

// countClosingAuth notes that the auth of a socket which is removed is kept until its last job. It needs mu.
func (c *conn) countClosingAuth(s *Socket) {
	if s.authSize >= minClosingAuth {
		c.ensureCold().closingAuth += int(s.authSize)
	}
}

// minClosingAuth is from how many bytes on that counts: there may be twice as many sockets as namespaces.
const minClosingAuth = 4 << 10

// freeClosingAuth is for the last job of a socket that was removed. It needs mu.
func (c *conn) freeClosingAuth(s *Socket) {
	if s.authSize >= minClosingAuth {
		c.cold.closingAuth -= int(s.authSize)
		c.chargeAuth()
	}
}

// chargeAuth notes what is kept of the sockets' auth. It needs mu.
func (c *conn) chargeAuth() {
	n := c.authLocked()
	if c.cold != nil {
		n += c.cold.closingAuth
	}
	switch {
	case n >= stepUnits*chargeUnit:
		c.ensureCold().authBytes = n
	case c.cold == nil || c.cold.authBytes == 0:
		return
	default:
		c.cold.authBytes = 0
	}
	c.chargeLocked()
}

// authLocked is how many bytes of auth the sockets hold. It needs mu.
func (c *conn) authLocked() (n int) {
	for s := c.firstSocket; s != nil; s = s.next {
		n += int(s.authSize)
	}
	if c.cold != nil {
		n += c.cold.byNameAuth
	}
	return n
}

// headerSize is how many bytes of a request are kept, about.
func headerSize(r *http.Request) int {
	n := len(r.RequestURI) + len(r.Host)
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
			s.log.Debug("socketio: handshake refused", "error",
				"URL and header are larger than MaxAuth", "bytes", n, "limit", most)
			return &engineio.RequestError{Message: "URL and header too large"}
		}
		if next == nil {
			return nil
		}
		return next(r)
	}
}

// now is the server's clock. It is monotonic.
func (s *server) now() time.Duration { return time.Since(s.start) }

// ticks is that clock in milliseconds, as far as 32 bits hold it; never 0.
func (s *server) ticks() uint32 { return max(1, uint32(s.now().Milliseconds())+1) }

// chargePartial charges a packet of which attachments are missing. While the others hold much the client is not read
// from, unless it is the one that may go on in any case: if all had a part and waited for the rest, none would ever get
// it.
func (c *conn) chargePartial() {
	c.partialCharged = true
	if !c.mayKeepPartial() {
		c.attachmentsSince.Store(0) // that it takes longer is our doing
		tick := time.NewTicker(partialTick)
		defer tick.Stop()
		for !c.mayKeepPartial() && !c.hasPartialToken {
			select {
			case c.srv.partialToken <- struct{}{}:
				c.hasPartialToken = true
			case <-tick.C:
			case <-c.eng.Context().Done():
				return
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ensureCold().partialBytes = int(c.size)
	c.chargeLocked()
}

// partialTick is how often a connection looks whether there is memory again, and partialParts how much more than for
// events that wait there may be for one packet: it can't be handled before it is complete.
const (
	partialTick  = 100 * time.Millisecond
	partialParts = 4
)

func (c *conn) mayKeepPartial() bool { return int(c.size)/partialParts <= c.eng.HoldLimit() }

// freePartial is called when the packet is complete, or will never be.
func (c *conn) freePartial() {
	c.partialCharged = false
	if c.hasPartialToken {
		c.hasPartialToken = false
		<-c.srv.partialToken
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cold != nil {
		c.cold.partialBytes = 0
	}
	c.chargeLocked()
}
