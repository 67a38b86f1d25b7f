package siotest_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sio.example/socketio"
	"sio.example/socketio/client"
	"sio.example/socketio/siotest"
)

// A bulk is a server and a client of which one sends many events to the other, on virtual time.
type bulk struct {
	*testing.T
	transport string
	server    bool // is the one that handles
	options   func(s *socketio.Options, c *client.Options)
	io        *socketio.Socket
	client    *client.Socket
	handled   atomic.Int64
}

// each runs a test for each transport and each end.
func each(t *testing.T, options func(s *socketio.Options, c *client.Options), run func(b *bulk)) {
	for _, transport := range []string{"websocket", "polling", "polling,websocket"} {
		for _, server := range []bool{true, false} {
			t.Run(fmt.Sprint(transport, " server ", server), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := &bulk{T: t, transport: transport, server: server, options: options}
					b.connect()
					run(b)
					if !b.client.Connected() || !b.io.Connected() {
						t.Error("the connection is lost")
					}
				})
			})
		}
	}
}

func (b *bulk) connect() {
	so, co := &socketio.Options{}, &client.Options{DisableReconnection: true}
	co.Engine.Transports = strings.Split(b.transport, ",")
	if b.options != nil {
		b.options(so, co)
	}
	sockets := make(chan *socketio.Socket, 1)
	srv := siotest.NewServer(b.T, &siotest.Options{Server: so, Client: co, Setup: func(io *socketio.Server) {
		io.OnConnection(func(s *socketio.Socket) { sockets <- s })
	}})
	b.client = srv.Dial("/", nil)
	b.io = <-sockets
}

// handle adds a handler that calls fn with what asks the sender for an acknowledgement.
func (b *bulk) handle(fn func(ask func() error) error) {
	if b.server {
		b.client.On("ask", func(_ context.Context, e *client.Event) error { return e.Ack() })
		b.io.On("event", func(ctx context.Context, _ *socketio.Event) error {
			defer b.handled.Add(1)
			return fn(func() error { _, err := b.io.EmitWithAck(ctx, "ask"); return err })
		})
		return
	}
	b.io.On("ask", func(_ context.Context, e *socketio.Event) error { return e.Ack() })
	b.client.On("event", func(ctx context.Context, _ *client.Event) error {
		defer b.handled.Add(1)
		return fn(func() error { _, err := b.client.EmitWithAck(ctx, "ask"); return err })
	})
}

func (b *bulk) send(n int, args ...any) {
	for range n {
		emit := b.client.Emit
		if !b.server {
			emit = b.io.Emit
		}
		if err := emit("event", args...); err != nil {
			b.Fatal(err)
		}
	}
}

// want waits until n events are handled, for d at most.
func (b *bulk) want(n int64, d time.Duration) {
	b.Helper()
	for end := time.Now().Add(d); b.handled.Load() < n && time.Now().Before(end); {
		<-time.After(time.Second)
	}
	if got := b.handled.Load(); got != n {
		b.Errorf("%d of %d events are handled", got, n)
	}
}

// Who sends many events to a handler that takes its time loses neither the connection nor an event.
func TestBulkToASlowHandler(t *testing.T) {
	each(t, nil, func(b *bulk) {
		b.handle(func(func() error) error {
			<-time.After(100 * time.Millisecond)
			return nil
		})
		b.send(1000)
		b.want(1000, 101*time.Second)
	})
}

// The same when the reader has to wait for the handlers, and pings and pongs lie behind the events.
func TestBulkThatStopsTheReader(t *testing.T) {
	few := func(s *socketio.Options, c *client.Options) { s.MaxInboxBytes, c.MaxInboxBytes = 4000, 4000 }
	one := func(s *socketio.Options, c *client.Options) { s.MaxInboxBytes, c.MaxInboxBytes = 1, 1 }
	items := func(s *socketio.Options, c *client.Options) { s.MaxInbox, c.MaxInbox = 10, 10 }
	for _, options := range []func(s *socketio.Options, c *client.Options){few, one, items} {
		each(t, options, func(b *bulk) {
			b.handle(func(func() error) error {
				<-time.After(2 * time.Second)
				return nil
			})
			b.send(300)
			b.want(300, 601*time.Second)
			<-time.After(5 * time.Minute) // and it lives on
		})
	}
}

// A handler that takes longer than any timeout is the program's business.
func TestBulkToAHandlerThatHangs(t *testing.T) {
	few := func(s *socketio.Options, c *client.Options) { s.MaxInboxBytes, c.MaxInboxBytes = 4000, 4000 }
	each(t, few, func(b *bulk) {
		release := make(chan struct{})
		b.handle(func(func() error) error {
			<-release
			return nil
		})
		b.send(100)
		<-time.After(20 * time.Minute)
		close(release)
		b.want(100, time.Minute)
	})
}

// Handlers that wait for an acknowledgement of the peer get it though it comes behind thousands of events.
func TestBulkOfHandlersThatWaitForAcknowledgements(t *testing.T) {
	for _, n := range []int{300, 2000, 5000} {
		each(t, nil, func(b *bulk) {
			b.handle(func(ask func() error) error { return ask() })
			b.send(n)
			b.want(int64(n), time.Minute)
		})
	}
}

// The events of all namespaces share one budget, and a connection that is at its end goes on when any of them is
// handled.
func TestBulkToManyNamespaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handled, running, most atomic.Int64
		srv := siotest.NewServer(t, &siotest.Options{
			Server: &socketio.Options{MaxInboxBytes: 100_000},
			Setup: func(io *socketio.Server) {
				io.OfFunc(func(context.Context, string, socketio.Args) bool { return true }).
					OnConnection(func(s *socketio.Socket) {
						s.On("event", func(context.Context, *socketio.Event) error {
							most.Store(max(most.Load(), running.Add(1)))
							<-time.After(time.Second)
							running.Add(-1)
							handled.Add(1)
							return nil
						})
					})
			}})
		m := srv.Client(nil)
		const n, each = 50, 4
		for i := range n {
			s := m.Socket(fmt.Sprint("/", i), nil)
			if err := s.Connect(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for range each {
			for i := range n {
				if err := m.Socket(fmt.Sprint("/", i), nil).Emit("event", strings.Repeat("x", 9000)); err != nil {
					t.Fatal(err)
				}
			}
		}
		<-time.After(5 * time.Minute)
		if got := handled.Load(); got != n*each {
			t.Errorf("%d events are handled", got)
		}
		if got := most.Load(); got > 10 {
			t.Errorf("%d events of 9,000 bytes are held at a time", got)
		}
	})
}
