package accounting

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	socketio "sio.example/socketio"
	"sio.example/socketio/engineio"
	"sio.example/socketio/test/internal/wire"
)

const sessions = 2000 // of each kind and ending

// An opening is a kind of session.
type opening struct {
	name string
	open func(wire.Target) (*wire.Session, error)
}

var openings = []opening{
	{"polling", func(t wire.Target) (*wire.Session, error) { return wire.OpenPolling(t, nil) }},
	{"websocket", func(t wire.Target) (*wire.Session, error) { return wire.OpenWebSocket(t, nil) }},
	{"upgraded", func(t wire.Target) (*wire.Session, error) {
		s, err := wire.OpenPolling(t, nil)
		if err != nil {
			return nil, err
		}
		if err := s.Upgrade(); err != nil {
			s.Abort()
			return nil, err
		}
		return s, nil
	}},
}

// An ending is a way a session ends, and the reasons the server may give for it on polling and on WebSocket.
type ending struct {
	name      string
	end       func(*wire.Session) error
	polling   socketio.DisconnectReason
	websocket socketio.DisconnectReason
	impatient bool // with a heartbeat so quick that its end can be waited for
}

// batch is how many sessions there are at a time.
func (e ending) batch() int {
	if e.impatient {
		return sessions / 2 // each takes as long as a ping timeout
	}
	return sessions / 10
}

var endings = []ending{
	{
		name: "client leaves the namespace and closes",
		end: func(s *wire.Session) error {
			return errors.Join(s.Send(wire.Txt("41")), s.Close())
		},
		polling: socketio.ReasonClientDisconnect, websocket: socketio.ReasonClientDisconnect,
	},
	{
		name: "client closes",
		end:  (*wire.Session).Close, polling: socketio.ReasonTransportClose, websocket: socketio.ReasonTransportClose,
	},
	{
		name: "client vanishes",
		end: func(s *wire.Session) error {
			defer s.Abort()
			if s.WebSocket() == nil {
				return s.StartPoll() // what tells the server is the request that breaks
			}
			return nil
		},
		polling: socketio.ReasonTransportError, websocket: socketio.ReasonTransportClose,
	},
	{
		name: "server disconnects",
		end: func(s *wire.Session) error {
			return errors.Join(s.Emit("kick-all"), readToEnd(s))
		},
		polling: socketio.ReasonServerDisconnect, websocket: socketio.ReasonServerDisconnect,
	},
	{
		name: "server cuts the connection",
		end: func(s *wire.Session) error {
			return errors.Join(s.Emit("cut"), readToEnd(s))
		},
		polling: socketio.ReasonTransportError, websocket: socketio.ReasonTransportError,
	},
	{
		name: "heartbeat stays unanswered",
		end: func(s *wire.Session) error {
			s.NoPong = true
			return readToEnd(s)
		},
		polling: socketio.ReasonPingTimeout, websocket: socketio.ReasonPingTimeout,
		impatient: true,
	},
}

// readToEnd reads until the server has ended the session, in whatever way, and lets the connections go.
func readToEnd(s *wire.Session) error {
	defer s.Abort()
	for {
		_, err := s.Next()
		var timeout net.Error
		switch {
		case err == nil:
		case errors.As(err, &timeout) && timeout.Timeout():
			return fmt.Errorf("the server does not end the session: %w", err)
		default:
			return nil
		}
	}
}

// TestSessionsLeaveNothing opens thousands of sessions of each kind and ends them in each way.
func TestSessionsLeaveNothing(t *testing.T) {
	growRuntime()
	warm := serve(t, endings[0]) // what a process makes once and keeps is made here
	for _, o := range openings {
		warm.batch(t, o, endings[0])
	}
	warm.close(t)

	for _, o := range openings {
		for _, e := range endings {
			t.Run(o.name+"/"+e.name, func(t *testing.T) {
				before := take(t)
				srv := serve(t, e)
				srv.batch(t, o, e) // fills tables and pools
				settleServed(t, srv)
				base := take(t)
				for done := e.batch(); done < sessions; done += e.batch() {
					srv.batch(t, o, e)
				}
				settleServed(t, srv)
				settle(t, base)

				srv.check(t, o, e)
				srv.close(t)
				settle(t, before)
			})
		}
	}
}

// server is a Socket.IO server on loopback that counts how its sockets end.
type server struct {
	io     *socketio.Server
	http   *http.Server
	served chan error
	target wire.Target

	mu      sync.Mutex
	reasons map[socketio.DisconnectReason]int
	gone    chan struct{} // one for each disconnect
}

func serve(t *testing.T, e ending) *server {
	t.Helper()
	opts := &socketio.Options{}
	if e.impatient {
		// A slow machine must still manage to connect all of a batch, which answers pings until then.
		opts.Engine.PingInterval, opts.Engine.PingTimeout = 500*time.Millisecond, 10*time.Second
	}
	s := &server{
		io:      socketio.NewServer(opts),
		served:  make(chan error, 1),
		reasons: map[socketio.DisconnectReason]int{},
		gone:    make(chan struct{}, e.batch()),
	}
	s.io.OnConnection(func(sock *socketio.Socket) {
		sock.OnDisconnect(func(r socketio.DisconnectReason) {
			s.mu.Lock()
			s.reasons[r]++
			s.mu.Unlock()
			s.gone <- struct{}{}
		})
		if err := sock.Join("everybody", "room of "+sock.ID()); err != nil {
			t.Error(err)
		}
		sock.On("echo", func(_ context.Context, e *socketio.Event) error { return sock.Emit("echo", e.Args) })
		sock.On("kick-all", func(context.Context, *socketio.Event) error {
			sock.Disconnect(true)
			return nil
		})
		sock.On("cut", func(context.Context, *socketio.Event) error {
			sock.Conn().CloseWith(engineio.TransportError, true, "cut")
			return nil
		})
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.target = wire.Target{Addr: ln.Addr().String()}
	s.http = &http.Server{Handler: s.io}
	go func() { s.served <- s.http.Serve(ln) }() // owned by server; close ends it and waits
	return s
}

// batch opens some sessions at once, uses them, ends them, and waits until the server has noticed.
func (s *server) batch(t *testing.T, o opening, e ending) {
	t.Helper()
	n := e.batch()
	var wg sync.WaitGroup
	errs := make(chan error, n)
	doors := make(chan struct{}, 50) // so many open at a time, that none waits until its heartbeat is over
	for range n {
		wg.Go(func() { // owned by batch, which waits
			doors <- struct{}{}
			c, err := s.open(o)
			<-doors
			if err == nil {
				err = e.end(c)
			}
			if err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Fatal(err)
	}
	deadline := time.After(patience)
	for i := range n {
		select {
		case <-s.gone:
		case <-deadline:
			t.Fatalf("%d of %d disconnects were not noticed", n-i, n)
		}
	}
}

// open opens a session and uses it.
func (s *server) open(o opening) (*wire.Session, error) {
	c, err := o.open(s.target)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	if _, err = c.Connect("/", `{"token":"x"}`); err == nil {
		if err = c.Emit("echo", "hello", 1); err == nil {
			_, err = c.Expect(`42["echo","hello",1]`)
		}
	}
	if err != nil {
		c.Abort()
		return nil, fmt.Errorf("use: %w", err)
	}
	return c, nil
}

// settleServed waits until the server counts no session any more.
func settleServed(t *testing.T, s *server) {
	t.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for s.io.Engine().Count() > 0 {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("the server still counts %d sessions", s.io.Engine().Count())
		}
	}
}

// check compares the server's own books with what was done.
func (s *server) check(t *testing.T, o opening, e ending) {
	t.Helper()
	want := e.websocket
	if o.name == "polling" {
		want = e.polling
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.reasons) != 1 || s.reasons[want] != sessions {
		t.Errorf("reasons: %v, want only %q", s.reasons, want)
	}
	st := s.io.Stats()
	if st.Sockets != 0 || st.Engine.Sessions != 0 || st.Engine.Polling != 0 || st.Engine.WebSocket != 0 {
		t.Errorf("the server still counts: %+v", st)
	}
	if st.Engine.Opened != sessions || st.Connects != sessions {
		t.Errorf("opened %d, connected %d, want %d", st.Engine.Opened, st.Connects, sessions)
	}
	if o.name == "upgraded" && st.Engine.Upgraded != sessions {
		t.Errorf("upgraded %d, want %d", st.Engine.Upgraded, sessions)
	}
	var closed uint64
	for _, n := range st.Engine.Closed {
		closed += n
	}
	if closed != sessions {
		t.Errorf("closed %v, want %d", st.Engine.Closed, sessions)
	}
	if rooms := s.rooms(t); rooms != 0 {
		t.Errorf("%d sockets are still in the room", rooms)
	}
}

func (s *server) rooms(t *testing.T) int {
	t.Helper()
	left, err := s.io.In("everybody").FetchSockets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(left)
}

func (s *server) close(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.io.Shutdown(ctx); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if err := s.http.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if err := <-s.served; !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, io.EOF) {
		t.Errorf("serve: %v", err)
	}
}
