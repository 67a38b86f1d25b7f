package load

import (
	"fmt"
	"strings"

	"sio.example/socketio/bench/internal/wsframe"
)

// A flow is a scenario of messages on WebSockets: lanes that keep their window full.
type flow struct {
	g       *generator
	ws      *webSockets
	conns   []*conn
	lanes   []*lane
	each    bool // write every message by itself
	stopped bool
	scratch []byte

	joins  func(index int) []byte // a frame to send first, whose acknowledgement is waited for
	joined int
	inside int // connections in the namespace
	lost   error
	equip  func(f *flow) // gives the connections their lanes
}

func newFlow(g *generator) *flow {
	f := &flow{g: g}
	f.ws = newWebSockets(g, f)
	return f
}

// newEcho is echo and its relatives: each connection talks to itself.
func newEcho(g *generator) *flow {
	f := newFlow(g)
	f.each = g.cfg.Name == "echonb"
	f.equip = func(f *flow) {
		for i, c := range f.conns {
			l := &lane{sender: c, members: 1}
			var r *receiver
			switch g.cfg.Name {
			case "ack":
				l.request, r = g.request(`421000000["echo",%s]`, i), g.receiver(l, `431000000[%s]`, i)
			case "binary":
				header := []byte(`451-["echo",{"_placeholder":true,"num":0}]`)
				blob := attachment(i)
				if g.cfg.Msgpack {
					r = packedBlob(l, header, blob)
					break
				}
				frames, _ := wsframe.Append(nil, wsframe.Text, header)
				frames, start := wsframe.Append(frames, wsframe.Binary, blob)
				l.request = newNumbered(frames, []int{start}, []int{start})
				r = &receiver{lane: l, header: header, expect: newNumbered(blob, []int{0}, nil)}
			default:
				l.request, r = g.request(`42["echo",%s]`, i), g.receiver(l, `42["echo",%s]`, i)
			}
			c.lane, c.rx = l, r
			f.lanes = append(f.lanes, l)
		}
	}
	return f
}

// newBroadcast has one sender, and everybody is a receiver.
func newBroadcast(g *generator) *flow {
	f := newFlow(g)
	f.equip = func(f *flow) {
		f.group(f.conns, g.request(`42["bcast",%s]`, 0), `42["bcast",%s]`, 0)
	}
	return f
}

// newRooms has a sender in each room, which is one of its members.
func newRooms(g *generator) *flow {
	f := newFlow(g)
	f.joins = func(i int) []byte {
		return g.frame(nil, fmt.Sprintf(`427["join","room-%d"]`, i/roomSize))
	}
	f.equip = func(f *flow) {
		for i := 0; i+roomSize <= len(f.conns); i += roomSize {
			room := i / roomSize
			request := g.request(fmt.Sprintf(`42["room","room-%d",%%s]`, room), room)
			f.group(f.conns[i:i+roomSize], request, `42["room",%s]`, room)
		}
	}
	return f
}

// group makes a lane of connections whose first one sends.
func (f *flow) group(members []*conn, request *numbered, answer string, seed int) {
	l := &lane{sender: members[0], members: len(members), request: request}
	for _, c := range members {
		c.lane, c.rx = l, f.g.receiver(l, answer, seed)
	}
	f.lanes = append(f.lanes, l)
}

// payload differs between lanes, so that what goes to the wrong connection is noticed.
func payload(seed, size int) string {
	return fmt.Sprintf(`{"id":%d,"text":"%s"}`, firstID, laneText(seed, size))
}

// laneText is as compressible as JSON usually is: numbers that differ between words that do not.
func laneText(seed, size int) string {
	if size <= 64 {
		return strings.Repeat(fmt.Sprintf("lane %05d, ", seed), 6)[:size]
	}
	var b strings.Builder
	for i := uint32(seed); b.Len() < size; i++ {
		fmt.Fprintf(&b, "lane %05d has the value %08x, ", seed, i*2654435761)
	}
	return b.String()[:size]
}

// receiver makes a receiver of messages, whose form, in JSON, has %s for the payload.
func (g *generator) receiver(l *lane, form string, seed int) *receiver {
	size := g.cfg.textSize()
	answer := func(payload string) *numbered {
		text := fmt.Appendf(nil, form, payload)
		if g.cfg.Msgpack {
			return packedAnswer(pack(text[1:], nil))
		}
		return newNumbered(text, idsIn(text), nil)
	}
	return &receiver{
		lane: l, packed: g.cfg.Msgpack, expect: answer(payload(seed, size)),
		other: answer(fmt.Sprintf(`{"text":"%s","id":%d}`, laneText(seed, size), firstID)),
	}
}

// request makes what is sent.
func (g *generator) request(form string, seed int) *numbered {
	text := fmt.Appendf(nil, form, payload(seed, g.cfg.textSize()))
	if g.cfg.Msgpack {
		return packedRequest(pack(text[1:], nil))
	}
	frame, start := wsframe.Append(nil, wsframe.Text, text)
	at := idsIn(text)
	starts := make([]int, len(at))
	for i := range at {
		at[i] += start
		starts[i] = start
	}
	return newNumbered(frame, at, starts)
}

// attachment is 1 KiB that begins with an id.
func attachment(seed int) []byte {
	b := make([]byte, 1024)
	for i := range b {
		b[i] = byte(i*7 + seed)
	}
	copy(b, "1000000")
	return b
}

func (f *flow) open() error {
	var err error
	f.conns, err = f.ws.openAll(f.g.cfg.Connections, func() int { return f.inside }, func() error { return f.lost })
	if err != nil {
		return err
	}
	if f.joins != nil {
		for i, c := range f.conns {
			f.g.loop.write(c, f.joins(i))
		}
		err := f.g.loop.runUntil(settleTime, func() bool { return f.lost != nil || f.joined == len(f.conns) })
		switch {
		case err != nil:
			return err
		case f.lost != nil:
			return fmt.Errorf("joining: %w", noEOF(f.lost))
		case f.joined < len(f.conns):
			return fmt.Errorf("%d of %d joins acknowledged", f.joined, len(f.conns))
		}
	}
	f.equip(f)
	return nil
}

func (f *flow) begin() {
	for _, l := range f.lanes {
		l.due = f.g.cfg.Window
		f.send(l)
	}
}

func (f *flow) stop() { f.stopped = true }

func (f *flow) finish() { f.g.result.Faults.Lost += f.outstanding() }

func (f *flow) outstanding() (n int64) {
	for _, c := range f.conns {
		if c.rx != nil {
			n += int64(c.rx.outstanding())
		}
	}
	return n
}

// send sends what is due on a lane, in one write if it may.
func (f *flow) send(l *lane) {
	if f.stopped || l.sender.gone {
		l.due = 0
		return
	}
	now := f.g.loop.clock()
	b := f.scratch[:0]
	for ; l.due > 0 && !l.exhausted(); l.due-- {
		b = l.append(b, now)
		if f.each {
			f.g.loop.write(l.sender, b)
			b = b[:0]
			now = f.g.loop.clock()
		}
	}
	f.scratch = b[:0]
	if len(b) > 0 {
		f.g.loop.write(l.sender, b)
	}
}

func (f *flow) opened(*conn) { f.inside++ }

func (f *flow) message(c *conn, op byte, p []byte) error {
	if c.rx == nil {
		if f.joins != nil && f.g.is(op, p, "437[]") {
			f.joined++
			return nil
		}
		return fmt.Errorf("got %.200q before anything was sent", p)
	}
	if c.rx.expect == nil {
		faults := &f.g.result.Faults
		faults.note(&faults.Unexpected, "got %.200q at rest", p)
		return nil
	}
	c.rx.take(f.g, op, p)
	return nil
}

func (f *flow) settled(c *conn) {
	if c.lane != nil && c.lane.due > 0 {
		f.send(c.lane)
	}
}

func (f *flow) ended(c *conn, err error) {
	if f.lost == nil {
		f.lost = err
	}
	if c.rx != nil {
		faults := &f.g.result.Faults
		faults.note(&faults.Closed, "connection %d: %v", c.index, noEOF(err))
	}
}
