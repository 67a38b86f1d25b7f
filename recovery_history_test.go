package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/internal/recoverymodel"
	"sio.example/socketio/parser"
	"sio.example/socketio/siotest"
)

// TestRecoveryHistories plays random histories of the model with a server, on virtual time: clients must see the same,
// each event once and in order. SIO_RECOVERY_HISTORIES says how many (make recovery-histories), SIO_RECOVERY_SEED where
// they begin.
func TestRecoveryHistories(t *testing.T) {
	histories, seed := 300, uint64(0)
	if n, err := strconv.Atoi(os.Getenv("SIO_RECOVERY_HISTORIES")); err == nil {
		histories = n
	}
	if n, err := strconv.ParseUint(os.Getenv("SIO_RECOVERY_SEED"), 10, 64); err == nil {
		seed = n
	}
	const batch = 100
	played, over, late := 0, 0, 0
	for begin := 0; begin < histories && !t.Failed(); begin += batch {
		synctest.Test(t, func(t *testing.T) {
			srv := siotest.NewServer(t, &siotest.Options{Server: &socketio.Options{
				Recovery: &socketio.RecoveryOptions{}, Logger: slog.New(slog.DiscardHandler),
			}})
			for i := begin; i < min(begin+batch, histories) && !t.Failed(); i++ {
				h, whole := recoverymodel.RandomHistory(seed + uint64(i))
				if !whole {
					over++
					continue
				}
				switch err := play(t, srv, h); {
				case errors.Is(err, errTooLate):
					late++
				case err != nil:
					t.Errorf("seed %d: %v\n%v", seed+uint64(i), err, h)
				default:
					played++
				}
			}
		})
	}
	t.Logf("%d histories from seed %d; %d were too large, the log of %d became too short", played, seed, over, late)
	if played < histories*9/10 {
		t.Errorf("only %d of %d histories were played", played, histories)
	}
}

// TestRecoveryHistory plays the counterexamples of ADR 0059, and what else had to be told apart.
func TestRecoveryHistory(t *testing.T) {
	for name, text := range map[string]string{
		"missed, unnoticed": `
			scenario one
			emit at=0
			lose conn=0.1 after=1
			emit at=0
			dial client=0 node=0
			read conn=0.2
			accept conn=0.2
			emit at=0
			lose conn=0.2 after=3
			dial client=0 node=0
			read conn=0.3
			accept conn=0.3`,
		"ended while away": `
			scenario one-end
			emit at=0
			lose conn=0.1 after=0
			notice conn=0.1
			emit at=0
			emit at=0
			dial client=0 node=0
			read conn=0.2
			accept conn=0.2`,
		"two claims, the older one is read last": `
			scenario one
			emit at=0
			lose conn=0.1 after=0
			dial client=0 node=0
			lose conn=0.2 after=0
			dial client=0 node=0
			read conn=0.3
			read conn=0.2
			accept conn=0.2
			close conn=0.3 after=0
			dial client=0 node=0
			read conn=0.4
			accept conn=0.4`,
		"rooms have a time": `
			scenario one-rooms
			emit at=0
			emit at=0
			lose conn=0.1 after=0
			emit at=0
			emit at=0
			emit at=0
			notice conn=0.1
			emit at=0
			dial client=0 node=0
			read conn=0.2
			accept conn=0.2`,
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			h, err := recoverymodel.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				srv := siotest.NewServer(t, &siotest.Options{Server: &socketio.Options{
					Recovery: &socketio.RecoveryOptions{},
				}})
				if err := play(t, srv, h); err != nil {
					t.Errorf("%v\n%v", err, h)
				}
			})
		})
	}
}

var (
	errTooLate = errors.New("the log became too short while middleware ran")
	namespaces int
)

// A player plays a history of the model.
type player struct {
	*testing.T
	srv *siotest.Server
	ns  *socketio.Namespace
	sc  *recoverymodel.Scenario

	clients  []playedClient
	conns    []*playedConn
	sessions []*socketio.Socket // the first socket of each
	current  []int              // session of each client
	emitted  int
	log      []uint64 // numbers of what the model has in its log; 0 for what is not in the real one
}

type playedClient struct {
	serial      int8
	pid, offset string
	seen        []string
}

// A playedConn is a connection, with its middleware.
type playedConn struct {
	p              *player
	client, serial int8
	net            *siotest.Network
	eng            *engineio.ClientSocket
	pid, offset    string
	cut, live      bool
	socket         *socketio.Socket
	decide         chan error
	decoder        parser.Decoder

	mu      sync.Mutex
	packets []*parser.Packet
	closed  bool
}

// play makes the moves of h, and compares what the clients see.
func play(t *testing.T, srv *siotest.Server, h recoverymodel.History) error {
	want, err := h.Replay(0)
	if err != nil {
		return err
	}
	namespaces++
	p := &player{T: t, srv: srv, ns: srv.IO().Of(fmt.Sprint("/history-", namespaces)), sc: h.Scenario}
	p.clients = make([]playedClient, h.Scenario.Clients)
	p.ns.Use(p.middleware)
	defer p.end()
	for c := range p.clients {
		p.current = append(p.current, -1)
		if h.Scenario.Unconnected {
			continue
		}
		p.dial(int8(c))
		k := p.conns[c]
		p.read(k)
		if err := p.accept(k, nil); err != nil {
			return err
		}
		p.handle(k, 1)
		p.clients[c].seen = nil // the model begins here
	}
	for i, v := range h.Moves {
		if err := p.move(v); err != nil {
			return fmt.Errorf("move %d, %v: %w", i+1, v, err)
		}
	}
	for _, k := range p.conns {
		if !k.cut && h.Over() {
			p.handle(k, 1000)
		}
	}
	for c := range p.clients {
		var of []string
		for _, o := range want {
			if int(o.Client) == c {
				of = append(of, o.String())
			}
		}
		if got := strings.Join(p.clients[c].seen, "\n"); got != strings.Join(of, "\n") {
			return fmt.Errorf("client %d has seen\n%s\nwant\n%s", c, got, strings.Join(of, "\n"))
		}
	}
	return nil
}

func (p *player) end() {
	for _, k := range p.conns {
		k.eng.Close()
		select {
		case k.decide <- errors.New("the test is over"):
		default:
		}
	}
	synctest.Wait()
	for _, k := range p.conns {
		k.net.Drop()
	}
	synctest.Wait()
}

// middleware is that of all connections: it waits for the decision.
func (p *player) middleware(ctx context.Context, s *socketio.Socket) error {
	var auth struct {
		Conn int `json:"conn"`
	}
	if err := s.Handshake().Auth.Bind(&auth); err != nil {
		return err
	}
	k := p.conns[auth.Conn]
	k.socket = s
	if !s.Recovered() {
		for _, r := range p.sc.Rooms[k.client] {
			_ = s.Join(roomName(int(r)))
		}
	}
	select {
	case err := <-k.decide:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func roomName(r int) string { return fmt.Sprint("room ", r) }

func (p *player) conn(client, serial int8) *playedConn {
	for _, k := range p.conns {
		if k.client == client && k.serial == serial {
			return k
		}
	}
	return nil
}

func (p *player) move(v recoverymodel.Move) error {
	k := p.conn(v.A, v.B)
	defer synctest.Wait()
	switch v.Kind {
	case recoverymodel.MoveEmit:
		p.emit()
	case recoverymodel.MoveDeliver:
		p.handle(k, int(v.C))
	case recoverymodel.MoveLose:
		p.handle(k, int(v.C))
		k.cut = true // the server does not know: nothing depends on what it still writes
	case recoverymodel.MoveClose:
		p.handle(k, int(v.C))
		k.cut = true
		k.eng.Close()
	case recoverymodel.MoveNotice:
		k.net.Drop()
	case recoverymodel.MoveDial:
		p.dial(v.A)
	case recoverymodel.MoveRead:
		p.read(k)
	case recoverymodel.MoveAccept:
		return p.accept(k, nil)
	case recoverymodel.MoveRefuse:
		return p.accept(k, &socketio.ConnectError{Message: "no"})
	case recoverymodel.MoveExpire:
		if !socketio.ExpireSession(p.ns, p.sessions[v.B].ID()) {
			return errors.New("the session is not away")
		}
	case recoverymodel.MoveTrim:
		if n := p.log[0]; n > 0 {
			socketio.TrimRecoveryLog(p.ns, n)
		}
		p.log = p.log[1:]
	default:
		return errors.New("no move of one process")
	}
	return nil
}

func (p *player) dial(client int8) {
	c := &p.clients[client]
	c.serial++
	k := &playedConn{
		p: p, client: client, serial: c.serial, net: p.srv.NewNetwork(), pid: c.pid, offset: c.offset,
		decide: make(chan error, 1), decoder: parser.JSON(nil).NewDecoder(),
	}
	eng, err := engineio.Dial(p.Context(), p.srv.URL+"/socket.io/", func(*engineio.ClientSocket) engineio.Handler {
		return k
	}, &engineio.DialOptions{Transports: []string{"websocket"}, NetDial: k.net.DialContext})
	if err != nil {
		p.Fatal(err)
	}
	k.eng = eng
	p.conns = append(p.conns, k)
}

// HandleMessage queues a packet for the client, until the history says that it handles it.
func (k *playedConn) HandleMessage(m engineio.Message) {
	packet, err := k.decoder.Add(parser.Frame(m))
	if err != nil || packet == nil || packet.Type != parser.Connect && packet.Type != parser.Event {
		return // the model's connections are closed without a word
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.packets = append(k.packets, packet)
}

// HandleClose notes that the connection is over.
func (k *playedConn) HandleClose(engineio.Reason, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
}

// read lets the server read CONNECT, also one whose connection the client has lost meanwhile.
func (p *player) read(k *playedConn) {
	auth := map[string]any{"conn": len(p.conns) - 1}
	for i := range p.conns {
		if p.conns[i] == k {
			auth["conn"] = i
		}
	}
	if k.pid != "" {
		auth["pid"] = k.pid
		if k.offset != "" {
			auth["offset"] = k.offset
		}
	}
	frames, err := parser.JSON(nil).Encode(nil, &parser.Packet{
		Type: parser.Connect, Namespace: p.ns.Name(), Args: parser.NewArgs(auth),
	})
	if err != nil {
		p.Fatal(err)
	}
	for _, f := range frames {
		_ = k.eng.Send(engineio.SendOptions{}, engineio.Prepare(engineio.Message(f)))
	}
	synctest.Wait()
}

// accept is what middleware decides.
func (p *player) accept(k *playedConn, err error) error {
	if k.live { // the model is more careful, and lets the connection in with a new session
		return errTooLate
	}
	k.decide <- err
	synctest.Wait()
	if err != nil {
		return nil
	}
	if k.socket == nil || !k.socket.Connected() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.closed || k.cut {
			return errTooLate
		}
		return errors.New("not connected")
	}
	k.live = true
	session := -1
	for i, s := range p.sessions {
		if s.ID() == k.socket.ID() {
			session = i
		}
	}
	if session < 0 {
		session = len(p.sessions)
		p.sessions = append(p.sessions, k.socket)
	}
	if !k.cut {
		p.current[k.client] = session
	}
	return nil
}

// handle has the client handle packets as the official one does.
func (p *player) handle(k *playedConn, n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := &p.clients[k.client]
	for ; n > 0 && len(k.packets) > 0; n-- {
		packet := k.packets[0]
		k.packets = k.packets[1:]
		if packet.Type == parser.Connect {
			var reply struct{ SID, PID string }
			_ = packet.Args.Bind(&reply)
			session := -1
			for i, s := range p.sessions {
				if s.ID() == reply.SID {
					session = i
				}
			}
			c.seen = append(c.seen, fmt.Sprintf("client %d: session %d recovered=%v", k.client, session, reply.PID == c.pid))
			c.pid = reply.PID
			continue
		}
		event := -1
		_ = packet.Args.Decode(0, &event)
		c.seen = append(c.seen, fmt.Sprintf("client %d: event %d", k.client, event))
		var last string
		if !packet.HasID && packet.Args.Decode(packet.Args.Len()-1, &last) == nil {
			c.offset = last
		}
	}
}

// emit is the next emit of the scenario.
func (p *player) emit() {
	e := p.sc.Emit(p.emitted)
	args := []any{p.emitted}
	p.emitted++
	if e.Text {
		args = append(args, "text")
	}
	before := socketio.RecoveryHead(p.ns)
	if e.Join || e.Leave || e.Kick {
		p.change(e)
	} else {
		p.send(e, args)
	}
	if e.Volatile || e.Ack {
		return
	}
	number := socketio.RecoveryHead(p.ns)
	if number == before {
		number = 0
	}
	p.log = append(p.log, number)
}

// session is the socket of a client's session, perhaps one that has lost its connection; nil if it has none.
func (p *player) session(client int) *socketio.Socket {
	if i := p.current[client]; i >= 0 {
		return p.sessions[i]
	}
	return nil
}

func (p *player) send(e recoverymodel.Emit, args []any) {
	op := p.ns.BroadcastOperator
	switch s := (*socketio.Socket)(nil); {
	case e.Room >= 0:
		op = op.To(roomName(e.Room))
	case e.Client >= 0:
		if s = p.session(e.Client); s == nil {
			return
		}
		switch {
		case e.Ack:
			if now, ok := p.ns.Socket(s.ID()); ok {
				_ = now.EmitFunc(p.Context(), "e", func(parser.Args, error) {}, args...)
			}
			return
		case p.emitted%2 == 0 && !e.Volatile:
			_ = s.Emit("e", args...)
			return
		}
		op = op.To(s.ID())
	}
	if e.Except >= 0 {
		op = op.Except(roomName(e.Except))
	}
	if e.Volatile {
		op = op.Volatile()
	}
	if err := op.Emit("e", args...); err != nil {
		p.Error(err)
	}
}

func (p *player) change(e recoverymodel.Emit) {
	s, ctx, room := p.session(e.Client), p.Context(), roomName(e.Joined)
	if s == nil {
		return
	}
	own := p.emitted%2 == 0
	switch {
	case e.Join && own:
		_ = s.Join(room)
	case e.Join:
		_ = p.ns.In(s.ID()).SocketsJoin(ctx, room)
	case e.Leave && own:
		_ = s.Leave(room)
	case e.Leave:
		_ = p.ns.In(s.ID()).SocketsLeave(ctx, room)
	case own:
		s.Disconnect(false)
	default:
		_ = p.ns.In(s.ID()).DisconnectSockets(ctx, false)
	}
}
