// Package admin lets the official Socket.IO Admin UI (npm @socket.io/admin-ui) look into a server: its sockets, rooms,
// events and traffic, and, unless it may only look, emit, let sockets join and leave rooms, and disconnect them.
//
//	err := admin.Instrument(io, &admin.Options{
//		Authenticate: admin.Basic("admin", func(password string) error {
//			return bcrypt.CompareHashAndPassword(hash, []byte(password))
//		}),
//	})
//
// The UI is a folder of static files (ui/dist of the npm package), or https://admin.socket.io, whose origin the server
// has to allow. docs/admin.md has both, and what differs from the official package.
//
// While nobody is logged in, nothing is listened to, and sockets cost what they cost without. While somebody is, a
// limited number of sockets is shown in detail, and of all the others what is counted.
package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	socketio "sio.example/socketio"
)

// Options of Instrument. The zero value of each means its default.
type Options struct {
	// Namespace is where the UI connects to; default "/admin".
	Namespace string
	// Authenticate says who may log in: an error refuses. Two passwords are looked at at the same time, at most, and
	// MaxTries of an address. There is no default, but see AllowAnyone.
	Authenticate func(ctx context.Context, username, password string) error
	// AllowAnyone lets everybody in who can reach the server, without a password. Instrument logs a warning of that.
	AllowAnyone bool
	// MaxTries is how many wrong passwords an address may try in a minute; default 5, and there is no way to have no
	// limit. Those beyond it are refused unseen, as the right one is then.
	MaxTries int
	// Address is whose tries MaxTries counts together. Default: the address of the connection, of IPv6 its first 64
	// bits. Behind a proxy that is the proxy's: then take it from the header in which that has it.
	Address func(h *socketio.Handshake) string
	// Sessions remembers who has logged in, so that the UI can come back without the password; default: in memory,
	// for 12 hours, the last 1000.
	Sessions Sessions
	// ReadOnly shows, and lets nobody change anything.
	ReadOnly bool
	// Aggregate shows counters only: no socket, no room and no event.
	Aggregate bool
	// ServerID is what the server is called; default: the name of the host.
	ServerID string
	// Interval is how often counters are sent; default 2 s.
	Interval time.Duration
	// MaxSockets is how many sockets are shown; default 1000. Others are counted. When one of them goes, another one is
	// shown.
	MaxSockets int
	// MaxEvents is how many events are shown in a second; default 500. Others are counted.
	MaxEvents int
	// MaxEventBytes is how much of an event's arguments is shown; default 4 KiB.
	MaxEventBytes int
	// Data is what is shown of the data of a socket. It is called on a goroutine that is not the socket's. Default:
	// nothing, since what SetData was given may be secret, and may be in use.
	Data func(s *socketio.Socket) any
	// Logger gets the warning; default slog.Default().
	Logger *slog.Logger
}

// Sessions are the logins of the UI. An id is a secret that stands for a password.
type Sessions interface {
	// Save remembers id.
	Save(ctx context.Context, id string) error
	// Exists reports whether id was saved, and is not too old.
	Exists(ctx context.Context, id string) (bool, error)
}

func (o *Options) withDefaults() (Options, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Authenticate == nil && !opts.AllowAnyone {
		return opts, errors.New("admin: instrument: Authenticate or AllowAnyone must be set")
	}
	if opts.Authenticate != nil && opts.AllowAnyone {
		return opts, errors.New("admin: instrument: Authenticate means nothing with AllowAnyone")
	}
	opts.Namespace = cmp.Or(opts.Namespace, "/admin")
	if opts.Namespace[0] != '/' || opts.Namespace == "/" {
		return opts, fmt.Errorf("admin: instrument: %q is no namespace for the UI", opts.Namespace)
	}
	if opts.Sessions == nil {
		opts.Sessions = &memorySessions{now: time.Now}
	}
	if opts.Address == nil {
		opts.Address = addressOf
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	if opts.ServerID == "" {
		opts.ServerID, _ = os.Hostname()
	}
	if opts.Interval <= 0 {
		opts.Interval = 2 * time.Second
	}
	opts.MaxTries = positive(opts.MaxTries, 5)
	opts.MaxSockets = positive(opts.MaxSockets, 1000)
	opts.MaxEvents = positive(opts.MaxEvents, 500)
	opts.MaxEventBytes = positive(opts.MaxEventBytes, 4<<10)
	return opts, nil
}

func positive(n, byDefault int) int {
	if n <= 0 {
		return byDefault
	}
	return n
}

// Instrument lets the UI connect to io. It is called once for a server, before or after clients connect.
func Instrument(io *socketio.Server, opts *Options) error {
	o, err := opts.withDefaults()
	if err != nil {
		return err
	}
	p := &panel{io: io, opts: o, ns: io.Of(o.Namespace), started: time.Now()}
	p.hostname, _ = os.Hostname()
	if o.AllowAnyone {
		o.Logger.Warn("admin: anyone can log in to the Admin UI", "namespace", o.Namespace, "readOnly", o.ReadOnly)
	} else {
		g := &gate{
			authenticate: o.Authenticate, sessions: o.Sessions, looking: make(chan struct{}, maxLooking),
			address: o.Address, guesses: guesses{limit: o.MaxTries},
		}
		p.ns.Use(g.admit)
	}
	p.ns.OnConnection(p.enter)
	return nil
}

// A panel is what is shown of one server.
type panel struct {
	io       *socketio.Server
	opts     Options
	ns       *socketio.Namespace
	hostname string
	started  time.Time

	mu     sync.Mutex
	admins int
	watch  *watch // while there are admins
}

// The features of the UI, in the official order.
var commandFeatures = []string{"EMIT", "JOIN", "LEAVE", "DISCONNECT", "MJOIN", "MLEAVE", "MDISCONNECT"}

func (p *panel) features() []string {
	var all []string
	if !p.opts.ReadOnly {
		all = append(all, commandFeatures...)
	}
	all = append(all, "AGGREGATED_EVENTS")
	if !p.opts.Aggregate {
		all = append(all, "ALL_EVENTS")
	}
	return all
}

// enter is called for each UI that has logged in.
func (p *panel) enter(s *socketio.Socket) {
	s.OnDisconnect(func(socketio.DisconnectReason) { p.leave() })
	w, first := p.watched()
	if !p.opts.ReadOnly {
		p.obey(s)
	}
	if id, ok := socketio.Data[newSession](s); ok {
		s.SetData(nil)
		_ = s.Emit("session", string(id)) // it fails only if the UI has gone, as those below
	}
	_ = s.Emit("config", map[string]any{"supportedFeatures": p.features()})
	_ = s.Emit("server_stats", w.stats.report(nil))
	if !p.opts.Aggregate {
		if first {
			w.refresh(false)
		}
		w.show(s, !first)
		w.tellAll(s.Emit)
	}
}

// watched counts one more, for whom the server is watched, and reports whether it is the first.
func (p *panel) watched() (w *watch, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.admins++
	if first = p.watch == nil; first {
		p.watch = newWatch(p)
	}
	return p.watch, first
}

func (p *panel) leave() {
	p.mu.Lock()
	p.admins--
	var ended *watch
	if p.admins == 0 {
		ended, p.watch = p.watch, nil
	}
	p.mu.Unlock()
	if ended != nil {
		ended.end()
	}
}
