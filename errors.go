package socketio

import (
	"sio.example/socketio/event"
	"sio.example/socketio/internal/errtext"
)

// The errors callers branch on.
var (
	// ErrDisconnected is returned by what needs a connected socket, and by what waited for one that has gone.
	ErrDisconnected = errtext.New("socketio: disconnected")
	// ErrSlowConsumer is returned by an Emit for which the server has no memory, because the client takes less than it
	// is sent; the connection is closed.
	ErrSlowConsumer = errtext.New("socketio: slow consumer")
	// ErrTooManyAcks is returned by what asks for an acknowledgement of a client that owes too many already, see
	// Options.MaxPendingAcks, and by broadcasts that could not ask one for that reason.
	ErrTooManyAcks = errtext.New("socketio: too many unanswered acknowledgements")
	// ErrServerClosed is returned after Shutdown or Close by the methods of a namespace that was asked for only then,
	// and by Ready and EmitWithAck of those that were there. Their Emit reaches nobody, and returns nil.
	ErrServerClosed = errtext.New("socketio: server closed")
)

// InternalError is the text that a client gets instead of the text of an error which was not meant for it: as the
// message of CONNECT_ERROR when middleware returned something else than a *ConnectError, and as the acknowledgement
// {"error": InternalError} when a handler returned something else than an *event.Error, unless arguments that did not
// fit were the reason. The error itself is logged.
const InternalError = event.InternalText

// A ConnectError refuses a connection: the client gets what middleware returns.
type ConnectError = event.ConnectError

// A PanicError is what became of a panic in user code: it is given to OnError, and to the middleware around a handler.
type PanicError = event.PanicError
