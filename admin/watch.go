package admin

import (
	"maps"
	"slices"
	"sync"
	"time"

	socketio "sio.example/socketio"
)

// A watch is one time that somebody looks: from the first UI that logs in until the last one has gone. It listens to
// the namespaces and to the sockets that are shown, and tells in the order in which it came to know.
type watch struct {
	panel *panel
	stats statistics
	out   teller
	done  chan struct{} // closed at the end

	mu     sync.Mutex
	ended  bool
	places map[string]*place
	shown  map[*socketio.Socket]*view
	second int64 // in which so many events were shown
	events int
}

// A place is a namespace that is listened to.
type place struct {
	ns   *socketio.Namespace
	offs []func()
}

// A view is a socket that is shown.
type view struct {
	id, nsp   string
	transport string
	rooms     map[string]bool // that the UI knows of; nil until the socket is described
	early     []roomChange    // what came before
	offs      []func()
}

type roomChange struct {
	room   string
	joined bool
}

// newWatch begins to look.
func newWatch(p *panel) *watch {
	w := &watch{
		panel: p, stats: statistics{panel: p}, done: make(chan struct{}),
		places: make(map[string]*place), shown: make(map[*socketio.Socket]*view),
	}
	w.out.emit = p.ns.Local().Emit
	w.stats.since(time.Now()) // what was before is not told
	go w.run()                // owned by the panel; ends when the last UI has gone, at the latest with the server
	return w
}

func (w *watch) run() {
	ticker := time.NewTicker(w.panel.opts.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-w.done:
			return
		case now := <-ticker.C:
			if !w.panel.opts.Aggregate {
				w.refresh(true)
			}
			if w.out.takeLost() {
				w.tellAll(nil)
			}
			w.out.add(0, "server_stats", w.stats.report(w.stats.since(now)))
		}
	}
}

// end lets go of everything.
func (w *watch) end() {
	w.mu.Lock()
	w.ended = true
	var offs []func()
	for _, p := range w.places {
		offs = append(offs, p.offs...)
	}
	for _, v := range w.shown {
		offs = append(offs, v.offs...)
	}
	clear(w.places)
	clear(w.shown)
	w.mu.Unlock()
	close(w.done)
	for _, off := range offs {
		off()
	}
}

// refresh listens to namespaces that are new, forgets those that are gone, and shows more sockets if there is room, of
// which it tells.
func (w *watch) refresh(tell bool) {
	exist := make(map[string]bool)
	for n := range w.panel.io.Namespaces() {
		exist[n.Name()] = true
		w.listen(n)
	}
	w.mu.Lock()
	for name := range w.places {
		if !exist[name] {
			delete(w.places, name) // its listeners go with it
		}
	}
	room, sockets := w.panel.opts.MaxSockets-len(w.shown), 0
	shown := len(w.shown)
	w.mu.Unlock()
	for n := range w.panel.io.Namespaces() {
		sockets += n.SocketCount()
	}
	if room > 0 && sockets > shown {
		for n := range w.panel.io.Namespaces() {
			for s := range n.Sockets() {
				if room <= 0 {
					break
				}
				if w.show(s, tell) {
					room--
				}
			}
		}
	}
	w.upgraded()
}

// listen listens to a namespace, once.
func (w *watch) listen(n *socketio.Namespace) {
	w.mu.Lock()
	if p := w.places[n.Name()]; w.ended || p != nil && p.ns == n {
		w.mu.Unlock()
		return
	}
	p := &place{ns: n}
	w.places[n.Name()] = p
	w.mu.Unlock()
	offs := []func(){
		n.OnConnection(func(s *socketio.Socket) { w.show(s, true) }),
		n.OnRooms(&socketio.RoomHooks{
			Joined: func(s *socketio.Socket, room string) { w.changed(s, roomChange{room, true}) },
			Left:   func(s *socketio.Socket, room string) { w.changed(s, roomChange{room, false}) },
		}),
	}
	w.keep(offs, func() bool { return w.places[n.Name()] == p }, &p.offs)
}

// keep notes what ends listening, or does so if nobody wants it any more.
func (w *watch) keep(offs []func(), wanted func() bool, to *[]func()) {
	w.mu.Lock()
	ok := !w.ended && wanted()
	if ok {
		*to = offs
	}
	w.mu.Unlock()
	if !ok {
		for _, off := range offs {
			off()
		}
	}
}

// show shows a socket from now on, unless it is, or there are too many, and reports whether it does so now. Whom it
// does not tell is told by tellAll.
func (w *watch) show(s *socketio.Socket, tell bool) bool {
	v := &view{id: s.ID(), nsp: s.Namespace().Name(), transport: s.Conn().Transport()}
	w.mu.Lock()
	if w.ended || w.shown[s] != nil || len(w.shown) >= w.panel.opts.MaxSockets {
		w.mu.Unlock()
		return false
	}
	w.shown[s] = v
	w.mu.Unlock()
	offs := []func(){s.OnDisconnect(func(reason socketio.DisconnectReason) { w.hide(s, reason) })}
	if v.nsp != w.panel.ns.Name() { // what is told would be told of
		offs = append(offs,
			s.OnAny(eventReceived(w, v)),
			s.OnAnyOutgoing(func(name string, args socketio.Args) { w.event("event_sent", v, name, args) }),
		)
	}
	w.keep(offs, func() bool { return w.shown[s] == v }, &v.offs)
	description := w.describe(s)
	w.mu.Lock()
	if w.shown[s] != v {
		w.mu.Unlock()
		return false
	}
	v.rooms = make(map[string]bool)
	for _, room := range description.Rooms {
		v.rooms[room] = true
	}
	if tell {
		w.out.add(describedCost, "socket_connected", description, timestamp())
	}
	for _, c := range v.early {
		w.changedLocked(v, c)
	}
	v.early = nil
	w.mu.Unlock()
	if !s.Connected() { // before somebody listened to that
		w.hide(s, socketio.ReasonTransportClose)
	}
	return true
}

// hide forgets a socket that is gone.
func (w *watch) hide(s *socketio.Socket, reason socketio.DisconnectReason) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.shown[s]
	if v == nil {
		return
	}
	delete(w.shown, s)
	w.out.add(messageCost, "socket_disconnected", v.nsp, v.id, string(reason), timestamp())
}

// changed tells that a socket has joined or left a room.
func (w *watch) changed(s *socketio.Socket, c roomChange) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.shown[s]
	switch {
	case v == nil:
	case v.rooms == nil:
		v.early = append(v.early, c)
	default:
		w.changedLocked(v, c)
	}
}

// changedLocked needs mu. What the UI knows already is not told: its list of a room's sockets would have one twice.
func (w *watch) changedLocked(v *view, c roomChange) {
	name := "room_left"
	if c.joined {
		name = "room_joined"
	}
	if v.rooms[c.room] == c.joined {
		return
	}
	if c.joined {
		v.rooms[c.room] = true
	} else {
		delete(v.rooms, c.room)
	}
	w.out.add(messageCost+len(c.room), name, v.nsp, c.room, v.id, timestamp())
}

// upgraded tells which sockets have another transport now.
func (w *watch) upgraded() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s, v := range w.shown {
		if now := s.Conn().Transport(); now != v.transport {
			v.transport = now
			w.out.add(messageCost, "socket_updated", map[string]any{"id": v.id, "nsp": v.nsp, "transport": now})
		}
	}
}

// tellAll tells of all sockets that are shown, in place of what was told before: all UIs, or one that is new. It
// takes its place in the order: the rooms are those that were told of before.
func (w *watch) tellAll(to func(name string, args ...any) error) {
	known := make(map[*view]*description)
	for {
		w.mu.Lock()
		list, missing := []*description{}, make(map[*view]*socketio.Socket)
		for s, v := range w.shown {
			switch d := known[v]; {
			case v.rooms == nil: // it will be told of
			case d == nil:
				missing[v] = s
			default:
				d.Rooms = slices.Sorted(maps.Keys(v.rooms))
				list = append(list, d)
			}
		}
		if len(missing) == 0 {
			w.out.addFor(to, len(list)*describedCost/10, "all_sockets", list)
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		for v, s := range missing {
			known[v] = w.describe(s)
		}
	}
}

// timestamp is now, as JavaScript writes a date.
func timestamp() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000Z") }
