package engineio

import (
	"encoding/base64"
	"errors"
	"os"
	"time"

	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/bufpool"
	"sio.example/socketio/internal/websocket"
)

// A webSocketLink is a WebSocket at the server's end. It is no more than the pointer, so that it costs a session
// nothing to have one behind an interface; the reader of an idle session has its methods on a stack of 2 KiB.
type webSocketLink struct{ conn *websocket.Conn }

func (l webSocketLink) kind() transportKind { return kindWebSocket }

func (l webSocketLink) read() (binary bool, data []byte, err error) {
	op, data, err := l.conn.Read()
	return op == websocket.Binary, data, err
}

func (l webSocketLink) buffered() bool    { return l.conn.Buffered() }
func (l webSocketLink) ask(on bool)       { l.conn.Ask(on) }
func (l webSocketLink) wanted() int       { return l.conn.Wanted() }
func (l webSocketLink) allow(waited bool) { l.conn.Allow(waited) }
func (l webSocketLink) arrived() bool     { return l.conn.Arrived() }
func (l webSocketLink) unread() bool      { return l.conn.Unread() }
func (l webSocketLink) reading() int      { return l.conn.Reading() }
func (l webSocketLink) tryWrite(frames []byte) (all bool, err error) {
	return l.conn.TryWriteFrames(frames)
}
func (l webSocketLink) writeFrames(bufs ...[]byte) error           { return l.conn.WriteFrames(bufs...) }
func (l webSocketLink) taken() time.Time                           { return l.conn.Taken() }
func (l webSocketLink) close(status websocket.Status, text string) { l.conn.Close(status, text) }
func (l webSocketLink) abort()                                     { l.conn.Abort() }
func (l webSocketLink) wait()                                      { l.conn.Wait() }

func (l webSocketLink) encode(b *batch) {
	if l.conn.Deflates() {
		b.gatherDeflated(l.conn)
		return
	}
	b.gather(&webSocketFraming)
}

func (l webSocketLink) fault(err error) fault {
	var ce *websocket.CloseError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded): // of a write: Read has no deadline that it does not explain
		return faultSlow
	case !errors.As(err, &ce) || ce.Received:
		return faultNone
	case errors.Is(err, websocket.ErrMessageTooBig):
		return faultSize
	case errors.Is(err, websocket.ErrTooManyFragments), errors.Is(err, websocket.ErrMessageTimeout),
		errors.Is(err, websocket.ErrTooManyPings):
		return faultLimit
	}
	return faultViolation
}

// webSocketFraming is that of a server: frames are not masked, so one serves all receivers.
var webSocketFraming = framing{
	header: appendWebSocketHeader,
	shared: func(frame []byte, _ bool) []byte { return frame },
}

func appendWebSocketHeader(dst []byte, binary bool, n int) []byte {
	op := websocket.Text
	if binary {
		op = websocket.Binary
	}
	return websocket.AppendHeader(dst, op, n)
}

// A maskedLink is a WebSocket at the client's end, which masks what it sends (RFC 6455 5.1).
type maskedLink struct{ webSocketLink }

// encode makes the frames in one buffer. Masking copies in any case.
func (l maskedLink) encode(b *batch) {
	if l.conn.Deflates() {
		b.maskDeflated(l.conn)
		return
	}
	size := 0
	for _, m := range b.items {
		size += maxMaskedHead + packet.PayloadSize(m.packet())
	}
	b.buf = bufpool.Get(size)
	for _, m := range b.items {
		*b.buf = m.appendMasked(*b.buf, b.base64)
	}
	b.bufs = append(b.bufs, *b.buf)
}

// maxMaskedHead is the most that a client's frame has before its payload.
const maxMaskedHead = 14

// typeDigits are the first bytes of text packets.
var typeDigits = [10]byte([]byte("0123456789"))

// appendMasked appends the frame of a packet that a client sends (EIO v4 §encoding: binary has no type).
func (p *Prepared) appendMasked(dst []byte, forceBase64 bool) []byte {
	switch {
	case p.m.Binary && forceBase64:
		text := bufpool.Get(1 + base64.StdEncoding.EncodedLen(len(p.m.Data)))
		defer bufpool.Put(text)
		*text = base64.StdEncoding.AppendEncode(append(*text, 'b'), p.m.Data)
		return websocket.AppendMasked(dst, websocket.Text, *text)
	case p.m.Binary:
		return websocket.AppendMasked(dst, websocket.Binary, p.m.Data)
	}
	return websocket.AppendMasked(dst, websocket.Text, typeDigits[p.typ:p.typ+1], p.m.Data)
}
