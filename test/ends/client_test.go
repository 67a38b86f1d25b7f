package ends

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/engineio"
	"sio.example/socketio/test/internal/wire"
)

// A clientEnd is a way in which the session of a client ends, and what must come of it.
type clientEnd struct {
	name  string
	hello string // the handshake, if it is not the usual one
	opts  func(o *client.Options)
	do    func(c *clientUser, s *handServer)
	only  []route // nil means all

	why     client.DisconnectReason
	session client.DisconnectReason // why the Manager says that its session is over, if that is another reason
	poll    client.DisconnectReason // the reason of both, if it differs on polling

	told map[route]string // what the server hears
}

var clientRoutes = []route{polling, webSocket, upgraded, upgrading, stream}

// clientTells is what a server hears: packets, and the end in the form of the transport. A stream just ends.
func clientTells(packets, frame string) map[route]string {
	return map[route]string{
		polling:   strings.TrimSpace(packets + " 1"),
		webSocket: strings.TrimSpace(packets + " " + frame),
		upgraded:  strings.TrimSpace(packets + " " + frame),
		upgrading: strings.TrimSpace(packets + " 1 probe " + frame),
		stream:    strings.TrimSpace(packets + " (cut)"),
	}
}

// lost is what a server hears that has gone.
var lost = map[route]string{
	webSocket: "(cut)", upgraded: "(cut)", upgrading: "probe (close 1000)", stream: "(cut)",
}

var clientEnds = []clientEnd{
	{
		name: "Socket.Disconnect of each",
		do: func(c *clientUser, _ *handServer) {
			for _, name := range namespaces {
				c.sockets[name].Disconnect()
			}
		},
		why: client.ReasonClientDisconnect, session: client.ReasonForcedClose,
		told: clientTells("41 41/n,", "(close 1000)"),
	},
	{
		name: "Manager.Close",
		do:   func(c *clientUser, _ *handServer) { _ = c.manager.Close() },
		why:  client.ReasonForcedClose,
		told: clientTells("41 41/n,", "(close 1000)"),
	},
	{
		name: "Manager.Shutdown",
		do:   func(c *clientUser, _ *handServer) { go func() { _ = c.manager.Shutdown(context.Background()) }() },
		why:  client.ReasonForcedClose,
		told: clientTells("41 41/n,", "(close 1000)"),
	},
	{
		name: "engineio.ClientSocket.Close",
		do:   func(c *clientUser, _ *handServer) { c.engine.Close() },
		why:  client.ReasonForcedClose,
		told: clientTells("", "(close 1000)"),
	},
	{
		name: "DISCONNECT packets",
		do:   func(_ *clientUser, s *handServer) { s.say("41", "41/n,", late, `42/n,["late"]`) },
		why:  client.ReasonServerDisconnect, session: client.ReasonForcedClose,
		told: clientTells("", "(close 1000)"),
	},
	{
		name: "close packet",
		do:   func(_ *clientUser, s *handServer) { s.say("1", late) },
		why:  client.ReasonTransportClose,
		told: map[route]string{
			webSocket: "(close 1000)", upgraded: "(close 1000)", upgrading: "probe (close 1000)", stream: "(cut)",
		},
	},
	{
		name: "close frame",
		do: func(_ *clientUser, s *handServer) {
			closing := wire.CloseWith(1000, "")
			closing.Unmasked = true
			s.frames(closing, wire.Frame{Opcode: wire.Text, Payload: []byte(late), Unmasked: true})
		},
		only: []route{webSocket, upgraded},
		why:  client.ReasonTransportClose,
		told: clientTells("", "(close 1000)"),
	},
	{
		name: "end of the connection",
		do:   func(_ *clientUser, s *handServer) { s.breakOff("end") },
		why:  client.ReasonTransportClose, poll: client.ReasonTransportError,
		told: lost,
	},
	{
		name: "reset",
		do:   func(_ *clientUser, s *handServer) { s.breakOff("reset") },
		why:  client.ReasonTransportClose, poll: client.ReasonTransportError,
		told: lost,
	},
	{
		name: "end within a message",
		do:   func(_ *clientUser, s *handServer) { s.breakOff("half") },
		why:  client.ReasonTransportClose, poll: client.ReasonTransportError,
		told: lost,
	},
	{
		name:  "ping timeout",
		hello: `{"sid":"s","upgrades":["websocket"],"pingInterval":100,"pingTimeout":3000,"maxPayload":1000}`,
		opts:  func(o *client.Options) { o.Engine.UpgradeTimeout = patience },
		do:    func(*clientUser, *handServer) {},
		why:   client.ReasonPingTimeout,
		told:  clientTells("", "(close 1008)"),
	},
	{
		name: "no Engine.IO packet",
		do:   func(_ *clientUser, s *handServer) { s.say("9", late) },
		why:  client.ReasonParseError,
		told: clientTells("", "(close 1002)"),
	},
	{
		name: "no Socket.IO packet",
		do:   func(_ *clientUser, s *handServer) { s.say(`42["late"`, late) },
		why:  client.ReasonParseError,
		told: clientTells("", "(close 1002)"),
	},
	{
		name: "masked frame",
		do: func(_ *clientUser, s *handServer) {
			s.frames(wire.Frame{Opcode: wire.Text, Payload: []byte(late), Mask: [4]byte{1, 2, 3, 4}})
		},
		only: []route{webSocket, upgraded},
		why:  client.ReasonTransportError,
		told: clientTells("", "(close 1002)"),
	},
	{
		name: "frame without content",
		do:   func(_ *clientUser, s *handServer) { s.frame("", late) },
		only: []route{stream},
		why:  client.ReasonTransportError,
		told: clientTells("", ""),
	},
	{
		name: "message too large",
		opts: func(o *client.Options) { o.Engine.MaxPayload = 1000 },
		do:   func(_ *clientUser, s *handServer) { s.say(`42["late","`+strings.Repeat("x", 1000)+`"]`, late) },
		why:  client.ReasonTransportError,
		told: clientTells("", "(close 1009)"),
	},
}

// breakOff ends the connection that the session is on: after some bytes of a message, with a reset, or as it is.
func (s *handServer) breakOff(how string) {
	if s.polls() {
		s.out <- "cut " + how
		return
	}
	if how == "half" && s.route == stream {
		_, _ = s.stream.conn.Write(append(head(false, 99), `42["la`...))
	} else if how == "half" {
		n := uint64(99)
		s.frames(wire.Frame{Opcode: wire.Text, Payload: []byte(`42["la`), Length: &n, Unmasked: true})
	}
	s.cut(how == "reset")
}

// A clientUser is who is notified at the client's end.
type clientUser struct {
	t       *testing.T
	manager *client.Manager
	engine  *engineio.ClientSocket
	sockets map[string]*client.Socket

	mu      sync.Mutex
	changed chan struct{}
	notes   map[string][]string // by namespace; those of the Manager under ""
	answers map[string][]error
	late    int
}

func (c *clientUser) note(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// await waits until cond holds.
func (c *clientUser) await(what string, cond func() bool) {
	c.t.Helper()
	deadline := time.After(patience)
	for {
		c.mu.Lock()
		ok := cond()
		c.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-c.changed:
		case <-deadline:
			c.t.Fatalf("%s did not happen", what)
		}
	}
}

func newClientUser(t *testing.T, url string, opts *client.Options) *clientUser {
	c := &clientUser{
		t: t, changed: make(chan struct{}, 1), sockets: map[string]*client.Socket{},
		notes: map[string][]string{}, answers: map[string][]error{},
	}
	c.manager = client.NewManager(url, opts)
	t.Cleanup(func() { _ = c.manager.Shutdown(context.Background()) })
	c.manager.OnClose(func(why client.DisconnectReason, _ error) {
		c.note(func() { c.notes[""] = append(c.notes[""], string(why)) })
	})
	for _, name := range namespaces {
		s := c.manager.Socket(name, nil)
		c.sockets[name] = s
		s.OnConnect(func() {
			ctx := s.Context()
			s.OnDisconnect(func(why client.DisconnectReason) {
				text := fmt.Sprintf("disconnected: %s, cause %v", why, context.Cause(ctx))
				c.note(func() { c.notes[name] = append(c.notes[name], text) })
			})
			answer := func(_ client.Args, err error) {
				c.note(func() { c.answers[name] = append(c.answers[name], err) })
			}
			if err := s.EmitFunc(context.Background(), "question", answer); err != nil {
				t.Error(err)
			}
		})
		s.On("late", func(context.Context, *client.Event) error {
			c.note(func() { c.late++ })
			return nil
		})
	}
	return c
}

// join lets the client into its namespaces, and waits for the questions.
func (c *clientUser) join(s *handServer) {
	c.t.Helper()
	for _, name := range namespaces {
		c.sockets[name].Open()
		prefix := ""
		if name != "/" {
			prefix = name + ","
		}
		for _, want := range []string{"40" + prefix, "42" + prefix + `0["question"]`} {
			if got := s.next(); got != want {
				c.t.Fatalf("%q came, not %q", got, want)
			}
			if strings.HasPrefix(want, "40") {
				s.greet(want + `{"sid":"` + name + `"}`)
			}
		}
	}
}

// greet answers a CONNECT, on the transport that the session begins with.
func (s *handServer) greet(packet string) {
	if s.route == webSocket || s.route == stream {
		s.frame(packet)
		return
	}
	s.out <- packet
}

// TestClientEnds ends sessions of a client in each way on each route.
func TestClientEnds(t *testing.T) {
	for _, e := range clientEnds {
		for _, r := range clientRoutes {
			if e.only == nil || slices.Contains(e.only, r) {
				t.Run(e.name+"/"+string(r), func(t *testing.T) { e.check(t, r) })
			}
		}
	}
}

func (e clientEnd) check(t *testing.T, r route) {
	if e.poll != "" && (r == polling || r == upgrading) {
		e.why = e.poll
	}
	if e.session == "" {
		e.session = e.why
	}
	if e.hello == "" {
		e.hello = `{"sid":"s","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`
	}
	opts := &client.Options{DisableReconnection: true}
	opts.Engine.DisableUpgrade = r == polling
	opts.Engine.UpgradeTimeout = 2 * time.Second // for which a polite end waits
	if r == upgraded {
		opts.Engine.UpgradeTimeout = patience
	}
	opts.Logger = slog.New(slog.DiscardHandler)
	switch r {
	case webSocket:
		opts.Engine.Transports = []string{"websocket"}
	case stream:
		opts.Engine.Transports = []string{"webtransport"}
	}
	if e.opts != nil {
		e.opts(opts)
	}
	s := startHandServer(t, r, e.hello)
	if r == stream {
		opts.Engine.DialStream = s.dialStream
	}
	before := holds(t)
	c := newClientUser(t, s.http.URL, opts)
	c.join(s)
	close(s.joined)
	if r == upgraded || r == upgrading {
		<-s.probed
	}
	if r == upgraded {
		s.frame("6") // from here on the client reads the WebSocket
	}
	c.engine = c.manager.Engine()

	e.do(c, s)
	select {
	case <-c.engine.Done():
	case <-time.After(patience):
		t.Fatal("free: the session is not done")
	}
	e.wantNotified(c)
	e.wantTold(t, r, s)
	c.wantFreed(before, s)
	if c.late > 0 {
		t.Errorf("stop: %d events were handled after the end", c.late)
	}
}

// wantNotified wants each user to be notified once, and pending acknowledgements to fail.
func (e clientEnd) wantNotified(c *clientUser) {
	c.t.Helper()
	c.await("the end", func() bool {
		return len(c.notes["/"])*len(c.notes["/n"])*len(c.notes[""])*len(c.answers["/"])*len(c.answers["/n"]) > 0
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range namespaces {
		want := fmt.Sprintf("disconnected: %s, cause %s", e.why, e.why)
		if got := c.notes[name]; len(got) != 1 || got[0] != want {
			c.t.Errorf("notify %s: %q, want one %q", name, got, want)
		}
		if errs := c.answers[name]; len(errs) != 1 || !errors.Is(errs[0], client.ErrDisconnected) {
			c.t.Errorf("notify %s: the acknowledgement was settled with %v", name, errs)
		}
		if c.sockets[name].Connected() || c.sockets[name].ID() != "" {
			c.t.Errorf("notify %s: it is connected", name)
		}
	}
	if got := c.notes[""]; len(got) != 1 || got[0] != string(e.session) {
		c.t.Errorf("notify: the Manager said %q, want one %q", got, e.session)
	}
}

// wantTold wants the server to have heard what it should.
func (e clientEnd) wantTold(t *testing.T, r route, s *handServer) {
	t.Helper()
	var heard, end []string
	take := func(packet string) {
		switch {
		case strings.HasSuffix(packet, ")"):
			end = append(end, packet)
		case packet != "3": // a pong that nobody asked for: the ping might have been behind what came
			heard = append(heard, packet)
		}
	}
	for r != polling && len(end) == 0 { // a WebSocket has an end
		take(s.next())
	}
	for len(s.in) > 0 {
		take(<-s.in)
	}
	slices.SortFunc(heard, func(a, b string) int { // the order between namespaces is nobody's matter
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	if i := slices.Index(heard, "1"); i >= 0 { // the last word
		heard = append(slices.Delete(heard, i, i+1), "1")
	}
	if got := strings.Join(append(heard, end...), " "); got != e.told[r] {
		t.Errorf("tell: the server heard %.300s, want %s", got, e.told[r])
	}
}

// wantFreed waits until the client holds nothing: what is left is the server's.
func (c *clientUser) wantFreed(before held, s *handServer) {
	c.t.Helper()
	s.http.CloseClientConnections()
	s.cut(false)
	deadline := time.After(patience)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for {
		now := holds(c.t)
		if now.within(before) {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			c.t.Fatalf("free: %+v is held, before %+v", now, before)
		}
	}
}
