// Package websocket is RFC 6455 as Socket.IO needs it: pre-framed bytes out, whole messages in, nothing held while
// idle.
//
// A connection that waits for its peer costs a parked goroutine and the [Conn], but no buffer: on plain TCP it waits
// for readability and borrows a buffer only once there is something to read; elsewhere (TLS, net.Pipe, other in-memory
// connections) it waits in a read of a few bytes. One system call then takes as many frames as have come.
//
// Nothing is allocated because a header announces it: memory for a message grows with the bytes that arrived. A peer
// that breaks the protocol or a limit is told so in a close frame, and Read returns the same as a [CloseError].
//
// The reader never waits for a writer: what it has to send itself (pongs, close frames) it writes if the kernel takes
// it, and leaves it to the writer at work, or to a goroutine that lives until it is out, if not.
//
// A [Conn] from [Upgrade] has the role of the server, one from [Dial] that of the client. The roles differ in masking
// alone: frames for a server's connection are made by the function [AppendFrame] and may be written to any number of
// connections; frames for a client's are made by [AppendMasked], or by the method [Conn.AppendFrame], which knows the
// role, and are for one connection. WriteFrames does not look into them: with frames of the wrong kind the peer closes
// with 1002.
//
// Messages are compressed (RFC 7692) if both ends want that, see [DeflateOptions]. Compressors and decompressors are
// borrowed for one message, which is inflated when all of it is here, so that a connection that waits holds none.
//
// Decided where RFC 6455 leaves a choice: lengths that are not encoded minimally are accepted, as browsers' peers do; a
// server negotiates no subprotocols (see [Subprotocols]); text is checked as it arrives, not at its end, unless it is
// compressed; a client that was sent a close frame does not wait for the server to close the TCP connection first.
package websocket

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"sync/atomic"
	"time"

	"sio.example/socketio/internal/errtext"
)

// Opcode is the type of a frame.
type Opcode byte

// The opcodes of data frames.
const (
	Text   Opcode = 1
	Binary Opcode = 2
)

// The opcodes that do not leave this package.
const (
	opContinuation = 0
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// Status is a close code.
type Status uint16

// The close codes in use here (RFC 6455 section 7.4.1). NoStatus sends a close frame without a code.
const (
	NoStatus        Status = 0
	NormalClosure   Status = 1000
	GoingAway       Status = 1001
	ProtocolError   Status = 1002
	InvalidPayload  Status = 1007
	PolicyViolation Status = 1008
	MessageTooBig   Status = 1009
	InternalError   Status = 1011
	TryAgainLater   Status = 1013
)

// The defaults of Options.
const (
	defaultMaxMessage       = 1_000_000
	defaultMaxFragments     = 16_384
	defaultMessageTimeout   = 30 * time.Second
	defaultHandshakeTimeout = 10 * time.Second
	defaultWriteTimeout     = 10 * time.Second
	defaultCloseTimeout     = 5 * time.Second
)

// Options are the limits of a connection. The zero value of each means its default.
type Options struct {
	Header           http.Header   // more headers of the 101 answer
	First            []byte        // frames that Upgrade sends behind the 101 answer, with the same write
	MaxMessage       int64         // bytes of a message; default 1,000,000
	MaxFragments     int           // of a message, empty ones included; default 16,384
	MessageTimeout   time.Duration // from the first fragment of a message to its last; default 30 s
	HandshakeTimeout time.Duration // for writing the 101; default 10 s
	WriteTimeout     time.Duration // base of a write's deadline, to which a second is added per 10 KB; default 10 s
	CloseTimeout     time.Duration // from our close frame to the end of the connection at the latest; default 5 s
	// for a peer of Upgrade to acknowledge what it is sent, see Tune; default: the system's
	UserTimeout time.Duration
	MaxUnread   int             // what the kernel keeps for a Conn of Upgrade, see Tune; default 128 KiB
	Deflate     *DeflateOptions // compression of messages, if the peer wants it, too; default none
	Counters    *Counters       // may be shared by many connections; nil counts nothing
}

// Counters count what Read handles by itself, and show what it holds. They may be read at any time.
type Counters struct {
	Pings atomic.Uint64 // received
	Pongs atomic.Uint64 // received; nobody asked for them, as a Conn sends no pings

	// Reading is how much memory messages take that are not complete, of those that take 64 KiB or more.
	Reading atomic.Int64
	// Grew, if not nil, is called when Reading has grown. It must not wait.
	Grew func()
}

// limits are the Options that outlive the handshake. Connections with the same limits share them.
type limits struct {
	maxMessage     int64
	maxFragments   int32
	messageTimeout time.Duration
	writeTimeout   time.Duration
	closeTimeout   time.Duration
	counters       *Counters
	deflate        deflation
}

var lastLimits [2]atomic.Pointer[limits] // the second are for connections that compress

func (o *Options) limits(d deflation) *limits {
	if o == nil {
		o = new(Options)
	}
	l := limits{
		// an int, of 32 bits on some machines
		maxMessage:     min(cmp.Or(max(o.MaxMessage, 0), defaultMaxMessage), math.MaxInt/2),
		maxFragments:   int32(cmp.Or(max(min(o.MaxFragments, 1<<30), 0), defaultMaxFragments)),
		messageTimeout: cmp.Or(max(o.MessageTimeout, 0), defaultMessageTimeout),
		writeTimeout:   cmp.Or(max(o.WriteTimeout, 0), defaultWriteTimeout),
		closeTimeout:   cmp.Or(max(o.CloseTimeout, 0), defaultCloseTimeout),
		counters:       o.Counters,
		deflate:        d,
	}
	which := &lastLimits[0]
	if d.on {
		which = &lastLimits[1]
	}
	if last := which.Load(); last != nil && *last == l {
		return last
	}
	kept := new(limits) // not &l, which would be allocated for each connection
	*kept = l
	which.Store(kept)
	return kept
}

// A CloseError is how a connection ended with a close frame. Received tells whether the peer said it or we did. Read
// returns one when the peer closed (Received), when the peer broke a rule and was told so, and after our own Close
// (with the status and reason that were given to it, whether the peer answered or not). Reason is the peer's if
// Received, otherwise constant text of at most 40 bytes or what was given to Close.
//
// Unwrap gives a finer cause where there is one: [ErrMessageTooBig], [ErrTooManyFragments], [ErrMessageTimeout],
// [ErrTooManyPings], or, after our own Close, why no answer came (io.EOF, net.ErrClosed).
//
// A connection that ends without a close frame is not a CloseError: Read then returns an error that matches io.EOF or
// the network's error.
type CloseError struct {
	Status   Status
	Reason   string
	Received bool

	cause error
}

// The causes of a CloseError that its status does not tell.
var (
	ErrMessageTooBig    = errtext.New("websocket: message too big")
	ErrTooManyFragments = errtext.New("websocket: too many fragments")
	ErrMessageTimeout   = errtext.New("websocket: message takes too long")
	ErrTooManyPings     = errtext.New("websocket: too many pings from a peer that does not read")
)

// ErrRoom is what Read returns when it has to be told that there is memory for a large message, see Ask. It is not the
// end.
var ErrRoom = errtext.New("websocket: room for a large message is asked for")

// ErrClosed is returned by writes after Close, after Abort and after Read has returned an error.
var ErrClosed = errtext.New("websocket: connection closed")

// Error names who closed and why. The text of the peer is quoted.
func (e *CloseError) Error() string {
	who := "closed"
	if e.Received {
		who = "closed by the peer"
	}
	switch {
	case e.Status == NoStatus:
		return "websocket: " + who + " without a status"
	case e.Reason == "":
		return fmt.Sprintf("websocket: %s with status %d", who, e.Status)
	case e.Received:
		return fmt.Sprintf("websocket: %s with status %d %q", who, e.Status, e.Reason)
	}
	return fmt.Sprintf("websocket: %s with status %d: %s", who, e.Status, e.Reason)
}

// Unwrap returns the cause, if one is known beyond the status.
func (e *CloseError) Unwrap() error { return e.cause }

// violation is what the peer is told when it broke a rule.
func violation(status Status, reason string) *CloseError {
	return &CloseError{Status: status, Reason: reason}
}
