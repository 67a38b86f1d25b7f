package engineio

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio/internal/memnet"
)

// The scenario suite: what a session of a server and a client of ours does from its opening to its end, whatever it
// runs on. A scenario is a row of a table, and runs on each route, with virtual time and a network that fails when it
// is told to. When it is over nothing may be left at either end: no goroutine, no connection, no memory on the
// server's account.

// A route is a way for a session to run.
type route struct {
	name       string
	transports []string // of the client
	settled    string   // the transport once an upgrade is over
	bare       bool     // a stream has Read, Write and Close, and nothing else
}

// routes are all there are. A byte stream over a pipe is a transport that only these tests have.
var routes = []route{
	{"polling", []string{transportPolling}, transportPolling, false},
	{"websocket", []string{transportWebSocket}, transportWebSocket, false},
	{"stream", []string{transportStream}, transportStream, false},
	{"bare stream", []string{transportStream}, transportStream, true},
	{"upgrade to websocket", []string{transportPolling, transportWebSocket}, transportWebSocket, false},
	{"upgrade to stream", []string{transportPolling, transportWebSocket, transportStream}, transportStream, true},
}

// polls reports whether the session has settled on polling.
func (r route) polls() bool { return r.settled == transportPolling }

// streams reports whether the client dials streams.
func (r route) streams() bool { return slices.Contains(r.transports, transportStream) }

// A scenario is what happens to a session on any route.
type scenario struct {
	name   string
	server Options
	client DialOptions
	on     func(r route) bool // whether it has a meaning on r; nil is yes
	seeds  uint64             // it runs so often, each time with other delays of the client's writes; 0 is once, without
	open   func(b *bothEnds)  // before the client dials; may be nil
	early  bool               // run begins as soon as Dial has returned, not after an upgrade
	run    func(b *bothEnds)
	ends   bool // the session has ended when run returns; else it is alive, and the client closes it
}

// bothEnds are a session's.
type bothEnds struct {
	*env
	route  route
	seed   uint64
	links  []*memnet.Link // all connections are made over these
	opts   *DialOptions
	client *endpoint
	server *recorder
}

// runScenarios runs each on each route.
func runScenarios(t *testing.T, scenarios []scenario) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			for _, r := range routes {
				if s.on != nil && !s.on(r) {
					continue
				}
				t.Run(r.name, func(t *testing.T) {
					for seed := range max(s.seeds, 1) {
						o := s.server
						if r.streams() {
							o.Transports = []string{transportPolling, transportWebSocket, transportStream}
						}
						bubble(t, &o, func(t *testing.T, e *env) { s.play(e, r, seed) })
					}
				})
			}
		})
	}
}

// play runs s on r, to the end of both ends.
func (s *scenario) play(e *env, r route, seed uint64) {
	o := s.client
	o.Transports = r.transports
	o.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	b := &bothEnds{env: e, route: r, seed: seed, opts: &o, client: newEndpoint(e.t)}
	o.NetDial = b.link(e.net).DialContext
	if s.seeds > 0 {
		o.NetDial = b.late(o.NetDial)
	}
	if r.streams() {
		l := memnet.Listen()
		defer l.Close()
		go serveStreams(e.Server, l, r.bare) // ends with l
		dial := b.link(l).DialContext
		if s.seeds > 0 {
			dial = b.late(dial)
		}
		o.DialStream = func(ctx context.Context, _ *http.Request) (io.ReadWriteCloser, error) {
			c, err := dial(ctx, "", "")
			if err != nil {
				return nil, err
			}
			return barely(c, r.bare), nil
		}
	}
	if s.open != nil {
		s.open(b)
	}
	_, err := Dial(e.t.Context(), "http://server",
		func(s *ClientSocket) Handler { b.client.socket = s; return b.client }, &o)
	if err != nil {
		e.t.Fatal(err)
	}
	defer func() {
		if b.t.Failed() { // maybe in the middle of run
			b.client.socket.Abort(TransportError, nil)
		}
	}()
	b.server = e.session(0)
	if !s.early {
		b.settle()
	}
	s.run(b)
	if !s.ends {
		b.alive()
		b.client.socket.Close()
		b.want(ForcedClose, TransportClose)
	}
	b.over()
}

// link is a way to l.
func (b *bothEnds) link(l *memnet.Listener) *memnet.Link {
	k := memnet.NewLink(l)
	b.links = append(b.links, k)
	return k
}

// serveStreams serves a session on each connection.
func serveStreams(s *Server, l net.Listener, bare bool) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go s.ServeStream(context.Background(), barely(c, bare), nil) // ends with the session
	}
}

// barely is c, or no more of it than a byte stream must have.
func barely(c net.Conn, bare bool) io.ReadWriteCloser {
	if bare {
		return struct{ io.ReadWriteCloser }{c}
	}
	return c
}

// late makes dial return connections that take their time to write, each a random one.
func (b *bothEnds) late(dial netDialer) netDialer {
	var conns atomic.Uint64
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &lateConn{Conn: c, rnd: rand.New(rand.NewPCG(b.seed, conns.Add(1)))}, nil
	}
}

// A lateConn delays each write.
type lateConn struct {
	net.Conn
	rnd *rand.Rand
}

func (c *lateConn) Write(p []byte) (int, error) {
	<-time.After(time.Duration(1+c.rnd.IntN(20)) * time.Millisecond)
	return c.Conn.Write(p)
}

// settle waits until an upgrade is over, and checks where the session is.
func (b *bothEnds) settle() {
	b.t.Helper()
	<-time.After(time.Second) // the server answers a late GET after a tick
	synctest.Wait()
	if c, s := b.client.socket.Transport(), b.server.socket.Transport(); c != b.route.settled || s != c {
		b.t.Fatalf("the client is on %s, the server on %s, want %s", c, s, b.route.settled)
	}
}

// alive checks that neither end has ended.
func (b *bothEnds) alive() {
	b.t.Helper()
	b.client.alive()
	b.server.alive()
}

// want waits for both ends, and checks their reasons.
func (b *bothEnds) want(client, server Reason) {
	b.t.Helper()
	b.client.want(client)
	b.server.want(server)
}

// over checks that the session has left nothing. The bubble checks the goroutines, and the env the rest of the server.
func (b *bothEnds) over() {
	b.t.Helper()
	for who, done := range map[string]<-chan struct{}{
		"HandleClose of the client": b.client.closed, "Done of the client": b.client.socket.Done(),
		"HandleClose of the server": b.server.closed,
	} {
		select {
		case <-done:
		default:
			b.t.Errorf("%s is missing", who)
		}
	}
	if err := b.client.socket.Send(SendOptions{}, text("late")); err != ErrClosed {
		b.t.Errorf("Send of the client after the end: %v", err)
	}
	if err := b.server.socket.Send(SendOptions{}, text("late")); err != ErrClosed && err != ErrSlowConsumer {
		b.t.Errorf("Send of the server after the end: %v", err)
	}
	if n := b.Count(); n != 0 {
		b.t.Errorf("the server has %d sessions left", n)
	}
	if m := b.Stats().Memory; m.Out != 0 || m.In != 0 || m.Held != 0 {
		b.t.Errorf("memory is left: %+v", m)
	}
	if open := b.clientConns(); len(open) > 0 {
		b.t.Errorf("left open: %v", open)
	}
}

// clientConns are the connections that the client has not closed.
func (b *bothEnds) clientConns() []string {
	var all []string
	for _, l := range b.links {
		_, ends := l.Open()
		all = append(all, slices.DeleteFunc(ends, func(s string) bool { return strings.HasPrefix(s, "the server's") })...)
	}
	return all
}

// network does something to all of the network.
func (b *bothEnds) network(f func(l *memnet.Link)) {
	for _, l := range b.links {
		f(l)
	}
}

func (b *bothEnds) freeze(d memnet.Direction) { b.network(func(l *memnet.Link) { l.Freeze(d) }) }
func (b *bothEnds) thaw(d memnet.Direction)   { b.network(func(l *memnet.Link) { l.Thaw(d) }) }

// send sends from the server, which must take it.
func (r *recorder) send(ms ...*Prepared) {
	r.t.Helper()
	if err := r.socket.Send(SendOptions{}, ms...); err != nil {
		r.t.Fatalf("Send: %v", err)
	}
}

// numbered are n messages that say which they are, of about so many bytes.
func numbered(n, size int) []*Prepared {
	all := make([]*Prepared, n)
	for i := range all {
		all[i] = text(fmt.Sprint(i, strings.Repeat("x", size)))
	}
	return all
}
