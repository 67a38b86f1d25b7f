package socketio

import (
	"maps"
	"sync"
	"sync/atomic"

	"sio.example/socketio/engineio"
)

// Stats are counters since the start, and gauges of now.
type Stats struct {
	Engine        engineio.Stats
	Namespaces    int                         // that exist now
	Sockets       int64                       // connected now
	Connects      uint64                      // sockets that were connected
	Disconnects   map[DisconnectReason]uint64 // of them that were disconnected
	EventsIn      uint64                      // that were put into an inbox
	EventsOut     uint64                      // that were queued; of a broadcast, one for each socket that it reached
	HandlerErrors uint64                      // that handlers returned, and middleware other than *ConnectError
	AdapterErrors uint64                      // that adapters reported or returned to the server, and factories
	Panics        uint64                      // of user code, that were recovered
	Recovery      RecoveryStats               // of connection state recovery
	Rejected      map[string]uint64           // engine's and ours, see the Reject constants of both packages
}

// The keys of Stats.Rejected beside those of package engineio. Each refusal counts under exactly one.
const (
	RejectParse          = "parse"              // something that is no packet; the connection is closed
	RejectViolation      = "violation"          // a packet that may not come now; the connection is closed
	RejectNamespace      = "namespace"          // CONNECT to a namespace that does not exist
	RejectNamespaces     = "namespaces"         // CONNECT to more than Options.MaxNamespaces
	RejectAuth           = "auth"               // CONNECT beyond Options.MaxAuth; a handshake beyond it is "forbidden"
	RejectMiddleware     = "middleware"         // CONNECT that middleware, or a failing adapter, refused
	RejectConnectTimeout = "connect_timeout"    // nothing joined in Options.ConnectTimeout
	RejectAttachments    = "attachment_timeout" // attachments missing after Options.AttachmentTimeout
)

// counters are what Stats is made of.
type counters struct {
	connects      atomic.Uint64
	eventsIn      atomic.Uint64
	eventsOut     atomic.Uint64
	handlerErrors atomic.Uint64
	adapterErrors atomic.Uint64
	panics        atomic.Uint64
	recovered     atomic.Uint64

	mu          sync.Mutex
	disconnects map[DisconnectReason]uint64
	rejected    map[string]uint64
	unrecovered map[RecoveryRefusal]uint64
}

func (c *counters) reject(label string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rejected == nil {
		c.rejected = make(map[string]uint64)
	}
	c.rejected[label]++
}

func (c *counters) disconnect(why DisconnectReason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.disconnects == nil {
		c.disconnects = make(map[DisconnectReason]uint64)
	}
	c.disconnects[why]++
}

func (c *counters) refuseRecovery(why RecoveryRefusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unrecovered == nil {
		c.unrecovered = make(map[RecoveryRefusal]uint64)
	}
	c.unrecovered[why]++
}

// Stats are the counters at this moment. They are read one after the other while work goes on. The maps hold only
// what has happened at least once.
func (s *Server) Stats() Stats {
	srv := s.srv
	c := &srv.stats
	st := Stats{
		Engine:        srv.engine.Stats(),
		EventsIn:      c.eventsIn.Load(),
		EventsOut:     c.eventsOut.Load(),
		HandlerErrors: c.handlerErrors.Load(),
		AdapterErrors: c.adapterErrors.Load(),
		Panics:        c.panics.Load(),
		Rejected:      make(map[string]uint64),
	}
	c.mu.Lock()
	st.Disconnects = maps.Clone(c.disconnects)
	maps.Copy(st.Rejected, c.rejected)
	st.Recovery = RecoveryStats{Recovered: c.recovered.Load(), Refused: maps.Clone(c.unrecovered)}
	c.mu.Unlock()
	if srv.opts.Recovery != nil {
		for _, n := range srv.all() {
			if r := n.recovery.Load(); r != nil {
				r.addStats(&st.Recovery)
			}
		}
	}
	st.Connects = c.connects.Load() // after what is taken off it
	st.Sockets = int64(st.Connects)
	for _, n := range st.Disconnects {
		st.Sockets -= int64(n)
	}
	for label, n := range st.Engine.Rejected {
		st.Rejected[label] += n
	}
	if st.Disconnects == nil {
		st.Disconnects = make(map[DisconnectReason]uint64)
	}
	srv.mu.Lock()
	st.Namespaces = len(srv.namespaces)
	srv.mu.Unlock()
	return st
}
