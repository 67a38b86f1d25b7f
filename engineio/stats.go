package engineio

import (
	"sync/atomic"

	"sio.example/socketio/internal/websocket"
)

// Stats are counters since the start, and gauges of now.
type Stats struct {
	Sessions        int64             // open now
	Polling         int64             // of them on polling
	WebSocket       int64             // of them on WebSocket
	WebTransport    int64             // of them on a byte stream, see ServeStream
	EIO3            int64             // of all, clients of Engine.IO 3, see Options.AllowEIO3
	Opened          uint64            // sessions opened
	Upgraded        uint64            // sessions upgraded
	Closed          map[Reason]uint64 // sessions closed
	Rejected        map[string]uint64 // refusals, violations, limits and drops, see the Reject constants
	MessagesIn      uint64
	MessagesOut     uint64 // written to a transport
	BytesIn         uint64 // message data
	BytesOut        uint64
	DroppedVolatile uint64
	Memory          MemoryStats // held now
}

// The keys of Stats.Rejected. Each refusal, violation, limit or drop counts under exactly one, whether or not it ends a
// session.
const (
	RejectPath              = "path"               // 404: another path
	RejectMethod            = "method"             // 405: another method than GET, POST or OPTIONS for a session
	RejectConnect           = "connect"            // 501: a CONNECT that is none of WebTransport
	RejectTransport         = "transport"          // 400 code 0
	RejectOriginSyntax      = "origin_syntax"      // 400 code 3: control bytes in Origin
	RejectSession           = "session"            // 400 code 1: no such session
	RejectTransportMismatch = "transport_mismatch" // 400 code 3: the session is on another transport
	RejectProtocolMismatch  = "protocol_mismatch"  // 400 code 3: the session has another protocol revision
	RejectHandshakeMethod   = "handshake_method"   // 400 code 2
	RejectHandshake         = "handshake"          // 400 code 3, or 426: not what the transport needs
	RejectOrigin            = "origin"             // 403: WebSocket of an origin that is not allowed
	RejectForbidden         = "forbidden"          // 403 or 400, code 4: AllowRequest said no
	RejectProtocol          = "protocol"           // 400 code 5
	RejectID                = "id"                 // 400 code 3: no id for the session
	RejectShutdown          = "shutdown"           // 503
	RejectPanic             = "panic"              // a hook or a Handler panicked, or called runtime.Goexit
	RejectPollOverlap       = "poll_overlap"       // two GETs at once
	RejectPollAborted       = "poll_aborted"       // the connection of a GET ended before its answer was out
	RejectPostOverlap       = "post_overlap"       // two POSTs at once
	RejectPostAborted       = "post_aborted"       // a body that did not come to its end
	RejectPostTimeout       = "post_timeout"       // 408
	RejectBodySize          = "body_size"          // 413
	RejectContentEncoding   = "content_encoding"   // 415
	RejectContentType       = "content_type"       // 400: a binary POST
	RejectPayload           = "payload"            // malformed polling payload
	RejectPacket            = "packet"             // malformed packet on WebSocket
	RejectHeartbeat         = "heartbeat"          // a ping from the client
	RejectPong              = "pong"               // a pong nobody asked for; ignored
	RejectUnexpected        = "unexpected"         // a packet without meaning in this place; ignored
	RejectUpgrade           = "upgrade"            // a second WebSocket, or one for an upgraded session
	RejectUpgradeViolation  = "upgrade_violation"  // anything but a probe on a WebSocket that upgrades
	RejectUpgradeTimeout    = "upgrade_timeout"    // an upgrade that was not finished in UpgradeTimeout
	RejectUpgradeLost       = "upgrade_lost"       // the WebSocket went away before the upgrade was done
	RejectWebSocket         = "websocket"          // a violation of RFC 6455
	RejectMessageSize       = "message_size"       // a WebSocket message above MaxPayload
	// too many fragments, an endless message, pings of a peer that does not read
	RejectWebSocketLimit = "websocket_limit"
	RejectWebSocketPong  = "websocket_pong" // a pong frame nobody asked for; ignored
	RejectStream         = "stream"         // a violation of the framing of a stream, see ServeStream
	RejectStreamLimit    = "stream_limit"   // a packet of a stream that takes too long
	RejectPingTimeout    = "ping_timeout"   // no pong in PingTimeout
	RejectDrainTimeout   = "drain_timeout"  // a polite end that a polling client never fetched
	RejectSlowConsumer   = "slow_consumer"  // the queue was over its budget
	RejectWriteTimeout   = "write_timeout"  // a write that made no progress
	RejectMemory         = "memory"         // the sessions held more than MaxMemory, this one the most
)

// rejects gives each key its place in counters.rejected.
var rejects = func() map[string]int {
	m := make(map[string]int, len(rejectNames))
	for i, name := range rejectNames {
		m[name] = i
	}
	return m
}()

var rejectNames = [...]string{
	RejectPath, RejectMethod, RejectConnect, RejectTransport, RejectOriginSyntax, RejectSession,
	RejectTransportMismatch, RejectProtocolMismatch, RejectHandshakeMethod, RejectHandshake, RejectOrigin,
	RejectForbidden, RejectProtocol, RejectID, RejectShutdown, RejectPanic, RejectPollOverlap,
	RejectPollAborted, RejectPostOverlap, RejectPostAborted, RejectPostTimeout, RejectBodySize,
	RejectContentEncoding, RejectContentType, RejectPayload, RejectPacket, RejectHeartbeat, RejectPong,
	RejectUnexpected, RejectUpgrade, RejectUpgradeViolation, RejectUpgradeTimeout, RejectUpgradeLost,
	RejectWebSocket, RejectMessageSize, RejectWebSocketLimit, RejectWebSocketPong,
	RejectStream, RejectStreamLimit, RejectPingTimeout,
	RejectDrainTimeout, RejectSlowConsumer, RejectWriteTimeout, RejectMemory,
}

// reasons are all there are, so that counting one needs no lock.
var reasons = [...]Reason{TransportError, TransportClose, PingTimeout, ParseError, ForcedClose}

// counters are what Stats is made of.
type counters struct {
	sessions                [kinds]atomic.Int64
	eio3                    atomic.Int64 // of the sessions
	deflating               atomic.Int64 // sessions on WebSocket whose messages may be compressed
	opened, upgraded        atomic.Uint64
	closed                  [len(reasons)]atomic.Uint64
	rejected                [len(rejectNames)]atomic.Uint64
	messagesIn, messagesOut atomic.Uint64
	bytesIn, bytesOut       atomic.Uint64
	droppedVolatile         atomic.Uint64
	frames                  websocket.Counters
}

func (c *counters) reject(name string) { c.rejected[rejects[name]].Add(1) }

func (c *counters) close(r Reason) {
	for i := range reasons {
		if reasons[i] == r {
			c.closed[i].Add(1)
		}
	}
}

// Stats are the counters at this moment. They are read one after the other while work goes on. The maps hold only what
// has happened at least once.
func (s *Server) Stats() Stats {
	c := &s.counters
	st := Stats{
		Polling:         c.sessions[kindPolling].Load(),
		WebSocket:       c.sessions[kindWebSocket].Load(),
		WebTransport:    c.sessions[kindStream].Load(),
		EIO3:            c.eio3.Load(),
		Opened:          c.opened.Load(),
		Upgraded:        c.upgraded.Load(),
		Closed:          map[Reason]uint64{},
		Rejected:        map[string]uint64{},
		MessagesIn:      c.messagesIn.Load(),
		MessagesOut:     c.messagesOut.Load(),
		BytesIn:         c.bytesIn.Load(),
		BytesOut:        c.bytesOut.Load(),
		DroppedVolatile: c.droppedVolatile.Load(),
		Memory:          s.memoryStats(),
	}
	st.Sessions = int64(s.Count())
	for i := range reasons {
		if n := c.closed[i].Load(); n > 0 {
			st.Closed[reasons[i]] = n
		}
	}
	for i, name := range rejectNames {
		if n := c.rejected[i].Load(); n > 0 {
			st.Rejected[name] = n
		}
	}
	if n := c.frames.Pongs.Load(); n > 0 {
		st.Rejected[RejectWebSocketPong] = n
	}
	return st
}
