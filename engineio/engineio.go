package engineio

import (
	"sio.example/socketio/engineio/packet"
	"sio.example/socketio/internal/errtext"
)

// A Message is one message, text or binary.
type Message struct {
	Binary bool
	Data   []byte // UTF-8 if it is text; may be empty
}

// Reason says why a session ended. The values are those of the official server.
type Reason string

// The reasons.
const (
	TransportError Reason = "transport error" // a limit, a violation or a failure of the transport; a panic of the Handler
	TransportClose Reason = "transport close" // the peer closed the session, or its connection ended
	PingTimeout    Reason = "ping timeout"    // the peer fell silent
	ParseError     Reason = "parse error"     // the peer sent what is no packet
	ForcedClose    Reason = "forced close"    // this end closed the session
)

// Error makes a Reason the cause of a session's context.
func (r Reason) Error() string { return string(r) }

// A Handler receives what happens to one session. Its methods are never called concurrently, nor with a lock held.
// A panic in one is logged and counted, and ends the session but nothing else.
type Handler interface {
	// HandleMessage takes ownership of m. While it blocks, no more input of the session is read; it must return
	// soon after the session's context is done.
	HandleMessage(m Message)
	// HandleClose is called exactly once, after the last HandleMessage returned. err may give more detail, or be nil:
	// it may match ErrSlowConsumer, ErrServerClosed, or what the transport reported.
	HandleClose(reason Reason, err error)
}

// The errors callers branch on.
var (
	// ErrClosed is returned by Send when the session is closed or closing.
	ErrClosed = errtext.New("engineio: session closed")
	// ErrSlowConsumer is returned by the Send that found the queue over its budget and the server without memory, and
	// by those that follow; HandleClose gets it, also when the peer took nothing for a while.
	ErrSlowConsumer = errtext.New("engineio: slow consumer")
	// ErrServerClosed is given to HandleClose when the server is shut down or closed.
	ErrServerClosed = errtext.New("engineio: server closed")
)

// What HandleClose may learn beside the errors above.
var (
	errHeartbeat   = errtext.New("engineio: invalid heartbeat direction")
	errOverlap     = errtext.New("engineio: overlap from client")
	errPollAborted = errtext.New("engineio: poll connection closed prematurely")
	errOctetStream = errtext.New("engineio: invalid content")
	errPanic       = errtext.New("engineio: handler panicked")
	errExited      = errtext.New("engineio: handler called runtime.Goexit")
	errWriter      = errtext.New("engineio: the http.ResponseWriter panicked")
	errNoHandler   = errtext.New("engineio: no handler")
)

// A RequestError refuses a request with a text the client may see.
type RequestError struct{ Message string }

// Error returns the text.
func (e *RequestError) Error() string { return e.Message }

// The packets without content are prepared once for all.
var (
	pingPacket  = &Prepared{typ: packet.Ping}
	closePacket = &Prepared{typ: packet.Close}
	noopPacket  = &Prepared{typ: packet.Noop}
)
