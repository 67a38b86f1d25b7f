package socketio

import (
	"cmp"
	"context"
	"errors"
	"time"

	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/units"
)

// RecoveryOptions turn connection state recovery on: a client whose connection was lost, and that comes back in time,
// has the same id, rooms and data, and is sent the events that it has missed, once and in order, before anything newer;
// see [Socket.Recovered]. The zero value of each means its default.
//
// What wants an acknowledgement and what is volatile is not sent again. Each other event is one string longer: the
// offset, which clients send back. Listeners of the official client see it as their last argument, as with the official
// server; those of package client do not see it.
//
// It works with the adapter in memory alone: sessions, and what they missed, are kept by this process, and are gone
// with it. With another adapter it is off, which is logged.
type RecoveryOptions struct {
	// MaxDisconnectionDuration is how long a session is kept after its connection was lost; default 2 minutes. It is
	// measured from when the server notices, which takes a ping timeout if the client just vanishes.
	MaxDisconnectionDuration time.Duration

	// MaxPackets and MaxBytes are how many events, and bytes of them, the log of one namespace holds; default 10,000 and
	// 16 MiB. An event counts once for all who get it, and some 200 bytes beside its own. The oldest go first: a client
	// that has missed one of them gets a new session. What is held counts in Options.Engine.MaxMemory.
	MaxPackets int
	MaxBytes   int

	// MaxSessions and MaxSessionBytes are how many sessions of one namespace are kept whose clients are away, and how
	// many bytes they take, rooms included and Data not; default 100,000 and 16 MiB, which is some 35,000
	// sessions in a room or two. Beyond, the oldest expire. What all namespaces keep together, events and sessions, is at
	// most a quarter of Options.Engine.MaxMemory; a child of a ParentNamespace that is kept for sessions counts as 4 KiB.
	MaxSessions     int
	MaxSessionBytes int

	// SkipMiddleware lets a client whose session is there in without asking the middleware of the namespace, as the
	// official server does by default. Without it middleware decides again, and finds id, rooms and data restored: a
	// user who was banned meanwhile does not come back, and what has expired since is looked at.
	SkipMiddleware bool

	// OnRefused is called when a client has asked for its session and does not get it, on the goroutine of its socket:
	// before the middleware, or after one of them has refused it. The client then has a new session, unless it was
	// refused. What it asked with is a secret, and is never logged.
	OnRefused func(s *Socket, why RecoveryRefusal)
}

// A RecoveryRefusal is why a session was not recovered. They are the keys of RecoveryStats.Refused.
type RecoveryRefusal string

// The reasons.
const (
	// RecoveryUnknown: there is no such session, and none that ended lately. It is that after a restart of the server.
	RecoveryUnknown RecoveryRefusal = "unknown"
	// RecoveryExpired: the client was away for longer than MaxDisconnectionDuration.
	RecoveryExpired RecoveryRefusal = "expired"
	// RecoveryUsed: another connection has gone on with the session since the client had that offset.
	RecoveryUsed RecoveryRefusal = "used"
	// RecoveryLogTooShort: what was missed, or may have been, is not in the log any more; or the offset is none of ours.
	RecoveryLogTooShort RecoveryRefusal = "log too short"
	// RecoveryEnded: the session was ended on purpose, by either side.
	RecoveryEnded RecoveryRefusal = "ended"
	// RecoveryOverBudget: MaxSessions or MaxSessionBytes was reached.
	RecoveryOverBudget RecoveryRefusal = "over budget"
	// RecoveryMiddleware: middleware refused the client, which has no session at all then.
	RecoveryMiddleware RecoveryRefusal = "refused by middleware"
)

// refusals are the reasons by a number that fits where there is no room for a string. 0 is none.
var refusals = [...]RecoveryRefusal{
	"", RecoveryUnknown, RecoveryExpired, RecoveryUsed, RecoveryLogTooShort, RecoveryEnded, RecoveryOverBudget,
}

func refusalNumber(why RecoveryRefusal) uint8 {
	for i, r := range refusals {
		if r == why {
			return uint8(i)
		}
	}
	return 0
}

// RecoveryStats are about connection state recovery, in all namespaces.
type RecoveryStats struct {
	Recovered    uint64                     // sessions that went on over a new connection
	Refused      map[RecoveryRefusal]uint64 // that were asked for and did not
	Sessions     int                        // kept now, of clients that are away
	SessionBytes int                        // that they take
	Packets      int                        // in the logs now
	Bytes        int                        // that they take
}

const (
	defaultMaxDisconnection = 2 * time.Minute
	defaultLogPackets       = 10_000
	defaultLogBytes         = 16 << 20
	defaultSessions         = 100_000
	defaultSessionBytes     = 16 << 20

	// recoveryShare is which part of the server's memory all namespaces may keep: what is held for those who are away is
	// not there for those who are.
	recoveryShare = 4
)

// withDefaults returns a copy in which each option has a value; nil stays nil.
func (o *RecoveryOptions) withDefaults() *RecoveryOptions {
	if o == nil {
		return nil
	}
	d := *o
	if d.MaxDisconnectionDuration < time.Millisecond {
		d.MaxDisconnectionDuration = defaultMaxDisconnection
	}
	d.MaxPackets = cmp.Or(max(d.MaxPackets, 0), defaultLogPackets)
	d.MaxBytes = cmp.Or(max(d.MaxBytes, 0), defaultLogBytes)
	d.MaxSessions = cmp.Or(max(d.MaxSessions, 0), defaultSessions)
	d.MaxSessionBytes = cmp.Or(max(d.MaxSessionBytes, 0), defaultSessionBytes)
	return &d
}

// check is what Validate says about them.
func (o *RecoveryOptions) check() error {
	if o == nil {
		return nil
	}
	var errs []error
	d := o.MaxDisconnectionDuration
	if err := units.Check("Recovery.MaxDisconnectionDuration", d, time.Millisecond); err != nil {
		errs = append(errs, errtext.Wrap("socketio", err))
	}
	for _, size := range []struct {
		name string
		n    int
	}{
		{"MaxPackets", o.MaxPackets}, {"MaxBytes", o.MaxBytes},
		{"MaxSessions", o.MaxSessions}, {"MaxSessionBytes", o.MaxSessionBytes},
	} {
		if size.n < 0 {
			errs = append(errs, errtext.Errorf("socketio: Recovery.%s is negative (%d): 0 means the default", size.name, size.n))
		}
	}
	return errors.Join(errs...)
}

// Recovered reports whether the socket took up the session of a connection that was lost: it has its id, rooms and
// data, and the client is sent what it has missed. It is known to middleware. A client that is not recovered has to be
// brought up to date some other way.
func (s *Socket) Recovered() bool { return s.has(markRecovered) }

// isRecoverable reports whether a session survives an end of its socket: not one that either side has asked for. These
// are the official reasons.
func (r DisconnectReason) isRecoverable() bool {
	switch r {
	case ReasonTransportError, ReasonTransportClose, ReasonForcedClose, ReasonPingTimeout, ReasonForcedServerClose,
		ReasonServerShuttingDown:
		return true
	}
	return false
}

// recoveryRefused tells the user that a client does not get its session.
func (s *Socket) recoveryRefused(why RecoveryRefusal) {
	srv := s.conn.srv
	srv.stats.refuseRecovery(why)
	if srv.debugEnabled() {
		s.debug("socketio: not recovered", "reason", string(why))
	}
	if fn := srv.opts.Recovery.OnRefused; fn != nil {
		if err := srv.guard.Call(func() error { fn(s, why); return nil }); err != nil {
			srv.report(context.Background(), s, nil, err)
		}
	}
}
