package engineio

import (
	"encoding/base64"
	"sync"
	"sync/atomic"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/bufpool"
	"sio.example/socketio/internal/websocket"
)

// DeflateOptions are those of compressed messages on WebSockets (RFC 7692, permessage-deflate; perMessageDeflate
// officially). The zero value of each means its default.
//
// What is compressed together with secrets of others tells about them by its length, see SECURITY.md;
// [SendOptions].NoCompress leaves a message out.
type DeflateOptions struct {
	// Threshold is how many bytes a message has that is compressed, its packet type included; default 1024, and 1
	// compresses all. What does not get smaller goes out as it is.
	Threshold int
	// Level is 1 (fastest) to 9 (smallest); default 1, which is the fastest by far for messages of a few kilobytes.
	Level int
	// ContextTakeover lets messages of both directions refer to those before, if the peer agrees: they get smaller the
	// more they are alike. Each direction in use then keeps 32 KiB for each connection, and a broadcast is compressed
	// for each of its receivers, with another 32 KiB to be read each time. By default each message is compressed for
	// itself, an idle connection keeps nothing, and a broadcast is compressed once for all.
	ContextTakeover bool
}

const (
	deflateThreshold = 1024
	maxDeflateLevel  = 9
)

// checkDeflate returns a copy with defaults, and says what is wrong.
func checkDeflate(o *DeflateOptions, failf func(format string, args ...any)) *DeflateOptions {
	if o == nil {
		return nil
	}
	d := *o
	if d.Threshold < 0 {
		failf("Deflate.Threshold is negative (%d): 1 compresses all messages", d.Threshold)
		d.Threshold = 0
	}
	if d.Threshold == 0 {
		d.Threshold = deflateThreshold
	}
	if d.Level < 0 || d.Level > maxDeflateLevel {
		failf("Deflate.Level is %d: there are 1 (fastest) to 9 (smallest)", d.Level)
		d.Level = 0
	}
	if d.Level == 0 {
		d.Level = 1
	}
	return &d
}

// webSocket are the options of a connection.
func (o *DeflateOptions) webSocket() *websocket.DeflateOptions {
	if o == nil {
		return nil
	}
	return &websocket.DeflateOptions{Threshold: o.Threshold, Level: o.Level, ContextTakeover: o.ContextTakeover}
}

// Compress compresses messages that have been queued for many sessions, once for all, if there are sessions which get
// them so. It is for the goroutine that sends them, and before Flush: those that write would do it otherwise, and wait
// for the one that does. Messages that are sent with NoCompress must be left out.
func (s *Server) Compress(ms ...*Prepared) {
	o := s.options.Deflate
	if o == nil || o.ContextTakeover || s.counters.deflating.Load() == 0 {
		return
	}
	for _, m := range ms {
		if m.typ == packet.Message && m.buf == nil && len(m.m.Data)+1 >= o.Threshold {
			m.deflatedForm().make(m, o.Level)
		}
	}
}

// A deflatedForm is the frame of a message for all sessions that compress alike.
type deflatedForm struct {
	once  sync.Once
	made  atomic.Bool
	frame []byte // nil if it would not be smaller
}

// deflatedForm is that of p, which is to be made with make.
func (p *Prepared) deflatedForm() *deflatedForm {
	if d := p.deflated.Load(); d != nil {
		return d
	}
	p.deflated.CompareAndSwap(nil, new(deflatedForm))
	return p.deflated.Load()
}

func (d *deflatedForm) make(p *Prepared, level int) []byte {
	d.once.Do(func() {
		if op, head := p.webSocketHead(""); p.m.Binary {
			d.frame = websocket.DeflatedFrame(level, op, p.m.Data)
		} else {
			d.frame = websocket.DeflatedFrame(level, op, head, p.m.Data)
		}
		d.made.Store(true)
	})
	return d.frame
}

// webSocketHead is what a WebSocket message has before the data of p.
func (p *Prepared) webSocketHead(binaryHead string) (op websocket.Opcode, head []byte) {
	if p.m.Binary {
		return websocket.Binary, []byte(binaryHead)
	}
	return websocket.Text, typeDigits[p.typ : p.typ+1]
}

// asText reports whether m goes as base64.
func (b *batch) asText(m parcel) bool { return m.m.Binary && b.base64 }

// toDeflate reports whether m is to be compressed on c.
func (b *batch) toDeflate(c *websocket.Conn, m parcel) bool {
	if m.typ != packet.Message || m.flags&parcelPlain != 0 {
		return false
	}
	n := 1 + len(m.m.Data)
	if b.asText(m) {
		n = 1 + base64.StdEncoding.EncodedLen(len(m.m.Data))
	}
	return c.WorthDeflating(n)
}

// sharesDeflated reports whether the deflated form of m is right for c.
func (b *batch) sharesDeflated(c *websocket.Conn, m parcel) bool {
	return m.buf == nil && c.Shares(1+len(m.m.Data)) && !b.asText(m) && (!m.m.Binary || b.codec.binaryHead == "")
}

// postpones reports whether the frames are not to be made now: that would take long, and the goroutine has to do
// something else.
func (b *batch) postpones(c *websocket.Conn) bool {
	if !b.inline {
		return false
	}
	for _, m := range b.items {
		if !b.toDeflate(c, m) {
			continue
		}
		if d := m.deflated.Load(); d == nil || !d.made.Load() || !b.sharesDeflated(c, m) {
			return true
		}
	}
	return false
}

// appendDeflated appends the frame of m, compressed for c alone.
func (b *batch) appendDeflated(dst []byte, c *websocket.Conn, m parcel) []byte {
	if b.asText(m) {
		text := bufpool.Get(len(b.codec.base64Head) + base64.StdEncoding.EncodedLen(len(m.m.Data)))
		defer bufpool.Put(text)
		*text = base64.StdEncoding.AppendEncode(append(*text, b.codec.base64Head...), m.m.Data)
		return c.AppendDeflated(dst, websocket.Text, *text)
	}
	op, head := m.webSocketHead(b.codec.binaryHead)
	return c.AppendDeflated(dst, op, head, m.m.Data)
}

// gatherDeflated is gather for a connection on which messages may be compressed.
func (b *batch) gatherDeflated(c *websocket.Conn) {
	if b.postpones(c) {
		return
	}
	f := &webSocketFraming
	if len(b.items) == 1 && !b.toDeflate(c, b.items[0]) { // its frame may be there for all
		b.gather(f)
		return
	}
	size := 0
	for _, m := range b.items {
		size += maxHead + min(packet.PayloadSize(m.packet()), copyLimit)
	}
	b.buf = bufpool.Get(size)
	buf, start := *b.buf, 0
	apart := func(p []byte) { // what is written from where it lies
		if len(buf) > start {
			b.bufs = append(b.bufs, buf[start:len(buf):len(buf)])
		}
		b.bufs, start = append(b.bufs, p), len(buf)
	}
	for _, m := range b.items {
		deflate := b.toDeflate(c, m)
		var frame []byte
		if shared := deflate && b.sharesDeflated(c, m); shared {
			frame = m.deflatedForm().make(m.Prepared, c.DeflateLevel())
			deflate = false
		}
		switch {
		case frame != nil && (len(frame) > copyLimit || len(b.items) == 1):
			apart(frame)
		case frame != nil:
			buf = append(buf, frame...)
		case deflate:
			buf = b.appendDeflated(buf, c, m)
		case b.asText(m):
			buf = f.appendBase64(buf, b.codec, m.Prepared)
		case len(m.m.Data) > copyLimit:
			buf = f.appendHead(buf, b.codec, m.Prepared)
			apart(m.m.Data)
		default:
			buf = append(f.appendHead(buf, b.codec, m.Prepared), m.m.Data...)
		}
	}
	if len(buf) > start {
		b.bufs = append(b.bufs, buf[start:])
	}
	*b.buf = buf
}

// maskDeflated is the same at the client's end.
func (b *batch) maskDeflated(c *websocket.Conn) {
	if b.postpones(c) {
		return
	}
	size := 0
	for _, m := range b.items {
		size += maxMaskedHead + min(packet.PayloadSize(m.packet()), copyLimit)
	}
	b.buf = bufpool.Get(size)
	for _, m := range b.items {
		if b.toDeflate(c, m) {
			*b.buf = b.appendDeflated(*b.buf, c, m)
		} else {
			*b.buf = m.appendMasked(*b.buf, b.base64)
		}
	}
	b.bufs = append(b.bufs, *b.buf)
}

// deflating is 1 for a link on which messages may be compressed.
func deflating(l link) int64 {
	if w, ok := l.(webSocketLink); ok && w.conn.Deflates() {
		return 1
	}
	return 0
}
