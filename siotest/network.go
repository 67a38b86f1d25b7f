package siotest

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"time"

	"sio.example/socketio/client"
	"sio.example/socketio/internal/memnet"
)

// A Direction is one in which bytes go, or both.
type Direction byte

// The directions.
const (
	ToServer Direction = Direction(memnet.ToServer)
	ToClient Direction = Direction(memnet.ToClient)
	Both     Direction = ToServer | ToClient
)

// A Way is how a connection ends that is cut.
type Way byte

// The ways.
const (
	// reads and writes fail at both ends with ECONNRESET, as after a crash or a strict firewall
	Reset Way = Way(memnet.Reset)
	Close Way = Way(memnet.Close) // both ends read io.EOF, as if each believed that the other had closed
	// nothing arrives any more and nobody is told, as on a radio link that is out of reach
	Hang Way = Way(memnet.Hang)
)

// A Network is what lies between a Server and some clients. It has no faults until it is told to.
//
// Those of the Network that is part of a Server count for all connections, those of one that NewNetwork made for the
// clients made with that one, too. A new Network for each client gives each its own faults.
//
// A fault that counts from now on also counts for the connections there are. What a client writes is buffered, up to
// 64 KiB in each direction of a connection; then writes wait.
type Network struct {
	server *Server
	link   *memnet.Link
}

// NewNetwork returns a Network with faults of its own, beside those of n.
func (n *Network) NewNetwork() *Network {
	return &Network{server: n.server, link: n.link.Sub()}
}

// Client returns a Manager whose connections go over the network; no socket is connected yet. opts count instead of
// Options.Client; nil means those. It is closed when the test ends.
//
// If opts.Engine.NetDial is set, it is used instead of the network; it may use DialContext. With an
// opts.Engine.HTTPClient whose Transport is not a *http.Transport, polling goes where that goes.
func (n *Network) Client(opts *client.Options) *client.Manager {
	return n.server.keep(client.NewManager(n.server.URL, n.options(opts)))
}

// Socket returns a socket, not connected yet, of a Manager of its own. Where listeners must be added before it
// connects, it is what to begin with:
//
//	s := server.Socket("/", nil)
//	s.On("hello", ...)
//	if err := s.Connect(t.Context()); err != nil {
//		t.Fatal(err)
//	}
func (n *Network) Socket(namespace string, opts *client.Options) *client.Socket {
	return n.Client(opts).Socket(namespace, nil)
}

// Dial returns a connected socket of a Manager of its own. It makes one attempt; if that fails, the test fails at once,
// so only the test's goroutine may call it. To look at the error, call Connect of a Socket.
func (n *Network) Dial(namespace string, opts *client.Options) *client.Socket {
	s := n.server
	s.tb.Helper()
	ctx, cancel := s.patience()
	defer cancel()
	sock := n.Socket(namespace, opts)
	first := make(chan error, 1)
	tell := func(err error) {
		select {
		case first <- err:
		default:
		}
	}
	// By a callback, so that one that is added when Dial has returned is never called for this connection.
	defer sock.OnConnect(func() { tell(nil) })()
	defer sock.OnConnectError(tell)()
	sock.Open()
	var err error
	select {
	case err = <-first:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = sock.Manager().Close()
		s.tb.Fatalf("siotest: dial %s: %v", sock.Namespace(), err)
	}
	return sock
}

// DialContext connects to the server, whatever the address is. The test must close the connection.
func (n *Network) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return n.link.DialContext(ctx, network, address)
}

// HTTPClient returns a client for plain HTTP requests to the server. Its idle connections are closed when the test
// ends.
func (n *Network) HTTPClient() *http.Client {
	return n.wire(&http.Client{})
}

// options are what a Manager of the network needs.
func (n *Network) options(opts *client.Options) *client.Options {
	var o client.Options
	if opts == nil {
		opts = n.server.opts.Client
	}
	if opts != nil {
		o = *opts
	}
	if o.RandomizationFactor == 0 {
		o.RandomizationFactor = -1
	}
	if o.Logger == nil {
		o.Logger = n.server.logger
	}
	if server := n.server.opts.Server; o.Parser == nil && server != nil {
		o.Parser = server.Parser
	}
	if o.Engine.NetDial == nil {
		o.Engine.NetDial = n.DialContext
	}
	if o.Engine.Proxy == nil {
		o.Engine.Proxy = noProxy
	}
	if o.Engine.HTTPClient != nil {
		o.Engine.HTTPClient = n.wire(o.Engine.HTTPClient)
	}
	return &o
}

func noProxy(*http.Request) (*url.URL, error) { return nil, nil }

// wire returns a copy of c that uses the network, if c has an ordinary transport.
func (n *Network) wire(c *http.Client) *http.Client {
	wired := *c
	var tr *http.Transport
	switch t := c.Transport.(type) {
	case nil:
		tr = new(http.Transport)
	case *http.Transport:
		tr = t.Clone()
	default:
		return &wired
	}
	tr.DialContext, tr.Proxy = n.DialContext, nil
	wired.Transport = tr
	n.server.keepHTTP(&wired)
	return &wired
}

// Drop resets all connections at once: both ends get an error, and what is under way is lost. New ones work.
func (n *Network) Drop() { n.link.Drop() }

// Hang lets nothing arrive any more on the connections of this moment, and tells nobody, as when a router forgets them
// or a phone changes networks. New ones work.
func (n *Network) Hang() { n.link.Hang() }

// Refuse lets new connections fail with ECONNREFUSED, until Allow. Those there are go on.
func (n *Network) Refuse() { n.link.Refuse(true) }

// Allow ends Refuse.
func (n *Network) Allow() { n.link.Refuse(false) }

// Freeze stops everything that goes in direction d: bytes, the ends of connections, and new connections, for which both
// directions are needed. Nothing is lost: it waits for Thaw.
func (n *Network) Freeze(d Direction) { n.link.Freeze(memnet.Direction(d)) }

// Thaw ends Freeze in direction d.
func (n *Network) Thaw(d Direction) { n.link.Thaw(memnet.Direction(d)) }

// SetDelay lets all bytes that are sent in direction d from now on arrive later by delay, in order; a new connection
// takes both delays to open. 0 ends it.
func (n *Network) SetDelay(d Direction, delay time.Duration) {
	n.link.SetDelay(memnet.Direction(d), delay)
}

// SetBandwidth lets so many bytes pass per second in direction d, of all connections together. 0 ends it.
func (n *Network) SetBandwidth(d Direction, bytesPerSecond int) {
	n.link.SetRate(memnet.Direction(d), bytesPerSecond)
}

// Cut ends a connection when so many bytes more were sent in direction d, which are counted over all connections: that
// of the last of them as soon as it is sent, or for 0 the one on which something is to be sent next. They still arrive.
// It happens once; then done is closed. In each direction the last Cut counts; a negative number ends it.
func (n *Network) Cut(d Direction, bytes int64, w Way) (done <-chan struct{}) {
	return n.link.Cut(memnet.Direction(d), bytes, memnet.Way(w))
}

// Heal ends all faults of this network, but for connections that hang.
func (n *Network) Heal() { n.link.Heal() }

// Conns is how many connections there are that not both ends have closed.
func (n *Network) Conns() int {
	count, _ := n.link.Open()
	return count
}

// Dials is how many connections were tried so far.
func (n *Network) Dials() int { return n.link.Dials() }

// Bytes is how many bytes were sent so far in the directions of d.
func (n *Network) Bytes(d Direction) int64 { return n.link.Bytes(memnet.Direction(d)) }
