package engineio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"sio.example/socketio/internal/bufpool"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/standstill"
	"sio.example/socketio/internal/websocket"
)

// The framing of a byte stream is the one that the official stack has for WebTransport (engine.io-parser,
// createPacketEncoderStream): before each packet its length in 1, 3 or 9 bytes, as in a WebSocket frame that is not
// masked, and bit 0x80 of the first for a binary message. Nothing else is in the stream: no control frames, and no
// close but its own end.

// streamLimits are what a streamLink takes from its peer, and how much time it gives it.
type streamLimits struct {
	maxMessage     int64
	messageTimeout time.Duration // from the first byte of a frame to its last
	writeTimeout   time.Duration // base of a write's deadline, to which a second is added per writeRate bytes
	closeTimeout   time.Duration // for what is being written when the link is closed
	counters       *websocket.Counters
	failed         func(method string, panicked any) // is told that a method of the stream panicked; may be nil
}

// Default times of a stream.
const (
	streamMessageTimeout = 30 * time.Second
	streamWriteTimeout   = 10 * time.Second
	streamCloseTimeout   = 5 * time.Second
)

// A streamError is a violation of the framing, of a limit, or of what io.Reader and io.Writer promise.
type streamError struct {
	msg   string
	fault fault
}

// Error returns the text.
func (e *streamError) Error() string { return "engineio: stream: " + e.msg }

var (
	errStreamEmpty   = &streamError{"empty frame", faultViolation}
	errStreamLength  = &streamError{"length out of range", faultViolation}
	errStreamText    = &streamError{"text is not UTF-8", faultViolation}
	errStreamSize    = &streamError{"message too big", faultSize}
	errStreamTimeout = &streamError{"message takes too long", faultLimit}
	errStreamPanic   = errtext.New("engineio: stream: the io.ReadWriteCloser panicked")
)

// A streamLink is a byte stream of the user's, at either end. Its methods are user code: a panic is an error of the
// stream, and they are called without locks.
//
// Close of what is beneath must make Read and Write return. If it does not, as that of a QUIC stream, which ends its
// sending half only, SetReadDeadline and SetWriteDeadline must be there, and do.
type streamLink struct {
	rwc    io.ReadWriteCloser
	limits *streamLimits

	in    streamInput // belongs to the reader
	most  int64       // bytes of a frame; likewise
	exit  func()      // is called when rwc has ended the reader's goroutine; likewise, and may be nil
	marks struct {
		sync.Mutex // a leaf
		arrived    bool
		reading    int
		taken      time.Time
	}

	mu     sync.Mutex    // a leaf; never held over a call of rwc
	owed   []byte        // accepted by tryWrite
	busy   bool          // somebody writes
	closed bool          // close or abort was called
	ended  bool          // rwc is being closed
	told   bool          // cause is what the reader tells the session
	reads  atomic.Uint32 // calls of rwc.Read that have begun, and that have returned
	cause  error         // why read and writes fail, if that is not what rwc says
	broken *brokenWrite
	timer  *time.Timer
	turn   chan struct{} // closed when busy ends, if somebody waits for that
	gone   chan struct{} // closed when rwc is closed
}

// A brokenWrite is the state of a link that can't be written to any more, because its peer has closed or is gone. What
// came before is read still, and it is the reader who finds the end.
type brokenWrite struct {
	err   error
	timer *standstill.Timer
	seen  uint32 // streamLink.reads when timer was set
}

// A brokenError is what writes of such a link fail with.
type brokenError struct{ cause error }

// Error has the cause.
func (e *brokenError) Error() string { return "engineio: stream: " + errtext.Text(e.cause) }

// Is reports that the link is closed, as far as writers are concerned.
func (e *brokenError) Is(target error) bool { return target == errLinkClosed }

// Unwrap returns what Write of the stream has returned.
func (e *brokenError) Unwrap() error { return e.cause }

// newStreamLink takes rwc over.
func newStreamLink(rwc io.ReadWriteCloser, l *streamLimits) *streamLink {
	return &streamLink{rwc: rwc, limits: l, most: l.maxMessage, gone: make(chan struct{})}
}

func (l *streamLink) kind() transportKind { return kindStream }

func (l *streamLink) encode(b *batch) { b.gather(&streamFraming) }

// streamFraming: a frame of text is that of a WebSocket without its first byte, so what was made for these serves here.
var streamFraming = framing{
	header: appendStreamHeader,
	shared: func(frame []byte, binary bool) []byte {
		if binary {
			return nil
		}
		return frame[1:]
	},
	// The official decoder takes a frame without content for an error, but takes base64 as well as bytes.
	noEmpty: true,
}

// appendStreamHeader appends what comes before n bytes.
func appendStreamHeader(dst []byte, isBinary bool, n int) []byte {
	at := len(dst)
	switch {
	case n < 126:
		dst = append(dst, byte(n))
	case n <= math.MaxUint16:
		dst = binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
	if isBinary {
		dst[at] |= 0x80
	}
	return dst
}

// parseStreamHeader reads a header from the front of b, and tells its size: 0 if b does not hold all of it yet.
func parseStreamHeader(b []byte, most int64) (isBinary bool, length, size int, err error) {
	if len(b) == 0 {
		return false, 0, 0, nil
	}
	n, size := uint64(b[0]&0x7f), 1
	switch n {
	case 126:
		if size = 3; len(b) < size {
			return false, 0, 0, nil
		}
		n = uint64(binary.BigEndian.Uint16(b[1:]))
	case 127:
		if size = 9; len(b) < size {
			return false, 0, 0, nil
		}
		n = binary.BigEndian.Uint64(b[1:])
	}
	switch {
	case n == 0: // as the official decoder sees it
		return false, 0, 0, errStreamEmpty
	case n > 1<<53-1: // likewise, Number.MAX_SAFE_INTEGER
		return false, 0, 0, errStreamLength
	case n > uint64(most):
		return false, 0, 0, errStreamSize
	}
	return b[0]&0x80 != 0, int(n), size, nil
}

// Sizes of reading.
const (
	streamBuffer = 8 << 10 // of the buffer that a reader at work has
	streamDirect = streamBuffer / 2
	streamFirst  = 4 << 10 // is allocated for a frame on the word of its header
	streamGrowth = 8       // bounds what is allocated beyond that, as a multiple of the bytes that did arrive
)

// A streamInput is what has come and is not handed over yet.
type streamInput struct {
	buf   *[]byte  // borrowed; nil while the reader waits between frames
	pos   int      // what is unread is (*buf)[pos:]
	first [16]byte // where a reader that waits between frames reads to

	begun    bool // a header was read
	binary   bool
	length   int
	msg      []byte
	asks     bool
	wanted   int
	allowed  int
	counted  int               // bytes of memory that are counted for msg
	deadline *standstill.Timer // ends a frame that takes too long; nil before the first that had to be waited for
	timed    bool              // it runs
	err      error             // what read returns from now on
}

func (in *streamInput) unread() []byte {
	if in.buf == nil {
		return nil
	}
	return (*in.buf)[in.pos:]
}

func (l *streamLink) read() (isBinary bool, data []byte, err error) {
	in := &l.in
	if in.err != nil {
		return false, nil, in.err
	}
	err = l.frame()
	l.stopTimer()
	if err == errRoom {
		return false, nil, err
	}
	l.count(0)
	if err != nil {
		in.err = l.endReading(err)
		bufpool.Put(in.buf)
		in.buf, in.pos, in.msg = nil, 0, nil
		return false, nil, in.err
	}
	isBinary, data = in.binary, in.msg
	in.begun, in.msg, in.length, in.allowed = false, nil, 0, 0
	if len(in.unread()) == 0 {
		bufpool.Put(in.buf)
		in.buf, in.pos = nil, 0
	}
	return isBinary, data, nil
}

// endReading ends the link because of err, and returns what read does. The reader tells the session: a write that
// fails because of this knows less.
func (l *streamLink) endReading(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err = l.explainLocked(err)
	l.tellLocked(err)
	return err
}

// endFrame ends the link because a frame takes too long. It runs on a goroutine of the timer.
func (l *streamLink) endFrame() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tellLocked(errStreamTimeout)
}

// tellLocked ends the link, and leaves it to the reader to tell why, unless it has ended already.
func (l *streamLink) tellLocked(cause error) {
	if !l.ended && !l.closed && l.cause == nil {
		l.told = true
	}
	l.endLocked(cause)
}

// explainLocked is why reading has ended with err.
func (l *streamLink) explainLocked(err error) error {
	switch {
	case l.cause != nil:
		return l.cause
	case l.closed:
		return errLinkClosed
	}
	if _, ours := errors.AsType[*streamError](err); ours {
		return err
	}
	return errtext.Wrap("engineio: stream: read", err)
}

// frame reads up to the end of a frame.
func (l *streamLink) frame() error {
	in := &l.in
	for !in.begun {
		isBinary, length, size, err := parseStreamHeader(in.unread(), l.most)
		if err != nil {
			return err
		}
		if size > 0 {
			in.begun, in.binary, in.length = true, isBinary, length
			in.pos += size
			break
		}
		if err := l.fill(nil); err != nil {
			return err
		}
	}
	for len(in.msg) < in.length {
		have := in.unread()
		rest := in.length - len(in.msg)
		have = have[:min(len(have), rest)]
		if len(have) == 0 && rest < streamDirect {
			if err := l.fill(nil); err != nil {
				return err
			}
			continue
		}
		if !l.grow(max(1, len(have))) {
			return errRoom
		}
		if len(have) > 0 {
			in.msg = append(in.msg, have...)
			in.pos += len(have)
			continue
		}
		if err := l.fill(in.msg[len(in.msg):min(cap(in.msg), in.length)]); err != nil {
			return err
		}
	}
	if !in.binary && !utf8.Valid(in.msg) {
		return errStreamText
	}
	return nil
}

// grow makes room for at least n bytes more, and for the whole frame if that is modest by what has arrived of it. It
// reports false if that has to be asked for.
func (l *streamLink) grow(n int) bool {
	in := &l.in
	have := len(in.msg)
	if cap(in.msg)-have >= n {
		return true
	}
	size := max(have+n, min(in.length, max(streamFirst, streamGrowth*(have+n))))
	if size >= largeFrom && size > in.allowed && in.asks {
		in.wanted = in.length
		return false
	}
	in.msg = append(make([]byte, 0, size), in.msg...)
	if size >= largeFrom {
		l.count(size)
	}
	return true
}

// fill waits for input: into room, as a part of in.msg, or if that is nil into the buffer, behind what is unread there.
func (l *streamLink) fill(room []byte) error {
	in := &l.in
	inside := in.begun || len(in.unread()) > 0
	if inside && !in.timed {
		in.timed = true
		if in.deadline == nil {
			in.deadline = standstill.AfterFunc(l.limits.messageTimeout, l.endFrame)
		} else {
			in.deadline.Reset(l.limits.messageTimeout)
		}
	}
	p := room
	switch {
	case room != nil:
	case inside && in.buf != nil:
		n := copy((*in.buf)[:cap(*in.buf)], in.unread())
		*in.buf, in.pos = (*in.buf)[:n], 0
		p = (*in.buf)[n:cap(*in.buf)]
	case inside:
		in.buf, in.pos = bufpool.Get(streamBuffer), 0
		p = (*in.buf)[:cap(*in.buf)]
	default:
		bufpool.Put(in.buf)
		in.buf, in.pos = nil, 0
		p = in.first[:]
	}
	n, err := l.readSome(p)
	switch {
	case err != nil:
		return err
	case room != nil:
		in.msg = in.msg[:len(in.msg)+n]
	case in.buf != nil:
		*in.buf = (*in.buf)[:len(*in.buf)+n]
	default:
		in.buf = bufpool.Get(streamBuffer)
		*in.buf = append(*in.buf, p[:n]...)
	}
	if inside {
		l.marks.Lock()
		l.marks.arrived = true
		l.marks.Unlock()
	}
	return nil
}

// readSome reads at least one byte.
func (l *streamLink) readSome(p []byte) (int, error) {
	for range 100 {
		l.mu.Lock()
		ended := l.ended
		l.mu.Unlock()
		if ended {
			return 0, io.ErrClosedPipe // see explainLocked
		}
		n, err := l.callRead(p)
		switch {
		case n > 0:
			return n, nil // an error that came along will come again
		case err != nil:
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}

// callRead calls rwc.Read. If that ends the goroutine, somebody else has to go on.
func (l *streamLink) callRead(p []byte) (n int, err error) {
	returned := false
	l.reads.Add(1)
	defer func() {
		l.reads.Add(1)
		if !returned && l.exit != nil {
			l.exit()
		}
	}()
	n, err = l.call("Read", l.rwc.Read, p)
	returned = true
	return n, err
}

// call calls a method of rwc.
func (l *streamLink) call(name string, f func([]byte) (int, error), p []byte) (n int, err error) {
	err = errStreamPanic
	defer func() {
		if err != errStreamPanic {
			return
		}
		n = 0
		v := recover()
		l.end(err)
		if l.limits.failed != nil { // v is nil if the goroutine was ended
			l.limits.failed(name, v)
		}
	}()
	n, err = f(p)
	if n < 0 || n > len(p) {
		return 0, &streamError{fmt.Sprintf("%s of %d bytes returned %d", name, len(p), n), faultNone}
	}
	return n, err
}

// stopTimer ends the time for a frame.
func (l *streamLink) stopTimer() {
	if l.in.timed {
		l.in.timed = false
		l.in.deadline.Stop()
	}
}

// count says how much memory the frame takes that is being read, if that is much.
func (l *streamLink) count(n int) {
	more := n - l.in.counted
	if more == 0 {
		return
	}
	l.in.counted = n
	l.marks.Lock()
	l.marks.reading = n
	l.marks.Unlock()
	if k := l.limits.counters; k != nil {
		k.Reading.Add(int64(more))
		if more > 0 && k.Grew != nil {
			k.Grew()
		}
	}
}

func (l *streamLink) buffered() bool {
	in := l.in.unread()
	_, length, size, err := parseStreamHeader(in, l.most)
	return err == nil && size > 0 && len(in) >= size+length
}

func (l *streamLink) ask(on bool) { l.in.asks = on }

func (l *streamLink) wanted() int { return l.in.wanted }

func (l *streamLink) allow(bool) { l.in.allowed = l.in.wanted } // the rest gets all of the time for a frame in any case

func (l *streamLink) arrived() bool {
	l.marks.Lock()
	defer l.marks.Unlock()
	was := l.marks.arrived
	l.marks.arrived = false
	return was
}

func (l *streamLink) unread() bool { return false } // not to be known

func (l *streamLink) reading() int {
	l.marks.Lock()
	defer l.marks.Unlock()
	return l.marks.reading
}

func (l *streamLink) taken() time.Time {
	l.marks.Lock()
	defer l.marks.Unlock()
	return l.marks.taken
}

func (l *streamLink) fault(err error) fault {
	var e *streamError
	switch {
	case errors.As(err, &e):
		return e.fault
	case errors.Is(err, os.ErrDeadlineExceeded):
		return faultSlow
	}
	return faultNone
}
