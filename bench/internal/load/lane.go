package load

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"reflect"

	"sio.example/socketio/bench/internal/wsframe"
)

const (
	firstID  = 1_000_000 // ids have as many digits, so that messages are all of one length
	lastID   = 9_999_999
	idDigits = 7
	ring     = 64 // more than any window
)

// A numbered text is one that is sent or expected again and again, with another id each time.
type numbered struct {
	text  []byte
	at    []int // where the digits of the id are
	masks []byte
	width int // digits of an id: idDigits, or packedDigits
	id    [idDigits]byte
}

// newNumbered makes one; at are the offsets of the id's digits in text. In a frame, starts are where the payload
// begins that the mask counts from; nil for what is not masked.
func newNumbered(text []byte, at []int, starts []int) *numbered {
	return newDigits(text, at, starts, idDigits)
}

func newDigits(text []byte, at []int, starts []int, width int) *numbered {
	n := &numbered{text: bytes.Clone(text), at: at, width: width}
	for i, a := range at {
		for d := range width {
			m := byte(0)
			if starts != nil {
				m = wsframe.Mask[(a+d-starts[i])&3]
			}
			n.masks = append(n.masks, m)
		}
	}
	n.set(firstID)
	return n
}

// idsIn are the places of firstID in text, which is how templates are written.
func idsIn(text []byte) (at []int) {
	for from := 0; ; {
		i := bytes.Index(text[from:], []byte("1000000"))
		if i < 0 {
			return at
		}
		at = append(at, from+i)
		from += i + idDigits
	}
}

func (n *numbered) set(id int) {
	if n.width == packedDigits {
		binary.BigEndian.PutUint32(n.id[:], uint32(id))
		n.print(0)
		return
	}
	for i := idDigits - 1; i >= 0; i-- {
		n.id[i] = byte('0' + id%10)
		id /= 10
	}
	n.print(0)
}

// next goes to the next id.
func (n *numbered) next() {
	i, first, last := n.width-1, byte('0'), byte('9')
	if n.width == packedDigits {
		first, last = 0, 0xff
	}
	for ; i > 0 && n.id[i] == last; i-- {
		n.id[i] = first
	}
	n.id[i]++
	n.print(i)
}

// print writes the digits from one on.
func (n *numbered) print(from int) {
	for k, a := range n.at {
		for d := from; d < n.width; d++ {
			n.text[a+d] = n.id[d] ^ n.masks[k*n.width+d]
		}
	}
}

// A lane is a sequence of numbered messages from one sender to one or more receivers.
type lane struct {
	sender  *conn
	members int
	request *numbered
	sent    int // messages
	due     int // to be sent when what a read brought has been handled
	arrived [ring]int
	sentAt  [ring]int64
}

// append appends the next message to b, as it goes over the wire.
func (l *lane) append(b []byte, now int64) []byte {
	b = append(b, l.request.text...)
	l.request.next()
	l.arrived[l.sent%ring] = 0
	l.sentAt[l.sent%ring] = now
	l.sent++
	return b
}

// exhausted reports whether there are no ids left.
func (l *lane) exhausted() bool { return l.sent > lastID-firstID }

// A receiver gets the messages of a lane.
type receiver struct {
	lane    *lane
	want    int // the number of the next message
	expect  *numbered
	other   *numbered // the same with its keys in the other order, as a map may have them; nil if it has none
	header  []byte    // of a message with an attachment
	packed  bool      // the messages are MessagePack, and binary
	headed  bool      // the header has come
	missing map[int]bool
}

// outstanding is how many messages have not arrived.
func (r *receiver) outstanding() int { return r.lane.sent - r.want + len(r.missing) }

// take takes a message. One that is wrong counts as the one that was due, so that the load goes on.
func (r *receiver) take(g *generator, op byte, p []byte) {
	if r.header != nil && (op == wsframe.Text || !r.headed) {
		f := &g.result.Faults
		switch {
		case op != wsframe.Text:
			f.note(&f.Bad, "an attachment without a header")
		case r.headed:
			f.note(&f.Bad, "got %.200q for an attachment", p)
			return
		default:
			if !bytes.Equal(p, r.header) && !sameJSON(p, r.header) {
				f.note(&f.Bad, "got %.200q for the header %q", p, r.header)
			}
			r.headed = true
			return
		}
	}
	r.headed = false
	if r.want < r.lane.sent && (op == wsframe.Binary) == (r.header != nil || r.packed) &&
		(bytes.Equal(p, r.expect.text) || r.swapped(p)) {
		r.arrived(g, r.want)
		r.want++
		r.expect.next()
		return
	}
	r.inspect(g, op, p)
}

// swapped reports whether p is the expected message with its keys in the other order.
func (r *receiver) swapped(p []byte) bool {
	if r.other == nil || len(p) != len(r.other.text) {
		return false
	}
	r.other.set(firstID + r.want)
	return bytes.Equal(p, r.other.text)
}

func (r *receiver) arrived(g *generator, number int) {
	l := r.lane
	slot := number % ring
	g.latency.add(g.loop.now - l.sentAt[slot])
	g.counted++
	if l.arrived[slot]++; l.arrived[slot] == l.members {
		l.due++
	}
}

// inspect finds out what is wrong with a message that is not the expected one, byte for byte.
func (r *receiver) inspect(g *generator, op byte, p []byte) {
	f := &g.result.Faults
	number, ok := r.identify(p)
	if !ok || (op == wsframe.Binary) != (r.header != nil || r.packed) {
		f.note(&f.Bad, "got %.200q, want %.200q", p, r.expect.text)
		if number = r.want; number == r.lane.sent {
			return // nothing was due that it could stand for
		}
	}
	switch {
	case number >= r.lane.sent || number < r.want && !r.missing[number]:
		f.note(&f.Unexpected, "got %.200q, which was not sent or had arrived", p)
		return
	case number < r.want:
		f.note(&f.Misordered, "message %d arrived when message %d was expected", number, r.want)
		delete(r.missing, number)
		r.arrived(g, number)
		return
	}
	for ; r.want < number; r.want++ { // overtaken, or lost
		if r.missing == nil {
			r.missing = map[int]bool{}
		}
		r.missing[r.want] = true
	}
	r.arrived(g, number)
	r.want++
	r.expect.set(firstID + r.want)
}

// identify is the number of a message that has the right contents, perhaps written in another way.
func (r *receiver) identify(p []byte) (number int, ok bool) {
	if r.packed {
		return r.packedNumber(p)
	}
	if r.header != nil {
		if len(p) != len(r.expect.text) {
			return 0, false
		}
		number, ok = parseID(p[r.expect.at[0]:])
	} else {
		number, ok = jsonID(p)
	}
	if !ok {
		return 0, false
	}
	want := newNumbered(r.expect.text, r.expect.at, nil)
	want.set(firstID + number)
	return number, bytes.Equal(p, want.text) || r.header == nil && sameJSON(p, want.text)
}

func parseID(b []byte) (number int, ok bool) {
	if len(b) < idDigits {
		return 0, false
	}
	id := 0
	for _, d := range b[:idDigits] {
		if d < '0' || d > '9' {
			return 0, false
		}
		id = id*10 + int(d-'0')
	}
	return id - firstID, id >= firstID
}

// jsonID finds the payload's id in an event or an acknowledgement.
func jsonID(p []byte) (number int, ok bool) {
	_, args := splitPacket(p)
	var values []json.RawMessage
	if json.Unmarshal(args, &values) != nil || len(values) == 0 {
		return 0, false
	}
	var payload struct{ ID *int }
	if json.Unmarshal(values[len(values)-1], &payload) != nil || payload.ID == nil {
		return 0, false
	}
	return *payload.ID - firstID, *payload.ID >= firstID
}

// splitPacket parts the type, the number of attachments and the id of a packet from its JSON.
func splitPacket(p []byte) (head, args []byte) {
	i := max(0, bytes.IndexByte(p, '['))
	return p[:i], p[i:]
}

// sameJSON reports whether two packets differ at most in how their JSON is written.
func sameJSON(a, b []byte) bool {
	headA, argsA := splitPacket(a)
	headB, argsB := splitPacket(b)
	var x, y any
	return bytes.Equal(headA, headB) && json.Unmarshal(argsA, &x) == nil &&
		json.Unmarshal(argsB, &y) == nil && reflect.DeepEqual(x, y)
}
