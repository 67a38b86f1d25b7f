package socketio

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"sio.example/socketio/adapter"
	"sio.example/socketio/internal/deadline"
	"sio.example/socketio/internal/dispatch"
	"sio.example/socketio/internal/errtext"
	"sio.example/socketio/internal/standstill"
)

// recovery is connection state recovery of one namespace: its log, and its sessions. Everything that is emitted takes
// its place under mu, and so does every change of a session: with the queues of the members in the same step. What
// that order has to be is in docs/adr/0059; internal/recoverymodel is the proof.
//
// Lock order: mu, then Socket.mu while CONNECT is queued, then the adapter's, then engineio.Socket.mu. The table of
// ids and the rooms of a session are leaves, so that the adapter's room hooks may use them.
type recovery struct {
	srv  *server
	ns   *Namespace
	opts *RecoveryOptions
	tag  logTag
	head atomic.Uint64 // the last number; changed with mu held
	byID sync.Map      // string to *session
	kept atomic.Int32  // length of idle

	mu         sync.Mutex
	closed     bool
	log        recoveryLog
	held       int // bytes of the log and of idle sessions that the engine knows of
	byPID      map[string]*session
	idle       map[*session]struct{} // whose client is away, or waits for middleware
	away       deadline.List[*session]
	awayCount  int
	awayBytes  int
	ended      graves
	changes    map[*sessionChange]struct{} // under way
	trimming   *time.Timer                 // nil while it is not set
	stopObserv func()
}

// A session is what goes on when a socket's connection is lost. It is guarded by recovery.mu.
type session struct {
	pid, id string
	start   uint64  // CONNECT of the session: nothing before it is for it
	resumed uint64  // the offset by which the owner came, or start
	owner   *Socket // nil while the client is away
	fresh   bool    // has not been connected yet
	live    bool    // the owner is connected
	isAway  bool    // in recovery.away, or about to expire
	version uint32  // of rooms, that the owner has joined
	size    int     // bytes, while isAway

	rooms  stays
	member atomic.Pointer[Socket] // whose joins and leaves count for rooms
	data   *any                   // of the last owner that has ended

	sockets []*Socket     // that had it, whose runners have not done their last job, in order
	turn    chan struct{} // closed when sockets gets shorter; nil if nobody waits

	until  time.Duration // on the server's clock: when it expires, while nobody is connected
	expiry deadline.Entry[*session]
}

// sessionCost is what a session takes beside its rooms.
const sessionCost = 400

// maxGraves is how many sessions that are over are remembered, to tell why.
const maxGraves = 4096

// graves are sessions that are over, and why. The oldest are forgotten.
type graves struct {
	why  map[string]RecoveryRefusal
	pids []string
	next int
}

func (g *graves) add(pid string, why RecoveryRefusal) {
	if g.why == nil {
		g.why = make(map[string]RecoveryRefusal)
	}
	if len(g.pids) < maxGraves {
		g.pids = append(g.pids, pid)
	} else {
		delete(g.why, g.pids[g.next])
		g.pids[g.next] = pid
		g.next = (g.next + 1) % maxGraves
	}
	g.why[pid] = why
}

// newRecovery is for a namespace that is about to be ready.
func newRecovery(n *Namespace) *recovery {
	r := &recovery{
		srv: n.srv, ns: n, opts: n.srv.opts.Recovery, tag: newLogTag(), byPID: make(map[string]*session),
		idle: make(map[*session]struct{}), changes: make(map[*sessionChange]struct{}),
	}
	r.away.Init(n.srv.now, func(e *session) *deadline.Entry[*session] { return &e.expiry }, r.expired)
	r.stopObserv = n.adapter.ObserveRooms(&adapter.RoomHooks{Joined: r.joined, Left: r.left})
	return r
}

var errNoRecovery = errors.New("connection state recovery is off: it works with the adapter in memory alone")

// startRecovery is for a namespace whose adapter was made.
func (n *Namespace) startRecovery() {
	switch {
	case n.srv.opts.Recovery == nil:
	case !n.inlineAdapter: // what others emit may not come here while the client is away
		n.srv.reportAdapter("recovery", errtext.Wrap("socketio: adapter of "+dispatch.Plain(n.name), errNoRecovery))
	default:
		n.recovery.Store(newRecovery(n))
	}
}

// recovery is that of the socket's namespace; nil if it has none, or is not known yet, and for clients of Socket.IO 2,
// which are told no pid.
func (s *Socket) recovery() *recovery {
	if s.conn.srv.opts.Recovery == nil || s.conn.isOld() {
		return nil
	}
	n := s.ns()
	if n == nil {
		return nil
	}
	return n.recovery.Load()
}

// session returns the one that a socket has, or had.
func (r *recovery) session(id string) *session {
	v, _ := r.byID.Load(id)
	e, _ := v.(*session)
	return e
}

// joined is called by the adapter with a shard locked.
func (r *recovery) joined(room string, m adapter.Member) {
	if e := r.of(m); e != nil {
		e.rooms.join(room, r.head.Load())
	}
}

// left is called by the adapter with a shard locked.
func (r *recovery) left(room string, m adapter.Member) {
	if e := r.of(m); e != nil {
		e.rooms.leave(room, r.head.Load())
	}
}

// of is the session whose rooms are those of m; nil if m is not the socket that has it now.
func (r *recovery) of(m adapter.Member) *session {
	s := (*Socket)(m.(*member))
	if e := r.session(s.id); e != nil && e.member.Load() == s {
		return e
	}
	return nil
}

// stop is markStopped, and in the same step what becomes of the session: its client is away from now on, or it is over.
func (r *recovery) stop(s *Socket, why DisconnectReason, mode closeMode) (was state, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if was, ok = s.markStopped(why, mode); ok {
		r.lostLocked(s, why)
	}
	return was, ok
}

// lostLocked does nothing if another socket has the session by now.
func (r *recovery) lostLocked(s *Socket, why DisconnectReason) {
	e := r.session(s.id)
	switch {
	case e == nil || e.owner != s:
	case e.fresh:
		r.removeLocked(e)
	case r.closed, r.srv.noReturn.Load(), e.live && !why.isRecoverable():
		r.endLocked(e, RecoveryEnded)
	default:
		r.awayLocked(e)
	}
}

// awayLocked keeps a session whose client is away: for the whole time if it was connected, else for the rest of it.
func (r *recovery) awayLocked(e *session) {
	if e.live {
		e.until = r.srv.now() + r.opts.MaxDisconnectionDuration
	}
	e.owner, e.live = nil, false
	e.member.Store(nil)
	r.idle[e] = struct{}{}
	r.kept.Store(int32(len(r.idle)))
	e.isAway = true
	e.size = sessionCost + e.rooms.size()
	r.awayCount++
	r.awayBytes += e.size
	r.away.Add(e, max(0, e.until-r.srv.now()))
	for c := range r.changes { // that began when it was connected, and will not find it
		if r.changeLocked(c, e); !e.isAway {
			return
		}
	}
	for r.awayCount > r.opts.MaxSessions || r.awayBytes > r.opts.MaxSessionBytes || r.overLocked() {
		first, ok := r.away.First()
		if !ok {
			break
		}
		r.endLocked(first, RecoveryOverBudget)
	}
	r.holdLocked()
}

// backLocked is the end of being away.
func (r *recovery) backLocked(e *session) {
	if !e.isAway {
		return
	}
	r.away.Remove(e)
	e.isAway = false
	r.awayCount--
	r.awayBytes -= e.size
}

// removeLocked forgets a session.
func (r *recovery) removeLocked(e *session) {
	r.backLocked(e)
	e.owner, e.live = nil, false
	e.member.Store(nil)
	r.byID.CompareAndDelete(e.id, e)
	if r.byPID[e.pid] == e {
		delete(r.byPID, e.pid)
	}
	delete(r.idle, e)
	r.kept.Store(int32(len(r.idle)))
}

// endLocked ends a session, and remembers why.
func (r *recovery) endLocked(e *session, why RecoveryRefusal) {
	r.removeLocked(e)
	if !r.closed {
		r.ended.add(e.pid, why)
	}
	r.holdLocked()
}

// expired runs on a goroutine of the timer.
func (r *recovery) expired(e *session) {
	r.mu.Lock()
	switch {
	case !e.isAway || r.away.Has(e): // it is another time that it is away, or none
	case standstill.Late(r.srv.now() - e.expiry.Due()): // what its client has sent is yet to be read
		e.until = r.srv.now() + r.opts.MaxDisconnectionDuration
		r.away.Add(e, r.opts.MaxDisconnectionDuration)
	default:
		r.endLocked(e, RecoveryExpired)
	}
	r.mu.Unlock()
	r.freeOrphan()
}

// freeOrphan has a namespace go that nobody uses any more, now that no session keeps it.
func (r *recovery) freeOrphan() {
	if r.ns.parent != nil && r.kept.Load() == 0 {
		r.srv.freeOrphan(r.ns)
	}
}

// keepsSessions reports whether clients may come back to the namespace.
func (n *Namespace) keepsSessions() bool {
	r := n.recovery.Load()
	return r != nil && r.kept.Load() > 0
}

// endRecovery ends the sessions whose clients are away, now that no connection is let in any more, and keeps no other:
// what is emitted to them is refused, and not put where nobody gets it.
func (s *server) endRecovery() {
	s.noReturn.Store(true)
	for _, n := range s.all() {
		if r := n.recovery.Load(); r != nil {
			r.end()
			r.freeOrphan()
		}
	}
}

// end is endRecovery in one namespace.
func (r *recovery) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for e := range r.idle {
		if e.isAway {
			r.endLocked(e, RecoveryEnded)
		}
	}
	if len(r.idle) == 0 { // nobody waits for middleware, to be sent what he has missed
		r.log = recoveryLog{}
	}
	r.holdLocked()
}

// close ends all sessions, and frees what is held.
func (r *recovery) close() {
	r.stopObserv()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.byID.Range(func(_, v any) bool {
		r.removeLocked(v.(*session))
		return true
	})
	r.away.Stop()
	if r.trimming != nil {
		r.trimming.Stop()
		r.trimming = nil
	}
	r.log, r.ended = recoveryLog{}, graves{}
	r.holdLocked()
}

const (
	// holdStep is how much has to change before the engine is told.
	holdStep = 16 << 10

	// childCost is about what a namespace takes that would have gone without its sessions.
	childCost = 4 << 10
)

// heldLocked is what is held now.
func (r *recovery) heldLocked() int {
	n := r.log.bytes + r.awayBytes
	if r.ns.parent != nil && r.awayCount > 0 {
		n += childCost
	}
	return n
}

// holdLocked tells the engine how much is held. Clients make as many children as they like, so that each counts.
func (r *recovery) holdLocked() {
	n, step := r.heldLocked(), holdStep
	if r.ns.parent != nil {
		step = childCost
	}
	if d := n - r.held; d >= step || d <= -step || n == 0 && d != 0 {
		r.held = n
		r.srv.recoveryHeld.Add(int64(d))
		r.srv.engine.Charge(d)
	}
}

// overLocked reports whether all namespaces together keep more than a part of the server's memory.
func (r *recovery) overLocked() bool {
	others := r.srv.recoveryHeld.Load() - int64(r.held)
	return others+int64(r.heldLocked()) > r.srv.maxRecoveryHeld
}

// freed is the last job of a socket's runner: the socket that has the session now need not wait for it any more.
func (r *recovery) freed(s *Socket) {
	s.mu.Lock()
	data := s.data
	s.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.session(s.id)
	if e == nil {
		return
	}
	i := slices.Index(e.sockets, s)
	if i < 0 {
		return
	}
	if s.has(markWasConnected) {
		e.data = data
	}
	e.sockets = slices.Delete(e.sockets, i, i+1)
	if e.turn != nil {
		close(e.turn)
		e.turn = nil
	}
}

// addStats adds what the namespace has.
func (r *recovery) addStats(st *RecoveryStats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st.Sessions += r.awayCount
	st.SessionBytes += r.awayBytes
	st.Packets += r.log.len()
	st.Bytes += r.log.bytes
}
