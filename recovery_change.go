package socketio

import (
	"sio.example/socketio/adapter"
	"sio.example/socketio/engineio"
)

// A socket is its id: what is done to a socket, or to those of a target, reaches sessions whose clients are away.

// A sessionChange is a SocketsJoin, SocketsLeave or DisconnectSockets that is under way.
type sessionChange struct {
	kind   changeKind
	to     adapter.Target
	rooms  []string
	closed []*conn // of sockets that wait for middleware, and whose session is over
}

type changeKind byte

const (
	changeJoin changeKind = iota
	changeLeave
	changeEnd
)

// changeAway carries a change out on the sessions that the adapter does not know, because they have no connected
// socket. The caller has the adapter do the rest, and then calls done: a socket that is lost between is not missed.
func (n *Namespace) changeAway(kind changeKind, to adapter.Target, rooms []string) (done func()) {
	r := n.recovery.Load()
	if r == nil {
		return func() {}
	}
	c := &sessionChange{kind: kind, to: to, rooms: rooms}
	r.mu.Lock()
	if to.Socket != "" {
		if e := r.session(to.Socket); e != nil && !e.live && !e.fresh {
			r.changeLocked(c, e)
		}
	} else {
		for e := range r.idle {
			r.changeLocked(c, e)
		}
	}
	r.changes[c] = struct{}{}
	r.mu.Unlock()
	return func() {
		r.mu.Lock()
		delete(r.changes, c)
		closed := c.closed
		r.mu.Unlock()
		for _, old := range closed {
			old.eng.CloseWith(engineio.ForcedClose, true, "the session was ended")
		}
		r.freeOrphan()
	}
}

// changeLocked carries a change out on a session that has no connected socket, if it is meant.
func (r *recovery) changeLocked(c *sessionChange, e *session) {
	if !e.rooms.match(e.id, &c.to, now) {
		return
	}
	if c.kind == changeEnd {
		if e.owner != nil {
			c.closed = append(c.closed, e.owner.conn)
		}
		r.endLocked(e, RecoveryEnded)
		return
	}
	r.roomsLocked(c.kind, e, c.rooms)
}

func (r *recovery) roomsLocked(kind changeKind, e *session, rooms []string) {
	changed := false
	for _, room := range rooms {
		if kind == changeJoin {
			changed = e.rooms.join(room, r.head.Load()) || changed
		} else {
			changed = e.rooms.leave(room, r.head.Load()) || changed
		}
	}
	if changed {
		e.rooms.changed()
	}
}

// changeRooms is Join and Leave of a socket that is not connected, or not any more: they act on its session. The error
// is ErrDisconnected if that is over.
func (r *recovery) changeRooms(kind changeKind, s *Socket, rooms []string) error {
	for {
		owner, err := r.changeRoomsAway(kind, s, rooms)
		if owner == nil {
			return err
		}
		a, m := r.ns.adapter, (*member)(owner)
		if kind == changeJoin {
			err = a.Join(m, rooms...)
		} else {
			err = a.Leave(m, rooms...)
		}
		if owner.has(markLeftRooms) { // the runner may have called LeaveAll before Join was through
			a.LeaveAll(m)
		}
		if r.hasNow(owner) {
			return err
		}
	}
}

// changeRoomsAway does it for a session that has no connected socket; else it returns that.
func (r *recovery) changeRoomsAway(kind changeKind, s *Socket, rooms []string) (owner *Socket, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.session(s.id)
	switch {
	case e == nil && s.is(admitting):
		return s, nil
	case e == nil || r.closed:
		return nil, ErrDisconnected
	case e.live || e.fresh:
		return e.owner, nil
	}
	r.roomsLocked(kind, e, rooms)
	return nil, nil
}

// hasNow reports whether the socket has its session.
func (r *recovery) hasNow(s *Socket) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.session(s.id)
	return e != nil && e.owner == s && (e.live || e.fresh)
}

// roomsOf are the rooms of a socket's session.
func (r *recovery) roomsOf(s *Socket) []string {
	e := r.session(s.id)
	if e == nil {
		return nil
	}
	rooms, _ := e.rooms.names()
	return rooms
}

// disconnect is Disconnect of a socket whose connection was lost: it ends the session, also one that another socket has
// by now.
func (r *recovery) disconnect(s *Socket, close bool) {
	r.mu.Lock()
	e := r.session(s.id)
	if e == nil || e.owner == s {
		r.mu.Unlock()
		return
	}
	owner, live := e.owner, e.live
	if !live {
		r.endLocked(e, RecoveryEnded)
	}
	r.mu.Unlock()
	switch {
	case owner == nil:
		r.freeOrphan()
	case live:
		owner.Disconnect(close)
	default:
		owner.conn.eng.CloseWith(engineio.ForcedClose, true, "the session was ended")
	}
}
