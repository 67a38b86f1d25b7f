package ends

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/test/internal/wire"
)

// An end is a way in which a session ends, and what must come of it.
type end struct {
	name string
	opts func(o *socketio.Options)
	do   func(a *app, p *peer)
	not  []route // where there is no such end
	// below says that it is an end of the Engine.IO session alone, of whatever its messages mean.
	below bool

	why      socketio.DisconnectReason // what the user is told
	closed   engineio.Reason           // what it counts as
	rejected string                    // and this, if it is a violation, a limit or a loss

	poll *count // if that differs while the session is on polling

	// What the peer hears: packets, and in parentheses the end of a connection. It differs by transport.
	told map[route]string
	// waits says that the session waits for a GET to tell the end to.
	waits bool
}

// A count is how an end is called, and what it counts as.
type count struct {
	why      socketio.DisconnectReason
	closed   engineio.Reason
	rejected string
}

// tells is the most common form: the same packets everywhere, and then a close packet on polling, a close frame
// with a status on a WebSocket, and the end of a stream.
func tells(packets, frame string) map[route]string {
	if packets != "" {
		packets += " "
	}
	return map[route]string{
		polling:   packets + "1",
		away:      packets + "1",
		webSocket: packets + "(close " + frame + ")",
		upgraded:  packets + "(close " + frame + ")",
		upgrading: packets + "1 probe (close " + frame + ")",
		stream:    packets + "(cut)",
	}
}

// with is told with other words on some routes.
func with(told, other map[route]string) map[route]string {
	for r, text := range other {
		told[r] = text
	}
	return told
}

// gone is what a GET hears when there is no session any more.
const gone = "(GET 400 code 1)"

// violates is tells for what the peer did wrong: one that has no GET to be told hears of it with the next.
func violates(frame string) map[route]string {
	return with(tells("", frame), map[route]string{away: gone})
}

func engine(a *app) *engineio.Socket { return a.users["/"].socket.Conn() }

// cut ends a connection with a reset, or after the bytes that were written.
func cut(p *peer, reset bool) {
	conns := []interface {
		SetLinger(int) error
		Close() error
	}{}
	if p.get != nil {
		conns = append(conns, p.get.Conn(), p.post.Conn())
	}
	if p.ws != nil {
		conns = append(conns, p.ws.Conn())
	}
	if p.stream != nil {
		conns = append(conns, p.stream.conn)
	}
	for _, c := range conns {
		if reset {
			_ = c.SetLinger(0)
		}
		_ = c.Close()
	}
	p.hasCut = true
	if p.post != nil {
		p.post = p.dial() // for what comes late
	}
}

var ends = []end{
	{
		name: "Socket.Disconnect(true)",
		do:   func(a *app, _ *peer) { a.users["/"].socket.Disconnect(true) },
		why:  socketio.ReasonServerDisconnect, closed: engineio.ForcedClose,
		told: tells("41 41/n,", "1000"), waits: true,
	},
	{
		name: "engineio.Socket.Close",
		do:   func(a *app, _ *peer) { engine(a).Close() },
		why:  socketio.ReasonForcedClose, closed: engineio.ForcedClose,
		told: tells("", "1000"), waits: true,
	},
	{
		name: "Server.Shutdown",
		do: func(a *app, p *peer) {
			done := make(chan struct{})
			p.t.Cleanup(func() { <-done })
			go func() { // owned by the test, which waits for it; ends with the session
				defer close(done)
				_ = a.io.Shutdown(context.Background())
			}()
		},
		why: socketio.ReasonServerShuttingDown, closed: engineio.ForcedClose,
		told: tells("", "1001 server shutting down"), waits: true,
	},
	{
		name: "Server.Close",
		do:   func(a *app, _ *peer) { _ = a.io.Close() },
		why:  socketio.ReasonServerShuttingDown, closed: engineio.ForcedClose,
		told: with(tells("", "1001 server shutting down"), map[route]string{away: gone}),
	},
	{
		name: "close packet", below: true,
		do:  func(_ *app, p *peer) { p.say("1", late) },
		why: socketio.ReasonTransportClose, closed: engineio.TransportClose,
		// The GET is told a noop.
		told: with(tells("", "1000 transport close"), map[route]string{polling: gone, away: gone}),
	},
	{
		name: "close frame", below: true,
		do: func(_ *app, p *peer) {
			_ = p.ws.Write(wire.CloseWith(1000, ""), wire.Frame{Opcode: wire.Text, Payload: []byte(late)})
		},
		not: []route{polling, away, upgrading, stream},
		why: socketio.ReasonTransportClose, closed: engineio.TransportClose,
		told: tells("", "1000"),
	},
	{
		name: "end of the connection", below: true,
		do:  func(_ *app, p *peer) { cut(p, false) },
		not: []route{away},
		why: socketio.ReasonTransportClose, closed: engineio.TransportClose,
		poll: &count{socketio.ReasonTransportError, engineio.TransportError, engineio.RejectPollAborted},
		told: map[route]string{
			polling: "(cut)", webSocket: "(cut)", upgraded: "(cut)", upgrading: "(cut) probe (cut)", stream: "(cut)",
		},
	},
	{
		name: "reset", below: true,
		do:  func(_ *app, p *peer) { cut(p, true) },
		not: []route{away},
		why: socketio.ReasonTransportClose, closed: engineio.TransportClose,
		poll: &count{socketio.ReasonTransportError, engineio.TransportError, engineio.RejectPollAborted},
		told: map[route]string{
			polling: "(cut)", webSocket: "(cut)", upgraded: "(cut)", upgrading: "(cut) probe (cut)", stream: "(cut)",
		},
	},
	{
		name: "end within a message", below: true,
		do: func(_ *app, p *peer) {
			switch {
			case p.polls:
				half := http.Header{"Content-Length": {"99"}}
				url := p.target.URL("polling", p.sid)
				_ = p.post.Write(wire.Request("POST", url, p.target.Addr, half, []byte(`42["la`)))
				_ = p.post.Close()
				p.post = p.dial()
			case p.stream != nil:
				_, _ = p.stream.conn.Write(append(head(false, 99), `42["la`...))
				cut(p, false)
			default:
				n := uint64(99)
				_ = p.ws.Write(wire.Frame{Opcode: wire.Text, Payload: []byte(`42["la`), Length: &n})
				cut(p, false)
			}
		},
		why: socketio.ReasonTransportClose, closed: engineio.TransportClose,
		poll: &count{socketio.ReasonTransportError, engineio.TransportError, engineio.RejectPostAborted},
		told: with(violates("1000"), map[route]string{
			webSocket: "(cut)", upgraded: "(cut)", upgrading: "1 probe (close 1002 request aborted)",
		}),
	},
	{
		name: "ping timeout", below: true,
		opts: func(o *socketio.Options) {
			o.Engine.PingInterval, o.Engine.PingTimeout = 100*time.Millisecond, 3*time.Second
		},
		do:  func(_ *app, p *peer) { p.silent = true },
		why: socketio.ReasonPingTimeout, closed: engineio.PingTimeout, rejected: engineio.RejectPingTimeout,
		told: violates("1008 ping timeout"),
	},
	{
		name: "no Engine.IO packet", below: true,
		do:  func(_ *app, p *peer) { p.say("9", late) },
		why: socketio.ReasonParseError, closed: engineio.ParseError, rejected: engineio.RejectPacket,
		poll: &count{socketio.ReasonParseError, engineio.ParseError, engineio.RejectPayload},
		told: with(violates("1002 malformed packet"), map[route]string{
			polling: "1 POST 400", away: gone + " POST 400",
			upgrading: "1 POST 400 probe (close 1002 malformed packet)",
		}),
	},
	{
		name: "ping of the client", below: true,
		do:  func(_ *app, p *peer) { p.say("2", late) },
		why: socketio.ReasonTransportError, closed: engineio.TransportError, rejected: engineio.RejectHeartbeat,
		told: with(violates("1002 invalid heartbeat direction"), map[route]string{
			polling: "1 POST 400", away: gone + " POST 400",
			upgrading: "1 POST 400 probe (close 1002 invalid heartbeat direction)",
		}),
	},
	{
		name: "no Socket.IO packet",
		do:   func(_ *app, p *peer) { p.say(`42["late"`, late) },
		why:  socketio.ReasonParseError, closed: engineio.ParseError, rejected: socketio.RejectParse,
		told: violates("1002 parse error"),
	},
	{
		name: "binary without its event",
		do:   func(_ *app, p *peer) { p.sayBinary([]byte("late")) },
		why:  socketio.ReasonParseError, closed: engineio.ParseError, rejected: socketio.RejectParse,
		told: violates("1002 parse error"),
	},
	{
		name: "packet that may not come",
		do:   func(_ *app, p *peer) { p.say(`42/other,["late"]`, late) },
		why:  socketio.ReasonForcedServerClose, closed: engineio.ForcedClose, rejected: socketio.RejectViolation,
		told: violates("1002 protocol error"),
	},
	{
		name: "unmasked frame", below: true,
		do: func(_ *app, p *peer) {
			_ = p.ws.Write(wire.Frame{Opcode: wire.Text, Payload: []byte(`42["late"]`), Unmasked: true})
		},
		not: []route{polling, away, upgrading, stream},
		why: socketio.ReasonTransportError, closed: engineio.TransportError, rejected: engineio.RejectWebSocket,
		told: violates("1002 unmasked frame"),
	},
	{
		name: "two GETs at once", below: true,
		do: func(_ *app, p *peer) {
			second := p.dial()
			_, err := second.Do("GET", p.target.URL("polling", p.sid), nil, nil)
			_ = second.Close()
			if err != nil {
				p.t.Error(err)
			}
		},
		not: []route{away, webSocket, upgraded, upgrading, stream},
		why: socketio.ReasonTransportError, closed: engineio.TransportError, rejected: engineio.RejectPollOverlap,
		told: violates(""),
	},
	{
		name: "message too large", below: true,
		opts: func(o *socketio.Options) { o.Engine.MaxPayload = 1000 },
		do:   func(_ *app, p *peer) { p.say(`42["late","`+strings.Repeat("x", 1000)+`"]`, late) },
		why:  socketio.ReasonTransportError, closed: engineio.TransportError, rejected: engineio.RejectMessageSize,
		poll: &count{socketio.ReasonTransportError, engineio.TransportError, engineio.RejectBodySize},
		told: with(violates("1009"), map[route]string{
			polling: "1 POST 413", away: gone + " POST 413", upgrading: "1 POST 413 probe (close 1009)",
		}),
	},
	{
		name: "too many attachments",
		do:   func(_ *app, p *peer) { p.say(`4511-["late",{"_placeholder":true,"num":0}]`, late) },
		why:  socketio.ReasonParseError, closed: engineio.ParseError, rejected: socketio.RejectParse,
		told: violates("1002 parse error"),
	},
	{
		name: "attachments that do not come",
		opts: func(o *socketio.Options) { o.AttachmentTimeout = 100 * time.Millisecond },
		do:   func(_ *app, p *peer) { p.say(`451-["late",{"_placeholder":true,"num":0}]`) },
		why:  socketio.ReasonForcedServerClose, closed: engineio.ForcedClose, rejected: socketio.RejectAttachments,
		told: violates("1008 attachment timeout"),
	},
	{
		name: "peer that takes nothing",
		opts: func(o *socketio.Options) { o.Engine.MaxQueueBytes = 1000 },
		do: func(a *app, p *peer) {
			s := a.users["/"].socket
			for range 64 { // more than the kernel takes
				_ = s.Emit("large", strings.Repeat("x", 1<<17))
			}
			<-s.Context().Done() // meanwhile nobody reads
		},
		not: []route{polling, upgrading}, // what a GET has asked for is left to the heartbeat
		why: socketio.ReasonTransportError, closed: engineio.TransportError, rejected: engineio.RejectSlowConsumer,
		told: violates("1008 slow consumer"),
	},
	{
		name: "more than the server's memory",
		not:  []route{polling}, // what the GET has taken by then is a matter of luck
		opts: func(o *socketio.Options) { o.Engine.MaxMemory = 4 << 20 },
		do: func(a *app, p *peer) {
			s := a.users["/"].socket
			for s.Emit("large", strings.Repeat("x", 1<<17)) == nil {
			}
		},
		why: socketio.ReasonTransportError, closed: engineio.TransportError, rejected: engineio.RejectSlowConsumer,
		told: violates("1008 slow consumer"),
	},
}

// TestServerEnds ends sessions of a server in each way on each route.
func TestServerEnds(t *testing.T) {
	for _, e := range ends {
		for _, r := range routes {
			if slices.Contains(e.not, r) {
				continue
			}
			t.Run(e.name+"/"+string(r), func(t *testing.T) { e.at(r).check(t, r) })
		}
	}
}

const late = `42["late"]`

// at is the end as it is on a route.
func (e end) at(r route) end {
	if e.poll != nil && (r == polling || r == away || r == upgrading) {
		e.why, e.closed, e.rejected = e.poll.why, e.poll.closed, e.poll.rejected
	}
	return e
}

func (e end) options() *socketio.Options {
	opts := &socketio.Options{}
	if e.opts != nil {
		e.opts(opts)
	}
	return opts
}

func (e end) check(t *testing.T, r route) {
	opts := e.options()
	a := serve(t, opts)
	before := holds(t)
	p := open(t, r, a.target(), a.streams)
	a.join(p)
	a.settle(p)

	e.do(a, p)
	if r == away && !e.waits || p.hasCut {
		a.awaitClosed()
	}
	told := p.hear(late)
	for _, name := range namespaces {
		a.wantNotified(name, e.why)
	}
	e.wantTold(t, r, told)
	e.wantUnknown(a, p)
	p.abort()
	a.wantFreed(before)
	for _, name := range namespaces {
		a.wantLeft(name)
		a.wantStopped(name)
	}
	st := a.io.Stats()
	if st.Disconnects[e.why] != 2 {
		t.Errorf("notify: counted %v, want two %s", st.Disconnects, e.why)
	}
	e.wantCounted(t, st.Engine.Closed, st.Rejected)
}

// wantTold wants the peer to have heard what it should.
func (e end) wantTold(t *testing.T, r route, told string) {
	t.Helper()
	if want := e.told[r]; told != want {
		t.Errorf("tell: the peer heard %.300s, want %s", told, want)
	}
}

func (e end) wantCounted(t *testing.T, closed map[engineio.Reason]uint64, rejected map[string]uint64) {
	t.Helper()
	if len(closed) != 1 || closed[e.closed] != 1 {
		t.Errorf("notify: counted %v, want one %s", closed, e.closed)
	}
	delete(rejected, engineio.RejectSession)     // what came late
	delete(rejected, engineio.RejectUpgradeLost) // the probe's connection may be looked at first
	want := map[string]uint64{}
	if e.rejected != "" {
		want[e.rejected] = 1
	}
	if !maps.Equal(rejected, want) {
		t.Errorf("notify: counted as refused %v, want %v", rejected, want)
	}
}

// wantUnknown wants no request of the session to be served any more.
func (e end) wantUnknown(a *app, p *peer) {
	p.t.Helper()
	again := p.dial()
	defer again.Close()
	answer, err := again.Do("GET", p.target.URL("polling", p.sid), nil, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	if shortly(answer) != "400 code 1" {
		p.t.Errorf("free: a GET of the session is answered %s", shortly(answer))
	}
	_, err = p.target.WebSocket(p.target.URL("websocket", p.sid), nil)
	var refused *wire.RefusedError
	if !errors.As(err, &refused) || refused.Status != 400 || string(refused.Body) != "Session ID unknown" {
		p.t.Errorf("free: an upgrade of the session: %v", err)
	}
	s := dialStream(p.t, a.streams)
	defer s.conn.Close()
	s.write(`0{"sid":"` + p.sid + `"}`)
	if packet, err := s.read(); err == nil {
		p.t.Errorf("free: a stream for the session is told %q", packet)
	}
}
