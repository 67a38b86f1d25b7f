package parser

import (
	"bytes"
	"math"
)

// What a SyntaxError may say about packets.
const (
	msgEmpty       = "empty packet"
	msgType        = "unknown packet type"
	msgCount       = "illegal number of attachments"
	msgTooMany     = "too many attachments"
	msgNamespace   = "namespace too long"
	msgID          = "illegal acknowledgement id"
	msgPayload     = "invalid payload"
	msgNoPayload   = "payload missing"
	msgName        = "invalid event name"
	msgReserved    = "reserved event name"
	msgArguments   = "too many arguments"
	msgTrailing    = "text after the packet"
	msgPlaceholder = "illegal attachment number"
	msgText        = "text while attachments are missing"
	msgBinary      = "attachment without a packet"
	msgBytes       = "packet too large"
	msgFailed      = "decoder used after an error"
)

// maxID is the greatest integer JavaScript holds exactly, 2^53-1; it has 16 digits.
const (
	maxID       = 1<<53 - 1
	maxIDDigits = 16
)

// The wire types of packets with attachments; on the wire only.
const (
	binaryEvent = 5
	binaryAck   = 6
)

// A span is where one argument stands in a text.
type span struct{ start, end uint32 }

// received is what a decoded packet's arguments are views of. It is immutable once its packet was handed
// out. The packet lies within, so that both are one allocation.
type received struct {
	packet Packet
	text   []byte
	spans  []span
	binary *attachments // nil if there are none
	inline [4]span
}

// attachments are those of a packet.
type attachments struct {
	marks []placeholder // by position
	files [][]byte

	// What most packets need of the two: saves an allocation each.
	mark [1]placeholder
	file [1][]byte
}

// noAttachments has neither.
var noAttachments attachments

// attached never returns nil.
func (r *received) attached() *attachments {
	if r.binary == nil {
		return &noAttachments
	}
	return r.binary
}

// jsonDecoder is the Decoder of jsonParser.
type jsonDecoder struct {
	limits  *JSONOptions // nil after an error
	waiting *received    // has attachments that are missing, or nil
	held    int          // bytes of waiting
	last    *lastNames   // nil until there are some
}

// lastNames are the last short namespace and name, which are likely to come again: saves an allocation each.
type lastNames struct{ namespace, name string }

// Add takes the next frame; see Decoder.
func (d *jsonDecoder) Add(f Frame) (*Packet, error) {
	if d.limits == nil {
		return nil, &SyntaxError{Msg: msgFailed}
	}
	rec, at, msg := d.add(f)
	if msg != "" {
		*d = jsonDecoder{} // and let go of what was held
		return nil, &SyntaxError{Offset: at, Msg: msg}
	}
	if rec == nil {
		return nil, nil
	}
	return &rec.packet, nil
}

// Pending is how many bytes are held; see Decoder.
func (d *jsonDecoder) Pending() (bytes int, waiting bool) {
	return d.held, d.waiting != nil
}

// Peek returns the packet that waits for attachments; see Peeker.
func (d *jsonDecoder) Peek() *Packet {
	if d.waiting == nil {
		return nil
	}
	return &d.waiting.packet
}

func (d *jsonDecoder) add(f Frame) (rec *received, at int, msg string) {
	if f.Binary {
		return d.addAttachment(f.Data)
	}
	if d.waiting != nil {
		return nil, 0, msgText
	}
	return d.addText(f.Data)
}

func (d *jsonDecoder) addAttachment(data []byte) (*received, int, string) {
	rec := d.waiting
	if rec == nil {
		return nil, 0, msgBinary
	}
	if len(data) > d.limits.MaxBytes-d.held {
		return nil, 0, msgBytes
	}
	if data == nil {
		data = []byte{} // no bytes, which is not null
	}
	d.held += len(data)
	b := rec.binary
	b.files = append(b.files, data[:len(data):len(data)])
	if len(b.files) < cap(b.files) {
		return nil, 0, ""
	}
	d.waiting, d.held = nil, 0
	return rec, 0, ""
}

// addText decodes a text frame: type, number of attachments, namespace, id and JSON text, of which each
// but the first may be absent (socket.io-protocol, "packet encoding").
func (d *jsonDecoder) addText(text []byte) (*received, int, string) {
	if len(text) == 0 {
		return nil, 0, msgEmpty
	}
	if uint64(len(text)) > math.MaxUint32 { // spans could not tell where things are
		return nil, 0, msgBytes
	}
	wire := text[0] - '0'
	count, i := 0, 1
	switch {
	case wire > binaryAck:
		return nil, 0, msgType
	case wire >= binaryEvent:
		var msg string
		if count, i, msg = d.attachmentCount(text, i); msg != "" {
			return nil, i, msg
		}
	}
	rec := &received{text: text}
	rec.spans = rec.inline[:0]
	p := &rec.packet
	p.Type, p.Namespace, p.decoded = Type(wire), "/", d.limits.decoded
	if count > 0 {
		p.Type = Type(wire - binaryEvent + byte(Event))
	}
	i, msg := d.namespace(p, text, i)
	if msg == "" {
		i, msg = packetID(p, text, i)
	}
	if msg == "" {
		i, msg = d.payload(rec, i, count > 0)
	}
	if msg != "" {
		return nil, i, msg
	}
	p.Args = Args{src: rec}
	if count == 0 {
		return rec, 0, ""
	}
	return d.await(rec, count)
}

// await has a packet wait for its attachments. Its placeholders are judged now: one that is wrong will
// not become right, so there is no point in holding bytes for it.
func (d *jsonDecoder) await(rec *received, count int) (*received, int, string) {
	if len(rec.text) > d.limits.MaxBytes {
		return nil, 0, msgBytes
	}
	b := &attachments{}
	var at int
	var msg string
	b.marks, at, msg = findPlaceholders(b.mark[:0], rec.text, rec.spans, count)
	if msg != "" {
		return nil, at, msg
	}
	if b.files = b.file[:0]; count > len(b.file) {
		b.files = make([][]byte, 0, count)
	}
	rec.binary = b
	d.waiting, d.held = rec, len(rec.text)
	return nil, 0, ""
}

// attachmentCount reads a count and the dash after it.
func (d *jsonDecoder) attachmentCount(text []byte, i int) (count, next int, msg string) {
	start := i
	for ; i < len(text) && text[i]-'0' <= 9; i++ {
		count = count*10 + int(text[i]-'0')
		if count == 0 {
			return 0, i, msgCount // none at all, or a leading zero
		}
		if count > d.limits.MaxAttachments {
			return 0, i, msgTooMany
		}
	}
	if i == start || i >= len(text) || text[i] != '-' {
		return 0, i, msgCount
	}
	return count, i + 1, ""
}

// namespace reads a namespace and the comma after it, which may be missing at the end of the packet.
func (d *jsonDecoder) namespace(p *Packet, text []byte, i int) (next int, msg string) {
	if i >= len(text) || text[i] != '/' {
		return i, ""
	}
	name, next := text[i:], len(text)
	if n := bytes.IndexByte(name[:min(len(name)-1, d.limits.MaxNamespace)+1], ','); n >= 0 {
		name, next = name[:n], i+n+1
	} else if len(name) > d.limits.MaxNamespace {
		return i, msgNamespace
	}
	if len(name) > 1 {
		p.Namespace = remembered(&d.names().namespace, name)
	}
	return next, ""
}

// maxRemembered is the longest name a decoder remembers, in bytes.
const maxRemembered = 64

// IsReset reports whether the decoder might as well be a new one; see Resettable.
func (d *jsonDecoder) IsReset() bool { return d.limits != nil && d.waiting == nil && d.last == nil }

func (d *jsonDecoder) names() *lastNames {
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

// packetID reads an acknowledgement id. Leading zeros mean nothing, as officially.
func packetID(p *Packet, text []byte, i int) (next int, msg string) {
	start := i
	for ; i < len(text) && text[i]-'0' <= 9; i++ {
		if i-start == maxIDDigits {
			return start, msgID
		}
		p.ID = p.ID*10 + uint64(text[i]-'0')
	}
	p.HasID = i > start
	if p.ID > maxID || p.HasID && p.Type != Event && p.Type != Ack {
		return start, msgID
	}
	return i, ""
}

// payload reads the JSON text, if any, to the end of the packet.
func (d *jsonDecoder) payload(rec *received, i int, attachments bool) (int, string) {
	text, t := rec.text, rec.packet.Type
	if i >= len(text) {
		if t == Event || attachments {
			return i, msgNoPayload
		}
		return i, ""
	}
	if t == Disconnect {
		return i, msgTrailing
	}
	i = skipSpace(text, i)
	if i >= len(text) {
		return i, msgCut
	}
	var msg string
	switch {
	case t == Event || t == Ack:
		if text[i] != '[' {
			return i, msgPayload
		}
		i, msg = d.array(rec, i+1)
	case text[i] == '{' || t == ConnectError && text[i] == '"':
		start := i
		i, msg = scanValue(text, i, 0, d.limits.MaxDepth, &rec.packet.far)
		rec.spans = append(rec.spans, span{uint32(start), uint32(i)})
	default:
		return i, msgPayload
	}
	if msg != "" {
		return i, msg
	}
	if i = skipSpace(text, i); i < len(text) {
		return i, msgTrailing
	}
	return i, ""
}

// array reads the rest of the array of an Event or Ack, whose bracket stands before i.
func (d *jsonDecoder) array(rec *received, i int) (int, string) {
	var msg string
	if rec.packet.Type == Event {
		if i, msg = d.eventName(rec, skipSpace(rec.text, i)); msg != "" {
			return i, msg
		}
		i = skipSpace(rec.text, i)
		if i < len(rec.text) && rec.text[i] == ',' {
			return d.arguments(rec, skipSpace(rec.text, i+1))
		}
	} else if i = skipSpace(rec.text, i); i < len(rec.text) && rec.text[i] != ']' {
		return d.arguments(rec, i)
	}
	switch {
	case i >= len(rec.text):
		return i, msgCut
	case rec.text[i] != ']':
		return i, msgChar
	}
	return i + 1, ""
}

// eventName reads the first value of an Event: a string that is not reserved, or a number.
func (d *jsonDecoder) eventName(rec *received, i int) (int, string) {
	text := rec.text
	if i >= len(text) {
		return i, msgCut
	}
	start := i
	switch c := text[i]; {
	case c == '"':
		end, msg := scanString(text, i+1)
		if msg != "" {
			return end, msg
		}
		if name := text[start+1 : end-1]; bytes.IndexByte(name, '\\') < 0 {
			rec.packet.Name = remembered(&d.names().name, name)
		} else {
			rec.packet.Name = unquote(text[start:end])
		}
		if IsReserved(rec.packet.Name) {
			return start, msgReserved
		}
		return end, ""
	case c == '-' || c-'0' <= 9:
		end, msg := scanNumber(text, i, &rec.packet.far)
		if msg != "" {
			return end, msg
		}
		name, ok := numberName(text[start:end])
		if !ok {
			return start, msgName
		}
		rec.packet.Name = name
		return end, ""
	}
	return i, msgName
}

// arguments reads values up to the closing bracket; the first begins at i.
func (d *jsonDecoder) arguments(rec *received, i int) (int, string) {
	text := rec.text
	for {
		if len(rec.spans) == d.limits.MaxArguments {
			return i, msgArguments
		}
		end, msg := scanValue(text, i, 1, d.limits.MaxDepth, &rec.packet.far)
		if msg != "" {
			return end, msg
		}
		rec.spans = append(rec.spans, span{uint32(i), uint32(end)})
		i = skipSpace(text, end)
		if i >= len(text) {
			return i, msgCut
		}
		switch text[i] {
		case ']':
			return i + 1, ""
		case ',':
			i = skipSpace(text, i+1)
		default:
			return i, msgChar
		}
	}
}
