package socketio

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"time"

	"sio.example/socketio/adapter"
	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/parser"
)

// Options of a Server. The zero value of each means its default; nil means all defaults.
type Options struct {
	// Engine are the options of the sessions below. Path is "/socket.io/" by default here, and Logger is the Logger
	// below.
	Engine engineio.Options

	// Parser makes the wire form of packets; clients must use the same. The default is parser.JSON with MaxBytes such that a
	// packet may have as many attachments as MaxAttachments says, each as large as Engine.MaxPayload.
	Parser parser.Parser

	// Adapter makes the adapter of each namespace; the default is adapter.NewMemory. If it fails, the error is logged,
	// the namespace refuses all clients, and its methods return the error.
	Adapter adapter.Factory

	// ConnectTimeout closes a connection that has joined no namespace after this time; default 45 s. A gate that takes
	// longer has its context cancelled.
	ConnectTimeout time.Duration

	// AttachmentTimeout closes a connection when the attachments of a packet have not come after this time; default
	// 30 s.
	AttachmentTimeout time.Duration

	// MaxNamespaces is how many namespaces one connection may be in; default 100. More are refused.
	MaxNamespaces int

	// MaxInboxBytes is how much the events of one connection may hold that wait for handlers or are being handled, in all of
	// its namespaces: their data, and 384 bytes for each. Beyond it the connection is not read until a handler has returned,
	// so that TCP slows the client down. One event is always taken. By default, and at most, it is what the server's memory
	// (Engine.MaxMemory) has for one connection: some 4 MiB, or 10,000 small events, while the others hold little, and 64 KiB
	// when they hold much.
	MaxInboxBytes int

	// MaxInbox, if not zero, is how many events may wait for the handlers of one socket beside that. A handler that waits for
	// an acknowledgement gets it only if no more events than that come before it.
	MaxInbox int

	// MaxAuth is how many bytes of the auth of its CONNECT packets a connection may keep, in all of its namespaces together,
	// since Socket.Handshake has them as long as the socket lives; default 128 KiB. A CONNECT beyond it is refused with a
	// CONNECT_ERROR. A handshake whose URL and header are larger is refused as well.
	MaxAuth int

	// DisableClient stops the server from handing out the browser client under its path.
	DisableClient bool

	// DisableRecover lets panics of user code end the process. By default they are recovered, logged with their stack,
	// counted and given to OnError, and the socket lives on.
	DisableRecover bool

	// KeepEmptyChildren keeps a namespace made by OfFunc when its last socket has left. With it, clients that connect to
	// ever new names make the process grow.
	KeepEmptyChildren bool

	// Logger gets what goes wrong; the default discards. What a client sent is quoted and cut to 256 bytes.
	Logger *slog.Logger

	// OnError is called after a handler's error, or a panic in any user code, was logged. s and e are nil where there is
	// none. It must return quickly.
	OnError func(ctx context.Context, s *Socket, e *Event, err error)
}

const (
	defaultPath       = "/socket.io/"
	defaultMaxPayload = 1_000_000
	defaultMaxAuth    = 128 << 10
)

// withDefaults returns a copy in which each option has a value.
func (o *Options) withDefaults() Options {
	var d Options
	if o != nil {
		d = *o
	}
	d.Engine.Path = cmp.Or(d.Engine.Path, defaultPath)
	if d.Engine.MaxPayload <= 0 {
		d.Engine.MaxPayload = defaultMaxPayload
	}
	if d.Parser == nil {
		d.Parser = parser.JSON(&parser.JSONOptions{MaxBytes: parser.MaxBytesOf(d.Engine.MaxPayload)})
	}
	if d.Adapter == nil {
		d.Adapter = adapter.NewMemory
	}
	if d.ConnectTimeout <= 0 {
		d.ConnectTimeout = 45 * time.Second
	}
	if d.AttachmentTimeout <= 0 {
		d.AttachmentTimeout = 30 * time.Second
	}
	if d.MaxNamespaces <= 0 {
		d.MaxNamespaces = 100
	}
	if d.MaxAuth <= 0 {
		d.MaxAuth = defaultMaxAuth
	}
	d.MaxAuth = min(d.MaxAuth, math.MaxInt32)
	if d.Engine.Logger == nil {
		d.Engine.Logger = d.Logger
	}
	g := dispatch.Guard{DisableRecover: d.DisableRecover}
	d.Logger, d.Engine.Logger = g.Logger(d.Logger), g.Logger(d.Engine.Logger)
	return d
}
