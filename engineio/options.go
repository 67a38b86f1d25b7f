package engineio

import (
	"cmp"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"time"

	"sio.example/socketio/internal/journal"
)

// The names of the transports.
const (
	transportPolling   = "polling"
	transportWebSocket = "websocket"
	transportStream    = "webtransport" // a byte stream, see Server.ServeStream
)

// Limits that are not options: each is far from what a working client needs.
const (
	upgradeTick     = 100 * time.Millisecond // between noops to a polling client that upgrades (EIO v4 §upgrade)
	drainTimeout    = 30 * time.Second       // for a polite end to reach a polling client
	leaveTimeout    = 3 * time.Second        // from the last GET of a polling client, when the server shuts down
	grace           = 30 * time.Millisecond  // for what goes over two connections at once to arrive in order
	writeBase       = 10 * time.Second       // for writing an answer, to which a second is added per writeRate bytes
	writeRate       = 10_000
	retryAfter      = "5"  // seconds, said to handshakes while shutting down
	compressMinimum = 1024 // bytes of a polling answer that is worth compressing
)

// Options of a Server. The zero value of each means its default; nil means all defaults.
type Options struct {
	Path            string        // exact path of requests, with or without the final slash; default "/engine.io/"
	MatchPrefix     bool          // serve every path that begins with Path, as the official server does
	PingInterval    time.Duration // from a pong to the next ping; default 25 s
	PingTimeout     time.Duration // from a ping to the pong; default 20 s
	UpgradeTimeout  time.Duration // for an upgrade once its WebSocket or stream is open; default 10 s
	BodyTimeout     time.Duration // for the body of a POST to come in; default 30 s (httpRequestBodyTimeout officially)
	MaxPayload      int64         // bytes of a POST body and of a message, above which sessions end; default 1,000,000
	Transports      []string      // "polling", "websocket", "webtransport" (see ServeStream); default the first two
	DisableUpgrades bool          // offer no upgrade; one that is tried all the same is refused
	MaxQueueBytes   int           // outgoing budget of a session in bytes of messages; default 1 MiB
	MaxQueuePackets int           // and in messages; default 16,384

	// MaxMemory is how many bytes all sessions of the server may hold together: messages that wait to be sent, input
	// that is being read, and what Handlers keep of it. The default is 256 MiB. One session may hold up to a third of
	// it, many at a time less each. Large messages wait for each other at a sixteenth of it, in the order in which they
	// come.
	MaxMemory int64

	// MaxUnread is how many bytes the kernel keeps of what came by a WebSocket and is not read yet, and so how many
	// come in a round trip at most. The default is 128 KiB, 1.3 MB/s at 100 ms; a negative value leaves it to the
	// kernel, which grows its buffer for a client that sends fast, to 6 MiB as Linux is set. It has an effect on Linux
	// and macOS.
	MaxUnread int

	// DisableCompression sends polling answers as they are. By default answers of 1024 bytes or more are compressed for
	// clients that accept gzip, but for the messages in them that were sent with NoCompress.
	DisableCompression bool

	// CORS are the answers to other origins; nil sends no CORS header and refuses WebSocket handshakes of other
	// origins.
	CORS *CORSOptions
	// AllowAnyOrigin lets WebSocket handshakes of every origin in, as the official server does. Any page the user
	// visits can then open a session with the user's cookies.
	AllowAnyOrigin bool
	// AllowRequest may refuse a handshake; it runs on the request's goroutine, as do Headers and NewID, for several
	// requests at the same time. The error's text is not sent unless it is a *RequestError.
	AllowRequest func(r *http.Request) error
	// Headers may add headers to an answer; initial tells whether it is the first of a session.
	Headers func(h http.Header, r *http.Request, initial bool)
	// Cookie, if not nil, is set with the session id as its value by the answer to a polling handshake.
	Cookie *CookieOptions
	// Trace, if not nil, is told of what sessions do and of requests that are refused.
	Trace *ServerTrace
	// NewID makes session ids; default 120 random bits. An error, an empty id or one in use refuses the handshake.
	NewID  func(r *http.Request) (string, error)
	Logger *slog.Logger // default: discard; its Handler is called on a goroutine of its own
}

// CORSOptions are sent to browsers. See the Fetch standard for what each means. Which pages may connect is said by one
// of the first three, or several: an origin that one of them lets in is let in, by WebSocket, too.
type CORSOptions struct {
	// Origins are those of the pages, each as in "https://example.com"; "https://*.example.com" is all subdomains of
	// it, and "*" is any, without credentials.
	Origins []string
	// AllowOrigin decides about an origin that is not one of Origins; it runs on the request's goroutine, for several
	// requests at the same time.
	AllowOrigin func(origin string, r *http.Request) bool
	// ReflectOrigin lets every origin in, with Credentials if those are set, as the official server does with
	// origin: true. Any page the user visits can then act with the user's cookies.
	ReflectOrigin bool

	Credentials     bool          // the page may send cookies; never sent along with the origin "*"
	Methods         []string      // default GET, HEAD, PUT, PATCH, POST, DELETE
	AllowedHeaders  []string      // default: what the request asks for
	ExposedHeaders  []string      // default none but those that browsers always show
	MaxAge          time.Duration // how long browsers keep the answer, in whole seconds; default: not told
	PreflightStatus int           // of the answer to OPTIONS; default 204 (optionsSuccessStatus officially)

	wildcards []wildcard // of Origins, made by checked
}

// withDefaults returns a copy without zero values, and without what Validate reports.
func (o *Options) withDefaults() Options {
	var d Options
	if o != nil {
		d, _ = o.checked()
	}
	d.Path = "/" + strings.Trim(cmp.Or(d.Path, "/engine.io/"), "/") + "/"
	if d.Path == "//" {
		d.Path = "/"
	}
	d.PingInterval = cmp.Or(max(d.PingInterval, 0), 25*time.Second)
	d.PingTimeout = cmp.Or(max(d.PingTimeout, 0), 20*time.Second)
	d.UpgradeTimeout = cmp.Or(max(d.UpgradeTimeout, 0), 10*time.Second)
	d.BodyTimeout = cmp.Or(max(d.BodyTimeout, 0), 30*time.Second)
	d.MaxPayload = cmp.Or(max(d.MaxPayload, 0), 1_000_000)
	d.MaxPayload = min(d.MaxPayload, math.MaxInt/2) // sizes in memory are ints, of 32 bits on some machines
	d.MaxQueueBytes = cmp.Or(max(d.MaxQueueBytes, 0), 1<<20)
	d.MaxQueuePackets = cmp.Or(max(d.MaxQueuePackets, 0), 16_384)
	d.MaxMemory = cmp.Or(max(d.MaxMemory, 0), defaultMaxMemory)
	if len(d.Transports) == 0 {
		d.Transports = []string{transportPolling, transportWebSocket}
	}
	d.Logger = journal.Logger(d.Logger, nil)
	if d.CORS != nil {
		c := *d.CORS
		if len(c.Methods) == 0 {
			c.Methods = []string{"GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"}
		}
		c.PreflightStatus = cmp.Or(c.PreflightStatus, http.StatusNoContent)
		d.CORS = &c
	}
	return d
}
