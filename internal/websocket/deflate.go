package websocket

import (
	"compress/flate"
	"runtime"
	"sync"

	"sio.example/socketio/internal/bufpool"
)

// deflatedBit is RSV1, which tells the first frame of a compressed message (RFC 7692 6).
const deflatedBit = 0x40

const (
	// windowSize is how far a compressed message may refer back.
	windowSize = 1 << maxBits
	// tailSize is what a message ends with when it is flushed to a whole byte, and which is not sent (RFC 7692 7.2.1).
	tailSize = 4
)

// Deflates reports whether messages on c may be compressed. It does not change. Any goroutine may ask.
func (c *Conn) Deflates() bool { return c.limits.deflate.on }

// WorthDeflating reports whether a message of n bytes is to be compressed on c.
func (c *Conn) WorthDeflating(n int) bool {
	d := &c.limits.deflate
	return d.on && n >= int(d.from)
}

// DeflateLevel is the one to compress with.
func (c *Conn) DeflateLevel() int { return int(c.limits.deflate.level) }

// Shares reports whether a frame of [DeflatedFrame] with a message of n bytes is right for c as well: it refers to
// nothing but itself, and no further back than the peer remembers.
func (c *Conn) Shares(n int) bool {
	d := &c.limits.deflate
	return d.on && !c.client && !d.takeOut && (d.bits == maxBits || n <= 1<<d.bits)
}

// DeflatedFrame makes one server frame with a compressed message, for all connections that share it (see
// [Conn.Shares]), in memory of its exact size. It returns nil if that would not be smaller than the message. It takes
// long, and may wait for other goroutines that compress.
func DeflatedFrame(level int, op Opcode, payload ...[]byte) []byte {
	z := deflate(level, maxBits, nil, payload)
	if z == nil {
		return nil
	}
	defer bufpool.Put(z)
	frame := AppendHeader(make([]byte, 0, maxHeader+len(*z)), op, len(*z))
	frame[0] |= deflatedBit
	frame = append(frame, *z...)
	return append(make([]byte, 0, len(frame)), frame...)
}

// AppendDeflated appends one frame for this connection to write: with a compressed message if that is smaller, and as
// AppendFrame makes it if not. Frames that it made must be written in the order of the calls, and all of them. It
// belongs to the goroutine that writes, and takes long, as DeflatedFrame does.
func (c *Conn) AppendDeflated(dst []byte, op Opcode, payload ...[]byte) []byte {
	d := &c.limits.deflate
	var h *history
	var before []byte
	if d.takeOut {
		h = c.historyOf()
		before = h.out
	}
	z := deflate(int(d.level), d.bits, before, payload)
	if z == nil {
		return c.AppendFrame(dst, op, payload...)
	}
	defer bufpool.Put(z)
	if h != nil {
		for _, p := range payload {
			h.out = remember(h.out, p)
		}
	}
	start := len(dst)
	dst = c.AppendFrame(dst, op, *z)
	dst[start] |= deflatedBit
	return dst
}

// deflate lends the payload compressed, without the tail, or returns nil if that is not smaller. It is cut into parts
// of which none refers to another, if the peer remembers less than compress/flate does.
func deflate(level int, bits uint8, before []byte, payload [][]byte) *[]byte {
	n := 0
	for _, p := range payload {
		n += len(p)
	}
	compressing <- struct{}{}
	defer func() { <-compressing }()
	z := bufpool.Get(n/2 + 64) // of those only that have their turn
	k := getCompressor(level)
	k.w.Reset(appendTo{z})
	if len(before) > 0 {
		k.w.Write(before) // of the window only
		k.w.Flush()
		*z = (*z)[:0]
	}
	part := 1 << bits // what is left of it
	for _, p := range payload {
		for bits < maxBits && len(p) > part {
			k.w.Write(p[:part])
			k.w.Flush()
			k.w.Reset(appendTo{z})
			p, part = p[part:], 1<<bits
		}
		k.w.Write(p) // an appendTo does not fail
		part -= len(p)
	}
	k.w.Flush()
	k.w.Reset(nil)
	compressors[level].Put(k)
	*z = (*z)[:len(*z)-tailSize]
	if len(*z) >= n {
		bufpool.Put(z)
		return nil
	}
	return z
}

// A compressor is for one message at a time. It takes more than a megabyte, so connections have none of their own.
type compressor struct{ w *flate.Writer }

var compressors [10]sync.Pool // by level

// compressing holds one for each that is at work. It is not held while anything is waited for.
var compressing = make(chan struct{}, max(4, 2*runtime.GOMAXPROCS(0)))

func getCompressor(level int) *compressor {
	if k, ok := compressors[level].Get().(*compressor); ok {
		return k
	}
	w, _ := flate.NewWriter(nil, level) // fails for unknown levels only
	return &compressor{w}
}

type appendTo struct{ buf *[]byte }

func (a appendTo) Write(p []byte) (int, error) {
	*a.buf = append(*a.buf, p...)
	return len(p), nil
}

// A history is what messages may refer to, for those connections where they may refer to others: the end of what has
// been written, which belongs to the writer, and of what has been read, which belongs to the reader.
type history struct{ out, in []byte }

// historyOf returns that of c.
func (c *Conn) historyOf() *history {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.ensureCold()
	if p.history == nil {
		p.history = new(history)
	}
	return p.history
}

// remember adds p to a window.
func remember(window, p []byte) []byte {
	p = p[max(0, len(p)-windowSize):]
	if over := len(window) + len(p) - windowSize; over > 0 {
		window = window[:copy(window, window[over:])]
	}
	if n := len(window) + len(p); n > cap(window) { // append would make more room than there is use for
		window = append(make([]byte, 0, min(max(n, 2*cap(window)), windowSize)), window...)
	}
	return append(window, p...)
}
