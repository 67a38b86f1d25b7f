package msgpack

import (
	"strconv"
	"unicode/utf8"

	"sio.example/socketio/parser"
)

// What a parser.SyntaxError may say. The two that are about an option are those of the JSON parser.
const (
	msgText      = "text frame"
	msgCut       = "unexpected end"
	msgTrailing  = "bytes after the packet"
	msgByte      = "byte that begins no value"
	msgUTF8      = "string that is not UTF-8"
	msgDepth     = "nested too deeply"
	msgExtension = "unknown extension"
	msgKey       = "name of a member that is neither a string nor an integer"
	msgPacket    = "packet that is no map"
	msgTwice     = "member of a packet that is there twice"
	msgType      = "unknown packet type"
	msgNsp       = "invalid namespace"
	msgNamespace = "namespace too long"
	msgID        = "illegal acknowledgement id"
	msgPayload   = "invalid payload"
	msgName      = "invalid event name"
	msgReserved  = "reserved event name"
	msgArguments = "too many arguments"
	msgFailed    = "decoder used after an error"
)

// received is a packet and what its arguments are views of, in one allocation.
type received struct {
	packet parser.Packet
	args   parser.Encoded
	inline [4]int
}

// decoder is the parser.Decoder of one connection.
type decoder struct {
	limits *Options   // nil after an error
	last   *lastNames // nil until there are some
}

// lastNames are the last short namespace and name, which are likely to come again: saves an allocation each.
type lastNames struct{ namespace, name string }

// maxRemembered is the longest name a decoder remembers, in bytes.
const maxRemembered = 64

// Add decodes a packet, which is one frame.
func (d *decoder) Add(f parser.Frame) (*parser.Packet, error) {
	if d.limits == nil {
		return nil, &parser.SyntaxError{Msg: msgFailed}
	}
	if !f.Binary {
		d.limits = nil
		return nil, &parser.SyntaxError{Msg: msgText}
	}
	s := scanner{data: f.Data, limits: d.limits}
	rec := &received{args: parser.Encoded{Reader: reader{}, Data: f.Data, MaxDecoded: d.limits.MaxDecoded}}
	rec.args.Starts = rec.inline[:0]
	s.packet(rec, d)
	if s.msg != "" {
		d.limits = nil
		return nil, &parser.SyntaxError{Offset: s.fault, Msg: s.msg}
	}
	rec.packet.Args = rec.args.Args()
	return &rec.packet, nil
}

// Pending reports that nothing is held: a packet is one frame.
func (d *decoder) Pending() (bytes int, waiting bool) { return 0, false }

// IsReset reports whether the decoder might as well be a new one; see parser.Resettable.
func (d *decoder) IsReset() bool { return d.limits != nil && d.last == nil }

func (d *decoder) names() *lastNames {
	if d.last == nil {
		d.last = new(lastNames)
	}
	return d.last
}

// remembered returns string(name), without an allocation if it is the same as the last time.
func remembered(last *string, name []byte) string {
	if string(name) == *last {
		return *last
	}
	s := string(name)
	if len(s) <= maxRemembered {
		*last = s
	}
	return s
}

// A scanner validates a frame from its beginning to its end, once. After a fault nothing it returns means anything, and
// it soon ends: each of its loops looks at msg.
type scanner struct {
	data   []byte
	limits *Options
	fault  int
	msg    string // "" unless there is a fault
}

func (s *scanner) fail(at int, msg string) int {
	if s.msg == "" {
		s.fault, s.msg = at, msg
	}
	return len(s.data)
}

// members are where the values of a packet's members begin, or 0 where there is none: no value begins at 0.
type members struct{ kind, namespace, data, id int }

// packet reads all of a packet. Its members may come in any order; others are skipped.
func (s *scanner) packet(rec *received, d *decoder) {
	f, n, at := s.head(0)
	if s.msg == "" && f.class != object {
		s.fail(0, msgPacket)
	}
	var m members
	for i := 0; i < n && s.msg == ""; i++ {
		key := at
		at = s.key(at)
		if s.msg != "" {
			return
		}
		var place *int
		switch string(s.textAt(key)) {
		case memberType:
			place = &m.kind
		case memberNamespace:
			place = &m.namespace
		case memberData:
			place = &m.data
		case memberID:
			place = &m.id
		}
		if place != nil {
			if *place != 0 {
				s.fail(key, msgTwice)
				return
			}
			*place = at
		}
		if place == &m.data {
			at = s.payload(rec, at)
		} else {
			at = s.value(at, 0)
		}
	}
	if s.msg == "" && at < len(s.data) {
		s.fail(at, msgTrailing)
	}
	if s.msg == "" {
		s.judge(rec, d, &m)
	}
}

// textAt is the string that begins at data[at], which has been validated; nil if it is none.
func (s *scanner) textAt(at int) []byte {
	if forms[s.data[at]].class != text {
		return nil
	}
	_, n, body := s.head(at)
	return s.data[body : body+n]
}

// payload reads the data of a packet, and notes where the elements begin if it is an array, or else where itself does.
func (s *scanner) payload(rec *received, at int) (next int) {
	f, n, body := s.head(at)
	if s.msg != "" {
		return body
	}
	if f.class != array {
		rec.args.Starts = append(rec.args.Starts, at)
		return s.value(at, 0)
	}
	if n > s.limits.MaxArguments+1 { // with a name
		return s.fail(at, msgArguments)
	}
	for i := 0; i < n && s.msg == ""; i++ {
		rec.args.Starts = append(rec.args.Starts, body)
		body = s.value(body, 0)
	}
	return body
}

// head reads the beginning of the value at data[at], and sees to it that what it announces can be there: that alone
// bounds what is made room for.
func (s *scanner) head(at int) (f form, n, body int) {
	if at >= len(s.data) {
		return f, 0, s.fail(at, msgCut)
	}
	f = forms[s.data[at]]
	n, body = int(f.n), at+1
	left := uint64(len(s.data) - body)
	if f.size > 0 {
		if left < uint64(f.size) {
			return f, 0, s.fail(at, msgCut)
		}
		length := bigEndian(s.data[body : body+int(f.size)])
		left -= uint64(f.size)
		if length > left {
			return f, 0, s.fail(at, msgCut)
		}
		n, body = int(length), body+int(f.size)
	}
	need := uint64(n)
	switch f.class {
	case illegal:
		return f, 0, s.fail(at, msgByte)
	case object:
		need *= 2
	case extension:
		need++
	}
	if need > left {
		return f, 0, s.fail(at, msgCut)
	}
	return f, n, body
}

// value reads a value; depth is how many arrays and objects are open.
func (s *scanner) value(at, depth int) (next int) {
	if at < len(s.data) && (s.data[at] < fixmap || s.data[at] >= fixnegative) {
		return at + 1
	}
	f, n, body := s.head(at)
	if s.msg != "" {
		return body
	}
	switch f.class {
	case text:
		if !utf8.Valid(s.data[body : body+n]) {
			return s.fail(at, msgUTF8)
		}
	case extension:
		if !isExtension(s.data[at], int8(s.data[body]), s.data[body+1:body+1+n]) {
			return s.fail(at, msgExtension)
		}
		n++
	case array, object:
		if depth >= s.limits.MaxDepth {
			return s.fail(at, msgDepth)
		}
		for i := 0; i < n && s.msg == ""; i++ {
			if f.class == object {
				body = s.key(body)
			}
			if s.msg == "" {
				body = s.value(body, depth+1)
			}
		}
		return body
	}
	return body + n
}

// key reads the name of a member: a string, or an integer, which is a string to JavaScript. An array or object is
// refused before it is looked into: names in names are not counted in the depth.
func (s *scanner) key(at int) (next int) {
	if at < len(s.data) {
		switch forms[s.data[at]].class {
		case text:
			return s.value(at, 0)
		case array, object:
			return s.fail(at, msgKey)
		}
	}
	next = s.value(at, 0)
	if s.msg == "" {
		if _, ok := s.integerName(at); !ok {
			return s.fail(at, msgKey)
		}
	}
	return next
}

// integerName is the integer at data[at], if there is one that has the same decimals to JavaScript.
func (s *scanner) integerName(at int) (n int64, ok bool) {
	if c := s.data[at]; c == single || c == double {
		return 0, false
	}
	t, _ := reader{}.ReadToken(s.data, at)
	n, ok = t.Int64()
	return n, ok && t.Kind == parser.KindNumber && n >= -maxID && n <= maxID
}

// judge makes the packet of its members, if they are those of one.
func (s *scanner) judge(rec *received, d *decoder, m *members) {
	p := &rec.packet
	kind, ok := s.integer(m.kind)
	if !ok || kind > uint64(parser.ConnectError) {
		s.fail(m.kind, msgType)
		return
	}
	p.Type = parser.Type(kind)
	s.namespace(p, d, m.namespace)
	if m.id != 0 && !s.isUndefined(m.id) {
		p.ID, p.HasID = s.integer(m.id)
		if !p.HasID || p.ID > maxID || p.Type != parser.Event && p.Type != parser.Ack {
			s.fail(m.id, msgID)
		}
	}
	if m.data != 0 && s.isUndefined(m.data) {
		m.data, rec.args.Starts = 0, nil
	}
	class := illegal
	if m.data != 0 {
		class = forms[s.data[m.data]].class
	}
	switch p.Type {
	case parser.Event, parser.Ack:
		ok = class == array
	case parser.Connect:
		ok = m.data == 0 || class == object
	case parser.ConnectError:
		ok = class == object || class == text
	case parser.Disconnect:
		ok = m.data == 0
	}
	if !ok {
		s.fail(m.data, msgPayload)
	}
	if s.msg != "" {
		return
	}
	if p.Type == parser.Event {
		s.name(rec, d, m.data)
	}
	if len(rec.args.Starts) > s.limits.MaxArguments {
		s.fail(m.data, msgArguments)
	}
}

// namespace reads the namespace at data[at].
func (s *scanner) namespace(p *parser.Packet, d *decoder, at int) {
	if at == 0 || forms[s.data[at]].class != text {
		s.fail(at, msgNsp)
		return
	}
	name := s.textAt(at)
	switch {
	case len(name) == 0 || name[0] != '/':
		s.fail(at, msgNsp)
	case len(name) > s.limits.MaxNamespace:
		s.fail(at, msgNamespace)
	case len(name) == 1:
		p.Namespace = "/"
	default:
		p.Namespace = remembered(&d.names().namespace, name)
	}
}

// name takes the event's name off the arguments: a string, or an integer, which is a string to JavaScript.
func (s *scanner) name(rec *received, d *decoder, data int) {
	if len(rec.args.Starts) == 0 {
		s.fail(data, msgName)
		return
	}
	at := rec.args.Starts[0]
	rec.args.Starts = rec.args.Starts[1:]
	if name := s.textAt(at); name != nil {
		rec.packet.Name = remembered(&d.names().name, name)
	} else if n, ok := s.integerName(at); ok {
		rec.packet.Name = strconv.FormatInt(n, 10)
	} else {
		s.fail(at, msgName)
		return
	}
	if parser.IsReserved(rec.packet.Name) {
		s.fail(at, msgReserved)
	}
}

// integer is the number at data[at], if it is one that is whole and not negative, in whatever form: JavaScript has one
// only.
func (s *scanner) integer(at int) (n uint64, ok bool) {
	if at == 0 {
		return 0, false
	}
	t, _ := reader{}.ReadToken(s.data, at)
	if t.Kind != parser.KindNumber {
		return 0, false
	}
	if t.Float64() == 0 {
		return 0, true // minus zero, too
	}
	return t.Uint64()
}

// isUndefined tells whether the value at data[at] is undefined, which a member is that is not there.
func (s *scanner) isUndefined(at int) bool {
	return s.data[at] == fixext1 && int8(s.data[at+1]) == extOfficial
}
