package engineio

import (
	"time"

	"sio.example/socketio/internal/websocket"
)

// A link is a transport that carries packets both ways, frame by frame, for as long as it is open: a WebSocket, or a
// byte stream. It is what sessions of either end know of it; what differs is in one file for each (link_websocket.go,
// link_stream.go). Long-polling is none: it has requests, and a state machine of its own (poll_state.go).
//
// It is an internal seam, and not meant for others to implement. What an implementation MUST keep:
//
//   - One goroutine reads. The methods of input belong to it, but for those that say otherwise.
//   - The goroutine that has the right to write (outbox.flushing) calls tryWrite and writeFrames; a probe, whose
//     session writes elsewhere, has it as well. Closing does not need it.
//   - close and abort never block, and may be called by anybody at any time, also twice; the first call counts. After
//     them read returns an error soon, as does a write that is under way.
//   - A buffer is not kept after the call that it was passed to.
type link interface {
	kind() transportKind

	// read waits for the next frame and returns its payload, which is the caller's: a text is a whole packet, a binary
	// frame the data of a message. While nothing comes it holds no buffer. errRoom is not the end: see ask. After
	// another error, which fault explains, all that is left is to wait for the end of the connection.
	read() (binary bool, data []byte, err error)
	// buffered reports whether read has a frame at hand, so that it will not wait.
	buffered() bool
	// ask makes read return errRoom before it makes room for 64 KiB or more. Then wanted is how much that is about, and
	// read goes on after allow; waited says that the peer was held up meanwhile.
	ask(on bool)
	wanted() int
	allow(waited bool)

	// Anybody may ask: whether a part of a frame came since the last call; whether the kernel has input that was not
	// read yet, as far as that can be known; and how much memory a frame takes that is not complete, if that is much.
	arrived() bool
	unread() bool
	reading() int

	// encode makes the frames of what b holds: b.bufs, in pieces that end with a frame. If b is inline it may leave
	// that, and all as it is, to a call from another goroutine.
	encode(b *batch)
	// tryWrite writes what can be written without blocking and reports whether that was all. The rest is owed: copied,
	// and written by the next call of writeFrames, which must follow, with no frames if there are none.
	tryWrite(frames []byte) (all bool, err error)
	// writeFrames blocks until all is written, or its deadline has passed. It fails with errLinkClosed after close, and
	// where the peer has closed and the end is left to the reader, so that what came before is handled.
	writeFrames(bufs ...[]byte) error
	// taken is when the peer took a part of a long write the last time; zero if it did not.
	taken() time.Time

	// close tells the peer, as far as the transport can: with a status and a text of 123 bytes at most. What was
	// accepted before goes out first, within a few seconds.
	close(status websocket.Status, text string)
	// abort ends the connection at once.
	abort()
	// wait waits until nothing of the connection is left, which close, abort and an error of read lead to.
	wait()

	// fault is what an error of read or of a write says about the peer.
	fault(err error) fault
}

var (
	// errRoom is what read returns when it has to be told that there is memory for a large frame, see link.ask.
	errRoom = websocket.ErrRoom
	// errLinkClosed is returned by writes after close.
	errLinkClosed = websocket.ErrClosed
)

// A fault is why a link ended.
type fault uint8

const (
	faultNone      fault = iota // it just ended, or the peer closed it
	faultSlow                   // the peer did not take what it was sent
	faultViolation              // of the framing
	faultSize                   // a frame above the limit
	faultLimit                  // another limit: too many pieces, a frame that takes too long, pings

	faults = iota
)

// transportKind is which transport it is: what is counted and encoded for each is indexed by it.
type transportKind uint8

const (
	kindPolling transportKind = iota
	kindWebSocket
	kindStream

	kinds = iota
)

// String is the name that the protocol has for it.
func (k transportKind) String() string {
	return [...]string{transportPolling, transportWebSocket, transportStream}[k]
}
