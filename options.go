package socketio

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"time"

	"sio.example/socketio/adapter"
	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/units"
	"sio.example/socketio/parser"
)

// Options of a Server. The zero value of each means its default; nil means all defaults.
type Options struct {
	// Engine are the options of the sessions below. Path is "/socket.io/" by default here, and Logger is the Logger
	// below.
	Engine engineio.Options

	// Parser makes the wire form of packets; clients must use the same. The default is parser.JSON with MaxBytes such
	// that a packet may have as many attachments as MaxAttachments says, each as large as Engine.MaxPayload.
	Parser parser.Parser

	// Adapter makes the adapter of each namespace; the default is adapter.NewMemory. It must not wait for a network: see
	// adapter.Factory, and Namespace.Ready. Its ctx is done after ConnectTimeout, and when the server is closed. If it
	// fails, the error is logged, the namespace refuses all clients, and its methods return the error.
	Adapter adapter.Factory

	// ConnectTimeout closes a connection that has joined no namespace after this time; default 45 s. That cancels the
	// contexts of middleware that still runs for it. A connection that is in a namespace may wait for another without
	// limit: middleware that may hang needs a timeout of its own.
	ConnectTimeout time.Duration

	// AttachmentTimeout closes a connection when the attachments of a packet have not come after this time; default
	// 30 s.
	AttachmentTimeout time.Duration

	// MaxNamespaces is how many namespaces one connection may be in; default 100. More are refused.
	MaxNamespaces int

	// MaxInboxBytes is how much the events of one connection may hold that wait for handlers or are being handled, in
	// all of its namespaces: their data, and 384 bytes for each. Beyond it the connection is not read until a handler
	// has returned, so that TCP slows the client down. One event is always taken. By default, and at most, it is what
	// the server's memory (Engine.MaxMemory) has for one connection: some 4 MiB, or 10,000 small events, while the
	// others hold little, and 64 KiB when they hold much.
	MaxInboxBytes int

	// MaxInbox, if not zero, is how many events may wait for the handlers of one socket beside that. A handler that
	// waits for an acknowledgement gets it only if no more events than that come before it.
	MaxInbox int

	// MaxPendingAcks, if not zero, is how many acknowledgements one socket may wait for, those of EmitFunc until its
	// callback has returned. Without it, and at most, it is what the server's memory (Engine.MaxMemory) has for one
	// connection, where each counts 256 bytes and the name of its event: some 10,000 while the others hold little, and
	// 1,000 for all sockets of the connection together when they hold much. Beyond, EmitFunc, EmitWithAck and
	// broadcasts with acknowledgements do not ask it, and return ErrTooManyAcks. The answers to callbacks that have not
	// been called count in what MaxInboxBytes bounds.
	MaxPendingAcks int

	// MaxAuth is how many bytes of the auth of its CONNECT packets a connection may keep, in all of its namespaces
	// together, since Socket.Handshake has them as long as the socket lives; default 128 KiB. A CONNECT beyond it is
	// refused with a CONNECT_ERROR, and counts as RejectAuth. A handshake whose URL and header are larger is refused as
	// if AllowRequest had done it, and counts as engineio.RejectForbidden.
	MaxAuth int

	// Recovery turns connection state recovery on, with the options in it; nil is off.
	Recovery *RecoveryOptions

	// RequestContext, if not nil, says which values of the context of its first HTTP request a client's sockets have in
	// theirs: those of the context that it returns, which is kept with all it refers to as long as the connection. Its
	// deadline and its end do not count. (*http.Request).Context keeps what HTTP middleware has put there; where a
	// router uses its values again for the next request, return a context made of what is needed. By default nothing is
	// kept. It is called once for each connection, on the request's goroutine, and must not keep r itself; if it
	// panics, the handshake is refused.
	RequestContext func(r *http.Request) context.Context

	// DisableClient stops the server from handing out the browser client under its path.
	DisableClient bool

	// DisableRecover lets panics of user code end the process. By default they are recovered, logged with their stack,
	// counted and given to OnError, and the socket lives on.
	DisableRecover bool

	// KeepEmptyChildren keeps a namespace made by OfFunc when its last socket has left. With it, clients that connect
	// to ever new names make the process grow.
	KeepEmptyChildren bool

	// Logger gets what goes wrong, as warnings and errors: of one cause ten at once, and then one each ten seconds,
	// which tells how many were left out. At the level of debugging it gets who connects, is refused or disconnected,
	// and events without a listener. The default is slog.Default() as it is when the server is made;
	// slog.New(slog.DiscardHandler) logs nothing. What a client sent is quoted and cut to 256 bytes. Its Handler is
	// called on a goroutine of its own: one that blocks, panics or calls runtime.Goexit costs records, and nothing
	// else.
	Logger *slog.Logger

	// OnError is called after a handler's error, a panic in any user code, or something that an adapter reports was
	// logged. s and e are nil where there is none. It must return quickly.
	OnError func(ctx context.Context, s *Socket, e *Event, err error)
}

const (
	defaultPath       = "/socket.io/"
	defaultMaxPayload = 1_000_000
	defaultMaxAuth    = 128 << 10
)

// Validate reports options that no server can keep, or that nobody can mean, those of Engine included: a ConnectTimeout
// of 45000, which is 45 microseconds, or a negative number. Each message has the right form. NewServer logs the same at
// error level and goes on with the default in place of what is wrong; a program that would rather not start asks here
// first.
func (o *Options) Validate() error {
	if o == nil {
		return nil
	}
	engine := o.Engine
	return errors.Join(o.check(), engine.Validate())
}

// check is Validate without Engine.
func (o *Options) check() error {
	var errs []error
	duration := func(name string, d time.Duration) {
		if err := units.Check(name, d, time.Millisecond); err != nil {
			errs = append(errs, errtext.Errorf("socketio: %w", err))
		}
	}
	size := func(name string, n int) {
		if n < 0 {
			errs = append(errs, errtext.Errorf("socketio: %s is negative (%d): 0 means the default", name, n))
		}
	}
	duration("ConnectTimeout", o.ConnectTimeout)
	duration("AttachmentTimeout", o.AttachmentTimeout)
	size("MaxNamespaces", o.MaxNamespaces)
	size("MaxInboxBytes", o.MaxInboxBytes)
	size("MaxInbox", o.MaxInbox)
	size("MaxAuth", o.MaxAuth)
	size("MaxPendingAcks", o.MaxPendingAcks)
	return errors.Join(append(errs, o.Recovery.check())...)
}

// checkPath reports what is wrong with Engine.Path, which has another default here.
func (o *Options) checkPath() error { return (&engineio.Options{Path: o.Engine.Path}).Validate() }

// withDefaults returns a copy in which each option has a value. What Validate reports of Engine is left to that.
func (o *Options) withDefaults() Options {
	var d Options
	if o != nil {
		d = *o
	}
	d.Engine.Path = cmp.Or(d.Engine.Path, defaultPath)
	if d.checkPath() != nil {
		d.Engine.Path = defaultPath
	}
	if d.Parser == nil {
		size := cmp.Or(max(d.Engine.MaxPayload, 0), defaultMaxPayload)
		limits := parser.JSONOptions{MaxBytes: parser.MaxBytesOf(size)}
		if d.Engine.AllowEIO3 {
			limits.MaxNamespace = maxNamespace + maxOldQuery
		}
		d.Parser = parser.JSON(&limits)
	}
	if d.Adapter == nil {
		d.Adapter = adapter.NewMemory
	}
	if d.ConnectTimeout < time.Millisecond {
		d.ConnectTimeout = 45 * time.Second
	}
	if d.AttachmentTimeout < time.Millisecond {
		d.AttachmentTimeout = 30 * time.Second
	}
	d.MaxNamespaces = cmp.Or(max(d.MaxNamespaces, 0), 100)
	d.MaxAuth = min(cmp.Or(max(d.MaxAuth, 0), defaultMaxAuth), math.MaxInt32)
	d.Recovery = d.Recovery.withDefaults()
	d.MaxPendingAcks = cmp.Or(max(d.MaxPendingAcks, 0), math.MaxInt)
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	if d.Engine.Logger == nil {
		d.Engine.Logger = d.Logger
	}
	g := dispatch.Guard{DisableRecover: d.DisableRecover}
	d.Logger, d.Engine.Logger = g.Logger(d.Logger), g.Logger(d.Engine.Logger)
	return d
}
