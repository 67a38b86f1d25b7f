package client

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/backoff"
	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/units"
	"sio.example/socketio/parser"
)

// Options of a Manager. The zero value of each means its default; nil means all defaults. One value may be used for any
// number of Managers; it is not changed, and must not be while one uses it.
type Options struct {
	// Engine are the options of the connection below. Path is "/socket.io/" by default here, and Logger is the Logger
	// below.
	Engine engineio.DialOptions

	// RememberUpgrade makes a Manager whose last session ended on a WebSocket begin with it when it reconnects. A
	// failed attempt makes it forget.
	RememberUpgrade bool

	// ConnectTimeout is for opening the connection, up to the Engine.IO handshake; default 20 s, negative means none.
	ConnectTimeout time.Duration

	DisableReconnection  bool          // don't connect again after a connection failed or was lost
	ReconnectionAttempts int           // in a row, before the Manager gives up; default no limit
	ReconnectionDelay    time.Duration // before the first of them; doubles with each; default 1 s
	ReconnectionDelayMax time.Duration // default 5 s
	// by how much a delay may differ: 0.5 means 50% to 150%; default 0.5, negative none, at most 1
	RandomizationFactor float64

	// Parser makes the wire form of packets; the server must use the same. The default is parser.JSON with MaxBytes
	// such that a packet may have as many attachments as MaxAttachments says, each as large as Engine.MaxPayload.
	Parser parser.Parser

	// Socket are the defaults for all sockets of the Manager, and the options of the one that Dial returns. What a
	// server asks for most is Auth: client.Options{Socket: client.SocketOptions{Auth: map[string]string{"token":
	// token}}}.
	Socket SocketOptions

	// Setup, if not nil, is called with each new socket before it can connect: the place to add the listeners that must
	// not miss the first events, above all for Dial, which returns a socket that is connected already. It must not
	// wait.
	Setup func(s *Socket)

	// MaxInboxBytes is how much the events may hold that wait for handlers or are being handled, of all sockets of the
	// Manager: their data, and 384 bytes for each; default 16 MiB. Beyond it the connection is not read until a handler
	// has returned, so that TCP slows the server down. One event is always taken.
	MaxInboxBytes int

	// MaxInbox, if not zero, is how many events may wait for the handlers of one socket beside that. A handler that
	// waits for an acknowledgement gets it only if no more events than that come before it.
	MaxInbox int

	// DisableRecover lets panics of user code end the process. By default they are recovered, logged with their stack
	// and given to OnError, and the socket lives on.
	DisableRecover bool

	// Logger gets what goes wrong, as warnings and errors: of one cause ten at once, and then one each ten seconds,
	// which tells how many were left out. At the level of debugging it gets what happens to connections. The default is
	// slog.Default() for warnings and errors, and nothing for the rest; slog.New(slog.DiscardHandler) logs nothing.
	// What a server sent is quoted and cut to 256 bytes.
	Logger *slog.Logger

	// OnError is called after a handler's error, or a panic in any user code, was logged. s and e are nil where there
	// is none. It must return quickly.
	OnError func(ctx context.Context, s *Socket, e *Event, err error)
}

// SocketOptions of one Socket. The zero value of each means its default.
type SocketOptions struct {
	// Auth is sent with CONNECT: any value that encodes to a JSON object, without binary. AuthFunc, if not nil, is
	// called for each attempt instead, on a goroutine of its own; its ctx ends with the attempt. If it fails, the
	// socket tries again as after a failed connection: OnConnectError gets the error, and the delays and their number
	// are those of the Manager. A *ConnectError ends the attempts, as the refusal of a server does.
	Auth     any
	AuthFunc func(ctx context.Context) (any, error)

	// Retries makes each event that is not volatile wait in a queue, of which the first is sent and must be
	// acknowledged by the server before the next one goes; it is sent again up to Retries times after AckTimeout or a
	// reconnection. The server may then get it more than once.
	Retries int
	// AckTimeout is how long an acknowledgement may take, counted from Emit; default no limit. With Retries it is
	// counted from each time the event is sent, and the default is 10 s.
	AckTimeout time.Duration

	// MaxPendingAcks is how many acknowledgements the socket may wait for, those of EmitFunc until its callback has
	// returned; default 65,536. Beyond, EmitFunc and EmitWithAck return ErrTooManyAcks. They count 256 bytes each, plus
	// the names of events and the answers to callbacks, and may hold 32 MiB, or 512 bytes each if that is more.
	MaxPendingAcks int

	// MaxBufferBytes and MaxBufferPackets bound what is emitted while the socket is not connected, or waits in the
	// queue of Retries; default 16 MiB and 65,536 events. BufferPolicy says what happens beyond.
	MaxBufferBytes   int
	MaxBufferPackets int
	BufferPolicy     BufferPolicy
}

// A BufferPolicy is what becomes of an event that is emitted while the buffer is full.
type BufferPolicy int

const (
	// BufferRefuse returns ErrBufferFull.
	BufferRefuse BufferPolicy = iota
	// BufferDropOldest drops the oldest event; if it waited for an acknowledgement, that ends with ErrBufferFull. An
	// event that is larger than the whole buffer is refused.
	BufferDropOldest
	// BufferNothing refuses every event with ErrDisconnected while the socket is not connected.
	BufferNothing
)

const (
	defaultPath           = "/socket.io/"
	defaultMaxPayload     = 100_000_000 // as package engineio has it
	defaultConnectTimeout = 20 * time.Second
	defaultDelay          = time.Second
	defaultDelayMax       = 5 * time.Second
	defaultJitter         = 0.5
	defaultRetryTimeout   = 10 * time.Second
	defaultBufferBytes    = 16 << 20
	defaultBufferPackets  = 65_536
	defaultPendingAcks    = 65_536
	maxAckBytes           = 32 << 20
	defaultInboxBytes     = 16 << 20
)

// defaultParser is shared by all Managers that have no Parser or MaxPayload of their own.
var defaultParser = parser.JSON(&parser.JSONOptions{MaxBytes: parser.MaxBytesOf(defaultMaxPayload)})

// Options are not copied with their defaults: there may be a Manager for each of many thousand connections.

// check reports options that no Manager can keep, or that nobody can mean.
func (o *Options) check() error {
	for _, t := range o.Engine.Transports {
		switch {
		case t == "webtransport" && o.Engine.DialStream == nil:
			return errtext.New("client: transport webtransport needs Engine.DialStream")
		case t != "polling" && t != "websocket" && t != "webtransport":
			return errtext.Errorf("client: unknown transport %q", t)
		}
	}
	for _, d := range [...]struct {
		name string
		d    time.Duration
	}{
		{"ConnectTimeout", o.ConnectTimeout}, {"ReconnectionDelay", o.ReconnectionDelay},
		{"ReconnectionDelayMax", o.ReconnectionDelayMax},
		{"Engine.RequestTimeout", o.Engine.RequestTimeout}, {"Engine.UpgradeTimeout", o.Engine.UpgradeTimeout},
	} {
		if d.d <= 0 { // of some, that means none
			continue
		}
		if err := units.Check(d.name, d.d, time.Millisecond); err != nil {
			return errtext.Errorf("client: %w", err)
		}
	}
	if o.RandomizationFactor > 1 {
		return errtext.Errorf("client: RandomizationFactor is %v: it is at most 1; 0.5 means 50%%", o.RandomizationFactor)
	}
	return cmp.Or(checkSizes(
		size{"MaxInboxBytes", int64(o.MaxInboxBytes)}, size{"MaxInbox", int64(o.MaxInbox)},
		size{"Engine.MaxPayload", o.Engine.MaxPayload},
		size{"Engine.MaxQueueBytes", int64(o.Engine.MaxQueueBytes)},
		size{"Engine.MaxQueuePackets", int64(o.Engine.MaxQueuePackets)},
	), o.Socket.check("Socket."))
}

// check is that of Options for one socket.
func (o *SocketOptions) check(prefix string) error {
	if o.AckTimeout > 0 {
		if err := units.Check(prefix+"AckTimeout", o.AckTimeout, time.Millisecond); err != nil {
			return errtext.Errorf("client: %w", err)
		}
	}
	return checkSizes(size{prefix + "MaxPendingAcks", int64(o.MaxPendingAcks)},
		size{prefix + "MaxBufferBytes", int64(o.MaxBufferBytes)},
		size{prefix + "MaxBufferPackets", int64(o.MaxBufferPackets)})
}

type size struct {
	name string
	n    int64
}

func checkSizes(sizes ...size) error {
	for _, s := range sizes {
		if s.n < 0 {
			return errtext.Errorf("client: %s is negative (%d): 0 means the default", s.name, s.n)
		}
	}
	return nil
}

func (o *Options) parser() parser.Parser {
	switch {
	case o.Parser != nil:
		return o.Parser
	case o.Engine.MaxPayload <= 0 || o.Engine.MaxPayload == defaultMaxPayload:
		return defaultParser
	}
	return parser.JSON(&parser.JSONOptions{MaxBytes: parser.MaxBytesOf(o.Engine.MaxPayload)})
}

func (o *Options) backoff() backoff.Backoff {
	return backoff.Backoff{
		Min:    cmp.Or(max(o.ReconnectionDelay, 0), defaultDelay),
		Max:    cmp.Or(max(o.ReconnectionDelayMax, 0), defaultDelayMax),
		Jitter: min(max(cmp.Or(o.RandomizationFactor, defaultJitter), 0), 1),
	}
}

// connectTimeout is 0 if there is none.
func (o *Options) connectTimeout() time.Duration {
	return max(cmp.Or(o.ConnectTimeout, defaultConnectTimeout), 0)
}

// ackTimeout is 0 if there is none.
func (o *SocketOptions) ackTimeout() time.Duration {
	if o.Retries > 0 {
		return cmp.Or(max(o.AckTimeout, 0), defaultRetryTimeout)
	}
	return max(o.AckTimeout, 0)
}

func (o *SocketOptions) bufferLimits() dispatch.Limits {
	return dispatch.Limits{
		Items: cmp.Or(max(o.MaxBufferPackets, 0), defaultBufferPackets),
		Bytes: cmp.Or(max(o.MaxBufferBytes, 0), defaultBufferBytes),
	}
}

// ackLimits has room for as many as were asked for.
func (o *SocketOptions) ackLimits() dispatch.Limits {
	n := cmp.Or(max(o.MaxPendingAcks, 0), defaultPendingAcks)
	return dispatch.Limits{Items: n, Bytes: max(maxAckBytes, 2*dispatch.AckCost*n)}
}
