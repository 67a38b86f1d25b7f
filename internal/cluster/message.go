package cluster

import (
	"encoding/binary"

	"sio.example/socketio/adapter"
	"sio.example/socketio/internal/argbytes"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/parser"
)

// A kind says what a message is about.
type kind byte

const (
	kindHello     kind = iota + 1 // I am new; say who you are
	kindHeartbeat                 // Request is the first request that is still waited for
	kindGoodbye
	kindBroadcast
	kindJoin
	kindLeave
	kindDisconnect
	kindEvent  // server-side
	kindFetch  // requests, which have an id
	kindAsk    // a broadcast with acknowledgements
	kindQuery  // a server-side event with an acknowledgement
	kindCancel // of a request

	kindAnswer // one result
	kindDone   // the last answer; Count were sent before

	kindStill // which of Requests do you serve?
	kindNot   // those of them that are not served, neither yet nor any more
)

// A message is what nodes exchange. Which fields count depends on the kind.
type message struct {
	Kind    kind
	Node    string // the sender
	Seq     uint64 // grows with each message of a node
	Request uint64 // id of a request of the node that has asked
	Count   uint64
	Timeout uint64 // milliseconds that the answer is waited for; 0: unknown
	Target  adapter.Target
	Rooms   []string
	Close   bool
	Name    string // of an event
	Error   string
	Args    []byte // see package argbytes
	Sockets []socketInfo
	// Requests are ids of the node that has asked.
	Requests []uint64
}

// A socketInfo is an adapter.Socket on its way.
type socketInfo struct {
	ID    string
	Rooms []string
	Args  []byte // see describe
}

const version = 2

var errMessage = errtext.New("cluster: not a message of this version")

// appendBody appends all but the first three fields: those are known when the message is published.
func (m *message) appendBody(b []byte) []byte {
	b = binary.AppendUvarint(b, m.Request)
	b = binary.AppendUvarint(b, m.Count)
	b = binary.AppendUvarint(b, m.Timeout)
	b = appendStrings(b, m.Target.Rooms)
	b = appendStrings(b, m.Target.Except)
	b = appendString(b, m.Target.Socket)
	b = appendString(b, m.Target.Sender)
	b = append(b, bits(m.Target.Flags.Volatile, m.Target.Flags.NoCompress, m.Close))
	b = appendStrings(b, m.Rooms)
	b = appendString(b, m.Name)
	b = appendString(b, m.Error)
	b = appendBytes(b, m.Args)
	b = binary.AppendUvarint(b, uint64(len(m.Sockets)))
	for _, s := range m.Sockets {
		b = appendBytes(appendStrings(appendString(b, s.ID), s.Rooms), s.Args)
	}
	b = binary.AppendUvarint(b, uint64(len(m.Requests)))
	for _, id := range m.Requests {
		b = binary.AppendUvarint(b, id)
	}
	return b
}

func appendMessage(b []byte, k kind, node string, seq uint64, body []byte) []byte {
	return append(binary.AppendUvarint(appendString(append(b, version, byte(k)), node), seq), body...)
}

// parseMessage reads a message. What it returns shares memory with b.
func parseMessage(b []byte) (*message, error) {
	r := &reader{b: b}
	if r.byte() != version {
		return nil, errMessage
	}
	m := &message{Kind: kind(r.byte()), Node: r.string(), Seq: r.uint()}
	m.Request, m.Count, m.Timeout = r.uint(), r.uint(), r.uint()
	m.Target = adapter.Target{Rooms: r.strings(), Except: r.strings(), Socket: r.string(), Sender: r.string()}
	flags := r.byte()
	m.Target.Flags = adapter.Flags{Volatile: flags&1 != 0, NoCompress: flags&2 != 0}
	m.Close = flags&4 != 0
	m.Rooms, m.Name, m.Error = r.strings(), r.string(), r.string()
	m.Args = r.bytes()
	for n := r.count(); n > 0 && !r.bad; n-- {
		m.Sockets = append(m.Sockets, socketInfo{ID: r.string(), Rooms: r.strings(), Args: r.bytes()})
	}
	for n := r.count(); n > 0 && !r.bad; n-- {
		m.Requests = append(m.Requests, r.uint())
	}
	if r.bad || len(r.b) > 0 {
		return nil, errMessage
	}
	return m, nil
}

func bits(flags ...bool) (b byte) {
	for i, on := range flags {
		if on {
			b |= 1 << i
		}
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendStrings(b []byte, all []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(all)))
	for _, s := range all {
		b = appendString(b, s)
	}
	return b
}

func appendBytes(b, data []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(data))), data...)
}

// A reader takes a message apart. Once something is wrong all it returns is zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	taken := r.b[:n:n]
	r.b = r.b[n:]
	return taken
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if r.bad || n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count is a number of elements, which take a byte each at least.
func (r *reader) count() int {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

func (r *reader) string() string { return string(r.take(r.uint())) }

func (r *reader) strings() (all []string) {
	for n := r.count(); n > 0 && !r.bad; n-- {
		all = append(all, r.string())
	}
	return all
}

// bytes are nil if there are none.
func (r *reader) bytes() []byte {
	if b := r.take(r.uint()); len(b) > 0 {
		return b
	}
	return nil
}

// argsOf reads the arguments of a message.
func argsOf(b []byte) (parser.Args, error) { return argbytes.Parse(b) }

// bytesOf are args as a message holds them: as exact as they are, whichever parser sends them on.
func bytesOf(args parser.Args) ([]byte, error) { return argbytes.Append(nil, args) }

// eventOf is the packet of a message.
func (n *node) eventOf(m *message) (*parser.Packet, error) {
	args, err := argsOf(m.Args)
	if err != nil {
		return nil, err
	}
	return &parser.Packet{Type: parser.Event, Namespace: n.ns.Name(), Name: m.Name, Args: args}, nil
}

// describe makes a socketInfo. Its arguments are the handshake, or null, whether there is auth, the auth and the
// data, if there are some. The auth stands beside the handshake, as it may hold bytes.
func describe(s *adapter.Socket) (socketInfo, error) {
	info := socketInfo{ID: s.ID, Rooms: s.Rooms}
	var h *adapter.Handshake
	var auth parser.Args
	if s.Handshake != nil {
		known := *s.Handshake
		h, auth, known.Auth = &known, known.Auth, parser.Args{}
	}
	hasAuth := auth.Len() > 0
	if !hasAuth {
		auth = parser.NewArgs(nil)
	}
	values := []any{h, hasAuth, auth}
	if s.Data != nil {
		data, err := oneValue(s.Data)
		if err != nil {
			return info, err
		}
		values = append(values, data)
	}
	var err error
	info.Args, err = bytesOf(parser.NewArgs(values...))
	return info, err
}

// oneValue is data such that it takes one argument: an Args of one value is that value, and one of several the array of
// them; a pointer to an interface keeps a Tuple from being spread.
func oneValue(data any) (any, error) {
	switch a := data.(type) {
	case nil, string, bool, int, int64, float64, []byte, map[string]any, []any:
		return data, nil
	case parser.Args:
		if a.Len() != 1 && a.HasBinary() {
			return a.Values()
		}
		if a.Len() == 1 {
			return a, nil
		}
	}
	return &data, nil
}

func (s *socketInfo) socket() (adapter.Socket, error) {
	args, err := argsOf(s.Args)
	if err != nil {
		return adapter.Socket{}, err
	}
	if args.Len() < 3 {
		return adapter.Socket{}, errMessage
	}
	var h *adapter.Handshake
	var hasAuth bool
	if err := args.Slice(0, 2).Bind(&h, &hasAuth); err != nil {
		return adapter.Socket{}, err
	}
	found := adapter.Socket{ID: s.ID, Handshake: h, Rooms: s.Rooms}
	if args.Len() > 3 {
		found.Data = args.Slice(3, 4)
	}
	if h != nil {
		h.Auth = parser.Args{}
		if hasAuth {
			h.Auth = args.Slice(2, 3)
		}
	}
	return found, nil
}
